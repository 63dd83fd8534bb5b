//! The definition that a load command is.

use serde_json::{Map, Value, json};

use super::command::{Column, Command, Field, Format};
use super::transform::{Made, made_of};
use crate::suites::text_table::lenient;

/// Returns the definition that does what a command does, or why there is none.
pub(super) fn definition(command: &Command) -> Result<Value, &'static str> {
    if command.format == Format::Csv && is_guessed(command) {
        return Ok(lenient(json!({ "dialect": { "sniff": true, "header": false } })));
    }
    let mut definition = Map::new();
    definition.insert("dialect".to_owned(), Value::Object(dialect(command)?));
    definition.insert("missing_columns".to_owned(), json!("default"));
    // Fields that are not asked for are left out; if all are, the table must have them.
    let names: Vec<String> = command.fields.iter().map(|field| field.name.clone()).collect();
    let all_asked = command.columns.iter().all(|column| column.using.is_none())
        && names.iter().all(|name| command.columns.iter().any(|column| column.name == *name));
    let unknown = if all_asked && !names.is_empty() { "fail" } else { "ignore" };
    definition.insert("unknown_columns".to_owned(), json!(unknown));
    let values = values(command, &names)?;
    if !values.is_empty() {
        definition.insert("values".to_owned(), Value::Object(values));
    }
    Ok(lenient(Value::Object(definition)))
}

/// Whether pgloader finds out by itself how a file is written: nothing is said of it.
fn is_guessed(command: &Command) -> bool {
    let says = |words: &str| command.options.iter().any(|option| option.words.starts_with(words));
    command.fields.is_empty() && !says("fields") && !says("csv header") && !says("skip header")
}

fn dialect(command: &Command) -> Result<Map<String, Value>, &'static str> {
    let mut dialect = Map::new();
    let mut say = |field: &str, value: Value| dialect.insert(field.to_owned(), value);
    if let Some(encoding) = &command.encoding {
        say("encoding", json!(encoding));
    }
    if let Some(lines) = command.option("skip header").and_then(|lines| lines.parse::<u64>().ok()) {
        say("skip_lines", json!(lines));
    }
    if let Some(end) = command.option("lines terminated by") {
        say("line_end", json!(sign(end)));
    }
    let mut nothing = command.option("null").or(command.option("null if")).map(ToOwned::to_owned);
    match command.format {
        Format::Copy => {
            say("format", json!("text"));
            if let Some(delimiter) = command.option("delimiter") {
                say("delimiter", json!(sign(delimiter)));
            }
        }
        Format::Fixed => {
            say("format", json!("fixed"));
            let fields: Option<Vec<Value>> = command.fields.iter().map(fixed).collect();
            say("fields", json!(fields.ok_or("the places of fields are not said")?));
            // Lines may end before the last field does.
            say("ragged", json!("pad"));
        }
        Format::Csv => {
            say("header", json!(command.has("csv header")));
            say("delimiter", json!(sign(command.option("fields terminated by").unwrap_or("\\t"))));
            let is_quoted = !command.has("fields not enclosed");
            let quote = command
                .option("fields optionally enclosed by")
                .or(command.option("fields enclosed by"))
                .unwrap_or("\"");
            say("quote", json!(if is_quoted { sign(quote) } else { String::new() }));
            let escape = match command.option("fields escaped by") {
                None | Some("double-quote") => sign(quote),
                Some("backslash-quote") => "\\".to_owned(),
                Some(other) => sign(other),
            };
            say("escape", json!(if is_quoted { escape } else { String::new() }));
            say("quoting", json!("whole"));
            // That is what pgloader does unless it is told to keep them.
            say("trim", json!(if command.has("keep unquoted blanks") { "none" } else { "unquoted" }));
            say("skip_blank_lines", json!(true));
            // Fields that lack are NULL, and those that are too many are left out.
            say("ragged", json!("pad_and_cut"));
            nothing = nothing.map(|text| sign(&text));
        }
    }
    if command.format != Format::Fixed && !command.fields.is_empty() {
        say("names", json!(read_names(command)));
    } else if command.fields.is_empty() && !command.columns.is_empty() && !command.has("csv header") {
        // The fields are the columns that are named.
        let names: Vec<&str> = command.columns.iter().map(|column| column.name.as_str()).collect();
        say("names", json!(names));
    }
    if let Some(nothing) = nothing {
        say("null", if command.format == Format::Csv { json!(["", nothing]) } else { json!(nothing) });
    }
    Ok(dialect)
}

/// Returns the names of the fields. One that no column is made of must not find a column
/// of its name.
fn read_names(command: &Command) -> Vec<String> {
    let is_used = |field: &&Field| {
        command.columns.is_empty()
            || command.columns.iter().any(|column| match &column.using {
                None => column.name == field.name,
                Some(using) => using.to_lowercase().contains(&field.name.to_lowercase()),
            })
    };
    let name = |field: &Field| match Some(field).filter(is_used) {
        Some(field) => field.name.clone(),
        None => format!("{} (left out)", field.name),
    };
    command.fields.iter().map(name).collect()
}

fn fixed(field: &Field) -> Option<Value> {
    let (from, length) = field.place?;
    Some(json!({ "name": field.name, "from": from, "length": length }))
}

/// Returns a sign that may be written as in C, or by its number.
fn sign(written: &str) -> String {
    match written {
        "\\t" => "\t".to_owned(),
        "\\n" => "\n".to_owned(),
        "\\r\\n" => "\r\n".to_owned(),
        _ => written
            .strip_prefix("0x")
            .and_then(|digits| char::from_u32(u32::from_str_radix(digits, 16).ok()?))
            .map_or_else(|| written.to_owned(), String::from),
    }
}

