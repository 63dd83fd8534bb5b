//! The flow: every state is there, guarded, and leads somewhere.

use std::collections::BTreeSet;

use loader_core::cleanup::GROUP_STATES;

use crate::project::{ASL, Problems, Project, ROLLBACK_ASL, TEMPLATE, assert_kept, assert_noticed};
use crate::state_machine::StateMachine;
use crate::template::Template;

/// Where an error of these states goes; that of every other one goes to Cleanup.
const OTHER_WAYS_OUT: &[(&str, &str, &str)] = &[
    // The table is live: what goes wrong now must not fail or repeat the run.
    (ASL, "NotifySucceeded", "Published"),
    (ROLLBACK_ASL, "NotifySucceeded", "RolledBack"),
    // There is no run to clean up.
    (ASL, "DryRun", "ReportFailed"),
    (ASL, "ExportRejects", "ReportFailed"),
    (ASL, "NotifyFailed", "NotNotified"),
    (ROLLBACK_ASL, "NotifyFailed", "NotNotified"),
    (ASL, "Cleanup", "NotifyFailed"),
    (ROLLBACK_ASL, "Cleanup", "NotifyFailed"),
];

/// States that try nothing again, and why.
const WITHOUT_RETRY: &[(&str, &str)] =
    &[("LoadTables", "the names of its executions are taken by the first try; each tries again by itself")];

/// States that are not called like the function that they call.
const OTHER_FUNCTIONS: &[(&str, &str)] =
    &[("PublishTables", "BackupAndRename"), ("ExportRejects", "ReplayRejects")];

/// What starts the executions of a group.
const START: &str = "arn:${Partition}:states:::states:startExecution.sync:2";

fn names(project: &Project) -> Problems {
    let machines = StateMachine::all(project);
    let mut problems = Problems::new();
    for state in machines.iter().flat_map(StateMachine::states) {
        let pascal = state.name.starts_with(|c: char| c.is_ascii_uppercase())
            && state.name.contains(|c: char| c.is_ascii_lowercase())
            && state.name.chars().all(|c| c.is_ascii_alphanumeric());
        if !pascal {
            problems.push(format!("the state {:?} is not in PascalCase", state.name));
        }
    }
    problems
}

#[test]
fn state_names_are_in_pascal_case() {
    assert_kept(names);
    assert_noticed(names, (ASL, "\"ShouldRetry\": {", "\"should_retry\": {"), "should_retry");
}

fn targets(project: &Project) -> Problems {
    let machines = StateMachine::all(project);
    let mut problems = Problems::new();
    for scope in machines.iter().flat_map(StateMachine::scopes) {
        let known: BTreeSet<&str> = scope.states.iter().map(|state| state.name).collect();
        let mut reached = BTreeSet::new();
        let mut open = vec![scope.start];
        while let Some(name) = open.pop() {
            if !known.contains(name) {
                problems.push(format!("something leads to {name}, which is no state there"));
            } else if reached.insert(name) {
                let state = scope.states.iter().find(|state| state.name == name).expect("known");
                open.extend(state.ways().iter().map(|way| way.to));
            }
        }
        problems.extend(known.difference(&reached).map(|name| format!("nothing leads to the state {name}")));
    }
    problems
}

#[test]
fn every_state_that_is_named_is_there_and_every_state_is_reached() {
    assert_kept(targets);
    for (from, to, said) in [
        ("\"Default\": \"BackupAndRename\"", "\"Default\": \"Publish\"", "leads to Publish"),
        ("\"Next\": \"Built\"", "\"Next\": \"BackupAndRename\"", "nothing leads to the state Built"),
        ("\"Next\": \"WaitToRetry\"", "\"Next\": \"PlanBatches\"", "nothing leads to the state WaitToRetry"),
        ("\"StartAt\": \"ImportBatch\"", "\"StartAt\": \"Import\"", "leads to Import"),
    ] {
        assert_noticed(targets, (ASL, from, to), said);
    }
}

fn guards(project: &Project) -> Problems {
    let machines = StateMachine::all(project);
    let mut problems = Problems::new();
    let states = machines.iter().flat_map(|machine| {
        let path = machine.path;
        machine.states().into_iter().map(move |state| (path, state))
    });
    for (path, state) in states {
        let is_task = state.kind() == "Task";
        if !is_task && state.kind() != "Map" {
            continue;
        }
        let name = state.name;
        if state.retried().is_empty() != WITHOUT_RETRY.iter().any(|(known, _)| *known == name) {
            problems.push(format!("{name} has no Retry, or one that it must not have"));
        }
        if is_task && state.body.get("TimeoutSeconds").is_none() {
            problems.push(format!("{name} has no TimeoutSeconds"));
        }
        // The Map tolerates a child that fails, and the ledger knows of it.
        if state.in_map {
            continue;
        }
        let way_out = OTHER_WAYS_OUT
            .iter()
            .find(|(machine, state, _)| (*machine, *state) == (path, name))
            .map_or("Cleanup", |(.., way_out)| *way_out);
        match state.catches() {
            [only] if only["ErrorEquals"] == serde_json::json!(["States.ALL"]) => {
                if only["Next"] != way_out {
                    problems.push(format!("an error of {name} goes to {}, not to {way_out}", only["Next"]));
                }
            }
            _ => problems.push(format!("{name} does not catch States.ALL, and once")),
        }
    }
    problems
}

