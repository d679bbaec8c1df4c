//! Many masks: mean and variance of the output, and what a classifier says over them.

use std::collections::HashSet;
use std::f64::consts::LN_2;

use crate::common::{Data, MADE, devices, pair, predict, probability};
use dropconnect::cpu::{RunningMoments, RunningPredictive};
use dropconnect::{Bias, DropConnect, Mask, MaskKey, Predictive, Shape, Sharing, cpu, reference};

const TOLERANCE: f64 = 1e-5;
const KEY: MaskKey = MaskKey::new(2013, 1).at_step(77);

/// Whether `got` is `want` but for rounding; NaN is not.
fn close(got: &[f32], want: &[f64]) -> bool {
    crate::common::close(got, want, TOLERANCE)
}

#[test]
fn monte_carlo_is_many_forward_passes() {
    let shape = Shape::new(13, 9, 40).unwrap();
    let data = Data::ramps(&shape);
    let (data64, operands) = (data.wide(), data.operands(&shape, Bias::Masked(())));
    let operands64 = data64.operands(&shape, Bias::Masked(()));
    for (p, sharing, passes, step) in [
        (0.5, Sharing::Example, 1, 5),
        (0.5, Sharing::Example, 2, u64::MAX),
        (0.2, Sharing::Batch, 100, u64::MAX - 50),
        (0.9, Sharing::Example, 300, 0),
    ] {
        let key = KEY.at_step(step);
        let mask = Mask::new(key, probability(p)).shared(sharing);
        // Every sample, by float64 passes.
        let mut samples = Vec::new();
        for t in 0..passes {
            let mask = Mask { key: MaskKey { pass: Some(t), ..key }, ..mask };
            assert_eq!(mask, Mask::new(key, probability(p)).shared(sharing).pass(t));
            samples.push(reference::forward(&operands64.forward(Some(&mask), ())).unwrap());
        }
        let at = |index: usize| samples.iter().map(move |y| y[index]);
        let count = f64::from(passes);
        let mean: Vec<f64> = (0..shape.output_len()).map(|index| at(index).sum::<f64>() / count).collect();
        let variance: Vec<f64> = (0..shape.output_len())
            .map(|index| at(index).map(|y| (y - mean[index]).powi(2)).sum::<f64>() / (count - 1.0).max(1.0))
            .collect();
        let run = |mask| pair(shape.output_len(), |out| cpu::run(operands.monte_carlo(mask, passes, out)));
        let got = run(&mask);
        assert!(close(&got[0], &mean) && close(&got[1], &variance), "{sharing:?} {passes}");
        let exact = reference::monte_carlo(&operands64.monte_carlo(&mask, passes, MADE)).unwrap();
        for (exact, want) in exact.0.iter().zip(&mean).chain(exact.1.iter().zip(&variance)) {
            assert!((exact - want).abs() < 1e-12 * (1.0 + want.abs()));
        }
        if passes == 1 {
            assert!(got[1].iter().all(|&variance| variance == 0.0));
        }
        let wrong = run(&next_step(&mask));
        assert!(!close(&wrong[0], &mean) && (passes == 1 || !close(&wrong[1], &variance)));
    }
}

fn next_step(mask: &Mask) -> Mask {
    Mask { key: mask.key.at_step(mask.key.step.wrapping_add(1)), ..*mask }
}

/// Passes once were the steps that follow: estimates at neighbouring steps then had all masks but one in common.
#[test]
fn estimates_at_neighbouring_steps_share_no_mask() {
    let (passes, steps) = (1000, [u64::MAX - 1, u64::MAX, 0, 1, 2]);
    let mut seen = HashSet::new();
    for key in steps.map(|step| KEY.at_step(step)) {
        assert!(seen.insert(key.words()), "the training mask of {key:?}");
        for t in 0..passes {
            assert!(seen.insert(key.pass(t).words()), "pass {t} of {key:?}");
        }
    }

    // The same said of what comes out, on every device, call by call.
    let shape = Shape::new(3, 5, 40).unwrap();
    let Data { x, weight, .. } = Data::ramps(&shape);
    for device in devices("estimates_at_neighbouring_steps_share_no_mask") {
        let mut layer = DropConnect::new(&device, KEY, 40, 5).bias(false).build().unwrap();
        layer.set_weight(&weight).unwrap();
        let mut samples = Vec::new();
        for _ in 0..3 {
            samples.extend(layer.pass_outputs(&x, 20).wait().unwrap());
            samples.extend(layer.forward(&x).wait().unwrap());
            layer.advance();
        }
        let mut seen = HashSet::new();
        for (call, y) in samples.chunks(shape.output_len()).enumerate() {
            let bits: Vec<_> = y.iter().map(|value| value.to_bits()).collect();
            assert!(seen.insert(bits), "{device}: call {call} repeats an earlier one");
        }
        assert_eq!(seen.len(), 3 * 21);
    }
}

