//! What the state machine sends to a Lambda and reads from its answer.

use std::collections::BTreeSet;

use loader_core::build::{BuildEvent, Built};
use loader_core::cleanup::{Caught, Failure, Outcome};
use loader_core::definition::ColumnsFrom;
use loader_core::dry_run::{DryRunEvent, Report};
use loader_core::import::{BatchOutcome, ImportEvent};
use loader_core::plan::{Plan, PlanPlace, ResultsPlace};
use loader_core::prepare::{PrepareEvent, Prepared};
use loader_core::publish::{Published, Strategy};
use loader_core::replay::{ReplayEvent, Replayed};
use loader_core::report::occasion;
use loader_core::rollback::{RollBackEvent, RolledBack};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::project::{ASL, Problems, Project, assert_kept, assert_noticed};
use crate::rust_source::{between, sources};
use crate::state_machine::{StateMachine, expression};

const REPORT: &str = "crates/loader-core/src/report/mod.rs";

/// Fields of a Payload that its Lambda does not read.
const NOT_READ: &[(&str, &str, &str)] = &[
    ("NotifySucceeded", "run_id", "the execution's name is the same; for who reads the history"),
    ("NotifyFailed", "run_id", "the execution's name is the same; for who reads the history"),
];

/// Reads an event as a Lambda does, and returns the fields that it has no use for.
pub(crate) fn understood<T: DeserializeOwned>(event: Value) -> Result<BTreeSet<String>, String> {
    let mut ignored = BTreeSet::new();
    serde_ignored::deserialize(event, |path| {
        ignored.insert(path.to_string());
    })
    .map(|_: T| ignored)
    .map_err(|error| error.to_string())
}

/// Reads an event of the state machine as Notify does.
fn understood_by_notify(project: &Project, event: &Value) -> Result<BTreeSet<String>, String> {
    occasion(event).map_err(|error| error.message)?.ok_or("it is not told")?;
    // The type is Notify's own, so its fields are read from the text.
    let report = sources(project, REPORT);
    let fields = between(&report[0].text, "structStepEvent{", "}").expect("the event of Notify");
    let fields: Vec<&str> =
        fields.split(',').filter_map(|field| field.split_once(':')).map(|(name, _)| name).collect();
    let known = |name: &str| fields.iter().any(|field| field.rsplit(']').next() == Some(name));
    let names = event.as_object().expect("an object").keys();
    Ok(names.filter(|name| !known(name)).cloned().collect())
}

fn understood_by(project: &Project, function: &str, event: Value) -> Result<BTreeSet<String>, String> {
    match function {
        "PrepareSchemas" => understood::<PrepareEvent>(event),
        "PlanBatches" => understood::<plan_batches::Event>(event),
        "ImportBatch" => understood::<ImportEvent>(event),
        "DryRun" => understood::<DryRunEvent>(event),
        "ReplayRejects" => understood::<ReplayEvent>(event),
        "BuildIndexes" => understood::<BuildEvent>(event),
        "RollBack" => understood::<RollBackEvent>(event),
        "BackupAndRename" => understood::<backup_and_rename::Event>(event),
        "Cleanup" => understood::<Caught>(event),
        "Notify" => understood_by_notify(project, &event),
        other => Err(format!("nobody knows the event of {other}")),
    }
}

/// Returns an example of what a Lambda answers.
fn answer(function: &str) -> Value {
    let text = String::new;
    let answer = match function {
        "PrepareSchemas" => serde_json::to_value(prepare_schemas::Answer {
            prepared: Some(Prepared {
                run_id: text(),
                table: text(),
                staging: text(),
                columns_from: ColumnsFrom::Live,
                resumed_from: None,
            }),
            tables: Vec::new(),
        }),
        "BuildIndexes" => serde_json::to_value(Built {
            run_id: text(),
            table: text(),
            attempt: 1,
            strategy: Strategy::Rename,
            rows: 0,
            indexes: 0,
        }),
        "DryRun" => serde_json::to_value(Report::default()),
        "ReplayRejects" => serde_json::to_value(replay_rejects::Answer::Replayed(Replayed {
            run_id: text(),
            table: text(),
            replay_of: text(),
            rows: 0,
            refused: 0,
            left: 0,
        })),
        "RollBack" => serde_json::to_value(RolledBack {
            run_id: text(),
            table: text(),
            version: 1,
            rows: 0,
            replaced_version: 2,
            backup: None,
        }),
        "PlanBatches" => serde_json::to_value(Plan {
            run_id: text(),
            attempt: 1,
            plan: PlanPlace { bucket: text(), key: text() },
            results: ResultsPlace { bucket: text(), prefix: text() },
            batches: 0,
            objects_listed: 0,
            objects_to_load: 0,
            bytes_to_load: 0,
            max_concurrency: 1,
        }),
        "ImportBatch" => serde_json::to_value(BatchOutcome::default()),
        "BackupAndRename" => serde_json::to_value(Published {
            run_id: text(),
            table: text(),
            rows: 0,
            objects_loaded: 0,
            objects_skipped: 0,
            objects_failed: 0,
            rows_rejected: 0,
            partial: false,
            backup: None,
        }),
        "Cleanup" => serde_json::to_value(Outcome {
            run_id: text(),
            retry: false,
            published: false,
            attempt: 1,
            wait_seconds: 0,
            failure: Failure { error: text(), message: text(), state: text() },
        }),
        "Notify" => serde_json::to_value(notify::Told { notified: true, message_id: None }),
        other => panic!("nobody knows the answer of {other}"),
    };
    answer.expect("an answer is JSON")
}