#[test]
fn every_task_retries_ends_in_time_and_hands_its_errors_to_cleanup() {
    assert_kept(guards);
    for (from, to, said) in [
        ("\"Retry\": [", "\"Again\": [", "PrepareSchemas has no Retry"),
        ("\"TimeoutSeconds\": 130,", "", "PrepareSchemas has no TimeoutSeconds"),
        ("\"Catch\": [", "\"Caught\": [", "PrepareSchemas does not catch"),
        (
            "\"ErrorEquals\": [\"States.ALL\"]",
            "\"ErrorEquals\": [\"States.TaskFailed\"]",
            "PrepareSchemas does not catch",
        ),
        ("\"Next\": \"Cleanup\"", "\"Next\": \"RunFailed\"", "PrepareSchemas goes to \"RunFailed\""),
        (
            "\"Output\": \"{% $merge([$published, {'notified': false}]) %}\",\n          \"Next\": \"Published\"",
            "\"Next\": \"Cleanup\"",
            "NotifySucceeded goes to \"Cleanup\"",
        ),
    ] {
        assert_noticed(guards, (ASL, from, to), said);
    }
    let (from, to) = ("\"Next\": \"RolledBack\"", "\"Next\": \"NotifyFailed\"");
    assert_noticed(guards, (ROLLBACK_ASL, from, to), "NotifySucceeded goes to \"NotifyFailed\"");
}

fn groups(project: &Project) -> Problems {
    let machines = StateMachine::all(project);
    let names: BTreeSet<&str> =
        machines.iter().flat_map(StateMachine::states).map(|state| state.name).collect();
    let unknown = GROUP_STATES.iter().filter(|name| !names.contains(*name));
    unknown.map(|name| format!("Cleanup knows the state {name}, which is not there")).collect()
}

#[test]
fn the_states_of_a_group_are_called_as_cleanup_knows_them() {
    assert_kept(groups);
    assert_noticed(
        groups,
        (ASL, "\"PublishTables\": {", "\"PublishAll\": {"),
        "knows the state PublishTables",
    );
}

fn functions(project: &Project) -> Problems {
    let (machines, template) = (StateMachine::all(project), Template::read(project));
    let mut problems = Problems::new();
    let mut called = BTreeSet::new();
    for task in machines.iter().flat_map(StateMachine::tasks) {
        let name = task.name;
        if task.body["Resource"] == START {
            if task.body["Arguments"]["StateMachineArn"] != "{% $states.context.StateMachine.Id %}" {
                problems.push(format!("{name} starts another state machine than its own"));
            }
            continue;
        }
        let Some(called_here) = task.function() else {
            problems.push(format!("{name} calls no function of the template"));
            continue;
        };
        called.insert(format!("{called_here}Function"));
        // Two states call Notify; every other one the function of its name.
        if !name.starts_with(called_here) && !OTHER_FUNCTIONS.contains(&(name, called_here)) {
            problems.push(format!("{name} calls {called_here}"));
        }
        let id = format!("{called_here}Function");
        let functions = template.functions();
        let Some(function) = functions.iter().find(|function| function.id == id) else {
            problems.push(format!("{name} calls {id}, which the template does not have"));
            continue;
        };
        let limits = template.seconds(&function.properties["Timeout"]);
        let limit = task.body["TimeoutSeconds"].as_u64().unwrap_or(0);
        if limits.is_empty() || limits.iter().any(|seconds| *seconds >= limit) {
            problems.push(format!("{name} ends after {limit} s, its Lambda after {limits:?} s"));
        }
    }
    let functions = template.functions();
    let uncalled = functions.iter().filter(|function| !called.contains(function.id));
    problems.extend(uncalled.map(|function| format!("no state calls {}", function.id)));
    problems
}

#[test]
fn every_task_calls_its_function_and_outlasts_it() {
    assert_kept(functions);
    assert_noticed(functions, (ASL, "${CleanupFunctionArn}", "${NotifyFunctionArn}"), "Cleanup calls Notify");
    assert_noticed(
        functions,
        (ASL, "${PlanBatchesFunctionArn}", "${NotifyFunctionArn}"),
        "no state calls PlanBatchesFunction",
    );
    assert_noticed(
        functions,
        (ASL, "{% $states.context.StateMachine.Id %}", "${RollBackFunctionArn}"),
        "LoadTable starts another state machine",
    );
    assert_noticed(
        functions,
        (ASL, "\"TimeoutSeconds\": 130", "\"TimeoutSeconds\": 120"),
        "PrepareSchemas ends after 120 s",
    );
    assert_noticed(
        functions,
        (TEMPLATE, "ImportTimeoutSeconds: 900", "ImportTimeoutSeconds: 910"),
        "ImportBatch ends after 910 s",
    );
    assert_noticed(
        functions,
        (TEMPLATE, "  CleanupFunction:", "  TidyFunction:"),
        "which the template does not have",
    );
}
