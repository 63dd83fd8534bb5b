//! `PostgreSQL`'s regression tests of `copy`: the statements with their data and what
//! came of them, and the files that the other tests are loaded from.
//!
//! Postgres is the judge: it reads the same data by itself into a second table, and the
//! loaded one must be the same. What one server does not know yet (`on_error`,
//! `reject_limit`) is taken from the outcome that the tests have written down: the lines
//! that were skipped are left out for the second table.

mod definition;
mod statement;
mod tables;

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use self::definition::{definition, oracle};
use self::statement::{Copy, Format, Header, Unreadable, parse};
use self::tables::Table;
use super::second_reader::{bytes, files, is_a, name};
use crate::suite::{Case, Cases, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresRegress;

/// A statement, as `copy_cases.json` has it.
#[derive(Debug, Deserialize)]
struct Statement {
    file: String,
    line: u64,
    #[serde(rename = "statement")]
    text: String,
    stdin: Option<Vec<String>>,
    outcome: String,
    #[serde(default)]
    messages: Vec<String>,
    /// Whether the outcome was found in the expected output.
    #[serde(default = "yes")]
    matched: bool,
}

fn yes() -> bool {
    true
}

/// The table that Postgres loads by itself.
const ORACLE: &str = "public.oracle";

impl Suite for PostgresRegress {
    fn name(&self) -> &'static str {
        "postgres-regress"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let folder = data.join(self.name());
        let mut cases = Cases::default();
        let statements = folder.join("copy_cases.json");
        if statements.is_file() {
            let statements: Vec<Statement> = serde_json::from_slice(&bytes(&statements)?)
                .context("copy_cases.json is not as it should be")?;
            for statement in statements {
                of_statement(&folder, &statement, &mut cases)?;
            }
        }
        for file in files(&folder.join("data"))? {
            if is_a(&name(&file), "data") {
                of_data(&file, &mut cases)?;
            }
        }
        for file in files(&folder.join("file_fdw"))? {
            of_foreign_file(&name(&file), &bytes(&file)?, &mut cases);
        }
        Ok(cases)
    }
}

fn of_statement(folder: &Path, statement: &Statement, cases: &mut Cases) -> Result<()> {
    let name = format!("{}:{}", statement.file, statement.line);
    let failed = statement.outcome != "ok";
    let copy = match parse(&statement.text) {
        Ok(copy) => copy,
        Err(Unreadable::To) => {
            cases.leave_out(name, "writes data: copy … to");
            return Ok(());
        }
        Err(Unreadable::Syntax) => {
            cases.leave_out(name, "about the options of copy itself, before any data is read");
            return Ok(());
        }
    };
    if !statement.matched {
        cases.leave_out(name, "its data and its outcome are not told apart in copy_cases.json");
        return Ok(());
    }
    let data = match &statement.stdin {
        Some(lines) => lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_bytes(),
        None if copy.freeze => Vec::new(),
        None => {
            let Some(data) = from_file(folder, statement, &copy)? else {
                cases.leave_out(name, "reads a file that is not in the data");
                return Ok(());
            };
            data
        }
    };
    let is_freeze = |message: &String| message.contains("COPY FREEZE");
    let why = match () {
        () if copy.freeze && statement.messages.iter().any(is_freeze) => {
            "about the transactions that allow freeze"
        }
        () if failed && data.is_empty() => "about the options of copy itself, before any data is read",
        () => {
            of_table(name, &copy, statement, &data, cases);
            return Ok(());
        }
    };
    cases.leave_out(name, why);
    Ok(())
}

/// Returns what is in the file that a statement reads: one of the data, or one that an
/// earlier statement has written.
fn from_file(folder: &Path, statement: &Statement, copy: &Copy) -> Result<Option<Vec<u8>>> {
    let path = match copy.table.as_str() {
        "parted_si" => folder.join("data/desc.data"),
        "tab_progress_reporting" => folder.join("data/emp.data"),
        _ => return Ok(tables::written_before(&statement.file, statement.line)),
    };
    path.is_file().then(|| bytes(&path)).transpose()
}

fn of_table(name: String, copy: &Copy, statement: &Statement, data: &[u8], cases: &mut Cases) {
    let Some(table) = tables::of_statement(&copy.table, &statement.text, &statement.messages) else {
        cases.leave_out(name, "loads something that is no table, or one that the suite does not know");
        return;
    };
    let outcome = Outcome { failed: statement.outcome != "ok", messages: &statement.messages };
    if let Some(why) = push(&name, copy, &table, data, &outcome, cases) {
        cases.leave_out(name, why);
    } else if let Some(case) = cases.cases.last_mut() {
        case.notes.push(statement.text.clone());
    }
}

fn of_data(file: &Path, cases: &mut Cases) -> Result<()> {
    let data = bytes(file)?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let first = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let width = first.split(|byte| *byte == b'\t').count();
    let table = tables::of_file(&stem).unwrap_or_else(|| Table::of_texts(width));
    // The second row of this one is there to break the check.
    let breaks = stem == "constrf";
    let messages = if breaks { vec!["CONTEXT:  COPY copy_tbl, line 2".to_owned()] } else { Vec::new() };
    let outcome = Outcome { failed: breaks, messages: &messages };
    let name = format!("data/{}", name(file));
    push(&name, &Copy { table: "t".to_owned(), ..Copy::default() }, &table, &data, &outcome, cases);
    Ok(())
}

