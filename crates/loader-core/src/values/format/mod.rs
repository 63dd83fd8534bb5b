//! Dates and times in a given format.
//!
//! A format is a template of `to_timestamp` (`PostgreSQL` documentation, "Data Type
//! Formatting Functions") or one of `strftime` (POSIX). Unlike `to_timestamp`, which
//! skips what does not fit and shifts what is out of range, the whole text must have
//! the form, separators as they are written. What is read is written as ISO 8601, which
//! Postgres reads the same whatever its `DateStyle` is.

mod moment;
mod posix;
mod reading;
mod template;

use self::moment::Moment;
use self::reading::Reader;
use super::Refusal;

/// The SQLSTATE of a text that has not the form (`invalid_datetime_format`).
const NOT_OF_THE_FORM: &str = "22007";

/// The SQLSTATE of a date or a time that there is not (`datetime_field_overflow`).
pub(super) const OUT_OF_RANGE: &str = "22008";

/// A part of a date or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The year, in so many digits.
    Year(u8),
    Month,
    MonthName,
    Day,
    DayOfYear,
    DayName,
    Hour,
    /// The hour of a half of the day.
    HalfHour,
    Minute,
    Second,
    /// Decimals of the second.
    Fraction(u8),
    /// A point and decimals of the second, or nothing.
    PointFraction,
    SecondOfDay,
    /// Before or after noon.
    Half,
    /// Before or after Christ.
    Era,
    /// A distance from UTC.
    Offset,
    /// A distance from UTC, or a time zone by its name.
    Zone,
    ZoneHour,
    ZoneMinute,
    /// A `Z` that is always there: the time is UTC's.
    Utc,
    /// Seconds since 1970.
    Epoch,
}

/// What a text must hold, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// This character.
    Literal(char),
    /// Any blanks, or none.
    Blanks,
    /// `st`, `nd`, `rd` or `th`.
    Ordinal,
    /// A number or a word. Where digits stand beside it, it has all of its own.
    Part { part: Part, whole: bool },
}

/// A format, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    items: Vec<Item>,
}

