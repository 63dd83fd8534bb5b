//! When two texts are the same value.

use std::borrow::Cow;

use crate::suite::Compare;

/// Whether the value that was found is the one that was expected.
#[must_use]
pub fn same(expected: Option<&str>, found: Option<&str>, compare: Compare) -> bool {
    match (expected, found) {
        (None, None) => true,
        (None, Some(text)) | (Some(text), None) => compare == Compare::ValuesOrEmpty && text.is_empty(),
        (Some(expected), Some(found)) if expected == found => true,
        (Some(_), Some(_)) if compare == Compare::Exact => false,
        (Some(expected), Some(found)) => {
            same_value(expected, found) || compare == Compare::Inferred && as_it_stands(expected, found)
        }
    }
}

/// Returns a text that is the same for all texts of a value, so that rows can be
/// brought into one order.
#[must_use]
pub fn sort_key(value: Option<&str>, compare: Compare) -> String {
    let Some(text) = value else { return String::new() };
    match compare {
        Compare::Exact => text.to_owned(),
        Compare::Values | Compare::ValuesOrEmpty => key(text).into_owned(),
        Compare::Inferred => {
            let text = text.trim();
            let moment = moments(text).into_iter().min().unwrap_or_else(|| without_zeros(text).to_owned());
            key(&moment).to_lowercase()
        }
    }
}

fn same_value(expected: &str, found: &str) -> bool {
    match (number(expected), number(found)) {
        (Some(expected), Some(found)) => {
            return expected == found || is_a_double(&expected) && double(&expected) == double(&found);
        }
        (None, None) => {}
        _ => return special(expected).is_some_and(|word| special(found) == Some(word)),
    }
    let word = |text| boolean(text).or_else(|| special(text));
    if let (Some(expected), Some(found)) = (word(expected), word(found)) {
        return expected == found;
    }
    matches!((moment(expected), moment(found)), (Some(expected), Some(found)) if expected == found)
}

/// Whether a text stands as in the object for the value that another reader has read.
fn as_it_stands(expected: &str, found: &str) -> bool {
    let found = found.trim();
    if expected == found || expected.eq_ignore_ascii_case(found) && boolean(&found.to_lowercase()).is_some() {
        return true;
    }
    let bare = without_zeros(found);
    // Only what was found may be longer: a zero that is lost is a loss.
    if number(expected).is_some()
        && (found.len() >= expected.len() || bare == found)
        && same_value(expected, bare)
    {
        return true;
    }
    moment(expected).is_some_and(|expected| {
        moments(found).contains(&expected) || in_utc(&expected).is_some_and(|utc| in_utc(found) == Some(utc))
    })
}

/// Reads a moment with a zone as the minutes from its own midnight in UTC, with the
/// date and what is below a minute as they stand.
fn in_utc(text: &str) -> Option<(String, i32, String)> {
    let text = text.replace(" UTC", "+00").replace(" GMT", "+00");
    let moment = moment(&text)?;
    let (date, time) = moment.split_once(' ')?;
    let sign = time.rfind(['+', '-'])?;
    let (clock, zone) = time.split_at_checked(sign)?;
    let part =
        |text: &str, at: usize| text.split(':').nth(at).map_or(Some(0), |part| part.parse::<i32>().ok());
    let minutes = part(clock, 0)? * 60 + part(clock, 1)?;
    let offset = part(zone.get(1..)?, 0)? * 60 + part(zone.get(1..)?, 1)?;
    let minutes = if zone.starts_with('-') { minutes + offset } else { minutes - offset };
    // Beyond midnight the date would be another: those are compared as they stand.
    (0..24 * 60)
        .contains(&minutes)
        .then(|| (date.to_owned(), minutes, clock.get(6..).unwrap_or_default().to_owned()))
}

/// Cuts a plus sign and zeros at the beginning of what would be a number without them.
fn without_zeros(text: &str) -> &str {
    let digits = text.strip_prefix('+').unwrap_or(text).trim_start_matches('0');
    match digits.chars().next() {
        Some('1'..='9') if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => digits,
        None if !text.is_empty() => text.get(text.len() - 1..).unwrap_or(text),
        _ => text,
    }
}

