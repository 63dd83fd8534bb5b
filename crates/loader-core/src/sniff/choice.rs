//! Reads the sample in every dialect that it may be in, and chooses the one that fits best.

use super::candidate::{self, Candidate};
use super::reading::Reading;
use super::score::Fit;
use super::{REGULAR, Sniffer, beginning, header, stray, wording};
use crate::definition::dialect::Quoting;
use crate::error::{Error, ErrorName, Result};

/// Of more candidates than this, the likeliest are read so far.
const MANY_CANDIDATES: usize = 96;
/// Bytes by which they are chosen.
const BEGINNING: usize = 6 * 1024;
/// A dialect that fits this much as well as the best is plausible too.
const AS_GOOD: f64 = 0.93;
/// With fewer records of one width than this there is no dialect.
const LEAST_REGULAR: f64 = 0.35;
/// With fields that look less like values than this, either.
const LEAST_QUALITY: f64 = 0.4;
/// What a delimiter that is likely a part of values must make of the fields.
const GOOD_QUALITY: f64 = 0.7;
/// How likely any delimiter is between quotes.
const BETWEEN_QUOTES: f64 = 0.9;

/// A candidate that was tried.
pub(super) struct Tried {
    pub(super) candidate: Candidate,
    pub(super) reading: Reading,
    pub(super) fit: Fit,
    pub(super) score: f64,
}

