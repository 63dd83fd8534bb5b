//! The execution input: what a person or a schedule asks for.

mod group;
mod rejected;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::group::{GroupInput, GroupRun};
pub(crate) use self::group::{is_named_by, named_tables};
pub use self::rejected::RejectsInput;
use crate::definition::TableDefinition;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;

/// The most plans that one execution may make.
const MOST_ATTEMPTS: u64 = 20;
/// The most batches that may load at once: Step Functions' own limit for child
/// executions of a Distributed Map that is set, and far above any database's.
const MOST_CONCURRENCY: u64 = 1000;

const FIELDS: &[&str] = &["table", "prefix", "definition", "max_concurrency", "max_attempts", "allow_empty"];
/// What asks for a report of what a load would do, and for nothing else.
const DRY_RUN: &str = "dry_run";
/// What the state machine adds for the tables of a group; nobody else should.
const GROUP: &str = "group";
/// The longest name of an execution.
const LONGEST_NAME: usize = 80;

/// A valid execution input.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// One table.
    Table(Box<ExecutionInput>),
    /// Tables that are published together.
    Group(GroupInput),
    /// One table, of which nothing is loaded.
    DryRun(Box<ExecutionInput>),
    /// The rejected rows of a run, which are to be loaded.
    Replay(RejectsInput),
    /// The rejected rows of a run, which are to be written into a file.
    ExportRejects(RejectsInput),
}

/// A valid execution input for one table.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionInput {
    /// The live table to load.
    pub table: Identifier,
    /// The part of the definition that the input gives; its fields win over the
    /// table's own definition.
    pub definition: TableDefinition,
    /// How many plans the run may make before it fails.
    pub max_attempts: Option<u32>,
    /// The execution that publishes this table together with others.
    pub group: Option<String>,
}

/// The execution that runs, as Step Functions names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The ARN.
    pub id: String,
    /// The name; it is the run's id.
    pub name: String,
    /// When it started, in ISO 8601.
    #[serde(default)]
    pub start_time: Option<String>,
}

impl Input {
    /// Reads an execution input such as `{"table": "year_2021"}` or
    /// `{"tables": ["dim_store", "fact_sales"]}`.
    ///
    /// # Errors
    /// `InvalidInput`, naming the field.
    pub fn parse(value: &Value) -> Result<Self> {
        object(value).and_then(Self::of).map_err(invalid)
    }

    fn of(fields: &Map<String, Value>) -> Checked<Self> {
        if fields.contains_key("tables") {
            return group::parse(fields).map(Self::Group);
        }
        let given = |field: &str| fields.get(field).is_some_and(|value| !value.is_null());
        if given(rejected::REPLAY) {
            return rejected::parse(fields, rejected::REPLAY).map(Self::Replay);
        }
        if given(rejected::EXPORT) {
            return rejected::parse(fields, rejected::EXPORT).map(Self::ExportRejects);
        }
        let is_dry = boolean(fields, DRY_RUN)?.unwrap_or(false);
        let mut fields = fields.clone();
        fields.retain(|field, _| ![DRY_RUN, rejected::REPLAY, rejected::EXPORT].contains(&field.as_str()));
        if is_dry && fields.contains_key(GROUP) {
            return Err(format!("the field `{GROUP}` can't stand beside `{DRY_RUN}`"));
        }
        let input = Box::new(one_table(&fields)?);
        Ok(if is_dry { Self::DryRun(input) } else { Self::Table(input) })
    }

    /// Returns the error for an input that another step is made for.
    #[must_use]
    pub fn misplaced(&self) -> Error {
        let what = match self {
            Self::Table(_) => "it asks for a load of a table",
            Self::Group(_) => "it asks for a load of tables",
            Self::DryRun(_) => "it asks for a dry run",
            Self::Replay(_) => "it asks for a replay",
            Self::ExportRejects(_) => "it asks for rejected rows",
        };
        invalid(format!("{what}, which another step does; start the state machine with it"))
    }
}

impl ExecutionInput {
    /// Reads an execution input for one table, such as `{"table": "year_2021"}`.
    ///
    /// # Errors
    /// `InvalidInput`, naming the field.
    pub fn parse(value: &Value) -> Result<Self> {
        object(value).and_then(one_table).map_err(invalid)
    }
}

