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

// Four masked multiply-adds. Lane k counts where bit `bit + k` of `word` is set. `bit` is a literal at every call: once
// a driver has inlined the call, every test is of a constant bit.
//
// How the bit is applied is a choice per vendor, read off machine code (docs/performance.md). Here
// the sum is kept or replaced, which is a predicated multiply-add on NVIDIA.
// A dropped weight cannot matter, whatever it is.

// sum + the kept products of four inputs.
fn add_kept_dot(sum: f32, a: vec4<f32>, b: vec4<f32>, word: u32, bit: u32) -> f32 {
    var s = sum;
    s = select(s, fma(a.x, b.x, s), (word & (1u << bit)) != 0u);
    s = select(s, fma(a.y, b.y, s), (word & (1u << (bit + 1u))) != 0u);
    s = select(s, fma(a.z, b.z, s), (word & (1u << (bit + 2u))) != 0u);
    s = select(s, fma(a.w, b.w, s), (word & (1u << (bit + 3u))) != 0u);
    return s;
}

// Y = scale * (sum over i of M W X). Reference: src/reference/forward.rs.
//
//     for each example n, output o:
//         sum = 0
//         for each input i:
//             if keep(n, o, i):                        a bit of brick(i / 8, o / 4, n / 4)
//                 sum += W[o, i] * X[n, i]
//         Y[n, o] = scale * sum
//
// As a kernel: naive/forward.wgsl. This one has tiles:
//
//     BM = 64 examples, BN = 64 outputs a workgroup of 16 x 16 threads
//     TM x TN = 4 x 4 sums a thread: 1 x 1 bricks
//     BK = 32 inputs at a time, through workgroup memory
//     row strides there 65 and 65 quads, against bank conflicts
//
// and departs from the above in this:
//
// 1. A thread owns 1 x 1 bricks, 4 examples by 4 outputs, and takes the inputs
//    eight at a time: a brick decides 4 examples x 4 outputs x 8 inputs, and none is drawn twice. It is a function of
//    global coordinates alone, which is why the gradients, with other tiles and another order, see the same mask.
// 2. The products of a step are unrolled, and sums stay in registers. Loops over them cost two to three times.
//    A bit is tested where it is known which; how it is applied is a choice per vendor (mask_op.wgsl).
// 3. What lies outside the problem is computed and not stored: a row there reads the nearest one, a column
//    the last quad. A test in the loop would cost more than the products.
// 4. The threads of a workgroup read operands together, and those of the next steps while these are
//    multiplied.
// 5. A sum too long for a dispatch comes in several, and adds to what is there.

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
    let example_block = params.example_block + tile_row;
    let output_block = params.output_block + tile_column;

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
            let keep_0_0 = brick(vec3(params.input_block + block, output_block, example_block));
            let w_0_low = workgroup_tile[shared_w];
            let w_1_low = workgroup_tile[shared_w + 16u];
            let w_2_low = workgroup_tile[shared_w + 32u];
            let w_3_low = workgroup_tile[shared_w + 48u];
            let x_0_low = workgroup_tile[shared_x];
            sum_0_0 = add_kept_dot(sum_0_0, x_0_low, w_0_low, keep_0_0.x, 0u);
            sum_0_1 = add_kept_dot(sum_0_1, x_0_low, w_1_low, keep_0_0.x, 8u);
            sum_0_2 = add_kept_dot(sum_0_2, x_0_low, w_2_low, keep_0_0.x, 16u);
            sum_0_3 = add_kept_dot(sum_0_3, x_0_low, w_3_low, keep_0_0.x, 24u);
            let x_1_low = workgroup_tile[shared_x + 16u];
            sum_1_0 = add_kept_dot(sum_1_0, x_1_low, w_0_low, keep_0_0.y, 0u);
            sum_1_1 = add_kept_dot(sum_1_1, x_1_low, w_1_low, keep_0_0.y, 8u);
            sum_1_2 = add_kept_dot(sum_1_2, x_1_low, w_2_low, keep_0_0.y, 16u);
            sum_1_3 = add_kept_dot(sum_1_3, x_1_low, w_3_low, keep_0_0.y, 24u);
            let x_2_low = workgroup_tile[shared_x + 32u];
            sum_2_0 = add_kept_dot(sum_2_0, x_2_low, w_0_low, keep_0_0.z, 0u);
            sum_2_1 = add_kept_dot(sum_2_1, x_2_low, w_1_low, keep_0_0.z, 8u);
            sum_2_2 = add_kept_dot(sum_2_2, x_2_low, w_2_low, keep_0_0.z, 16u);
            sum_2_3 = add_kept_dot(sum_2_3, x_2_low, w_3_low, keep_0_0.z, 24u);
            let x_3_low = workgroup_tile[shared_x + 48u];
            sum_3_0 = add_kept_dot(sum_3_0, x_3_low, w_0_low, keep_0_0.w, 0u);
            sum_3_1 = add_kept_dot(sum_3_1, x_3_low, w_1_low, keep_0_0.w, 8u);
            sum_3_2 = add_kept_dot(sum_3_2, x_3_low, w_2_low, keep_0_0.w, 16u);
            sum_3_3 = add_kept_dot(sum_3_3, x_3_low, w_3_low, keep_0_0.w, 24u);
            let w_0_high = workgroup_tile[shared_w + 65u];
            let w_1_high = workgroup_tile[shared_w + 81u];
            let w_2_high = workgroup_tile[shared_w + 97u];
            let w_3_high = workgroup_tile[shared_w + 113u];
            let x_0_high = workgroup_tile[shared_x + 65u];
            sum_0_0 = add_kept_dot(sum_0_0, x_0_high, w_0_high, keep_0_0.x, 4u);
            sum_0_1 = add_kept_dot(sum_0_1, x_0_high, w_1_high, keep_0_0.x, 12u);
            sum_0_2 = add_kept_dot(sum_0_2, x_0_high, w_2_high, keep_0_0.x, 20u);
            sum_0_3 = add_kept_dot(sum_0_3, x_0_high, w_3_high, keep_0_0.x, 28u);
            let x_1_high = workgroup_tile[shared_x + 81u];
            sum_1_0 = add_kept_dot(sum_1_0, x_1_high, w_0_high, keep_0_0.y, 4u);
            sum_1_1 = add_kept_dot(sum_1_1, x_1_high, w_1_high, keep_0_0.y, 12u);
            sum_1_2 = add_kept_dot(sum_1_2, x_1_high, w_2_high, keep_0_0.y, 20u);
            sum_1_3 = add_kept_dot(sum_1_3, x_1_high, w_3_high, keep_0_0.y, 28u);
            let x_2_high = workgroup_tile[shared_x + 97u];
            sum_2_0 = add_kept_dot(sum_2_0, x_2_high, w_0_high, keep_0_0.z, 4u);
            sum_2_1 = add_kept_dot(sum_2_1, x_2_high, w_1_high, keep_0_0.z, 12u);
            sum_2_2 = add_kept_dot(sum_2_2, x_2_high, w_2_high, keep_0_0.z, 20u);
            sum_2_3 = add_kept_dot(sum_2_3, x_2_high, w_3_high, keep_0_0.z, 28u);
            let x_3_high = workgroup_tile[shared_x + 113u];
            sum_3_0 = add_kept_dot(sum_3_0, x_3_high, w_0_high, keep_0_0.w, 4u);
            sum_3_1 = add_kept_dot(sum_3_1, x_3_high, w_1_high, keep_0_0.w, 12u);
            sum_3_2 = add_kept_dot(sum_3_2, x_3_high, w_2_high, keep_0_0.w, 20u);
            sum_3_3 = add_kept_dot(sum_3_3, x_3_high, w_3_high, keep_0_0.w, 28u);
        }
    }
    if !inside {
        return;
    }

    store_result_quad(n, o, params.scale * vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3));
    store_result_quad(n + 1, o, params.scale * vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3));
    store_result_quad(n + 2, o, params.scale * vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3));
    store_result_quad(n + 3, o, params.scale * vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3));
}
