//! What is written in any dialect is found again, or doubted, or refused.

use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::{Sniffed, sniff};
use super::written::{WrittenTable, table};
use crate::definition::dialect::{Ragged, Written};
use crate::record::parsed::Parsed;
use crate::record::parser::parse;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Equal,
    EqualButDoubted,
    Doubted,
    Refused,
    SilentlyDifferent,
}

/// What the sniffed dialect makes of the object: the header, and the rows.
fn read(bytes: &[u8], sniffed: &Sniffed) -> (Option<Vec<String>>, Vec<Vec<String>>) {
    let (header, records) = parse(bytes, &sniffed.dialect);
    let fields = |record: &Parsed| record.fields().map(|field| field.value.to_owned()).collect();
    // A record with a fault is a reject, with its place: nothing silent about it.
    (header, records.iter().filter(|record| record.fault().is_none()).map(fields).collect())
}

fn outcome(table: &WrittenTable) -> Outcome {
    let bytes = table.bytes();
    let Ok(sniffed) = sniff(&bytes, true, &Written::auto(), &[]) else { return Outcome::Refused };
    let (header, mut rows) = read(&bytes, &sniffed);
    // A record of another width is a reject, with its place: nothing silent about it.
    let width = table.rows.first().map_or(0, Vec::len);
    if sniffed.dialect.ragged == Ragged::Refuse && width > 1 && rows.len() != table.rows.len() {
        rows.retain(|row| row.len() == width);
    }
    let equal = (header, rows) == (table.header.clone(), table.rows.clone());
    match (equal, sniffed.doubts.is_empty()) {
        (true, true) => Outcome::Equal,
        (true, false) => Outcome::EqualButDoubted,
        (false, false) => Outcome::Doubted,
        (false, true) => Outcome::SilentlyDifferent,
    }
}

#[test]
fn tables_written_in_any_dialect_are_found_again_or_doubted() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[4; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = table();
    let cases: usize = std::env::var("SNIFF_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let mut counts = std::collections::BTreeMap::new();
    let mut silent = Vec::new();
    for _ in 0..cases {
        let table = proptest::strategy::Strategy::new_tree(&strategy, &mut runner).unwrap().current();
        let outcome = outcome(&table);
        *counts.entry(outcome).or_insert(0_usize) += 1;
        if outcome != Outcome::Equal && outcome != Outcome::EqualButDoubted && std::env::var("SHOW").is_ok() {
            show(&table, outcome);
        }
        if outcome == Outcome::SilentlyDifferent {
            silent.push(table);
        }
    }
    println!("of {cases} tables: {counts:?}");
    assert!(silent.is_empty(), "{} of {cases} were read differently, silently", silent.len());
}

fn show(table: &WrittenTable, outcome: Outcome) {
    let bytes = table.bytes();
    let sniffed = sniff(&bytes, true, &Written::auto(), &[]);
    println!(
        "--- {outcome:?}: delimiter {:?} quote {:?} escape {:?} all {} end {:?} {} preamble {} header {}",
        table.delimiter,
        table.quote,
        table.escape,
        table.quotes_all,
        table.line_end,
        table.encoding,
        table.preamble.len(),
        table.header.is_some()
    );
    match sniffed {
        Ok(sniffed) => println!("{:?} {:?} {}", sniffed.found, sniffed.doubts, sniffed.dialect.encoding),
        Err(error) => println!("{error}"),
    }
    if outcome == Outcome::SilentlyDifferent {
        std::fs::write("/tmp/silent.csv", &bytes).unwrap();
    }
    for row in table.header.iter().chain(&table.rows).take(4) {
        println!("   {row:?}");
    }
}
