//! Text that this program did not write, on its way to a terminal or into JSON.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters of a text from a file that are shown, at most.
const LONGEST: usize = 200;
/// Names of a list that are shown, at most.
const MOST: usize = 20;

/// `text` on one line: what a terminal would act upon (control characters, and with them escape sequences), and what
/// shows as nothing or turns the text around, in the escapes of Rust's strings.
pub fn escaped(text: &str) -> String {
    visible(text, |_| false)
}

/// [`escaped`], but for line ends.
pub fn escaped_lines(text: &str) -> String {
    visible(text, |c| c == '\n')
}

/// [`escaped`], and no longer than a message should be.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => escaped(text),
        Some((end, _)) => format!("{}... ({} bytes)", escaped(&text[..end]), text.len()),
    }
}

/// Dimensions out of a file, of which there may be millions.
pub fn dims(shape: &[usize]) -> String {
    excerpt(&format!("{shape:?}"))
}

/// Names out of a file, as a list.
pub fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MOST);
    let mut text = names.take(MOST).map(excerpt).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

fn visible(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        // Quotes and backslashes are printable as they are. An accent on the letter before it is, too, and only
        // `str::escape_debug` knows: it escapes one at the start of a text alone.
        if keep(c) || matches!(c, '"' | '\'' | '\\') {
            visible.push(c);
        } else {
            let mut after_letter = ['a', c].iter().collect::<String>();
            after_letter = after_letter.escape_debug().skip(1).collect();
            visible += &after_letter;
        }
    }
    visible
}

/// JSON that says the same, with escapes for what [`escaped`] escapes. The text is a serialiser's: it has escapes for
/// the rest of ASCII itself, and such characters are in strings.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let plain = |c: char| match c {
        '\x7f' => false,
        _ => c.is_ascii() || escaped(c.encode_utf8(&mut [0; 4])).starts_with(c),
    };
    if json.chars().all(plain) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if plain(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_upon_is_left() {
        let hostile =
            "a\u{1b}[2Jb\u{9b}31mc\u{7}d\re\u{202e}f\u{2066}g\u{7f}h\u{200f}i\u{2028}j\u{feff}k\tl\nm\0";
        let shown = escaped(hostile);
        assert!(shown.is_ascii() && !shown.contains(|c: char| c.is_control()), "{shown}");
        assert!(shown.starts_with("a\\u{1b}[2Jb\\u{9b}31m") && shown.contains("e\\u{202e}f"), "{shown}");
        assert_eq!(escaped_lines("a\nb\r"), "a\nb\\r");
    }

    #[test]
    fn what_is_read_stays_as_it_is() {
        for text in ["poids.été", "e\u{301}", "重み/0", r#"C:\new "x" 'y'"#, "─ ÷ ×", "🦀"] {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn long_texts_and_lists_are_cut() {
        let long = "ü".repeat(10_000);
        assert!(excerpt(&long).len() < 500 && excerpt(&long).ends_with("(20000 bytes)"));
        assert_eq!(list(["a", "b\n"].into_iter()), "a, b\\n");
        let names: Vec<_> = (0..1000).map(|k| k.to_string()).collect();
        assert!(list(names.iter().map(String::as_str)).ends_with("19 and 980 more"));
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({ "n\u{202e}\u{9b}": "\u{1b}\u{7f}é\u{e0041}🦀\n" });
        let text = value.to_string();
        let shown = escaped_json(&text);
        assert!(
            !shown.contains(['\u{202e}', '\u{9b}', '\u{e0041}', '\u{7f}']) && shown.contains("é"),
            "{shown}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
