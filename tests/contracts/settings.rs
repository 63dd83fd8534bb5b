//! The variables of the Lambdas: what the template gives is what the code reads,
//! with the same bounds and the same defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::project::{Problems, Project, TEMPLATE, assert_kept, assert_noticed};
use crate::rust_source::{between, calls, number, sources};
use crate::template::{Function, Template};

/// Variables that the code reads and the template leaves to their defaults.
const LEFT_OUT: &[(&str, &str)] = &[
    ("FETCH_AHEAD_OBJECTS", "nobody should have to turn it"),
    ("GROUP_MAX_BYTES", "nobody should have to turn it"),
    ("LOCK_TIMEOUT_MS", "nobody should have to turn it"),
    ("PUBLISH_ATTEMPTS", "nobody should have to turn it"),
];

/// Variables that the Lambda service sets itself.
const OF_LAMBDA: &[&str] = &["AWS_REGION", "AWS_LAMBDA_RUNTIME_API"];

/// How the code reads a variable.
#[derive(Debug, Clone, PartialEq)]
enum Reading {
    Text,
    Required,
    Number { default: u64, range: (u64, u64) },
    Choice { default: String, words: BTreeSet<String> },
}

/// Finds what a text reads by `environment.text(…)` and its like.
fn readings(text: &str) -> BTreeMap<String, Reading> {
    let mut found = BTreeMap::new();
    for (start, read) in [
        ("environment.text(", (|_, _| Some(Reading::Text)) as fn(&str, &[&str]) -> Option<Reading>),
        ("environment.required(", |_, _| Some(Reading::Required)),
        ("environment.number(", |_, arguments| {
            let (first, last) = arguments.get(2)?.split_once("..=")?;
            Some(Reading::Number {
                default: number(arguments.get(1)?)?,
                range: (number(first)?, number(last)?),
            })
        }),
        ("environment.choice(", |text, arguments| {
            let default = arguments.get(1)?.rsplit("::").next()?.to_lowercase();
            let list = format!("let{}=[", arguments.get(2)?.trim_start_matches('&'));
            let words =
                between(text, &list, "];")?.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            Some(Reading::Choice { default, words })
        }),
    ] {
        for arguments in calls(text, start) {
            let name = arguments.first().copied().unwrap_or_default().trim_matches('"').to_owned();
            let reading = read(text, &arguments).unwrap_or_else(|| panic!("can't read {arguments:?}"));
            found.insert(name, reading);
        }
    }
    found
}

/// Returns what a Lambda reads: what every one does, and its own.
fn read_by(project: &Project, binary: &str) -> BTreeMap<String, Reading> {
    let own = format!("crates/{binary}/src/");
    let mut files = sources(project, "crates/loader-lambda/src/");
    files.extend(sources(project, &own));
    let mut found: BTreeMap<String, Reading> = files.iter().flat_map(|file| readings(&file.text)).collect();
    found.retain(|name, _| !OF_LAMBDA.contains(&name.as_str()));
    found
}

fn variables(project: &Project) -> Problems {
    let template = Template::read(project);
    let mut problems = Problems::new();
    let mut left_out = BTreeSet::new();
    for function in template.functions() {
        let (id, read, given) =
            (function.id, read_by(project, function.binary), template.variables(&function));
        for (name, reading) in &read {
            match given.get(name) {
                Some(value) => problems.extend(
                    disagreement(&template, value, reading).map(|why| format!("{name} of {id}: {why}")),
                ),
                None if LEFT_OUT.iter().any(|(known, _)| known == name) && *reading != Reading::Required => {
                    left_out.insert(name.clone());
                }
                None => problems.push(format!("{id} reads {name}, which it is not given")),
            }
        }
        let unread = given.iter().filter(|(name, _)| !read.contains_key(*name));
        problems.extend(unread.map(|(name, _)| format!("{id} is given {name} and does not read it")));
    }
    let stale = LEFT_OUT.iter().filter(|(name, _)| !left_out.contains(*name));
    problems.extend(stale.map(|(name, _)| format!("{name} is not left out any more: take it off the list")));
    problems
}

/// Says in what the template and the code differ about a value.
fn disagreement(template: &Template, value: &Value, reading: &Reading) -> Option<String> {
    let parameter = template.parameter(value);
    let bound = |name: &str| parameter.and_then(|parameter| parameter.get(name)).cloned();
    let by_default = template.by_default(value);
    match reading {
        Reading::Text | Reading::Required => None,
        Reading::Number { default, range } => {
            let number = |value: Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
            let (lowest, highest) = (bound("MinValue").and_then(number), bound("MaxValue").and_then(number));
            let given = by_default.and_then(number);
            let outside =
                [lowest, highest, given].into_iter().flatten().find(|n| *n < range.0 || *n > range.1);
            if let Some(outside) = outside {
                return Some(format!("the template can give {outside}, the code takes {range:?}"));
            }
            if parameter.is_some() && (lowest.is_none() || highest.is_none()) {
                return Some("the template sets no bounds".to_owned());
            }
            (given != Some(*default))
                .then(|| format!("the default is {given:?} in the template, {default} in the code"))
        }
        Reading::Choice { default, words } => {
            let allowed = bound("AllowedValues").unwrap_or_default();
            let allowed: BTreeSet<String> = allowed.as_array().map_or_else(BTreeSet::new, |all| {
                all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            });
            if allowed != *words {
                return Some(format!("the template allows {allowed:?}, the code {words:?}"));
            }
            let given = by_default.and_then(|value| value.as_str().map(str::to_owned));
            (given.as_ref() != Some(default))
                .then(|| format!("the default is {given:?} in the template, {default} in the code"))
        }
    }
}

