//! The variables of the state machine: an expression that finds nothing fails the
//! run, and in a Choice, a Wait or a Fail nothing catches it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::project::{ASL, Problems, Project, ROLLBACK_ASL, assert_kept, assert_noticed};
use crate::state_machine::{State, StateMachine, Way};

/// A variable that an expression reads, with its first field if it says one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use<'a> {
    name: &'a str,
    field: Option<&'a str>,
}

/// Finds `$name` and `$name.field`, but for functions, for what the expression
/// binds itself, and for `$states`, which is always there.
fn uses(expression: &str) -> Vec<Use<'_>> {
    let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut bound = BTreeSet::from(["states", ""]);
    let mut uses = Vec::new();
    for rest in expression.split('$').skip(1) {
        let (name, after) = rest.split_at(word(rest));
        if after.trim_start().starts_with(":=") {
            bound.insert(name);
        }
        if !after.starts_with('(') {
            let field = after.strip_prefix('.').map(|field| &field[..word(field)]);
            uses.push(Use { name, field });
        }
    }
    uses.retain(|used| !bound.contains(used.name));
    uses
}

/// Returns the variables that are set whichever way a state was reached.
fn set_before<'a>(start: &'a str, states: &[State<'a>]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut before = BTreeMap::from([(start, BTreeSet::new())]);
    let mut open = vec![start];
    while let Some(name) = open.pop() {
        let Some(state) = states.iter().find(|state| state.name == name) else { continue };
        for Way { to, assigns } in state.ways() {
            let mut set = before[name].clone();
            set.extend(assigns.into_iter().flatten().map(|(name, _)| name.as_str()));
            let known = before.get(to);
            let both = known.map_or_else(|| set.clone(), |known| known & &set);
            if known != Some(&both) {
                before.insert(to, both);
                open.push(to);
            }
        }
    }
    before
}

fn variables(project: &Project) -> Problems {
    let machines = StateMachine::all(project);
    let mut problems = Problems::new();
    for scope in machines.iter().flat_map(StateMachine::scopes) {
        let before = set_before(scope.start, &scope.states);
        let assigned: Vec<(&String, &Value)> =
            scope.states.iter().flat_map(State::ways).filter_map(|way| way.assigns).flatten().collect();
        for state in &scope.states {
            let Some(set) = before.get(state.name) else { continue };
            let used: BTreeSet<Use<'_>> = state.expressions().into_iter().flat_map(uses).collect();
            for Use { name, field } in used {
                if !set.contains(name) {
                    problems.push(format!("{} reads ${name}, which a way to it leaves unset", state.name));
                }
                let holds = |value: &Value| match (field, value) {
                    (Some(field), Value::Object(fields)) => fields.contains_key(field),
                    _ => true,
                };
                if !assigned.iter().filter(|(set, _)| *set == name).all(|(_, value)| holds(value)) {
                    problems.push(format!(
                        "{} reads ${name}.{}, which is not set with it",
                        state.name,
                        field.unwrap_or_default()
                    ));
                }
            }
        }
    }
    problems
}

#[test]
fn every_variable_is_set_on_every_way_to_where_it_is_read() {
    assert_kept(variables);
    for (from, to, said) in [
        ("\"Next\": \"WaitToRetry\"", "\"Next\": \"LoadObjects\"", "LoadObjects reads $plan"),
        ("$plan.results_prefix", "$plan.results_place", "reads $plan.results_place, which is not set"),
        ("{% $wait_seconds %}", "{% $seconds %}", "WaitToRetry reads $seconds"),
        (
            "\"Assign\": {\"notify_error\":",
            "\"Output2\": {\"notify_error\":",
            "NotNotified reads $notify_error",
        ),
        ("\"Default\": \"NotifyFailed\"", "\"Default\": \"NotNotified\"", "NotNotified reads $notify_error"),
        ("{\"tables\":", "{\"all\":", "OneTableOrMore reads $tables"),
    ] {
        assert_noticed(variables, (ASL, from, to), said);
    }
    let (from, to) = ("\"Assign\": {\"rolled_back\":", "\"Assign\": {\"rolled\":");
    assert_noticed(variables, (ROLLBACK_ASL, from, to), "NotifySucceeded reads $rolled_back");
}

#[test]
fn functions_and_what_an_expression_binds_itself_are_no_variables() {
    let used = uses("($m := $match($failed.cause, /x/); $exists($m) ? $m[0] : $states.input & $retry)");
    assert_eq!(used, [Use { name: "failed", field: Some("cause") }, Use { name: "retry", field: None }]);
}
