//! `dropconnect shader`: the text that an adapter gets for a pass, and what wgpu makes of it.

mod call;
mod export;
pub mod reflect;

use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

use dropconnect::call::Kind;
use dropconnect::gpu::{Gpu, KernelOptions, Kernels, Multiply, Tuning};
use dropconnect::wgpu;
use dropconnect_testing::translate;
use naga::back::{glsl, hlsl};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

use crate::cli::{Class, DeviceKind, DeviceOptions, Language, MultiplyName, ShaderCommand, ShaderPass};
use crate::error::CliError;
use crate::{adapters, device, driver, output};

/// Runs the command.
pub fn run(command: &ShaderCommand, options: &DeviceOptions) -> Result<(), CliError> {
    if options.device == DeviceKind::Cpu {
        return Err(CliError::Usage("the CPU backend has no kernels; leave --device cpu out".to_owned()));
    }
    if let Some(folder) = &command.export {
        let (gpu, whose) = prepare(command, options)?;
        return export::run(command, folder, &gpu, &whose);
    }
    // Without `--export` clap asks for it.
    let of = command.of.unwrap_or(ShaderPass::Call(Kind::Forward));
    if command.time {
        return time(command, of, options);
    }
    let (gpu, _) = prepare(command, options)?;
    let recording = call::prepared(command, of, &gpu)?.recording;
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
fn time(command: &ShaderCommand, of: ShaderPass, options: &DeviceOptions) -> Result<(), CliError> {
    let asked = DeviceOptions { device: DeviceKind::Gpu, ..options.clone() };
    let selected = device::select(&asked)?;
    let gpu = selected.gpu().ok_or_else(|| CliError::Device("the adapter is gone".to_owned()))?;
    let bar = output::waiting(format!("compiling on {}", selected.device));
    let start = Instant::now();
    let recording = call::prepared(command, of, gpu)?.recording;
    let made = start.elapsed();
    let run = || -> Result<Duration, CliError> {
        let start = Instant::now();
        gpu.submit(&recording)?;
        gpu.wait()?;
        Ok(start.elapsed())
    };
    let [first, second] = [run()?, run()?];
    bar.finish_and_clear();
    selected.check()?;
    let kernels = match recording.shaders().count() {
        1 => "1 kernel".to_owned(),
        count => format!("{count} kernels"),
    };
    let seconds = (made + first.saturating_sub(second)).as_secs_f64();
    output::print(&format!("{kernels}, {seconds:.2} s\n"))
}

/// A device that does nothing, with the kernel shapes, limits and features of the adapter or class, and whose they are.
fn prepare(command: &ShaderCommand, options: &DeviceOptions) -> Result<(Gpu, String), CliError> {
    let mut optional = Kernels::optional_features();
    let split = match command.multiply {
        Some(multiply) => multiply == MultiplyName::Split,
        // Which wgpu offers on no OpenGL, and WebGPU has nowhere.
        None => command.language == Language::Glsl || command.export.is_some(),
    };
    if split {
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
            let found = device::choice(options)?.adapters().into_iter().next();
            let adapter = found.ok_or_else(|| {
                let missing = driver::missing();
                CliError::Usage(format!(
                    "no adapter matches; `dropconnect adapters` lists those there are, and --class prints what \
                     those of a class get{missing}"
                ))
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
    if command.multiply == Some(MultiplyName::Wide) && !features.contains(wgpu::Features::SHADER_INT64) {
        return Err(CliError::Usage(format!(
            "--multiply wide takes 64-bit integers, which there are none of here: {whose}"
        )));
    }
    let whose = format!("{whose}{kernels}");
    output::say(&format!("kernels for: {whose}"));
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
    let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
    Ok((Gpu::from_adapter(adapter, &options)?, whose))
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
