//! The definition that a run works with: every question answered.

use serde::{Deserialize, Serialize};

use super::EngineChoice;
use super::delivery::Delivery;
use super::dialect::Written;
use super::dialect::copy::CopyDialect;
use super::drift::{Filled, MissingColumns, UnknownColumns};
use super::gates::Gates;
use super::rejects::Rejects;
use super::values::ColumnValues;
use crate::identifier::Identifier;
use crate::publish::Strategy;

/// Where a table's columns come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnsFrom {
    /// The definition, in the input or in the work bucket.
    Definition,
    /// The live table.
    Live,
    /// The objects' headers and sampled rows.
    Inferred,
}

/// A column that a run loads, as the staging table has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedColumn {
    /// The column's name.
    pub name: Identifier,
    /// The SQL type.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// The header in the objects, where it is not the column's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Other names that objects have for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What fills it.
    #[serde(default)]
    pub filled: Filled,
    /// How its texts become values.
    #[serde(default)]
    pub values: ColumnValues,
    /// Whether every object must have the column.
    pub required: bool,
    /// Whether a quoted empty value is a value of the type; otherwise it is NULL.
    pub is_text: bool,
    /// What the database says of its type.
    #[serde(default)]
    pub base: BaseType,
}

/// The type of a column under all domains, and what the column itself demands.
// Each is a question of its own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseType {
    /// The type without modifiers, such as `numeric`: what a text is cast to before it
    /// is assigned to the column.
    pub name: String,
    /// The type with its modifiers, such as `numeric(10,2)`.
    pub modified: String,
    /// Whether the column takes NULL.
    pub nullable: bool,
    /// Whether it has a value of its own where none is given: a default or an identity.
    #[serde(default)]
    pub has_default: bool,
    /// Whether that value may depend on the order of the rows, as a number of a sequence
    /// does: an identity, or a default that calls a function other than `now()`.
    #[serde(default)]
    pub has_ordered_default: bool,
    /// Whether a domain checks its values.
    pub checked: bool,
    /// Whether the database has every character there is, as its encoding is UTF8.
    pub any_character: bool,
}

/// What a run works with: every question answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolvedDefinition {
    /// The source bucket.
    pub bucket: String,
    /// The prefix, which ends in `/`.
    pub prefix: String,
    /// Patterns of the keys to load; empty for all.
    pub include: Vec<String>,
    /// Patterns of the keys to skip.
    pub exclude: Vec<String>,
    /// The engine.
    pub engine: EngineChoice,
    /// How the objects are read, as it was written.
    pub dialect: Written,
    /// The columns, in the table's order.
    pub columns: Vec<ResolvedColumn>,
    /// Where the columns come from.
    pub columns_from: ColumnsFrom,
    /// What else the staging table has in the image of the live one (defaults,
    /// constraints, indexes), as a digest; none if it is not made in its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_of_live: Option<String>,
    /// Whether no objects at all is a success.
    pub allow_empty: bool,
    /// How many objects may fail without stopping the publish.
    pub tolerated_failed_objects: u64,
    /// How many batches load at once; none leaves it to the deployment.
    pub max_concurrency: Option<u32>,
    /// What the loaded table must hold to be published.
    #[serde(default)]
    pub gates: Gates,
    /// How a version takes the place of the one before; none leaves it to what the
    /// live table is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The columns that tell the rows apart; none leaves it to the live table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<Identifier>>,
    /// What becomes of rows that can't be loaded.
    #[serde(default)]
    pub rejects: Rejects,
    /// What becomes of columns that only an object has.
    #[serde(default)]
    pub unknown_columns: UnknownColumns,
    /// What becomes of columns that an object lacks.
    #[serde(default)]
    pub missing_columns: MissingColumns,
    /// When the delivery is complete.
    #[serde(default)]
    pub delivery: Delivery,
}

impl ResolvedDefinition {
    /// Returns the dialect with which COPY in CSV alone loads the objects as this
    /// definition says, if it can: nothing has to be found out, rewritten or filled in.
    #[must_use]
    pub fn copy_dialect(&self) -> Option<CopyDialect> {
        let is_plain = !self.dialect.is_sniffed()
            && self.unknown_columns == UnknownColumns::Fail
            && self.missing_columns != MissingColumns::Null
            && self.columns.iter().all(|column| column.filled == Filled::Field && column.values.is_plain());
        if is_plain { self.dialect.complete().ok()?.for_copy() } else { None }
    }

    /// Whether rows that were loaded under the other definition are the rows
    /// that this one would load: a failed run's staging can be gone on with.
    #[must_use]
    pub fn loads_the_same_as(&self, other: &Self) -> bool {
        self.bucket == other.bucket
            && self.prefix == other.prefix
            && self.dialect == other.dialect
            && self.columns == other.columns
            && self.image_of_live == other.image_of_live
            && self.rejects == other.rejects
            && self.unknown_columns == other.unknown_columns
            && self.missing_columns == other.missing_columns
    }
}
