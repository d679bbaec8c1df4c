// Made from shaders/*.wgsl by `DROPCONNECT_EXPAND=1 cargo test --lib expanded`.

// What a dispatch is told. Twin: `Params` in src/gpu/params.rs, same fields in the same order.
struct Params {
    // Extent of this dispatch, in local rows and columns.
    examples: u32,
    outputs: u32,
    inputs: u32,
    // Keep where the random integer of `bits` bits is below `threshold`; with 9 bits or more, both moved up to 16.
    threshold: u32,
    // Global index of the first brick along each axis (in the activation kernel, which has no bricks, of the first
    // example and the first output).
    example_block: u32,
    output_block: u32,
    input_block: u32,
    // How many bits that random integer has.
    bits: u32,
    // How far before local row or column 0 the first brick starts along each axis.
    example_shift: i32,
    output_shift: i32,
    input_shift: i32,
    // What sums are multiplied with: 1 / (realised keep probability), the mask's; 1 without a mask; in the moments
    // kernel p / (1 - p).
    scale: f32,
    // Where each tensor starts in its binding, in elements, in the order of the bindings.
    base: array<vec4<u32>, 2>,
    // Word k: all ones where bit k of the threshold is 0.
    zeros: array<vec4<u32>, 4>,
    // Elements between rows of tensors that have `inputs` columns, and of those that have `outputs`.
    input_stride: u32,
    output_stride: u32,
    // 1: add to what the result holds.
    accumulate: u32,
    // 1: the bias is masked and scaled like a weight.
    masked_bias: u32,
    // Consecutive examples that share a mask; 0: all of them do, or there is no mask.
    group: u32,
    // Monte-Carlo passes: how many of this dispatch (in the predictive kernel of the whole call), and how many came
    // before. Gaussian samples: the same.
    passes: u32,
    first_pass: u32,
    // 1: add to what the second result, the gradient of the weight, holds.
    accumulate_weight: u32,
    // All ones, which a compiler is not to know.
    all_ones: u32,
    // Key words of Philox's rounds, two rounds to a vector: (k0, k1) of an even round, then of an odd. At the end:
    // llvmpipe is 2.3 times slower where what comes after them lies past the first 256 bytes.
    round_keys: array<vec4<u32>, 17>,
}

@group(0) @binding(0) var<uniform> params: Params;

// Tensors in storage buffers: f32, or f16 and bf16 packed two to a word. Twin: src/element.rs.
//
// Everything works on quads, four consecutive elements of a row. Where all rows start on a quad
// (`vector`), a quad is one load. Elsewhere each element is loaded by itself, and one outside its row
// reads as 0 on both sides of a product, so that it adds exactly 0 to any sum.
//
// Of operands and results, one may be f32 where the other is not.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn x_quad(row: u32, column: i32) -> vec4<f32> {
    return x[(params.base[0].x + row * params.input_stride + u32(column)) / 4u];
}

@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn w_quad(row: u32, column: i32) -> vec4<f32> {
    return w[(params.base[0].y + row * params.input_stride + u32(column)) / 4u];
}

@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn bias_quad(row: u32, column: i32) -> vec4<f32> {
    return bias[(params.base[0].z + row * params.output_stride + u32(column)) / 4u];
}

@group(0) @binding(4) var<storage, read_write> mean: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_mean_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].w + u32(row) * params.output_stride + u32(column);
    if column < i32(params.outputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += mean[index / 4u];
        }
        mean[index / 4u] = sum;
    }
}

@group(0) @binding(5) var<storage, read_write> variance: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_variance_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[1].x + u32(row) * params.output_stride + u32(column);
    if column < i32(params.outputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += variance[index / 4u];
        }
        variance[index / 4u] = sum;
    }
}

// Functions whose precision WGSL leaves to the driver, good to a few units in the last place on all of them, and
// what must not depend on how a driver sees NaN. Oracle: src/reference/activation.rs, which has float64's own.
//
// NaN and infinity are found by their bits, and NaN is made of bits: WGSL lets a compiler work out float arithmetic and
// comparisons as if neither existed, and Metal's fast math does. The approximations are those of Moshier's Cephes
// library, in single precision.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// NaN where `bad`, else `x`.
fn nan_where(bad: bool, x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) | select(0u, 0x7fc00000u, bad));
}

