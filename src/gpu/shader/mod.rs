//! From the templates in `shaders/` to the WGSL of one kernel.

mod link;
pub(crate) mod params;
pub(crate) mod pass;
pub(crate) mod variant;
pub(crate) mod workgroup_tile;
