//! The gates of a definition: what the loaded table must hold to be published.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::invalid;
use crate::database::control_schema::Schema;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

/// What a query writes where it means the loaded table.
pub const TABLE: &str = "{table}";

/// The largest drop against the live table that passes if nothing is said: half a
/// delivery does not.
pub const MAX_DROP_PERCENT: f64 = 40.0;

/// The gates of a table, the `[gates]` of its definition. Every field may be left
/// out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// The fewest rows; 1 by default, or 0 with `allow_empty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rows: Option<u64>,
    /// How many percent fewer rows than the live table has may be there, from 0 to
    /// 100; 40 by default, 100 to allow any drop. With `allow_empty`, a table
    /// without rows passes the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drop_percent: Option<f64>,
    /// How many percent more rows than the live table has may be there; any number
    /// by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_growth_percent: Option<f64>,
    /// Columns that hold no NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_null: Option<Vec<Identifier>>,
    /// Columns of which no two rows have the same values. Rows with a NULL among
    /// them are not compared, as with a unique constraint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Vec<Vec<Identifier>>>,
    /// Columns whose values are those of a row of another table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_orphans: Option<Vec<OrphanGate>>,
    /// Queries that find no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<Vec<QueryGate>>,
}

/// A gate that demands a row in another table. Rows with a NULL among the columns
/// pass, as with a foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrphanGate {
    /// The columns of the loaded table.
    pub columns: Vec<Identifier>,
    /// The other table, such as `dim_store` or `other_schema.dim_store`.
    pub table: TableReference,
    /// The columns of the other table, in the order of `columns`.
    pub key: Vec<Identifier>,
}

/// A gate of the table's own: a query that must find no rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryGate {
    /// The name that messages give it.
    pub name: String,
    /// One `select`, in which `{table}` is the loaded table.
    pub query: String,
}

/// A table as a definition names it: `store` is in the schema of the live tables,
/// `other.store` in another. A name with a dot in it is put into double quotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableReference(QualifiedName);

impl TableReference {
    /// Returns the table's full name.
    #[must_use]
    pub const fn name(&self) -> &QualifiedName {
        &self.0
    }
}

impl TryFrom<String> for TableReference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refused = |why: &str| format!("`{text}` names no table: {why}");
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        loop {
            let (part, after) = next_part(rest).map_err(refused)?;
            parts.push(Identifier::new(part).map_err(|error| refused(&error.to_string()))?);
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), None, _) => Ok(Self(Schema::Live.table(&name))),
            (Some(schema), Some(name), None) => Ok(Self(QualifiedName::new(schema, name))),
            _ => {
                Err(refused("it has more than a schema and a name; put a name with a dot into double quotes"))
            }
        }
    }
}

/// Takes one name off a path, and the dot behind it.
fn next_part(path: &str) -> Result<(String, Option<&str>), &'static str> {
    let Some(mut rest) = path.strip_prefix('"') else {
        return Ok(match path.split_once('.') {
            Some((part, after)) => (part.to_owned(), Some(after)),
            None => (path.to_owned(), None),
        });
    };
    let mut part = String::new();
    loop {
        let (before, after) = rest.split_once('"').ok_or("a double quote has no other half")?;
        part.push_str(before);
        if let Some(more) = after.strip_prefix('"') {
            part.push('"');
            rest = more;
        } else if after.is_empty() {
            return Ok((part, None));
        } else {
            let after = after.strip_prefix('.').ok_or("behind a double quote there can only be a dot")?;
            return Ok((part, Some(after)));
        }
    }
}

impl From<TableReference> for String {
    fn from(reference: TableReference) -> Self {
        let part = |name: &Identifier| {
            let plain = name.as_str();
            if plain.contains('.') || plain.starts_with('"') { name.to_string() } else { plain.to_owned() }
        };
        let QualifiedName { schema, name } = &reference.0;
        format!("{}.{}", part(schema), part(name))
    }
}

