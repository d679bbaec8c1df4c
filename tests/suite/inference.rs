//! Inference under masks: moments and what activations make of them; refusals of all inference calls.

use crate::common::{BIASES, Data, MADE, Operands, activate, pair, predict, probability, wide};
use std::f64::consts::TAU;

use dropconnect::call::MonteCarlo;
use dropconnect::cpu::{Backend, RunningMoments, RunningPredictive};
use dropconnect::mask::philox::philox4x32;
use dropconnect::{Activation, Bias, Error, Mask, MaskKey, Method, Origin, Shape, Write, cpu, reference};

const TOLERANCE: f64 = 1e-5;
const KEY: MaskKey = MaskKey::new(2013, 1).at_step(77);
const ACTIVATIONS: [Activation; 4] =
    [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh];

/// Whether `got` is `want` but for rounding; NaN is not.
fn close(got: &[f32], want: &[f64]) -> bool {
    crate::common::close(got, want, TOLERANCE)
}

fn closed_form(shape: &Shape, activation: Activation, mean: &[f32], variance: &[f32]) -> [Vec<f32>; 2] {
    pair(mean.len(), |out| activate(shape, activation, Method::Closed, [mean, variance], out))
}

fn sampled(
    shape: &Shape,
    activation: Activation,
    samples: u32,
    origin: Origin,
    mean: &[f32],
    variance: &[f32],
) -> [Vec<f32>; 2] {
    pair(mean.len(), |out| {
        activate(shape, activation, Method::Sampled { samples, key: KEY, origin }, [mean, variance], out)
    })
}

/// The authors' own test: E[max(u, 0)] of a standard normal u is 1 / sqrt(2 pi).
#[test]
fn the_mean_of_a_rectified_standard_normal_is_0_39894() {
    let (want, variance) = (1.0 / TAU.sqrt(), 0.5 - 1.0 / TAU);
    assert_eq!(format!("{want:.5}"), "0.39894");
    let one = Shape::new(1, 1, 1).unwrap();
    let exact = reference::closed_form(&one, Activation::Relu, &[0.0], &[1.0]).unwrap();
    assert!((exact.0[0] - want).abs() < 1e-15 && (exact.1[0] - variance).abs() < 1e-15);
    let closed = closed_form(&one, Activation::Relu, &[0.0], &[1.0]).map(|v| f64::from(v[0]));
    assert!((closed[0] - want).abs() < 1e-6 && (closed[1] - variance).abs() < 1e-6, "{closed:?}");

    let samples = 200_000;
    let sigma = (variance / f64::from(samples)).sqrt();
    let within = |mean: f64| (mean - want).abs() < 4.0 * sigma;
    let draw = sampled(&one, Activation::Relu, samples, Origin::default(), &[0.0], &[1.0]);
    assert!(within(draw[0][0].into()), "{}", draw[0][0]);
    let draw = reference::sampled(&one, Activation::Relu, samples, KEY, Origin::default(), &[0.0], &[1.0]);
    assert!(within(draw.unwrap().0[0]));
    // Neighbours: a mean or a variance of u a little off.
    for (mean, variance) in [(0.02, 1.0), (0.0, 1.05)] {
        let draw = sampled(&one, Activation::Relu, samples, Origin::default(), &[mean], &[variance]);
        assert!(!within(draw[0][0].into()));
    }
}

/// Means from far below to far above 0, in units of the deviation.
fn grid() -> (Shape, Vec<f32>, Vec<f32>) {
    let (mut mean, mut variance) = (Vec::new(), Vec::new());
    for v in [1e-8f32, 0.01, 1.0, 50.0] {
        for t in -24..=24 {
            mean.push(t as f32 * 0.25 * v.sqrt());
            variance.push(v);
        }
    }
    (Shape::new(4, 49, 1).unwrap(), mean, variance)
}

