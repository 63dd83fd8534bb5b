//! For tests: throwaway databases, buckets in memory, connections that are cut.
//!
//! Everything here panics instead of returning errors: a test that can't be set
//! up has failed.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests only"
)]

mod cut;
mod database;
mod memory;

pub use cut::{Cut, CutProxy};
pub use database::TestDatabase;
pub use memory::{MemoryNotifier, MemorySource, MemoryWork};
