//! What the message about a replay says.

use serde_json::{Value, json};

use super::message::Outcome;
use super::wording::duration;
use super::{ReplayFacts, RunFacts, rejects};
use crate::wording::{counted, grouped};

pub(super) fn headline(outcome: Outcome, facts: Option<&RunFacts>) -> String {
    let replay = facts.and_then(|facts| facts.replay.as_ref());
    match (outcome, replay) {
        (Outcome::Failed, _) if facts.is_some_and(|facts| facts.published) => {
            "rejected rows loaded, but the run ended badly".to_owned()
        }
        (Outcome::Failed, _) if facts.is_none() => "replay failed".to_owned(),
        (Outcome::Failed, _) => "replay failed, live table untouched".to_owned(),
        (_, None) => "rejected rows loaded".to_owned(),
        (_, Some(replay)) if replay.left == 0 => {
            format!("{} loaded, none is left", counted(replay.rows, "rejected row", "rejected rows"))
        }
        (_, Some(replay)) => format!(
            "{} loaded, {} left",
            counted(replay.rows, "rejected row", "rejected rows"),
            grouped(replay.left)
        ),
    }
}

pub(super) fn figures(replay: &ReplayFacts, facts: &RunFacts) -> Vec<String> {
    let mut lines = vec![
        format!("Rows loaded: {}", grouped(replay.rows)),
        format!("Rows left: {}", grouped(replay.left)),
        format!("Rows refused again: {}", grouped(replay.refused)),
    ];
    lines.extend(rejects::causes(facts, replay.refused));
    lines.push(format!("Rejected by run: {}", replay.of_run));
    lines.push(format!("Time: {}", duration(facts.seconds)));
    lines
}

pub(super) fn next_step(table: &str, facts: Option<&RunFacts>) -> String {
    let Some(replay) = facts.and_then(|facts| facts.replay.as_ref()).filter(|replay| replay.left > 0) else {
        return "nothing. A replay can't be taken back; the next load replaces the table.".to_owned();
    };
    rejects::replay(table, &replay.of_run)
}

pub(super) fn machine(replay: &ReplayFacts) -> Value {
    json!({
        "of_run": replay.of_run, "rows": replay.rows, "refused": replay.refused, "left": replay.left,
    })
}