#[test]
fn closed_forms_agree_with_float64() {
    let (shape, mean, variance) = grid();
    for activation in [Activation::Identity, Activation::Relu] {
        let want = reference::closed_form(&shape, activation, &wide(&mean), &wide(&variance)).unwrap();
        let got = closed_form(&shape, activation, &mean, &variance);
        for row in 0..4 {
            let row = row * 49..(row + 1) * 49;
            assert!(close(&got[0][row.clone()], &want.0[row.clone()]), "{activation:?} mean");
            assert!(close(&got[1][row.clone()], &want.1[row.clone()]), "{activation:?} variance");
        }
        let other =
            closed_form(&shape, activation, &variance, &mean.iter().map(|m| m * m).collect::<Vec<_>>());
        assert!(!close(&other[0], &want.0) && !close(&other[1], &want.1));
    }
}

#[test]
fn the_closed_form_keeps_its_digits_at_the_edges() {
    let shape = Shape::new(1, 6, 1).unwrap();
    let mean = [100.0, -100.0, 3.0, -3.0, 0.0, -6.0];
    let variance = [1e-4, 1e-4, 0.0, 0.0, 0.0, 1.0];
    let [m, v] = closed_form(&shape, Activation::Relu, &mean, &variance);
    // E[f^2] - E^2 would be a difference of numbers around 10,000.
    assert!(m[0] == 100.0 && (v[0] / 1e-4 - 1.0).abs() < 1e-6);
    assert_eq!((m[1], v[1]), (0.0, 0.0));
    assert_eq!((&m[2..5], &v[2..5]), (&[3.0, 0.0, 0.0][..], &[0.0; 3][..]));
    // E = phi(6) - 6 Q(6) = 1.56e-10: a thousandth of either term's thousandth.
    assert!((m[5] / 1.5646e-10 - 1.0).abs() < 1e-2 && v[5] > 0.0, "{} {}", m[5], v[5]);
    let nan = closed_form(&shape, Activation::Relu, &[f32::NAN; 6], &[1.0; 6]);
    assert!(nan.iter().flatten().all(|value| value.is_nan()));
}

#[test]
fn sampled_moments_agree_with_float64_and_with_the_closed_form() {
    let (shape, mean, variance) = grid();
    let origin = Origin { example: 3, output: u32::MAX - 48, input: 0 };
    for activation in ACTIVATIONS {
        // 4 k + 1, 2 and 3: calls that are not used up.
        for samples in [1, 6, 7, 1001] {
            let want =
                reference::sampled(&shape, activation, samples, KEY, origin, &wide(&mean), &wide(&variance))
                    .unwrap();
            let got = sampled(&shape, activation, samples, origin, &mean, &variance);
            assert!(close(&got[0], &want.0), "{activation:?} {samples} mean");
            assert!(close(&got[1], &want.1), "{activation:?} {samples} variance");
            assert_eq!(got, sampled(&shape, activation, samples, origin, &mean, &variance));
            let elsewhere = Origin { example: 4, ..origin };
            let other = sampled(&shape, activation, samples, elsewhere, &mean, &variance);
            assert!(!close(&other[0], &want.0));
        }
    }
    // Sampled against closed: the mean of Z samples scatters by sqrt(variance / Z).
    let samples = 4000;
    let far = |got: &[f32], (mean, variance): &(Vec<f64>, Vec<f64>)| {
        (0..got.len())
            .filter(|&at| {
                let sigma = (variance[at] / f64::from(samples)).sqrt();
                // Where next to nothing is above 0, the mean of samples is not normal.
                let rare = f64::from(mean_of_u(at)) < -2.0 * f64::from(grid().2[at]).sqrt();
                !rare && (f64::from(got[at]) - mean[at]).abs() > 4.0 * sigma + 1e-6 * mean[at].abs()
            })
            .count()
    };
    let relu = reference::closed_form(&shape, Activation::Relu, &wide(&mean), &wide(&variance)).unwrap();
    let got = sampled(&shape, Activation::Relu, samples, Origin::default(), &mean, &variance);
    assert_eq!(far(&got[0], &relu), 0);
    let identity = sampled(&shape, Activation::Identity, samples, Origin::default(), &mean, &variance);
    assert!(far(&identity[0], &relu) > 0);
}

