//! Adapters as devices: which one, and how it is called.

use std::fmt;
use std::sync::Arc;

use super::Device;
use crate::Error;
use crate::gpu::{AdapterChoice, Gpu, KernelOptions};

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

pub(super) fn describe(info: &wgpu::AdapterInfo, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // A browser may keep the name to itself.
    f.write_str(if info.name.is_empty() { "an adapter without a name" } else { &info.name })?;
    let driver = if info.driver_info.is_empty() { "" } else { ", " };
    write!(f, " ({}{driver}{})", info.backend, info.driver_info)?;
    if info.device_type == wgpu::DeviceType::Cpu { f.write_str(", a software adapter") } else { Ok(()) }
}
