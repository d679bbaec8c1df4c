// Mean and variance of f(u) for u normal with a given mean and variance, element by element.
// Twin: src/reference/activation.rs.
//% if closed

// Density phi(t) and upper tail P(z > t) of the standard normal distribution for t >= 0, by the Chebyshev fit
// of src/cpu/normal.rs, which names its method.
fn density_and_tail(t: f32) -> vec2<f32> {
    let density = 0.39894228 * exp(-0.5 * t * t);
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
    let deviation = sqrt(max(variance, 0.0));
    if deviation == 0.0 {
        return vec2(max(mean, 0.0), 0.0);
    }
    // Past 15 deviations nothing is left of the tail, and its parts underflow.
    let t = min(abs(mean / deviation), 15.0);
    let density = density_and_tail(t).x;
    let tail = density_and_tail(t).y;
    let h = max(fma(-t, tail, density), 0.0);
    let k = max(fma(1.0 + t * t, tail, -t * density), 0.0);
    if mean < 0.0 {
        return vec2(deviation * h, variance * max(fma(-h, h, k), 0.0));
    }
    return vec2(fma(deviation, h, mean), variance * (1.0 - 2.0 * tail + k - h * h));
//% endif
}
//% else

fn activate(u: f32) -> f32 {
//% if activation == "relu"
    return max(u, 0.0);
//% elif activation == "sigmoid"
    return 1.0 / (1.0 + exp(-u));
//% elif activation == "tanh"
    // exp overflows to infinity for large u, where the quotient is then 0.
    return 1.0 - 2.0 / (exp(2.0 * u) + 1.0);
//% else
    return u;
//% endif
}

// Two normal numbers by Box and Muller's transform; the logarithm's argument is in (0, 1].
fn normals(a: u32, b: u32) -> vec2<f32> {
    let radius = sqrt(-2.0 * log(f32((a >> 8u) + 1u) * 5.9604644775390625e-8));
    let angle = 6.28318530718 * (f32(b >> 8u) * 5.9604644775390625e-8);
    return radius * vec2(cos(angle), sin(angle));
}

// The average over `params.passes` samples, by Welford's update.
fn moments_of(mean: f32, variance: f32, n: u32, o: u32) -> vec2<f32> {
    let deviation = sqrt(max(variance, 0.0));
    var average = 0.0;
    var squares = 0.0;
    let calls = (params.passes + 3u) / 4u;
    for (var call = 0u; call < calls; call++) {
        let words = philox(vec4(o, n, call, 0u));
        let normal = vec4(normals(words.x, words.y), normals(words.z, words.w));
//% for k in range(4)
        if call * 4u + ${k}u < params.passes {
            let value = activate(fma(deviation, normal[${k}], mean));
            let delta = value - average;
            average += delta / f32(call * 4u + ${k + 1}u);
            squares = fma(delta, value - average, squares);
        }
//% endfor
    }
    return vec2(average, squares / f32(params.passes));
}
//% endif

@compute @workgroup_size(${workgroup_x}, ${workgroup_y})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = i32(group.y * ${workgroup_y}u + ${local_y});
    let o = i32((group.x * ${workgroup_x}u + local.x) * 4u);
    if n >= i32(params.samples) || o >= i32(params.outputs) {
        return;
    }
    let means = u_mean_quad(u32(n), o);
    let variances = u_variance_quad(u32(n), o);
    var mean: vec4<f32>;
    var variance: vec4<f32>;
//% for k in range(4)
    {
//% if closed
        let moments = moments_of(means[${k}], variances[${k}]);
//% else
        let moments = moments_of(means[${k}], variances[${k}], params.sample_block + u32(n), params.output_block + u32(o + ${k}));
//% endif
        mean[${k}] = moments.x;
        variance[${k}] = moments.y;
    }
//% endfor
    store_mean_quad(n, o, mean);
    store_variance_quad(n, o, variance);
}
