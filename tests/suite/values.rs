//! Values that are not finite, huge or tiny, in what is inferred over masks: the reference, every kind of CPU kernel
//! and the adapter say the same, and nothing that is NaN looks like a number.

use crate::common::*;
use dropconnect::cpu::{Backend, RunningMoments, RunningPredictive};
use dropconnect::gpu::{MaskOp, Method};
use dropconnect::{Activation, Bias, Device, ElementType, Mask, MaskKey, Moments, Origin, cpu, reference};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

/// The adapter as a device, where there is one.
fn on_adapter(test: &str) -> Option<Device> {
    adapter(test)?;
    Some(Device::gpu(&Default::default()).unwrap())
}

/// Whether two answers say the same: both NaN, the same infinity (of float64 what float32 makes of it), or as close as
/// `slack`, which may be absolute.
fn same(got: f32, want: f64, slack: f64) -> bool {
    let narrow = want as f32;
    if got.is_nan() || narrow.is_nan() || got.is_infinite() || narrow.is_infinite() {
        return got.is_nan() && narrow.is_nan() || got == narrow;
    }
    // Below the normal numbers an adapter may flush to 0.
    (f64::from(got) - want).abs() <= slack + 1e-5 * want.abs() + 2.0 * f64::from(f32::MIN_POSITIVE)
}

#[test]
fn moments_at_the_edges_are_the_same_everywhere() {
    let gpu = on_adapter("moments_at_the_edges_are_the_same_everywhere");
    let (half, none) = (0.5, 0.0);
    // A weight, an input, a bias that is masked, p; and mean and variance, as float32 has them.
    let cases = [
        // The product is in range, and the squares of its factors are not.
        (1e25, 1e-25, 0.0, half, 1.0, 1.0),
        (1e-25, 1e25, 0.0, half, 1.0, 1.0),
        // The square of one of them is lost, and that of the other is as large as it gets.
        (1e-25, 1e19, 0.0, half, 1e-6, 1e-12),
        (1e19, 1e-25, 0.0, half, 1e-6, 1e-12),
        // The square of the product is not in range, its part of the variance is: p / (1 - p) is 2^-16, and 65,535.
        (1e20, 1.0, 0.0, 1.0 / 65_536.0, 1e20, 1e40 / 65_535.0),
        (1e-21, 1.0, 0.0, 1.0 - 1.0 / 65_536.0, 1e-21, 65_535e-42),
        (0.0, 1.0, 1e20, 1.0 / 65_536.0, 1e20, 1e40 / 65_535.0),
        (1e30, 1e30, 0.0, half, f64::INFINITY, f64::INFINITY),
        // Nothing is dropped: however large the mean, there is no variance.
        (1e30, 1.0, 0.0, none, 1e30, 0.0),
        (1e30, 1e30, 0.0, none, f64::INFINITY, 0.0),
        (1.0, INF, 0.0, none, f64::INFINITY, 0.0),
        (1.0, 1.0, -INF, none, f64::NEG_INFINITY, 0.0),
        (1.0, NAN, 0.0, none, f64::NAN, f64::NAN),
        (NAN, 0.0, 0.0, half, f64::NAN, f64::NAN),
        (1.0, NAN, 0.0, half, f64::NAN, f64::NAN),
        (0.0, INF, 0.0, half, f64::NAN, f64::NAN),
        (-INF, 1.0, 0.0, half, f64::NEG_INFINITY, f64::INFINITY),
        (INF, 1.0, -INF, half, f64::NAN, f64::NAN),
        (1.0, 1.0, NAN, half, f64::NAN, f64::NAN),
    ];
    // Whole quads and not; what is no case is 0.
    for [batch, outputs, inputs] in [[1, 1, 1], [2, 8, 16], [3, 5, 7]] {
        let shape = shape([batch, outputs, inputs]);
        for (w, x, b, p, mean, variance) in cases {
            let mut data = Data::constant(&shape, 0.0);
            (data.weight[outputs * inputs - 1], data.x[batch * inputs - 1], data.bias[outputs - 1]) =
                (w, x, b);
            let (p, data64) = (probability(p), data.wide());
            let operands = data.operands(&shape, Bias::Masked(()));
            let call = data64.operands(&shape, Bias::Masked(())).moments(&p, MADE);
            let exact = reference::moments(&call).unwrap();
            let check = |got: &[Vec<f32>; 2], what: &str| {
                let last = shape.output_len() - 1;
                assert!(same(got[0][last], mean, 0.0), "{what} {w} {x} {b} {p:?}: mean {}", got[0][last]);
                assert!(
                    same(got[1][last], variance, 0.0),
                    "{what} {w} {x} {b} {p:?}: variance {}",
                    got[1][last]
                );
                let all = |got: &[f32], exact: &[f64]| got.iter().zip(exact).all(|(&a, &b)| same(a, b, 0.0));
                assert!(
                    all(&got[0], &exact.0) && all(&got[1], &exact.1),
                    "{what} {w} {x} {b} {p:?}: {got:?}"
                );
            };
            check(
                &[&exact.0, &exact.1].map(|values| values.iter().map(|&v| v as f32).collect()),
                "reference",
            );
            for backend in Backend::available() {
                let got = pair(shape.output_len(), |out| backend.run(operands.moments(&p, out)));
                check(&got, backend.name());
            }
            if let Some(device) = &gpu {
                let got = device.run(ElementType::F32, operands.moments(&p, MADE)).wait();
                let Moments { mean, variance } = got.unwrap();
                check(&[mean, variance], "adapter");
            }
        }
    }
}

