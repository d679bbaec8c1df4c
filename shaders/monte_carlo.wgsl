// Mean and variance of Y over many masks, one launch. Twin: src/reference/monte_carlo.rs.
//
// A thread walks its tile once per pass, as the forward pass does, under that pass's key, and updates
// mean and sum of squared differences (Welford) where they live, in the results: it alone touches them.
//% set xyzw = "xyzw"

@group(0) @binding(${operands|length + 1}) var<storage, ${access}> keys: array<vec2<u32>>;
@group(0) @binding(${operands|length + 2}) var<storage, read_write> mean: array<${"vec4<f32>" if vector else "f32"}>;
@group(0) @binding(${operands|length + 3}) var<storage, read_write> variance: array<${"vec4<f32>" if vector else "f32"}>;

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

//% set number = "vec4<f32>" if vector else "f32"
//% set bits = "vec4<u32>" if vector else "u32"
// What becomes of the mean and the variance with one more value: `count` of them with it. Welford's update in a form
// that leaves f32 only where its results do; `with` in src/cpu/monte_carlo.rs is the same.
fn update(mean_at: u32, variance_at: u32, value: ${number}, count: u32) {
    // The first value of all finds memory that may hold anything.
    var before = value;
    var spread = ${number}(0.0);
    if count > 1u {
        before = mean[mean_at];
        spread = variance[variance_at];
    }
    let share = 1.0 / f32(count);
    let rest = 1.0 / f32(max(count, 2u) - 1u);
    let after = before + (0.5 * value - 0.5 * before) * (2.0 * share);
    let term = (value - before) * rest * (value - after);
    let next = bitcast<${bits}>(spread + (term - spread * rest));
    // An infinite variance stays: it is not infinity less infinity. Where a value is infinite or NaN there is none,
    // and an infinite mean stays unless its opposite comes. By bits: drivers may assume there is no such thing.
    let infinity = ${bits}(0x7f800000u);
    let held = bitcast<${bits}>(spread);
    let wild_value = (bitcast<${bits}>(value) & infinity) == infinity;
    let wild = wild_value | ((bitcast<${bits}>(before) & infinity) == infinity);
    mean[mean_at] = bitcast<${number}>(select(bitcast<${bits}>(after), bitcast<${bits}>(before + value), wild));
    let nan = select(${bits}(0u), ${bits}(0x7fc00000u), wild);
    variance[variance_at] = bitcast<${number}>(select(next, held, held == infinity) | nan);
}

// The same for columns `column` to `column + 3` of row `row`, where those exist.
fn update_quad(row: i32, column: i32, values: vec4<f32>, count: u32) {
    if row < 0 || row >= i32(params.samples) {
        return;
    }
    let offset = u32(row) * params.output_stride + u32(column);
    let mean_at = params.base[${(operands|length + 1) // 4}].${xyzw[(operands|length + 1) % 4]} + offset;
    let variance_at = params.base[${(operands|length + 2) // 4}].${xyzw[(operands|length + 2) % 4]} + offset;
//% if vector
    if column < i32(params.outputs) {
        update(mean_at / 4u, variance_at / 4u, values, count);
    }
//% else
//% for lane in range(4)
    if column + ${lane} >= 0 && column + ${lane} < i32(params.outputs) {
        update(mean_at + ${lane}u, variance_at + ${lane}u, values[${lane}], count);
    }
//% endfor
//% endif
}

@compute @workgroup_size(${workgroup_x}, ${workgroup_y})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y * ${workgroup_y}u + ${local_y};
    let tile_column = group.x * ${workgroup_x}u + local.x;
    let n = i32(tile_row * ${4 * rows}u) - params.sample_shift;
    let o = i32(tile_column * ${4 * columns}u) - params.output_shift;
    if n >= i32(params.samples) || o >= i32(params.outputs) {
        return;
    }
    let sample_block = params.sample_block + tile_row * ${rows}u;
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
            keep_bias_${row}_${column} = brick(vec3(~0u, output_block + ${column}u, sample_block + ${row}u));
//% else
//% for r in range(4)
            keep_bias_${row}_${column}.${xyzw[r]} = shared_word(~0u, output_block + ${column}u, mask_sample(n + ${4 * row + r}));
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