/// Works out an expression of a Payload; none if it is not known here.
fn example(machine: &StateMachine, text: &str) -> Option<Value> {
    Some(match expression(text) {
        None => json!(text),
        Some("$states.context.Execution.Id") => json!("arn:aws:states:eu-west-1:1:execution:load:r"),
        Some("$states.context.Execution.Name" | "$plan.run_id") => json!("r"),
        Some("$states.context.Execution.StartTime") => json!("2026-03-01T03:00:00.512Z"),
        Some("$states.context.Execution.Input") => json!({"table": "t"}),
        Some("$states.context.Map.Item.Value") => {
            json!({"batch": 0, "objects": [{"key": "t/a", "etag": "e", "size": 1}]})
        }
        Some("$states.input") => filled(machine, &machine.state("LoadObjects").body["ItemSelector"]).ok()?,
        Some("$plan.attempt") => answer("PlanBatches")["attempt"].clone(),
        Some("$failure") => answer("Cleanup")["failure"].clone(),
        Some("$failed.state") => json!("PlanBatches"),
        Some("$failed.error") => json!("States.Timeout"),
        Some("$failed.cause") => json!(""),
        Some(_) => return None,
    })
}

/// Puts examples in for the expressions of a value.
fn filled(machine: &StateMachine, value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => example(machine, text).ok_or_else(|| format!("nobody knows what {text} is")),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| Ok((name.clone(), filled(machine, value)?))).collect()
        }
        other => Ok(other.clone()),
    }
}

fn sent(project: &Project) -> Problems {
    StateMachine::all(project).iter().flat_map(|machine| sent_by(machine, project)).collect()
}

fn sent_by(machine: &StateMachine, project: &Project) -> Problems {
    let mut problems = Problems::new();
    for task in machine.tasks().into_iter().filter(|task| task.function().is_some()) {
        let payload = filled(machine, &task.body["Arguments"]["Payload"]);
        let ignored =
            payload.and_then(|payload| understood_by(project, task.function().unwrap_or_default(), payload));
        match ignored {
            Err(error) => problems.push(format!("the Lambda of {} refuses its event: {error}", task.name)),
            Ok(ignored) => {
                let listed = |field: &str| {
                    NOT_READ.iter().any(|(state, name, _)| *state == task.name && *name == field)
                };
                problems.extend(
                    ignored
                        .iter()
                        .filter(|field| !listed(field))
                        .map(|field| format!("{} sends {field}, which its Lambda does not read", task.name)),
                );
            }
        }
    }
    problems
}

#[test]
fn what_the_state_machine_sends_is_what_the_lambdas_read() {
    assert_kept(sent);
    for (from, to, said) in [
        (
            "\"input\": \"{% $states.context.Execution.Input %}\"",
            "\"inputs\": \"{% $states.context.Execution.Input %}\"",
            "PrepareSchemas sends inputs",
        ),
        (
            "\"Payload\": {\"run_id\"",
            "\"Payload\": {\"run\"",
            "PlanBatches refuses its event: missing field `run_id`",
        ),
        (
            "\"attempt\": \"{% $plan.attempt %}\"",
            "\"attempts\": \"{% $plan.attempt %}\"",
            "ImportBatch refuses its event: missing field `attempt`",
        ),
        (
            "{\"group\": \"{% $states.context",
            "{\"groups\": \"{% $states.context",
            "PublishTables refuses its event: it must have `run_id` and `attempt`, or `group` alone",
        ),
        ("\"cause\": \"{% $failed.cause %}\"", "\"why\": \"{% $failed.cause %}\"", "Cleanup sends why"),
        ("\"outcome\": \"succeeded\"", "\"outcome\": \"success\"", "NotifySucceeded refuses its event"),
        ("\"failure\": \"{% $failure %}\"", "\"error\": \"{% $failure %}\"", "NotifyFailed sends error"),
        (
            "\"{% $failed.state %}\",\n          \"error\"",
            "\"{% $failed.place %}\",\n          \"error\"",
            "nobody knows what {% $failed.place %} is",
        ),
    ] {
        assert_noticed(sent, (ASL, from, to), said);
    }
}

fn read(project: &Project) -> Problems {
    const PAYLOAD: &str = "$states.result.Payload";
    let machines = StateMachine::all(project);
    let mut problems = Problems::new();
    for state in machines.iter().flat_map(StateMachine::states) {
        for path in state.expressions().iter().flat_map(|text| text.split(PAYLOAD).skip(1)) {
            let end = path.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
            let path = &path[..end.unwrap_or(path.len())];
            let Some(function) = state.function() else {
                problems.push(format!("{} reads an answer and calls no Lambda", state.name));
                continue;
            };
            if answer(function).pointer(&path.replace('.', "/")).is_none() {
                problems.push(format!("{} reads {path}, which its Lambda does not answer", state.name));
            }
        }
    }
    problems
}

#[test]
fn what_the_state_machine_reads_is_in_the_lambdas_answers() {
    assert_kept(read);
    for (from, to, said) in [
        ("Payload.run_id", "Payload.run", "PlanBatches reads .run,"),
        ("Payload.results.prefix", "Payload.results.key", "PlanBatches reads .results.key"),
        ("Payload.wait_seconds", "Payload.wait", "Cleanup reads .wait,"),
        ("Payload.tables", "Payload.runs", "PrepareSchemas reads .runs,"),
        ("Payload.failure.message", "Payload.failure.text", "Cleanup reads .failure.text"),
    ] {
        assert_noticed(read, (ASL, from, to), said);
    }
}
