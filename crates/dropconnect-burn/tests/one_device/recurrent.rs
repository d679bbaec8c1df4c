//! LSTM and GRU against Burn's own, against finite differences, and their masks over time.
#![cfg(feature = "flex")]

use crate::common::{assert_close, device, ramp, values};
use burn::module::Module;
use burn::nn::{GruConfig, LstmConfig};
use burn::tensor::{Device, Tensor, s};
use dropconnect_burn::{
    Draw, DropConnectConfig, DropConnectGru, DropConnectLstm, DropConnectRnnConfig, Error, Per, Sampler,
};

const DRAW: Draw = Draw { step: 6, pass: None, first_example: 0 };

fn config() -> DropConnectRnnConfig {
    DropConnectRnnConfig::new(3, 5, 6).with_prob(0.3).with_seed(42)
}

#[test]
fn without_dropping_they_are_burns() {
    let device = Device::flex().autodiff();
    for bias in [false, true] {
        let lstm = LstmConfig::new(5, 6, bias).init(&device);
        let ours = config().with_prob(0.0).try_from_lstm(lstm.clone()).unwrap();
        let x = ramp([3, 4, 5], 31, 7, &device);
        let (got, state) = ours.forward(x.clone(), None);
        let (want, wanted) = lstm.forward(x.clone(), None);
        assert_close(&values(got), &values(want), 1e-6, "LSTM");
        let (got, _) = ours.forward(x.clone(), Some(state.clone()));
        assert_close(&values(got), &values(lstm.forward(x.clone(), Some(wanted)).0), 1e-6, "from a state");
        // What does not train drops nothing at any p.
        let frozen = config().try_from_lstm(lstm.clone()).unwrap().freeze();
        assert_close(
            &values(frozen.forward(x.clone(), None).0),
            &values(lstm.forward(x.clone(), None).0),
            1e-6,
            "frozen",
        );

        let gru = GruConfig::new(5, 6, bias).init(&device);
        let ours = config().with_prob(0.0).try_from_gru(gru.clone()).unwrap();
        let state = ramp([3, 6], 57, 3, &device);
        for state in [None, Some(state)] {
            let (got, want) = (ours.forward(x.clone(), state.clone()), gru.forward(x.clone(), state));
            assert_close(&values(got), &values(want), 1e-6, "GRU");
        }
    }
    let refused = |lstm: LstmConfig| config().try_from_lstm(lstm.init(&device)).unwrap_err();
    let odd = [
        LstmConfig::new(5, 6, true).with_input_forget(true),
        LstmConfig::new(5, 6, true).with_reverse(true),
        LstmConfig::new(5, 6, true).with_batch_first(false),
        LstmConfig::new(5, 6, true).with_clip(Some(1.0)),
        LstmConfig::new(5, 6, true).with_gate_activation(burn::nn::activation::ActivationConfig::Relu),
    ];
    for lstm in odd {
        assert!(matches!(refused(lstm), Error::Unsupported { .. }));
    }
    let before = GruConfig::new(5, 6, true).with_reset_after(false).init(&device);
    assert!(matches!(config().try_from_gru(before), Err(Error::Unsupported { .. })));
    assert!(matches!(
        DropConnectRnnConfig::new(0, 0, 6).try_init_lstm(&device),
        Err(Error::ZeroDimension { argument: "d_input" })
    ));
    assert!(matches!(
        DropConnectRnnConfig::new(0, 5, 0).try_init_gru(&device),
        Err(Error::ZeroDimension { argument: "d_hidden" })
    ));
}

/// The weights of a sequence at one time step, from what one-hot hidden states give: `[6 states, outputs]`.
fn weights_of(layer: &DropConnectLstm, sequence: u32) -> Vec<f32> {
    let mask = layer.recurrent.settings().mask(DRAW);
    let weight = values(layer.recurrent.weight.val());
    let dropped = weight.iter().enumerate().map(|(at, weight)| {
        let (i, o) = (at / 24, at % 24);
        if mask.keep(sequence, o as u32, i as u32) { weight * mask.scale() as f32 } else { 0.0 }
    });
    dropped.collect()
}

