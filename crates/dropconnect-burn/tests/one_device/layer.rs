//! The layer and the operation against what Burn computes from its own tensors.

use crate::common::{assert_close, config, device, numbered, ramp, relative_error, values};
use burn::module::Module;
use burn::nn::LinearConfig;
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use dropconnect::{DropProbability, Mask, MaskKey, Origin, Shape, cpu};
use dropconnect_burn::{Draw, drop_connect};

const TOLERANCE: f64 = 2e-6;

fn mask(p: f64, bits: u32) -> Mask {
    let probability = DropProbability::with_bits(p, bits).unwrap();
    Mask::new(MaskKey::new(42, 3).at_step(17), probability).at(Origin { example: 5, ..Origin::default() })
}

/// The mask as a Burn tensor of zeros and scales, `[batch, outputs, inputs]` or `[batch, outputs]`.
fn exported<const D: usize>(mask: &Mask, shape: &Shape, dims: [usize; D], device: &Device) -> Tensor<D> {
    let mut bits = vec![0; dims.iter().product()];
    match D {
        3 => cpu::mask(shape, mask, &mut bits).unwrap(),
        _ => cpu::bias_mask(shape, mask, &mut bits).unwrap(),
    }
    let factors: Vec<f32> = bits.iter().map(|&bit| f32::from(bit) * mask.scale() as f32).collect();
    Tensor::from_data(TensorData::new(factors, dims), device)
}

/// DropConnect spelled out: a weight for every example.
fn composition(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    mask: &Mask,
    masked_bias: bool,
) -> Tensor<2> {
    let ([batch, inputs], [_, outputs]) = (x.dims(), weight.dims());
    let shape = Shape::new(batch, outputs, inputs).unwrap();
    let factors = exported(mask, &shape, [batch, outputs, inputs], &x.device());
    let products = factors * weight.transpose().unsqueeze::<3>() * x.reshape([batch, 1, inputs]);
    let y = products.sum_dim(2).reshape([batch, outputs]);
    match bias {
        None => y,
        Some(bias) if masked_bias => {
            let device = y.device();
            y + exported(mask, &shape, [batch, outputs], &device) * bias.unsqueeze::<2>()
        }
        Some(bias) => y + bias.unsqueeze::<2>(),
    }
}