impl Gates {
    /// Returns these gates with what they leave out taken from `below`, field by
    /// field.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            min_rows: self.min_rows.or(below.min_rows),
            max_drop_percent: self.max_drop_percent.or(below.max_drop_percent),
            max_growth_percent: self.max_growth_percent.or(below.max_growth_percent),
            not_null: self.not_null.or(below.not_null),
            unique: self.unique.or(below.unique),
            no_orphans: self.no_orphans.or(below.no_orphans),
            sql: self.sql.or(below.sql),
        }
    }

    /// Checks what can be checked without the database; `known` are the columns,
    /// where the definition names them.
    pub(super) fn validate(&self, known: Option<&HashSet<&str>>) -> Result<()> {
        check_percent("max_drop_percent", self.max_drop_percent, Some(100.0))?;
        check_percent("max_growth_percent", self.max_growth_percent, None)?;
        if let Some(columns) = &self.not_null {
            check_columns("gates.not_null", columns, known)?;
        }
        for columns in self.unique.iter().flatten() {
            check_columns("gates.unique", columns, known)?;
        }
        for gate in self.no_orphans.iter().flatten() {
            check_columns("gates.no_orphans.columns", &gate.columns, known)?;
            check_columns("gates.no_orphans.key", &gate.key, None)?;
            if gate.columns.len() != gate.key.len() {
                return Err(invalid(format!(
                    "the field `gates.no_orphans` compares {} columns with {} of {}: name as many",
                    gate.columns.len(),
                    gate.key.len(),
                    gate.table.name()
                )));
            }
        }
        let mut names = HashSet::new();
        for gate in self.sql.iter().flatten() {
            check_query(gate)?;
            if !names.insert(gate.name.as_str()) {
                return Err(invalid(format!("two queries of `gates.sql` have the name `{}`", gate.name)));
            }
        }
        Ok(())
    }
}

fn check_percent(field: &str, percent: Option<f64>, most: Option<f64>) -> Result<()> {
    let Some(percent) = percent else { return Ok(()) };
    if (0.0..=most.unwrap_or(f64::MAX)).contains(&percent) {
        return Ok(());
    }
    let range = most.map_or_else(|| "0 or more".to_owned(), |most| format!("from 0 to {most}"));
    Err(invalid(format!("the field `gates.{field}` is {percent} but must be {range}")))
}

/// Checks a list of columns: some, each once, each of the table.
pub(super) fn check_columns(
    field: &str,
    columns: &[Identifier],
    known: Option<&HashSet<&str>>,
) -> Result<()> {
    if columns.is_empty() {
        return Err(invalid(format!("the field `{field}` is empty: leave it out or name a column")));
    }
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column) {
            return Err(invalid(format!("the field `{field}` names the column {column} twice")));
        }
        if known.is_some_and(|known| !known.contains(column.as_str())) {
            return Err(invalid(format!(
                "the field `{field}` names the column {column}, which is not among `columns`"
            )));
        }
    }
    Ok(())
}