/// A network whose layers go through their passes together.
#[test]
fn a_layer_goes_to_a_pass_and_back() {
    for device in devices("a_layer_goes_to_a_pass_and_back") {
        let mut layer = DropConnect::new(&device, KEY, 40, 5).build().unwrap();
        let x = Data::ramps(&Shape::new(3, 5, 40).unwrap()).x;
        let (training, samples) =
            (layer.forward(&x).wait().unwrap(), layer.pass_outputs(&x, 4).wait().unwrap());
        for (t, want) in samples.chunks(15).enumerate() {
            layer.set_pass(Some(t as u32));
            assert_eq!(layer.forward(&x).wait().unwrap(), want, "{device}: pass {t}");
            assert_eq!(
                layer.pass_outputs(&x, 4).wait().unwrap(),
                samples,
                "{device}: passes are those of the step"
            );
        }
        layer.set_pass(None);
        assert_eq!(layer.forward(&x).wait().unwrap(), training, "{device}");
        // A new step begins with its training mask.
        layer.set_pass(Some(2));
        layer.advance();
        assert_eq!(layer.mask().key.pass, None);
        layer.set_pass(Some(2));
        layer.set_step(KEY.step);
        assert_eq!(layer.forward(&x).wait().unwrap(), training, "{device}");
    }
}

/// Numbers whose mean is a million times their deviation: sums of squares would lose everything.
#[test]
fn running_moments_are_stable() {
    let mut moments = RunningMoments::new(1).unwrap();
    for t in 0..1000 {
        moments.add(&[1e6 + (t % 2) as f32]).unwrap();
    }
    assert!((moments.mean()[0] - 1_000_000.5).abs() < 0.1);
    assert!((moments.variance().unwrap()[0] - 0.25).abs() < 0.01, "{:?}", moments.variance().unwrap());
    assert_eq!(moments.passes(), 1000);
}

#[test]
fn predictive_agrees_with_float64() {
    let shape = Shape::new(33, 10, 64).unwrap();
    let mut data = Data::ramps(&shape);
    data.x.iter_mut().for_each(|x| *x *= 6.0);
    let (data64, operands) = (data.wide(), data.operands(&shape, Bias::Masked(())));
    let operands64 = data64.operands(&shape, Bias::Masked(()));
    for (p, sharing) in [(0.5, Sharing::Example), (0.9, Sharing::Batch), (0.0, Sharing::Example)] {
        let mask = Mask::new(KEY, probability(p)).shared(sharing);
        let got = predict(operands.monte_carlo(&mask, 50, MADE)).unwrap();
        let want = reference::predictive(&operands64.monte_carlo(&mask, 50, MADE)).unwrap();
        let same = |got: &Predictive<f32>| {
            close(&got.mean, &want.mean)
                && close(&got.entropy, &want.entropy)
                && if p > 0.0 {
                    close(&got.mutual_information, &want.mutual_information)
                } else {
                    // float64 leaves a rounding error of the mean.
                    want.mutual_information.iter().all(|mi| *mi < 1e-12)
                }
        };
        assert!(same(&got), "p {p}");
        assert!(got.mutual_information.iter().zip(&got.entropy).all(|(&mi, &h)| 0.0 <= mi && mi <= h));
        assert!(got.entropy.iter().all(|&h| f64::from(h) <= 10f64.ln() + 1e-6));
        assert!(got.mean.chunks(10).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
        if p == 0.0 {
            assert!(got.mutual_information.iter().all(|&mi| mi == 0.0));
        } else {
            assert!(got.mutual_information.iter().all(|&mi| mi > 0.0));
            let wrong = predict(operands.monte_carlo(&next_step(&mask), 50, MADE)).unwrap();
            assert!(!same(&wrong));
        }
    }
}

#[test]
fn entropies_of_plain_cases_are_known() {
    let run = |passes: &[&[f32]], classes: usize| {
        let mut running = RunningPredictive::new(passes[0].len() / classes, classes).unwrap();
        passes.iter().for_each(|logits| running.add(logits).unwrap());
        assert_eq!(running.passes() as usize, passes.len());
        running.finish().unwrap()
    };
    let near = |got: f32, want: f64| (f64::from(got) - want).abs() < 1e-6;
    // Nothing known: ln 4, all of it in the data.
    let flat = run(&[&[7.0; 4], &[7.0; 4]], 4);
    assert!(near(flat.entropy[0], 4f64.ln()) && flat.mutual_information == [0.0]);
    // Two passes, each certain, of opposite answers: ln 2, all of it in the model.
    let split = run(&[&[1e4, -1e4], &[-1e4, 1e4]], 2);
    assert_eq!(split.mean, [0.5, 0.5]);
    assert!(near(split.entropy[0], LN_2) && near(split.mutual_information[0], LN_2));
    // Certain and agreed.
    let sure = run(&[&[f32::MAX, 0.0, -f32::MAX], &[1e30, 0.0, 0.0]], 3);
    assert_eq!(
        (sure.mean, sure.entropy, sure.mutual_information),
        (vec![1.0, 0.0, 0.0], vec![0.0], vec![0.0])
    );
}
