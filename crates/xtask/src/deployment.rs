//! Deploys the application's own template to the emulator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_ssm::types::ParameterType;
use serde_json::Value;

use crate::aws;
use crate::console::say;
use crate::lambda_package::{self, SamBuild};
use crate::template::Template;
use crate::workspace::Workspace;

const STACK: &str = "loader";
const ARTIFACTS: &str = "loader-artifacts";
/// The parameter's name without the leading slash, as the template wants it.
const CONNECTION_STRING: &str = "loader/connection-string";
/// Names nothing: the local database needs no role.
const DATABASE_ARN: &str = "arn:aws:rds:us-east-1:000000000000:db:local";
const LIMIT: Duration = Duration::from_mins(2);

/// What the deployed application is made of.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    /// The bucket that tables are loaded from.
    pub(crate) source_bucket: String,
    /// The bucket of the plans and definitions.
    pub(crate) work_bucket: String,
    /// The state machine that loads a table.
    pub(crate) state_machine_arn: String,
    /// The state machine that puts an earlier version back.
    pub(crate) rollback_state_machine_arn: String,
    /// The topic that hears of every run.
    pub(crate) topic_arn: String,
}

/// Builds, packages and deploys the application; it connects to the given database. What SAM
/// has built is not built again.
pub(crate) async fn deploy(
    workspace: &Workspace,
    config: &SdkConfig,
    database_url: &str,
    built: Option<&SamBuild>,
) -> anyhow::Result<Deployment> {
    let mut template = Template::read(&workspace.root().join("template.yaml"))?;
    package(workspace, config, &mut template, built).await?;

    let ssm = aws_sdk_ssm::Client::new(config);
    ssm.put_parameter()
        .name(format!("/{CONNECTION_STRING}"))
        .value(database_url)
        .r#type(ParameterType::SecureString)
        .overwrite(true)
        .send()
        .await
        .context("cannot store the connection string in the emulator")?;

    say("deploying template.yaml");
    let cloudformation = aws_sdk_cloudformation::Client::new(config);
    cloudformation
        .create_stack()
        .stack_name(STACK)
        .template_body(template.to_json())
        .capabilities(Capability::CapabilityIam)
        .capabilities(Capability::CapabilityNamedIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .set_parameters(Some(parameters(&template)))
        .send()
        .await
        .context("the emulator refuses template.yaml")?;
    outputs(&cloudformation).await
}

fn parameters(template: &Template) -> Vec<Parameter> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    [
        ("DbConnectionStringSSMPath", CONNECTION_STRING),
        ("RDSDatabaseArn", DATABASE_ARN),
        ("Architecture", architecture),
    ]
    .into_iter()
    .filter(|(name, _)| template.has_parameter(name))
    .map(|(name, value)| Parameter::builder().parameter_key(name).parameter_value(value).build())
    .collect()
}

/// Uploads what the template points to, and points it there.
async fn package(
    workspace: &Workspace,
    config: &SdkConfig,
    template: &mut Template,
    built: Option<&SamBuild>,
) -> anyhow::Result<()> {
    let functions = template.functions()?;
    let programs: BTreeMap<String, PathBuf> = if let Some(built) = built {
        functions.iter().map(|one| (one.binary.clone(), built.program(&one.id))).collect()
    } else {
        let binaries: BTreeSet<String> = functions.iter().map(|one| one.binary.clone()).collect();
        let binaries: Vec<String> = binaries.into_iter().collect();
        lambda_package::build(workspace, false, &binaries).await?.into_iter().collect()
    };

    let s3 = aws::s3(config);
    s3.create_bucket().bucket(ARTIFACTS).send().await.context("cannot create a bucket in the emulator")?;
    for (binary, program) in &programs {
        let archive = lambda_package::zip_bootstrap(program)?;
        let location = upload(&s3, &format!("{binary}.zip"), archive).await?;
        for function in functions.iter().filter(|one| one.binary == *binary) {
            template.set_property(&function.id, "CodeUri", Value::String(location.clone()))?;
        }
    }
    for machine in template.state_machines() {
        let file = workspace.root().join(&machine.definition);
        let definition = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let key = format!("{}.asl.json", machine.id);
        let location = upload(&s3, &key, definition).await?;
        template.set_property(&machine.id, "DefinitionUri", Value::String(location))?;
    }
    Ok(())
}

async fn upload(s3: &aws_sdk_s3::Client, key: &str, body: Vec<u8>) -> anyhow::Result<String> {
    s3.put_object()
        .bucket(ARTIFACTS)
        .key(key)
        .body(ByteStream::from(body))
        .send()
        .await
        .with_context(|| format!("cannot upload {key} to the emulator"))?;
    Ok(format!("s3://{ARTIFACTS}/{key}"))
}

/// Waits until the stack is complete and reads its outputs.
async fn outputs(cloudformation: &aws_sdk_cloudformation::Client) -> anyhow::Result<Deployment> {
    let deadline = Instant::now() + LIMIT;
    let stack = loop {
        let answer = cloudformation.describe_stacks().stack_name(STACK).send().await?;
        let stack = answer
            .stacks
            .unwrap_or_default()
            .into_iter()
            .next()
            .context("the emulator has lost the stack")?;
        match stack.stack_status() {
            Some(StackStatus::CreateComplete) => break stack,
            Some(StackStatus::CreateInProgress) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            status => bail!(
                "template.yaml is not deployed: {status:?} {}\n{}",
                stack.stack_status_reason().unwrap_or_default(),
                failed_resources(cloudformation).await
            ),
        }
    };
    let output = |key: &str| {
        stack
            .outputs()
            .iter()
            .find(|output| output.output_key() == Some(key))
            .and_then(|output| output.output_value())
            .map(str::to_owned)
            .with_context(|| format!("template.yaml has no output {key}"))
    };
    Ok(Deployment {
        source_bucket: output("SourceBucketName")?,
        work_bucket: output("WorkBucketName")?,
        state_machine_arn: output("StateMachineArn")?,
        rollback_state_machine_arn: output("RollbackStateMachineArn")?,
        topic_arn: output("TopicArn")?,
    })
}

async fn failed_resources(cloudformation: &aws_sdk_cloudformation::Client) -> String {
    let Ok(events) = cloudformation.describe_stack_events().stack_name(STACK).send().await else {
        return String::new();
    };
    let mut text = String::new();
    for event in events.stack_events() {
        let status = event.resource_status().map_or("", |status| status.as_str());
        if status.ends_with("FAILED") {
            text += "  ";
            text += event.logical_resource_id().unwrap_or_default();
            text += ": ";
            text += event.resource_status_reason().unwrap_or_default();
            text += "\n";
        }
    }
    text
}
