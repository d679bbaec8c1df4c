// Mean and variance of Y over many masks, one launch. Oracle: src/reference/monte_carlo.rs.
//
// A thread walks its tile once per pass, as the forward pass does, under that pass's key, and updates mean and
// variance where they live, in the results: it alone touches them.
//% from "tile" import begin_tile, sum_quad
//% from "forward_tile" import sum_tile, read_bias, bias_mask, plus_bias

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

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_tile("n", "o")-}
    ${read_bias()-}
    for (var t = 0u; t < params.passes; t++) {
        let count = params.first_pass + t + 1u;
        expand(keys[${keys_base} + t]);
        ${sum_tile()-}
//% for column in range(columns)
//% for row in range(rows)
        ${bias_mask(row, column, false)-}
//% for r in range(4)
//% set sums = sum_quad(4 * row + r, column, true)
//% if bias
        update_quad(
            n + ${4 * row + r},
            o + ${4 * column},
            params.scale * ${sums}${plus_bias(row, column, r)},
            count,
        );
//% else
        update_quad(n + ${4 * row + r}, o + ${4 * column}, params.scale * ${sums}, count);
//% endif
//% endfor
//% endfor
//% endfor
    }
}
