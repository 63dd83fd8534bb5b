//! What a message says of rejected rows.

use serde_json::{Value, json};

use super::RunFacts;
use crate::wording::{grouped, ordered_json};

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
    let failed = totals.rejects_of_all - totals.rejects;
    let of_failed = match failed {
        0 => String::new(),
        failed => format!(", and {} in failed objects", grouped(failed)),
    };
    let mut lines = vec![format!(
        "Rejected rows: {} of {}{of_failed}",
        grouped(totals.rejects),
        grouped(totals.rows + totals.rejects)
    )];
    lines.extend(facts.causes.iter().map(|cause| format!("- {}: {cause}", grouped(cause.count))));
    lines
}

/// Says how to see the rejected rows.
pub(super) fn query(run_id: &str) -> String {
    format!(
        "select key, line, column_name, sqlstate, error_message, coalesce(row_text, row_values::text) as row from loader.rejected_row where run_id = '{}' order by key, line",
        run_id.replace('\'', "''")
    )
}

/// Says how the rejected rows of a published run come into the table.
pub(super) fn replay(table: &str, run_id: &str) -> String {
    format!(
        "{}; to load them after all, start the state machine with {} for a file of them, put it back corrected as replays/{run_id}.csv in the work bucket, and start it with {}",
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
