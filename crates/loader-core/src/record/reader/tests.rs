use proptest::prelude::*;
use proptest::sample::Index;

use super::super::model::{self, Read, run, stream_of};
use super::*;

fn reader(chunks: &[&'static str]) -> RecordReader {
    let chunks = chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())).collect();
    RecordReader::new(stream_of(chunks), &CopyDialect::default())
}

fn rest_of(reader: RecordReader) -> (String, u64, u64) {
    let (mut splitter, mut body) = reader.into_rest();
    let mut out = Vec::new();
    while let Some(chunk) = run(body.next()) {
        splitter.push(chunk.unwrap(), &mut out).unwrap();
    }
    let counts = splitter.finish(&mut out).unwrap();
    (String::from_utf8(out.concat()).unwrap(), splitter.first_line(), counts.records)
}

#[test]
fn the_header_is_taken_off_and_the_rest_goes_on() {
    for chunks in [&["a,b\r\n1,2\r\n"][..], &["a,", "b\r", "\n1", ",2\r\n"], &["a,b\r", "\n1,2\r\n"]] {
        let mut reader = reader(chunks);
        let header = run(reader.header()).unwrap().unwrap();
        assert_eq!(header.bytes, "a,b");
        assert_eq!((header.line, header.last_line), (1, 1));
        assert_eq!(rest_of(reader), ("1,2\n".to_owned(), 2, 1));
    }
}

#[test]
fn a_header_with_newlines_moves_the_first_line() {
    let mut reader = reader(&["\"a\nb\",c\n", "1\n\\.\n"]);
    assert_eq!(run(reader.header()).unwrap().unwrap().last_line, 2);
    assert_eq!(rest_of(reader), ("1\n\"\\.\"\n".to_owned(), 3, 2));
}

#[test]
fn the_line_end_of_the_header_is_that_of_the_object() {
    let mut reader = reader(&["a\r", "1\r2"]);
    assert_eq!(run(reader.header()).unwrap().unwrap().bytes, "a");
    assert_eq!(rest_of(reader), ("1\n2\n".to_owned(), 2, 2));
}

#[test]
fn an_object_may_have_no_header_or_nothing_else() {
    assert_eq!(run(reader(&[]).header()).unwrap(), None);
    assert_eq!(run(reader(&["", ""]).header()).unwrap(), None);
    let mut reader = reader(&["a,b"]);
    assert_eq!(run(reader.header()).unwrap().unwrap().bytes, "a,b");
    assert_eq!(rest_of(reader), (String::new(), 2, 0));
}

#[test]
fn a_header_without_an_end_is_no_header() {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut reader = RecordReader::new(stream_of(vec![chunk; 17]), &CopyDialect::default());
    let error = run(reader.header()).unwrap_err();
    assert_eq!(error.name, ErrorName::HeaderMismatch);
    assert!(error.message.starts_with("the header is longer than 1 MiB"), "{error}");
}

#[test]
fn errors_of_the_stream_stay_what_they_are() {
    let chunks =
        [Ok(Bytes::from_static(b"a\nb")), Err(Error::new(ErrorName::SourceUnavailable, "broke off"))];
    let mut reader = RecordReader::new(Box::pin(stream::iter(chunks)), &CopyDialect::default());
    assert_eq!(run(reader.next()).unwrap().unwrap().bytes, "a");
    assert_eq!(run(reader.next()).unwrap_err().name, ErrorName::SourceUnavailable);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn records_are_those_of_the_model(
        object in model::object(),
        dialect in model::dialect(),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut reader = RecordReader::new(stream_of(model::chunks(&object, &cuts)), &dialect);
        let mut records = Vec::new();
        let end = loop {
            match run(reader.next()) {
                Ok(Some(record)) => {
                    prop_assert_eq!(record.last_line, record.line + model::newlines(&record.bytes));
                    records.push((record.bytes.to_vec(), record.line));
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        match model::read(&object, &dialect) {
            Read::Records(expected) => {
                prop_assert!(end.is_ok());
                prop_assert_eq!(records, expected);
            }
            Read::Unterminated | Read::Mixed => {
                prop_assert_eq!(end.unwrap_err().name, ErrorName::BadRow);
            }
        }
    }

    #[test]
    fn the_rest_after_a_header_is_the_object_without_it(
        object in model::object(),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let dialect = CopyDialect::default();
        let Read::Records(records) = model::read(&object, &dialect) else { return Ok(()) };
        let mut reader = RecordReader::new(stream_of(model::chunks(&object, &cuts)), &dialect);
        let header = run(reader.header()).unwrap();
        prop_assert_eq!(header.map(|header| header.bytes.to_vec()), records.first().map(|first| first.0.clone()));
        let (_, first_line, count) = rest_of(reader);
        prop_assert_eq!(count, records.len().saturating_sub(1) as u64);
        if let Some((_, line)) = records.get(1) {
            prop_assert_eq!(first_line, *line);
        }
    }
}
