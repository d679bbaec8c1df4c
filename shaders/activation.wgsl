// Mean and variance of f(u) for u normal with a given mean and variance, element by element, all in f32.
// Reference: src/reference/activation.rs, which says what becomes of values that are not finite.
//% from "tile" import begin_quad
//% if closed

// Density phi(t) and upper tail P(z > t) of the standard normal distribution for t >= 0, by the Chebyshev fit
// of src/cpu/normal.rs, which names its method.
fn density_and_tail(t: f32) -> vec2<f32> {
    let density = 0.39894228 * exponential(-0.5 * t * t);
    let s = (t - 3.0) / (t + 3.0);
    var mills = ${mills[10]};
//% for k in range(9, -1, -1)
    mills = fma(mills, s, ${mills[k]});
//% endfor
    return vec2(density, density * mills / (t + 1.0));
}

// E and Var of f(u). For max(u, 0) in units of the deviation, at t = |mean| / deviation, h and k are the
// first two moments of what passes 0 from the far side; src/reference/activation.rs says why this form.
fn moments_of(mean: f32, variance: f32) -> vec2<f32> {
//% if activation == "identity"
    return vec2(mean, variance);
//% else
    let deviation = sqrt(variance);
    // Past 15 deviations nothing is left of the tail, and its parts underflow. So far is all from a deviation of 0.
    let t = select(abs(mean) / deviation, 15.0, abs(mean) >= 15.0 * deviation);
    let both = density_and_tail(t);
    let density = both.x;
    let tail = both.y;
    let h = max(fma(-t, tail, density), 0.0);
    let k = max(fma(1.0 + t * t, tail, -t * density), 0.0);
    let below = vec2(deviation * h, variance * max(fma(-h, h, k), 0.0));
    let above = vec2(fma(deviation, h, mean), variance * (1.0 - 2.0 * tail + k - h * h));
    let moments = select(above, below, mean < 0.0);
    let infinite = !is_finite(mean) && !is_finite(variance);
    let bad = is_nan(mean) || is_negative_or_nan(variance) || infinite;
    return vec2(nan_where(bad, moments.x), nan_where(bad, moments.y));
//% endif
}
//% else

fn activate(u: f32) -> f32 {
//% if activation == "relu"
    return rectified(u);
//% elif activation == "sigmoid"
    return sigmoid(u);
//% elif activation == "tanh"
    return hyperbolic_tangent(u);
//% else
    return u;
//% endif
}

// Two normal numbers by Box and Muller's transform; the logarithm's argument is in (0, 1].
fn normals(a: u32, b: u32) -> vec2<f32> {
    let radius = sqrt(-2.0 * logarithm(f32((a >> 8u) + 1u) * 5.9604644775390625e-8));
    return radius * circle(f32(b >> 8u) * 5.9604644775390625e-8);
}

// The average over `params.samples` samples of the element at `coordinates`, its global example and output, after
// `params.first_sample` of which `before` is the result.
fn moments_of(mean: f32, variance: f32, before: vec2<f32>, coordinates: vec2<u32>) -> vec2<f32> {
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
    let calls = (params.samples + 3u) / 4u;
    for (var call = 0u; call < calls; call++) {
        let words = philox(vec4(coordinates.y, coordinates.x, params.first_sample / 4u + call, 0u));
        let normal = vec4(normals(words.x, words.y), normals(words.z, words.w));
//% for k in range(4)
        let value_${k} = unit * (activate(fma(deviation, normal[${k}], mean)) - middle);
        let difference_${k} = select(0.0, value_${k}, call * 4u + ${k}u < params.samples);
        sum += difference_${k};
        squares = fma(difference_${k}, difference_${k}, squares);
//% endfor
    }
    let count = f32(params.samples);
    let average = sum / count;
    // A single sample has none, whatever is rounded how.
    let spread = select(max(squares / count - average * average, 0.0), 0.0, params.samples == 1u);
    var now = vec2(fma(average, units, middle), spread * units * units);
    if params.first_sample > 0u {
        // Two sets of samples become one (Chan, Golub and LeVeque).
        let share = count / (f32(params.first_sample) + count);
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
//% endif

fn is_negative_or_nan(x: f32) -> bool {
    // Past the bits of infinity lie NaN and all that have a sign. -0 is 0.
    let bits = bitcast<u32>(x);
    return bits > 0x7f800000u && bits != 0x80000000u;
}

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_quad()-}
    let means = u_mean_quad(u32(n), o);
    let variances = u_variance_quad(u32(n), o);
    var mean: vec4<f32>;
    var variance: vec4<f32>;
//% if not closed
    // What they hold before the first samples is not looked at.
    let mean_before = mean_quad(u32(n), o);
    let variance_before = variance_quad(u32(n), o);
//% endif
    // A loop, which compiles in a quarter of the time.
    for (var k = 0u; k < 4u; k++) {
//% if closed
        let moments = moments_of(means[k], variances[k]);
//% else
        let before = vec2(mean_before[k], variance_before[k]);
        let coordinates = vec2(params.example_block + u32(n), params.output_block + u32(o) + k);
        let moments = moments_of(means[k], variances[k], before, coordinates);
//% endif
        mean[k] = moments.x;
        variance[k] = moments.y;
    }
    store_mean_quad(n, o, mean);
    store_variance_quad(n, o, variance);
}
