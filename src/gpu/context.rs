//! An adapter opened for a program that has no engine of its own: device, queue and kernels.

use std::sync::{Arc, Mutex, PoisonError};

use super::{KernelOptions, Kernels, allocate};
use crate::Error;

/// Which adapter to open.
#[derive(Clone, Debug)]
pub struct AdapterChoice {
    /// Where to look. By default Vulkan, Metal and DX12; OpenGL only when asked for.
    pub backends: wgpu::Backends,
    /// Part of the adapter's name, in any case.
    pub name: Option<String>,
    /// Leave software adapters out.
    pub hardware_only: bool,
}

impl Default for AdapterChoice {
    fn default() -> Self {
        let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        Self { backends, name: None, hardware_only: false }
    }
}

impl AdapterChoice {
    /// The adapters that match, best first: discrete, integrated, virtual, other, software.
    pub fn adapters(&self) -> Vec<wgpu::Adapter> {
        let mut found = self.enumerate();
        found.retain(|adapter| self.matches(&adapter.get_info()));
        found.sort_by_key(|adapter| rank(adapter.get_info().device_type));
        found
    }

    /// The software adapter among them, if there is one.
    pub(crate) fn software(&self) -> Option<wgpu::AdapterInfo> {
        let mut infos = self.adapters().into_iter().map(|adapter| adapter.get_info());
        infos.find(|info| info.device_type == wgpu::DeviceType::Cpu)
    }

    fn enumerate(&self) -> Vec<wgpu::Adapter> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: self.backends,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        pollster::block_on(instance.enumerate_adapters(self.backends))
    }

    fn matches(&self, info: &wgpu::AdapterInfo) -> bool {
        let named = |part: &String| info.name.to_lowercase().contains(&part.to_lowercase());
        self.name.as_ref().is_none_or(named)
            && !(self.hardware_only && info.device_type == wgpu::DeviceType::Cpu)
    }

    fn describe(&self) -> String {
        let kind = if self.hardware_only { "hardware adapter" } else { "adapter" };
        let name = self.name.as_ref().map_or(String::new(), |name| format!(" named like `{name}`"));

        let backends: Vec<_> = self.backends.iter_names().map(|(name, _)| name.to_lowercase()).collect();
        format!("{kind}{name} on {}", backends.join(", "))
    }
}

fn rank(kind: wgpu::DeviceType) -> u32 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// An open adapter and its kernels, with the copies to and from the host that [`Kernels`] leaves to its caller.
///
/// A device can go at any time: it is destroyed, reset or removed, or its driver gives it up. Every call
/// from then on returns [`Error::DeviceLost`]; a new `Gpu` can be opened. Its callback for the loss is in
/// use here: a host that sets another one loses no more than the reason in that error.
#[derive(Debug)]
pub struct Gpu {
    info: wgpu::AdapterInfo,
    queue: wgpu::Queue,
    kernels: Kernels,
    /// Why the device is lost, once it is.
    loss: Arc<Mutex<Option<String>>>,
    /// See [`Gpu::in_turn`].
    pub(super) turn: Mutex<()>,
}

impl Gpu {
    /// Opens the best adapter that matches and can be opened, with every limit it has and the features the
    /// kernels like.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], naming those that exist; [`Error::RequestDevice`]; [`Error::DeviceLimit`].
    pub fn open(choice: &AdapterChoice, options: &KernelOptions) -> Result<Self, Error> {
        // An adapter that exists may still not open: the next one may.
        let mut refused = None;
        for adapter in choice.adapters() {
            match Self::from_adapter(&adapter, options) {
                Ok(gpu) => return Ok(gpu),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| {
            let names: Vec<_> =
                choice.enumerate().iter().map(|adapter| format!("`{}`", adapter.get_info().name)).collect();
            let available = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Error::NoAdapter { wanted: choice.describe(), available }
        }))
    }

    /// Opens a given adapter.
    ///
    /// # Errors
    /// [`Error::RequestDevice`]; [`Error::DeviceLimit`].
    pub fn from_adapter(adapter: &wgpu::Adapter, options: &KernelOptions) -> Result<Self, Error> {
        Self::with_limits(adapter, adapter.limits(), options)
    }

    /// Opens a given adapter with chosen limits, as a host with limits of its own would.
    ///
    /// # Errors
    /// [`Error::RequestDevice`]; [`Error::DeviceLimit`].
    pub fn with_limits(
        adapter: &wgpu::Adapter,
        limits: wgpu::Limits,
        options: &KernelOptions,
    ) -> Result<Self, Error> {
        let info = adapter.get_info();
        let mut wanted = Kernels::optional_features() | wgpu::Features::TIMESTAMP_QUERY;
        wanted.set(wgpu::Features::PASSTHROUGH_SHADERS, options.modules.is_some());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("dropconnect"),
            required_features: adapter.features() & wanted,
            required_limits: limits,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|source| Error::RequestDevice { adapter: info.name.clone(), source })?;
        let loss: Arc<Mutex<Option<String>>> = Arc::default();
        let known = Arc::clone(&loss);
        device.set_device_lost_callback(move |reason, message| {
            let reason = match reason {
                wgpu::DeviceLostReason::Destroyed => "it was destroyed".to_owned(),
                wgpu::DeviceLostReason::Unknown => message,
            };
            *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        });
        let kernels = Kernels::new(&device, options)?;
        Ok(Self { info, queue, kernels, loss, turn: Mutex::default() })
    }

    /// The error of a lost device with the reason, where wgpu has told it; any other as it is.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::DeviceLost { reason } => {
                // A destroyed device says so when it is polled.
                let _ = self.in_turn(|| allocate::poll(self.device(), wgpu::PollType::Poll));
                let known = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
                Error::DeviceLost { reason: known.clone().unwrap_or(reason) }
            }
            error => error,
        }
    }

    /// The adapter.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        self.kernels.device()
    }

    /// Its queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The kernels.
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }
}
