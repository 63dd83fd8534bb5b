//! Rewrites the text of a field into one that Postgres reads without doubt.

use super::format::Format;
use super::number::NumberRule;
use super::{Refusal, is_blank};
use crate::definition::ResolvedColumn;
use crate::definition::dialect::{Dialect, Format as RecordFormat, OneOrMany};
use crate::definition::values::ColumnValues;
use crate::error::{Error, ErrorName, Result};
use crate::record::parsed::{Text, Written};

/// What a text became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Converted<'a> {
    /// No value.
    Null,
    /// A text for Postgres.
    Value(&'a str),
    /// The text is not written as the definition says.
    Refused {
        /// The SQLSTATE that Postgres has for it.
        sqlstate: &'static str,
        /// Why, without the text.
        reason: &'static str,
    },
}

/// How the texts of one column become values, compiled.
#[derive(Debug, Clone, Default)]
pub struct Conversion {
    /// The texts that mean NULL where they are not in quotes.
    plain_nulls: Vec<String>,
    /// The texts that mean NULL, in quotes or not.
    nulls: Vec<String>,
    /// Whether the dialect's texts for NULL mean it in quotes too.
    forced: bool,
    trim: bool,
    rule: Rule,
    /// Whether only the empty text means anything else than itself, as in most columns.
    is_plain: bool,
}

/// Which texts of a column are NULL where no other text means anything but itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainNulls {
    /// Whether the empty text is, in quotes too.
    forced: bool,
}

impl PlainNulls {
    /// Tells whether a text is NULL.
    #[inline]
    pub(crate) const fn has(self, written: Written, is_empty: bool) -> bool {
        matches!(written, Written::Absent) || is_empty && (self.forced || matches!(written, Written::Plain))
    }
}

#[derive(Debug, Clone, Default)]
enum Rule {
    /// Postgres reads it as it is.
    #[default]
    AsItIs,
    Moment(Vec<Format>),
    Number(NumberRule),
    Boolean {
        yes: Vec<String>,
        no: Vec<String>,
    },
}

impl Conversion {
    /// Compiles the rules of a column, for objects of a dialect.
    ///
    /// # Errors
    /// `InvalidDefinition` for a format that can't be read, and signs that contradict
    /// each other.
    pub fn of(column: &ResolvedColumn, dialect: &Dialect) -> Result<Self> {
        let rule = Rule::of(&column.values).map_err(|why| invalid(column.name.as_str(), &why))?;
        Ok(Self { rule, ..Self::text(dialect) }.with(&column.values, column.is_text))
    }

    /// Compiles rules for a column whose type is not known yet.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) fn of_values(column: &str, values: &ColumnValues, dialect: &Dialect) -> Result<Self> {
        let rule = Rule::of(values).map_err(|why| invalid(column, &why))?;
        Ok(Self { rule, ..Self::text(dialect) }.with(values, false))
    }

    /// Returns the conversion of a field without a column: it stays what it is.
    #[must_use]
    pub fn text(dialect: &Dialect) -> Self {
        // The text format tells NULL from a value that is written like it.
        let nulls = if dialect.format == RecordFormat::Text { &[] } else { dialect.null.as_slice() };
        Self { plain_nulls: nulls.to_vec(), ..Self::default() }
    }

    fn with(mut self, values: &ColumnValues, is_text: bool) -> Self {
        self.forced = !is_text;
        self.trim = values.trim.unwrap_or_default();
        self.nulls = values.null.as_ref().map(OneOrMany::to_vec).unwrap_or_default();
        self.is_plain = matches!(self.rule, Rule::AsItIs)
            && !self.trim
            && self.nulls.is_empty()
            && matches!(self.plain_nulls.as_slice(), [empty] if empty.is_empty());
        self
    }

    /// Converts a text. What has to be written anew is written into `out`, whatever that
    /// held before.
    #[inline]
    pub fn apply<'a>(&self, text: Text<'a>, out: &'a mut String) -> Converted<'a> {
        let Some(nulls) = self.plain() else { return self.apply_rules(text, out) };
        if nulls.has(text.written, text.value.is_empty()) {
            Converted::Null
        } else {
            Converted::Value(text.value)
        }
    }

    /// Returns which texts are NULL, if that is the empty one at most, and all others stay as
    /// they are.
    #[inline]
    pub(crate) fn plain(&self) -> Option<PlainNulls> {
        self.is_plain.then_some(PlainNulls { forced: self.forced })
    }

    fn apply_rules<'a>(&self, text: Text<'a>, out: &'a mut String) -> Converted<'a> {
        let unquoted = match text.written {
            Written::Absent => return Converted::Null,
            Written::Plain => true,
            Written::Quoted => false,
        };
        let value = if self.trim { text.value.trim_matches(is_blank) } else { text.value };
        let means_null = |nulls: &[String]| nulls.iter().any(|null| null == value || null == text.value);
        if (unquoted || self.forced) && means_null(&self.plain_nulls) || means_null(&self.nulls) {
            return Converted::Null;
        }
        match self.rule.apply(value, out) {
            Ok(Kept::AsItIs) => Converted::Value(value),
            Ok(Kept::Anew) => Converted::Value(out),
            Err(Refusal { sqlstate, reason }) => Converted::Refused { sqlstate, reason },
        }
    }
}

