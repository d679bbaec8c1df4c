//! From what the templates make to text as a person would write it: what a kernel does not use is left out, what adds
//! nothing goes, and lines are indented by what they are in. Templates need not care about any of this.

use std::collections::HashSet;

/// A declaration with the comment before it, or a comment that stands alone.
struct Item<'a> {
    lines: Vec<&'a str>,
    /// What it declares; nothing, if it is a comment or has to stay.
    name: Option<&'a str>,
    comment: bool,
}

/// One kernel from its parts, whose entry point is `main`.
pub(crate) fn link(parts: &[String]) -> String {
    let parts: Vec<Vec<Item>> = parts.iter().map(|part| items(part)).collect();
    let all = || parts.iter().flatten();
    let mut used: HashSet<&str> = HashSet::new();
    let mut open: Vec<&Item> = all().filter(|item| item.name.is_none() && !item.comment).collect();
    while let Some(item) = open.pop() {
        let words: HashSet<&str> = item.lines.iter().flat_map(|line| words(code(line))).collect();
        open.extend(
            all().filter(|item| item.name.is_some_and(|name| words.contains(name) && used.insert(name))),
        );
    }
    let mut text = String::new();
    let mut after_binding = false;
    for part in &parts {
        let kept = |item: &&Item| item.name.is_none_or(|name| used.contains(name));
        // The comment at the head of a part goes with the last of its declarations.
        if part.iter().filter(kept).all(|item| item.comment) {
            continue;
        }
        for item in part.iter().filter(kept) {
            let binding = item.lines.len() == 1 && item.lines[0].starts_with(['@', 'v']);
            if !(text.is_empty() || binding && after_binding) {
                text.push('\n');
            }
            after_binding = binding;
            indent(&item.lines, &mut text);
        }
    }
    text
}

/// The items of a part: comments and declarations between blank lines outside any bracket.
fn items(part: &str) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let (mut lines, mut depth, mut comment) = (Vec::new(), 0, true);
    for line in part.lines().map(str::trim) {
        let code = code(line).trim_end();
        if depth == 0 && line.is_empty() {
            if comment && !lines.is_empty() {
                items.push(Item { lines: std::mem::take(&mut lines), name: None, comment });
            }
            continue;
        }
        lines.push(line);
        comment &= code.is_empty();
        depth += nesting(code);
        if depth == 0 && code.ends_with(['}', ';']) {
            let lines = std::mem::take(&mut lines);
            items.push(Item { name: name(&lines), lines, comment });
            comment = true;
        }
    }
    if !lines.is_empty() {
        items.push(Item { name: None, lines, comment });
    }
    items
}

/// What is declared, unless it has to stay: the entry point, a binding, a type.
fn name<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let first = lines.iter().map(|line| code(line)).find(|code| !code.is_empty())?;
    let rest = if let Some(rest) = first.strip_prefix("fn ").or(first.strip_prefix("const ")) {
        rest
    } else {
        first.strip_prefix("var<")?.split_once("> ")?.1
    };
    words(rest).next()
}

/// A line without its comment. There are no strings in WGSL.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !in_word(c)).filter(|word| !word.is_empty())
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// By how much a line changes how deep the next one is.
fn nesting(code: &str) -> i32 {
    code.chars().map(|c| i32::from("({[".contains(c)) - i32::from(")}]".contains(c))).sum()
}

/// Adds lines, each as deep as it is in brackets, without blank lines where a bracket opens or closes or more than one
/// together, and without what adds nothing.
fn indent(lines: &[&str], text: &mut String) {
    let (mut depth, mut blank, mut opened) = (0, false, true);
    for line in lines {
        if line.is_empty() {
            blank = true;
            continue;
        }
        let closing = line.chars().take_while(|c| ")}]".contains(*c)).count() as i32;
        if blank && !opened && closing == 0 {
            text.push('\n');
        }
        let deep = usize::try_from(depth - closing).unwrap_or(0);
        text.extend(std::iter::repeat_n("    ", deep));
        let code = code(line);
        text.push_str(&plain(code));
        text.push_str(&line[code.len()..]);
        text.push('\n');
        depth += nesting(code);
        (blank, opened) = (false, code.trim_end().ends_with(['{', '(', '[']));
    }
}

