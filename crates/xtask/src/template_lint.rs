//! Checks the template and the state machine as AWS would, and builds with SAM.
//!
//! No tool looks at everything: `sam validate --lint` reads the template but not
//! the definition behind `DefinitionUri`, cfn-lint finds wrong fields in a definition
//! that is inlined, asl-validator finds a `Next` that leads nowhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::console::say;
use crate::lambda_package::{SamBuild, WITHOUT_LTO};
use crate::process::{find_program, is_executable, run, run_visibly};
use crate::python::PythonEnvironment;
use crate::template::Template;
use crate::workspace::Workspace;

/// What checks and builds for AWS. All of it comes as Python wheels.
const TOOLS: PythonEnvironment = PythonEnvironment {
    name: "sam",
    packages: &["aws-sam-cli==1.170.0", "cargo-lambda==1.9.2", "cfn-lint==1.58.0", "ziglang==0.17.1"],
};

/// The npm package that follows the transitions of a definition.
const ASL_VALIDATOR: &str = "asl-validator@4.0.0";

/// Checks `template.yaml` and the definitions that it names.
pub(crate) async fn lint(workspace: &Workspace) -> anyhow::Result<()> {
    let tools = TOOLS.ensure(workspace).await?;
    run(sam(workspace, &tools)?.args(["validate", "--lint"])).await.context("template.yaml")?;
    say("sam validate --lint: template.yaml is fine");

    let folder = workspace.root().join("target/template-lint");
    fs::create_dir_all(&folder)?;
    let template = Template::read(&workspace.root().join("template.yaml"))?;
    let machines = template.state_machines();
    ensure!(!machines.is_empty(), "template.yaml has no state machine with a DefinitionUri");
    for machine in machines {
        let file = workspace.root().join(&machine.definition);
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let definition: Value = serde_json::from_str(&substitute(&text)?)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        lint_fields(&tools, &folder, &machine.id, &definition).await?;
        lint_transitions(workspace, &folder, &machine.id, &definition).await?;
    }
    Ok(())
}

/// Builds the functions with SAM as a deployment does, for this machine's processor, but
/// without LTO, and returns what it has built.
pub(crate) async fn sam_build(workspace: &Workspace) -> anyhow::Result<SamBuild> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x86_64",
        "aarch64" => "arm64",
        other => bail!("Lambda does not run on {other}"),
    };
    let tools = TOOLS.ensure(workspace).await?;
    // Apart from `.aws-sam`, where a developer may have a build of his own to deploy.
    let build = SamBuild(workspace.root().join("target/sam-build"));
    run_visibly(
        sam(workspace, &tools)?
            .args(["build", "--build-dir"])
            .arg(&build.0)
            .args(["--parameter-overrides", &format!("Architecture={architecture}")])
            .envs([WITHOUT_LTO]),
    )
    .await?;
    let functions = Template::read(&workspace.root().join("template.yaml"))?.functions()?;
    for function in &functions {
        let bootstrap = build.program(&function.id);
        ensure!(
            is_executable(&bootstrap),
            "sam build made no program for {} at {}",
            function.id,
            bootstrap.display()
        );
    }
    say(format!("sam build: {} functions have their program", functions.len()));
    Ok(build)
}

/// Finds fields that do not exist, lack or have a wrong type.
async fn lint_fields(tools: &Path, folder: &Path, id: &str, definition: &Value) -> anyhow::Result<()> {
    let mut definition = definition.clone();
    // cfn-lint 1.58 takes only numbers here; AWS takes JSONata as well.
    replace_expressions(&mut definition, "MaxConcurrency", &json!(1));
    let template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": { id: {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::123456789012:role/example",
                "Definition": definition,
            },
        }},
    });
    let file = folder.join(format!("{id}.template.json"));
    fs::write(&file, serde_json::to_vec_pretty(&template)?)?;
    run(Command::new(PythonEnvironment::program(tools, "cfn-lint")).arg(&file))
        .await
        .with_context(|| format!("the definition of {id}"))?;
    say(format!("cfn-lint: the definition of {id} is fine"));
    Ok(())
}

