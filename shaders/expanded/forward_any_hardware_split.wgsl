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
    c = philox_round(c, params.round_keys[0].xy);
    c = philox_round(c, params.round_keys[0].zw);
    c = philox_round(c, params.round_keys[1].xy);
    c = philox_round(c, params.round_keys[1].zw);
    c = philox_round(c, params.round_keys[2].xy);
    c = philox_round(c, params.round_keys[2].zw);
    c = philox_round(c, params.round_keys[3].xy);
    c = philox_round(c, params.round_keys[3].zw);
    c = philox_round(c, params.round_keys[4].xy);
    c = philox_round(c, params.round_keys[4].zw);
    return c;
}

// The brick: 4 examples x 4 outputs x 8 inputs, 128 decisions from one run of the generator.
// Mirrors src/mask/brick.rs. Word n of the result holds example n; its bit `o * 8 + i` is set where
// connection (n, o, i) is kept. `block` is (input / 8, output / 4, example / 4) in global coordinates.

// The input block whose lane 0 decides masked biases: past every real input.
const BIAS_INPUT_BLOCK = 4294967295u;

// The first state of the run that decides a brick.
fn first_state(block: vec3<u32>) -> vec4<u32> {
    return philox(vec4(block, 0u));
}

// What is kept, of what is dropped. Were the compiler to know that this is an inversion, it would fold it into each of
// 128 tests, which costs NVIDIA a third more instructions (docs/rejected.md).
fn keep_from_drop(drop: vec4<u32>) -> vec4<u32> {
    return vec4(params.all_ones) - drop;
}

// One bit of the bit-serial comparison u < threshold, from the least significant plane to the most: drop & plane where
// the threshold's bit is 1, drop | plane where it is 0. It is the majority of the three, for which NVIDIA has one
// instruction however it is written; the other ways are the shortest for AMD, and for processors.
fn compare_bit(drop: vec4<u32>, plane: vec4<u32>, zero: u32) -> vec4<u32> {
    return (drop & plane) | (vec4(zero) & (drop | plane));
}

// What the run's first state decides: the least significant plane, or at 9 to 16 bits all those below the last eight.
// Such a plane is that state with words moved round by some, and bits by a fixed rotation; those that are too many
// meet zeros of the threshold, which leave `drop` at 1.
fn first_planes(state: vec4<u32>) -> vec4<u32> {
    var drop = vec4(~0u);
    drop = compare_bit(drop, (state.wxyz << vec4(30u)) | (state.wxyz >> vec4(2u)), params.zeros[0].x);
    drop = compare_bit(drop, (state.zwxy << vec4(3u)) | (state.zwxy >> vec4(29u)), params.zeros[0].y);
    drop = compare_bit(drop, (state.yzwx << vec4(25u)) | (state.yzwx >> vec4(7u)), params.zeros[0].z);
    drop = compare_bit(drop, (state << vec4(9u)) | (state >> vec4(23u)), params.zeros[0].w);
    drop = compare_bit(drop, (state.wxyz << vec4(8u)) | (state.wxyz >> vec4(24u)), params.zeros[1].x);
    drop = compare_bit(drop, (state.zwxy << vec4(22u)) | (state.zwxy >> vec4(10u)), params.zeros[1].y);
    drop = compare_bit(drop, (state.yzwx << vec4(28u)) | (state.yzwx >> vec4(4u)), params.zeros[1].z);
    drop = compare_bit(drop, state, params.zeros[1].w);
    return drop;
}

