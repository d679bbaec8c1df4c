//! The calls of a device on an adapter, and tensors of host memory in device memory for as long as a call takes.

use std::fmt;
use std::sync::Arc;

use super::Device;
use super::passes::{Passes, WeightPasses};
use crate::call::{BiasGradient, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient};
use crate::gpu::{
    Activate, AdapterChoice, Download, Gpu, KernelOptions, PredictivePass, Recording, Tensor, WriteMask,
};
use crate::host::{self, encode};
use crate::work::Work;
use crate::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, Method, Moments, Predictive, Shape,
};

impl Device {
    /// The best there is: a hardware adapter, else the CPU backend. The text says which, and why nothing better.
    ///
    /// A software adapter is several times slower than the CPU backend on the same cores, so that it has to be asked
    /// for: by [`name`](AdapterChoice::name) here, or with [`gpu_async`](Self::gpu_async).
    pub async fn auto_async(choice: &AdapterChoice) -> (Self, String) {
        let hardware_only = choice.hardware_only || choice.name.is_none();
        let why = match Self::gpu_async(&AdapterChoice { hardware_only, ..choice.clone() }).await {
            Ok(device) => {
                let text = format!("{device}, the best adapter found");
                return (device, text);
            }
            Err(Error::NoAdapter { .. }) if choice.name.is_none() => {
                "no hardware adapter was found".to_owned()
            }
            Err(error) => error.to_string(),
        };
        let mut text = format!("{}: {why}", Self::Cpu);
        if choice.name.is_none()
            && let Some(info) = choice.software().await
        {
            let name = info.name.split(" (").next().unwrap_or_default();
            text += &format!("; a software adapter, {name}, is there for those who ask for it");
        }
        (Self::Cpu, text)
    }

    /// An adapter, hardware before software. [`Display`](fmt::Display) says so of a software adapter.
    ///
    /// # Errors
    /// As [`Gpu::open_async`].
    pub async fn gpu_async(choice: &AdapterChoice) -> Result<Self, Error> {
        Ok(Self::Gpu(Arc::new(Gpu::open_async(choice, &KernelOptions::default()).await?)))
    }

    /// See [`auto_async`](Self::auto_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn auto(choice: &AdapterChoice) -> (Self, String) {
        pollster::block_on(Self::auto_async(choice))
    }

    /// See [`gpu_async`](Self::gpu_async).
    ///
    /// # Errors
    /// As [`Gpu::open`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn gpu(choice: &AdapterChoice) -> Result<Self, Error> {
        pollster::block_on(Self::gpu_async(choice))
    }

    /// The adapter, if this is one.
    pub fn as_gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Gpu(gpu) => Some(gpu),
            Self::Cpu => None,
        }
    }
}

