// Made from shaders/*.wgsl by `DROPCONNECT_EXPAND=1 cargo test --lib expanded`.

// The parameters of a dispatch. Mirrors `Params` in src/gpu/shader/params.rs, same fields in the same order.
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
    mask_group: u32,
    // Monte-Carlo samples: how many of this dispatch (in the predictive kernel of the whole call), and how many came
    // before. Gaussian samples: the same.
    samples: u32,
    first_sample: u32,
    // All ones, which a compiler is not to know.
    all_ones: u32,
    // Key words of Philox's rounds, two rounds to a vector: (k0, k1) of an even round, then of an odd. At the end:
    // llvmpipe is 2.3 times slower where what comes after them lies past the first 256 bytes.
    round_keys: array<vec4<u32>, 17>,
}

@group(0) @binding(0) var<uniform> params: Params;

// Philox4x32 of Salmon et al. (SC 2011): 128 random bits for a counter, and more from round to round.
// Mirrors src/mask/philox.rs. The key words of every round are worked out by the host, once per mask.

// The 64-bit product of two words, low half first. WGSL itself has no high half of a product.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
    let product = u64(a) * u64(b);
    return vec2(u32(product), u32(product >> 32u));
}

// A round under its key words.
fn philox_round(c: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let a = multiply_wide(3528531795u, c.x);
    let b = multiply_wide(3449720151u, c.z);
    return vec4(b.y ^ c.y ^ key.x, b.x, a.y ^ c.w ^ key.y, a.x);
}

fn philox(counter: vec4<u32>) -> vec4<u32> {
    var c = counter;
    c = philox_round(c, sample_key);
    c = philox_round(c, sample_key + vec2(2654435769u, 3144134277u));
    c = philox_round(c, sample_key + vec2(1013904242u, 1993301258u));
    c = philox_round(c, sample_key + vec2(3668340011u, 842468239u));
    c = philox_round(c, sample_key + vec2(2027808484u, 3986602516u));
    c = philox_round(c, sample_key + vec2(387276957u, 2835769497u));
    c = philox_round(c, sample_key + vec2(3041712726u, 1684936478u));
    c = philox_round(c, sample_key + vec2(1401181199u, 534103459u));
    c = philox_round(c, sample_key + vec2(4055616968u, 3678237736u));
    c = philox_round(c, sample_key + vec2(2415085441u, 2527404717u));
    return c;
}

// The brick: 4 examples x 4 outputs x 8 inputs, 128 decisions from one run of the generator.
// Mirrors src/mask/brick.rs. Word n of the result holds example n; its bit `o * 8 + i` is set where
// connection (n, o, i) is kept. `block` is (input / 8, output / 4, example / 4) in global coordinates.

// The first state of the run that decides a brick.
fn first_state(block: vec3<u32>) -> vec4<u32> {
    return philox(vec4(block, 0u));
}

// What is kept, of what is dropped. Were the compiler to know that this is an inversion, it would fold it into each of
// 128 tests, which costs NVIDIA a third more instructions (docs/rejected.md).
fn keep_from_drop(drop: vec4<u32>) -> vec4<u32> {
    return vec4(params.all_ones) - drop;
}

// p = 1/2: a 1 in the only plane drops.
fn brick(block: vec3<u32>) -> vec4<u32> {
    return keep_from_drop(first_state(block));
}

// The mask coordinate of local example n where examples share masks.
fn mask_coordinate(n: i32) -> u32 {
    let global = params.example_block * 4u + u32(n + params.example_shift);
    return select(global / max(params.mask_group, 1u), 0u, params.mask_group == 0u);
}

// Tensors in storage buffers, f32 in and f32 out; 16 bits are two to a word. Mirrors
// src/element.rs.
//
// Everything works on quads, four consecutive elements of a row.
// Every row starts on a quad here, and a quad is one load.

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

// Four multiply-adds.

// sum + the kept products of four inputs.
fn add_kept_dot(sum: f32, a: vec4<f32>, b: vec4<f32>) -> f32 {
    var s = sum;
    s = fma(a.x, b.x, s);
    s = fma(a.y, b.y, s);
    s = fma(a.z, b.z, s);
    s = fma(a.w, b.w, s);
    return s;
}

// `value` where the bit is set, else +0: the sign-extended bit is a mask of ones or zeros.
fn keep_or_zero(value: f32, word: u32, bit: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(value) & bitcast<u32>(extractBits(bitcast<i32>(word), bit, 1u)));
}