fn brick(block: vec3<u32>) -> vec4<u32> {
    var state = first_state(block);
    var drop = first_planes(state);
    state = philox_round(state, params.round_keys[5].xy);
    state = philox_round(state, params.round_keys[5].zw);
    state = philox_round(state, params.round_keys[6].xy);
    drop = compare_bit(drop, state, params.zeros[2].x);
    state = philox_round(state, params.round_keys[6].zw);
    state = philox_round(state, params.round_keys[7].xy);
    state = philox_round(state, params.round_keys[7].zw);
    drop = compare_bit(drop, state, params.zeros[2].y);
    state = philox_round(state, params.round_keys[8].xy);
    state = philox_round(state, params.round_keys[8].zw);
    state = philox_round(state, params.round_keys[9].xy);
    drop = compare_bit(drop, state, params.zeros[2].z);
    state = philox_round(state, params.round_keys[9].zw);
    state = philox_round(state, params.round_keys[10].xy);
    state = philox_round(state, params.round_keys[10].zw);
    drop = compare_bit(drop, state, params.zeros[2].w);
    state = philox_round(state, params.round_keys[11].xy);
    state = philox_round(state, params.round_keys[11].zw);
    state = philox_round(state, params.round_keys[12].xy);
    drop = compare_bit(drop, state, params.zeros[3].x);
    state = philox_round(state, params.round_keys[12].zw);
    state = philox_round(state, params.round_keys[13].xy);
    state = philox_round(state, params.round_keys[13].zw);
    drop = compare_bit(drop, state, params.zeros[3].y);
    state = philox_round(state, params.round_keys[14].xy);
    state = philox_round(state, params.round_keys[14].zw);
    state = philox_round(state, params.round_keys[15].xy);
    drop = compare_bit(drop, state, params.zeros[3].z);
    state = philox_round(state, params.round_keys[15].zw);
    state = philox_round(state, params.round_keys[16].xy);
    state = philox_round(state, params.round_keys[16].zw);
    drop = compare_bit(drop, state, params.zeros[3].w);
    return keep_from_drop(drop);
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

@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn bias_quad(row: u32, column: i32) -> vec4<f32> {
    return bias[(params.base[0].z + row * params.output_stride + u32(column)) / 4u];
}

@group(0) @binding(4) var<storage, read_write> result: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_result_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].w + u32(row) * params.output_stride + u32(column);
    if column < i32(params.outputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += result[index / 4u];
        }
        result[index / 4u] = sum;
    }
}

// Four masked multiply-adds. Lane k counts where bit `bit + k` of `word` is set. `bit` is a literal at every call: once
// a driver has inlined the call, every test is of a constant bit.
//
// How the bit is applied is a choice per vendor, read off machine code (docs/performance.md). Here
// the factor b, the weight wherever there is one, is kept or made +0.
// A dropped weight cannot matter, whatever it is.

// sum + the kept products of four inputs.
fn add_kept_dot(sum: f32, a: vec4<f32>, b: vec4<f32>, word: u32, bit: u32) -> f32 {
    var s = sum;
    s = fma(a.x, keep_or_zero(b.x, word, bit), s);
    s = fma(a.y, keep_or_zero(b.y, word, bit + 1u), s);
    s = fma(a.z, keep_or_zero(b.z, word, bit + 2u), s);
    s = fma(a.w, keep_or_zero(b.w, word, bit + 3u), s);
    return s;
}

// `value` where the bit is set, else +0: the sign-extended bit is a mask of ones or zeros.
fn keep_or_zero(value: f32, word: u32, bit: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(value) & bitcast<u32>(extractBits(bitcast<i32>(word), bit, 1u)));
}

// The bias of four outputs for one example. `word` is of the brick of virtual inputs that decide masked
// biases; a bias that is not masked is neither dropped nor scaled.
fn kept_bias(bias: vec4<f32>, word: u32) -> vec4<f32> {
    let scale = select(1.0, params.scale, params.masked_bias == 1u);
    return select(vec4(0.0), scale * bias, (vec4(word) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u));
}

