//! The placeholders of the state machine and what the template puts in for them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::project::{ASL, Problems, Project, TEMPLATE, assert_kept, assert_noticed};
use crate::state_machine::StateMachine;
use crate::template::{Template, rendered};

fn substitutions(project: &Project) -> Problems {
    let (machines, template) = (StateMachine::all(project), Template::read(project));
    let mut problems = Problems::new();
    for (id, definition) in template.resources("AWS::Serverless::StateMachine") {
        match machines.iter().find(|machine| machine.id == id) {
            Some(machine) => problems.extend(of_machine(machine, definition)),
            None => problems.push(format!("nobody knows the definition of {id}")),
        }
    }
    problems
}

fn of_machine(machine: &StateMachine, definition: &Value) -> Problems {
    let given = definition["Properties"]["DefinitionSubstitutions"].as_object().expect("substitutions");
    let used: BTreeSet<&str> = machine
        .texts()
        .into_iter()
        .flat_map(|text| text.split("${").skip(1))
        .filter_map(|rest| Some(rest.split_once('}')?.0))
        .collect();
    let mut problems = Problems::new();
    let path = machine.path;
    if definition["Properties"]["DefinitionUri"] != path {
        problems.push(format!("the template takes another definition than {path}"));
    }
    for name in used.iter().filter(|name| !given.contains_key(**name)) {
        problems.push(format!("the template does not give ${{{name}}}"));
    }
    for (name, value) in given {
        if !used.contains(name.as_str()) {
            problems.push(format!("the template gives ${{{name}}}, which nothing uses"));
        }
        // A function's ARN is that of the function by that name.
        let meant = name.strip_suffix("Arn").filter(|id| id.ends_with("Function"));
        if meant.is_some_and(|id| rendered(value) != id) {
            problems.push(format!("the template gives {} for ${{{name}}}", rendered(value)));
        }
    }
    problems
}

#[test]
fn every_placeholder_is_filled_with_what_it_says_and_nothing_else_is_given() {
    assert_kept(substitutions);
    assert_noticed(substitutions, (ASL, "\"${ChildType}\"", "\"${Child}\""), "does not give ${Child}");
    assert_noticed(
        substitutions,
        (ASL, "\"${ChildType}\"", "\"EXPRESS\""),
        "${ChildType}, which nothing uses",
    );
    assert_noticed(
        substitutions,
        (
            TEMPLATE,
            "CleanupFunctionArn: !GetAtt CleanupFunction.Arn",
            "CleanupFunctionArn: !GetAtt NotifyFunction.Arn",
        ),
        "NotifyFunction for ${CleanupFunctionArn}",
    );
    assert_noticed(
        substitutions,
        (TEMPLATE, "DefinitionUri: statemachine/rollback", "DefinitionUri: statemachine/load"),
        "another definition than statemachine/rollback.asl.json",
    );
    assert_noticed(
        substitutions,
        (TEMPLATE, "  RollbackStateMachine:\n", "  UndoStateMachine:\n"),
        "nobody knows the definition of UndoStateMachine",
    );
}
