// Mean and variance of Y over many masks, one launch. Twin: src/reference/monte_carlo.rs.
//
// A thread walks its tile once per pass, as the forward pass does, under that pass's key, and updates mean and
// variance where they live, in the results: it alone touches them.
//% set xyzw = "xyzw"

@group(0) @binding(${operands|length + 1}) var<storage, ${access}> keys: array<vec2<u32>>;

var<private> round_keys: array<vec4<u32>, 5>;

// The key words of the current pass's rounds.
fn expand(key: vec2<u32>) {
    var k = key;
//% for round in range(rounds)
//% set pair = "xy" if round % 2 == 0 else "zw"
    round_keys[${round // 2}].${pair[0]} = k.x;
    round_keys[${round // 2}].${pair[1]} = k.y;
    k += vec2(${key_step[0]}u, ${key_step[1]}u);
//% endfor
}

@compute @workgroup_size(${workgroup_x}, ${workgroup_y})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y * ${workgroup_y}u + ${local_y};
    let tile_column = group.x * ${workgroup_x}u + local.x;
    let n = i32(tile_row * ${4 * rows}u) - params.example_shift;
    let o = i32(tile_column * ${4 * columns}u) - params.output_shift;
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    let example_block = params.example_block + tile_row * ${rows}u;
    let output_block = params.output_block + tile_column * ${columns}u;
//% for column in range(columns)
//% if bias
//% set bias_at = "min(o + " ~ 4 * column ~ ", i32(params.outputs) - 4)" if vector else "o + " ~ 4 * column
    let bias_${column} = bias_quad(0u, ${bias_at});
//% endif
//% endfor
    for (var t = 0u; t < params.passes; t++) {
        let count = params.first_pass + t + 1u;
        expand(keys[params.base[${operands|length // 4}].${xyzw[operands|length % 4]} + t]);
//% include "forward_tile"
//% for column in range(columns)
//% for row in range(rows)
//% if bias
        var keep_bias_${row}_${column} = vec4(~0u);
        if params.masked_bias == 1u {
//% if sharing == "each"
            keep_bias_${row}_${column} = brick(vec3(~0u, output_block + ${column}u, example_block + ${row}u));
//% else
//% for r in range(4)
            keep_bias_${row}_${column}.${xyzw[r]} = shared_word(~0u, output_block + ${column}u, mask_coordinate(n + ${4 * row + r}));
//% endfor
//% endif
        }
//% endif
//% for r in range(4)
//% if bias
        let added_${column}_${4 * row + r} = kept_bias(bias_${column}, keep_bias_${row}_${column}.${xyzw[r]});
//% endif
//% set n = 4 * row + r
//% set o = 4 * column
//% set sums = "vec4(sum_" ~ n ~ "_" ~ o ~ ", sum_" ~ n ~ "_" ~ (o + 1) ~ ", sum_" ~ n ~ "_" ~ (o + 2) ~ ", sum_" ~ n ~ "_" ~ (o + 3) ~ ")"
        update_quad(n + ${n}, o + ${o}, params.scale * ${sums}${" + added_" ~ column ~ "_" ~ n if bias else ""}, count);
//% endfor
//% endfor
//% endfor
    }
}
