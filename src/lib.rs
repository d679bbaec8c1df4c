//! DropConnect for any GPU.

pub mod cpu;
pub mod element;
mod error;
pub mod mask;
mod pass;
pub mod reference;
mod shape;

pub use element::ElementType;
pub use error::Error;
pub use mask::{DropProbability, Mask, MaskKey, Rounds};
pub use pass::{Bias, Write};
pub use shape::{Origin, Shape};
pub use wgpu;
