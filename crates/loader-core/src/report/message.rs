//! Puts a message together: short lines for a phone, and the same as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Occasion, RunFacts};
use crate::publish::describe;

/// The longest subject that SNS takes.
const MAX_SUBJECT: usize = 100;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The table is live, with every object.
    Succeeded,
    /// The table is live, without the objects whose failure was tolerated.
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
    /// The table, for filters on the subscription; empty if not known.
    pub table: String,
}

/// Puts the message together.
#[must_use]
pub fn compose(occasion: &Occasion, facts: Option<&RunFacts>) -> Message {
    let table = facts.map(|facts| facts.table.clone()).or_else(|| occasion.table.clone()).unwrap_or_default();
    let outcome = match (occasion.outcome, facts) {
        (Outcome::Succeeded, Some(facts)) if facts.totals.failed > 0 => Outcome::Partial,
        (outcome, _) => outcome,
    };
    let shown = if table.is_empty() { "(no table)" } else { &table };
    let headline = match outcome {
        Outcome::Succeeded => format!("{shown}: loaded and live"),
        Outcome::Partial => format!("{shown}: live, with objects left out"),
        Outcome::Failed if facts.is_some_and(|facts| facts.published) => {
            format!("{shown}: live, but the run ended badly")
        }
        // Without the database nobody knows whether a publish was the last thing it did.
        Outcome::Failed if facts.is_none() => format!("{shown}: load failed"),
        Outcome::Failed => format!("{shown}: load failed, live table untouched"),
    };
    let link = console_link(&occasion.execution.id);
    let mut lines = vec![headline.clone(), String::new()];
    if let Some(failure) = &occasion.failure {
        lines.push(format!("Error: {} in {}", failure.error, failure.state));
        lines.push(failure.message.clone());
        lines.push(String::new());
    }
    if let Some(facts) = facts {
        lines.extend(figures(facts));
    }
    lines.push(format!("Run: {}", occasion.execution.name));
    lines.push(String::new());
    let next = next_step(outcome, occasion, facts, shown);
    lines.push(format!("Next: {next}"));
    if let Some(link) = &link {
        lines.push(format!("Execution: {link}"));
    }
    Message {
        subject: subject(&headline),
        text: lines.join("\n"),
        json: machine(occasion, facts, outcome, &table, &next, link.as_deref()),
        outcome: outcome.as_str(),
        table,
    }
}

fn figures(facts: &RunFacts) -> Vec<String> {
    let totals = &facts.totals;
    let listed = facts
        .objects_listed
        .map_or_else(|| "not listed yet".to_owned(), |n| format!("{} listed", grouped(n)));
    let mut lines = vec![
        format!("Rows: {}", grouped(totals.rows)),
        format!(
            "Objects: {listed}, {} loaded, {} skipped, {} failed",
            grouped(totals.loaded),
            grouped(totals.skipped),
            grouped(totals.failed)
        ),
        format!("Time: {}", duration(facts.seconds)),
    ];
    if facts.failed_attempts > 0 {
        lines.push(format!("Failed attempts: {}", facts.failed_attempts));
    }
    if let Some(backup) = &facts.backup {
        lines.push(format!("Version before: {backup}"));
    }
    if !facts.failed.is_empty() {
        lines.push(String::new());
        lines.push("First failed objects:".to_owned());
        lines.extend(
            facts.failed.iter().map(|object| format!("- {} ({})", describe(object), object.error_name)),
        );
        lines.push(String::new());
    }
    lines
}