fn mean_of_u(at: usize) -> f32 {
    grid().1[at]
}

/// The rule of "Gaussian samples 1" said again.
#[test]
fn samples_follow_the_rule_and_ignore_the_batch_split() {
    let key = philox4x32([77, 0, 1, 0x4443_4731], [2013, 0]);
    assert_eq!(KEY.gaussian_words(), key[..2]);
    assert_ne!(KEY.gaussian_words(), KEY.words());
    let unit = 1.0 / 16_777_216.0;
    let mut all: Vec<f64> = Vec::new();
    for call in 0..3 {
        let words = philox4x32([21, 12, call, 0], [key[0], key[1]]);
        for pair in words.chunks(2) {
            let (u1, u2) = (f64::from((pair[0] >> 8) + 1) * unit, f64::from(pair[1] >> 8) * unit);
            let radius = (-2.0 * u1.ln()).sqrt();
            all.extend([radius * (TAU * u2).cos(), radius * (TAU * u2).sin()]);
        }
    }
    let one = Shape::new(1, 1, 1).unwrap();
    let at = Origin { example: 12, output: 21, input: 0 };
    for count in 1..=12 {
        let want = all[..count].iter().sum::<f64>() / count as f64;
        let got = sampled(&one, Activation::Identity, count as u32, at, &[0.0], &[1.0]);
        assert!((f64::from(got[0][0]) - want).abs() < 1e-5, "{count}");
        let exact = reference::sampled(&one, Activation::Identity, count as u32, KEY, at, &[0.0], &[1.0]);
        assert!((exact.unwrap().0[0] - want).abs() < 1e-12);
    }
    // The same element within a larger call.
    let shape = Shape::new(5, 7, 1).unwrap();
    let corner = Origin { example: 10, output: 16, input: 0 };
    let larger = sampled(&shape, Activation::Tanh, 9, corner, &[0.3; 35], &[2.0; 35]);
    let alone = sampled(&one, Activation::Tanh, 9, at, &[0.3], &[2.0]);
    assert_eq!([larger[0][2 * 7 + 5], larger[1][2 * 7 + 5]], [alone[0][0], alone[1][0]]);
}

#[test]
fn moments_agree_with_float64() {
    for dims in [[1, 1, 1], [3, 4, 5], [7, 9, 31], [33, 31, 129], [5, 37, 600], [67, 40, 1100], [0, 3, 4]] {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let data = Data::ramps(&shape);
        let data64 = data.wide();
        for p in [0.0, 0.1, 0.5, 0.9] {
            let probability = probability(p);
            for kind in BIASES {
                let operands = data.operands(&shape, kind);
                let call = data64.operands(&shape, kind).moments(&probability, MADE);
                let want = reference::moments(&call).unwrap();
                for backend in Backend::available() {
                    let got =
                        pair(shape.output_len(), |out| backend.run(operands.moments(&probability, out)));
                    assert!(close(&got[0], &want.0), "{} {shape} p {p} mean", backend.name());
                    assert!(close(&got[1], &want.1), "{} {shape} p {p} variance", backend.name());
                    if p > 0.0 && shape.batch() > 0 {
                        let wrong = pair(shape.output_len(), |out| {
                            backend.run(operands.moments(&self::probability(p + 0.01), out))
                        });
                        assert!(!close(&wrong[1], &want.1));
                    }
                }
            }
        }
    }
}

