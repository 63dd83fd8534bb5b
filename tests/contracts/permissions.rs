//! The roles of the Lambdas: exactly what their code asks of AWS.
//!
//! The local stack enforces no policies, so what is missing there shows only on
//! AWS. Here the calls are read from the code and compared with the template.

use std::collections::BTreeSet;

use crate::policies::{Grant, compared, granted};
use crate::project::{Problems, Project, TEMPLATE, assert_kept, assert_noticed, assert_told};
use crate::rust_source::{Source, names_after, sources};
use crate::template::{Template, rendered};

const SOURCE: &str = "arn:${AWS::Partition}:s3:::SourceBucket|ExistingSourceBucketName";
const PARAMETER: &str =
    "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/DbConnectionStringSSMPath";
const NETWORK: &str = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:*/*";

/// The calls of the SDKs: the file, the operation, the method of a trait of
/// `loader-core` that makes it, and the action that a policy must allow (Service
/// Authorization Reference: a multipart upload is `s3:PutObject` but for its
/// end by hand, and HEAD is `s3:GetObject`).
const CALLS: &[(&str, &str, &[&str], &str)] = &[
    ("source.rs", "list_objects_v2", &["source.list"], "s3:ListBucket"),
    // Opening none of an object's bytes asks for its head.
    ("source.rs", "head_object", &["source.head", "source.open"], "s3:GetObject"),
    ("source.rs", "get_object", &["source.open"], "s3:GetObject"),
    ("work_store.rs", "get_object", &["work.read"], "s3:GetObject"),
    ("upload.rs", "put_object", &["work.write"], "s3:PutObject"),
    ("upload.rs", "create_multipart_upload", &["work.write"], "s3:PutObject"),
    ("upload.rs", "upload_part", &["work.write"], "s3:PutObject"),
    ("upload.rs", "complete_multipart_upload", &["work.write"], "s3:PutObject"),
    ("upload.rs", "abort_multipart_upload", &["work.write"], "s3:AbortMultipartUpload"),
    ("parameters.rs", "get_parameter", &["database"], "ssm:GetParameter"),
    ("notifier.rs", "publish", &["notifier.send"], "sns:Publish"),
];

/// The methods that a step can call, and what of a deployment has them.
const METHODS: &[(&str, &str)] = &[
    ("source.list", "deployment.source()"),
    ("source.head", "deployment.source()"),
    ("source.open", "deployment.source()"),
    ("work.read", "deployment.work_store()"),
    ("work.write", "deployment.work_store()"),
    ("notifier.send", "deployment.notifier("),
];

/// The modules of `loader-core` that are steps, and the listing that some of them share.
const STEPS: &[&str] = &[
    "prepare", "listing", "plan", "import", "build", "publish", "rollback", "dry_run", "replay", "cleanup",
    "report",
];

/// Steps that do a part of their work with another module.
const USES: &[(&str, &str)] = &[("dry_run", "prepare"), ("dry_run", "listing"), ("plan", "listing")];

/// The folders of the work bucket: who uses one, and how the code names it.
const FOLDERS: &[(&str, &str, &str)] = &[
    ("prepare", "work.read", "tables/"),
    ("plan", "work.write", "plans/"),
    ("replay", "work.read", "replays/"),
    ("replay", "work.write", "rejects/"),
];

/// What is allowed to every Lambda and called by no SDK of ours.
const OF_EVERY_LAMBDA: &[(&str, &str, &str)] = &[
    ("logs:CreateLogStream", "FunctionLogGroup", "the Lambda service writes the log as the function"),
    ("logs:PutLogEvents", "FunctionLogGroup", "the Lambda service writes the log as the function"),
    ("xray:PutTraceSegments", "*", "the Lambda service traces as the function"),
    ("xray:PutTelemetryRecords", "*", "the Lambda service traces as the function"),
    ("kms:Decrypt", "DbConnectionStringKmsKeyArn", "SSM decrypts the connection string as the function"),
    ("ec2:CreateNetworkInterface", NETWORK, "the Lambda service joins the VPC as the function"),
    ("ec2:DeleteNetworkInterface", NETWORK, "the Lambda service leaves the VPC as the function"),
    ("ec2:AssignPrivateIpAddresses", NETWORK, "the Lambda service joins the VPC as the function"),
    ("ec2:UnassignPrivateIpAddresses", NETWORK, "the Lambda service leaves the VPC as the function"),
    ("ec2:DescribeNetworkInterfaces", "*", "the Lambda service joins the VPC as the function"),
    ("ec2:DescribeSubnets", "*", "the Lambda service joins the VPC as the function"),
];

/// What one Lambda is allowed besides, and why.
const BESIDES: &[(&str, &str, &str, &str)] = &[
    ("prepare-schemas", "s3:ListBucket", "WorkBucket", "so that a missing definition is 404 and not 403"),
    ("dry-run", "s3:ListBucket", "WorkBucket", "so that a missing definition is 404 and not 403"),
    ("replay-rejects", "s3:ListBucket", "WorkBucket", "so that a missing file is 404 and not 403"),
    ("import-batch", "s3:ListBucket", SOURCE, "so that an object that is gone is 404 and not 403"),
    ("import-batch", "s3:GetObjectVersion", "source/*", "a plan may pin versions"),
    (
        "notify",
        "sqs:SendMessage",
        "UndeliveredQueue",
        "the Lambda service hands on what failed as the function",
    ),
];

/// Returns the place that a method works on.
fn place(module: &str, method: &str) -> String {
    match method {
        "source.list" => SOURCE.to_owned(),
        "source.head" | "source.open" => format!("{SOURCE}/*"),
        "database" => PARAMETER.to_owned(),
        "notifier.send" => "Topic".to_owned(),
        _ => {
            let folder = FOLDERS.iter().find(|(user, used, _)| (*user, *used) == (module, method));
            format!("WorkBucket/{}*", folder.map_or("", |(_, _, folder)| *folder))
        }
    }
}

/// Returns the methods that the code calls, of a bucket or a topic.
fn methods(files: &[Source<'_>]) -> BTreeSet<&'static str> {
    METHODS
        .iter()
        .map(|(method, _)| *method)
        .filter(|method| files.iter().any(|file| file.text.contains(&format!("{method}("))))
        .collect()
}

/// A Lambda, and what its code does.
struct Lambda<'a> {
    name: &'a str,
    /// Its own files as one text.
    program: String,
    /// The steps of `loader-core` that it runs, with what each calls.
    steps: Vec<(&'static str, BTreeSet<&'static str>)>,
}

impl<'a> Lambda<'a> {
    fn read(project: &Project, name: &'a str) -> Self {
        let own = format!("crates/{name}/src/");
        let program: String = sources(project, &own).into_iter().map(|file| file.text).collect();
        let names = |step: &str| program.contains(&format!("loader_core::{step}::"));
        let runs = |step: &&str| names(step) || USES.iter().any(|(user, used)| used == step && names(user));
        let steps = STEPS.iter().copied().filter(runs);
        let steps = steps.map(|step| (step, methods(&step_files(project, step)))).collect();
        Self { name, program, steps }
    }

    fn calls(&self, method: &str) -> bool {
        self.steps.iter().any(|(_, called)| called.contains(method))
    }

    /// Returns what its role must allow.
    fn needs(&self) -> BTreeSet<Grant> {
        let database = self.program.contains("deployment.database()").then_some(("", "database"));
        let called =
            self.steps.iter().flat_map(|(step, called)| called.iter().map(move |method| (*step, *method)));
        let mut needed: BTreeSet<Grant> = BTreeSet::new();
        for (step, method) in called.chain(database) {
            let calls = CALLS.iter().filter(|(_, _, methods, _)| methods.contains(&method));
            needed.extend(calls.map(|(.., action)| ((*action).to_owned(), place(step, method))));
            if method == "source.open" {
                needed.insert(("kms:Decrypt".to_owned(), "SourceBucketKmsKeyArn".to_owned()));
            }
        }
        let of_every = OF_EVERY_LAMBDA.iter().map(|(action, place, _)| (*action, *place));
        let besides = BESIDES.iter().filter(|(name, ..)| *name == self.name);
        let besides = besides.map(|(_, action, place, _)| (*action, *place));
        needed.extend(of_every.chain(besides).map(|(action, place)| {
            let place = place
                .strip_prefix("source/")
                .map_or_else(|| place.to_owned(), |rest| format!("{SOURCE}/{rest}"));
            (action.to_owned(), place)
        }));
        needed
    }

    /// Says where what it makes of its deployment is not what its steps call.
    fn misfits(&self, project: &Project) -> Problems {
        let name = self.name;
        let mut problems = Problems::new();
        for (method, made) in METHODS {
            let makes = self.program.contains(made);
            if self.calls(method) && !makes {
                problems.push(format!("{name} calls {method} and never {made}"));
            }
            if makes && !METHODS.iter().any(|(method, by)| by == made && self.calls(method)) {
                problems.push(format!("{name} makes {made} and does not need it"));
            }
        }
        for (step, called) in &self.steps {
            let files = step_files(project, step);
            let names =
                |folder: &str| files.iter().any(|file| file.text.contains(&format!("format!(\"{folder}{{")));
            let used = FOLDERS.iter().filter(|(user, method, _)| user == step && called.contains(method));
            problems.extend(
                used.filter(|(.., folder)| !names(folder)).map(|(.., folder)| {
                    format!("{name} does not use the folder {folder} of the work bucket")
                }),
            );
        }
        problems
    }
}

fn step_files<'a>(project: &'a Project, step: &str) -> Vec<Source<'a>> {
    let mut files = sources(project, "crates/loader-core/src/");
    files.retain(|source| is_of(step, source.path));
    files
}

fn is_of(step: &str, path: &str) -> bool {
    let path = path.strip_prefix("crates/loader-core/src/").unwrap_or(path);
    path.strip_prefix(step).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn lambdas(project: &Project) -> Problems {
    let template = Template::read(project);
    let mut problems = Problems::new();
    for function in template.functions() {
        let lambda = Lambda::read(project, function.binary);
        problems.extend(lambda.misfits(project));
        let role = rendered(&function.properties["Role"]);
        problems.extend(compared(lambda.name, &granted(&template, &role), &lambda.needs()));
    }
    for file in sources(project, "crates/loader-core/src/") {
        let path = file.path;
        if !STEPS.iter().any(|step| is_of(step, path)) && !methods(&[file]).is_empty() {
            problems.push(format!("{path} asks AWS for something, and nobody knows for which Lambda"));
        }
    }
    problems
}

#[test]
fn every_lambda_may_do_what_its_code_does_and_nothing_else() {
    assert_kept(lambdas);
    for (path, from, to, said) in [
        (
            TEMPLATE,
            "[s3:PutObject, s3:AbortMultipartUpload]",
            "[s3:PutObject]",
            "plan-batches may not s3:AbortMultipartUpload on WorkBucket/plans/*",
        ),
        (
            TEMPLATE,
            "${WorkBucket.Arn}/plans/*",
            "${WorkBucket.Arn}/plan/*",
            "plan-batches may not s3:PutObject on WorkBucket/plans/*",
        ),
        (
            TEMPLATE,
            "[s3:GetObject, s3:GetObjectVersion]",
            "[s3:GetObject, s3:GetObjectVersion, s3:DeleteObject]",
            "import-batch may s3:DeleteObject",
        ),
        (TEMPLATE, "Resource: !Ref Topic}", "Resource: !Ref Topic2}", "notify may not sns:Publish on Topic"),
        (
            TEMPLATE,
            "Action: ssm:GetParameter",
            "Action: ssm:GetParameters",
            "cleanup may not ssm:GetParameter",
        ),
        (TEMPLATE, "${Bucket}/*", "${Bucket}/a/*", "prepare-schemas may not s3:GetObject"),
        (
            "crates/loader-core/src/publish/mod.rs",
            "pub async fn publish(",
            "fn f() { source.list(1) }\npub async fn publish(",
            "backup-and-rename may not s3:ListBucket",
        ),
        (
            "crates/loader-core/src/publish/mod.rs",
            "pub async fn publish(",
            "fn f() { source.list(1) }\npub async fn publish(",
            "backup-and-rename calls source.list and never deployment.source()",
        ),
        (
            "crates/loader-core/src/prepare/mod.rs",
            "work.read(",
            "work.peek(",
            "prepare-schemas may s3:GetObject on WorkBucket/tables/*",
        ),
        ("crates/loader-core/src/plan/mod.rs", "\"plans/{", "\"lists/{", "does not use the folder plans/"),
        (
            "crates/loader-core/src/database/run.rs",
            "fn parse(",
            "fn f() { source.head(1) }\nfn parse(",
            "nobody knows for which Lambda",
        ),
    ] {
        assert_noticed(lambdas, (path, from, to), said);
    }
}

fn calls(project: &Project) -> Problems {
    let mut problems = Problems::new();
    let known: BTreeSet<(&str, &str)> =
        CALLS.iter().map(|(file, operation, ..)| (*file, *operation)).collect();
    let mut found = BTreeSet::new();
    let files = sources(project, "crates/loader-aws/src/");
    for file in &files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        // What the tests answer with in the services' place.
        if name == "replay.rs" {
            continue;
        }
        for operation in names_after(&file.text, "client.") {
            if file.text.contains(&format!("client.{operation}()")) {
                found.insert((name, operation));
            }
        }
    }
    for (file, operation) in found.difference(&known) {
        problems.push(format!("{file} calls {operation}, and nobody knows which action that is"));
    }
    for (file, operation) in known.difference(&found) {
        problems.push(format!("{file} no longer calls {operation}: take it off the list"));
    }
    problems
}

#[test]
fn every_call_of_an_sdk_is_known_with_its_action() {
    assert_kept(calls);
    let (from, to) = (".head_object()", ".get_object_attributes()");
    assert_noticed(calls, ("crates/loader-aws/src/source.rs", from, to), "calls get_object_attributes");
    assert_noticed(calls, ("crates/loader-aws/src/source.rs", from, to), "no longer calls head_object");
}

/// The crates that no Lambda is made of.
const NOT_IN_A_LAMBDA: &[&str] = &["xtask", "loader-aws", "loader-test-support"];

fn sdks(project: &Project) -> Problems {
    project
        .below("crates/", "Cargo.toml")
        .filter(|(path, _)| !NOT_IN_A_LAMBDA.iter().any(|name| path.starts_with(&format!("crates/{name}/"))))
        .filter(|(_, text)| text.contains("aws-sdk-"))
        .map(|(path, _)| format!("{path} has an AWS SDK beside loader-aws"))
        .collect()
}

#[test]
fn only_loader_aws_calls_the_sdks() {
    assert_kept(sdks);
    let more = Project::read().with_file("crates/cleanup/Cargo.toml", "aws-sdk-s3.workspace = true");
    assert_told(sdks, &more, "crates/cleanup");
}