impl Sniffer<'_> {
    /// Lists the dialects to try. Of very many, those that fit the beginning best: signs of
    /// all kinds, which few objects have, would take long.
    pub(super) fn candidates(&self, text: &str) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = candidate::delimiters(text, self.written)
            .into_iter()
            .flat_map(|(delimiter, prior)| {
                candidate::quotings(text, &delimiter, prior, &self.base, self.written)
            })
            .collect();
        if candidates.len() > MANY_CANDIDATES {
            let start = text.floor_char_boundary(BEGINNING);
            let cut = start < text.len();
            let start = text.get(..start).unwrap_or(text);
            let mut scored: Vec<(usize, f64, Candidate)> = candidates
                .into_iter()
                .enumerate()
                .map(|(at, candidate)| (at, self.try_out(start, cut, candidate.clone()).score, candidate))
                .collect();
            scored.sort_by(|(_, one, _), (_, other, _)| other.total_cmp(one));
            scored.truncate(MANY_CANDIDATES);
            scored.sort_by_key(|(at, ..)| *at);
            candidates = scored.into_iter().map(|(.., candidate)| candidate).collect();
        }
        candidates
    }

    /// Tries all dialects and takes the one that fits best.
    pub(super) fn best(&mut self, text: &str, cut: bool) -> Result<Tried> {
        let mut best: Option<Tried> = None;
        let mut rivals: Vec<Tried> = Vec::new();
        let mut clean: Vec<(String, Option<char>)> = Vec::new();
        for candidate in self.candidates(text) {
            let loose = candidate.dialect.quoting == Quoting::Loose && self.written.quoting.is_none();
            let signs = (candidate.dialect.delimiter.clone(), candidate.dialect.quote);
            // Where every quote has its place, there is nothing to be lenient about.
            if loose && clean.contains(&signs) {
                continue;
            }
            let tried = self.try_out(text, cut, candidate);
            if !loose && !tried.fit.faulty && tried.fit.regular > REGULAR {
                clean.push(signs);
            }
            // The first that is as good stays: RFC 4180 is tried first.
            if best.as_ref().is_none_or(|best| tried.score > best.score + 1e-9) {
                rivals.extend(best.replace(tried));
            } else {
                rivals.push(tried);
            }
        }
        let nothing = || {
            Error::new(
                ErrorName::UnsupportedFormat,
                "no delimiter makes records of the object's lines; write `delimiter`, `quote` and `header` into the \
                 definition's dialect, or exclude the object by a pattern",
            )
        };
        let best = best.ok_or_else(nothing)?;
        let fit = &best.fit;
        if self.written.delimiter.is_none() && fit.quality < LEAST_QUALITY && best.reading.rows.len() > 2 {
            return Err(nothing());
        }
        if fit.width > 1
            && fit.regular < LEAST_REGULAR
            && best.reading.rows.len() > 4
            && self.written.delimiter.is_none()
        {
            return Err(nothing());
        }
        rivals.retain(|rival| rival.score >= best.score * AS_GOOD);
        rivals.sort_by(|one, other| other.score.total_cmp(&one.score));
        let other_delimiter = rivals.iter().find(|rival| {
            rival.candidate.dialect.delimiter != best.candidate.dialect.delimiter
                && !same_fields(&rival.reading, &best.reading)
        });
        if let Some(rival) = other_delimiter {
            self.doubts.push(format!(
                "the delimiter may be {} as well as {}",
                wording::mark(&rival.candidate.dialect.delimiter),
                wording::mark(&best.candidate.dialect.delimiter)
            ));
        }
        if best.candidate.dialect.delimiter == " " && self.written.delimiter.is_none() {
            self.doubts.push("a blank delimits, but may be a part of values too".to_owned());
        }
        if best.candidate.dialect.delimiter == ":"
            && self.written.delimiter.is_none()
            && candidate::has_times(text)
        {
            self.doubts.push("a colon delimits, but may be a part of times too".to_owned());
        }
        let other_quoting = rivals.iter().find(|rival| {
            rival.candidate.dialect.delimiter == best.candidate.dialect.delimiter
                && rival.score >= best.score * 0.97
                && rival.fit.regular + 0.001 >= best.fit.regular
                && (rival.candidate.dialect.quoting != Quoting::Loose || best.fit.faulty)
                && !same_fields(&rival.reading, &best.reading)
        });
        if let Some(rival) = other_quoting {
            self.doubts.push(format!(
                "the fields may be read with {} as well",
                wording::of_quoting(&rival.candidate.dialect).join(", ")
            ));
        }
        Ok(best)
    }

    /// Takes the object without quotes if that is what its whole sample says.
    pub(super) fn without_quotes(&mut self, text: &str, cut: bool, best: Tried) -> Tried {
        if self.written.quote.is_some()
            || !stray::quotes_are_values(text, cut, &best.candidate.dialect, best.fit.width)
        {
            return best;
        }
        self.doubts.push(
            "a quote opens somewhere and is not closed; as all records are whole without quotes, quotes are taken \
             as a part of the values"
                .to_owned(),
        );
        let dialect = stray::without_quotes(&best.candidate.dialect);
        let candidate = Candidate { dialect, ..best.candidate };
        let (text, cut) = beginning(text, !cut);
        self.try_out(text, cut, candidate)
    }

    pub(super) fn try_out(&self, text: &str, cut: bool, candidate: Candidate) -> Tried {
        let reading = Reading::of(text, &candidate.dialect, cut);
        let fit = Fit::of(&reading, &candidate.dialect);
        let named = reading
            .rows
            .iter()
            .take(20)
            .map(|row| header::names_in(row, &self.columns))
            .max()
            .unwrap_or_default();
        let known = if named >= 2 || named == 1 && self.columns.len() == 1 { 1.5 } else { 1.0 };
        // Between quotes, a blank or a colon is a delimiter and nothing else.
        let quoted = !fit.faulty && mostly_quoted(&reading);
        let unlikely = candidate.prior <= candidate::UNLIKELY && !quoted;
        let prior = if quoted { candidate.prior.max(BETWEEN_QUOTES) } else { candidate.prior };
        let odd = unlikely && fit.quality < GOOD_QUALITY;
        let halved = candidate::is_half(&reading.rows, fit.width, text, &candidate.dialect.delimiter);
        let score = if odd || halved { 0.0 } else { fit.score * prior * known };
        Tried { candidate, reading, fit, score }
    }
}

fn mostly_quoted(reading: &Reading) -> bool {
    let cells = || reading.rows.iter().take(200).flat_map(|row| &row.cells);
    cells().filter(|cell| cell.quoted).count() * 4 >= cells().count() * 3
}

fn same_fields(one: &Reading, other: &Reading) -> bool {
    one.rows.len() == other.rows.len()
        && one.rows.iter().zip(&other.rows).all(|(one, other)| {
            one.width() == other.width()
                && one.cells.iter().zip(&other.cells).all(|(one, other)| one.value == other.value)
        })
}
