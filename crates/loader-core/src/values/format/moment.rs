//! A date or a time that was read.

use std::fmt::Write as _;

use jiff::civil::Date;

/// Where the time is that of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone<'a> {
    /// At a distance from UTC.
    Offset { sign: char, hours: u32, minutes: u32, seconds: u32 },
    /// Where Postgres says that the name is.
    Named(&'a str),
}

impl Zone<'_> {
    pub(super) const UTC: Self = Self::Offset { sign: '+', hours: 0, minutes: 0, seconds: 0 };
}

/// The parts of a date and a time, as they were written.
#[derive(Debug, Default)]
pub(super) struct Moment<'a> {
    pub(super) year: Option<u32>,
    pub(super) month: Option<u32>,
    pub(super) day: Option<u32>,
    pub(super) day_of_year: Option<u32>,
    /// 1 for Monday.
    pub(super) day_name: Option<u32>,
    pub(super) hour: Option<u32>,
    pub(super) minute: Option<u32>,
    pub(super) second: Option<u32>,
    pub(super) fraction: &'a str,
    pub(super) after_noon: bool,
    pub(super) before_christ: bool,
    pub(super) zone: Option<Zone<'a>>,
    pub(super) epoch: Option<i64>,
}

impl Moment<'_> {
    /// Writes it as ISO 8601; nothing if there is no such date or time.
    pub(super) fn write(&self, out: &mut String) -> Option<()> {
        if let Some(seconds) = self.epoch {
            return self.write_epoch(seconds, out);
        }
        if let Some(year) = self.year {
            self.write_date(year, out)?;
        }
        if let Some(hour) = self.hour {
            if self.year.is_some() {
                out.push(' ');
            }
            self.write_time(hour, out)?;
        }
        match self.zone {
            None => {}
            Some(Zone::Named(name)) => write!(out, " {name}").ok()?,
            Some(Zone::Offset { sign, hours, minutes, seconds }) => {
                // The farthest that Postgres takes (`MAX_TZDISP_HOUR`).
                if hours > 15 || minutes > 59 || seconds > 59 {
                    return None;
                }
                write!(out, "{sign}{hours:02}:{minutes:02}").ok()?;
                if seconds > 0 {
                    write!(out, ":{seconds:02}").ok()?;
                }
            }
        }
        if self.before_christ {
            out.push_str(" BC");
        }
        Some(())
    }

    fn write_date(&self, year: u32, out: &mut String) -> Option<()> {
        let signed = i16::try_from(year).ok()?;
        // There is no year 0; the year before the first is the first before Christ.
        let counted = if self.before_christ { 1 - signed } else { signed };
        if year == 0 {
            return None;
        }
        let date = if let Some(day) = self.day_of_year {
            Date::new(counted, 1, 1).ok()?.with().day_of_year(i16::try_from(day).ok()?).build().ok()?
        } else {
            let part = |part: Option<u32>| i8::try_from(part.unwrap_or(1)).ok();
            Date::new(counted, part(self.month)?, part(self.day)?).ok()?
        };
        let day_name = u32::try_from(date.weekday().to_monday_one_offset()).ok()?;
        // A date of another day of the week was read wrongly, or written so.
        if self.day_name.is_some_and(|name| name != day_name) {
            return None;
        }
        write!(out, "{year:04}-{:02}-{:02}", date.month(), date.day()).ok()
    }

    fn write_time(&self, hour: u32, out: &mut String) -> Option<()> {
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        let hour = if self.after_noon { hour + 12 } else { hour };
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        write!(out, "{hour:02}:{minute:02}:{second:02}").ok()?;
        if !self.fraction.is_empty() {
            write!(out, ".{}", self.fraction).ok()?;
        }
        Some(())
    }

    fn write_epoch(&self, seconds: i64, out: &mut String) -> Option<()> {
        // A fraction counts away from zero, as in any number; Postgres counts it on.
        if seconds < 0 && !self.fraction.is_empty() {
            return None;
        }
        let moment = jiff::Timestamp::from_second(seconds).ok()?;
        let moment = jiff::tz::Offset::UTC.to_datetime(moment);
        if moment.year() < 1 {
            return None;
        }
        write!(
            out,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            moment.year(),
            moment.month(),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second()
        )
        .ok()?;
        if !self.fraction.is_empty() {
            write!(out, ".{}", self.fraction).ok()?;
        }
        out.push_str("+00:00");
        Some(())
    }
}
