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

// The input block whose lane 0 decides masked biases: past every real input.
const BIAS_INPUT_BLOCK = 4294967295u;

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

fn brick(block: vec3<u32>) -> vec4<u32> {
    var state = start(block);
    var drop = first_planes(state);
    var key = params.round_keys[5].xy;
    for (var bit = 8u; bit < 16u; bit++) {
        state = next_plane(state, key);
        drop = rung(drop, state, zero_at(bit));
        key += vec2(3668340011u, 842468239u);
    }
    return others(drop);
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

@group(0) @binding(2) var<storage, read_write> result: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_result_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(1) {
        return;
    }
    let index = params.base[0].y + u32(row) * params.output_stride + u32(column);
    if column < i32(params.outputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += result[index / 4u];
        }
        result[index / 4u] = sum;
    }
}

// db = sum over n of G, or scale * (sum over n of Mb G) where the bias is masked.
// Oracle: src/reference/bias_gradient.rs.
//
// A row of 16 threads owns 64 outputs; the 16 rows of the workgroup
// share the examples and add up their parts in a fixed order, so that a result is the same run after run.

var<workgroup> parts: array<vec4<f32>, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_column = group.x * 16u + local.x;
    let o = i32(tile_column * 4u) - params.output_shift;
    var sum = vec4(0.0);
    if o < i32(params.outputs) {
        let blocks = (params.examples + u32(params.example_shift) + 3u) / 4u;
        for (var block = local.y; block < blocks; block += 16u) {
            let n = i32(block * 4u) - params.example_shift;
            // The brick of the virtual inputs that decide masked biases: their lane 0.
            let keep = brick(vec3(BIAS_INPUT_BLOCK, params.output_block + tile_column, params.example_block + block));
            let row_0 = u32(clamp(n, 0, i32(params.examples) - 1));
            let g_0 = select(vec4(0.0), g_quad(row_0, o), vec4(n == i32(row_0)));
            let kept_0 = (vec4(keep.x) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u);
            sum += select(vec4(0.0), g_0, kept_0);
            let row_1 = u32(clamp(n + 1, 0, i32(params.examples) - 1));
            let g_1 = select(vec4(0.0), g_quad(row_1, o), vec4(n + 1 == i32(row_1)));
            let kept_1 = (vec4(keep.y) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u);
            sum += select(vec4(0.0), g_1, kept_1);
            let row_2 = u32(clamp(n + 2, 0, i32(params.examples) - 1));
            let g_2 = select(vec4(0.0), g_quad(row_2, o), vec4(n + 2 == i32(row_2)));
            let kept_2 = (vec4(keep.z) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u);
            sum += select(vec4(0.0), g_2, kept_2);
            let row_3 = u32(clamp(n + 3, 0, i32(params.examples) - 1));
            let g_3 = select(vec4(0.0), g_quad(row_3, o), vec4(n + 3 == i32(row_3)));
            let kept_3 = (vec4(keep.w) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u);
            sum += select(vec4(0.0), g_3, kept_3);
        }
    }
    parts[local.y * 16u + local.x] = sum;
    workgroupBarrier();
    if local.y == 0u {
        for (var y = 1u; y < 16u; y++) {
            sum += parts[y * 16u + local.x];
        }
        store_result_quad(0, o, params.scale * sum);
    }
}
