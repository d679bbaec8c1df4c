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

// p = 1/2: a 1 in the only plane drops.
fn brick(block: vec3<u32>) -> vec4<u32> {
    return others(start(block));
}

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

@group(0) @binding(3) var<storage, read_write> result: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_result_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].z + u32(row) * params.output_stride + u32(column);
    if column < i32(params.outputs) {
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

// Y = scale * (sum over i of M W X) + b. Oracle: src/reference/forward.rs.
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
// The kernel departs from this:
//
// 1. A thread owns 4 x 4 bricks, 16 examples by 16 outputs, and walks the inputs
//    eight at a time: a brick decides 4 examples x 4 outputs x 8 inputs, and none is drawn twice. It is a function of
//    global coordinates alone, which is why the gradients, with other tiles and another order, see the same mask.
// 2. The products of a step are text, not loops: a bit is tested where it is known which, and sums stay in registers.
//    Loops over them cost two to three times. How a bit is applied is a choice per vendor (apply.wgsl).
// 3. What lies outside the problem is computed and not stored: a row there reads the nearest one, a column reads 0 or
//    the last quad. A test in the walk would cost more than the products.
// 4. Where all examples of a tile share a mask, the weights are masked once, as they are read.
// 5. Where there are too few tiles to keep the adapter busy, threads share one and add up their parts at the end.
// 6. A software driver takes long to compile text: for one, the planes of bricks, and the rows to store, are loops.
// 7. A sum too long for a dispatch comes in several, and adds to what is there. The bias comes with the first.

@compute @workgroup_size(16, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y;
    let tile_column = group.x * 16u + local.x;
    let n = i32(tile_row * 16u) - params.example_shift;
    let o = i32(tile_column * 16u) - params.output_shift;
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    let example_block = params.example_block + tile_row * 4u;
    let output_block = params.output_block + tile_column * 4u;

    // Rows past either end repeat the nearest one; their sums are never stored.
    let x_row_0 = u32(clamp(n, 0, i32(params.examples) - 1));
    let x_row_1 = u32(clamp(n + 1, 0, i32(params.examples) - 1));
    let x_row_2 = u32(clamp(n + 2, 0, i32(params.examples) - 1));
    let x_row_3 = u32(clamp(n + 3, 0, i32(params.examples) - 1));
    let x_row_4 = u32(clamp(n + 4, 0, i32(params.examples) - 1));
    let x_row_5 = u32(clamp(n + 5, 0, i32(params.examples) - 1));
    let x_row_6 = u32(clamp(n + 6, 0, i32(params.examples) - 1));
    let x_row_7 = u32(clamp(n + 7, 0, i32(params.examples) - 1));
    let x_row_8 = u32(clamp(n + 8, 0, i32(params.examples) - 1));
    let x_row_9 = u32(clamp(n + 9, 0, i32(params.examples) - 1));
    let x_row_10 = u32(clamp(n + 10, 0, i32(params.examples) - 1));
    let x_row_11 = u32(clamp(n + 11, 0, i32(params.examples) - 1));
    let x_row_12 = u32(clamp(n + 12, 0, i32(params.examples) - 1));
    let x_row_13 = u32(clamp(n + 13, 0, i32(params.examples) - 1));
    let x_row_14 = u32(clamp(n + 14, 0, i32(params.examples) - 1));
    let x_row_15 = u32(clamp(n + 15, 0, i32(params.examples) - 1));
    let w_row_0 = u32(clamp(o, 0, i32(params.outputs) - 1));
    let w_row_1 = u32(clamp(o + 1, 0, i32(params.outputs) - 1));
    let w_row_2 = u32(clamp(o + 2, 0, i32(params.outputs) - 1));
    let w_row_3 = u32(clamp(o + 3, 0, i32(params.outputs) - 1));
    let w_row_4 = u32(clamp(o + 4, 0, i32(params.outputs) - 1));
    let w_row_5 = u32(clamp(o + 5, 0, i32(params.outputs) - 1));
    let w_row_6 = u32(clamp(o + 6, 0, i32(params.outputs) - 1));
    let w_row_7 = u32(clamp(o + 7, 0, i32(params.outputs) - 1));
    let w_row_8 = u32(clamp(o + 8, 0, i32(params.outputs) - 1));
    let w_row_9 = u32(clamp(o + 9, 0, i32(params.outputs) - 1));
    let w_row_10 = u32(clamp(o + 10, 0, i32(params.outputs) - 1));
    let w_row_11 = u32(clamp(o + 11, 0, i32(params.outputs) - 1));
    let w_row_12 = u32(clamp(o + 12, 0, i32(params.outputs) - 1));
    let w_row_13 = u32(clamp(o + 13, 0, i32(params.outputs) - 1));
    let w_row_14 = u32(clamp(o + 14, 0, i32(params.outputs) - 1));
    let w_row_15 = u32(clamp(o + 15, 0, i32(params.outputs) - 1));
    var sum_0_0 = 0.0;
    var sum_0_1 = 0.0;
    var sum_0_2 = 0.0;
    var sum_0_3 = 0.0;
    var sum_0_4 = 0.0;
    var sum_0_5 = 0.0;
    var sum_0_6 = 0.0;
    var sum_0_7 = 0.0;
    var sum_0_8 = 0.0;
    var sum_0_9 = 0.0;
    var sum_0_10 = 0.0;
    var sum_0_11 = 0.0;
    var sum_0_12 = 0.0;
    var sum_0_13 = 0.0;
    var sum_0_14 = 0.0;
    var sum_0_15 = 0.0;
    var sum_1_0 = 0.0;
    var sum_1_1 = 0.0;
    var sum_1_2 = 0.0;
    var sum_1_3 = 0.0;
    var sum_1_4 = 0.0;
    var sum_1_5 = 0.0;
    var sum_1_6 = 0.0;
    var sum_1_7 = 0.0;
    var sum_1_8 = 0.0;
    var sum_1_9 = 0.0;
    var sum_1_10 = 0.0;
    var sum_1_11 = 0.0;
    var sum_1_12 = 0.0;
    var sum_1_13 = 0.0;
    var sum_1_14 = 0.0;
    var sum_1_15 = 0.0;
    var sum_2_0 = 0.0;
    var sum_2_1 = 0.0;
    var sum_2_2 = 0.0;
    var sum_2_3 = 0.0;
    var sum_2_4 = 0.0;
    var sum_2_5 = 0.0;
    var sum_2_6 = 0.0;
    var sum_2_7 = 0.0;
    var sum_2_8 = 0.0;
    var sum_2_9 = 0.0;
    var sum_2_10 = 0.0;
    var sum_2_11 = 0.0;
    var sum_2_12 = 0.0;
    var sum_2_13 = 0.0;
    var sum_2_14 = 0.0;
    var sum_2_15 = 0.0;
    var sum_3_0 = 0.0;
    var sum_3_1 = 0.0;
    var sum_3_2 = 0.0;
    var sum_3_3 = 0.0;
    var sum_3_4 = 0.0;
    var sum_3_5 = 0.0;
    var sum_3_6 = 0.0;
    var sum_3_7 = 0.0;
    var sum_3_8 = 0.0;
    var sum_3_9 = 0.0;
    var sum_3_10 = 0.0;
    var sum_3_11 = 0.0;
    var sum_3_12 = 0.0;
    var sum_3_13 = 0.0;
    var sum_3_14 = 0.0;
    var sum_3_15 = 0.0;
    var sum_4_0 = 0.0;
    var sum_4_1 = 0.0;
    var sum_4_2 = 0.0;
    var sum_4_3 = 0.0;
    var sum_4_4 = 0.0;
    var sum_4_5 = 0.0;
    var sum_4_6 = 0.0;
    var sum_4_7 = 0.0;
    var sum_4_8 = 0.0;
    var sum_4_9 = 0.0;
    var sum_4_10 = 0.0;
    var sum_4_11 = 0.0;
    var sum_4_12 = 0.0;
    var sum_4_13 = 0.0;
    var sum_4_14 = 0.0;
    var sum_4_15 = 0.0;
    var sum_5_0 = 0.0;
    var sum_5_1 = 0.0;
    var sum_5_2 = 0.0;
    var sum_5_3 = 0.0;
    var sum_5_4 = 0.0;
    var sum_5_5 = 0.0;
    var sum_5_6 = 0.0;
    var sum_5_7 = 0.0;
    var sum_5_8 = 0.0;
    var sum_5_9 = 0.0;
    var sum_5_10 = 0.0;
    var sum_5_11 = 0.0;
    var sum_5_12 = 0.0;
    var sum_5_13 = 0.0;
    var sum_5_14 = 0.0;
    var sum_5_15 = 0.0;
    var sum_6_0 = 0.0;
    var sum_6_1 = 0.0;
    var sum_6_2 = 0.0;
    var sum_6_3 = 0.0;
    var sum_6_4 = 0.0;
    var sum_6_5 = 0.0;
    var sum_6_6 = 0.0;
    var sum_6_7 = 0.0;
    var sum_6_8 = 0.0;
    var sum_6_9 = 0.0;
    var sum_6_10 = 0.0;
    var sum_6_11 = 0.0;
    var sum_6_12 = 0.0;
    var sum_6_13 = 0.0;
    var sum_6_14 = 0.0;
    var sum_6_15 = 0.0;
    var sum_7_0 = 0.0;
    var sum_7_1 = 0.0;
    var sum_7_2 = 0.0;
    var sum_7_3 = 0.0;
    var sum_7_4 = 0.0;
    var sum_7_5 = 0.0;
    var sum_7_6 = 0.0;
    var sum_7_7 = 0.0;
    var sum_7_8 = 0.0;
    var sum_7_9 = 0.0;
    var sum_7_10 = 0.0;
    var sum_7_11 = 0.0;
    var sum_7_12 = 0.0;
    var sum_7_13 = 0.0;
    var sum_7_14 = 0.0;
    var sum_7_15 = 0.0;
    var sum_8_0 = 0.0;
    var sum_8_1 = 0.0;
    var sum_8_2 = 0.0;
    var sum_8_3 = 0.0;
    var sum_8_4 = 0.0;
    var sum_8_5 = 0.0;
    var sum_8_6 = 0.0;
    var sum_8_7 = 0.0;
    var sum_8_8 = 0.0;
    var sum_8_9 = 0.0;
    var sum_8_10 = 0.0;
    var sum_8_11 = 0.0;
    var sum_8_12 = 0.0;
    var sum_8_13 = 0.0;
    var sum_8_14 = 0.0;
    var sum_8_15 = 0.0;
    var sum_9_0 = 0.0;
    var sum_9_1 = 0.0;
    var sum_9_2 = 0.0;
    var sum_9_3 = 0.0;
    var sum_9_4 = 0.0;
    var sum_9_5 = 0.0;
    var sum_9_6 = 0.0;
    var sum_9_7 = 0.0;
    var sum_9_8 = 0.0;
    var sum_9_9 = 0.0;
    var sum_9_10 = 0.0;
    var sum_9_11 = 0.0;
    var sum_9_12 = 0.0;
    var sum_9_13 = 0.0;
    var sum_9_14 = 0.0;
    var sum_9_15 = 0.0;
    var sum_10_0 = 0.0;
    var sum_10_1 = 0.0;
    var sum_10_2 = 0.0;
    var sum_10_3 = 0.0;
    var sum_10_4 = 0.0;
    var sum_10_5 = 0.0;
    var sum_10_6 = 0.0;
    var sum_10_7 = 0.0;
    var sum_10_8 = 0.0;
    var sum_10_9 = 0.0;
    var sum_10_10 = 0.0;
    var sum_10_11 = 0.0;
    var sum_10_12 = 0.0;
    var sum_10_13 = 0.0;
    var sum_10_14 = 0.0;
    var sum_10_15 = 0.0;
    var sum_11_0 = 0.0;
    var sum_11_1 = 0.0;
    var sum_11_2 = 0.0;
    var sum_11_3 = 0.0;
    var sum_11_4 = 0.0;
    var sum_11_5 = 0.0;
    var sum_11_6 = 0.0;
    var sum_11_7 = 0.0;
    var sum_11_8 = 0.0;
    var sum_11_9 = 0.0;
    var sum_11_10 = 0.0;
    var sum_11_11 = 0.0;
    var sum_11_12 = 0.0;
    var sum_11_13 = 0.0;
    var sum_11_14 = 0.0;
    var sum_11_15 = 0.0;
    var sum_12_0 = 0.0;
    var sum_12_1 = 0.0;
    var sum_12_2 = 0.0;
    var sum_12_3 = 0.0;
    var sum_12_4 = 0.0;
    var sum_12_5 = 0.0;
    var sum_12_6 = 0.0;
    var sum_12_7 = 0.0;
    var sum_12_8 = 0.0;
    var sum_12_9 = 0.0;
    var sum_12_10 = 0.0;
    var sum_12_11 = 0.0;
    var sum_12_12 = 0.0;
    var sum_12_13 = 0.0;
    var sum_12_14 = 0.0;
    var sum_12_15 = 0.0;
    var sum_13_0 = 0.0;
    var sum_13_1 = 0.0;
    var sum_13_2 = 0.0;
    var sum_13_3 = 0.0;
    var sum_13_4 = 0.0;
    var sum_13_5 = 0.0;
    var sum_13_6 = 0.0;
    var sum_13_7 = 0.0;
    var sum_13_8 = 0.0;
    var sum_13_9 = 0.0;
    var sum_13_10 = 0.0;
    var sum_13_11 = 0.0;
    var sum_13_12 = 0.0;
    var sum_13_13 = 0.0;
    var sum_13_14 = 0.0;
    var sum_13_15 = 0.0;
    var sum_14_0 = 0.0;
    var sum_14_1 = 0.0;
    var sum_14_2 = 0.0;
    var sum_14_3 = 0.0;
    var sum_14_4 = 0.0;
    var sum_14_5 = 0.0;
    var sum_14_6 = 0.0;
    var sum_14_7 = 0.0;
    var sum_14_8 = 0.0;
    var sum_14_9 = 0.0;
    var sum_14_10 = 0.0;
    var sum_14_11 = 0.0;
    var sum_14_12 = 0.0;
    var sum_14_13 = 0.0;
    var sum_14_14 = 0.0;
    var sum_14_15 = 0.0;
    var sum_15_0 = 0.0;
    var sum_15_1 = 0.0;
    var sum_15_2 = 0.0;
    var sum_15_3 = 0.0;
    var sum_15_4 = 0.0;
    var sum_15_5 = 0.0;
    var sum_15_6 = 0.0;
    var sum_15_7 = 0.0;
    var sum_15_8 = 0.0;
    var sum_15_9 = 0.0;
    var sum_15_10 = 0.0;
    var sum_15_11 = 0.0;
    var sum_15_12 = 0.0;
    var sum_15_13 = 0.0;
    var sum_15_14 = 0.0;
    var sum_15_15 = 0.0;

    let blocks = (params.inputs + u32(params.input_shift) + 7u) / 8u;
    for (var block = 0u; block < blocks; block++) {
        let i = i32(block * 8u) - params.input_shift;
        let keep_0_0 = brick(vec3(params.input_block + block, output_block, example_block));
        let keep_0_1 = brick(vec3(params.input_block + block, output_block + 1u, example_block));
        let keep_0_2 = brick(vec3(params.input_block + block, output_block + 2u, example_block));
        let keep_0_3 = brick(vec3(params.input_block + block, output_block + 3u, example_block));
        let keep_1_0 = brick(vec3(params.input_block + block, output_block, example_block + 1u));
        let keep_1_1 = brick(vec3(params.input_block + block, output_block + 1u, example_block + 1u));
        let keep_1_2 = brick(vec3(params.input_block + block, output_block + 2u, example_block + 1u));
        let keep_1_3 = brick(vec3(params.input_block + block, output_block + 3u, example_block + 1u));
        let keep_2_0 = brick(vec3(params.input_block + block, output_block, example_block + 2u));
        let keep_2_1 = brick(vec3(params.input_block + block, output_block + 1u, example_block + 2u));
        let keep_2_2 = brick(vec3(params.input_block + block, output_block + 2u, example_block + 2u));
        let keep_2_3 = brick(vec3(params.input_block + block, output_block + 3u, example_block + 2u));
        let keep_3_0 = brick(vec3(params.input_block + block, output_block, example_block + 3u));
        let keep_3_1 = brick(vec3(params.input_block + block, output_block + 1u, example_block + 3u));
        let keep_3_2 = brick(vec3(params.input_block + block, output_block + 2u, example_block + 3u));
        let keep_3_3 = brick(vec3(params.input_block + block, output_block + 3u, example_block + 3u));
        let w_0_0 = w_quad(w_row_0, i);
        let w_1_0 = w_quad(w_row_1, i);
        let w_2_0 = w_quad(w_row_2, i);
        let w_3_0 = w_quad(w_row_3, i);
        let w_4_0 = w_quad(w_row_4, i);
        let w_5_0 = w_quad(w_row_5, i);
        let w_6_0 = w_quad(w_row_6, i);
        let w_7_0 = w_quad(w_row_7, i);
        let w_8_0 = w_quad(w_row_8, i);
        let w_9_0 = w_quad(w_row_9, i);
        let w_10_0 = w_quad(w_row_10, i);
        let w_11_0 = w_quad(w_row_11, i);
        let w_12_0 = w_quad(w_row_12, i);
        let w_13_0 = w_quad(w_row_13, i);
        let w_14_0 = w_quad(w_row_14, i);
        let w_15_0 = w_quad(w_row_15, i);
        let x_0_0 = x_quad(x_row_0, i);
        sum_0_0 = add_kept_dot(sum_0_0, x_0_0, w_0_0, keep_0_0.x, 0u);
        sum_0_1 = add_kept_dot(sum_0_1, x_0_0, w_1_0, keep_0_0.x, 8u);
        sum_0_2 = add_kept_dot(sum_0_2, x_0_0, w_2_0, keep_0_0.x, 16u);
        sum_0_3 = add_kept_dot(sum_0_3, x_0_0, w_3_0, keep_0_0.x, 24u);
        sum_0_4 = add_kept_dot(sum_0_4, x_0_0, w_4_0, keep_0_1.x, 0u);
        sum_0_5 = add_kept_dot(sum_0_5, x_0_0, w_5_0, keep_0_1.x, 8u);
        sum_0_6 = add_kept_dot(sum_0_6, x_0_0, w_6_0, keep_0_1.x, 16u);
        sum_0_7 = add_kept_dot(sum_0_7, x_0_0, w_7_0, keep_0_1.x, 24u);
        sum_0_8 = add_kept_dot(sum_0_8, x_0_0, w_8_0, keep_0_2.x, 0u);
        sum_0_9 = add_kept_dot(sum_0_9, x_0_0, w_9_0, keep_0_2.x, 8u);
        sum_0_10 = add_kept_dot(sum_0_10, x_0_0, w_10_0, keep_0_2.x, 16u);
        sum_0_11 = add_kept_dot(sum_0_11, x_0_0, w_11_0, keep_0_2.x, 24u);
        sum_0_12 = add_kept_dot(sum_0_12, x_0_0, w_12_0, keep_0_3.x, 0u);
        sum_0_13 = add_kept_dot(sum_0_13, x_0_0, w_13_0, keep_0_3.x, 8u);
        sum_0_14 = add_kept_dot(sum_0_14, x_0_0, w_14_0, keep_0_3.x, 16u);
        sum_0_15 = add_kept_dot(sum_0_15, x_0_0, w_15_0, keep_0_3.x, 24u);
        let x_1_0 = x_quad(x_row_1, i);
        sum_1_0 = add_kept_dot(sum_1_0, x_1_0, w_0_0, keep_0_0.y, 0u);
        sum_1_1 = add_kept_dot(sum_1_1, x_1_0, w_1_0, keep_0_0.y, 8u);
        sum_1_2 = add_kept_dot(sum_1_2, x_1_0, w_2_0, keep_0_0.y, 16u);
        sum_1_3 = add_kept_dot(sum_1_3, x_1_0, w_3_0, keep_0_0.y, 24u);
        sum_1_4 = add_kept_dot(sum_1_4, x_1_0, w_4_0, keep_0_1.y, 0u);
        sum_1_5 = add_kept_dot(sum_1_5, x_1_0, w_5_0, keep_0_1.y, 8u);
        sum_1_6 = add_kept_dot(sum_1_6, x_1_0, w_6_0, keep_0_1.y, 16u);
        sum_1_7 = add_kept_dot(sum_1_7, x_1_0, w_7_0, keep_0_1.y, 24u);
        sum_1_8 = add_kept_dot(sum_1_8, x_1_0, w_8_0, keep_0_2.y, 0u);
        sum_1_9 = add_kept_dot(sum_1_9, x_1_0, w_9_0, keep_0_2.y, 8u);
        sum_1_10 = add_kept_dot(sum_1_10, x_1_0, w_10_0, keep_0_2.y, 16u);
        sum_1_11 = add_kept_dot(sum_1_11, x_1_0, w_11_0, keep_0_2.y, 24u);
        sum_1_12 = add_kept_dot(sum_1_12, x_1_0, w_12_0, keep_0_3.y, 0u);
        sum_1_13 = add_kept_dot(sum_1_13, x_1_0, w_13_0, keep_0_3.y, 8u);
        sum_1_14 = add_kept_dot(sum_1_14, x_1_0, w_14_0, keep_0_3.y, 16u);
        sum_1_15 = add_kept_dot(sum_1_15, x_1_0, w_15_0, keep_0_3.y, 24u);
        let x_2_0 = x_quad(x_row_2, i);
        sum_2_0 = add_kept_dot(sum_2_0, x_2_0, w_0_0, keep_0_0.z, 0u);
        sum_2_1 = add_kept_dot(sum_2_1, x_2_0, w_1_0, keep_0_0.z, 8u);
        sum_2_2 = add_kept_dot(sum_2_2, x_2_0, w_2_0, keep_0_0.z, 16u);
        sum_2_3 = add_kept_dot(sum_2_3, x_2_0, w_3_0, keep_0_0.z, 24u);
        sum_2_4 = add_kept_dot(sum_2_4, x_2_0, w_4_0, keep_0_1.z, 0u);
        sum_2_5 = add_kept_dot(sum_2_5, x_2_0, w_5_0, keep_0_1.z, 8u);
        sum_2_6 = add_kept_dot(sum_2_6, x_2_0, w_6_0, keep_0_1.z, 16u);
        sum_2_7 = add_kept_dot(sum_2_7, x_2_0, w_7_0, keep_0_1.z, 24u);
        sum_2_8 = add_kept_dot(sum_2_8, x_2_0, w_8_0, keep_0_2.z, 0u);
        sum_2_9 = add_kept_dot(sum_2_9, x_2_0, w_9_0, keep_0_2.z, 8u);
        sum_2_10 = add_kept_dot(sum_2_10, x_2_0, w_10_0, keep_0_2.z, 16u);
        sum_2_11 = add_kept_dot(sum_2_11, x_2_0, w_11_0, keep_0_2.z, 24u);
        sum_2_12 = add_kept_dot(sum_2_12, x_2_0, w_12_0, keep_0_3.z, 0u);
        sum_2_13 = add_kept_dot(sum_2_13, x_2_0, w_13_0, keep_0_3.z, 8u);
        sum_2_14 = add_kept_dot(sum_2_14, x_2_0, w_14_0, keep_0_3.z, 16u);
        sum_2_15 = add_kept_dot(sum_2_15, x_2_0, w_15_0, keep_0_3.z, 24u);
        let x_3_0 = x_quad(x_row_3, i);
        sum_3_0 = add_kept_dot(sum_3_0, x_3_0, w_0_0, keep_0_0.w, 0u);
        sum_3_1 = add_kept_dot(sum_3_1, x_3_0, w_1_0, keep_0_0.w, 8u);
        sum_3_2 = add_kept_dot(sum_3_2, x_3_0, w_2_0, keep_0_0.w, 16u);
        sum_3_3 = add_kept_dot(sum_3_3, x_3_0, w_3_0, keep_0_0.w, 24u);
        sum_3_4 = add_kept_dot(sum_3_4, x_3_0, w_4_0, keep_0_1.w, 0u);
        sum_3_5 = add_kept_dot(sum_3_5, x_3_0, w_5_0, keep_0_1.w, 8u);
        sum_3_6 = add_kept_dot(sum_3_6, x_3_0, w_6_0, keep_0_1.w, 16u);
        sum_3_7 = add_kept_dot(sum_3_7, x_3_0, w_7_0, keep_0_1.w, 24u);
        sum_3_8 = add_kept_dot(sum_3_8, x_3_0, w_8_0, keep_0_2.w, 0u);
        sum_3_9 = add_kept_dot(sum_3_9, x_3_0, w_9_0, keep_0_2.w, 8u);
        sum_3_10 = add_kept_dot(sum_3_10, x_3_0, w_10_0, keep_0_2.w, 16u);
        sum_3_11 = add_kept_dot(sum_3_11, x_3_0, w_11_0, keep_0_2.w, 24u);
        sum_3_12 = add_kept_dot(sum_3_12, x_3_0, w_12_0, keep_0_3.w, 0u);
        sum_3_13 = add_kept_dot(sum_3_13, x_3_0, w_13_0, keep_0_3.w, 8u);
        sum_3_14 = add_kept_dot(sum_3_14, x_3_0, w_14_0, keep_0_3.w, 16u);
        sum_3_15 = add_kept_dot(sum_3_15, x_3_0, w_15_0, keep_0_3.w, 24u);
        let x_4_0 = x_quad(x_row_4, i);
        sum_4_0 = add_kept_dot(sum_4_0, x_4_0, w_0_0, keep_1_0.x, 0u);
        sum_4_1 = add_kept_dot(sum_4_1, x_4_0, w_1_0, keep_1_0.x, 8u);
        sum_4_2 = add_kept_dot(sum_4_2, x_4_0, w_2_0, keep_1_0.x, 16u);
        sum_4_3 = add_kept_dot(sum_4_3, x_4_0, w_3_0, keep_1_0.x, 24u);
        sum_4_4 = add_kept_dot(sum_4_4, x_4_0, w_4_0, keep_1_1.x, 0u);
        sum_4_5 = add_kept_dot(sum_4_5, x_4_0, w_5_0, keep_1_1.x, 8u);
        sum_4_6 = add_kept_dot(sum_4_6, x_4_0, w_6_0, keep_1_1.x, 16u);
        sum_4_7 = add_kept_dot(sum_4_7, x_4_0, w_7_0, keep_1_1.x, 24u);
        sum_4_8 = add_kept_dot(sum_4_8, x_4_0, w_8_0, keep_1_2.x, 0u);
        sum_4_9 = add_kept_dot(sum_4_9, x_4_0, w_9_0, keep_1_2.x, 8u);
        sum_4_10 = add_kept_dot(sum_4_10, x_4_0, w_10_0, keep_1_2.x, 16u);
        sum_4_11 = add_kept_dot(sum_4_11, x_4_0, w_11_0, keep_1_2.x, 24u);
        sum_4_12 = add_kept_dot(sum_4_12, x_4_0, w_12_0, keep_1_3.x, 0u);
        sum_4_13 = add_kept_dot(sum_4_13, x_4_0, w_13_0, keep_1_3.x, 8u);
        sum_4_14 = add_kept_dot(sum_4_14, x_4_0, w_14_0, keep_1_3.x, 16u);
        sum_4_15 = add_kept_dot(sum_4_15, x_4_0, w_15_0, keep_1_3.x, 24u);
        let x_5_0 = x_quad(x_row_5, i);
        sum_5_0 = add_kept_dot(sum_5_0, x_5_0, w_0_0, keep_1_0.y, 0u);
        sum_5_1 = add_kept_dot(sum_5_1, x_5_0, w_1_0, keep_1_0.y, 8u);
        sum_5_2 = add_kept_dot(sum_5_2, x_5_0, w_2_0, keep_1_0.y, 16u);
        sum_5_3 = add_kept_dot(sum_5_3, x_5_0, w_3_0, keep_1_0.y, 24u);
        sum_5_4 = add_kept_dot(sum_5_4, x_5_0, w_4_0, keep_1_1.y, 0u);
        sum_5_5 = add_kept_dot(sum_5_5, x_5_0, w_5_0, keep_1_1.y, 8u);
        sum_5_6 = add_kept_dot(sum_5_6, x_5_0, w_6_0, keep_1_1.y, 16u);
        sum_5_7 = add_kept_dot(sum_5_7, x_5_0, w_7_0, keep_1_1.y, 24u);
        sum_5_8 = add_kept_dot(sum_5_8, x_5_0, w_8_0, keep_1_2.y, 0u);
        sum_5_9 = add_kept_dot(sum_5_9, x_5_0, w_9_0, keep_1_2.y, 8u);
        sum_5_10 = add_kept_dot(sum_5_10, x_5_0, w_10_0, keep_1_2.y, 16u);
        sum_5_11 = add_kept_dot(sum_5_11, x_5_0, w_11_0, keep_1_2.y, 24u);
        sum_5_12 = add_kept_dot(sum_5_12, x_5_0, w_12_0, keep_1_3.y, 0u);
        sum_5_13 = add_kept_dot(sum_5_13, x_5_0, w_13_0, keep_1_3.y, 8u);
        sum_5_14 = add_kept_dot(sum_5_14, x_5_0, w_14_0, keep_1_3.y, 16u);
        sum_5_15 = add_kept_dot(sum_5_15, x_5_0, w_15_0, keep_1_3.y, 24u);
        let x_6_0 = x_quad(x_row_6, i);
        sum_6_0 = add_kept_dot(sum_6_0, x_6_0, w_0_0, keep_1_0.z, 0u);
        sum_6_1 = add_kept_dot(sum_6_1, x_6_0, w_1_0, keep_1_0.z, 8u);
        sum_6_2 = add_kept_dot(sum_6_2, x_6_0, w_2_0, keep_1_0.z, 16u);
        sum_6_3 = add_kept_dot(sum_6_3, x_6_0, w_3_0, keep_1_0.z, 24u);
        sum_6_4 = add_kept_dot(sum_6_4, x_6_0, w_4_0, keep_1_1.z, 0u);
        sum_6_5 = add_kept_dot(sum_6_5, x_6_0, w_5_0, keep_1_1.z, 8u);
        sum_6_6 = add_kept_dot(sum_6_6, x_6_0, w_6_0, keep_1_1.z, 16u);
        sum_6_7 = add_kept_dot(sum_6_7, x_6_0, w_7_0, keep_1_1.z, 24u);
        sum_6_8 = add_kept_dot(sum_6_8, x_6_0, w_8_0, keep_1_2.z, 0u);
        sum_6_9 = add_kept_dot(sum_6_9, x_6_0, w_9_0, keep_1_2.z, 8u);
        sum_6_10 = add_kept_dot(sum_6_10, x_6_0, w_10_0, keep_1_2.z, 16u);
        sum_6_11 = add_kept_dot(sum_6_11, x_6_0, w_11_0, keep_1_2.z, 24u);
        sum_6_12 = add_kept_dot(sum_6_12, x_6_0, w_12_0, keep_1_3.z, 0u);
        sum_6_13 = add_kept_dot(sum_6_13, x_6_0, w_13_0, keep_1_3.z, 8u);
        sum_6_14 = add_kept_dot(sum_6_14, x_6_0, w_14_0, keep_1_3.z, 16u);
        sum_6_15 = add_kept_dot(sum_6_15, x_6_0, w_15_0, keep_1_3.z, 24u);
        let x_7_0 = x_quad(x_row_7, i);
        sum_7_0 = add_kept_dot(sum_7_0, x_7_0, w_0_0, keep_1_0.w, 0u);
        sum_7_1 = add_kept_dot(sum_7_1, x_7_0, w_1_0, keep_1_0.w, 8u);
        sum_7_2 = add_kept_dot(sum_7_2, x_7_0, w_2_0, keep_1_0.w, 16u);
        sum_7_3 = add_kept_dot(sum_7_3, x_7_0, w_3_0, keep_1_0.w, 24u);
        sum_7_4 = add_kept_dot(sum_7_4, x_7_0, w_4_0, keep_1_1.w, 0u);
        sum_7_5 = add_kept_dot(sum_7_5, x_7_0, w_5_0, keep_1_1.w, 8u);
        sum_7_6 = add_kept_dot(sum_7_6, x_7_0, w_6_0, keep_1_1.w, 16u);
        sum_7_7 = add_kept_dot(sum_7_7, x_7_0, w_7_0, keep_1_1.w, 24u);
        sum_7_8 = add_kept_dot(sum_7_8, x_7_0, w_8_0, keep_1_2.w, 0u);
        sum_7_9 = add_kept_dot(sum_7_9, x_7_0, w_9_0, keep_1_2.w, 8u);
        sum_7_10 = add_kept_dot(sum_7_10, x_7_0, w_10_0, keep_1_2.w, 16u);
        sum_7_11 = add_kept_dot(sum_7_11, x_7_0, w_11_0, keep_1_2.w, 24u);
        sum_7_12 = add_kept_dot(sum_7_12, x_7_0, w_12_0, keep_1_3.w, 0u);
        sum_7_13 = add_kept_dot(sum_7_13, x_7_0, w_13_0, keep_1_3.w, 8u);
        sum_7_14 = add_kept_dot(sum_7_14, x_7_0, w_14_0, keep_1_3.w, 16u);
        sum_7_15 = add_kept_dot(sum_7_15, x_7_0, w_15_0, keep_1_3.w, 24u);
        let x_8_0 = x_quad(x_row_8, i);
        sum_8_0 = add_kept_dot(sum_8_0, x_8_0, w_0_0, keep_2_0.x, 0u);
        sum_8_1 = add_kept_dot(sum_8_1, x_8_0, w_1_0, keep_2_0.x, 8u);
        sum_8_2 = add_kept_dot(sum_8_2, x_8_0, w_2_0, keep_2_0.x, 16u);
        sum_8_3 = add_kept_dot(sum_8_3, x_8_0, w_3_0, keep_2_0.x, 24u);
        sum_8_4 = add_kept_dot(sum_8_4, x_8_0, w_4_0, keep_2_1.x, 0u);
        sum_8_5 = add_kept_dot(sum_8_5, x_8_0, w_5_0, keep_2_1.x, 8u);
        sum_8_6 = add_kept_dot(sum_8_6, x_8_0, w_6_0, keep_2_1.x, 16u);
        sum_8_7 = add_kept_dot(sum_8_7, x_8_0, w_7_0, keep_2_1.x, 24u);
        sum_8_8 = add_kept_dot(sum_8_8, x_8_0, w_8_0, keep_2_2.x, 0u);
        sum_8_9 = add_kept_dot(sum_8_9, x_8_0, w_9_0, keep_2_2.x, 8u);
        sum_8_10 = add_kept_dot(sum_8_10, x_8_0, w_10_0, keep_2_2.x, 16u);
        sum_8_11 = add_kept_dot(sum_8_11, x_8_0, w_11_0, keep_2_2.x, 24u);
        sum_8_12 = add_kept_dot(sum_8_12, x_8_0, w_12_0, keep_2_3.x, 0u);
        sum_8_13 = add_kept_dot(sum_8_13, x_8_0, w_13_0, keep_2_3.x, 8u);
        sum_8_14 = add_kept_dot(sum_8_14, x_8_0, w_14_0, keep_2_3.x, 16u);
        sum_8_15 = add_kept_dot(sum_8_15, x_8_0, w_15_0, keep_2_3.x, 24u);
        let x_9_0 = x_quad(x_row_9, i);
        sum_9_0 = add_kept_dot(sum_9_0, x_9_0, w_0_0, keep_2_0.y, 0u);
        sum_9_1 = add_kept_dot(sum_9_1, x_9_0, w_1_0, keep_2_0.y, 8u);
        sum_9_2 = add_kept_dot(sum_9_2, x_9_0, w_2_0, keep_2_0.y, 16u);
        sum_9_3 = add_kept_dot(sum_9_3, x_9_0, w_3_0, keep_2_0.y, 24u);
        sum_9_4 = add_kept_dot(sum_9_4, x_9_0, w_4_0, keep_2_1.y, 0u);
        sum_9_5 = add_kept_dot(sum_9_5, x_9_0, w_5_0, keep_2_1.y, 8u);
        sum_9_6 = add_kept_dot(sum_9_6, x_9_0, w_6_0, keep_2_1.y, 16u);
        sum_9_7 = add_kept_dot(sum_9_7, x_9_0, w_7_0, keep_2_1.y, 24u);
        sum_9_8 = add_kept_dot(sum_9_8, x_9_0, w_8_0, keep_2_2.y, 0u);
        sum_9_9 = add_kept_dot(sum_9_9, x_9_0, w_9_0, keep_2_2.y, 8u);
        sum_9_10 = add_kept_dot(sum_9_10, x_9_0, w_10_0, keep_2_2.y, 16u);
        sum_9_11 = add_kept_dot(sum_9_11, x_9_0, w_11_0, keep_2_2.y, 24u);
        sum_9_12 = add_kept_dot(sum_9_12, x_9_0, w_12_0, keep_2_3.y, 0u);
        sum_9_13 = add_kept_dot(sum_9_13, x_9_0, w_13_0, keep_2_3.y, 8u);
        sum_9_14 = add_kept_dot(sum_9_14, x_9_0, w_14_0, keep_2_3.y, 16u);
        sum_9_15 = add_kept_dot(sum_9_15, x_9_0, w_15_0, keep_2_3.y, 24u);
        let x_10_0 = x_quad(x_row_10, i);
        sum_10_0 = add_kept_dot(sum_10_0, x_10_0, w_0_0, keep_2_0.z, 0u);
        sum_10_1 = add_kept_dot(sum_10_1, x_10_0, w_1_0, keep_2_0.z, 8u);
        sum_10_2 = add_kept_dot(sum_10_2, x_10_0, w_2_0, keep_2_0.z, 16u);
        sum_10_3 = add_kept_dot(sum_10_3, x_10_0, w_3_0, keep_2_0.z, 24u);
        sum_10_4 = add_kept_dot(sum_10_4, x_10_0, w_4_0, keep_2_1.z, 0u);
        sum_10_5 = add_kept_dot(sum_10_5, x_10_0, w_5_0, keep_2_1.z, 8u);
        sum_10_6 = add_kept_dot(sum_10_6, x_10_0, w_6_0, keep_2_1.z, 16u);
        sum_10_7 = add_kept_dot(sum_10_7, x_10_0, w_7_0, keep_2_1.z, 24u);
        sum_10_8 = add_kept_dot(sum_10_8, x_10_0, w_8_0, keep_2_2.z, 0u);
        sum_10_9 = add_kept_dot(sum_10_9, x_10_0, w_9_0, keep_2_2.z, 8u);
        sum_10_10 = add_kept_dot(sum_10_10, x_10_0, w_10_0, keep_2_2.z, 16u);
        sum_10_11 = add_kept_dot(sum_10_11, x_10_0, w_11_0, keep_2_2.z, 24u);
        sum_10_12 = add_kept_dot(sum_10_12, x_10_0, w_12_0, keep_2_3.z, 0u);
        sum_10_13 = add_kept_dot(sum_10_13, x_10_0, w_13_0, keep_2_3.z, 8u);
        sum_10_14 = add_kept_dot(sum_10_14, x_10_0, w_14_0, keep_2_3.z, 16u);
        sum_10_15 = add_kept_dot(sum_10_15, x_10_0, w_15_0, keep_2_3.z, 24u);
        let x_11_0 = x_quad(x_row_11, i);
        sum_11_0 = add_kept_dot(sum_11_0, x_11_0, w_0_0, keep_2_0.w, 0u);
        sum_11_1 = add_kept_dot(sum_11_1, x_11_0, w_1_0, keep_2_0.w, 8u);
        sum_11_2 = add_kept_dot(sum_11_2, x_11_0, w_2_0, keep_2_0.w, 16u);
        sum_11_3 = add_kept_dot(sum_11_3, x_11_0, w_3_0, keep_2_0.w, 24u);
        sum_11_4 = add_kept_dot(sum_11_4, x_11_0, w_4_0, keep_2_1.w, 0u);
        sum_11_5 = add_kept_dot(sum_11_5, x_11_0, w_5_0, keep_2_1.w, 8u);
        sum_11_6 = add_kept_dot(sum_11_6, x_11_0, w_6_0, keep_2_1.w, 16u);
        sum_11_7 = add_kept_dot(sum_11_7, x_11_0, w_7_0, keep_2_1.w, 24u);
        sum_11_8 = add_kept_dot(sum_11_8, x_11_0, w_8_0, keep_2_2.w, 0u);
        sum_11_9 = add_kept_dot(sum_11_9, x_11_0, w_9_0, keep_2_2.w, 8u);
        sum_11_10 = add_kept_dot(sum_11_10, x_11_0, w_10_0, keep_2_2.w, 16u);
        sum_11_11 = add_kept_dot(sum_11_11, x_11_0, w_11_0, keep_2_2.w, 24u);
        sum_11_12 = add_kept_dot(sum_11_12, x_11_0, w_12_0, keep_2_3.w, 0u);
        sum_11_13 = add_kept_dot(sum_11_13, x_11_0, w_13_0, keep_2_3.w, 8u);
        sum_11_14 = add_kept_dot(sum_11_14, x_11_0, w_14_0, keep_2_3.w, 16u);
        sum_11_15 = add_kept_dot(sum_11_15, x_11_0, w_15_0, keep_2_3.w, 24u);
        let x_12_0 = x_quad(x_row_12, i);
        sum_12_0 = add_kept_dot(sum_12_0, x_12_0, w_0_0, keep_3_0.x, 0u);
        sum_12_1 = add_kept_dot(sum_12_1, x_12_0, w_1_0, keep_3_0.x, 8u);
        sum_12_2 = add_kept_dot(sum_12_2, x_12_0, w_2_0, keep_3_0.x, 16u);
        sum_12_3 = add_kept_dot(sum_12_3, x_12_0, w_3_0, keep_3_0.x, 24u);
        sum_12_4 = add_kept_dot(sum_12_4, x_12_0, w_4_0, keep_3_1.x, 0u);
        sum_12_5 = add_kept_dot(sum_12_5, x_12_0, w_5_0, keep_3_1.x, 8u);
        sum_12_6 = add_kept_dot(sum_12_6, x_12_0, w_6_0, keep_3_1.x, 16u);
        sum_12_7 = add_kept_dot(sum_12_7, x_12_0, w_7_0, keep_3_1.x, 24u);
        sum_12_8 = add_kept_dot(sum_12_8, x_12_0, w_8_0, keep_3_2.x, 0u);
        sum_12_9 = add_kept_dot(sum_12_9, x_12_0, w_9_0, keep_3_2.x, 8u);
        sum_12_10 = add_kept_dot(sum_12_10, x_12_0, w_10_0, keep_3_2.x, 16u);
        sum_12_11 = add_kept_dot(sum_12_11, x_12_0, w_11_0, keep_3_2.x, 24u);
        sum_12_12 = add_kept_dot(sum_12_12, x_12_0, w_12_0, keep_3_3.x, 0u);
        sum_12_13 = add_kept_dot(sum_12_13, x_12_0, w_13_0, keep_3_3.x, 8u);
        sum_12_14 = add_kept_dot(sum_12_14, x_12_0, w_14_0, keep_3_3.x, 16u);
        sum_12_15 = add_kept_dot(sum_12_15, x_12_0, w_15_0, keep_3_3.x, 24u);
        let x_13_0 = x_quad(x_row_13, i);
        sum_13_0 = add_kept_dot(sum_13_0, x_13_0, w_0_0, keep_3_0.y, 0u);
        sum_13_1 = add_kept_dot(sum_13_1, x_13_0, w_1_0, keep_3_0.y, 8u);
        sum_13_2 = add_kept_dot(sum_13_2, x_13_0, w_2_0, keep_3_0.y, 16u);
        sum_13_3 = add_kept_dot(sum_13_3, x_13_0, w_3_0, keep_3_0.y, 24u);
        sum_13_4 = add_kept_dot(sum_13_4, x_13_0, w_4_0, keep_3_1.y, 0u);
        sum_13_5 = add_kept_dot(sum_13_5, x_13_0, w_5_0, keep_3_1.y, 8u);
        sum_13_6 = add_kept_dot(sum_13_6, x_13_0, w_6_0, keep_3_1.y, 16u);
        sum_13_7 = add_kept_dot(sum_13_7, x_13_0, w_7_0, keep_3_1.y, 24u);
        sum_13_8 = add_kept_dot(sum_13_8, x_13_0, w_8_0, keep_3_2.y, 0u);
        sum_13_9 = add_kept_dot(sum_13_9, x_13_0, w_9_0, keep_3_2.y, 8u);
        sum_13_10 = add_kept_dot(sum_13_10, x_13_0, w_10_0, keep_3_2.y, 16u);
        sum_13_11 = add_kept_dot(sum_13_11, x_13_0, w_11_0, keep_3_2.y, 24u);
        sum_13_12 = add_kept_dot(sum_13_12, x_13_0, w_12_0, keep_3_3.y, 0u);
        sum_13_13 = add_kept_dot(sum_13_13, x_13_0, w_13_0, keep_3_3.y, 8u);
        sum_13_14 = add_kept_dot(sum_13_14, x_13_0, w_14_0, keep_3_3.y, 16u);
        sum_13_15 = add_kept_dot(sum_13_15, x_13_0, w_15_0, keep_3_3.y, 24u);
        let x_14_0 = x_quad(x_row_14, i);
        sum_14_0 = add_kept_dot(sum_14_0, x_14_0, w_0_0, keep_3_0.z, 0u);
        sum_14_1 = add_kept_dot(sum_14_1, x_14_0, w_1_0, keep_3_0.z, 8u);
        sum_14_2 = add_kept_dot(sum_14_2, x_14_0, w_2_0, keep_3_0.z, 16u);
        sum_14_3 = add_kept_dot(sum_14_3, x_14_0, w_3_0, keep_3_0.z, 24u);
        sum_14_4 = add_kept_dot(sum_14_4, x_14_0, w_4_0, keep_3_1.z, 0u);
        sum_14_5 = add_kept_dot(sum_14_5, x_14_0, w_5_0, keep_3_1.z, 8u);
        sum_14_6 = add_kept_dot(sum_14_6, x_14_0, w_6_0, keep_3_1.z, 16u);
        sum_14_7 = add_kept_dot(sum_14_7, x_14_0, w_7_0, keep_3_1.z, 24u);
        sum_14_8 = add_kept_dot(sum_14_8, x_14_0, w_8_0, keep_3_2.z, 0u);
        sum_14_9 = add_kept_dot(sum_14_9, x_14_0, w_9_0, keep_3_2.z, 8u);
        sum_14_10 = add_kept_dot(sum_14_10, x_14_0, w_10_0, keep_3_2.z, 16u);
        sum_14_11 = add_kept_dot(sum_14_11, x_14_0, w_11_0, keep_3_2.z, 24u);
        sum_14_12 = add_kept_dot(sum_14_12, x_14_0, w_12_0, keep_3_3.z, 0u);
        sum_14_13 = add_kept_dot(sum_14_13, x_14_0, w_13_0, keep_3_3.z, 8u);
        sum_14_14 = add_kept_dot(sum_14_14, x_14_0, w_14_0, keep_3_3.z, 16u);
        sum_14_15 = add_kept_dot(sum_14_15, x_14_0, w_15_0, keep_3_3.z, 24u);
        let x_15_0 = x_quad(x_row_15, i);
        sum_15_0 = add_kept_dot(sum_15_0, x_15_0, w_0_0, keep_3_0.w, 0u);
        sum_15_1 = add_kept_dot(sum_15_1, x_15_0, w_1_0, keep_3_0.w, 8u);
        sum_15_2 = add_kept_dot(sum_15_2, x_15_0, w_2_0, keep_3_0.w, 16u);
        sum_15_3 = add_kept_dot(sum_15_3, x_15_0, w_3_0, keep_3_0.w, 24u);
        sum_15_4 = add_kept_dot(sum_15_4, x_15_0, w_4_0, keep_3_1.w, 0u);
        sum_15_5 = add_kept_dot(sum_15_5, x_15_0, w_5_0, keep_3_1.w, 8u);
        sum_15_6 = add_kept_dot(sum_15_6, x_15_0, w_6_0, keep_3_1.w, 16u);
        sum_15_7 = add_kept_dot(sum_15_7, x_15_0, w_7_0, keep_3_1.w, 24u);
        sum_15_8 = add_kept_dot(sum_15_8, x_15_0, w_8_0, keep_3_2.w, 0u);
        sum_15_9 = add_kept_dot(sum_15_9, x_15_0, w_9_0, keep_3_2.w, 8u);
        sum_15_10 = add_kept_dot(sum_15_10, x_15_0, w_10_0, keep_3_2.w, 16u);
        sum_15_11 = add_kept_dot(sum_15_11, x_15_0, w_11_0, keep_3_2.w, 24u);
        sum_15_12 = add_kept_dot(sum_15_12, x_15_0, w_12_0, keep_3_3.w, 0u);
        sum_15_13 = add_kept_dot(sum_15_13, x_15_0, w_13_0, keep_3_3.w, 8u);
        sum_15_14 = add_kept_dot(sum_15_14, x_15_0, w_14_0, keep_3_3.w, 16u);
        sum_15_15 = add_kept_dot(sum_15_15, x_15_0, w_15_0, keep_3_3.w, 24u);
        let w_0_1 = w_quad(w_row_0, i + 4);
        let w_1_1 = w_quad(w_row_1, i + 4);
        let w_2_1 = w_quad(w_row_2, i + 4);
        let w_3_1 = w_quad(w_row_3, i + 4);
        let w_4_1 = w_quad(w_row_4, i + 4);
        let w_5_1 = w_quad(w_row_5, i + 4);
        let w_6_1 = w_quad(w_row_6, i + 4);
        let w_7_1 = w_quad(w_row_7, i + 4);
        let w_8_1 = w_quad(w_row_8, i + 4);
        let w_9_1 = w_quad(w_row_9, i + 4);
        let w_10_1 = w_quad(w_row_10, i + 4);
        let w_11_1 = w_quad(w_row_11, i + 4);
        let w_12_1 = w_quad(w_row_12, i + 4);
        let w_13_1 = w_quad(w_row_13, i + 4);
        let w_14_1 = w_quad(w_row_14, i + 4);
        let w_15_1 = w_quad(w_row_15, i + 4);
        let x_0_1 = x_quad(x_row_0, i + 4);
        sum_0_0 = add_kept_dot(sum_0_0, x_0_1, w_0_1, keep_0_0.x, 4u);
        sum_0_1 = add_kept_dot(sum_0_1, x_0_1, w_1_1, keep_0_0.x, 12u);
        sum_0_2 = add_kept_dot(sum_0_2, x_0_1, w_2_1, keep_0_0.x, 20u);
        sum_0_3 = add_kept_dot(sum_0_3, x_0_1, w_3_1, keep_0_0.x, 28u);
        sum_0_4 = add_kept_dot(sum_0_4, x_0_1, w_4_1, keep_0_1.x, 4u);
        sum_0_5 = add_kept_dot(sum_0_5, x_0_1, w_5_1, keep_0_1.x, 12u);
        sum_0_6 = add_kept_dot(sum_0_6, x_0_1, w_6_1, keep_0_1.x, 20u);
        sum_0_7 = add_kept_dot(sum_0_7, x_0_1, w_7_1, keep_0_1.x, 28u);
        sum_0_8 = add_kept_dot(sum_0_8, x_0_1, w_8_1, keep_0_2.x, 4u);
        sum_0_9 = add_kept_dot(sum_0_9, x_0_1, w_9_1, keep_0_2.x, 12u);
        sum_0_10 = add_kept_dot(sum_0_10, x_0_1, w_10_1, keep_0_2.x, 20u);
        sum_0_11 = add_kept_dot(sum_0_11, x_0_1, w_11_1, keep_0_2.x, 28u);
        sum_0_12 = add_kept_dot(sum_0_12, x_0_1, w_12_1, keep_0_3.x, 4u);
        sum_0_13 = add_kept_dot(sum_0_13, x_0_1, w_13_1, keep_0_3.x, 12u);
        sum_0_14 = add_kept_dot(sum_0_14, x_0_1, w_14_1, keep_0_3.x, 20u);
        sum_0_15 = add_kept_dot(sum_0_15, x_0_1, w_15_1, keep_0_3.x, 28u);
        let x_1_1 = x_quad(x_row_1, i + 4);
        sum_1_0 = add_kept_dot(sum_1_0, x_1_1, w_0_1, keep_0_0.y, 4u);
        sum_1_1 = add_kept_dot(sum_1_1, x_1_1, w_1_1, keep_0_0.y, 12u);
        sum_1_2 = add_kept_dot(sum_1_2, x_1_1, w_2_1, keep_0_0.y, 20u);
        sum_1_3 = add_kept_dot(sum_1_3, x_1_1, w_3_1, keep_0_0.y, 28u);
        sum_1_4 = add_kept_dot(sum_1_4, x_1_1, w_4_1, keep_0_1.y, 4u);
        sum_1_5 = add_kept_dot(sum_1_5, x_1_1, w_5_1, keep_0_1.y, 12u);
        sum_1_6 = add_kept_dot(sum_1_6, x_1_1, w_6_1, keep_0_1.y, 20u);
        sum_1_7 = add_kept_dot(sum_1_7, x_1_1, w_7_1, keep_0_1.y, 28u);
        sum_1_8 = add_kept_dot(sum_1_8, x_1_1, w_8_1, keep_0_2.y, 4u);
        sum_1_9 = add_kept_dot(sum_1_9, x_1_1, w_9_1, keep_0_2.y, 12u);
        sum_1_10 = add_kept_dot(sum_1_10, x_1_1, w_10_1, keep_0_2.y, 20u);
        sum_1_11 = add_kept_dot(sum_1_11, x_1_1, w_11_1, keep_0_2.y, 28u);
        sum_1_12 = add_kept_dot(sum_1_12, x_1_1, w_12_1, keep_0_3.y, 4u);
        sum_1_13 = add_kept_dot(sum_1_13, x_1_1, w_13_1, keep_0_3.y, 12u);
        sum_1_14 = add_kept_dot(sum_1_14, x_1_1, w_14_1, keep_0_3.y, 20u);
        sum_1_15 = add_kept_dot(sum_1_15, x_1_1, w_15_1, keep_0_3.y, 28u);
        let x_2_1 = x_quad(x_row_2, i + 4);
        sum_2_0 = add_kept_dot(sum_2_0, x_2_1, w_0_1, keep_0_0.z, 4u);
        sum_2_1 = add_kept_dot(sum_2_1, x_2_1, w_1_1, keep_0_0.z, 12u);
        sum_2_2 = add_kept_dot(sum_2_2, x_2_1, w_2_1, keep_0_0.z, 20u);
        sum_2_3 = add_kept_dot(sum_2_3, x_2_1, w_3_1, keep_0_0.z, 28u);
        sum_2_4 = add_kept_dot(sum_2_4, x_2_1, w_4_1, keep_0_1.z, 4u);
        sum_2_5 = add_kept_dot(sum_2_5, x_2_1, w_5_1, keep_0_1.z, 12u);
        sum_2_6 = add_kept_dot(sum_2_6, x_2_1, w_6_1, keep_0_1.z, 20u);
        sum_2_7 = add_kept_dot(sum_2_7, x_2_1, w_7_1, keep_0_1.z, 28u);
        sum_2_8 = add_kept_dot(sum_2_8, x_2_1, w_8_1, keep_0_2.z, 4u);
        sum_2_9 = add_kept_dot(sum_2_9, x_2_1, w_9_1, keep_0_2.z, 12u);
        sum_2_10 = add_kept_dot(sum_2_10, x_2_1, w_10_1, keep_0_2.z, 20u);
        sum_2_11 = add_kept_dot(sum_2_11, x_2_1, w_11_1, keep_0_2.z, 28u);
        sum_2_12 = add_kept_dot(sum_2_12, x_2_1, w_12_1, keep_0_3.z, 4u);
        sum_2_13 = add_kept_dot(sum_2_13, x_2_1, w_13_1, keep_0_3.z, 12u);
        sum_2_14 = add_kept_dot(sum_2_14, x_2_1, w_14_1, keep_0_3.z, 20u);
        sum_2_15 = add_kept_dot(sum_2_15, x_2_1, w_15_1, keep_0_3.z, 28u);
        let x_3_1 = x_quad(x_row_3, i + 4);
        sum_3_0 = add_kept_dot(sum_3_0, x_3_1, w_0_1, keep_0_0.w, 4u);
        sum_3_1 = add_kept_dot(sum_3_1, x_3_1, w_1_1, keep_0_0.w, 12u);
        sum_3_2 = add_kept_dot(sum_3_2, x_3_1, w_2_1, keep_0_0.w, 20u);
        sum_3_3 = add_kept_dot(sum_3_3, x_3_1, w_3_1, keep_0_0.w, 28u);
        sum_3_4 = add_kept_dot(sum_3_4, x_3_1, w_4_1, keep_0_1.w, 4u);
        sum_3_5 = add_kept_dot(sum_3_5, x_3_1, w_5_1, keep_0_1.w, 12u);
        sum_3_6 = add_kept_dot(sum_3_6, x_3_1, w_6_1, keep_0_1.w, 20u);
        sum_3_7 = add_kept_dot(sum_3_7, x_3_1, w_7_1, keep_0_1.w, 28u);
        sum_3_8 = add_kept_dot(sum_3_8, x_3_1, w_8_1, keep_0_2.w, 4u);
        sum_3_9 = add_kept_dot(sum_3_9, x_3_1, w_9_1, keep_0_2.w, 12u);
        sum_3_10 = add_kept_dot(sum_3_10, x_3_1, w_10_1, keep_0_2.w, 20u);
        sum_3_11 = add_kept_dot(sum_3_11, x_3_1, w_11_1, keep_0_2.w, 28u);
        sum_3_12 = add_kept_dot(sum_3_12, x_3_1, w_12_1, keep_0_3.w, 4u);
        sum_3_13 = add_kept_dot(sum_3_13, x_3_1, w_13_1, keep_0_3.w, 12u);
        sum_3_14 = add_kept_dot(sum_3_14, x_3_1, w_14_1, keep_0_3.w, 20u);
        sum_3_15 = add_kept_dot(sum_3_15, x_3_1, w_15_1, keep_0_3.w, 28u);
        let x_4_1 = x_quad(x_row_4, i + 4);
        sum_4_0 = add_kept_dot(sum_4_0, x_4_1, w_0_1, keep_1_0.x, 4u);
        sum_4_1 = add_kept_dot(sum_4_1, x_4_1, w_1_1, keep_1_0.x, 12u);
        sum_4_2 = add_kept_dot(sum_4_2, x_4_1, w_2_1, keep_1_0.x, 20u);
        sum_4_3 = add_kept_dot(sum_4_3, x_4_1, w_3_1, keep_1_0.x, 28u);
        sum_4_4 = add_kept_dot(sum_4_4, x_4_1, w_4_1, keep_1_1.x, 4u);
        sum_4_5 = add_kept_dot(sum_4_5, x_4_1, w_5_1, keep_1_1.x, 12u);
        sum_4_6 = add_kept_dot(sum_4_6, x_4_1, w_6_1, keep_1_1.x, 20u);
        sum_4_7 = add_kept_dot(sum_4_7, x_4_1, w_7_1, keep_1_1.x, 28u);
        sum_4_8 = add_kept_dot(sum_4_8, x_4_1, w_8_1, keep_1_2.x, 4u);
        sum_4_9 = add_kept_dot(sum_4_9, x_4_1, w_9_1, keep_1_2.x, 12u);
        sum_4_10 = add_kept_dot(sum_4_10, x_4_1, w_10_1, keep_1_2.x, 20u);
        sum_4_11 = add_kept_dot(sum_4_11, x_4_1, w_11_1, keep_1_2.x, 28u);
        sum_4_12 = add_kept_dot(sum_4_12, x_4_1, w_12_1, keep_1_3.x, 4u);
        sum_4_13 = add_kept_dot(sum_4_13, x_4_1, w_13_1, keep_1_3.x, 12u);
        sum_4_14 = add_kept_dot(sum_4_14, x_4_1, w_14_1, keep_1_3.x, 20u);
        sum_4_15 = add_kept_dot(sum_4_15, x_4_1, w_15_1, keep_1_3.x, 28u);
        let x_5_1 = x_quad(x_row_5, i + 4);
        sum_5_0 = add_kept_dot(sum_5_0, x_5_1, w_0_1, keep_1_0.y, 4u);
        sum_5_1 = add_kept_dot(sum_5_1, x_5_1, w_1_1, keep_1_0.y, 12u);
        sum_5_2 = add_kept_dot(sum_5_2, x_5_1, w_2_1, keep_1_0.y, 20u);
        sum_5_3 = add_kept_dot(sum_5_3, x_5_1, w_3_1, keep_1_0.y, 28u);
        sum_5_4 = add_kept_dot(sum_5_4, x_5_1, w_4_1, keep_1_1.y, 4u);
        sum_5_5 = add_kept_dot(sum_5_5, x_5_1, w_5_1, keep_1_1.y, 12u);
        sum_5_6 = add_kept_dot(sum_5_6, x_5_1, w_6_1, keep_1_1.y, 20u);
        sum_5_7 = add_kept_dot(sum_5_7, x_5_1, w_7_1, keep_1_1.y, 28u);
        sum_5_8 = add_kept_dot(sum_5_8, x_5_1, w_8_1, keep_1_2.y, 4u);
        sum_5_9 = add_kept_dot(sum_5_9, x_5_1, w_9_1, keep_1_2.y, 12u);
        sum_5_10 = add_kept_dot(sum_5_10, x_5_1, w_10_1, keep_1_2.y, 20u);
        sum_5_11 = add_kept_dot(sum_5_11, x_5_1, w_11_1, keep_1_2.y, 28u);
        sum_5_12 = add_kept_dot(sum_5_12, x_5_1, w_12_1, keep_1_3.y, 4u);
        sum_5_13 = add_kept_dot(sum_5_13, x_5_1, w_13_1, keep_1_3.y, 12u);
        sum_5_14 = add_kept_dot(sum_5_14, x_5_1, w_14_1, keep_1_3.y, 20u);
        sum_5_15 = add_kept_dot(sum_5_15, x_5_1, w_15_1, keep_1_3.y, 28u);
        let x_6_1 = x_quad(x_row_6, i + 4);
        sum_6_0 = add_kept_dot(sum_6_0, x_6_1, w_0_1, keep_1_0.z, 4u);
        sum_6_1 = add_kept_dot(sum_6_1, x_6_1, w_1_1, keep_1_0.z, 12u);
        sum_6_2 = add_kept_dot(sum_6_2, x_6_1, w_2_1, keep_1_0.z, 20u);
        sum_6_3 = add_kept_dot(sum_6_3, x_6_1, w_3_1, keep_1_0.z, 28u);
        sum_6_4 = add_kept_dot(sum_6_4, x_6_1, w_4_1, keep_1_1.z, 4u);
        sum_6_5 = add_kept_dot(sum_6_5, x_6_1, w_5_1, keep_1_1.z, 12u);
        sum_6_6 = add_kept_dot(sum_6_6, x_6_1, w_6_1, keep_1_1.z, 20u);
        sum_6_7 = add_kept_dot(sum_6_7, x_6_1, w_7_1, keep_1_1.z, 28u);
        sum_6_8 = add_kept_dot(sum_6_8, x_6_1, w_8_1, keep_1_2.z, 4u);
        sum_6_9 = add_kept_dot(sum_6_9, x_6_1, w_9_1, keep_1_2.z, 12u);
        sum_6_10 = add_kept_dot(sum_6_10, x_6_1, w_10_1, keep_1_2.z, 20u);
        sum_6_11 = add_kept_dot(sum_6_11, x_6_1, w_11_1, keep_1_2.z, 28u);
        sum_6_12 = add_kept_dot(sum_6_12, x_6_1, w_12_1, keep_1_3.z, 4u);
        sum_6_13 = add_kept_dot(sum_6_13, x_6_1, w_13_1, keep_1_3.z, 12u);
        sum_6_14 = add_kept_dot(sum_6_14, x_6_1, w_14_1, keep_1_3.z, 20u);
        sum_6_15 = add_kept_dot(sum_6_15, x_6_1, w_15_1, keep_1_3.z, 28u);
        let x_7_1 = x_quad(x_row_7, i + 4);
        sum_7_0 = add_kept_dot(sum_7_0, x_7_1, w_0_1, keep_1_0.w, 4u);
        sum_7_1 = add_kept_dot(sum_7_1, x_7_1, w_1_1, keep_1_0.w, 12u);
        sum_7_2 = add_kept_dot(sum_7_2, x_7_1, w_2_1, keep_1_0.w, 20u);
        sum_7_3 = add_kept_dot(sum_7_3, x_7_1, w_3_1, keep_1_0.w, 28u);
        sum_7_4 = add_kept_dot(sum_7_4, x_7_1, w_4_1, keep_1_1.w, 4u);
        sum_7_5 = add_kept_dot(sum_7_5, x_7_1, w_5_1, keep_1_1.w, 12u);
        sum_7_6 = add_kept_dot(sum_7_6, x_7_1, w_6_1, keep_1_1.w, 20u);
        sum_7_7 = add_kept_dot(sum_7_7, x_7_1, w_7_1, keep_1_1.w, 28u);
        sum_7_8 = add_kept_dot(sum_7_8, x_7_1, w_8_1, keep_1_2.w, 4u);
        sum_7_9 = add_kept_dot(sum_7_9, x_7_1, w_9_1, keep_1_2.w, 12u);
        sum_7_10 = add_kept_dot(sum_7_10, x_7_1, w_10_1, keep_1_2.w, 20u);
        sum_7_11 = add_kept_dot(sum_7_11, x_7_1, w_11_1, keep_1_2.w, 28u);
        sum_7_12 = add_kept_dot(sum_7_12, x_7_1, w_12_1, keep_1_3.w, 4u);
        sum_7_13 = add_kept_dot(sum_7_13, x_7_1, w_13_1, keep_1_3.w, 12u);
        sum_7_14 = add_kept_dot(sum_7_14, x_7_1, w_14_1, keep_1_3.w, 20u);
        sum_7_15 = add_kept_dot(sum_7_15, x_7_1, w_15_1, keep_1_3.w, 28u);
        let x_8_1 = x_quad(x_row_8, i + 4);
        sum_8_0 = add_kept_dot(sum_8_0, x_8_1, w_0_1, keep_2_0.x, 4u);
        sum_8_1 = add_kept_dot(sum_8_1, x_8_1, w_1_1, keep_2_0.x, 12u);
        sum_8_2 = add_kept_dot(sum_8_2, x_8_1, w_2_1, keep_2_0.x, 20u);
        sum_8_3 = add_kept_dot(sum_8_3, x_8_1, w_3_1, keep_2_0.x, 28u);
        sum_8_4 = add_kept_dot(sum_8_4, x_8_1, w_4_1, keep_2_1.x, 4u);
        sum_8_5 = add_kept_dot(sum_8_5, x_8_1, w_5_1, keep_2_1.x, 12u);
        sum_8_6 = add_kept_dot(sum_8_6, x_8_1, w_6_1, keep_2_1.x, 20u);
        sum_8_7 = add_kept_dot(sum_8_7, x_8_1, w_7_1, keep_2_1.x, 28u);
        sum_8_8 = add_kept_dot(sum_8_8, x_8_1, w_8_1, keep_2_2.x, 4u);
        sum_8_9 = add_kept_dot(sum_8_9, x_8_1, w_9_1, keep_2_2.x, 12u);
        sum_8_10 = add_kept_dot(sum_8_10, x_8_1, w_10_1, keep_2_2.x, 20u);
        sum_8_11 = add_kept_dot(sum_8_11, x_8_1, w_11_1, keep_2_2.x, 28u);
        sum_8_12 = add_kept_dot(sum_8_12, x_8_1, w_12_1, keep_2_3.x, 4u);
        sum_8_13 = add_kept_dot(sum_8_13, x_8_1, w_13_1, keep_2_3.x, 12u);
        sum_8_14 = add_kept_dot(sum_8_14, x_8_1, w_14_1, keep_2_3.x, 20u);
        sum_8_15 = add_kept_dot(sum_8_15, x_8_1, w_15_1, keep_2_3.x, 28u);
        let x_9_1 = x_quad(x_row_9, i + 4);
        sum_9_0 = add_kept_dot(sum_9_0, x_9_1, w_0_1, keep_2_0.y, 4u);
        sum_9_1 = add_kept_dot(sum_9_1, x_9_1, w_1_1, keep_2_0.y, 12u);
        sum_9_2 = add_kept_dot(sum_9_2, x_9_1, w_2_1, keep_2_0.y, 20u);
        sum_9_3 = add_kept_dot(sum_9_3, x_9_1, w_3_1, keep_2_0.y, 28u);
        sum_9_4 = add_kept_dot(sum_9_4, x_9_1, w_4_1, keep_2_1.y, 4u);
        sum_9_5 = add_kept_dot(sum_9_5, x_9_1, w_5_1, keep_2_1.y, 12u);
        sum_9_6 = add_kept_dot(sum_9_6, x_9_1, w_6_1, keep_2_1.y, 20u);
        sum_9_7 = add_kept_dot(sum_9_7, x_9_1, w_7_1, keep_2_1.y, 28u);
        sum_9_8 = add_kept_dot(sum_9_8, x_9_1, w_8_1, keep_2_2.y, 4u);
        sum_9_9 = add_kept_dot(sum_9_9, x_9_1, w_9_1, keep_2_2.y, 12u);
        sum_9_10 = add_kept_dot(sum_9_10, x_9_1, w_10_1, keep_2_2.y, 20u);
        sum_9_11 = add_kept_dot(sum_9_11, x_9_1, w_11_1, keep_2_2.y, 28u);
        sum_9_12 = add_kept_dot(sum_9_12, x_9_1, w_12_1, keep_2_3.y, 4u);
        sum_9_13 = add_kept_dot(sum_9_13, x_9_1, w_13_1, keep_2_3.y, 12u);
        sum_9_14 = add_kept_dot(sum_9_14, x_9_1, w_14_1, keep_2_3.y, 20u);
        sum_9_15 = add_kept_dot(sum_9_15, x_9_1, w_15_1, keep_2_3.y, 28u);
        let x_10_1 = x_quad(x_row_10, i + 4);
        sum_10_0 = add_kept_dot(sum_10_0, x_10_1, w_0_1, keep_2_0.z, 4u);
        sum_10_1 = add_kept_dot(sum_10_1, x_10_1, w_1_1, keep_2_0.z, 12u);
        sum_10_2 = add_kept_dot(sum_10_2, x_10_1, w_2_1, keep_2_0.z, 20u);
        sum_10_3 = add_kept_dot(sum_10_3, x_10_1, w_3_1, keep_2_0.z, 28u);
        sum_10_4 = add_kept_dot(sum_10_4, x_10_1, w_4_1, keep_2_1.z, 4u);
        sum_10_5 = add_kept_dot(sum_10_5, x_10_1, w_5_1, keep_2_1.z, 12u);
        sum_10_6 = add_kept_dot(sum_10_6, x_10_1, w_6_1, keep_2_1.z, 20u);
        sum_10_7 = add_kept_dot(sum_10_7, x_10_1, w_7_1, keep_2_1.z, 28u);
        sum_10_8 = add_kept_dot(sum_10_8, x_10_1, w_8_1, keep_2_2.z, 4u);
        sum_10_9 = add_kept_dot(sum_10_9, x_10_1, w_9_1, keep_2_2.z, 12u);
        sum_10_10 = add_kept_dot(sum_10_10, x_10_1, w_10_1, keep_2_2.z, 20u);
        sum_10_11 = add_kept_dot(sum_10_11, x_10_1, w_11_1, keep_2_2.z, 28u);
        sum_10_12 = add_kept_dot(sum_10_12, x_10_1, w_12_1, keep_2_3.z, 4u);
        sum_10_13 = add_kept_dot(sum_10_13, x_10_1, w_13_1, keep_2_3.z, 12u);
        sum_10_14 = add_kept_dot(sum_10_14, x_10_1, w_14_1, keep_2_3.z, 20u);
        sum_10_15 = add_kept_dot(sum_10_15, x_10_1, w_15_1, keep_2_3.z, 28u);
        let x_11_1 = x_quad(x_row_11, i + 4);
        sum_11_0 = add_kept_dot(sum_11_0, x_11_1, w_0_1, keep_2_0.w, 4u);
        sum_11_1 = add_kept_dot(sum_11_1, x_11_1, w_1_1, keep_2_0.w, 12u);
        sum_11_2 = add_kept_dot(sum_11_2, x_11_1, w_2_1, keep_2_0.w, 20u);
        sum_11_3 = add_kept_dot(sum_11_3, x_11_1, w_3_1, keep_2_0.w, 28u);
        sum_11_4 = add_kept_dot(sum_11_4, x_11_1, w_4_1, keep_2_1.w, 4u);
        sum_11_5 = add_kept_dot(sum_11_5, x_11_1, w_5_1, keep_2_1.w, 12u);
        sum_11_6 = add_kept_dot(sum_11_6, x_11_1, w_6_1, keep_2_1.w, 20u);
        sum_11_7 = add_kept_dot(sum_11_7, x_11_1, w_7_1, keep_2_1.w, 28u);
        sum_11_8 = add_kept_dot(sum_11_8, x_11_1, w_8_1, keep_2_2.w, 4u);
        sum_11_9 = add_kept_dot(sum_11_9, x_11_1, w_9_1, keep_2_2.w, 12u);
        sum_11_10 = add_kept_dot(sum_11_10, x_11_1, w_10_1, keep_2_2.w, 20u);
        sum_11_11 = add_kept_dot(sum_11_11, x_11_1, w_11_1, keep_2_2.w, 28u);
        sum_11_12 = add_kept_dot(sum_11_12, x_11_1, w_12_1, keep_2_3.w, 4u);
        sum_11_13 = add_kept_dot(sum_11_13, x_11_1, w_13_1, keep_2_3.w, 12u);
        sum_11_14 = add_kept_dot(sum_11_14, x_11_1, w_14_1, keep_2_3.w, 20u);
        sum_11_15 = add_kept_dot(sum_11_15, x_11_1, w_15_1, keep_2_3.w, 28u);
        let x_12_1 = x_quad(x_row_12, i + 4);
        sum_12_0 = add_kept_dot(sum_12_0, x_12_1, w_0_1, keep_3_0.x, 4u);
        sum_12_1 = add_kept_dot(sum_12_1, x_12_1, w_1_1, keep_3_0.x, 12u);
        sum_12_2 = add_kept_dot(sum_12_2, x_12_1, w_2_1, keep_3_0.x, 20u);
        sum_12_3 = add_kept_dot(sum_12_3, x_12_1, w_3_1, keep_3_0.x, 28u);
        sum_12_4 = add_kept_dot(sum_12_4, x_12_1, w_4_1, keep_3_1.x, 4u);
        sum_12_5 = add_kept_dot(sum_12_5, x_12_1, w_5_1, keep_3_1.x, 12u);
        sum_12_6 = add_kept_dot(sum_12_6, x_12_1, w_6_1, keep_3_1.x, 20u);
        sum_12_7 = add_kept_dot(sum_12_7, x_12_1, w_7_1, keep_3_1.x, 28u);
        sum_12_8 = add_kept_dot(sum_12_8, x_12_1, w_8_1, keep_3_2.x, 4u);
        sum_12_9 = add_kept_dot(sum_12_9, x_12_1, w_9_1, keep_3_2.x, 12u);
        sum_12_10 = add_kept_dot(sum_12_10, x_12_1, w_10_1, keep_3_2.x, 20u);
        sum_12_11 = add_kept_dot(sum_12_11, x_12_1, w_11_1, keep_3_2.x, 28u);
        sum_12_12 = add_kept_dot(sum_12_12, x_12_1, w_12_1, keep_3_3.x, 4u);
        sum_12_13 = add_kept_dot(sum_12_13, x_12_1, w_13_1, keep_3_3.x, 12u);
        sum_12_14 = add_kept_dot(sum_12_14, x_12_1, w_14_1, keep_3_3.x, 20u);
        sum_12_15 = add_kept_dot(sum_12_15, x_12_1, w_15_1, keep_3_3.x, 28u);
        let x_13_1 = x_quad(x_row_13, i + 4);
        sum_13_0 = add_kept_dot(sum_13_0, x_13_1, w_0_1, keep_3_0.y, 4u);
        sum_13_1 = add_kept_dot(sum_13_1, x_13_1, w_1_1, keep_3_0.y, 12u);
        sum_13_2 = add_kept_dot(sum_13_2, x_13_1, w_2_1, keep_3_0.y, 20u);
        sum_13_3 = add_kept_dot(sum_13_3, x_13_1, w_3_1, keep_3_0.y, 28u);
        sum_13_4 = add_kept_dot(sum_13_4, x_13_1, w_4_1, keep_3_1.y, 4u);
        sum_13_5 = add_kept_dot(sum_13_5, x_13_1, w_5_1, keep_3_1.y, 12u);
        sum_13_6 = add_kept_dot(sum_13_6, x_13_1, w_6_1, keep_3_1.y, 20u);
        sum_13_7 = add_kept_dot(sum_13_7, x_13_1, w_7_1, keep_3_1.y, 28u);
        sum_13_8 = add_kept_dot(sum_13_8, x_13_1, w_8_1, keep_3_2.y, 4u);
        sum_13_9 = add_kept_dot(sum_13_9, x_13_1, w_9_1, keep_3_2.y, 12u);
        sum_13_10 = add_kept_dot(sum_13_10, x_13_1, w_10_1, keep_3_2.y, 20u);
        sum_13_11 = add_kept_dot(sum_13_11, x_13_1, w_11_1, keep_3_2.y, 28u);
        sum_13_12 = add_kept_dot(sum_13_12, x_13_1, w_12_1, keep_3_3.y, 4u);
        sum_13_13 = add_kept_dot(sum_13_13, x_13_1, w_13_1, keep_3_3.y, 12u);
        sum_13_14 = add_kept_dot(sum_13_14, x_13_1, w_14_1, keep_3_3.y, 20u);
        sum_13_15 = add_kept_dot(sum_13_15, x_13_1, w_15_1, keep_3_3.y, 28u);
        let x_14_1 = x_quad(x_row_14, i + 4);
        sum_14_0 = add_kept_dot(sum_14_0, x_14_1, w_0_1, keep_3_0.z, 4u);
        sum_14_1 = add_kept_dot(sum_14_1, x_14_1, w_1_1, keep_3_0.z, 12u);
        sum_14_2 = add_kept_dot(sum_14_2, x_14_1, w_2_1, keep_3_0.z, 20u);
        sum_14_3 = add_kept_dot(sum_14_3, x_14_1, w_3_1, keep_3_0.z, 28u);
        sum_14_4 = add_kept_dot(sum_14_4, x_14_1, w_4_1, keep_3_1.z, 4u);
        sum_14_5 = add_kept_dot(sum_14_5, x_14_1, w_5_1, keep_3_1.z, 12u);
        sum_14_6 = add_kept_dot(sum_14_6, x_14_1, w_6_1, keep_3_1.z, 20u);
        sum_14_7 = add_kept_dot(sum_14_7, x_14_1, w_7_1, keep_3_1.z, 28u);
        sum_14_8 = add_kept_dot(sum_14_8, x_14_1, w_8_1, keep_3_2.z, 4u);
        sum_14_9 = add_kept_dot(sum_14_9, x_14_1, w_9_1, keep_3_2.z, 12u);
        sum_14_10 = add_kept_dot(sum_14_10, x_14_1, w_10_1, keep_3_2.z, 20u);
        sum_14_11 = add_kept_dot(sum_14_11, x_14_1, w_11_1, keep_3_2.z, 28u);
        sum_14_12 = add_kept_dot(sum_14_12, x_14_1, w_12_1, keep_3_3.z, 4u);
        sum_14_13 = add_kept_dot(sum_14_13, x_14_1, w_13_1, keep_3_3.z, 12u);
        sum_14_14 = add_kept_dot(sum_14_14, x_14_1, w_14_1, keep_3_3.z, 20u);
        sum_14_15 = add_kept_dot(sum_14_15, x_14_1, w_15_1, keep_3_3.z, 28u);
        let x_15_1 = x_quad(x_row_15, i + 4);
        sum_15_0 = add_kept_dot(sum_15_0, x_15_1, w_0_1, keep_3_0.w, 4u);
        sum_15_1 = add_kept_dot(sum_15_1, x_15_1, w_1_1, keep_3_0.w, 12u);
        sum_15_2 = add_kept_dot(sum_15_2, x_15_1, w_2_1, keep_3_0.w, 20u);
        sum_15_3 = add_kept_dot(sum_15_3, x_15_1, w_3_1, keep_3_0.w, 28u);
        sum_15_4 = add_kept_dot(sum_15_4, x_15_1, w_4_1, keep_3_1.w, 4u);
        sum_15_5 = add_kept_dot(sum_15_5, x_15_1, w_5_1, keep_3_1.w, 12u);
        sum_15_6 = add_kept_dot(sum_15_6, x_15_1, w_6_1, keep_3_1.w, 20u);
        sum_15_7 = add_kept_dot(sum_15_7, x_15_1, w_7_1, keep_3_1.w, 28u);
        sum_15_8 = add_kept_dot(sum_15_8, x_15_1, w_8_1, keep_3_2.w, 4u);
        sum_15_9 = add_kept_dot(sum_15_9, x_15_1, w_9_1, keep_3_2.w, 12u);
        sum_15_10 = add_kept_dot(sum_15_10, x_15_1, w_10_1, keep_3_2.w, 20u);
        sum_15_11 = add_kept_dot(sum_15_11, x_15_1, w_11_1, keep_3_2.w, 28u);
        sum_15_12 = add_kept_dot(sum_15_12, x_15_1, w_12_1, keep_3_3.w, 4u);
        sum_15_13 = add_kept_dot(sum_15_13, x_15_1, w_13_1, keep_3_3.w, 12u);
        sum_15_14 = add_kept_dot(sum_15_14, x_15_1, w_14_1, keep_3_3.w, 20u);
        sum_15_15 = add_kept_dot(sum_15_15, x_15_1, w_15_1, keep_3_3.w, 28u);
    }

    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to compile
    // than all the rest.
    for (var row = 0; row < 4; row++) {
        store_result_quad(n + 4 * row, o, params.scale * vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3));
        store_result_quad(n + 4 * row + 1, o, params.scale * vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3));
        store_result_quad(n + 4 * row + 2, o, params.scale * vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3));
        store_result_quad(n + 4 * row + 3, o, params.scale * vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3));
        store_result_quad(n + 4 * row, o + 4, params.scale * vec4(sum_0_4, sum_0_5, sum_0_6, sum_0_7));
        store_result_quad(n + 4 * row + 1, o + 4, params.scale * vec4(sum_1_4, sum_1_5, sum_1_6, sum_1_7));
        store_result_quad(n + 4 * row + 2, o + 4, params.scale * vec4(sum_2_4, sum_2_5, sum_2_6, sum_2_7));
        store_result_quad(n + 4 * row + 3, o + 4, params.scale * vec4(sum_3_4, sum_3_5, sum_3_6, sum_3_7));
        store_result_quad(n + 4 * row, o + 8, params.scale * vec4(sum_0_8, sum_0_9, sum_0_10, sum_0_11));
        store_result_quad(n + 4 * row + 1, o + 8, params.scale * vec4(sum_1_8, sum_1_9, sum_1_10, sum_1_11));
        store_result_quad(n + 4 * row + 2, o + 8, params.scale * vec4(sum_2_8, sum_2_9, sum_2_10, sum_2_11));
        store_result_quad(n + 4 * row + 3, o + 8, params.scale * vec4(sum_3_8, sum_3_9, sum_3_10, sum_3_11));
        store_result_quad(n + 4 * row, o + 12, params.scale * vec4(sum_0_12, sum_0_13, sum_0_14, sum_0_15));
        store_result_quad(n + 4 * row + 1, o + 12, params.scale * vec4(sum_1_12, sum_1_13, sum_1_14, sum_1_15));
        store_result_quad(n + 4 * row + 2, o + 12, params.scale * vec4(sum_2_12, sum_2_13, sum_2_14, sum_2_15));
        store_result_quad(n + 4 * row + 3, o + 12, params.scale * vec4(sum_3_12, sum_3_13, sum_3_14, sum_3_15));
        sum_0_0 = sum_4_0;
        sum_0_1 = sum_4_1;
        sum_0_2 = sum_4_2;
        sum_0_3 = sum_4_3;
        sum_0_4 = sum_4_4;
        sum_0_5 = sum_4_5;
        sum_0_6 = sum_4_6;
        sum_0_7 = sum_4_7;
        sum_0_8 = sum_4_8;
        sum_0_9 = sum_4_9;
        sum_0_10 = sum_4_10;
        sum_0_11 = sum_4_11;
        sum_0_12 = sum_4_12;
        sum_0_13 = sum_4_13;
        sum_0_14 = sum_4_14;
        sum_0_15 = sum_4_15;
        sum_1_0 = sum_5_0;
        sum_1_1 = sum_5_1;
        sum_1_2 = sum_5_2;
        sum_1_3 = sum_5_3;
        sum_1_4 = sum_5_4;
        sum_1_5 = sum_5_5;
        sum_1_6 = sum_5_6;
        sum_1_7 = sum_5_7;
        sum_1_8 = sum_5_8;
        sum_1_9 = sum_5_9;
        sum_1_10 = sum_5_10;
        sum_1_11 = sum_5_11;
        sum_1_12 = sum_5_12;
        sum_1_13 = sum_5_13;
        sum_1_14 = sum_5_14;
        sum_1_15 = sum_5_15;
        sum_2_0 = sum_6_0;
        sum_2_1 = sum_6_1;
        sum_2_2 = sum_6_2;
        sum_2_3 = sum_6_3;
        sum_2_4 = sum_6_4;
        sum_2_5 = sum_6_5;
        sum_2_6 = sum_6_6;
        sum_2_7 = sum_6_7;
        sum_2_8 = sum_6_8;
        sum_2_9 = sum_6_9;
        sum_2_10 = sum_6_10;
        sum_2_11 = sum_6_11;
        sum_2_12 = sum_6_12;
        sum_2_13 = sum_6_13;
        sum_2_14 = sum_6_14;
        sum_2_15 = sum_6_15;
        sum_3_0 = sum_7_0;
        sum_3_1 = sum_7_1;
        sum_3_2 = sum_7_2;
        sum_3_3 = sum_7_3;
        sum_3_4 = sum_7_4;
        sum_3_5 = sum_7_5;
        sum_3_6 = sum_7_6;
        sum_3_7 = sum_7_7;
        sum_3_8 = sum_7_8;
        sum_3_9 = sum_7_9;
        sum_3_10 = sum_7_10;
        sum_3_11 = sum_7_11;
        sum_3_12 = sum_7_12;
        sum_3_13 = sum_7_13;
        sum_3_14 = sum_7_14;
        sum_3_15 = sum_7_15;
        sum_4_0 = sum_8_0;
        sum_4_1 = sum_8_1;
        sum_4_2 = sum_8_2;
        sum_4_3 = sum_8_3;
        sum_4_4 = sum_8_4;
        sum_4_5 = sum_8_5;
        sum_4_6 = sum_8_6;
        sum_4_7 = sum_8_7;
        sum_4_8 = sum_8_8;
        sum_4_9 = sum_8_9;
        sum_4_10 = sum_8_10;
        sum_4_11 = sum_8_11;
        sum_4_12 = sum_8_12;
        sum_4_13 = sum_8_13;
        sum_4_14 = sum_8_14;
        sum_4_15 = sum_8_15;
        sum_5_0 = sum_9_0;
        sum_5_1 = sum_9_1;
        sum_5_2 = sum_9_2;
        sum_5_3 = sum_9_3;
        sum_5_4 = sum_9_4;
        sum_5_5 = sum_9_5;
        sum_5_6 = sum_9_6;
        sum_5_7 = sum_9_7;
        sum_5_8 = sum_9_8;
        sum_5_9 = sum_9_9;
        sum_5_10 = sum_9_10;
        sum_5_11 = sum_9_11;
        sum_5_12 = sum_9_12;
        sum_5_13 = sum_9_13;
        sum_5_14 = sum_9_14;
        sum_5_15 = sum_9_15;
        sum_6_0 = sum_10_0;
        sum_6_1 = sum_10_1;
        sum_6_2 = sum_10_2;
        sum_6_3 = sum_10_3;
        sum_6_4 = sum_10_4;
        sum_6_5 = sum_10_5;
        sum_6_6 = sum_10_6;
        sum_6_7 = sum_10_7;
        sum_6_8 = sum_10_8;
        sum_6_9 = sum_10_9;
        sum_6_10 = sum_10_10;
        sum_6_11 = sum_10_11;
        sum_6_12 = sum_10_12;
        sum_6_13 = sum_10_13;
        sum_6_14 = sum_10_14;
        sum_6_15 = sum_10_15;
        sum_7_0 = sum_11_0;
        sum_7_1 = sum_11_1;
        sum_7_2 = sum_11_2;
        sum_7_3 = sum_11_3;
        sum_7_4 = sum_11_4;
        sum_7_5 = sum_11_5;
        sum_7_6 = sum_11_6;
        sum_7_7 = sum_11_7;
        sum_7_8 = sum_11_8;
        sum_7_9 = sum_11_9;
        sum_7_10 = sum_11_10;
        sum_7_11 = sum_11_11;
        sum_7_12 = sum_11_12;
        sum_7_13 = sum_11_13;
        sum_7_14 = sum_11_14;
        sum_7_15 = sum_11_15;
        sum_8_0 = sum_12_0;
        sum_8_1 = sum_12_1;
        sum_8_2 = sum_12_2;
        sum_8_3 = sum_12_3;
        sum_8_4 = sum_12_4;
        sum_8_5 = sum_12_5;
        sum_8_6 = sum_12_6;
        sum_8_7 = sum_12_7;
        sum_8_8 = sum_12_8;
        sum_8_9 = sum_12_9;
        sum_8_10 = sum_12_10;
        sum_8_11 = sum_12_11;
        sum_8_12 = sum_12_12;
        sum_8_13 = sum_12_13;
        sum_8_14 = sum_12_14;
        sum_8_15 = sum_12_15;
        sum_9_0 = sum_13_0;
        sum_9_1 = sum_13_1;
        sum_9_2 = sum_13_2;
        sum_9_3 = sum_13_3;
        sum_9_4 = sum_13_4;
        sum_9_5 = sum_13_5;
        sum_9_6 = sum_13_6;
        sum_9_7 = sum_13_7;
        sum_9_8 = sum_13_8;
        sum_9_9 = sum_13_9;
        sum_9_10 = sum_13_10;
        sum_9_11 = sum_13_11;
        sum_9_12 = sum_13_12;
        sum_9_13 = sum_13_13;
        sum_9_14 = sum_13_14;
        sum_9_15 = sum_13_15;
        sum_10_0 = sum_14_0;
        sum_10_1 = sum_14_1;
        sum_10_2 = sum_14_2;
        sum_10_3 = sum_14_3;
        sum_10_4 = sum_14_4;
        sum_10_5 = sum_14_5;
        sum_10_6 = sum_14_6;
        sum_10_7 = sum_14_7;
        sum_10_8 = sum_14_8;
        sum_10_9 = sum_14_9;
        sum_10_10 = sum_14_10;
        sum_10_11 = sum_14_11;
        sum_10_12 = sum_14_12;
        sum_10_13 = sum_14_13;
        sum_10_14 = sum_14_14;
        sum_10_15 = sum_14_15;
        sum_11_0 = sum_15_0;
        sum_11_1 = sum_15_1;
        sum_11_2 = sum_15_2;
        sum_11_3 = sum_15_3;
        sum_11_4 = sum_15_4;
        sum_11_5 = sum_15_5;
        sum_11_6 = sum_15_6;
        sum_11_7 = sum_15_7;
        sum_11_8 = sum_15_8;
        sum_11_9 = sum_15_9;
        sum_11_10 = sum_15_10;
        sum_11_11 = sum_15_11;
        sum_11_12 = sum_15_12;
        sum_11_13 = sum_15_13;
        sum_11_14 = sum_15_14;
        sum_11_15 = sum_15_15;
    }
}
