//! Runs `pg_dump`, and tells what differs between two of its outputs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use tokio::process::Command;

/// Names the program, where it is not installed with the system.
const PROGRAM: &str = "PG_DUMP";

/// Dumps the schema of a database, but for the loader's own schemas.
pub(crate) async fn schema(url: &str) -> String {
    let program = program();
    let output = Command::new(&program)
        .args(["--schema-only", "--no-password"])
        .args(["--exclude-schema=loader", "--exclude-schema=dataimport", "--exclude-schema=databackup"])
        .arg(format!("--dbname={url}"))
        .output()
        .await
        .unwrap_or_else(|error| {
            panic!(
                "{} can't be started ({error}): set {PROGRAM} to a pg_dump that is as new as the server, \
                 or run `cargo x test --only catalog`, which brings one",
                program.display()
            )
        });
    assert!(
        output.status.success(),
        "{} failed (is it as new as the server? {PROGRAM} can name another): {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("a dump in UTF-8");
    // The only lines that differ between two dumps of the same database: a key that
    // is drawn anew for each.
    let kept =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    kept.fold(String::new(), |text, line| text + line + "\n")
}

/// Finds the program: the one that is named, else the newest of Debian's folders,
/// else the one on the search path.
fn program() -> OsString {
    if let Some(program) = std::env::var_os(PROGRAM) {
        return program;
    }
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            let program = entry.path().join("bin/pg_dump");
            Path::new(&program).exists().then_some((major, program))
        })
        .max();
    newest.map_or_else(|| "pg_dump".into(), |(_, program)| program.into_os_string())
}

/// Says what differs between two dumps, object by object; nothing if they are the
/// same.
pub(crate) fn difference(before: &str, after: &str) -> Option<String> {
    if before == after {
        return None;
    }
    let orders = [headers(before), headers(after)];
    let (before, after) = (entries(before), entries(after));
    let mut text = String::new();
    for (name, was) in &before {
        match after.get(name) {
            Some(is) if is == was => {}
            Some(is) => {
                let _ = writeln!(text, "changed: {name}\n{}", lines_that_differ(was, is));
            }
            None => {
                let _ = writeln!(text, "gone: {name}\n{}", marked(was, '-'));
            }
        }
    }
    for (name, is) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        let _ = writeln!(text, "new: {name}\n{}", marked(is, '+'));
    }
    if text.is_empty() {
        // Only the order differs: what comes first in its own place.
        let [was, is] = &orders;
        if let Some((was, is)) = was.iter().zip(is).find(|(was, is)| was != is) {
            let _ = writeln!(text, "the same objects in another order:\n  - {was}\n  + {is}");
        }
    }
    Some(text)
}

/// Lists the entries of a dump by their header lines, in their order.
fn headers(dump: &str) -> Vec<&str> {
    dump.lines().filter_map(|line| line.strip_prefix("-- Name: ")).collect()
}

/// Cuts a dump into its entries, by their header lines.
fn entries(dump: &str) -> BTreeMap<String, Vec<&str>> {
    let mut entries: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut name = "the beginning".to_owned();
    for line in dump.lines().filter(|line| !line.is_empty() && *line != "--") {
        if let Some(header) = line.strip_prefix("-- Name: ") {
            header.clone_into(&mut name);
            let mut number = 2;
            while entries.contains_key(&name) {
                name = format!("{header} ({number})");
                number += 1;
            }
        }
        entries.entry(name.clone()).or_default().push(line);
    }
    entries
}

/// Shows the lines of an entry that are in one of both only, in their places.
fn lines_that_differ(was: &[&str], is: &[&str]) -> String {
    let same_start = was.iter().zip(is).take_while(|(was, is)| was == is).count();
    let rest = was.len().min(is.len()) - same_start;
    let same_end = was.iter().rev().zip(is.iter().rev()).take(rest).take_while(|(was, is)| was == is).count();
    let gone = marked(&was[same_start..was.len() - same_end], '-');
    let new = marked(&is[same_start..is.len() - same_end], '+');
    gone + &new
}

fn marked(lines: &[&str], mark: char) -> String {
    lines.iter().fold(String::new(), |text, line| text + &format!("  {mark} {line}\n"))
}

#[test]
fn a_difference_is_told_object_by_object() {
    let before = "-- Name: a; Type: TABLE;\n--\ncreate table a (\n    x int,\n    y int\n);\n-- Name: b; Type: VIEW;\ncreate view b;\n";
    let after = "-- Name: a; Type: TABLE;\n--\ncreate table a (\n    x text,\n    y int\n);\n-- Name: c; Type: VIEW;\ncreate view c;\n";
    assert_eq!(difference(before, before), None);
    let turned = "-- Name: b; Type: VIEW;\ncreate view b;\n-- Name: a; Type: TABLE;\n--\ncreate table a (\n    x int,\n    y int\n);\n";
    assert_eq!(
        difference(before, turned).unwrap(),
        "the same objects in another order:\n  - a; Type: TABLE;\n  + b; Type: VIEW;\n"
    );
    assert_eq!(
        difference(before, after).unwrap(),
        "changed: a; Type: TABLE;\n  -     x int,\n  +     x text,\n\n\
         gone: b; Type: VIEW;\n  - -- Name: b; Type: VIEW;\n  - create view b;\n\n\
         new: c; Type: VIEW;\n  + -- Name: c; Type: VIEW;\n  + create view c;\n\n"
    );
}
