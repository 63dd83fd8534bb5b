//! When a delivery is complete enough to be loaded.

use serde::{Deserialize, Serialize};

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
