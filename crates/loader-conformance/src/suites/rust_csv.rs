//! The examples of the crate `csv`, read by the crate `csv` as its documentation does.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::second_reader::{Reading, bytes, decode, files, is_a, name};
use super::text_table::{TextColumns, as_read, case, guessed, lenient};
use crate::suite::{Cases, Compare, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct RustCsv;

impl Suite for RustCsv {
    fn name(&self) -> &'static str {
        "rust-csv"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let mut cases = Cases::default();
        for file in files(&data.join(self.name()))? {
            let name = name(&file);
            if is_a(&name, "md") {
                continue;
            }
            of_file(&name, &bytes(&file)?, &mut cases)?;
        }
        Ok(cases)
    }
}

/// Returns how the tutorial of the crate reads an example, as the crate is told and as
/// a definition says it: <https://docs.rs/csv/latest/csv/tutorial/>.
fn known(name: &str) -> Option<(Reading, &'static str, Value)> {
    let plain = Reading::default();
    Some(match name {
        "smallpop.csv" | "uspop.csv" => (plain, "utf-8", json!({})),
        "smallpop-colon.csv" => (Reading { delimiter: b':', ..plain }, "utf-8", json!({ "delimiter": ":" })),
        "smallpop-no-headers.csv" => {
            (Reading { header: false, ..plain }, "utf-8", json!({ "header": false }))
        }
        "uspop-latin1.csv" => (plain, "windows-1252", json!({ "encoding": "windows-1252" })),
        // The tutorial takes the text NULL for a missing number.
        "uspop-null.csv" => (plain, "utf-8", json!({ "null": ["", "NULL"] })),
        "strange.csv" => (
            Reading { delimiter: b';', escape: Some(b'\\'), comment: Some(b'#'), header: false, ..plain },
            "utf-8",
            json!({ "delimiter": ";", "escape": "\\", "comment": "#", "header": false, "ragged": "pad" }),
        ),
        _ => return None,
    })
}

fn of_file(name: &str, bytes: &[u8], cases: &mut Cases) -> Result<()> {
    let auto = lenient(json!({ "dialect": "auto" }));
    let Some((reading, encoding, dialect)) = known(name) else {
        cases.cases.push(case(&format!("{name} (auto)"), name, bytes, auto, guessed(bytes)));
        return Ok(());
    };
    let mut table = reading.read(&decode(bytes, encoding)?)?;
    let columns = TextColumns::of(&table);
    let ragged = !table.is_even();
    // A sniffer can't know that the text NULL means nothing: it is what it is.
    let names = reading.header.then(|| columns.names.clone());
    let as_it_stands = as_read(&table, names, Compare::ValuesOrEmpty);
    if dialect.get("null").is_some() {
        for cell in table.rows.iter_mut().flatten().filter(|cell| *cell == "NULL") {
            cell.clear();
        }
    }
    let expected = Expected::Rows {
        columns: Some(columns.names),
        rows: table.filled(table.width()),
        ordered: false,
        compare: Compare::ValuesOrEmpty,
    };
    let told = json!({ "columns": columns.defined, "dialect": dialect });
    cases.cases.push(case(name, name, bytes, told, expected));
    let mut found = case(&format!("{name} (auto)"), name, bytes, auto, as_it_stands);
    if ragged {
        found.notes.push("records without their second field may be filled up or rejected".to_owned());
    }
    cases.cases.push(found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_knows_is_still_a_case() {
        let mut cases = Cases::default();
        of_file("new.csv", b"a,b\n1,2\n", &mut cases).unwrap();
        of_file("odd.csv", b"a\n1,2\n", &mut cases).unwrap();
        assert!(matches!(cases.cases[0].expected, Expected::Rows { .. }));
        assert_eq!(cases.cases[1].expected, Expected::Loads);
    }
}
