//! Reads numbers as people write them.

use super::{Refusal, currency, is_blank};
use crate::definition::values::ColumnValues;

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumberRule {
    decimal: char,
    thousands: Option<char>,
    percent: bool,
    currency: bool,
}

/// A number has more than this many characters in no table; Postgres keeps 131072
/// digits.
const MAX_NUMBER_BYTES: usize = 1_000;

impl NumberRule {
    /// Returns the rule, if there is one.
    pub(super) fn of(values: &ColumnValues) -> Result<Option<Self>, String> {
        let percent = values.percent.unwrap_or_default();
        let currency = values.currency.unwrap_or_default();
        if values.decimal.is_none() && values.thousands.is_none() && !percent && !currency {
            return Ok(None);
        }
        let thousands = values.thousands;
        // Who says that a point stands between thousands has said what else it is not.
        let decimal = values.decimal.unwrap_or(if thousands == Some('.') { ',' } else { '.' });
        if !matches!(decimal, '.' | ',' | '\u{66b}') {
            return Err("has a sign before the decimals that is neither `.` nor `,`".to_owned());
        }
        if thousands == Some(decimal) {
            return Err("has the same sign before the decimals and between the thousands".to_owned());
        }
        if thousands.is_some_and(|sign| {
            sign.is_alphanumeric() || sign.is_control() || matches!(sign, '+' | '-' | '(' | ')' | '%')
        }) {
            return Err("has a sign between the thousands that can be a part of the number".to_owned());
        }
        Ok(Some(Self { decimal, thousands, percent, currency }))
    }

    /// Writes the number as Postgres reads it.
    pub(super) fn read(self, text: &str, out: &mut String) -> Result<(), Refusal> {
        if is_word(text) {
            // The types that have no such value refuse it.
            out.push_str(text);
            return Ok(());
        }
        self.number(text, out).ok_or(Refusal {
            sqlstate: "22P02",
            reason: "the text is not a number as the definition says that numbers are written",
        })
    }

    fn number(self, text: &str, out: &mut String) -> Option<()> {
        if text.len() > MAX_NUMBER_BYTES {
            return None;
        }
        let bare = self.bare(text)?;
        let (mantissa, exponent) = match bare.text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (bare.text, None),
        };
        let (whole, fraction) = mantissa.split_once(self.decimal).unwrap_or((mantissa, ""));
        let mut digits = String::with_capacity(text.len());
        self.grouped(whole, &mut digits)?;
        let mut places = fraction.len();
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.push_str(fraction);
        if digits.is_empty() {
            return None;
        }
        if bare.percent {
            places += 2;
        }
        if bare.negative {
            out.push('-');
        }
        let point = digits.len().saturating_sub(places);
        let (whole, fraction) = digits.split_at_checked(point)?;
        let whole = whole.trim_start_matches('0');
        out.push_str(if whole.is_empty() { "0" } else { whole });
        if places > 0 {
            out.push('.');
            out.extend(std::iter::repeat_n('0', places - fraction.len()));
            out.push_str(fraction);
        }
        if let Some(exponent) = exponent {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            out.push('e');
            out.push_str(exponent);
        }
        Some(())
    }

    /// Takes signs, currency and percent off, each once.
    fn bare(self, text: &str) -> Option<Bare<'_>> {
        let mut bare = Bare { text, negative: false, percent: false };
        let (mut signed, mut priced) = (false, !self.currency);
        if self.currency
            && let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'))
        {
            (bare.text, bare.negative, signed) = (inner.trim_matches(is_blank), true, true);
        }
        loop {
            let before = bare.text;
            // `5.-` and `5,--` are amounts without decimals, and nothing below zero.
            if self.currency
                && let Some(rest) = before.strip_suffix("--").or_else(|| before.strip_suffix(['-', '–', '—']))
                && let Some(rest) = rest.strip_suffix(self.decimal)
            {
                bare.text = rest;
                continue;
            }
            if !signed && let Some((rest, negative)) = without_sign(before) {
                (bare.text, bare.negative, signed) = (rest, negative, true);
            } else if self.percent
                && !bare.percent
                && let Some(rest) = before.strip_suffix(['%', '٪', '％', '﹪'])
            {
                (bare.text, bare.percent) = (rest, true);
            } else if !priced && let Some(rest) = currency::without(before) {
                (bare.text, priced) = (rest, true);
            } else {
                return Some(bare);
            }
            bare.text = bare.text.trim_matches(is_blank);
        }
    }

    /// Writes the digits of a whole number, which stand in groups of three or in none.
    fn grouped(self, whole: &str, digits: &mut String) -> Option<()> {
        let mut groups = whole.split(|c| self.is_separator(c));
        let first = groups.next()?;
        let mut count = 1_usize;
        digits.push_str(first);
        for group in groups {
            if group.len() != 3 {
                return None;
            }
            digits.push_str(group);
            count += 1;
        }
        let fits = count == 1 || (1..=3).contains(&first.len());
        (fits && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(())
    }

    /// Whether it stands between thousands. Blanks and apostrophes have several forms,
    /// of which people mean any.
    fn is_separator(self, c: char) -> bool {
        match self.thousands {
            None => false,
            Some(sign) if sign == c => true,
            Some(sign) => {
                let is_space = |c| matches!(c, ' ' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}');
                let is_apostrophe = |c| matches!(c, '\'' | '\u{2019}' | '\u{2bc}');
                (is_space(sign) && is_space(c)) || (is_apostrophe(sign) && is_apostrophe(c))
            }
        }
    }
}

struct Bare<'a> {
    text: &'a str,
    negative: bool,
    percent: bool,
}

