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

// Philox4x32 of Salmon et al. (SC 2011): 128 random bits for a counter, and more from round to round.
// Twin: src/mask/philox.rs. The key words of every round are worked out by the host, once per mask.

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

// Rounds go on from one plane to the next; `key` is that of the first of them.
fn next_plane(state: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = state;
    c = philox_round(c, key);
    c = philox_round(c, key + vec2(2654435769u, 3144134277u));
    c = philox_round(c, key + vec2(1013904242u, 1993301258u));
    return c;
}

// The brick: 4 examples x 4 outputs x 8 inputs, 128 decisions from one run of the generator.
// Twin: src/mask/brick.rs. Word n of the result holds example n; its bit `o * 8 + i` is set where
// connection (n, o, i) is kept. `block` is (input / 8, output / 4, example / 4) in global coordinates.

// The first state of the run that decides a brick.
fn start(block: vec3<u32>) -> vec4<u32> {
    return philox(vec4(block, 0u));
}

// What is kept, of what is dropped. Were the compiler to know that this is an inversion, it would fold it into each of
// 128 tests, which costs NVIDIA a third more instructions (docs/rejected.md).
fn others(drop: vec4<u32>) -> vec4<u32> {
    return vec4(params.all_ones) - drop;
}

// All ones where this bit of the threshold is 0.
fn zero_at(bit: u32) -> u32 {
    return ((params.threshold >> bit) & 1u) - 1u;
}

// One rung of the ladder that decides u < threshold from the least significant plane to the most: drop & plane where
// the threshold's bit is 1, drop | plane where it is 0. It is the majority of the three, for which NVIDIA has one
// instruction however it is written; the other ways are the shortest for AMD, and for processors.
fn rung(drop: vec4<u32>, plane: vec4<u32>, zero: u32) -> vec4<u32> {
    return drop ^ ((drop ^ plane) & (drop ^ vec4(zero)));
}

// What the run's first state decides: the least significant plane, or at 9 to 16 bits all those below the last eight.
// Such a plane is that state with words moved round by some, and bits by a fixed rotation; those that are too many
// meet zeros of the threshold, which leave `drop` at 1.
fn first_planes(state: vec4<u32>) -> vec4<u32> {
    var drop = vec4(~0u);
    drop = rung(drop, (state.wxyz << vec4(30u)) | (state.wxyz >> vec4(2u)), zero_at(0u));
    drop = rung(drop, (state.zwxy << vec4(3u)) | (state.zwxy >> vec4(29u)), zero_at(1u));
    drop = rung(drop, (state.yzwx << vec4(25u)) | (state.yzwx >> vec4(7u)), zero_at(2u));
    drop = rung(drop, (state << vec4(9u)) | (state >> vec4(23u)), zero_at(3u));
    drop = rung(drop, (state.wxyz << vec4(8u)) | (state.wxyz >> vec4(24u)), zero_at(4u));
    drop = rung(drop, (state.zwxy << vec4(22u)) | (state.zwxy >> vec4(10u)), zero_at(5u));
    drop = rung(drop, (state.yzwx << vec4(28u)) | (state.yzwx >> vec4(4u)), zero_at(6u));
    drop = rung(drop, state, zero_at(7u));
    return drop;
}

// Tensors in storage buffers: f32, or f16 and bf16 packed two to a word. Twin: src/element.rs.
//
// Everything works on quads, four consecutive elements of a row. Where all rows start on a quad
// (`vector`), a quad is one load. Elsewhere each element is loaded by itself, and one outside its row
// reads as 0 on both sides of a product, so that it adds exactly 0 to any sum.
//
// Of operands and results, one may be f32 where the other is not.

@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn g_quad(row: u32, column: i32) -> vec4<f32> {
    return g[(params.base[0].x + row * params.output_stride + u32(column)) / 4u];
}

@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn w_quad(row: u32, column: i32) -> vec4<f32> {
    return w[(params.base[0].y + row * params.input_stride + u32(column)) / 4u];
}

@group(0) @binding(3) var<storage, read_write> result: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_result_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].z + u32(row) * params.input_stride + u32(column);
    if column < i32(params.inputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += result[index / 4u];
        }
        result[index / 4u] = sum;
    }
}

// Four masked multiply-adds. Lane k counts where bit `bit + k` of `word` is set. `bit` is a
// literal at every call: once a driver has inlined the call, every test is of a constant bit.
//
// How the bit is applied is a choice per vendor, read off machine code (docs/performance.md). With
// `select` the sum is kept or replaced, a predicated multiply-add on NVIDIA; with `and` the factor b, the
// weight wherever there is one, is kept or made +0. Either way a dropped weight cannot matter.

// Four sums, each with the kept product of `a` and its lane of `b`.
fn add_kept_row(sum: vec4<f32>, a: f32, b: vec4<f32>, word: u32, bit: u32) -> vec4<f32> {
    var s = sum;
    s.x = fma(a, keep_or_zero(b.x, word, bit), s.x);
    s.y = fma(a, keep_or_zero(b.y, word, bit + 1u), s.y);
    s.z = fma(a, keep_or_zero(b.z, word, bit + 2u), s.z);
    s.w = fma(a, keep_or_zero(b.w, word, bit + 3u), s.w);
    return s;
}

// `value` where the bit is set, else +0: the sign-extended bit is a mask of ones or zeros.
fn keep_or_zero(value: f32, word: u32, bit: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(value) & bitcast<u32>(extractBits(bitcast<i32>(word), bit, 1u)));
}

// dX = scale * (sum over o of M W G). Oracle: src/reference/input_gradient.rs.
//
// The forward pass (forward.wgsl, and its departures) with outputs to walk, four at a time: a thread owns
// 8 x 2 bricks, 32 examples by 16 inputs. They are those of the forward pass:
// same coordinates, same words.
//
// Staged operands are taken output by output, which holds few of them in registers. A thread that reads for itself
// takes all four outputs of a step together: sums that find no registers, as in the wide tiles of software adapters,
// are then fetched once.