/// What is wrong with an input, without what every such sentence begins with.
type Checked<T> = std::result::Result<T, String>;

fn object(value: &Value) -> Checked<&Map<String, Value>> {
    value.as_object().ok_or_else(|| {
        format!("it is {} but must be an object such as {{\"table\": \"year_2021\"}}", kind(value))
    })
}

fn one_table(fields: &Map<String, Value>) -> Checked<ExecutionInput> {
    if fields.contains_key("tables") {
        return Err("the field `tables` names a group; one run loads one table".to_owned());
    }
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str()) && *field != GROUP) {
        return Err(format!(
            "unknown field `{unknown}`; the fields are {}, {DRY_RUN}, or `tables` alone, or `table` with `{}` or `{}`",
            FIELDS.join(", "),
            rejected::REPLAY,
            rejected::EXPORT
        ));
    }
    let table = table(fields)?;
    let mut definition = definition(fields)?;
    if let Some(prefix) = string(fields, "prefix")? {
        definition.prefix = Some(prefix);
    }
    if let Some(allow) = boolean(fields, "allow_empty")? {
        definition.allow_empty = Some(allow);
    }
    if let Some(most) = count(fields, "max_concurrency", MOST_CONCURRENCY)? {
        definition.max_concurrency = Some(most);
    }
    definition.validate().map_err(|error| error.message)?;
    let group = string(fields, GROUP)?;
    if group.as_ref().is_some_and(|group| group.is_empty() || group.chars().count() > LONGEST_NAME) {
        return Err(format!(
            "the field `{GROUP}` is no name of an execution; the state machine sets it, leave it out"
        ));
    }
    Ok(ExecutionInput {
        table,
        definition,
        max_attempts: count(fields, "max_attempts", MOST_ATTEMPTS)?,
        group,
    })
}

fn table(fields: &Map<String, Value>) -> Checked<Identifier> {
    match fields.get("table") {
        None => Err("the field `table` is missing".to_owned()),
        Some(Value::String(name)) => Identifier::try_from(name.clone())
            .map_err(|error| format!("the field `table` is no table name: {error}")),
        Some(other) => Err(wrong("table", other, "a string")),
    }
}

fn definition(fields: &Map<String, Value>) -> Checked<TableDefinition> {
    match fields.get("definition") {
        None | Some(Value::Null) => Ok(TableDefinition::default()),
        Some(value @ Value::Object(_)) => serde_json::from_value(value.clone())
            .map_err(|error| format!("the field `definition` can't be read: {error}")),
        Some(other) => Err(wrong("definition", other, "an object")),
    }
}

fn string(fields: &Map<String, Value>, name: &str) -> Checked<Option<String>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(name, other, "a string")),
    }
}

fn boolean(fields: &Map<String, Value>, name: &str) -> Checked<Option<bool>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(wrong(name, other, "true or false")),
    }
}

fn count(fields: &Map<String, Value>, name: &str, most: u64) -> Checked<Option<u32>> {
    let expected = format!("a whole number from 1 to {most}");
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            match value.as_u64().filter(|n| (1..=most).contains(n)).and_then(|n| u32::try_from(n).ok()) {
                Some(n) => Ok(Some(n)),
                None => Err(wrong(name, value, &expected)),
            }
        }
    }
}