#[test]
fn a_sequence_keeps_its_mask_over_all_its_steps() {
    let device = Device::flex().autodiff();
    for per in [Per::Sequence, Per::Batch] {
        let layer = config().with_per(per).init_lstm(&device);
        let x = ramp([3, 4, 5], 31, 7, &device);
        let got = values(layer.forward_at(x.clone(), None, DRAW).0);
        // Each sequence for itself through Burn's own operations, with the weights that its mask leaves, at every step.
        let mut want = Vec::new();
        for sequence in 0..3 {
            let weight = weights_of(&layer, sequence);
            let mut plain = layer.clone().freeze();
            plain.recurrent.weight = plain
                .recurrent
                .weight
                .map(|old| Tensor::<1>::from_floats(weight.as_slice(), &old.device()).reshape([6, 24]));
            let x = x.clone().slice(s![sequence as usize..sequence as usize + 1, .., ..]);
            want.extend(values(plain.forward(x, None).0));
        }
        assert_close(&got, &want, 1e-6, &format!("{per:?}"));
        let first = weights_of(&layer, 0);
        assert_eq!(weights_of(&layer, 1) == first, per == Per::Batch);
    }
}

#[test]
fn every_call_draws_fresh_masks_and_sampling_draws_them_anywhere() {
    let device = Device::flex().autodiff();
    let layer = config().init_lstm(&device);
    let x = ramp([3, 4, 5], 31, 7, &device);
    let run = |layer: &DropConnectLstm, x: &Tensor<3>| values(layer.forward(x.clone(), None).0);
    assert_ne!(run(&layer, &x), run(&layer, &x));
    assert_eq!(layer.recurrent.steps.get(), 2, "one step a call, not one a time step");
    let (valid, x) = (layer.valid(), x.inner());
    assert_eq!(run(&valid, &x), run(&valid, &x));
    let sampler = Sampler::new(3).unwrap();
    let all = values(sampler.outputs(x.clone(), |x| valid.forward(x, None).0).unwrap());
    let single = sampler.with_max_examples(1);
    assert_eq!(values(single.outputs(x.clone(), |x| valid.forward(x, None).0).unwrap()), all);
    let passes: Vec<&[f32]> = all.chunks(all.len() / 3).collect();
    assert!(passes[0] != passes[1] && passes[1] != passes[2]);
    // No time steps.
    assert_eq!(valid.forward(Tensor::zeros([3, 0, 5], &x.device()), None).0.dims(), [3, 0, 6]);
}

/// A loss of every output, and how it depends on the recurrent weights: (value, gradient).
trait Recurrent: Module {
    fn weights(&self) -> Vec<f32>;
    fn with(&self, weights: &[f32], device: &Device) -> Self;
    fn loss(&self, x: &Tensor<3>) -> Tensor<1>;
    fn gradient(&self, x: &Tensor<3>) -> Vec<f32>;
}

macro_rules! recurrent {
    ($layer:ty, $outputs:expr, $run:expr) => {
        impl Recurrent for $layer {
            fn weights(&self) -> Vec<f32> {
                values(self.recurrent.weight.val())
            }

            fn with(&self, weights: &[f32], device: &Device) -> Self {
                let mut layer = self.clone();
                let weight = Tensor::<1>::from_floats(weights, device).reshape([6, $outputs]);
                layer.recurrent.weight = layer.recurrent.weight.map(|_| weight.require_grad());
                layer
            }

            fn loss(&self, x: &Tensor<3>) -> Tensor<1> {
                let y: Tensor<3> = $run(self, x.clone());
                let upstream = ramp(y.dims(), 91, 5, &x.device());
                (y * upstream).sum()
            }

            fn gradient(&self, x: &Tensor<3>) -> Vec<f32> {
                let gradients = self.loss(x).backward();
                values(self.recurrent.weight.grad(&gradients).unwrap())
            }
        }
    };
}

recurrent!(DropConnectLstm, 24, |layer: &DropConnectLstm, x| layer.forward_at(x, None, DRAW).0);
recurrent!(DropConnectGru, 18, |layer: &DropConnectGru, x| layer.forward_at(x, None, DRAW));

