//! The elementary functions.

use minijinja::context;

use super::adapter::adapter;
use super::compute;
use crate::gpu::Gpu;
use crate::gpu::shader::params::Params;

/// What one of the functions of `elementary.wgsl` makes of these numbers; `call` is one of `X`.
fn elementary(gpu: &Gpu, call: &str, x: &[f32]) -> Vec<f32> {
    let mut words: Vec<u32> = x.iter().map(|x| x.to_bits()).collect();
    words.resize(words.len().next_multiple_of(4), 0);
    let lane =
        |lane| format!("bitcast<u32>({})", call.replace('X', &format!("bitcast<f32>(input[index].{lane})")));
    let body = format!("output[index] = vec4({});", ["x", "y", "z", "w"].map(lane).join(", "));
    let parts = ["params", "elementary"];
    let got = compute(gpu, &parts, &context! {}, &body, &Params::default(), words.as_chunks::<4>().0);
    got.as_flattened()[..x.len()].iter().map(|&bits| f32::from_bits(bits)).collect()
}

/// The largest error in units of the last place, and where it is. What is below the normal numbers may be flushed to 0.
fn worst_error(x: &[f32], got: &[f32], exact: fn(f64) -> f64) -> (f64, f32) {
    let error = |(&x, &got): (&f32, &f32)| {
        let want = exact(x.into());
        let least = f64::from(f32::MIN_POSITIVE);
        let unit = 2f64.powi(want.abs().max(least).log2().floor() as i32 - 23);
        let error = (f64::from(got) - want).abs() / unit;
        (if want.abs() < least && got.abs() <= f32::MIN_POSITIVE { 0.0 } else { error }, x)
    };
    x.iter().zip(got).map(error).fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
}

/// `steps` numbers in equal ratios.
fn ratios(from: f64, to: f64, steps: u32) -> impl Iterator<Item = f32> {
    let step = (to / from).powf(1.0 / f64::from(steps));
    (0..=steps).map(move |k| (from * step.powi(k as i32)) as f32)
}

/// WGSL lets a driver's tanh be off by 1e-5, which near 0 is everything, its exponential by 2 |x| units, its sine by
/// 2^-11. Ours are the same everywhere.
#[test]
fn elementary_functions_are_good_to_a_few_units_in_the_last_place() {
    type Case = (&'static str, fn(f64) -> f64, f64, Vec<f32>);
    let Some(gpu) = adapter("elementary_functions_are_good_to_a_few_units_in_the_last_place") else { return };
    let negative = |values: &[f32]| values.iter().map(|value| -value).collect::<Vec<_>>();
    let small: Vec<f32> = ratios(1e-37, 1.0, 20_000).collect();
    let tail: Vec<f32> = (0..40_000).map(|k| k as f32 * 0.0026).chain([f32::MAX, f32::INFINITY]).collect();
    let both = [small.clone(), negative(&small), tail.clone(), negative(&tail)].concat();
    // Near 1, where the logarithm is 0, and everywhere else.
    let units: Vec<f32> = (1..=1 << 15).flat_map(|k| [k, (1 << 24) + 1 - k, k * 512]).map(unit).collect();
    let cases: [Case; 4] = [
        ("exponential(X)", f64::exp, 2.0, [negative(&small), negative(&tail)].concat()),
        ("logarithm(X)", f64::ln, 2.0, [units, ratios(1.2e-38, 3e38, 20_000).collect()].concat()),
        ("sigmoid(X)", |u| 1.0 / (1.0 + (-u).exp()), 4.0, both.clone()),
        ("hyperbolic_tangent(X)", f64::tanh, 3.0, both),
    ];
    for (call, exact, bound, x) in cases {
        let (error, at) = worst_error(&x, &elementary(gpu, call, &x), exact);
        assert!(error <= bound, "{call} at {at:e}: {error} units");
    }
    // Shown to fail: functions that are right as f32 goes, but not near 0 and in the tails.
    let (error, _) =
        worst_error(&small, &elementary(gpu, "1.0 - 2.0 / (exp(2.0 * X) + 1.0)", &small), f64::tanh);
    assert!(error > 1000.0, "{error}");

    let turns: Vec<f32> = (0..1 << 16).map(|k| unit(k * 256 + k % 256)).collect();
    let (cosines, sines) = (elementary(gpu, "circle(X).x", &turns), elementary(gpu, "circle(X).y", &turns));
    for (turn, (cosine, sine)) in turns.iter().zip(cosines.iter().zip(&sines)) {
        let (exact_sine, exact_cosine) = (f64::from(*turn) * std::f64::consts::TAU).sin_cos();
        let error = (f64::from(*cosine) - exact_cosine).abs().max((f64::from(*sine) - exact_sine).abs());
        assert!(error < 1.5e-7, "{turn}: {error:e}");
    }
}

/// The 24-bit numbers that Gaussian samples come from.
fn unit(k: u32) -> f32 {
    k as f32 / (1u32 << 24) as f32
}

#[test]
fn nan_and_infinity_are_told_by_their_bits() {
    let Some(gpu) = adapter("nan_and_infinity_are_told_by_their_bits") else { return };
    let nans = [0x7fc0_0000, 0x7f80_0001, 0xffc0_0000, 0xff80_0001, 0xffff_ffff].map(f32::from_bits);
    let finite = [0.0, -0.0, 1.0, -1.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -f32::MIN_POSITIVE];
    let infinite = [f32::INFINITY, f32::NEG_INFINITY];
    let all = [&nans[..], &finite, &infinite].concat();
    let of = |call| elementary(gpu, call, &all);
    let rectified = of("rectified(X)");
    let tests = (of("f32(is_nan(X))"), of("f32(is_finite(X))"), of("nan_where(X < 1.0, X)"));
    for (index, x) in all.iter().enumerate() {
        assert_eq!(
            [tests.0[index], tests.1[index]],
            [x.is_nan(), x.is_finite()].map(|is| f32::from(u8::from(is))),
            "{x}"
        );
        assert_eq!(tests.2[index].is_nan(), x.is_nan() || *x < 1.0, "{x}");
        let same = rectified[index].to_bits() == x.max(0.0).to_bits();
        assert!(
            if x.is_nan() { rectified[index].is_nan() } else { same || *x == 0.0 },
            "{x}: {}",
            rectified[index]
        );
    }
}
