//! How long our kernels alone take for the layers of the network, without Burn around them.

use std::time::Instant;

use dropconnect_burn::dropconnect::call::{BiasGradient, BothGradients, Forward, WeightGradient};
use dropconnect_burn::dropconnect::gpu::{Kernels, Recording, Tensor};
use dropconnect_burn::dropconnect::{
    Bias, DropProbability, ElementType, Error, Mask, MaskKey, Shape, Write, wgpu,
};

/// The passes of one layer, for one training step.
pub struct Layer {
    pub shape: Shape,
    /// A first layer needs no gradient of its input.
    pub input_gradient: bool,
}

/// Seconds for one step of these layers: the fastest of some tries, each waited for.
#[allow(dead_code, reason = "one of the programs that share this file takes each try")]
pub fn seconds_per_step(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    layers: &[Layer],
    p: f64,
    tries: usize,
) -> Result<f64, Error> {
    let step = prepare(device, layers, p)?;
    // The first try compiles nothing any more, but warms up.
    Ok((0..=tries).map(|_| seconds(device, queue, &step)).fold(f64::INFINITY, f64::min))
}

/// The passes of a step, compiled.
pub fn prepare(device: &wgpu::Device, layers: &[Layer], p: f64) -> Result<Vec<Recording>, Error> {
    let kernels = Kernels::new(device, &Default::default())?;
    let mask = Mask::new(MaskKey::new(0, 0), DropProbability::new(p)?);
    let tensor = |elements: usize| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: elements as u64 * 4,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let mut recordings = Vec::new();
    for layer in layers {
        let (shape, write, mask) = (layer.shape, Write::Overwrite, Some(&mask));
        let lengths = [shape.input_len(), shape.weight_len(), shape.outputs(), shape.output_len()];
        let (operands, results) = (lengths.map(tensor), lengths.map(tensor));
        let of = |buffer| Tensor::new(buffer, ElementType::F32);
        let [x, weight, bias, grad_output] = operands.each_ref().map(of);
        let [grad_input, grad_weight, grad_bias, y] = results.each_ref().map(of);
        let bias = Bias::Plain(bias);
        recordings.push(kernels.forward(&Forward { shape, mask, x, weight, bias, y })?);
        recordings.push(if layer.input_gradient {
            let (grad_input, grad_weight) = ((grad_input, write), (grad_weight, write));
            let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
            kernels.both_gradients(&call)
        } else {
            kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write })
        }?);
        let call = BiasGradient { shape, bias_mask: None, grad_output, grad_bias, write };
        recordings.push(kernels.bias_gradient(&call)?);
    }
    Ok(recordings)
}

/// Seconds for one step, waited for.
pub fn seconds(device: &wgpu::Device, queue: &wgpu::Queue, step: &[Recording]) -> f64 {
    let start = Instant::now();
    let mut encoder = device.create_command_encoder(&Default::default());
    for recording in step {
        recording.encode(&mut encoder);
    }
    queue.submit([encoder.finish()]);
    // Waits for this device only; the caller has nothing else in flight.
    let _ = device.poll(wgpu::PollType::wait_indefinitely());
    start.elapsed().as_secs_f64()
}
