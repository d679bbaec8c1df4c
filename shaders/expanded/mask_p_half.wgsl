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

// The mask itself, one byte of 0 or 1 a connection: [batch, outputs, inputs], or [batch, outputs] for
// the bias. Reference: src/reference/mask.rs. No pass of the layer uses this; it is for looking and checking.
//
// A thread owns one brick; 64 threads a workgroup.

@group(0) @binding(1) var<storage, read_write> result: array<vec2<u32>>;

// Four bits, each to a byte of its own.
fn spread(bits: u32) -> u32 {
    return ((bits & 15u) * 0x00204081u) & 0x01010101u;
}

@compute @workgroup_size(64, 1)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let blocks = (params.inputs + u32(params.input_shift) + 7u) / 8u;
    let input_block = workgroup.x * 64u + local.x;
    let tile_row = workgroup.y;
    // Blocks of outputs are in the third dimension of the grid.
    let n = i32(tile_row * 4u) - params.example_shift;
    let o = i32(workgroup.z * 4u) - params.output_shift;
    let i = i32(input_block * 8u) - params.input_shift;
    if input_block >= blocks || n >= i32(params.examples) {
        return;
    }
    let block = vec3(
        params.input_block + input_block,
        params.output_block + workgroup.z,
        params.example_block + tile_row,
    );
    let keep = brick(block);
    if n >= 0 && n < i32(params.examples) && o >= 0 && o < i32(params.outputs) {
        let row = u32(n) * params.output_stride + u32(o);
        let bits = keep.x;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n >= 0 && n < i32(params.examples) && o + 1 >= 0 && o + 1 < i32(params.outputs) {
        let row = u32(n) * params.output_stride + u32(o + 1);
        let bits = keep.x >> 8u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n >= 0 && n < i32(params.examples) && o + 2 >= 0 && o + 2 < i32(params.outputs) {
        let row = u32(n) * params.output_stride + u32(o + 2);
        let bits = keep.x >> 16u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n >= 0 && n < i32(params.examples) && o + 3 >= 0 && o + 3 < i32(params.outputs) {
        let row = u32(n) * params.output_stride + u32(o + 3);
        let bits = keep.x >> 24u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 1 >= 0 && n + 1 < i32(params.examples) && o >= 0 && o < i32(params.outputs) {
        let row = u32(n + 1) * params.output_stride + u32(o);
        let bits = keep.y;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 1 >= 0 && n + 1 < i32(params.examples) && o + 1 >= 0 && o + 1 < i32(params.outputs) {
        let row = u32(n + 1) * params.output_stride + u32(o + 1);
        let bits = keep.y >> 8u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 1 >= 0 && n + 1 < i32(params.examples) && o + 2 >= 0 && o + 2 < i32(params.outputs) {
        let row = u32(n + 1) * params.output_stride + u32(o + 2);
        let bits = keep.y >> 16u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 1 >= 0 && n + 1 < i32(params.examples) && o + 3 >= 0 && o + 3 < i32(params.outputs) {
        let row = u32(n + 1) * params.output_stride + u32(o + 3);
        let bits = keep.y >> 24u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 2 >= 0 && n + 2 < i32(params.examples) && o >= 0 && o < i32(params.outputs) {
        let row = u32(n + 2) * params.output_stride + u32(o);
        let bits = keep.z;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 2 >= 0 && n + 2 < i32(params.examples) && o + 1 >= 0 && o + 1 < i32(params.outputs) {
        let row = u32(n + 2) * params.output_stride + u32(o + 1);
        let bits = keep.z >> 8u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 2 >= 0 && n + 2 < i32(params.examples) && o + 2 >= 0 && o + 2 < i32(params.outputs) {
        let row = u32(n + 2) * params.output_stride + u32(o + 2);
        let bits = keep.z >> 16u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 2 >= 0 && n + 2 < i32(params.examples) && o + 3 >= 0 && o + 3 < i32(params.outputs) {
        let row = u32(n + 2) * params.output_stride + u32(o + 3);
        let bits = keep.z >> 24u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 3 >= 0 && n + 3 < i32(params.examples) && o >= 0 && o < i32(params.outputs) {
        let row = u32(n + 3) * params.output_stride + u32(o);
        let bits = keep.w;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 3 >= 0 && n + 3 < i32(params.examples) && o + 1 >= 0 && o + 1 < i32(params.outputs) {
        let row = u32(n + 3) * params.output_stride + u32(o + 1);
        let bits = keep.w >> 8u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 3 >= 0 && n + 3 < i32(params.examples) && o + 2 >= 0 && o + 2 < i32(params.outputs) {
        let row = u32(n + 3) * params.output_stride + u32(o + 2);
        let bits = keep.w >> 16u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
    if n + 3 >= 0 && n + 3 < i32(params.examples) && o + 3 >= 0 && o + 3 < i32(params.outputs) {
        let row = u32(n + 3) * params.output_stride + u32(o + 3);
        let bits = keep.w >> 24u;
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
    }
}
