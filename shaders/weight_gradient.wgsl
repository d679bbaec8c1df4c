// dW = scale * (sum over n of M G X). Twin: src/reference/weight_gradient.rs.
//
// A thread owns ${rows} x ${columns} bricks, ${4 * rows} outputs by ${8 * columns} inputs, and walks the examples four at a
// time. Its bricks are those of the forward pass: same global block coordinates, same words.
//% set xyzw = "xyzw"

//% if split > 1
// ${split} threads share a tile, each with a part of the sums.
var<workgroup> parts: array<vec4<f32>, ${shared_quads}>;

//% endif
@compute @workgroup_size(${workgroup_x}, ${workgroup_y}, ${split})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y * ${workgroup_y}u + ${local_y};
    let tile_column = group.x * ${workgroup_x}u + local.x;
    let o = i32(tile_row * ${4 * rows}u) - params.output_shift;
    let i = i32(tile_column * ${8 * columns}u) - params.input_shift;
//% if split > 1
    // A barrier is for all threads: those outside come along, with nothing to walk.
    let inside = o < i32(params.outputs) && i < i32(params.inputs);
//% else
    if o >= i32(params.outputs) || i >= i32(params.inputs) {
        return;
    }
//% endif
    let output_block = params.output_block + tile_row * ${rows}u;
    let input_block = params.input_block + tile_column * ${columns}u;
//% for c in range(4 * rows)
//% for half in range(2 * columns)
    var sum_${c}_${half} = vec4(0.0);
//% endfor
//% endfor
    // Columns past the last: outside a row where elements are loaded one by one, which reads 0, else the
    // last quad again. Their sums are never stored.
//% for half in range(2 * columns)
    let i_${half} = ${"min(i + " ~ 4 * half ~ ", i32(params.inputs) - 4)" if vector and half > 1 else "i + " ~ 4 * half};
//% endfor
//% for row in range(rows)
    let o_${row} = ${"min(o + " ~ 4 * row ~ ", i32(params.outputs) - 4)" if vector and row > 0 else "o + " ~ 4 * row};
//% endfor

//% set blocks = "(params.examples + u32(params.example_shift) + 3u) / 4u"
    let blocks = ${"select(0u, " ~ blocks ~ ", inside)" if split > 1 else blocks};
    for (var block = ${first_block}; block < blocks; block += ${split}u) {
        let n = i32(block * 4u) - params.example_shift;
//% for r in range(4)
        // An example that does not exist has no gradient; the row read in its place is the nearest one.
        let row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
        let exists_${r} = vec4(n + ${r} == i32(row_${r}));
//% for half in range(2 * columns)
        let x_${r}_${half} = x_quad(row_${r}, i_${half});
//% endfor
//% endfor
//% if sharing != "tile"
//% set at = "vec3(input_block + COLUMNu, output_block + ROWu, params.example_block + block)"
//% set example = "n"
//% include "tile_masks"
//% endif
//% for row in range(rows)
//% for r in range(4)
        let g_${r}_${row} = select(vec4(0.0), g_quad(row_${r}, o_${row}), exists_${r});
//% endfor
//% for column in range(columns)
//% for r in range(4)
//% for c in range(4)
//% for half in range(2)
//% set o = 4 * row + c
//% set at = 2 * column + half
        sum_${o}_${at} = add_kept_row(sum_${o}_${at}, g_${r}_${row}.${xyzw[c]}, x_${r}_${at}, ${"~0u" if sharing == "tile" else "keep_" ~ row ~ "_" ~ column ~ "." ~ xyzw[r]}, ${8 * c + 4 * half}u);
//% endfor
//% endfor
//% endfor
//% endfor
//% endfor
    }
//% if split > 1

//% set scalars = false
//% include "split_sums"
//% endif

//% if sharing == "tile"
    // One mask for all examples: it is applied to their sum.
//% for row in range(rows)
//% for column in range(columns)
    let keep_${row}_${column} = shared_word(input_block + ${column}u, output_block + ${row}u, 0u);
//% for c in range(4)
//% for half in range(2)
//% set sum = "sum_" ~ (4 * row + c) ~ "_" ~ (2 * column + half)
    ${sum} = keep_quad(${sum}, keep_${row}_${column}, ${8 * c + 4 * half}u);
//% endfor
//% endfor
//% endfor
//% endfor
//% endif
//% for row in range(1 if rolled else rows)
//% if rolled
    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to
    // compile than all the rest.
    for (var row = 0; row < ${rows}; row++) {
//% else
    {
        let row = ${row};
//% endif
//% for c in range(4)
//% for half in range(2 * columns)
        store_result_quad(o + 4 * row + ${c}, i + ${4 * half}, params.scale * sum_${4 * row + c}_${half});
//% endfor
//% endfor
//% if rolled
//% for c in range(4 * rows - 4)
//% for half in range(2 * columns)
        sum_${c}_${half} = sum_${c + 4}_${half};
//% endfor
//% endfor
//% endif
    }
//% endfor
}
