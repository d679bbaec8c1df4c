//! What has to hold of whatever comes from outside: properties of any bytes, for the fuzz targets in `fuzz/` at the
//! root, and for the tests here. Each panics where its property does not hold.

mod tensors;
#[cfg(test)]
mod tests;

pub use crate::bench::fuzz::protocol;
pub use crate::cli::fuzz::options;
pub use tensors::tensors;
