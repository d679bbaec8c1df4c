//! A layer's calls for those who have tensors in device memory.

use std::time::Duration;

use super::DropConnect;
use crate::call::{BiasGradient, BothGradients, Call, Forward, Kind, WeightGradient};
use crate::gpu::{Gpu, Tensor};
use crate::{Device, ElementType, Error, Mask, Shape, Write};

/// The layer on an adapter.
impl DropConnect {
    /// Compiles the kernels that [`forward`](Self::forward), [`eval`](Self::eval) and [`backward`](Self::backward) need
    /// for batches of this size, and says how long that took; on the CPU there are none. Else the first call of each
    /// compiles. Batches of another size may take kernels of their own.
    ///
    /// # Errors
    /// As [`Kernels::compile`](crate::gpu::Kernels::compile).
    pub fn prepare(&self, batch: usize) -> Result<Duration, Error> {
        let Device::Gpu(gpu) = &self.device else { return Ok(Duration::ZERO) };
        let shape = Shape::new(batch, self.outputs, self.inputs)?;
        let (mask, bias) = (self.mask(), self.masked(self.bias.as_ref().map(|_| ())));
        let mut calls = Vec::with_capacity(5);
        for (kind, mask) in [
            (Kind::Forward, Some(&mask)),
            (Kind::Forward, None),
            (Kind::InputGradient, Some(&mask)),
            (Kind::WeightGradient, Some(&mask)),
            (Kind::BiasGradient, Some(&mask)),
        ] {
            if kind == Kind::BiasGradient && self.bias.is_none() {
                continue;
            }
            let call = Call::of(kind, shape, mask, bias, Write::Overwrite);
            let result = match kind {
                Kind::WeightGradient | Kind::BiasGradient => ElementType::F32,
                _ => self.element,
            };
            calls.extend(call.map(|call| call.map(|_| self.element, |_| result)));
        }
        gpu.kernels().compile(&calls)
    }

    /// Records [`forward`](Self::forward) on tensors in device memory.
    ///
    /// # Errors
    /// [`Error::NeedsGpu`] for a layer on the CPU; as [`Kernels::record`](crate::gpu::Kernels::record).
    pub fn encode_forward(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        x: Tensor<'_>,
        y: Tensor<'_>,
    ) -> Result<(), Error> {
        self.encode("encode_forward", encoder, batch, Some(&self.mask()), x, y)
    }

    /// Records [`eval`](Self::eval) on tensors in device memory.
    ///
    /// # Errors
    /// As [`encode_forward`](Self::encode_forward).
    pub fn encode_eval(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        x: Tensor<'_>,
        y: Tensor<'_>,
    ) -> Result<(), Error> {
        self.encode("encode_eval", encoder, batch, None, x, y)
    }

    /// Records [`backward`](Self::backward) on tensors in device memory. Without `grad_input` the gradient
    /// of X, which a first layer does not need, is not computed.
    ///
    /// # Errors
    /// As [`encode_forward`](Self::encode_forward); nothing is recorded then.
    pub fn encode_backward(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        x: Tensor<'_>,
        grad_output: Tensor<'_>,
        grad_input: Option<Tensor<'_>>,
        write: Write,
    ) -> Result<(), Error> {
        let what = "encode_backward";
        let shape = Shape::new(batch, self.outputs, self.inputs)?;
        let (weight, grad_weight) = (self.weight.tensor(what)?, self.grad_weight.tensor(what)?);
        self.expect_own_type("x", x)?;
        self.expect_own_type("grad_output", grad_output)?;
        let (kernels, mask) = (self.kernels(what)?, &self.mask());
        let (bias_mask, mask) = (self.masked_bias.then_some(mask), Some(mask));
        let mut recordings = vec![match grad_input {
            Some(grad_input) => kernels.record(BothGradients {
                shape,
                mask,
                grad_output,
                x,
                weight,
                grad_input: (grad_input, Write::Overwrite),
                grad_weight: (grad_weight, write),
            }),
            None => kernels.record(WeightGradient { shape, mask, grad_output, x, grad_weight, write }),
        }?];
        if let Some(grad_bias) = &self.grad_bias {
            let grad_bias = grad_bias.tensor(what)?;
            recordings.push(kernels.record(BiasGradient {
                shape,
                bias_mask,
                grad_output,
                grad_bias,
                write,
            })?);
        }
        recordings.iter().for_each(|recording| recording.encode(encoder));
        Ok(())
    }

    /// `what`: the call that this serves.
    fn encode(
        &self,
        what: &'static str,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        mask: Option<&Mask>,
        x: Tensor<'_>,
        y: Tensor<'_>,
    ) -> Result<(), Error> {
        let weight = self.weight.tensor(what)?;
        self.expect_own_type("x", x)?;
        let shape = Shape::new(batch, self.outputs, self.inputs)?;
        let bias = self.masked(self.bias.as_ref().map(|bias| bias.tensor(what)).transpose()?);
        self.kernels(what)?.record(Forward { shape, mask, x, weight, bias, y })?.encode(encoder);
        Ok(())
    }

    fn kernels(&self, what: &'static str) -> Result<&crate::gpu::Kernels, Error> {
        self.gpu().map(Gpu::kernels).ok_or(Error::NeedsGpu { what })
    }

    /// Among a layer's tensors it is the caller's whose type is wrong.
    fn expect_own_type(&self, argument: &'static str, tensor: Tensor<'_>) -> Result<(), Error> {
        let (actual, allowed) = (tensor.element, [self.element; 2]);
        if actual == self.element { Ok(()) } else { Err(Error::Element { argument, actual, allowed }) }
    }

    /// W in device memory, for an optimiser of the host's own.
    pub fn weight_buffer(&self) -> Option<&wgpu::Buffer> {
        self.weight.buffer()
    }

    /// b in device memory.
    pub fn bias_buffer(&self) -> Option<&wgpu::Buffer> {
        self.bias.as_ref()?.buffer()
    }

    /// The gradient of W in device memory: f32, whatever the layer's element type.
    pub fn grad_weight_buffer(&self) -> Option<&wgpu::Buffer> {
        self.grad_weight.buffer()
    }

    /// The gradient of b in device memory: f32, whatever the layer's element type.
    pub fn grad_bias_buffer(&self) -> Option<&wgpu::Buffer> {
        self.grad_bias.as_ref()?.buffer()
    }

    /// The adapter the layer computes on, if it does.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.device.as_gpu()
    }
}
