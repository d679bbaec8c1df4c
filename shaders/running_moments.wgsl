// The mean and the variance of values that come one after the other (Welford), in place: part of monte_carlo.wgsl
// and update.wgsl. Reference: src/reference/monte_carlo.rs.
//% set xyzw = "xyzw"

@group(0) @binding(${moments_index + 1}) var<storage, read_write> mean: array<${"vec4<f32>" if vector else "f32"}>;
@group(0) @binding(${moments_index + 2}) var<storage, read_write> variance: array<${"vec4<f32>" if vector else "f32"}>;

//% set number = "vec4<f32>" if vector else "f32"
//% set bits = "vec4<u32>" if vector else "u32"
// The number itself, which drivers cannot tell, so that they leave its factors where they are: they may take sums and
// products in any order, and NVIDIA's does.
fn as_computed(number: ${number}) -> ${number} {
    return bitcast<${number}>(bitcast<${bits}>(number) ^ ${bits}(~params.all_ones));
}

// What becomes of the mean and the variance with one more value: `count` of them with it. Welford's update in a form
// that leaves f32 only where its results do. Mirrors `with` in src/cpu/monte_carlo.rs.
fn update(mean_index: u32, variance_index: u32, value: ${number}, count: u32) {
    // The first value of all finds memory that may hold anything.
    var before = value;
    var spread = ${number}(0.0);
    if count > 1u {
        before = mean[mean_index];
        spread = variance[variance_index];
    }
    let share = 1.0 / f32(count);
    let rest = 1.0 / f32(max(count, 2u) - 1u);
    let halves = as_computed(0.5 * value) - as_computed(0.5 * before);
    let after = before + halves * (2.0 * share);
    let term = as_computed((value - before) * rest) * (value - after);
    let next = bitcast<${bits}>(spread + (term - spread * rest));
    // An infinite variance stays: it is not infinity less infinity. Where a value is infinite or NaN there is none,
    // and an infinite mean stays unless its opposite comes. By bits: drivers may assume there is no such thing.
    let infinity = ${bits}(0x7f800000u);
    let held = bitcast<${bits}>(spread);
    let wild_value = (bitcast<${bits}>(value) & infinity) == infinity;
    // All ones where it is so: GLSL 4.3 cannot choose between integers lane by lane.
    let wild = ${bits}(0u) - ${bits}(wild_value | ((bitcast<${bits}>(before) & infinity) == infinity));
    let stays = ${bits}(0u) - ${bits}(held == infinity);
    let sum = bitcast<${bits}>(before + value);
    mean[mean_index] = bitcast<${number}>((bitcast<${bits}>(after) & ~wild) | (sum & wild));
    variance[variance_index] = bitcast<${number}>((next & ~stays) | (held & stays) | (wild & ${bits}(0x7fc00000u)));
}

// The same for columns `column` to `column + 3` of row `row`, where those exist.
fn update_quad(row: i32, column: i32, values: vec4<f32>, count: u32) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let offset = u32(row) * params.output_stride + u32(column);
    let mean_index = params.base[${moments_index // 4}].${xyzw[moments_index % 4]} + offset;
    let variance_index = params.base[${(moments_index + 1) // 4}].${xyzw[(moments_index + 1) % 4]} + offset;
//% if vector
    if column < i32(params.outputs) {
        update(mean_index / 4u, variance_index / 4u, values, count);
    }
//% elif not unrolled
    for (var lane = 0; lane < 4; lane++) {
        if column + lane >= 0 && column + lane < i32(params.outputs) {
            update(mean_index + u32(lane), variance_index + u32(lane), values[lane], count);
        }
    }
//% else
//% for lane in range(4)
    if column + ${lane} >= 0 && column + ${lane} < i32(params.outputs) {
        update(mean_index + ${lane}u, variance_index + ${lane}u, values[${lane}], count);
    }
//% endfor
//% endif
}