/// The gradient along some directions against central differences, the masks being those of one step throughout.
fn check_differences<L: Recurrent>(layer: &L, device: &Device) {
    let x = ramp([3, 4, 5], 31, 7, device).mul_scalar(4.0);
    let weights = layer.weights();
    let gradient = layer.gradient(&x);
    let value = |weights: &[f32]| f64::from(values(layer.with(weights, device).loss(&x))[0]);
    let h = 2e-2;
    for seed in 0..6 {
        let direction: Vec<f32> =
            (0..weights.len()).map(|at| ((at * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect();
        let at = |h: f32| -> Vec<f32> { weights.iter().zip(&direction).map(|(w, d)| w + h * d).collect() };
        // Fourth order: two central differences, the wide one weighted against the narrow one.
        let near = (value(&at(h)) - value(&at(-h))) / (2.0 * f64::from(h));
        let wide = (value(&at(2.0 * h)) - value(&at(-2.0 * h))) / (4.0 * f64::from(h));
        let difference = (4.0 * near - wide) / 3.0;
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        let size: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        // Against the size of the gradient: a slope may be near 0 by chance.
        assert!((slope - difference).abs() < 2e-3 * size, "{slope} against {difference}, of {size}");
    }
}

#[test]
fn gradients_are_finite_differences_with_the_masks_frozen() {
    let device = Device::flex().autodiff();
    for per in [Per::Sequence, Per::Batch] {
        let config = config().with_per(per);
        check_differences(&config.init_lstm(&device), &device);
        check_differences(&config.init_gru(&device), &device);
    }
}

#[test]
fn wgpu_gives_the_same() {
    let Some(wgpu) = device("wgpu_gives_the_same") else { return };
    let run = |device: Device| {
        let layer = config().init_lstm(&device);
        let layer = layer.with(&values(ramp([6, 24], 57, 3, &device)), &device);
        let mut layer = layer;
        layer.input.weight = layer.input.weight.map(|_| ramp([5, 24], 13, 1, &device).require_grad());
        let zero = |bias: burn::module::Param<Tensor<1>>| bias.map(|bias| bias.zeros_like().require_grad());
        layer.input.bias = layer.input.bias.map(zero);
        layer.recurrent.bias = layer.recurrent.bias.map(zero);
        let x = ramp([3, 4, 5], 31, 7, &device);
        (values(layer.loss(&x)), layer.gradient(&x))
    };
    let (got, want) = (run(wgpu.autodiff()), run(Device::flex().autodiff()));
    assert_close(&got.0, &want.0, 1e-5, "loss");
    assert_close(&got.1, &want.1, 1e-5, "gradient");
}

#[test]
fn an_example_is_what_the_configuration_says() {
    let device = Device::flex().autodiff();
    // [batch, time, more, features], the same row everywhere: equal outputs are equal masks.
    let dims = [3, 2, 2];
    let x = ramp([1, 1, 1, 24], 31, 7, &device).expand([3, 2, 2, 24]);
    for (per, sharing, rows_per_mask) in [
        (Per::Row, 1, 1),
        (Per::Row, 3, 3),
        (Per::Sequence, 1, 4),
        (Per::Sequence, 2, 8),
        (Per::Batch, 1, 12),
    ] {
        let config = DropConnectConfig::new(0, 24, 16).with_per(per).with_examples_per_mask(sharing);
        let layer = config.init(&device);
        let y = layer.forward_at(x.clone(), DRAW);
        assert_eq!(y.dims(), [dims[0], dims[1], dims[2], 16]);
        let y = values(y);
        let rows: Vec<&[f32]> = y.chunks(16).collect();
        for (a, b) in (0..12).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let same = a / rows_per_mask == b / rows_per_mask;
            assert_eq!(rows[a] == rows[b], same, "{per:?} {sharing}: {a} and {b}");
        }
        // The mask that it says it draws.
        let mask = layer.settings().mask_of_rows(DRAW, 4).unwrap();
        assert!((0..12).all(|row| mask.coordinate(row) == row / rows_per_mask as u32));
        // A shard that starts at an example of its own.
        let from = if per == Per::Row { 4 * 2 } else { 2 };
        let shard = layer.forward_at(x.clone().slice(s![2..3]), Draw { first_example: from, ..DRAW });
        assert_eq!(values(shard), y[2 * 4 * 16..], "{per:?} {sharing}");
    }
    let long = DropConnectConfig::new(0, 24, 16).with_per(Per::Sequence).init(&device);
    let far = Draw { first_example: u32::MAX, ..DRAW };
    assert!(long.settings().mask_of_rows(far, 4).unwrap_err().to_string().contains("first_example"));
    // No rows at all: Burn's `reshape` takes a 0 for "as it was".
    for dims in [[3, 0, 2, 24], [0, 3, 2, 24], [3, 2, 0, 24]] {
        let y = long.forward(Tensor::<4>::zeros(dims, &device));
        assert_eq!(y.dims(), [dims[0], dims[1], dims[2], 16]);
        let gradients = y.sum().backward();
        let gradient = values(long.weight.grad(&gradients).expect("a gradient of nothing is zeros"));
        assert_eq!(gradient, [0.0; 24 * 16]);
    }
}
