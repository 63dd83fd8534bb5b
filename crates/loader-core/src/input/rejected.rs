//! The inputs that are about the rejected rows of a run that is over.

use serde_json::{Map, Value};

use super::{Checked, LONGEST_NAME, wrong};
use crate::identifier::Identifier;
use crate::wording::ordered_json;

/// The field that names the run whose rows are loaded again.
pub(super) const REPLAY: &str = "replay";
/// The field that names the run whose rows are written into a file.
pub(super) const EXPORT: &str = "export_rejects";

/// A valid execution input about the rejected rows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectsInput {
    /// The table that the run loaded.
    pub table: Identifier,
    /// The run.
    pub of_run: String,
}

/// Reads `{"table": "year_2021", "<what>": "<run>"}`.
pub(super) fn parse(fields: &Map<String, Value>, what: &str) -> Checked<RejectsInput> {
    if let Some(other) = fields.keys().find(|field| *field != "table" && *field != what) {
        return Err(format!(
            "the field `{other}` can't stand beside `{what}`; it takes what the run was asked for, as in {}",
            ordered_json([("table", "year_2021".into()), (what, "<run>".into())])
        ));
    }
    let of_run = match fields.get(what) {
        Some(Value::String(run)) => run.clone(),
        other => return Err(wrong(what, other.unwrap_or(&Value::Null), "the id of a run")),
    };
    // It becomes a part of a key in the work bucket.
    let is_name = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    if of_run.is_empty() || of_run.chars().count() > LONGEST_NAME || !of_run.chars().all(is_name) {
        return Err(format!("the field `{what}` is no id of a run; it is the name of the run's execution"));
    }
    Ok(RejectsInput { table: super::table(fields)?, of_run })
}
