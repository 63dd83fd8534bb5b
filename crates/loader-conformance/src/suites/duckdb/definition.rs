//! `DuckDB`'s way to say how a file is read, as a definition.

use serde_json::{Map, Value, json};

use super::TABLE;
use super::options::{Options, Types};
use super::statement::{Statement, Target};
use super::table::Table;
use super::type_names::in_postgres;

/// A definition, and what else the case needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Defined {
    pub(super) definition: Value,
    pub(super) setup: Vec<String>,
    /// The names of the columns, where they are known before.
    pub(super) columns: Option<Vec<String>>,
    /// Whether the types are inferred.
    pub(super) is_inferred: bool,
}

/// What is known of the columns.
#[derive(Default)]
struct Known {
    /// The names, in the files' order.
    names: Option<Vec<String>>,
    /// The columns with their types in Postgres, where the definition has them.
    typed: Option<Vec<(String, String)>>,
    /// The statement that makes the table.
    setup: Option<Table>,
}

/// Writes the definition of a statement. `width` is how many columns all of the table's
/// are, where the test says so.
///
/// # Errors
/// The reason to leave the case out.
pub(super) fn define(
    statement: &Statement,
    options: &Options,
    setup: &[String],
    width: Option<usize>,
) -> Result<Defined, &'static str> {
    if !options.force_not_null.is_empty() && options.null.iter().flatten().any(|text| !text.is_empty()) {
        return Err("force_not_null, which in DuckDB makes an empty text of every text for NULL");
    }
    let known = known(statement, options, setup, width)?;
    let mut definition = Map::new();
    definition.insert("dialect".to_owned(), dialect(options, known.names.as_deref()));
    let is_typed = known.typed.is_some() || known.setup.is_some();
    let types = known.typed.as_deref().or(known.setup.as_ref().map(|table| table.columns.as_slice()));
    let values = values(options, types.unwrap_or_default(), is_typed);
    if !values.is_empty() {
        definition.insert("values".to_owned(), Value::Object(values));
    }
    if let Some(typed) = &known.typed {
        let columns: Vec<Value> =
            typed.iter().map(|(name, sql_type)| json!({"name": name, "type": sql_type})).collect();
        definition.insert("columns".to_owned(), Value::Array(columns));
    }
    if options.keep_rejects {
        definition.insert("on_reject".to_owned(), json!("keep"));
        definition.insert("reject_limits".to_owned(), json!({"object_percent": 100, "run_percent": 100}));
    }
    if options.union_by_name {
        definition.insert("missing_columns".to_owned(), json!("null"));
    } else if matches!(&statement.target, Target::Table { columns, .. } if !columns.is_empty()) {
        definition.insert("missing_columns".to_owned(), json!("default"));
    }
    if options.file_name {
        definition.insert("metadata".to_owned(), json!(["_object"]));
    }
    // A file without rows is a table without rows.
    definition.insert("allow_empty".to_owned(), json!(true));
    definition.insert("gates".to_owned(), json!({"min_rows": 0, "max_drop_percent": 100}));
    Ok(Defined {
        definition: Value::Object(definition),
        setup: known.setup.iter().map(|table| table.create.clone()).collect(),
        columns: known.names,
        is_inferred: !is_typed,
    })
}

