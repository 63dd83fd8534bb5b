//! The input of a group: tables that are published together, or not at all.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rejected::{EXPORT, REPLAY};
use super::{Checked, DRY_RUN, Execution, GROUP, LONGEST_NAME, invalid, kind, one_table, wrong};
use crate::error::Result;
use crate::identifier::Identifier;

/// The most tables of a group: each has a lease and a staging table until the
/// last of them is loaded, and one transaction publishes all of them.
const MOST_TABLES: usize = 50;

/// A valid execution input for tables that are published together.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupInput {
    /// The tables with the input of each, in the order of the input.
    members: Vec<(Identifier, Map<String, Value>)>,
}

/// The execution of one table of a group, as the state machine starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRun {
    /// The execution's name; it is the run's id.
    pub name: String,
    /// Its input.
    pub input: Value,
}

impl GroupInput {
    /// Returns the names of the tables.
    pub fn tables(&self) -> impl Iterator<Item = &Identifier> {
        self.members.iter().map(|(table, _)| table)
    }

    /// Returns the executions that the group's own one has to start.
    ///
    /// # Errors
    /// `InvalidInput` when that one's name is so long that there is no room for
    /// a number behind it.
    pub fn runs(&self, execution: &Execution) -> Result<Vec<GroupRun>> {
        let group = &execution.name;
        let longest = LONGEST_NAME - format!("-{}", MOST_TABLES - 1).len();
        let length = group.chars().count();
        if length > longest {
            return Err(invalid(format!(
                "the execution's name has {length} characters; that of a group has at most {longest}, as the executions of its tables are named after it"
            )));
        }
        Ok(self
            .members
            .iter()
            .enumerate()
            .map(|(number, (_, fields))| {
                let mut fields = fields.clone();
                fields.insert(GROUP.to_owned(), json!(group));
                GroupRun { name: format!("{group}-{number}"), input: Value::Object(fields) }
            })
            .collect())
    }
}

/// Returns whether an execution can be one that [`GroupInput::runs`] has named.
pub(crate) fn is_named_by(group: &str, execution: &Execution) -> bool {
    execution
        .name
        .strip_prefix(group)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the tables that an input names, for what is told of it: as far as they
/// can be read, whether or not the input is valid.
pub(crate) fn named_tables(input: &Value) -> Vec<String> {
    let tables = input.get("tables").and_then(Value::as_array);
    let name = |table: &Value| table.as_str().or_else(|| table.get("table")?.as_str()).map(ToOwned::to_owned);
    tables.into_iter().flatten().filter_map(name).collect()
}

pub(super) fn parse(fields: &Map<String, Value>) -> Checked<GroupInput> {
    if fields.contains_key("table") {
        return Err("it has both `table` and `tables`; give one of them".to_owned());
    }
    if let Some(other) = fields.keys().find(|field| *field != "tables") {
        return Err(format!(
            "the field `{other}` can't stand beside `tables`; give it to a table, as in {{\"tables\": [{{\"table\": \"year_2021\", \"{other}\": …}}]}}"
        ));
    }
    let list = match fields.get("tables") {
        Some(Value::Array(list)) => list,
        other => return Err(wrong("tables", other.unwrap_or(&Value::Null), "a list of tables")),
    };
    if !(1..=MOST_TABLES).contains(&list.len()) {
        return Err(format!("the field `tables` has {} tables but must have 1 to {MOST_TABLES}", list.len()));
    }
    let mut members: Vec<(Identifier, Map<String, Value>)> = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let (table, fields) = member(value).map_err(|why| format!("number {} of `tables`: {why}", at + 1))?;
        if members.iter().any(|(known, _)| *known == table) {
            return Err(format!("the field `tables` names {table} twice"));
        }
        members.push((table, fields));
    }
    Ok(GroupInput { members })
}

