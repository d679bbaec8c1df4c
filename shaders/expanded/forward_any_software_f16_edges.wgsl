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
    // Exact: no partial sum passes 2^32 - 1, since (2^16 - 1)^2 + 2 (2^16 - 1) = 2^32 - 1.
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let t = al * bl;
    let u = ah * bl + (t >> 16u);
    let v = al * bh + (u & 0xffffu);
    return vec2(a * b, ah * bh + (u >> 16u) + (v >> 16u));
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

// Rounds go on from one plane to the next; `key` is that of the first of them.
fn next_plane(state: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = state;
    c = philox_round(c, key);
    c = philox_round(c, key + vec2(2654435769u, 3144134277u));
    c = philox_round(c, key + vec2(1013904242u, 1993301258u));
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

// All ones where this bit of the threshold is 0.
fn zero_at(bit: u32) -> u32 {
    return ((params.threshold >> bit) & 1u) - 1u;
}

// One bit of the bit-serial comparison u < threshold, from the least significant plane to the most: drop & plane where
// the threshold's bit is 1, drop | plane where it is 0. It is the majority of the three, for which NVIDIA has one
// instruction however it is written; the other ways are the shortest for AMD, and for processors.
fn compare_bit(drop: vec4<u32>, plane: vec4<u32>, zero: u32) -> vec4<u32> {
    return drop ^ ((drop ^ plane) & (drop ^ vec4(zero)));
}

// What the run's first state decides: the least significant plane, or at 9 to 16 bits all those below the last eight.
// Such a plane is that state with words moved round by some, and bits by a fixed rotation; those that are too many
// meet zeros of the threshold, which leave `drop` at 1.
fn first_planes(state: vec4<u32>) -> vec4<u32> {
    var drop = vec4(~0u);
    drop = compare_bit(drop, (state.wxyz << vec4(30u)) | (state.wxyz >> vec4(2u)), zero_at(0u));
    drop = compare_bit(drop, (state.zwxy << vec4(3u)) | (state.zwxy >> vec4(29u)), zero_at(1u));
    drop = compare_bit(drop, (state.yzwx << vec4(25u)) | (state.yzwx >> vec4(7u)), zero_at(2u));
    drop = compare_bit(drop, (state << vec4(9u)) | (state >> vec4(23u)), zero_at(3u));
    drop = compare_bit(drop, (state.wxyz << vec4(8u)) | (state.wxyz >> vec4(24u)), zero_at(4u));
    drop = compare_bit(drop, (state.zwxy << vec4(22u)) | (state.zwxy >> vec4(10u)), zero_at(5u));
    drop = compare_bit(drop, (state.yzwx << vec4(28u)) | (state.yzwx >> vec4(4u)), zero_at(6u));
    drop = compare_bit(drop, state, zero_at(7u));
    return drop;
}

fn brick(block: vec3<u32>) -> vec4<u32> {
    var state = first_state(block);
    var drop = first_planes(state);
    var key = params.round_keys[5].xy;
    for (var bit = 8u; bit < 16u; bit++) {
        state = next_plane(state, key);
        drop = compare_bit(drop, state, zero_at(bit));
        key += vec2(3668340011u, 842468239u);
    }
    return keep_from_drop(drop);
}

// Tensors in storage buffers, f16 in and f16 out; 16 bits are two to a word. Mirrors
// src/element.rs.
//
// Everything works on quads, four consecutive elements of a row.
// Rows start anywhere here: each element is loaded by itself, and one outside its row reads as 0 on both sides of a
// product, so that it adds exactly 0 to any sum.

fn unpack(word: u32) -> vec2<f32> {
    return unpack2x16float(word);
}

// To nearest even, by hand: the rounding of pack2x16float differs between drivers.
fn pack(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let sign = (bits >> 16u) & 0x8000u;
    let magnitude = bits & 0x7fffffffu;
    if magnitude > 0x7f800000u {
        return sign | 0x7e00u;
    }
    if magnitude < 0x38800000u {
        return sign | u32(round(bitcast<f32>(magnitude) * 16777216.0));
    }
    let rounded = magnitude + 0xfffu + ((magnitude >> 13u) & 1u);
    return sign | select((rounded - 0x38000000u) >> 13u, 0x7c00u, rounded >= 0x47800000u);
}

// The element at `index`, of the word that has it.
fn unpack_lane(word: u32, index: u32) -> f32 {
    return unpack(word >> (16u * (index & 1u))).x;
}

@group(0) @binding(1) var<storage, read> x: array<u32>;

// Columns `column` to `column + 3` of row `row`.
fn x_quad(row: u32, column: i32) -> vec4<f32> {
    let index = params.base[0].x + row * params.input_stride;
    let last = i32(params.inputs) - 1;
    let index_0 = index + u32(clamp(column, 0, last));
    let value_0 = unpack_lane(x[index_0 / 2u], index_0);
    let index_1 = index + u32(clamp(column + 1, 0, last));
    let value_1 = unpack_lane(x[index_1 / 2u], index_1);
    let index_2 = index + u32(clamp(column + 2, 0, last));
    let value_2 = unpack_lane(x[index_2 / 2u], index_2);
    let index_3 = index + u32(clamp(column + 3, 0, last));
    let value_3 = unpack_lane(x[index_3 / 2u], index_3);
    let lanes = vec4(column) + vec4(0, 1, 2, 3);
    return select(vec4(0.0), vec4(value_0, value_1, value_2, value_3), lanes == clamp(lanes, vec4(0), vec4(last)));
}

@group(0) @binding(2) var<storage, read> w: array<u32>;

// Columns `column` to `column + 3` of row `row`.
fn w_quad(row: u32, column: i32) -> vec4<f32> {
    let index = params.base[0].y + row * params.input_stride;
    let last = i32(params.inputs) - 1;
    let index_0 = index + u32(clamp(column, 0, last));
    let value_0 = unpack_lane(w[index_0 / 2u], index_0);
    let index_1 = index + u32(clamp(column + 1, 0, last));
    let value_1 = unpack_lane(w[index_1 / 2u], index_1);
    let index_2 = index + u32(clamp(column + 2, 0, last));
    let value_2 = unpack_lane(w[index_2 / 2u], index_2);
    let index_3 = index + u32(clamp(column + 3, 0, last));
    let value_3 = unpack_lane(w[index_3 / 2u], index_3);
    let lanes = vec4(column) + vec4(0, 1, 2, 3);
    return select(vec4(0.0), vec4(value_0, value_1, value_2, value_3), lanes == clamp(lanes, vec4(0), vec4(last)));
}

@group(0) @binding(3) var<storage, read> bias: array<u32>;

// Columns `column` to `column + 3` of row `row`.
fn bias_quad(row: u32, column: i32) -> vec4<f32> {
    let index = params.base[0].z + row * params.output_stride;
    let last = i32(params.outputs) - 1;
    let index_0 = index + u32(clamp(column, 0, last));
    let value_0 = unpack_lane(bias[index_0 / 2u], index_0);
    let index_1 = index + u32(clamp(column + 1, 0, last));
    let value_1 = unpack_lane(bias[index_1 / 2u], index_1);
    let index_2 = index + u32(clamp(column + 2, 0, last));
    let value_2 = unpack_lane(bias[index_2 / 2u], index_2);
    let index_3 = index + u32(clamp(column + 3, 0, last));
    let value_3 = unpack_lane(bias[index_3 / 2u], index_3);
    let lanes = vec4(column) + vec4(0, 1, 2, 3);
    return select(vec4(0.0), vec4(value_0, value_1, value_2, value_3), lanes == clamp(lanes, vec4(0), vec4(last)));
}

@group(0) @binding(4) var<storage, read_write> result: array<atomic<u32>>;

fn store_result(index: u32, value: f32) {
    // The other lane of the word may belong to another thread, which touches only its own bits: the
    // word ends up the same in whatever order they come.
    let shift = (index & 1u) * 16u;
    let word = index / 2u;
    var sum = value;
    if params.accumulate == 1u {
        sum += unpack_lane(atomicLoad(&result[word]), index);
    }
    atomicAnd(&result[word], ~(0xffffu << shift));
    atomicOr(&result[word], pack(sum) << shift);
}

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_result_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].w + u32(row) * params.output_stride + u32(column);
    for (var lane = 0; lane < 4; lane++) {
        if column + lane >= 0 && column + lane < i32(params.outputs) {
            store_result(index + u32(lane), values[lane]);
        }
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
//     BM = 8 examples, BN = 128 outputs a workgroup of 16 x 1 threads
//     TM x TN = 8 x 8 sums a thread: 2 x 2 bricks
//     BK = 8 inputs at a time, which each thread reads for itself
//
// and departs from the above in this:
//
// 1. A thread owns 2 x 2 bricks, 8 examples by 8 outputs, and takes the inputs
//    eight at a time: a brick decides 4 examples x 4 outputs x 8 inputs, and none is drawn twice. It is a function of
//    global coordinates alone, which is why the gradients, with other tiles and another order, see the same mask.
// 2. The products of a step are unrolled, and sums stay in registers. Loops over them cost two to three times.
//    A bit is tested where it is known which; how it is applied is a choice per vendor (mask_op.wgsl).
// 3. What lies outside the problem is computed and not stored: a row there reads the nearest one, a column
//    reads 0. A test in the loop would cost more than the products.
// 4. Not unrolled are the planes of bricks and the rows to store, which take some drivers long to compile.
// 5. A sum too long for a dispatch comes in several, and adds to what is there. The bias comes with the first.

@compute @workgroup_size(16, 1)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = workgroup.y;
    let tile_column = workgroup.x * 16u + local.x;
    let n = i32(tile_row * 8u) - params.example_shift;
    let o = i32(tile_column * 8u) - params.output_shift;
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    let example_block = params.example_block + tile_row * 2u;
    let output_block = params.output_block + tile_column * 2u;

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
    let w_row_4 = u32(clamp(o + 4, 0, i32(params.outputs) - 1));
    let w_row_5 = u32(clamp(o + 5, 0, i32(params.outputs) - 1));
    let w_row_6 = u32(clamp(o + 6, 0, i32(params.outputs) - 1));
    let w_row_7 = u32(clamp(o + 7, 0, i32(params.outputs) - 1));
    var sum_0_0 = 0.0;
    var sum_0_1 = 0.0;
    var sum_0_2 = 0.0;
    var sum_0_3 = 0.0;
    var sum_0_4 = 0.0;
    var sum_0_5 = 0.0;
    var sum_0_6 = 0.0;
    var sum_0_7 = 0.0;
    var sum_1_0 = 0.0;
    var sum_1_1 = 0.0;
    var sum_1_2 = 0.0;
    var sum_1_3 = 0.0;
    var sum_1_4 = 0.0;
    var sum_1_5 = 0.0;
    var sum_1_6 = 0.0;
    var sum_1_7 = 0.0;
    var sum_2_0 = 0.0;
    var sum_2_1 = 0.0;
    var sum_2_2 = 0.0;
    var sum_2_3 = 0.0;
    var sum_2_4 = 0.0;
    var sum_2_5 = 0.0;
    var sum_2_6 = 0.0;
    var sum_2_7 = 0.0;
    var sum_3_0 = 0.0;
    var sum_3_1 = 0.0;
    var sum_3_2 = 0.0;
    var sum_3_3 = 0.0;
    var sum_3_4 = 0.0;
    var sum_3_5 = 0.0;
    var sum_3_6 = 0.0;
    var sum_3_7 = 0.0;
    var sum_4_0 = 0.0;
    var sum_4_1 = 0.0;
    var sum_4_2 = 0.0;
    var sum_4_3 = 0.0;
    var sum_4_4 = 0.0;
    var sum_4_5 = 0.0;
    var sum_4_6 = 0.0;
    var sum_4_7 = 0.0;
    var sum_5_0 = 0.0;
    var sum_5_1 = 0.0;
    var sum_5_2 = 0.0;
    var sum_5_3 = 0.0;
    var sum_5_4 = 0.0;
    var sum_5_5 = 0.0;
    var sum_5_6 = 0.0;
    var sum_5_7 = 0.0;
    var sum_6_0 = 0.0;
    var sum_6_1 = 0.0;
    var sum_6_2 = 0.0;
    var sum_6_3 = 0.0;
    var sum_6_4 = 0.0;
    var sum_6_5 = 0.0;
    var sum_6_6 = 0.0;
    var sum_6_7 = 0.0;
    var sum_7_0 = 0.0;
    var sum_7_1 = 0.0;
    var sum_7_2 = 0.0;
    var sum_7_3 = 0.0;
    var sum_7_4 = 0.0;
    var sum_7_5 = 0.0;
    var sum_7_6 = 0.0;
    var sum_7_7 = 0.0;

    let blocks = (params.inputs + u32(params.input_shift) + 7u) / 8u;
    for (var block = 0u; block < blocks; block++) {
        let i = i32(block * 8u) - params.input_shift;
        // Plane by plane for the whole tile: one loop and not one for each brick, in which the rounds of one
        // brick do not wait for those of another.
        var state_0_0 = first_state(vec3(params.input_block + block, output_block, example_block));
        var drop_0_0 = first_planes(state_0_0);
        var state_0_1 = first_state(vec3(params.input_block + block, output_block + 1u, example_block));
        var drop_0_1 = first_planes(state_0_1);
        var state_1_0 = first_state(vec3(params.input_block + block, output_block, example_block + 1u));
        var drop_1_0 = first_planes(state_1_0);
        var state_1_1 = first_state(vec3(params.input_block + block, output_block + 1u, example_block + 1u));
        var drop_1_1 = first_planes(state_1_1);
        var key = params.round_keys[5].xy;
        for (var bit = 8u; bit < 16u; bit++) {
            state_0_0 = next_plane(state_0_0, key);
            drop_0_0 = compare_bit(drop_0_0, state_0_0, zero_at(bit));
            state_0_1 = next_plane(state_0_1, key);
            drop_0_1 = compare_bit(drop_0_1, state_0_1, zero_at(bit));
            state_1_0 = next_plane(state_1_0, key);
            drop_1_0 = compare_bit(drop_1_0, state_1_0, zero_at(bit));
            state_1_1 = next_plane(state_1_1, key);
            drop_1_1 = compare_bit(drop_1_1, state_1_1, zero_at(bit));
            key += vec2(3668340011u, 842468239u);
        }
        let keep_0_0 = keep_from_drop(drop_0_0);
        let keep_0_1 = keep_from_drop(drop_0_1);
        let keep_1_0 = keep_from_drop(drop_1_0);
        let keep_1_1 = keep_from_drop(drop_1_1);
        let w_0_low = w_quad(w_row_0, i);
        let w_1_low = w_quad(w_row_1, i);
        let w_2_low = w_quad(w_row_2, i);
        let w_3_low = w_quad(w_row_3, i);
        let w_4_low = w_quad(w_row_4, i);
        let w_5_low = w_quad(w_row_5, i);
        let w_6_low = w_quad(w_row_6, i);
        let w_7_low = w_quad(w_row_7, i);
        let x_0_low = x_quad(x_row_0, i);
        sum_0_0 = add_kept_dot(sum_0_0, x_0_low, w_0_low, keep_0_0.x, 0u);
        sum_0_1 = add_kept_dot(sum_0_1, x_0_low, w_1_low, keep_0_0.x, 8u);
        sum_0_2 = add_kept_dot(sum_0_2, x_0_low, w_2_low, keep_0_0.x, 16u);
        sum_0_3 = add_kept_dot(sum_0_3, x_0_low, w_3_low, keep_0_0.x, 24u);
        sum_0_4 = add_kept_dot(sum_0_4, x_0_low, w_4_low, keep_0_1.x, 0u);
        sum_0_5 = add_kept_dot(sum_0_5, x_0_low, w_5_low, keep_0_1.x, 8u);
        sum_0_6 = add_kept_dot(sum_0_6, x_0_low, w_6_low, keep_0_1.x, 16u);
        sum_0_7 = add_kept_dot(sum_0_7, x_0_low, w_7_low, keep_0_1.x, 24u);
        let x_1_low = x_quad(x_row_1, i);
        sum_1_0 = add_kept_dot(sum_1_0, x_1_low, w_0_low, keep_0_0.y, 0u);
        sum_1_1 = add_kept_dot(sum_1_1, x_1_low, w_1_low, keep_0_0.y, 8u);
        sum_1_2 = add_kept_dot(sum_1_2, x_1_low, w_2_low, keep_0_0.y, 16u);
        sum_1_3 = add_kept_dot(sum_1_3, x_1_low, w_3_low, keep_0_0.y, 24u);
        sum_1_4 = add_kept_dot(sum_1_4, x_1_low, w_4_low, keep_0_1.y, 0u);
        sum_1_5 = add_kept_dot(sum_1_5, x_1_low, w_5_low, keep_0_1.y, 8u);
        sum_1_6 = add_kept_dot(sum_1_6, x_1_low, w_6_low, keep_0_1.y, 16u);
        sum_1_7 = add_kept_dot(sum_1_7, x_1_low, w_7_low, keep_0_1.y, 24u);
        let x_2_low = x_quad(x_row_2, i);
        sum_2_0 = add_kept_dot(sum_2_0, x_2_low, w_0_low, keep_0_0.z, 0u);
        sum_2_1 = add_kept_dot(sum_2_1, x_2_low, w_1_low, keep_0_0.z, 8u);
        sum_2_2 = add_kept_dot(sum_2_2, x_2_low, w_2_low, keep_0_0.z, 16u);
        sum_2_3 = add_kept_dot(sum_2_3, x_2_low, w_3_low, keep_0_0.z, 24u);
        sum_2_4 = add_kept_dot(sum_2_4, x_2_low, w_4_low, keep_0_1.z, 0u);
        sum_2_5 = add_kept_dot(sum_2_5, x_2_low, w_5_low, keep_0_1.z, 8u);
        sum_2_6 = add_kept_dot(sum_2_6, x_2_low, w_6_low, keep_0_1.z, 16u);
        sum_2_7 = add_kept_dot(sum_2_7, x_2_low, w_7_low, keep_0_1.z, 24u);
        let x_3_low = x_quad(x_row_3, i);
        sum_3_0 = add_kept_dot(sum_3_0, x_3_low, w_0_low, keep_0_0.w, 0u);
        sum_3_1 = add_kept_dot(sum_3_1, x_3_low, w_1_low, keep_0_0.w, 8u);
        sum_3_2 = add_kept_dot(sum_3_2, x_3_low, w_2_low, keep_0_0.w, 16u);
        sum_3_3 = add_kept_dot(sum_3_3, x_3_low, w_3_low, keep_0_0.w, 24u);
        sum_3_4 = add_kept_dot(sum_3_4, x_3_low, w_4_low, keep_0_1.w, 0u);
        sum_3_5 = add_kept_dot(sum_3_5, x_3_low, w_5_low, keep_0_1.w, 8u);
        sum_3_6 = add_kept_dot(sum_3_6, x_3_low, w_6_low, keep_0_1.w, 16u);
        sum_3_7 = add_kept_dot(sum_3_7, x_3_low, w_7_low, keep_0_1.w, 24u);
        let x_4_low = x_quad(x_row_4, i);
        sum_4_0 = add_kept_dot(sum_4_0, x_4_low, w_0_low, keep_1_0.x, 0u);
        sum_4_1 = add_kept_dot(sum_4_1, x_4_low, w_1_low, keep_1_0.x, 8u);
        sum_4_2 = add_kept_dot(sum_4_2, x_4_low, w_2_low, keep_1_0.x, 16u);
        sum_4_3 = add_kept_dot(sum_4_3, x_4_low, w_3_low, keep_1_0.x, 24u);
        sum_4_4 = add_kept_dot(sum_4_4, x_4_low, w_4_low, keep_1_1.x, 0u);
        sum_4_5 = add_kept_dot(sum_4_5, x_4_low, w_5_low, keep_1_1.x, 8u);
        sum_4_6 = add_kept_dot(sum_4_6, x_4_low, w_6_low, keep_1_1.x, 16u);
        sum_4_7 = add_kept_dot(sum_4_7, x_4_low, w_7_low, keep_1_1.x, 24u);
        let x_5_low = x_quad(x_row_5, i);
        sum_5_0 = add_kept_dot(sum_5_0, x_5_low, w_0_low, keep_1_0.y, 0u);
        sum_5_1 = add_kept_dot(sum_5_1, x_5_low, w_1_low, keep_1_0.y, 8u);
        sum_5_2 = add_kept_dot(sum_5_2, x_5_low, w_2_low, keep_1_0.y, 16u);
        sum_5_3 = add_kept_dot(sum_5_3, x_5_low, w_3_low, keep_1_0.y, 24u);
        sum_5_4 = add_kept_dot(sum_5_4, x_5_low, w_4_low, keep_1_1.y, 0u);
        sum_5_5 = add_kept_dot(sum_5_5, x_5_low, w_5_low, keep_1_1.y, 8u);
        sum_5_6 = add_kept_dot(sum_5_6, x_5_low, w_6_low, keep_1_1.y, 16u);
        sum_5_7 = add_kept_dot(sum_5_7, x_5_low, w_7_low, keep_1_1.y, 24u);
        let x_6_low = x_quad(x_row_6, i);
        sum_6_0 = add_kept_dot(sum_6_0, x_6_low, w_0_low, keep_1_0.z, 0u);
        sum_6_1 = add_kept_dot(sum_6_1, x_6_low, w_1_low, keep_1_0.z, 8u);
        sum_6_2 = add_kept_dot(sum_6_2, x_6_low, w_2_low, keep_1_0.z, 16u);
        sum_6_3 = add_kept_dot(sum_6_3, x_6_low, w_3_low, keep_1_0.z, 24u);
        sum_6_4 = add_kept_dot(sum_6_4, x_6_low, w_4_low, keep_1_1.z, 0u);
        sum_6_5 = add_kept_dot(sum_6_5, x_6_low, w_5_low, keep_1_1.z, 8u);
        sum_6_6 = add_kept_dot(sum_6_6, x_6_low, w_6_low, keep_1_1.z, 16u);
        sum_6_7 = add_kept_dot(sum_6_7, x_6_low, w_7_low, keep_1_1.z, 24u);
        let x_7_low = x_quad(x_row_7, i);
        sum_7_0 = add_kept_dot(sum_7_0, x_7_low, w_0_low, keep_1_0.w, 0u);
        sum_7_1 = add_kept_dot(sum_7_1, x_7_low, w_1_low, keep_1_0.w, 8u);
        sum_7_2 = add_kept_dot(sum_7_2, x_7_low, w_2_low, keep_1_0.w, 16u);
        sum_7_3 = add_kept_dot(sum_7_3, x_7_low, w_3_low, keep_1_0.w, 24u);
        sum_7_4 = add_kept_dot(sum_7_4, x_7_low, w_4_low, keep_1_1.w, 0u);
        sum_7_5 = add_kept_dot(sum_7_5, x_7_low, w_5_low, keep_1_1.w, 8u);
        sum_7_6 = add_kept_dot(sum_7_6, x_7_low, w_6_low, keep_1_1.w, 16u);
        sum_7_7 = add_kept_dot(sum_7_7, x_7_low, w_7_low, keep_1_1.w, 24u);
        let w_0_high = w_quad(w_row_0, i + 4);
        let w_1_high = w_quad(w_row_1, i + 4);
        let w_2_high = w_quad(w_row_2, i + 4);
        let w_3_high = w_quad(w_row_3, i + 4);
        let w_4_high = w_quad(w_row_4, i + 4);
        let w_5_high = w_quad(w_row_5, i + 4);
        let w_6_high = w_quad(w_row_6, i + 4);
        let w_7_high = w_quad(w_row_7, i + 4);
        let x_0_high = x_quad(x_row_0, i + 4);
        sum_0_0 = add_kept_dot(sum_0_0, x_0_high, w_0_high, keep_0_0.x, 4u);
        sum_0_1 = add_kept_dot(sum_0_1, x_0_high, w_1_high, keep_0_0.x, 12u);
        sum_0_2 = add_kept_dot(sum_0_2, x_0_high, w_2_high, keep_0_0.x, 20u);
        sum_0_3 = add_kept_dot(sum_0_3, x_0_high, w_3_high, keep_0_0.x, 28u);
        sum_0_4 = add_kept_dot(sum_0_4, x_0_high, w_4_high, keep_0_1.x, 4u);
        sum_0_5 = add_kept_dot(sum_0_5, x_0_high, w_5_high, keep_0_1.x, 12u);
        sum_0_6 = add_kept_dot(sum_0_6, x_0_high, w_6_high, keep_0_1.x, 20u);
        sum_0_7 = add_kept_dot(sum_0_7, x_0_high, w_7_high, keep_0_1.x, 28u);
        let x_1_high = x_quad(x_row_1, i + 4);
        sum_1_0 = add_kept_dot(sum_1_0, x_1_high, w_0_high, keep_0_0.y, 4u);
        sum_1_1 = add_kept_dot(sum_1_1, x_1_high, w_1_high, keep_0_0.y, 12u);
        sum_1_2 = add_kept_dot(sum_1_2, x_1_high, w_2_high, keep_0_0.y, 20u);
        sum_1_3 = add_kept_dot(sum_1_3, x_1_high, w_3_high, keep_0_0.y, 28u);
        sum_1_4 = add_kept_dot(sum_1_4, x_1_high, w_4_high, keep_0_1.y, 4u);
        sum_1_5 = add_kept_dot(sum_1_5, x_1_high, w_5_high, keep_0_1.y, 12u);
        sum_1_6 = add_kept_dot(sum_1_6, x_1_high, w_6_high, keep_0_1.y, 20u);
        sum_1_7 = add_kept_dot(sum_1_7, x_1_high, w_7_high, keep_0_1.y, 28u);
        let x_2_high = x_quad(x_row_2, i + 4);
        sum_2_0 = add_kept_dot(sum_2_0, x_2_high, w_0_high, keep_0_0.z, 4u);
        sum_2_1 = add_kept_dot(sum_2_1, x_2_high, w_1_high, keep_0_0.z, 12u);
        sum_2_2 = add_kept_dot(sum_2_2, x_2_high, w_2_high, keep_0_0.z, 20u);
        sum_2_3 = add_kept_dot(sum_2_3, x_2_high, w_3_high, keep_0_0.z, 28u);
        sum_2_4 = add_kept_dot(sum_2_4, x_2_high, w_4_high, keep_0_1.z, 4u);
        sum_2_5 = add_kept_dot(sum_2_5, x_2_high, w_5_high, keep_0_1.z, 12u);
        sum_2_6 = add_kept_dot(sum_2_6, x_2_high, w_6_high, keep_0_1.z, 20u);
        sum_2_7 = add_kept_dot(sum_2_7, x_2_high, w_7_high, keep_0_1.z, 28u);
        let x_3_high = x_quad(x_row_3, i + 4);
        sum_3_0 = add_kept_dot(sum_3_0, x_3_high, w_0_high, keep_0_0.w, 4u);
        sum_3_1 = add_kept_dot(sum_3_1, x_3_high, w_1_high, keep_0_0.w, 12u);
        sum_3_2 = add_kept_dot(sum_3_2, x_3_high, w_2_high, keep_0_0.w, 20u);
        sum_3_3 = add_kept_dot(sum_3_3, x_3_high, w_3_high, keep_0_0.w, 28u);
        sum_3_4 = add_kept_dot(sum_3_4, x_3_high, w_4_high, keep_0_1.w, 4u);
        sum_3_5 = add_kept_dot(sum_3_5, x_3_high, w_5_high, keep_0_1.w, 12u);
        sum_3_6 = add_kept_dot(sum_3_6, x_3_high, w_6_high, keep_0_1.w, 20u);
        sum_3_7 = add_kept_dot(sum_3_7, x_3_high, w_7_high, keep_0_1.w, 28u);
        let x_4_high = x_quad(x_row_4, i + 4);
        sum_4_0 = add_kept_dot(sum_4_0, x_4_high, w_0_high, keep_1_0.x, 4u);
        sum_4_1 = add_kept_dot(sum_4_1, x_4_high, w_1_high, keep_1_0.x, 12u);
        sum_4_2 = add_kept_dot(sum_4_2, x_4_high, w_2_high, keep_1_0.x, 20u);
        sum_4_3 = add_kept_dot(sum_4_3, x_4_high, w_3_high, keep_1_0.x, 28u);
        sum_4_4 = add_kept_dot(sum_4_4, x_4_high, w_4_high, keep_1_1.x, 4u);
        sum_4_5 = add_kept_dot(sum_4_5, x_4_high, w_5_high, keep_1_1.x, 12u);
        sum_4_6 = add_kept_dot(sum_4_6, x_4_high, w_6_high, keep_1_1.x, 20u);
        sum_4_7 = add_kept_dot(sum_4_7, x_4_high, w_7_high, keep_1_1.x, 28u);
        let x_5_high = x_quad(x_row_5, i + 4);
        sum_5_0 = add_kept_dot(sum_5_0, x_5_high, w_0_high, keep_1_0.y, 4u);
        sum_5_1 = add_kept_dot(sum_5_1, x_5_high, w_1_high, keep_1_0.y, 12u);
        sum_5_2 = add_kept_dot(sum_5_2, x_5_high, w_2_high, keep_1_0.y, 20u);
        sum_5_3 = add_kept_dot(sum_5_3, x_5_high, w_3_high, keep_1_0.y, 28u);
        sum_5_4 = add_kept_dot(sum_5_4, x_5_high, w_4_high, keep_1_1.y, 4u);
        sum_5_5 = add_kept_dot(sum_5_5, x_5_high, w_5_high, keep_1_1.y, 12u);
        sum_5_6 = add_kept_dot(sum_5_6, x_5_high, w_6_high, keep_1_1.y, 20u);
        sum_5_7 = add_kept_dot(sum_5_7, x_5_high, w_7_high, keep_1_1.y, 28u);
        let x_6_high = x_quad(x_row_6, i + 4);
        sum_6_0 = add_kept_dot(sum_6_0, x_6_high, w_0_high, keep_1_0.z, 4u);
        sum_6_1 = add_kept_dot(sum_6_1, x_6_high, w_1_high, keep_1_0.z, 12u);
        sum_6_2 = add_kept_dot(sum_6_2, x_6_high, w_2_high, keep_1_0.z, 20u);
        sum_6_3 = add_kept_dot(sum_6_3, x_6_high, w_3_high, keep_1_0.z, 28u);
        sum_6_4 = add_kept_dot(sum_6_4, x_6_high, w_4_high, keep_1_1.z, 4u);
        sum_6_5 = add_kept_dot(sum_6_5, x_6_high, w_5_high, keep_1_1.z, 12u);
        sum_6_6 = add_kept_dot(sum_6_6, x_6_high, w_6_high, keep_1_1.z, 20u);
        sum_6_7 = add_kept_dot(sum_6_7, x_6_high, w_7_high, keep_1_1.z, 28u);
        let x_7_high = x_quad(x_row_7, i + 4);
        sum_7_0 = add_kept_dot(sum_7_0, x_7_high, w_0_high, keep_1_0.w, 4u);
        sum_7_1 = add_kept_dot(sum_7_1, x_7_high, w_1_high, keep_1_0.w, 12u);
        sum_7_2 = add_kept_dot(sum_7_2, x_7_high, w_2_high, keep_1_0.w, 20u);
        sum_7_3 = add_kept_dot(sum_7_3, x_7_high, w_3_high, keep_1_0.w, 28u);
        sum_7_4 = add_kept_dot(sum_7_4, x_7_high, w_4_high, keep_1_1.w, 4u);
        sum_7_5 = add_kept_dot(sum_7_5, x_7_high, w_5_high, keep_1_1.w, 12u);
        sum_7_6 = add_kept_dot(sum_7_6, x_7_high, w_6_high, keep_1_1.w, 20u);
        sum_7_7 = add_kept_dot(sum_7_7, x_7_high, w_7_high, keep_1_1.w, 28u);
    }

    let bias_0 = bias_quad(0u, o);
    let bias_1 = bias_quad(0u, o + 4);
    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to compile
    // than all the rest.
    for (var row = 0; row < 2; row++) {
        var keep_bias_0_0 = vec4(~0u);
        if params.masked_bias == 1u {
            keep_bias_0_0 = brick(vec3(BIAS_INPUT_BLOCK, output_block, example_block + u32(row)));
        }
        store_result_quad(
            n + 4 * row,
            o,
            params.scale * vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3) + kept_bias(bias_0, keep_bias_0_0.x),
        );
        store_result_quad(
            n + 4 * row + 1,
            o,
            params.scale * vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3) + kept_bias(bias_0, keep_bias_0_0.y),
        );
        store_result_quad(
            n + 4 * row + 2,
            o,
            params.scale * vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3) + kept_bias(bias_0, keep_bias_0_0.z),
        );
        store_result_quad(
            n + 4 * row + 3,
            o,
            params.scale * vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3) + kept_bias(bias_0, keep_bias_0_0.w),
        );
        var keep_bias_0_1 = vec4(~0u);
        if params.masked_bias == 1u {
            keep_bias_0_1 = brick(vec3(BIAS_INPUT_BLOCK, output_block + 1u, example_block + u32(row)));
        }
        store_result_quad(
            n + 4 * row,
            o + 4,
            params.scale * vec4(sum_0_4, sum_0_5, sum_0_6, sum_0_7) + kept_bias(bias_1, keep_bias_0_1.x),
        );
        store_result_quad(
            n + 4 * row + 1,
            o + 4,
            params.scale * vec4(sum_1_4, sum_1_5, sum_1_6, sum_1_7) + kept_bias(bias_1, keep_bias_0_1.y),
        );
        store_result_quad(
            n + 4 * row + 2,
            o + 4,
            params.scale * vec4(sum_2_4, sum_2_5, sum_2_6, sum_2_7) + kept_bias(bias_1, keep_bias_0_1.z),
        );
        store_result_quad(
            n + 4 * row + 3,
            o + 4,
            params.scale * vec4(sum_3_4, sum_3_5, sum_3_6, sum_3_7) + kept_bias(bias_1, keep_bias_0_1.w),
        );
        sum_0_0 = sum_4_0;
        sum_0_1 = sum_4_1;
        sum_0_2 = sum_4_2;
        sum_0_3 = sum_4_3;
        sum_0_4 = sum_4_4;
        sum_0_5 = sum_4_5;
        sum_0_6 = sum_4_6;
        sum_0_7 = sum_4_7;
        sum_1_0 = sum_5_0;
        sum_1_1 = sum_5_1;
        sum_1_2 = sum_5_2;
        sum_1_3 = sum_5_3;
        sum_1_4 = sum_5_4;
        sum_1_5 = sum_5_5;
        sum_1_6 = sum_5_6;
        sum_1_7 = sum_5_7;
        sum_2_0 = sum_6_0;
        sum_2_1 = sum_6_1;
        sum_2_2 = sum_6_2;
        sum_2_3 = sum_6_3;
        sum_2_4 = sum_6_4;
        sum_2_5 = sum_6_5;
        sum_2_6 = sum_6_6;
        sum_2_7 = sum_6_7;
        sum_3_0 = sum_7_0;
        sum_3_1 = sum_7_1;
        sum_3_2 = sum_7_2;
        sum_3_3 = sum_7_3;
        sum_3_4 = sum_7_4;
        sum_3_5 = sum_7_5;
        sum_3_6 = sum_7_6;
        sum_3_7 = sum_7_7;
    }
}
