//! The example events: each is what its Lambda understands, or refuses as its
//! name says.

use std::collections::BTreeSet;

use loader_core::build::BuildEvent;
use loader_core::cleanup::Caught;
use loader_core::dry_run::DryRunEvent;
use loader_core::error::ErrorName;
use loader_core::import::ImportEvent;
use loader_core::input::Input;
use loader_core::prepare::PrepareEvent;
use loader_core::replay::ReplayEvent;
use loader_core::report::{Outcome, occasion};
use loader_core::rollback::RollBackEvent;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::payloads::understood;
use crate::project::{Problems, Project, assert_kept, assert_noticed, assert_told};
use crate::state_machine::StateMachine;
use crate::template::Template;

/// Inputs that are taken.
const TAKEN: &[&str] =
    &["delivery", "everything", "group", "odd-table-name", "table-alone", "table-of-a-group"];

/// Inputs that are refused, and what is said of them.
const REFUSED: &[(&str, &str)] = &[
    ("a-list", "it is a list"),
    ("bad-values", "`prefix` is 7"),
    ("group-with-a-table-twice", "names \"dim_store\" twice"),
    ("dry-run", "it asks for a dry run"),
    ("dry-run-in-words", "`dry_run` is a string"),
    ("empty-table", "`table` is no table name"),
    ("no-table", "`table` is missing"),
    ("not-an-object", "it is a string"),
    ("nothing", "it is null"),
    ("replay-of-no-run", "`replay` is 7"),
    ("unknown-field", "unknown field `tabel`"),
];

/// What Cleanup takes each failure for.
const CAUGHT: &[(&str, ErrorName)] = &[
    ("database-unavailable", ErrorName::DatabaseUnavailable),
    ("delivery-incomplete", ErrorName::DeliveryIncomplete),
    ("gate-failed", ErrorName::GateFailed),
    ("group-not-published", ErrorName::DatabaseBusy),
    // Before Cleanup looks into it.
    ("group-with-a-failed-table", ErrorName::Unreconciled),
    ("invalid-input", ErrorName::InvalidInput),
    ("item-reader-failed", ErrorName::Unreconciled),
    ("lambda-killed", ErrorName::Unreconciled),
    ("lambda-timed-out", ErrorName::Unreconciled),
    ("lambda-unknown", ErrorName::Unreconciled),
    ("object-changed", ErrorName::ObjectChanged),
    ("no-such-version", ErrorName::NoSuchVersion),
    ("objects-failed", ErrorName::ObjectsFailed),
    ("query-evaluation-error", ErrorName::Unreconciled),
    ("replay-of-no-run", ErrorName::InvalidInput),
    ("task-timed-out", ErrorName::Unreconciled),
    ("unreconciled", ErrorName::Unreconciled),
];

/// What Notify tells: the outcome, the table, the error; nothing if it has been
/// told before.
type Told = Option<(Outcome, Option<&'static str>, Option<&'static str>)>;

const TOLD: &[(&str, Told)] = &[
    ("event-aborted-dry-run", None),
    ("event-aborted-group", Some((Outcome::Failed, None, Some("ABORTED")))),
    ("event-aborted-rollback", Some((Outcome::Failed, Some("year_2022"), Some("ABORTED")))),
    ("event-aborted-table-of-a-group", None),
    ("event-aborted-with-a-reason", Some((Outcome::Failed, Some("year_2022"), Some("Stopped")))),
    ("event-aborted", Some((Outcome::Failed, Some("year_2022"), Some("ABORTED")))),
    ("event-failed-and-not-notified", Some((Outcome::Failed, Some("year_2022"), Some("Loader.NotNotified")))),
    ("event-failed-and-told", None),
    ("event-failed-by-step-functions", Some((Outcome::Failed, Some("year_2022"), Some("States.Runtime")))),
    ("event-input-left-out", Some((Outcome::Failed, None, Some("States.Timeout")))),
    ("event-timed-out", Some((Outcome::Failed, Some("year_2022"), Some("States.Timeout")))),
    ("failed-before-the-run-began", Some((Outcome::Failed, None, Some("Loader.InvalidInput")))),
    ("failed-table-of-a-group", None),
    ("failed", Some((Outcome::Failed, Some("year_2022"), Some("Loader.ObjectsFailed")))),
    ("group-failed", Some((Outcome::Failed, None, Some("Loader.ObjectsFailed")))),
    ("group-succeeded", Some((Outcome::Succeeded, None, None))),
    ("replay-succeeded", Some((Outcome::Succeeded, Some("year_2022"), None))),
    ("rollback-succeeded", Some((Outcome::Succeeded, Some("year_2022"), None))),
    ("succeeded", Some((Outcome::Succeeded, Some("year_2022"), None))),
];

