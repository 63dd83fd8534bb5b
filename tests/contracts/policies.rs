//! The policies of the template: what they allow, to whom, on what.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::project::{Problems, Project, TEMPLATE, assert_kept, assert_noticed};
use crate::template::{Template, rendered};

/// An action and what it is allowed on.
pub(crate) type Grant = (String, String);

/// Statements on everything, and why they can't be narrower.
const ON_EVERYTHING: &[(&str, &str, &str)] = &[
    ("FunctionPolicy", "Trace", "X-Ray knows no resources for these actions"),
    ("FunctionPolicy", "DescribeNetwork", "EC2 knows no resources for Describe actions"),
    ("LoadStateMachineRole", "DeliverLogs", "log delivery knows no resources for these actions"),
    ("LoadStateMachineRole", "Trace", "X-Ray knows no resources for these actions"),
    ("RollbackStateMachineRole", "DeliverLogs", "log delivery knows no resources for these actions"),
    ("RollbackStateMachineRole", "Trace", "X-Ray knows no resources for these actions"),
];

/// A statement of a policy.
pub(crate) struct Statement<'a> {
    /// The resource of the template that it stands in.
    owner: &'a str,
    body: &'a Value,
}

impl<'a> Statement<'a> {
    fn list(&self, name: &str) -> Vec<&'a Value> {
        match self.body.get(name) {
            Some(Value::Array(items)) => items.iter().collect(),
            other => other.into_iter().collect(),
        }
    }

    fn allows(&self) -> bool {
        self.body["Effect"] == "Allow"
    }

    fn sid(&self) -> &str {
        self.body["Sid"].as_str().unwrap_or_default()
    }

    fn grants(&self) -> Vec<Grant> {
        let actions = self.list("Action").into_iter().map(rendered);
        let places: Vec<String> = self.list("Resource").into_iter().map(rendered).collect();
        actions.flat_map(|action| places.iter().map(move |place| (action.clone(), place.clone()))).collect()
    }
}

/// Returns the statements of a resource, those behind a condition too.
fn statements<'a>(owner: &'a str, resource: &'a Value) -> Vec<Statement<'a>> {
    let properties = &resource["Properties"];
    let inline = properties.get("Policies").and_then(Value::as_array).into_iter().flatten();
    inline
        .chain([properties])
        .filter_map(|policy| policy.pointer("/PolicyDocument/Statement")?.as_array())
        .flatten()
        .map(|statement| statement.pointer("/Fn::If/1").unwrap_or(statement))
        .map(|body| Statement { owner, body })
        .collect()
}

/// Returns what a role is allowed: by itself, by the managed policies of the
/// template, and by policies that name it.
pub(crate) fn granted(template: &Template, role: &str) -> BTreeSet<Grant> {
    let resources = || template.all("Resources");
    let own = resources().find(|(id, _)| *id == role);
    let (_, body) = own.unwrap_or_else(|| panic!("the template has no role {role}"));
    let managed: Vec<String> = body["Properties"]["ManagedPolicyArns"]
        .as_array()
        .map_or_else(Vec::new, |policies| policies.iter().map(rendered).collect());
    let names_it = |resource: &Value| {
        let roles = resource["Properties"].get("Roles").and_then(Value::as_array);
        roles.is_some_and(|roles| roles.iter().any(|named| rendered(named) == role))
    };
    resources()
        .filter(|(id, resource)| {
            *id == role || managed.iter().any(|policy| policy == id) || names_it(resource)
        })
        .flat_map(|(id, resource)| statements(id, resource))
        .filter(Statement::allows)
        .flat_map(|statement| statement.grants())
        .collect()
}

/// Compares what is allowed with what is needed.
pub(crate) fn compared(who: &str, allowed: &BTreeSet<Grant>, needed: &BTreeSet<Grant>) -> Problems {
    let missing =
        needed.difference(allowed).map(|(action, place)| format!("{who} may not {action} on {place}"));
    let surplus = allowed
        .difference(needed)
        .map(|(action, place)| format!("{who} may {action} on {place} and has no need of it"));
    missing.chain(surplus).collect()
}

fn wildcards(project: &Project) -> Problems {
    let template = Template::read(project);
    let mut problems = Problems::new();
    let mut used = BTreeSet::new();
    for statement in template.all("Resources").flat_map(|(id, resource)| statements(id, resource)) {
        let (owner, sid) = (statement.owner, statement.sid());
        if !statement.allows() {
            continue;
        }
        for action in statement.list("Action").into_iter().map(rendered) {
            if action.contains('*') {
                problems.push(format!("{owner} allows {action} in {sid}"));
            }
        }
        if statement.list("Principal").into_iter().any(|who| rendered(who).contains('*')) {
            problems.push(format!("{owner} allows {sid} to everybody"));
        }
        if statement.list("Resource").into_iter().any(|place| place == "*") {
            used.insert((owner.to_owned(), sid.to_owned()));
            if !ON_EVERYTHING.iter().any(|(policy, known, _)| (*policy, *known) == (owner, sid)) {
                problems.push(format!("{owner} allows {sid} on everything"));
            }
        }
        if ["NotAction", "NotResource", "NotPrincipal"].iter().any(|not| statement.body.get(not).is_some()) {
            problems.push(format!("{owner} allows in {sid} all but something"));
        }
    }
    for (owner, sid, _) in ON_EVERYTHING {
        if !used.contains(&((*owner).to_owned(), (*sid).to_owned())) {
            problems.push(format!("{owner} no longer allows {sid} on everything: take it off the list"));
        }
    }
    problems
}

#[test]
fn nothing_is_allowed_on_everything_without_a_reason() {
    assert_kept(wildcards);
    for (from, to, said) in [
        (
            "Resource: !GetAtt FunctionLogGroup.Arn",
            "Resource: '*'",
            "FunctionPolicy allows WriteLogs on everything",
        ),
        ("Action: ssm:GetParameter", "Action: ssm:*", "FunctionPolicy allows ssm:*"),
        ("Action: ssm:GetParameter", "NotAction: ssm:GetParameter", "all but something"),
        (
            "Principal: {Service: cloudwatch.amazonaws.com}",
            "Principal: '*'",
            "TopicPolicy allows Alarms to everybody",
        ),
        ("Sid: DescribeNetwork", "Sid: Describe", "no longer allows DescribeNetwork"),
    ] {
        assert_noticed(wildcards, (TEMPLATE, from, to), said);
    }
}
