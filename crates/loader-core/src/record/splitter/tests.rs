use proptest::prelude::*;
use proptest::sample::Index;

use super::super::model::{self, Read};
use super::*;
use crate::error::{Error, ErrorName};

fn split_with(
    mut splitter: RecordSplitter,
    chunks: impl IntoIterator<Item = Bytes>,
) -> Result<(Vec<u8>, Counts)> {
    let mut out = Vec::new();
    for chunk in chunks {
        splitter.push(chunk, &mut out)?;
    }
    let counts = splitter.finish(&mut out)?;
    let bytes = out.concat();
    assert_eq!(counts.bytes, bytes.len() as u64);
    Ok((bytes, counts))
}

fn split(text: &str) -> (String, u64, u64) {
    let chunk = Bytes::copy_from_slice(text.as_bytes());
    let (bytes, counts) = split_with(RecordSplitter::new(&CopyDialect::default()), [chunk]).unwrap();
    (String::from_utf8(bytes).unwrap(), counts.records, counts.lines)
}

fn failure(text: &str) -> Error {
    let chunk = Bytes::copy_from_slice(text.as_bytes());
    split_with(RecordSplitter::new(&CopyDialect::default()), [chunk]).unwrap_err()
}

fn ends(bytes: &str, records: u64, lines: u64) -> (String, u64, u64) {
    (bytes.to_owned(), records, lines)
}

#[test]
fn every_record_ends_in_one_newline() {
    assert_eq!(split(""), ends("", 0, 0));
    assert_eq!(split("a,b"), ends("a,b\n", 1, 1));
    assert_eq!(split("a\nb\n"), ends("a\nb\n", 2, 2));
    assert_eq!(split("a\r\nb\r\n"), ends("a\nb\n", 2, 2));
    assert_eq!(split("a\rb\r"), ends("a\nb\n", 2, 2));
    assert_eq!(split("a\rb"), ends("a\nb\n", 2, 2));
    assert_eq!(split("a\nb\r\nc\r"), ends("a\nb\nc\n", 3, 3));
    assert_eq!(split("\n\r\n\n"), ends("\n\n\n", 3, 3));
}

#[test]
fn line_ends_within_quotes_are_left_and_newlines_counted() {
    assert_eq!(split("\"a\r\nb\",c\r\nd"), ends("\"a\r\nb\",c\nd\n", 2, 3));
    assert_eq!(split("\"a\rb\"\nc"), ends("\"a\rb\"\nc\n", 2, 2));
    assert_eq!(split("\"a\"\"\nb\"\n"), ends("\"a\"\"\nb\"\n", 1, 2));
    assert_eq!(split("a\"\n\"b\n"), ends("a\"\n\"b\n", 1, 2));
}

#[test]
fn a_lone_carriage_return_is_left_for_postgres_to_refuse() {
    assert_eq!(split("a\nb\rc\n"), ends("a\nb\rc\n", 2, 2));
    assert_eq!(split("a\r\nb\r\r\n"), ends("a\nb\r\n", 2, 2));
}

#[test]
fn newlines_among_carriage_returns_are_refused() {
    let error = failure("a\rb\rc\nd");
    assert_eq!(error.name, ErrorName::BadRow);
    assert_eq!(error.place.as_ref().and_then(|place| place.line), Some(3));
    assert!(error.message.contains("line 3 ends in a newline"), "{error}");
}

#[test]
fn the_end_mark_of_copy_is_quoted_where_it_is_a_record() {
    assert_eq!(split("a\n\\.\nb\n"), ends("a\n\"\\.\"\nb\n", 3, 3));
    assert_eq!(split("\\.\r\n\\.\r\nb"), ends("\"\\.\"\n\"\\.\"\nb\n", 3, 3));
    assert_eq!(split("\\."), ends("\"\\.\"\n", 1, 1));
    assert_eq!(split("\\.\r\\.\r"), ends("\"\\.\"\n\"\\.\"\n", 2, 2));
    // Before a lone carriage return too: COPY may take that for a line end.
    assert_eq!(split("a\n\\.\rb\n"), ends("a\n\"\\.\"\rb\n", 2, 2));
    for other in ["\\.a\n", "\\\n", "a\\.\n", "\\.,\n", ",\\.\n", "\"\n\\.\n\"\n", "\\"] {
        let expected = format!("{}\n", other.trim_end_matches('\n'));
        assert_eq!(split(other).0, expected);
    }
}

