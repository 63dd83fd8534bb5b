//! Puts the message about a group together: one for all of its tables.

use serde_json::{Value, json};

use super::message::{failed_object, machine_failed_objects, machine_objects};
use super::next_step::{self, Failed};
use super::wording::{console_link, duration, ending, failed, subject};
use super::{Message, Occasion, Outcome, RunFacts, rejects, run_facts};
use crate::cleanup::GROUP_STATES;
use crate::database::run::RunKind;
use crate::wording::counted;

/// How many tables a headline names.
const NAMED: usize = 3;

/// Puts the message about a group together. A table that has no run was never
/// begun.
#[must_use]
pub fn compose_group(occasion: &Occasion, runs: &[RunFacts]) -> Message {
    let tables = tables(occasion, runs);
    let shown = shortened(&tables);
    let is_live = !runs.is_empty() && runs.iter().all(|run| run.published);
    let outcome = match occasion.outcome {
        Outcome::Succeeded if runs.iter().any(RunFacts::is_partial) => Outcome::Partial,
        outcome => outcome,
    };
    let headline = match outcome {
        Outcome::Succeeded => format!("{shown}: loaded and live together"),
        Outcome::Partial => {
            format!("{shown}: live together, with {} left out", run_facts::left_out(runs))
        }
        Outcome::Failed if is_live => format!("{shown}: live, but the run ended badly"),
        Outcome::Failed if runs.is_empty() => format!("{shown}: load failed"),
        Outcome::Failed => format!("{shown}: load failed, live tables untouched"),
    };
    let link = console_link(&occasion.execution.id);
    let mut lines = vec![headline.clone(), String::new()];
    lines.extend(failed(occasion.failure.as_ref()));
    lines.push("Tables:".to_owned());
    for table in &tables {
        lines.extend(about(table, runs.iter().find(|run| run.table == *table), occasion));
    }
    lines.push(String::new());
    let next = next_step(occasion, outcome, is_live, runs, &shown);
    lines.extend(ending(&occasion.execution.name, &next, link.as_deref()));
    Message {
        subject: subject(&headline),
        text: lines.join("\n"),
        json: json!({
            "outcome": outcome.as_str(),
            "kind": "group",
            "table": tables.join(","),
            "run_id": occasion.execution.name,
            "execution_arn": occasion.execution.id,
            "execution_url": link,
            "published": (!runs.is_empty()).then_some(is_live),
            "tables": tables.iter().map(|table| {
                machine(table, runs.iter().find(|run| run.table == *table))
            }).collect::<Vec<_>>(),
            "failure": occasion.failure,
            "next": next,
        }),
        outcome: outcome.as_str(),
        table: tables.join(","),
    }
}

/// Returns the tables in the order of the input; those of the runs where the
/// input is not known.
fn tables(occasion: &Occasion, runs: &[RunFacts]) -> Vec<String> {
    let mut tables = occasion.tables.clone();
    for run in runs {
        if !tables.contains(&run.table) {
            tables.push(run.table.clone());
        }
    }
    tables
}

fn shortened(tables: &[String]) -> String {
    if tables.len() <= NAMED {
        return tables.join(", ");
    }
    let first: Vec<&str> = tables.iter().take(NAMED - 1).map(String::as_str).collect();
    format!("{} and {} more", first.join(", "), tables.len() - first.len())
}

/// Returns the table that made the group fail: the others only say that it has.
fn culprit<'a>(occasion: &Occasion, runs: &'a [RunFacts]) -> Option<&'a RunFacts> {
    runs.iter().find(|run| own_failure(run, occasion).is_some())
}

/// Returns the failure of a table itself, not that of its group or of whoever
/// stopped it.
fn own_failure<'a>(run: &'a RunFacts, occasion: &Occasion) -> Option<(&'a str, &'a str, &'a str)> {
    let (name, message, state) = run.failure.as_ref()?;
    let ended_with_others = GROUP_STATES.contains(&state.as_str())
        || ["ABORTED", "TIMED_OUT"].contains(&state.as_str())
        // The group's own execution failed in a way that only Step Functions tells.
        || (state == "FAILED" && occasion.failure.as_ref().is_some_and(|told| told.state == *state));
    (!run.published && !ended_with_others).then_some((name.as_str(), message.as_str(), state.as_str()))
}

fn about(table: &str, run: Option<&RunFacts>, occasion: &Occasion) -> Vec<String> {
    let Some(run) = run else { return vec![format!("- {table}: not begun")] };
    let loaded = format!(
        "{} of {} in {}",
        counted(run.totals.rows, "row", "rows"),
        counted(run.totals.loaded, "object", "objects"),
        duration(run.seconds)
    );
    if run.published {
        let version = run.version.map_or_else(String::new, |version| format!(" as version {version}"));
        let before = run
            .backup
            .as_ref()
            .map_or_else(String::new, |backup| format!("; the version before is {backup}"));
        let mut lines = vec![format!("- {table}: {loaded}, live{version}{before}")];
        lines.extend(left_out(run));
        return lines;
    }
    let mut lines = vec![match own_failure(run, occasion) {
        Some((name, message, state)) => format!("- {table}: failed with {name} in {state}: {message}"),
        None => format!("- {table}: {loaded}, not published"),
    }];
    lines.extend(left_out(run));
    lines
}

fn left_out(run: &RunFacts) -> impl Iterator<Item = String> + '_ {
    let failed = run.failed.iter().map(|object| format!("  - {}", failed_object(object)));
    failed.chain(rejects::figures(run).into_iter().map(|line| format!("  {line}")))
}

fn next_step(occasion: &Occasion, outcome: Outcome, is_live: bool, runs: &[RunFacts], shown: &str) -> String {
    match outcome {
        Outcome::Failed if is_live => {
            "nothing for the data; look at the execution for what came after the publish.".to_owned()
        }
        Outcome::Failed => {
            let culprit = culprit(occasion, runs);
            next_step::after_failure(&Failed {
                kind: RunKind::Load,
                error: occasion.failure.as_ref().map_or("", |failure| failure.error.as_str()),
                table: culprit.map_or(shown, |run| &run.table),
                run_id: culprit.map_or(&occasion.execution.name, |run| &run.run_id),
                again: shown,
                facts: culprit,
            })
        }
        Outcome::Partial => {
            let first = runs.iter().find(|run| run.is_partial());
            let run_id = first.map_or(&occasion.execution.name, |run| &run.run_id);
            let table = first.map_or(shown, |run| &run.table);
            next_step::left_out(table, run_id, first)
        }
        Outcome::Succeeded => match runs.iter().find(|run| run.backup.is_some()) {
            Some(run) => {
                format!("nothing. To take a table back, {}", next_step::take_back(&run.table, None))
            }
            None => "nothing.".to_owned(),
        },
    }
}

fn machine(table: &str, run: Option<&RunFacts>) -> Value {
    let failure = run
        .and_then(|run| run.failure.as_ref())
        .map(|(name, message, state)| json!({"error": name, "message": message, "state": state}));
    json!({
        "table": table,
        "run_id": run.map(|run| run.run_id.clone()),
        "published": run.map(|run| run.published),
        "rows": run.and_then(RunFacts::rows),
        "objects": run.map(machine_objects),
        "rejects": run.map(rejects::machine),
        "version": run.and_then(|run| run.version),
        "backup": run.and_then(|run| run.backup.clone()),
        "staging": run.and_then(|run| run.staging.clone()),
        "failure": failure,
        "first_failed_objects": run.map(machine_failed_objects),
    })
}

#[cfg(test)]
#[path = "group_message_tests.rs"]
mod tests;