fn typed<T: DeserializeOwned>(event: &Value) -> Result<T, String> {
    let ignored = understood::<T>(event.clone())?;
    if ignored.is_empty() {
        return serde_json::from_value(event.clone()).map_err(|error| error.to_string());
    }
    Err(format!("nobody reads {ignored:?}"))
}

fn prepared(name: &str, event: &Value) -> Result<(), String> {
    let event: PrepareEvent = typed(event)?;
    let input = Input::parse(&event.input).and_then(|input| match input {
        Input::Table(_) | Input::Group(_) => Ok(input),
        other => Err(other.misplaced()),
    });
    match (input, REFUSED.iter().find(|(refused, _)| *refused == name)) {
        (Ok(_), None) if TAKEN.contains(&name) => Ok(()),
        (Ok(_), _) => Err("the input is taken".to_owned()),
        (Err(error), None) => Err(error.message),
        (Err(error), Some((_, said))) if error.message.contains(said) => Ok(()),
        (Err(error), Some((_, said))) => Err(format!("{said:?} is not in {:?}", error.message)),
    }
}

fn dry(event: &Value) -> Result<(), String> {
    let event: DryRunEvent = typed(event)?;
    match Input::parse(&event.input).map_err(|error| error.message)? {
        Input::DryRun(_) => Ok(()),
        other => Err(other.misplaced().message),
    }
}

fn replayed(name: &str, event: &Value) -> Result<(), String> {
    let event: ReplayEvent = typed(event)?;
    match Input::parse(&event.input).map_err(|error| error.message)? {
        Input::Replay(_) if name == "replay" => Ok(()),
        Input::ExportRejects(_) if name == "export" => Ok(()),
        other => Err(other.misplaced().message),
    }
}

fn caught(project: &Project, name: &str, event: &Value) -> Result<(), String> {
    let caught: Caught = typed(event)?;
    let machines = StateMachine::all(project);
    let catches = machines.iter().flat_map(StateMachine::states).any(|state| {
        state.name == caught.failed_state && state.catches().iter().any(|catch| catch["Next"] == "Cleanup")
    });
    if !catches {
        return Err(format!("no error of {} goes to Cleanup", caught.failed_state));
    }
    let error = caught.error();
    match CAUGHT.iter().find(|(known, _)| *known == name) {
        Some((_, expected)) if error.name == *expected => Ok(()),
        expected => Err(format!("it is taken for {} and not for {expected:?}", error.name)),
    }
}

fn told(name: &str, event: &Value) -> Result<(), String> {
    let occasion = occasion(event).map_err(|error| error.message)?;
    let told = occasion.as_ref().map(|occasion| {
        let error = occasion.failure.as_ref().map(|failure| failure.error.as_str());
        (occasion.outcome, occasion.table.as_deref(), error)
    });
    match TOLD.iter().find(|(known, _)| *known == name) {
        Some((_, expected)) if told == *expected => Ok(()),
        expected => Err(format!("{told:?} is told and not {expected:?}")),
    }
}

