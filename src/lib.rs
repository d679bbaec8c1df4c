//! DropConnect for any GPU: a linear layer that drops single *weights*, afresh for every example, and
//! never stores the mask.
//!
//! DropConnect (Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013) masks the
//! weights of a linear layer with a mask of its own for each example: batch x outputs x inputs
//! decisions. Here the kernels regenerate every decision from a counter-based generator, where it is needed,
//! in the forward pass and again in the backward passes.
//!
//! - [`DropConnect`] is the layer: parameters, gradients, `forward`, `backward`, `eval`.
//! - [`call`] says what each call computes, from which tensors.
#![cfg_attr(
    feature = "gpu",
    doc = "- [`gpu::Kernels`] is for engines: the passes on the caller's wgpu device, buffers and encoders."
)]
//! - [`mask`] is the mask as a pure function, which every backend reproduces bit for bit.
//! - [`cpu`] computes the same without an adapter; [`mod@reference`] is the float64 reference.
//!
//! `docs/architecture.md` in the repository is the map: the box of connections, the way of a call, how to add a pass.
//!
//! p is the probability of **dropping**, as in PyTorch's `Dropout`. Kept weights are scaled by the
//! inverse of the keep probability that the masks really have, so that evaluation uses W as it is.
//!
//! # Features
//! - `wgpu-default` (the default): `gpu`, with the backends that wgpu enables by default.
//! - `gpu`: the module `gpu` and adapters as devices, over a wgpu without backends: the host enables those it wants,
//!   in a dependency on wgpu of its own.
//! - Neither: masks, the layer on the CPU and the reference; wgpu is not compiled.

#![cfg_attr(
    not(feature = "gpu"),
    allow(dead_code, unused_imports, reason = "parts of the shared modules that only `gpu` uses")
)]

mod activation;
pub mod call;
pub mod cpu;
mod device;
mod element;
mod error;
mod fenv;
#[cfg(feature = "gpu")]
pub mod gpu;
mod host;
mod layer;
pub mod mask;
mod moments;
mod pass;
mod predictive;
pub mod reference;
mod shape;
mod work;

pub use activation::{Activation, Method};
pub use device::{Device, HostCall};
pub use element::ElementType;
pub use error::{Error, UnmetLimit};
pub use layer::{DropConnect, DropConnectBuilder, Init};
pub use mask::{DropProbability, Mask, MaskKey, Sharing};
pub use moments::Moments;
pub use pass::{Bias, Write};
pub use predictive::Predictive;
pub use shape::{Origin, Shape};
#[cfg(feature = "gpu")]
pub use wgpu;
pub use work::Pending;

/// The README's programs are tests, too.
#[cfg(all(doctest, feature = "gpu"))]
#[doc = include_str!("../README.md")]
struct Readme;
