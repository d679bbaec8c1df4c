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

// Tensors in storage buffers: f32, or f16 and bf16 packed two to a word. Twin: src/element.rs.
//
// Everything works on quads, four consecutive elements of a row. Where all rows start on a quad
// (`vector`), a quad is one load. Elsewhere each element is loaded by itself, and one outside its row
// reads as 0 on both sides of a product, so that it adds exactly 0 to any sum.
//
// Of operands and results, one may be f32 where the other is not.

@group(0) @binding(1) var<storage, read> u_mean: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn u_mean_quad(row: u32, column: i32) -> vec4<f32> {
    return u_mean[(params.base[0].x + row * params.output_stride + u32(column)) / 4u];
}

@group(0) @binding(2) var<storage, read> u_variance: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn u_variance_quad(row: u32, column: i32) -> vec4<f32> {
    return u_variance[(params.base[0].y + row * params.output_stride + u32(column)) / 4u];
}

@group(0) @binding(3) var<storage, read_write> mean: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_mean_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].z + u32(row) * params.output_stride + u32(column);
    if column < i32(params.outputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += mean[index / 4u];
        }
        mean[index / 4u] = sum;
    }
}

// What the result, which is f32, holds there.
fn mean_quad(row: u32, column: i32) -> vec4<f32> {
    let index = params.base[0].z + row * params.output_stride;
    return mean[(index + u32(column)) / 4u];
}

@group(0) @binding(4) var<storage, read_write> variance: array<vec4<f32>>;

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_variance_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(params.examples) {
        return;
    }
    let index = params.base[0].w + u32(row) * params.output_stride + u32(column);
    if column < i32(params.outputs) {
        var sum = values;
        if params.accumulate == 1u {
            sum += variance[index / 4u];
        }
        variance[index / 4u] = sum;
    }
}

// What the result, which is f32, holds there.
fn variance_quad(row: u32, column: i32) -> vec4<f32> {
    let index = params.base[0].w + row * params.output_stride;
    return variance[(index + u32(column)) / 4u];
}

// Functions whose precision WGSL leaves to the driver, good to a few units in the last place on all of them, and
// what must not depend on how a driver sees NaN. Oracle: src/reference/activation.rs, which has float64's own.
//
// NaN and infinity are found by their bits, and NaN is made of bits: WGSL lets a compiler work out float arithmetic and
// comparisons as if neither existed, and Metal's fast math does. The approximations are those of Moshier's Cephes
// library, in single precision.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// NaN where `bad`, else `x`.
fn nan_where(bad: bool, x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) | select(0u, 0x7fc00000u, bad));
}

// 0 where `zero`, else `x`.
fn zero_where(zero: bool, x: f32) -> f32 {
    return bitcast<f32>(select(bitcast<u32>(x), 0u, zero));
}

// n times the first part of ln 2, 355/512, of so few digits that this is exact. The second part is -2.12194440e-4. In
// integers, since Mesa would add up the two parts of `n * a + n * b` first, and is allowed to.
fn times_ln2(n: i32) -> f32 {
    return f32(n * 355) * 0.001953125;
}

// exp(x) for x <= 0. NaN gives anything.
fn exponential(x: f32) -> f32 {
    // exp(-104) is 0 in f32.
    let argument = max(x, -104.0);
    let n = i32(round(argument * 1.44269504));
    let r = fma(f32(n), 2.12194440e-4, argument - times_ln2(n));
    var p = fma(r, 1.9875691500e-4, 1.3981999507e-3);
    p = fma(p, r, 8.3334519073e-3);
    p = fma(p, r, 4.1665795894e-2);
    p = fma(p, r, 1.6666665459e-1);
    p = fma(p, r, 5.0000001201e-1);
    // 2^n in two factors, of which neither leaves the normal numbers.
    let half = n / 2;
    let first = bitcast<f32>((half + 127) << 23u);
    let second = bitcast<f32>((n - half + 127) << 23u);
    return (fma(p, r * r, r) + 1.0) * first * second;
}

// ln x for x that is normal, finite and above 0. Others give anything.
fn logarithm(x: f32) -> f32 {
    // x = m * 2^n with m from sqrt(1/2) on.
    let n = (bitcast<i32>(x) - 0x3f3504f3) >> 23u;
    let t = bitcast<f32>(bitcast<i32>(x) - (n << 23u)) - 1.0;
    var p = fma(t, 7.0376836292e-2, -1.1514610310e-1);
    p = fma(p, t, 1.1676998740e-1);
    p = fma(p, t, -1.2420140846e-1);
    p = fma(p, t, 1.4249322787e-1);
    p = fma(p, t, -1.6668057665e-1);
    p = fma(p, t, 2.0000714765e-1);
    p = fma(p, t, -2.4999993993e-1);
    p = fma(p, t, 3.3333331174e-1);
    let square = t * t;
    let tail = fma(f32(n), -2.12194440e-4, p * t * square);
    return times_ln2(n) + (t + fma(square, -0.5, tail));
}

// 1 / (1 + exp(-u)), relatively precise in its lower tail.
fn sigmoid(u: f32) -> f32 {
    let tail = exponential(-abs(u));
    return select(1.0, tail, u < 0.0) / (1.0 + tail);
}