/// The moments against 10,000 masks. The mean of T samples scatters by sqrt(variance / T), and their unbiased
/// variance by sqrt(k4 / T + 2 variance^2 / (T - 1)), k4 being the fourth cumulant. Cumulants of independent
/// terms add; that of c * scale * (a bit kept with probability q) is
/// (c * scale)^4 q (1 - q) (1 - 6 q (1 - q)).
#[test]
fn moments_are_those_of_ten_thousand_masks() {
    let passes = 10_000;
    let count = f64::from(passes);
    for dims in [[2, 3, 9], [3, 5, 33], [4, 4, 100]] {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let data = Data::ramps(&shape);
        for p in [0.1, 0.5, 0.9] {
            for masked in [false, true] {
                let kind = if masked { Bias::Masked(()) } else { Bias::Plain(()) };
                let operands = data.operands(&shape, kind);
                let Operands { x, weight, bias, .. } = operands;
                let mask = Mask::new(KEY, probability(p));
                let [mean, variance] =
                    pair(shape.output_len(), |out| cpu::run(operands.monte_carlo(&mask, passes, out)));
                // How many of the outputs are further than 4 sigma from these moments.
                let far = |[want_mean, want_variance]: &[Vec<f32>; 2]| {
                    let q = 1.0 - probability(p).realised();
                    let fourth = q * (1.0 - q) * (1.0 - 6.0 * q * (1.0 - q)) / q.powi(4);
                    let far = |at: usize| {
                        let (n, o) = (at / shape.outputs(), at % shape.outputs());
                        let inputs = shape.inputs();
                        let mut terms: f64 = (0..inputs)
                            .map(|i| f64::from(weight[o * inputs + i] * x[n * inputs + i]).powi(4))
                            .sum();
                        if let Bias::Masked(bias) = bias {
                            terms += f64::from(bias[o]).powi(4);
                        }
                        let spread = f64::from(want_variance[at]);
                        let of_mean = (spread / count).sqrt();
                        let of_variance =
                            (fourth * terms / count + 2.0 * spread * spread / (count - 1.0)).sqrt();
                        // Not `>`: a variance too small for these terms has a scatter of NaN.
                        let near = (f64::from(mean[at]) - f64::from(want_mean[at])).abs() <= 4.0 * of_mean
                            && (f64::from(variance[at]) - spread).abs() <= 4.0 * of_variance;
                        !near
                    };
                    (0..mean.len()).filter(|&at| far(at)).count()
                };
                let moments = |p: f64, bias| {
                    let operands = Operands { bias, ..operands };
                    pair(shape.output_len(), |out| cpu::run(operands.moments(&probability(p), out)))
                };
                let right = moments(p, bias);
                assert_eq!(far(&right), 0, "{shape} p {p} masked bias {masked}");
                // Neighbours: another p, and a bias that is masked where it is not, or the other way round.
                assert!(far(&moments(p * 0.9, bias)) > 0, "{shape} p {p}");
                let other = match bias {
                    Bias::Masked(bias) => Bias::Plain(bias),
                    _ => Bias::Masked(bias.tensor().copied().unwrap()),
                };
                assert!(far(&moments(p, other)) > 0, "{shape} p {p}");
            }
        }
    }
}

