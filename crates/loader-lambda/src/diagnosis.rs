//! An error as the execution history tells it.

use std::fmt::Write;

use lambda_runtime::Diagnostic;
use loader_core::error::Error;

/// Step Functions takes causes of 32,768 characters; this is the message as
/// JSON, with room for the error's name and the frame around both.
const LIMIT: usize = 30_000;

/// Returns an error as one line: the sentence, then in brackets the place and
/// the SQLSTATE, as far as they are known.
///
/// ```
/// use loader_core::error::{Error, ErrorName, Place};
///
/// let place = Place { key: "y/a.csv".into(), line: Some(17), column: Some("temp".into()) };
/// let mut error = Error::new(ErrorName::BadRow, "the row was refused").at(place);
/// error.sqlstate = Some("22P02".into());
/// assert_eq!(
///     loader_lambda::describe(&error),
///     "the row was refused (object y/a.csv, line 17, column temp, SQLSTATE 22P02)"
/// );
/// ```
#[must_use]
pub fn describe(error: &Error) -> String {
    describe_within(error, LIMIT)
}

fn describe_within(error: &Error, limit: usize) -> String {
    let circumstances = circumstances(error);
    let room = limit.saturating_sub(escaped(&circumstances));
    let mut line = cut(&error.message, room);
    line.push_str(&circumstances);
    // Keys and columns are short; whoever made them long gets a shorter line.
    cut(&line, limit)
}

fn circumstances(error: &Error) -> String {
    let mut known = Vec::new();
    if let Some(place) = &error.place {
        if !place.key.is_empty() && !error.message.contains(&place.key) {
            known.push(format!("object {}", place.key));
        }
        if let Some(line) = place.line {
            known.push(format!("line {line}"));
        }
        if let Some(column) = &place.column {
            known.push(format!("column {column}"));
        }
    }
    if let Some(sqlstate) = &error.sqlstate {
        known.push(format!("SQLSTATE {sqlstate}"));
    }
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

/// Cuts a text so that it takes no more than these bytes as JSON.
fn cut(text: &str, limit: usize) -> String {
    if escaped(text) <= limit {
        return text.to_owned();
    }
    let mut left = 0;
    let mut kept = String::new();
    for letter in text.chars() {
        left += escaped(letter.encode_utf8(&mut [0; 4]));
        if left > limit.saturating_sub('…'.len_utf8()) {
            break;
        }
        kept.push(letter);
    }
    // A `String` takes every character.
    let _ = write!(kept, "…");
    kept
}

/// Returns the bytes that a text takes inside a JSON string.
fn escaped(text: &str) -> usize {
    serde_json::to_string(text).map_or(text.len(), |json| json.len() - 2)
}

/// Returns what the Lambda service is told of an error.
pub(crate) fn diagnostic(error: &Error) -> Diagnostic {
    Diagnostic { error_type: error.name.as_str().to_owned(), error_message: describe(error) }
}

#[cfg(test)]
mod tests {
    use loader_core::error::{ErrorName, Place};

    use super::*;

    fn refused_row(message: &str) -> Error {
        let place = Place { key: "y/a.csv".to_owned(), line: Some(17), column: None };
        Error::new(ErrorName::BadRow, message).at(place)
    }

    #[test]
    fn an_error_without_a_place_is_its_sentence() {
        let error = Error::new(ErrorName::NoObjects, "there is nothing to load");
        assert_eq!(describe(&error), "there is nothing to load");
    }

    #[test]
    fn a_key_that_the_sentence_has_is_not_repeated() {
        let error = refused_row("s3://raw/y/a.csv has a bad row");
        assert_eq!(describe(&error), "s3://raw/y/a.csv has a bad row (line 17)");
    }

    #[test]
    fn the_state_machine_gets_the_name_and_the_line() {
        let posted = serde_json::to_value(diagnostic(&refused_row("bad"))).unwrap();
        let expected = serde_json::json!({
            "errorType": "Loader.BadRow",
            "errorMessage": "bad (object y/a.csv, line 17)",
        });
        assert_eq!(posted, expected);
    }

    #[test]
    fn a_long_sentence_is_cut_and_the_place_stays() {
        let error = refused_row(&"a \"quote\" and 年\u{1}. ".repeat(10_000));
        let described = describe(&error);
        assert!(escaped(&described) <= LIMIT, "{}", escaped(&described));
        assert!(described.ends_with("… (object y/a.csv, line 17)"));
        assert!(escaped(&described) > LIMIT - 100, "as much as there is room for");
    }

    #[test]
    fn a_place_of_any_length_stays_within_the_limit() {
        let mut error = refused_row("bad");
        error.place = Some(Box::new(Place { key: "k".repeat(40_000), ..Place::default() }));
        assert!(escaped(&describe(&error)) <= LIMIT);
    }
}
