use super::*;

fn read_all(tokenizer: &mut Tokenizer, record: &mut Parsed, records: &mut Vec<Parsed>) {
    while tokenizer.next(record) == Step::Record {
        records.push(record.clone());
    }
}

/// Reads so many chunks, and returns the most text that was held.
fn most_held(dialect: &Dialect, first: &str, chunk: &str, chunks: usize) -> (usize, Vec<Parsed>) {
    let mut tokenizer = Tokenizer::new(dialect);
    tokenizer.set_limit(256 * 1024);
    let (mut record, mut records, mut most) = (Parsed::default(), Vec::new(), 0);
    tokenizer.sink().text(first);
    for _ in 0..chunks {
        read_all(&mut tokenizer, &mut record, &mut records);
        tokenizer.sink().text(chunk);
        most = most.max(tokenizer.buffer.rest().len());
    }
    tokenizer.end();
    read_all(&mut tokenizer, &mut record, &mut records);
    (most, records)
}

#[test]
fn memory_is_bounded_however_long_a_record_is() {
    let bare = Dialect { header_rows: 0, ..Dialect::default() };
    let trimmed = Dialect { trim: crate::definition::dialect::Trim::All, ..bare.clone() };
    let loose = Dialect { quoting: crate::definition::dialect::Quoting::Loose, ..trimmed.clone() };
    let commented = Dialect { comment: Some("#".to_owned()), ..bare.clone() };
    let skipped = Dialect { skip_lines: 1, ..bare.clone() };
    let text = Dialect { format: Format::Text, escape: Some('\\'), quote: None, ..bare.clone() };
    let chunk = 64 * 1024;
    let cases = [
        (&bare, "", "x", 1),
        (&bare, "", ",", 1),
        (&bare, "\"", "x", 1),
        (&bare, "a,\"", "é", 1),
        (&trimmed, "", " ", 1),
        (&loose, "\"a\"", " ", 1),
        (&loose, "\"", "\"x", 1),
        (&commented, "#", "x", 0),
        (&skipped, "", "x", 0),
        (&text, "", "\\\n", 1),
        (&text, "\\.\n", "x", 1),
    ];
    for (dialect, first, piece, expected) in cases {
        let chunk = piece.repeat(chunk / piece.len());
        let (most, records) = most_held(dialect, first, &chunk, 64);
        assert!(most < 640 * 1024, "{most} bytes held of {piece:?} after {first:?}");
        assert_eq!(records.len(), expected, "{piece:?} after {first:?}");
        for record in records {
            assert!(record.fault.is_some() && record.cut && record.raw.as_str().len() <= MAX_RAW_BYTES);
        }
    }
}

#[test]
fn a_record_is_a_part_of_the_text_until_more_is_read() {
    let dialect = Dialect { header_rows: 0, ..Dialect::default() };
    let mut tokenizer = Tokenizer::new(&dialect);
    let (mut record, mut other) = (Parsed::default(), Parsed::default());
    tokenizer.sink().text("a,b\nc,d\ne");
    assert_eq!(tokenizer.next(&mut record), Step::Record);
    assert!(tokenizer.buffer.is_shared());
    assert_eq!(tokenizer.next(&mut record), Step::Record);
    assert_eq!(tokenizer.next(&mut record), Step::More);
    assert!(!tokenizer.buffer.is_shared(), "the text would be copied for what is added to it");

    tokenizer.sink().text(",f\n");
    assert_eq!(tokenizer.next(&mut record), Step::Record);
    assert_eq!(tokenizer.next(&mut other), Step::More);
    tokenizer.sink().text("g,h\n");
    assert_eq!(tokenizer.next(&mut other), Step::Record);
    assert_eq!((record.raw(), other.raw()), (("e,f", false), ("g,h", false)));
}

#[test]
fn a_record_behind_one_that_was_too_long_is_read() {
    let dialect = Dialect { header_rows: 0, ..Dialect::default() };
    let chunk = "x".repeat(64 * 1024);
    let mut tokenizer = Tokenizer::new(&dialect);
    tokenizer.set_limit(100_000);
    let (mut record, mut records) = (Parsed::default(), Vec::new());
    for _ in 0..20 {
        tokenizer.sink().text(&chunk);
        read_all(&mut tokenizer, &mut record, &mut records);
    }
    tokenizer.sink().text(",\"a\nb\"\r\nc,d");
    tokenizer.end();
    read_all(&mut tokenizer, &mut record, &mut records);
    let found: Vec<_> = records.iter().map(|record| (record.fault, record.line, record.last_line)).collect();
    assert_eq!(found, [(Some(Fault::TooLong), 1, 2), (None, 3, 3)]);
    assert_eq!(records.get(1).map(|record| record.raw.as_str()), Some("c,d"));
}
