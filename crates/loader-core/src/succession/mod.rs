//! The succession: how one table takes the place of another, with everything
//! that hangs on it.
//!
//! The *candidate* is the staging table of a run, or a kept version that a
//! rollback brings back. [`likeness`] says what it lacks to be like the live
//! table; the build makes what takes long, the publish the rest.

pub(crate) mod likeness;
pub(crate) mod materialized;
pub(crate) mod moving;
pub(crate) mod versions;

use crate::database::control_schema::Schema;
use crate::database::staging;
use crate::identifier::{Identifier, QualifiedName};

/// The table that takes the live one's place.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Where it is now.
    pub(crate) name: QualifiedName,
    /// What names of its own end in until they get the live ones': it keeps them
    /// apart from those of other runs.
    pub(crate) suffix: String,
}

impl Candidate {
    /// The staging table of a run.
    pub(crate) fn staging(staging: &Identifier, run_id: &str) -> Self {
        Self { name: Schema::Staging.table(staging), suffix: staging::suffix(run_id) }
    }

    /// Names an object of the candidate that is to replace the object `oid`.
    pub(crate) fn provisional(&self, final_name: &Identifier, oid: u32) -> Identifier {
        final_name.with_suffix(&format!("{}_{oid}", self.suffix))
    }

    /// Names an object that this candidate's replaces, where its own name is not free.
    pub(crate) fn retiring(&self, name: &Identifier, oid: u32) -> Identifier {
        name.with_suffix(&format!("{}_old_{oid}", self.suffix))
    }

    /// Puts a name into the candidate's schema.
    pub(crate) fn in_schema(&self, name: &Identifier) -> QualifiedName {
        QualifiedName::new(self.name.schema.clone(), name.clone())
    }
}
