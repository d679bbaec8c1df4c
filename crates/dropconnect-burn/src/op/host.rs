//! The operation on backends without wgpu: the same masks, applied on the host by `dropconnect::cpu`.
//!
//! Burn's CPU backend has its tensors in host memory anyway. For others this copies, and is here so that a model gives
//! the same results everywhere, not to be fast. Nothing of the mask is stored here either.

use std::ops::Deref;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, TensorData};
use dropconnect::cpu;

use super::Call;
use crate::error::expect;

/// A backend whose tensors are read on the host.
pub(super) trait Host: Backend {
    /// What holds the elements of a tensor.
    type Values: Deref<Target = [f32]>;

    /// The elements, row by row, in f32, as the passes accumulate.
    fn values(tensor: FloatTensor<Self>) -> Self::Values;
}

pub(super) fn forward<B: Host>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    call: Call,
) -> FloatTensor<B> {
    let like = Like::<B>::of(&x);
    let bias = bias.map(B::values);
    let mut y = zeros(call.shape.output_len());
    let (x, weight) = (B::values(x), transposed::<B>(weight));
    run(call.forward(&x[..], &weight[..], bias.as_deref(), &mut y[..]));
    like.tensor(y, call.output())
}

pub(super) fn input_gradient<B: Host>(
    grad_output: FloatTensor<B>,
    weight: FloatTensor<B>,
    call: Call,
) -> FloatTensor<B> {
    let like = Like::<B>::of(&grad_output);
    let mut gradient = zeros(call.shape.input_len());
    let (grad_output, weight) = (B::values(grad_output), transposed::<B>(weight));
    run(call.input_gradient(&grad_output[..], &weight[..], &mut gradient[..]));
    like.tensor(gradient, call.input())
}

pub(super) fn weight_gradient<B: Host>(
    grad_output: FloatTensor<B>,
    x: FloatTensor<B>,
    call: Call,
) -> FloatTensor<B> {
    let like = Like::<B>::of(&grad_output);
    let mut gradient = zeros(call.shape.weight_len());
    let (grad_output, x) = (B::values(grad_output), B::values(x));
    run(call.weight_gradient(&grad_output[..], &x[..], &mut gradient[..]));
    B::float_transpose(like.tensor(gradient, call.stored_weight()))
}

pub(super) fn both_gradients<B: Host>(
    grad_output: FloatTensor<B>,
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    call: Call,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (like_x, like_weight) = (Like::<B>::of(&x), Like::<B>::of(&weight));
    let (mut dx, mut dw) = (zeros(call.shape.input_len()), zeros(call.shape.weight_len()));
    let [grad_output, x, weight] = [B::values(grad_output), B::values(x), transposed::<B>(weight)];
    run(call.both_gradients([&grad_output[..], &x[..], &weight[..]], [&mut dx[..], &mut dw[..]]));
    (like_x.tensor(dx, call.input()), B::float_transpose(like_weight.tensor(dw, call.stored_weight())))
}

pub(super) fn bias_gradient<B: Host>(grad_output: FloatTensor<B>, call: Call) -> FloatTensor<B> {
    let like = Like::<B>::of(&grad_output);
    let mut gradient = zeros(call.shape.outputs());
    run(call.bias_gradient(&B::values(grad_output)[..], &mut gradient[..]));
    like.tensor(gradient, call.bias())
}

/// Runs a pass; what it refuses ends the operation with the text of its error.
fn run<'a>(call: impl Into<dropconnect::call::Call<'a, &'a [f32], &'a mut [f32]>>) {
    expect(cpu::run(call).map_err(Into::into));
}

/// Where results go, and as what.
struct Like<B: Backend> {
    device: B::Device,
    dtype: burn::tensor::DType,
}

impl<B: Backend> Like<B> {
    fn of(tensor: &FloatTensor<B>) -> Self {
        Self { device: tensor.device(), dtype: tensor.dtype() }
    }

