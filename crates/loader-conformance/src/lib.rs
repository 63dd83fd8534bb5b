//! Conformance: the cases of test suites that others wrote, loaded through the same
//! steps as on AWS into a real Postgres, and scored by the values that are published.
//!
//! A [`suite::Suite`] turns the files of a folder into cases: a definition, objects,
//! and what must come of them. `cargo x conformance` runs them all.

pub mod comparison;
pub mod outcome;
pub mod report;
pub mod runner;
pub mod suite;
pub mod suites;
pub mod workbench;