// Cosine and sine of so many turns, 0 <= turns < 1.
fn circle(turns: f32) -> vec2<f32> {
    let quarter = round(4.0 * turns);
    // Exact: at most an eighth of a turn either way.
    let angle = 6.28318530718 * fma(quarter, -0.25, turns);
    let square = angle * angle;
    var p = fma(square, -1.9515295891e-4, 8.3321608736e-3);
    p = fma(p, square, -1.6666654611e-1);
    let sine = fma(p * square, angle, angle);
    var q = fma(square, 2.443315711809948e-5, -1.388731625493765e-3);
    q = fma(q, square, 4.166664568298827e-2);
    let cosine = fma(q, square * square, fma(square, -0.5, 1.0));
    let k = u32(quarter);
    let swapped = select(vec2(cosine, sine), vec2(sine, cosine), (k & 1u) == 1u);
    // Cosine is below 0 in the second and third quarter, sine in the third and fourth.
    let signs = vec2((k + 1u) & 2u, k & 2u) << vec2(30u);
    return bitcast<vec2<f32>>(bitcast<vec2<u32>>(swapped) ^ signs);
}

// Mean and variance of f(u) for u normal with a given mean and variance, element by element, all in f32.
// Oracle: src/reference/activation.rs, which says what becomes of values that are not finite.

fn activate(u: f32) -> f32 {
    return sigmoid(u);
}

// Two normal numbers by Box and Muller's transform; the logarithm's argument is in (0, 1].
fn normals(a: u32, b: u32) -> vec2<f32> {
    let radius = sqrt(-2.0 * logarithm(f32((a >> 8u) + 1u) * 5.9604644775390625e-8));
    return radius * circle(f32(b >> 8u) * 5.9604644775390625e-8);
}

// The average over `params.passes` samples of the element at `place`, its global example and output, after
// `params.first_pass` of which `before` is the result.
fn moments_of(mean: f32, variance: f32, before: vec2<f32>, place: vec2<u32>) -> vec2<f32> {
    // f does not fall, so that this is the median of f(u). The mean is within a deviation of it, and the
    // difference of squares below keeps its digits.
    let middle = activate(mean);
    let deviation = sqrt(variance);
    // Squares of what is very large or small leave f32: such differences are taken in other units.
    var unit = 1.0;
    var units = 1.0;
    if deviation > 4294967296.0 {
        unit = 2.3283064365386963e-10;
        units = 4294967296.0;
    } else if deviation < 2.3283064365386963e-10 {
        unit = 4294967296.0;
        units = 2.3283064365386963e-10;
    }
    var sum = 0.0;
    var squares = 0.0;
    let calls = (params.passes + 3u) / 4u;
    for (var call = 0u; call < calls; call++) {
        let words = philox(vec4(place.y, place.x, params.first_pass / 4u + call, 0u));
        let normal = vec4(normals(words.x, words.y), normals(words.z, words.w));
        let value_0 = unit * (activate(fma(deviation, normal[0], mean)) - middle);
        let difference_0 = select(0.0, value_0, call * 4u < params.passes);
        sum += difference_0;
        squares = fma(difference_0, difference_0, squares);
        let value_1 = unit * (activate(fma(deviation, normal[1], mean)) - middle);
        let difference_1 = select(0.0, value_1, call * 4u + 1u < params.passes);
        sum += difference_1;
        squares = fma(difference_1, difference_1, squares);
        let value_2 = unit * (activate(fma(deviation, normal[2], mean)) - middle);
        let difference_2 = select(0.0, value_2, call * 4u + 2u < params.passes);
        sum += difference_2;
        squares = fma(difference_2, difference_2, squares);
        let value_3 = unit * (activate(fma(deviation, normal[3], mean)) - middle);
        let difference_3 = select(0.0, value_3, call * 4u + 3u < params.passes);
        sum += difference_3;
        squares = fma(difference_3, difference_3, squares);
    }
    let count = f32(params.passes);
    let average = sum / count;
    // A single sample has none, whatever is rounded how.
    let spread = select(max(squares / count - average * average, 0.0), 0.0, params.passes == 1u);
    var now = vec2(fma(average, units, middle), spread * units * units);
    if params.first_pass > 0u {
        // Two sets of samples become one (Chan, Golub and LeVeque).
        let share = count / (f32(params.first_pass) + count);
        let moved = now.x - before.x;
        now = vec2(
            fma(moved, share, before.x),
            before.y + share * (now.y - before.y) + (moved * share) * (moved * (1.0 - share)),
        );
    }
    if !is_finite(mean) || deviation == 0.0 {
        // All samples are the same. Where they are infinite they have no variance.
        now = vec2(middle, nan_where(!is_finite(middle), zero_where(is_finite(middle), middle)));
    }
    let bad = is_nan(mean) || is_negative_or_nan(variance) || !is_finite(variance);
    return vec2(nan_where(bad, now.x), nan_where(bad, now.y));
}

fn is_negative_or_nan(x: f32) -> bool {
    // Past the bits of infinity lie NaN and all that have a sign. -0 is 0.
    let bits = bitcast<u32>(x);
    return bits > 0x7f800000u && bits != 0x80000000u;
}

@compute @workgroup_size(64, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = i32(group.y);
    let o = i32((group.x * 64u + local.x) * 4u);
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    let means = u_mean_quad(u32(n), o);
    let variances = u_variance_quad(u32(n), o);
    var mean: vec4<f32>;
    var variance: vec4<f32>;
    // What they hold before the first samples is not looked at.
    let mean_before = mean_quad(u32(n), o);
    let variance_before = variance_quad(u32(n), o);
    // A loop, which compiles in a quarter of the time.
    for (var k = 0u; k < 4u; k++) {
        let before = vec2(mean_before[k], variance_before[k]);
        let place = vec2(params.example_block + u32(n), params.output_block + u32(o) + k);
        let moments = moments_of(means[k], variances[k], before, place);
        mean[k] = moments.x;
        variance[k] = moments.y;
    }
    store_mean_quad(n, o, mean);
    store_variance_quad(n, o, variance);
}
