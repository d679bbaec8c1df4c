//! The kernels on a caller's device: the embedding API.
//!
//! [`Kernels::new`] takes a `wgpu::Device`; each pass takes tensors as ranges of the caller's buffers,
//! checks them and returns a [`Recording`], which goes into the caller's compute pass or encoder. Nothing
//! here submits (unless asked to: [`Recording::submit`], [`Tuning::measured`]), polls, blocks or reads back. Nothing is
//! allocated on the device but 448 bytes of parameters per dispatch, 8 bytes per pass of [`Kernels::monte_carlo`], and
//! scratch memory where a sum of 16-bit elements, or a Monte-Carlo pass, is too long for one dispatch. The mask never
//! exists in memory, unless [`Kernels::write_mask`] is asked for it.
//!
//! ```no_run
//! use dropconnect::call::Forward;
//! use dropconnect::gpu::{KernelOptions, Kernels, Tensor};
//! use dropconnect::{Bias, DropProbability, ElementType, Mask, MaskKey, Shape};
//! # fn example(device: &wgpu::Device, queue: &wgpu::Queue, x: &wgpu::Buffer, w: &wgpu::Buffer, y: &wgpu::Buffer)
//! # -> Result<(), dropconnect::Error> {
//! let kernels = Kernels::new(device, &KernelOptions::default())?;
//! let mask = Mask::new(MaskKey::new(42, 0), DropProbability::new(0.5)?);
//! let forward = kernels.forward(&Forward {
//!     shape: Shape::new(128, 800, 784)?,
//!     mask: Some(&mask),
//!     x: Tensor::new(x, ElementType::F32),
//!     weight: Tensor::new(w, ElementType::F32),
//!     bias: Bias::None,
//!     y: Tensor::new(y, ElementType::F32),
//! })?;
//! let mut encoder = device.create_command_encoder(&Default::default());
//! forward.encode(&mut encoder);
//! queue.submit([encoder.finish()]);
//! # Ok(()) }
//! # use dropconnect::wgpu;
//! ```

mod activation;
pub(crate) mod allocate;
mod autotune;
mod context;
mod contract;
mod describe;
mod iterations;
mod keys;
mod limits;
mod mask;
mod monte_carlo;
mod params;
mod pass;
mod passes;
mod pipeline;
mod plan;
mod predictive;
mod prepare;
mod recording;
mod shader;
mod staging;
mod tensor;
mod text;
mod transfer;
mod tuning;

#[cfg(test)]
mod expanded_tests;
#[cfg(test)]
mod shader_tests;
#[cfg(test)]
mod wgsl_tests;

pub use activation::Activate;
pub use context::{AdapterChoice, Gpu};
pub use describe::{BoundRange, DispatchInfo};
pub use mask::WriteMask;
pub use pipeline::ModuleMaker;
pub use predictive::PredictivePass;
pub use prepare::{LayerCall, Prepare};
pub use recording::{Draws, Recording};
pub use tensor::Tensor;
pub use tuning::{Apply, Multiply, Tile, Tuning};

pub use crate::Method;

pub(crate) use transfer::Download;

use pass::Pass;
use pipeline::Pipelines;

use crate::Error;
use crate::call::Axis;

/// The workgroup of the bias gradient: columns of outputs and rows that share the examples.
const BIAS_TILE: Tile = Tile::new(1, 1, [16, 16]);
/// The workgroup of kernels without tiles.
const FLAT_TILE: Tile = Tile::new(1, 1, [64, 1]);
/// A dispatch holds at least so much, or cuts would be finer than tiles.
const LEAST_ITERATIONS: u32 = 1 << 12;
const LEAST_CONNECTIONS: u64 = 1 << 20;
/// Bindings hold at most this many bytes, so that rows, columns and indices fit 31 bits in the shaders.
const INDEXABLE: u64 = 1 << 31;

/// Choices that a host may make for [`Kernels::new`]. The default leaves all of them to the library.
#[derive(Clone, Debug, Default)]
pub struct KernelOptions {
    /// Kernel shapes; by default [`Tuning::for_adapter`]. [`Tuning::measured`] finds the fastest.
    pub tuning: Option<Tuning>,
    /// How Philox multiplies; by default [`Multiply::Wide`] where the device has `SHADER_INT64`.
    pub multiply: Option<Multiply>,
    /// A pipeline cache to compile with.
    pub cache: Option<wgpu::PipelineCache>,
    /// Compile with wgpu's bounds and loop checks. They cost 1.5 to 2 times and are for finding faults:
    /// every index is checked on the host already.
    pub checked: bool,
    /// What makes shader modules of the kernels' WGSL; by default wgpu. [`Gpu`] opens its device with wgpu's feature
    /// `PASSTHROUGH_SHADERS` then, where the adapter has it.
    pub modules: Option<ModuleMaker>,
}

