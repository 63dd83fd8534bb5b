//! The dialects that a sample may be written in.

use std::collections::HashMap;

use super::reading::Row;
use super::shape::Shape;
use crate::definition::dialect::{Dialect, Quoting, Trim, Written};

/// What people delimit with, and how likely it is against the comma, all else equal.
/// A blank and a colon are parts of values much more often.
const DELIMITERS: &[(&str, f64)] = &[
    (",", 1.0),
    (";", 0.99),
    ("\t", 0.99),
    ("|", 0.98),
    ("^", 0.9),
    ("~", 0.9),
    ("\u{1}", 0.95),
    ("\u{2}", 0.95),
    ("\u{7}", 0.95),
    ("\u{1c}", 0.95),
    ("\u{1d}", 0.95),
    ("\u{1e}", 0.95),
    ("\u{1f}", 0.95),
    ("§", 0.95),
    ("¦", 0.95),
    ("¬", 0.95),
    ("þ", 0.6),
    ("#", 0.4),
    ("!", 0.4),
    ("*", 0.4),
    ("&", 0.4),
    ("@", 0.3),
    (":", 0.5),
    (" ", 0.5),
];
/// Up to this, a delimiter is likely a part of values.
pub(super) const UNLIKELY: f64 = 0.5;
/// How likely a delimiter of more characters is.
const LONG: f64 = 0.97;
/// How likely one with a blank is: less than blanks that belong to the values.
const WITH_BLANK: f64 = 0.93;
/// The characters that fields are wrapped in, apart from `"`.
const OTHER_QUOTES: &[char] = &['\'', '`', '|', '~', '^', '$', '%', '*', '/', '#'];
/// How much less likely a colon is where many lines have times of day.
const WITHIN_TIMES: f64 = 0.6;
/// What a delimiter of more characters is made of, and what must be in it.
const PARTS: &str = ",;|\t^~:§ #@!*&<>=+";
const CORE: &[char] = &[',', ';', '|', '\t', '^', '~', ':', '§', '#', '@'];
/// The longest delimiter that is looked for.
const LONGEST_DELIMITER: usize = 4;
/// The most blanks between a quote and a delimiter that are looked at.
const MOST_BLANKS: usize = 64;

/// A dialect that the sample may be in.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The dialect, as far as it splits records and fields.
    pub(super) dialect: Dialect,
    /// How likely it is before anything is read, up to 1.
    pub(super) prior: f64,
}

/// Lists the delimiters to try, with their likelihood.
pub(super) fn delimiters(text: &str, written: &Written) -> Vec<(String, f64)> {
    if let Some(delimiter) = &written.delimiter {
        return vec![(delimiter.clone(), 1.0)];
    }
    let mut found: Vec<(String, f64)> = DELIMITERS
        .iter()
        .filter(|(delimiter, _)| *delimiter == "," || text.contains(delimiter))
        .map(|(delimiter, prior)| ((*delimiter).to_owned(), *prior))
        .collect();
    if values_have_blanks_and_colons(text) {
        found.retain(|(delimiter, _)| !matches!(delimiter.as_str(), " " | ":"));
    }
    if has_times(text) {
        for (_, prior) in found.iter_mut().filter(|(delimiter, _)| delimiter == ":") {
            *prior *= WITHIN_TIMES;
        }
    }
    found.extend(long_delimiters(text).into_iter().map(|delimiter| {
        let likely = if delimiter.contains(' ') { WITH_BLANK } else { LONG };
        (delimiter, likely)
    }));
    found
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r']).filter(|line| !line.is_empty())
}

/// Whether many lines are one date or time each.
fn values_have_blanks_and_colons(text: &str) -> bool {
    let lines: Vec<&str> = lines(text).take(200).collect();
    let typed = lines.iter().filter(|line| Shape::of(line.trim_matches(['"', '\''])).is_typed()).count();
    typed * 5 >= lines.len() * 2
}

/// Whether many lines have a time of day in them, outside of quotes.
pub(super) fn has_times(text: &str) -> bool {
    let is_clock = |part: &str| part.contains(':') && Shape::of(part) == Shape::Moment;
    let has = |line: &&str| {
        line.split([' ', ',', ';', '|', '\t', 'T'])
            .any(|part| is_clock(part.trim_matches(['-', '(', ')', '[', ']'])))
    };
    let lines: Vec<&str> = lines(text).take(200).collect();
    lines.iter().filter(|line| has(line)).count() * 5 >= lines.len() * 2
}

/// Runs of signs that are at least as frequent as lines: `||`, `~|~`, `, `.
fn long_delimiters(text: &str) -> Vec<String> {
    let mut runs: HashMap<String, usize> = HashMap::new();
    let mut lines = 0_usize;
    for line in self::lines(text).take(500) {
        lines += 1;
        let mut run = String::new();
        for c in line.chars().chain(['a']) {
            if PARTS.contains(c) {
                run.push(c);
                continue;
            }
            // What is longer stands for empty fields between delimiters.
            if run.chars().count() > 1 && run.contains(CORE) {
                for length in 2..=run.chars().count().min(LONGEST_DELIMITER) {
                    let start: String = run.chars().take(length).collect();
                    let leans = start.starts_with(' ') && !start.ends_with(' ');
                    if !start.contains(CORE) || leans {
                        continue;
                    }
                    *runs.entry(start).or_default() += 1;
                }
            }
            run.clear();
        }
    }
    let mut frequent: Vec<(String, usize)> =
        runs.into_iter().filter(|(_, count)| *count >= 1 && *count * 2 >= lines).collect();
    frequent.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    frequent.into_iter().map(|(run, _)| run).take(8).collect()
}

