// Y = scale * (sum over i of M W X) for p of up to 8 bits, as plainly as it can be said: a thread computes one output
// and runs the generator anew for each bit of the mask (docs/mask-format.md). shaders/forward.wgsl is what the library
// runs.
struct Call { batch: u32, outputs: u32, inputs: u32, scale: f32, threshold: u32, bits: u32, key: vec2<u32> }
@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Of the 64 bits of a product the upper half; `a * b` is the lower one.
fn high(a: u32, b: u32) -> u32 {
    let mid = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
    return (a >> 16u) * (b >> 16u) + (mid >> 16u) + (((a & 0xffffu) * (b >> 16u) + (mid & 0xffffu)) >> 16u);
}

// The tenth round of Philox4x32, and every third after it, gives a bit of a random integer u, the least significant one
// first. A connection is kept where u is below the threshold.
fn keep(n: u32, o: u32, i: u32) -> bool {
    var s = vec4(i / 8u, o / 4u, n / 4u, 0u);
    var u = 0u;
    for (var round = 1u; round <= 7u + 3u * call.bits; round++) {
        let key = call.key + (round - 1u) * vec2(0x9e3779b9u, 0xbb67ae85u);
        let a = vec2(0xd2511f53u * s.x, high(0xd2511f53u, s.x));
        let b = vec2(0xcd9e8d57u * s.z, high(0xcd9e8d57u, s.z));
        s = vec4(b.y ^ s.y ^ key.x, b.x, a.y ^ s.w ^ key.y, a.x);
        if round >= 10u && round % 3u == 1u {
            u |= ((s[n % 4u] >> (o % 4u * 8u + i % 8u)) & 1u) << ((round - 10u) / 3u);
        }
    }
    return u < call.threshold;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = id.x / call.outputs;
    let o = id.x % call.outputs;
    if n >= call.batch {
        return;
    }
    var sum = 0.0;
    for (var i = 0u; i < call.inputs; i++) {
        if keep(n, o, i) {
            sum += w[o * call.inputs + i] * x[n * call.inputs + i];
        }
    }
    y[id.x] = call.scale * sum;
}
