//! When a delivery is complete enough to be loaded.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorName, Result};

/// What a person writes of how a delivery arrives. Every field may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// How long the youngest object must have been there, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_seconds: Option<u64>,
    /// The object that says that all others are there, below the prefix, such as
    /// `_SUCCESS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// The objects of the delivery, below the prefix; each must be there, and no other
    /// is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

impl Delivery {
    /// Returns this with what it leaves out taken from `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            settle_seconds: self.settle_seconds.or(below.settle_seconds),
            marker: self.marker.or(below.marker),
            keys: self.keys.or(below.keys),
        }
    }
}

/// The longest that a delivery may have to settle: a week.
const LONGEST_SETTLE: u64 = 7 * 24 * 60 * 60;

impl Delivery {
    /// Whether nothing is said: whatever is there is the delivery.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what is written.
    ///
    /// # Errors
    /// `InvalidDefinition`, naming the field.
    pub fn validate(&self) -> Result<()> {
        if let Some(seconds) = self.settle_seconds.filter(|seconds| *seconds > LONGEST_SETTLE) {
            return Err(invalid(format!(
                "the field `delivery.settle_seconds` is {seconds} but must be at most {LONGEST_SETTLE}"
            )));
        }
        let names = self.marker.iter().map(|name| ("marker", name));
        let keys = self.keys.iter().flatten().map(|name| ("keys", name));
        for (field, name) in names.chain(keys) {
            if name.is_empty() || name.starts_with('/') || name.ends_with('/') {
                return Err(invalid(format!(
                    "the field `delivery.{field}` has {name:?} but must have an object's key below the prefix, such as \"_SUCCESS\" or \"2022/a.csv\""
                )));
            }
        }
        let Some(keys) = &self.keys else { return Ok(()) };
        if keys.is_empty() {
            return Err(invalid(
                "the field `delivery.keys` is empty: leave it out or name an object".to_owned(),
            ));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = keys.iter().find(|key| !seen.insert(key.as_str())) {
            return Err(invalid(format!("the field `delivery.keys` names {twice} twice")));
        }
        if self.marker.as_ref().is_some_and(|marker| seen.contains(marker.as_str())) {
            return Err(invalid(
                "the field `delivery.keys` names the marker, which is not loaded".to_owned(),
            ));
        }
        Ok(())
    }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorName::InvalidDefinition, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(delivery: &Delivery) -> String {
        let error = delivery.validate().unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidDefinition);
        error.message
    }

    #[test]
    fn what_a_delivery_cannot_be_is_refused() {
        let keys = |keys: &[&str]| Delivery {
            keys: Some(keys.iter().map(|&key| key.to_owned()).collect()),
            marker: Some("_SUCCESS".to_owned()),
            ..Delivery::default()
        };
        assert!(keys(&["a.csv", "x/b.csv"]).validate().is_ok());
        assert!(refused(&keys(&[])).contains("`delivery.keys` is empty"));
        assert!(refused(&keys(&["a", "a"])).contains("names a twice"));
        assert!(refused(&keys(&["/a"])).contains("\"/a\""));
        assert!(refused(&keys(&["_SUCCESS"])).contains("names the marker"));
        let marker = Delivery { marker: Some(String::new()), ..Delivery::default() };
        assert!(refused(&marker).contains("`delivery.marker` has \"\""));
        let long = Delivery { settle_seconds: Some(LONGEST_SETTLE + 1), ..Delivery::default() };
        assert!(refused(&long).contains("settle_seconds"));
    }
}
