//! A layer's weights where they are computed with, and the passes that only read them.

use std::borrow::Cow;

use crate::gpu::{
    Forward, Gpu, Method, Moments as GpuMoments, MonteCarlo, Predictive as GpuPredictive, Tensor,
};
use crate::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, Moments, Predictive, Shape, cpu, gpu,
};

/// W `[outputs, inputs]` and b `[outputs]`, in device memory or, as f32 with values of the element type, in
/// the host's.
pub(crate) enum Weights<'a> {
    Gpu { gpu: &'a Gpu, weight: Tensor<'a>, bias: Bias<Tensor<'a>> },
    Cpu { weight: &'a [f32], bias: Bias<&'a [f32]> },
}

impl Weights<'_> {
    /// Y.
    pub fn forward(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: Option<&Mask>,
        x: &[f32],
    ) -> Result<Vec<f32>, Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        match *self {
            Self::Gpu { gpu, weight, bias } => {
                let x = gpu.upload(&element.encode(x))?;
                let y = Resident::new(gpu, shape.output_len(), element)?;
                let (x, shape) = (tensor(&x, shape.input_len(), element), *shape);
                gpu.submit(&gpu.kernels().forward(&Forward {
                    shape,
                    element,
                    mask,
                    x,
                    weight,
                    bias,
                    y: y.tensor(),
                })?);
                y.read(gpu)
            }
            Self::Cpu { weight, bias } => {
                let mut y = vec![0.0; shape.output_len()];
                cpu::forward(shape, mask, &rounded(element, x), weight, bias, &mut y)?;
                round_all(element, &mut y);
                Ok(y)
            }
        }
    }

    /// Mean and variance of Y over all masks.
    pub fn moments(
        &self,
        shape: &Shape,
        element: ElementType,
        probability: &DropProbability,
        x: &[f32],
    ) -> Result<Moments, Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        match *self {
            Self::Gpu { gpu, weight, bias } => {
                let x = gpu.upload(&element.encode(x))?;
                let mean = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let variance = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                gpu.submit(&gpu.kernels().moments(&GpuMoments {
                    shape: *shape,
                    element,
                    probability,
                    x: tensor(&x, shape.input_len(), element),
                    weight,
                    bias,
                    mean: mean.tensor(),
                    variance: variance.tensor(),
                })?);
                Ok(Moments { mean: mean.read(gpu)?, variance: variance.read(gpu)? })
            }
            Self::Cpu { weight, bias } => {
                let mut moments = Moments::zeros(shape);
                let Moments { mean, variance } = &mut moments;
                cpu::moments(shape, probability, &rounded(element, x), weight, bias, mean, variance)?;
                Ok(moments)
            }
        }
    }

    /// Mean and variance of Y over passes, in f32.
    pub fn monte_carlo(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        passes: u32,
        x: &[f32],
    ) -> Result<Moments, Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        match *self {
            Self::Gpu { gpu, weight, bias } => {
                let x = gpu.upload(&element.encode(x))?;
                let mean = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let variance = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                gpu.submit(&gpu.kernels().monte_carlo(&MonteCarlo {
                    shape: *shape,
                    element,
                    mask,
                    passes,
                    x: tensor(&x, shape.input_len(), element),
                    weight,
                    bias,
                    mean: mean.tensor(),
                    variance: variance.tensor(),
                })?);
                Ok(Moments { mean: mean.read(gpu)?, variance: variance.read(gpu)? })
            }
            Self::Cpu { weight, bias } => {
                let mut moments = Moments::zeros(shape);
                let Moments { mean, variance } = &mut moments;
                cpu::monte_carlo(shape, mask, passes, &rounded(element, x), weight, bias, mean, variance)?;
                Ok(moments)
            }
        }
    }

    /// Y of every pass, one after the other. On an adapter one pass's Y is there at a time.
    pub fn samples(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        passes: u32,
        x: &[f32],
    ) -> Result<Vec<f32>, Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        let mut samples = Vec::new();
        let Self::Gpu { gpu, weight, bias } = *self else {
            for pass in 0..passes {
                samples.extend(self.forward(shape, element, Some(&mask.pass(pass)), x)?);
            }
            return Ok(samples);
        };
        let x = gpu.upload(&element.encode(x))?;
        let y = Resident::new(gpu, shape.output_len(), element)?;
        let forward = gpu.kernels().forward(&Forward {
            shape: *shape,
            element,
            mask: Some(mask),
            x: tensor(&x, shape.input_len(), element),
            weight,
            bias,
            y: y.tensor(),
        })?;
        for pass in 0..passes {
            forward.set_key(gpu.queue(), mask.pass(pass).key);
            gpu.submit(&forward);
            samples.extend(y.read(gpu)?);
        }
        Ok(samples)
    }

    /// What passes taken as logits predict, in f32. Memory grows with one pass's logits.
    pub fn predictive(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        passes: u32,
        x: &[f32],
    ) -> Result<Predictive<f32>, Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        match *self {
            Self::Gpu { gpu, weight, bias } => {
                Error::check_count("passes", passes)?;
                let x = gpu.upload(&element.encode(x))?;
                let logits = Resident::new(gpu, shape.output_len(), element)?;
                let mean = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let entropy = Resident::new(gpu, shape.batch(), ElementType::F32)?;
                let information = Resident::new(gpu, shape.batch(), ElementType::F32)?;
                let forward = gpu.kernels().forward(&Forward {
                    shape: *shape,
                    element,
                    mask: Some(mask),
                    x: tensor(&x, shape.input_len(), element),
                    weight,
                    bias,
                    y: logits.tensor(),
                })?;
                for pass in 0..passes {
                    forward.set_key(gpu.queue(), mask.pass(pass).key);
                    gpu.submit(&forward);
                    gpu.submit(&gpu.kernels().predictive(&GpuPredictive {
                        shape: *shape,
                        element,
                        pass,
                        passes,
                        logits: logits.tensor(),
                        mean: mean.tensor(),
                        entropy: entropy.tensor(),
                        information: information.tensor(),
                    })?);
                }
                Ok(Predictive {
                    mean: mean.read(gpu)?,
                    entropy: entropy.read(gpu)?,
                    mutual_information: information.read(gpu)?,
                })
            }
            Self::Cpu { weight, bias } => {
                cpu::predictive(shape, mask, passes, &rounded(element, x), weight, bias)
            }
        }
    }
}

