//! Whatever an object begins with: its dialect is found, or it is refused, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loader_core::definition::dialect::Written;
use loader_core::record::parser::parse;
use loader_core::sniff::sniff;

fuzz_target!(|input: (Vec<u8>, bool, bool)| {
    let (sample, whole, named) = input;
    let columns: &[&str] = if named { &["id", "name"] } else { &[] };
    if let Ok(sniffed) = sniff(&sample, whole, &Written::auto(), columns) {
        let _ = parse(&sample, &sniffed.dialect);
    }
});
