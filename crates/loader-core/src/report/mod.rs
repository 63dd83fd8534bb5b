//! What people and machines are told of a run.

mod message;
mod run_facts;

use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::Client;

pub use self::message::{Message, Outcome, compose};
pub use self::run_facts::{RunFacts, read};
use crate::cleanup::Failure;
use crate::database::run;
use crate::error::{Error, ErrorName, Result};
use crate::input::Execution;
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
/// been told already.
///
/// # Errors
/// `InvalidEvent`.
pub fn occasion(event: &Value) -> Result<Option<Occasion>> {
    let unreadable = |error: serde_json::Error| {
        Error::new(ErrorName::InvalidEvent, format!("the event can't be read: {error}"))
    };
    let table = |input: &Value| input.get("table").and_then(Value::as_str).map(ToOwned::to_owned);
    if event.get("source").and_then(Value::as_str) != Some("aws.states") {
        let step: StepEvent = serde_json::from_value(event.clone()).map_err(unreadable)?;
        return Ok(Some(Occasion {
            outcome: step.outcome,
            execution: step.execution,
            table: table(&step.input),
            failure: step.failure,
        }));
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
    Ok(Some(Occasion {
        outcome: Outcome::Failed,
        execution: Execution { id: change.execution_arn, name: change.name, start_time: None },
        table: table(&input),
        failure: Some(Failure {
            error: if error.is_empty() { change.status.clone() } else { error },
            message,
            state: change.status,
        }),
    }))
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

/// Tells what is known of a run. Without a database it tells what the state
/// machine knows: a message too short is better than none.
///
/// Returns the message's id.
///
/// # Errors
/// Those of what it calls.
pub async fn tell(client: Option<&Client>, notifier: &dyn Notifier, occasion: &Occasion) -> Result<String> {
    let mut facts = None;
    if let Some(client) = client {
        match read(client, &occasion.execution).await {
            Ok(found) => facts = found,
            Err(error) => {
                tracing::warn!(run.id = occasion.execution.name, %error, "the message does without the database");
            }
        }
    }
    let id = notifier.send(&compose(occasion, facts.as_ref())).await?;
    if let (Some(client), Some(_)) = (client, &facts)
        && let Err(error) = run::notified(client, &occasion.execution.name).await
    {
        tracing::warn!(run.id = occasion.execution.name, %error, "the message was sent, its record was not kept");
    }
    Ok(id)
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
    fn an_event_that_is_neither_is_refused() {
        assert_eq!(occasion(&json!({"outcome": "great"})).unwrap_err().name, ErrorName::InvalidEvent);
        assert_eq!(occasion(&json!(null)).unwrap_err().name, ErrorName::InvalidEvent);
    }
}
