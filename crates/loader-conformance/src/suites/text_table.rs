//! A table of texts: what most suites load into, since their truth is texts too.

use loader_core::identifier::Identifier;
use serde_json::{Value, json};

use super::second_reader::{Reading, Table, decode};
use crate::suite::{Case, Compare, Expected};

/// The columns of a table of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TextColumns {
    /// Their names.
    pub(super) names: Vec<String>,
    /// The same as a definition writes them.
    pub(super) defined: Vec<Value>,
}

impl TextColumns {
    /// Makes a column of each cell of a header, named as the loader does.
    pub(super) fn of_header(header: &[String]) -> Self {
        let names: Vec<String> =
            Identifier::all_from_header(header).iter().map(|name| name.as_str().to_owned()).collect();
        let defined = names
            .iter()
            .zip(header)
            .map(|(name, cell)| json!({ "name": name, "type": "text", "header": cell }))
            .collect();
        Self { names, defined }
    }

    /// Makes so many columns for objects without a header.
    pub(super) fn by_place(width: usize) -> Self {
        let names: Vec<String> = (1..=width).map(|at| format!("column_{at}")).collect();
        let defined = names.iter().map(|name| json!({ "name": name, "type": "text" })).collect();
        Self { names, defined }
    }

    /// Makes the columns of a table.
    pub(super) fn of(table: &Table) -> Self {
        match &table.header {
            Some(header) => Self::of_header(header),
            None => Self::by_place(table.width()),
        }
    }
}

/// Returns rows whose cells are all there.
pub(super) fn cells(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<Vec<Option<String>>> {
    rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect()
}

/// Expects a table as the second reader sees it: all of its rows if every record is as
/// wide as the header, else those that are, the others filled up or rejected.
pub(super) fn as_read(table: &Table, names: Option<Vec<String>>, compare: Compare) -> Expected {
    let rows = table.filled(table.width());
    if table.is_even() {
        Expected::Rows { columns: names, rows, ordered: false, compare }
    } else {
        let at_least = table.rows.iter().filter(|row| row.len() == table.width()).count();
        Expected::Accounted { columns: names, rows, compare, at_least }
    }
}

/// Expects a table with its last column or without it, if that has neither a name nor
/// values: every line ends in a delimiter then.
pub(super) fn either_width(table: &Table) -> Expected {
    let names = |table: &Table| table.header.as_ref().map(|_| TextColumns::of(table).names);
    let as_it_is = as_read(table, names(table), Compare::ValuesOrEmpty);
    let mut narrower = table.clone();
    let mut last: Vec<Option<String>> = narrower.rows.iter_mut().map(Vec::pop).collect();
    last.extend(narrower.header.as_mut().map(Vec::pop));
    if narrower.header.is_none() || last.iter().flatten().any(|cell| !cell.is_empty()) {
        return as_it_is;
    }
    let narrower = as_read(&narrower, names(&narrower), Compare::ValuesOrEmpty);
    Expected::AnyOf(vec![as_it_is, narrower])
}

/// Says what is to be expected of bytes that nobody has said anything about: an even
/// table in RFC 4180 and UTF-8 can be read by anybody, all else must not break anything.
pub(super) fn guessed(bytes: &[u8]) -> Expected {
    let table = decode(bytes, "utf-8").and_then(|text| Reading::default().read(&text));
    match table {
        Ok(table) if table.is_even() && table.width() > 1 && !table.rows.is_empty() => {
            as_read(&table, Some(TextColumns::of(&table).names), Compare::ValuesOrEmpty)
        }
        _ => Expected::Loads,
    }
}

/// Makes a case of one object.
pub(super) fn case(name: &str, object: &str, bytes: &[u8], definition: Value, expected: Expected) -> Case {
    Case {
        name: name.to_owned(),
        table: "t".to_owned(),
        definition,
        objects: vec![(format!("t/{object}"), bytes.to_vec())],
        expected,
        ..Case::default()
    }
}

/// Returns a definition whose load goes on whatever is in the object: bad rows are
/// kept, any number of them, and no rows at all are a success.
pub(super) fn lenient(mut definition: Value) -> Value {
    if let Value::Object(fields) = &mut definition {
        fields.insert("on_reject".to_owned(), json!("keep"));
        fields.insert("reject_limits".to_owned(), json!({ "object_percent": 100.0, "run_percent": 100.0 }));
        fields.insert("allow_empty".to_owned(), json!(true));
    }
    definition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_the_loader_names_them() {
        let columns = TextColumns::of_header(&["A b".to_owned(), String::new(), "a B".to_owned()]);
        assert_eq!(columns.names, ["a_b", "column_2", "a_b_2"]);
        assert_eq!(columns.defined[0]["header"], "A b");
    }

    #[test]
    fn a_column_without_name_and_values_may_be_left_out() {
        let table = Reading::default().read("a,\n1,\n").unwrap();
        assert!(matches!(either_width(&table), Expected::AnyOf(_)));
        let table = Reading::default().read("a,\n1,2\n").unwrap();
        assert!(matches!(either_width(&table), Expected::Rows { .. }));
    }

    #[test]
    fn short_records_are_filled_up_or_rejected() {
        let table = Table {
            header: Some(vec!["a".to_owned(), "b".to_owned()]),
            rows: vec![vec!["1".to_owned()], vec!["1".to_owned(); 3]],
        };
        let Expected::Accounted { rows, at_least: 0, .. } = as_read(&table, None, Compare::Exact) else {
            panic!()
        };
        assert_eq!(rows, [[Some("1".to_owned()), None]]);
    }
}
