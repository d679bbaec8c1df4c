// The mean and the variance of values that come one after the other (Welford), in place: part of monte_carlo.wgsl
// and update.wgsl. Twin: src/reference/monte_carlo.rs.
//% set xyzw = "xyzw"

@group(0) @binding(${moments_at + 1}) var<storage, read_write> mean: array<${"vec4<f32>" if vector else "f32"}>;
@group(0) @binding(${moments_at + 2}) var<storage, read_write> variance: array<${"vec4<f32>" if vector else "f32"}>;

//% set number = "vec4<f32>" if vector else "f32"
// What becomes of the mean and the variance with one more value: `count` of them with it.
fn update(mean_at: u32, variance_at: u32, value: ${number}, count: u32) {
    // The first value of all finds memory that may hold anything.
    var before = ${number}(0.0);
    var squares = ${number}(0.0);
    if count > 1u {
        before = mean[mean_at];
        // The variance so far is the sum of squares over count - 2, one value fewer than count - 1.
        squares = variance[variance_at] * f32(max(count, 2u) - 2u);
    }
    let delta = value - before;
    let after = before + delta / f32(count);
    mean[mean_at] = after;
    variance[variance_at] = (squares + delta * (value - after)) / f32(max(count, 2u) - 1u);
}

// The same for columns `column` to `column + 3` of row `row`, where those exist.
fn update_quad(row: i32, column: i32, values: vec4<f32>, count: u32) {
    if row < 0 || row >= i32(params.samples) {
        return;
    }
    let offset = u32(row) * params.output_stride + u32(column);
    let mean_at = params.base[${moments_at // 4}].${xyzw[moments_at % 4]} + offset;
    let variance_at = params.base[${(moments_at + 1) // 4}].${xyzw[(moments_at + 1) % 4]} + offset;
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