/// Takes a sign off, which stands before the number or, as accounting has it, after it.
fn without_sign(text: &str) -> Option<(&str, bool)> {
    const MINUS: [char; 4] = ['-', '\u{2212}', '\u{fe63}', '\u{ff0d}'];
    let after = |rest: &&str| !rest.ends_with(['.', ',']);
    if let Some(rest) = text.strip_prefix(MINUS).or_else(|| text.strip_suffix(MINUS).filter(after)) {
        return Some((rest, true));
    }
    text.strip_prefix('+').or_else(|| text.strip_suffix('+').filter(after)).map(|rest| (rest, false))
}

/// Whether it is one of the values that Postgres writes with letters.
fn is_word(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    ["nan", "infinity", "inf"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(written: &str) -> ColumnValues {
        toml::from_str(written).unwrap()
    }

    fn read(rule: &str, text: &str) -> Option<String> {
        let rule = NumberRule::of(&values(rule)).unwrap().unwrap();
        let mut out = String::new();
        rule.read(text, &mut out).ok().map(|()| out)
    }

    #[test]
    fn numbers_are_read_as_the_definition_says() {
        let german = "decimal = ','\nthousands = '.'";
        let money = "thousands = ','\ncurrency = true";
        for (rule, text, expected) in [
            ("decimal = ','", "1,5", "1.5"),
            ("decimal = ','", "-0,50", "-0.50"),
            ("decimal = ','", "1,5E3", "1.5e3"),
            ("decimal = ','", "NaN", "NaN"),
            (german, "1.234.567,89", "1234567.89"),
            (german, "1234567,89", "1234567.89"),
            (german, "007", "7"),
            (german, ",5", "0.5"),
            (german, "\u{2212}1.000", "-1000"),
            (german, "1.000-", "-1000"),
            ("thousands = '.'", "1.234,5", "1234.5"),
            ("decimal = ','\nthousands = ' '", "1 234\u{a0}567,8", "1234567.8"),
            ("thousands = \"'\"", "1'234’567.8", "1234567.8"),
            ("percent = true", "12.5%", "0.125"),
            ("percent = true", "-3 %", "-0.03"),
            ("percent = true", "100%", "1.00"),
            ("percent = true", "0.5", "0.5"),
            (money, "$1,234.50", "1234.50"),
            (money, "(1,234.50)", "-1234.50"),
            (money, "($1.00)", "-1.00"),
            (money, "-$ 1.00", "-1.00"),
            (money, "€-1.00", "-1.00"),
            (money, "1.00 EUR", "1.00"),
            (money, "US$ 5", "5"),
            (money, "CHF 5.-", "5"),
            (money, "-5.--", "-5"),
            (money, "EUR.50", "0.50"),
            (money, "Rs.50", "50"),
            ("decimal = ','\nthousands = '.'\ncurrency = true", "1.234,50 €", "1234.50"),
            ("decimal = ','\nthousands = ' '\ncurrency = true", "1 234,50 Kč", "1234.50"),
        ] {
            assert_eq!(read(rule, text).as_deref(), Some(expected), "{rule}: {text}");
        }
    }

    #[test]
    fn what_is_not_written_so_is_refused() {
        let german = "decimal = ','\nthousands = '.'";
        for (rule, text) in [
            ("decimal = ','", "1.5"),
            ("decimal = ','", "1.234,5"),
            (german, "12.34,5"),
            (german, "1234.567"),
            (german, "1.23"),
            (german, ".123"),
            (german, "1..234"),
            (german, "1,234,5"),
            (german, "1,2.345"),
            (german, "--1"),
            (german, "-1-"),
            (german, ""),
            (german, "-"),
            (german, ","),
            (german, "1 €"),
            (german, "(1)"),
            (german, "1,-"),
            (german, "5%"),
            (german, "1e"),
            (german, "٣"),
            ("percent = true", "%"),
            ("percent = true", "5%%"),
            ("currency = true", "5 MIO"),
            ("currency = true", "$5 EUR"),
            ("currency = true", "(-5)"),
            ("currency = true", "(5"),
        ] {
            assert_eq!(read(rule, text), None, "{rule}: {text}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for written in
            ["decimal = ','\nthousands = ','", "decimal = 'x'", "thousands = '5'", "thousands = '-'"]
        {
            NumberRule::of(&values(written)).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn a_number_is_what_it_was_before_it_was_written(
            number in any::<i128>(), scale in 0..20_usize, style in 0..4_usize, percent in any::<bool>()
        ) {
            let (decimal, thousands) = [(',', Some('.')), ('.', Some(',')), (',', Some(' ')), (',', None)][style];
            let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let mut written = if number < 0 { "-".to_owned() } else { String::new() };
            for (at, digit) in whole.chars().enumerate() {
                if let Some(sign) = thousands && at > 0 && (whole.len() - at) % 3 == 0 {
                    written.push(sign);
                }
                written.push(digit);
            }
            if scale > 0 {
                written.push(decimal);
                written.push_str(fraction);
            }
            if percent {
                written.push('%');
            }
            let rule = NumberRule { decimal, thousands, percent: true, currency: true };
            let mut out = String::new();
            rule.read(&written, &mut out).unwrap();
            let places = out.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            prop_assert_eq!(places, scale + if percent { 2 } else { 0 });
            prop_assert_eq!(out.replace('.', "").parse::<i128>().unwrap(), number);
        }

        #[test]
        fn nothing_makes_it_fall_over(text in "\\PC{0,20}|[-+(),.€$%A-Z0-9 ]{0,12}") {
            let rule = NumberRule { decimal: ',', thousands: Some('.'), percent: true, currency: true };
            let mut out = String::new();
            if rule.read(&text, &mut out).is_ok() && !is_word(&text) {
                prop_assert!(out.parse::<f64>().is_ok(), "{} from {}", out, text);
            }
        }
    }
}