fn events(project: &Project) -> Problems {
    let mut problems = Problems::new();
    let mut found = BTreeSet::new();
    for (path, text) in project.below("events/", ".json") {
        let mut parts = path.trim_end_matches(".json").split('/').skip(1);
        let (Some(lambda), Some(name)) = (parts.next(), parts.next()) else {
            problems.push(format!("{path} is in no Lambda's folder"));
            continue;
        };
        found.insert((lambda, name));
        let event: Value = match serde_json::from_str(text) {
            Ok(event) => event,
            Err(error) => {
                problems.push(format!("{path} is no JSON: {error}"));
                continue;
            }
        };
        let outcome = match lambda {
            "prepare-schemas" => prepared(name, &event),
            "plan-batches" => typed::<plan_batches::Event>(&event).map(drop),
            "import-batch" => typed::<ImportEvent>(&event).map(drop),
            "build-indexes" => typed::<BuildEvent>(&event).map(drop),
            "dry-run" => dry(&event),
            "replay-rejects" => replayed(name, &event),
            "roll-back" => typed::<RollBackEvent>(&event).map(drop),
            "backup-and-rename" => typed::<backup_and_rename::Event>(&event).map(drop),
            "cleanup" => caught(project, name, &event),
            "notify" => told(name, &event),
            other => Err(format!("there is no Lambda {other}")),
        };
        problems.extend(outcome.err().map(|error| format!("{path}: {error}")));
    }
    let refused = REFUSED.iter().map(|(name, _)| *name).chain(TAKEN.iter().copied());
    let expected = (refused.map(|name| ("prepare-schemas", name)))
        .chain(CAUGHT.iter().map(|(name, _)| ("cleanup", *name)))
        .chain(TOLD.iter().map(|(name, _)| ("notify", *name)));
    for (lambda, name) in expected.filter(|event| !found.contains(event)) {
        problems.push(format!("there is no events/{lambda}/{name}.json"));
    }
    let template = Template::read(project);
    let functions = template.functions();
    let without =
        functions.iter().filter(|function| !found.iter().any(|(lambda, _)| *lambda == function.binary));
    problems.extend(without.map(|function| format!("there is no event of {}", function.binary)));
    problems
}

#[test]
fn every_example_event_is_understood_or_refused_as_its_name_says() {
    assert_kept(events);
    for (path, from, to, said) in [
        ("events/prepare-schemas/table-alone.json", "\"table\"", "\"tabel\"", "unknown field `tabel`"),
        ("events/prepare-schemas/unknown-field.json", "\"tabel\"", "\"prefix\"", "the input is taken"),
        ("events/prepare-schemas/no-table.json", "{}", "[]", "\"`table` is missing\" is not in"),
        ("events/prepare-schemas/nothing.json", "\"execution\"", "\"run\"", "missing field `execution`"),
        ("events/plan-batches/run.json", "\"run_id\"", "\"run\"", "missing field `run_id`"),
        ("events/dry-run/table.json", "\"dry_run\": true", "\"dry_run\": false", "asks for a load"),
        ("events/replay-rejects/export.json", "export_rejects", "replay", "asks for a replay"),
        ("events/import-batch/versioned-object.json", "\"version_id\"", "\"version\"", "nobody reads"),
        (
            "events/backup-and-rename/first-attempt.json",
            "\"attempt\": 1",
            "\"attempt\": \"1\"",
            "invalid type",
        ),
        (
            "events/cleanup/task-timed-out.json",
            "States.Timeout",
            "Loader.TableBusy",
            "it is taken for Loader.TableBusy",
        ),
        (
            "events/cleanup/task-timed-out.json",
            "\"BackupAndRename\"",
            "\"Publish\"",
            "no error of Publish goes to Cleanup",
        ),
        (
            "events/notify/event-failed-and-told.json",
            "Loader.ObjectsFailed",
            "Loader.NotNotified",
            "is told and not",
        ),
        ("events/notify/succeeded.json", "\"succeeded\"", "\"done\"", "can't be read"),
    ] {
        assert_noticed(events, (path, from, to), said);
    }
    let more = Project::read().with_file("events/notify/new.json", "{}");
    assert_told(events, &more, "events/notify/new.json");
    let more = Project::read().with_file("events/publish/new.json", "{}");
    assert_told(events, &more, "there is no Lambda publish");
}