#[test]
fn a_field_that_does_not_end_is_named_by_its_lines() {
    let error = failure("a\nb,\"c\nd\n");
    assert_eq!(error.name, ErrorName::BadRow);
    assert_eq!(error.place.as_ref().and_then(|place| place.line), Some(2));
    assert!(error.message.contains("ends inside a quoted field; it opened on line 2"), "{error}");
    let error = failure("a\n\"x\ny\",\"c \"\"d\"\"\n e");
    assert!(error.message.contains("opened on line 3, in the record that begins on line 2"), "{error}");
}

#[test]
fn a_record_over_the_limit_is_named_by_its_first_line() {
    for size in [1, 3, 100] {
        let text = b"a\nbcd\n\"long\nlong\nlong\"\n";
        let splitter = RecordSplitter::new(&CopyDialect::default()).with_max_record_bytes(8);
        let error = split_with(splitter, text.chunks(size).map(Bytes::from_static)).unwrap_err();
        assert_eq!(error.name, ErrorName::BadRow);
        assert_eq!(error.place.as_ref().and_then(|place| place.line), Some(3));
        assert!(error.message.contains("begins on line 3 is longer than 8 bytes"), "{error}");
    }
    let exact = RecordSplitter::new(&CopyDialect::default()).with_max_record_bytes(3);
    assert!(split_with(exact, [Bytes::from_static(b"a\nbc\nde")]).is_ok());
}

#[test]
fn bytes_that_need_no_change_are_not_copied() {
    let chunk = Bytes::from_static(b"a,\"b\nc\"\nd\n\\.x\n");
    let mut out = Vec::new();
    RecordSplitter::new(&CopyDialect::default()).push(chunk.clone(), &mut out).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].as_ptr(), out[0].len()), (chunk.as_ptr(), chunk.len()));
}

#[test]
fn a_changed_chunk_goes_on_in_one_piece() {
    let mut out = Vec::new();
    let chunk = Bytes::from_static(b"a\r\nb\r\nc\r\n");
    RecordSplitter::new(&CopyDialect::default()).push(chunk, &mut out).unwrap();
    assert_eq!(out, [Bytes::from_static(b"a\nb\nc\n")]);
}

/// What COPY must get of records.
fn rendered(records: &[(Vec<u8>, u64)], dialect: &CopyDialect) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (record, _) in records {
        let rest = match record.strip_prefix(b"\\.") {
            Some(rest) if rest.is_empty() || rest.starts_with(b"\r") => {
                bytes.extend([dialect.quote, b'\\', b'.', dialect.quote]);
                rest
            }
            _ => record,
        };
        bytes.extend(rest);
        bytes.push(b'\n');
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_chunks_give_what_the_model_gives(
        object in model::object(),
        dialect in model::dialect(),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let given = split_with(RecordSplitter::new(&dialect), model::chunks(&object, &cuts));
        match model::read(&object, &dialect) {
            Read::Records(records) => {
                let (bytes, counts) = given.unwrap();
                prop_assert_eq!(&bytes, &rendered(&records, &dialect));
                prop_assert_eq!(counts.records, records.len() as u64);
                let newlines: u64 = records.iter().map(|(record, _)| model::newlines(record)).sum();
                prop_assert_eq!(counts.lines, counts.records + newlines);
            }
            Read::Unterminated | Read::Mixed => {
                prop_assert_eq!(given.unwrap_err().name, ErrorName::BadRow);
            }
        }
    }

    #[test]
    fn newline_objects_go_on_as_they_are(
        mut object in model::object(),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        object.retain(|byte| !matches!(byte, b'\r' | b'.'));
        let chunks = model::chunks(&object, &cuts);
        if let Ok((bytes, _)) = split_with(RecordSplitter::new(&CopyDialect::default()), chunks) {
            let mut expected = object;
            if expected.last().is_some_and(|last| *last != b'\n') {
                expected.push(b'\n');
            }
            prop_assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn what_went_through_goes_through_unchanged(object in model::object(), dialect in model::dialect()) {
        let once = split_with(RecordSplitter::new(&dialect), [Bytes::from(object)]);
        if let Ok((bytes, counts)) = once
            && !bytes.contains(&b'\r')
        {
            let again = split_with(RecordSplitter::new(&dialect), [Bytes::from(bytes.clone())]).unwrap();
            prop_assert_eq!(again, (bytes, counts));
        }
    }
}
