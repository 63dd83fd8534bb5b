//! Checks a definition as far as that needs no database.

use std::collections::HashSet;

use serde_json::Value;

use super::drift::{Metadata, UnknownColumns};
use super::values::ColumnValues;
use super::{ColumnDefinition, TableDefinition, gates, invalid, selection};
use crate::error::Result;
use crate::identifier::Identifier;
use crate::values::check_rules;

/// What stands for all columns in `[values]`.
pub(crate) const ALL_COLUMNS: &str = "*";

impl TableDefinition {
    /// Checks what can be checked without the database.
    ///
    /// # Errors
    /// `InvalidDefinition`, naming the field.
    pub fn validate(&self) -> Result<()> {
        if let Some(prefix) = &self.prefix {
            if prefix.is_empty() {
                return Err(invalid(
                    "the field `prefix` is empty: it would match the whole bucket".to_owned(),
                ));
            }
            if prefix.starts_with('/') {
                return Err(invalid("the field `prefix` starts with `/`: keys in S3 do not".to_owned()));
            }
        }
        self.check_nuls()?;
        for pattern in self.include.iter().chain(&self.exclude).flatten() {
            selection::check_pattern(pattern)?;
        }
        if let Some(dialect) = &self.dialect {
            dialect.complete()?;
        }
        if let Some(delivery) = &self.delivery {
            delivery.validate()?;
        }
        if self.max_concurrency == Some(0) {
            return Err(invalid("the field `max_concurrency` is 0 but must be at least 1".to_owned()));
        }
        match &self.columns {
            None => {}
            Some(columns) if columns.is_empty() => {
                return Err(invalid(
                    "the field `columns` is empty: leave it out or name a column".to_owned(),
                ));
            }
            Some(columns) => check_columns(columns)?,
        }
        self.check_filled()?;
        self.check_values()?;
        let known = self.known();
        if let Some(gates) = &self.gates {
            gates.validate(known.as_ref())?;
        }
        match &self.key {
            Some(key) => gates::check_columns("key", key, known.as_ref()),
            None => Ok(()),
        }
    }

    /// Refuses what the database can't store with the run: JSON has a NUL, `jsonb` not.
    fn check_nuls(&self) -> Result<()> {
        let written = serde_json::to_value(self)
            .map_err(|error| invalid(format!("the definition can't be written: {error}")))?;
        match find_nul(&written) {
            None => Ok(()),
            Some(path) => Err(invalid(format!(
                "the field `{path}` holds a NUL character, which can't be stored; an empty text says that there is no such sign"
            ))),
        }
    }

    /// Returns the names of all columns, where the definition alone says which there are.
    fn known(&self) -> Option<HashSet<&str>> {
        let columns = self.columns.as_ref()?;
        if self.unknown_columns == Some(UnknownColumns::Add) {
            return None;
        }
        let metadata = self.metadata.iter().flatten().map(|metadata| metadata.name());
        let key_parts = self.key_parts.iter().flatten().map(String::as_str);
        Some(columns.iter().map(|column| column.name.as_str()).chain(metadata).chain(key_parts).collect())
    }

    /// Checks the columns that no field fills.
    fn check_filled(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for metadata in self.metadata.iter().flatten() {
            if !seen.insert(metadata.name()) {
                return Err(invalid(format!("the field `metadata` names {} twice", metadata.name())));
            }
        }
        for part in self.key_parts.iter().flatten() {
            let problem = match Identifier::new(part.as_str()) {
                Err(problem) => problem.to_string(),
                Ok(_) if part.contains(['=', '/']) => {
                    "write the name alone, `year` for `year=2021/`".to_owned()
                }
                Ok(_) if !seen.insert(part) => "it is named twice, or a metadata column".to_owned(),
                Ok(_) => continue,
            };
            return Err(invalid(format!("the field `key_parts` can't have `{part}`: {problem}")));
        }
        Ok(())
    }

    /// Checks how texts become values.
    fn check_values(&self) -> Result<()> {
        let of_columns = self.columns.iter().flatten().filter_map(|column| {
            let values = column.values.as_ref()?;
            Some((column.name.as_str(), values))
        });
        let named = self.values.iter().flatten().map(|(name, values)| (name.as_str(), values));
        let known = self.known();
        for (name, values) in of_columns.chain(named) {
            if name == ALL_COLUMNS {
                check_for_all(values)?;
                continue;
            }
            if known.as_ref().is_some_and(|known| !known.contains(name)) {
                return Err(invalid(format!(
                    "the field `values` has `{name}`, which is not among `columns`"
                )));
            }
            check_rules(name, values)?;
            if values.sql.is_some() && self.is_filled_otherwise(name) {
                return Err(invalid(format!(
                    "the column `{name}` can't have a SQL expression, as no field of a record fills it"
                )));
            }
        }
        Ok(())
    }

