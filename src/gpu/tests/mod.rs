//! The kernels' texts, and parts of them on an adapter.

pub(super) mod compile;
pub(super) mod expanded;
pub(super) mod shader;
pub(super) mod wgsl;