/// The kernels of one device. Cheap to share by reference; `Send` and `Sync`.
///
/// Pipelines are compiled on first use, or by [`prepare`](Self::prepare), and kept; what compiles holds up nobody who
/// asks for another one. After a device is lost, every call that prepares something
/// returns [`Error::DeviceLost`]: make new kernels from the new device. No fault of a call reaches the device's
/// handler of uncaptured errors, and its callback for the loss is left to the host.
///
/// Buffers, encoders and queues have to be those of this device. With a buffer or a pipeline cache of another device of
/// the same `wgpu::Instance`, a call returns [`Error::DeviceFault`]; with an encoder or a queue of one, the fault goes
/// to that device's handler. All devices that [`Gpu`] opens are of one instance. Those of another one, of a host's own,
/// wgpu takes for its own with the same number, if there is one, and computes with those; else it panics. There is no
/// way to see that here.
#[derive(Debug)]
pub struct Kernels {
    device: wgpu::Device,
    pipelines: Pipelines,
    tuning: Tuning,
    multiply: Multiply,
    binding_limit: u64,
    alignment: u64,
    /// Limits of the device: workgroups along an axis, threads of a workgroup, those along its width and its depth,
    /// and bytes that they share.
    groups_limit: u32,
    invocations_limit: u32,
    width_limit: u32,
    depth_limit: u32,
    shared_limit: u32,
    /// Whether operands may be staged.
    stages: bool,
}

impl Kernels {
    /// Prepares the kernels for a device, of which it keeps a handle. Compiles nothing yet.
    ///
    /// # Errors
    /// [`Error::DeviceLimits`] where the device was created with less than the kernels need;
    /// [`Error::DeviceFeature`] where it lacks what `options.multiply` asks for; [`Error::Count`] for a tile or
    /// workgroup of none or of more than 256 along an axis, for more than 256 steps staged at a time, and for a
    /// dispatch that is to hold less than [`Tuning::iterations`] and [`Tuning::connections`] say, each by its field;
    /// [`Error::DeviceLost`].
    pub fn new(device: &wgpu::Device, options: &KernelOptions) -> Result<Self, Error> {
        let limits = device.limits();
        let tuning =
            options.tuning.unwrap_or_else(|| Tuning::for_adapter(&device.adapter_info(), device.features()));
        let stages = !tuning::has_fxc(&device.adapter_info(), device.features());
        tuning.check_tiles()?;
        Error::check_count("tuning.iterations", tuning.iterations, LEAST_ITERATIONS..=u32::MAX)?;
        Error::check_count("tuning.connections", tuning.connections, LEAST_CONNECTIONS..=u64::MAX)?;
        let int64 = device.features().contains(wgpu::Features::SHADER_INT64);
        if options.multiply == Some(Multiply::Wide) && !int64 {
            return Err(Error::DeviceFeature { argument: "multiply", feature: "SHADER_INT64" });
        }
        limits::check(&limits, &tuning)?;
        allocate::check_alive(device)?;
        Ok(Self {
            device: device.clone(),
            pipelines: Pipelines::new(options),
            tuning,
            multiply: options.multiply.unwrap_or(if int64 { Multiply::Wide } else { Multiply::Split }),
            binding_limit: limits.max_storage_buffer_binding_size.min(INDEXABLE),
            alignment: u64::from(limits.min_storage_buffer_offset_alignment),
            groups_limit: limits.max_compute_workgroups_per_dimension,
            invocations_limit: limits.max_compute_invocations_per_workgroup,
            width_limit: limits.max_compute_workgroup_size_x,
            depth_limit: limits.max_compute_workgroup_size_z,
            shared_limit: limits.max_compute_workgroup_storage_size,
            stages,
        })
    }

    /// The limits a device needs for these kernels: WebGPU's defaults suffice. Larger bindings
    /// (`max_storage_buffer_binding_size`) mean fewer dispatches for tensors past 128 MiB, and more workgroup memory
    /// (`max_compute_workgroup_storage_size`) more steps that are staged at a time: NVIDIA's default forward kernel has
    /// four in 16,640 bytes, and two in WebGPU's 16,384.
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

    /// Whether workgroups may read operands together here ([`Tile::staged`]). Microsoft's older compiler, FXC, takes no
    /// such kernels: what a tuning says of it is passed over there.
    pub fn stages(&self) -> bool {
        self.stages
    }

    /// How Philox multiplies here.
    pub fn multiply(&self) -> Multiply {
        self.multiply
    }

    fn tile(&self, pass: Pass) -> Tile {
        match (pass, pass.walks()) {
            (_, Some(Axis::Input)) => self.tuning.forward,
            (_, Some(Axis::Output)) => self.tuning.input_gradient,
            (_, Some(Axis::Example)) => self.tuning.weight_gradient,
            (Pass::BiasGradient, None) => BIAS_TILE,
            (Pass::Predictive { threads }, None) if threads > 1 => {
                Tile { workgroup: [threads, 1], ..FLAT_TILE }
            }
            // Two sums to an output, and operands that are not staged.
            (Pass::Moments { .. }, None) => match self.tuning.forward {
                Tile { staged: 0, rows, columns, workgroup } => {
                    Tile::new(rows.min(2), columns.min(2), workgroup)
                }
                _ => tuning::UNSTAGED,
            },
            (_, None) => FLAT_TILE,
        }
    }
}

// In a browser a device belongs to the thread that made it.
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Kernels>();
    shared::<Recording>();
    shared::<Gpu>();
};
