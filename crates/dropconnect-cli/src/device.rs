//! Which device computes.

use std::sync::{Arc, Mutex, PoisonError};

use dropconnect::Device;
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions};
use dropconnect::wgpu;

use crate::cli::{Backend, DeviceKind, DeviceOptions};
use crate::error::CliError;
use crate::output;

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

/// The adapters that the options allow.
pub fn choice(options: &DeviceOptions) -> AdapterChoice {
    let backends = options.backend.map(|backend| match backend {
        Backend::Vulkan => wgpu::Backends::VULKAN,
        Backend::Metal => wgpu::Backends::METAL,
        Backend::Dx12 => wgpu::Backends::DX12,
        Backend::Gl => wgpu::Backends::GL,
    });
    let all = AdapterChoice::default();
    AdapterChoice { backends: backends.unwrap_or(all.backends), name: options.adapter.clone(), ..all }
}

/// Opens the device that the options ask for, and says on standard error which and why.
pub fn select(options: &DeviceOptions) -> Result<Selected, CliError> {
    let choice = choice(options);
    let particular = options.adapter.is_some() || options.backend.is_some();
    let (device, text) = match options.device {
        DeviceKind::Cpu if particular => {
            let given = if options.adapter.is_some() { "--adapter" } else { "--backend" };
            return Err(CliError::Usage(format!(
                "{given} chooses an adapter and `--device cpu` uses none; leave one of them out"
            )));
        }
        DeviceKind::Cpu => (Device::Cpu, format!("{}, as --device cpu asks", Device::Cpu)),
        DeviceKind::Auto if !particular => Device::auto(&choice),
        DeviceKind::Auto | DeviceKind::Gpu => {
            let device = Device::gpu(&choice)?;
            let text = format!("{device}, the best adapter that matches");
            (device, text)
        }
    };
    output::note(&format!("device: {text}"));
    let device = match (device, options.tuning) {
        (Device::Gpu(_), Some(tuning)) => {
            let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
            Device::Gpu(Arc::new(Gpu::open(&choice, &options)?))
        }
        (device, _) => device,
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
