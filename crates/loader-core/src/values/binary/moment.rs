//! Dates and times: days and microseconds from the beginning of the year 2000.
//!
//! Only ISO 8601 with a year of four digits, which Postgres reads the same whatever
//! `DateStyle` is.

const MICROSECONDS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROSECONDS;
/// From 0000-03-01 to 2000-01-01.
const DAYS_TO_EPOCH: i32 = 730_425;

pub(super) fn write_date(text: &str, out: &mut Vec<u8>) -> bool {
    date(text.as_bytes().trim_ascii()).is_some_and(|days| {
        out.extend_from_slice(&days.to_be_bytes());
        true
    })
}

pub(super) fn write_time(text: &str, out: &mut Vec<u8>) -> bool {
    time(text.as_bytes().trim_ascii()).is_some_and(|time| {
        out.extend_from_slice(&time.to_be_bytes());
        true
    })
}

pub(super) fn write_timestamp(text: &str, out: &mut Vec<u8>) -> bool {
    moment(text.as_bytes().trim_ascii()).is_some_and(|moment| {
        out.extend_from_slice(&moment.to_be_bytes());
        true
    })
}

pub(super) fn write_timestamp_with_offset(text: &str, out: &mut Vec<u8>) -> bool {
    with_offset(text.as_bytes().trim_ascii()).is_some_and(|moment| {
        out.extend_from_slice(&moment.to_be_bytes());
        true
    })
}

fn two(digits: [u8; 2]) -> Option<i32> {
    let [tens, ones] = digits.map(|digit| digit.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i32::from(tens) * 10 + i32::from(ones))
}

/// `YYYY-MM-DD`, of a day that was or will be.
fn date(text: &[u8]) -> Option<i32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = two([y1, y2])? * 100 + two([y3, y4])?;
    let (month, day) = (two([m1, m2])?, two([d1, d2])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // There is no year zero.
    if year == 0 || day == 0 || day > days_of_month {
        return None;
    }
    // Years that begin with March end with the odd day (Howard Hinnant, "chrono-compatible
    // low-level date algorithms", days_from_civil).
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    Some(before + (153 * month + 2) / 5 + day - 1 - DAYS_TO_EPOCH)
}

/// `HH:MM`, `HH:MM:SS`, with at most six decimals.
fn time(text: &[u8]) -> Option<i64> {
    let (&[h1, h2, b':', m1, m2], rest) = text.split_first_chunk::<5>()? else { return None };
    let (hour, minute) = (two([h1, h2])?, two([m1, m2])?);
    let (second, fraction) = match rest {
        [] => (0, 0),
        [b':', s1, s2] => (two([*s1, *s2])?, 0),
        [b':', s1, s2, b'.', decimals @ ..] => (two([*s1, *s2])?, microseconds(decimals)?),
        _ => return None,
    };
    // 24:00 and leap seconds are left to Postgres.
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(i64::from(hour * 3600 + minute * 60 + second) * MICROSECONDS + fraction)
}

fn microseconds(decimals: &[u8]) -> Option<i64> {
    if decimals.is_empty() || decimals.len() > 6 {
        return None;
    }
    let mut fraction = 0;
    for at in 0..6 {
        let digit = decimals.get(at).map_or(0, |digit| digit.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        fraction = fraction * 10 + i64::from(digit);
    }
    Some(fraction)
}

/// A date, and a time after a blank or a `T`.
fn moment(text: &[u8]) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let day = i64::from(date(day)?) * DAY;
    match rest {
        [] => Some(day),
        [b' ' | b'T', clock @ ..] => Some(day + time(clock)?),
        _ => None,
    }
}

/// A moment with how far its clock is from UTC: `Z`, `+HH`, `+HHMM`, `+HH:MM`.
fn with_offset(text: &[u8]) -> Option<i64> {
    // Behind the hyphens of the date.
    let (before, clock) = text.split_at_checked(11)?;
    let at = clock.iter().position(|byte| matches!(byte, b'Z' | b'+' | b'-'))?;
    let moment = moment(text.get(..before.len() + at)?)?;
    let (sign, offset) = match clock.get(at..)? {
        [b'Z'] => return Some(moment),
        [b'+', offset @ ..] => (-1, offset),
        [_, offset @ ..] => (1, offset),
        [] => return None,
    };
    let (hours, minutes) = match *offset {
        [h1, h2] => (two([h1, h2])?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (two([h1, h2])?, two([m1, m2])?),
        _ => return None,
    };
    if hours > 14 || minutes > 59 {
        return None;
    }
    Some(moment + sign * i64::from(hours * 3600 + minutes * 60) * MICROSECONDS)
}