    /// Whether any column is filled by a SQL expression.
    #[must_use]
    pub(crate) fn has_expressions(&self) -> bool {
        let of_columns = self.columns.iter().flatten().filter_map(|column| column.values.as_ref());
        let named = self.values.iter().flat_map(|values| values.values());
        of_columns.chain(named).any(|values| values.sql.is_some())
    }

    /// Whether the column says where a row comes from.
    #[must_use]
    pub(crate) fn is_filled_otherwise(&self, name: &str) -> bool {
        self.metadata.iter().flatten().any(|metadata: &Metadata| metadata.name() == name)
            || self.key_parts.iter().flatten().any(|part| part == name)
    }
}

/// Checks what is said of all columns: each takes what is for its type, so all kinds of
/// rules may stand together.
/// Finds the first text with a NUL, and says where it is.
fn find_nul(value: &Value) -> Option<String> {
    let below = |name: String, value: &Value| {
        find_nul(value).map(|path| if path.is_empty() { name } else { format!("{name}.{path}") })
    };
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(values) => (1..).zip(values).find_map(|(at, value)| below(at.to_string(), value)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| below(name.clone(), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn check_for_all(values: &ColumnValues) -> Result<()> {
    if values.header.is_some() {
        return Err(invalid("the field `values` can't give all columns one header".to_owned()));
    }
    for part in [values.for_moments(), values.for_numbers(), values.for_booleans(), values.for_texts()] {
        check_rules(ALL_COLUMNS, &part)?;
    }
    Ok(())
}

fn check_columns(columns: &[ColumnDefinition]) -> Result<()> {
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.name.as_str()) {
            return Err(invalid(format!("the column {} is named twice", column.name)));
        }
        check_sql_type(&column.sql_type)
            .map_err(|why| invalid(format!("the type of column {} {why}", column.name)))?;
    }
    Ok(())
}

/// Checks that a type's text can't be more than a type in `create table`.
///
/// The database checks afterwards that it is one; this keeps a comma or a
/// semicolon from starting something else.
fn check_sql_type(text: &str) -> Result<(), String> {
    let mut depth = 0_u32;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            c if c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | '[' | ']') => {}
            c => return Err(format!("holds `{}`", c.escape_default())),
        }
    }
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if quoted || depth != 0 {
        return Err("has a quote or a parenthesis without its other half".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorName;

    #[test]
    fn columns_and_values_that_contradict_themselves_are_refused() {
        let columns = "[[columns]]\nname = \"a\"\ntype = \"int\"\n";
        let refused: Vec<String> = [
            "metadata = [\"_line\", \"_line\"]",
            "metadata = [\"_lines\"]",
            "key_parts = [\"year=\"]",
            "key_parts = [\"\"]",
            "key_parts = [\"year\", \"year\"]",
            "key_parts = [\"_line\"]\nmetadata = [\"_line\"]",
            "[values.b]\ntrim = true",
            "[values.a]\nformat = \"DD.MM\"",
            "[values.a]\nformat = \"DD.MM.YYYY\"\ndecimal = \",\"",
            "[values.a]\ndecimal = \",\"\nthousands = \",\"",
            "[values.a]\ntrue = \"x\"\nfalse = [\"y\", \"X\"]",
            "[values.a]\nsql = \" \"",
            "key_parts = [\"year\"]\n[values.year]\nsql = \"value\"",
            "[values.\"*\"]\nheader = \"x\"",
            "[values.\"*\"]\nformat = \"%Q\"",
            "[dialect]\nnull = [\"NA\", \"\\u0000\"]",
        ]
        .map(|text| {
            let (fields, values) = text.split_at(
                text.find('[').filter(|at| *at == 0 || text[..*at].ends_with('\n')).unwrap_or(text.len()),
            );
            let error =
                TableDefinition::from_toml(&format!("{fields}\n{columns}\n{values}"), "here").unwrap_err();
            assert_eq!(error.name, ErrorName::InvalidDefinition);
            error.message
        })
        .into();
        insta::assert_snapshot!(refused.join("\n"));
    }

    #[test]
    fn types_of_every_shape_pass() {
        for text in ["int", "numeric(10, 2)", "timestamp(3) with time zone", "text[]", "public.\"My Type\""] {
            assert_eq!(check_sql_type(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn all_kinds_of_rules_may_stand_for_all_columns() {
        TableDefinition::from_toml(
            "metadata = [\"_object\", \"_line\"]\nkey = [\"_object\", \"_line\"]\nkey_parts = [\"year\"]\n\
             columns = [{ name = \"a\", type = \"int\" }]\n\
             [values.\"*\"]\nformat = [\"DD.MM.YYYY\", \"%d.%m.%y\"]\ndecimal = \",\"\nthousands = \".\"\ntrue = \"ja\"\n\
             false = \"nein\"\nnull = [\"NA\", \"-\"]\ntrim = true\n[values.year]\nnull = \"0000\"",
            "here",
        )
        .unwrap();
    }
}
