//! The kernels on a caller's device: the embedding API.
//!
//! [`Kernels::new`] takes a `wgpu::Device`; each pass takes tensors as ranges of the caller's buffers,
//! checks them and returns a [`Recording`], which goes into the caller's compute pass or encoder. Nothing
//! here submits (unless asked to: [`Recording::submit`], [`Tuning::measured`]), polls, blocks or reads back. Nothing is
//! allocated on the device but 448 bytes of parameters per dispatch, 8 bytes per pass of
//! [`MonteCarlo`](crate::call::MonteCarlo), and scratch memory where a sum of 16-bit elements, or a Monte-Carlo pass,
//! is too long for one dispatch. The mask never exists in memory, unless [`Kernels::write_mask`] is asked for it.
//!
//! ```no_run
//! use dropconnect::call::Forward;
//! use dropconnect::gpu::{KernelOptions, Kernels, Tensor};
//! use dropconnect::{Bias, DropProbability, ElementType, Mask, MaskKey, Shape};
//! # fn example(device: &wgpu::Device, queue: &wgpu::Queue, x: &wgpu::Buffer, w: &wgpu::Buffer, y: &wgpu::Buffer)
//! # -> Result<(), dropconnect::Error> {
//! let kernels = Kernels::new(device, &KernelOptions::default())?;
//! let mask = Mask::new(MaskKey::new(42, 0), DropProbability::new(0.5)?);
//! let forward = kernels.record(Forward {
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
mod autotune;
mod mask;
mod monte_carlo;
mod passes;
mod plan;
mod predictive;
mod run;
mod shader;
#[cfg(test)]
mod tests;
mod tuning;

pub use mask::WriteMask;
pub use plan::tensor::Tensor;
pub use run::context::{AdapterChoice, Gpu};
pub use run::describe::DispatchInfo;
pub use run::kernels::Kernels;
pub use run::options::{KernelOptions, ModuleMaker};
pub use run::recording::{BoundRange, Draws, Recording};
pub use tuning::{MaskOp, Multiply, Tile, Tuning};

pub use crate::Method;

pub(crate) use run::transfer::Download;

// In a browser a device belongs to the thread that made it.
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Kernels>();
    shared::<Recording>();
    shared::<Gpu>();
};
