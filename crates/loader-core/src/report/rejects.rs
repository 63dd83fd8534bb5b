//! What a message says of rejected rows.

use serde_json::{Value, json};

use super::RunFacts;
use crate::wording::{counted, grouped, ordered_json};

/// Whether rows were left out of what was loaded, or objects failed of them.
pub(super) fn has_rejects(facts: &RunFacts) -> bool {
    facts.totals.rejects_of_all > 0
}

/// Says how many rows were rejected, and what for.
pub(super) fn figures(facts: &RunFacts) -> Vec<String> {
    if !has_rejects(facts) {
        return Vec::new();
    }
    let totals = &facts.totals;
    let of_loaded = format!("{} of {}", grouped(totals.rejects), grouped(totals.rows + totals.rejects));
    let failed = totals.rejects_of_all - totals.rejects;
    let mut lines = vec![match (totals.rejects, failed) {
        (_, 0) => format!("Rejected rows: {of_loaded}"),
        (0, failed) => format!("Rejected rows: {}, all of failed objects", grouped(failed)),
        (_, failed) => format!("Rejected rows: {of_loaded}, and {} of failed objects", grouped(failed)),
    }];
    lines.extend(causes(facts, totals.rejects_of_all));
    lines
}

/// Lists the most frequent causes of so many rejected rows.
pub(super) fn causes(facts: &RunFacts, of: u64) -> impl Iterator<Item = String> + '_ {
    let shown: u64 = facts.causes.iter().map(|cause| cause.count).sum();
    let others = of.checked_sub(shown).filter(|others| *others > 0 && shown > 0);
    let causes =
        facts.causes.iter().map(|cause| format!("- {}: {cause}", counted(cause.count, "row", "rows")));
    causes.chain(others.map(|others| format!("- {}: other causes", counted(others, "row", "rows"))))
}

/// Says how to see the rejected rows.
pub(super) fn query(run_id: &str) -> String {
    format!(
        "select key, line, column_name, sqlstate, error_message, coalesce(row_text, row_values::text) as row from loader.rejected_row where run_id = '{}' and replayed_by is null order by key, line",
        run_id.replace('\'', "''")
    )
}

/// Says how the rejected rows of a published run come into the table.
pub(super) fn replay(table: &str, run_id: &str) -> String {
    format!(
        "look at the rejected rows, and load them after all if they matter:
1. See them: {}
2. Get them as a file: start the state machine with {}
3. Correct the file, put it into the work bucket as replays/{run_id}.csv, and start the state machine with {}",
        query(run_id),
        ordered_json([("table", table.into()), ("export_rejects", run_id.into())]),
        ordered_json([("table", table.into()), ("replay", run_id.into())]),
    )
}

/// Returns the same for machines.
pub(super) fn machine(facts: &RunFacts) -> Value {
    json!({
        "rows": facts.totals.rejects,
        "rows_of_all_objects": facts.totals.rejects_of_all,
        "causes": facts.causes.iter().map(|cause| json!({
            "column": cause.column, "sqlstate": cause.sqlstate, "reason": cause.reason, "rows": cause.count,
        })).collect::<Vec<_>>(),
    })
}
