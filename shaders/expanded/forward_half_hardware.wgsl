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
    return drop ^ vec4(params.all_ones);
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

// Eight or four masked multiply-adds. Lane k counts where bit `bit + k` of `word` is set. `bit` is a
// literal at every call: once a driver has inlined the call, every test is of a constant bit.
//
// How the bit is applied is a choice per vendor, read off machine code (docs/performance.md). With
// `select` the sum is kept or replaced, a predicated multiply-add on NVIDIA; with `and` the factor b, the
// weight wherever there is one, is kept or made +0. Either way a dropped weight cannot matter.

// sum + the kept products of eight inputs.
fn add_kept_dot(sum: f32, a_0: vec4<f32>, a_1: vec4<f32>, b_0: vec4<f32>, b_1: vec4<f32>, word: u32, bit: u32) -> f32 {
    var s = sum;
    s = select(s, fma(a_0.x, b_0.x, s), (word & (1u << bit)) != 0u);
    s = select(s, fma(a_0.y, b_0.y, s), (word & (1u << (bit + 1u))) != 0u);
    s = select(s, fma(a_0.z, b_0.z, s), (word & (1u << (bit + 2u))) != 0u);
    s = select(s, fma(a_0.w, b_0.w, s), (word & (1u << (bit + 3u))) != 0u);
    s = select(s, fma(a_1.x, b_1.x, s), (word & (1u << (bit + 4u))) != 0u);
    s = select(s, fma(a_1.y, b_1.y, s), (word & (1u << (bit + 5u))) != 0u);
    s = select(s, fma(a_1.z, b_1.z, s), (word & (1u << (bit + 6u))) != 0u);
    s = select(s, fma(a_1.w, b_1.w, s), (word & (1u << (bit + 7u))) != 0u);
    return s;
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
// 1. A thread owns 1 x 2 bricks, 4 examples by 8 outputs, and walks the inputs
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

@compute @workgroup_size(2, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y * 16u + local.y;
    let tile_column = group.x * 2u + local.x;
    let n = i32(tile_row * 4u) - params.example_shift;
    let o = i32(tile_column * 8u) - params.output_shift;
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    let example_block = params.example_block + tile_row;
    let output_block = params.output_block + tile_column * 2u;

    // Rows past either end repeat the nearest one; their sums are never stored.
    let x_row_0 = u32(clamp(n, 0, i32(params.examples) - 1));
    let x_row_1 = u32(clamp(n + 1, 0, i32(params.examples) - 1));
    let x_row_2 = u32(clamp(n + 2, 0, i32(params.examples) - 1));
    let x_row_3 = u32(clamp(n + 3, 0, i32(params.examples) - 1));
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

    let blocks = (params.inputs + u32(params.input_shift) + 7u) / 8u;
    for (var block = 0u; block < blocks; block++) {
        let i = i32(block * 8u) - params.input_shift;
        let keep_0_0 = brick(vec3(params.input_block + block, output_block, example_block));
        let keep_0_1 = brick(vec3(params.input_block + block, output_block + 1u, example_block));
        let w_0_0 = w_quad(w_row_0, i);
        let w_0_1 = w_quad(w_row_0, i + 4);
        let w_1_0 = w_quad(w_row_1, i);
        let w_1_1 = w_quad(w_row_1, i + 4);
        let w_2_0 = w_quad(w_row_2, i);
        let w_2_1 = w_quad(w_row_2, i + 4);
        let w_3_0 = w_quad(w_row_3, i);
        let w_3_1 = w_quad(w_row_3, i + 4);
        let w_4_0 = w_quad(w_row_4, i);
        let w_4_1 = w_quad(w_row_4, i + 4);
        let w_5_0 = w_quad(w_row_5, i);
        let w_5_1 = w_quad(w_row_5, i + 4);
        let w_6_0 = w_quad(w_row_6, i);
        let w_6_1 = w_quad(w_row_6, i + 4);
        let w_7_0 = w_quad(w_row_7, i);
        let w_7_1 = w_quad(w_row_7, i + 4);
        let x_0_0 = x_quad(x_row_0, i);
        let x_0_1 = x_quad(x_row_0, i + 4);
        let x_1_0 = x_quad(x_row_1, i);
        let x_1_1 = x_quad(x_row_1, i + 4);
        let x_2_0 = x_quad(x_row_2, i);
        let x_2_1 = x_quad(x_row_2, i + 4);
        let x_3_0 = x_quad(x_row_3, i);
        let x_3_1 = x_quad(x_row_3, i + 4);
        sum_0_0 = add_kept_dot(sum_0_0, x_0_0, x_0_1, w_0_0, w_0_1, keep_0_0.x, 0u);
        sum_0_1 = add_kept_dot(sum_0_1, x_0_0, x_0_1, w_1_0, w_1_1, keep_0_0.x, 8u);
        sum_0_2 = add_kept_dot(sum_0_2, x_0_0, x_0_1, w_2_0, w_2_1, keep_0_0.x, 16u);
        sum_0_3 = add_kept_dot(sum_0_3, x_0_0, x_0_1, w_3_0, w_3_1, keep_0_0.x, 24u);
        sum_1_0 = add_kept_dot(sum_1_0, x_1_0, x_1_1, w_0_0, w_0_1, keep_0_0.y, 0u);
        sum_1_1 = add_kept_dot(sum_1_1, x_1_0, x_1_1, w_1_0, w_1_1, keep_0_0.y, 8u);
        sum_1_2 = add_kept_dot(sum_1_2, x_1_0, x_1_1, w_2_0, w_2_1, keep_0_0.y, 16u);
        sum_1_3 = add_kept_dot(sum_1_3, x_1_0, x_1_1, w_3_0, w_3_1, keep_0_0.y, 24u);
        sum_2_0 = add_kept_dot(sum_2_0, x_2_0, x_2_1, w_0_0, w_0_1, keep_0_0.z, 0u);
        sum_2_1 = add_kept_dot(sum_2_1, x_2_0, x_2_1, w_1_0, w_1_1, keep_0_0.z, 8u);
        sum_2_2 = add_kept_dot(sum_2_2, x_2_0, x_2_1, w_2_0, w_2_1, keep_0_0.z, 16u);
        sum_2_3 = add_kept_dot(sum_2_3, x_2_0, x_2_1, w_3_0, w_3_1, keep_0_0.z, 24u);
        sum_3_0 = add_kept_dot(sum_3_0, x_3_0, x_3_1, w_0_0, w_0_1, keep_0_0.w, 0u);
        sum_3_1 = add_kept_dot(sum_3_1, x_3_0, x_3_1, w_1_0, w_1_1, keep_0_0.w, 8u);
        sum_3_2 = add_kept_dot(sum_3_2, x_3_0, x_3_1, w_2_0, w_2_1, keep_0_0.w, 16u);
        sum_3_3 = add_kept_dot(sum_3_3, x_3_0, x_3_1, w_3_0, w_3_1, keep_0_0.w, 24u);
        sum_0_4 = add_kept_dot(sum_0_4, x_0_0, x_0_1, w_4_0, w_4_1, keep_0_1.x, 0u);
        sum_0_5 = add_kept_dot(sum_0_5, x_0_0, x_0_1, w_5_0, w_5_1, keep_0_1.x, 8u);
        sum_0_6 = add_kept_dot(sum_0_6, x_0_0, x_0_1, w_6_0, w_6_1, keep_0_1.x, 16u);
        sum_0_7 = add_kept_dot(sum_0_7, x_0_0, x_0_1, w_7_0, w_7_1, keep_0_1.x, 24u);
        sum_1_4 = add_kept_dot(sum_1_4, x_1_0, x_1_1, w_4_0, w_4_1, keep_0_1.y, 0u);
        sum_1_5 = add_kept_dot(sum_1_5, x_1_0, x_1_1, w_5_0, w_5_1, keep_0_1.y, 8u);
        sum_1_6 = add_kept_dot(sum_1_6, x_1_0, x_1_1, w_6_0, w_6_1, keep_0_1.y, 16u);
        sum_1_7 = add_kept_dot(sum_1_7, x_1_0, x_1_1, w_7_0, w_7_1, keep_0_1.y, 24u);
        sum_2_4 = add_kept_dot(sum_2_4, x_2_0, x_2_1, w_4_0, w_4_1, keep_0_1.z, 0u);
        sum_2_5 = add_kept_dot(sum_2_5, x_2_0, x_2_1, w_5_0, w_5_1, keep_0_1.z, 8u);
        sum_2_6 = add_kept_dot(sum_2_6, x_2_0, x_2_1, w_6_0, w_6_1, keep_0_1.z, 16u);
        sum_2_7 = add_kept_dot(sum_2_7, x_2_0, x_2_1, w_7_0, w_7_1, keep_0_1.z, 24u);
        sum_3_4 = add_kept_dot(sum_3_4, x_3_0, x_3_1, w_4_0, w_4_1, keep_0_1.w, 0u);
        sum_3_5 = add_kept_dot(sum_3_5, x_3_0, x_3_1, w_5_0, w_5_1, keep_0_1.w, 8u);
        sum_3_6 = add_kept_dot(sum_3_6, x_3_0, x_3_1, w_6_0, w_6_1, keep_0_1.w, 16u);
        sum_3_7 = add_kept_dot(sum_3_7, x_3_0, x_3_1, w_7_0, w_7_1, keep_0_1.w, 24u);
    }

    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to compile than
    // all the rest.
    for (var row = 0; row < 1; row++) {
        store_result_quad(n + 4 * row, o, params.scale * vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3));
        store_result_quad(n + 4 * row + 1, o, params.scale * vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3));
        store_result_quad(n + 4 * row + 2, o, params.scale * vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3));
        store_result_quad(n + 4 * row + 3, o, params.scale * vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3));
        store_result_quad(n + 4 * row, o + 4, params.scale * vec4(sum_0_4, sum_0_5, sum_0_6, sum_0_7));
        store_result_quad(n + 4 * row + 1, o + 4, params.scale * vec4(sum_1_4, sum_1_5, sum_1_6, sum_1_7));
        store_result_quad(n + 4 * row + 2, o + 4, params.scale * vec4(sum_2_4, sum_2_5, sum_2_6, sum_2_7));
        store_result_quad(n + 4 * row + 3, o + 4, params.scale * vec4(sum_3_4, sum_3_5, sum_3_6, sum_3_7));
    }
}
