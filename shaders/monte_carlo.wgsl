// Mean and variance of Y over many masks, one launch. Reference: src/reference/monte_carlo.rs.
//
// A thread sums up its tile once per sample, as in the forward pass (forward.wgsl, and its departures), under that
// sample's key, and updates mean and variance where they live, in the results: it alone touches them.
//
//% from "tile" import tile_head
${tile_head("n", "o", "i")-}
//% from "tile" import begin_tile, shared_parts, each_row, row_index, sum_quad
//% from "forward_tile" import sum_tile, read_bias, bias_mask, plus_bias

@group(0) @binding(${operands|length + 1}) var<storage, ${access}> keys: array<vec2<u32>>;

// The key of the current sample.
var<private> sample_key: vec2<u32>;

${shared_parts()}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_tile("n", "o")-}
    ${read_bias()-}
    for (var t = 0u; t < params.samples; t++) {
        let count = params.first_sample + t + 1u;
        sample_key = keys[${keys_base} + t];
        ${sum_tile()-}
//% if workgroup_tile
        if inside {
//% endif
//% call(k) each_row(scalars=true)
//% for column in range(columns)
        ${bias_mask(k, column, looped_rows)-}
//% for r in range(4)
//% set sums = sum_quad(4 * k + r, column, true)
//% set row = row_index("n", k, r, looped_rows)
//% if bias
        update_quad(
            ${row},
            o + ${4 * column},
            params.scale * ${sums}${plus_bias(k, column, r)},
            count,
        );
//% else
        update_quad(${row}, o + ${4 * column}, params.scale * ${sums}, count);
//% endif
//% endfor
//% endfor
//% endcall
//% if workgroup_tile
        }
//% endif
    }
}