impl Passes for Gpu {
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.info();
        // A browser may keep the name to itself.
        f.write_str(if info.name.is_empty() { "an adapter without a name" } else { &info.name })?;
        let driver = if info.driver_info.is_empty() { "" } else { ", " };
        write!(f, " ({}{driver}{})", info.backend, info.driver_info)?;
        if info.device_type == wgpu::DeviceType::Cpu { f.write_str(", a software adapter") } else { Ok(()) }
    }

    fn weights<'a>(
        &'a self,
        shape: Shape,
        element: ElementType,
        weight: &'a [f32],
        bias: Bias<&'a [f32]>,
    ) -> Result<Box<dyn WeightPasses + 'a>, Error> {
        let upload = |values: &[f32]| Ok::<_, Error>(Resident::of(self, element, values)?.buffer);
        let (weight, values) = (upload(weight)?, upload(bias.tensor().copied().unwrap_or_default())?);
        let bias = bias.map(|_| values);
        Ok(Box::new(GpuWeights { gpu: self, shape, element, weight, bias }))
    }

    fn input_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a InputGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &InputGradient { shape, mask, grad_output, weight, write, .. } = call;
            let (grad_output, weight) =
                (Resident::of(self, element, grad_output)?, Resident::of(self, element, weight)?);
            run(self, shape.input_len(), element, |grad_input| {
                let (grad_output, weight) = (grad_output.tensor(), weight.tensor());
                let call = InputGradient { shape, mask, grad_output, weight, grad_input, write };
                self.kernels().input_gradient(&call)
            })
            .await
        })
    }

    fn weight_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a WeightGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &WeightGradient { shape, mask, grad_output, x, write, .. } = call;
            let (grad_output, x) =
                (Resident::of(self, element, grad_output)?, Resident::of(self, element, x)?);
            run(self, shape.weight_len(), element, |grad_weight| {
                let (grad_output, x) = (grad_output.tensor(), x.tensor());
                let call = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
                self.kernels().weight_gradient(&call)
            })
            .await
        })
    }

    fn bias_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a BiasGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &BiasGradient { shape, bias_mask, grad_output, write, .. } = call;
            let grad_output = Resident::of(self, element, grad_output)?;
            run(self, shape.outputs(), element, |grad_bias| {
                let grad_output = grad_output.tensor();
                self.kernels().bias_gradient(&BiasGradient {
                    shape,
                    bias_mask,
                    grad_output,
                    grad_bias,
                    write,
                })
            })
            .await
        })
    }

    fn mask<'a>(&'a self, shape: &'a Shape, mask: &'a Mask, bias: bool, bytes: usize) -> Work<'a, Vec<u8>> {
        Box::pin(async move {
            let (bytes, kernels) = (bytes as u64, self.kernels());
            let buffer = self.tensor(bytes)?;
            let call = WriteMask { shape: *shape, mask, result: &buffer, offset: 0, size: bytes };
            let write = if bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) }?;
            self.encode("dropconnect.mask", |encoder| {
                write.encode(encoder);
                Ok(())
            })?;
            self.read_async(&buffer, 0..bytes).await
        })
    }

    fn activate<'a>(
        &'a self,
        shape: &'a Shape,
        activation: Activation,
        method: Method,
        u: &'a Moments,
    ) -> Work<'a, Moments> {
        Box::pin(async move {
            let f32 = ElementType::F32;
            let (u_mean, u_variance) =
                (Resident::of(self, f32, &u.mean)?, Resident::of(self, f32, &u.variance)?);
            let (shape, u_mean, u_variance) = (*shape, u_mean.tensor(), u_variance.tensor());
            pair(self, &shape, |mean, variance| {
                let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
                self.kernels().activate(&call)
            })
            .await
        })
    }
}

/// Weights in device memory. Buffers are handles: to have them here copies nothing.
pub(crate) struct GpuWeights<'a> {
    pub gpu: &'a Gpu,
    pub shape: Shape,
    pub element: ElementType,
    pub weight: wgpu::Buffer,
    pub bias: Bias<wgpu::Buffer>,
}

impl GpuWeights<'_> {
    pub fn tensors(&self) -> (Tensor<'_>, Bias<Tensor<'_>>) {
        let Self { shape, element, .. } = *self;
        let weight = tensor(&self.weight, shape.weight_len(), element);
        (weight, self.bias.as_ref().map(|bias| tensor(bias, shape.outputs(), element)))
    }
}