/// Lists the ways of quoting to try with a delimiter, the likeliest first.
pub(super) fn quotings(
    text: &str,
    delimiter: &str,
    prior: f64,
    base: &Dialect,
    written: &Written,
) -> Vec<Candidate> {
    let mut quotes: Vec<(Option<char>, f64)> = Vec::new();
    if written.quote.is_some() {
        quotes.push((base.quote, 1.0));
    } else {
        quotes.push((Some('"'), 1.0));
        let others = OTHER_QUOTES.iter().filter(|quote| !delimiter.contains(**quote));
        for quote in others.filter(|quote| wraps(text, delimiter, **quote)) {
            quotes.push((Some(*quote), if *quote == '\'' { 0.97 } else { 0.7 }));
        }
        if text.contains('"') {
            quotes.push((None, 0.8));
        } else if text.contains(&format!("\\{delimiter}")) {
            quotes.push((None, 0.95));
        }
    }
    let mut candidates = Vec::new();
    for (quote, of_quote) in quotes {
        if quote.is_some_and(|quote| delimiter.contains(quote)) {
            continue;
        }
        for (escape, of_escape) in escapes(text, quote, delimiter, base, written) {
            for (quoting, trim, of_rest) in ways(text, quote, delimiter, base, written) {
                candidates.push(Candidate {
                    dialect: Dialect {
                        delimiter: delimiter.to_owned(),
                        quote,
                        escape,
                        quoting,
                        trim,
                        header_rows: 0,
                        skip_lines: 0,
                        names: None,
                        comment: None,
                        ..base.clone()
                    },
                    prior: prior * of_quote * of_escape * of_rest,
                });
            }
        }
    }
    candidates.sort_by_key(|candidate| candidate.dialect.quoting == Quoting::Loose);
    candidates
}

fn escapes(
    text: &str,
    quote: Option<char>,
    delimiter: &str,
    base: &Dialect,
    written: &Written,
) -> Vec<(Option<char>, f64)> {
    if written.escape.is_some() {
        return vec![(base.escape, 1.0)];
    }
    let Some(quote) = quote else {
        let mut escapes = vec![(None, 1.0)];
        if text.contains(&format!("\\{delimiter}")) {
            escapes.push((Some('\\'), 0.98));
        }
        return escapes;
    };
    let mut escapes = vec![(Some(quote), 1.0)];
    if text.contains(&format!("\\{quote}")) {
        escapes.push((Some('\\'), 0.98));
    }
    if text.contains(quote) {
        escapes.push((None, 0.99));
    }
    // Pollock has it: the fields are in other quotes than the ones that are doubled.
    if quote != '"' && text.contains("\"\"") && doubled_only(text, '"') {
        escapes.push((Some('"'), 1.01));
    }
    escapes
}

fn ways(
    text: &str,
    quote: Option<char>,
    delimiter: &str,
    base: &Dialect,
    written: &Written,
) -> Vec<(Quoting, Trim, f64)> {
    let quotings = match (written.quoting, quote) {
        (Some(_), _) => vec![(base.quoting, 1.0)],
        (None, Some(quote)) if text.contains(quote) => vec![(Quoting::Whole, 1.0), (Quoting::Loose, 0.96)],
        (None, _) => vec![(Quoting::Whole, 1.0)],
    };
    let blank_and_quote = quote.is_some_and(|quote| {
        !delimiter.ends_with(' ')
            && (blanks_between(text, delimiter, &quote.to_string())
                || blanks_between(text, &quote.to_string(), delimiter))
    });
    let trims = match written.trim {
        Some(trim) => vec![(trim, 1.0)],
        None if blank_and_quote => vec![(base.trim, 1.0), (Trim::Unquoted, 0.9)],
        None => vec![(base.trim, 1.0)],
    };
    quotings
        .into_iter()
        .flat_map(|(quoting, one)| trims.iter().map(move |(trim, other)| (quoting, *trim, one * other)))
        .collect()
}

/// Whether blanks, and nothing else, stand somewhere between the two.
fn blanks_between(text: &str, one: &str, other: &str) -> bool {
    let open = format!("{one} ");
    text.match_indices(&open).any(|(at, _)| {
        let rest = text.get(at + open.len()..).unwrap_or_default();
        // As many blanks as anybody aligns by; a sample of blanks is not walked for each.
        let blanks = rest.bytes().take(MOST_BLANKS).take_while(|byte| *byte == b' ').count();
        rest.get(blanks..).is_some_and(|rest| rest.starts_with(other))
    })
}

/// Whether there are fields that begin and end with the character.
fn wraps(text: &str, delimiter: &str, quote: char) -> bool {
    let opens = [format!("{delimiter}{quote}"), format!("\n{quote}"), format!("\r{quote}")];
    let closes = [format!("{quote}{delimiter}"), format!("{quote}\n"), format!("{quote}\r")];
    (text.starts_with(quote) || opens.iter().any(|open| text.contains(open)))
        && (text.ends_with(quote) || closes.iter().any(|close| text.contains(close)))
}

/// Whether the character stands only in pairs.
pub(super) fn doubled_only(text: &str, sign: char) -> bool {
    let mut run = 0_usize;
    for c in text.chars().chain(['a']) {
        if c == sign {
            run += 1;
        } else if run % 2 == 1 {
            return false;
        } else {
            run = 0;
        }
    }
    true
}

/// Whether the delimiter is half of one that is written twice: every second field is
/// empty, in all records.
pub(super) fn is_half(rows: &[Row], width: usize, text: &str, delimiter: &str) -> bool {
    let empty =
        |row: &Row| row.cells.iter().skip(1).step_by(2).all(|cell| cell.value.is_empty() && !cell.quoted);
    width > 2
        && width % 2 == 1
        && text.contains(&delimiter.repeat(2))
        && rows.iter().filter(|row| row.width() == width).all(empty)
}