// Y = scale * (sum over i of M W X) + b. Reference: src/reference/forward.rs.
//
//     for each example n, output o:
//         sum = 0
//         for each input i:
//             if keep(n, o, i):                        a bit of brick(i / 8, o / 4, n / 4)
//                 sum += W[o, i] * X[n, i]
//         Y[n, o] = scale * sum
//         if the bias is not masked:
//             Y[n, o] += b[o]
//         else if keep(n, o, BIAS_INPUT_BLOCK * 8):
//             Y[n, o] += scale * b[o]
//
// As a kernel: naive/forward.wgsl. This one has tiles:
//
//     BM = 32 examples, BN = 32 outputs a workgroup of 8 x 4 threads
//     TM x TN = 8 x 4 sums a thread: 2 x 1 bricks
//     BK = 8 inputs at a time, which each thread reads for itself
//     split_k = 4 threads share a tile
//
// and departs from the above in this:
//
// 1. A thread owns 2 x 1 bricks, 8 examples by 4 outputs, and takes the inputs
//    eight at a time: a brick decides 4 examples x 4 outputs x 8 inputs, and none is drawn twice. It is a function of
//    global coordinates alone, which is why the gradients, with other tiles and another order, see the same mask.
// 2. The products of a step are unrolled, and sums stay in registers. Loops over them cost two to three times.
//    A bit is tested where it is known which; how it is applied is a choice per vendor (mask_op.wgsl).
// 3. What lies outside the problem is computed and not stored: a row there reads the nearest one, a column
//    the last quad. A test in the loop would cost more than the products.
// 4. There are too few tiles to keep the adapter busy: threads share one and add up their parts.
// 5. A sum too long for a dispatch comes in several, and adds to what is there. The bias comes with the first.

// 4 threads share a tile, each with a part of the sums.
var<workgroup> workgroup_tile: array<vec4<f32>, 192>;