fn known(
    statement: &Statement,
    options: &Options,
    setup: &[String],
    width: Option<usize>,
) -> Result<Known, &'static str> {
    if let Target::Table { name, columns } = &statement.target {
        if !statement.select.is_empty() {
            return Err("expressions over the columns of a file");
        }
        let table = Table::find(name, setup, TABLE)?;
        let names = if columns.is_empty() {
            table.columns.iter().map(|(name, _)| name.clone()).collect()
        } else {
            columns.iter().map(|name| name.to_lowercase()).collect()
        };
        return Ok(Known { names: Some(names), setup: Some(table), typed: None });
    }
    if let Some(columns) = &options.columns {
        let typed = typed(columns)?;
        let names = typed.iter().map(|(name, _)| name.clone()).collect();
        return Ok(Known { names: Some(names), typed: Some(typed), setup: None });
    }
    let names =
        if statement.aliases.is_empty() { options.names.clone() } else { Some(statement.aliases.clone()) };
    let names = names.filter(|names| !names.is_empty());
    if let (Some(names), Some(width)) = (&names, width)
        && names.len() != width
    {
        return Err("names for the first columns only");
    }
    let width = width.or(names.as_ref().map(Vec::len));
    let types = match &options.types {
        None if options.all_varchar => {
            let width = width.ok_or("all columns as text, whatever their names")?;
            Some(Types::InOrder(vec!["varchar".to_owned(); width]))
        }
        types => types.clone(),
    };
    match types {
        None => Ok(Known { names, ..Known::default() }),
        Some(Types::InOrder(types)) if width == Some(types.len()) => {
            let names =
                names.unwrap_or_else(|| (1..=types.len()).map(|number| format!("c{number}")).collect());
            let columns: Vec<_> = names.iter().cloned().zip(types).collect();
            Ok(Known { names: Some(names), typed: Some(typed(&columns)?), setup: None })
        }
        Some(Types::ByName(columns)) if width == Some(columns.len()) => {
            Ok(Known { names, typed: Some(typed(&columns)?), setup: None })
        }
        Some(_) => Err("types for some of the columns only"),
    }
}

fn typed(columns: &[(String, String)]) -> Result<Vec<(String, String)>, &'static str> {
    columns.iter().map(|(name, duckdb)| Ok((name.clone(), in_postgres(duckdb)?))).collect()
}

fn dialect(options: &Options, names: Option<&[String]>) -> Value {
    let mut dialect = Map::new();
    let is_sniffed = options.auto_detect != Some(false);
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            dialect.insert(field.to_owned(), value);
        }
    };
    put("sniff", is_sniffed.then_some(Value::Bool(true)));
    put("delimiter", options.delimiter.as_ref().map(|delimiter| json!(delimiter)));
    put("quote", options.quote.as_ref().map(|quote| json!(quote)));
    put("escape", options.escape.as_ref().map(|escape| json!(escape)));
    // DuckDB has no header where it looks for none.
    let header = options.header.or((!is_sniffed).then_some(false));
    put("header", header.map(|header| json!(header)));
    put("skip_lines", options.skip.map(|skip| json!(skip)));
    put("comment", options.comment.as_ref().map(|comment| json!(comment)));
    put("line_end", options.new_line.as_ref().map(|new_line| json!(new_line)));
    put("encoding", Some(json!(options.encoding.as_deref().unwrap_or("UTF8"))));
    let nulls = options.null.clone().unwrap_or_else(|| vec![String::new()]);
    put(
        "null",
        (options.null.is_some() || !options.force_not_null.is_empty())
            .then(|| if options.force_not_null.is_empty() { json!(nulls) } else { json!([]) }),
    );
    let quoting = match options.strict {
        // With quotes for escapes a stray quote opens and closes, as COPY has it.
        Some(false)
            if options.escape.is_some()
                && options.escape == options.quote.clone().or(Some("\"".to_owned())) =>
        {
            Some("anywhere")
        }
        Some(false) => Some("loose"),
        None if is_sniffed => None,
        Some(true) | None => Some("whole"),
    };
    put("quoting", quoting.map(|quoting| json!(quoting)));
    let ragged = if options.strict == Some(false) { "pad_and_cut" } else { "pad" };
    put("ragged", options.null_padding.then(|| json!(ragged)));
    put("names", names.map(|names| json!(names)));
    Value::Object(dialect)
}

