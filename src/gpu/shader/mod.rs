//! From the templates in `shaders/` to the WGSL of one kernel.

pub(crate) mod params;
pub(crate) mod pass;
mod text;
pub(crate) mod variant;
pub(crate) mod workgroup_tile;