    fn tensor(self, values: Vec<f32>, shape: Shape) -> FloatTensor<B> {
        let data = TensorData::new(values, shape).convert_dtype(self.dtype);
        B::float_from_data(data, &self.device)
    }
}

/// Memory for a result; where there is none, the operation ends with the text of that error.
fn zeros(len: usize) -> Vec<f32> {
    let mut values = Vec::new();
    let bytes = (len as u64).saturating_mul(size_of::<f32>() as u64);
    let refused = |_| dropconnect::Error::HostMemory { bytes }.into();
    expect(values.try_reserve_exact(len).map_err(refused));
    values.resize(len, 0.0);
    values
}

/// The elements of a tensor as [`Host::values`] has them, copied from wherever they are.
pub(super) fn copied<B: Backend>(tensor: FloatTensor<B>) -> Vec<f32> {
    let data = pollster::block_on(B::float_into_data(tensor));
    let data = data.unwrap_or_else(|error| panic!("DropConnect: a tensor cannot be read: {error}"));
    data.try_into_vec_as().unwrap_or_else(|error| panic!("DropConnect: {error}"))
}

/// W as the passes read it, `[outputs, inputs]`.
fn transposed<B: Host>(weight: FloatTensor<B>) -> B::Values {
    B::values(B::float_transpose(weight))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::backend::Flex;
    use burn_cubecl::{CubeBackend, CubeDevice};
    use cubecl_wgpu::WgpuDevice;
    use dropconnect::{DropProbability, Mask, MaskKey};

    use super::*;

    /// All passes on a backend, by way of the host.
    fn results<B: Host>(device: &B::Device) -> Vec<Vec<f32>> {
        let shape = dropconnect::Shape::new(6, 10, 21).unwrap();
        let mask = Mask::new(MaskKey::new(42, 3).at_step(17), DropProbability::new(0.3).unwrap());
        let call = Call { mask, masked_bias: true, shape };
        let tensor = |dims: &[usize], a: usize| {
            let values: Vec<f32> =
                (0..dims.iter().product()).map(|at: usize| ((at * a) % 1009) as f32 / 1009.0 - 0.5).collect();
            B::float_from_data(TensorData::new(values, dims.to_vec()), device)
        };
        let (x, weight, bias) = (tensor(&[6, 21], 31), tensor(&[21, 10], 57), tensor(&[10], 13));
        let grad_output = tensor(&[6, 10], 91);
        let (dx, dw) = both_gradients::<B>(grad_output.clone(), x.clone(), weight.clone(), call);
        let all = [
            forward::<B>(x.clone(), weight.clone(), Some(bias), call),
            forward::<B>(x.clone(), weight.clone(), None, call),
            dx,
            dw,
            input_gradient::<B>(grad_output.clone(), weight, call),
            weight_gradient::<B>(grad_output.clone(), x, call),
            bias_gradient::<B>(grad_output, call),
        ];
        all.map(|tensor| B::values(tensor).to_vec()).to_vec()
    }

    /// What CUDA, ROCm and Burn's `cpu` runtime get, which are devices of this backend: a tensor comes to the host and
    /// a result goes back. Here they are on wgpu, where the kernels would serve.
    #[test]
    fn devices_without_kernels_go_by_way_of_the_host() {
        let wgpu = CubeDevice::Wgpu(WgpuDevice::default());
        let attached = crate::wgpu_device();
        if let Err(crate::Error::Device(error)) = attached {
            assert_ne!(std::env::var("DROPCONNECT_REQUIRE_ADAPTER").as_deref(), Ok("1"), "{error}");
            return eprintln!("NOT RUN: devices_without_kernels_go_by_way_of_the_host: no adapter ({error})");
        }
        let (got, want) = (results::<CubeBackend>(&wgpu), results::<Flex>(&Default::default()));
        assert_eq!(got, want, "the same passes on the same numbers");
        assert_eq!((&got[2], &got[3]), (&got[4], &got[5]), "both gradients are the two");
    }
}
