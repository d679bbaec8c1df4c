//! Where a layer keeps W, b and their gradients.

use std::sync::Arc;

use super::DropConnect;
use crate::call::Face;
use crate::device::weights::bytes;
use crate::gpu::Gpu;
use crate::host::{self, encode, round_all};
use crate::{Error, Shape};

#[derive(Debug)]
pub(super) enum Parameters {
    Gpu(OnGpu),
    Cpu(OnCpu),
}

#[derive(Debug)]
pub(super) struct OnGpu {
    pub gpu: Arc<Gpu>,
    pub weight: wgpu::Buffer,
    pub bias: Option<wgpu::Buffer>,
    pub grad_weight: wgpu::Buffer,
    pub grad_bias: Option<wgpu::Buffer>,
}

/// Always f32 here, with values of the layer's element type.
#[derive(Debug)]
pub(super) struct OnCpu {
    pub weight: Vec<f32>,
    pub bias: Option<Vec<f32>>,
    pub grad_weight: Vec<f32>,
    pub grad_bias: Option<Vec<f32>>,
}

/// The parameters and gradients, each read or written whole. Gradients are zero until a backward pass.
impl DropConnect {
    /// W, `[outputs, inputs]`.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::OutOfMemory`] and [`Error::HostMemory`] for the copy.
    pub fn weight(&self) -> Result<Vec<f32>, Error> {
        self.read(|gpu| Some(&gpu.weight), |cpu| Some(&cpu.weight), self.weight_len())
            .map(Option::unwrap_or_default)
    }

    /// b, `[outputs]`; `None` for a layer without.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn bias(&self) -> Result<Option<Vec<f32>>, Error> {
        self.read(|gpu| gpu.bias.as_ref(), |cpu| cpu.bias.as_ref(), self.outputs)
    }

    /// The gradient of W, `[outputs, inputs]`.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn grad_weight(&self) -> Result<Vec<f32>, Error> {
        self.read(|gpu| Some(&gpu.grad_weight), |cpu| Some(&cpu.grad_weight), self.weight_len())
            .map(Option::unwrap_or_default)
    }

    /// The gradient of b, `[outputs]`; `None` for a layer without.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn grad_bias(&self) -> Result<Option<Vec<f32>>, Error> {
        self.read(|gpu| gpu.grad_bias.as_ref(), |cpu| cpu.grad_bias.as_ref(), self.outputs)
    }

    /// Replaces W, `[outputs, inputs]`: all of it or, where there is an error, nothing.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::DeviceLost`]; [`Error::OutOfMemory`] and [`Error::HostMemory`] for copies.
    pub fn set_weight(&mut self, weight: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(0, self.outputs, self.inputs)?;
        Face::weight("weight", &weight).check(&shape)?;
        let element = self.element;
        match &mut self.parameters {
            Parameters::Gpu(own) => own.gpu.write(&own.weight, &encode(element, weight)?),
            Parameters::Cpu(own) => {
                own.weight.copy_from_slice(weight);
                round_all(element, &mut own.weight);
                Ok(())
            }
        }
    }

    /// Replaces b, `[outputs]`: all of it or, where there is an error, nothing.
    ///
    /// # Errors
    /// As [`set_weight`](Self::set_weight); for a layer without a bias only an empty slice fits.
    pub fn set_bias(&mut self, bias: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(0, self.outputs, self.inputs)?;
        let element = self.element;
        match &mut self.parameters {
            Parameters::Gpu(OnGpu { gpu, bias: Some(own), .. }) => {
                Face::bias("bias", &bias).check(&shape)?;
                gpu.write(own, &encode(element, bias)?)
            }
            Parameters::Cpu(OnCpu { bias: Some(own), .. }) => {
                Face::bias("bias", &bias).check(&shape)?;
                own.copy_from_slice(bias);
                round_all(element, own);
                Ok(())
            }
            _ => shape.expect_len("bias", bias.len(), 0),
        }
    }

    /// W in device memory, for an optimiser of the host's own.
    pub fn weight_buffer(&self) -> Option<&wgpu::Buffer> {
        self.buffers().map(|own| &own.weight)
    }

    /// b in device memory.
    pub fn bias_buffer(&self) -> Option<&wgpu::Buffer> {
        self.buffers().and_then(|own| own.bias.as_ref())
    }

    /// The gradient of W in device memory.
    pub fn grad_weight_buffer(&self) -> Option<&wgpu::Buffer> {
        self.buffers().map(|own| &own.grad_weight)
    }

    /// The gradient of b in device memory.
    pub fn grad_bias_buffer(&self) -> Option<&wgpu::Buffer> {
        self.buffers().and_then(|own| own.grad_bias.as_ref())
    }

    fn buffers(&self) -> Option<&OnGpu> {
        match &self.parameters {
            Parameters::Gpu(own) => Some(own),
            Parameters::Cpu(_) => None,
        }
    }

    fn weight_len(&self) -> usize {
        self.outputs * self.inputs
    }

    fn read(
        &self,
        on_gpu: impl FnOnce(&OnGpu) -> Option<&wgpu::Buffer>,
        on_cpu: impl FnOnce(&OnCpu) -> Option<&Vec<f32>>,
        elements: usize,
    ) -> Result<Option<Vec<f32>>, Error> {
        match &self.parameters {
            Parameters::Cpu(own) => on_cpu(own).map(|values| host::copy(values)).transpose(),
            Parameters::Gpu(own) => on_gpu(own)
                .map(|buffer| {
                    let mut values = host::zeros(elements)?;
                    let stored = own.gpu.read(buffer, 0..bytes(elements, self.element))?;
                    self.element.decode_into(&stored, &mut values);
                    Ok(values)
                })
                .transpose(),
        }
    }
}
