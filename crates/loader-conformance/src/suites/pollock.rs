//! Pollock: one table, written in some two thousand wrong ways, with the table that it
//! should have been beside each (Vitagliano et al., "Pollock: A Data Loading Benchmark",
//! PVLDB 16(8), 2023).
//!
//! Each file is loaded twice: as a person defines it who has been told its parameters,
//! and with everything found out. Pollock wants every row repaired; a loader must not
//! guess. So a row that was polluted is right as it is in the clean file, or rejected;
//! all other rows must be there as they are, and no row may be there that is not.

mod score;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::score::measure;
use super::second_reader::{Reading, Table, bytes, decode, files, name};
use super::text_table::{TextColumns, case, cells, lenient};
use crate::suite::{Cases, Compare, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pollock;

/// What is known of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    encoding: String,
    delimiter: String,
    quotechar: String,
    escapechar: String,
    row_delimiter: String,
    header_lines: usize,
    preamble_lines: usize,
    footnote_lines: usize,
    column_names: Vec<String>,
    n_columns: usize,
}

impl Suite for Pollock {
    fn name(&self) -> &'static str {
        "pollock"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let folder = data.join(self.name());
        let mut cases = Cases::default();
        for file in files(&folder.join("csv"))? {
            let name = name(&file);
            let parameters = folder.join("parameters").join(format!("{name}_parameters.json"));
            let clean = folder.join("clean").join(&name);
            if !parameters.is_file() || !clean.is_file() {
                cases.leave_out(name, "its parameters or its clean file are not there");
                continue;
            }
            let parameters: Parameters = serde_json::from_slice(&bytes(&parameters)?)
                .with_context(|| format!("{} is not as it should be", parameters.display()))?;
            of_file(&name, &bytes(&file)?, &bytes(&clean)?, &parameters, &mut cases)?;
        }
        Ok(cases)
    }

    fn remarks(&self, data: &Path, measured: &[(&str, f64)]) -> Result<Vec<String>> {
        score::remarks(&data.join(self.name()), measured)
    }
}

fn of_file(
    name: &str,
    polluted: &[u8],
    clean: &[u8],
    parameters: &Parameters,
    cases: &mut Cases,
) -> Result<()> {
    let clean = Reading { header: parameters.header_lines > 0, ..Reading::default() }
        .read(&decode(clean, "utf-8")?)?;
    let columns = match &clean.header {
        Some(header) => TextColumns::of_header(header),
        None => TextColumns::by_place(parameters.n_columns.max(clean.width()).max(1)),
    };
    let found = parameters.reading().and_then(|reading| reading.read(&decoded(polluted, parameters)).ok());
    let definition = json!({ "columns": columns.defined, "dialect": parameters.dialect(&columns) });
    let expectation = |names| match &found {
        Some(found) => expected(&clean, found.rows.get(parameters.header_lines..).unwrap_or_default(), names),
        None => vec![accounted(&clean, clean.rows.len(), names)],
    };
    let told = Expected::AnyOf(expectation(Some(columns.names.clone())));
    let mut alone = expectation(clean.header.is_some().then_some(columns.names.clone()));
    // Without a word about the object, one whose header is spoilt, or that is empty, may
    // be refused.
    let is_spoilt = found.as_ref().is_some_and(|found| !has_its_header(found, &clean, parameters));
    if is_spoilt || clean.header.is_none() && clean.rows.is_empty() {
        alone.push(Expected::Refused { contains: Vec::new() });
    }
    let mut told = case(name, "a.csv", polluted, lenient(definition), told);
    let auto = lenient(json!({ "dialect": "auto" }));
    let mut alone = case(&format!("{name} (auto)"), "a.csv", polluted, auto, Expected::AnyOf(alone));
    told.metric = Some(measure);
    alone.metric = Some(measure);
    cases.cases.extend([told, alone]);
    Ok(())
}

fn decoded(polluted: &[u8], parameters: &Parameters) -> String {
    let encoding = label(&parameters.encoding).unwrap_or_else(|| "utf-8".to_owned());
    decode(polluted, &encoding).unwrap_or_else(|_| String::from_utf8_lossy(polluted).into_owned())
}

