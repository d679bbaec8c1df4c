// dX = scale * (sum over o of M W G). Reference: src/reference/input_gradient.rs.
//
//% from "tile" import tile_head
${tile_head("n", "i", "o")-}
//
// The forward pass (forward.wgsl, and its departures), but the sums are over outputs, four at a time.
//% if planes != "none"
// Bricks are those of the forward pass: same coordinates, same words.
//% endif
//
//% if workgroup_tile
// Operands are taken output by output, which holds few of them in registers.
//% else
// All four outputs of a step are taken together: sums that find no registers, as in the wide tiles of software
// adapters, are then fetched once.
//% endif
//% from "tile" import begin_tile, quad_column, k_loop, tile_masks, kept, shared_parts, add_up_parts, store_rows
//% from "workgroup_tile" import row_quad, column_quad
//% set xyzw = "xyzw"

${shared_parts()}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_tile("n", "i")}
//% if not workgroup_tile
    // Rows past either end repeat the nearest one; their sums are never stored.
//% for r in range(4 * rows)
    let g_row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
//% endfor
//% endif
//% for r in range(4 * rows)
//% for q in range(2 * columns)
    var sum_${r}_${q} = vec4(0.0);
//% endfor
//% endfor
//% if vector and not workgroup_tile
    // And so do columns past the last.
//% for q in range(2 * columns)
    let i_${q} = ${quad_column("i", q, 2)};
//% endfor
//% endif

//% if sharing == "tile"
    let shared_coordinate = mask_coordinate(n);
//% endif
//% call k_loop("o")
        ${tile_masks("n", "i")-}
//% if sharing == "tile"
        // The weights are masked once, as they are read.
//% for column in range(columns)
        let keep_${column} = keep_0_${column}[shared_coordinate & 3u];
//% endfor
//% endif
//% for turn in range(4 if workgroup_tile else 1)
//% set turns = [turn] if workgroup_tile else range(4)
//% for c in turns
//% if not (vector or workgroup_tile)
        // An output that does not exist weighs nothing, whatever the row read in its place holds.
        let w_row_${c} = u32(clamp(o + ${c}, 0, i32(params.outputs) - 1));
        let exists_${c} = vec4(o + ${c} == i32(w_row_${c}));
//% endif
//% for q in range(2 * columns)
//% if workgroup_tile
//% set read = column_quad(c, q, "")
//% elif vector
//% set read = "w_quad(u32(o + " ~ c ~ "), i_" ~ q ~ ")"
//% else
//% set read = "select(vec4(0.0), w_quad(w_row_" ~ c ~ ", i + " ~ 4 * q ~ "), exists_" ~ c ~ ")"
//% endif
//% if sharing == "tile"
        let w_${c}_${q} = keep_quad(${read}, keep_${q // 2}, ${8 * c + 4 * (q % 2)}u);
//% else
        let w_${c}_${q} = ${read};
//% endif
//% endfor
//% endfor
//% for row in range(rows)
//% for r in range(4 * row, 4 * row + 4) if turn == 0
        let g_${r} = ${row_quad(0, r, "g_quad(g_row_" ~ r ~ ", o)")};
//% endfor
//% for column in range(columns)
//% for r in range(4)
//% for c in turns
//% for q in range(2 * column, 2 * column + 2)
//% set sum = "sum_" ~ (4 * row + r) ~ "_" ~ q
//% set decision = kept("keep_" ~ row ~ "_" ~ column ~ "." ~ xyzw[r], 8 * c + 4 * (q % 2))
        ${sum} = add_kept_row(${sum}, g_${4 * row + r}.${xyzw[c]}, w_${c}_${q}${decision});
//% endfor
//% endfor
//% endfor
//% endfor
//% endfor
//% endfor
//% endcall
    ${add_up_parts()}
    ${store_rows("n")-}
}
