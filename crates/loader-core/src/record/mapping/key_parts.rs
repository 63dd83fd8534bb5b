//! The parts `<name>=<value>` of an object's key.

use super::mismatch;
use crate::error::Result;

/// What Hive writes for NULL (`hive.exec.default.partition.name`).
const NULL_OF_HIVE: &str = "__HIVE_DEFAULT_PARTITION__";

/// Finds the value of a part of the key, as Hive, Spark and Athena write keys:
/// `year=2021/month=01/a.csv`. None if the key has no such part; a value that is none is
/// NULL. Only folders are parts.
///
/// # Errors
/// `HeaderMismatch` when the key has two of the name, or its bytes are no text.
pub(super) fn key_part(key: &str, name: &str) -> Option<Result<Option<String>>> {
    let (folders, _) = key.rsplit_once('/')?;
    let parts = || folders.split('/').filter_map(|part| part.split_once('='));
    let named = |same: fn(&str, &str) -> bool| -> Vec<&str> {
        parts()
            .filter(|(part, _)| decode(part).is_some_and(|part| same(&part, name)))
            .map(|(_, value)| value)
            .collect()
    };
    let mut found = named(|part, name| part == name);
    if found.is_empty() {
        found = named(|part, name| part.to_lowercase() == name.to_lowercase());
    }
    match found.as_slice() {
        [] => None,
        [NULL_OF_HIVE] => Some(Ok(None)),
        [value] => Some(match decode(value) {
            Some(value) => Ok(Some(value)),
            None => Err(mismatch(&format!("the part `{name}=` of the key is not UTF-8"))),
        }),
        _ => Some(Err(mismatch(&format!("the key has the part `{name}=` more than once")))),
    }
}

/// Decodes what Hive writes for characters that keys can't have
/// (`FileUtils.escapePathName`): a percent sign and two digits. What is none of that
/// stays.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push(u8::try_from(high * 16 + low).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_and_decoded() {
        for (key, name, expected) in [
            ("t/year=2021/month=01/a.csv", "month", Some(Some("01"))),
            ("t/Year=2021/a.csv", "year", Some(Some("2021"))),
            ("city=S%C3%A3o%20Paulo/a.csv", "city", Some(Some("São Paulo"))),
            ("at=2021-01-01 00%3A00%3A00/a.csv", "at", Some(Some("2021-01-01 00:00:00"))),
            ("share=50%/a.csv", "share", Some(Some("50%"))),
            ("a=b=c/a.csv", "a", Some(Some("b=c"))),
            ("a=/a.csv", "a", Some(Some(""))),
            ("a=__HIVE_DEFAULT_PARTITION__/a.csv", "a", Some(None)),
            ("t/a.csv", "year", None),
            ("t/year=2021.csv", "year", None),
            ("year", "year", None),
        ] {
            let found = key_part(key, name).map(Result::unwrap);
            assert_eq!(found, expected.map(|value| value.map(ToOwned::to_owned)), "{key}");
        }
    }

    #[test]
    fn a_part_that_is_there_twice_or_no_text_is_refused() {
        for key in ["a=1/a=2/x.csv", "A=1/a=%FF/x.csv"] {
            key_part(key, "a").unwrap().unwrap_err();
        }
    }
}
