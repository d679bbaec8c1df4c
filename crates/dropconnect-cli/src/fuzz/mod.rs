//! What has to hold of whatever comes from outside: properties of any bytes, for the fuzz targets in `fuzz/` at the
//! root, and for the tests here. Each panics where its property does not hold.

mod kernels;
mod tensors;
#[cfg(test)]
mod tests;

pub use crate::bench::fuzz::protocol;
pub use crate::cli::fuzz::options;
pub use kernels::kernels;
pub use tensors::tensors;

/// Asserts that a text is a message for people, with nothing in it that a terminal acts upon.
#[track_caller]
pub(crate) fn is_message(text: &str) {
    assert!(!text.is_empty() && text.len() < 10_000 && !acts(text), "{text:?}");
}

/// Whether a terminal would do something else than show a text: control characters, and those that show as nothing or
/// turn it around.
pub(crate) fn acts(text: &str) -> bool {
    let format =
        ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{feff}'..='\u{feff}'];
    text.contains(|c: char| c.is_control() || format.iter().any(|range| range.contains(&c)))
}