fn values(command: &Command, names: &[String]) -> Result<Map<String, Value>, &'static str> {
    let mut all = Map::new();
    let of_fields: Vec<Column>;
    let columns = if command.columns.is_empty() {
        of_fields = names.iter().map(|name| Column { name: name.clone(), ..Column::default() }).collect();
        &of_fields
    } else {
        &command.columns
    };
    for column in columns {
        let made = match &column.using {
            None => Made::Field(column.name.clone()),
            Some(using) => {
                made_of(using, names).ok_or("an expression of Lisp that has no counterpart in SQL here")?
            }
        };
        let values = match made {
            Made::Field(name) => {
                let field = command.fields.iter().find(|field| field.name == name);
                let mut values = field.map(|field| of_field(command, column, field)).unwrap_or_default();
                if name != column.name {
                    values.insert("header".to_owned(), json!(name));
                }
                values
            }
            Made::Sql(sql) => {
                let cast =
                    column.sql_type.as_ref().map_or_else(|| sql.clone(), |to| format!("({sql})::{to}"));
                Map::from_iter([("sql".to_owned(), json!(cast))])
            }
        };
        if !values.is_empty() {
            all.insert(column.name.clone(), Value::Object(values));
        }
    }
    Ok(all)
}

fn of_field(command: &Command, column: &Column, field: &Field) -> Map<String, Value> {
    let mut values = Map::new();
    let trims = field.trim.is_some();
    match (field.null_if_blanks, field.trim.as_deref()) {
        (true, Some("both")) => {
            values.insert("trim".to_owned(), json!(true));
            values.insert("null".to_owned(), json!([""]));
        }
        (true, trim) => {
            let kept = match trim {
                Some("right") => "rtrim(value)",
                Some("left") => "ltrim(value)",
                _ => "value",
            };
            values.insert(
                "sql".to_owned(),
                json!(format!("case when btrim(value) = '' then null else {kept} end")),
            );
        }
        (false, Some("both")) => {
            values.insert("trim".to_owned(), json!(true));
        }
        (false, Some(_) | None) => {}
    }
    if trims && !field.null_if_blanks && !values.contains_key("trim") {
        let side = if field.trim.as_deref() == Some("left") { "ltrim" } else { "rtrim" };
        values.insert("sql".to_owned(), json!(format!("{side}(value)")));
    }
    if !field.null.is_empty() && !values.contains_key("sql") {
        let nothing: Vec<String> = field.null.iter().map(|text| sign(text)).collect();
        values.insert("null".to_owned(), json!(nothing));
    }
    let format = field.date_format.clone().or_else(|| {
        command.option("date format").filter(|_| is_date(command, column)).map(ToOwned::to_owned)
    });
    if let Some(format) = format {
        // pgloader takes a time that ends before its microseconds.
        let formats = match format.strip_suffix(".US") {
            Some(shorter) => json!([format, shorter]),
            None => json!(format),
        };
        values.insert("format".to_owned(), formats);
    }
    values
}

/// Whether the statement that makes the table gives the column a type with a date.
fn is_date(command: &Command, column: &Column) -> bool {
    command.before.iter().any(|statement| {
        let statement = statement.to_lowercase();
        statement.contains("create table")
            && statement.split_once('(').is_some_and(|(_, body)| {
                body.lines().flat_map(|line| line.split(',')).any(|line| {
                    let line = line.trim();
                    let quoted = format!("\"{}\"", column.name.to_lowercase());
                    let rest = line
                        .strip_prefix(quoted.as_str())
                        .or_else(|| line.strip_prefix(&column.name.to_lowercase()));
                    rest.is_some_and(|rest| {
                        rest.starts_with(char::is_whitespace)
                            && (rest.trim_start().starts_with("timestamp") || rest.trim() == "date")
                    })
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use super::super::command::parse;
    use super::*;

    fn of(command: &str) -> Value {
        definition(&parse(command).unwrap().0).unwrap()
    }

    #[test]
    fn the_options_are_a_dialect() {
        let definition = of(
            "load csv from inline (a, b [null if '\\N'], \"C\") into p:///x?t (a, b, x text using \"C\") \
             with fields terminated by '0x02', fields not enclosed, skip header = 1",
        );
        assert_eq!(definition["dialect"]["delimiter"], "\u{2}");
        assert_eq!(definition["dialect"]["quote"], "");
        assert_eq!(definition["dialect"]["names"], json!(["a", "b", "C"]));
        assert_eq!(definition["values"]["b"], json!({ "null": ["\\N"] }));
        assert_eq!(definition["values"]["x"], json!({ "header": "C" }));
        assert_eq!(definition["unknown_columns"], "ignore");
    }

    #[test]
    fn nothing_said_is_found_out() {
        assert_eq!(of("load csv from data/t.csv into p:///x?t with truncate")["dialect"]["sniff"], true);
    }

    #[test]
    fn dates_have_their_formats() {
        let definition =
            of("load csv from inline (n, ts, hr [date format 'HH24:MI.SS']) into p:///x?t (n, ts, hr) \
             with date format 'MM-DD-YYYY', fields terminated by ',' \
             before load do $$ create table t (n int,\n ts timestamptz,\n hr time); $$");
        assert_eq!(definition["values"]["ts"]["format"], "MM-DD-YYYY");
        assert_eq!(definition["values"]["hr"]["format"], "HH24:MI.SS");
        assert!(definition["values"].get("n").is_none());
    }
}
