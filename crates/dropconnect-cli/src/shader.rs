//! `dropconnect shader`: the text that an adapter gets for a pass, and what wgpu makes of it.

use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

use dropconnect::call::{
    BiasGradient, BothGradients, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient,
};
use dropconnect::gpu::{
    Activate, Gpu, KernelOptions, Kernels, Method, Multiply, PredictivePass, Recording, Tensor, Tuning,
    WriteMask,
};
use dropconnect::{Bias, ElementType, Write, wgpu};
use dropconnect_testing::translate;
use naga::back::{glsl, hlsl};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

use crate::cli::{BiasKind, Class, DeviceKind, DeviceOptions, Language, ShaderCommand, ShaderPass};
use crate::error::CliError;
use crate::{adapters, device, output};

/// The device that does nothing has its tensors in memory.
const MOST_BYTES: u64 = 1 << 30;

/// Runs the command.
pub fn run(command: &ShaderCommand, options: &DeviceOptions) -> Result<(), CliError> {
    if options.device == DeviceKind::Cpu {
        return Err(CliError::Usage("the CPU backend has no kernels; leave --device cpu out".to_owned()));
    }
    if command.time {
        return time(command, options);
    }
    let gpu = prepare(command, options)?;
    let recording = record(command, &gpu)?;
    let shaders: Vec<&str> = recording.shaders().collect();
    let chosen = match command.kernel {
        None if command.language == Language::Spirv && shaders.len() > 1 => {
            return Err(CliError::Usage(format!(
                "the call takes {} kernels, and a file of SPIR-V holds one; --kernel chooses it, from 1",
                shaders.len()
            )));
        }
        None => 0..shaders.len(),
        Some(number) if (1..=shaders.len()).contains(&number) => number - 1..number,
        Some(number) => {
            return Err(CliError::Usage(format!(
                "--kernel {number}: the call takes {} kernels, which are counted from 1",
                shaders.len()
            )));
        }
    };
    for at in chosen.clone() {
        if chosen.len() > 1 {
            output::print(&format!("// Kernel {} of {}.\n\n", at + 1, shaders.len()))?;
        }
        match translate(shaders[at], command.language, gpu.kernels().multiply())? {
            Translation::Text(text) => output::print(&text)?,
            Translation::Binary(_) if stdout().is_terminal() => {
                return Err(CliError::Usage(
                    "--as spirv prints a binary, and standard output is a terminal; add `> FILE`".to_owned(),
                ));
            }
            Translation::Binary(bytes) => output::print_bytes(&bytes)?,
        }
    }
    Ok(())
}

/// Compiles on the adapter, by a device of its own, which has no kernels yet; its driver may keep some from earlier
/// runs. Some drivers, Mesa's llvmpipe for one, compile when a kernel is first dispatched: what the first run takes
/// longer than the second is counted.
fn time(command: &ShaderCommand, options: &DeviceOptions) -> Result<(), CliError> {
    let asked = DeviceOptions { device: DeviceKind::Gpu, ..options.clone() };
    let selected = device::select(&asked)?;
    let gpu = selected.gpu().ok_or_else(|| CliError::Device("the adapter is gone".to_owned()))?;
    let start = Instant::now();
    let recording = record(command, gpu)?;
    let made = start.elapsed();
    let run = || -> Result<Duration, CliError> {
        let start = Instant::now();
        gpu.submit(&recording)?;
        gpu.wait()?;
        Ok(start.elapsed())
    };
    let [first, second] = [run()?, run()?];
    selected.check()?;
    let kernels = match recording.shaders().count() {
        1 => "1 kernel".to_owned(),
        count => format!("{count} kernels"),
    };
    let seconds = (made + first.saturating_sub(second)).as_secs_f64();
    output::print(&format!("{kernels}, {seconds:.2} s\n"))
}

