//! What has to hold of whatever comes from outside: properties of any bytes, for the fuzz targets in `fuzz/` at the
//! root, and for the tests here. Each panics where its property does not hold.

mod kernels;
mod tensors;
#[cfg(test)]
mod tests;

pub use crate::bench::fuzz::{protocol, report};
pub use crate::cli::fuzz::options;
pub use kernels::kernels;
pub use tensors::tensors;

/// Asserts that a text is a message for people, with nothing in it that a terminal acts upon.
#[track_caller]
pub(crate) fn is_message(text: &str) {
    let acts = |c: char| c.is_control() || ('\u{200b}'..'\u{2070}').contains(&c);
    assert!(!text.is_empty() && text.len() < 10_000 && !text.contains(acts), "{text:?}");
}
