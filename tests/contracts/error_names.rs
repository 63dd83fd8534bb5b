//! The names of errors: one list in Rust, and nobody knows another.

use std::collections::BTreeSet;

use loader_core::error::{Class, ErrorName};

use crate::project::{ASL, Problems, Project, ROLLBACK_ASL, assert_kept, assert_noticed, assert_told};
use crate::rust_source::{names_after, sources};
use crate::state_machine::StateMachine;

/// The end of the state machine when the message could not be sent. No Lambda
/// raises it: the state machine does, and Notify knows it.
const NOT_NOTIFIED: &str = "NotNotified";
/// Where else it may be written.
const KNOWS_NOT_NOTIFIED: &str = "crates/loader-core/src/report/mod.rs";

/// The steps that stop before their time is up and can go on.
const GO_ON: &[&str] = &["ImportBatch", "BuildIndexes", "RollBack"];

fn is_known(name: &str) -> bool {
    ErrorName::parse(&format!("Loader.{name}")).is_some()
}

fn names(project: &Project) -> Problems {
    let mut problems = Problems::new();
    for machine in StateMachine::all(project) {
        let path = machine.path;
        let raised: Vec<&str> =
            machine.states().iter().filter_map(|state| state.body["Error"].as_str()).collect();
        for name in names_after(project.text(path), "Loader.") {
            if !is_known(name) && (name != NOT_NOTIFIED || !raised.contains(&"Loader.NotNotified")) {
                problems.push(format!("{path} has Loader.{name}, which no Lambda raises"));
            }
        }
    }
    let mut told = false;
    for source in sources(project, "crates/") {
        // In quotes: `loader_core::…` and prose are no names.
        for name in names_after(&source.text, "\"Loader.").filter(|name| !name.is_empty()) {
            told |= name == NOT_NOTIFIED && source.path == KNOWS_NOT_NOTIFIED;
            if !is_known(name) && (name != NOT_NOTIFIED || source.path != KNOWS_NOT_NOTIFIED) {
                problems.push(format!("{} has Loader.{name}, which does not exist", source.path));
            }
        }
    }
    if !told {
        problems.push(format!("{KNOWS_NOT_NOTIFIED} does not know Loader.{NOT_NOTIFIED}"));
    }
    for (path, text) in project.below("", ".md") {
        for name in names_after(text, "Loader.").filter(|name| name.starts_with(char::is_uppercase)) {
            if !is_known(name) && name != NOT_NOTIFIED {
                problems.push(format!("{path} has Loader.{name}, which does not exist"));
            }
        }
    }
    problems
}

#[test]
fn every_error_name_anywhere_is_one_of_the_list() {
    assert_kept(names);
    assert_noticed(names, (ASL, "Loader.DatabaseBusy", "Loader.DatabaseBuzy"), "Loader.DatabaseBuzy");
    assert_noticed(
        names,
        (ASL, "\"Error\": \"Loader.NotNotified\"", "\"Error\": \"Loader.NotTold\""),
        "Loader.NotTold",
    );
    assert_noticed(names, (KNOWS_NOT_NOTIFIED, "Loader.NotNotified", "Loader.NotTold"), "does not know");
    assert_told(names, &Project::read().with_file("docs/x.md", "`Loader.Oops`"), "docs/x.md has Loader.Oops");
}

fn retries(project: &Project) -> Problems {
    let machines = StateMachine::all(project);
    let mut problems = Problems::new();
    for task in machines.iter().flat_map(StateMachine::tasks) {
        let retried = task.retried();
        for name in ErrorName::ALL {
            let goes_on = *name != ErrorName::DeadlineReached || GO_ON.contains(&task.name);
            // What a state machine starts tries again by itself.
            let wanted = name.class() == Class::Transient && goes_on && task.function().is_some();
            if retried.contains(&name.as_str()) != wanted {
                let how = if wanted { "does not try again" } else { "tries again" };
                problems.push(format!("{} {how} after {name}", task.name));
            }
        }
        let different: BTreeSet<&str> = retried.iter().copied().collect();
        if different.len() != retried.len() {
            problems.push(format!("{} names an error twice in its Retry", task.name));
        }
        // These take in every name of ours.
        for all in ["States.ALL", "States.TaskFailed"].iter().filter(|all| retried.contains(all)) {
            problems.push(format!("{} tries again after {all}", task.name));
        }
    }
    problems
}

#[test]
fn what_can_get_better_in_place_is_tried_again_by_every_task_and_nothing_else() {
    assert_kept(retries);
    for (from, to, said) in [
        ("\"Loader.DatabaseBusy\",", "", "PrepareSchemas does not try again after Loader.DatabaseBusy"),
        (
            "\"Loader.DeadlineReached\"",
            "\"Loader.ObjectChanged\"",
            "ImportBatch does not try again after Loader.DeadlineReached",
        ),
        (
            "\"Loader.DeadlineReached\"",
            "\"Loader.ObjectChanged\"",
            "ImportBatch tries again after Loader.ObjectChanged",
        ),
        (
            "\"Loader.SourceUnavailable\",",
            "\"Loader.DeadlineReached\",",
            "PrepareSchemas tries again after Loader.DeadlineReached",
        ),
        (
            "\"StepFunctions.SdkClientException\"",
            "\"Loader.DatabaseBusy\"",
            "LoadTable tries again after Loader.DatabaseBusy",
        ),
        ("\"Lambda.ServiceException\",", "\"States.ALL\",", "PrepareSchemas tries again after States.ALL"),
        ("\"Lambda.ServiceException\",", "\"Lambda.Unknown\",", "names an error twice"),
    ] {
        assert_noticed(retries, (ASL, from, to), said);
    }
    let (from, to) = ("\"Loader.DatabaseBusy\",", "");
    assert_noticed(
        retries,
        (ROLLBACK_ASL, from, to),
        "RollBack does not try again after Loader.DatabaseBusy",
    );
}
