//! A model of Burn's own layers whose weights are dropped, its type unchanged.
#![cfg(feature = "flex")]

use crate::common::{assert_close, device, ramp, values};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::store::ModuleRecord;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use dropconnect_burn::{Draw, DropConnect, DropConnectConfig, ModelConfig, Sampler, WeightDrop, convert};

#[derive(Module, Debug)]
struct Model {
    /// A matrix of this name that is no `Linear`.
    embedding: Embedding,
    layers: Vec<Linear>,
    output: Linear,
}

/// The same with our layers.
#[derive(Module, Debug)]
struct Ours {
    embedding: Embedding,
    layers: Vec<DropConnect>,
    output: DropConnect,
}

fn model(device: &Device) -> Model {
    Model {
        embedding: EmbeddingConfig::new(4, 12).init(device),
        layers: vec![LinearConfig::new(12, 9).init(device), LinearConfig::new(9, 9).init(device)],
        output: LinearConfig::new(9, 5).init(device),
    }
}

impl Model {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.layers.iter().fold(x, |x, layer| relu(layer.forward(x))))
    }
}

/// The weight of a layer under the mask of a step, from what the layer says it draws.
fn masked(layer: &Linear, step: u64) -> Vec<f32> {
    let drop = layer.weight.reparameterization::<WeightDrop>().unwrap();
    let mask = drop.settings().mask(Draw { step, ..Draw::default() });
    let outputs = layer.weight.shape()[1];
    let weights = values(layer.weight.base()).into_iter().enumerate();
    let factor = |at| {
        let kept = mask.keep(0, (at % outputs) as u32, (at / outputs) as u32);
        if kept { mask.scale() as f32 } else { 0.0 }
    };
    weights.map(|(at, weight)| weight * factor(at)).collect()
}

fn check(device: Device) {
    let device = device.autodiff();
    let plain = model(&device);
    let config = ModelConfig::new().with_seed(42).with_prob(0.3).with_probs(vec![(2, 0.5)]);
    let mut paths = Vec::new();
    let dropping = convert(plain.clone(), &config, |path| {
        paths.push(path.to_owned());
        path != "layers.1"
    })
    .unwrap();
    assert_eq!(paths, ["layers.0", "layers.1", "output"], "linear layers and nothing else");
    let settings = |layer: &Linear| layer.weight.reparameterization::<WeightDrop>().map(|it| *it.settings());
    let [first, second, last] = [&dropping.layers[0], &dropping.layers[1], &dropping.output].map(settings);
    assert!(second.is_none());
    let numbers = [first, last].map(|it| it.map(|it| (it.layer, it.seed, it.probability.requested())));
    assert_eq!(numbers, [Some((0, 42, 0.3)), Some((2, 42, 0.5))]);

    let x = ramp([6, 12], 31, 7, &device);
    let want = values(plain.forward(x.clone()));
    // Each use of a weight has the next mask, and the weight's gradient that mask.
    for step in 0..2 {
        let weight = dropping.layers[0].weight.val();
        assert_close(&values(weight.clone()), &masked(&dropping.layers[0], step), 1e-6, "weight");
        let gradients = weight.sum().backward();
        let gradient = values(dropping.layers[0].weight.base().grad(&gradients).unwrap());
        let stored = values(dropping.layers[0].weight.base());
        for ((g, w), m) in gradient.iter().zip(&stored).zip(masked(&dropping.layers[0], step)) {
            assert!((g * w - m).abs() < 1e-6, "{g} * {w} against {m}");
        }
    }
    assert_ne!(values(dropping.forward(x.clone())), values(dropping.forward(x.clone())));
    // Inference, frozen, taken away again, and in records.
    let (valid, inner) = (dropping.valid(), x.clone().inner());
    assert_eq!(values(valid.forward(inner.clone())), want);
    assert_eq!(values(dropping.clone().freeze().forward(x.clone())), want);
    let taken = valid.clone().materialize();
    assert!(taken.layers[0].weight.reparameterization::<WeightDrop>().is_none());
    assert_eq!(values(taken.forward(inner.clone())), want);
    let bytes = dropping.clone().into_record().into_bytes().unwrap();
    let record = ModuleRecord::from_bytes(bytes).unwrap();
    let again = convert(model(&device), &config, |path| path != "layers.1").unwrap().load_record(record);
    let steps =
        |model: &Model| model.layers[0].weight.reparameterization::<WeightDrop>().unwrap().steps.get();
    assert_eq!((steps(&again), steps(&dropping)), (4, 4));
    assert_eq!(values(again.forward(x.clone())), values(dropping.forward(x.clone())), "the same masks go on");
    let old = plain.clone().into_record().into_bytes().unwrap();
    let record = ModuleRecord::from_bytes(old).unwrap().allow_partial(true);
    let loaded = convert(model(&device), &config, |_| true).unwrap().load_record(record);
    assert_eq!(values(loaded.valid().forward(inner.clone())), want);

    // A pass has a mask, and a run one pass.
    let sampler = Sampler::new(3).unwrap().with_max_examples(1);
    let passes = values(sampler.outputs(inner.clone(), |x| valid.forward(x)).unwrap());
    assert!(passes[..30] != passes[30..60] && passes[30..60] != passes[60..]);
    assert_eq!(values(sampler.outputs(inner.clone(), |x| valid.forward(x)).unwrap()), passes);
    let many = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Sampler::new(3).unwrap().outputs(inner, |x| valid.forward(x))
    }));
    let text = *many.expect_err("one mask for three passes").downcast::<String>().unwrap();
    assert!(text.contains("with_max_examples(1)"), "{text}");
}

#[test]
fn every_linear_that_the_filter_accepts_drops_on_the_cpu() {
    check(Device::flex());
}

#[test]
fn every_linear_that_the_filter_accepts_drops_on_wgpu() {
    let Some(device) = device("every_linear_that_the_filter_accepts_drops_on_wgpu") else { return };
    check(device);
}

#[test]
fn a_probability_that_masks_do_not_have_is_refused() {
    let config = ModelConfig::new().with_prob(1.0);
    assert!(convert(model(&Device::flex()), &config, |_| true).is_err());
    assert!(convert(model(&Device::flex()), &config, |_| false).is_ok(), "nothing asked for it");
}

#[test]
fn a_whole_models_record_loads_into_one_of_our_layers() {
    let device = Device::flex().autodiff();
    let plain = model(&device);
    let layer = |number, inputs, outputs| DropConnectConfig::new(number, inputs, outputs).init(&device);
    let ours = Ours {
        embedding: EmbeddingConfig::new(4, 12).init(&device),
        layers: vec![layer(0, 12, 9), layer(1, 9, 9)],
        output: layer(2, 9, 5),
    };
    let ours = ours.load_record(plain.clone().into_record().allow_partial(true));
    let x = ramp([6, 12], 31, 7, &device).inner();
    let valid = ours.valid();
    let y = valid.output.forward(valid.layers.iter().fold(x.clone(), |x, layer| relu(layer.forward(x))));
    assert_close(&values(y), &values(plain.valid().forward(x)), 1e-6, "weights kept");
    assert_eq!(values(valid.embedding.weight.val()), values(plain.valid().embedding.weight.val()));
}