@compute @workgroup_size(8, 4, 4)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = workgroup.y * 4u + local.y;
    let tile_column = workgroup.x * 8u + local.x;
    let n = i32(tile_row * 8u) - params.example_shift;
    let o = i32(tile_column * 4u) - params.output_shift;
    // Barriers are for all threads: those outside come along, read what is nearest and store nothing.
    let inside = n < i32(params.examples) && o < i32(params.outputs);
    let example_block = params.example_block + tile_row * 2u;
    let output_block = params.output_block + tile_column;

    // Rows past either end repeat the nearest one; their sums are never stored.
    let x_row_0 = u32(clamp(n, 0, i32(params.examples) - 1));
    let x_row_1 = u32(clamp(n + 1, 0, i32(params.examples) - 1));
    let x_row_2 = u32(clamp(n + 2, 0, i32(params.examples) - 1));
    let x_row_3 = u32(clamp(n + 3, 0, i32(params.examples) - 1));
    let x_row_4 = u32(clamp(n + 4, 0, i32(params.examples) - 1));
    let x_row_5 = u32(clamp(n + 5, 0, i32(params.examples) - 1));
    let x_row_6 = u32(clamp(n + 6, 0, i32(params.examples) - 1));
    let x_row_7 = u32(clamp(n + 7, 0, i32(params.examples) - 1));
    let w_row_0 = u32(clamp(o, 0, i32(params.outputs) - 1));
    let w_row_1 = u32(clamp(o + 1, 0, i32(params.outputs) - 1));
    let w_row_2 = u32(clamp(o + 2, 0, i32(params.outputs) - 1));
    let w_row_3 = u32(clamp(o + 3, 0, i32(params.outputs) - 1));
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
    var sum_4_0 = 0.0;
    var sum_4_1 = 0.0;
    var sum_4_2 = 0.0;
    var sum_4_3 = 0.0;
    var sum_5_0 = 0.0;
    var sum_5_1 = 0.0;
    var sum_5_2 = 0.0;
    var sum_5_3 = 0.0;
    var sum_6_0 = 0.0;
    var sum_6_1 = 0.0;
    var sum_6_2 = 0.0;
    var sum_6_3 = 0.0;
    var sum_7_0 = 0.0;
    var sum_7_1 = 0.0;
    var sum_7_2 = 0.0;
    var sum_7_3 = 0.0;

    let nothing = ~params.all_ones;
    var totals: array<f32, 32>;
    let blocks = select(0u, (params.inputs + u32(params.input_shift) + 7u) / 8u, inside);
    for (var begin = local.z; begin < blocks; begin += 128u) {
        let end = min(begin + 128u, blocks);
        for (var block = begin; block < end; block += 4u) {
            let i = i32(block * 8u) - params.input_shift;
            let keep_0_0 = brick(vec3(params.input_block + block, output_block, example_block));
            let keep_1_0 = brick(vec3(params.input_block + block, output_block, example_block + 1u));
            let w_0_low = w_quad(w_row_0, i);
            let w_1_low = w_quad(w_row_1, i);
            let w_2_low = w_quad(w_row_2, i);
            let w_3_low = w_quad(w_row_3, i);
            let x_0_low = x_quad(x_row_0, i);
            sum_0_0 = add_kept_dot(sum_0_0, x_0_low, w_0_low, keep_0_0.x, 0u);
            sum_0_1 = add_kept_dot(sum_0_1, x_0_low, w_1_low, keep_0_0.x, 8u);
            sum_0_2 = add_kept_dot(sum_0_2, x_0_low, w_2_low, keep_0_0.x, 16u);
            sum_0_3 = add_kept_dot(sum_0_3, x_0_low, w_3_low, keep_0_0.x, 24u);
            let x_1_low = x_quad(x_row_1, i);
            sum_1_0 = add_kept_dot(sum_1_0, x_1_low, w_0_low, keep_0_0.y, 0u);
            sum_1_1 = add_kept_dot(sum_1_1, x_1_low, w_1_low, keep_0_0.y, 8u);
            sum_1_2 = add_kept_dot(sum_1_2, x_1_low, w_2_low, keep_0_0.y, 16u);
            sum_1_3 = add_kept_dot(sum_1_3, x_1_low, w_3_low, keep_0_0.y, 24u);
            let x_2_low = x_quad(x_row_2, i);
            sum_2_0 = add_kept_dot(sum_2_0, x_2_low, w_0_low, keep_0_0.z, 0u);
            sum_2_1 = add_kept_dot(sum_2_1, x_2_low, w_1_low, keep_0_0.z, 8u);
            sum_2_2 = add_kept_dot(sum_2_2, x_2_low, w_2_low, keep_0_0.z, 16u);
            sum_2_3 = add_kept_dot(sum_2_3, x_2_low, w_3_low, keep_0_0.z, 24u);
            let x_3_low = x_quad(x_row_3, i);
            sum_3_0 = add_kept_dot(sum_3_0, x_3_low, w_0_low, keep_0_0.w, 0u);
            sum_3_1 = add_kept_dot(sum_3_1, x_3_low, w_1_low, keep_0_0.w, 8u);
            sum_3_2 = add_kept_dot(sum_3_2, x_3_low, w_2_low, keep_0_0.w, 16u);
            sum_3_3 = add_kept_dot(sum_3_3, x_3_low, w_3_low, keep_0_0.w, 24u);
            let x_4_low = x_quad(x_row_4, i);
            sum_4_0 = add_kept_dot(sum_4_0, x_4_low, w_0_low, keep_1_0.x, 0u);
            sum_4_1 = add_kept_dot(sum_4_1, x_4_low, w_1_low, keep_1_0.x, 8u);
            sum_4_2 = add_kept_dot(sum_4_2, x_4_low, w_2_low, keep_1_0.x, 16u);
            sum_4_3 = add_kept_dot(sum_4_3, x_4_low, w_3_low, keep_1_0.x, 24u);
            let x_5_low = x_quad(x_row_5, i);
            sum_5_0 = add_kept_dot(sum_5_0, x_5_low, w_0_low, keep_1_0.y, 0u);
            sum_5_1 = add_kept_dot(sum_5_1, x_5_low, w_1_low, keep_1_0.y, 8u);
            sum_5_2 = add_kept_dot(sum_5_2, x_5_low, w_2_low, keep_1_0.y, 16u);
            sum_5_3 = add_kept_dot(sum_5_3, x_5_low, w_3_low, keep_1_0.y, 24u);
            let x_6_low = x_quad(x_row_6, i);
            sum_6_0 = add_kept_dot(sum_6_0, x_6_low, w_0_low, keep_1_0.z, 0u);
            sum_6_1 = add_kept_dot(sum_6_1, x_6_low, w_1_low, keep_1_0.z, 8u);
            sum_6_2 = add_kept_dot(sum_6_2, x_6_low, w_2_low, keep_1_0.z, 16u);
            sum_6_3 = add_kept_dot(sum_6_3, x_6_low, w_3_low, keep_1_0.z, 24u);
            let x_7_low = x_quad(x_row_7, i);
            sum_7_0 = add_kept_dot(sum_7_0, x_7_low, w_0_low, keep_1_0.w, 0u);
            sum_7_1 = add_kept_dot(sum_7_1, x_7_low, w_1_low, keep_1_0.w, 8u);
            sum_7_2 = add_kept_dot(sum_7_2, x_7_low, w_2_low, keep_1_0.w, 16u);
            sum_7_3 = add_kept_dot(sum_7_3, x_7_low, w_3_low, keep_1_0.w, 24u);
            let w_0_high = w_quad(w_row_0, i + 4);
            let w_1_high = w_quad(w_row_1, i + 4);
            let w_2_high = w_quad(w_row_2, i + 4);
            let w_3_high = w_quad(w_row_3, i + 4);
            let x_0_high = x_quad(x_row_0, i + 4);
            sum_0_0 = add_kept_dot(sum_0_0, x_0_high, w_0_high, keep_0_0.x, 4u);
            sum_0_1 = add_kept_dot(sum_0_1, x_0_high, w_1_high, keep_0_0.x, 12u);
            sum_0_2 = add_kept_dot(sum_0_2, x_0_high, w_2_high, keep_0_0.x, 20u);
            sum_0_3 = add_kept_dot(sum_0_3, x_0_high, w_3_high, keep_0_0.x, 28u);
            let x_1_high = x_quad(x_row_1, i + 4);
            sum_1_0 = add_kept_dot(sum_1_0, x_1_high, w_0_high, keep_0_0.y, 4u);
            sum_1_1 = add_kept_dot(sum_1_1, x_1_high, w_1_high, keep_0_0.y, 12u);
            sum_1_2 = add_kept_dot(sum_1_2, x_1_high, w_2_high, keep_0_0.y, 20u);
            sum_1_3 = add_kept_dot(sum_1_3, x_1_high, w_3_high, keep_0_0.y, 28u);
            let x_2_high = x_quad(x_row_2, i + 4);
            sum_2_0 = add_kept_dot(sum_2_0, x_2_high, w_0_high, keep_0_0.z, 4u);
            sum_2_1 = add_kept_dot(sum_2_1, x_2_high, w_1_high, keep_0_0.z, 12u);
            sum_2_2 = add_kept_dot(sum_2_2, x_2_high, w_2_high, keep_0_0.z, 20u);
            sum_2_3 = add_kept_dot(sum_2_3, x_2_high, w_3_high, keep_0_0.z, 28u);
            let x_3_high = x_quad(x_row_3, i + 4);
            sum_3_0 = add_kept_dot(sum_3_0, x_3_high, w_0_high, keep_0_0.w, 4u);
            sum_3_1 = add_kept_dot(sum_3_1, x_3_high, w_1_high, keep_0_0.w, 12u);
            sum_3_2 = add_kept_dot(sum_3_2, x_3_high, w_2_high, keep_0_0.w, 20u);
            sum_3_3 = add_kept_dot(sum_3_3, x_3_high, w_3_high, keep_0_0.w, 28u);
            let x_4_high = x_quad(x_row_4, i + 4);
            sum_4_0 = add_kept_dot(sum_4_0, x_4_high, w_0_high, keep_1_0.x, 4u);
            sum_4_1 = add_kept_dot(sum_4_1, x_4_high, w_1_high, keep_1_0.x, 12u);
            sum_4_2 = add_kept_dot(sum_4_2, x_4_high, w_2_high, keep_1_0.x, 20u);
            sum_4_3 = add_kept_dot(sum_4_3, x_4_high, w_3_high, keep_1_0.x, 28u);
            let x_5_high = x_quad(x_row_5, i + 4);
            sum_5_0 = add_kept_dot(sum_5_0, x_5_high, w_0_high, keep_1_0.y, 4u);
            sum_5_1 = add_kept_dot(sum_5_1, x_5_high, w_1_high, keep_1_0.y, 12u);
            sum_5_2 = add_kept_dot(sum_5_2, x_5_high, w_2_high, keep_1_0.y, 20u);
            sum_5_3 = add_kept_dot(sum_5_3, x_5_high, w_3_high, keep_1_0.y, 28u);
            let x_6_high = x_quad(x_row_6, i + 4);
            sum_6_0 = add_kept_dot(sum_6_0, x_6_high, w_0_high, keep_1_0.z, 4u);
            sum_6_1 = add_kept_dot(sum_6_1, x_6_high, w_1_high, keep_1_0.z, 12u);
            sum_6_2 = add_kept_dot(sum_6_2, x_6_high, w_2_high, keep_1_0.z, 20u);
            sum_6_3 = add_kept_dot(sum_6_3, x_6_high, w_3_high, keep_1_0.z, 28u);
            let x_7_high = x_quad(x_row_7, i + 4);
            sum_7_0 = add_kept_dot(sum_7_0, x_7_high, w_0_high, keep_1_0.w, 4u);
            sum_7_1 = add_kept_dot(sum_7_1, x_7_high, w_1_high, keep_1_0.w, 12u);
            sum_7_2 = add_kept_dot(sum_7_2, x_7_high, w_2_high, keep_1_0.w, 20u);
            sum_7_3 = add_kept_dot(sum_7_3, x_7_high, w_3_high, keep_1_0.w, 28u);
        }
        totals[nothing] += sum_0_0;
        sum_0_0 = f32(0.0);
        totals[1u + nothing] += sum_0_1;
        sum_0_1 = f32(0.0);
        totals[2u + nothing] += sum_0_2;
        sum_0_2 = f32(0.0);
        totals[3u + nothing] += sum_0_3;
        sum_0_3 = f32(0.0);
        totals[4u + nothing] += sum_1_0;
        sum_1_0 = f32(0.0);
        totals[5u + nothing] += sum_1_1;
        sum_1_1 = f32(0.0);
        totals[6u + nothing] += sum_1_2;
        sum_1_2 = f32(0.0);
        totals[7u + nothing] += sum_1_3;
        sum_1_3 = f32(0.0);
        totals[8u + nothing] += sum_2_0;
        sum_2_0 = f32(0.0);
        totals[9u + nothing] += sum_2_1;
        sum_2_1 = f32(0.0);
        totals[10u + nothing] += sum_2_2;
        sum_2_2 = f32(0.0);
        totals[11u + nothing] += sum_2_3;
        sum_2_3 = f32(0.0);
        totals[12u + nothing] += sum_3_0;
        sum_3_0 = f32(0.0);
        totals[13u + nothing] += sum_3_1;
        sum_3_1 = f32(0.0);
        totals[14u + nothing] += sum_3_2;
        sum_3_2 = f32(0.0);
        totals[15u + nothing] += sum_3_3;
        sum_3_3 = f32(0.0);
        totals[16u + nothing] += sum_4_0;
        sum_4_0 = f32(0.0);
        totals[17u + nothing] += sum_4_1;
        sum_4_1 = f32(0.0);
        totals[18u + nothing] += sum_4_2;
        sum_4_2 = f32(0.0);
        totals[19u + nothing] += sum_4_3;
        sum_4_3 = f32(0.0);
        totals[20u + nothing] += sum_5_0;
        sum_5_0 = f32(0.0);
        totals[21u + nothing] += sum_5_1;
        sum_5_1 = f32(0.0);
        totals[22u + nothing] += sum_5_2;
        sum_5_2 = f32(0.0);
        totals[23u + nothing] += sum_5_3;
        sum_5_3 = f32(0.0);
        totals[24u + nothing] += sum_6_0;
        sum_6_0 = f32(0.0);
        totals[25u + nothing] += sum_6_1;
        sum_6_1 = f32(0.0);
        totals[26u + nothing] += sum_6_2;
        sum_6_2 = f32(0.0);
        totals[27u + nothing] += sum_6_3;
        sum_6_3 = f32(0.0);
        totals[28u + nothing] += sum_7_0;
        sum_7_0 = f32(0.0);
        totals[29u + nothing] += sum_7_1;
        sum_7_1 = f32(0.0);
        totals[30u + nothing] += sum_7_2;
        sum_7_2 = f32(0.0);
        totals[31u + nothing] += sum_7_3;
        sum_7_3 = f32(0.0);
    }
    sum_0_0 += totals[nothing];
    sum_0_1 += totals[1u + nothing];
    sum_0_2 += totals[2u + nothing];
    sum_0_3 += totals[3u + nothing];
    sum_1_0 += totals[4u + nothing];
    sum_1_1 += totals[5u + nothing];
    sum_1_2 += totals[6u + nothing];
    sum_1_3 += totals[7u + nothing];
    sum_2_0 += totals[8u + nothing];
    sum_2_1 += totals[9u + nothing];
    sum_2_2 += totals[10u + nothing];
    sum_2_3 += totals[11u + nothing];
    sum_3_0 += totals[12u + nothing];
    sum_3_1 += totals[13u + nothing];
    sum_3_2 += totals[14u + nothing];
    sum_3_3 += totals[15u + nothing];
    sum_4_0 += totals[16u + nothing];
    sum_4_1 += totals[17u + nothing];
    sum_4_2 += totals[18u + nothing];
    sum_4_3 += totals[19u + nothing];
    sum_5_0 += totals[20u + nothing];
    sum_5_1 += totals[21u + nothing];
    sum_5_2 += totals[22u + nothing];
    sum_5_3 += totals[23u + nothing];
    sum_6_0 += totals[24u + nothing];
    sum_6_1 += totals[25u + nothing];
    sum_6_2 += totals[26u + nothing];
    sum_6_3 += totals[27u + nothing];
    sum_7_0 += totals[28u + nothing];
    sum_7_1 += totals[29u + nothing];
    sum_7_2 += totals[30u + nothing];
    sum_7_3 += totals[31u + nothing];

    // The parts of the 4 threads, two rows at a time, come to the first of them.
    let thread = local.y * 8u + local.x;
    if local.z > 0u {
        let slot = thread + (local.z - 1u) * 32u;
        workgroup_tile[slot] = vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3);
        workgroup_tile[slot + 96u] = vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3);
    }
    workgroupBarrier();
    if local.z == 0u {
        for (var slot = thread; slot < 96u; slot += 32u) {
            let part_0 = workgroup_tile[slot];
            sum_0_0 += part_0.x;
            sum_0_1 += part_0.y;
            sum_0_2 += part_0.z;
            sum_0_3 += part_0.w;
            let part_1 = workgroup_tile[slot + 96u];
            sum_1_0 += part_1.x;
            sum_1_1 += part_1.y;
            sum_1_2 += part_1.z;
            sum_1_3 += part_1.w;
        }
    }
    // Until the rows before have been read.
    workgroupBarrier();
    if local.z > 0u {
        let slot = thread + (local.z - 1u) * 32u;
        workgroup_tile[slot] = vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3);
        workgroup_tile[slot + 96u] = vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3);
    }
    workgroupBarrier();
    if local.z == 0u {
        for (var slot = thread; slot < 96u; slot += 32u) {
            let part_0 = workgroup_tile[slot];
            sum_2_0 += part_0.x;
            sum_2_1 += part_0.y;
            sum_2_2 += part_0.z;
            sum_2_3 += part_0.w;
            let part_1 = workgroup_tile[slot + 96u];
            sum_3_0 += part_1.x;
            sum_3_1 += part_1.y;
            sum_3_2 += part_1.z;
            sum_3_3 += part_1.w;
        }
    }
    // Until the rows before have been read.
    workgroupBarrier();
    if local.z > 0u {
        let slot = thread + (local.z - 1u) * 32u;
        workgroup_tile[slot] = vec4(sum_4_0, sum_4_1, sum_4_2, sum_4_3);
        workgroup_tile[slot + 96u] = vec4(sum_5_0, sum_5_1, sum_5_2, sum_5_3);
    }
    workgroupBarrier();
    if local.z == 0u {
        for (var slot = thread; slot < 96u; slot += 32u) {
            let part_0 = workgroup_tile[slot];
            sum_4_0 += part_0.x;
            sum_4_1 += part_0.y;
            sum_4_2 += part_0.z;
            sum_4_3 += part_0.w;
            let part_1 = workgroup_tile[slot + 96u];
            sum_5_0 += part_1.x;
            sum_5_1 += part_1.y;
            sum_5_2 += part_1.z;
            sum_5_3 += part_1.w;
        }
    }
    // Until the rows before have been read.
    workgroupBarrier();
    if local.z > 0u {
        let slot = thread + (local.z - 1u) * 32u;
        workgroup_tile[slot] = vec4(sum_6_0, sum_6_1, sum_6_2, sum_6_3);
        workgroup_tile[slot + 96u] = vec4(sum_7_0, sum_7_1, sum_7_2, sum_7_3);
    }
    workgroupBarrier();
    if local.z == 0u {
        for (var slot = thread; slot < 96u; slot += 32u) {
            let part_0 = workgroup_tile[slot];
            sum_6_0 += part_0.x;
            sum_6_1 += part_0.y;
            sum_6_2 += part_0.z;
            sum_6_3 += part_0.w;
            let part_1 = workgroup_tile[slot + 96u];
            sum_7_0 += part_1.x;
            sum_7_1 += part_1.y;
            sum_7_2 += part_1.z;
            sum_7_3 += part_1.w;
        }
    }
    if local.z > 0u || !inside {
        return;
    }

    let bias_0 = bias_quad(0u, o);
    var keep_bias_0_0 = vec4(~0u);
    if params.masked_bias == 1u {
        keep_bias_0_0 = brick(vec3(BIAS_INPUT_BLOCK, output_block, example_block));
    }
    store_result_quad(
        n,
        o,
        params.scale * vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3) + kept_bias(bias_0, keep_bias_0_0.x),
    );
    store_result_quad(
        n + 1,
        o,
        params.scale * vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3) + kept_bias(bias_0, keep_bias_0_0.y),
    );
    store_result_quad(
        n + 2,
        o,
        params.scale * vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3) + kept_bias(bias_0, keep_bias_0_0.z),
    );
    store_result_quad(
        n + 3,
        o,
        params.scale * vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3) + kept_bias(bias_0, keep_bias_0_0.w),
    );
    var keep_bias_1_0 = vec4(~0u);
    if params.masked_bias == 1u {
        keep_bias_1_0 = brick(vec3(BIAS_INPUT_BLOCK, output_block, example_block + 1u));
    }
    store_result_quad(
        n + 4,
        o,
        params.scale * vec4(sum_4_0, sum_4_1, sum_4_2, sum_4_3) + kept_bias(bias_0, keep_bias_1_0.x),
    );
    store_result_quad(
        n + 5,
        o,
        params.scale * vec4(sum_5_0, sum_5_1, sum_5_2, sum_5_3) + kept_bias(bias_0, keep_bias_1_0.y),
    );
    store_result_quad(
        n + 6,
        o,
        params.scale * vec4(sum_6_0, sum_6_1, sum_6_2, sum_6_3) + kept_bias(bias_0, keep_bias_1_0.z),
    );
    store_result_quad(
        n + 7,
        o,
        params.scale * vec4(sum_7_0, sum_7_1, sum_7_2, sum_7_3) + kept_bias(bias_0, keep_bias_1_0.w),
    );
}
