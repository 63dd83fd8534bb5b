//! What people and machines are told of a run.

mod group_message;
mod message;
mod next_step;
mod rejects;
mod replay_message;
mod run_facts;
mod wording;

use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::Client;

pub use self::group_message::compose_group;
pub use self::message::{Message, Outcome, compose};
pub use self::run_facts::{ReplayFacts, RunFacts, read};
use crate::cleanup::Failure;
use crate::database::run::{self, RunKind};
use crate::error::{Error, ErrorName, Result};
use crate::input::{Execution, is_named_by, named_tables};
use crate::source::Notifier;

/// The error of the state machine's end when the message could not be sent.
const NOT_NOTIFIED: &str = "Loader.NotNotified";

/// What the Notify step is called with.
#[derive(Debug, Clone, PartialEq)]
pub struct Occasion {
    /// How the run ended.
    pub outcome: Outcome,
    /// The execution.
    pub execution: Execution,
    /// The table, where the input names one.
    pub table: Option<String>,
    /// The tables of a group, as far as the input names them; empty for one table.
    pub tables: Vec<String>,
    /// Whether it loads or rolls back, as the input says.
    pub kind: RunKind,
    /// The failure, if it is one.
    pub failure: Option<Failure>,
}

#[derive(Deserialize)]
struct StepEvent {
    outcome: Outcome,
    execution: Execution,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    failure: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusChange {
    execution_arn: String,
    name: String,
    status: String,
    #[serde(default)]
    input: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
}

/// Reads an event of the state machine, or of `EventBridge` when an execution
/// ended in a way that the state machine could not tell itself. None when it has
/// been told already, for a dry run, and for a table of a group: the group's own
/// message tells of all its tables.
///
/// # Errors
/// `InvalidEvent`.
pub fn occasion(event: &Value) -> Result<Option<Occasion>> {
    let unreadable = |error: serde_json::Error| {
        Error::new(ErrorName::InvalidEvent, format!("the event can't be read: {error}"))
    };
    if event.get("source").and_then(Value::as_str) != Some("aws.states") {
        let step: StepEvent = serde_json::from_value(event.clone()).map_err(unreadable)?;
        return Ok(occasion_of(step.outcome, step.execution, &step.input, step.failure));
    }
    let detail = event.get("detail").cloned().unwrap_or_default();
    let change: StatusChange = serde_json::from_value(detail).map_err(unreadable)?;
    let error = change.error.unwrap_or_default();
    if change.status == "SUCCEEDED" || change.status == "RUNNING" {
        return Ok(None);
    }
    // The states that end in one of our errors have sent their message before.
    if change.status == "FAILED" && error.starts_with("Loader.") && error != NOT_NOTIFIED {
        return Ok(None);
    }
    let message = match change.status.as_str() {
        "TIMED_OUT" => "the execution ran out of time".to_owned(),
        "ABORTED" => change.cause.filter(|cause| !cause.is_empty()).map_or_else(
            || "the execution was stopped".to_owned(),
            |cause| format!("the execution was stopped: {cause}"),
        ),
        _ => change
            .cause
            .filter(|cause| !cause.is_empty())
            .unwrap_or_else(|| format!("the execution ended with {error}")),
    };
    let input = change.input.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let execution = Execution { id: change.execution_arn, name: change.name, start_time: None };
    let failure = Failure {
        error: if error.is_empty() { change.status.clone() } else { error },
        message,
        state: change.status,
    };
    Ok(occasion_of(Outcome::Failed, execution, &input, Some(failure)))
}

fn occasion_of(
    outcome: Outcome,
    execution: Execution,
    input: &Value,
    failure: Option<Failure>,
) -> Option<Occasion> {
    // Only where the group can have started it: whoever writes the field by hand is
    // refused, and has to hear of it.
    let group = input.get("group").and_then(Value::as_str);
    if group.is_some_and(|group| is_named_by(group, &execution)) {
        return None;
    }
    // Nothing was to change, and who has asked for it reads the output.
    if input.get("dry_run") == Some(&Value::Bool(true))
        || input.get("export_rejects").is_some_and(Value::is_string)
    {
        return None;
    }
    Some(Occasion {
        outcome,
        execution,
        table: input.get("table").and_then(Value::as_str).map(ToOwned::to_owned),
        tables: named_tables(input),
        kind: match input {
            input if input.get("to").is_some() => RunKind::Rollback,
            input if input.get("replay").is_some() => RunKind::Replay,
            _ => RunKind::Load,
        },
        failure,
    })
}

/// Returns the execution that an event of `EventBridge` says is over without a
/// success, and how it ended.
#[must_use]
pub fn ended_execution(event: &Value) -> Option<(Execution, String)> {
    if event.get("source").and_then(Value::as_str) != Some("aws.states") {
        return None;
    }
    let change: StatusChange = serde_json::from_value(event.get("detail")?.clone()).ok()?;
    matches!(change.status.as_str(), "FAILED" | "TIMED_OUT" | "ABORTED")
        .then(|| (Execution { id: change.execution_arn, name: change.name, start_time: None }, change.status))
}

/// Tells what is known of a run, or of a group. Without a database it tells what
/// the state machine knows: a message too short is better than none.
///
/// Returns the message's id; none for a table of a group, which is told with it.
///
/// # Errors
/// Those of what it calls.
pub async fn tell(
    client: Option<&Client>,
    notifier: &dyn Notifier,
    occasion: &Occasion,
) -> Result<Option<String>> {
    let mut facts = Vec::new();
    if let Some(client) = client {
        match read(client, &occasion.execution).await {
            Ok(found) => facts = found,
            Err(error) => {
                tracing::warn!(run.id = occasion.execution.name, %error, "the message does without the database");
            }
        }
    }
    let message = match facts.as_slice() {
        // The event may have left its input out, so it did not say so.
        [only] if only.group.is_some() && only.run_id == occasion.execution.name => return Ok(None),
        [] if occasion.tables.is_empty() => compose(occasion, None),
        [only] if only.group.is_none() => compose(occasion, Some(only)),
        runs => compose_group(occasion, runs),
    };
    let id = notifier.send(&message).await?;
    for run in &facts {
        if let Some(client) = client
            && let Err(error) = run::notified(client, &run.run_id).await
        {
            tracing::warn!(run.id = run.run_id, %error, "the message was sent, its record was not kept");
        }
    }
    Ok(Some(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status_change(status: &str, error: Option<&str>) -> Value {
        json!({
            "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
            "detail": {
                "executionArn": "arn:aws:states:eu-west-1:123456789012:execution:load:abc", "name": "abc",
                "status": status, "input": "{\"table\":\"t\"}", "error": error, "cause": null
            }
        })
    }

    #[test]
    fn an_execution_that_dies_silently_is_told() {
        for (status, error) in [
            ("TIMED_OUT", None),
            ("ABORTED", None),
            ("FAILED", Some("States.Runtime")),
            ("FAILED", Some("Loader.NotNotified")),
            ("FAILED", None),
        ] {
            let occasion = occasion(&status_change(status, error)).unwrap().unwrap();
            assert_eq!(occasion.outcome, Outcome::Failed);
            assert_eq!(occasion.table.as_deref(), Some("t"));
            assert_eq!(occasion.execution.name, "abc");
        }
    }

    #[test]
    fn a_failure_that_has_been_told_is_not_told_again() {
        assert_eq!(occasion(&status_change("FAILED", Some("Loader.NoObjects"))).unwrap(), None);
        assert_eq!(occasion(&status_change("SUCCEEDED", None)).unwrap(), None);
    }

    #[test]
    fn a_table_of_a_group_is_told_with_the_group() {
        let input = json!({"table": "t", "group": "abc"});
        let execution = json!({"id": "arn", "name": "abc-0"});
        let failed = json!({"outcome": "failed", "execution": execution, "input": input});
        assert_eq!(occasion(&failed).unwrap(), None);
        let mut stopped = status_change("ABORTED", None);
        stopped["detail"]["input"] = json!(input.to_string());
        stopped["detail"]["name"] = json!("abc-0");
        assert_eq!(occasion(&stopped).unwrap(), None);
        assert!(ended_execution(&stopped).is_some(), "its run ends all the same");
        stopped["detail"]["name"] = json!("by hand");
        assert!(occasion(&stopped).unwrap().is_some(), "it is no table of the group");
    }

    #[test]
    fn the_input_says_whether_it_is_a_group_or_a_rollback() {
        let told = |input: Value| {
            let execution = json!({"id": "arn", "name": "abc"});
            occasion(&json!({"outcome": "succeeded", "execution": execution, "input": input}))
                .unwrap()
                .unwrap()
        };
        assert_eq!(told(json!({"tables": ["a", {"table": "b"}]})).tables, ["a", "b"]);
        assert_eq!(told(json!({"table": "t", "to": 3})).kind, RunKind::Rollback);
        assert_eq!(told(json!({"table": "t"})).kind, RunKind::Load);
    }

    #[test]
    fn an_event_that_is_neither_is_refused() {
        assert_eq!(occasion(&json!({"outcome": "great"})).unwrap_err().name, ErrorName::InvalidEvent);
        assert_eq!(occasion(&json!(null)).unwrap_err().name, ErrorName::InvalidEvent);
    }
}
