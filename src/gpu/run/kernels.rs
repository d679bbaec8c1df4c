//! The kernels of one device.

use super::allocate;
use super::limits::Limits;
use super::options::KernelOptions;
use super::pipeline::Pipelines;
use crate::Error;
use crate::gpu::tuning::{Multiply, Tuning};

/// A dispatch holds at least so much, or cuts would be finer than tiles.
const LEAST_ITERATIONS: u32 = 1 << 12;
const LEAST_CONNECTIONS: u64 = 1 << 20;

/// The kernels of one device. Cheap to share by reference; `Send` and `Sync`.
///
/// Pipelines are compiled on first use, or by [`compile`](Self::compile), and kept; what compiles holds up nobody who
/// asks for another one. After a device is lost, every call that prepares something
/// returns [`Error::DeviceLost`]: make new kernels from the new device. No fault of a call reaches the device's
/// handler of uncaptured errors, and its callback for the loss is left to the host.
///
/// Buffers, encoders and queues have to be those of this device. With a buffer or a pipeline cache of another device of
/// the same `wgpu::Instance`, a call returns [`Error::DeviceFault`]; with an encoder or a queue of one, the fault goes
/// to that device's handler. All devices that [`Gpu`](crate::gpu::Gpu) opens are of one instance. Those of another one,
/// of a host's own, wgpu takes for its own with the same number, if there is one, and computes with those; else it
/// panics. There is no way to see that here.
#[derive(Debug)]
pub struct Kernels {
    pub(in crate::gpu) device: wgpu::Device,
    pub(in crate::gpu) pipelines: Pipelines,
    pub(in crate::gpu) tuning: Tuning,
    pub(in crate::gpu) multiply: Multiply,
    pub(in crate::gpu) limits: Limits,
}

impl Kernels {
    /// Prepares the kernels for a device, of which it keeps a handle. Compiles nothing yet.
    ///
    /// # Errors
    /// [`Error::DeviceLimits`] where the device was created with less than the kernels need;
    /// [`Error::DeviceFeature`] where it lacks what `options.multiply` asks for; [`Error::Count`] for a tile or
    /// workgroup of none or of more than 256 along an axis, for k tiles of more than 256 bricks, and for a
    /// dispatch that is to hold less than [`Tuning::iterations`] and [`Tuning::connections`] say, each by its field;
    /// [`Error::DeviceLost`].
    pub fn new(device: &wgpu::Device, options: &KernelOptions) -> Result<Self, Error> {
        let (info, features) = (device.adapter_info(), device.features());
        let tuning = options.tuning.unwrap_or_else(|| Tuning::for_adapter(&info, features));
        tuning.check_tiles()?;
        Error::check_count("tuning.iterations", tuning.iterations, LEAST_ITERATIONS..=u32::MAX)?;
        Error::check_count("tuning.connections", tuning.connections, LEAST_CONNECTIONS..=u64::MAX)?;
        let int64 = features.contains(wgpu::Features::SHADER_INT64);
        if options.multiply == Some(Multiply::Wide) && !int64 {
            return Err(Error::DeviceFeature { argument: "multiply", feature: "SHADER_INT64" });
        }
        let limits = Limits::new(device, &tuning)?;
        allocate::check_alive(device)?;
        Ok(Self {
            device: device.clone(),
            pipelines: Pipelines::new(options),
            tuning,
            multiply: options.multiply.unwrap_or(if int64 { Multiply::Wide } else { Multiply::Split }),
            limits,
        })
    }

    /// The limits a device needs for these kernels: WebGPU's defaults suffice. Larger bindings
    /// (`max_storage_buffer_binding_size`) mean fewer dispatches for tensors past 128 MiB, and more workgroup memory
    /// (`max_compute_workgroup_storage_size`) larger k tiles: NVIDIA's default forward kernel has
    /// four bricks in 16,640 bytes, and two in WebGPU's 16,384.
    pub fn required_limits() -> wgpu::Limits {
        wgpu::Limits::defaults()
    }

    /// Features that make the kernels faster where an adapter has them. None is needed.
    pub fn optional_features() -> wgpu::Features {
        wgpu::Features::SHADER_INT64
    }

    /// The device these kernels are for.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The kernel shapes in use.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Whether operands may be tiled through workgroup memory here ([`Tile::k_tile`](crate::gpu::Tile::k_tile)).
    /// Microsoft's older compiler, FXC, takes no such kernels: what a tuning says of it is passed over there.
    pub fn has_k_tiles(&self) -> bool {
        self.limits.k_tiles
    }

    /// How Philox multiplies here.
    pub fn multiply(&self) -> Multiply {
        self.multiply
    }
}
