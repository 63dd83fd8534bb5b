//! The definition of a table: where its objects are, how they are to be read,
//! what its columns are. A new table needs no redeploy.

pub mod delivery;
pub mod dialect;
pub mod drift;
pub mod gates;
pub mod infer;
pub mod rejects;
mod resolved;
pub mod selection;
pub(crate) mod validation;
pub mod values;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::delivery::Delivery;
use self::dialect::Written;
use self::drift::{Metadata, MissingColumns, UnknownColumns};
use self::gates::Gates;
use self::rejects::{OnReject, RejectLimits};
pub use self::resolved::{BaseType, ColumnsFrom, ResolvedColumn, ResolvedDefinition};
use self::values::ColumnValues;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::publish::Strategy;

/// Which engine loads an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// `aws_s3` where the extension is installed and the object is in its reach,
    /// else `stream`.
    #[default]
    Auto,
    /// `aws_s3.table_import_from_s3`, inside the database.
    AwsS3,
    /// A stream through the Lambda into COPY.
    Stream,
}

/// A column as a definition names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDefinition {
    /// The column's name in the table.
    pub name: Identifier,
    /// The SQL type, such as `numeric(10, 2)`.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// The header in the objects, where it is not the column's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Whether the column refuses NULL.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
    /// Whether an object may lack the column; it is NULL then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// How its texts become values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ColumnValues>,
}

/// What a person writes of a table, in the input or in `tables/<table>.toml`.
/// Every field may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDefinition {
    /// Where the objects are in the source bucket; `<table>/` by default. It is
    /// read as a folder: `2021` means `2021/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Patterns of the keys below the prefix to load; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,
    /// Patterns of the keys below the prefix to skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Vec<String>>,
    /// The engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineChoice>,
    /// Delimiter, quote, header, null, encoding and so on; `auto` finds them out from
    /// each object.
    #[serde(default, deserialize_with = "dialect_or_auto", skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Written>,
    /// The columns, in the table's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<ColumnDefinition>>,
    /// Whether no objects at all is a success: an empty table is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_empty: Option<bool>,
    /// How many objects may fail without stopping the publish; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerated_failed_objects: Option<u64>,
    /// How many batches load at once, each with one database connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// What the loaded table must hold to be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Gates>,
    /// How a version takes the place of the one before; chosen by what the live
    /// table is if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The columns that tell the rows apart, for the strategy `merge`; by default
    /// those of the live table's primary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<Identifier>>,
    /// What a row that can't be loaded does to its object; it fails by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_reject: Option<OnReject>,
    /// How many rows may be rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_limits: Option<RejectLimits>,
    /// Whether the text of rejected rows is kept; it is by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_text: Option<bool>,
    /// What becomes of columns that only the objects have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_columns: Option<UnknownColumns>,
    /// What becomes of columns that an object lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_columns: Option<MissingColumns>,
    /// Columns that say where a row comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Vec<Metadata>>,
    /// The parts `<name>=<value>` of the keys that are columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_parts: Option<Vec<String>>,
    /// How the texts of columns become values, by the column's name, or `*` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, ColumnValues>>,
    /// When a delivery is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl TableDefinition {
    /// Reads a definition in TOML.
    ///
    /// # Errors
    /// `InvalidDefinition`, with `place` (bucket and key) in it.
    pub fn from_toml(text: &str, place: &str) -> Result<Self> {
        let definition: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            invalid(format!("{place}, line {line}: {}", error.message()))
        })?;
        definition.validate().map_err(|error| invalid(format!("{place}: {}", error.message)))?;
        Ok(definition)
    }

    /// Returns this definition with what it leaves out taken from `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            prefix: self.prefix.or(below.prefix),
            include: self.include.or(below.include),
            exclude: self.exclude.or(below.exclude),
            engine: self.engine.or(below.engine),
            dialect: self.dialect.or(below.dialect),
            columns: self.columns.or(below.columns),
            allow_empty: self.allow_empty.or(below.allow_empty),
            tolerated_failed_objects: self.tolerated_failed_objects.or(below.tolerated_failed_objects),
            max_concurrency: self.max_concurrency.or(below.max_concurrency),
            gates: match (self.gates, below.gates) {
                (Some(gates), Some(below)) => Some(gates.over(below)),
                (gates, below) => gates.or(below),
            },
            strategy: self.strategy.or(below.strategy),
            key: self.key.or(below.key),
            on_reject: self.on_reject.or(below.on_reject),
            reject_limits: self.reject_limits.or(below.reject_limits),
            reject_text: self.reject_text.or(below.reject_text),
            unknown_columns: self.unknown_columns.or(below.unknown_columns),
            missing_columns: self.missing_columns.or(below.missing_columns),
            metadata: self.metadata.or(below.metadata),
            key_parts: self.key_parts.or(below.key_parts),
            values: match (self.values, below.values) {
                (Some(values), Some(mut below)) => {
                    for (column, values) in values {
                        let under = below.remove(&column).unwrap_or_default();
                        below.insert(column, values.over(under));
                    }
                    Some(below)
                }
                (values, below) => values.or(below),
            },
            delivery: match (self.delivery, below.delivery) {
                (Some(delivery), Some(below)) => Some(delivery.over(below)),
                (delivery, below) => delivery.or(below),
            },
        }
    }
}

