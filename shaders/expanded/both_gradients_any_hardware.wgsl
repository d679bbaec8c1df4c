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

@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn x_quad(row: u32, column: i32) -> vec4<f32> {
    return x[(params.base[0].y + row * params.input_stride + u32(column)) / 4u];
}

@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn w_quad(row: u32, column: i32) -> vec4<f32> {
    return w[(params.base[0].z + row * params.input_stride + u32(column)) / 4u];
}

@group(0) @binding(4) var<storage, read_write> grad_input: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_grad_input_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].w + u32(row) * params.input_stride + u32(column);
    if column < i32(params.inputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += grad_input[index / 4u];
        }
        grad_input[index / 4u] = sum;
    }
}

@group(0) @binding(5) var<storage, read_write> grad_weight: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_grad_weight_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.outputs) {
        return;
    }
    let index = params.base[1].x + u32(row) * params.input_stride + u32(column);
    if column < i32(params.inputs) {
        var sum = values;
        if params.accumulate_weight == 1u {
            sum += grad_weight[index / 4u];
        }
        grad_weight[index / 4u] = sum;
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
    s.x = select(s.x, fma(a, b.x, s.x), (word & (1u << bit)) != 0u);
    s.y = select(s.y, fma(a, b.y, s.y), (word & (1u << (bit + 1u))) != 0u);
    s.z = select(s.z, fma(a, b.z, s.z), (word & (1u << (bit + 2u))) != 0u);
    s.w = select(s.w, fma(a, b.w, s.w), (word & (1u << (bit + 3u))) != 0u);
    return s;
}

// dX = scale * (sum over o of M W G) and dW = scale * (sum over n of M G X), each brick drawn once for both.
// Oracles: src/reference/input_gradient.rs and src/reference/weight_gradient.rs.
//
// A thread owns 1 x 1 bricks, 4 examples by 8 inputs of dX, and walks
// the outputs four at a time, as in the input gradient. The 32 threads along y own all examples of the
// dispatch, so that what one step gives for dW is whole once they have added it up, through workgroup memory, in a
// fixed order.

// Quads on their way from thread to thread: a step's part of dW, and at the end of the walk sums of dX.
var<workgroup> parts: array<vec4<f32>, 256>;

