// Y = scale * (sum over i of M W X) + b. Twin: src/reference/forward.rs.
//
// A thread owns ${rows} x ${columns} bricks of outputs, ${4 * rows} examples by ${4 * columns} outputs, and walks the inputs
// eight at a time: one brick a step for each of its own, so that no mask word is computed twice. The
// brick is a function of global block coordinates alone, which is why the gradients, with other
// tiles and another order, see the same mask.
//% set xyzw = "xyzw"

//% if split > 1
// ${split} threads share a tile, each with a part of the sums.
var<workgroup> parts: array<vec4<f32>, ${shared_quads}>;

//% endif
@compute @workgroup_size(${workgroup_x}, ${workgroup_y}, ${split})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y * ${workgroup_y}u + ${local_y};
    let tile_column = group.x * ${workgroup_x}u + local.x;
    let n = i32(tile_row * ${4 * rows}u) - params.example_shift;
    let o = i32(tile_column * ${4 * columns}u) - params.output_shift;
//% if split > 1
    // A barrier is for all threads: those outside come along, with nothing to walk.
    let inside = n < i32(params.examples) && o < i32(params.outputs);
//% else
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
//% endif
    let example_block = params.example_block + tile_row * ${rows}u;
    let output_block = params.output_block + tile_column * ${columns}u;

//% include "forward_tile"
//% if split > 1

//% set scalars = true
//% include "split_sums"
//% endif

//% if bias
//% for column in range(columns)
//% if vector and column > 0
    // Columns past the last repeat it; their sums are never stored.
    let bias_${column} = bias_quad(0u, min(o + ${4 * column}, i32(params.outputs) - 4));
//% else
    let bias_${column} = bias_quad(0u, o + ${4 * column});
//% endif
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
//% for column in range(columns)
//% if bias
        // Brick of the virtual inputs that decide masked biases: their lane 0.
        var keep_bias_${column} = vec4(~0u);
        if params.masked_bias == 1u {
//% if sharing == "each"
            keep_bias_${column} = brick(vec3(~0u, output_block + ${column}u, example_block + u32(row)));
//% else
//% for r in range(4)
            keep_bias_${column}.${xyzw[r]} = shared_word(~0u, output_block + ${column}u, mask_coordinate(n + 4 * row + ${r}));
//% endfor
//% endif
        }
//% endif
//% for r in range(4)
//% set n = 4 * row + r
//% set o = 4 * column
//% set sums = "vec4(sum_" ~ n ~ "_" ~ o ~ ", sum_" ~ n ~ "_" ~ (o + 1) ~ ", sum_" ~ n ~ "_" ~ (o + 2) ~ ", sum_" ~ n ~ "_" ~ (o + 3) ~ ")"
//% if not bias
        store_result_quad(n + 4 * row + ${r}, o + ${o}, params.scale * ${sums});
//% else
        store_result_quad(n + 4 * row + ${r}, o + ${o}, params.scale * ${sums} + kept_bias(bias_${column}, keep_bias_${column}.${xyzw[r]}));
//% endif
//% endfor
//% endfor
//% if rolled
//% for n in range(4 * rows - 4)
//% for o in range(4 * columns)
        sum_${n}_${o} = sum_${n + 4}_${o};
//% endfor
//% endfor
//% endif
    }
//% endfor
}