// A quad of weights under a mask that all examples of the tile share.
fn keep_quad(values: vec4<f32>, word: u32, bit: u32) -> vec4<f32> {
    return vec4(
        keep_or_zero(values.x, word, bit),
        keep_or_zero(values.y, word, bit + 1u),
        keep_or_zero(values.z, word, bit + 2u),
        keep_or_zero(values.w, word, bit + 3u),
    );
}

// The mean and the variance of values that come one after the other (Welford), in place: part of monte_carlo.wgsl
// and update.wgsl. Reference: src/reference/monte_carlo.rs.

@group(0) @binding(4) var<storage, read_write> mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> variance: array<vec4<f32>>;

// The number itself, which drivers cannot tell, so that they leave its factors where they are: they may take sums and
// products in any order, and NVIDIA's does.
fn as_computed(number: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(number) ^ vec4<u32>(~params.all_ones));
}

// What becomes of the mean and the variance with one more value: `count` of them with it. Welford's update in a form
// that leaves f32 only where its results do. Mirrors `with` in src/cpu/monte_carlo.rs.
fn update(mean_index: u32, variance_index: u32, value: vec4<f32>, count: u32) {
    // The first value of all finds memory that may hold anything.
    var before = value;
    var spread = vec4<f32>(0.0);
    if count > 1u {
        before = mean[mean_index];
        spread = variance[variance_index];
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
    mean[mean_index] = bitcast<vec4<f32>>((bitcast<vec4<u32>>(after) & ~wild) | (sum & wild));
    variance[variance_index] = bitcast<vec4<f32>>((next & ~stays) | (held & stays) | (wild & vec4<u32>(0x7fc00000u)));
}

// The same for columns `column` to `column + 3` of row `row`, where those exist.
fn update_quad(row: i32, column: i32, values: vec4<f32>, count: u32) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let offset = u32(row) * params.output_stride + u32(column);
    let mean_index = params.base[0].w + offset;
    let variance_index = params.base[1].x + offset;
    if column < i32(params.outputs) {
        update(mean_index / 4u, variance_index / 4u, values, count);
    }
}

// Mean and variance of Y over many masks, one launch. Reference: src/reference/monte_carlo.rs.
//
// A thread sums up its tile once per sample, as in the forward pass (forward.wgsl, and its departures), under that
// sample's key, and updates mean and variance where they live, in the results: it alone touches them.
//
//     BM = 64 examples, BN = 64 outputs a workgroup of 16 x 16 threads
//     TM x TN = 4 x 4 sums a thread: 1 x 1 bricks
//     BK = 32 inputs at a time, through workgroup memory
//     row strides there 65 and 65 quads, against bank conflicts

@group(0) @binding(3) var<storage, read> keys: array<vec2<u32>>;

// The key of the current sample.
var<private> sample_key: vec2<u32>;

