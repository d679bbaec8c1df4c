//! An adapter opened for a program that has no engine of its own: device, queue and kernels.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::allocate;
use super::kernels::Kernels;
use super::options::KernelOptions;
use crate::Error;
use crate::work::IN_A_BROWSER;

/// Which adapter to open.
#[derive(Clone, Debug)]
pub struct AdapterChoice {
    /// Where to look. By default Vulkan, Metal, DX12 and, in a browser, WebGPU; OpenGL only when asked for.
    pub backends: wgpu::Backends,
    /// Part of the adapter's name, in any case.
    pub name: Option<String>,
    /// Leave software adapters out.
    pub hardware_only: bool,
}

/// The instance of every adapter here. wgpu numbers the objects of each instance from zero, and takes those of another
/// one for its own with the same number: it sees whose a buffer is only where all devices are of one instance.
#[cfg(not(target_arch = "wasm32"))]
fn instance() -> &'static wgpu::Instance {
    static INSTANCE: LazyLock<wgpu::Instance> =
        LazyLock::new(|| wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle()));
    &INSTANCE
}

/// A browser's objects know whose they are.
#[cfg(target_arch = "wasm32")]
fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

impl Default for AdapterChoice {
    fn default() -> Self {
        let backends = if IN_A_BROWSER {
            wgpu::Backends::BROWSER_WEBGPU
        } else {
            wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12
        };
        Self { backends, name: None, hardware_only: false }
    }
}

impl AdapterChoice {
    /// The adapters that match, best first: discrete, integrated, virtual, other, software. A browser gives one at
    /// most, and not to [`adapters`](Self::adapters), which blocks.
    pub async fn adapters_async(&self) -> Vec<wgpu::Adapter> {
        self.best_first(self.enumerate().await)
    }

    fn best_first(&self, mut found: Vec<wgpu::Adapter>) -> Vec<wgpu::Adapter> {
        found.retain(|adapter| self.matches(&adapter.get_info()));
        found.sort_by_key(|adapter| rank(adapter.get_info().device_type));
        found
    }

    /// The adapters that match, best first: discrete, integrated, virtual, other, software.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn adapters(&self) -> Vec<wgpu::Adapter> {
        pollster::block_on(self.adapters_async())
    }

    /// The software adapter among them, if there is one.
    pub(crate) async fn software(&self) -> Option<wgpu::AdapterInfo> {
        let mut infos = self.adapters_async().await.into_iter().map(|adapter| adapter.get_info());
        infos.find(|info| info.device_type == wgpu::DeviceType::Cpu)
    }

    async fn enumerate(&self) -> Vec<wgpu::Adapter> {
        let instance = instance();
        if IN_A_BROWSER {
            // Which one is the browser's choice, of which this is all that can be said.
            let power_preference = wgpu::PowerPreference::HighPerformance;
            let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
            return instance.request_adapter(&options).await.into_iter().collect();
        }
        instance.enumerate_adapters(self.backends).await
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
    faults: Arc<Mutex<Faults>>,
    /// See [`Gpu::in_turn`].
    pub(super) turn: Mutex<()>,
}

/// What the device has told of itself.
#[derive(Debug, Default)]
struct Faults {
    /// Why it is lost, once it is.
    loss: Option<String>,
    /// In a browser, the first fault of a call that no result has told of.
    fault: Option<Error>,
}

impl Gpu {
    /// Opens the best adapter that matches and can be opened, with every limit it has and the features the
    /// kernels like.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], naming those that exist; [`Error::RequestDevice`]; [`Error::DeviceLimits`].
    pub async fn open_async(choice: &AdapterChoice, options: &KernelOptions) -> Result<Self, Error> {
        let all = choice.enumerate().await;
        let names: Vec<_> = all.iter().map(|adapter| format!("`{}`", adapter.get_info().name)).collect();
        // An adapter that exists may still not open: the next one may.
        let mut refused = None;
        for adapter in choice.best_first(all) {
            match Self::from_adapter_async(&adapter, options).await {
                Ok(gpu) => return Ok(gpu),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        let available = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(Error::NoAdapter { wanted: choice.describe(), available })
    }

    /// Opens a given adapter.
    ///
    /// # Errors
    /// [`Error::RequestDevice`]; [`Error::DeviceLimits`].
    pub async fn from_adapter_async(adapter: &wgpu::Adapter, options: &KernelOptions) -> Result<Self, Error> {
        Self::with_limits_async(adapter, adapter.limits(), options).await
    }

    /// Opens a given adapter with chosen limits, as a host with limits of its own would.
    ///
    /// # Errors
    /// [`Error::RequestDevice`]; [`Error::DeviceLimits`].
    pub async fn with_limits_async(
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
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|source| Error::RequestDevice { adapter: info.name.clone(), source })?;
        let faults: Arc<Mutex<Faults>> = Arc::default();
        let known = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            let reason = match reason {
                wgpu::DeviceLostReason::Destroyed => "it was destroyed".to_owned(),
                wgpu::DeviceLostReason::Unknown => message,
            };
            known.lock().unwrap_or_else(PoisonError::into_inner).loss = Some(reason);
        });
        if IN_A_BROWSER {
            let known = Arc::clone(&faults);
            device.on_uncaptured_error(Arc::new(move |fault| {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                known.fault.get_or_insert_with(|| allocate::fault("a call", 0, &fault));
            }));
        }
        let kernels = Kernels::new(&device, options)?;
        Ok(Self { info, queue, kernels, faults, turn: Mutex::default() })
    }

    /// The error of a lost device with the reason, where wgpu has told it; any other as it is.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::DeviceLost { reason } => {
                // A destroyed device says so when it is polled.
                let _ = self.in_turn(|| allocate::poll(self.device(), wgpu::PollType::Poll));
                Error::DeviceLost { reason: self.faults().loss.clone().unwrap_or(reason) }
            }
            error => error,
        }
    }

    /// Whether the browser has told of a loss or a fault, so that results are none.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn check_faults(&self) -> Result<(), Error> {
        let mut known = self.faults();
        match (known.loss.clone(), known.fault.take()) {
            (Some(reason), _) => Err(Error::DeviceLost { reason }),
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(()),
        }
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The same for a thread that may wait.
#[cfg(not(target_arch = "wasm32"))]
impl Gpu {
    /// See [`open_async`](Self::open_async).
    ///
    /// # Errors
    /// [`Error::NoAdapter`], naming those that exist; [`Error::RequestDevice`]; [`Error::DeviceLimits`].
    pub fn open(choice: &AdapterChoice, options: &KernelOptions) -> Result<Self, Error> {
        pollster::block_on(Self::open_async(choice, options))
    }

    /// See [`from_adapter_async`](Self::from_adapter_async).
    ///
    /// # Errors
    /// [`Error::RequestDevice`]; [`Error::DeviceLimits`].
    pub fn from_adapter(adapter: &wgpu::Adapter, options: &KernelOptions) -> Result<Self, Error> {
        pollster::block_on(Self::from_adapter_async(adapter, options))
    }

    /// See [`with_limits_async`](Self::with_limits_async).
    ///
    /// # Errors
    /// [`Error::RequestDevice`]; [`Error::DeviceLimits`].
    pub fn with_limits(
        adapter: &wgpu::Adapter,
        limits: wgpu::Limits,
        options: &KernelOptions,
    ) -> Result<Self, Error> {
        pollster::block_on(Self::with_limits_async(adapter, limits, options))
    }
}