@compute @workgroup_size(16, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y;
    let tile_column = group.x * 16u + local.x;
    let n = i32(tile_row * 32u) - params.example_shift;
    let i = i32(tile_column * 16u) - params.input_shift;
    if n >= i32(params.examples) || i >= i32(params.inputs) {
        return;
    }
    let example_block = params.example_block + tile_row * 8u;
    let input_block = params.input_block + tile_column * 2u;

    // Rows past either end repeat the nearest one; their sums are never stored.
    let g_row_0 = u32(clamp(n, 0, i32(params.examples) - 1));
    let g_row_1 = u32(clamp(n + 1, 0, i32(params.examples) - 1));
    let g_row_2 = u32(clamp(n + 2, 0, i32(params.examples) - 1));
    let g_row_3 = u32(clamp(n + 3, 0, i32(params.examples) - 1));
    let g_row_4 = u32(clamp(n + 4, 0, i32(params.examples) - 1));
    let g_row_5 = u32(clamp(n + 5, 0, i32(params.examples) - 1));
    let g_row_6 = u32(clamp(n + 6, 0, i32(params.examples) - 1));
    let g_row_7 = u32(clamp(n + 7, 0, i32(params.examples) - 1));
    let g_row_8 = u32(clamp(n + 8, 0, i32(params.examples) - 1));
    let g_row_9 = u32(clamp(n + 9, 0, i32(params.examples) - 1));
    let g_row_10 = u32(clamp(n + 10, 0, i32(params.examples) - 1));
    let g_row_11 = u32(clamp(n + 11, 0, i32(params.examples) - 1));
    let g_row_12 = u32(clamp(n + 12, 0, i32(params.examples) - 1));
    let g_row_13 = u32(clamp(n + 13, 0, i32(params.examples) - 1));
    let g_row_14 = u32(clamp(n + 14, 0, i32(params.examples) - 1));
    let g_row_15 = u32(clamp(n + 15, 0, i32(params.examples) - 1));
    let g_row_16 = u32(clamp(n + 16, 0, i32(params.examples) - 1));
    let g_row_17 = u32(clamp(n + 17, 0, i32(params.examples) - 1));
    let g_row_18 = u32(clamp(n + 18, 0, i32(params.examples) - 1));
    let g_row_19 = u32(clamp(n + 19, 0, i32(params.examples) - 1));
    let g_row_20 = u32(clamp(n + 20, 0, i32(params.examples) - 1));
    let g_row_21 = u32(clamp(n + 21, 0, i32(params.examples) - 1));
    let g_row_22 = u32(clamp(n + 22, 0, i32(params.examples) - 1));
    let g_row_23 = u32(clamp(n + 23, 0, i32(params.examples) - 1));
    let g_row_24 = u32(clamp(n + 24, 0, i32(params.examples) - 1));
    let g_row_25 = u32(clamp(n + 25, 0, i32(params.examples) - 1));
    let g_row_26 = u32(clamp(n + 26, 0, i32(params.examples) - 1));
    let g_row_27 = u32(clamp(n + 27, 0, i32(params.examples) - 1));
    let g_row_28 = u32(clamp(n + 28, 0, i32(params.examples) - 1));
    let g_row_29 = u32(clamp(n + 29, 0, i32(params.examples) - 1));
    let g_row_30 = u32(clamp(n + 30, 0, i32(params.examples) - 1));
    let g_row_31 = u32(clamp(n + 31, 0, i32(params.examples) - 1));
    var sum_0_0 = vec4(0.0);
    var sum_0_1 = vec4(0.0);
    var sum_0_2 = vec4(0.0);
    var sum_0_3 = vec4(0.0);
    var sum_1_0 = vec4(0.0);
    var sum_1_1 = vec4(0.0);
    var sum_1_2 = vec4(0.0);
    var sum_1_3 = vec4(0.0);
    var sum_2_0 = vec4(0.0);
    var sum_2_1 = vec4(0.0);
    var sum_2_2 = vec4(0.0);
    var sum_2_3 = vec4(0.0);
    var sum_3_0 = vec4(0.0);
    var sum_3_1 = vec4(0.0);
    var sum_3_2 = vec4(0.0);
    var sum_3_3 = vec4(0.0);
    var sum_4_0 = vec4(0.0);
    var sum_4_1 = vec4(0.0);
    var sum_4_2 = vec4(0.0);
    var sum_4_3 = vec4(0.0);
    var sum_5_0 = vec4(0.0);
    var sum_5_1 = vec4(0.0);
    var sum_5_2 = vec4(0.0);
    var sum_5_3 = vec4(0.0);
    var sum_6_0 = vec4(0.0);
    var sum_6_1 = vec4(0.0);
    var sum_6_2 = vec4(0.0);
    var sum_6_3 = vec4(0.0);
    var sum_7_0 = vec4(0.0);
    var sum_7_1 = vec4(0.0);
    var sum_7_2 = vec4(0.0);
    var sum_7_3 = vec4(0.0);
    var sum_8_0 = vec4(0.0);
    var sum_8_1 = vec4(0.0);
    var sum_8_2 = vec4(0.0);
    var sum_8_3 = vec4(0.0);
    var sum_9_0 = vec4(0.0);
    var sum_9_1 = vec4(0.0);
    var sum_9_2 = vec4(0.0);
    var sum_9_3 = vec4(0.0);
    var sum_10_0 = vec4(0.0);
    var sum_10_1 = vec4(0.0);
    var sum_10_2 = vec4(0.0);
    var sum_10_3 = vec4(0.0);
    var sum_11_0 = vec4(0.0);
    var sum_11_1 = vec4(0.0);
    var sum_11_2 = vec4(0.0);
    var sum_11_3 = vec4(0.0);
    var sum_12_0 = vec4(0.0);
    var sum_12_1 = vec4(0.0);
    var sum_12_2 = vec4(0.0);
    var sum_12_3 = vec4(0.0);
    var sum_13_0 = vec4(0.0);
    var sum_13_1 = vec4(0.0);
    var sum_13_2 = vec4(0.0);
    var sum_13_3 = vec4(0.0);
    var sum_14_0 = vec4(0.0);
    var sum_14_1 = vec4(0.0);
    var sum_14_2 = vec4(0.0);
    var sum_14_3 = vec4(0.0);
    var sum_15_0 = vec4(0.0);
    var sum_15_1 = vec4(0.0);
    var sum_15_2 = vec4(0.0);
    var sum_15_3 = vec4(0.0);
    var sum_16_0 = vec4(0.0);
    var sum_16_1 = vec4(0.0);
    var sum_16_2 = vec4(0.0);
    var sum_16_3 = vec4(0.0);
    var sum_17_0 = vec4(0.0);
    var sum_17_1 = vec4(0.0);
    var sum_17_2 = vec4(0.0);
    var sum_17_3 = vec4(0.0);
    var sum_18_0 = vec4(0.0);
    var sum_18_1 = vec4(0.0);
    var sum_18_2 = vec4(0.0);
    var sum_18_3 = vec4(0.0);
    var sum_19_0 = vec4(0.0);
    var sum_19_1 = vec4(0.0);
    var sum_19_2 = vec4(0.0);
    var sum_19_3 = vec4(0.0);
    var sum_20_0 = vec4(0.0);
    var sum_20_1 = vec4(0.0);
    var sum_20_2 = vec4(0.0);
    var sum_20_3 = vec4(0.0);
    var sum_21_0 = vec4(0.0);
    var sum_21_1 = vec4(0.0);
    var sum_21_2 = vec4(0.0);
    var sum_21_3 = vec4(0.0);
    var sum_22_0 = vec4(0.0);
    var sum_22_1 = vec4(0.0);
    var sum_22_2 = vec4(0.0);
    var sum_22_3 = vec4(0.0);
    var sum_23_0 = vec4(0.0);
    var sum_23_1 = vec4(0.0);
    var sum_23_2 = vec4(0.0);
    var sum_23_3 = vec4(0.0);
    var sum_24_0 = vec4(0.0);
    var sum_24_1 = vec4(0.0);
    var sum_24_2 = vec4(0.0);
    var sum_24_3 = vec4(0.0);
    var sum_25_0 = vec4(0.0);
    var sum_25_1 = vec4(0.0);
    var sum_25_2 = vec4(0.0);
    var sum_25_3 = vec4(0.0);
    var sum_26_0 = vec4(0.0);
    var sum_26_1 = vec4(0.0);
    var sum_26_2 = vec4(0.0);
    var sum_26_3 = vec4(0.0);
    var sum_27_0 = vec4(0.0);
    var sum_27_1 = vec4(0.0);
    var sum_27_2 = vec4(0.0);
    var sum_27_3 = vec4(0.0);
    var sum_28_0 = vec4(0.0);
    var sum_28_1 = vec4(0.0);
    var sum_28_2 = vec4(0.0);
    var sum_28_3 = vec4(0.0);
    var sum_29_0 = vec4(0.0);
    var sum_29_1 = vec4(0.0);
    var sum_29_2 = vec4(0.0);
    var sum_29_3 = vec4(0.0);
    var sum_30_0 = vec4(0.0);
    var sum_30_1 = vec4(0.0);
    var sum_30_2 = vec4(0.0);
    var sum_30_3 = vec4(0.0);
    var sum_31_0 = vec4(0.0);
    var sum_31_1 = vec4(0.0);
    var sum_31_2 = vec4(0.0);
    var sum_31_3 = vec4(0.0);
    // And so do columns past the last.
    let i_0 = i;
    let i_1 = i + 4;
    let i_2 = min(i + 8, i32(params.inputs) - 4);
    let i_3 = min(i + 12, i32(params.inputs) - 4);

    let blocks = (params.outputs + u32(params.output_shift) + 3u) / 4u;
    for (var block = 0u; block < blocks; block++) {
        let o = i32(block * 4u) - params.output_shift;
        // Plane by plane for the whole tile: one loop and not one for each brick, in which the rounds of one
        // brick do not wait for those of another.
        var state_0_0 = start(vec3(input_block, params.output_block + block, example_block));
        var drop_0_0 = first_planes(state_0_0);
        var state_0_1 = start(vec3(input_block + 1u, params.output_block + block, example_block));
        var drop_0_1 = first_planes(state_0_1);
        var state_1_0 = start(vec3(input_block, params.output_block + block, example_block + 1u));
        var drop_1_0 = first_planes(state_1_0);
        var state_1_1 = start(vec3(input_block + 1u, params.output_block + block, example_block + 1u));
        var drop_1_1 = first_planes(state_1_1);
        var state_2_0 = start(vec3(input_block, params.output_block + block, example_block + 2u));
        var drop_2_0 = first_planes(state_2_0);
        var state_2_1 = start(vec3(input_block + 1u, params.output_block + block, example_block + 2u));
        var drop_2_1 = first_planes(state_2_1);
        var state_3_0 = start(vec3(input_block, params.output_block + block, example_block + 3u));
        var drop_3_0 = first_planes(state_3_0);
        var state_3_1 = start(vec3(input_block + 1u, params.output_block + block, example_block + 3u));
        var drop_3_1 = first_planes(state_3_1);
        var state_4_0 = start(vec3(input_block, params.output_block + block, example_block + 4u));
        var drop_4_0 = first_planes(state_4_0);
        var state_4_1 = start(vec3(input_block + 1u, params.output_block + block, example_block + 4u));
        var drop_4_1 = first_planes(state_4_1);
        var state_5_0 = start(vec3(input_block, params.output_block + block, example_block + 5u));
        var drop_5_0 = first_planes(state_5_0);
        var state_5_1 = start(vec3(input_block + 1u, params.output_block + block, example_block + 5u));
        var drop_5_1 = first_planes(state_5_1);
        var state_6_0 = start(vec3(input_block, params.output_block + block, example_block + 6u));
        var drop_6_0 = first_planes(state_6_0);
        var state_6_1 = start(vec3(input_block + 1u, params.output_block + block, example_block + 6u));
        var drop_6_1 = first_planes(state_6_1);
        var state_7_0 = start(vec3(input_block, params.output_block + block, example_block + 7u));
        var drop_7_0 = first_planes(state_7_0);
        var state_7_1 = start(vec3(input_block + 1u, params.output_block + block, example_block + 7u));
        var drop_7_1 = first_planes(state_7_1);
        var key = params.round_keys[5].xy;
        for (var bit = 8u; bit < 16u; bit++) {
            state_0_0 = next_plane(state_0_0, key);
            drop_0_0 = rung(drop_0_0, state_0_0, zero_at(bit));
            state_0_1 = next_plane(state_0_1, key);
            drop_0_1 = rung(drop_0_1, state_0_1, zero_at(bit));
            state_1_0 = next_plane(state_1_0, key);
            drop_1_0 = rung(drop_1_0, state_1_0, zero_at(bit));
            state_1_1 = next_plane(state_1_1, key);
            drop_1_1 = rung(drop_1_1, state_1_1, zero_at(bit));
            state_2_0 = next_plane(state_2_0, key);
            drop_2_0 = rung(drop_2_0, state_2_0, zero_at(bit));
            state_2_1 = next_plane(state_2_1, key);
            drop_2_1 = rung(drop_2_1, state_2_1, zero_at(bit));
            state_3_0 = next_plane(state_3_0, key);
            drop_3_0 = rung(drop_3_0, state_3_0, zero_at(bit));
            state_3_1 = next_plane(state_3_1, key);
            drop_3_1 = rung(drop_3_1, state_3_1, zero_at(bit));
            state_4_0 = next_plane(state_4_0, key);
            drop_4_0 = rung(drop_4_0, state_4_0, zero_at(bit));
            state_4_1 = next_plane(state_4_1, key);
            drop_4_1 = rung(drop_4_1, state_4_1, zero_at(bit));
            state_5_0 = next_plane(state_5_0, key);
            drop_5_0 = rung(drop_5_0, state_5_0, zero_at(bit));
            state_5_1 = next_plane(state_5_1, key);
            drop_5_1 = rung(drop_5_1, state_5_1, zero_at(bit));
            state_6_0 = next_plane(state_6_0, key);
            drop_6_0 = rung(drop_6_0, state_6_0, zero_at(bit));
            state_6_1 = next_plane(state_6_1, key);
            drop_6_1 = rung(drop_6_1, state_6_1, zero_at(bit));
            state_7_0 = next_plane(state_7_0, key);
            drop_7_0 = rung(drop_7_0, state_7_0, zero_at(bit));
            state_7_1 = next_plane(state_7_1, key);
            drop_7_1 = rung(drop_7_1, state_7_1, zero_at(bit));
            key += vec2(3668340011u, 842468239u);
        }
        let keep_0_0 = others(drop_0_0);
        let keep_0_1 = others(drop_0_1);
        let keep_1_0 = others(drop_1_0);
        let keep_1_1 = others(drop_1_1);
        let keep_2_0 = others(drop_2_0);
        let keep_2_1 = others(drop_2_1);
        let keep_3_0 = others(drop_3_0);
        let keep_3_1 = others(drop_3_1);
        let keep_4_0 = others(drop_4_0);
        let keep_4_1 = others(drop_4_1);
        let keep_5_0 = others(drop_5_0);
        let keep_5_1 = others(drop_5_1);
        let keep_6_0 = others(drop_6_0);
        let keep_6_1 = others(drop_6_1);
        let keep_7_0 = others(drop_7_0);
        let keep_7_1 = others(drop_7_1);
        let w_0_0 = w_quad(u32(o), i_0);
        let w_0_1 = w_quad(u32(o), i_1);
        let w_0_2 = w_quad(u32(o), i_2);
        let w_0_3 = w_quad(u32(o), i_3);
        let w_1_0 = w_quad(u32(o + 1), i_0);
        let w_1_1 = w_quad(u32(o + 1), i_1);
        let w_1_2 = w_quad(u32(o + 1), i_2);
        let w_1_3 = w_quad(u32(o + 1), i_3);
        let w_2_0 = w_quad(u32(o + 2), i_0);
        let w_2_1 = w_quad(u32(o + 2), i_1);
        let w_2_2 = w_quad(u32(o + 2), i_2);
        let w_2_3 = w_quad(u32(o + 2), i_3);
        let w_3_0 = w_quad(u32(o + 3), i_0);
        let w_3_1 = w_quad(u32(o + 3), i_1);
        let w_3_2 = w_quad(u32(o + 3), i_2);
        let w_3_3 = w_quad(u32(o + 3), i_3);
        let g_0 = g_quad(g_row_0, o);
        let g_1 = g_quad(g_row_1, o);
        let g_2 = g_quad(g_row_2, o);
        let g_3 = g_quad(g_row_3, o);
        sum_0_0 = add_kept_row(sum_0_0, g_0.x, w_0_0, keep_0_0.x, 0u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.x, w_0_1, keep_0_0.x, 4u);
        sum_0_0 = add_kept_row(sum_0_0, g_0.y, w_1_0, keep_0_0.x, 8u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.y, w_1_1, keep_0_0.x, 12u);
        sum_0_0 = add_kept_row(sum_0_0, g_0.z, w_2_0, keep_0_0.x, 16u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.z, w_2_1, keep_0_0.x, 20u);
        sum_0_0 = add_kept_row(sum_0_0, g_0.w, w_3_0, keep_0_0.x, 24u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.w, w_3_1, keep_0_0.x, 28u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.x, w_0_0, keep_0_0.y, 0u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.x, w_0_1, keep_0_0.y, 4u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.y, w_1_0, keep_0_0.y, 8u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.y, w_1_1, keep_0_0.y, 12u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.z, w_2_0, keep_0_0.y, 16u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.z, w_2_1, keep_0_0.y, 20u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.w, w_3_0, keep_0_0.y, 24u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.w, w_3_1, keep_0_0.y, 28u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.x, w_0_0, keep_0_0.z, 0u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.x, w_0_1, keep_0_0.z, 4u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.y, w_1_0, keep_0_0.z, 8u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.y, w_1_1, keep_0_0.z, 12u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.z, w_2_0, keep_0_0.z, 16u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.z, w_2_1, keep_0_0.z, 20u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.w, w_3_0, keep_0_0.z, 24u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.w, w_3_1, keep_0_0.z, 28u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.x, w_0_0, keep_0_0.w, 0u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.x, w_0_1, keep_0_0.w, 4u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.y, w_1_0, keep_0_0.w, 8u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.y, w_1_1, keep_0_0.w, 12u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.z, w_2_0, keep_0_0.w, 16u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.z, w_2_1, keep_0_0.w, 20u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.w, w_3_0, keep_0_0.w, 24u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.w, w_3_1, keep_0_0.w, 28u);
        sum_0_2 = add_kept_row(sum_0_2, g_0.x, w_0_2, keep_0_1.x, 0u);
        sum_0_3 = add_kept_row(sum_0_3, g_0.x, w_0_3, keep_0_1.x, 4u);
        sum_0_2 = add_kept_row(sum_0_2, g_0.y, w_1_2, keep_0_1.x, 8u);
        sum_0_3 = add_kept_row(sum_0_3, g_0.y, w_1_3, keep_0_1.x, 12u);
        sum_0_2 = add_kept_row(sum_0_2, g_0.z, w_2_2, keep_0_1.x, 16u);
        sum_0_3 = add_kept_row(sum_0_3, g_0.z, w_2_3, keep_0_1.x, 20u);
        sum_0_2 = add_kept_row(sum_0_2, g_0.w, w_3_2, keep_0_1.x, 24u);
        sum_0_3 = add_kept_row(sum_0_3, g_0.w, w_3_3, keep_0_1.x, 28u);
        sum_1_2 = add_kept_row(sum_1_2, g_1.x, w_0_2, keep_0_1.y, 0u);
        sum_1_3 = add_kept_row(sum_1_3, g_1.x, w_0_3, keep_0_1.y, 4u);
        sum_1_2 = add_kept_row(sum_1_2, g_1.y, w_1_2, keep_0_1.y, 8u);
        sum_1_3 = add_kept_row(sum_1_3, g_1.y, w_1_3, keep_0_1.y, 12u);
        sum_1_2 = add_kept_row(sum_1_2, g_1.z, w_2_2, keep_0_1.y, 16u);
        sum_1_3 = add_kept_row(sum_1_3, g_1.z, w_2_3, keep_0_1.y, 20u);
        sum_1_2 = add_kept_row(sum_1_2, g_1.w, w_3_2, keep_0_1.y, 24u);
        sum_1_3 = add_kept_row(sum_1_3, g_1.w, w_3_3, keep_0_1.y, 28u);
        sum_2_2 = add_kept_row(sum_2_2, g_2.x, w_0_2, keep_0_1.z, 0u);
        sum_2_3 = add_kept_row(sum_2_3, g_2.x, w_0_3, keep_0_1.z, 4u);
        sum_2_2 = add_kept_row(sum_2_2, g_2.y, w_1_2, keep_0_1.z, 8u);
        sum_2_3 = add_kept_row(sum_2_3, g_2.y, w_1_3, keep_0_1.z, 12u);
        sum_2_2 = add_kept_row(sum_2_2, g_2.z, w_2_2, keep_0_1.z, 16u);
        sum_2_3 = add_kept_row(sum_2_3, g_2.z, w_2_3, keep_0_1.z, 20u);
        sum_2_2 = add_kept_row(sum_2_2, g_2.w, w_3_2, keep_0_1.z, 24u);
        sum_2_3 = add_kept_row(sum_2_3, g_2.w, w_3_3, keep_0_1.z, 28u);
        sum_3_2 = add_kept_row(sum_3_2, g_3.x, w_0_2, keep_0_1.w, 0u);
        sum_3_3 = add_kept_row(sum_3_3, g_3.x, w_0_3, keep_0_1.w, 4u);
        sum_3_2 = add_kept_row(sum_3_2, g_3.y, w_1_2, keep_0_1.w, 8u);
        sum_3_3 = add_kept_row(sum_3_3, g_3.y, w_1_3, keep_0_1.w, 12u);
        sum_3_2 = add_kept_row(sum_3_2, g_3.z, w_2_2, keep_0_1.w, 16u);
        sum_3_3 = add_kept_row(sum_3_3, g_3.z, w_2_3, keep_0_1.w, 20u);
        sum_3_2 = add_kept_row(sum_3_2, g_3.w, w_3_2, keep_0_1.w, 24u);
        sum_3_3 = add_kept_row(sum_3_3, g_3.w, w_3_3, keep_0_1.w, 28u);
        let g_4 = g_quad(g_row_4, o);
        let g_5 = g_quad(g_row_5, o);
        let g_6 = g_quad(g_row_6, o);
        let g_7 = g_quad(g_row_7, o);
        sum_4_0 = add_kept_row(sum_4_0, g_4.x, w_0_0, keep_1_0.x, 0u);
        sum_4_1 = add_kept_row(sum_4_1, g_4.x, w_0_1, keep_1_0.x, 4u);
        sum_4_0 = add_kept_row(sum_4_0, g_4.y, w_1_0, keep_1_0.x, 8u);
        sum_4_1 = add_kept_row(sum_4_1, g_4.y, w_1_1, keep_1_0.x, 12u);
        sum_4_0 = add_kept_row(sum_4_0, g_4.z, w_2_0, keep_1_0.x, 16u);
        sum_4_1 = add_kept_row(sum_4_1, g_4.z, w_2_1, keep_1_0.x, 20u);
        sum_4_0 = add_kept_row(sum_4_0, g_4.w, w_3_0, keep_1_0.x, 24u);
        sum_4_1 = add_kept_row(sum_4_1, g_4.w, w_3_1, keep_1_0.x, 28u);
        sum_5_0 = add_kept_row(sum_5_0, g_5.x, w_0_0, keep_1_0.y, 0u);
        sum_5_1 = add_kept_row(sum_5_1, g_5.x, w_0_1, keep_1_0.y, 4u);
        sum_5_0 = add_kept_row(sum_5_0, g_5.y, w_1_0, keep_1_0.y, 8u);
        sum_5_1 = add_kept_row(sum_5_1, g_5.y, w_1_1, keep_1_0.y, 12u);
        sum_5_0 = add_kept_row(sum_5_0, g_5.z, w_2_0, keep_1_0.y, 16u);
        sum_5_1 = add_kept_row(sum_5_1, g_5.z, w_2_1, keep_1_0.y, 20u);
        sum_5_0 = add_kept_row(sum_5_0, g_5.w, w_3_0, keep_1_0.y, 24u);
        sum_5_1 = add_kept_row(sum_5_1, g_5.w, w_3_1, keep_1_0.y, 28u);
        sum_6_0 = add_kept_row(sum_6_0, g_6.x, w_0_0, keep_1_0.z, 0u);
        sum_6_1 = add_kept_row(sum_6_1, g_6.x, w_0_1, keep_1_0.z, 4u);
        sum_6_0 = add_kept_row(sum_6_0, g_6.y, w_1_0, keep_1_0.z, 8u);
        sum_6_1 = add_kept_row(sum_6_1, g_6.y, w_1_1, keep_1_0.z, 12u);
        sum_6_0 = add_kept_row(sum_6_0, g_6.z, w_2_0, keep_1_0.z, 16u);
        sum_6_1 = add_kept_row(sum_6_1, g_6.z, w_2_1, keep_1_0.z, 20u);
        sum_6_0 = add_kept_row(sum_6_0, g_6.w, w_3_0, keep_1_0.z, 24u);
        sum_6_1 = add_kept_row(sum_6_1, g_6.w, w_3_1, keep_1_0.z, 28u);
        sum_7_0 = add_kept_row(sum_7_0, g_7.x, w_0_0, keep_1_0.w, 0u);
        sum_7_1 = add_kept_row(sum_7_1, g_7.x, w_0_1, keep_1_0.w, 4u);
        sum_7_0 = add_kept_row(sum_7_0, g_7.y, w_1_0, keep_1_0.w, 8u);
        sum_7_1 = add_kept_row(sum_7_1, g_7.y, w_1_1, keep_1_0.w, 12u);
        sum_7_0 = add_kept_row(sum_7_0, g_7.z, w_2_0, keep_1_0.w, 16u);
        sum_7_1 = add_kept_row(sum_7_1, g_7.z, w_2_1, keep_1_0.w, 20u);
        sum_7_0 = add_kept_row(sum_7_0, g_7.w, w_3_0, keep_1_0.w, 24u);
        sum_7_1 = add_kept_row(sum_7_1, g_7.w, w_3_1, keep_1_0.w, 28u);
        sum_4_2 = add_kept_row(sum_4_2, g_4.x, w_0_2, keep_1_1.x, 0u);
        sum_4_3 = add_kept_row(sum_4_3, g_4.x, w_0_3, keep_1_1.x, 4u);
        sum_4_2 = add_kept_row(sum_4_2, g_4.y, w_1_2, keep_1_1.x, 8u);
        sum_4_3 = add_kept_row(sum_4_3, g_4.y, w_1_3, keep_1_1.x, 12u);
        sum_4_2 = add_kept_row(sum_4_2, g_4.z, w_2_2, keep_1_1.x, 16u);
        sum_4_3 = add_kept_row(sum_4_3, g_4.z, w_2_3, keep_1_1.x, 20u);
        sum_4_2 = add_kept_row(sum_4_2, g_4.w, w_3_2, keep_1_1.x, 24u);
        sum_4_3 = add_kept_row(sum_4_3, g_4.w, w_3_3, keep_1_1.x, 28u);
        sum_5_2 = add_kept_row(sum_5_2, g_5.x, w_0_2, keep_1_1.y, 0u);
        sum_5_3 = add_kept_row(sum_5_3, g_5.x, w_0_3, keep_1_1.y, 4u);
        sum_5_2 = add_kept_row(sum_5_2, g_5.y, w_1_2, keep_1_1.y, 8u);
        sum_5_3 = add_kept_row(sum_5_3, g_5.y, w_1_3, keep_1_1.y, 12u);
        sum_5_2 = add_kept_row(sum_5_2, g_5.z, w_2_2, keep_1_1.y, 16u);
        sum_5_3 = add_kept_row(sum_5_3, g_5.z, w_2_3, keep_1_1.y, 20u);
        sum_5_2 = add_kept_row(sum_5_2, g_5.w, w_3_2, keep_1_1.y, 24u);
        sum_5_3 = add_kept_row(sum_5_3, g_5.w, w_3_3, keep_1_1.y, 28u);
        sum_6_2 = add_kept_row(sum_6_2, g_6.x, w_0_2, keep_1_1.z, 0u);
        sum_6_3 = add_kept_row(sum_6_3, g_6.x, w_0_3, keep_1_1.z, 4u);
        sum_6_2 = add_kept_row(sum_6_2, g_6.y, w_1_2, keep_1_1.z, 8u);
        sum_6_3 = add_kept_row(sum_6_3, g_6.y, w_1_3, keep_1_1.z, 12u);
        sum_6_2 = add_kept_row(sum_6_2, g_6.z, w_2_2, keep_1_1.z, 16u);
        sum_6_3 = add_kept_row(sum_6_3, g_6.z, w_2_3, keep_1_1.z, 20u);
        sum_6_2 = add_kept_row(sum_6_2, g_6.w, w_3_2, keep_1_1.z, 24u);
        sum_6_3 = add_kept_row(sum_6_3, g_6.w, w_3_3, keep_1_1.z, 28u);
        sum_7_2 = add_kept_row(sum_7_2, g_7.x, w_0_2, keep_1_1.w, 0u);
        sum_7_3 = add_kept_row(sum_7_3, g_7.x, w_0_3, keep_1_1.w, 4u);
        sum_7_2 = add_kept_row(sum_7_2, g_7.y, w_1_2, keep_1_1.w, 8u);
        sum_7_3 = add_kept_row(sum_7_3, g_7.y, w_1_3, keep_1_1.w, 12u);
        sum_7_2 = add_kept_row(sum_7_2, g_7.z, w_2_2, keep_1_1.w, 16u);
        sum_7_3 = add_kept_row(sum_7_3, g_7.z, w_2_3, keep_1_1.w, 20u);
        sum_7_2 = add_kept_row(sum_7_2, g_7.w, w_3_2, keep_1_1.w, 24u);
        sum_7_3 = add_kept_row(sum_7_3, g_7.w, w_3_3, keep_1_1.w, 28u);
        let g_8 = g_quad(g_row_8, o);
        let g_9 = g_quad(g_row_9, o);
        let g_10 = g_quad(g_row_10, o);
        let g_11 = g_quad(g_row_11, o);
        sum_8_0 = add_kept_row(sum_8_0, g_8.x, w_0_0, keep_2_0.x, 0u);
        sum_8_1 = add_kept_row(sum_8_1, g_8.x, w_0_1, keep_2_0.x, 4u);
        sum_8_0 = add_kept_row(sum_8_0, g_8.y, w_1_0, keep_2_0.x, 8u);
        sum_8_1 = add_kept_row(sum_8_1, g_8.y, w_1_1, keep_2_0.x, 12u);
        sum_8_0 = add_kept_row(sum_8_0, g_8.z, w_2_0, keep_2_0.x, 16u);
        sum_8_1 = add_kept_row(sum_8_1, g_8.z, w_2_1, keep_2_0.x, 20u);
        sum_8_0 = add_kept_row(sum_8_0, g_8.w, w_3_0, keep_2_0.x, 24u);
        sum_8_1 = add_kept_row(sum_8_1, g_8.w, w_3_1, keep_2_0.x, 28u);
        sum_9_0 = add_kept_row(sum_9_0, g_9.x, w_0_0, keep_2_0.y, 0u);
        sum_9_1 = add_kept_row(sum_9_1, g_9.x, w_0_1, keep_2_0.y, 4u);
        sum_9_0 = add_kept_row(sum_9_0, g_9.y, w_1_0, keep_2_0.y, 8u);
        sum_9_1 = add_kept_row(sum_9_1, g_9.y, w_1_1, keep_2_0.y, 12u);
        sum_9_0 = add_kept_row(sum_9_0, g_9.z, w_2_0, keep_2_0.y, 16u);
        sum_9_1 = add_kept_row(sum_9_1, g_9.z, w_2_1, keep_2_0.y, 20u);
        sum_9_0 = add_kept_row(sum_9_0, g_9.w, w_3_0, keep_2_0.y, 24u);
        sum_9_1 = add_kept_row(sum_9_1, g_9.w, w_3_1, keep_2_0.y, 28u);
        sum_10_0 = add_kept_row(sum_10_0, g_10.x, w_0_0, keep_2_0.z, 0u);
        sum_10_1 = add_kept_row(sum_10_1, g_10.x, w_0_1, keep_2_0.z, 4u);
        sum_10_0 = add_kept_row(sum_10_0, g_10.y, w_1_0, keep_2_0.z, 8u);
        sum_10_1 = add_kept_row(sum_10_1, g_10.y, w_1_1, keep_2_0.z, 12u);
        sum_10_0 = add_kept_row(sum_10_0, g_10.z, w_2_0, keep_2_0.z, 16u);
        sum_10_1 = add_kept_row(sum_10_1, g_10.z, w_2_1, keep_2_0.z, 20u);
        sum_10_0 = add_kept_row(sum_10_0, g_10.w, w_3_0, keep_2_0.z, 24u);
        sum_10_1 = add_kept_row(sum_10_1, g_10.w, w_3_1, keep_2_0.z, 28u);
        sum_11_0 = add_kept_row(sum_11_0, g_11.x, w_0_0, keep_2_0.w, 0u);
        sum_11_1 = add_kept_row(sum_11_1, g_11.x, w_0_1, keep_2_0.w, 4u);
        sum_11_0 = add_kept_row(sum_11_0, g_11.y, w_1_0, keep_2_0.w, 8u);
        sum_11_1 = add_kept_row(sum_11_1, g_11.y, w_1_1, keep_2_0.w, 12u);
        sum_11_0 = add_kept_row(sum_11_0, g_11.z, w_2_0, keep_2_0.w, 16u);
        sum_11_1 = add_kept_row(sum_11_1, g_11.z, w_2_1, keep_2_0.w, 20u);
        sum_11_0 = add_kept_row(sum_11_0, g_11.w, w_3_0, keep_2_0.w, 24u);
        sum_11_1 = add_kept_row(sum_11_1, g_11.w, w_3_1, keep_2_0.w, 28u);
        sum_8_2 = add_kept_row(sum_8_2, g_8.x, w_0_2, keep_2_1.x, 0u);
        sum_8_3 = add_kept_row(sum_8_3, g_8.x, w_0_3, keep_2_1.x, 4u);
        sum_8_2 = add_kept_row(sum_8_2, g_8.y, w_1_2, keep_2_1.x, 8u);
        sum_8_3 = add_kept_row(sum_8_3, g_8.y, w_1_3, keep_2_1.x, 12u);
        sum_8_2 = add_kept_row(sum_8_2, g_8.z, w_2_2, keep_2_1.x, 16u);
        sum_8_3 = add_kept_row(sum_8_3, g_8.z, w_2_3, keep_2_1.x, 20u);
        sum_8_2 = add_kept_row(sum_8_2, g_8.w, w_3_2, keep_2_1.x, 24u);
        sum_8_3 = add_kept_row(sum_8_3, g_8.w, w_3_3, keep_2_1.x, 28u);
        sum_9_2 = add_kept_row(sum_9_2, g_9.x, w_0_2, keep_2_1.y, 0u);
        sum_9_3 = add_kept_row(sum_9_3, g_9.x, w_0_3, keep_2_1.y, 4u);
        sum_9_2 = add_kept_row(sum_9_2, g_9.y, w_1_2, keep_2_1.y, 8u);
        sum_9_3 = add_kept_row(sum_9_3, g_9.y, w_1_3, keep_2_1.y, 12u);
        sum_9_2 = add_kept_row(sum_9_2, g_9.z, w_2_2, keep_2_1.y, 16u);
        sum_9_3 = add_kept_row(sum_9_3, g_9.z, w_2_3, keep_2_1.y, 20u);
        sum_9_2 = add_kept_row(sum_9_2, g_9.w, w_3_2, keep_2_1.y, 24u);
        sum_9_3 = add_kept_row(sum_9_3, g_9.w, w_3_3, keep_2_1.y, 28u);
        sum_10_2 = add_kept_row(sum_10_2, g_10.x, w_0_2, keep_2_1.z, 0u);
        sum_10_3 = add_kept_row(sum_10_3, g_10.x, w_0_3, keep_2_1.z, 4u);
        sum_10_2 = add_kept_row(sum_10_2, g_10.y, w_1_2, keep_2_1.z, 8u);
        sum_10_3 = add_kept_row(sum_10_3, g_10.y, w_1_3, keep_2_1.z, 12u);
        sum_10_2 = add_kept_row(sum_10_2, g_10.z, w_2_2, keep_2_1.z, 16u);
        sum_10_3 = add_kept_row(sum_10_3, g_10.z, w_2_3, keep_2_1.z, 20u);
        sum_10_2 = add_kept_row(sum_10_2, g_10.w, w_3_2, keep_2_1.z, 24u);
        sum_10_3 = add_kept_row(sum_10_3, g_10.w, w_3_3, keep_2_1.z, 28u);
        sum_11_2 = add_kept_row(sum_11_2, g_11.x, w_0_2, keep_2_1.w, 0u);
        sum_11_3 = add_kept_row(sum_11_3, g_11.x, w_0_3, keep_2_1.w, 4u);
        sum_11_2 = add_kept_row(sum_11_2, g_11.y, w_1_2, keep_2_1.w, 8u);
        sum_11_3 = add_kept_row(sum_11_3, g_11.y, w_1_3, keep_2_1.w, 12u);
        sum_11_2 = add_kept_row(sum_11_2, g_11.z, w_2_2, keep_2_1.w, 16u);
        sum_11_3 = add_kept_row(sum_11_3, g_11.z, w_2_3, keep_2_1.w, 20u);
        sum_11_2 = add_kept_row(sum_11_2, g_11.w, w_3_2, keep_2_1.w, 24u);
        sum_11_3 = add_kept_row(sum_11_3, g_11.w, w_3_3, keep_2_1.w, 28u);
        let g_12 = g_quad(g_row_12, o);
        let g_13 = g_quad(g_row_13, o);
        let g_14 = g_quad(g_row_14, o);
        let g_15 = g_quad(g_row_15, o);
        sum_12_0 = add_kept_row(sum_12_0, g_12.x, w_0_0, keep_3_0.x, 0u);
        sum_12_1 = add_kept_row(sum_12_1, g_12.x, w_0_1, keep_3_0.x, 4u);
        sum_12_0 = add_kept_row(sum_12_0, g_12.y, w_1_0, keep_3_0.x, 8u);
        sum_12_1 = add_kept_row(sum_12_1, g_12.y, w_1_1, keep_3_0.x, 12u);
        sum_12_0 = add_kept_row(sum_12_0, g_12.z, w_2_0, keep_3_0.x, 16u);
        sum_12_1 = add_kept_row(sum_12_1, g_12.z, w_2_1, keep_3_0.x, 20u);
        sum_12_0 = add_kept_row(sum_12_0, g_12.w, w_3_0, keep_3_0.x, 24u);
        sum_12_1 = add_kept_row(sum_12_1, g_12.w, w_3_1, keep_3_0.x, 28u);
        sum_13_0 = add_kept_row(sum_13_0, g_13.x, w_0_0, keep_3_0.y, 0u);
        sum_13_1 = add_kept_row(sum_13_1, g_13.x, w_0_1, keep_3_0.y, 4u);
        sum_13_0 = add_kept_row(sum_13_0, g_13.y, w_1_0, keep_3_0.y, 8u);
        sum_13_1 = add_kept_row(sum_13_1, g_13.y, w_1_1, keep_3_0.y, 12u);
        sum_13_0 = add_kept_row(sum_13_0, g_13.z, w_2_0, keep_3_0.y, 16u);
        sum_13_1 = add_kept_row(sum_13_1, g_13.z, w_2_1, keep_3_0.y, 20u);
        sum_13_0 = add_kept_row(sum_13_0, g_13.w, w_3_0, keep_3_0.y, 24u);
        sum_13_1 = add_kept_row(sum_13_1, g_13.w, w_3_1, keep_3_0.y, 28u);
        sum_14_0 = add_kept_row(sum_14_0, g_14.x, w_0_0, keep_3_0.z, 0u);
        sum_14_1 = add_kept_row(sum_14_1, g_14.x, w_0_1, keep_3_0.z, 4u);
        sum_14_0 = add_kept_row(sum_14_0, g_14.y, w_1_0, keep_3_0.z, 8u);
        sum_14_1 = add_kept_row(sum_14_1, g_14.y, w_1_1, keep_3_0.z, 12u);
        sum_14_0 = add_kept_row(sum_14_0, g_14.z, w_2_0, keep_3_0.z, 16u);
        sum_14_1 = add_kept_row(sum_14_1, g_14.z, w_2_1, keep_3_0.z, 20u);
        sum_14_0 = add_kept_row(sum_14_0, g_14.w, w_3_0, keep_3_0.z, 24u);
        sum_14_1 = add_kept_row(sum_14_1, g_14.w, w_3_1, keep_3_0.z, 28u);
        sum_15_0 = add_kept_row(sum_15_0, g_15.x, w_0_0, keep_3_0.w, 0u);
        sum_15_1 = add_kept_row(sum_15_1, g_15.x, w_0_1, keep_3_0.w, 4u);
        sum_15_0 = add_kept_row(sum_15_0, g_15.y, w_1_0, keep_3_0.w, 8u);
        sum_15_1 = add_kept_row(sum_15_1, g_15.y, w_1_1, keep_3_0.w, 12u);
        sum_15_0 = add_kept_row(sum_15_0, g_15.z, w_2_0, keep_3_0.w, 16u);
        sum_15_1 = add_kept_row(sum_15_1, g_15.z, w_2_1, keep_3_0.w, 20u);
        sum_15_0 = add_kept_row(sum_15_0, g_15.w, w_3_0, keep_3_0.w, 24u);
        sum_15_1 = add_kept_row(sum_15_1, g_15.w, w_3_1, keep_3_0.w, 28u);
        sum_12_2 = add_kept_row(sum_12_2, g_12.x, w_0_2, keep_3_1.x, 0u);
        sum_12_3 = add_kept_row(sum_12_3, g_12.x, w_0_3, keep_3_1.x, 4u);
        sum_12_2 = add_kept_row(sum_12_2, g_12.y, w_1_2, keep_3_1.x, 8u);
        sum_12_3 = add_kept_row(sum_12_3, g_12.y, w_1_3, keep_3_1.x, 12u);
        sum_12_2 = add_kept_row(sum_12_2, g_12.z, w_2_2, keep_3_1.x, 16u);
        sum_12_3 = add_kept_row(sum_12_3, g_12.z, w_2_3, keep_3_1.x, 20u);
        sum_12_2 = add_kept_row(sum_12_2, g_12.w, w_3_2, keep_3_1.x, 24u);
        sum_12_3 = add_kept_row(sum_12_3, g_12.w, w_3_3, keep_3_1.x, 28u);
        sum_13_2 = add_kept_row(sum_13_2, g_13.x, w_0_2, keep_3_1.y, 0u);
        sum_13_3 = add_kept_row(sum_13_3, g_13.x, w_0_3, keep_3_1.y, 4u);
        sum_13_2 = add_kept_row(sum_13_2, g_13.y, w_1_2, keep_3_1.y, 8u);
        sum_13_3 = add_kept_row(sum_13_3, g_13.y, w_1_3, keep_3_1.y, 12u);
        sum_13_2 = add_kept_row(sum_13_2, g_13.z, w_2_2, keep_3_1.y, 16u);
        sum_13_3 = add_kept_row(sum_13_3, g_13.z, w_2_3, keep_3_1.y, 20u);
        sum_13_2 = add_kept_row(sum_13_2, g_13.w, w_3_2, keep_3_1.y, 24u);
        sum_13_3 = add_kept_row(sum_13_3, g_13.w, w_3_3, keep_3_1.y, 28u);
        sum_14_2 = add_kept_row(sum_14_2, g_14.x, w_0_2, keep_3_1.z, 0u);
        sum_14_3 = add_kept_row(sum_14_3, g_14.x, w_0_3, keep_3_1.z, 4u);
        sum_14_2 = add_kept_row(sum_14_2, g_14.y, w_1_2, keep_3_1.z, 8u);
        sum_14_3 = add_kept_row(sum_14_3, g_14.y, w_1_3, keep_3_1.z, 12u);
        sum_14_2 = add_kept_row(sum_14_2, g_14.z, w_2_2, keep_3_1.z, 16u);
        sum_14_3 = add_kept_row(sum_14_3, g_14.z, w_2_3, keep_3_1.z, 20u);
        sum_14_2 = add_kept_row(sum_14_2, g_14.w, w_3_2, keep_3_1.z, 24u);
        sum_14_3 = add_kept_row(sum_14_3, g_14.w, w_3_3, keep_3_1.z, 28u);
        sum_15_2 = add_kept_row(sum_15_2, g_15.x, w_0_2, keep_3_1.w, 0u);
        sum_15_3 = add_kept_row(sum_15_3, g_15.x, w_0_3, keep_3_1.w, 4u);
        sum_15_2 = add_kept_row(sum_15_2, g_15.y, w_1_2, keep_3_1.w, 8u);
        sum_15_3 = add_kept_row(sum_15_3, g_15.y, w_1_3, keep_3_1.w, 12u);
        sum_15_2 = add_kept_row(sum_15_2, g_15.z, w_2_2, keep_3_1.w, 16u);
        sum_15_3 = add_kept_row(sum_15_3, g_15.z, w_2_3, keep_3_1.w, 20u);
        sum_15_2 = add_kept_row(sum_15_2, g_15.w, w_3_2, keep_3_1.w, 24u);
        sum_15_3 = add_kept_row(sum_15_3, g_15.w, w_3_3, keep_3_1.w, 28u);
        let g_16 = g_quad(g_row_16, o);
        let g_17 = g_quad(g_row_17, o);
        let g_18 = g_quad(g_row_18, o);
        let g_19 = g_quad(g_row_19, o);
        sum_16_0 = add_kept_row(sum_16_0, g_16.x, w_0_0, keep_4_0.x, 0u);
        sum_16_1 = add_kept_row(sum_16_1, g_16.x, w_0_1, keep_4_0.x, 4u);
        sum_16_0 = add_kept_row(sum_16_0, g_16.y, w_1_0, keep_4_0.x, 8u);
        sum_16_1 = add_kept_row(sum_16_1, g_16.y, w_1_1, keep_4_0.x, 12u);
        sum_16_0 = add_kept_row(sum_16_0, g_16.z, w_2_0, keep_4_0.x, 16u);
        sum_16_1 = add_kept_row(sum_16_1, g_16.z, w_2_1, keep_4_0.x, 20u);
        sum_16_0 = add_kept_row(sum_16_0, g_16.w, w_3_0, keep_4_0.x, 24u);
        sum_16_1 = add_kept_row(sum_16_1, g_16.w, w_3_1, keep_4_0.x, 28u);
        sum_17_0 = add_kept_row(sum_17_0, g_17.x, w_0_0, keep_4_0.y, 0u);
        sum_17_1 = add_kept_row(sum_17_1, g_17.x, w_0_1, keep_4_0.y, 4u);
        sum_17_0 = add_kept_row(sum_17_0, g_17.y, w_1_0, keep_4_0.y, 8u);
        sum_17_1 = add_kept_row(sum_17_1, g_17.y, w_1_1, keep_4_0.y, 12u);
        sum_17_0 = add_kept_row(sum_17_0, g_17.z, w_2_0, keep_4_0.y, 16u);
        sum_17_1 = add_kept_row(sum_17_1, g_17.z, w_2_1, keep_4_0.y, 20u);
        sum_17_0 = add_kept_row(sum_17_0, g_17.w, w_3_0, keep_4_0.y, 24u);
        sum_17_1 = add_kept_row(sum_17_1, g_17.w, w_3_1, keep_4_0.y, 28u);
        sum_18_0 = add_kept_row(sum_18_0, g_18.x, w_0_0, keep_4_0.z, 0u);
        sum_18_1 = add_kept_row(sum_18_1, g_18.x, w_0_1, keep_4_0.z, 4u);
        sum_18_0 = add_kept_row(sum_18_0, g_18.y, w_1_0, keep_4_0.z, 8u);
        sum_18_1 = add_kept_row(sum_18_1, g_18.y, w_1_1, keep_4_0.z, 12u);
        sum_18_0 = add_kept_row(sum_18_0, g_18.z, w_2_0, keep_4_0.z, 16u);
        sum_18_1 = add_kept_row(sum_18_1, g_18.z, w_2_1, keep_4_0.z, 20u);
        sum_18_0 = add_kept_row(sum_18_0, g_18.w, w_3_0, keep_4_0.z, 24u);
        sum_18_1 = add_kept_row(sum_18_1, g_18.w, w_3_1, keep_4_0.z, 28u);
        sum_19_0 = add_kept_row(sum_19_0, g_19.x, w_0_0, keep_4_0.w, 0u);
        sum_19_1 = add_kept_row(sum_19_1, g_19.x, w_0_1, keep_4_0.w, 4u);
        sum_19_0 = add_kept_row(sum_19_0, g_19.y, w_1_0, keep_4_0.w, 8u);
        sum_19_1 = add_kept_row(sum_19_1, g_19.y, w_1_1, keep_4_0.w, 12u);
        sum_19_0 = add_kept_row(sum_19_0, g_19.z, w_2_0, keep_4_0.w, 16u);
        sum_19_1 = add_kept_row(sum_19_1, g_19.z, w_2_1, keep_4_0.w, 20u);
        sum_19_0 = add_kept_row(sum_19_0, g_19.w, w_3_0, keep_4_0.w, 24u);
        sum_19_1 = add_kept_row(sum_19_1, g_19.w, w_3_1, keep_4_0.w, 28u);
        sum_16_2 = add_kept_row(sum_16_2, g_16.x, w_0_2, keep_4_1.x, 0u);
        sum_16_3 = add_kept_row(sum_16_3, g_16.x, w_0_3, keep_4_1.x, 4u);
        sum_16_2 = add_kept_row(sum_16_2, g_16.y, w_1_2, keep_4_1.x, 8u);
        sum_16_3 = add_kept_row(sum_16_3, g_16.y, w_1_3, keep_4_1.x, 12u);
        sum_16_2 = add_kept_row(sum_16_2, g_16.z, w_2_2, keep_4_1.x, 16u);
        sum_16_3 = add_kept_row(sum_16_3, g_16.z, w_2_3, keep_4_1.x, 20u);
        sum_16_2 = add_kept_row(sum_16_2, g_16.w, w_3_2, keep_4_1.x, 24u);
        sum_16_3 = add_kept_row(sum_16_3, g_16.w, w_3_3, keep_4_1.x, 28u);
        sum_17_2 = add_kept_row(sum_17_2, g_17.x, w_0_2, keep_4_1.y, 0u);
        sum_17_3 = add_kept_row(sum_17_3, g_17.x, w_0_3, keep_4_1.y, 4u);
        sum_17_2 = add_kept_row(sum_17_2, g_17.y, w_1_2, keep_4_1.y, 8u);
        sum_17_3 = add_kept_row(sum_17_3, g_17.y, w_1_3, keep_4_1.y, 12u);
        sum_17_2 = add_kept_row(sum_17_2, g_17.z, w_2_2, keep_4_1.y, 16u);
        sum_17_3 = add_kept_row(sum_17_3, g_17.z, w_2_3, keep_4_1.y, 20u);
        sum_17_2 = add_kept_row(sum_17_2, g_17.w, w_3_2, keep_4_1.y, 24u);
        sum_17_3 = add_kept_row(sum_17_3, g_17.w, w_3_3, keep_4_1.y, 28u);
        sum_18_2 = add_kept_row(sum_18_2, g_18.x, w_0_2, keep_4_1.z, 0u);
        sum_18_3 = add_kept_row(sum_18_3, g_18.x, w_0_3, keep_4_1.z, 4u);
        sum_18_2 = add_kept_row(sum_18_2, g_18.y, w_1_2, keep_4_1.z, 8u);
        sum_18_3 = add_kept_row(sum_18_3, g_18.y, w_1_3, keep_4_1.z, 12u);
        sum_18_2 = add_kept_row(sum_18_2, g_18.z, w_2_2, keep_4_1.z, 16u);
        sum_18_3 = add_kept_row(sum_18_3, g_18.z, w_2_3, keep_4_1.z, 20u);
        sum_18_2 = add_kept_row(sum_18_2, g_18.w, w_3_2, keep_4_1.z, 24u);
        sum_18_3 = add_kept_row(sum_18_3, g_18.w, w_3_3, keep_4_1.z, 28u);
        sum_19_2 = add_kept_row(sum_19_2, g_19.x, w_0_2, keep_4_1.w, 0u);
        sum_19_3 = add_kept_row(sum_19_3, g_19.x, w_0_3, keep_4_1.w, 4u);
        sum_19_2 = add_kept_row(sum_19_2, g_19.y, w_1_2, keep_4_1.w, 8u);
        sum_19_3 = add_kept_row(sum_19_3, g_19.y, w_1_3, keep_4_1.w, 12u);
        sum_19_2 = add_kept_row(sum_19_2, g_19.z, w_2_2, keep_4_1.w, 16u);
        sum_19_3 = add_kept_row(sum_19_3, g_19.z, w_2_3, keep_4_1.w, 20u);
        sum_19_2 = add_kept_row(sum_19_2, g_19.w, w_3_2, keep_4_1.w, 24u);
        sum_19_3 = add_kept_row(sum_19_3, g_19.w, w_3_3, keep_4_1.w, 28u);
        let g_20 = g_quad(g_row_20, o);
        let g_21 = g_quad(g_row_21, o);
        let g_22 = g_quad(g_row_22, o);
        let g_23 = g_quad(g_row_23, o);
        sum_20_0 = add_kept_row(sum_20_0, g_20.x, w_0_0, keep_5_0.x, 0u);
        sum_20_1 = add_kept_row(sum_20_1, g_20.x, w_0_1, keep_5_0.x, 4u);
        sum_20_0 = add_kept_row(sum_20_0, g_20.y, w_1_0, keep_5_0.x, 8u);
        sum_20_1 = add_kept_row(sum_20_1, g_20.y, w_1_1, keep_5_0.x, 12u);
        sum_20_0 = add_kept_row(sum_20_0, g_20.z, w_2_0, keep_5_0.x, 16u);
        sum_20_1 = add_kept_row(sum_20_1, g_20.z, w_2_1, keep_5_0.x, 20u);
        sum_20_0 = add_kept_row(sum_20_0, g_20.w, w_3_0, keep_5_0.x, 24u);
        sum_20_1 = add_kept_row(sum_20_1, g_20.w, w_3_1, keep_5_0.x, 28u);
        sum_21_0 = add_kept_row(sum_21_0, g_21.x, w_0_0, keep_5_0.y, 0u);
        sum_21_1 = add_kept_row(sum_21_1, g_21.x, w_0_1, keep_5_0.y, 4u);
        sum_21_0 = add_kept_row(sum_21_0, g_21.y, w_1_0, keep_5_0.y, 8u);
        sum_21_1 = add_kept_row(sum_21_1, g_21.y, w_1_1, keep_5_0.y, 12u);
        sum_21_0 = add_kept_row(sum_21_0, g_21.z, w_2_0, keep_5_0.y, 16u);
        sum_21_1 = add_kept_row(sum_21_1, g_21.z, w_2_1, keep_5_0.y, 20u);
        sum_21_0 = add_kept_row(sum_21_0, g_21.w, w_3_0, keep_5_0.y, 24u);
        sum_21_1 = add_kept_row(sum_21_1, g_21.w, w_3_1, keep_5_0.y, 28u);
        sum_22_0 = add_kept_row(sum_22_0, g_22.x, w_0_0, keep_5_0.z, 0u);
        sum_22_1 = add_kept_row(sum_22_1, g_22.x, w_0_1, keep_5_0.z, 4u);
        sum_22_0 = add_kept_row(sum_22_0, g_22.y, w_1_0, keep_5_0.z, 8u);
        sum_22_1 = add_kept_row(sum_22_1, g_22.y, w_1_1, keep_5_0.z, 12u);
        sum_22_0 = add_kept_row(sum_22_0, g_22.z, w_2_0, keep_5_0.z, 16u);
        sum_22_1 = add_kept_row(sum_22_1, g_22.z, w_2_1, keep_5_0.z, 20u);
        sum_22_0 = add_kept_row(sum_22_0, g_22.w, w_3_0, keep_5_0.z, 24u);
        sum_22_1 = add_kept_row(sum_22_1, g_22.w, w_3_1, keep_5_0.z, 28u);
        sum_23_0 = add_kept_row(sum_23_0, g_23.x, w_0_0, keep_5_0.w, 0u);
        sum_23_1 = add_kept_row(sum_23_1, g_23.x, w_0_1, keep_5_0.w, 4u);
        sum_23_0 = add_kept_row(sum_23_0, g_23.y, w_1_0, keep_5_0.w, 8u);
        sum_23_1 = add_kept_row(sum_23_1, g_23.y, w_1_1, keep_5_0.w, 12u);
        sum_23_0 = add_kept_row(sum_23_0, g_23.z, w_2_0, keep_5_0.w, 16u);
        sum_23_1 = add_kept_row(sum_23_1, g_23.z, w_2_1, keep_5_0.w, 20u);
        sum_23_0 = add_kept_row(sum_23_0, g_23.w, w_3_0, keep_5_0.w, 24u);
        sum_23_1 = add_kept_row(sum_23_1, g_23.w, w_3_1, keep_5_0.w, 28u);
        sum_20_2 = add_kept_row(sum_20_2, g_20.x, w_0_2, keep_5_1.x, 0u);
        sum_20_3 = add_kept_row(sum_20_3, g_20.x, w_0_3, keep_5_1.x, 4u);
        sum_20_2 = add_kept_row(sum_20_2, g_20.y, w_1_2, keep_5_1.x, 8u);
        sum_20_3 = add_kept_row(sum_20_3, g_20.y, w_1_3, keep_5_1.x, 12u);
        sum_20_2 = add_kept_row(sum_20_2, g_20.z, w_2_2, keep_5_1.x, 16u);
        sum_20_3 = add_kept_row(sum_20_3, g_20.z, w_2_3, keep_5_1.x, 20u);
        sum_20_2 = add_kept_row(sum_20_2, g_20.w, w_3_2, keep_5_1.x, 24u);
        sum_20_3 = add_kept_row(sum_20_3, g_20.w, w_3_3, keep_5_1.x, 28u);
        sum_21_2 = add_kept_row(sum_21_2, g_21.x, w_0_2, keep_5_1.y, 0u);
        sum_21_3 = add_kept_row(sum_21_3, g_21.x, w_0_3, keep_5_1.y, 4u);
        sum_21_2 = add_kept_row(sum_21_2, g_21.y, w_1_2, keep_5_1.y, 8u);
        sum_21_3 = add_kept_row(sum_21_3, g_21.y, w_1_3, keep_5_1.y, 12u);
        sum_21_2 = add_kept_row(sum_21_2, g_21.z, w_2_2, keep_5_1.y, 16u);
        sum_21_3 = add_kept_row(sum_21_3, g_21.z, w_2_3, keep_5_1.y, 20u);
        sum_21_2 = add_kept_row(sum_21_2, g_21.w, w_3_2, keep_5_1.y, 24u);
        sum_21_3 = add_kept_row(sum_21_3, g_21.w, w_3_3, keep_5_1.y, 28u);
        sum_22_2 = add_kept_row(sum_22_2, g_22.x, w_0_2, keep_5_1.z, 0u);
        sum_22_3 = add_kept_row(sum_22_3, g_22.x, w_0_3, keep_5_1.z, 4u);
        sum_22_2 = add_kept_row(sum_22_2, g_22.y, w_1_2, keep_5_1.z, 8u);
        sum_22_3 = add_kept_row(sum_22_3, g_22.y, w_1_3, keep_5_1.z, 12u);
        sum_22_2 = add_kept_row(sum_22_2, g_22.z, w_2_2, keep_5_1.z, 16u);
        sum_22_3 = add_kept_row(sum_22_3, g_22.z, w_2_3, keep_5_1.z, 20u);
        sum_22_2 = add_kept_row(sum_22_2, g_22.w, w_3_2, keep_5_1.z, 24u);
        sum_22_3 = add_kept_row(sum_22_3, g_22.w, w_3_3, keep_5_1.z, 28u);
        sum_23_2 = add_kept_row(sum_23_2, g_23.x, w_0_2, keep_5_1.w, 0u);
        sum_23_3 = add_kept_row(sum_23_3, g_23.x, w_0_3, keep_5_1.w, 4u);
        sum_23_2 = add_kept_row(sum_23_2, g_23.y, w_1_2, keep_5_1.w, 8u);
        sum_23_3 = add_kept_row(sum_23_3, g_23.y, w_1_3, keep_5_1.w, 12u);
        sum_23_2 = add_kept_row(sum_23_2, g_23.z, w_2_2, keep_5_1.w, 16u);
        sum_23_3 = add_kept_row(sum_23_3, g_23.z, w_2_3, keep_5_1.w, 20u);
        sum_23_2 = add_kept_row(sum_23_2, g_23.w, w_3_2, keep_5_1.w, 24u);
        sum_23_3 = add_kept_row(sum_23_3, g_23.w, w_3_3, keep_5_1.w, 28u);
        let g_24 = g_quad(g_row_24, o);
        let g_25 = g_quad(g_row_25, o);
        let g_26 = g_quad(g_row_26, o);
        let g_27 = g_quad(g_row_27, o);
        sum_24_0 = add_kept_row(sum_24_0, g_24.x, w_0_0, keep_6_0.x, 0u);
        sum_24_1 = add_kept_row(sum_24_1, g_24.x, w_0_1, keep_6_0.x, 4u);
        sum_24_0 = add_kept_row(sum_24_0, g_24.y, w_1_0, keep_6_0.x, 8u);
        sum_24_1 = add_kept_row(sum_24_1, g_24.y, w_1_1, keep_6_0.x, 12u);
        sum_24_0 = add_kept_row(sum_24_0, g_24.z, w_2_0, keep_6_0.x, 16u);
        sum_24_1 = add_kept_row(sum_24_1, g_24.z, w_2_1, keep_6_0.x, 20u);
        sum_24_0 = add_kept_row(sum_24_0, g_24.w, w_3_0, keep_6_0.x, 24u);
        sum_24_1 = add_kept_row(sum_24_1, g_24.w, w_3_1, keep_6_0.x, 28u);
        sum_25_0 = add_kept_row(sum_25_0, g_25.x, w_0_0, keep_6_0.y, 0u);
        sum_25_1 = add_kept_row(sum_25_1, g_25.x, w_0_1, keep_6_0.y, 4u);
        sum_25_0 = add_kept_row(sum_25_0, g_25.y, w_1_0, keep_6_0.y, 8u);
        sum_25_1 = add_kept_row(sum_25_1, g_25.y, w_1_1, keep_6_0.y, 12u);
        sum_25_0 = add_kept_row(sum_25_0, g_25.z, w_2_0, keep_6_0.y, 16u);
        sum_25_1 = add_kept_row(sum_25_1, g_25.z, w_2_1, keep_6_0.y, 20u);
        sum_25_0 = add_kept_row(sum_25_0, g_25.w, w_3_0, keep_6_0.y, 24u);
        sum_25_1 = add_kept_row(sum_25_1, g_25.w, w_3_1, keep_6_0.y, 28u);
        sum_26_0 = add_kept_row(sum_26_0, g_26.x, w_0_0, keep_6_0.z, 0u);
        sum_26_1 = add_kept_row(sum_26_1, g_26.x, w_0_1, keep_6_0.z, 4u);
        sum_26_0 = add_kept_row(sum_26_0, g_26.y, w_1_0, keep_6_0.z, 8u);
        sum_26_1 = add_kept_row(sum_26_1, g_26.y, w_1_1, keep_6_0.z, 12u);
        sum_26_0 = add_kept_row(sum_26_0, g_26.z, w_2_0, keep_6_0.z, 16u);
        sum_26_1 = add_kept_row(sum_26_1, g_26.z, w_2_1, keep_6_0.z, 20u);
        sum_26_0 = add_kept_row(sum_26_0, g_26.w, w_3_0, keep_6_0.z, 24u);
        sum_26_1 = add_kept_row(sum_26_1, g_26.w, w_3_1, keep_6_0.z, 28u);
        sum_27_0 = add_kept_row(sum_27_0, g_27.x, w_0_0, keep_6_0.w, 0u);
        sum_27_1 = add_kept_row(sum_27_1, g_27.x, w_0_1, keep_6_0.w, 4u);
        sum_27_0 = add_kept_row(sum_27_0, g_27.y, w_1_0, keep_6_0.w, 8u);
        sum_27_1 = add_kept_row(sum_27_1, g_27.y, w_1_1, keep_6_0.w, 12u);
        sum_27_0 = add_kept_row(sum_27_0, g_27.z, w_2_0, keep_6_0.w, 16u);
        sum_27_1 = add_kept_row(sum_27_1, g_27.z, w_2_1, keep_6_0.w, 20u);
        sum_27_0 = add_kept_row(sum_27_0, g_27.w, w_3_0, keep_6_0.w, 24u);
        sum_27_1 = add_kept_row(sum_27_1, g_27.w, w_3_1, keep_6_0.w, 28u);
        sum_24_2 = add_kept_row(sum_24_2, g_24.x, w_0_2, keep_6_1.x, 0u);
        sum_24_3 = add_kept_row(sum_24_3, g_24.x, w_0_3, keep_6_1.x, 4u);
        sum_24_2 = add_kept_row(sum_24_2, g_24.y, w_1_2, keep_6_1.x, 8u);
        sum_24_3 = add_kept_row(sum_24_3, g_24.y, w_1_3, keep_6_1.x, 12u);
        sum_24_2 = add_kept_row(sum_24_2, g_24.z, w_2_2, keep_6_1.x, 16u);
        sum_24_3 = add_kept_row(sum_24_3, g_24.z, w_2_3, keep_6_1.x, 20u);
        sum_24_2 = add_kept_row(sum_24_2, g_24.w, w_3_2, keep_6_1.x, 24u);
        sum_24_3 = add_kept_row(sum_24_3, g_24.w, w_3_3, keep_6_1.x, 28u);
        sum_25_2 = add_kept_row(sum_25_2, g_25.x, w_0_2, keep_6_1.y, 0u);
        sum_25_3 = add_kept_row(sum_25_3, g_25.x, w_0_3, keep_6_1.y, 4u);
        sum_25_2 = add_kept_row(sum_25_2, g_25.y, w_1_2, keep_6_1.y, 8u);
        sum_25_3 = add_kept_row(sum_25_3, g_25.y, w_1_3, keep_6_1.y, 12u);
        sum_25_2 = add_kept_row(sum_25_2, g_25.z, w_2_2, keep_6_1.y, 16u);
        sum_25_3 = add_kept_row(sum_25_3, g_25.z, w_2_3, keep_6_1.y, 20u);
        sum_25_2 = add_kept_row(sum_25_2, g_25.w, w_3_2, keep_6_1.y, 24u);
        sum_25_3 = add_kept_row(sum_25_3, g_25.w, w_3_3, keep_6_1.y, 28u);
        sum_26_2 = add_kept_row(sum_26_2, g_26.x, w_0_2, keep_6_1.z, 0u);
        sum_26_3 = add_kept_row(sum_26_3, g_26.x, w_0_3, keep_6_1.z, 4u);
        sum_26_2 = add_kept_row(sum_26_2, g_26.y, w_1_2, keep_6_1.z, 8u);
        sum_26_3 = add_kept_row(sum_26_3, g_26.y, w_1_3, keep_6_1.z, 12u);
        sum_26_2 = add_kept_row(sum_26_2, g_26.z, w_2_2, keep_6_1.z, 16u);
        sum_26_3 = add_kept_row(sum_26_3, g_26.z, w_2_3, keep_6_1.z, 20u);
        sum_26_2 = add_kept_row(sum_26_2, g_26.w, w_3_2, keep_6_1.z, 24u);
        sum_26_3 = add_kept_row(sum_26_3, g_26.w, w_3_3, keep_6_1.z, 28u);
        sum_27_2 = add_kept_row(sum_27_2, g_27.x, w_0_2, keep_6_1.w, 0u);
        sum_27_3 = add_kept_row(sum_27_3, g_27.x, w_0_3, keep_6_1.w, 4u);
        sum_27_2 = add_kept_row(sum_27_2, g_27.y, w_1_2, keep_6_1.w, 8u);
        sum_27_3 = add_kept_row(sum_27_3, g_27.y, w_1_3, keep_6_1.w, 12u);
        sum_27_2 = add_kept_row(sum_27_2, g_27.z, w_2_2, keep_6_1.w, 16u);
        sum_27_3 = add_kept_row(sum_27_3, g_27.z, w_2_3, keep_6_1.w, 20u);
        sum_27_2 = add_kept_row(sum_27_2, g_27.w, w_3_2, keep_6_1.w, 24u);
        sum_27_3 = add_kept_row(sum_27_3, g_27.w, w_3_3, keep_6_1.w, 28u);
        let g_28 = g_quad(g_row_28, o);
        let g_29 = g_quad(g_row_29, o);
        let g_30 = g_quad(g_row_30, o);
        let g_31 = g_quad(g_row_31, o);
        sum_28_0 = add_kept_row(sum_28_0, g_28.x, w_0_0, keep_7_0.x, 0u);
        sum_28_1 = add_kept_row(sum_28_1, g_28.x, w_0_1, keep_7_0.x, 4u);
        sum_28_0 = add_kept_row(sum_28_0, g_28.y, w_1_0, keep_7_0.x, 8u);
        sum_28_1 = add_kept_row(sum_28_1, g_28.y, w_1_1, keep_7_0.x, 12u);
        sum_28_0 = add_kept_row(sum_28_0, g_28.z, w_2_0, keep_7_0.x, 16u);
        sum_28_1 = add_kept_row(sum_28_1, g_28.z, w_2_1, keep_7_0.x, 20u);
        sum_28_0 = add_kept_row(sum_28_0, g_28.w, w_3_0, keep_7_0.x, 24u);
        sum_28_1 = add_kept_row(sum_28_1, g_28.w, w_3_1, keep_7_0.x, 28u);
        sum_29_0 = add_kept_row(sum_29_0, g_29.x, w_0_0, keep_7_0.y, 0u);
        sum_29_1 = add_kept_row(sum_29_1, g_29.x, w_0_1, keep_7_0.y, 4u);
        sum_29_0 = add_kept_row(sum_29_0, g_29.y, w_1_0, keep_7_0.y, 8u);
        sum_29_1 = add_kept_row(sum_29_1, g_29.y, w_1_1, keep_7_0.y, 12u);
        sum_29_0 = add_kept_row(sum_29_0, g_29.z, w_2_0, keep_7_0.y, 16u);
        sum_29_1 = add_kept_row(sum_29_1, g_29.z, w_2_1, keep_7_0.y, 20u);
        sum_29_0 = add_kept_row(sum_29_0, g_29.w, w_3_0, keep_7_0.y, 24u);
        sum_29_1 = add_kept_row(sum_29_1, g_29.w, w_3_1, keep_7_0.y, 28u);
        sum_30_0 = add_kept_row(sum_30_0, g_30.x, w_0_0, keep_7_0.z, 0u);
        sum_30_1 = add_kept_row(sum_30_1, g_30.x, w_0_1, keep_7_0.z, 4u);
        sum_30_0 = add_kept_row(sum_30_0, g_30.y, w_1_0, keep_7_0.z, 8u);
        sum_30_1 = add_kept_row(sum_30_1, g_30.y, w_1_1, keep_7_0.z, 12u);
        sum_30_0 = add_kept_row(sum_30_0, g_30.z, w_2_0, keep_7_0.z, 16u);
        sum_30_1 = add_kept_row(sum_30_1, g_30.z, w_2_1, keep_7_0.z, 20u);
        sum_30_0 = add_kept_row(sum_30_0, g_30.w, w_3_0, keep_7_0.z, 24u);
        sum_30_1 = add_kept_row(sum_30_1, g_30.w, w_3_1, keep_7_0.z, 28u);
        sum_31_0 = add_kept_row(sum_31_0, g_31.x, w_0_0, keep_7_0.w, 0u);
        sum_31_1 = add_kept_row(sum_31_1, g_31.x, w_0_1, keep_7_0.w, 4u);
        sum_31_0 = add_kept_row(sum_31_0, g_31.y, w_1_0, keep_7_0.w, 8u);
        sum_31_1 = add_kept_row(sum_31_1, g_31.y, w_1_1, keep_7_0.w, 12u);
        sum_31_0 = add_kept_row(sum_31_0, g_31.z, w_2_0, keep_7_0.w, 16u);
        sum_31_1 = add_kept_row(sum_31_1, g_31.z, w_2_1, keep_7_0.w, 20u);
        sum_31_0 = add_kept_row(sum_31_0, g_31.w, w_3_0, keep_7_0.w, 24u);
        sum_31_1 = add_kept_row(sum_31_1, g_31.w, w_3_1, keep_7_0.w, 28u);
        sum_28_2 = add_kept_row(sum_28_2, g_28.x, w_0_2, keep_7_1.x, 0u);
        sum_28_3 = add_kept_row(sum_28_3, g_28.x, w_0_3, keep_7_1.x, 4u);
        sum_28_2 = add_kept_row(sum_28_2, g_28.y, w_1_2, keep_7_1.x, 8u);
        sum_28_3 = add_kept_row(sum_28_3, g_28.y, w_1_3, keep_7_1.x, 12u);
        sum_28_2 = add_kept_row(sum_28_2, g_28.z, w_2_2, keep_7_1.x, 16u);
        sum_28_3 = add_kept_row(sum_28_3, g_28.z, w_2_3, keep_7_1.x, 20u);
        sum_28_2 = add_kept_row(sum_28_2, g_28.w, w_3_2, keep_7_1.x, 24u);
        sum_28_3 = add_kept_row(sum_28_3, g_28.w, w_3_3, keep_7_1.x, 28u);
        sum_29_2 = add_kept_row(sum_29_2, g_29.x, w_0_2, keep_7_1.y, 0u);
        sum_29_3 = add_kept_row(sum_29_3, g_29.x, w_0_3, keep_7_1.y, 4u);
        sum_29_2 = add_kept_row(sum_29_2, g_29.y, w_1_2, keep_7_1.y, 8u);
        sum_29_3 = add_kept_row(sum_29_3, g_29.y, w_1_3, keep_7_1.y, 12u);
        sum_29_2 = add_kept_row(sum_29_2, g_29.z, w_2_2, keep_7_1.y, 16u);
        sum_29_3 = add_kept_row(sum_29_3, g_29.z, w_2_3, keep_7_1.y, 20u);
        sum_29_2 = add_kept_row(sum_29_2, g_29.w, w_3_2, keep_7_1.y, 24u);
        sum_29_3 = add_kept_row(sum_29_3, g_29.w, w_3_3, keep_7_1.y, 28u);
        sum_30_2 = add_kept_row(sum_30_2, g_30.x, w_0_2, keep_7_1.z, 0u);
        sum_30_3 = add_kept_row(sum_30_3, g_30.x, w_0_3, keep_7_1.z, 4u);
        sum_30_2 = add_kept_row(sum_30_2, g_30.y, w_1_2, keep_7_1.z, 8u);
        sum_30_3 = add_kept_row(sum_30_3, g_30.y, w_1_3, keep_7_1.z, 12u);
        sum_30_2 = add_kept_row(sum_30_2, g_30.z, w_2_2, keep_7_1.z, 16u);
        sum_30_3 = add_kept_row(sum_30_3, g_30.z, w_2_3, keep_7_1.z, 20u);
        sum_30_2 = add_kept_row(sum_30_2, g_30.w, w_3_2, keep_7_1.z, 24u);
        sum_30_3 = add_kept_row(sum_30_3, g_30.w, w_3_3, keep_7_1.z, 28u);
        sum_31_2 = add_kept_row(sum_31_2, g_31.x, w_0_2, keep_7_1.w, 0u);
        sum_31_3 = add_kept_row(sum_31_3, g_31.x, w_0_3, keep_7_1.w, 4u);
        sum_31_2 = add_kept_row(sum_31_2, g_31.y, w_1_2, keep_7_1.w, 8u);
        sum_31_3 = add_kept_row(sum_31_3, g_31.y, w_1_3, keep_7_1.w, 12u);
        sum_31_2 = add_kept_row(sum_31_2, g_31.z, w_2_2, keep_7_1.w, 16u);
        sum_31_3 = add_kept_row(sum_31_3, g_31.z, w_2_3, keep_7_1.w, 20u);
        sum_31_2 = add_kept_row(sum_31_2, g_31.w, w_3_2, keep_7_1.w, 24u);
        sum_31_3 = add_kept_row(sum_31_3, g_31.w, w_3_3, keep_7_1.w, 28u);
    }

    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to compile
    // than all the rest.
    for (var row = 0; row < 8; row++) {
        store_result_quad(n + 4 * row, i, params.scale * sum_0_0);
        store_result_quad(n + 4 * row, i + 4, params.scale * sum_0_1);
        store_result_quad(n + 4 * row, i + 8, params.scale * sum_0_2);
        store_result_quad(n + 4 * row, i + 12, params.scale * sum_0_3);
        store_result_quad(n + 4 * row + 1, i, params.scale * sum_1_0);
        store_result_quad(n + 4 * row + 1, i + 4, params.scale * sum_1_1);
        store_result_quad(n + 4 * row + 1, i + 8, params.scale * sum_1_2);
        store_result_quad(n + 4 * row + 1, i + 12, params.scale * sum_1_3);
        store_result_quad(n + 4 * row + 2, i, params.scale * sum_2_0);
        store_result_quad(n + 4 * row + 2, i + 4, params.scale * sum_2_1);
        store_result_quad(n + 4 * row + 2, i + 8, params.scale * sum_2_2);
        store_result_quad(n + 4 * row + 2, i + 12, params.scale * sum_2_3);
        store_result_quad(n + 4 * row + 3, i, params.scale * sum_3_0);
        store_result_quad(n + 4 * row + 3, i + 4, params.scale * sum_3_1);
        store_result_quad(n + 4 * row + 3, i + 8, params.scale * sum_3_2);
        store_result_quad(n + 4 * row + 3, i + 12, params.scale * sum_3_3);
        sum_0_0 = sum_4_0;
        sum_0_1 = sum_4_1;
        sum_0_2 = sum_4_2;
        sum_0_3 = sum_4_3;
        sum_1_0 = sum_5_0;
        sum_1_1 = sum_5_1;
        sum_1_2 = sum_5_2;
        sum_1_3 = sum_5_3;
        sum_2_0 = sum_6_0;
        sum_2_1 = sum_6_1;
        sum_2_2 = sum_6_2;
        sum_2_3 = sum_6_3;
        sum_3_0 = sum_7_0;
        sum_3_1 = sum_7_1;
        sum_3_2 = sum_7_2;
        sum_3_3 = sum_7_3;
        sum_4_0 = sum_8_0;
        sum_4_1 = sum_8_1;
        sum_4_2 = sum_8_2;
        sum_4_3 = sum_8_3;
        sum_5_0 = sum_9_0;
        sum_5_1 = sum_9_1;
        sum_5_2 = sum_9_2;
        sum_5_3 = sum_9_3;
        sum_6_0 = sum_10_0;
        sum_6_1 = sum_10_1;
        sum_6_2 = sum_10_2;
        sum_6_3 = sum_10_3;
        sum_7_0 = sum_11_0;
        sum_7_1 = sum_11_1;
        sum_7_2 = sum_11_2;
        sum_7_3 = sum_11_3;
        sum_8_0 = sum_12_0;
        sum_8_1 = sum_12_1;
        sum_8_2 = sum_12_2;
        sum_8_3 = sum_12_3;
        sum_9_0 = sum_13_0;
        sum_9_1 = sum_13_1;
        sum_9_2 = sum_13_2;
        sum_9_3 = sum_13_3;
        sum_10_0 = sum_14_0;
        sum_10_1 = sum_14_1;
        sum_10_2 = sum_14_2;
        sum_10_3 = sum_14_3;
        sum_11_0 = sum_15_0;
        sum_11_1 = sum_15_1;
        sum_11_2 = sum_15_2;
        sum_11_3 = sum_15_3;
        sum_12_0 = sum_16_0;
        sum_12_1 = sum_16_1;
        sum_12_2 = sum_16_2;
        sum_12_3 = sum_16_3;
        sum_13_0 = sum_17_0;
        sum_13_1 = sum_17_1;
        sum_13_2 = sum_17_2;
        sum_13_3 = sum_17_3;
        sum_14_0 = sum_18_0;
        sum_14_1 = sum_18_1;
        sum_14_2 = sum_18_2;
        sum_14_3 = sum_18_3;
        sum_15_0 = sum_19_0;
        sum_15_1 = sum_19_1;
        sum_15_2 = sum_19_2;
        sum_15_3 = sum_19_3;
        sum_16_0 = sum_20_0;
        sum_16_1 = sum_20_1;
        sum_16_2 = sum_20_2;
        sum_16_3 = sum_20_3;
        sum_17_0 = sum_21_0;
        sum_17_1 = sum_21_1;
        sum_17_2 = sum_21_2;
        sum_17_3 = sum_21_3;
        sum_18_0 = sum_22_0;
        sum_18_1 = sum_22_1;
        sum_18_2 = sum_22_2;
        sum_18_3 = sum_22_3;
        sum_19_0 = sum_23_0;
        sum_19_1 = sum_23_1;
        sum_19_2 = sum_23_2;
        sum_19_3 = sum_23_3;
        sum_20_0 = sum_24_0;
        sum_20_1 = sum_24_1;
        sum_20_2 = sum_24_2;
        sum_20_3 = sum_24_3;
        sum_21_0 = sum_25_0;
        sum_21_1 = sum_25_1;
        sum_21_2 = sum_25_2;
        sum_21_3 = sum_25_3;
        sum_22_0 = sum_26_0;
        sum_22_1 = sum_26_1;
        sum_22_2 = sum_26_2;
        sum_22_3 = sum_26_3;
        sum_23_0 = sum_27_0;
        sum_23_1 = sum_27_1;
        sum_23_2 = sum_27_2;
        sum_23_3 = sum_27_3;
        sum_24_0 = sum_28_0;
        sum_24_1 = sum_28_1;
        sum_24_2 = sum_28_2;
        sum_24_3 = sum_28_3;
        sum_25_0 = sum_29_0;
        sum_25_1 = sum_29_1;
        sum_25_2 = sum_29_2;
        sum_25_3 = sum_29_3;
        sum_26_0 = sum_30_0;
        sum_26_1 = sum_30_1;
        sum_26_2 = sum_30_2;
        sum_26_3 = sum_30_3;
        sum_27_0 = sum_31_0;
        sum_27_1 = sum_31_1;
        sum_27_2 = sum_31_2;
        sum_27_3 = sum_31_3;
    }
}
