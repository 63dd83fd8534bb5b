//! The suites.

pub mod arrow;
pub mod csv_spectrum;
pub mod duckdb;
pub mod messytables;
pub mod pgloader;
pub mod pollock;
pub mod postgres_regress;
pub mod real;
pub mod rust_csv;
mod second_reader;
mod text_table;

use crate::suite::Suite;

/// Returns all suites, in the order in which they are reported.
#[must_use]
pub fn all() -> Vec<Box<dyn Suite>> {
    vec![
        Box::new(duckdb::DuckDb),
        Box::new(pollock::Pollock),
        Box::new(postgres_regress::PostgresRegress),
        Box::new(pgloader::Pgloader),
        Box::new(csv_spectrum::CsvSpectrum),
        Box::new(messytables::Messytables),
        Box::new(rust_csv::RustCsv),
        Box::new(arrow::Arrow),
        Box::new(real::Real),
    ]
}