fn member(value: &Value) -> Checked<(Identifier, Map<String, Value>)> {
    let fields = match value {
        Value::String(name) => Map::from_iter([("table".to_owned(), json!(name))]),
        Value::Object(fields) => fields.clone(),
        other => {
            return Err(format!(
                "it is {} but must be a table's name or an object such as {{\"table\": \"year_2021\"}}",
                kind(other)
            ));
        }
    };
    if fields.contains_key("tables") || fields.contains_key(GROUP) {
        return Err("there is no group within a group".to_owned());
    }
    for field in [DRY_RUN, REPLAY, EXPORT] {
        if fields.contains_key(field) {
            return Err(format!("`{field}` is of one table; start it by itself"));
        }
    }
    Ok((one_table(&fields)?.table, fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorName;
    use crate::input::Input;

    fn execution(name: &str) -> Execution {
        Execution {
            id: format!("arn:aws:states:eu-west-1:1:execution:load:{name}"),
            name: name.to_owned(),
            start_time: None,
        }
    }

    fn group(value: &Value) -> GroupInput {
        match Input::parse(value).unwrap() {
            Input::Group(group) => group,
            _ => panic!("{value} is a group"),
        }
    }

    #[test]
    fn each_table_gets_an_execution_of_its_own() {
        let group = group(&json!({"tables": ["dim_store", {"table": "fact_sales", "prefix": "sales/"}]}));
        assert_eq!(group.tables().map(Identifier::as_str).collect::<Vec<_>>(), ["dim_store", "fact_sales"]);
        let runs = group.runs(&execution("night")).unwrap();
        assert_eq!(
            serde_json::to_value(runs).unwrap(),
            json!([
                {"name": "night-0", "input": {"table": "dim_store", "group": "night"}},
                {"name": "night-1", "input": {"table": "fact_sales", "prefix": "sales/", "group": "night"}},
            ])
        );
    }

    #[test]
    fn what_a_group_hands_on_is_taken_by_its_tables() {
        let group = group(&json!({"tables": [{"table": "t", "max_attempts": 2}]}));
        let runs = group.runs(&execution("night")).unwrap();
        let Input::Table(input) = Input::parse(&runs[0].input).unwrap() else { panic!("one table") };
        assert_eq!((input.group.as_deref(), input.max_attempts), (Some("night"), Some(2)));
        assert!(is_named_by("night", &execution(&runs[0].name)));
    }

    #[test]
    fn only_a_number_behind_the_name_makes_a_table_of_the_group() {
        for name in ["night", "night-", "night-x", "other-0", "night0", "night-0-1"] {
            assert!(!is_named_by("night", &execution(name)), "{name}");
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        let many: Vec<String> = (0..51).map(|number| format!("t{number}")).collect();
        for (value, part) in [
            (json!({"tables": "t"}), "`tables` is a string but must be a list of tables"),
            (json!({"tables": null}), "`tables` is null"),
            (json!({"tables": []}), "has 0 tables but must have 1 to 50"),
            (json!({"tables": many}), "has 51 tables"),
            (json!({"tables": ["t"], "table": "t"}), "both `table` and `tables`"),
            (json!({"tables": ["t"], "prefix": "x/"}), "`prefix` can't stand beside `tables`"),
            (json!({"tables": ["t"], "group": "g"}), "`group` can't stand beside `tables`"),
            (json!({"tables": ["a", "t", {"table": "a"}]}), "names \"a\" twice"),
            (json!({"tables": ["t", 5]}), "number 2 of `tables`: it is a number"),
            (json!({"tables": ["t", ""]}), "number 2 of `tables`: the field `table` is no table name"),
            (json!({"tables": [{"tabel": "t"}]}), "number 1 of `tables`: unknown field `tabel`"),
            (json!({"tables": [{"prefix": "x/"}]}), "number 1 of `tables`: the field `table` is missing"),
            (json!({"tables": [{"table": "t", "max_attempts": 0}]}), "`max_attempts` is 0"),
            (json!({"tables": [{"tables": ["t"]}]}), "no group within a group"),
            (json!({"tables": [{"table": "t", "group": "g"}]}), "no group within a group"),
        ] {
            let error = Input::parse(&value).unwrap_err();
            assert_eq!(error.name, ErrorName::InvalidInput, "{value}");
            assert!(error.message.contains(part), "{value}: {error}");
        }
    }

    #[test]
    fn a_name_without_room_for_a_number_is_refused() {
        let group = group(&json!({"tables": ["t"]}));
        assert!(group.runs(&execution(&"x".repeat(77))).is_ok());
        let error = group.runs(&execution(&"x".repeat(78))).unwrap_err();
        assert!(error.message.contains("78 characters; that of a group has at most 77"), "{error}");
    }

    #[test]
    fn the_tables_of_any_input_can_be_told() {
        assert_eq!(named_tables(&json!({"tables": ["a", {"table": "b"}, 5, {"x": 1}]})), ["a", "b"]);
        assert!(named_tables(&json!({"table": "a"})).is_empty());
        assert!(named_tables(&json!("a")).is_empty());
    }
}