/// An expression without `+ 0`, `* 1` and the like, and without the brackets that are left around a name.
///
/// Templates add an index to a name, which may be 0. WGSL's `+` and `*` have no effect then, on any integer: what is
/// looked for has no fraction.
fn plain(code: &str) -> String {
    let mut code = code.to_owned();
    for nothing in [" + 0", " * 1", " >> 0", " << 0"] {
        for suffix in ["u", ""] {
            remove(&mut code, &format!("{nothing}{suffix}"));
        }
    }
    for open in ['(', '['] {
        code = code.replace(&format!("{open}0u + "), &open.to_string());
    }
    unwrap_names(&code)
}

/// Takes all of `nothing` out that no operator of a higher rank, digit or letter follows.
fn remove(code: &mut String, nothing: &str) {
    let mut from = 0;
    while let Some(start) = code[from..].find(nothing).map(|start| from + start) {
        let rest = &code[start + nothing.len()..];
        let number = rest.starts_with(|c: char| in_word(c) || c == '.');
        let factor = nothing.starts_with(" +") && [" *", " /", " %"].iter().any(|op| rest.starts_with(op));
        if number || factor {
            from = start + nothing.len();
        } else {
            code.replace_range(start..start + nothing.len(), "");
            from = start;
        }
    }
}

/// `(name)` as `name`, unless it is the argument of a call.
fn unwrap_names(code: &str) -> String {
    let mut text = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find('(') {
        let (before, after) = rest.split_at(start);
        text.push_str(before);
        let length = after[1..].find(|c| !in_word(c) && c != '.').unwrap_or(after.len() - 1);
        let called = text.ends_with(|c| in_word(c) || c == '>');
        if length > 0
            && !called
            && after[1 + length..].starts_with(')')
            && text.ends_with([' ', '(', '[', '!', '~'])
        {
            text.push_str(&after[1..=length]);
            rest = &after[length + 2..];
        } else {
            text.push('(');
            rest = &after[1..];
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::{link, plain};

    #[test]
    fn what_adds_nothing_goes_and_the_rest_stays() {
        for (code, want) in [
            ("let a = n + 0;", "let a = n;"),
            ("let a = n + 0u;", "let a = n;"),
            ("f(n + 0, o + 0 + 1)", "f(n, o + 1)"),
            ("block * 1u + 0u", "block"),
            ("a[0u + (at + 0u) % 32u]", "a[at % 32u]"),
            ("(1u << (bit + 0u))", "(1u << bit)"),
            ("keep.x >> 0u", "keep.x"),
            ("x_quad(n + 0, i)", "x_quad(n, i)"),
            // These mean something.
            ("n + 0u * m", "n + 0u * m"),
            ("x + 0.5", "x + 0.5"),
            ("x * 1.44269504", "x * 1.44269504"),
            ("n + 01", "n + 01"),
            ("n + 0x7fffu", "n + 0x7fffu"),
            ("n * 16u", "n * 16u"),
            ("n + 10u", "n + 10u"),
            ("u32(n)", "u32(n)"),
            ("vec4<f32>(n)", "vec4<f32>(n)"),
            ("-(n)", "-(n)"),
            ("a * (b + c)", "a * (b + c)"),
        ] {
            assert_eq!(plain(code), want);
        }
    }

    #[test]
    fn what_is_not_used_is_left_out_with_its_comment() {
        let parts = [
            "// Head.\n\n// One.\nfn one() -> u32 {\nreturn two();\n}\n\nfn two() -> u32 { return THREE; }\n\
             const THREE = 3u;\n\n// Nobody's.\nfn four() { one(); }\n",
            "// A part of which nothing is used.\nfn five() {\n}\n",
            "@group(0) @binding(0) var<uniform> a: u32;\n@group(0) @binding(1) var<uniform> b: u32;\n\
             var<private> c: u32;\nvar<private> d: u32;\n\n@compute @workgroup_size(1)\n\
             fn main() {\n\n// four() is a comment.\nd = one();\n\n\nif d > 0u {\nd = f(\n1u,\n);\n\n}\n}\n",
        ];
        let want = "// Head.\n\n// One.\nfn one() -> u32 {\n    return two();\n}\n\nfn two() -> u32 { return THREE; }\n\
                    \nconst THREE = 3u;\n\n@group(0) @binding(0) var<uniform> a: u32;\n\
                    @group(0) @binding(1) var<uniform> b: u32;\nvar<private> d: u32;\n\n\
                    @compute @workgroup_size(1)\nfn main() {\n    // four() is a comment.\n    d = one();\n\n\
                    \x20   if d > 0u {\n        d = f(\n            1u,\n        );\n    }\n}\n";
        assert_eq!(link(&parts.map(str::to_owned)), want);
    }
}
