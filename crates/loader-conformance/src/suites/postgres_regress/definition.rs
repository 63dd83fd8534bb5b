//! The definition that a statement `copy` is, and the statement again for a server that
//! does not know all options.

use serde_json::{Map, Value, json};

use super::statement::{Columns, Copy, Format, Header};

/// Returns the definition that does what a statement does, or why there is none.
pub(super) fn definition(copy: &Copy) -> Result<Value, &'static str> {
    if copy.format == Format::Binary {
        return Err("the binary format of copy, which the loader does not read");
    }
    if copy.has_condition {
        return Err("a condition on the rows, copy … where: a definition chooses no rows");
    }
    if copy.default.is_some() {
        return Err("a sign for a column's default: a definition has none");
    }
    let mut dialect = Map::new();
    let mut say = |field: &str, value: Value| dialect.insert(field.to_owned(), value);
    say("format", json!(if copy.format == Format::Csv { "csv" } else { "text" }));
    say("header", json!(copy.header == Header::Match));
    if copy.header == Header::Skipped {
        // Its names mean nothing to copy.
        say("skip_lines", json!(1));
    }
    if copy.header != Header::Match && !copy.columns.is_empty() {
        say("names", json!(copy.columns));
    }
    for (field, value) in [
        ("delimiter", &copy.delimiter),
        ("null", &copy.null),
        ("quote", &copy.quote),
        ("escape", &copy.escape),
    ] {
        if let Some(value) = value {
            say(field, json!(value));
        }
    }
    // Postgres takes texts in sql_ascii as they are.
    if let Some(encoding) = copy.encoding.as_ref().filter(|name| !name.eq_ignore_ascii_case("sql_ascii")) {
        say("encoding", json!(encoding));
    }
    let values = values(copy)?;
    let mut definition = Map::new();
    let mut say = |field: &str, value: Value| definition.insert(field.to_owned(), value);
    say("dialect", Value::Object(dialect));
    // Columns that are not named have their defaults; if none is, all must be there.
    say("missing_columns", json!(if copy.columns.is_empty() { "fail" } else { "default" }));
    say("allow_empty", json!(true));
    if !values.is_empty() {
        say("values", Value::Object(values));
    }
    if copy.ignores_errors {
        say("on_reject", json!("keep"));
        let mut limits = json!({ "object_percent": 100.0, "run_percent": 100.0 });
        if let (Some(limit), Some(limits)) = (copy.reject_limit, limits.as_object_mut()) {
            limits.insert("object_rows".to_owned(), json!(limit));
        }
        say("reject_limits", limits);
    }
    Ok(Value::Object(definition))
}

/// Returns what `force_null` and `force_not_null` are: a text that means NULL in quotes
/// too, and a value that is never NULL, as the text that would mean it is what it is.
fn values(copy: &Copy) -> Result<Map<String, Value>, &'static str> {
    let sign = copy.null.as_deref().unwrap_or(if copy.format == Format::Csv { "" } else { "\\N" });
    let all = vec!["*".to_owned()];
    let columns = |forced: Option<&Columns>| match forced {
        None => Vec::new(),
        Some(Columns::All) if copy.columns.is_empty() => all.clone(),
        Some(Columns::All) => copy.columns.clone(),
        Some(Columns::Named(names)) => names.clone(),
    };
    let (nulls, others) = (columns(copy.force_null.as_ref()), columns(copy.force_not_null.as_ref()));
    if nulls.iter().any(|column| others.contains(column)) {
        return Err("force_null and force_not_null of one column, which exchange the two");
    }
    let nulls = nulls.into_iter().map(|column| (column, json!({ "null": [sign] })));
    let never = json!({ "sql": format!("coalesce(value, {})", literal(sign)) });
    Ok(nulls.chain(others.into_iter().map(|column| (column, never.clone()))).collect())
}

/// Returns the statement for a second table, with the options that `PostgreSQL` 15
/// knows.
pub(super) fn oracle(copy: &Copy, table: &str) -> String {
    let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let columns = if copy.columns.is_empty() { String::new() } else { format!(" ({})", list(&copy.columns)) };
    let mut options = vec![format!("format {}", if copy.format == Format::Csv { "csv" } else { "text" })];
    if copy.header != Header::None {
        options.push("header true".to_owned());
    }
    for (name, value) in [
        ("delimiter", &copy.delimiter),
        ("null", &copy.null),
        ("quote", &copy.quote),
        ("escape", &copy.escape),
        ("encoding", &copy.encoding),
    ] {
        if let Some(value) = value {
            options.push(format!("{name} {}", literal(value)));
        }
    }
    for (name, forced) in [("force_null", &copy.force_null), ("force_not_null", &copy.force_not_null)] {
        // All columns can be named by a star since `PostgreSQL` 17 only.
        let forced = match forced {
            None => continue,
            Some(Columns::All) => &copy.columns,
            Some(Columns::Named(names)) => names,
        };
        options.push(format!("{name} ({})", list(forced)));
    }
    format!("copy {table}{columns} from stdin ({})", options.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::super::statement::parse;
    use super::*;

    #[test]
    fn a_statement_is_a_definition_and_a_statement_again() {
        let copy =
            parse("copy t (a, b) from stdin (format csv, force_not_null (b), force_null (a))").unwrap();
        let definition = definition(&copy).unwrap();
        assert_eq!(definition["values"]["b"]["sql"], "coalesce(value, E'')");
        assert_eq!(definition["values"]["a"]["null"], json!([""]));
        assert_eq!(
            oracle(&copy, "o"),
            "copy o (\"a\", \"b\") from stdin (format csv, force_null (\"a\"), force_not_null (\"b\"))"
        );
    }

    #[test]
    fn what_a_definition_has_no_word_for_is_left_out() {
        for statement in [
            "copy t from stdin where a > 1",
            "copy t from stdin (default 'x')",
            "copy t from stdin (format binary)",
            "copy t (a) from stdin (format csv, force_null *, force_not_null *)",
        ] {
            assert!(definition(&parse(statement).unwrap()).is_err(), "{statement}");
        }
    }
}
