//! Says of which texts Postgres is sure to make a value.
//!
//! It names the rows that are worth a look of their own when a chunk of rows is refused.
//! In any doubt it says no, which costs time and nothing else; where it says yes,
//! Postgres takes the text, for which a property test holds Postgres against it.

use super::kind::base_name;
use crate::definition::ResolvedColumn;

/// The longest text that is looked at; no value of a simple type is longer.
const MAX_SIMPLE_BYTES: usize = 64;

/// The longest JSON that is looked at.
const MAX_JSON_BYTES: usize = 64 * 1024;

/// What a column is sure to take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certain {
    nullable: bool,
    /// Whether characters beyond ASCII are sure to be in the database's encoding.
    any_character: bool,
    values: Values,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Values {
    /// None is certain.
    #[default]
    None,
    /// Texts of at most so many characters.
    Text(Option<usize>),
    Integer {
        least: i64,
        most: i64,
    },
    /// At most so many digits before the point; none for any number of them.
    Numeric(Option<usize>),
    Float,
    Boolean,
    Date,
    Timestamp {
        zoned: bool,
    },
    Time,
    Uuid,
    Bytes,
    Json {
        binary: bool,
    },
}

impl Certain {
    /// Returns what the column is sure to take.
    #[must_use]
    pub fn of(column: &ResolvedColumn) -> Self {
        let values = if column.base.checked { Values::None } else { Values::of(column) };
        Self { nullable: column.base.nullable, any_character: column.base.any_character, values }
    }

    /// Whether the column is sure to take the text; none is NULL.
    #[must_use]
    pub fn takes(&self, text: Option<&str>) -> bool {
        match text {
            None => self.nullable,
            Some(text) => self.values.take(text, self.any_character),
        }
    }
}

impl Values {
    fn of(column: &ResolvedColumn) -> Self {
        let modifiers = modifiers(&column.base.modified);
        let integer = |least, most| Self::Integer { least, most };
        match (base_name(column).as_str(), modifiers.as_slice()) {
            ("text" | "character varying" | "bpchar", []) => Self::Text(None),
            ("character varying" | "bpchar" | "character", [length]) => match usize::try_from(*length) {
                Ok(length) => Self::Text(Some(length)),
                Err(_) => Self::None,
            },
            ("smallint", _) => integer(i64::from(i16::MIN), i64::from(i16::MAX)),
            ("integer", _) => integer(i64::from(i32::MIN), i64::from(i32::MAX)),
            ("bigint", _) => integer(i64::MIN, i64::MAX),
            ("numeric", []) => Self::Numeric(None),
            // Rounding may make one digit more of it.
            ("numeric", [precision, scale]) if *scale >= 0 => match usize::try_from(precision - scale - 1) {
                Ok(digits) => Self::Numeric(Some(digits)),
                Err(_) => Self::None,
            },
            ("real" | "double precision", _) => Self::Float,
            ("boolean", _) => Self::Boolean,
            ("date", _) => Self::Date,
            ("timestamp without time zone", _) => Self::Timestamp { zoned: false },
            ("timestamp with time zone", _) => Self::Timestamp { zoned: true },
            ("time without time zone", _) => Self::Time,
            ("uuid", _) => Self::Uuid,
            ("bytea", _) => Self::Bytes,
            ("json", _) => Self::Json { binary: false },
            ("jsonb", _) => Self::Json { binary: true },
            _ => Self::None,
        }
    }

    fn take(&self, text: &str, any_character: bool) -> bool {
        match self {
            Self::None => false,
            Self::Text(length) => {
                (any_character || text.is_ascii())
                    && !text.contains('\0')
                    && length.is_none_or(|length| text.len() <= length || text.chars().count() <= length)
            }
            Self::Json { binary } => is_json(text, *binary) && (any_character || text.is_ascii()),
            Self::Bytes => text.strip_prefix("\\x").is_some_and(|digits| {
                digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            }),
            // What the input functions of Postgres skip too.
            _ => text.len() <= MAX_SIMPLE_BYTES && self.take_simple(text.trim_matches(' ')),
        }
    }