/// A device that does nothing, with the kernel shapes, limits and features of the adapter or class.
fn prepare(command: &ShaderCommand, options: &DeviceOptions) -> Result<Gpu, CliError> {
    let mut optional = Kernels::optional_features();
    if command.language == Language::Glsl {
        // Which wgpu offers on no OpenGL.
        optional.remove(wgpu::Features::SHADER_INT64);
    }
    let (mut tuning, limits, features, whose) = match (command.class, device::about_an_adapter(options)) {
        (Some(_), Some(given)) if given != "--tuning" => {
            return Err(CliError::Usage(format!("--class is for no adapter, and {given} asks for one")));
        }
        (Some(class), _) => {
            let info = class.info();
            let whose = format!("{}, at WebGPU's default limits", adapters::kind(&info));
            if matches!(class, Class::Fxc | Class::SoftwareSmall | Class::Warp) {
                optional.remove(wgpu::Features::SHADER_INT64);
            }
            (Tuning::for_adapter(&info, optional), wgpu::Limits::default(), optional, whose)
        }
        (None, _) => {
            let found = device::choice(options).adapters().into_iter().next();
            let adapter = found.ok_or_else(|| {
                CliError::Usage(
                    "no adapter matches; `dropconnect adapters` lists those there are, and --class prints what \
                     those of a class get"
                        .to_owned(),
                )
            })?;
            let info = adapter.get_info();
            let whose = format!("{}, {}", info.name, adapters::kind(&info));
            let features = adapter.features() & optional;
            (Tuning::for_adapter(&info, features), adapter.limits(), features, whose)
        }
    };
    let mut kernels = "";
    if let Some(given) = options.tuning {
        (tuning, kernels) = (given, ", with --tuning");
    }
    output::note(&format!("kernels for: {whose}{kernels}"));
    let noop = wgpu::NoopBackendOptions {
        limits: Some(limits),
        features: Some(features),
        ..wgpu::NoopBackendOptions::enabled()
    };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::NOOP,
        backend_options: wgpu::BackendOptions { noop, ..Default::default() },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::NOOP));
    let adapter = adapters
        .first()
        .ok_or_else(|| CliError::Device("wgpu has no device that does nothing".to_owned()))?;
    Ok(Gpu::from_adapter(adapter, &KernelOptions { tuning: Some(tuning), ..Default::default() })?)
}

impl Class {
    /// An adapter of this class.
    fn info(self) -> wgpu::AdapterInfo {
        use wgpu::{Backend, DeviceType};
        let (kind, backend, vendor) = match self {
            Self::Nvidia => (DeviceType::DiscreteGpu, Backend::Vulkan, 0x10de),
            Self::Amd => (DeviceType::DiscreteGpu, Backend::Vulkan, 0x1002),
            Self::Integrated => (DeviceType::IntegratedGpu, Backend::Vulkan, 0),
            Self::Fxc => (DeviceType::DiscreteGpu, Backend::Dx12, 0),
            Self::Software => (DeviceType::Cpu, Backend::Vulkan, 0),
            Self::SoftwareSmall => (DeviceType::Cpu, Backend::Gl, 0),
            Self::Warp => (DeviceType::Cpu, Backend::Dx12, 0),
        };
        wgpu::AdapterInfo { vendor, ..wgpu::AdapterInfo::new(kind, backend) }
    }
}

/// A buffer for each of so many elements of so many bytes, as long as all are small.
fn buffers<const N: usize>(gpu: &Gpu, sizes: [(usize, usize); N]) -> Result<[wgpu::Buffer; N], CliError> {
    let bytes = sizes.map(|(elements, size)| (elements as u64).saturating_mul(size as u64));
    let sum = bytes.iter().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
    if sum > MOST_BYTES {
        return Err(CliError::Usage(format!(
            "--shape: the tensors of this pass take {sum} bytes, and at most {MOST_BYTES} are made; choose a \
             smaller shape"
        )));
    }
    let buffers = bytes.iter().map(|bytes| gpu.buffer(bytes.next_multiple_of(4)));
    let buffers = buffers.collect::<Result<Vec<_>, _>>()?;
    Ok(buffers.try_into().unwrap_or_else(|_| unreachable!("as many buffers as sizes")))
}