/// Y and the gradients of x, weight and bias of a loss that weighs every output differently.
fn results(
    dims: [usize; 3],
    with_bias: bool,
    device: &Device,
    layer: impl FnOnce(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>,
) -> Vec<Vec<f32>> {
    let [batch, outputs, inputs] = dims;
    let x = ramp([batch, inputs], 31, 7, device).require_grad();
    let weight = ramp([inputs, outputs], 57, 3, device).require_grad();
    let bias = with_bias.then(|| ramp([outputs], 13, 1, device).require_grad());
    let y = layer(x.clone(), weight.clone(), bias.clone());
    let gradients = (y.clone() * ramp([batch, outputs], 91, 5, device)).sum().backward();
    let mut results =
        vec![values(y), values(x.grad(&gradients).unwrap()), values(weight.grad(&gradients).unwrap())];
    results.extend(bias.map(|bias| values(bias.grad(&gradients).unwrap())));
    results
}

#[test]
fn forward_and_gradients_are_those_of_the_exported_mask() {
    let test = "forward_and_gradients_are_those_of_the_exported_mask";
    let Some(device) = device(test) else { return };
    let device = device.autodiff();
    for dims in [[1, 1, 1], [3, 5, 7], [9, 33, 31], [8, 16, 24], [17, 100, 9]] {
        for (p, bits) in [(0.5, 16), (0.3, 16), (0.9, 3)] {
            for (with_bias, masked_bias) in [(false, false), (true, false), (true, true)] {
                let mask = mask(p, bits);
                let got = results(dims, with_bias, &device, |x, weight, bias| {
                    drop_connect(x, weight, bias, mask, masked_bias)
                });
                let want = results(dims, with_bias, &device, |x, weight, bias| {
                    composition(x, weight, bias, &mask, masked_bias)
                });
                for (what, (got, want)) in ["y", "dx", "dw", "db"].iter().zip(got.iter().zip(&want)) {
                    let what =
                        format!("{what} of {dims:?} at p = {p}, bias {with_bias}, masked {masked_bias}");
                    assert_close(got, want, TOLERANCE, &what);
                }
            }
        }
    }
    // The comparison notices a mask of another step.
    let mask = mask(0.5, 16);
    let other = Mask { key: MaskKey { step: 18, ..mask.key }, ..mask };
    let got = results([9, 33, 31], true, &device, |x, w, b| drop_connect(x, w, b, mask, false));
    let wrong = results([9, 33, 31], true, &device, |x, w, b| composition(x, w, b, &other, false));
    for (got, wrong) in got.iter().zip(&wrong).take(3) {
        assert!(relative_error(got, wrong) > 0.1);
    }
}

#[test]
fn without_dropping_it_is_burns_linear() {
    let Some(device) = device("without_dropping_it_is_burns_linear") else { return };
    let device = device.autodiff();
    // The operation itself: the layer hands p = 0 to Burn's own matmul.
    let nothing = mask(0.0, 16);
    let got = results([12, 20, 36], true, &device, |x, w, b| drop_connect(x, w, b, nothing, false));
    let want = results([12, 20, 36], true, &device, linear);
    for (got, want) in got.iter().zip(&want) {
        assert_close(got, want, TOLERANCE, "the operation at p = 0");
    }

    let linear = LinearConfig::new(36, 20).init(&device);
    let layer = config(36, 20).with_prob(0.0).try_from_linear(linear.clone()).unwrap();
    let x = ramp([2, 3, 36], 31, 7, &device);
    let (y, want) = (layer.forward(x.clone()), linear.forward(x));
    assert_close(&values(y.clone()), &values(want.clone()), TOLERANCE, "the layer at p = 0");
    let (gradients, wanted) = (y.sum().backward(), want.sum().backward());
    assert_close(
        &values(layer.weight.grad(&gradients).unwrap()),
        &values(linear.weight.grad(&wanted).unwrap()),
        TOLERANCE,
        "its gradient",
    );
}

#[test]
fn leading_dimensions_are_examples() {
    let Some(device) = device("leading_dimensions_are_examples") else { return };
    let device = device.autodiff();
    let layer = config(10, 6).init(&device);
    let at = Draw { step: 9, ..Draw::default() };
    let x = ramp([24, 10], 31, 7, &device);
    let want = values(layer.forward_at(x.clone(), at));
    let y = layer.forward_at(x.clone().reshape([2, 3, 4, 10]), at);
    assert_eq!(y.dims(), [2, 3, 4, 6]);
    assert_eq!(values(y), want);
    let y = layer.forward_at(x.clone().slice(0..1).reshape([10]), at);
    assert_eq!(values(y), want[..6]);
    // A slice of a tensor, and one that is not contiguous.
    let y = layer.forward_at(x.clone().slice([0..24, 0..10]).slice(3..7), Draw { first_example: 3, ..at });
    assert_eq!(values(y), want[18..42]);
    let y = layer.forward_at(x.transpose().mul_scalar(1.0).transpose(), at);
    assert_eq!(values(y), want);
    // Nothing in, nothing out, and gradients of zero.
    let y = layer.forward_at(Tensor::<2>::zeros([0, 10], &device), at);
    assert_eq!(y.dims(), [0, 6]);
}

#[test]
fn trains_and_infers_as_dropout_does() {
    let Some(inner) = device("trains_and_infers_as_dropout_does") else { return };
    let device = inner.clone().autodiff();
    let layer = config(32, 16).init(&device);
    let x = ramp([8, 32], 31, 7, &device);
    let plain = values(linear(x.clone(), layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val())));
    let close = |got: Vec<f32>| relative_error(&got, &plain) < TOLERANCE;

    assert!(!close(values(layer.forward(x.clone()))), "training drops");
    assert_ne!(values(layer.forward(x.clone())), values(layer.forward(x.clone())), "other masks each time");
    let at = Draw { step: 1, ..Draw::default() };
    assert_eq!(values(layer.forward_at(x.clone(), at)), values(layer.forward_at(x.clone(), at)));
    assert_eq!(layer.steps.get(), 3, "only `forward` takes steps");

    assert!(close(values(layer.clone().freeze().forward(x.clone()))), "frozen");
    let valid = layer.valid();
    assert!(close(values(valid.forward(x.clone().inner()))), "inference");
    assert!(!close(values(valid.train().forward(x.clone()))), "training again");
    let mean =
        (0..400).fold(Tensor::<2>::zeros([8, 16], &inner), |sum, _| sum + layer.forward(x.clone()).inner());
    let error = relative_error(&values(mean / 400.0), &plain);
    assert!(error < 0.1, "the mean over masks is the plain layer: {error}");
}

