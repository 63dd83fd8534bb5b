//! Executions on the local stack: the real template, the real state machine, the
//! real Lambdas, a real Postgres.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod big_objects;
mod builds;
mod groups;
mod interference;
mod names_and_numbers;
mod real_data;
mod rejects;
mod rollbacks;
