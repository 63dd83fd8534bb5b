//! What a value in text can be a value of.

use super::InferredType;

/// The longest number that is taken for one. Postgres keeps more digits, but no
/// quantity has them.
const MAX_NUMBER_BYTES: usize = 100;

/// The largest power of ten in a number with an exponent that becomes numeric.
const MAX_EXPONENT: i32 = 300;

/// The types that take every value seen so far.
// Each is a question of its own, and any mixture can occur.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Kinds {
    /// Whether there was any value.
    seen: bool,
    /// Whether a number had an exponent.
    exponent: bool,
    bigint: bool,
    numeric: bool,
    double: bool,
    date: bool,
    timestamp: bool,
    timestamptz: bool,
    boolean: bool,
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            seen: false,
            exponent: false,
            bigint: true,
            numeric: true,
            double: true,
            date: true,
            timestamp: true,
            timestamptz: true,
            boolean: true,
        }
    }
}

impl Kinds {
    /// Narrows down by one more value, which is not NULL.
    pub(super) fn observe(&mut self, value: &[u8]) {
        self.seen = true;
        let value = trim_spaces(value);
        let text = std::str::from_utf8(value).unwrap_or_default();
        let number = Number::parse(text);
        self.exponent |= number.as_ref().is_some_and(|number| number.exponent.is_some());
        self.bigint &= number.as_ref().is_some_and(Number::is_bigint);
        self.numeric &= number.as_ref().is_some_and(Number::is_numeric);
        self.double &= number.as_ref().is_some_and(Number::is_double);
        let moment = Moment::parse(text);
        self.date &= moment == Some(Moment::Date);
        self.timestamp &= matches!(moment, Some(Moment::Date | Moment::Timestamp));
        self.timestamptz &= moment == Some(Moment::TimestampTz);
        self.boolean &= text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    }

    /// Returns the narrowest type that takes all of them.
    pub(super) const fn narrowest(&self) -> InferredType {
        if !self.seen {
            return InferredType::Text;
        }
        if self.bigint {
            return InferredType::BigInt;
        }
        if self.double && self.exponent {
            return InferredType::DoublePrecision;
        }
        if self.numeric {
            return InferredType::Numeric;
        }
        if self.date {
            return InferredType::Date;
        }
        if self.timestamp {
            return InferredType::Timestamp;
        }
        if self.timestamptz {
            return InferredType::TimestampTz;
        }
        if self.boolean {
            return InferredType::Boolean;
        }
        InferredType::Text
    }
}

/// Takes off the spaces that the input functions of Postgres skip too.
fn trim_spaces(value: &[u8]) -> &[u8] {
    let Some(start) = value.iter().position(|byte| *byte != b' ') else { return b"" };
    let end = value.iter().rposition(|byte| *byte != b' ').unwrap_or(start);
    value.get(start..=end).unwrap_or_default()
}

/// A number as it is written, which would be written so again.
///
/// A plus sign and leading zeros are what telephone numbers, codes and
/// identifiers have; as numbers they would lose them.
struct Number<'a> {
    text: &'a str,
    whole: &'a str,
    fraction: Option<&'a str>,
    exponent: Option<i32>,
}

impl<'a> Number<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_NUMBER_BYTES {
            return None;
        }
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(parse_exponent(exponent)?)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        let plain = match fraction {
            // `.5` is a number, `5.` and `.` are not.
            Some(fraction) => (whole.is_empty() || is_digits(whole)) && is_digits(fraction),
            None => is_digits(whole),
        };
        (plain && !leading_zero).then_some(Self { text, whole, fraction, exponent })
    }

    fn is_bigint(&self) -> bool {
        self.fraction.is_none() && self.exponent.is_none() && self.text.parse::<i64>().is_ok()
    }

    fn is_numeric(&self) -> bool {
        self.exponent.is_none_or(|exponent| exponent.abs() <= MAX_EXPONENT)
    }

    /// Whether a double gives the same digits back: Postgres writes the shortest
    /// that are read as the same number, and so does Rust.
    fn is_double(&self) -> bool {
        let Ok(double) = self.text.parse::<f64>() else { return false };
        if !double.is_finite() {
            return false;
        }
        let written = format!("{double:e}");
        let unsigned = written.strip_prefix('-').unwrap_or(&written);
        let Some(read) = Number::parse(unsigned) else { return false };
        self.significant() == read.significant()
    }

    /// The digits without zeros around them, and the power of ten of the last;
    /// nothing for zero.
    fn significant(&self) -> (String, i64) {
        let fraction = self.fraction.unwrap_or_default();
        let digits = format!("{}{fraction}", self.whole);
        let kept = digits.trim_end_matches('0');
        let dropped = digits.len() - kept.len();
        let significant = kept.trim_start_matches('0');
        if significant.is_empty() {
            return (String::new(), 0);
        }
        let signed = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let power = i64::from(self.exponent.unwrap_or(0)) - signed(fraction.len()) + signed(dropped);
        (significant.to_owned(), power)
    }
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !is_digits(digits) || digits.len() > 4 {
        return None;
    }
    text.parse().ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A date, or a date with a time, in ISO 8601: the only form that means the same
/// whatever `DateStyle` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Date,
    Timestamp,
    TimestampTz,
}

impl Moment {
    fn parse(text: &str) -> Option<Self> {
        let (date, after) = text.split_at_checked("yyyy-mm-dd".len())?;
        if !is_date(date) {
            return None;
        }
        if after.is_empty() {
            return Some(Self::Date);
        }
        let time = after.strip_prefix(['T', ' '])?;
        let (clock, offset) = match time.find(['Z', '+', '-']) {
            Some(at) => time.split_at_checked(at)?,
            None => (time, ""),
        };
        if !is_clock(clock) {
            return None;
        }
        match offset {
            "" => Some(Self::Timestamp),
            "Z" => Some(Self::TimestampTz),
            _ => is_offset(offset.get(1..)?).then_some(Self::TimestampTz),
        }
    }
}

/// Reads a number of exactly two digits.
fn two(text: &str) -> Option<u8> {
    (text.len() == 2 && is_digits(text)).then(|| text.parse().ok()).flatten()
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if year.len() != 4 || !is_digits(year) {
        return false;
    }
    // There is no year 0.
    let (Ok(year @ 1..), Some(month), Some(day @ 1..)) = (year.parse::<u16>(), two(month), two(day)) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    day <= last
}

/// Whether the text is `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f`. Postgres would take
/// 24:00, a second 60 and a seventh digit too, but not give them back.
fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let (Some(hour), Some(minute), second, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if !(two(hour).is_some_and(|hour| hour < 24) && two(minute).is_some_and(|minute| minute < 60)) {
        return false;
    }
    let Some(second) = second else { return true };
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    two(second).is_some_and(|second| second < 60) && is_digits(fraction) && fraction.len() <= 6
}

/// Whether the text is `HH`, `HHMM` or `HH:MM`, at most 15:59 as in Postgres.
fn is_offset(text: &str) -> bool {
    let (hour, minute) = match text.len() {
        2 => (text, "00"),
        4 => text.split_at_checked(2).unwrap_or_default(),
        _ => text.split_once(':').unwrap_or_default(),
    };
    two(hour).is_some_and(|hour| hour < 16) && two(minute).is_some_and(|minute| minute < 60)
}

#[cfg(test)]
mod tests;
