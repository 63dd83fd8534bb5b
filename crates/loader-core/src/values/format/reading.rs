//! Reads a text along the items of a format.

use super::moment::{Moment, Zone};
use super::{Item, Part};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The days of a week, Monday first.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Words that Postgres reads in a timestamp, and that are no time zone (`datetktbl` in
/// `src/backend/utils/adt/datetime.c`): after a time it would take them for something
/// else, or for nothing.
const NO_ZONES: &[&str] = &[
    "am",
    "pm",
    "bc",
    "ad",
    "at",
    "on",
    "dst",
    "dow",
    "doy",
    "isodow",
    "isoyear",
    "julian",
    "jd",
    "now",
    "today",
    "epoch",
    "infinity",
    "allballs",
    "tomorrow",
    "yesterday",
];

/// The text that is left to read.
pub(super) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Reads all items, and all of the text.
    pub(super) fn all(mut self, items: &[Item], moment: &mut Moment<'a>) -> Option<()> {
        for item in items {
            match item {
                Item::Literal(c) => self.rest = self.rest.strip_prefix(*c)?,
                Item::Blanks => self.rest = self.rest.trim_start(),
                Item::Ordinal => {
                    self.word(&["st", "nd", "rd", "th"])?;
                }
                Item::Part { part, whole } => self.part(*part, *whole, moment)?,
            }
        }
        self.rest.is_empty().then_some(())
    }

    fn part(&mut self, part: Part, whole: bool, moment: &mut Moment<'a>) -> Option<()> {
        let two = if whole { 2 } else { 1 };
        match part {
            Part::Year(digits) => {
                let year = self.number(usize::from(digits), usize::from(digits))?;
                moment.year = Some(if digits == 4 { year } else { of_this_time(year) });
            }
            Part::Month => moment.month = Some(self.number(two, 2)?),
            Part::MonthName => moment.month = Some(self.name(&MONTHS)?),
            Part::Day => moment.day = Some(self.number(two, 2)?),
            Part::DayOfYear => moment.day_of_year = Some(self.number(if whole { 3 } else { 1 }, 3)?),
            Part::DayName => moment.day_name = Some(self.name(&DAYS)?),
            Part::Hour => moment.hour = Some(self.number(two, 2)?),
            Part::HalfHour => {
                // Out of range here, whatever the half is.
                let hour = self.number(two, 2)?;
                moment.hour = Some(if (1..=12).contains(&hour) { hour % 12 } else { 24 });
            }
            Part::Minute => moment.minute = Some(self.number(two, 2)?),
            Part::Second => moment.second = Some(self.number(two, 2)?),
            Part::Fraction(most) => {
                let most = usize::from(most);
                moment.fraction = self.digits(if whole { most } else { 1 }, most)?;
            }
            Part::PointFraction => {
                if let Some(rest) = self.rest.strip_prefix('.') {
                    self.rest = rest;
                    moment.fraction = self.digits(1, 9)?;
                }
            }
            Part::SecondOfDay => {
                let second = self.number(if whole { 5 } else { 1 }, 5)?;
                moment.hour = Some(second / 3600);
                moment.minute = Some(second / 60 % 60);
                moment.second = Some(second % 60);
            }
            Part::Half => {
                let at = self.word(&["am", "pm", "a.m.", "p.m."])?;
                moment.after_noon = at % 2 == 1;
            }
            Part::Era => {
                let at = self.word(&["bc", "ad", "b.c.", "a.d."])?;
                moment.before_christ = at % 2 == 0;
            }
            Part::Offset => moment.zone = Some(self.offset()?),
            Part::Zone => moment.zone = Some(self.offset().or_else(|| self.zone())?),
            Part::ZoneHour => {
                let sign = self.sign()?;
                moment.zone = Some(Zone::Offset { sign, hours: self.number(2, 2)?, minutes: 0, seconds: 0 });
            }
            Part::ZoneMinute => {
                let found = self.number(2, 2)?;
                if let Some(Zone::Offset { minutes, .. }) = &mut moment.zone {
                    *minutes = found;
                }
            }
            Part::Utc => {
                self.word(&["z"])?;
                moment.zone = Some(Zone::UTC);
            }
            Part::Epoch => {
                let negative = self.sign() == Some('-');
                let seconds: i64 = self.digits(1, 12)?.parse().ok()?;
                moment.epoch = Some(if negative { -seconds } else { seconds });
            }
        }
        Some(())
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<&'a str> {
        let length = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(length)?;
        if length < least {
            return None;
        }
        self.rest = rest;
        Some(digits)
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        self.digits(least, most)?.parse().ok()
    }

    /// Reads one of the words, in any case, and returns which.
    fn word(&mut self, words: &[&str]) -> Option<usize> {
        words.iter().position(|word| match self.rest.split_at_checked(word.len()) {
            Some((beginning, rest)) if beginning.eq_ignore_ascii_case(word) => {
                self.rest = rest;
                true
            }
            _ => false,
        })
    }

    /// Reads one of the names, or its first three letters, and returns its number from 1.
    fn name(&mut self, names: &[&str]) -> Option<u32> {
        let letters = self.rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, _) = self.rest.split_at_checked(letters)?;
        let found = |given: &str, length: Option<usize>| {
            names.iter().position(|name| {
                name.get(..length.unwrap_or(name.len())).is_some_and(|name| name.eq_ignore_ascii_case(given))
            })
        };
        // Letters of the next part may follow an abbreviation at once.
        let (at, length) = match found(word, None) {
            Some(at) => (at, letters),
            None => (found(word.get(..3)?, Some(3))?, 3),
        };
        self.rest = self.rest.get(length..)?;
        u32::try_from(at + 1).ok()
    }

    fn sign(&mut self) -> Option<char> {
        let sign = self.rest.chars().next().filter(|c| matches!(c, '+' | '-'))?;
        self.rest = self.rest.get(1..)?;
        Some(sign)
    }

    /// Reads `Z`, or a sign and hours, minutes, seconds with colons or without.
    fn offset(&mut self) -> Option<Zone<'a>> {
        let Some(sign) = self.sign() else {
            let (beginning, rest) = self.rest.split_at_checked(1)?;
            let alone = beginning.eq_ignore_ascii_case("z") && !rest.starts_with(|c: char| c.is_alphabetic());
            if alone {
                self.rest = rest;
            }
            return alone.then_some(Zone::UTC);
        };
        let mut parts = [self.number(2, 2)?, 0, 0];
        for part in parts.iter_mut().skip(1) {
            let colon = self.rest.strip_prefix(':');
            let after = colon.unwrap_or(self.rest);
            if !after.starts_with(|c: char| c.is_ascii_digit()) {
                break;
            }
            self.rest = after;
            *part = self.number(2, 2)?;
        }
        let [hours, minutes, seconds] = parts;
        Some(Zone::Offset { sign, hours, minutes, seconds })
    }

    /// Reads the name or the abbreviation of a time zone; whether there is one of that
    /// name is for Postgres to say.
    fn zone(&mut self) -> Option<Zone<'a>> {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
        let length = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(length)?;
        let is_word = |words: &[&str]| {
            words.iter().any(|word| {
                word.eq_ignore_ascii_case(name)
                    || name.len() >= 3
                        && word.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            })
        };
        let no_zone = is_word(&MONTHS) || is_word(&DAYS) || is_word(NO_ZONES);
        if length < 2 || no_zone || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        self.rest = rest;
        Some(Zone::Named(name))
    }
}

/// Adds the century to a year of fewer than four digits: to the one nearest 2020, as
/// `to_timestamp` does (`adjust_partial_year_to_2020` in
/// `src/backend/utils/adt/formatting.c` of Postgres).
fn of_this_time(year: u32) -> u32 {
    match year {
        0..70 | 100..520 => year + 2000,
        70..100 => year + 1900,
        520..1000 => year + 1000,
        _ => year,
    }
}