@compute @workgroup_size(1, 32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = local.y;
    let tile_column = group.x + local.x;
    let n = i32(tile_row * 4u) - params.example_shift;
    let i = i32(tile_column * 8u) - params.input_shift;
    // Barriers are for all threads: those outside come along, read what is nearest and store nothing.
    let example_block = params.example_block + tile_row;
    let input_block = params.input_block + tile_column;
    let i_0 = min(i, i32(params.inputs) - 4);
    let i_1 = min(i + 4, i32(params.inputs) - 4);
    // In place of an example that does not exist the nearest one is read, and its mask keeps nothing. (To make X or
    // G zero instead costs NVIDIA up to a third more instructions: docs/rejected.md. And 0 less the truth of it, as a
    // `select` of integers by lanes becomes a `mix` that GLSL 4.3 has not got.)
    let row_0 = u32(clamp(n, 0, i32(params.examples) - 1));
    let x_0_0 = x_quad(row_0, i_0);
    var sum_0_0 = vec4(0.0);
    let x_0_1 = x_quad(row_0, i_1);
    var sum_0_1 = vec4(0.0);
    let row_1 = u32(clamp(n + 1, 0, i32(params.examples) - 1));
    let x_1_0 = x_quad(row_1, i_0);
    var sum_1_0 = vec4(0.0);
    let x_1_1 = x_quad(row_1, i_1);
    var sum_1_1 = vec4(0.0);
    let row_2 = u32(clamp(n + 2, 0, i32(params.examples) - 1));
    let x_2_0 = x_quad(row_2, i_0);
    var sum_2_0 = vec4(0.0);
    let x_2_1 = x_quad(row_2, i_1);
    var sum_2_1 = vec4(0.0);
    let row_3 = u32(clamp(n + 3, 0, i32(params.examples) - 1));
    let x_3_0 = x_quad(row_3, i_0);
    var sum_3_0 = vec4(0.0);
    let x_3_1 = x_quad(row_3, i_1);
    var sum_3_1 = vec4(0.0);
    let exist_0 = vec4(0u) - vec4<u32>(
        vec4(n) + vec4(0, 1, 2, 3) == vec4(
            i32(row_0),
            i32(row_1),
            i32(row_2),
            i32(row_3),
        ),
    );

    let blocks = (params.outputs + u32(params.output_shift) + 3u) / 4u;
    for (var block = 0u; block < blocks; block++) {
        let o = i32(block * 4u) - params.output_shift;
        var step_0_0 = vec4(0.0);
        var step_0_1 = vec4(0.0);
        var step_1_0 = vec4(0.0);
        var step_1_1 = vec4(0.0);
        var step_2_0 = vec4(0.0);
        var step_2_1 = vec4(0.0);
        var step_3_0 = vec4(0.0);
        var step_3_1 = vec4(0.0);
        // Plane by plane for the whole tile: one loop and not one for each brick, in which the rounds of one
        // brick do not wait for those of another.
        var state_0_0 = start(vec3(input_block, params.output_block + block, example_block));
        var drop_0_0 = first_planes(state_0_0);
        var key = params.round_keys[5].xy;
        for (var bit = 8u; bit < 16u; bit++) {
            state_0_0 = next_plane(state_0_0, key);
            drop_0_0 = rung(drop_0_0, state_0_0, zero_at(bit));
            key += vec2(3668340011u, 842468239u);
        }
        let keep_0_0 = others(drop_0_0);
        let w_0_0 = w_quad(u32(o), i_0);
        let w_0_1 = w_quad(u32(o), i_1);
        let w_1_0 = w_quad(u32(o + 1), i_0);
        let w_1_1 = w_quad(u32(o + 1), i_1);
        let w_2_0 = w_quad(u32(o + 2), i_0);
        let w_2_1 = w_quad(u32(o + 2), i_1);
        let w_3_0 = w_quad(u32(o + 3), i_0);
        let w_3_1 = w_quad(u32(o + 3), i_1);
        let g_0 = g_quad(row_0, o);
        let g_1 = g_quad(row_1, o);
        let g_2 = g_quad(row_2, o);
        let g_3 = g_quad(row_3, o);
        let kept_0_0 = keep_0_0 & exist_0;
        sum_0_0 = add_kept_row(sum_0_0, g_0.x, w_0_0, kept_0_0.x, 0u);
        step_0_0 = add_kept_row(step_0_0, g_0.x, x_0_0, kept_0_0.x, 0u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.x, w_0_1, kept_0_0.x, 4u);
        step_0_1 = add_kept_row(step_0_1, g_0.x, x_0_1, kept_0_0.x, 4u);
        sum_0_0 = add_kept_row(sum_0_0, g_0.y, w_1_0, kept_0_0.x, 8u);
        step_1_0 = add_kept_row(step_1_0, g_0.y, x_0_0, kept_0_0.x, 8u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.y, w_1_1, kept_0_0.x, 12u);
        step_1_1 = add_kept_row(step_1_1, g_0.y, x_0_1, kept_0_0.x, 12u);
        sum_0_0 = add_kept_row(sum_0_0, g_0.z, w_2_0, kept_0_0.x, 16u);
        step_2_0 = add_kept_row(step_2_0, g_0.z, x_0_0, kept_0_0.x, 16u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.z, w_2_1, kept_0_0.x, 20u);
        step_2_1 = add_kept_row(step_2_1, g_0.z, x_0_1, kept_0_0.x, 20u);
        sum_0_0 = add_kept_row(sum_0_0, g_0.w, w_3_0, kept_0_0.x, 24u);
        step_3_0 = add_kept_row(step_3_0, g_0.w, x_0_0, kept_0_0.x, 24u);
        sum_0_1 = add_kept_row(sum_0_1, g_0.w, w_3_1, kept_0_0.x, 28u);
        step_3_1 = add_kept_row(step_3_1, g_0.w, x_0_1, kept_0_0.x, 28u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.x, w_0_0, kept_0_0.y, 0u);
        step_0_0 = add_kept_row(step_0_0, g_1.x, x_1_0, kept_0_0.y, 0u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.x, w_0_1, kept_0_0.y, 4u);
        step_0_1 = add_kept_row(step_0_1, g_1.x, x_1_1, kept_0_0.y, 4u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.y, w_1_0, kept_0_0.y, 8u);
        step_1_0 = add_kept_row(step_1_0, g_1.y, x_1_0, kept_0_0.y, 8u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.y, w_1_1, kept_0_0.y, 12u);
        step_1_1 = add_kept_row(step_1_1, g_1.y, x_1_1, kept_0_0.y, 12u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.z, w_2_0, kept_0_0.y, 16u);
        step_2_0 = add_kept_row(step_2_0, g_1.z, x_1_0, kept_0_0.y, 16u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.z, w_2_1, kept_0_0.y, 20u);
        step_2_1 = add_kept_row(step_2_1, g_1.z, x_1_1, kept_0_0.y, 20u);
        sum_1_0 = add_kept_row(sum_1_0, g_1.w, w_3_0, kept_0_0.y, 24u);
        step_3_0 = add_kept_row(step_3_0, g_1.w, x_1_0, kept_0_0.y, 24u);
        sum_1_1 = add_kept_row(sum_1_1, g_1.w, w_3_1, kept_0_0.y, 28u);
        step_3_1 = add_kept_row(step_3_1, g_1.w, x_1_1, kept_0_0.y, 28u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.x, w_0_0, kept_0_0.z, 0u);
        step_0_0 = add_kept_row(step_0_0, g_2.x, x_2_0, kept_0_0.z, 0u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.x, w_0_1, kept_0_0.z, 4u);
        step_0_1 = add_kept_row(step_0_1, g_2.x, x_2_1, kept_0_0.z, 4u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.y, w_1_0, kept_0_0.z, 8u);
        step_1_0 = add_kept_row(step_1_0, g_2.y, x_2_0, kept_0_0.z, 8u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.y, w_1_1, kept_0_0.z, 12u);
        step_1_1 = add_kept_row(step_1_1, g_2.y, x_2_1, kept_0_0.z, 12u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.z, w_2_0, kept_0_0.z, 16u);
        step_2_0 = add_kept_row(step_2_0, g_2.z, x_2_0, kept_0_0.z, 16u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.z, w_2_1, kept_0_0.z, 20u);
        step_2_1 = add_kept_row(step_2_1, g_2.z, x_2_1, kept_0_0.z, 20u);
        sum_2_0 = add_kept_row(sum_2_0, g_2.w, w_3_0, kept_0_0.z, 24u);
        step_3_0 = add_kept_row(step_3_0, g_2.w, x_2_0, kept_0_0.z, 24u);
        sum_2_1 = add_kept_row(sum_2_1, g_2.w, w_3_1, kept_0_0.z, 28u);
        step_3_1 = add_kept_row(step_3_1, g_2.w, x_2_1, kept_0_0.z, 28u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.x, w_0_0, kept_0_0.w, 0u);
        step_0_0 = add_kept_row(step_0_0, g_3.x, x_3_0, kept_0_0.w, 0u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.x, w_0_1, kept_0_0.w, 4u);
        step_0_1 = add_kept_row(step_0_1, g_3.x, x_3_1, kept_0_0.w, 4u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.y, w_1_0, kept_0_0.w, 8u);
        step_1_0 = add_kept_row(step_1_0, g_3.y, x_3_0, kept_0_0.w, 8u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.y, w_1_1, kept_0_0.w, 12u);
        step_1_1 = add_kept_row(step_1_1, g_3.y, x_3_1, kept_0_0.w, 12u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.z, w_2_0, kept_0_0.w, 16u);
        step_2_0 = add_kept_row(step_2_0, g_3.z, x_3_0, kept_0_0.w, 16u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.z, w_2_1, kept_0_0.w, 20u);
        step_2_1 = add_kept_row(step_2_1, g_3.z, x_3_1, kept_0_0.w, 20u);
        sum_3_0 = add_kept_row(sum_3_0, g_3.w, w_3_0, kept_0_0.w, 24u);
        step_3_0 = add_kept_row(step_3_0, g_3.w, x_3_0, kept_0_0.w, 24u);
        sum_3_1 = add_kept_row(sum_3_1, g_3.w, w_3_1, kept_0_0.w, 28u);
        step_3_1 = add_kept_row(step_3_1, g_3.w, x_3_1, kept_0_0.w, 28u);
        // Quad k of the thread at `at` lies k places on among the quads k: so neither the threads that write one
        // quad nor those that read different quads of one thread meet in a bank.
        let at = local.x + local.y;
        parts[at % 32u] = step_0_0;
        parts[32u + (at + 1u) % 32u] = step_0_1;
        parts[64u + (at + 2u) % 32u] = step_1_0;
        parts[96u + (at + 3u) % 32u] = step_1_1;
        parts[128u + (at + 4u) % 32u] = step_2_0;
        parts[160u + (at + 5u) % 32u] = step_2_1;
        parts[192u + (at + 6u) % 32u] = step_3_0;
        parts[224u + (at + 7u) % 32u] = step_3_1;
        workgroupBarrier();
        // 4 threads share a quad. Each leaves its sum where it alone has read, for the first of them to add up.
        let k = local.y % 8u;
        let way = local.y / 8u;
        var sum = vec4(0.0);
        sum += parts[k * 32u + (local.x + way + k) % 32u];
        sum += parts[k * 32u + (local.x + (way + 4u) + k) % 32u];
        sum += parts[k * 32u + (local.x + (way + 8u) + k) % 32u];
        sum += parts[k * 32u + (local.x + (way + 12u) + k) % 32u];
        sum += parts[k * 32u + (local.x + (way + 16u) + k) % 32u];
        sum += parts[k * 32u + (local.x + (way + 20u) + k) % 32u];
        sum += parts[k * 32u + (local.x + (way + 24u) + k) % 32u];
        sum += parts[k * 32u + (local.x + (way + 28u) + k) % 32u];
        parts[k * 32u + (local.x + way + k) % 32u] = sum;
        workgroupBarrier();
        if way == 0u {
            sum += parts[k * 32u + (local.x + 1u + k) % 32u];
            sum += parts[k * 32u + (local.x + 2u + k) % 32u];
            sum += parts[k * 32u + (local.x + 3u + k) % 32u];
            store_grad_weight_quad(o + i32(k / 2u), i + i32(k % 2u) * 4, params.scale * sum);
        }
        // Before the next step, or the sums of dX, go the same way.
        workgroupBarrier();
    }

    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to compile
    // than all the rest.
    for (var row = 0; row < 1; row++) {
        store_grad_input_quad(n + 4 * row, i, params.scale * sum_0_0);
        store_grad_input_quad(n + 4 * row, i + 4, params.scale * sum_0_1);
        store_grad_input_quad(n + 4 * row + 1, i, params.scale * sum_1_0);
        store_grad_input_quad(n + 4 * row + 1, i + 4, params.scale * sum_1_1);
        store_grad_input_quad(n + 4 * row + 2, i, params.scale * sum_2_0);
        store_grad_input_quad(n + 4 * row + 2, i + 4, params.scale * sum_2_1);
        store_grad_input_quad(n + 4 * row + 3, i, params.scale * sum_3_0);
        store_grad_input_quad(n + 4 * row + 3, i + 4, params.scale * sum_3_1);
    }
}