/// Reads a dialect, or the word `auto`.
fn dialect_or_auto<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Written>, D::Error> {
    use serde::de::Error as _;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Word(String),
        Fields(serde_json::Map<String, serde_json::Value>),
    }

    match Value::deserialize(deserializer)? {
        Value::Word(word) if word == dialect::AUTO => Ok(Some(Written::auto())),
        Value::Word(_) => Err(D::Error::custom("the dialect is `auto`, or a table of its fields")),
        Value::Fields(fields) => {
            serde_json::from_value(serde_json::Value::Object(fields)).map(Some).map_err(D::Error::custom)
        }
    }
}

/// Returns the prefix as a folder: exact, so that `year_2021/` never matches
/// `year_20210/`.
#[must_use]
pub fn folder(prefix: &str) -> String {
    if prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorName::InvalidDefinition, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_read_from_toml() {
        let definition = TableDefinition::from_toml(
            r#"
            prefix = "gsod/2022/"
            exclude = ["*.txt"]
            engine = "aws_s3"
            tolerated_failed_objects = 2

            [dialect]
            delimiter = ";"

            [[columns]]
            name = "station"
            type = "text"
            header = "STATION"
            not_null = true

            [[columns]]
            name = "temp"
            type = "numeric(5, 1)"
            "#,
            "s3://work-bucket/tables/t.toml",
        )
        .unwrap();
        assert_eq!(definition.engine, Some(EngineChoice::AwsS3));
        assert_eq!(definition.columns.unwrap().len(), 2);
        assert_eq!(definition.dialect.unwrap().delimiter.as_deref(), Some(";"));
    }

    #[test]
    fn a_bad_definition_is_refused_with_its_place() {
        for (text, part) in [
            ("prefix = \"\"", "`prefix` is empty"),
            ("\nengine = \"fast\"", "line 2"),
            ("engin = \"stream\"", "unknown field `engin`"),
            ("include = [\"a[\"]", "a["),
            ("columns = []", "`columns` is empty"),
            ("[[columns]]\nname = \"a\"\ntype = \"int, b int\"", "\"a\""),
            ("[[columns]]\nname = \"a\"\ntype = \"int; drop table x\"", "`;`"),
            (
                "[[columns]]\nname = \"a\"\ntype = \"int\"\n[[columns]]\nname = \"a\"\ntype = \"int\"",
                "named twice",
            ),
        ] {
            let error = TableDefinition::from_toml(text, "s3://work-bucket/tables/t.toml").unwrap_err();
            assert_eq!(error.name, ErrorName::InvalidDefinition, "{text}");
            assert!(error.message.starts_with("s3://work-bucket/tables/t.toml"), "{error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn strategy_and_key_are_read_and_checked() {
        let definition =
            TableDefinition::from_toml("strategy = \"merge\"\nkey = [\"a\", \"b\"]", "here").unwrap();
        assert_eq!(definition.strategy, Some(Strategy::Merge));
        assert_eq!(definition.key.unwrap().len(), 2);
        for (text, part) in [
            ("strategy = \"swap\"", "unknown variant `swap`"),
            ("key = []", "`key` is empty"),
            ("key = [\"a\", \"a\"]", "`key` names the column \"a\" twice"),
            ("key = [\"b\"]\n[[columns]]\nname = \"a\"\ntype = \"int\"", "not among `columns`"),
        ] {
            let error = TableDefinition::from_toml(text, "here").unwrap_err();
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_the_input_leaves_out_comes_from_below() {
        let below = TableDefinition::from_toml(
            "strategy = \"rename\"\nkey = [\"a\"]\n[gates]\nmin_rows = 2\nunique = [[\"a\"]]",
            "here",
        )
        .unwrap();
        let merged = TableDefinition::from_toml("strategy = \"merge\"\n[gates]\nmin_rows = 3", "here")
            .unwrap()
            .over(below.clone());
        assert_eq!(merged.strategy, Some(Strategy::Merge));
        assert_eq!(merged.key, below.key);
        let gates = merged.gates.unwrap();
        assert_eq!((gates.min_rows, gates.unique), (Some(3), below.gates.clone().unwrap().unique));
        assert_eq!(TableDefinition::default().over(below.clone()), below);
    }

    #[test]
    fn a_definition_that_an_older_release_stored_is_read() {
        let stored = r#"{"bucket":"b","prefix":"t/","include":[],"exclude":[],"engine":"auto",
            "dialect":{},"columns":[],"columns_from":"live","allow_empty":false,
            "tolerated_failed_objects":0,"max_concurrency":null}"#;
        let definition: ResolvedDefinition = serde_json::from_str(stored).unwrap();
        assert_eq!(definition.gates, Gates::default());
        assert_eq!((definition.strategy, &definition.key), (None, &None));
        let written = serde_json::to_string(&definition).unwrap();
        assert_eq!(serde_json::from_str::<ResolvedDefinition>(&written).unwrap(), definition);
    }

    #[test]
    fn a_prefix_is_a_folder() {
        assert_eq!(folder("year_2021"), "year_2021/");
        assert_eq!(folder("a/b/"), "a/b/");
    }
}
