//! An error as the state machine caught it.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorName};
use crate::input::Execution;

/// A failure as the state machine caught it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Caught {
    /// The run; for a group the execution, which has none.
    pub run_id: String,
    /// The execution.
    pub execution: Execution,
    /// The state that failed.
    pub failed_state: String,
    /// The error's name: ours, or one of Step Functions or Lambda.
    #[serde(default)]
    pub error: Option<String>,
    /// The error's cause, often JSON from Lambda.
    #[serde(default)]
    pub cause: Option<String>,
}

/// How an execution that the state machine has started itself ended.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Child {
    execution_arn: String,
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    input: Option<String>,
}

impl Child {
    /// Returns the table that it was to load, or its name.
    fn subject(&self) -> String {
        let input = self.input.as_deref().and_then(|input| serde_json::from_str::<Value>(input).ok());
        let table = input.as_ref().and_then(|input| input.get("table")?.as_str());
        table.unwrap_or_else(|| self.execution_arn.rsplit(':').next().unwrap_or_default()).to_owned()
    }
}

impl Caught {
    /// Returns what went wrong in the execution of a table, where that is what
    /// failed: Step Functions wraps it up as `States.TaskFailed`.
    pub(super) fn of_child(&self) -> Self {
        let cause = self.cause.as_deref().unwrap_or_default();
        let Ok(child) = serde_json::from_str::<Child>(cause) else { return self.clone() };
        let told = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let subject = child.subject();
        let message = told(&child.cause)
            .unwrap_or_else(|| format!("its execution {} ended {}", child.execution_arn, child.status));
        Self {
            error: told(&child.error).or_else(|| self.error.clone()),
            cause: Some(format!("{subject}: {message}")),
            ..self.clone()
        }
    }

    /// Reads the error out of what Step Functions caught. What is not ours, such
    /// as a time-out or a crash of a Lambda, may well get better by itself.
    #[must_use]
    pub fn error(&self) -> Error {
        let raw = self.cause.as_deref().unwrap_or_default();
        let message = serde_json::from_str::<Value>(raw)
            .ok()
            .and_then(|cause| cause.get("errorMessage").and_then(Value::as_str).map(ToOwned::to_owned))
            .unwrap_or_else(|| raw.to_owned());
        let text = self.error.as_deref().unwrap_or_default();
        if let Some(name) = ErrorName::parse(text) {
            return Error::new(name, message);
        }
        let message = match (text, message.is_empty()) {
            ("Sandbox.Timedout" | "States.Timeout", _) => {
                format!("the state ran out of time ({text}); {message}")
            }
            (_, true) => format!("the state failed with {text} and said no more"),
            (_, false) => format!("{text}: {message}"),
        };
        Error::new(ErrorName::Unreconciled, message)
    }

    /// Returns the name to tell. Our names stay; those of Step Functions and
    /// Lambda are told as they are, so that nobody searches our table of errors
    /// for them.
    pub(super) fn name(&self) -> String {
        match self.error.as_deref() {
            Some(text) if ErrorName::parse(text).is_none() => text.to_owned(),
            _ => self.error().name.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Class;

    fn caught(error: &str, cause: &str) -> Caught {
        Caught {
            run_id: "r".to_owned(),
            execution: Execution { id: "arn".to_owned(), name: "r".to_owned(), start_time: None },
            failed_state: "PlanBatches".to_owned(),
            error: Some(error.to_owned()),
            cause: Some(cause.to_owned()),
        }
    }

    #[test]
    fn our_errors_are_read_out_of_the_cause() {
        let error = caught(
            "Loader.NoObjects",
            r#"{"errorType":"Loader.NoObjects","errorMessage":"there are no objects"}"#,
        )
        .error();
        assert_eq!((error.name, error.message.as_str()), (ErrorName::NoObjects, "there are no objects"));
    }

    #[test]
    fn errors_of_lambda_and_step_functions_are_worth_another_plan() {
        for (name, cause) in [
            ("Lambda.Unknown", "exited"),
            ("Sandbox.Timedout", r#"{"errorMessage":"Task timed out"}"#),
            ("States.Timeout", ""),
            ("States.ItemReaderFailed", "no such key"),
        ] {
            let caught = caught(name, cause);
            let error = caught.error();
            assert_ne!(error.class(), Class::Permanent, "{name}");
            assert!(error.message.contains(name), "{error}");
            assert_eq!(caught.name(), name);
        }
    }

    fn child(status: &str, error: Option<&str>, cause: Option<&str>, input: Option<&str>) -> Caught {
        let ended = json!({
            "ExecutionArn": "arn:aws:states:eu-west-1:1:execution:load:r-1", "Name": "r-1", "Status": status,
            "Error": error, "Cause": cause, "Input": input, "StartDate": 1,
        });
        caught("States.TaskFailed", &ended.to_string()).of_child()
    }

    #[test]
    fn what_went_wrong_with_a_table_is_told_and_not_how_step_functions_wraps_it_up() {
        let input = Some(r#"{"table":"fact_sales","group":"r"}"#);
        let told = child("FAILED", Some("Loader.NoObjects"), Some("there are no objects"), input);
        assert_eq!(told.name(), "Loader.NoObjects");
        assert_eq!(told.error().message, "fact_sales: there are no objects");
    }

    #[test]
    fn a_table_whose_execution_says_nothing_is_told_by_its_status() {
        let told = child("ABORTED", None, None, None);
        assert_eq!(told.name(), "States.TaskFailed");
        let message = told.error().message;
        assert!(message.contains("r-1: its execution arn:aws:states:"), "{message}");
        assert!(message.ends_with("ended ABORTED"), "{message}");
    }
}