#[test]
fn bad_calls_are_refused_by_name_and_write_nothing() {
    let shape = Shape::new(2, 3, 4).unwrap();
    let (x, w, b, six) = ([1.0; 8], [1.0; 12], [1.0; 3], [1.0; 6]);
    let mask = Mask::new(KEY, probability(0.5));
    let (mut m, mut v) = ([5.0; 6], [5.0; 6]);
    let named = |result: Result<(), Error>| match result {
        Err(Error::Length { argument, .. } | Error::Count { argument, value: 0, least: 1, .. }) => argument,
        other => panic!("{other:?}"),
    };
    let p = probability(0.5);
    let (bias, write) = (Bias::Plain(&b[..]), Write::Overwrite);
    let all = Operands { shape, x: &x[..], weight: &w[..], bias, grad_output: &six[..], write };
    for (name, few) in [
        ("x", Operands { x: &x[1..], ..all }),
        ("weight", Operands { weight: &w[1..], ..all }),
        ("bias", Operands { bias: Bias::Masked(&b[1..]), ..all }),
    ] {
        assert_eq!(named(cpu::run(few.moments(&p, [&mut m[..], &mut v[..]]))), name);
        assert_eq!(named(cpu::run(few.monte_carlo(&mask, 2, [&mut m[..], &mut v[..]]))), name);
    }
    assert_eq!(named(cpu::run(all.moments(&p, [&mut m[1..], &mut v[..]]))), "mean");
    assert_eq!(named(cpu::run(all.moments(&p, [&mut m[..], &mut v[1..]]))), "variance");
    assert_eq!(named(cpu::run(all.monte_carlo(&mask, 0, [&mut m[..], &mut v[..]]))), "passes");
    assert_eq!(named(cpu::run(all.monte_carlo(&mask, 2, [&mut m[..], &mut v[1..]]))), "variance");
    assert_eq!(named(predict(all.monte_carlo(&mask, 0, MADE)).map(drop)), "passes");
    let (relu, u) = (Activation::Relu, [&six[..]; 2]);
    assert_eq!(
        named(activate(&shape, relu, Method::Closed, [&six[1..], &six], [&mut m[..], &mut v[..]])),
        "u_mean"
    );
    assert_eq!(named(activate(&shape, relu, Method::Closed, u, [&mut m[..], &mut v[1..]])), "variance");
    let origin = Origin::default();
    assert_eq!(
        named(activate(
            &shape,
            relu,
            Method::Sampled { samples: 0, key: KEY, origin },
            u,
            [&mut m[..], &mut v[..]]
        )),
        "samples"
    );
    let few = [&six[..], &six[1..]];
    assert_eq!(
        named(activate(
            &shape,
            relu,
            Method::Sampled { samples: 1, key: KEY, origin },
            few,
            [&mut m[..], &mut v[..]]
        )),
        "u_variance"
    );
    let far = Origin { output: u32::MAX - 1, ..origin };
    let refused = activate(
        &shape,
        relu,
        Method::Sampled { samples: 1, key: KEY, origin: far },
        u,
        [&mut m[..], &mut v[..]],
    );
    assert!(matches!(refused, Err(Error::Origin { axis: "output", .. })));
    for activation in [Activation::Sigmoid, Activation::Tanh] {
        let refused = activate(&shape, activation, Method::Closed, u, [&mut m[..], &mut v[..]]);
        assert!(matches!(refused, Err(Error::NoClosedForm { activation: named }) if named == activation));
        let text = reference::closed_form(&shape, activation, &wide(&six), &wide(&six)).unwrap_err();
        assert!(text.to_string().contains("samples"));
    }
    let (none, bias) = (&[][..], Bias::None);
    let call =
        MonteCarlo { shape, mask: &mask, passes: 0, x: none, weight: none, bias, mean: (), variance: () };
    assert_eq!(named(reference::monte_carlo(&call).map(drop)), "passes");
    assert_eq!(named(RunningMoments::new(3).unwrap().add(&[0.0; 4])), "values");
    assert_eq!(named(RunningPredictive::new(1, 3).unwrap().add(&[0.0; 4])), "logits");
    assert!(matches!(RunningPredictive::new(1, 0), Err(Error::ZeroDimension { .. })));
    assert_eq!((m, v), ([5.0; 6], [5.0; 6]));
    // An empty batch is no error.
    let none = Shape::new(0, 3, 4).unwrap();
    let empty = Operands { shape: none, x: &[][..], grad_output: &[][..], ..all };
    cpu::run(empty.monte_carlo(&mask, 3, [&mut [][..], &mut [][..]])).unwrap();
    activate(&none, relu, Method::Sampled { samples: 3, key: KEY, origin }, [&[], &[]], [&mut [], &mut []])
        .unwrap();
    assert!(predict(empty.monte_carlo(&mask, 3, MADE)).unwrap().entropy.is_empty());
}