impl WeightPasses for GpuWeights<'_> {
    fn forward<'a>(&'a self, mask: Option<&'a Mask>, x: &'a [f32]) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let (&Self { gpu, shape, element, .. }, (weight, bias)) = (self, self.tensors());
            let x = Resident::of(gpu, element, x)?;
            run(gpu, shape.output_len(), element, |y| {
                gpu.kernels().forward(&Forward { shape, mask, x: x.tensor(), weight, bias, y })
            })
            .await
        })
    }

    fn moments<'a>(&'a self, probability: &'a DropProbability, x: &'a [f32]) -> Work<'a, Moments> {
        Box::pin(async move {
            let (&Self { gpu, shape, element, .. }, (weight, bias)) = (self, self.tensors());
            let x = Resident::of(gpu, element, x)?;
            pair(gpu, &shape, |mean, variance| {
                let x = x.tensor();
                let call = OutputMoments { shape, probability, x, weight, bias, mean, variance };
                gpu.kernels().moments(&call)
            })
            .await
        })
    }

    fn monte_carlo<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Moments> {
        Box::pin(async move {
            let (&Self { gpu, shape, element, .. }, (weight, bias)) = (self, self.tensors());
            let x = Resident::of(gpu, element, x)?;
            pair(gpu, &shape, |mean, variance| {
                let x = x.tensor();
                let call = MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance };
                gpu.kernels().monte_carlo(&call)
            })
            .await
        })
    }

    fn pass_outputs<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let (&Self { gpu, shape, element, .. }, (weight, bias)) = (self, self.tensors());
            mask.check_passes(&shape, passes)?;
            let mut samples = host::empty(shape.output_len().saturating_mul(passes as usize))?;
            let x = Resident::of(gpu, element, x)?;
            let y = Resident::new(gpu, shape.output_len(), element)?;
            let (mask_of, x) = (Some(mask), x.tensor());
            let forward =
                gpu.kernels().forward(&Forward { shape, mask: mask_of, x, weight, bias, y: y.tensor() })?;
            for pass in 0..passes {
                let [y] = fetch(gpu, &[forward.at_key(mask.pass(pass).key)?], [&y]).await?;
                samples.extend(y);
            }
            Ok(samples)
        })
    }

    fn predictive<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Predictive<f32>> {
        Box::pin(async move {
            let (&Self { gpu, shape, element, .. }, (weight, bias)) = (self, self.tensors());
            mask.check_passes(&shape, passes)?;
            let x = Resident::of(gpu, element, x)?;
            let result = |elements| Resident::new(gpu, elements, ElementType::F32);
            let (logits, mean) = (result(shape.output_len())?, result(shape.output_len())?);
            let (entropy, information) = (result(shape.batch())?, result(shape.batch())?);
            let (some, y) = (Some(mask), logits.tensor());
            let forward =
                gpu.kernels().forward(&Forward { shape, mask: some, x: x.tensor(), weight, bias, y })?;
            for pass in 0..passes {
                let forward = forward.at_key(mask.pass(pass).key)?;
                let predictive = gpu.kernels().predictive(&PredictivePass {
                    shape,
                    pass,
                    passes,
                    logits: logits.tensor(),
                    mean: mean.tensor(),
                    entropy: entropy.tensor(),
                    information: information.tensor(),
                })?;
                gpu.encode("dropconnect.predictive", |encoder| {
                    forward.encode(encoder);
                    predictive.encode(encoder);
                    Ok(())
                })?;
            }
            let [mean, entropy, mutual_information] =
                fetch(gpu, &[], [&mean, &entropy, &information]).await?;
            Ok(Predictive { mean, entropy, mutual_information })
        })
    }
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
        let buffer = gpu.tensor(bytes(elements, element))?;
        Ok(Self { buffer, elements, element })
    }

    /// These values, rounded.
    pub fn of(gpu: &Gpu, element: ElementType, values: &[f32]) -> Result<Self, Error> {
        let buffer = gpu.tensor_of(&encode(element, values)?)?;
        Ok(Self { buffer, elements: values.len(), element })
    }

    pub fn tensor(&self) -> Tensor<'_> {
        tensor(&self.buffer, self.elements, self.element)
    }
}

/// Runs a call into a fresh result of `elements` and reads it back.
async fn run(
    gpu: &Gpu,
    elements: usize,
    element: ElementType,
    call: impl FnOnce(Tensor<'_>) -> Result<Recording, Error>,
) -> Result<Vec<f32>, Error> {
    let result = Resident::new(gpu, elements, element)?;
    let [values] = fetch(gpu, &[call(result.tensor())?], [&result]).await?;
    Ok(values)
}

/// The same for a mean and a variance, `[batch, outputs]` in f32.
async fn pair(
    gpu: &Gpu,
    shape: &Shape,
    call: impl FnOnce(Tensor<'_>, Tensor<'_>) -> Result<Recording, Error>,
) -> Result<Moments, Error> {
    let result = || Resident::new(gpu, shape.output_len(), ElementType::F32);
    let (mean, variance) = (result()?, result()?);
    let recording = call(mean.tensor(), variance.tensor())?;
    let [mean, variance] = fetch(gpu, &[recording], [&mean, &variance]).await?;
    Ok(Moments { mean, variance })
}

/// Runs calls and reads results back. All memory that this takes is there before anything runs.
pub(crate) async fn fetch<const N: usize>(
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
        download.finish(gpu, |view| result.element.decode_into(view, values)).await?;
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
