//! What the texts of the Rust code say, without running it.

use crate::project::Project;

/// A file without its tests, its comments and its blanks.
pub(crate) struct Source<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: String,
}

/// Returns the files below a folder, or the one of this name.
pub(crate) fn sources<'a>(project: &'a Project, place: &'a str) -> Vec<Source<'a>> {
    project
        .below(place, ".rs")
        .filter(|(path, _)| !path.contains("/tests") && !path.ends_with("tests.rs"))
        .map(|(path, text)| Source { path, text: squeezed(text) })
        .collect()
}

/// Takes off tests and comments, and every blank: what the formatter puts on
/// another line is still the same.
fn squeezed(text: &str) -> String {
    let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = program.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.flat_map(|line| line.chars().filter(|c| !c.is_whitespace())).collect()
}

/// Returns what follows each `start`, up to a character that is no part of a name.
pub(crate) fn names_after<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(start).map(move |(at, _)| {
        let rest = &text[at + start.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// Returns what stands between the first `start` and the next `end`.
pub(crate) fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

/// Returns the arguments of each call of `start`, such as `environment.number(`,
/// split at the commas outside of brackets.
pub(crate) fn calls<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    text.match_indices(start).map(move |(at, _)| arguments(&text[at + start.len()..]))
}

fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut in_text, mut begin, mut found) = (0, false, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                found.push(&text[begin..at]);
                begin = at + 1;
                if c == ')' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|argument| !argument.is_empty());
    found
}

/// Works out a number as the code writes it, such as `64<<20`.
pub(crate) fn number(text: &str) -> Option<u64> {
    let plain = |text: &str| text.replace('_', "").parse::<u64>().ok();
    match text.split_once("<<") {
        Some((number, shift)) => Some(plain(number)? << plain(shift)?),
        None => plain(text),
    }
}
