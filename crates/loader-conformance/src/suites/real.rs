//! Real files as their publishers ship them, with `EXPECTED.json` beside them: the
//! dialect, the columns and the number of rows of each, found out by hand.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::second_reader::{Reading, Table, bytes, decode, is_a, unpacked};
use super::text_table::{TextColumns, as_read, case, either_width, lenient};
use crate::suite::{Cases, Compare, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

/// What is known of a file.
#[derive(Debug, Deserialize)]
struct Known {
    file: String,
    encoding: Option<String>,
    delimiter: Option<String>,
    #[serde(default)]
    preamble_lines: usize,
    #[serde(default)]
    header: bool,
    columns: Option<Value>,
    data_rows: Option<usize>,
}

impl Suite for Real {
    fn name(&self) -> &'static str {
        "real"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let folder = data.join(self.name());
        let mut cases = Cases::default();
        if !folder.is_dir() {
            return Ok(cases);
        }
        let known: Vec<Known> = serde_json::from_slice(&bytes(&folder.join("EXPECTED.json"))?)
            .context("real/EXPECTED.json is not as it should be")?;
        for known in known {
            of_file(&folder, &known, &mut cases)?;
        }
        Ok(cases)
    }
}

fn of_file(folder: &Path, known: &Known, cases: &mut Cases) -> Result<()> {
    let name = known.file.as_str();
    let object = name.rsplit('/').next().unwrap_or(name);
    if is_a(object, "parquet") {
        cases.leave_out(name, "Parquet, which the loader does not read");
        return Ok(());
    }
    if name.contains(".json") {
        cases.leave_out(name, "JSON lines, which the loader does not read");
        return Ok(());
    }
    let (Some(encoding), Some(delimiter)) = (known.encoding.as_deref(), known.delimiter.as_deref()) else {
        cases.leave_out(name, "EXPECTED.json does not say its encoding and its delimiter");
        return Ok(());
    };
    let path = folder.join(name);
    if !path.is_file() {
        cases.leave_out(name, "EXPECTED.json names it, and it is not there");
        return Ok(());
    }
    let stored = bytes(&path)?;
    let label = if encoding.starts_with("utf-8") { "utf-8" } else { encoding };
    let reading = Reading {
        delimiter: *delimiter.as_bytes().first().context("a delimiter is a character")?,
        skip_lines: known.preamble_lines,
        header: known.header,
        ..Reading::default()
    };
    let table = reading.read(&decode(&unpacked(&path)?, label)?)?;
    check(known, &table)?;
    let columns = TextColumns::of(&table);
    let dialect = json!({
        "delimiter": delimiter,
        "encoding": if label == "utf-8" { "UTF8" } else { label },
        "skip_lines": known.preamble_lines,
        "header": known.header,
        "ragged": if table.is_even() { "refuse" } else { "pad" },
    });
    let exact = Expected::Rows {
        columns: Some(columns.names.clone()),
        rows: table.filled(table.width()),
        ordered: false,
        compare: Compare::ValuesOrEmpty,
    };
    let told = json!({ "columns": columns.defined, "dialect": dialect });
    let inferred = as_read(&table, Some(columns.names), Compare::ValuesOrEmpty);
    let auto = lenient(json!({ "dialect": "auto" }));
    cases.cases.extend([
        case(name, object, &stored, told, exact),
        case(
            &format!("{name} (inferred)"),
            object,
            &stored,
            lenient(json!({ "dialect": dialect })),
            inferred,
        ),
        case(&format!("{name} (auto)"), object, &stored, auto, either_width(&table)),
    ]);
    Ok(())
}

/// Checks that the second reader sees what `EXPECTED.json` says.
fn check(known: &Known, table: &Table) -> Result<()> {
    let columns = known.columns.as_ref().and_then(Value::as_u64);
    ensure!(
        columns.is_none_or(|columns| usize::try_from(columns).is_ok_and(|columns| columns == table.width())),
        "{}: the second reader sees {} columns, which EXPECTED.json does not say",
        known.file,
        table.width()
    );
    ensure!(
        known.data_rows.is_none_or(|rows| rows == table.rows.len()),
        "{}: the second reader sees {} rows, which EXPECTED.json does not say",
        known.file,
        table.rows.len()
    );
    Ok(())
}