fn key(text: &str) -> Cow<'_, str> {
    if let Some(number) = number(text) {
        // Coarse enough for a double and its decimal.
        return double(&number).map_or(Cow::Owned(number), |double| Cow::Owned(format!("{double:.10e}")));
    }
    boolean(text)
        .or_else(|| special(text))
        .map(Cow::Borrowed)
        .or_else(|| moment(text).map(Cow::Owned))
        .unwrap_or(Cow::Borrowed(text))
}

/// Returns a number without what its look adds: `5.50` is `5.5`. A text with zeros
/// before its digits is none: 007 is not 7.
fn number(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (digits, exponent) = match digits.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    if whole.len() > 1 && whole.starts_with('0') || exponent.abs() > 400 {
        return None;
    }
    // The point is moved by the exponent.
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let mut all = format!("{whole}{part}");
    let mut point = point;
    if point < 0 {
        all.insert_str(0, &"0".repeat(usize::try_from(-point).ok()?));
        point = 0;
    }
    let point = usize::try_from(point).ok()?;
    if all.len() < point {
        all.push_str(&"0".repeat(point - all.len()));
    }
    let (whole, part) = all.split_at_checked(point)?;
    let whole = whole.trim_start_matches('0');
    let part = part.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if whole == "0" && part.is_empty() { "" } else { sign };
    Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

fn double(number: &str) -> Option<f64> {
    number.parse().ok()
}

/// Whether a decimal is what a double is written as: then one that rounds to the same
/// double is the same value.
fn is_a_double(decimal: &str) -> bool {
    decimal.contains('.')
        && double(decimal).and_then(|double| number(&double.to_string())).as_deref() == Some(decimal)
}

fn boolean(text: &str) -> Option<&'static str> {
    match text {
        "t" | "true" => Some("true"),
        "f" | "false" => Some("false"),
        _ => None,
    }
}

fn special(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some("nan"),
        "inf" | "infinity" | "+inf" | "+infinity" => Some("infinity"),
        "-inf" | "-infinity" => Some("-infinity"),
        _ => None,
    }
}

/// Reads a date, a time or both in ISO 8601; returns them in one look. A timestamp at
/// midnight is its date.
fn moment(text: &str) -> Option<String> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (Some(date), Some(time)),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    if let Some(date) = date {
        let mut parts = date.split('-');
        let widths = [parts.next()?, parts.next()?, parts.next()?];
        let fits = widths
            .iter()
            .zip([4, 2, 2])
            .all(|(part, width)| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()));
        if !fits || parts.next().is_some() {
            return None;
        }
    }
    let time = time.map(clock).map_or(Some(None), |time| time.map(Some))?;
    Some(match (date, time) {
        (Some(date), Some(time)) if time == "00:00:00" || time == "00:00:00+00" => date.to_owned(),
        (Some(date), Some(time)) => format!("{date} {time}"),
        (Some(date), None) => date.to_owned(),
        (None, time) => time?,
    })
}

