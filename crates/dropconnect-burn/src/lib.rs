//! DropConnect for [Burn](https://burn.dev): a module that takes the place of `burn::nn::Linear` and drops
//! single *weights*, afresh for every example, without ever storing a mask.
//!
//! ```no_run
//! use burn::tensor::{Distribution, Tensor};
//! use dropconnect_burn::DropConnectConfig;
//!
//! let device = dropconnect_burn::wgpu_device()?.autodiff();
//! // Layer 0 of the model: every layer has a number of its own.
//! let layer = DropConnectConfig::new(0, 784, 800).with_prob(0.5).init(&device);
//! let x = Tensor::<2>::random([128, 784], Distribution::Default, &device);
//! let gradients = layer.forward(x).mean().backward();
//! let _weight_gradient = layer.weight.grad(&gradients);
//! # Ok::<(), dropconnect_burn::Error>(())
//! ```
//!
//! - [`DropConnect`] and [`DropConnectConfig`] follow Burn's conventions: records, initialisers, devices,
//!   and training or inference decided as Burn's `Dropout` decides it.
//! - [`drop_connect`] is the operation itself, differentiable in input, weight and bias.
//! - [`wgpu_device`] and [`attach`] tell this crate the wgpu handles behind a Burn device.
//!
//! p is the probability of **dropping**. The mask is a pure function of seed, layer, step and the global
//! coordinates of a connection: see [`dropconnect::mask`].
//!
//! # Backends
//! On wgpu (Vulkan, Metal, DirectX 12, WebGPU) forward and backward are this project's kernels, recorded on
//! Burn's device and on Burn's buffers. On every other backend the same masks are applied by
//! [`dropconnect::cpu`] on the host: the natural thing for Burn's CPU backend `flex`, correct but slow for
//! others. The backend has to be known to this crate: the features `flex` (default) and `fusion`.

mod conv;
mod convert;
mod device;
mod error;
mod inference;
mod layer;
mod mask;
mod op;
mod predictive;
mod recurrent;
mod rows;
mod sampling;
mod schedule;
mod steps;

pub use conv::{DropConnectConv2d, DropConnectConv2dConfig};
pub use convert::{WeightDrop, convert};
pub use device::{attach, wgpu_device};
pub use dropconnect;
pub use error::Error;
pub use layer::{DropConnect, DropConnectConfig};
pub use mask::{Draw, MaskSettings, Per};
pub use op::{drop_connect, try_drop_connect};
pub use predictive::Predictive;
pub use recurrent::{DropConnectGru, DropConnectLstm, DropConnectRnnConfig};
pub use sampling::Sampler;
pub use schedule::{DropSchedule, ModelConfig};
pub use steps::StepCounter;

/// The programs of the README are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
