//! What has to hold of whatever a caller hands to the library: properties of any bytes, for the fuzz targets in `fuzz/`
//! and, on mutated and drawn inputs, for the tests.
//!
//! Each panics where its property does not hold, and where the library panics.

mod arguments;
mod choices;
mod numbers;
#[cfg(feature = "gpu")]
mod tuning;

pub use arguments::arguments;
pub use choices::Choices;
#[cfg(feature = "gpu")]
pub use tuning::tuning;