impl Format {
    /// Compiles a format.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let parsed = if text.contains('%') { posix::parse(text) } else { template::parse(text) };
        let mut items = parsed.map_err(|why| format!("has the format `{text}`, {why}"))?;
        zulu(&mut items);
        let digits: Vec<bool> = items.iter().map(has_digits_alone).collect();
        for (at, item) in items.iter_mut().enumerate() {
            let beside = [at.checked_sub(1), Some(at + 1)];
            let crowded = beside.into_iter().flatten().any(|at| digits.get(at) == Some(&true));
            if let Item::Part { whole, .. } = item {
                *whole = crowded;
            }
        }
        let format = Self { items };
        format.check().map_err(|why| format!("has the format `{text}`, {why}"))?;
        Ok(format)
    }

    /// Reads a text, and writes it as ISO 8601.
    pub(super) fn read(&self, text: &str, out: &mut String) -> Result<(), Refusal> {
        let mut moment = Moment::default();
        Reader::new(text).all(&self.items, &mut moment).ok_or(Refusal {
            sqlstate: NOT_OF_THE_FORM,
            reason: "the text does not have the format that the definition gives for dates and times",
        })?;
        moment.write(out).ok_or(Refusal {
            sqlstate: OUT_OF_RANGE,
            reason: "the text has the format that the definition gives, and there is no such date or time",
        })
    }

    /// Whether it has a date.
    pub(super) fn has_date(&self) -> bool {
        self.has(|part| matches!(part, Part::Year(_) | Part::Epoch))
    }

    /// Whether it has a time of day.
    pub(super) fn has_time(&self) -> bool {
        self.has(|part| matches!(part, Part::Hour | Part::HalfHour | Part::SecondOfDay | Part::Epoch))
    }

    /// Whether it says where the time is that of the clocks.
    pub(super) fn has_zone(&self) -> bool {
        self.has(|part| matches!(part, Part::Offset | Part::Zone | Part::ZoneHour | Part::Utc | Part::Epoch))
    }

    /// Whether the time may be that of other clocks than UTC's.
    pub(super) fn has_offset(&self) -> bool {
        self.has(|part| matches!(part, Part::Offset | Part::Zone | Part::ZoneHour))
    }

    fn has(&self, of: impl Fn(Part) -> bool) -> bool {
        self.parts().any(of)
    }

    fn parts(&self) -> impl Iterator<Item = Part> {
        self.items.iter().filter_map(|item| match item {
            Item::Part { part, .. } => Some(*part),
            Item::Literal(_) | Item::Blanks | Item::Ordinal => None,
        })
    }

    /// Refuses formats that say too little or the same twice.
    fn check(&self) -> Result<(), &'static str> {
        let count = |of: fn(&Part) -> bool| self.parts().filter(of).count();
        let years = count(|part| matches!(part, Part::Year(_)));
        let months = count(|part| matches!(part, Part::Month | Part::MonthName));
        let days = count(|part| matches!(part, Part::Day));
        let days_of_year = count(|part| matches!(part, Part::DayOfYear));
        let hours = count(|part| matches!(part, Part::Hour | Part::HalfHour));
        let half_hours = count(|part| matches!(part, Part::HalfHour));
        let minutes = count(|part| matches!(part, Part::Minute));
        let seconds = count(|part| matches!(part, Part::Second));
        let fractions = count(|part| matches!(part, Part::Fraction(_) | Part::PointFraction));
        let of_day = count(|part| matches!(part, Part::SecondOfDay));
        let halves = count(|part| matches!(part, Part::Half));
        let zones = count(|part| matches!(part, Part::Offset | Part::Zone | Part::ZoneHour | Part::Utc));
        let zone_minutes = count(|part| matches!(part, Part::ZoneMinute));
        let zone_hours = count(|part| matches!(part, Part::ZoneHour));
        let epochs = count(|part| matches!(part, Part::Epoch));
        let eras = count(|part| matches!(part, Part::Era));
        let day_names = count(|part| matches!(part, Part::DayName));
        let all = [
            years,
            months,
            days,
            days_of_year,
            hours,
            minutes,
            seconds,
            fractions,
            of_day,
            halves,
            zones,
            zone_minutes,
            epochs,
            eras,
            day_names,
        ];
        if all.iter().any(|count| *count > 1) {
            return Err("which names the same part twice");
        }
        if epochs > 0 {
            let alone = all.iter().sum::<usize>() == 1 + fractions;
            return if alone { Ok(()) } else { Err("which has other parts beside the seconds since 1970") };
        }
        if years == 0 && months + days + days_of_year + eras + day_names > 0 {
            return Err("which has no year");
        }
        if days > 0 && months == 0 || days_of_year > 0 && months + days > 0 {
            return Err("whose day is not one of a month, or of a year alone");
        }
        if half_hours != halves {
            return Err(
                "in which the hours up to 12 and the half of the day (AM) do not come together; write HH24 or %H for the hours up to 23",
            );
        }
        let gaps =
            [minutes > hours, seconds > minutes, fractions > seconds + of_day, of_day > 0 && hours > 0];
        if gaps.contains(&true) {
            return Err("whose time of day has a gap");
        }
        if zones > 0 && hours + of_day == 0 || zone_minutes > zone_hours {
            return Err("which has a time zone without a time");
        }
        if years + hours + of_day == 0 {
            return Err("which has neither a year nor an hour");
        }
        Ok(())
    }
}

/// Takes a `Z` at the end of a time for what it means in ISO 8601: the time is that of
/// UTC. As a mere letter it would move the moment by the session's time zone.
fn zulu(items: &mut [Item]) {
    let zoned = items
        .iter()
        .any(|item| matches!(item, Item::Part { part: Part::Offset | Part::Zone | Part::ZoneHour, .. }));
    if let [.., Item::Part { part, .. }, last @ Item::Literal('Z' | 'z')] = items
        && !zoned
        && matches!(
            part,
            Part::Hour
                | Part::Minute
                | Part::Second
                | Part::Fraction(_)
                | Part::PointFraction
                | Part::SecondOfDay
        )
    {
        *last = Item::Part { part: Part::Utc, whole: false };
    }
}

fn has_digits_alone(item: &Item) -> bool {
    match item {
        Item::Literal(c) => c.is_ascii_digit(),
        Item::Blanks | Item::Ordinal => false,
        Item::Part { part, .. } => !matches!(
            part,
            Part::MonthName
                | Part::DayName
                | Part::Half
                | Part::Era
                | Part::Offset
                | Part::Zone
                | Part::ZoneHour
                | Part::Utc
                | Part::PointFraction
        ),
    }
}

#[cfg(test)]
mod tests;
