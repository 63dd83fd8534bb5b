//! `DuckDB`'s tests of its CSV reader.
//!
//! A case is a statement of a sqllogictest file with what it must return. The statement
//! is turned into a definition; cases about what only `DuckDB` has are left out, each
//! with its reason.

mod answer;
mod definition;
mod files;
mod objects;
mod options;
mod selection;
mod statement;
mod table;
mod tokens;
mod type_names;

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use self::answer::Answer;
use self::definition::{Defined, define};
use self::files::{File, Files, has_placeholder, key_parts};
use self::objects::{can_be_fields, fit};
use self::options::{Options, Types};
use self::selection::{Columns, query};
use self::statement::{Statement, Target};
use crate::suite::{Case, Cases, Compare, Expected, Suite};

/// The table that every case loads.
const TABLE: &str = "t";

/// The suite.
pub struct DuckDb;

/// A case as the suite's file has it.
#[derive(Debug, Deserialize)]
struct Written {
    test: String,
    line: u64,
    kind: String,
    sql: String,
    #[serde(default)]
    expected: Vec<String>,
    #[serde(default)]
    setup: Vec<String>,
}

impl Suite for DuckDb {
    fn name(&self) -> &'static str {
        "duckdb-csv"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> anyhow::Result<Cases> {
        let folder = data.join(self.name());
        let text = std::fs::read(folder.join("cases.json")).context("cases.json can't be read")?;
        let written: Vec<Written> = serde_json::from_slice(&text).context("cases.json is not as expected")?;
        let files = Files::below(&folder).context("the files can't be listed")?;
        let mut cases = Cases::default();
        let mut names: HashMap<String, usize> = HashMap::new();
        for one in &written {
            let file = one.test.strip_prefix("test/sql/copy/csv/").unwrap_or(&one.test);
            let mut name = format!("{file}:{}", one.line);
            // A loop of the test may have one statement several times.
            let seen = names.entry(name.clone()).or_default();
            *seen += 1;
            if *seen > 1 {
                name = format!("{name} ({seen})");
            }
            match turn(one, &name, &files)? {
                Ok(turned) => cases.cases.extend(turned),
                Err(why) => cases.leave_out(name, why),
            }
        }
        Ok(cases)
    }
}

/// Turns a statement into cases: one, or one for each file that the test's loop names.
/// The inner error is the reason to leave it out.
fn turn(written: &Written, name: &str, files: &Files) -> anyhow::Result<Result<Vec<Case>, &'static str>> {
    let read = || {
        let statement = Statement::parse(&written.sql)?;
        let answer = Answer::read(&written.kind, &written.expected)?;
        answer.check()?;
        let found = if statement.files.iter().any(|file| has_placeholder(file)) {
            if answer != Answer::Ends {
                return Err("files that the test's loop names");
            }
            let each =
                statement.files.iter().map(|file| files.find_each(file)).collect::<Result<Vec<_>, _>>()?;
            each.into_iter().flatten().map(|file| vec![file]).collect()
        } else {
            let all = statement.files.iter().map(|file| files.find(file)).collect::<Result<Vec<_>, _>>()?;
            vec![all.concat()]
        };
        Ok((statement, answer, found))
    };
    let (statement, answer, sets) = match read() {
        Ok(read) => read,
        Err(why) => return Ok(Err(why)),
    };
    let several = sets.len() > 1;
    let mut cases = Vec::new();
    for set in sets {
        let mut case = match describe(written, &statement, answer.clone(), &set) {
            Ok(case) => case,
            Err(why) => return Ok(Err(why)),
        };
        case.name = match set.first() {
            Some(file) if several => format!("{name}, {}", file.path()),
            _ => name.to_owned(),
        };
        for file in &set {
            let (mut key, bytes) = file.object().with_context(|| format!("{} can't be read", file.path()))?;
            // A file that is read twice is there twice.
            while case.objects.iter().any(|(other, _)| *other == key) {
                key = key.replacen(&format!("{TABLE}/"), &format!("{TABLE}/again/"), 1);
            }
            case.objects.push((key, bytes));
        }
        match fit(&mut case) {
            Ok(()) => cases.push(case),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(cases))
}

fn describe(
    written: &Written,
    statement: &Statement,
    answer: Answer,
    set: &[File],
) -> Result<Case, &'static str> {
    let options = Options::read(&statement.options)?;
    if options.strict != Some(false) && options.quote.is_none() && answer.has_quotes_on() {
        return Err("quotes that DuckDB leaves on the values where its strict mode can't read them");
    }
    let is_error = matches!(answer, Answer::Fails(_));
    if is_error && options.has_limit {
        return Err("a limit of DuckDB's own");
    }
    if is_error && options.small_sample {
        return Err("a type that DuckDB guesses wrong from a small sample");
    }
    let parts: Vec<String> = if options.hive {
        set.first().map(|file| key_parts(file.path())).unwrap_or_default()
    } else {
        Vec::new()
    };
    let width = match &answer {
        Answer::Rows { width, .. } => Some(*width),
        // What is refused has as many columns as there are types, or is refused for that.
        Answer::Fails(_) => options.types.as_ref().map(Types::count),
        _ => None,
    };
    let of_files = usize::from(options.file_name) + parts.len();
    let all = width.filter(|_| statement.select.is_empty()).map(|width| width.saturating_sub(of_files));
    let Defined { mut definition, setup, columns, is_inferred } =
        define(statement, &options, &written.setup, all)?;
    if let Some(fields) = definition.as_object_mut()
        && !parts.is_empty()
    {
        fields.insert("key_parts".to_owned(), json!(parts));
    }
    if is_inferred && answer.has_zones() {
        return Err("moments in the time zone of a session, which DuckDB infers");
    }
    let counts = !matches!(statement.target, Target::Result);
    let header = set.first().and_then(File::first_line).unwrap_or_default();
    if let Some(all) = all
        && options.null_padding
        && options.header != Some(false)
        && is_inferred
        && !can_be_fields(&header, all, options.delimiter.as_deref())
    {
        return Err("columns that no header names, which null_padding makes");
    }
    let asked = Columns {
        known: columns.as_deref(),
        file_name: options.file_name,
        key_parts: &parts,
        header: &header,
    };
    let query = match width {
        Some(width) if !counts && !is_error => query(&statement.select, &statement.rest, width, &asked)?,
        _ => None,
    };
    let compare = if is_inferred { Compare::Inferred } else { Compare::Values };
    let mut expected = answer.of_load(compare, counts, options.keep_rejects)?;
    if options.file_name
        && let Expected::Rows { rows, .. } = &mut expected
    {
        for text in rows.iter_mut().flatten().flatten() {
            *text = text.replace("{DATA_DIR}/csv/", &format!("{TABLE}/"));
        }
    }
    let sql = written.sql.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Case {
        setup,
        table: TABLE.to_owned(),
        definition,
        query,
        expected,
        notes: vec![sql],
        ..Case::default()
    })
}
