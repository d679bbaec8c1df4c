//! The tests of the library by subject, one binary: they link once, and share the kernels that are compiled.
//! `cargo test --test suite bounds::` runs those of one file. Builds without adapters run those that need none.

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "gpu")]
mod autotune;
#[cfg(feature = "gpu")]
mod awaited;
mod both_gradients;
#[cfg(feature = "gpu")]
mod bounds;
mod cpu;
#[cfg(feature = "gpu")]
mod errors;
#[cfg(all(unix, not(target_family = "wasm")))]
mod fork;
mod fuzz;
mod gradients;
mod inference;
#[cfg(feature = "gpu")]
mod inference_adapter;
#[cfg(feature = "gpu")]
mod invariance;
#[cfg(feature = "gpu")]
mod layer;
#[cfg(feature = "gpu")]
mod limits;
#[cfg(feature = "gpu")]
mod masks;
mod monte_carlo;
#[cfg(feature = "gpu")]
mod nonfinite;
mod passes;
#[cfg(feature = "gpu")]
mod precision;
#[cfg(feature = "gpu")]
mod reuse;
#[cfg(feature = "gpu")]
mod sharing;
mod statistics;
mod uncertainty;
#[cfg(feature = "gpu")]
mod values;
mod vectors;
