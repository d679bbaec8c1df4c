// dW = scale * (sum over n of M G X). Reference: src/reference/weight_gradient.rs.
//
//% from "tile" import tile_head
${tile_head("o", "i", "n")-}
//
// The forward pass (forward.wgsl, and its departures), but the sums are over examples, four at a time.
//% if planes != "none"
// Bricks are those of the forward pass: same coordinates, same words.
//% endif
//% if workgroup_tile
// Operands are taken example by example, which holds few of them in registers.
//% endif
//% from "tile" import begin_tile, quad_column, k_loop, tile_masks, kept, shared_parts, add_up_parts, store_rows
//% from "workgroup_tile" import row_quad, column_quad
//% set xyzw = "xyzw"

${shared_parts()}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_tile("o", "i")}
//% for c in range(4 * rows)
//% for q in range(2 * columns)
    var sum_${c}_${q} = vec4(0.0);
//% endfor
//% endfor
//% if not workgroup_tile
    // Columns past the last: outside a row where elements are loaded one by one, which reads 0, else the last quad
    // again. Their sums are never stored.
//% for q in range(2 * columns)
    let i_${q} = ${quad_column("i", q, 2)};
//% endfor
//% for row in range(rows)
    let o_${row} = ${quad_column("o", row, 1)};
//% endfor
//% endif

//% call k_loop("n")
//% for turn in range(4 if workgroup_tile else 1)
//% set turns = [turn] if workgroup_tile else range(4)
//% for r in turns
//% if not workgroup_tile
        // An example that does not exist has no gradient; the row read in its place is the nearest one.
        let row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
        let exists_${r} = vec4(n + ${r} == i32(row_${r}));
//% endif
//% for q in range(2 * columns)
        let x_${r}_${q} = ${column_quad(r, q, "x_quad(row_" ~ r ~ ", i_" ~ q ~ ")")};
//% endfor
//% endfor
//% if sharing != "tile" and turn == 0
        ${tile_masks("o", "i")-}
//% endif
//% for row in range(rows)
//% for r in turns
//% set read = "select(vec4(0.0), g_quad(row_" ~ r ~ ", o_" ~ row ~ "), exists_" ~ r ~ ")"
        let g_${r}_${row} = ${row_quad(r, row, read)};
//% endfor
//% for column in range(columns)
//% for r in turns
//% for c in range(4)
//% for q in range(2 * column, 2 * column + 2)
//% set sum = "sum_" ~ (4 * row + c) ~ "_" ~ q
//% set decision = kept("keep_" ~ row ~ "_" ~ column ~ "." ~ xyzw[r], 8 * c + 4 * (q % 2))
        ${sum} = add_kept_row(${sum}, g_${r}_${row}.${xyzw[c]}, x_${r}_${q}${decision});
//% endfor
//% endfor
//% endfor
//% endfor
//% endfor
//% endfor
//% endcall
    ${add_up_parts()}
//% if sharing == "tile"
    // One mask for all examples: it is applied to their sum.
//% for row in range(rows)
//% for column in range(columns)
    let keep_${row}_${column} = shared_word(input_block + ${column}u, output_block + ${row}u, 0u);
//% for c in range(4)
//% for q in range(2 * column, 2 * column + 2)
//% set sum = "sum_" ~ (4 * row + c) ~ "_" ~ q
    ${sum} = keep_quad(${sum}, keep_${row}_${column}, ${8 * c + 4 * (q % 2)}u);
//% endfor
//% endfor
//% endfor
//% endfor
//% endif
    ${store_rows("o")-}
}
