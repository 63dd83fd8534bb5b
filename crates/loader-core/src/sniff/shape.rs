//! What a cell looks like, to tell names from values and one delimiter from another.

/// What a cell looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// Nothing, or a word that stands for nothing.
    Missing,
    /// A number, in any notation: `-1.5e3`, `1.234,56`, `$74.69`, `12 %`.
    Number,
    /// A date, a time of day or both.
    Moment,
    /// `true` or `false`.
    Flag,
    /// An address of the web, or of mail.
    Address,
    /// One word, such as a name or a code.
    Word,
    /// Words.
    Text,
}

/// Words that stand for a value that is missing.
const MISSING: &[&str] =
    &["", "-", "--", "?", "*", ".", "n/a", "na", "nan", "nil", "none", "null", "#n/a", "\\n", "(null)"];

/// The months in English, as far as they are told apart.
const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The longest value that can be a number or a date.
const LONGEST_TYPED: usize = 48;

impl Shape {
    /// Looks at a cell.
    pub(super) fn of(cell: &str) -> Self {
        let text = cell.trim();
        if text.len() <= 8 && MISSING.iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Self::Missing;
        }
        if text.len() <= LONGEST_TYPED {
            if is_number(text) {
                return Self::Number;
            }
            if is_moment(text) {
                return Self::Moment;
            }
            if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
                return Self::Flag;
            }
        }
        if is_address(text) {
            return Self::Address;
        }
        if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            return Self::Word;
        }
        Self::Text
    }

    /// Whether it is a value by its looks: no header has a cell like this, but for
    /// years and other numbers.
    pub(super) const fn is_typed(self) -> bool {
        matches!(self, Self::Number | Self::Moment | Self::Flag | Self::Address)
    }
}

/// The cell with runs of digits and of letters drawn together, if it has digits and
/// something else: codes such as `MG-8769` have one pattern all down the column.
pub(super) fn pattern(cell: &str) -> Option<String> {
    let mut pattern = String::new();
    for c in cell.trim().chars().take(LONGEST_TYPED) {
        let sign = match c {
            _ if c.is_ascii_digit() => '0',
            _ if c.is_alphabetic() => 'a',
            _ => c,
        };
        if !(pattern.ends_with(sign) && matches!(sign, '0' | 'a')) {
            pattern.push(sign);
        }
    }
    (pattern.contains('0') && pattern.len() > 1).then_some(pattern)
}

fn is_number(text: &str) -> bool {
    const CURRENCIES: &[&str] = &["USD", "EUR", "GBP", "CHF", "Rs"];
    let around = |c: char| matches!(c, '$' | '€' | '£' | '¥' | '%' | ' ' | '\u{a0}');
    let mut text = text.trim_matches(around);
    for currency in CURRENCIES {
        text = text.strip_prefix(currency).unwrap_or(text);
        text = text.strip_suffix(currency).unwrap_or(text);
    }
    let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let text = text.trim_matches(around);
    let text = text.strip_prefix(['-', '+', '\u{2212}']).unwrap_or(text).trim_start_matches(around);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
    }
    is_mantissa(mantissa)
}

/// Digits with at most one decimal sign, or in groups of three.
fn is_mantissa(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0
        || !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | ' ' | '\u{a0}'))
    {
        return false;
    }
    let parts: Vec<&str> = text.split(['.', ',', '\'', ' ', '\u{a0}']).collect();
    match parts.as_slice() {
        [_] => true,
        [whole, fraction] => {
            // `1 2` is two numbers, `.5` is one.
            !text.contains([' ', '\'']) && (!whole.is_empty() || !fraction.is_empty())
                || fraction.len() == 3 && (1..=3).contains(&whole.len())
        }
        [first, middle @ .., last] => {
            (1..=3).contains(&first.len())
                && middle.iter().all(|group| group.len() == 3 || group.len() == 2)
                && !last.is_empty()
                && (last.len() == 3 || separators(text) == 2)
        }
        [] => false,
    }
}

/// How many different separators a number has; `1.2.3` is a version, not a number.
fn separators(text: &str) -> usize {
    ['.', ',', '\'', ' ', '\u{a0}'].iter().filter(|c| text.contains(**c)).count()
}

