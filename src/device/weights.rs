//! A layer's weights where they are computed with, and the passes that only read them.

use crate::gpu::{
    Download, Forward, Gpu, Method, Moments as GpuMoments, MonteCarlo, Predictive as GpuPredictive,
    Recording, Tensor,
};
use crate::host::{self, encode, round_all, rounded};
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
                let x = gpu.upload(&encode(element, x)?)?;
                let y = Resident::new(gpu, shape.output_len(), element)?;
                let (x, shape) = (tensor(&x, shape.input_len(), element), *shape);
                let call = Forward { shape, element, mask, x, weight, bias, y: y.tensor() };
                let [y] = fetch(gpu, &[gpu.kernels().forward(&call)?], [&y])?;
                Ok(y)
            }
            Self::Cpu { weight, bias } => {
                let mut y = host::zeros(shape.output_len())?;
                cpu::forward(shape, mask, &rounded(element, x)?, weight, bias, &mut y)?;
                round_all(element, &mut y);
                Ok(y)
            }
        }
    }

    /// Mean and variance of Y over all masks, in f32.
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
                let x = gpu.upload(&encode(element, x)?)?;
                let mean = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let variance = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let recording = gpu.kernels().moments(&GpuMoments {
                    shape: *shape,
                    element,
                    probability,
                    x: tensor(&x, shape.input_len(), element),
                    weight,
                    bias,
                    mean: mean.tensor(),
                    variance: variance.tensor(),
                })?;
                let [mean, variance] = fetch(gpu, &[recording], [&mean, &variance])?;
                Ok(Moments { mean, variance })
            }
            Self::Cpu { weight, bias } => {
                let mut moments = Moments::zeros(shape)?;
                let Moments { mean, variance } = &mut moments;
                cpu::moments(shape, probability, &rounded(element, x)?, weight, bias, mean, variance)?;
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
                let x = gpu.upload(&encode(element, x)?)?;
                let mean = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let variance = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let recording = gpu.kernels().monte_carlo(&MonteCarlo {
                    shape: *shape,
                    element,
                    mask,
                    passes,
                    x: tensor(&x, shape.input_len(), element),
                    weight,
                    bias,
                    mean: mean.tensor(),
                    variance: variance.tensor(),
                })?;
                let [mean, variance] = fetch(gpu, &[recording], [&mean, &variance])?;
                Ok(Moments { mean, variance })
            }
            Self::Cpu { weight, bias } => {
                let mut moments = Moments::zeros(shape)?;
                let Moments { mean, variance } = &mut moments;
                cpu::monte_carlo(shape, mask, passes, &rounded(element, x)?, weight, bias, mean, variance)?;
                Ok(moments)
            }
        }
    }

    /// Y of every pass, one after the other. On an adapter one pass's Y is there at a time.
    pub fn pass_outputs(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        passes: u32,
        x: &[f32],
    ) -> Result<Vec<f32>, Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        let mut samples = host::empty(shape.output_len().saturating_mul(passes as usize))?;
        let Self::Gpu { gpu, weight, bias } = *self else {
            for pass in 0..passes {
                samples.extend(self.forward(shape, element, Some(&mask.pass(pass)), x)?);
            }
            return Ok(samples);
        };
        let x = gpu.upload(&encode(element, x)?)?;
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
            forward.set_key(gpu.queue(), mask.pass(pass).key)?;
            let [y] = fetch(gpu, std::slice::from_ref(&forward), [&y])?;
            samples.extend(y);
        }
        Ok(samples)
    }

    /// What passes taken as logits predict, in f32 from the logits on. Memory grows with one pass's logits.
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
                let x = gpu.upload(&encode(element, x)?)?;
                let logits = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let mean = Resident::new(gpu, shape.output_len(), ElementType::F32)?;
                let entropy = Resident::new(gpu, shape.batch(), ElementType::F32)?;
                let information = Resident::new(gpu, shape.batch(), ElementType::F32)?;
                let forward = gpu.kernels().forward_f32(&Forward {
                    shape: *shape,
                    element,
                    mask: Some(mask),
                    x: tensor(&x, shape.input_len(), element),
                    weight,
                    bias,
                    y: logits.tensor(),
                })?;
                for pass in 0..passes {
                    forward.set_key(gpu.queue(), mask.pass(pass).key)?;
                    gpu.submit(&forward)?;
                    gpu.submit(&gpu.kernels().predictive(&GpuPredictive {
                        shape: *shape,
                        element: ElementType::F32,
                        pass,
                        passes,
                        logits: logits.tensor(),
                        mean: mean.tensor(),
                        entropy: entropy.tensor(),
                        information: information.tensor(),
                    })?)?;
                }
                let [mean, entropy, mutual_information] = fetch(gpu, &[], [&mean, &entropy, &information])?;
                Ok(Predictive { mean, entropy, mutual_information })
            }
            Self::Cpu { weight, bias } => {
                cpu::predictive(shape, mask, passes, &rounded(element, x)?, weight, bias)
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
        let mut moments = Moments::zeros(shape)?;
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
        (gpu.upload(&encode(element, &u.mean)?)?, gpu.upload(&encode(element, &u.variance)?)?);
    let mean = Resident::new(gpu, shape.output_len(), element)?;
    let variance = Resident::new(gpu, shape.output_len(), element)?;
    let recording = gpu.kernels().activate(&gpu::Activate {
        shape: *shape,
        activation,
        method,
        u_mean: tensor(&u_mean, shape.output_len(), element),
        u_variance: tensor(&u_variance, shape.output_len(), element),
        mean: mean.tensor(),
        variance: variance.tensor(),
    })?;
    let [mean, variance] = fetch(gpu, &[recording], [&mean, &variance])?;
    Ok(Moments { mean, variance })
}

