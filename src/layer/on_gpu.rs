//! A layer's parameters in device memory, and its calls for those who have tensors there.

use std::sync::Arc;
use std::time::Duration;

use super::DropConnect;
use super::parameters::{Backward, Parameters, Part, Stored};
use crate::call::{BiasGradient, BothGradients, Forward, WeightGradient};
use crate::device::{GpuWeights, Passes, Resident, WeightPasses, bytes, fetch, tensor};
use crate::gpu::{Gpu, LayerCall, Prepare, Recording, Tensor};
use crate::host::{self, encode};
use crate::work::Work;
use crate::{ElementType, Error, Mask, Shape, Write};

#[derive(Debug)]
pub(super) struct OnGpu {
    pub gpu: Arc<Gpu>,
    pub weight: wgpu::Buffer,
    pub bias: Option<wgpu::Buffer>,
    pub grad_weight: wgpu::Buffer,
    pub grad_bias: Option<wgpu::Buffer>,
}

impl OnGpu {
    pub(super) fn new(
        gpu: Arc<Gpu>,
        element: ElementType,
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Self, Error> {
        let zeros = |elements: usize| gpu.tensor(bytes(elements, Part::GradWeight.element(element)));
        let upload = |values: &[f32]| gpu.tensor_of(&encode(element, values)?);
        let (weight, grad_weight) = (upload(weight)?, zeros(weight.len())?);
        let (bias, grad_bias) =
            (bias.map(upload).transpose()?, bias.map(|bias| zeros(bias.len())).transpose()?);
        gpu.check_alive()?;
        Ok(Self { gpu, weight, bias, grad_weight, grad_bias })
    }

    /// W and b for a call.
    fn of(&self, shape: Shape, element: ElementType, masked_bias: bool) -> GpuWeights<'_> {
        let bias = super::bias_of(self.bias.clone(), masked_bias);
        GpuWeights { gpu: &self.gpu, shape, element, weight: self.weight.clone(), bias }
    }

    fn buffer(&self, part: Part) -> Option<&wgpu::Buffer> {
        match part {
            Part::Weight => Some(&self.weight),
            Part::Bias => self.bias.as_ref(),
            Part::GradWeight => Some(&self.grad_weight),
            Part::GradBias => self.grad_bias.as_ref(),
        }
    }

    fn record_backward(
        &self,
        call: &Backward<'_, Tensor<'_>>,
        grad_input: Option<Tensor<'_>>,
    ) -> Result<Vec<Recording>, Error> {
        let &Backward { shape, element, mask, bias_mask, x, grad_output, write } = call;
        let (kernels, mask) = (self.gpu.kernels(), Some(mask));
        let weight = tensor(&self.weight, shape.weight_len(), element);
        let grad_weight = tensor(&self.grad_weight, shape.weight_len(), Part::GradWeight.element(element));
        let mut recordings = vec![match grad_input {
            Some(grad_input) => kernels.both_gradients(&BothGradients {
                shape,
                mask,
                grad_output,
                x,
                weight,
                grad_input: (grad_input, Write::Overwrite),
                grad_weight: (grad_weight, write),
            }),
            None => {
                kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write })
            }
        }?];
        if let Some(grad_bias) = &self.grad_bias {
            let grad_bias = tensor(grad_bias, shape.outputs(), Part::GradBias.element(element));
            let call = BiasGradient { shape, bias_mask, grad_output, grad_bias, write };
            recordings.push(kernels.bias_gradient(&call)?);
        }
        Ok(recordings)
    }
}

impl Stored for OnGpu {
    fn passes(&self) -> &dyn Passes {
        &*self.gpu
    }

    fn weights(&self, shape: Shape, element: ElementType, masked_bias: bool) -> Box<dyn WeightPasses + '_> {
        Box::new(self.of(shape, element, masked_bias))
    }

    fn backward<'a>(&'a mut self, call: &'a Backward<'_, &[f32]>) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &Backward { shape, element, mask, bias_mask, x, grad_output, write } = call;
            let gpu = &self.gpu;
            let (x, grad_output) = (Resident::of(gpu, element, x)?, Resident::of(gpu, element, grad_output)?);
            let grad_input = Resident::new(gpu, shape.input_len(), element)?;
            let (x, grad_output) = (x.tensor(), grad_output.tensor());
            let call = Backward { shape, element, mask, bias_mask, x, grad_output, write };
            let recordings = self.record_backward(&call, Some(grad_input.tensor()))?;
            let [grad_input] = fetch(gpu, &recordings, [&grad_input]).await?;
            Ok(grad_input)
        })
    }

    fn read(&self, part: Part, element: ElementType, elements: usize) -> Work<'_, Option<Vec<f32>>> {
        Box::pin(async move {
            let Some(buffer) = self.buffer(part) else { return Ok(None) };
            let mut values = host::zeros(elements)?;
            let own = part.element(element);
            let stored = self.gpu.read_async(buffer, 0..bytes(elements, own)).await?;
            own.decode_into(&stored, &mut values);
            host::round_all(element, &mut values);
            Ok(Some(values))
        })
    }

    fn write(&mut self, part: Part, element: ElementType, values: &[f32]) -> Result<(), Error> {
        let Some(buffer) = self.buffer(part) else { return Ok(()) };
        self.gpu.write(buffer, &encode(part.element(element), values)?)
    }

    fn has_bias(&self) -> bool {
        self.bias.is_some()
    }
}