/// Where the text for Postgres is.
enum Kept {
    AsItIs,
    Anew,
}

impl Rule {
    fn of(values: &ColumnValues) -> std::result::Result<Self, String> {
        let list = |texts: &Option<OneOrMany>| texts.as_ref().map(OneOrMany::to_vec).unwrap_or_default();
        let families = [
            values.for_moments() != values.for_texts(),
            values.for_numbers() != values.for_texts(),
            values.for_booleans() != values.for_texts(),
        ];
        if families.iter().filter(|family| **family).count() > 1 {
            return Err("is for more than one of dates, numbers, and true or false".to_owned());
        }
        if values.sql.as_ref().is_some_and(|sql| sql.trim().is_empty() || sql.contains('\0')) {
            return Err("has a SQL expression without any SQL".to_owned());
        }
        let formats = list(&values.format);
        if !formats.is_empty() {
            return formats
                .iter()
                .map(|format| Format::new(format))
                .collect::<std::result::Result<_, _>>()
                .map(Self::Moment);
        }
        if let Some(rule) = NumberRule::of(values)? {
            return Ok(Self::Number(rule));
        }
        let words =
            |texts| -> Vec<String> { list(texts).iter().map(|word| word.trim().to_lowercase()).collect() };
        let (yes, no) = (words(&values.true_words), words(&values.false_words));
        if let Some(both) = yes.iter().find(|word| no.contains(word)) {
            return Err(format!("means true and false by the same word `{both}`"));
        }
        Ok(if yes.is_empty() && no.is_empty() { Self::AsItIs } else { Self::Boolean { yes, no } })
    }

    fn apply(&self, text: &str, out: &mut String) -> std::result::Result<Kept, Refusal> {
        match self {
            Self::AsItIs => return Ok(Kept::AsItIs),
            Self::Moment(formats) => {
                let mut refusal = None;
                for format in formats {
                    out.clear();
                    match format.read(text.trim_matches(is_blank), out) {
                        Ok(()) => return Ok(Kept::Anew),
                        // What has the form and is no date says more than what has not.
                        Err(why) if why.sqlstate == super::format::OUT_OF_RANGE => refusal = Some(why),
                        Err(why) => refusal = refusal.or(Some(why)),
                    }
                }
                return refusal.map_or(Ok(Kept::AsItIs), Err);
            }
            Self::Number(rule) => {
                out.clear();
                rule.read(text.trim_matches(is_blank), out)?;
            }
            Self::Boolean { yes, no } => {
                let text = text.trim_matches(is_blank);
                let is = |words: &[String]| words.iter().any(|word| same_word(word, text));
                out.clear();
                if is(yes) {
                    out.push_str("true");
                } else if is(no) {
                    out.push_str("false");
                } else if yes.is_empty() || no.is_empty() {
                    return Ok(Kept::AsItIs);
                } else {
                    return Err(Refusal {
                        sqlstate: "22P02",
                        reason: "the text is none of the words for true and false that the definition has",
                    });
                }
            }
        }
        Ok(Kept::Anew)
    }
}

/// Whether the text is the word, which is in lower case.
fn same_word(word: &str, text: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(word.chars())
}

/// Checks the rules of a column by themselves.
///
/// # Errors
/// `InvalidDefinition`, with the column.
pub(crate) fn check_rules(column: &str, values: &ColumnValues) -> Result<()> {
    Rule::of(values).map(|_| ()).map_err(|why| invalid(column, &why))
}

/// Returns the type that the texts have by what the definition says of them, if it says
/// anything.
pub(crate) fn implied_type(values: &ColumnValues) -> Option<&'static str> {
    match Rule::of(values).ok()? {
        Rule::AsItIs => None,
        Rule::Moment(formats) => {
            let all = |of: fn(&Format) -> bool| formats.iter().all(of);
            Some(if !all(Format::has_date) {
                if formats.iter().any(Format::has_date) { "text" } else { "time" }
            } else if formats.iter().any(Format::has_zone) {
                "timestamptz"
            } else if formats.iter().any(Format::has_time) {
                "timestamp"
            } else {
                "date"
            })
        }
        Rule::Number(_) => Some("numeric"),
        Rule::Boolean { .. } => Some("boolean"),
    }
}

/// Whether the texts say how far the clocks are from UTC.
pub(crate) fn has_offset(values: &ColumnValues) -> bool {
    match Rule::of(values) {
        Ok(Rule::Moment(formats)) => formats.iter().any(Format::has_offset),
        _ => false,
    }
}

fn invalid(column: &str, why: &str) -> Error {
    Error::new(ErrorName::InvalidDefinition, format!("what the field `values` says of column {column} {why}"))
}

#[cfg(test)]
mod tests;
