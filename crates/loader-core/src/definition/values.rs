//! How the texts of a column become values of its type.

use serde::{Deserialize, Serialize};

use super::dialect::OneOrMany;

/// What a person writes of a column's values: in `[values.<column>]`, or in
/// `[values."*"]` for all columns. Every field may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnValues {
    /// What the objects call the column, where it is not its name, and other names
    /// that they have for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<OneOrMany>,
    /// The texts that mean NULL, in quotes or not, beside those of the dialect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null: Option<OneOrMany>,
    /// Whether blanks around a value are no part of it, in quotes or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<bool>,
    /// The format of dates and times: a template of `to_timestamp` such as
    /// `DD.MM.YYYY HH24:MI`, or one of `strftime` such as `%d/%m/%Y`. A list is tried
    /// in its order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<OneOrMany>,
    /// The sign before the decimals of a number: `.` or `,`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// The sign between the thousands of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Whether numbers may end in `%`, which divides them by 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<bool>,
    /// Whether numbers may have a sign or a code of a currency before or after them,
    /// and be negative in parentheses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<bool>,
    /// The words for true, in any case.
    #[serde(rename = "true", skip_serializing_if = "Option::is_none")]
    pub true_words: Option<OneOrMany>,
    /// The words for false, in any case.
    #[serde(rename = "false", skip_serializing_if = "Option::is_none")]
    pub false_words: Option<OneOrMany>,
    /// A SQL expression over the fields of the record. Each is a text by the name of the
    /// column that it fills, as the rules of that column leave it; a field without a
    /// column has the name that its header makes. `value` is the column's own field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

impl ColumnValues {
    /// Returns this with what it leaves out taken from `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            header: self.header.or(below.header),
            null: self.null.or(below.null),
            trim: self.trim.or(below.trim),
            format: self.format.or(below.format),
            decimal: self.decimal.or(below.decimal),
            thousands: self.thousands.or(below.thousands),
            percent: self.percent.or(below.percent),
            currency: self.currency.or(below.currency),
            true_words: self.true_words.or(below.true_words),
            false_words: self.false_words.or(below.false_words),
            sql: self.sql.or(below.sql),
        }
    }

    /// Returns what is for any type: NULL, blanks and the SQL expression.
    #[must_use]
    pub fn for_texts(&self) -> Self {
        Self { null: self.null.clone(), trim: self.trim, sql: self.sql.clone(), ..Self::default() }
    }

    /// Returns what is for dates and times.
    #[must_use]
    pub fn for_moments(&self) -> Self {
        Self { format: self.format.clone(), ..self.for_texts() }
    }

    /// Returns what is for numbers.
    #[must_use]
    pub fn for_numbers(&self) -> Self {
        Self {
            decimal: self.decimal,
            thousands: self.thousands,
            percent: self.percent,
            currency: self.currency,
            ..self.for_texts()
        }
    }

    /// Returns what is for true and false.
    #[must_use]
    pub fn for_booleans(&self) -> Self {
        Self {
            true_words: self.true_words.clone(),
            false_words: self.false_words.clone(),
            ..self.for_texts()
        }
    }

    /// Whether the texts go to the database as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        Self { header: None, ..self.clone() } == Self::default()
    }
}
