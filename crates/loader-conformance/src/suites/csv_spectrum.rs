//! csv-spectrum: a CSV file beside a JSON file that says what it means. Others are
//! written in the same way: objects by the header's names, or arrays without a header.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::second_reader::{Reading, bytes, decode, files, name};
use super::text_table::{TextColumns, case, cells};
use crate::suite::{Cases, Compare, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct CsvSpectrum;

impl Suite for CsvSpectrum {
    fn name(&self) -> &'static str {
        "csv-spectrum"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let folder = data.join(self.name());
        let mut cases = Cases::default();
        for file in files(&folder.join("csvs"))? {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let truth = folder.join("json").join(format!("{stem}.json"));
            if !truth.is_file() {
                cases.leave_out(name(&file), "there is no JSON file beside it that says what it means");
                continue;
            }
            let truth: Value = serde_json::from_slice(&bytes(&truth)?)
                .with_context(|| format!("{} is no JSON", truth.display()))?;
            let csv = bytes(&file)?;
            of_file(&stem, &csv, &without_returns(truth, &csv), &mut cases)?;
        }
        Ok(cases)
    }
}

fn of_file(stem: &str, csv: &[u8], truth: &Value, cases: &mut Cases) -> Result<()> {
    let Some((header, rows)) = meaning(csv, truth)? else {
        cases.leave_out(stem, "its JSON is neither a list of objects nor a list of lists");
        return Ok(());
    };
    let columns = match &header {
        Some(header) => TextColumns::of_header(header),
        None => TextColumns::by_place(rows.iter().map(Vec::len).max().unwrap_or(0)),
    };
    let header = header.is_some();
    let rows = cells(rows);
    let exact = Expected::Rows {
        columns: Some(columns.names.clone()),
        rows: rows.clone(),
        ordered: false,
        compare: Compare::Exact,
    };
    let values = Expected::Rows {
        columns: header.then_some(columns.names),
        rows,
        ordered: false,
        compare: Compare::ValuesOrEmpty,
    };
    // Texts only, and none of them NULL: the file is known character by character.
    let told = json!({
        "columns": columns.defined,
        "dialect": { "header": header, "null": [] },
        "allow_empty": true,
    });
    let inferred = json!({ "dialect": { "header": header }, "allow_empty": true });
    let auto = json!({ "dialect": "auto", "allow_empty": true });
    cases.cases.extend([
        case(stem, "a.csv", csv, told, exact),
        case(&format!("{stem} (inferred)"), "a.csv", csv, inferred, values.clone()),
        case(&format!("{stem} (auto)"), "a.csv", csv, auto, values),
    ]);
    Ok(())
}

/// A header, if there is one, and the rows.
type Meaning = (Option<Vec<String>>, Vec<Vec<String>>);

/// Returns what the JSON says. The order of the columns is the CSV file's own, since
/// the keys of an object have none.
fn meaning(csv: &[u8], truth: &Value) -> Result<Option<Meaning>> {
    let Value::Array(records) = truth else { return Ok(None) };
    if !records.is_empty() && records.iter().all(Value::is_array) {
        let rows = records.iter().filter_map(Value::as_array);
        return Ok(Some((None, rows.map(|row| row.iter().map(text).collect()).collect())));
    }
    if !records.iter().all(Value::is_object) {
        return Ok(None);
    }
    let Some(header) = Reading::default().read(&decode(csv, "utf-8")?)?.header else { return Ok(None) };
    let rows = records
        .iter()
        .map(|record| header.iter().map(|cell| record.get(cell).map(text).unwrap_or_default()).collect())
        .collect();
    Ok(Some((Some(header), rows)))
}

/// A file that has lost its carriage returns, as Git takes them off, has none in its
/// values either.
fn without_returns(truth: Value, csv: &[u8]) -> Value {
    if csv.contains(&b'\r') {
        return truth;
    }
    match truth {
        Value::String(text) => Value::String(text.replace("\r\n", "\n")),
        Value::Array(values) => values.into_iter().map(|value| without_returns(value, csv)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, without_returns(value, csv))).collect())
        }
        other => other,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_lists_are_understood() {
        let objects = json!([{ "b": "2", "a": "1" }]);
        assert_eq!(
            meaning(b"a,b\n1,2\n", &objects).unwrap(),
            Some((Some(vec!["a".into(), "b".into()]), vec![vec!["1".into(), "2".into()]]))
        );
        let lists = json!([["1", 2]]);
        assert_eq!(meaning(b"", &lists).unwrap(), Some((None, vec![vec!["1".into(), "2".into()]])));
        assert_eq!(meaning(b"", &json!({})).unwrap(), None);
    }
}
