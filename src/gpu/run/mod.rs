//! What becomes of a plan on a device: pipelines, memory, recordings, copies.

pub(crate) mod allocate;
pub(crate) mod context;
pub(crate) mod describe;
pub(crate) mod kernels;
mod keys;
pub(crate) mod limits;
pub(crate) mod options;
pub(crate) mod pipeline;
pub(crate) mod recording;
pub(crate) mod transfer;
