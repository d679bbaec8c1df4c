//! DropConnect for any GPU.

pub mod cpu;
mod device;
pub mod element;
mod error;
pub mod gpu;
pub mod mask;
mod pass;
pub mod reference;
mod shape;

pub use device::Device;
pub use element::ElementType;
pub use error::Error;
pub use mask::{DropProbability, Mask, MaskKey, Rounds};
pub use pass::{Bias, Write};
pub use shape::{Origin, Shape};
pub use wgpu;