fn check_query(gate: &QueryGate) -> Result<()> {
    if gate.name.trim().is_empty() {
        return Err(invalid("a query of `gates.sql` has no name".to_owned()));
    }
    if gate.name.chars().count() > 100 || gate.name.chars().any(char::is_control) {
        return Err(invalid(
            "the name of a query of `gates.sql` must be one line of at most 100 characters".to_owned(),
        ));
    }
    if !gate.query.contains(TABLE) {
        return Err(invalid(format!(
            "the query `{}` of `gates.sql` does not mention {TABLE}: it would not look at what was loaded",
            gate.name
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::TableDefinition;

    fn gates(toml: &str) -> Gates {
        TableDefinition::from_toml(toml, "here").unwrap().gates.unwrap()
    }

    #[test]
    fn gates_are_read_from_toml_and_written_back_the_same() {
        let gates = gates(
            r#"
            [gates]
            min_rows = 1000
            max_drop_percent = 12.5
            max_growth_percent = 300
            not_null = ["a", "b c"]
            unique = [["id"], ["a", "b c"]]
            no_orphans = [
                { columns = ["store_id"], table = "dim_store", key = ["id"] },
                { columns = ["x"], table = 'other."odd.name"', key = ["y"] },
            ]
            [[gates.sql]]
            name = "no negative price"
            query = "select id from {table} where price < 0"
            "#,
        );
        assert_eq!(gates.max_growth_percent, Some(300.0));
        let orphans = gates.no_orphans.clone().unwrap();
        assert_eq!(orphans[0].table.name().to_string(), r#""public"."dim_store""#);
        assert_eq!(orphans[1].table.name().to_string(), r#""other"."odd.name""#);
        let written = serde_json::to_string(&gates).unwrap();
        assert_eq!(serde_json::from_str::<Gates>(&written).unwrap(), gates);
    }

    #[test]
    fn a_bad_gate_is_refused_with_its_field() {
        for (toml, part) in [
            ("min_rows = -1", "line 2"),
            ("max_drop_percent = 101", "`gates.max_drop_percent` is 101 but must be from 0 to 100"),
            ("max_drop_percent = nan", "`gates.max_drop_percent` is NaN"),
            ("max_growth_percent = -5", "`gates.max_growth_percent` is -5 but must be 0 or more"),
            ("max_growth_percent = inf", "`gates.max_growth_percent` is inf"),
            ("not_null = []", "`gates.not_null` is empty"),
            ("not_null = [\"x\"]", "names the column \"x\", which is not among `columns`"),
            ("unique = [[]]", "`gates.unique` is empty"),
            ("unique = [[\"a\", \"a\"]]", "names the column \"a\" twice"),
            (
                "no_orphans = [{columns = [\"a\"], table = \"t\", key = [\"b\", \"c\"]}]",
                "compares 1 columns with 2 of \"public\".\"t\"",
            ),
            ("no_orphans = [{columns = [\"a\"], table = \"a.b.c\", key = [\"b\"]}]", "more than a schema"),
            ("no_orphans = [{columns = [\"a\"], table = \"a.\", key = [\"b\"]}]", "can't be empty"),
            ("no_orphans = [{columns = [\"a\"], table = '\"a', key = [\"b\"]}]", "no other half"),
            ("no_orphans = [{columns = [\"a\"], table = '\"a\"b', key = [\"b\"]}]", "only be a dot"),
            ("sql = [{name = \" \", query = \"select 1 from {table}\"}]", "has no name"),
            ("sql = [{name = \"a\\nb\", query = \"select 1 from {table}\"}]", "one line"),
            ("sql = [{name = \"q\", query = \"select 1\"}]", "`q` of `gates.sql` does not mention {table}"),
            (
                "sql = [{name = \"q\", query = \"table {table}\"}, {name = \"q\", query = \"table {table}\"}]",
                "have the name `q`",
            ),
            ("min_row = 1", "unknown field `min_row`"),
        ] {
            let toml = format!("[gates]\n{toml}\n[[columns]]\nname = \"a\"\ntype = \"int\"\n");
            let error = TableDefinition::from_toml(&toml, "here").unwrap_err();
            assert!(error.message.contains(part), "{toml}: {error}");
        }
    }

    #[test]
    fn gates_of_the_input_go_over_those_of_the_file_field_by_field() {
        let file = gates("[gates]\nmin_rows = 5\nmax_drop_percent = 10\nnot_null = [\"a\"]\n");
        let input = gates("[gates]\nmax_drop_percent = 100\n");
        assert_eq!(
            input.over(file),
            gates("[gates]\nmin_rows = 5\nmax_drop_percent = 100\nnot_null = [\"a\"]\n")
        );
    }

    #[test]
    fn any_table_is_named_so_that_it_is_read_back() {
        for (schema, name) in [("s", "t"), ("s.x", "t"), ("\"s", "a\"b.c\""), ("select", "é ö")] {
            let name = QualifiedName::new(Identifier::new(schema).unwrap(), Identifier::new(name).unwrap());
            let written = String::from(TableReference(name.clone()));
            assert_eq!(TableReference::try_from(written).unwrap().name(), &name);
        }
    }
}