/// A result in device memory.
pub(crate) struct Resident {
    buffer: wgpu::Buffer,
    elements: usize,
    element: ElementType,
}

impl Resident {
    pub fn new(gpu: &Gpu, elements: usize, element: ElementType) -> Result<Self, Error> {
        let buffer = gpu.buffer(bytes(elements, element))?;
        Ok(Self { buffer, elements, element })
    }

    pub fn tensor(&self) -> Tensor<'_> {
        tensor(&self.buffer, self.elements, self.element)
    }
}

/// Runs calls and reads results back. All memory that this takes is there before anything runs.
pub(crate) fn fetch<const N: usize>(
    gpu: &Gpu,
    recordings: &[Recording],
    results: [&Resident; N],
) -> Result<[Vec<f32>; N], Error> {
    let mut values = [const { Vec::new() }; N];
    let mut downloads = Vec::with_capacity(N);
    for (values, result) in values.iter_mut().zip(results) {
        *values = host::zeros(result.elements)?;
        downloads.push(Download::new(gpu, result.buffer.size())?);
    }
    gpu.encode("dropconnect.call", |encoder| {
        recordings.iter().for_each(|recording| recording.encode(encoder));
        for (download, result) in downloads.iter().zip(results) {
            download.record(encoder, &result.buffer, 0);
        }
        Ok(())
    })?;
    for ((download, result), values) in downloads.iter().zip(results).zip(&mut values) {
        download.finish(gpu, |view| result.element.decode_into(view, values))?;
    }
    Ok(values)
}

/// A tensor that starts its buffer.
pub(crate) fn tensor(buffer: &wgpu::Buffer, elements: usize, element: ElementType) -> Tensor<'_> {
    Tensor { buffer, offset: 0, size: bytes(elements, element) }
}

/// The bytes of so many elements (saturated at `u64::MAX`, which no buffer has).
pub(crate) fn bytes(elements: usize, element: ElementType) -> u64 {
    (elements as u64).saturating_mul(element.size() as u64)
}