/// Reads a time of the day with or without seconds, their parts and a zone.
fn clock(text: &str) -> Option<String> {
    let text = text.trim();
    let upper = text.to_ascii_uppercase();
    let (text, noon) = match upper.strip_suffix("AM").or_else(|| upper.strip_suffix("PM")) {
        Some(rest) => (rest.trim_end(), Some(upper.ends_with("PM"))),
        None => (upper.as_str(), None),
    };
    let end = text.find(['+', '-', 'Z']).unwrap_or(text.len());
    let (time, zone) = text.split_at_checked(end)?;
    let mut parts = time.trim_end().split(':');
    let mut hour: u32 = small(parts.next()?, 24)?;
    let minute = small(parts.next()?, 59)?;
    let (second, part) = parts.next().map_or(Some((0, "")), |seconds| {
        let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
        Some((small(whole, 60)?, part)).filter(|(_, part)| part.bytes().all(|byte| byte.is_ascii_digit()))
    })?;
    if parts.next().is_some() {
        return None;
    }
    match noon {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let part = part.trim_end_matches('0');
    let part = if part.is_empty() { String::new() } else { format!(".{part}") };
    let zone = match zone {
        "" => "",
        "Z" | "+00" | "+00:00" | "+0000" | "-00" => "+00",
        other => other.strip_suffix(":00").unwrap_or(other),
    };
    Some(format!("{hour:02}:{minute:02}:{second:02}{part}{zone}"))
}

fn small(text: &str, most: u32) -> Option<u32> {
    (matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number| *number <= most)
}

/// All dates that a text with numbers for year, month and day can mean, with its time.
fn moments(text: &str) -> Vec<String> {
    let text = text.trim();
    if moment(text).is_some() {
        return Vec::new();
    }
    let (date, time) = text.split_once([' ', 'T']).map_or((text, None), |(date, time)| (date, Some(time)));
    let parts: Vec<&str> = date.split(['/', '-', '.']).collect();
    let &[first, second, third] = parts.as_slice() else { return Vec::new() };
    let time = match time.map(clock) {
        None => String::new(),
        Some(None) => return Vec::new(),
        Some(Some(time)) if time == "00:00:00" => String::new(),
        Some(Some(time)) => format!(" {time}"),
    };
    let day = |year: &str, month: &str, day: &str| {
        let (month, day) = (small(month, 12)?, small(day, 31)?);
        let year: u32 = match year.len() {
            4 => year.parse().ok()?,
            // As strptime has it (POSIX): 69 is 1969, 68 is 2068.
            2 => year.parse::<u32>().ok().map(|year| if year >= 69 { 1900 + year } else { 2000 + year })?,
            _ => return None,
        };
        (month > 0 && day > 0).then(|| format!("{year:04}-{month:02}-{day:02}{time}"))
    };
    [
        day(first, second, third),
        day(third, second, first),
        day(third, first, second),
        day(first, third, second),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(left: &str, right: &str) -> bool {
        same(Some(left), Some(right), Compare::Values)
    }

    fn inferred(left: &str, right: &str) -> bool {
        same(Some(left), Some(right), Compare::Inferred)
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        for (left, right) in [
            ("5.50", "5.5"),
            ("5.0", "5"),
            ("1e3", "1000"),
            ("-0.0", "0"),
            ("0.1", "0.1000000000000000055"),
            ("1.5E-3", "0.0015"),
            (".5", "0.5"),
            ("inf", "Infinity"),
        ] {
            assert!(values(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("7", "007"),
            ("9007199254740993", "9007199254740992"),
            ("1234567890123456789012.123", "1234567890123456789012.124"),
            ("1", "1 "),
            ("1e999", "1e998"),
            ("", "0"),
        ] {
            assert!(!values(left, right), "{left} {right}");
        }
    }

    #[test]
    fn moments_are_compared_as_moments() {
        for (left, right) in [
            ("2020-01-02", "2020-01-02 00:00:00"),
            ("2020-01-02T03:04:05Z", "2020-01-02 03:04:05+00"),
            ("12:30", "12:30:00.000"),
            ("2020-01-02 03:04:05.1200", "2020-01-02 03:04:05.12"),
        ] {
            assert!(values(left, right), "{left} {right}");
        }
        assert!(!values("2020-01-02 03:04:05+01", "2020-01-02 03:04:05+00"));
        assert!(!values("2020-01-02", "2020-02-01"));
        assert!(!values("true", "1"));
        assert!(values("true", "t"));
    }

    #[test]
    fn a_text_may_stand_as_it_is_where_another_reader_has_inferred_a_type() {
        for (left, right) in [
            ("2019-06-05", "5/6/2019"),
            ("2019-06-05", "06.05.19"),
            ("2020-01-01 13:02:03", "01-01-2020 01:02:03 PM"),
            ("7", "007"),
            ("0", "000"),
            ("1", " 1"),
            ("true", "TRUE"),
            ("2020-01-01 08:00:00+00", "2020-01-01T00:00:00-08"),
            ("2021-05-25 04:55:03.38+00", "2021-05-25 04:55:03.38 UTC"),
        ] {
            assert!(inferred(left, right), "{left} {right}");
        }
        for (left, right) in
            [("007", "7"), ("2019-06-05", "2019-05-06"), ("2019-06-05", "7/6/2019"), ("a", "A")]
        {
            assert!(!inferred(left, right), "{left} {right}");
        }
    }

    #[test]
    fn texts_of_one_value_have_one_key() {
        for (left, right) in [("5.50", "5.5"), ("2020-01-02", "2020-01-02 00:00:00"), ("t", "true")] {
            assert_eq!(
                sort_key(Some(left), Compare::Values),
                sort_key(Some(right), Compare::Values),
                "{left} {right}"
            );
        }
    }
}
