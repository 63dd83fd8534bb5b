use super::*;

fn text() -> Dialect {
    Dialect {
        format: Format::Text,
        delimiter: "\t".to_owned(),
        quote: None,
        escape: Some('\\'),
        null: vec!["\\N".to_owned()],
        ..bare()
    }
}

#[test]
fn the_text_format_has_escapes_and_a_sign_for_null() {
    assert_eq!(
        read("a\\tb\t\\N\t\\\\N\t\\x41\\101\\q\t\\\nc\n\"d\t\n", &text()),
        ["[a\tb]|~|[\\N]|[AAq]|[\nc]", "\"d|"]
    );
    assert_eq!(read("\\303\\251\t\\xe2\\x82\\xac", &text()), ["[é]|[€]"]);
    assert_eq!(read("\\303\n\\0\nx", &text()), ["Encoding: \\303", "Nul: \\0", "x"]);
}

#[test]
fn the_mark_of_the_end_ends_the_text_format_and_nothing_behind_it_is_lost() {
    assert_eq!(read("a\n\\.\n", &text()), ["a"]);
    assert_eq!(read("a\nb\\.", &text()), ["a", "b"]);
    assert_eq!(read("a\n\\.\n\nb\tc\nd", &text()), ["a", "AfterEnd: b\tc", "AfterEnd: d"]);
    assert_eq!(read("a\\.b\nc", &text()), ["MisplacedEnd: a\\.b", "c"]);
}

fn fixed(fields: &[(usize, Option<usize>)]) -> Dialect {
    let fields = fields.iter().enumerate().map(|(number, (from, length))| FixedField {
        name: format!("f{number}"),
        from: *from,
        length: *length,
    });
    Dialect { format: Format::Fixed, fields: fields.collect(), quote: None, escape: None, ..bare() }
}

#[test]
fn fixed_fields_are_counted_in_characters() {
    let dialect = Dialect { trim: Trim::All, ..fixed(&[(0, Some(3)), (3, Some(2)), (6, None)]) };
    let (names, records) = parse("né 12-rest\nab 3\n a\n".as_bytes(), &dialect);
    assert_eq!(names.unwrap(), ["f0", "f1", "f2"]);
    assert_eq!(shown(&records), ["né|12|rest", "TooFewFields: ab 3", "TooFewFields:  a"]);
    let padded = Dialect { ragged: Ragged::Pad, ..dialect };
    assert_eq!(read("ab 3\n a\n", &padded), ["ab|3|~", "a|~|~"]);
}

#[test]
fn text_is_decoded_and_what_is_none_is_told() {
    let encoded = |encoding: &str| Dialect { encoding: encoding.to_owned(), ..bare() };
    let shown = |bytes: &[u8], encoding| shown(&parse(bytes, &encoded(encoding)).1);
    assert_eq!(shown(b"\xff\xfe\xe9\x00,\x00b\x00\n\x00", "UTF-16"), ["é|b"]);
    assert_eq!(shown(b"\x00\xe9\x00,\x00b", "UTF-16BE"), ["é|b"]);
    assert_eq!(shown(b"\xfe\xff\x00\xe9", "UTF-16LE"), ["é"]);
    assert_eq!(shown(b"a\x00,\x00", "UTF-16"), ["a|"]);
    assert_eq!(shown(b"\xff\xfe\x00\x00a\x00\x00\x00", "UTF-32"), ["a"]);
    assert_eq!(shown(b"\xef\xbb\xbfa", "UTF8"), ["a"]);
    assert_eq!(shown(b"a\xe9\x80", "LATIN1"), ["aé\u{80}"]);
    assert_eq!(shown(b"a\xe9\x80", "WIN1252"), ["aé€"]);
    assert_eq!(shown(b"a\x8e", "macintosh"), ["aé"]);
    assert_eq!(shown(b"\x83\x5c,\x83\x5c", "SJIS"), ["ソ|ソ"]);
    assert_eq!(
        shown(b"a\xe9b,\xc3\nb\n\xff,\xf0\x9f\n\xe2\x82", "UTF8"),
        ["Encoding: a\\xe9b,\\xc3", "b", "Encoding: \\xff,\\xf0\\x9f", "Encoding: \\xe2\\x82"]
    );
    assert_eq!(shown(b"\x81,a\nb", "WIN1252"), ["Encoding: \\x81,a", "b"]);
    assert_eq!(shown(b"a\n\x83\nb", "SJIS"), ["a", "Encoding: \\x83", "b"]);
    assert_eq!(shown(b"a\0,b\nc\n", "UTF8"), ["Nul: a\\x00,b", "c"]);
}

#[test]
fn what_only_the_database_can_decode_is_refused_unless_it_is_ascii() {
    let dialect = Dialect { encoding: "JOHAB".to_owned(), ..bare() };
    let read = |text: &[u8]| read_in_chunks(text, &[], &dialect, 100);
    assert_eq!(shown(&read(b"a,b\n").unwrap().1), ["a|b"]);
    let error = read(b"a,\xd0\x41\n").unwrap_err();
    assert_eq!(error.name, ErrorName::UnsupportedFormat);
    assert!(error.message.contains("JOHAB"), "{error}");
    assert!(Parser::new(stream_of(vec![]), &Dialect { encoding: "none".to_owned(), ..bare() }).is_err());
}

#[test]
fn ascii_is_ascii_and_not_what_browsers_take_for_it() {
    for name in ["ascii", "US-ASCII", "us_ascii"] {
        let dialect = Dialect { encoding: name.to_owned(), header_rows: 0, ..Dialect::default() };
        let read = parse(b"a,b\nc,\xe9\n", &dialect).1;
        let faults: Vec<_> = read.iter().map(Parsed::fault).collect();
        assert_eq!(faults, [None, Some(Fault::Encoding)], "{name}");
    }
}
