//! A layer's weights where they are computed with, and the passes that only read them.

use crate::call::{Face, Forward, MonteCarlo, OutputMoments};
use crate::gpu::{Activate, Download, Gpu, Method, PredictivePass, Recording, Tensor};
use crate::host::{self, encode, round_all, rounded};
use crate::{Activation, Bias, DropProbability, ElementType, Error, Mask, Moments, Predictive, Shape, cpu};

/// W `[outputs, inputs]` and b `[outputs]` of calls of one shape.
pub(crate) struct Weights<'a> {
    pub shape: Shape,
    pub element: ElementType,
    pub place: Place<'a>,
}

/// In device memory or, as f32 with values of the element type, in the host's.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Gpu { gpu: &'a Gpu, weight: Tensor<'a>, bias: Bias<Tensor<'a>> },
    Cpu { weight: &'a [f32], bias: Bias<&'a [f32]> },
}

/// X has the length that the shape asks for.
impl Weights<'_> {
    /// Y.
    pub fn forward(&self, mask: Option<&Mask>, x: &[f32]) -> Result<Vec<f32>, Error> {
        let Self { shape, element, place } = *self;
        match place {
            Place::Gpu { gpu, weight, bias } => {
                let x = Resident::of(gpu, element, x)?;
                run(gpu, shape.output_len(), element, |y| {
                    gpu.kernels().forward(&Forward { shape, mask, x: x.tensor(), weight, bias, y })
                })
            }
            Place::Cpu { weight, bias } => {
                let mut y = host::zeros(shape.output_len())?;
                let x = &rounded(element, x)?;
                cpu::forward(Forward { shape, mask, x, weight, bias, y: &mut y })?;
                round_all(element, &mut y);
                Ok(y)
            }
        }
    }

    /// Mean and variance of Y over all masks, in f32.
    pub fn moments(&self, probability: &DropProbability, x: &[f32]) -> Result<Moments, Error> {
        let Self { shape, element, place } = *self;
        match place {
            Place::Gpu { gpu, weight, bias } => {
                let x = Resident::of(gpu, element, x)?;
                pair(gpu, &shape, |mean, variance| {
                    let x = x.tensor();
                    let call = OutputMoments { shape, probability, x, weight, bias, mean, variance };
                    gpu.kernels().moments(&call)
                })
            }
            Place::Cpu { weight, bias } => {
                let mut moments = Moments::zeros(&shape)?;
                let (Moments { mean, variance }, x) = (&mut moments, &rounded(element, x)?);
                cpu::moments(OutputMoments { shape, probability, x, weight, bias, mean, variance })?;
                Ok(moments)
            }
        }
    }

    /// Mean and variance of Y over passes, in f32.
    pub fn monte_carlo(&self, mask: &Mask, passes: u32, x: &[f32]) -> Result<Moments, Error> {
        let Self { shape, element, place } = *self;
        match place {
            Place::Gpu { gpu, weight, bias } => {
                let x = Resident::of(gpu, element, x)?;
                pair(gpu, &shape, |mean, variance| {
                    let x = x.tensor();
                    let call = MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance };
                    gpu.kernels().monte_carlo(&call)
                })
            }
            Place::Cpu { weight, bias } => {
                let mut moments = Moments::zeros(&shape)?;
                let (Moments { mean, variance }, x) = (&mut moments, &rounded(element, x)?);
                cpu::monte_carlo(MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance })?;
                Ok(moments)
            }
        }
    }

    /// Y of every pass, one after the other. On an adapter one pass's Y is there at a time.
    pub fn pass_outputs(&self, mask: &Mask, passes: u32, x: &[f32]) -> Result<Vec<f32>, Error> {
        let Self { shape, element, place } = *self;
        let mut samples = host::empty(shape.output_len().saturating_mul(passes as usize))?;
        let Place::Gpu { gpu, weight, bias } = place else {
            for pass in 0..passes {
                samples.extend(self.forward(Some(&mask.pass(pass)), x)?);
            }
            return Ok(samples);
        };
        let x = Resident::of(gpu, element, x)?;
        let y = Resident::new(gpu, shape.output_len(), element)?;
        let (mask_of, x) = (Some(mask), x.tensor());
        let forward =
            gpu.kernels().forward(&Forward { shape, mask: mask_of, x, weight, bias, y: y.tensor() })?;
        for pass in 0..passes {
            forward.set_key(gpu.queue(), mask.pass(pass).key)?;
            let [y] = fetch(gpu, std::slice::from_ref(&forward), [&y])?;
            samples.extend(y);
        }
        Ok(samples)
    }

    /// What passes taken as logits predict, in f32 from the logits on. Memory grows with one pass's logits.
    pub fn predictive(&self, mask: &Mask, passes: u32, x: &[f32]) -> Result<Predictive<f32>, Error> {
        let Self { shape, element, place } = *self;
        match place {
            Place::Gpu { gpu, weight, bias } => {
                Error::check_count("passes", passes, 1..=u32::MAX)?;
                let x = Resident::of(gpu, element, x)?;
                let result = |elements| Resident::new(gpu, elements, ElementType::F32);
                let (logits, mean) = (result(shape.output_len())?, result(shape.output_len())?);
                let (entropy, information) = (result(shape.batch())?, result(shape.batch())?);
                let (some, y) = (Some(mask), logits.tensor());
                let call = Forward { shape, mask: some, x: x.tensor(), weight, bias, y };
                let forward = gpu.kernels().forward(&call)?;
                for pass in 0..passes {
                    forward.set_key(gpu.queue(), mask.pass(pass).key)?;
                    gpu.submit(&forward)?;
                    gpu.submit(&gpu.kernels().predictive(&PredictivePass {
                        shape,
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
            Place::Cpu { weight, bias } => {
                let x = &rounded(element, x)?;
                let (mean, variance) = ((), ());
                cpu::predictive(&MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance })
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
    Face::output("mean", &&u.mean[..]).check(shape)?;
    Face::output("variance", &&u.variance[..]).check(shape)?;
    let Some(gpu) = gpu else {
        let mut moments = Moments::zeros(shape)?;
        let Moments { mean, variance } = &mut moments;
        let (u, out) = ([&u.mean[..], &u.variance], [&mut mean[..], variance]);
        match method {
            Method::Closed => cpu::closed_form(shape, activation, u, out),
            Method::Sampled { samples, key, origin } => {
                cpu::sampled(shape, activation, samples, key, origin, u, out)
            }
        }?;
        return Ok(moments);
    };
    let f32 = ElementType::F32;
    let (u_mean, u_variance) = (Resident::of(gpu, f32, &u.mean)?, Resident::of(gpu, f32, &u.variance)?);
    let (shape, u_mean, u_variance) = (*shape, u_mean.tensor(), u_variance.tensor());
    pair(gpu, &shape, |mean, variance| {
        let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
        gpu.kernels().activate(&call)
    })
}

/// A tensor in device memory, in a buffer of its own.
pub(crate) struct Resident {
    buffer: wgpu::Buffer,
    elements: usize,
    element: ElementType,
}

impl Resident {
    /// Zeros.
    pub fn new(gpu: &Gpu, elements: usize, element: ElementType) -> Result<Self, Error> {
        let buffer = gpu.buffer(bytes(elements, element))?;
        Ok(Self { buffer, elements, element })
    }

    /// These values, rounded.
    pub fn of(gpu: &Gpu, element: ElementType, values: &[f32]) -> Result<Self, Error> {
        let buffer = gpu.upload(&encode(element, values)?)?;
        Ok(Self { buffer, elements: values.len(), element })
    }

    pub fn tensor(&self) -> Tensor<'_> {
        tensor(&self.buffer, self.elements, self.element)
    }
}

/// Runs a call into a fresh result of `elements` and reads it back.
pub(crate) fn run(
    gpu: &Gpu,
    elements: usize,
    element: ElementType,
    call: impl FnOnce(Tensor<'_>) -> Result<Recording, Error>,
) -> Result<Vec<f32>, Error> {
    let result = Resident::new(gpu, elements, element)?;
    let [values] = fetch(gpu, &[call(result.tensor())?], [&result])?;
    Ok(values)
}

/// The same for a mean and a variance, `[batch, outputs]` in f32.
fn pair(
    gpu: &Gpu,
    shape: &Shape,
    call: impl FnOnce(Tensor<'_>, Tensor<'_>) -> Result<Recording, Error>,
) -> Result<Moments, Error> {
    let result = || Resident::new(gpu, shape.output_len(), ElementType::F32);
    let (mean, variance) = (result()?, result()?);
    let recording = call(mean.tensor(), variance.tensor())?;
    let [mean, variance] = fetch(gpu, &[recording], [&mean, &variance])?;
    Ok(Moments { mean, variance })
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
    Tensor { buffer, offset: 0, size: bytes(elements, element), element }
}

/// The bytes of so many elements (saturated at `u64::MAX`, which no buffer has).
pub(crate) fn bytes(elements: usize, element: ElementType) -> u64 {
    (elements as u64).saturating_mul(element.size() as u64)
}
