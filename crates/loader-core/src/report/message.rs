//! Puts the message about a run together: short lines for a phone, and the same as
//! JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::next_step::{self, Failed};
use super::run_facts::left_out;
use super::wording::{console_link, duration, ending, failed, subject};
use super::{Occasion, RunFacts, rejects, replay_message};
use crate::database::ledger::FailedObject;
use crate::database::run::RunKind;
use crate::publish::describe;
use crate::wording::grouped;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The table is live, with every object.
    Succeeded,
    /// The table is live, without the objects whose failure was tolerated, or without
    /// rows that were rejected.
    Partial,
    /// The live table is as it was.
    Failed,
}

impl Outcome {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// One message: a text for a phone, and the same as JSON for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line, at most 100 characters of printable ASCII.
    pub subject: String,
    /// The text that a person reads.
    pub text: String,
    /// The same facts for machines.
    pub json: Value,
    /// `succeeded`, `partial` or `failed`, for filters on the subscription.
    pub outcome: &'static str,
    /// The table, for filters on the subscription; empty if not known. Those of a
    /// group with commas between them.
    pub table: String,
}

/// Puts the message about one run together.
#[must_use]
pub fn compose(occasion: &Occasion, facts: Option<&RunFacts>) -> Message {
    let table = facts.map(|facts| facts.table.clone()).or_else(|| occasion.table.clone()).unwrap_or_default();
    let kind = facts.map_or(occasion.kind, |facts| facts.kind);
    let outcome = match (occasion.outcome, facts) {
        (Outcome::Succeeded, Some(facts)) if facts.is_partial() => Outcome::Partial,
        (outcome, _) => outcome,
    };
    let shown = if table.is_empty() { "(no table)" } else { &table };
    let headline = format!("{shown}: {}", headline(kind, outcome, facts));
    let link = console_link(&occasion.execution.id);
    let mut lines = vec![headline.clone(), String::new()];
    lines.extend(failed(occasion.failure.as_ref()));
    if let Some(facts) = facts {
        lines.extend(figures(facts));
    }
    let next = next_step(kind, outcome, occasion, facts, shown);
    lines.extend(ending(&occasion.execution.name, &next, link.as_deref()));
    Message {
        subject: subject(&headline),
        text: lines.join("\n"),
        json: machine(occasion, facts, outcome, &table, &next, link.as_deref()),
        outcome: outcome.as_str(),
        table,
    }
}

fn headline(kind: RunKind, outcome: Outcome, facts: Option<&RunFacts>) -> String {
    match (kind, outcome) {
        (RunKind::Replay, _) => replay_message::headline(outcome, facts),
        (RunKind::Load, Outcome::Succeeded) => "loaded and live".to_owned(),
        (RunKind::Load, Outcome::Partial) => {
            format!("live, with {} left out", left_out(facts))
        }
        (RunKind::Rollback, Outcome::Succeeded | Outcome::Partial) => facts
            .and_then(|facts| facts.version)
            .map_or_else(|| "rolled back".to_owned(), |version| format!("rolled back to version {version}")),
        (RunKind::Load, Outcome::Failed) if facts.is_some_and(|facts| facts.published) => {
            "live, but the run ended badly".to_owned()
        }
        (RunKind::Rollback, Outcome::Failed) if facts.is_some_and(|facts| facts.published) => {
            "rolled back, but the run ended badly".to_owned()
        }
        // Without the database nobody knows whether a publish was the last thing it did.
        (RunKind::Load, Outcome::Failed) if facts.is_none() => "load failed".to_owned(),
        (RunKind::Rollback, Outcome::Failed) if facts.is_none() => "rollback failed".to_owned(),
        (RunKind::Load, Outcome::Failed) => "load failed, live table untouched".to_owned(),
        (RunKind::Rollback, Outcome::Failed) => "rollback failed, live table untouched".to_owned(),
    }
}

fn figures(facts: &RunFacts) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(replay) = &facts.replay {
        return replay_message::figures(replay, facts);
    }
    if let Some(rows) = facts.rows() {
        lines.push(format!("Rows: {}", grouped(rows)));
    }
    if facts.kind == RunKind::Load {
        lines.push(objects(facts));
        lines.extend(rejects::figures(facts));
    }
    lines.push(format!("Time: {}", duration(facts.seconds)));
    if facts.failed_attempts > 0 {
        lines.push(format!("Failed attempts: {}", facts.failed_attempts));
    }
    if let Some(version) = facts.version {
        lines.push(format!("Version: {version}"));
    }
    if let Some(backup) = &facts.backup {
        let number = facts.replaced_version.map_or_else(String::new, |version| format!("{version}, in "));
        lines.push(format!("Version before: {number}{backup}"));
    }
    if let Some(strategy) = &facts.strategy {
        lines.push(format!("Strategy: {strategy}"));
    }
    if !facts.failed.is_empty() {
        lines.push(String::new());
        lines.push("First failed objects:".to_owned());
        lines.extend(facts.failed.iter().map(|object| format!("- {}", failed_object(object))));
        lines.push(String::new());
    }
    lines
}