/// Finds transitions that lead nowhere, states that nothing leads to, and broken expressions.
async fn lint_transitions(
    workspace: &Workspace,
    folder: &Path,
    id: &str,
    definition: &Value,
) -> anyhow::Result<()> {
    let Some(npm) = find_program("npm") else {
        say(format!(
            "asl-validator was NOT run: npm is not installed; the transitions of {id} are unchecked"
        ));
        return Ok(());
    };
    let validator = asl_validator(workspace, &npm).await?;
    let file = folder.join(format!("{id}.asl.json"));
    fs::write(&file, serde_json::to_vec_pretty(definition)?)?;
    run(Command::new(validator).arg("--json-path").arg(&file))
        .await
        .with_context(|| format!("the definition of {id}"))?;
    say(format!("asl-validator: the definition of {id} is fine"));
    Ok(())
}

async fn asl_validator(workspace: &Workspace, npm: &Path) -> anyhow::Result<PathBuf> {
    let folder = workspace.tools().join(ASL_VALIDATOR);
    let program = folder.join("node_modules/.bin/asl-validator");
    if !is_executable(&program) {
        fs::create_dir_all(&folder)?;
        say(format!("installing {ASL_VALIDATOR} with npm"));
        run(Command::new(npm)
            .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .arg(ASL_VALIDATOR))
        .await?;
    }
    Ok(program)
}

fn sam(workspace: &Workspace, tools: &Path) -> anyhow::Result<Command> {
    // SAM looks cargo-lambda up on the search path, and that looks for zig in the first
    // `python3` there.
    let mut path = vec![tools.join("bin")];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(PythonEnvironment::program(tools, "sam"));
    command
        .current_dir(workspace.root())
        .env("PATH", std::env::join_paths(path)?)
        .env("SAM_CLI_TELEMETRY", "0")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env_remove("AWS_PROFILE");
    Ok(command)
}

/// Fills a definition's placeholders with values of the kind that a deployment has.
fn substitute(text: &str) -> anyhow::Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').context("a placeholder of the definition does not end")?;
        filled.push_str(before);
        match name {
            "Partition" => filled.push_str("aws"),
            "ChildType" => filled.push_str("EXPRESS"),
            _ => match name.strip_suffix("FunctionArn") {
                Some(function) => {
                    filled.push_str("arn:aws:lambda:us-east-1:123456789012:function:");
                    filled.push_str(function);
                }
                None => bail!("nothing is known of the definition's placeholder {name}"),
            },
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Replaces a field by a plain value wherever it holds an expression.
fn replace_expressions(value: &mut Value, field: &str, plain: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == field && value.as_str().is_some_and(|text| text.starts_with("{%")) {
                    *value = plain.clone();
                } else {
                    replace_expressions(value, field, plain);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                replace_expressions(item, field, plain);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_jsonata_is_left_alone() {
        let text = r#"{"a": "arn:${Partition}:x", "b": "${CleanupFunctionArn}", "c": "{% $x.${ %}"}"#;
        assert!(substitute(text).is_err());
        let text = r#"{"a": "arn:${Partition}:x", "b": "${CleanupFunctionArn}", "c": "{% $x %}"}"#;
        assert_eq!(
            substitute(text).unwrap(),
            r#"{"a": "arn:aws:x", "b": "arn:aws:lambda:us-east-1:123456789012:function:Cleanup", "c": "{% $x %}"}"#
        );
    }

    #[test]
    fn an_unknown_placeholder_is_refused_by_name() {
        let error = substitute(r#"{"a": "${Nobody}"}"#).unwrap_err().to_string();
        assert!(error.contains("Nobody"), "{error}");
    }

    #[test]
    fn only_expressions_are_replaced() {
        let mut value = json!({"Max": "{% $n %}", "States": [{"Max": 3}, {"Max": "{% 2 %}"}]});
        replace_expressions(&mut value, "Max", &json!(1));
        assert_eq!(value, json!({"Max": 1, "States": [{"Max": 3}, {"Max": 1}]}));
    }
}
