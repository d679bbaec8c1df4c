//! From the templates in `shaders/` to the WGSL of one kernel.

pub(crate) mod params;
pub(crate) mod pass;
pub(crate) mod staging;
mod text;
pub(crate) mod variant;
