//! The application's template, packaged in memory as `sam package` does it with files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

/// A `CloudFormation` template with intrinsic functions in their long form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template(Value);

/// A function of the template and the program that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// The logical id.
    pub(crate) id: String,
    /// The program's name in the workspace.
    pub(crate) binary: String,
}

/// A state machine of the template and the file that defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateMachine {
    /// The logical id.
    pub(crate) id: String,
    /// The definition's path, relative to the template.
    pub(crate) definition: PathBuf,
}

impl Template {
    /// Reads a template from its file.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a template", file.display()))
    }

    /// Reads a template from YAML.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let yaml: Yaml = serde_norway::from_str(text)?;
        Ok(Self(to_json(yaml)?))
    }

    /// Returns the functions that are Rust programs of the workspace.
    pub(crate) fn functions(&self) -> anyhow::Result<Vec<Function>> {
        self.resources("AWS::Serverless::Function")
            .map(|(id, resource)| {
                let binary = resource
                    .pointer("/Metadata/BuildProperties/Binary")
                    .and_then(Value::as_str)
                    .with_context(|| format!("{id} has no Metadata.BuildProperties.Binary"))?;
                Ok(Function { id: id.clone(), binary: binary.to_owned() })
            })
            .collect()
    }

    /// Returns the state machines whose definition is a local file.
    pub(crate) fn state_machines(&self) -> Vec<StateMachine> {
        self.resources("AWS::Serverless::StateMachine")
            .filter_map(|(id, resource)| {
                let definition = resource.pointer("/Properties/DefinitionUri")?.as_str()?;
                Some(StateMachine { id: id.clone(), definition: definition.into() })
            })
            .collect()
    }

    /// Tells whether the template has a parameter of this name.
    pub(crate) fn has_parameter(&self, name: &str) -> bool {
        self.0.get("Parameters").and_then(|all| all.get(name)).is_some()
    }

    /// Sets a property of a resource.
    pub(crate) fn set_property(&mut self, id: &str, name: &str, value: Value) -> anyhow::Result<()> {
        let Some(Value::Object(properties)) = self.0.pointer_mut(&format!("/Resources/{id}/Properties"))
        else {
            bail!("the template's resource {id} has no properties");
        };
        properties.insert(name.to_owned(), value);
        Ok(())
    }

    /// Writes the template as JSON, which `CloudFormation` takes as well as YAML.
    pub(crate) fn to_json(&self) -> String {
        self.0.to_string()
    }

    fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.0
            .get("Resources")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
    }
}

/// Turns YAML into JSON, and the tags of `CloudFormation` into its functions.
fn to_json(yaml: Yaml) -> anyhow::Result<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => serde_json::to_value(number)?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| Ok((key_text(key)?, to_json(value)?)))
                .collect::<anyhow::Result<Map<_, _>>>()?,
        ),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            function(tag.trim_start_matches('!'), to_json(tagged.value)?)
        }
    })
}

fn key_text(key: Yaml) -> anyhow::Result<String> {
    match key {
        Yaml::String(text) => Ok(text),
        Yaml::Number(number) => Ok(number.to_string()),
        other => bail!("{other:?} cannot be a key"),
    }
}

/// Writes the short form of a function in its long form.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>
fn function(name: &str, argument: Value) -> Value {
    match (name, argument) {
        ("Ref" | "Condition", argument) => json!({ name: argument }),
        // Only the first dot separates: attributes may hold dots.
        ("GetAtt", Value::String(path)) => match path.split_once('.') {
            Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
            None => json!({ "Fn::GetAtt": path }),
        },
        (name, argument) => json!({ format!("Fn::{name}"): argument }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Architecture: {Type: String}
Resources:
  Loader:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: rust-cargolambda
      BuildProperties: {Binary: import-batch}
    Properties:
      CodeUri: .
      Role: !GetAtt Role.Arn
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: statemachine/load.asl.json
      DefinitionSubstitutions:
        Arn: !If [Own, !Sub '${Loader.Arn}', !Ref Other]
";

    #[test]
    fn short_functions_become_long_ones() {
        let template = Template::parse(TEXT).unwrap();
        let resources = &template.0["Resources"];
        assert_eq!(resources["Loader"]["Properties"]["Role"], json!({"Fn::GetAtt": ["Role", "Arn"]}));
        assert_eq!(
            resources["Machine"]["Properties"]["DefinitionSubstitutions"]["Arn"],
            json!({"Fn::If": ["Own", {"Fn::Sub": "${Loader.Arn}"}, {"Ref": "Other"}]})
        );
    }

    #[test]
    fn a_date_in_the_template_stays_text() {
        let template = Template::parse(TEXT).unwrap();
        assert_eq!(template.0["AWSTemplateFormatVersion"], json!("2010-09-09"));
    }

    #[test]
    fn functions_and_state_machines_are_found_with_their_files() {
        let template = Template::parse(TEXT).unwrap();
        assert_eq!(
            template.functions().unwrap(),
            [Function { id: "Loader".to_owned(), binary: "import-batch".to_owned() }]
        );
        assert_eq!(
            template.state_machines(),
            [StateMachine { id: "Machine".to_owned(), definition: "statemachine/load.asl.json".into() }]
        );
        assert!(template.has_parameter("Architecture"));
        assert!(!template.has_parameter("Other"));
    }

    #[test]
    fn a_property_is_replaced() {
        let mut template = Template::parse(TEXT).unwrap();
        template.set_property("Loader", "CodeUri", json!("s3://bucket/key")).unwrap();
        assert_eq!(template.0["Resources"]["Loader"]["Properties"]["CodeUri"], json!("s3://bucket/key"));
        assert!(template.set_property("Nobody", "CodeUri", Value::Null).is_err());
    }
}