/// Dates and times in the notations that people use: digits with `-`, `/`, `.` or
/// `:` between them, and months in letters.
fn is_moment(text: &str) -> bool {
    if !text.as_bytes().iter().any(u8::is_ascii_digit) {
        return false;
    }
    let mut dates = 0;
    let mut times = 0;
    let mut loose = (0, 0);
    let spaced = split_date_from_time(text);
    for part in spaced.split([' ', ',']).filter(|part| !part.is_empty()) {
        if is_date(part) {
            dates += 1;
        } else if is_time(part) {
            times += 1;
        } else if is_month(part) {
            loose.0 += 1;
        } else if part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit()) {
            loose.1 += 1;
        } else if !["am", "pm", "z", "utc", "gmt"].iter().any(|word| part.eq_ignore_ascii_case(word)) {
            return false;
        }
    }
    // `24 October 2011`
    let written_out = loose.0 == 1 && loose.1 == 2;
    dates <= 1 && times <= 1 && dates + times > 0 && loose == (0, 0)
        || dates == 0 && times <= 1 && written_out
}

/// `2024-01-01T10:00:00` with a blank instead of the `T`.
fn split_date_from_time(text: &str) -> String {
    match text.split_once('T') {
        Some((date, time)) if is_date(date) => format!("{date} {time}"),
        _ => text.to_owned(),
    }
}

fn is_date(part: &str) -> bool {
    for separator in ['-', '/', '.'] {
        let parts: Vec<&str> = part.split(separator).collect();
        let [first, second, third] = parts.as_slice() else { continue };
        let number = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        let month = number(second, 2) || is_month(second);
        return month && number(first, 4) && number(third, 4) && first.len() + third.len() <= 6;
    }
    false
}

fn is_month(part: &str) -> bool {
    let start: String = part.chars().take(3).flat_map(char::to_lowercase).collect();
    part.len() >= 3
        && part.len() <= 10
        && part.chars().all(|c| c.is_ascii_alphabetic() || c == '.')
        && MONTHS.contains(&start.as_str())
}

fn is_time(part: &str) -> bool {
    let part = part.trim_end_matches(['Z', 'z']);
    let part = part.strip_suffix("AM").or_else(|| part.strip_suffix("PM")).unwrap_or(part);
    let (clock, offset) = match part.get(1..).and_then(|rest| rest.find(['+', '-'])) {
        Some(at) => part.split_at(at + 1),
        None => (part, ""),
    };
    let pieces: Vec<&str> = clock.split(':').collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (2..=3).contains(&pieces.len())
        && pieces.iter().all(|piece| digits(piece))
        && pieces.first().is_some_and(|hour| hour.len() <= 2)
        && pieces.get(1).is_some_and(|minute| minute.len() == 2)
        && offset.chars().skip(1).all(|c| c.is_ascii_digit() || c == ':')
}

fn is_address(text: &str) -> bool {
    if text.contains(char::is_whitespace) {
        return false;
    }
    let mail = || text.split_once('@').is_some_and(|(who, where_)| !who.is_empty() && where_.contains('.'));
    text.starts_with("http://") || text.starts_with("https://") || mail()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_told_apart_by_their_looks() {
        use Shape::{Address, Flag, Missing, Moment, Number, Text, Word};
        for (cells, shape) in [
            (&["", "  ", "NULL", "n/a", "\\N"][..], Missing),
            (
                &[
                    "1",
                    "-1.5e3",
                    "1.234,56",
                    "$74.69",
                    "12 %",
                    "(5)",
                    ".5",
                    "1 000 000",
                    "6,000,000",
                    "5,5",
                    "-1 €",
                    "EUR 5",
                ],
                Number,
            ),
            (
                &[
                    "2024-01-31",
                    "31/01/2018",
                    "1.2.99",
                    "00:00",
                    "2024-01-01T10:00:00Z",
                    "2024-01-01 10:00:00.5+02:00",
                    "3-Nov-23",
                    "24 October 2011",
                    "01-01-90 12:12:00 AM",
                ],
                Moment,
            ),
            (&["true", "FALSE"], Flag),
            (&["https://example.com/a?b", "a@example.com"], Address),
            (&["id", "MG-8769", "a_b"], Word),
            (&["Men's boots", "1 2", "a,b"], Text),
        ] {
            for cell in cells {
                assert_eq!(Shape::of(cell), shape, "{cell}");
            }
        }
        assert_eq!(Shape::of("192.168.1.20"), Word);
        assert_eq!(Shape::of("2.9.1"), Moment, "a version is a date, as far as can be seen");
    }

    #[test]
    fn codes_have_a_pattern() {
        assert_eq!(pattern("MG-8769").as_deref(), Some("a-0"));
        assert_eq!(pattern("PRODUCTID"), None);
        assert_eq!(pattern("12"), None);
    }
}