fn values(options: &Options, columns: &[(String, String)], is_typed: bool) -> Map<String, Value> {
    let mut all = Map::new();
    let nulls = options.null.clone().unwrap_or_else(|| vec![String::new()]);
    // DuckDB takes quoted texts for NULL too, unless told otherwise.
    let quoted_null = options.quoted_null.unwrap_or(true);
    if quoted_null || !options.force_not_null.is_empty() {
        all.insert("null".to_owned(), json!(nulls));
    }
    let numbers = |values: &mut Map<String, Value>| {
        if let Some(decimal) = options.decimal {
            values.insert("decimal".to_owned(), json!(decimal));
        }
        if let Some(thousands) = options.thousands {
            values.insert("thousands".to_owned(), json!(thousands));
        }
    };
    let date = options.date_format.as_ref().filter(|format| !format.eq_ignore_ascii_case("auto"));
    let moment = options.timestamp_format.as_ref().filter(|format| !format.eq_ignore_ascii_case("auto"));
    let mut by_name = Map::new();
    if is_typed {
        for (name, sql_type) in columns {
            let mut values = Map::new();
            if options.force_not_null.iter().any(|forced| forced.eq_ignore_ascii_case(name)) {
                values.insert("null".to_owned(), json!([]));
            }
            match sql_type.as_str() {
                "date" => values.extend(date.map(|format| ("format".to_owned(), json!(format)))),
                "timestamp" | "timestamptz" => {
                    values.extend(moment.or(date).map(|format| ("format".to_owned(), json!(format))));
                }
                text if is_number(text) => numbers(&mut values),
                _ => {}
            }
            if !values.is_empty() {
                by_name.insert(name.clone(), Value::Object(values));
            }
        }
    } else {
        numbers(&mut all);
        let formats: Vec<&String> = date.into_iter().chain(moment).collect();
        if !formats.is_empty() {
            all.insert("format".to_owned(), json!(formats));
        }
    }
    if !all.is_empty() {
        by_name.insert("*".to_owned(), Value::Object(all));
    }
    by_name
}

fn is_number(sql_type: &str) -> bool {
    sql_type.starts_with("numeric")
        || ["smallint", "integer", "bigint", "real", "double precision"].contains(&sql_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(sql: &str, setup: &[&str], width: Option<usize>) -> Result<Defined, &'static str> {
        let statement = Statement::parse(sql).unwrap();
        let options = Options::read(&statement.options).unwrap();
        let setup: Vec<String> = setup.iter().map(|sql| (*sql).to_owned()).collect();
        define(&statement, &options, &setup, width)
    }

    #[test]
    fn what_is_not_said_is_sniffed_unless_duckdb_does_not_look() {
        let sniffed = defined("from read_csv('x', delim = ';')", &[], None).unwrap();
        assert_eq!(
            sniffed.definition["dialect"],
            json!({"sniff": true, "delimiter": ";", "encoding": "UTF8"})
        );
        assert!(sniffed.is_inferred);
        let told = defined(
            "from read_csv('x', auto_detect=false, columns={'a': 'DATE', 'b': 'DECIMAL'}, dateformat='%d/%m/%Y',
             decimal_separator=',', allow_quoted_nulls=false)",
            &[],
            None,
        )
        .unwrap();
        assert_eq!(
            told.definition["dialect"],
            json!({"header": false, "encoding": "UTF8", "quoting": "whole", "names": ["a", "b"]})
        );
        assert_eq!(told.definition["values"], json!({"a": {"format": "%d/%m/%Y"}, "b": {"decimal": ","}}));
        assert_eq!(told.definition["columns"][1], json!({"name": "b", "type": "numeric(18, 3)"}));
    }

    #[test]
    fn a_copy_goes_by_the_places_of_the_columns() {
        let setup = ["CREATE TABLE test (a INTEGER, B VARCHAR DEFAULT('x'))"];
        let copied = defined("COPY test (b) FROM 'x' (IGNORE_ERRORS)", &setup, None).unwrap();
        assert_eq!(copied.definition["dialect"]["names"], json!(["b"]));
        assert_eq!(copied.definition["missing_columns"], json!("default"));
        assert_eq!(copied.definition["on_reject"], json!("keep"));
        assert_eq!(copied.setup.len(), 1);
    }

    #[test]
    fn types_need_the_names_or_the_number_of_the_columns() {
        let sql = "from read_csv('x', types=['INT', 'TEXT'])";
        assert_eq!(defined(sql, &[], Some(2)).unwrap().columns.unwrap(), ["c1", "c2"]);
        assert_eq!(defined(sql, &[], Some(3)).unwrap_err(), "types for some of the columns only");
        assert!(defined("select a from read_csv('x', all_varchar=1)", &[], None).is_err());
    }

    #[test]
    fn a_column_that_is_never_null_has_no_texts_for_it() {
        let defined = defined(
            "from read_csv('x', auto_detect=false, columns={'a': 'TEXT', 'b': 'TEXT'}, nullstr='', force_not_null=['b'])",
            &[],
            None,
        )
        .unwrap();
        assert_eq!(defined.definition["dialect"]["null"], json!([]));
        assert_eq!(defined.definition["values"], json!({"*": {"null": [""]}, "b": {"null": []}}));
    }
}
