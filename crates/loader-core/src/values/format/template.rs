//! Templates of `to_timestamp`.

use super::{Item, Part};

/// The patterns that are read, the longest of each beginning first as in `DCH_keywords`
/// of `src/backend/utils/adt/formatting.c` of Postgres, in any case.
const PATTERNS: &[(&str, Part)] = &[
    ("YYYY", Part::Year(4)),
    ("YYY", Part::Year(3)),
    ("YY", Part::Year(2)),
    ("Y", Part::Year(1)),
    ("MONTH", Part::MonthName),
    ("MON", Part::MonthName),
    ("MM", Part::Month),
    ("MI", Part::Minute),
    ("MS", Part::Fraction(3)),
    ("DDD", Part::DayOfYear),
    ("DD", Part::Day),
    ("DAY", Part::DayName),
    ("DY", Part::DayName),
    ("HH24", Part::Hour),
    ("HH12", Part::HalfHour),
    ("HH", Part::HalfHour),
    ("SSSSS", Part::SecondOfDay),
    ("SSSS", Part::SecondOfDay),
    ("SS", Part::Second),
    ("US", Part::Fraction(6)),
    ("FF1", Part::Fraction(1)),
    ("FF2", Part::Fraction(2)),
    ("FF3", Part::Fraction(3)),
    ("FF4", Part::Fraction(4)),
    ("FF5", Part::Fraction(5)),
    ("FF6", Part::Fraction(6)),
    ("AM", Part::Half),
    ("PM", Part::Half),
    ("A.M.", Part::Half),
    ("P.M.", Part::Half),
    ("BC", Part::Era),
    ("AD", Part::Era),
    ("B.C.", Part::Era),
    ("A.D.", Part::Era),
    ("TZH", Part::ZoneHour),
    ("TZM", Part::ZoneMinute),
    ("TZ", Part::Zone),
    ("OF", Part::Offset),
];

/// Those of Postgres that are not read here.
const OTHERS: &[&str] =
    &["Y,YYY", "IYYY", "IYY", "IY", "I", "IDDD", "ID", "IW", "WW", "W", "CC", "J", "Q", "RM", "D", "TM"];

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = quoted(rest.get(1..).unwrap_or_default(), &mut items)?;
            continue;
        }
        // Postgres pads its output by them; here nothing is padded.
        if let Some(after) = without(rest, "FM").or_else(|| without(rest, "FX")) {
            rest = after;
            continue;
        }
        // As many write ISO 8601; Postgres takes the T and the H for an ordinal's.
        let is_t_of_iso = without(rest, "T").is_some_and(|after| without(after, "HH").is_some());
        if is_t_of_iso {
            items.push(Item::Literal(first));
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let other = OTHERS.iter().find(|other| without(rest, other).is_some());
        let found = PATTERNS
            .iter()
            .filter_map(|(pattern, part)| Some((pattern.len(), *part, without(rest, pattern)?)))
            .max_by_key(|(length, ..)| *length);
        match (found, other) {
            (Some((length, ..)), Some(other)) if other.len() > length => return Err(unknown(other)),
            (Some((_, part, after)), _) => {
                items.push(Item::Part { part, whole: false });
                rest = after;
                let iso = without(rest, "THH").is_some();
                if !iso && let Some(after) = without(rest, "TH") {
                    items.push(Item::Ordinal);
                    rest = after;
                }
            }
            (None, Some(other)) => return Err(unknown(other)),
            (None, None) if first.is_alphabetic() && !matches!(first, 'T' | 'Z') => {
                return Err(format!(
                    "in which `{first}` is no pattern of to_timestamp; text goes in double quotes"
                ));
            }
            (None, None) => {
                items.push(Item::Literal(first));
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Ok(items)
}

/// Takes a pattern off, which is written in any case.
fn without<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    let (beginning, rest) = text.split_at_checked(pattern.len())?;
    beginning.eq_ignore_ascii_case(pattern).then_some(rest)
}

/// Reads a text in double quotes, in which a backslash takes the meaning off the next
/// character, and returns what follows it.
fn quoted<'a>(text: &'a str, items: &mut Vec<Item>) -> Result<&'a str, String> {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return Ok(characters.as_str()),
            '\\' => items.extend(characters.next().map(Item::Literal)),
            c => items.push(Item::Literal(c)),
        }
    }
    Err("in which a double quote does not end".to_owned())
}

fn unknown(pattern: &str) -> String {
    format!("whose pattern `{pattern}` is not read; give a SQL expression instead")
}
