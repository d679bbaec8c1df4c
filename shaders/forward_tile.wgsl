// The sums of a tile: sum_N_O for example N and output O of the thread. Part of forward.wgsl and
// monte_carlo.wgsl. Twin: src/reference/forward.rs.
//% set xyzw = "xyzw"
    // Rows past either end repeat the nearest one; their sums are never stored.
//% for r in range(4 * rows)
    let x_row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
//% endfor
//% for c in range(4 * columns)
    let w_row_${c} = u32(clamp(o + ${c}, 0, i32(params.outputs) - 1));
//% endfor
//% for r in range(4 * rows)
//% for c in range(4 * columns)
    var sum_${r}_${c} = 0.0;
//% endfor
//% endfor

//% if sharing == "tile"
    let shared_coordinate = mask_coordinate(n);
//% endif
//% set blocks = "(params.inputs + u32(params.input_shift) + 7u) / 8u"
    let blocks = ${"select(0u, " ~ blocks ~ ", inside)" if split > 1 else blocks};
    for (var block = ${first_block}; block < blocks; block += ${split}u) {
        let i = i32(block * 8u) - params.input_shift;
//% set example_at = "shared_coordinate / 4u" if sharing == "tile" else "example_block + ROWu"
//% set at = "vec3(params.input_block + block, output_block + COLUMNu, " ~ example_at ~ ")"
//% set example = "n + 4 * ROW"
//% include "tile_masks"
//% if sharing == "tile"
        // The weights are masked once, as they are read.
//% for column in range(columns)
        let keep_${column} = keep_0_${column}[shared_coordinate & 3u];
//% for c in range(4)
        let w_${4 * column + c}_0 = keep_quad(w_quad(w_row_${4 * column + c}, i), keep_${column}, ${8 * c}u);
        let w_${4 * column + c}_1 = keep_quad(w_quad(w_row_${4 * column + c}, i + 4), keep_${column}, ${8 * c + 4}u);
//% endfor
//% endfor
//% else
//% for c in range(4 * columns)
        let w_${c}_0 = w_quad(w_row_${c}, i);
        let w_${c}_1 = w_quad(w_row_${c}, i + 4);
//% endfor
//% endif
//% for row in range(rows)
//% for r in range(4 * row, 4 * row + 4)
        let x_${r}_0 = x_quad(x_row_${r}, i);
        let x_${r}_1 = x_quad(x_row_${r}, i + 4);
//% endfor
//% for column in range(columns)
//% for r in range(4)
//% for c in range(4)
//% set n = 4 * row + r
//% set o = 4 * column + c
        sum_${n}_${o} = add_kept_dot(sum_${n}_${o}, x_${n}_0, x_${n}_1, w_${o}_0, w_${o}_1, ${"~0u" if sharing == "tile" else "keep_" ~ row ~ "_" ~ column ~ "." ~ xyzw[r]}, ${8 * c}u);
//% endfor
//% endfor
//% endfor
//% endfor
    }