#[test]
fn gradients_go_through_two_layers() {
    let Some(device) = device("gradients_go_through_two_layers") else { return };
    let device = device.autodiff();
    let first = numbered(0, 20, 30).init(&device);
    let second = numbered(1, 30, 10).with_prob(0.5).init(&device);
    let draw = Draw { step: 4, ..Draw::default() };
    let x = ramp([16, 20], 31, 7, &device).require_grad();
    let run = |ours: bool| {
        let layer = |layer: &dropconnect_burn::DropConnect, x: Tensor<2>| {
            if ours {
                return layer.forward_at(x, draw);
            }
            let bias = layer.bias.as_ref().map(|bias| bias.val());
            composition(x, layer.weight.val(), bias, &layer.settings().mask(draw), false)
        };
        let y = layer(&second, relu(layer(&first, x.clone())));
        let gradients = (y.clone() * y).mean().backward();
        vec![
            values(x.grad(&gradients).unwrap()),
            values(first.weight.grad(&gradients).unwrap()),
            values(first.bias.as_ref().unwrap().grad(&gradients).unwrap()),
            values(second.weight.grad(&gradients).unwrap()),
            values(second.bias.as_ref().unwrap().grad(&gradients).unwrap()),
        ]
    };
    for (got, want) in run(true).iter().zip(&run(false)) {
        assert_close(got, want, 1e-5, "a gradient of the network");
    }
}

#[test]
fn examples_share_masks_where_the_configuration_says_so() {
    let Some(device) = device("examples_share_masks_where_the_configuration_says_so") else { return };
    let device = device.autodiff();
    let at = Draw { step: 2, ..Draw::default() };
    // The same example again and again: equal outputs are equal masks.
    let x = ramp([1, 24], 31, 7, &device).expand([6, 24]);
    for (examples_per_mask, groups) in [(1, [0, 1, 2, 3, 4, 5]), (3, [0, 0, 0, 1, 1, 1]), (0, [0; 6])] {
        let layer = config(24, 16).with_examples_per_mask(examples_per_mask).init(&device);
        let y = values(layer.forward_at(x.clone(), at));
        let rows: Vec<&[f32]> = y.chunks(16).collect();
        for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
            assert_eq!(rows[a] == rows[b], groups[a] == groups[b], "{examples_per_mask}: {a} and {b}");
        }
    }
}

#[test]
fn layers_of_one_seed_drop_differently() {
    let Some(device) = device("layers_of_one_seed_drop_differently") else { return };
    let mask = |number| numbered(number, 40, 30).init(&device).settings().mask(Draw::default());
    let (first, second) = (mask(0), mask(1));
    let differ = (0..30).flat_map(|o| (0..40).map(move |i| (o, i)));
    let differ = differ.filter(|&(o, i)| first.keep(0, o, i) != second.keep(0, o, i)).count();
    // 2 p q = 0.42 of 1200, and 4 standard deviations.
    assert!(differ.abs_diff(504) < 69, "{differ}");
}
