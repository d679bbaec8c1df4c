//! The operation on Burn's wgpu backend: this project's kernels on Burn's device, queue and buffers.
//!
//! Burn collects work per stream and submits it later. A pass here submits what Burn has collected so far, then
//! its own commands on the same queue, which runs them in that order; whatever Burn collects next comes after.
//! Burn's tensors are slices of a few large buffers: the kernels cope with operands and results in one buffer.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape as BurnShape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, CubeDevice};
use cubecl_wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use dropconnect::gpu::{Kernels, Recording, Tensor};

use super::{Call, DropConnectOps, element_type, host};
use crate::Error;
use crate::device::{Handles, handles};
use crate::error::expect;

impl host::Host for CubeBackend {
    type Values = Vec<f32>;

    fn values(tensor: FloatTensor<Self>) -> Vec<f32> {
        host::copied::<Self>(tensor)
    }
}

impl DropConnectOps for CubeBackend {
    fn drop_connect_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        forward(x, weight, None, call)
    }

    fn drop_connect_forward_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        forward(x, weight, Some(bias), call)
    }

    fn drop_connect_input_gradient(
        grad_output: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        if !on_wgpu(&grad_output) {
            return host::input_gradient::<Self>(grad_output, weight, call);
        }
        let operands = [("grad_output", rows(grad_output)), ("weight", transposed_rows(weight))];
        let [gradient] = expect(pass(&operands, [call.input()], |kernels, operands, [grad_input]| {
            kernels.record(call.input_gradient(operands[0], operands[1], grad_input))
        }));
        gradient
    }

    fn drop_connect_weight_gradient(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        if !on_wgpu(&grad_output) {
            return host::weight_gradient::<Self>(grad_output, x, call);
        }
        let operands = [("grad_output", rows(grad_output)), ("x", rows(x))];
        let [gradient] =
            expect(pass(&operands, [call.stored_weight()], |kernels, operands, [grad_weight]| {
                kernels.record(call.weight_gradient(operands[0], operands[1], grad_weight))
            }));
        permute(gradient, &[1, 0])
    }

    fn drop_connect_both_gradients(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !on_wgpu(&grad_output) {
            return host::both_gradients::<Self>(grad_output, x, weight, call);
        }
        let operands =
            [("grad_output", rows(grad_output)), ("x", rows(x)), ("weight", transposed_rows(weight))];
        let [dx, dw] =
            expect(pass(&operands, [call.input(), call.stored_weight()], |kernels, operands, [dx, dw]| {
                kernels.record(call.both_gradients([operands[0], operands[1], operands[2]], [dx, dw]))
            }));
        (dx, permute(dw, &[1, 0]))
    }

    fn drop_connect_bias_gradient(grad_output: FloatTensor<Self>, call: Call) -> FloatTensor<Self> {
        if !on_wgpu(&grad_output) {
            return host::bias_gradient::<Self>(grad_output, call);
        }
        let operands = [("grad_output", rows(grad_output))];
        let [gradient] = expect(pass(&operands, [call.bias()], |kernels, operands, [grad_bias]| {
            kernels.record(call.bias_gradient(operands[0], grad_bias))
        }));
        gradient
    }

    fn drop_connect_layout(weight: FloatTensor<Self>) -> FloatTensor<Self> {
        permute(transposed_rows(weight), &[1, 0])
    }
}

fn forward(x: CubeTensor, weight: CubeTensor, bias: Option<CubeTensor>, call: Call) -> CubeTensor {
    if !on_wgpu(&x) {
        return host::forward::<CubeBackend>(x, weight, bias, call);
    }
    let mut operands = vec![("x", rows(x)), ("weight", transposed_rows(weight))];
    operands.extend(bias.map(|bias| ("bias", rows(bias))));
    let [y] = expect(pass(&operands, [call.output()], |kernels, operands, [y]| {
        kernels.record(call.forward(operands[0], operands[1], operands.get(2).copied(), y))
    }));
    y
}

fn on_wgpu(tensor: &CubeTensor) -> bool {
    matches!(tensor.device, CubeDevice::Wgpu(_))
}

/// A tensor whose elements lie in memory as its shape says, from a word boundary on.
fn rows(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    // A slice of a tensor of 16-bit elements may start in the middle of a word.
    let aligned = tensor.handle.offset_start.unwrap_or(0).is_multiple_of(4);
    if aligned { tensor } else { tensor.copy() }
}

/// W as the kernels read it, `[outputs, inputs]`. The layer keeps its weight so that this copies nothing.
fn transposed_rows(weight: CubeTensor) -> CubeTensor {
    rows(permute(weight, &[1, 0]))
}

/// Makes the results, records the pass and submits it.
fn pass<const RESULTS: usize>(
    operands: &[(&'static str, CubeTensor)],
    shapes: [BurnShape; RESULTS],
    record: impl FnOnce(&Kernels, &[Tensor], [Tensor; RESULTS]) -> Result<Recording, dropconnect::Error>,
) -> Result<[CubeTensor; RESULTS], Error> {
    let (argument, first) = &operands[0];
    let element = element_type(argument, first.dtype)?;
    let CubeDevice::Wgpu(device) = &first.device else {
        return Err(Error::NotWgpu { device: format!("{:?}", first.device) });
    };
    let Handles { kernels, queue } = &*handles(device)?;
    let results = shapes.map(|shape| {
        empty_device_contiguous_dtype(first.client.clone(), first.device.clone(), shape, first.dtype)
    });

    let all: Vec<(&'static str, &CubeTensor)> = operands
        .iter()
        .map(|(argument, tensor)| (*argument, tensor))
        .chain(results.iter().map(|result| ("result", result)))
        .collect();
    let resources =
        all.iter().map(|(argument, tensor)| resource(argument, tensor)).collect::<Result<Vec<_>, _>>()?;
    for (argument, tensor) in &all {
        submit_pending(argument, tensor)?;
    }
    let tensors: Vec<_> = all
        .iter()
        .zip(&resources)
        .map(|((_, tensor), resource)| Tensor {
            buffer: &resource.buffer,
            offset: resource.offset,
            size: (tensor.meta.shape().num_elements() * element.size()) as u64,
            element,
        })
        .collect();
    let (operands, own) = tensors.split_at(operands.len());
    let recording = record(kernels, operands, std::array::from_fn(|index| own[index]))?;
    recording.submit(queue)?;
    Ok(results)
}

/// The place of a tensor in Burn's memory. It belongs to the tensor as long as the tensor lives, which the
/// callers see to.
fn resource(argument: &'static str, tensor: &CubeTensor) -> Result<WgpuResource, Error> {
    tensor
        .client
        .get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone())
        .map(|managed| managed.resource().clone())
        .map_err(|error| Error::Buffer { argument, reason: error.to_string() })
}

/// Submits the work that Burn has collected on the tensor's stream: what writes the tensor is in there.
fn submit_pending(argument: &'static str, tensor: &CubeTensor) -> Result<(), Error> {
    let mut client = tensor.client.clone();
    // SAFETY: cubecl marks this unsafe because launches on a foreign stream race with its owner's. This clone
    // launches nothing: it only submits what is collected there, which the owner may do at any time as well.
    unsafe { client.set_stream(tensor.handle.stream) };
    client.flush().map_err(|error| Error::Buffer { argument, reason: error.to_string() })
}
