//! Refuses what is text but no table.

use crate::error::{Error, ErrorName, Result};

/// Refuses web pages, XML and JSON: read as CSV they would make rows.
///
/// # Errors
/// `UnsupportedFormat`, with what it is.
pub(super) fn refuse_other_formats(text: &str) -> Result<()> {
    let start: String = text.trim_start().chars().take(64).flat_map(char::to_lowercase).collect();
    let first_line = text.trim_start().lines().next().unwrap_or_default();
    let what = if start.starts_with("<!doctype") || start.starts_with("<html") {
        "a web page"
    } else if start.starts_with("<?xml") {
        "XML"
    } else if is_json(&start, first_line) {
        "JSON"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorName::UnsupportedFormat,
        format!(
            "the object is {what}, not CSV; exclude it by a pattern, or write the `delimiter` into the definition's dialect \
             if its lines are records all the same"
        ),
    ))
}

fn is_json(start: &str, first_line: &str) -> bool {
    let lines = start.starts_with('{') || start.starts_with('[');
    let begins = start.replace(char::is_whitespace, "");
    lines
        && (serde_json::from_str::<serde_json::Value>(first_line).is_ok()
            || begins.starts_with("[{\"")
            || begins.starts_with("{\""))
}

/// Whether the first line is JSON, and more than a number or a word.
pub(super) fn is_json_lines(text: &str) -> bool {
    let first_line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    first_line.starts_with(['{', '[']) && serde_json::from_str::<serde_json::Value>(first_line).is_ok()
}
