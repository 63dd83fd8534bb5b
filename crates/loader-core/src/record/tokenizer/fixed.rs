//! Records of lines with fields at fixed places.

use super::marks::LineEnds;
use super::{Reading, View};
use crate::definition::dialect::{Dialect, FixedField, Ragged, Trim};
use crate::record::parsed::{Fault, Parsed, Written};

/// The rules of a dialect.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    fields: Vec<FixedField>,
    trim: Trim,
    ragged: Ragged,
    ends: LineEnds,
}

impl Fixed {
    pub(super) fn new(dialect: &Dialect, ends: LineEnds) -> Self {
        Self { fields: dialect.fields.clone(), trim: dialect.trim, ragged: dialect.ragged, ends }
    }

    /// How many bytes are looked at at once, at most.
    pub(super) const fn lookahead(&self) -> usize {
        self.ends.longest()
    }

    /// Reads the line at the beginning of the text. A field that the line is too short
    /// for is absent.
    pub(super) fn read(&self, view: &View<'_>, out: &mut Parsed) -> Reading {
        let bytes = view.rest.as_bytes();
        let (content, next) = match self.ends.find(bytes, 0, view.ended) {
            Some(end) => (end.content, end.next),
            None if view.ended => (bytes.len(), bytes.len()),
            None => {
                let resume = view.floor(view.safe(self.lookahead()));
                return Reading::Partial { resume, amid: true };
            }
        };
        let line = view.rest.get(..content).unwrap_or_default();
        let ascii = line.is_ascii();
        // The beginning of the character so many characters on; none behind the end.
        let place = |characters: usize| {
            if ascii {
                return (characters < line.len()).then_some(characters);
            }
            line.char_indices().nth(characters).map(|(at, _)| at)
        };
        let mut fault = None;
        for field in &self.fields {
            let Some(from) = place(field.from) else {
                if self.ragged == Ragged::Refuse {
                    fault = Some(Fault::TooFewFields);
                }
                out.end_field(Written::Absent);
                continue;
            };
            let to = field.length.and_then(|length| place(field.from.saturating_add(length)));
            let value = line.get(from..to.unwrap_or(line.len())).unwrap_or_default();
            let value = if self.trim == Trim::None { value } else { value.trim_matches([' ', '\t']) };
            out.text.push_str(value);
            out.end_field(Written::Plain);
        }
        Reading::Record { content, next, fault, lines: false }
    }
}
