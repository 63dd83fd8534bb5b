//! The steps of a run against a real Postgres: run, run twice, run late, and cut
//! off at every statement.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod ahead;
mod any_dialect;
mod any_parts;
mod build_memory;
mod columns;
mod constraints;
mod cut_off;
mod definitions;
mod deliveries;
mod dry_runs;
mod engines;
mod gates;
mod groups;
mod lanes;
mod late_and_twice;
mod ledger;
mod merge;
mod merged_references;
mod merged_rows;
mod pace;
mod parts;
mod refusals;
mod rejects;
mod replays;
mod trust;
mod unreadable;
mod versions;
mod whole_run;
mod world;