#[test]
fn activations_of_any_mean_and_variance_are_the_same_everywhere() {
    let gpu = on_adapter("activations_of_any_mean_and_variance_are_the_same_everywhere");
    let means = [0.0, -0.0, 1.0, -2.0, 1e-30, 1e30, -1e30, f32::MAX, -f32::MAX, INF, -INF, NAN, -NAN];
    let variances = [0.0, -0.0, 1e-30, 1e-3, 1.0, 1e20, 1e37, 1e38, INF, -1.0, -INF, NAN];
    let shape = shape([means.len(), variances.len(), 1]);
    let mean: Vec<f32> = means.iter().flat_map(|&mean| [mean; 12]).collect();
    let variance = variances.repeat(means.len());
    let (key, origin) = (MaskKey::new(5, 6).at_step(7), Origin::default());
    let sampled = Method::Sampled { samples: 37, key, origin };
    for (activation, method) in [
        (Activation::Relu, Method::Closed),
        (Activation::Identity, sampled),
        (Activation::Relu, sampled),
        (Activation::Sigmoid, sampled),
        (Activation::Tanh, sampled),
    ] {
        let (m, v) = (wide(&mean), wide(&variance));
        let want = match method {
            Method::Closed => reference::closed_form(&shape, activation, &m, &v),
            Method::Sampled { samples, .. } => {
                reference::sampled(&shape, activation, samples, key, origin, &m, &v)
            }
        }
        .unwrap();
        for device in [Some(&Device::Cpu), gpu.as_ref()].into_iter().flatten() {
            let u = Moments { mean: mean.clone(), variance: variance.clone() };
            let got = activate_on(device, shape, activation, method, &u).unwrap();
            for at in 0..mean.len() {
                // What float32 makes of u itself: a unit in the last place of its mean, and a part of its deviation.
                let step = 1e-6 * (m[at].abs() + v[at].abs().sqrt());
                let slack = if step.is_finite() { step } else { 0.0 };
                let what =
                    format!("{device}, {activation:?} {method:?} of {} and {}", mean[at], variance[at]);
                assert!(same(got.mean[at], want.0[at], slack), "{what}: {} not {}", got.mean[at], want.0[at]);
                // And of f(u): values closer than its steps have no variance.
                let step = 1.2e-7 * want.0[at].abs().min(1e30);
                let slack = slack * (slack + v[at].abs().sqrt().min(1e30)) + step * step;
                let (got, want) = (got.variance[at], want.1[at]);
                assert!(same(got, want, slack), "{what}: variance {got} not {want}");
                let unknown = mean[at].is_nan() || variance[at].is_nan() || variance[at] < 0.0;
                assert!(!unknown || got.is_nan(), "{what}: {got}");
                assert!(
                    variance[at] != 0.0 || mean[at].is_infinite() || got == 0.0 || got.is_nan(),
                    "{what}: {got}"
                );
            }
        }
    }
}

