//! What a column's type is for.

use crate::definition::ResolvedColumn;

/// What a column's type is for, as far as it decides which rules apply to its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Texts: whatever is written.
    Text,
    /// Numbers, and amounts of money.
    Number,
    /// Dates and times.
    Moment,
    /// True and false.
    Boolean,
    /// All others.
    Other,
}

impl Kind {
    /// Returns the kind of a column.
    #[must_use]
    pub fn of(column: &ResolvedColumn) -> Self {
        match base_name(column).as_str() {
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "money" => {
                Self::Number
            }
            "date"
            | "timestamp without time zone"
            | "timestamp with time zone"
            | "time without time zone"
            | "time with time zone" => Self::Moment,
            "boolean" => Self::Boolean,
            _ if column.is_text => Self::Text,
            _ => Self::Other,
        }
    }
}

/// Returns the type under all domains, without modifiers.
pub(super) fn base_name(column: &ResolvedColumn) -> String {
    if !column.base.name.is_empty() {
        return column.base.name.clone();
    }
    // A definition of before the base type was kept.
    column.sql_type.split('(').next().unwrap_or_default().trim().to_lowercase()
}