// 0 where `zero`, else `x`.
fn zero_where(zero: bool, x: f32) -> f32 {
    return bitcast<f32>(select(bitcast<u32>(x), 0u, zero));
}

// Mean and variance of W X + b under the mask, in one pass over X and W (Wan et al. 2013, Algorithm 2):
// mean = sum over i of W X + b, variance = p / (1 - p) * sum over i of W^2 X^2, under inverted scaling.
// Where the bias is masked its term, p / (1 - p) * b^2, is added. Oracle: src/reference/moments.rs.
// `params.scale` is p / (1 - p) here. The results are f32 whatever X, W and b are.

// NaN where the mean is; at p = 0 it is 0, not 0 * infinity.
fn variance_of(mean: f32, squares: f32) -> f32 {
    return nan_where(is_nan(mean), zero_where(params.scale == 0.0, squares));
}

@compute @workgroup_size(2, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = i32((group.y * 16u + local.y) * 4u);
    let o = i32((group.x * 2u + local.x) * 8u);
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    // Rows past the end repeat the last one; their sums are never stored.
    let x_row_0 = min(u32(n), params.examples - 1u);
    var mean_0_0 = 0.0;
    var square_0_0 = 0.0;
    var mean_0_1 = 0.0;
    var square_0_1 = 0.0;
    var mean_0_2 = 0.0;
    var square_0_2 = 0.0;
    var mean_0_3 = 0.0;
    var square_0_3 = 0.0;
    var mean_0_4 = 0.0;
    var square_0_4 = 0.0;
    var mean_0_5 = 0.0;
    var square_0_5 = 0.0;
    var mean_0_6 = 0.0;
    var square_0_6 = 0.0;
    var mean_0_7 = 0.0;
    var square_0_7 = 0.0;
    let x_row_1 = min(u32(n + 1), params.examples - 1u);
    var mean_1_0 = 0.0;
    var square_1_0 = 0.0;
    var mean_1_1 = 0.0;
    var square_1_1 = 0.0;
    var mean_1_2 = 0.0;
    var square_1_2 = 0.0;
    var mean_1_3 = 0.0;
    var square_1_3 = 0.0;
    var mean_1_4 = 0.0;
    var square_1_4 = 0.0;
    var mean_1_5 = 0.0;
    var square_1_5 = 0.0;
    var mean_1_6 = 0.0;
    var square_1_6 = 0.0;
    var mean_1_7 = 0.0;
    var square_1_7 = 0.0;
    let x_row_2 = min(u32(n + 2), params.examples - 1u);
    var mean_2_0 = 0.0;
    var square_2_0 = 0.0;
    var mean_2_1 = 0.0;
    var square_2_1 = 0.0;
    var mean_2_2 = 0.0;
    var square_2_2 = 0.0;
    var mean_2_3 = 0.0;
    var square_2_3 = 0.0;
    var mean_2_4 = 0.0;
    var square_2_4 = 0.0;
    var mean_2_5 = 0.0;
    var square_2_5 = 0.0;
    var mean_2_6 = 0.0;
    var square_2_6 = 0.0;
    var mean_2_7 = 0.0;
    var square_2_7 = 0.0;
    let x_row_3 = min(u32(n + 3), params.examples - 1u);
    var mean_3_0 = 0.0;
    var square_3_0 = 0.0;
    var mean_3_1 = 0.0;
    var square_3_1 = 0.0;
    var mean_3_2 = 0.0;
    var square_3_2 = 0.0;
    var mean_3_3 = 0.0;
    var square_3_3 = 0.0;
    var mean_3_4 = 0.0;
    var square_3_4 = 0.0;
    var mean_3_5 = 0.0;
    var square_3_5 = 0.0;
    var mean_3_6 = 0.0;
    var square_3_6 = 0.0;
    var mean_3_7 = 0.0;
    var square_3_7 = 0.0;
    let w_row_0 = min(u32(o), params.outputs - 1u);
    let w_row_1 = min(u32(o + 1), params.outputs - 1u);
    let w_row_2 = min(u32(o + 2), params.outputs - 1u);
    let w_row_3 = min(u32(o + 3), params.outputs - 1u);
    let w_row_4 = min(u32(o + 4), params.outputs - 1u);
    let w_row_5 = min(u32(o + 5), params.outputs - 1u);
    let w_row_6 = min(u32(o + 6), params.outputs - 1u);
    let w_row_7 = min(u32(o + 7), params.outputs - 1u);
    // 0, which a compiler is not to know.
    let nothing = bitcast<f32>(~params.all_ones);
    let blocks = (params.inputs + 3u) / 4u;
    for (var block = 0u; block < blocks; block++) {
        let i = i32(block * 4u);
        let w_0 = w_quad(w_row_0, i);
        let w_1 = w_quad(w_row_1, i);
        let w_2 = w_quad(w_row_2, i);
        let w_3 = w_quad(w_row_3, i);
        let w_4 = w_quad(w_row_4, i);
        let w_5 = w_quad(w_row_5, i);
        let w_6 = w_quad(w_row_6, i);
        let w_7 = w_quad(w_row_7, i);
        let x_0 = x_quad(x_row_0, i);
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_0 = w_0 * x_0;
        let scaled_0_0 = params.scale * product_0_0;
        mean_0_0 += dot(w_0, x_0);
        var four_0_0 = nothing;
        four_0_0 = fma(scaled_0_0.x, product_0_0.x, four_0_0);
        four_0_0 = fma(scaled_0_0.y, product_0_0.y, four_0_0);
        four_0_0 = fma(scaled_0_0.z, product_0_0.z, four_0_0);
        four_0_0 = fma(scaled_0_0.w, product_0_0.w, four_0_0);
        square_0_0 += four_0_0;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_1 = w_1 * x_0;
        let scaled_0_1 = params.scale * product_0_1;
        mean_0_1 += dot(w_1, x_0);
        var four_0_1 = nothing;
        four_0_1 = fma(scaled_0_1.x, product_0_1.x, four_0_1);
        four_0_1 = fma(scaled_0_1.y, product_0_1.y, four_0_1);
        four_0_1 = fma(scaled_0_1.z, product_0_1.z, four_0_1);
        four_0_1 = fma(scaled_0_1.w, product_0_1.w, four_0_1);
        square_0_1 += four_0_1;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_2 = w_2 * x_0;
        let scaled_0_2 = params.scale * product_0_2;
        mean_0_2 += dot(w_2, x_0);
        var four_0_2 = nothing;
        four_0_2 = fma(scaled_0_2.x, product_0_2.x, four_0_2);
        four_0_2 = fma(scaled_0_2.y, product_0_2.y, four_0_2);
        four_0_2 = fma(scaled_0_2.z, product_0_2.z, four_0_2);
        four_0_2 = fma(scaled_0_2.w, product_0_2.w, four_0_2);
        square_0_2 += four_0_2;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_3 = w_3 * x_0;
        let scaled_0_3 = params.scale * product_0_3;
        mean_0_3 += dot(w_3, x_0);
        var four_0_3 = nothing;
        four_0_3 = fma(scaled_0_3.x, product_0_3.x, four_0_3);
        four_0_3 = fma(scaled_0_3.y, product_0_3.y, four_0_3);
        four_0_3 = fma(scaled_0_3.z, product_0_3.z, four_0_3);
        four_0_3 = fma(scaled_0_3.w, product_0_3.w, four_0_3);
        square_0_3 += four_0_3;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_4 = w_4 * x_0;
        let scaled_0_4 = params.scale * product_0_4;
        mean_0_4 += dot(w_4, x_0);
        var four_0_4 = nothing;
        four_0_4 = fma(scaled_0_4.x, product_0_4.x, four_0_4);
        four_0_4 = fma(scaled_0_4.y, product_0_4.y, four_0_4);
        four_0_4 = fma(scaled_0_4.z, product_0_4.z, four_0_4);
        four_0_4 = fma(scaled_0_4.w, product_0_4.w, four_0_4);
        square_0_4 += four_0_4;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_5 = w_5 * x_0;
        let scaled_0_5 = params.scale * product_0_5;
        mean_0_5 += dot(w_5, x_0);
        var four_0_5 = nothing;
        four_0_5 = fma(scaled_0_5.x, product_0_5.x, four_0_5);
        four_0_5 = fma(scaled_0_5.y, product_0_5.y, four_0_5);
        four_0_5 = fma(scaled_0_5.z, product_0_5.z, four_0_5);
        four_0_5 = fma(scaled_0_5.w, product_0_5.w, four_0_5);
        square_0_5 += four_0_5;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_6 = w_6 * x_0;
        let scaled_0_6 = params.scale * product_0_6;
        mean_0_6 += dot(w_6, x_0);
        var four_0_6 = nothing;
        four_0_6 = fma(scaled_0_6.x, product_0_6.x, four_0_6);
        four_0_6 = fma(scaled_0_6.y, product_0_6.y, four_0_6);
        four_0_6 = fma(scaled_0_6.z, product_0_6.z, four_0_6);
        four_0_6 = fma(scaled_0_6.w, product_0_6.w, four_0_6);
        square_0_6 += four_0_6;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_0_7 = w_7 * x_0;
        let scaled_0_7 = params.scale * product_0_7;
        mean_0_7 += dot(w_7, x_0);
        var four_0_7 = nothing;
        four_0_7 = fma(scaled_0_7.x, product_0_7.x, four_0_7);
        four_0_7 = fma(scaled_0_7.y, product_0_7.y, four_0_7);
        four_0_7 = fma(scaled_0_7.z, product_0_7.z, four_0_7);
        four_0_7 = fma(scaled_0_7.w, product_0_7.w, four_0_7);
        square_0_7 += four_0_7;
        let x_1 = x_quad(x_row_1, i);
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_0 = w_0 * x_1;
        let scaled_1_0 = params.scale * product_1_0;
        mean_1_0 += dot(w_0, x_1);
        var four_1_0 = nothing;
        four_1_0 = fma(scaled_1_0.x, product_1_0.x, four_1_0);
        four_1_0 = fma(scaled_1_0.y, product_1_0.y, four_1_0);
        four_1_0 = fma(scaled_1_0.z, product_1_0.z, four_1_0);
        four_1_0 = fma(scaled_1_0.w, product_1_0.w, four_1_0);
        square_1_0 += four_1_0;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_1 = w_1 * x_1;
        let scaled_1_1 = params.scale * product_1_1;
        mean_1_1 += dot(w_1, x_1);
        var four_1_1 = nothing;
        four_1_1 = fma(scaled_1_1.x, product_1_1.x, four_1_1);
        four_1_1 = fma(scaled_1_1.y, product_1_1.y, four_1_1);
        four_1_1 = fma(scaled_1_1.z, product_1_1.z, four_1_1);
        four_1_1 = fma(scaled_1_1.w, product_1_1.w, four_1_1);
        square_1_1 += four_1_1;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_2 = w_2 * x_1;
        let scaled_1_2 = params.scale * product_1_2;
        mean_1_2 += dot(w_2, x_1);
        var four_1_2 = nothing;
        four_1_2 = fma(scaled_1_2.x, product_1_2.x, four_1_2);
        four_1_2 = fma(scaled_1_2.y, product_1_2.y, four_1_2);
        four_1_2 = fma(scaled_1_2.z, product_1_2.z, four_1_2);
        four_1_2 = fma(scaled_1_2.w, product_1_2.w, four_1_2);
        square_1_2 += four_1_2;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_3 = w_3 * x_1;
        let scaled_1_3 = params.scale * product_1_3;
        mean_1_3 += dot(w_3, x_1);
        var four_1_3 = nothing;
        four_1_3 = fma(scaled_1_3.x, product_1_3.x, four_1_3);
        four_1_3 = fma(scaled_1_3.y, product_1_3.y, four_1_3);
        four_1_3 = fma(scaled_1_3.z, product_1_3.z, four_1_3);
        four_1_3 = fma(scaled_1_3.w, product_1_3.w, four_1_3);
        square_1_3 += four_1_3;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_4 = w_4 * x_1;
        let scaled_1_4 = params.scale * product_1_4;
        mean_1_4 += dot(w_4, x_1);
        var four_1_4 = nothing;
        four_1_4 = fma(scaled_1_4.x, product_1_4.x, four_1_4);
        four_1_4 = fma(scaled_1_4.y, product_1_4.y, four_1_4);
        four_1_4 = fma(scaled_1_4.z, product_1_4.z, four_1_4);
        four_1_4 = fma(scaled_1_4.w, product_1_4.w, four_1_4);
        square_1_4 += four_1_4;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_5 = w_5 * x_1;
        let scaled_1_5 = params.scale * product_1_5;
        mean_1_5 += dot(w_5, x_1);
        var four_1_5 = nothing;
        four_1_5 = fma(scaled_1_5.x, product_1_5.x, four_1_5);
        four_1_5 = fma(scaled_1_5.y, product_1_5.y, four_1_5);
        four_1_5 = fma(scaled_1_5.z, product_1_5.z, four_1_5);
        four_1_5 = fma(scaled_1_5.w, product_1_5.w, four_1_5);
        square_1_5 += four_1_5;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_6 = w_6 * x_1;
        let scaled_1_6 = params.scale * product_1_6;
        mean_1_6 += dot(w_6, x_1);
        var four_1_6 = nothing;
        four_1_6 = fma(scaled_1_6.x, product_1_6.x, four_1_6);
        four_1_6 = fma(scaled_1_6.y, product_1_6.y, four_1_6);
        four_1_6 = fma(scaled_1_6.z, product_1_6.z, four_1_6);
        four_1_6 = fma(scaled_1_6.w, product_1_6.w, four_1_6);
        square_1_6 += four_1_6;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_1_7 = w_7 * x_1;
        let scaled_1_7 = params.scale * product_1_7;
        mean_1_7 += dot(w_7, x_1);
        var four_1_7 = nothing;
        four_1_7 = fma(scaled_1_7.x, product_1_7.x, four_1_7);
        four_1_7 = fma(scaled_1_7.y, product_1_7.y, four_1_7);
        four_1_7 = fma(scaled_1_7.z, product_1_7.z, four_1_7);
        four_1_7 = fma(scaled_1_7.w, product_1_7.w, four_1_7);
        square_1_7 += four_1_7;
        let x_2 = x_quad(x_row_2, i);
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_0 = w_0 * x_2;
        let scaled_2_0 = params.scale * product_2_0;
        mean_2_0 += dot(w_0, x_2);
        var four_2_0 = nothing;
        four_2_0 = fma(scaled_2_0.x, product_2_0.x, four_2_0);
        four_2_0 = fma(scaled_2_0.y, product_2_0.y, four_2_0);
        four_2_0 = fma(scaled_2_0.z, product_2_0.z, four_2_0);
        four_2_0 = fma(scaled_2_0.w, product_2_0.w, four_2_0);
        square_2_0 += four_2_0;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_1 = w_1 * x_2;
        let scaled_2_1 = params.scale * product_2_1;
        mean_2_1 += dot(w_1, x_2);
        var four_2_1 = nothing;
        four_2_1 = fma(scaled_2_1.x, product_2_1.x, four_2_1);
        four_2_1 = fma(scaled_2_1.y, product_2_1.y, four_2_1);
        four_2_1 = fma(scaled_2_1.z, product_2_1.z, four_2_1);
        four_2_1 = fma(scaled_2_1.w, product_2_1.w, four_2_1);
        square_2_1 += four_2_1;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_2 = w_2 * x_2;
        let scaled_2_2 = params.scale * product_2_2;
        mean_2_2 += dot(w_2, x_2);
        var four_2_2 = nothing;
        four_2_2 = fma(scaled_2_2.x, product_2_2.x, four_2_2);
        four_2_2 = fma(scaled_2_2.y, product_2_2.y, four_2_2);
        four_2_2 = fma(scaled_2_2.z, product_2_2.z, four_2_2);
        four_2_2 = fma(scaled_2_2.w, product_2_2.w, four_2_2);
        square_2_2 += four_2_2;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_3 = w_3 * x_2;
        let scaled_2_3 = params.scale * product_2_3;
        mean_2_3 += dot(w_3, x_2);
        var four_2_3 = nothing;
        four_2_3 = fma(scaled_2_3.x, product_2_3.x, four_2_3);
        four_2_3 = fma(scaled_2_3.y, product_2_3.y, four_2_3);
        four_2_3 = fma(scaled_2_3.z, product_2_3.z, four_2_3);
        four_2_3 = fma(scaled_2_3.w, product_2_3.w, four_2_3);
        square_2_3 += four_2_3;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_4 = w_4 * x_2;
        let scaled_2_4 = params.scale * product_2_4;
        mean_2_4 += dot(w_4, x_2);
        var four_2_4 = nothing;
        four_2_4 = fma(scaled_2_4.x, product_2_4.x, four_2_4);
        four_2_4 = fma(scaled_2_4.y, product_2_4.y, four_2_4);
        four_2_4 = fma(scaled_2_4.z, product_2_4.z, four_2_4);
        four_2_4 = fma(scaled_2_4.w, product_2_4.w, four_2_4);
        square_2_4 += four_2_4;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_5 = w_5 * x_2;
        let scaled_2_5 = params.scale * product_2_5;
        mean_2_5 += dot(w_5, x_2);
        var four_2_5 = nothing;
        four_2_5 = fma(scaled_2_5.x, product_2_5.x, four_2_5);
        four_2_5 = fma(scaled_2_5.y, product_2_5.y, four_2_5);
        four_2_5 = fma(scaled_2_5.z, product_2_5.z, four_2_5);
        four_2_5 = fma(scaled_2_5.w, product_2_5.w, four_2_5);
        square_2_5 += four_2_5;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_6 = w_6 * x_2;
        let scaled_2_6 = params.scale * product_2_6;
        mean_2_6 += dot(w_6, x_2);
        var four_2_6 = nothing;
        four_2_6 = fma(scaled_2_6.x, product_2_6.x, four_2_6);
        four_2_6 = fma(scaled_2_6.y, product_2_6.y, four_2_6);
        four_2_6 = fma(scaled_2_6.z, product_2_6.z, four_2_6);
        four_2_6 = fma(scaled_2_6.w, product_2_6.w, four_2_6);
        square_2_6 += four_2_6;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_2_7 = w_7 * x_2;
        let scaled_2_7 = params.scale * product_2_7;
        mean_2_7 += dot(w_7, x_2);
        var four_2_7 = nothing;
        four_2_7 = fma(scaled_2_7.x, product_2_7.x, four_2_7);
        four_2_7 = fma(scaled_2_7.y, product_2_7.y, four_2_7);
        four_2_7 = fma(scaled_2_7.z, product_2_7.z, four_2_7);
        four_2_7 = fma(scaled_2_7.w, product_2_7.w, four_2_7);
        square_2_7 += four_2_7;
        let x_3 = x_quad(x_row_3, i);
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_0 = w_0 * x_3;
        let scaled_3_0 = params.scale * product_3_0;
        mean_3_0 += dot(w_0, x_3);
        var four_3_0 = nothing;
        four_3_0 = fma(scaled_3_0.x, product_3_0.x, four_3_0);
        four_3_0 = fma(scaled_3_0.y, product_3_0.y, four_3_0);
        four_3_0 = fma(scaled_3_0.z, product_3_0.z, four_3_0);
        four_3_0 = fma(scaled_3_0.w, product_3_0.w, four_3_0);
        square_3_0 += four_3_0;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_1 = w_1 * x_3;
        let scaled_3_1 = params.scale * product_3_1;
        mean_3_1 += dot(w_1, x_3);
        var four_3_1 = nothing;
        four_3_1 = fma(scaled_3_1.x, product_3_1.x, four_3_1);
        four_3_1 = fma(scaled_3_1.y, product_3_1.y, four_3_1);
        four_3_1 = fma(scaled_3_1.z, product_3_1.z, four_3_1);
        four_3_1 = fma(scaled_3_1.w, product_3_1.w, four_3_1);
        square_3_1 += four_3_1;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_2 = w_2 * x_3;
        let scaled_3_2 = params.scale * product_3_2;
        mean_3_2 += dot(w_2, x_3);
        var four_3_2 = nothing;
        four_3_2 = fma(scaled_3_2.x, product_3_2.x, four_3_2);
        four_3_2 = fma(scaled_3_2.y, product_3_2.y, four_3_2);
        four_3_2 = fma(scaled_3_2.z, product_3_2.z, four_3_2);
        four_3_2 = fma(scaled_3_2.w, product_3_2.w, four_3_2);
        square_3_2 += four_3_2;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_3 = w_3 * x_3;
        let scaled_3_3 = params.scale * product_3_3;
        mean_3_3 += dot(w_3, x_3);
        var four_3_3 = nothing;
        four_3_3 = fma(scaled_3_3.x, product_3_3.x, four_3_3);
        four_3_3 = fma(scaled_3_3.y, product_3_3.y, four_3_3);
        four_3_3 = fma(scaled_3_3.z, product_3_3.z, four_3_3);
        four_3_3 = fma(scaled_3_3.w, product_3_3.w, four_3_3);
        square_3_3 += four_3_3;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_4 = w_4 * x_3;
        let scaled_3_4 = params.scale * product_3_4;
        mean_3_4 += dot(w_4, x_3);
        var four_3_4 = nothing;
        four_3_4 = fma(scaled_3_4.x, product_3_4.x, four_3_4);
        four_3_4 = fma(scaled_3_4.y, product_3_4.y, four_3_4);
        four_3_4 = fma(scaled_3_4.z, product_3_4.z, four_3_4);
        four_3_4 = fma(scaled_3_4.w, product_3_4.w, four_3_4);
        square_3_4 += four_3_4;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_5 = w_5 * x_3;
        let scaled_3_5 = params.scale * product_3_5;
        mean_3_5 += dot(w_5, x_3);
        var four_3_5 = nothing;
        four_3_5 = fma(scaled_3_5.x, product_3_5.x, four_3_5);
        four_3_5 = fma(scaled_3_5.y, product_3_5.y, four_3_5);
        four_3_5 = fma(scaled_3_5.z, product_3_5.z, four_3_5);
        four_3_5 = fma(scaled_3_5.w, product_3_5.w, four_3_5);
        square_3_5 += four_3_5;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_6 = w_6 * x_3;
        let scaled_3_6 = params.scale * product_3_6;
        mean_3_6 += dot(w_6, x_3);
        var four_3_6 = nothing;
        four_3_6 = fma(scaled_3_6.x, product_3_6.x, four_3_6);
        four_3_6 = fma(scaled_3_6.y, product_3_6.y, four_3_6);
        four_3_6 = fma(scaled_3_6.z, product_3_6.z, four_3_6);
        four_3_6 = fma(scaled_3_6.w, product_3_6.w, four_3_6);
        square_3_6 += four_3_6;
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_3_7 = w_7 * x_3;
        let scaled_3_7 = params.scale * product_3_7;
        mean_3_7 += dot(w_7, x_3);
        var four_3_7 = nothing;
        four_3_7 = fma(scaled_3_7.x, product_3_7.x, four_3_7);
        four_3_7 = fma(scaled_3_7.y, product_3_7.y, four_3_7);
        four_3_7 = fma(scaled_3_7.z, product_3_7.z, four_3_7);
        four_3_7 = fma(scaled_3_7.w, product_3_7.w, four_3_7);
        square_3_7 += four_3_7;
    }
    let bias_0 = bias_quad(0u, o);
    // Of these three factors it would take the square first: the product passes through bits that it cannot tell.
    let scaled_bias_0 =
    bitcast<vec4<f32>>(bitcast<vec4<u32>>(params.scale * bias_0) ^ vec4(~params.all_ones));
    let spread_0 = select(vec4(0.0), scaled_bias_0 * bias_0, params.masked_bias == 1u);
    let means_0_0 = vec4(
        mean_0_0,
        mean_0_1,
        mean_0_2,
        mean_0_3,
    ) + bias_0;
    let squares_0_0 = vec4(
        square_0_0,
        square_0_1,
        square_0_2,
        square_0_3,
    ) + spread_0;
    let variance_0_0 = vec4(
        variance_of(means_0_0.x, squares_0_0.x),
        variance_of(means_0_0.y, squares_0_0.y),
        variance_of(means_0_0.z, squares_0_0.z),
        variance_of(means_0_0.w, squares_0_0.w),
    );
    store_mean_quad(n, o, means_0_0);
    store_variance_quad(n, o, variance_0_0);
    let means_1_0 = vec4(
        mean_1_0,
        mean_1_1,
        mean_1_2,
        mean_1_3,
    ) + bias_0;
    let squares_1_0 = vec4(
        square_1_0,
        square_1_1,
        square_1_2,
        square_1_3,
    ) + spread_0;
    let variance_1_0 = vec4(
        variance_of(means_1_0.x, squares_1_0.x),
        variance_of(means_1_0.y, squares_1_0.y),
        variance_of(means_1_0.z, squares_1_0.z),
        variance_of(means_1_0.w, squares_1_0.w),
    );
    store_mean_quad(n + 1, o, means_1_0);
    store_variance_quad(n + 1, o, variance_1_0);
    let means_2_0 = vec4(
        mean_2_0,
        mean_2_1,
        mean_2_2,
        mean_2_3,
    ) + bias_0;
    let squares_2_0 = vec4(
        square_2_0,
        square_2_1,
        square_2_2,
        square_2_3,
    ) + spread_0;
    let variance_2_0 = vec4(
        variance_of(means_2_0.x, squares_2_0.x),
        variance_of(means_2_0.y, squares_2_0.y),
        variance_of(means_2_0.z, squares_2_0.z),
        variance_of(means_2_0.w, squares_2_0.w),
    );
    store_mean_quad(n + 2, o, means_2_0);
    store_variance_quad(n + 2, o, variance_2_0);
    let means_3_0 = vec4(
        mean_3_0,
        mean_3_1,
        mean_3_2,
        mean_3_3,
    ) + bias_0;
    let squares_3_0 = vec4(
        square_3_0,
        square_3_1,
        square_3_2,
        square_3_3,
    ) + spread_0;
    let variance_3_0 = vec4(
        variance_of(means_3_0.x, squares_3_0.x),
        variance_of(means_3_0.y, squares_3_0.y),
        variance_of(means_3_0.z, squares_3_0.z),
        variance_of(means_3_0.w, squares_3_0.w),
    );
    store_mean_quad(n + 3, o, means_3_0);
    store_variance_quad(n + 3, o, variance_3_0);
    let bias_1 = bias_quad(0u, min(o + 4, i32(params.outputs) - 4));
    // Of these three factors it would take the square first: the product passes through bits that it cannot tell.
    let scaled_bias_1 =
    bitcast<vec4<f32>>(bitcast<vec4<u32>>(params.scale * bias_1) ^ vec4(~params.all_ones));
    let spread_1 = select(vec4(0.0), scaled_bias_1 * bias_1, params.masked_bias == 1u);
    let means_0_1 = vec4(
        mean_0_4,
        mean_0_5,
        mean_0_6,
        mean_0_7,
    ) + bias_1;
    let squares_0_1 = vec4(
        square_0_4,
        square_0_5,
        square_0_6,
        square_0_7,
    ) + spread_1;
    let variance_0_1 = vec4(
        variance_of(means_0_1.x, squares_0_1.x),
        variance_of(means_0_1.y, squares_0_1.y),
        variance_of(means_0_1.z, squares_0_1.z),
        variance_of(means_0_1.w, squares_0_1.w),
    );
    store_mean_quad(n, o + 4, means_0_1);
    store_variance_quad(n, o + 4, variance_0_1);
    let means_1_1 = vec4(
        mean_1_4,
        mean_1_5,
        mean_1_6,
        mean_1_7,
    ) + bias_1;
    let squares_1_1 = vec4(
        square_1_4,
        square_1_5,
        square_1_6,
        square_1_7,
    ) + spread_1;
    let variance_1_1 = vec4(
        variance_of(means_1_1.x, squares_1_1.x),
        variance_of(means_1_1.y, squares_1_1.y),
        variance_of(means_1_1.z, squares_1_1.z),
        variance_of(means_1_1.w, squares_1_1.w),
    );
    store_mean_quad(n + 1, o + 4, means_1_1);
    store_variance_quad(n + 1, o + 4, variance_1_1);
    let means_2_1 = vec4(
        mean_2_4,
        mean_2_5,
        mean_2_6,
        mean_2_7,
    ) + bias_1;
    let squares_2_1 = vec4(
        square_2_4,
        square_2_5,
        square_2_6,
        square_2_7,
    ) + spread_1;
    let variance_2_1 = vec4(
        variance_of(means_2_1.x, squares_2_1.x),
        variance_of(means_2_1.y, squares_2_1.y),
        variance_of(means_2_1.z, squares_2_1.z),
        variance_of(means_2_1.w, squares_2_1.w),
    );
    store_mean_quad(n + 2, o + 4, means_2_1);
    store_variance_quad(n + 2, o + 4, variance_2_1);
    let means_3_1 = vec4(
        mean_3_4,
        mean_3_5,
        mean_3_6,
        mean_3_7,
    ) + bias_1;
    let squares_3_1 = vec4(
        square_3_4,
        square_3_5,
        square_3_6,
        square_3_7,
    ) + spread_1;
    let variance_3_1 = vec4(
        variance_of(means_3_1.x, squares_3_1.x),
        variance_of(means_3_1.y, squares_3_1.y),
        variance_of(means_3_1.z, squares_3_1.z),
        variance_of(means_3_1.w, squares_3_1.w),
    );
    store_mean_quad(n + 3, o + 4, means_3_1);
    store_variance_quad(n + 3, o + 4, variance_3_1);
}
