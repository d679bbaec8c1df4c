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

@group(0) @binding(1) var<storage, read> value: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn value_quad(row: u32, column: i32) -> vec4<f32> {
    return value[(params.base[0].x + row * params.output_stride + u32(column)) / 4u];
}

// The mean and the variance of values that come one after the other (Welford), in place: part of monte_carlo.wgsl
// and update.wgsl. Oracle: src/reference/monte_carlo.rs.

@group(0) @binding(2) var<storage, read_write> mean: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> variance: array<vec4<f32>>;

// The number itself, which drivers cannot tell, so that they leave its factors where they are: they may take sums and
// products in any order, and NVIDIA's does.
fn as_computed(number: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(number) ^ vec4<u32>(~params.all_ones));
}

// What becomes of the mean and the variance with one more value: `count` of them with it. Welford's update in a form
// that leaves f32 only where its results do. Twin: `with` in src/cpu/monte_carlo.rs.
fn update(mean_at: u32, variance_at: u32, value: vec4<f32>, count: u32) {
    // The first value of all finds memory that may hold anything.
    var before = value;
    var spread = vec4<f32>(0.0);
    if count > 1u {
        before = mean[mean_at];
        spread = variance[variance_at];
    }
    let share = 1.0 / f32(count);
    let rest = 1.0 / f32(max(count, 2u) - 1u);
    let halves = as_computed(0.5 * value) - as_computed(0.5 * before);
    let after = before + halves * (2.0 * share);
    let term = as_computed((value - before) * rest) * (value - after);
    let next = bitcast<vec4<u32>>(spread + (term - spread * rest));
    // An infinite variance stays: it is not infinity less infinity. Where a value is infinite or NaN there is none,
    // and an infinite mean stays unless its opposite comes. By bits: drivers may assume there is no such thing.
    let infinity = vec4<u32>(0x7f800000u);
    let held = bitcast<vec4<u32>>(spread);
    let wild_value = (bitcast<vec4<u32>>(value) & infinity) == infinity;
    // All ones where it is so: GLSL 4.3 cannot choose between integers lane by lane.
    let wild = vec4<u32>(0u) - vec4<u32>(wild_value | ((bitcast<vec4<u32>>(before) & infinity) == infinity));
    let stays = vec4<u32>(0u) - vec4<u32>(held == infinity);
    let sum = bitcast<vec4<u32>>(before + value);
    mean[mean_at] = bitcast<vec4<f32>>((bitcast<vec4<u32>>(after) & ~wild) | (sum & wild));
    variance[variance_at] = bitcast<vec4<f32>>((next & ~stays) | (held & stays) | (wild & vec4<u32>(0x7fc00000u)));
}

// The same for columns `column` to `column + 3` of row `row`, where those exist.
fn update_quad(row: i32, column: i32, values: vec4<f32>, count: u32) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let offset = u32(row) * params.output_stride + u32(column);
    let mean_at = params.base[0].y + offset;
    let variance_at = params.base[0].z + offset;
    if column < i32(params.outputs) {
        update(mean_at / 4u, variance_at / 4u, values, count);
    }
}

// Mean and variance of Y over many masks, one more value: for Monte-Carlo passes each of which takes several
// dispatches. Oracle: src/reference/monte_carlo.rs.

@compute @workgroup_size(64, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = i32(group.y);
    let o = i32((group.x * 64u + local.x) * 4u);
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    update_quad(n, o, value_quad(u32(n), o), params.first_pass + 1u);
}