pub(super) fn failed_object(object: &FailedObject) -> String {
    format!("{} ({})", describe(object), object.error_name)
}

fn objects(facts: &RunFacts) -> String {
    let totals = &facts.totals;
    let listed = match facts.objects_listed {
        Some(n) => format!("{} listed, ", grouped(n)),
        None if totals.loaded + totals.skipped + totals.failed == 0 => {
            return "Objects: not planned yet".to_owned();
        }
        None => String::new(),
    };
    format!(
        "Objects: {listed}{} loaded, {} skipped, {} failed",
        grouped(totals.loaded),
        grouped(totals.skipped),
        grouped(totals.failed)
    )
}

fn next_step(
    kind: RunKind,
    outcome: Outcome,
    occasion: &Occasion,
    facts: Option<&RunFacts>,
    table: &str,
) -> String {
    let run_id = &occasion.execution.name;
    let failed = Failed {
        kind,
        error: occasion.failure.as_ref().map_or("", |failure| failure.error.as_str()),
        table,
        run_id,
        again: table,
        facts,
    };
    let undo = next_step::take_back(table, facts.and_then(|facts| facts.replaced_version));
    match (outcome, kind) {
        (Outcome::Failed, _) if facts.is_some_and(|facts| facts.published) => {
            "nothing for the data; look at the execution for what came after the publish.".to_owned()
        }
        (Outcome::Failed, _) => next_step::after_failure(&failed),
        (_, RunKind::Replay) => replay_message::next_step(table, facts),
        (_, RunKind::Rollback) => {
            format!(
                "correct the objects before the next load of {table} replaces it again. To undo it, {undo}"
            )
        }
        (Outcome::Succeeded, RunKind::Load) if facts.is_some_and(|facts| facts.backup.is_some()) => {
            format!("nothing. To take it back, {}", next_step::take_back(table, None))
        }
        (Outcome::Succeeded, RunKind::Load) => "nothing.".to_owned(),
        (Outcome::Partial, RunKind::Load) => next_step::left_out(table, run_id, facts),
    }
}

fn machine(
    occasion: &Occasion,
    facts: Option<&RunFacts>,
    outcome: Outcome,
    table: &str,
    next: &str,
    link: Option<&str>,
) -> Value {
    json!({
        "outcome": outcome.as_str(),
        "kind": facts.map_or(occasion.kind, |facts| facts.kind).as_str(),
        "table": table,
        "run_id": occasion.execution.name,
        "execution_arn": occasion.execution.id,
        "execution_url": link,
        "published": facts.map(|facts| facts.published),
        "rows": facts.and_then(RunFacts::rows),
        "objects": facts.map(machine_objects),
        "rejects": facts.map(rejects::machine),
        "duration_seconds": facts.map(|facts| (facts.seconds * 1000.0).round() / 1000.0),
        "failed_attempts": facts.map(|facts| facts.failed_attempts),
        "version": facts.and_then(|facts| facts.version),
        "replaced_version": facts.and_then(|facts| facts.replaced_version),
        "backup": facts.and_then(|facts| facts.backup.clone()),
        "strategy": facts.and_then(|facts| facts.strategy.clone()),
        "staging": facts.and_then(|facts| facts.staging.clone()),
        "staging_kept_until": facts.and_then(|facts| facts.staging.as_ref().and(facts.kept_until.clone())),
        "replay": facts.and_then(|facts| facts.replay.as_ref()).map(replay_message::machine),
        "failure": occasion.failure,
        "first_failed_objects": facts.map(machine_failed_objects),
        "next": next,
    })
}

pub(super) fn machine_objects(facts: &RunFacts) -> Value {
    json!({
        "listed": facts.objects_listed, "loaded": facts.totals.loaded,
        "skipped": facts.totals.skipped, "failed": facts.totals.failed,
    })
}

pub(super) fn machine_failed_objects(facts: &RunFacts) -> Value {
    facts
        .failed
        .iter()
        .map(|object| {
            json!({
                "key": object.key, "error": object.error_name, "message": object.error_message,
                "line": object.line, "column": object.column,
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
