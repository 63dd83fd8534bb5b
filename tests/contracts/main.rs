//! Contracts between the parts: the state machine, the template, the example
//! events and the Rust code must mean the same by the same names.
//!
//! A check reads a [`Project`](project::Project) and returns what is wrong with
//! it. Next to it stand breaches of its rule, made in a copy in memory, which it
//! must notice: a check that can't fail proves nothing.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod error_names;
mod events;
mod flow;
mod machine_permissions;
mod payloads;
mod permissions;
mod policies;
mod project;
mod rust_source;
mod settings;
mod state_machine;
mod substitutions;
mod template;
mod variables;