/// Expects the clean rows, those that the pollution spoils rejected. What another reader
/// sees of them in the polluted file is not spoilt.
fn expected(clean: &Table, found: &[Vec<String>], names: Option<Vec<String>>) -> Vec<Expected> {
    let mut rest: HashMap<&[String], usize> = HashMap::new();
    for row in found {
        *rest.entry(row).or_default() += 1;
    }
    let is_there = |row: &&Vec<String>| match rest.get_mut(row.as_slice()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    let sound = clean.rows.iter().filter(is_there).count();
    let mut expected = vec![accounted(clean, sound, names.clone())];
    // A second table with the same header: nothing tells its rows from those of the first
    // one. They may be loaded, if its header is rejected.
    if let Some(header) = clean.header.as_ref().filter(|header| header.len() > 1) {
        let fits = |row: &&Vec<String>| row.len() == header.len() && *row != header;
        if found.contains(header) {
            expected.push(Expected::RowsAndRejects {
                columns: names,
                rows: cells(found.iter().filter(fits).cloned()),
                ordered: false,
                compare: Compare::ValuesOrEmpty,
                rejects: None,
            });
        }
    }
    expected
}

fn accounted(clean: &Table, at_least: usize, names: Option<Vec<String>>) -> Expected {
    let rows = cells(clean.rows.iter().cloned());
    Expected::Accounted { columns: names, rows, compare: Compare::ValuesOrEmpty, at_least }
}

/// Whether the header of the clean file is in the polluted one.
fn has_its_header(found: &Table, clean: &Table, parameters: &Parameters) -> bool {
    let Some(header) = &clean.header else { return true };
    let lines = parameters.header_lines;
    found.rows.get(..lines).is_some_and(|lines| {
        (0..header.len()).all(|at| {
            let cells: Vec<&str> = lines.iter().filter_map(|line| Some(line.get(at)?.as_str())).collect();
            header.get(at).is_some_and(|name| *name == cells.join(" "))
        }) && lines.iter().all(|line| line.len() == header.len())
    })
}

impl Parameters {
    /// Returns how another reader reads the file, header and all; none if it can't.
    fn reading(&self) -> Option<Reading> {
        let byte = |text: &str| match text.as_bytes() {
            [byte] => Some(*byte),
            _ => None,
        };
        let quote = byte(&self.quotechar);
        Some(Reading {
            delimiter: byte(&self.delimiter)?,
            quote,
            escape: byte(&self.escapechar).filter(|escape| quote != Some(*escape)),
            skip_lines: self.preamble_lines,
            header: false,
            ..Reading::default()
        })
    }

    /// Returns the dialect as a person writes it. The names of the columns are known, so
    /// the header's lines are left out with those before it: nothing hangs on them.
    fn dialect(&self, columns: &TextColumns) -> Value {
        let mut dialect = Map::new();
        let mut say = |field: &str, value: Value| dialect.insert(field.to_owned(), value);
        say("header", json!(false));
        say("names", json!(columns.names));
        say("skip_lines", json!(self.preamble_lines + self.header_lines));
        if !self.delimiter.is_empty() {
            say("delimiter", json!(self.delimiter));
        }
        if !self.row_delimiter.is_empty() || !self.delimiter.is_empty() {
            say("quote", json!(self.quotechar));
            say("escape", json!(self.escapechar));
        }
        // A quote that nothing escapes, or that is an apostrophe too, can only be told
        // from the end of a field by what follows it. All else is as RFC 4180 says.
        let is_loose = self.escapechar.is_empty() || self.quotechar != "\"";
        say("quoting", json!(if is_loose { "loose" } else { "whole" }));
        if columns.names.len() > 1 {
            say("skip_blank_lines", json!(true));
        }
        if !matches!(self.row_delimiter.as_str(), "" | "\n" | "\r" | "\r\n") {
            say("line_end", json!(self.row_delimiter));
        }
        if let Some(encoding) = label(&self.encoding) {
            say("encoding", json!(encoding));
        }
        Value::Object(dialect)
    }
}

/// Returns the label of the WHATWG for an encoding as Python calls it; none for those
/// that UTF-8 reads.
fn label(python: &str) -> Option<String> {
    let name = python.to_lowercase().replace('_', "-");
    match name.as_str() {
        "" | "ascii" | "us-ascii" | "utf-8" | "utf8" | "utf-8-sig" => None,
        "latin-1" | "latin1" | "iso8859-1" => Some("LATIN1".to_owned()),
        "utf-16" => Some("UTF-16".to_owned()),
        _ => match name.strip_prefix("cp") {
            Some(page) => Some(format!("windows-{page}")),
            None => Some(name),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_says_what_the_parameters_say() {
        let parameters = Parameters {
            delimiter: ", ".to_owned(),
            quotechar: "'".to_owned(),
            row_delimiter: "\r\n".to_owned(),
            encoding: "cp1250".to_owned(),
            header_lines: 2,
            preamble_lines: 1,
            ..Parameters::default()
        };
        let dialect = parameters.dialect(&TextColumns::by_place(2));
        let expected = json!({
            "header": false, "names": ["column_1", "column_2"], "skip_lines": 3, "delimiter": ", ",
            "quote": "'", "escape": "", "quoting": "loose", "skip_blank_lines": true,
            "encoding": "windows-1250",
        });
        assert_eq!(dialect, expected);
    }
}