    fn take_simple(&self, text: &str) -> bool {
        match self {
            Self::Integer { least, most } => {
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                is_digits(digits)
                    && text.parse::<i64>().is_ok_and(|number| (*least..=*most).contains(&number))
            }
            Self::Numeric(digits) => Decimal::of(text)
                .is_some_and(|number| digits.is_none_or(|digits| number.whole_digits <= digits)),
            // Far from the ends of the range, on both sides of zero.
            Self::Float => Decimal::of(text).is_some_and(|number| number.digits <= 30),
            Self::Boolean => ["true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0"]
                .iter()
                .any(|word| word.eq_ignore_ascii_case(text)),
            Self::Date => is_date(text),
            Self::Timestamp { zoned } => is_timestamp(text, *zoned),
            Self::Time => is_time(text),
            Self::Uuid => is_uuid(text),
            Self::None | Self::Text(_) | Self::Json { .. } | Self::Bytes => false,
        }
    }
}

/// Reads the numbers in the parentheses of a type.
fn modifiers(sql_type: &str) -> Vec<i64> {
    let inside = sql_type.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.map_or_else(Vec::new, |(numbers, _)| {
        numbers.split(',').map(|number| number.trim().parse().unwrap_or(-1)).collect()
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number without an exponent.
struct Decimal {
    /// The digits before the point, without zeros at the front.
    whole_digits: usize,
    digits: usize,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (unsigned, ""),
        };
        is_digits(whole).then(|| Self {
            whole_digits: whole.trim_start_matches('0').len(),
            digits: whole.len() + fraction.len(),
        })
    }
}

fn number<const LENGTH: usize>(text: &str) -> Option<i16> {
    (text.len() == LENGTH && is_digits(text)).then(|| text.parse().ok()).flatten()
}

/// Whether it is `YYYY-MM-DD`, and such a day was or will be.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Some(year @ 1..), Some(month), Some(day)) =
        (number::<4>(year), number::<2>(month), number::<2>(day))
    else {
        return false;
    };
    let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day)) else { return false };
    jiff::civil::Date::new(year, month, day).is_ok()
}

/// Whether it is `HH:MM` or `HH:MM:SS` with decimals or without.
fn is_time(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (Some(hour), Some(minute)) = (parts.next(), parts.next()) else { return false };
    let second_is_one = parts.next().is_none_or(|second| {
        let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
        number::<2>(second).is_some_and(|second| second < 60) && is_digits(fraction) && fraction.len() <= 9
    });
    number::<2>(hour).is_some_and(|hour| hour < 24)
        && number::<2>(minute).is_some_and(|minute| minute < 60)
        && second_is_one
}

fn is_timestamp(text: &str, zoned: bool) -> bool {
    let Some((date, rest)) = text.split_at_checked("yyyy-mm-dd".len()) else { return false };
    if !is_date(date) {
        return false;
    }
    let Some(time) = rest.strip_prefix([' ', 'T']) else { return rest.is_empty() };
    let (time, offset) = match time.find(['Z', '+', '-']).filter(|_| zoned) {
        Some(at) => time.split_at_checked(at).unwrap_or_default(),
        None => (time, ""),
    };
    is_time(time) && (matches!(offset, "" | "Z") || is_offset(offset.get(1..).unwrap_or_default()))
}

/// Whether it is `HH`, `HHMM` or `HH:MM`, as any time zone is.
fn is_offset(text: &str) -> bool {
    let (hours, minutes) = match text.len() {
        2 => (text, "00"),
        4 => text.split_at_checked(2).unwrap_or_default(),
        _ => text.split_once(':').unwrap_or_default(),
    };
    number::<2>(hours).is_some_and(|hours| hours < 15)
        && number::<2>(minutes).is_some_and(|minutes| minutes < 60)
}

fn is_uuid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Whether it is JSON, and has nothing that jsonb takes exception to: escapes of half a
/// character, numbers beyond numeric.
pub(super) fn is_json(text: &str, binary: bool) -> bool {
    let with_exponent = || {
        text.as_bytes()
            .windows(2)
            .any(|pair| matches!(pair, [digit, b'e' | b'E'] if digit.is_ascii_digit() || *digit == b'.'))
    };
    text.len() <= MAX_JSON_BYTES
        && !text.contains(['\\', '\0'])
        && !(binary && with_exponent())
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}
