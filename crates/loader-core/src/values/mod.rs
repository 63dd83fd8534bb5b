//! How the texts of fields become values of columns.
//!
//! A [`Conversion`] rewrites a text into one that Postgres reads the same way whatever
//! its settings are, where the definition says how the texts are written; it refuses
//! what is not written so. Postgres stays the judge of every value: [`Certain`] only
//! says which ones it is sure to take, so that the others can be looked at one by one.
//! Where a definition gives a SQL expression, [`expression`] writes the statement.

pub mod binary;
mod certain;
mod conversion;
mod currency;
pub mod expression;
mod format;
mod kind;
mod number;

pub use self::certain::Certain;
pub use self::conversion::{Conversion, Converted};
pub(crate) use self::conversion::{PlainNulls, check_rules, has_offset, implied_type};
pub use self::kind::Kind;

/// Why a text is no value of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal {
    sqlstate: &'static str,
    reason: &'static str,
}

/// Whether a character is a blank around a value: one that is seen as one, or not at all.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}')
}
