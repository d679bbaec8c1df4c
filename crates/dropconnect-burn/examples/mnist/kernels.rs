//! How long our kernels alone take for the layers of the network, without Burn around them.

use std::time::Instant;

use dropconnect_burn::dropconnect::gpu::{BiasGradient, Forward, Gradients, Kernels, WeightGradient};
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
pub fn seconds_per_step(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    layers: &[Layer],
    p: f64,
    tries: usize,
) -> Result<f64, Error> {
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
        let (shape, element, write, mask) = (layer.shape, ElementType::F32, Write::Overwrite, Some(&mask));
        let (x, grad_x) = (tensor(shape.input_len()), tensor(shape.input_len()));
        let (y, grad_y) = (tensor(shape.output_len()), tensor(shape.output_len()));
        let (weight, grad_weight) = (tensor(shape.weight_len()), tensor(shape.weight_len()));
        let (bias, grad_bias) = (tensor(shape.outputs()), tensor(shape.outputs()));
        let plain = Bias::Plain((&bias).into());
        let (x, weight, grad_output) = ((&x).into(), (&weight).into(), (&grad_y).into());
        recordings.push(kernels.forward(&Forward {
            shape,
            element,
            mask,
            x,
            weight,
            bias: plain,
            y: (&y).into(),
        })?);
        let grad_weight = (&grad_weight).into();
        recordings.push(if layer.input_gradient {
            kernels.gradients(&Gradients {
                shape,
                element,
                mask,
                grad_output,
                x,
                weight,
                grad_input: ((&grad_x).into(), write),
                grad_weight: (grad_weight, write),
            })
        } else {
            kernels.weight_gradient(&WeightGradient {
                shape,
                element,
                mask,
                grad_output,
                x,
                grad_weight,
                write,
            })
        }?);
        let grad_bias = (&grad_bias).into();
        recordings.push(kernels.bias_gradient(&BiasGradient {
            shape,
            element,
            bias_mask: None,
            grad_output,
            grad_bias,
            write,
        })?);
    }
    let mut fastest = f64::INFINITY;
    // The first try compiles nothing any more, but warms up.
    for _ in 0..=tries {
        let start = Instant::now();
        let mut encoder = device.create_command_encoder(&Default::default());
        for recording in &recordings {
            recording.encode(&mut encoder);
        }
        queue.submit([encoder.finish()]);
        // Waits for this device only; the caller has nothing else in flight.
        let _ = device.poll(wgpu::PollType::wait_indefinitely());
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest)
}
