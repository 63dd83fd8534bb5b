//! What a message says is to be done next.

use super::{RunFacts, rejects};
use crate::database::run::RunKind;
use crate::wording::ordered_json;

/// What is known of a failure when it says what to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed<'a> {
    /// What failed: a load, or a rollback.
    pub(super) kind: RunKind,
    /// The error's name.
    pub(super) error: &'a str,
    /// The table that failed.
    pub(super) table: &'a str,
    /// Its run.
    pub(super) run_id: &'a str,
    /// What has to be started again: a table, or all of a group.
    pub(super) again: &'a str,
    /// What the control tables know of the run.
    pub(super) facts: Option<&'a RunFacts>,
}

/// Says what to do after a failure.
pub(super) fn after_failure(failed: &Failed<'_>) -> String {
    let Failed { kind, error, table, again, .. } = *failed;
    match (error, kind) {
        ("Loader.NoSuchVersion", _) => format!(
            "choose a version that is kept: select version, state, rows, published_at from loader.version where table_name = '{}' order by version desc",
            quoted(table)
        ),
        ("Loader.TableBusy", _) => "wait for the other run to end, then start again.".to_owned(),
        ("Loader.InvalidInput", _) => "correct the execution input, then start again.".to_owned(),
        (_, RunKind::Rollback) => format!(
            "see to the cause above, then start the rollback of {table} again with the same input; nothing has changed."
        ),
        (_, RunKind::Replay) => format!(
            "see to the cause above, then start the replay for {table} again with the same input; nothing was loaded."
        ),
        (_, RunKind::Load) => {
            let again = format!("start the execution again with the same input for {again}");
            after_a_failed_load(failed, &again)
        }
    }
}

fn after_a_failed_load(failed: &Failed<'_>, again: &str) -> String {
    let table = failed.table;
    match failed.error {
        "Loader.ObjectsFailed" => {
            let rows = match failed.facts {
                Some(facts) if rejects::has_rejects(facts) => {
                    format!("; their rejected rows: {}", rejects::query(failed.run_id))
                }
                _ => String::new(),
            };
            format!(
                "fix or exclude the failed objects, then {again}: what was loaded is kept, only the rest is loaded. All of them: {}{rows}",
                failed_objects(failed.run_id)
            )
        }
        "Loader.TooManyRejects" => format!(
            "look at the rejected rows: {}; correct the objects, the definition of {table} or its reject_limits, then {again}: what was loaded is kept.",
            rejects::query(failed.run_id)
        ),
        "Loader.GateFailed" => format!(
            "{}correct the delivery, or the gate in the definition of {table}, then {again}.",
            kept(table, failed.facts)
        ),
        "Loader.LiveChanged" => {
            format!("{again}: what was loaded is kept, and is built for the table as it is now.")
        }
        "Loader.LiveNotReplaceable" => {
            format!("see to what is named above, then {again}; what was loaded is kept.")
        }
        "Loader.InvalidDefinition" | "Loader.HeaderMismatch" => {
            format!("correct the definition of {table}, then start again.")
        }
        "Loader.DeliveryIncomplete" => format!(
            "see that the delivery is completed, or change `delivery` in the definition of {table}, then {again}."
        ),
        "Loader.NoObjects" => "check that the delivery has arrived, then start again.".to_owned(),
        _ => format!("see to the cause above, then {again}; what was loaded is kept."),
    }
}

/// Says where the rows that did not pass are, and how long.
fn kept(table: &str, facts: Option<&RunFacts>) -> String {
    let Some(staging) = facts.and_then(|facts| facts.staging.as_ref()) else { return String::new() };
    let until = facts
        .and_then(|facts| facts.kept_until.as_ref())
        .map_or_else(String::new, |until| format!("until {until}, or "));
    format!(
        "look at the rows in dataimport.\"{}\", which is kept {until}until the next run of {table}; ",
        staging.replace('"', "\"\"")
    )
}

/// Says how to see what was left out, and how rejected rows come in after all.
pub(super) fn left_out(table: &str, run_id: &str, facts: Option<&RunFacts>) -> String {
    let objects = || format!("look at what was left out: {}", failed_objects(run_id));
    match facts {
        Some(facts) if facts.totals.rejects > 0 && facts.totals.failed > 0 => {
            format!("{}\nThen {}", objects(), rejects::replay(table, run_id))
        }
        Some(facts) if facts.totals.rejects > 0 => rejects::replay(table, run_id),
        _ => objects(),
    }
}

/// Says how to see which objects failed.
pub(super) fn failed_objects(run_id: &str) -> String {
    format!(
        "select key, error_line, error_column, error_message from loader.object where run_id = '{}' and state = 'failed'",
        quoted(run_id)
    )
}

/// Says how the version before comes back.
pub(super) fn take_back(table: &str, version: Option<i64>) -> String {
    let to = version.map_or_else(|| "previous".into(), Into::into);
    format!("start the rollback state machine with {}", ordered_json([("table", table.into()), ("to", to)]))
}

fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}
