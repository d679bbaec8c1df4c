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

@group(0) @binding(3) var<storage, read_write> result: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_result_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.outputs) {
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

// Four masked multiply-adds. Lane k counts where bit `bit + k` of `word` is set. `bit` is a literal at every call: once
// a driver has inlined the call, every test is of a constant bit.
//
// How the bit is applied is a choice per vendor, read off machine code (docs/performance.md). Here
// the sum is kept or replaced, which is a predicated multiply-add on NVIDIA.
// A dropped weight cannot matter, whatever it is.

// Four sums, each with the kept product of `a` and its lane of `b`.
fn add_kept_row(sum: vec4<f32>, a: f32, b: vec4<f32>, word: u32, bit: u32) -> vec4<f32> {
    var s = sum;
    s.x = select(s.x, fma(a, b.x, s.x), (word & (1u << bit)) != 0u);
    s.y = select(s.y, fma(a, b.y, s.y), (word & (1u << (bit + 1u))) != 0u);
    s.z = select(s.z, fma(a, b.z, s.z), (word & (1u << (bit + 2u))) != 0u);
    s.w = select(s.w, fma(a, b.w, s.w), (word & (1u << (bit + 3u))) != 0u);
    return s;
}

// dW = scale * (sum over n of M G X). Reference: src/reference/weight_gradient.rs.
//
//     BM = 64 outputs, BN = 64 inputs a workgroup of 8 x 16 threads
//     TM x TN = 4 x 8 sums a thread: 1 x 1 bricks
//     BK = 16 examples at a time, through workgroup memory
//     row strides there 16 and 24 quads, against bank conflicts
//
// The forward pass (forward.wgsl, and its departures), but the sums are over examples, four at a time.
// Bricks are those of the forward pass: same coordinates, same words.
// Operands are taken example by example, which holds few of them in registers.

// Parts of both operands, which a workgroup reads together.
var<workgroup> workgroup_tile: array<vec4<f32>, 640>;

@compute @workgroup_size(8, 16)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = workgroup.y * 16u + local.y;
    let tile_column = workgroup.x * 8u + local.x;
    let o = i32(tile_row * 4u) - params.output_shift;
    let i = i32(tile_column * 8u) - params.input_shift;
    let first_o = i32(workgroup.y * 64u) - params.output_shift;
    let first_i = i32(workgroup.x * 64u) - params.input_shift;
    let reader = local.y * 8u + local.x;
    // Barriers are for all threads: those outside come along, read what is nearest and store nothing.
    let inside = o < i32(params.outputs) && i < i32(params.inputs);
    let output_block = params.output_block + tile_row;
    let input_block = params.input_block + tile_column;

    var sum_0_0 = vec4(0.0);
    var sum_0_1 = vec4(0.0);
    var sum_1_0 = vec4(0.0);
    var sum_1_1 = vec4(0.0);
    var sum_2_0 = vec4(0.0);
    var sum_2_1 = vec4(0.0);
    var sum_3_0 = vec4(0.0);
    var sum_3_1 = vec4(0.0);

    let blocks = (params.examples + u32(params.example_shift) + 3u) / 4u;
    let unit_g_0 = reader % 16u;
    let line_g_0 = reader / 16u;
    let slot_g_0 = line_g_0 * 16u + unit_g_0;
    let column_g_0 = min(first_o + i32(unit_g_0 * 4u), i32(params.outputs) - 4);
    let unit_g_1 = (reader + 128u) % 16u;
    let line_g_1 = (reader + 128u) / 16u;
    let slot_g_1 = line_g_1 * 16u + unit_g_1;
    let column_g_1 = min(first_o + i32(unit_g_1 * 4u), i32(params.outputs) - 4);
    let unit_x_0 = reader % 16u;
    let line_x_0 = reader / 16u;
    let slot_x_0 = 256u + line_x_0 * 24u + unit_x_0 % 2u * 12u + unit_x_0 / 2u;
    let column_x_0 = min(first_i + i32(unit_x_0 * 4u), i32(params.inputs) - 4);
    let unit_x_1 = (reader + 128u) % 16u;
    let line_x_1 = (reader + 128u) / 16u;
    let slot_x_1 = 256u + line_x_1 * 24u + unit_x_1 % 2u * 12u + unit_x_1 / 2u;
    let column_x_1 = min(first_i + i32(unit_x_1 * 4u), i32(params.inputs) - 4);
    let k_g_0 = i32(line_g_0) - params.example_shift;
    let row_g_0 = clamp(k_g_0, 0, i32(params.examples) - 1);
    // What does not exist adds nothing, whatever the row read in its place holds.
    var from_g_0 = select(vec4(0.0), g_quad(u32(row_g_0), column_g_0), vec4(k_g_0 == row_g_0));
    let k_g_1 = i32(line_g_1) - params.example_shift;
    let row_g_1 = clamp(k_g_1, 0, i32(params.examples) - 1);
    // What does not exist adds nothing, whatever the row read in its place holds.
    var from_g_1 = select(vec4(0.0), g_quad(u32(row_g_1), column_g_1), vec4(k_g_1 == row_g_1));
    let k_x_0 = i32(line_x_0) - params.example_shift;
    let row_x_0 = clamp(k_x_0, 0, i32(params.examples) - 1);
    // What does not exist adds nothing, whatever the row read in its place holds.
    var from_x_0 = select(vec4(0.0), x_quad(u32(row_x_0), column_x_0), vec4(k_x_0 == row_x_0));
    let k_x_1 = i32(line_x_1) - params.example_shift;
    let row_x_1 = clamp(k_x_1, 0, i32(params.examples) - 1);
    // What does not exist adds nothing, whatever the row read in its place holds.
    var from_x_1 = select(vec4(0.0), x_quad(u32(row_x_1), column_x_1), vec4(k_x_1 == row_x_1));
    for (var first = 0u; first < blocks; first += 4u) {
        // Until all threads have done with the steps before.
        workgroupBarrier();
        workgroup_tile[slot_g_0] = from_g_0;
        workgroup_tile[slot_g_1] = from_g_1;
        workgroup_tile[slot_x_0] = from_x_0;
        workgroup_tile[slot_x_1] = from_x_1;
        workgroupBarrier();
        let next = first + 4u;
        if next < blocks {
            let k_g_0 = i32(next * 4u + line_g_0) - params.example_shift;
            let row_g_0 = clamp(k_g_0, 0, i32(params.examples) - 1);
            // What does not exist adds nothing, whatever the row read in its place holds.
            from_g_0 = select(vec4(0.0), g_quad(u32(row_g_0), column_g_0), vec4(k_g_0 == row_g_0));
            let k_g_1 = i32(next * 4u + line_g_1) - params.example_shift;
            let row_g_1 = clamp(k_g_1, 0, i32(params.examples) - 1);
            // What does not exist adds nothing, whatever the row read in its place holds.
            from_g_1 = select(vec4(0.0), g_quad(u32(row_g_1), column_g_1), vec4(k_g_1 == row_g_1));
            let k_x_0 = i32(next * 4u + line_x_0) - params.example_shift;
            let row_x_0 = clamp(k_x_0, 0, i32(params.examples) - 1);
            // What does not exist adds nothing, whatever the row read in its place holds.
            from_x_0 = select(vec4(0.0), x_quad(u32(row_x_0), column_x_0), vec4(k_x_0 == row_x_0));
            let k_x_1 = i32(next * 4u + line_x_1) - params.example_shift;
            let row_x_1 = clamp(k_x_1, 0, i32(params.examples) - 1);
            // What does not exist adds nothing, whatever the row read in its place holds.
            from_x_1 = select(vec4(0.0), x_quad(u32(row_x_1), column_x_1), vec4(k_x_1 == row_x_1));
        }
        let end = select(0u, min(next, blocks), inside);
        for (var block = first; block < end; block++) {
            let shared_g = (block - first) * 64u + local.y;
            let shared_x = 256u + (block - first) * 96u + local.x;
            let x_0_0 = workgroup_tile[shared_x];
            let x_0_1 = workgroup_tile[shared_x + 12u];
            let keep_0_0 = brick(vec3(input_block, output_block, params.example_block + block));
            let g_0_0 = workgroup_tile[shared_g];
            sum_0_0 = add_kept_row(sum_0_0, g_0_0.x, x_0_0, keep_0_0.x, 0u);
            sum_0_1 = add_kept_row(sum_0_1, g_0_0.x, x_0_1, keep_0_0.x, 4u);
            sum_1_0 = add_kept_row(sum_1_0, g_0_0.y, x_0_0, keep_0_0.x, 8u);
            sum_1_1 = add_kept_row(sum_1_1, g_0_0.y, x_0_1, keep_0_0.x, 12u);
            sum_2_0 = add_kept_row(sum_2_0, g_0_0.z, x_0_0, keep_0_0.x, 16u);
            sum_2_1 = add_kept_row(sum_2_1, g_0_0.z, x_0_1, keep_0_0.x, 20u);
            sum_3_0 = add_kept_row(sum_3_0, g_0_0.w, x_0_0, keep_0_0.x, 24u);
            sum_3_1 = add_kept_row(sum_3_1, g_0_0.w, x_0_1, keep_0_0.x, 28u);
            let x_1_0 = workgroup_tile[shared_x + 24u];
            let x_1_1 = workgroup_tile[shared_x + 36u];
            let g_1_0 = workgroup_tile[shared_g + 16u];
            sum_0_0 = add_kept_row(sum_0_0, g_1_0.x, x_1_0, keep_0_0.y, 0u);
            sum_0_1 = add_kept_row(sum_0_1, g_1_0.x, x_1_1, keep_0_0.y, 4u);
            sum_1_0 = add_kept_row(sum_1_0, g_1_0.y, x_1_0, keep_0_0.y, 8u);
            sum_1_1 = add_kept_row(sum_1_1, g_1_0.y, x_1_1, keep_0_0.y, 12u);
            sum_2_0 = add_kept_row(sum_2_0, g_1_0.z, x_1_0, keep_0_0.y, 16u);
            sum_2_1 = add_kept_row(sum_2_1, g_1_0.z, x_1_1, keep_0_0.y, 20u);
            sum_3_0 = add_kept_row(sum_3_0, g_1_0.w, x_1_0, keep_0_0.y, 24u);
            sum_3_1 = add_kept_row(sum_3_1, g_1_0.w, x_1_1, keep_0_0.y, 28u);
            let x_2_0 = workgroup_tile[shared_x + 48u];
            let x_2_1 = workgroup_tile[shared_x + 60u];
            let g_2_0 = workgroup_tile[shared_g + 32u];
            sum_0_0 = add_kept_row(sum_0_0, g_2_0.x, x_2_0, keep_0_0.z, 0u);
            sum_0_1 = add_kept_row(sum_0_1, g_2_0.x, x_2_1, keep_0_0.z, 4u);
            sum_1_0 = add_kept_row(sum_1_0, g_2_0.y, x_2_0, keep_0_0.z, 8u);
            sum_1_1 = add_kept_row(sum_1_1, g_2_0.y, x_2_1, keep_0_0.z, 12u);
            sum_2_0 = add_kept_row(sum_2_0, g_2_0.z, x_2_0, keep_0_0.z, 16u);
            sum_2_1 = add_kept_row(sum_2_1, g_2_0.z, x_2_1, keep_0_0.z, 20u);
            sum_3_0 = add_kept_row(sum_3_0, g_2_0.w, x_2_0, keep_0_0.z, 24u);
            sum_3_1 = add_kept_row(sum_3_1, g_2_0.w, x_2_1, keep_0_0.z, 28u);
            let x_3_0 = workgroup_tile[shared_x + 72u];
            let x_3_1 = workgroup_tile[shared_x + 84u];
            let g_3_0 = workgroup_tile[shared_g + 48u];
            sum_0_0 = add_kept_row(sum_0_0, g_3_0.x, x_3_0, keep_0_0.w, 0u);
            sum_0_1 = add_kept_row(sum_0_1, g_3_0.x, x_3_1, keep_0_0.w, 4u);
            sum_1_0 = add_kept_row(sum_1_0, g_3_0.y, x_3_0, keep_0_0.w, 8u);
            sum_1_1 = add_kept_row(sum_1_1, g_3_0.y, x_3_1, keep_0_0.w, 12u);
            sum_2_0 = add_kept_row(sum_2_0, g_3_0.z, x_3_0, keep_0_0.w, 16u);
            sum_2_1 = add_kept_row(sum_2_1, g_3_0.z, x_3_1, keep_0_0.w, 20u);
            sum_3_0 = add_kept_row(sum_3_0, g_3_0.w, x_3_0, keep_0_0.w, 24u);
            sum_3_1 = add_kept_row(sum_3_1, g_3_0.w, x_3_1, keep_0_0.w, 28u);
        }
    }
    if !inside {
        return;
    }

    store_result_quad(o, i, params.scale * sum_0_0);
    store_result_quad(o, i + 4, params.scale * sum_0_1);
    store_result_quad(o + 1, i, params.scale * sum_1_0);
    store_result_quad(o + 1, i + 4, params.scale * sum_1_1);
    store_result_quad(o + 2, i, params.scale * sum_2_0);
    store_result_quad(o + 2, i + 4, params.scale * sum_2_1);
    store_result_quad(o + 3, i, params.scale * sum_3_0);
    store_result_quad(o + 3, i + 4, params.scale * sum_3_1);
}
