//! What becomes of columns that only the objects have, or only the table.

use serde::{Deserialize, Serialize};

/// What becomes of a column of an object that the table does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownColumns {
    /// The object fails.
    #[default]
    Fail,
    /// It is left out.
    Ignore,
    /// The table gets it, as text; it is NULL in rows of objects without it.
    Add,
}

/// What becomes of a column of the table that an object does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingColumns {
    /// The object fails, unless the column is optional or has a default.
    #[default]
    Fail,
    /// It has its default, which is NULL if it has none.
    Default,
    /// It is NULL, whatever its default is.
    Null,
}

/// A column that the loader fills with where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Metadata {
    /// The object's key, as text.
    #[serde(rename = "_object")]
    Object,
    /// The line on which the record begins, as bigint.
    #[serde(rename = "_line")]
    Line,
    /// The object's entity tag, as text.
    #[serde(rename = "_etag")]
    Etag,
    /// The run, as text.
    #[serde(rename = "_run_id")]
    RunId,
    /// When the row was loaded, as timestamptz.
    #[serde(rename = "_loaded_at")]
    LoadedAt,
}

impl Metadata {
    /// Every one there is.
    pub const ALL: &'static [Self] = &[Self::Object, Self::Line, Self::Etag, Self::RunId, Self::LoadedAt];

    /// Returns the column's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "_object",
            Self::Line => "_line",
            Self::Etag => "_etag",
            Self::RunId => "_run_id",
            Self::LoadedAt => "_loaded_at",
        }
    }

    /// Returns the column's type.
    #[must_use]
    pub const fn sql_type(self) -> &'static str {
        match self {
            Self::Line => "bigint",
            Self::LoadedAt => "timestamptz",
            Self::Object | Self::Etag | Self::RunId => "text",
        }
    }
}

/// What fills a column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filled {
    /// A field of the record.
    #[default]
    Field,
    /// Where the row comes from.
    Metadata(Metadata),
    /// The part `<name>=<value>` of the object's key.
    KeyPart(String),
}
