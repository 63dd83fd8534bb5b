//! Apache Arrow's CSV files: a table that all its implementations query, and what its
//! fuzzers found. What they found must neither break nor hang anything.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::second_reader::{Reading, bytes, decode, files, is_a, name, unpacked};
use super::text_table::{TextColumns, as_read, case, lenient};
use crate::suite::{Cases, Compare, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrow;

impl Suite for Arrow {
    fn name(&self) -> &'static str {
        "arrow-testing"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let folder = data.join(self.name()).join("csv");
        let mut cases = Cases::default();
        for file in files(&folder)? {
            let name = name(&file);
            if name.contains(".csv") {
                table(&name, &bytes(&file)?, &unpacked(&file)?, &mut cases)?;
            }
        }
        for file in files(&folder.join("fuzzing"))? {
            let name = name(&file);
            if !name.starts_with('.') && !is_a(&name, "md") {
                fuzzed(&name, &bytes(&file)?, &mut cases);
            }
        }
        Ok(cases)
    }
}

fn table(name: &str, object: &[u8], text: &[u8], cases: &mut Cases) -> Result<()> {
    let table = Reading::default().read(&decode(text, "utf-8")?)?;
    let columns = TextColumns::of(&table);
    let told = json!({ "columns": columns.defined });
    let exact = as_read(&table, Some(columns.names.clone()), Compare::ValuesOrEmpty);
    let inferred = as_read(&table, Some(columns.names), Compare::ValuesOrEmpty);
    cases.cases.extend([
        case(name, name, object, told, exact),
        case(&format!("{name} (inferred)"), name, object, json!({}), inferred.clone()),
        case(&format!("{name} (auto)"), name, object, json!({ "dialect": "auto" }), inferred),
    ]);
    Ok(())
}

fn fuzzed(name: &str, object: &[u8], cases: &mut Cases) {
    let columns = TextColumns::by_place(3).defined;
    let dialect = json!({ "header": false });
    for (how, definition) in [
        ("auto", json!({ "dialect": "auto" })),
        ("auto, keep", lenient(json!({ "dialect": "auto" }))),
        ("told", json!({ "columns": columns, "dialect": dialect })),
        ("told, keep", lenient(json!({ "columns": columns, "dialect": dialect }))),
    ] {
        cases.cases.push(case(&format!("{name} ({how})"), name, object, definition, Expected::Loads));
    }
}
