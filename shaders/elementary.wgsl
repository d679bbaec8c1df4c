// Functions whose precision WGSL leaves to the driver, good to a few units in the last place on all of them, and
// what must not depend on how a driver sees NaN. Reference: src/reference/activation.rs, which has float64's own.
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

// max(x, 0) that keeps NaN: `max` may make it 0.
fn rectified(x: f32) -> f32 {
    return zero_where(bitcast<u32>(x) >= 0x80000000u && !is_nan(x), x);
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

// tanh u, relatively precise near 0.
fn hyperbolic_tangent(u: f32) -> f32 {
    let size = abs(u);
    let tail = exponential(-2.0 * size);
    let square = min(size, 1.0) * min(size, 1.0);
    var p = fma(square, -5.70498872745e-3, 2.06390887954e-2);
    p = fma(p, square, -5.37397155531e-2);
    p = fma(p, square, 1.33314422036e-1);
    p = fma(p, square, -3.33332819422e-1);
    let near = fma(p * square, size, size);
    let value = select((1.0 - tail) / (1.0 + tail), near, size < 0.625);
    return bitcast<f32>(bitcast<u32>(value) | (bitcast<u32>(u) & 0x80000000u));
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