/// The logits of one example, and whether anything is known of it.
fn logits() -> [(Vec<f32>, bool); 11] {
    let many = |value: f32| [vec![value], vec![0.5; 98], vec![value]].concat();
    [
        (vec![1.0, NAN, 2.0], false),
        (vec![NAN, -NAN, NAN], false),
        (vec![INF, 0.0, 0.0], false),
        (vec![INF, INF, 0.0], false),
        (vec![-INF, -INF, -INF], false),
        (vec![-INF, 0.0, 1.0], true),
        (vec![f32::MAX, -f32::MAX, 0.0], true),
        (vec![-f32::MAX, -f32::MAX, -f32::MAX], true),
        // Shared by threads.
        (many(NAN), false),
        (many(INF), false),
        (many(-INF), true),
    ]
}

#[test]
fn a_prediction_from_wild_logits_is_the_same_everywhere_and_never_certain_by_accident() {
    let gpu =
        on_adapter("a_prediction_from_wild_logits_is_the_same_everywhere_and_never_certain_by_accident");
    for (row, known) in logits() {
        // Without a drop and with an input of 1 the logits are the weights.
        let (shape, mask) = (shape([2, row.len(), 1]), mask(0.0));
        let data = Data { weight: row.clone(), ..Data::constant(&shape, 1.0) };
        let (data64, operands) = (data.wide(), data.operands(&shape, Bias::None));
        let call = data64.operands(&shape, Bias::None).monte_carlo(&mask, 3, MADE);
        let want = reference::predictive(&call).unwrap();
        for device in [Some(&Device::Cpu), gpu.as_ref()].into_iter().flatten() {
            let call = operands.monte_carlo(&mask, 3, MADE);
            let got = device.predictive(ElementType::F32, call).wait().unwrap();
            let what = format!("{device} {row:?}");
            assert!(
                got.mean.iter().zip(&want.mean).all(|(&got, &want)| same(got, want, 1e-7)),
                "{what} {got:?}"
            );
            assert!(
                got.entropy.iter().zip(&want.entropy).all(|(&got, &want)| same(got, want, 1e-6)),
                "{what}"
            );
            let all = [&got.mean, &got.entropy, &got.mutual_information];
            assert!(
                all.iter().all(|values| values.iter().all(|value| value.is_nan() != known)),
                "{what} {got:?}"
            );
            // Every pass is the same one.
            assert!(!known || got.mutual_information == [0.0; 2], "{what}: {:?}", got.mutual_information);
        }
        let nan = |values: &[f64]| values.iter().all(|value| value.is_nan() != known);
        assert!(nan(&want.mean) && nan(&want.entropy) && nan(&want.mutual_information), "reference {row:?}");
    }
}

/// A NaN in one pass out of several, of one example out of several.
#[test]
fn one_unknown_pass_makes_an_example_unknown_and_no_other() {
    let test = "one_unknown_pass_makes_an_example_unknown_and_no_other";
    for classes in [3, 100] {
        let shape = shape([3, classes, 1]);
        let mut passes = vec![vec![0.25f32; 3 * classes]; 3];
        passes[1][2 * classes - 1] = NAN;
        let mut running = RunningPredictive::new(3, classes).unwrap();
        passes.iter().for_each(|logits| running.add(logits).unwrap());
        let said = running.finish().unwrap();
        let mut all = vec![[said.mean, said.entropy, said.mutual_information]];
        if let Some(gpu) = adapter(test) {
            all.push(predicted(gpu, gpu.kernels(), &shape, &passes));
            let tuning = small_tiles(MaskOp::And).with_threads(1 << 16);
            let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
            all.push(predicted(gpu, kernels, &shape, &passes));
        }
        for [mean, entropy, information] in all {
            for n in 0..3 {
                let unknown = n == 1;
                assert!(mean[n * classes..][..classes].iter().all(|p| p.is_nan() == unknown), "{mean:?}");
                assert_eq!([entropy[n].is_nan(), information[n].is_nan()], [unknown; 2]);
            }
        }
    }
}

