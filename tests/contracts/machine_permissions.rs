//! The role of the state machine, and of the database that reads the source.

use std::collections::BTreeSet;

use crate::policies::{Grant, compared, granted};
use crate::project::{ASL, Problems, Project, TEMPLATE, assert_kept, assert_noticed};
use crate::state_machine::{State, StateMachine};
use crate::template::Template;

const SOURCE: &str = "arn:${AWS::Partition}:s3:::SourceBucket|ExistingSourceBucketName";
const RULE: &str = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/\
                    StepFunctionsGetEventsForStepFunctionsExecutionRule";
const EXECUTION: &str =
    "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:LoadStateMachine.Name";

/// What the integrations that a definition names need (Step Functions Developer
/// Guide, "IAM policies for using Distributed Map states": the results' writer
/// uploads in parts).
const INTEGRATIONS: &[(&str, &[(&str, &str)])] = &[
    ("arn:${Partition}:states:::lambda:invoke", &[]),
    ("arn:${Partition}:states:::s3:getObject", &[("s3:GetObject", "WorkBucket/plans/*")]),
    (
        "arn:${Partition}:states:::s3:putObject",
        &[
            ("s3:PutObject", "WorkBucket/results/*"),
            ("s3:GetObject", "WorkBucket/results/*"),
            ("s3:ListMultipartUploadParts", "WorkBucket/results/*"),
            ("s3:AbortMultipartUpload", "WorkBucket/results/*"),
        ],
    ),
    (
        // Step Functions Developer Guide, "IAM policies for nested Step Functions calls".
        "arn:${Partition}:states:::states:startExecution.sync:2",
        &[
            ("states:StartExecution", "LoadStateMachine"),
            ("events:DescribeRule", RULE),
            ("events:PutRule", RULE),
            ("events:PutTargets", RULE),
        ],
    ),
];

/// What the template's logging and tracing need (Step Functions Developer Guide,
/// "Using `CloudWatch` Logs to log execution history", "Tracing Step Functions
/// request data in AWS X-Ray").
const SERVICES: &[&str] = &[
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

fn grants<'a>(of: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Vec<Grant> {
    of.into_iter().map(|(action, place)| ((*action).to_owned(), (*place).to_owned())).collect()
}

fn machine(project: &Project) -> Problems {
    let template = Template::read(project);
    StateMachine::all(project).iter().flat_map(|machine| of_machine(machine, &template)).collect()
}

fn of_machine(machine: &StateMachine, template: &Template) -> Problems {
    let mut problems = Problems::new();
    let mut needed: BTreeSet<Grant> = BTreeSet::new();
    for resource in machine.texts().into_iter().filter(|text| text.contains(":states:::")) {
        match INTEGRATIONS.iter().find(|(known, _)| *known == resource) {
            Some((_, actions)) => needed.extend(grants(*actions)),
            None => problems.push(format!("nobody knows what {resource} needs")),
        }
    }
    for function in machine.tasks().iter().filter_map(State::function) {
        needed.insert(("lambda:InvokeFunction".to_owned(), format!("{function}Function")));
    }
    for map in machine.states().iter().filter(|state| state.is_distributed()) {
        let label = map.body["Label"].as_str().unwrap_or(map.name);
        needed.insert(("states:StartExecution".to_owned(), "LoadStateMachine".to_owned()));
        for action in ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"] {
            needed.insert((action.to_owned(), format!("{EXECUTION}:*")));
            needed.insert((action.to_owned(), format!("{EXECUTION}/{label}:*")));
        }
    }
    needed.extend(SERVICES.iter().map(|action| ((*action).to_owned(), "*".to_owned())));
    problems.extend(compared(machine.id, &granted(template, &format!("{}Role", machine.id)), &needed));
    problems
}

