// db = sum over n of G, or scale * (sum over n of Mb G) where the bias is masked.
// Reference: src/reference/bias_gradient.rs.
//
// A row of ${workgroup_x} threads owns ${4 * workgroup_x} outputs; the ${workgroup_y} rows of the workgroup
// share the examples and add up their parts in a fixed order, so that a result is the same run after run.
//% set xyzw = "xyzw"

var<workgroup> parts: array<vec4<f32>, ${workgroup_x * workgroup_y}>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_column = workgroup.x * ${workgroup_x}u + local.x;
    let o = i32(tile_column * 4u) - params.output_shift;
    var sum = vec4(0.0);
    if o < i32(params.outputs) {
        let blocks = (params.examples + u32(params.example_shift) + 3u) / 4u;
//% if blocked
        // A total of sums of ${4 * block_steps} terms: one f32 of very many rounds most of each away.
        var total = vec4(0.0);
        for (var begin = local.y; begin < blocks; begin += ${block_steps * workgroup_y}u) {
            let end = min(begin + ${block_steps * workgroup_y}u, blocks);
//% endif
            for (var block = ${"begin; block < end" if blocked else "local.y; block < blocks"}; block += ${workgroup_y}u) {
                let n = i32(block * 4u) - params.example_shift;
                // The brick of the virtual inputs that decide masked biases: their lane 0.
//% if sharing == "each"
                let coordinates = vec2(params.output_block + tile_column, params.example_block + block);
                let keep = brick(vec3(BIAS_INPUT_BLOCK, coordinates));
//% else
                let keep = vec4(
//% for r in range(4)
                    shared_word(BIAS_INPUT_BLOCK, params.output_block + tile_column, mask_coordinate(n + ${r})),
//% endfor
                );
//% endif
//% for r in range(4)
                let row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
                let g_${r} = select(vec4(0.0), g_quad(row_${r}, o), vec4(n + ${r} == i32(row_${r})));
                let kept_${r} = (vec4(keep.${xyzw[r]}) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u);
                sum += select(vec4(0.0), g_${r}, kept_${r});
//% endfor
            }
//% if blocked
            total += sum;
            sum = vec4(0.0);
        }
        sum = total;
//% endif
    }
    parts[local.y * ${workgroup_x}u + local.x] = sum;
    workgroupBarrier();
    if local.y == 0u {
        for (var y = 1u; y < ${workgroup_y}u; y++) {
            sum += parts[y * ${workgroup_x}u + local.x];
        }
        store_result_quad(0, o, params.scale * sum);
    }
}