#[test]
fn monte_carlo_of_any_values_is_the_same_everywhere() {
    let gpu = on_adapter("monte_carlo_of_any_values_is_the_same_everywhere");
    let run = |weight: &[f32], x: &[f32], p: f64, passes: u32| {
        let shape = shape([1, weight.len() / x.len(), x.len()]);
        let mask = Mask::new(MaskKey::new(1, 2).at_step(3), probability(p));
        let data = Data { x: x.to_vec(), weight: weight.to_vec(), ..Data::constant(&shape, 0.0) };
        let (data64, operands) = (data.wide(), data.operands(&shape, Bias::None));
        let call = data64.operands(&shape, Bias::None).monte_carlo(&mask, passes, MADE);
        let want = reference::monte_carlo(&call).unwrap();
        let mut all =
            vec![pair(shape.output_len(), |out| cpu::run(operands.monte_carlo(&mask, passes, out)))];
        if let Some(device) = &gpu {
            let got = device.run(ElementType::F32, operands.monte_carlo(&mask, passes, MADE)).wait();
            let Moments { mean, variance } = got.unwrap();
            all.push([mean, variance]);
        }
        for (kind, got) in ["CPU", "adapter"].iter().zip(&all) {
            for (at, (&mean, &variance)) in want.0.iter().zip(&want.1).enumerate() {
                let slack = if variance.is_finite() { 1e-5 * variance.sqrt() } else { 0.0 };
                let what = format!("{kind} {weight:?} {x:?} p {p}, {passes} passes, output {at}");
                assert!(same(got[0][at], mean, slack), "{what}: {} not {mean}", got[0][at]);
                assert!(same(got[1][at], variance, 0.0), "{what}: {} not {variance}", got[1][at]);
            }
        }
        all.remove(0)
    };
    // Differences of two values pass float32's range, and the mean does not.
    let far = run(&[1.5e38, -1.5e38], &[1.0, 1.0], 0.5, 50);
    assert!(far[0][0].is_finite() && far[1] == [INF], "{far:?}");
    // Sums of squares pass it, and the variance does not.
    let large = run(&[1e19], &[1.0], 0.5, 500);
    assert!(large[1][0].is_finite() && large[1][0] > 9e37, "{large:?}");
    // Four outputs, so that a quad holds all kinds.
    let wild = run(&[INF, -INF, NAN, 1.0], &[1.0], 0.0, 3);
    assert_eq!(wild[0][..2], [INF, -INF]);
    assert!(wild[0][2].is_nan() && wild[1][..3].iter().all(|v| v.is_nan()) && wild[1][3] == 0.0, "{wild:?}");
    let single = run(&[INF, 2.0, NAN, 1.0], &[1.0], 0.0, 1);
    assert!(single[1][0].is_nan() && single[1][1] == 0.0 && single[1][2].is_nan(), "{single:?}");
    // An infinity in some passes and not in others.
    let some = run(&[INF, 1.0, 0.5, -0.5, -INF], &[1.0], 0.5, 40);
    assert!(
        some[0][0] == INF && some[1][0].is_nan() && some[0][4] == -INF && some[1][1].is_finite(),
        "{some:?}"
    );

    let mut moments = RunningMoments::new(2).unwrap();
    for values in [[1.0, INF], [NAN, 1.0], [1.0, -INF]] {
        moments.add(&values).unwrap();
    }
    assert!(moments.mean().iter().chain(&moments.variance().unwrap()).all(|value| value.is_nan()));
}