#[test]
fn the_state_machine_may_do_what_its_states_do_and_nothing_else() {
    assert_kept(machine);
    for (path, from, to, said) in [
        (
            TEMPLATE,
            "                  - !GetAtt CleanupFunction.Arn\n",
            "",
            "may not lambda:InvokeFunction on CleanupFunction",
        ),
        (
            TEMPLATE,
            "[s3:PutObject, s3:GetObject, s3:ListMultipartUploadParts",
            "[s3:PutObject, s3:DeleteObject, s3:ListMultipartUploadParts",
            "may s3:DeleteObject",
        ),
        (
            TEMPLATE,
            "${WorkBucket.Arn}/results/*",
            "${WorkBucket.Arn}/result/*",
            "may not s3:PutObject on WorkBucket/results/*",
        ),
        (TEMPLATE, "/LoadObjects:*", "/Load:*", "may not states:RedriveExecution"),
        (ASL, "\"Label\": \"LoadObjects\"", "\"Label\": \"Load\"", "may not states:StopExecution"),
        (TEMPLATE, "events:PutTargets", "events:RemoveTargets", "LoadStateMachine may not events:PutTargets"),
        (
            TEMPLATE,
            "                  - !GetAtt RollBackFunction.Arn\n",
            "",
            "RollbackStateMachine may not lambda:InvokeFunction on RollBackFunction",
        ),
        (ASL, ":states:::s3:putObject", ":states:::dynamodb:putItem", "nobody knows what"),
    ] {
        assert_noticed(machine, (path, from, to), said);
    }
}

fn places(project: &Project) -> Problems {
    let template = Template::read(project);
    let rules = template.0.pointer("/Resources/WorkBucket/Properties/LifecycleConfiguration/Rules");
    let expiring: BTreeSet<&str> = rules
        .and_then(|rules| rules.as_array())
        .into_iter()
        .flatten()
        .filter_map(|rule| rule["Prefix"].as_str())
        .collect();
    let plan = project.text("crates/loader-core/src/plan/mod.rs");
    let mut problems = Problems::new();
    for folder in ["plans/", "results/"] {
        if !plan.contains(&format!("format!(\"{folder}{{run_id}}/")) {
            problems.push(format!("a plan does not use the folder {folder}"));
        }
    }
    // The definitions in tables/ stay, and what somebody has corrected in replays/.
    if expiring != BTreeSet::from(["plans/", "rejects/", "results/"]) {
        problems.push(format!("of the work bucket {expiring:?} expires"));
    }
    problems
}

#[test]
fn plans_results_and_rejects_expire_and_what_people_have_written_stays() {
    assert_kept(places);
    assert_noticed(places, (TEMPLATE, "Prefix: results/", "Prefix: tables/"), "\"tables/\"} expires");
    assert_noticed(
        places,
        ("crates/loader-core/src/plan/mod.rs", "\"results/{", "\"outcome/{"),
        "the folder results/",
    );
}

fn database(project: &Project) -> Problems {
    // Amazon RDS User Guide, "Setting up access to an Amazon S3 bucket".
    let needed = grants(&[("s3:ListBucket", SOURCE), ("kms:Decrypt", "SourceBucketKmsKeyArn")]);
    let mut needed: BTreeSet<Grant> = needed.into_iter().collect();
    needed.insert(("s3:GetObject".to_owned(), format!("{SOURCE}/*")));
    compared("the database", &granted(&Template::read(project), "RdsImportRole"), &needed)
}

#[test]
fn the_database_may_read_the_source_and_nothing_else() {
    assert_kept(database);
    let template = Project::read();
    let role = template.text(TEMPLATE).split_once("  RdsImportRole:").expect("the role").1;
    let from = role.split_once("  # -----").expect("the next section").0.to_owned();
    let to = from.replace("Action: s3:GetObject", "Action: s3:PutObject");
    assert_noticed(database, (TEMPLATE, &from, &to), "the database may not s3:GetObject");
    assert_noticed(database, (TEMPLATE, &from, &to), "the database may s3:PutObject");
}
