//! Postgres is the judge: what this crate says of records, fields, lines, values
//! and names is held against what a real server makes of the same bytes.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod binary;
mod csv_spectrum;
mod dialects;
mod encodings;
mod expressions;
mod identifiers;
mod inference;
mod judge;
mod lines;
mod parser;
mod splitter;
mod values;
