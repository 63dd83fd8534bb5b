//! What a rollback is asked for: a table, and the version to go back to.

use serde_json::Value;
use tokio_postgres::Client;

use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::succession::versions::{self, Version};

/// The version to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The one that was live before.
    Previous,
    /// The one of this number.
    Number(i64),
}

/// A rollback's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The table.
    pub(super) table: Identifier,
    to: Target,
}

impl Request {
    /// Reads an input such as `{"table": "year_2021", "to": "previous"}`.
    pub(super) fn parse(value: &Value) -> Result<Self> {
        let Value::Object(fields) = value else {
            return Err(invalid(
                "it must be an object such as {\"table\": \"year_2021\", \"to\": \"previous\"}",
            ));
        };
        if let Some(unknown) = fields.keys().find(|field| !matches!(field.as_str(), "table" | "to")) {
            return Err(invalid(&format!("unknown field `{unknown}`; the fields are table, to")));
        }
        let table = match fields.get("table") {
            Some(Value::String(name)) => Identifier::try_from(name.clone())
                .map_err(|error| invalid(&format!("the field `table` is no table name: {error}")))?,
            Some(_) => return Err(invalid("the field `table` must be a string")),
            None => return Err(invalid("the field `table` is missing")),
        };
        let to = match fields.get("to") {
            Some(Value::String(word)) if word == "previous" => Target::Previous,
            Some(Value::Number(number)) => match number.as_i64().filter(|number| *number > 0) {
                Some(number) => Target::Number(number),
                None => {
                    return Err(invalid(&format!("the field `to` is {number} but versions count from 1")));
                }
            },
            // Without it nobody has said what is to become of the rows of now.
            None => {
                return Err(invalid(
                    "the field `to` is missing: \"previous\", or the number of a version in loader.version",
                ));
            }
            Some(_) => return Err(invalid("the field `to` must be \"previous\" or the number of a version")),
        };
        Ok(Self { table, to })
    }

    /// Finds the kept version that is asked for.
    ///
    /// # Errors
    /// `NoSuchVersion`, with those that there are.
    pub(super) async fn find(&self, client: &Client) -> Result<Version> {
        let (found, wanted) = match self.to {
            Target::Previous => {
                (versions::previous(client, &self.table).await?, "previous version".to_owned())
            }
            Target::Number(number) => {
                (versions::kept(client, &self.table, number).await?, format!("kept version {number}"))
            }
        };
        match found {
            Some(version) => Ok(version),
            None => Err(versions::missing(client, &self.table, &wanted).await?),
        }
    }
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorName::InvalidInput, format!("the input of the rollback can't be used: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_and_a_version_are_asked_for() {
        let previous = Request::parse(&json!({"table": "t", "to": "previous"})).unwrap();
        assert_eq!((previous.table.as_str(), previous.to), ("t", Target::Previous));
        assert_eq!(Request::parse(&json!({"table": "t", "to": 3})).unwrap().to, Target::Number(3));
    }

    #[test]
    fn what_is_refused_is_named() {
        for (value, part) in [
            (json!("t"), "must be an object"),
            (json!({"to": "previous"}), "`table` is missing"),
            (json!({"table": 1, "to": "previous"}), "`table` must be a string"),
            (json!({"table": "", "to": "previous"}), "no table name"),
            (json!({"table": "t"}), "`to` is missing"),
            (json!({"table": "t", "to": "yesterday"}), "`to` must be"),
            (json!({"table": "t", "to": 0}), "`to` is 0"),
            (json!({"table": "t", "to": "previous", "now": true}), "unknown field `now`"),
        ] {
            let error = Request::parse(&value).unwrap_err();
            assert_eq!(error.name, ErrorName::InvalidInput);
            assert!(error.message.contains(part), "{value}: {error}");
        }
    }
}
