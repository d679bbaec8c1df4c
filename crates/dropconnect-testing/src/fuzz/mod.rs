//! What has to hold of whatever a caller hands to the library: properties of any bytes, for the fuzz targets in `fuzz/`
//! and, on mutated and drawn inputs, for the tests.
//!
//! Each panics where its property does not hold, and where the library panics.

mod arguments;
mod choices;
#[cfg(feature = "noop")]
mod kernels;
mod numbers;
#[cfg(feature = "gpu")]
mod tuning;

pub use arguments::arguments;
pub use choices::Choices;
#[cfg(feature = "noop")]
pub use kernels::kernels;
#[cfg(feature = "gpu")]
pub use tuning::tuning;

/// Asserts that a text is a message for people, with nothing in it that a terminal acts upon.
///
/// # Panics
/// Where it is not.
#[track_caller]
pub fn is_message(text: &str) {
    assert!(!text.is_empty() && text.len() < 10_000 && !acts(text), "{text:?}");
}

/// Whether a terminal would do something else than show a text: control characters, and those that show as nothing or
/// turn it around.
pub fn acts(text: &str) -> bool {
    let format =
        ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{feff}'..='\u{feff}'];
    text.contains(|c: char| c.is_control() || format.iter().any(|range| range.contains(&c)))
}