fn of_foreign_file(file: &str, data: &[u8], cases: &mut Cases) {
    let name = format!("file_fdw/{file}");
    let Some((statement, table)) = tables::of_foreign_file(file) else {
        cases.leave_out(name, "loads something that is no table, or one that the suite does not know");
        return;
    };
    let Ok(copy) = parse(statement) else { return };
    let breaks = file == "agg.bad";
    let messages =
        if breaks { vec!["CONTEXT:  COPY agg_bad, line 3, column b".to_owned()] } else { Vec::new() };
    let outcome = Outcome { failed: breaks, messages: &messages };
    if let Some(why) = push(&name, &copy, &table, data, &outcome, cases) {
        cases.leave_out(name, why);
    }
}

/// What came of a statement.
struct Outcome<'a> {
    failed: bool,
    messages: &'a [String],
}

impl Outcome<'_> {
    /// Returns the lines that were skipped, as `on_error ignore` tells them.
    fn skipped(&self) -> Vec<usize> {
        self.messages
            .iter()
            .filter(|message| message.contains("skipping row"))
            .filter_map(|message| number_after(message, "at line "))
            .collect()
    }

    /// Returns the line of an error.
    fn line(&self) -> Option<usize> {
        self.messages
            .iter()
            .filter(|message| message.starts_with("CONTEXT:"))
            .find_map(|message| number_after(message, ", line "))
    }
}

fn number_after(text: &str, mark: &str) -> Option<usize> {
    let (_, rest) = text.split_once(mark)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Makes a case, or says why there is none.
fn push(
    name: &str,
    copy: &Copy,
    table: &Table,
    data: &[u8],
    outcome: &Outcome<'_>,
    cases: &mut Cases,
) -> Option<&'static str> {
    let definition = match definition(copy) {
        Ok(definition) => definition,
        Err(why) => return Some(why),
    };
    let skipped = outcome.skipped();
    let kept: Vec<u8> = data
        .split_inclusive(|byte| *byte == b'\n')
        .zip(1..)
        .filter(|(_, number)| !skipped.contains(number))
        .flat_map(|(line, _)| line.iter().copied())
        .collect();
    let mut setup = vec![table.made_as(&format!("public.{}", copy.table))];
    let mut copies = Vec::new();
    let by_name = by_name(copy, data, outcome);
    let expected = if outcome.failed && by_name.is_none() {
        // Of several bad lines Postgres names the first that it comes to; any is right.
        let lines = data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        let place = outcome.line().filter(|_| copy.header != Header::Match);
        let place = place.map(|line| if lines > 1 { "line ".to_owned() } else { format!("line {line}") });
        Expected::Refused { contains: place.into_iter().collect() }
    } else {
        setup.push(table.made_as(ORACLE));
        copies.push((oracle(by_name.as_ref().unwrap_or(copy), ORACLE), kept));
        let columns = table.compared.unwrap_or("*");
        Expected::SameAs {
            query: format!("select {columns} from {ORACLE}"),
            rejects: Some(skipped.len() as u64),
        }
    };
    let query = table.compared.map(|columns| format!("select {columns} from public.{}", copy.table));
    cases.cases.push(Case {
        name: name.to_owned(),
        setup,
        copies,
        table: copy.table.clone(),
        definition,
        objects: vec![(format!("{}/a.data", copy.table), data.to_vec())],
        query,
        expected,
        ..Case::default()
    });
    None
}

/// Returns the statement that a load by the header's names is: `copy` refuses the names
/// of all columns in another order, where the loader puts each value into its column.
fn by_name(copy: &Copy, data: &[u8], outcome: &Outcome<'_>) -> Option<Copy> {
    if copy.header != Header::Match || !outcome.failed || copy.columns.is_empty() {
        return None;
    }
    let first = data.split(|byte| *byte == b'\n').next()?;
    let separator = copy.delimiter.as_deref().unwrap_or(if copy.format == Format::Csv { "," } else { "\t" });
    let header: Vec<String> =
        String::from_utf8_lossy(first).split(separator).map(ToOwned::to_owned).collect();
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    (sorted(&header) == sorted(&copy.columns)).then(|| Copy { columns: header, ..copy.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_were_skipped_are_found() {
        let messages = [
            "NOTICE:  skipping row due to data type incompatibility at line 12 for column \"n\": \"a\""
                .to_owned(),
            "CONTEXT:  COPY t, line 3, column b: \"x\"".to_owned(),
        ];
        let outcome = Outcome { failed: false, messages: &messages };
        assert_eq!((outcome.skipped(), outcome.line()), (vec![12], Some(3)));
    }

    #[test]
    fn a_header_in_another_order_is_loaded_by_name() {
        let copy = parse("copy t (b, a) from stdin (header match)").unwrap();
        let outcome = Outcome { failed: true, messages: &[] };
        assert_eq!(by_name(&copy, b"a\tb\n1\t2\n", &outcome).unwrap().columns, ["a", "b"]);
        assert_eq!(by_name(&copy, b"a\tc\n1\t2\n", &outcome), None);
    }
}