/// Mean and variance of f(u), in f32, on the adapter or the CPU.
pub(crate) fn activate(
    gpu: Option<&Gpu>,
    shape: &Shape,
    activation: Activation,
    method: Method,
    u: &Moments,
) -> Result<Moments, Error> {
    shape.expect_len("mean", u.mean.len(), shape.output_len())?;
    shape.expect_len("variance", u.variance.len(), shape.output_len())?;
    let Some(gpu) = gpu else {
        let mut moments = Moments::zeros(shape);
        let Moments { mean, variance } = &mut moments;
        match method {
            Method::Closed => cpu::closed_form(shape, activation, &u.mean, &u.variance, mean, variance),
            Method::Sampled { samples, key, origin } => {
                cpu::sampled(shape, activation, samples, key, origin, &u.mean, &u.variance, mean, variance)
            }
        }?;
        return Ok(moments);
    };
    let element = ElementType::F32;
    let (u_mean, u_variance) =
        (gpu.upload(&element.encode(&u.mean))?, gpu.upload(&element.encode(&u.variance))?);
    let mean = Resident::new(gpu, shape.output_len(), element)?;
    let variance = Resident::new(gpu, shape.output_len(), element)?;
    gpu.submit(&gpu.kernels().activate(&gpu::Activate {
        shape: *shape,
        element,
        activation,
        method,
        u_mean: tensor(&u_mean, shape.output_len(), element),
        u_variance: tensor(&u_variance, shape.output_len(), element),
        mean: mean.tensor(),
        variance: variance.tensor(),
    })?);
    Ok(Moments { mean: mean.read(gpu)?, variance: variance.read(gpu)? })
}

/// A result in device memory.
pub(crate) struct Resident {
    buffer: wgpu::Buffer,
    elements: usize,
    element: ElementType,
}

impl Resident {
    pub fn new(gpu: &Gpu, elements: usize, element: ElementType) -> Result<Self, Error> {
        let buffer = gpu.buffer((elements * element.size()) as u64)?;
        Ok(Self { buffer, elements, element })
    }

    pub fn tensor(&self) -> Tensor<'_> {
        tensor(&self.buffer, self.elements, self.element)
    }

    pub fn read(&self, gpu: &Gpu) -> Result<Vec<f32>, Error> {
        Ok(self.element.decode(&gpu.read(&self.buffer, 0..self.tensor().size)?))
    }
}

/// A tensor that starts its buffer.
pub(crate) fn tensor(buffer: &wgpu::Buffer, elements: usize, element: ElementType) -> Tensor<'_> {
    Tensor { buffer, offset: 0, size: (elements * element.size()) as u64 }
}

/// Values as they read after being stored.
pub(crate) fn rounded(element: ElementType, values: &[f32]) -> Cow<'_, [f32]> {
    let mut values = Cow::Borrowed(values);
    if element != ElementType::F32 {
        round_all(element, values.to_mut());
    }
    values
}

pub(crate) fn round_all(element: ElementType, values: &mut [f32]) {
    if element != ElementType::F32 {
        values.iter_mut().for_each(|value| *value = element.round(*value));
    }
}