/// The layer on an adapter.
impl DropConnect {
    /// Compiles the kernels that [`forward`](Self::forward), [`eval`](Self::eval) and [`backward`](Self::backward) need
    /// for batches of this size, and says how long that took; on the CPU there are none. Else the first call of each
    /// compiles. Batches of another size may take kernels of their own.
    ///
    /// # Errors
    /// As [`Kernels::prepare`](crate::gpu::Kernels::prepare).
    pub fn prepare(&self, batch: usize) -> Result<Duration, Error> {
        let Some(own) = self.own() else { return Ok(Duration::ZERO) };
        let shape = Shape::new(batch, self.outputs, self.inputs)?;
        let bias = super::bias_of(own.bias.as_ref().map(|_| ()), self.masked_bias);
        let compile = |results, calls: &[LayerCall]| {
            let (mask, operands) = (&self.mask(), self.element);
            own.gpu.kernels().prepare(&Prepare { shape, mask, bias, operands, results, calls })
        };
        let of_gradients = [LayerCall::WeightGradient, LayerCall::BiasGradient];
        Ok(compile(self.element, &[LayerCall::Forward, LayerCall::Evaluation, LayerCall::InputGradient])?
            + compile(Part::GradWeight.element(self.element), &of_gradients)?)
    }

    /// Records [`forward`](Self::forward) on tensors in device memory.
    ///
    /// # Errors
    /// [`Error::NeedsGpu`] for a layer on the CPU; as [`Kernels::forward`](crate::gpu::Kernels::forward).
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
        let shape = Shape::new(batch, self.outputs, self.inputs)?;
        let own = self.on_gpu("encode_backward")?;
        self.expect_own_type("x", x)?;
        self.expect_own_type("grad_output", grad_output)?;
        let (element, mask) = (self.element, &self.mask());
        let bias_mask = self.masked_bias.then_some(mask);
        let call = Backward { shape, element, mask, bias_mask, x, grad_output, write };
        let recordings = own.record_backward(&call, grad_input)?;
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
        let own = self.on_gpu(what)?;
        self.expect_own_type("x", x)?;
        let shape = Shape::new(batch, self.outputs, self.inputs)?;
        let weights = own.of(shape, self.element, self.masked_bias);
        let (weight, bias) = weights.tensors();
        own.gpu.kernels().forward(&Forward { shape, mask, x, weight, bias, y })?.encode(encoder);
        Ok(())
    }

    /// Among a layer's tensors it is the caller's whose type is wrong.
    fn expect_own_type(&self, argument: &'static str, tensor: Tensor<'_>) -> Result<(), Error> {
        let (actual, allowed) = (tensor.element, [self.element; 2]);
        if actual == self.element { Ok(()) } else { Err(Error::Element { argument, actual, allowed }) }
    }

    /// W in device memory, for an optimiser of the host's own.
    pub fn weight_buffer(&self) -> Option<&wgpu::Buffer> {
        self.own().map(|own| &own.weight)
    }

    /// b in device memory.
    pub fn bias_buffer(&self) -> Option<&wgpu::Buffer> {
        self.own().and_then(|own| own.bias.as_ref())
    }

    /// The gradient of W in device memory: f32, whatever the layer's element type.
    pub fn grad_weight_buffer(&self) -> Option<&wgpu::Buffer> {
        self.own().map(|own| &own.grad_weight)
    }

    /// The gradient of b in device memory: f32, whatever the layer's element type.
    pub fn grad_bias_buffer(&self) -> Option<&wgpu::Buffer> {
        self.own().and_then(|own| own.grad_bias.as_ref())
    }

    /// The adapter the layer computes on, if it does.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.own().map(|own| &*own.gpu)
    }

    fn own(&self) -> Option<&OnGpu> {
        match &self.parameters {
            Parameters::Gpu(own) => Some(own),
            Parameters::Cpu(_) => None,
        }
    }

    fn on_gpu(&self, what: &'static str) -> Result<&OnGpu, Error> {
        self.own().ok_or(Error::NeedsGpu { what })
    }
}
