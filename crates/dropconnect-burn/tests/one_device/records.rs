//! Saving, loading and going on.

use crate::common::{config, device, numbered, ramp, values};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, activation::relu};
use dropconnect_burn::DropConnect;

#[derive(Module, Debug)]
struct Network {
    hidden: DropConnect,
    output: DropConnect,
}

fn network(device: &Device) -> Network {
    Network {
        hidden: numbered(0, 12, 20).init(device),
        output: numbered(1, 20, 4).with_prob(0.5).with_masked_bias(true).init(device),
    }
}

fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

/// Trains some steps and returns the losses.
fn train(
    mut model: Network,
    optimizer: &mut ModuleOptimizer,
    steps: usize,
    device: &Device,
) -> (Network, Vec<f32>) {
    let mut losses = Vec::new();
    for _ in 0..steps {
        let y = model.output.forward(relu(model.hidden.forward(ramp([10, 12], 31, 7, device))));
        let loss = (y - ramp([10, 4], 57, 3, device)).powi_scalar(2).mean();
        losses.extend(values(loss.clone()));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.1, model, gradients);
    }
    (model, losses)
}

#[test]
fn a_resumed_training_has_the_same_losses() {
    let Some(device) = device("a_resumed_training_has_the_same_losses") else { return };
    let device = device.autodiff();
    let mut optim = optimizer();
    let (model, _) = train(network(&device), &mut optim, 3, &device);
    let saved = model.clone().into_record().into_bytes().unwrap();
    let saved_optimizer = optim.into_bytes().unwrap();
    let (_, want) = train(model, &mut optim, 4, &device);

    let model = network(&device).load_record(ModuleRecord::from_bytes(saved.clone()).unwrap());
    assert_eq!((model.hidden.steps.get(), model.output.steps.get()), (3, 3));
    let mut resumed = optimizer().from_bytes(saved_optimizer).unwrap();
    let (_, got) = train(model, &mut resumed, 4, &device);
    assert_eq!(got, want);

    // Without the step the masks, and so the losses, are others.
    let model = network(&device).load_record(ModuleRecord::from_bytes(saved).unwrap());
    model.hidden.steps.set(0);
    let (_, other) = train(model, &mut optimizer(), 1, &device);
    assert_ne!(other[0], want[0]);
}

#[test]
fn records_go_to_burns_linear_and_back() {
    let Some(device) = device("records_go_to_burns_linear_and_back") else { return };
    let linear: Linear = LinearConfig::new(12, 20).init(&device);
    let weight = values(linear.weight.val());
    let x = ramp([3, 12], 31, 7, &device);
    let want = values(linear.forward(x.clone()));

    let bytes = linear.into_record().into_bytes().unwrap();
    let record = ModuleRecord::from_bytes(bytes).unwrap().allow_partial(true);
    let layer = config(12, 20).init(&device).load_record(record);
    assert_eq!(values(layer.weight.val()), weight);
    crate::common::assert_close(&values(layer.forward(x.clone())), &want, 1e-6, "inference");

    let bytes = layer.clone().into_record().into_bytes().unwrap();
    let record = ModuleRecord::from_bytes(bytes).unwrap();
    assert_eq!(record.len(), 3, "weight, bias and step");
    let linear = LinearConfig::new(12, 20).init(&device).load_record(record.allow_unused(true));
    assert_eq!(values(linear.weight.val()), weight);
    assert_eq!(values(layer.into_linear().weight.val()), weight);
}

#[test]
fn steps_past_32_bits_survive() {
    let Some(device) = device("steps_past_32_bits_survive") else { return };
    let layer = config(3, 2).init(&device);
    layer.steps.set(0xfedc_ba98_7654_3210);
    let record = ModuleRecord::from_bytes(layer.into_record().into_bytes().unwrap()).unwrap();
    assert_eq!(config(3, 2).init(&device).load_record(record).steps.get(), 0xfedc_ba98_7654_3210);
}
