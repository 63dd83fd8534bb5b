use bytes::Bytes;
use futures_util::stream;

use super::super::model::{run, stream_of};
use super::*;

/// The cells of the header, if there is one, and the records.
type Texts = (Option<Vec<String>>, Vec<String>);

fn read(body: ByteStream, dialect: &CopyDialect, max: usize, whole: bool) -> Result<Option<Texts>> {
    let sample = run(sample(body, dialect, max, whole))?;
    Ok(sample.map(|sample| {
        let text = |record: &Record| String::from_utf8(record.bytes.to_vec()).unwrap();
        (sample.header, sample.records.iter().map(text).collect())
    }))
}

fn body(text: &'static str) -> ByteStream {
    stream_of(vec![Bytes::from_static(text.as_bytes())])
}

fn with_header(header: &[&str], records: &[&str]) -> Texts {
    let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    (Some(strings(header)), strings(records))
}

#[test]
fn a_sample_has_the_header_and_the_first_records() {
    let dialect = CopyDialect::default();
    assert_eq!(
        read(body("a,b\n1,2\n3,4\n5,6"), &dialect, 2, true).unwrap(),
        Some(with_header(&["a", "b"], &["1,2", "3,4"]))
    );
    assert_eq!(
        read(body("a,b\n1,2\n3,4"), &dialect, 9, true).unwrap(),
        Some(with_header(&["a", "b"], &["1,2", "3,4"]))
    );
    assert_eq!(read(body(""), &dialect, 9, true).unwrap(), None);
    assert_eq!(read(body("a\n"), &dialect, 9, true).unwrap(), Some(with_header(&["a"], &[])));
}

#[test]
fn the_record_that_was_cut_short_is_left_out() {
    let dialect = CopyDialect::default();
    for cut in ["a\n1\n23", "a\n1\n\"2", "a\n1\n2\n"] {
        let records = &read(body(cut), &dialect, 9, false).unwrap().unwrap().1;
        assert_eq!(records.first().map(String::as_str), Some("1"));
        assert!(records.len() == 1, "{cut:?}");
    }
}

#[test]
fn a_stream_that_breaks_off_is_a_sample_only_if_it_had_to() {
    let broken = |name| -> ByteStream {
        Box::pin(stream::iter([Ok(Bytes::from_static(b"a\n1\n2")), Err(Error::new(name, ""))]))
    };
    let dialect = CopyDialect::default();
    let damaged = ErrorName::UnsupportedFormat;
    assert_eq!(read(broken(damaged), &dialect, 9, false).unwrap(), Some(with_header(&["a"], &["1"])));
    assert_eq!(read(broken(damaged), &dialect, 9, true).unwrap_err().name, damaged);
    let unavailable = ErrorName::SourceUnavailable;
    assert_eq!(read(broken(unavailable), &dialect, 9, false).unwrap_err().name, unavailable);
}

#[test]
fn without_a_header_every_record_is_one() {
    let dialect = CopyDialect { header: false, ..CopyDialect::default() };
    let sample = read(body("1\n2\n"), &dialect, 9, true).unwrap();
    assert_eq!(sample, Some((None, vec!["1".to_owned(), "2".to_owned()])));
    assert_eq!(read(body(""), &dialect, 9, true).unwrap(), None);
}
