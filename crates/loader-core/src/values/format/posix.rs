//! Templates of `strftime`.

use super::{Item, Part};

/// Reads a template. Flags between the percent sign and the letter (`%-d`) only change
/// how a number is written, and are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            items.push(Item::Literal(c));
            continue;
        }
        let rest = characters.as_str();
        // A fraction with its point, as chrono and jiff have it.
        if let Some(after) = rest.strip_prefix(".f") {
            items.push(Item::Part { part: Part::PointFraction, whole: false });
            characters = after.chars();
            continue;
        }
        let letter = characters
            .by_ref()
            .find(|c| !matches!(c, '-' | '_' | '0' | '^' | '#'))
            .ok_or("which ends in a percent sign")?;
        match conversion(letter) {
            Some(longer) => items.extend_from_slice(&longer),
            None => return Err(format!("whose conversion `%{letter}` is not read")),
        }
    }
    Ok(items)
}

fn conversion(letter: char) -> Option<Vec<Item>> {
    let part = |part| vec![Item::Part { part, whole: false }];
    Some(match letter {
        'Y' => part(Part::Year(4)),
        'y' => part(Part::Year(2)),
        'm' => part(Part::Month),
        'b' | 'B' | 'h' => part(Part::MonthName),
        'd' => part(Part::Day),
        'j' => part(Part::DayOfYear),
        'a' | 'A' => part(Part::DayName),
        'H' => part(Part::Hour),
        'I' => part(Part::HalfHour),
        'M' => part(Part::Minute),
        'S' => part(Part::Second),
        'f' => part(Part::Fraction(9)),
        'g' => part(Part::Fraction(3)),
        'p' | 'P' => part(Part::Half),
        'z' => part(Part::Offset),
        'Z' => part(Part::Zone),
        's' => part(Part::Epoch),
        // Padded with a blank.
        'e' => [vec![Item::Blanks], part(Part::Day)].concat(),
        'k' => [vec![Item::Blanks], part(Part::Hour)].concat(),
        'l' => [vec![Item::Blanks], part(Part::HalfHour)].concat(),
        'n' | 't' => vec![Item::Blanks],
        '%' => vec![Item::Literal('%')],
        'T' => parse("%H:%M:%S").ok()?,
        'R' => parse("%H:%M").ok()?,
        'r' => parse("%I:%M:%S %p").ok()?,
        'D' => parse("%m/%d/%y").ok()?,
        'F' => parse("%Y-%m-%d").ok()?,
        _ => return None,
    })
}
