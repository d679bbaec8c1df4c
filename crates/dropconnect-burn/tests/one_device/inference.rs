//! Inference over masks, against float64 and against masks that are drawn.

use crate::common::{assert_close, config, device, ramp, values};
use burn::tensor::Tensor;
use dropconnect_burn::dropconnect::call::MonteCarlo;
use dropconnect_burn::dropconnect::{Activation, Bias, Mask, Shape, reference};
use dropconnect_burn::{Draw, DropConnect};
use dropconnect_testing::wide;

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// W as the reference reads it, `[outputs, inputs]`, and b.
fn parameters(layer: &DropConnect) -> (Vec<f64>, Vec<f64>) {
    let weight: Tensor<2> = layer.weight.val().transpose();
    (wide(&values(weight)), wide(&values(layer.bias.as_ref().unwrap().val())))
}

/// So many passes on X, W and b.
fn passes<'a>(
    shape: Shape,
    mask: &'a Mask,
    passes: u32,
    [x, weight, bias]: [&'a Vec<f64>; 3],
) -> MonteCarlo<'a, &'a [f64], ()> {
    MonteCarlo { shape, mask, passes, x, weight, bias: Bias::Plain(bias), mean: (), variance: () }
}

#[test]
fn relu_has_its_closed_form() {
    let Some(device) = device("relu_has_its_closed_form") else { return };
    let layer = config(30, 40).init(&device);
    // Near 0 and far from it on both sides, and a variance of 0.
    for size in [0.0, 0.01, 1.0, 30.0] {
        let x = ramp([5, 30], 31, 7, &device).mul_scalar(size);
        let (mean, variance) = layer.moments(x.clone());
        let (mean, variance) = (wide(&values(mean)), wide(&values(variance)));
        let shape = Shape::new(5, 40, 30).unwrap();
        let want = reference::closed_form(&shape, Activation::Relu, &mean, &variance).unwrap();
        let got = layer.relu_moments(x);
        assert_close(&values(got.0), &narrow(&want.0), 2e-6, "mean");
        assert_close(&values(got.1), &narrow(&want.1), 1e-5, "variance");
    }
}

#[test]
fn a_classifier_is_as_sure_as_float64_says() {
    let Some(device) = device("a_classifier_is_as_sure_as_float64_says") else { return };
    let layer = config(24, 7).init(&device);
    let draw = Draw { step: 5, first_example: 2, ..Draw::default() };
    for size in [1.0, 40.0] {
        let x = ramp([6, 24], 31, 7, &device).mul_scalar(size);
        let (weight, bias) = parameters(&layer);
        let shape = Shape::new(6, 7, 24).unwrap();
        let mask = layer.settings().mask(draw);
        let xs = wide(&values(x.clone()));
        let want = reference::predictive(&passes(shape, &mask, 20, [&xs, &weight, &bias])).unwrap();
        let got = layer.predictive(x.clone().reshape([2, 3, 24]), draw, 20);
        assert_eq!((got.mean.dims(), got.entropy.dims()), ([2, 3, 7], [2, 3, 1]));
        assert_close(&values(got.mean), &narrow(&want.mean), 1e-5, "mean");
        assert_close(&values(got.entropy), &narrow(&want.entropy), 1e-5, "entropy");
        // A difference of two entropies, to their precision.
        let information = values(got.mutual_information);
        for (got, want) in information.iter().zip(&want.mutual_information) {
            assert!((f64::from(*got) - want).abs() < 2e-6, "{got} against {want}");
        }
    }
}

#[test]
fn moments_are_those_of_many_masks() {
    let Some(device) = device("moments_are_those_of_many_masks") else { return };
    for masked_bias in [false, true] {
        let layer = config(48, 12).with_masked_bias(masked_bias).init(&device);
        let x = ramp([2, 3, 48], 31, 7, &device);
        let (mean, variance) = layer.moments(x.clone());
        assert_eq!((mean.dims(), variance.dims()), ([2, 3, 12], [2, 3, 12]));
        let passes = 2000;
        let (drawn_mean, drawn_variance) = layer.monte_carlo(x.clone(), Draw::default(), passes);
        assert_eq!(layer.steps.get(), 0, "no step is taken");
        let (mean, variance) = (values(mean), values(variance));
        for (at, (mean, drawn)) in mean.iter().zip(values(drawn_mean)).enumerate() {
            // Five standard deviations of the mean of so many draws, for each of the 36.
            let bound = 5.0 * (variance[at] / passes as f32).sqrt();
            assert!((mean - drawn).abs() < bound, "mean {at}: {mean} against {drawn}, bound {bound}");
        }
        // The variance of a sample variance is about 2 sigma^4 / passes.
        let bound = 5.0 * (2.0 / f64::from(passes)).sqrt();
        for (at, (variance, drawn)) in variance.iter().zip(values(drawn_variance)).enumerate() {
            let ratio = f64::from(drawn / variance);
            assert!((ratio - 1.0).abs() < bound, "variance {at}: {variance} against {drawn}");
        }
        let (first, none) = layer.monte_carlo(x.clone(), Draw::default(), 1);
        assert_eq!(values(first), values(layer.monte_carlo(x, Draw::default(), 1).0), "the same masks");
        assert!(values(none).iter().all(|&variance| variance == 0.0), "one pass has no variance");
    }
}

#[test]
fn passes_are_those_of_the_reference_and_of_one_step_only() {
    let Some(device) = device("passes_are_those_of_the_reference_and_of_one_step_only") else { return };
    let layer = config(24, 7).init(&device.clone().autodiff());
    let x = ramp([6, 24], 31, 7, &device.autodiff());
    let (weight, bias) = parameters(&layer);
    let (shape, xs) = (Shape::new(6, 7, 24).unwrap(), wide(&values(x.clone())));
    let mut seen = Vec::new();
    for step in [5, 6, u64::MAX] {
        let draw = Draw { step, ..Draw::default() };
        let mask = layer.settings().mask(draw);
        let want = reference::monte_carlo(&passes(shape, &mask, 9, [&xs, &weight, &bias])).unwrap();
        let got = layer.monte_carlo(x.clone(), draw, 9);
        assert_close(&values(got.0), &narrow(&want.0), 1e-5, "mean");
        assert_close(&values(got.1), &narrow(&want.1), 1e-5, "variance");
        seen.push(values(layer.forward_at(x.clone(), draw)));
        for t in 0..9 {
            seen.push(values(layer.forward_at(x.clone(), Draw { pass: Some(t), ..draw })));
        }
    }
    for (at, y) in seen.iter().enumerate() {
        assert!(!seen[..at].contains(y), "call {at} repeats an earlier one");
    }
}