fn wrong(name: &str, value: &Value, expected: &str) -> String {
    let found = match value {
        Value::Number(number) => number.to_string(),
        other => kind(other).to_owned(),
    };
    format!("the field `{name}` is {found} but must be {expected}")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn invalid(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorName::InvalidInput, format!("the execution input can't be used: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(value: &Value) -> String {
        let error = ExecutionInput::parse(value).unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidInput);
        error.message
    }

    #[test]
    fn a_table_alone_is_enough() {
        let input = ExecutionInput::parse(&json!({"table": "year_2021"})).unwrap();
        assert_eq!(input.table.as_str(), "year_2021");
        assert_eq!(input.definition, TableDefinition::default());
        assert_eq!(input.max_attempts, None);
    }

    #[test]
    fn the_fields_of_the_input_win_over_its_own_definition() {
        let input = ExecutionInput::parse(&json!({
            "table": "t", "prefix": "in/", "allow_empty": true, "max_concurrency": 7, "max_attempts": 2,
            "definition": {"prefix": "def/", "engine": "stream"}
        }))
        .unwrap();
        assert_eq!(input.definition.prefix.as_deref(), Some("in/"));
        assert_eq!(input.definition.allow_empty, Some(true));
        assert_eq!(input.definition.max_concurrency, Some(7));
        assert_eq!(input.max_attempts, Some(2));
    }

    #[test]
    fn a_dry_run_and_a_replay_are_told_from_a_load() {
        let parsed = |value: Value| Input::parse(&value).unwrap();
        for value in [
            json!({"table": "t"}),
            json!({"table": "t", "dry_run": false}),
            json!({"table": "t", "dry_run": null, "replay": null}),
        ] {
            assert!(matches!(parsed(value.clone()), Input::Table(_)), "{value}");
        }
        let Input::DryRun(input) = parsed(json!({"table": "t", "dry_run": true, "prefix": "x/"})) else {
            panic!("a dry run")
        };
        assert_eq!(input.definition.prefix.as_deref(), Some("x/"));
        let Input::Replay(input) = parsed(json!({"table": "t", "replay": "run 1"})) else {
            panic!("a replay")
        };
        assert_eq!((input.table.as_str(), input.of_run.as_str()), ("t", "run 1"));
        assert!(matches!(parsed(json!({"table": "t", "export_rejects": "r"})), Input::ExportRejects(_)));
    }

    #[test]
    fn a_dry_run_or_a_replay_that_is_none_is_refused() {
        for (value, part) in [
            (json!({"table": "t", "dry_run": "true"}), "`dry_run` is a string but must be true or false"),
            (json!({"table": "t", "dry_run": true, "group": "g"}), "`group` can't stand beside `dry_run`"),
            (json!({"table": "t", "replay": 7}), "`replay` is 7 but must be the id of a run"),
            (json!({"table": "t", "replay": "a/b"}), "`replay` is no id of a run"),
            (json!({"table": "t", "replay": ""}), "`replay` is no id of a run"),
            (json!({"table": "t", "replay": "r", "prefix": "x/"}), "`prefix` can't stand beside `replay`"),
            (json!({"table": "t", "replay": "r", "dry_run": true}), "`dry_run` can't stand beside `replay`"),
            (json!({"replay": "r"}), "`table` is missing"),
            (json!({"tables": [{"table": "t", "dry_run": true}]}), "of one table"),
            (json!({"tables": [{"table": "t", "replay": "r"}]}), "of one table"),
            (json!({"table": "t", "tabel": "x"}), "`table` with `replay` or `export_rejects`"),
        ] {
            let error = Input::parse(&value).unwrap_err();
            assert_eq!(error.name, ErrorName::InvalidInput);
            assert!(error.message.contains(part), "{value}: {error}");
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        for (value, part) in [
            (json!("year_2021"), "must be an object"),
            (json!({}), "`table` is missing"),
            (json!({"table": 5}), "`table` is 5"),
            (json!({"table": ""}), "`table` is no table name"),
            (json!({"table": "x".repeat(64)}), "63"),
            (json!({"table": "t", "tabel": "x"}), "unknown field `tabel`"),
            (json!({"table": "t", "prefix": 1}), "`prefix` is 1 but must be a string"),
            (json!({"table": "t", "max_concurrency": 0}), "`max_concurrency` is 0"),
            (json!({"table": "t", "max_concurrency": 1.5}), "`max_concurrency` is 1.5"),
            (json!({"table": "t", "max_attempts": 21}), "from 1 to 20"),
            (json!({"table": "t", "allow_empty": "yes"}), "`allow_empty` is a string"),
            (json!({"table": "t", "definition": []}), "`definition` is a list"),
            (json!({"table": "t", "definition": {"engin": "stream"}}), "engin"),
            (json!({"table": "t", "definition": {"engine": "fast"}}), "fast"),
            (json!({"table": "t", "prefix": ""}), "prefix"),
            (json!({"table": "t", "prefix": "/x/"}), "prefix"),
            (json!({"table": "t", "group": 7}), "`group` is 7 but must be a string"),
            (json!({"table": "t", "group": ""}), "`group` is no name of an execution"),
            (json!({"table": "t", "group": "x".repeat(81)}), "leave it out"),
            (json!({"tables": ["t"]}), "`tables` names a group"),
        ] {
            let message = refused(&value);
            assert!(message.contains(part), "{value}: {message}");
        }
    }
}
