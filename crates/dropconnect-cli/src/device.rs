//! Which device computes.

use std::sync::{Arc, Mutex, PoisonError};

use dropconnect::Device;
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions, ModuleMaker};
use dropconnect::wgpu;

use crate::cli::{Backend, DeviceKind, DeviceOptions};
use crate::error::CliError;
use crate::{driver, output};

/// An open device, and the faults it reports outside any call.
pub struct Selected {
    /// The device.
    pub device: Device,
    faults: Arc<Mutex<Vec<String>>>,
}

impl Selected {
    /// The adapter, if this is one.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.device.as_gpu()
    }

    /// Fails where the device has reported a fault: wgpu's own reaction would be a panic.
    pub fn check(&self) -> Result<(), CliError> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(CliError::Device(std::mem::take(&mut *faults).join("; ")))
        }
    }

    /// `result`, unless the device has reported a fault: that would be the better explanation.
    pub fn checked<T>(&self, result: Result<T, CliError>) -> Result<T, CliError> {
        match &result {
            Err(CliError::Library(_)) | Ok(_) => self.check().and(result),
            Err(_) => result,
        }
    }
}

/// The adapters that the options allow, and where they say nothing, wgpu's variables.
pub fn choice(options: &DeviceOptions) -> Result<AdapterChoice, CliError> {
    let backends = options.backend.map(|backend| match backend {
        Backend::Vulkan => wgpu::Backends::VULKAN,
        Backend::Metal => wgpu::Backends::METAL,
        Backend::Dx12 => wgpu::Backends::DX12,
        Backend::Gl => wgpu::Backends::GL,
    });
    let backends = backends.or_else(wgpu::Backends::from_env);
    if backends.is_some_and(|backends| backends.is_empty()) {
        return Err(CliError::Usage(format!(
            "vulkan, metal, dx12 or gl, or several with commas between them, are needed{}",
            driver::variables()
        )));
    }
    let name = options.adapter.clone().or_else(|| std::env::var("WGPU_ADAPTER_NAME").ok());
    let all = AdapterChoice::default();
    Ok(AdapterChoice { backends: backends.unwrap_or(all.backends), name, ..all })
}

/// What among the options asks for an adapter, so that `auto` does not take the CPU backend instead.
pub fn about_an_adapter(options: &DeviceOptions) -> Option<&'static str> {
    let given = [
        ("--adapter", options.adapter.is_some()),
        ("--backend", options.backend.is_some()),
        ("--tuning", options.tuning.is_some()),
    ];
    given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
}

/// An adapter, or what is missing for one.
fn gpu(choice: &AdapterChoice) -> Result<Device, CliError> {
    Device::gpu(choice).map_err(|error| match error {
        dropconnect::Error::NoAdapter { .. } => CliError::NoDriver { error, missing: driver::missing() },
        _ => error.into(),
    })
}

/// Opens the device that the options ask for, and says on standard error which and why.
pub fn select(options: &DeviceOptions) -> Result<Selected, CliError> {
    select_with(options, None)
}

/// The same with shader modules that are made so.
pub fn select_with(options: &DeviceOptions, modules: Option<ModuleMaker>) -> Result<Selected, CliError> {
    let choice = match options.device {
        DeviceKind::Cpu => AdapterChoice::default(),
        _ => choice(options)?,
    };
    let (device, text) = match (options.device, about_an_adapter(options)) {
        (DeviceKind::Cpu, Some(given)) => {
            return Err(CliError::Usage(format!(
                "{given} is about an adapter and `--device cpu` uses none; leave one of them out"
            )));
        }
        (DeviceKind::Cpu, None) => (Device::Cpu, format!("{}, as --device cpu asks", Device::Cpu)),
        (DeviceKind::Auto, None) => {
            let (device, mut text) = Device::auto(&choice);
            if device.as_gpu().is_none() {
                text += &match choice.adapters().is_empty() {
                    true => driver::missing(),
                    false => format!(", with --device gpu{}", driver::variables()),
                };
            }
            (device, text)
        }
        (DeviceKind::Auto, Some(given)) => {
            let device = gpu(&choice)?;
            let text = format!("{device}, the best adapter that matches, for which {given} asks");
            (device, text)
        }
        (DeviceKind::Gpu, _) => {
            let device = gpu(&choice)?;
            let text = format!("{device}, the best adapter that matches");
            (device, text)
        }
    };
    output::say(&format!("device: {text}"));
    let device = match device {
        Device::Gpu(_) if options.tuning.is_some() || modules.is_some() => {
            let options = KernelOptions { tuning: options.tuning, modules, ..Default::default() };
            Device::Gpu(Arc::new(Gpu::open(&choice, &options)?))
        }
        device => device,
    };
    let faults = Arc::<Mutex<Vec<String>>>::default();
    if let Some(gpu) = device.as_gpu() {
        let faults = Arc::clone(&faults);
        gpu.device().on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            faults.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        }));
    }
    Ok(Selected { device, faults })
}
