//! The text of a tuning.

use dropconnect::Error;
use dropconnect::gpu::{Tile, Tuning};

/// What parses is what it prints, in one line without spaces; what does not is refused with the text itself, and with
/// an example that does.
pub fn tuning(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    match text.parse::<Tuning>() {
        Ok(tuning) => {
            let printed = tuning.to_string();
            assert_eq!(printed.parse::<Tuning>().ok(), Some(tuning), "{text:?} prints {printed:?}");
            assert!(!printed.contains(char::is_whitespace), "{printed:?}");
        }
        Err(error) => refused(text, &error),
    }
    if let Err(error) = text.parse::<Tile>() {
        refused(text, &error);
    }
}

fn refused(given: &str, error: &Error) {
    let Error::Tuning { text } = error else { panic!("{given:?}: {error:?}") };
    assert_eq!(text, given, "refused for another text");
}
