//! The template, with the functions of `CloudFormation` in their long form.

use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

use crate::project::{Project, TEMPLATE};

/// The template.
pub(crate) struct Template(pub(crate) Value);

/// A Lambda of the template.
pub(crate) struct Function<'a> {
    /// The logical id, as `PlanBatchesFunction`.
    pub(crate) id: &'a str,
    pub(crate) binary: &'a str,
    pub(crate) properties: &'a Value,
}

impl Template {
    pub(crate) fn read(project: &Project) -> Self {
        let yaml = serde_norway::from_str(project.text(TEMPLATE)).expect("the template is YAML");
        Self(long_form(yaml))
    }

    /// Returns the resources of a type.
    pub(crate) fn resources(&self, kind: &str) -> Vec<(&str, &Value)> {
        self.all("Resources").filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    pub(crate) fn all(&self, section: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.0[section]
            .as_object()
            .unwrap_or_else(|| panic!("the template has {section}"))
            .iter()
            .map(|(id, value)| (id.as_str(), value))
    }

    /// Returns the Lambdas.
    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        self.resources("AWS::Serverless::Function")
            .into_iter()
            .map(|(id, resource)| Function {
                id,
                binary: resource["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap_or_default(),
                properties: &resource["Properties"],
            })
            .collect()
    }

    /// Returns the variables that a function is given, its own and everybody's.
    pub(crate) fn variables(&self, function: &Function<'_>) -> Map<String, Value> {
        let own = function.properties.pointer("/Environment/Variables");
        let all = self.0.pointer("/Globals/Function/Environment/Variables");
        let maps = [all, own].into_iter().flatten().filter_map(Value::as_object);
        maps.flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Returns a parameter that a value refers to, if it is nothing else.
    pub(crate) fn parameter(&self, value: &Value) -> Option<&Value> {
        self.0["Parameters"].get(value.get("Ref")?.as_str()?)
    }

    /// Works a value out with every parameter at its default; none if it needs
    /// what only a deployment knows.
    pub(crate) fn by_default(&self, value: &Value) -> Option<Value> {
        let Value::Object(fields) = value else { return Some(value.clone()) };
        let (name, arguments) = fields.iter().next()?;
        match name.as_str() {
            "Ref" => self.parameter(value)?.get("Default").cloned(),
            "Fn::If" => {
                let holds = self.holds(&self.0["Conditions"][arguments[0].as_str()?])?;
                self.by_default(&arguments[if holds { 1 } else { 2 }])
            }
            "Fn::FindInMap" => {
                let keys: Vec<Value> =
                    arguments.as_array()?.iter().map(|key| self.by_default(key)).collect::<Option<_>>()?;
                let [map, first, second] = keys.as_slice() else { return None };
                Some(self.0["Mappings"][map.as_str()?][first.as_str()?][second.as_str()?].clone())
            }
            _ => None,
        }
    }

    fn holds(&self, condition: &Value) -> Option<bool> {
        if let Some(not) = condition.get("Fn::Not") {
            return self.holds(&not[0]).map(|holds| !holds);
        }
        let sides = condition.get("Fn::Equals")?;
        Some(self.by_default(&sides[0])? == self.by_default(&sides[1])?)
    }

    /// Returns every number that a time limit can have.
    pub(crate) fn seconds(&self, value: &Value) -> Vec<u64> {
        match value.get("Fn::FindInMap") {
            Some(keys) => {
                let map = self.0["Mappings"][keys[0].as_str().unwrap()].as_object().unwrap();
                map.values().filter_map(|row| row[keys[2].as_str().unwrap()].as_u64()).collect()
            }
            None => value.as_u64().into_iter().collect(),
        }
    }
}

/// Writes a value as one text: resources by their ids, both sides of a condition,
/// what only AWS knows as it stands.
pub(crate) fn rendered(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    if let Some(id) = value.get("Ref").or_else(|| value.get("Fn::GetAtt")).and_then(Value::as_str) {
        return id.strip_suffix(".Arn").unwrap_or(id).to_owned();
    }
    if let Some(sides) = value.get("Fn::If") {
        return format!("{}|{}", rendered(&sides[1]), rendered(&sides[2]));
    }
    match value.get("Fn::Sub") {
        Some(Value::Array(parts)) => substituted(rendered(&parts[0]), &parts[1]),
        Some(text) => substituted(rendered(text), &Value::Null),
        None => value.to_string(),
    }
}

/// Puts into a text what its placeholders stand for; those of AWS stay.
fn substituted(text: String, given: &Value) -> String {
    let Some((before, (name, after))) =
        text.split_once("${").and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return text;
    };
    let after = substituted(after.to_owned(), given);
    if name.starts_with("AWS::") {
        return format!("{before}${{{name}}}{after}");
    }
    let value = given.get(name).map_or_else(|| name.trim_end_matches(".Arn").to_owned(), rendered);
    format!("{before}{value}{after}")
}

fn long_form(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(fields) => fields
            .into_iter()
            .map(|(name, value)| (name.as_str().expect("a name is text").to_owned(), long_form(value)))
            .collect::<Map<_, _>>()
            .into(),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = match tag.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            json!({ name: long_form(tagged.value) })
        }
        plain => serde_json::to_value(plain).expect("a plain value"),
    }
}