// Parts of both operands, which a workgroup reads together.
var<workgroup> workgroup_tile: array<vec4<f32>, 1040>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = workgroup.y * 16u + local.y;
    let tile_column = workgroup.x * 16u + local.x;
    let n = i32(tile_row * 4u) - params.example_shift;
    let o = i32(tile_column * 4u) - params.output_shift;
    let first_n = i32(workgroup.y * 64u) - params.example_shift;
    let first_o = i32(workgroup.x * 64u) - params.output_shift;
    let reader = local.y * 16u + local.x;
    // Barriers are for all threads: those outside come along, read what is nearest and store nothing.
    let inside = n < i32(params.examples) && o < i32(params.outputs);
    let output_block = params.output_block + tile_column;
    for (var t = 0u; t < params.samples; t++) {
        let count = params.first_sample + t + 1u;
        sample_key = keys[params.base[0].z + t];
        var sum_0_0 = 0.0;
        var sum_0_1 = 0.0;
        var sum_0_2 = 0.0;
        var sum_0_3 = 0.0;
        var sum_1_0 = 0.0;
        var sum_1_1 = 0.0;
        var sum_1_2 = 0.0;
        var sum_1_3 = 0.0;
        var sum_2_0 = 0.0;
        var sum_2_1 = 0.0;
        var sum_2_2 = 0.0;
        var sum_2_3 = 0.0;
        var sum_3_0 = 0.0;
        var sum_3_1 = 0.0;
        var sum_3_2 = 0.0;
        var sum_3_3 = 0.0;

        let shared_coordinate = mask_coordinate(n);
        let blocks = (params.inputs + u32(params.input_shift) + 7u) / 8u;
        let line_x_0 = reader % 8u;
        let unit_x_0 = reader / 8u;
        let slot_x_0 = line_x_0 * 65u + unit_x_0 % 4u * 16u + unit_x_0 / 4u;
        let row_x_0 = clamp(first_n + i32(unit_x_0), 0, i32(params.examples) - 1);
        let line_x_1 = (reader + 256u) % 8u;
        let unit_x_1 = (reader + 256u) / 8u;
        let slot_x_1 = line_x_1 * 65u + unit_x_1 % 4u * 16u + unit_x_1 / 4u;
        let row_x_1 = clamp(first_n + i32(unit_x_1), 0, i32(params.examples) - 1);
        let line_w_0 = reader % 8u;
        let unit_w_0 = reader / 8u;
        let slot_w_0 = 520u + line_w_0 * 65u + unit_w_0 % 4u * 16u + unit_w_0 / 4u;
        let row_w_0 = clamp(first_o + i32(unit_w_0), 0, i32(params.outputs) - 1);
        let line_w_1 = (reader + 256u) % 8u;
        let unit_w_1 = (reader + 256u) / 8u;
        let slot_w_1 = 520u + line_w_1 * 65u + unit_w_1 % 4u * 16u + unit_w_1 / 4u;
        let row_w_1 = clamp(first_o + i32(unit_w_1), 0, i32(params.outputs) - 1);
        let k_x_0 = i32(line_x_0 * 4u) - params.input_shift;
        let column_x_0 = min(k_x_0, i32(params.inputs) - 4);
        var from_x_0 = x_quad(u32(row_x_0), column_x_0);
        let k_x_1 = i32(line_x_1 * 4u) - params.input_shift;
        let column_x_1 = min(k_x_1, i32(params.inputs) - 4);
        var from_x_1 = x_quad(u32(row_x_1), column_x_1);
        let k_w_0 = i32(line_w_0 * 4u) - params.input_shift;
        let column_w_0 = min(k_w_0, i32(params.inputs) - 4);
        var from_w_0 = w_quad(u32(row_w_0), column_w_0);
        let k_w_1 = i32(line_w_1 * 4u) - params.input_shift;
        let column_w_1 = min(k_w_1, i32(params.inputs) - 4);
        var from_w_1 = w_quad(u32(row_w_1), column_w_1);
        for (var first = 0u; first < blocks; first += 4u) {
            // Until all threads have done with the steps before.
            workgroupBarrier();
            workgroup_tile[slot_x_0] = from_x_0;
            workgroup_tile[slot_x_1] = from_x_1;
            workgroup_tile[slot_w_0] = from_w_0;
            workgroup_tile[slot_w_1] = from_w_1;
            workgroupBarrier();
            let next = first + 4u;
            if next < blocks {
                let k_x_0 = i32(next * 8u + line_x_0 * 4u) - params.input_shift;
                let column_x_0 = min(k_x_0, i32(params.inputs) - 4);
                from_x_0 = x_quad(u32(row_x_0), column_x_0);
                let k_x_1 = i32(next * 8u + line_x_1 * 4u) - params.input_shift;
                let column_x_1 = min(k_x_1, i32(params.inputs) - 4);
                from_x_1 = x_quad(u32(row_x_1), column_x_1);
                let k_w_0 = i32(next * 8u + line_w_0 * 4u) - params.input_shift;
                let column_w_0 = min(k_w_0, i32(params.inputs) - 4);
                from_w_0 = w_quad(u32(row_w_0), column_w_0);
                let k_w_1 = i32(next * 8u + line_w_1 * 4u) - params.input_shift;
                let column_w_1 = min(k_w_1, i32(params.inputs) - 4);
                from_w_1 = w_quad(u32(row_w_1), column_w_1);
            }
            let end = select(0u, min(next, blocks), inside);
            for (var block = first; block < end; block++) {
                let shared_x = (block - first) * 130u + local.y;
                let shared_w = 520u + (block - first) * 130u + local.x;
                let keep_0_0 = brick(vec3(params.input_block + block, output_block, shared_coordinate / 4u));
                let keep_0 = keep_0_0[shared_coordinate & 3u];
                // The weights are masked once, as they are read.
                let w_0_low = keep_quad(workgroup_tile[shared_w], keep_0, 0u);
                // The weights are masked once, as they are read.
                let w_1_low = keep_quad(workgroup_tile[shared_w + 16u], keep_0, 8u);
                // The weights are masked once, as they are read.
                let w_2_low = keep_quad(workgroup_tile[shared_w + 32u], keep_0, 16u);
                // The weights are masked once, as they are read.
                let w_3_low = keep_quad(workgroup_tile[shared_w + 48u], keep_0, 24u);
                let x_0_low = workgroup_tile[shared_x];
                sum_0_0 = add_kept_dot(sum_0_0, x_0_low, w_0_low);
                sum_0_1 = add_kept_dot(sum_0_1, x_0_low, w_1_low);
                sum_0_2 = add_kept_dot(sum_0_2, x_0_low, w_2_low);
                sum_0_3 = add_kept_dot(sum_0_3, x_0_low, w_3_low);
                let x_1_low = workgroup_tile[shared_x + 16u];
                sum_1_0 = add_kept_dot(sum_1_0, x_1_low, w_0_low);
                sum_1_1 = add_kept_dot(sum_1_1, x_1_low, w_1_low);
                sum_1_2 = add_kept_dot(sum_1_2, x_1_low, w_2_low);
                sum_1_3 = add_kept_dot(sum_1_3, x_1_low, w_3_low);
                let x_2_low = workgroup_tile[shared_x + 32u];
                sum_2_0 = add_kept_dot(sum_2_0, x_2_low, w_0_low);
                sum_2_1 = add_kept_dot(sum_2_1, x_2_low, w_1_low);
                sum_2_2 = add_kept_dot(sum_2_2, x_2_low, w_2_low);
                sum_2_3 = add_kept_dot(sum_2_3, x_2_low, w_3_low);
                let x_3_low = workgroup_tile[shared_x + 48u];
                sum_3_0 = add_kept_dot(sum_3_0, x_3_low, w_0_low);
                sum_3_1 = add_kept_dot(sum_3_1, x_3_low, w_1_low);
                sum_3_2 = add_kept_dot(sum_3_2, x_3_low, w_2_low);
                sum_3_3 = add_kept_dot(sum_3_3, x_3_low, w_3_low);
                // The weights are masked once, as they are read.
                let w_0_high = keep_quad(workgroup_tile[shared_w + 65u], keep_0, 4u);
                // The weights are masked once, as they are read.
                let w_1_high = keep_quad(workgroup_tile[shared_w + 81u], keep_0, 12u);
                // The weights are masked once, as they are read.
                let w_2_high = keep_quad(workgroup_tile[shared_w + 97u], keep_0, 20u);
                // The weights are masked once, as they are read.
                let w_3_high = keep_quad(workgroup_tile[shared_w + 113u], keep_0, 28u);
                let x_0_high = workgroup_tile[shared_x + 65u];
                sum_0_0 = add_kept_dot(sum_0_0, x_0_high, w_0_high);
                sum_0_1 = add_kept_dot(sum_0_1, x_0_high, w_1_high);
                sum_0_2 = add_kept_dot(sum_0_2, x_0_high, w_2_high);
                sum_0_3 = add_kept_dot(sum_0_3, x_0_high, w_3_high);
                let x_1_high = workgroup_tile[shared_x + 81u];
                sum_1_0 = add_kept_dot(sum_1_0, x_1_high, w_0_high);
                sum_1_1 = add_kept_dot(sum_1_1, x_1_high, w_1_high);
                sum_1_2 = add_kept_dot(sum_1_2, x_1_high, w_2_high);
                sum_1_3 = add_kept_dot(sum_1_3, x_1_high, w_3_high);
                let x_2_high = workgroup_tile[shared_x + 97u];
                sum_2_0 = add_kept_dot(sum_2_0, x_2_high, w_0_high);
                sum_2_1 = add_kept_dot(sum_2_1, x_2_high, w_1_high);
                sum_2_2 = add_kept_dot(sum_2_2, x_2_high, w_2_high);
                sum_2_3 = add_kept_dot(sum_2_3, x_2_high, w_3_high);
                let x_3_high = workgroup_tile[shared_x + 113u];
                sum_3_0 = add_kept_dot(sum_3_0, x_3_high, w_0_high);
                sum_3_1 = add_kept_dot(sum_3_1, x_3_high, w_1_high);
                sum_3_2 = add_kept_dot(sum_3_2, x_3_high, w_2_high);
                sum_3_3 = add_kept_dot(sum_3_3, x_3_high, w_3_high);
            }
        }
        if inside {
            update_quad(n, o, params.scale * vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3), count);
            update_quad(n + 1, o, params.scale * vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3), count);
            update_quad(n + 2, o, params.scale * vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3), count);
            update_quad(n + 3, o, params.scale * vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3), count);
        }
    }
}