/// The call, prepared.
fn record(command: &ShaderCommand, gpu: &Gpu) -> Result<Recording, CliError> {
    let (shape, element, kernels) = (command.shape, ElementType::from(command.element), gpu.kernels());
    if shape.batch() == 0 {
        return Err(CliError::Usage(
            "--shape: `batch` is 0, which takes no kernels; use at least 1".to_owned(),
        ));
    }
    let mask = &command.mask.mask()?;
    let (size, write) = (element.size(), Write::Overwrite);
    let (input, weight, output) =
        ((shape.input_len(), size), (shape.weight_len(), size), (shape.output_len(), size));
    let (vector, wide) = ((shape.outputs(), size), (shape.output_len(), 4));
    let bias = |bias| match command.bias {
        BiasKind::None => Bias::None,
        BiasKind::Plain => Bias::Plain(bias),
        BiasKind::Masked => Bias::Masked(bias),
    };
    let own = |buffer| Tensor::new(buffer, element);
    let f32 = |buffer| Tensor::new(buffer, ElementType::F32);
    let recording = match command.of {
        ShaderPass::Forward => {
            let [x, w, b, y] = &buffers(gpu, [input, weight, vector, output])?;
            let (x, weight, bias, y) = (own(x), own(w), bias(own(b)), own(y));
            kernels.forward(&Forward { shape, mask: Some(mask), x, weight, bias, y })
        }
        ShaderPass::InputGradient => {
            let [g, w, result] = &buffers(gpu, [output, weight, input])?;
            let (grad_output, weight, grad_input) = (own(g), own(w), own(result));
            let mask = Some(mask);
            kernels.input_gradient(&InputGradient { shape, mask, grad_output, weight, grad_input, write })
        }
        ShaderPass::WeightGradient => {
            let [g, x, result] = &buffers(gpu, [output, input, weight])?;
            let (grad_output, x, grad_weight) = (own(g), own(x), own(result));
            let mask = Some(mask);
            kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write })
        }
        ShaderPass::BothGradients => {
            let [g, x, w, grad_x, grad_w] = &buffers(gpu, [output, input, weight, input, weight])?;
            kernels.both_gradients(&BothGradients {
                shape,
                mask: Some(mask),
                grad_output: own(g),
                x: own(x),
                weight: own(w),
                grad_input: (own(grad_x), write),
                grad_weight: (own(grad_w), write),
            })
        }
        ShaderPass::BiasGradient => {
            let [g, result] = &buffers(gpu, [output, vector])?;
            let bias_mask = (command.bias == BiasKind::Masked).then_some(mask);
            let (grad_output, grad_bias) = (own(g), own(result));
            kernels.bias_gradient(&BiasGradient { shape, bias_mask, grad_output, grad_bias, write })
        }
        ShaderPass::Mask => {
            let connections = usize::try_from(shape.connections()).unwrap_or(usize::MAX);
            let [result] = &buffers(gpu, [(connections, 1)])?;
            let size = shape.connections();
            kernels.write_mask(&WriteMask { shape, mask, result, offset: 0, size })
        }
        ShaderPass::Moments => {
            let [x, w, b, mean, variance] = &buffers(gpu, [input, weight, vector, wide, wide])?;
            kernels.moments(&OutputMoments {
                shape,
                probability: &mask.probability,
                x: own(x),
                weight: own(w),
                bias: bias(own(b)),
                mean: f32(mean),
                variance: f32(variance),
            })
        }
        ShaderPass::Activation => {
            let [u_mean, u_variance, mean, variance] = &buffers(gpu, [wide; 4])?;
            let (key, origin) = (mask.key, mask.origin);
            kernels.activate(&Activate {
                shape,
                activation: command.activation.into(),
                method: command.samples.map_or(Method::Closed, |samples| Method::Sampled {
                    samples,
                    key,
                    origin,
                }),
                u_mean: f32(u_mean),
                u_variance: f32(u_variance),
                mean: f32(mean),
                variance: f32(variance),
            })
        }
        ShaderPass::MonteCarlo => {
            let [x, w, b, mean, variance] = &buffers(gpu, [input, weight, vector, wide, wide])?;
            kernels.monte_carlo(&MonteCarlo {
                shape,
                mask,
                passes: PASSES,
                x: own(x),
                weight: own(w),
                bias: bias(own(b)),
                mean: f32(mean),
                variance: f32(variance),
            })
        }
        ShaderPass::Predictive => {
            let each = (shape.batch(), 4);
            let [logits, mean, entropy, information] = &buffers(gpu, [output, wide, each, each])?;
            let (logits, mean) = (own(logits), f32(mean));
            let (entropy, information) = (f32(entropy), f32(information));
            let (pass, passes) = (0, PASSES);
            kernels.predictive(&PredictivePass { shape, pass, passes, logits, mean, entropy, information })
        }
    };
    Ok(recording?)
}

/// Monte-Carlo passes. Kernels do not depend on it.
const PASSES: u32 = 1;

enum Translation {
    Text(String),
    Binary(Vec<u8>),
}

/// What wgpu makes of WGSL.
fn translate(source: &str, language: Language, multiply: Multiply) -> Result<Translation, CliError> {
    if language == Language::Wgsl {
        return Ok(Translation::Text(source.to_owned()));
    }
    let (module, info) = &parse(source)?;
    let text = match language {
        Language::Wgsl => unreachable!("returned above"),
        Language::Spirv => {
            let words = translate::to_spirv(module, info).map_err(refused)?;
            return Ok(Translation::Binary(bytemuck::cast_slice(&words).to_vec()));
        }
        Language::Msl => translate::to_msl(module, info),
        Language::Hlsl => {
            let shader_model = match multiply {
                Multiply::Wide => hlsl::ShaderModel::V6_0,
                Multiply::Split => hlsl::ShaderModel::V5_1,
            };
            translate::to_hlsl(shader_model, module, info)
        }
        Language::Glsl => translate::to_glsl(glsl::Version::Desktop(430), module, info),
    };
    text.map(Translation::Text).map_err(refused)
}

fn parse(source: &str) -> Result<(naga::Module, ModuleInfo), CliError> {
    let module = naga::front::wgsl::parse_str(source).map_err(refused)?;
    let info =
        Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).map_err(refused)?;
    Ok((module, info))
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::Usage(format!("--as: this kernel has no such translation: {error}"))
}