fn next_step(outcome: Outcome, occasion: &Occasion, facts: Option<&RunFacts>, table: &str) -> String {
    let run_id = occasion.execution.name.replace('\'', "''");
    let failed_objects = format!(
        "select key, error_line, error_column, error_message from loader.object where run_id = '{run_id}' and state = 'failed'"
    );
    match outcome {
        Outcome::Succeeded => "nothing.".to_owned(),
        Outcome::Partial => format!("look at what was left out: {failed_objects}"),
        Outcome::Failed if facts.is_some_and(|facts| facts.published) => {
            "nothing for the data; look at the execution for what came after the publish.".to_owned()
        }
        Outcome::Failed => {
            let again = format!("start the execution again with the same input for {table}");
            let error = occasion.failure.as_ref().map_or("", |failure| failure.error.as_str());
            match error {
                "Loader.ObjectsFailed" => format!(
                    "fix or exclude the failed objects, then {again}: what was loaded is kept, only the rest is loaded. All of them: {failed_objects}"
                ),
                "Loader.TableBusy" => "wait for the other run to end, then start again.".to_owned(),
                "Loader.InvalidInput" => "correct the execution input, then start again.".to_owned(),
                "Loader.InvalidDefinition" | "Loader.HeaderMismatch" => {
                    format!("correct the definition of {table}, then start again.")
                }
                "Loader.NoObjects" => "check that the delivery has arrived, then start again.".to_owned(),
                _ => format!("see to the cause above, then {again}; what was loaded is kept."),
            }
        }
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
    let failed: Option<Vec<Value>> = facts.map(|facts| {
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
    });
    json!({
        "outcome": outcome.as_str(),
        "table": table,
        "run_id": occasion.execution.name,
        "execution_arn": occasion.execution.id,
        "execution_url": link,
        "published": facts.map(|facts| facts.published),
        "rows": facts.map(|facts| facts.totals.rows),
        "objects": facts.map(|facts| json!({
            "listed": facts.objects_listed, "loaded": facts.totals.loaded,
            "skipped": facts.totals.skipped, "failed": facts.totals.failed,
        })),
        "duration_seconds": facts.map(|facts| (facts.seconds * 1000.0).round() / 1000.0),
        "failed_attempts": facts.map(|facts| facts.failed_attempts),
        "backup": facts.and_then(|facts| facts.backup.clone()),
        "staging": facts.and_then(|facts| facts.staging.clone()),
        "failure": occasion.failure,
        "first_failed_objects": failed,
        "next": next,
    })
}

/// Links to the execution in the AWS console; the ARN names partition and region.
fn console_link(arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let partition = parts.nth(1)?;
    let region = parts.nth(1).filter(|region| !region.is_empty())?;
    let domain = match partition {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => return None,
    };
    Some(format!("https://{region}.{domain}/states/home?region={region}#/v2/executions/details/{arn}"))
}

fn subject(headline: &str) -> String {
    headline
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(MAX_SUBJECT)
        .collect()
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration is small and not negative"
    )]
    let whole = seconds.max(0.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleanup::Failure;
    use crate::database::ledger::{FailedObject, Totals};
    use crate::input::Execution;

    fn occasion(outcome: Outcome, failure: Option<Failure>) -> Occasion {
        Occasion {
            outcome,
            execution: Execution {
                id: "arn:aws:states:eu-west-1:123456789012:execution:load:abc".to_owned(),
                name: "abc".to_owned(),
                start_time: None,
            },
            table: Some("year_2022".to_owned()),
            failure,
        }
    }

    fn facts(published: bool, failed: Vec<FailedObject>) -> RunFacts {
        RunFacts {
            table: "year_2022".to_owned(),
            published,
            objects_listed: Some(12_319),
            totals: Totals {
                loaded: 12_319 - failed.len() as u64,
                skipped: 0,
                failed: failed.len() as u64,
                rows: 3_994_699,
                replannable: 0,
            },
            seconds: 83.26,
            failed_attempts: 0,
            backup: published.then(|| "databackup.year_2022".to_owned()),
            staging: None,
            failed,
        }
    }

    fn bad_object() -> FailedObject {
        FailedObject {
            key: "year_2022/x.csv".to_owned(),
            error_name: "Loader.BadRow".to_owned(),
            error_message: "the database refused a row: invalid input syntax for type bigint".to_owned(),
            line: Some(17),
            column: Some("n".to_owned()),
        }
    }

    #[test]
    fn success_reads_like_this() {
        insta::assert_snapshot!(compose(&occasion(Outcome::Succeeded, None), Some(&facts(true, vec![]))).text, @r"
        year_2022: loaded and live

        Rows: 3,994,699
        Objects: 12,319 listed, 12,319 loaded, 0 skipped, 0 failed
        Time: 1 min 23 s
        Version before: databackup.year_2022
        Run: abc

        Next: nothing.
        Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
        ");
    }

    #[test]
    fn failure_reads_like_this() {
        let failure = Failure {
            error: "Loader.ObjectsFailed".to_owned(),
            message: "1 of 12319 objects failed, 0 are tolerated".to_owned(),
            state: "BackupAndRename".to_owned(),
        };
        insta::assert_snapshot!(compose(&occasion(Outcome::Failed, Some(failure)), Some(&facts(false, vec![bad_object()]))).text, @r"
        year_2022: load failed, live table untouched

        Error: Loader.ObjectsFailed in BackupAndRename
        1 of 12319 objects failed, 0 are tolerated

        Rows: 3,994,699
        Objects: 12,319 listed, 12,318 loaded, 0 skipped, 1 failed
        Time: 1 min 23 s

        First failed objects:
        - year_2022/x.csv, line 17, column n: the database refused a row: invalid input syntax for type bigint (Loader.BadRow)

        Run: abc

        Next: fix or exclude the failed objects, then start the execution again with the same input for year_2022: what was loaded is kept, only the rest is loaded. All of them: select key, error_line, error_column, error_message from loader.object where run_id = 'abc' and state = 'failed'
        Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
        ");
    }

    #[test]
    fn a_publish_with_failed_objects_is_partial() {
        let message = compose(&occasion(Outcome::Succeeded, None), Some(&facts(true, vec![bad_object()])));
        assert_eq!(message.outcome, "partial");
        assert_eq!(message.json["objects"]["failed"], 1);
    }

    #[test]
    fn without_a_database_there_is_still_a_message() {
        let failure = Failure {
            error: "Loader.DatabaseUnavailable".to_owned(),
            message: "connecting failed".to_owned(),
            state: "PrepareSchemas".to_owned(),
        };
        let message = compose(&occasion(Outcome::Failed, Some(failure)), None);
        assert!(message.text.contains("connecting failed"));
        assert_eq!(message.json["rows"], Value::Null);
    }

    #[test]
    fn subjects_are_short_printable_ascii() {
        let mut strange = occasion(Outcome::Failed, None);
        strange.table = Some("jahr\n2022 für ☂ ".repeat(12));
        let subject = compose(&strange, None).subject;
        assert_eq!(subject.len(), MAX_SUBJECT);
        assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([3.24, 65.0, 7262.0].map(duration), ["3.2 s", "1 min 5 s", "2 h 1 min"]);
    }
}
