//! Drives the local stack as anybody could: with AWS SDK calls and SQL.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests only"
)]

mod messages;
mod stack;

pub use messages::Messages;
pub use stack::{Ended, Stack, eventually};

use std::path::PathBuf;

/// Returns the folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the workspace").to_owned()
}