#[test]
fn every_lambda_is_given_the_variables_that_it_reads_within_the_same_bounds() {
    assert_kept(variables);
    for (path, from, to, said) in [
        (
            TEMPLATE,
            "WORK_BUCKET: !Ref WorkBucket",
            "WORK: !Ref WorkBucket",
            "CleanupFunction reads WORK_BUCKET",
        ),
        (
            TEMPLATE,
            "TOPIC_ARN: !Ref Topic",
            "TOPIC_ARN: !Ref Topic\n          COLOUR: red",
            "NotifyFunction is given COLOUR",
        ),
        (
            TEMPLATE,
            "MAX_ATTEMPTS: !Ref MaxAttempts",
            "MAX_TRIES: !Ref MaxAttempts",
            "PrepareSchemasFunction reads MAX_ATTEMPTS",
        ),
        (
            TEMPLATE,
            "MaxValue: 1000",
            "MaxValue: 2000",
            "MAX_CONCURRENCY of PlanBatchesFunction: the template can give 2000",
        ),
        (
            TEMPLATE,
            "Default: 1800",
            "Default: 3600",
            "LEASE_SECONDS of NotifyFunction: the default is Some(3600)",
        ),
        (
            TEMPLATE,
            "AllowedValues: [auto, aws_s3, stream]",
            "AllowedValues: [auto, stream]",
            "ENGINE of PrepareSchemasFunction: the template allows",
        ),
        (
            TEMPLATE,
            "Default: info",
            "Default: warn",
            "LOG_LEVEL of CleanupFunction: the default is Some(\"warn\")",
        ),
        (
            "crates/plan-batches/src/main.rs",
            "\"BATCH_MAX_OBJECTS\", 500",
            "\"BATCH_MAX_OBJECTS\", 400",
            "400 in the code",
        ),
        (
            "crates/import-batch/src/main.rs",
            "FETCH_AHEAD_OBJECTS",
            "FETCH_AHEAD",
            "FETCH_AHEAD_OBJECTS is not left out any more",
        ),
        (
            "crates/import-batch/src/main.rs",
            "FETCH_AHEAD_OBJECTS",
            "FETCH_AHEAD",
            "ImportBatchFunction reads FETCH_AHEAD,",
        ),
        ("crates/notify/src/main.rs", "\"TOPIC_ARN\"", "\"TOPIC\"", "NotifyFunction is given TOPIC_ARN"),
    ] {
        assert_noticed(variables, (path, from, to), said);
    }
}

fn programs(project: &Project) -> Problems {
    let template = Template::read(project);
    let functions: Vec<Function<'_>> = template.functions();
    let mut problems = Problems::new();
    for function in &functions {
        let binary = function.binary;
        let (package, program) =
            (format!("crates/{binary}/Cargo.toml"), format!("crates/{binary}/src/main.rs"));
        if !project.has(&package) || !project.text(&package).contains(&format!("name = \"{binary}\"")) {
            problems.push(format!("{} runs {binary}, which is no package", function.id));
        } else if !project.text(&program).contains(&format!("loader_lambda::serve(\"{binary}\",")) {
            problems.push(format!("{program} does not serve as {binary}"));
        }
    }
    for (path, _) in
        project.below("crates/", "/src/main.rs").filter(|(_, text)| text.contains("loader_lambda::serve("))
    {
        if !functions.iter().any(|function| path == format!("crates/{}/src/main.rs", function.binary)) {
            problems.push(format!("no function runs {path}"));
        }
    }
    problems
}

#[test]
fn every_function_runs_a_program_of_the_workspace() {
    assert_kept(programs);
    assert_noticed(
        programs,
        (TEMPLATE, "Binary: cleanup", "Binary: tidy-up"),
        "CleanupFunction runs tidy-up",
    );
    assert_noticed(
        programs,
        (TEMPLATE, "Binary: cleanup", "Binary: notify"),
        "no function runs crates/cleanup/src/main.rs",
    );
    assert_noticed(
        programs,
        ("crates/cleanup/src/main.rs", "serve(\"cleanup\"", "serve(\"notify\""),
        "does not serve as cleanup",
    );
}

fn lease(project: &Project) -> Problems {
    let template = Template::read(project);
    let shortest = template.0["Parameters"]["LeaseSeconds"]["MinValue"].as_u64().unwrap_or(0);
    let functions = template.functions();
    functions
        .iter()
        .filter(|function| {
            template.seconds(&function.properties["Timeout"]).iter().any(|limit| *limit >= shortest)
        })
        .map(|function| format!("{} may outlive a lease of {shortest} s", function.id))
        .collect()
}

#[test]
fn the_shortest_lease_outlasts_the_longest_lambda() {
    assert_kept(lease);
    assert_noticed(lease, (TEMPLATE, "MinValue: 960", "MinValue: 900"), "ImportBatchFunction may outlive");
}
