// The masks of a tile's bricks in one step of a pass: word k of keep_ROW_COLUMN is for example k of that brick.
// Part of the passes, each of which says where its bricks are (`at`) and which example a word is for (`example`).
// Where the whole tile has one mask, its bricks are those of one row, and a word of them is for all examples.
// Twin: src/mask/brick.rs.
//% set brick_rows = 1 if sharing == "tile" else rows
//% if sharing == "rows"
//% for row in range(rows)
//% for column in range(columns)
        let block_${row}_${column} = ${at|replace("ROW", row)|replace("COLUMN", column)};
        let keep_${row}_${column} = vec4(
//% for r in range(4)
            shared_word(block_${row}_${column}.x, block_${row}_${column}.y, mask_coordinate(${example|replace("ROW", row)} + ${r})),
//% endfor
        );
//% endfor
//% endfor
//% elif planes == "many" and rolled
        // Plane by plane for the whole tile: one loop and not one for each brick, in which the rounds of one
        // brick do not wait for those of another.
//% for row in range(brick_rows)
//% for column in range(columns)
        let block_${row}_${column} = ${at|replace("ROW", row)|replace("COLUMN", column)};
        var keep_${row}_${column} = tail_planes(block_${row}_${column});
//% endfor
//% endfor
        for (var j = min(params.bits, 8u); j > 0u; j--) {
//% for row in range(brick_rows)
//% for column in range(columns)
            keep_${row}_${column} = next_plane(keep_${row}_${column}, block_${row}_${column}, j - 1u);
//% endfor
//% endfor
        }
//% else
//% for row in range(brick_rows)
//% for column in range(columns)
        let keep_${row}_${column} = brick(${at|replace("ROW", row)|replace("COLUMN", column)});
//% endfor
//% endfor
//% endif
