//! What hangs on a table stays when the table is replaced: the catalog before and
//! after is compared as `pg_dump` writes it, and what it promises is tried.
//!
//! `cargo x test --only catalog` runs this on every version of Postgres that is
//! supported. `cargo test -p loader-core --test catalog` runs it on the server of
//! `TEST_DATABASE_URL`, with the `pg_dump` of `PG_DUMP`, or the newest one that is
//! installed.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod any_schema;
mod dump;
mod everything;
mod exchanges;
mod items;
mod live;
mod partitions;
mod refusals;
mod snapshot;
mod working;
#[path = "../steps/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the steps")]
mod world;
