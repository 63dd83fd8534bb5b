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
    EqualButForRejects,
    Doubted,
    Refused,
    SilentlyDifferent,
}

/// What the sniffed dialect makes of the object: the header, the rows that a table of
/// this width takes, and how many it rejects.
fn read(bytes: &[u8], sniffed: &Sniffed, width: usize) -> (Option<Vec<String>>, Vec<Vec<String>>, usize) {
    let (header, records) = parse(bytes, &sniffed.dialect);
    let all = records.len();
    let fields = |record: &Parsed| record.fields().map(|field| field.value.to_owned()).collect::<Vec<_>>();
    let sound = records.iter().filter(|record| record.fault().is_none()).map(fields);
    let refuses = sniffed.dialect.ragged == Ragged::Refuse;
    let rows: Vec<Vec<String>> = sound.filter(|row| !refuses || row.len() == width).collect();
    let rejects = all - rows.len();
    (header, rows, rejects)
}

/// Whether `some` are of `all`, in their order.
fn are_of(some: &[Vec<String>], all: &[Vec<String>]) -> bool {
    let mut all = all.iter();
    some.iter().all(|row| all.any(|other| other == row))
}

fn outcome(table: &WrittenTable) -> Outcome {
    let bytes = table.bytes();
    let Ok(sniffed) = sniff(&bytes, true, &Written::auto(), &[]) else { return Outcome::Refused };
    let width = table.rows.first().map_or(0, Vec::len);
    let (header, rows, rejects) = read(&bytes, &sniffed, width);
    let doubted = !sniffed.doubts.is_empty();
    match header == table.header && rows == table.rows {
        true if doubted => Outcome::EqualButDoubted,
        true => Outcome::Equal,
        false if doubted => Outcome::Doubted,
        // Not loaded, but not lost either: each is kept as a reject, with its place.
        false if rejects > 0 && rows.len() * 2 > table.rows.len() && are_of(&rows, &table.rows) => {
            Outcome::EqualButForRejects
        }
        false => Outcome::SilentlyDifferent,
    }
}

#[test]
fn tables_written_in_any_dialect_are_found_again_or_doubted() {
    // More tables, and others: SNIFF_CASES=2000 SNIFF_SEED=7.
    let asked = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<usize>().ok());
    let seed = asked("SNIFF_SEED").and_then(|seed| u8::try_from(seed).ok()).unwrap_or(4);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = table();
    let cases = asked("SNIFF_CASES").unwrap_or(400);
    let mut counts = std::collections::BTreeMap::new();
    let mut silent = 0;
    for _ in 0..cases {
        let table = proptest::strategy::Strategy::new_tree(&strategy, &mut runner).unwrap().current();
        let outcome = outcome(&table);
        *counts.entry(outcome).or_insert(0_usize) += 1;
        if outcome == Outcome::SilentlyDifferent {
            show(&table);
            silent += 1;
        }
    }
    println!("of {cases} tables: {counts:?}");
    assert_eq!(silent, 0, "of {cases} were read differently, silently");
}

/// Shows how a table was written and how it was read.
fn show(table: &WrittenTable) {
    let bytes = table.bytes();
    println!("written: {table:?}");
    match sniff(&bytes, true, &Written::auto(), &[]) {
        Ok(sniffed) => {
            let width = table.rows.first().map_or(0, Vec::len);
            let (header, rows, _) = read(&bytes, &sniffed, width);
            println!("found: {:?}, header {header:?}", sniffed.found);
            for (one, other) in rows.iter().zip(&table.rows).filter(|(one, other)| one != other).take(3) {
                println!("read {one:?}\nwas  {other:?}");
            }
        }
        Err(error) => println!("{error}"),
    }
}
