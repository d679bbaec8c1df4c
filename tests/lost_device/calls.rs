//! Every call there is, each ready to be made on a device in any state.

use dropconnect::call::{Activate, PredictivePass};
use dropconnect::gpu::{Gpu, Kernels, Method, Recording, Tensor, WriteMask};
use dropconnect::{
    Activation, Bias, Device, DropConnect, ElementType, Error, Mask, Moments, Shape, Write, wgpu,
};

use super::common::*;

pub const F32: ElementType = ElementType::F32;

#[allow(non_snake_case, reason = "as good as a constant")]
pub fn SHAPE() -> Shape {
    shape([3, 5, 9])
}

/// A buffer for every tensor of a call of any pass.
pub struct Buffers(pub Vec<wgpu::Buffer>);

impl Buffers {
    pub fn new(gpu: &Gpu) -> Self {
        Self((0..8).map(|_| gpu.upload(&[0; 4 * 5 * 9]).unwrap()).collect())
    }

    pub fn tensor(&self, index: usize, elements: usize) -> Tensor<'_> {
        Tensor { buffer: &self.0[index], offset: 0, size: 4 * elements as u64, element: F32 }
    }
}

/// A pass by name, and how it is prepared.
pub type Prepare<'a> = (&'static str, Box<dyn Fn() -> Result<Recording, Error> + 'a>);

/// Every pass of [`Kernels`].
pub fn passes<'a>(kernels: &'a Kernels, buffers: &'a Buffers, mask: &'a Mask) -> Vec<Prepare<'a>> {
    let (shape, write) = (SHAPE(), Write::Overwrite);
    let [input, weights, output, outputs, batch] =
        [shape.input_len(), shape.weight_len(), shape.output_len(), shape.outputs(), shape.batch()];
    let at = |index, elements| buffers.tensor(index, elements);
    let (x, weight, grad_output) = (at(0, input), at(1, weights), at(2, output));
    let (bias, some) = (Bias::Plain(at(3, outputs)), Some(mask));
    let operands = Operands { shape, x, weight, bias, grad_output, write };
    let pair = [at(4, output), at(5, output)];
    vec![
        ("forward", Box::new(move || kernels.record(operands.forward(some, pair[0])))),
        ("input_gradient", Box::new(move || kernels.record(operands.input_gradient(some, at(4, input))))),
        ("weight_gradient", Box::new(move || kernels.record(operands.weight_gradient(some, at(4, weights))))),
        (
            "both_gradients",
            Box::new(move || {
                let (grad_input, grad_weight) = ((at(4, input), write), (at(5, weights), write));
                kernels.record(operands.both_gradients(some, grad_input, grad_weight))
            }),
        ),
        ("bias_gradient", Box::new(move || kernels.record(operands.bias_gradient(some, at(4, outputs))))),
        (
            "write_mask",
            Box::new(move || {
                let (result, size) = (at(4, 0).buffer, shape.connections());
                kernels.write_mask(&WriteMask { shape, mask, result, offset: 0, size })
            }),
        ),
        (
            "write_bias_mask",
            Box::new(move || {
                let (result, size) = (at(4, 0).buffer, output as u64);
                kernels.write_bias_mask(&WriteMask { shape, mask, result, offset: 0, size })
            }),
        ),
        ("moments", Box::new(move || kernels.record(operands.moments(&mask.probability, pair)))),
        (
            "activate",
            Box::new(move || {
                let [mean, variance] = pair;
                kernels.record(Activate {
                    shape,
                    activation: Activation::Tanh,
                    method: Method::Sampled { samples: 3, key: mask.key, origin: mask.origin },
                    u_mean: grad_output,
                    u_variance: at(6, output),
                    mean,
                    variance,
                })
            }),
        ),
        ("monte_carlo", Box::new(move || kernels.record(operands.monte_carlo(mask, 3, pair)))),
        (
            "predictive",
            Box::new(move || {
                kernels.record(PredictivePass {
                    shape,
                    pass: 0,
                    passes: 1,
                    logits: grad_output,
                    mean: pair[0],
                    entropy: at(5, batch),
                    information: at(6, batch),
                })
            }),
        ),
    ]
}

/// Every call of [`Device`] with host memory.
pub fn device_calls(device: &Device) -> Vec<(&'static str, Result<(), Error>)> {
    let (shape, mask) = (SHAPE(), mask(0.3));
    let data = Data::random(&shape, F32, 7);
    let operands = data.operands(&shape, Bias::Plain(()));
    let (mask, some, p) = (&mask, Some(&mask), &mask.probability);
    let u = Moments { mean: data.grad_output.clone(), variance: vec![1.0; data.grad_output.len()] };
    let (three, two) = (operands.monte_carlo(mask, 3, MADE), operands.monte_carlo(mask, 2, MADE));
    let drop = |_| ();
    vec![
        ("forward", device.run(F32, operands.forward(some, ())).wait().map(drop)),
        ("input_gradient", device.run(F32, operands.input_gradient(some, ())).wait().map(drop)),
        ("weight_gradient", device.run(F32, operands.weight_gradient(some, ())).wait().map(drop)),
        ("bias_gradient", device.run(F32, operands.bias_gradient(some, ())).wait().map(drop)),
        ("mask", device.mask(&shape, mask).wait().map(|_| ())),
        ("bias_mask", device.bias_mask(&shape, mask).wait().map(|_| ())),
        ("moments", device.run(F32, operands.moments(p, MADE)).wait().map(|_| ())),
        ("activate", activate_on(device, shape, Activation::Relu, Method::Closed, &u).map(|_| ())),
        ("monte_carlo", device.run(F32, three).wait().map(|_| ())),
        ("pass_outputs", device.pass_outputs(F32, two).wait().map(drop)),
        ("predictive", device.predictive(F32, two).wait().map(|_| ())),
    ]
}

/// Every call of the layer that computes or copies.
pub fn layer_calls(layer: &mut DropConnect) -> Vec<(&'static str, Result<(), Error>)> {
    let data = Data::random(&SHAPE(), F32, 9);
    let x = &data.x[..];
    vec![
        ("forward", layer.forward(x).wait().map(|_| ())),
        ("eval", layer.eval(x).wait().map(|_| ())),
        ("backward", layer.backward(x, &data.grad_output, Write::Accumulate).wait().map(|_| ())),
        ("moments", layer.moments(x).wait().map(|_| ())),
        ("gaussian", layer.gaussian(x, Activation::Relu, None).wait().map(|_| ())),
        ("gaussian, sampled", layer.gaussian(x, Activation::Tanh, Some(2)).wait().map(|_| ())),
        ("monte_carlo", layer.monte_carlo(x, 2).wait().map(|_| ())),
        ("pass_outputs", layer.pass_outputs(x, 2).wait().map(|_| ())),
        ("predictive", layer.predictive(x, 2).wait().map(|_| ())),
        ("weight", layer.weight().wait().map(|_| ())),
        ("bias", layer.bias().wait().map(|_| ())),
        ("grad_weight", layer.grad_weight().wait().map(|_| ())),
        ("grad_bias", layer.grad_bias().wait().map(|_| ())),
        ("set_weight", layer.set_weight(&data.weight)),
        ("set_bias", layer.set_bias(&data.bias)),
    ]
}
