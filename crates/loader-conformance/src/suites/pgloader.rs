//! pgloader's regression tests: load commands with their data, and what the table must
//! be after them.
//!
//! What a command says in its own words (`LOAD CSV … WITH …`) becomes a definition; what
//! it sets of the session is set for the loader's session too.

mod command;
mod cursor;
mod definition;
mod transform;

use std::path::Path;

use anyhow::{Context as _, Result};

use self::command::{Command, Format, Source, parse};
use self::definition::definition;
use super::second_reader::{bytes, files, name};
use crate::suite::{Case, Cases, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pgloader;

/// The table that Postgres loads what is expected into.
const ORACLE: &str = "public.oracle";

/// What a session is set to that changes what values mean.
const SETTINGS: &[&str] = &["timezone", "datestyle", "intervalstyle", "extra_float_digits", "bytea_output"];

impl Suite for Pgloader {
    fn name(&self) -> &'static str {
        "pgloader"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let folder = data.join(self.name());
        let mut cases = Cases::default();
        for file in files(&folder)? {
            let file = name(&file);
            if let Some(name) = file.strip_suffix(".spec.txt") {
                of_spec(&folder, name, &mut cases)?;
            }
        }
        Ok(cases)
    }
}

fn of_spec(folder: &Path, name: &str, cases: &mut Cases) -> Result<()> {
    let read = |suffix: &str| {
        let path = folder.join(format!("{name}.{suffix}"));
        path.is_file().then(|| bytes(&path)).transpose()
    };
    let Some(expected) = read("expected")? else {
        cases.leave_out(name, "nothing says what must come of it");
        return Ok(());
    };
    let spec = read("spec.txt")?.context("the command was there a moment ago")?;
    let data = read("data")?.unwrap_or_default();
    let Some((command, data)) = command_and_data(&spec, &data) else {
        cases.leave_out(name, "no load csv, copy or fixed, or with words that the suite does not know");
        return Ok(());
    };
    let objects = match objects(folder, &command, data)? {
        Ok(objects) => objects,
        Err(why) => {
            cases.leave_out(name, why);
            return Ok(());
        }
    };
    // COPY drops a backslash before a letter that means nothing with it; pgloader keeps
    // it before an `N`, though the format is COPY's.
    let is_sign = |bytes: &[u8]| bytes.windows(2).any(|two| two == b"\\N");
    if command.format == Format::Copy
        && command.option("null").is_some_and(|sign| sign != "\\N")
        && objects.iter().any(|(_, bytes)| is_sign(bytes))
    {
        cases.leave_out(name, "pgloader reads a backslash otherwise than COPY, whose format it is");
        return Ok(());
    }
    match case(name, &command, objects, expected) {
        Ok(case) => cases.cases.push(case),
        Err(why) => cases.leave_out(name, why),
    }
    Ok(())
}

/// Returns the command and its data. Where the file was cut within the command (at a
/// semicolon in a comment), the rest of it stands before the data.
fn command_and_data(spec: &[u8], data: &[u8]) -> Option<(Command, Vec<u8>)> {
    let text = String::from_utf8_lossy(spec);
    if let Some((command, _)) = parse(&text) {
        return Some((command, data.to_vec()));
    }
    let whole = format!("{}\n{}", text.trim_end(), std::str::from_utf8(data).ok()?);
    let (command, rest) = parse(&whole)?;
    Some((command, rest.as_bytes().to_vec()))
}

/// Objects: keys and bytes.
type Objects = Vec<(String, Vec<u8>)>;

fn objects(folder: &Path, command: &Command, data: Vec<u8>) -> Result<Result<Objects, &'static str>> {
    let key = |name: &str| format!("{}/{name}", command.table);
    Ok(match &command.source {
        Source::Inline => Ok(vec![(key("inline.data"), data)]),
        Source::Elsewhere => Err("its data are not in a file"),
        Source::File(path) => {
            let path = folder.join(path);
            if path.is_file() {
                Ok(vec![(key(&name(&path)), bytes(&path)?)])
            } else {
                Err("its file is not there")
            }
        }
        Source::Matching { expression, folder: below } => {
            let expression = regex::Regex::new(expression)?;
            let mut objects = Vec::new();
            for file in files(&folder.join(below))? {
                let name = name(&file);
                if expression.is_match(&name) {
                    objects.push((key(&name), bytes(&file)?));
                }
            }
            if objects.is_empty() { Err("its file is not there") } else { Ok(objects) }
        }
    })
}

fn case(name: &str, command: &Command, objects: Objects, expected: Vec<u8>) -> Result<Case, &'static str> {
    let definition = definition(command)?;
    // The loader's tables are in the schema public. Where the command does not name
    // another one, the search path of its session may.
    let path = command.settings.iter().find(|(name, _)| name == "search_path").map(|(_, path)| path);
    let here = |statement: &String| match command.schema.as_ref().or(path) {
        Some(schema) => statement.replace(&format!("{schema}."), ""),
        None => statement.clone(),
    };
    let mut setup: Vec<String> = command.before.iter().map(here).collect();
    if setup.iter().any(|statement| statement.contains("ip4r")) {
        return Err("the extension ip4r, which is no part of PostgreSQL");
    }
    setup.push(format!("create table {ORACLE} (like {} including generated)", quoted(&command.table)));
    for (name, value) in &command.settings {
        if SETTINGS.contains(&name.as_str()) {
            let value = value.replace('\'', "''");
            let value = if name == "datestyle" { format!("ISO, {value}") } else { value };
            setup.push(format!("set {name} to '{value}'"));
        }
    }
    let is_empty = expected.is_empty();
    let same = Expected::SameAs { query: format!("select * from {ORACLE}"), rejects: None };
    // Where no row could be loaded, the load may be refused whole.
    let expects =
        if is_empty { Expected::AnyOf(vec![same, Expected::Refused { contains: Vec::new() }]) } else { same };
    Ok(Case {
        name: name.to_owned(),
        setup,
        copies: vec![(format!("copy {ORACLE} from stdin"), expected)],
        table: command.table.clone(),
        definition,
        objects,
        expected: expects,
        ..Case::default()
    })
}

fn quoted(name: &str) -> String {
    format!("public.\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_was_cut_goes_on_in_the_data() {
        let spec = b"/* field_sep = ;";
        let data = b" */\nload csv from inline (a) into p:///x?t with truncate;\n\n\n1\n2\n";
        let (command, data) = command_and_data(spec, data).unwrap();
        assert_eq!((command.table.as_str(), data.as_slice()), ("t", &b"1\n2\n"[..]));
    }
}
