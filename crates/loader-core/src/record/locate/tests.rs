use bytes::Bytes;

use super::super::model::{run, stream_of};
use super::*;

/// Returns the text of the record and the line it begins on; nothing and 0 if
/// there is none.
fn find(object: &'static str, line: u64, count: LineCount) -> (String, u64) {
    let body = stream_of(vec![Bytes::from_static(object.as_bytes())]);
    let located = run(locate(body, &CopyDialect::default(), line, count)).unwrap();
    located.map(|located| (located.text, located.line)).unwrap_or_default()
}

fn newlines(object: &'static str, line: u64) -> (String, u64) {
    find(object, line, LineCount::Newlines)
}

fn at(text: &str, line: u64) -> (String, u64) {
    (text.to_owned(), line)
}

#[test]
fn a_line_leads_to_the_record_that_covers_it() {
    let object = "h\na\n\"b\n\n\",b\nc";
    assert_eq!(newlines(object, 1), at("h", 1));
    assert_eq!(newlines(object, 2), at("a", 2));
    for line in 3..=5 {
        assert_eq!(newlines(object, line), at("\"b\n\n\",b", 3));
    }
    assert_eq!(newlines(object, 6), at("c", 6));
    assert_eq!(newlines(object, 7), at("", 0));
}

#[test]
fn stored_objects_are_counted_as_copy_counts_them() {
    // Records end in both, so only carriage returns within quotes count.
    let object = "h\r\n\"a\nb\nc\"\r\n\"d\r\ne\"\r\nf\r\n";
    assert_eq!(find(object, 2, LineCount::Stored), at("\"a\nb\nc\"", 2));
    assert_eq!(find(object, 4, LineCount::Stored), at("\"d\r\ne\"", 3));
    assert_eq!(find(object, 5, LineCount::Stored), at("f", 5));
    assert_eq!(newlines(object, 6), at("\"d\r\ne\"", 5));
    // In the first record carriage returns count, whatever it ends in.
    let object = "\"h\r\n\n\"\na\n\"b\n\"\nc";
    assert_eq!(find(object, 3, LineCount::Stored), at("a", 3));
    assert_eq!(find(object, 5, LineCount::Stored), at("\"b\n\"", 4));
}

#[test]
fn what_can_not_be_loaded_is_found_too() {
    assert_eq!(newlines("h\n\"open\nx", 2), at("\"open\nx", 2));
    assert_eq!(newlines("h\rx\n\ry", 2), at("x", 2));
}

#[test]
fn the_text_is_cut_and_always_text() {
    let long = format!("h\n{}é{}\nz", "x".repeat(MAX_TEXT_BYTES - 1), "y".repeat(100_000));
    let body = stream_of(long.into_bytes().chunks(1000).map(Bytes::copy_from_slice).collect());
    let located = run(locate(body, &CopyDialect::default(), 2, LineCount::Newlines)).unwrap().unwrap();
    assert!(located.cut);
    assert_eq!(located.text.len(), MAX_TEXT_BYTES - 1 + '\u{fffd}'.len_utf8());
    assert!(located.text.starts_with('x'));
}
