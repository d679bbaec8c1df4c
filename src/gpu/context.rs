//! An adapter opened for a program that has no engine of its own: device, queue and kernels, with the
//! copies to and from the host that [`Kernels`] leaves to its caller.

use std::ops::Range;

use futures_intrusive::channel::shared::oneshot_channel;
use wgpu::util::DeviceExt;

use super::{KernelOptions, Kernels, Recording};
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

/// An open adapter and its kernels.
#[derive(Debug)]
pub struct Gpu {
    info: wgpu::AdapterInfo,
    queue: wgpu::Queue,
    kernels: Kernels,
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
        let wanted = Kernels::optional_features() | wgpu::Features::TIMESTAMP_QUERY;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("dropconnect"),
            required_features: adapter.features() & wanted,
            required_limits: limits,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|source| Error::RequestDevice { adapter: info.name.clone(), source })?;
        let kernels = Kernels::new(&device, options)?;
        Ok(Self { info, queue, kernels })
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

    /// A buffer of at least `size` bytes, for tensors: zeroed, and copyable both ways.
    ///
    /// # Errors
    /// [`Error::BufferSize`] past the device's limit; [`Error::OutOfMemory`].
    pub fn buffer(&self, size: u64) -> Result<wgpu::Buffer, Error> {
        self.allocate(size, |device, size| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("dropconnect.tensor"),
                size,
                usage: TENSOR,
                mapped_at_creation: false,
            })
        })
    }

    /// A buffer that holds `bytes`, padded with zeros to whole words.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn upload(&self, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        if bytes.is_empty() {
            return self.buffer(0);
        }
        self.allocate(bytes.len() as u64, |device, _| {
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some("dropconnect.tensor"),
                contents: bytes,
                usage: TENSOR,
            })
        })
    }

    fn allocate(
        &self,
        size: u64,
        create: impl FnOnce(&wgpu::Device, u64) -> wgpu::Buffer,
    ) -> Result<wgpu::Buffer, Error> {
        let limit = self.device().limits().max_buffer_size;
        let size = size.max(4).next_multiple_of(4);
        if size > limit {
            return Err(Error::BufferSize { size, limit });
        }
        let scope = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = create(self.device(), size);
        match pollster::block_on(scope.pop()) {
            None => Ok(buffer),
            Some(_) => Err(Error::OutOfMemory { size }),
        }
    }

    /// Records and submits one call.
    pub fn submit(&self, recording: &Recording) {
        let mut encoder = self
            .device()
            .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("dropconnect.submit") });
        recording.encode(&mut encoder);
        self.queue.submit([encoder.finish()]);
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// [`Error::Readback`] where the device is lost.
    pub fn wait(&self) -> Result<(), Error> {
        match self.device().poll(wgpu::PollType::wait_indefinitely()) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Readback { reason: error.to_string() }),
        }
    }

    /// Reads a range of a buffer back, after all work submitted so far.
    ///
    /// # Errors
    /// [`Error::Readback`] where the device is lost; [`Error::OutOfMemory`], [`Error::BufferSize`] for the
    /// staging buffer.
    pub fn read(&self, buffer: &wgpu::Buffer, bytes: Range<u64>) -> Result<Vec<u8>, Error> {
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let start = bytes.start - bytes.start % 4;
        let size = (bytes.end - start).next_multiple_of(4);
        let staging = self.allocate(size, |device, size| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("dropconnect.readback"),
                size,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        })?;
        let mut encoder = self
            .device()
            .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("dropconnect.readback") });
        encoder.copy_buffer_to_buffer(buffer, start, &staging, 0, size);
        self.queue.submit([encoder.finish()]);

        let lost = |reason: String| Error::Readback { reason };
        let (sender, receiver) = oneshot_channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // The receiver lives until the end of this function; if it is gone, nobody asks.
            let _ = sender.send(result);
        });
        self.wait()?;
        pollster::block_on(receiver.receive())
            .ok_or_else(|| lost("the device dropped the request".to_owned()))?
            .map_err(|error| lost(error.to_string()))?;
        let view = staging.slice(..).get_mapped_range().map_err(|error| lost(error.to_string()))?;
        let skip = (bytes.start - start) as usize;
        Ok(view[skip..skip + (bytes.end - bytes.start) as usize].to_vec())
    }
}

const TENSOR: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);
