use super::*;

fn places(text: &str, dialect: &Dialect) -> Vec<(u64, u64, u64)> {
    let (_, records) = parse(text.as_bytes(), dialect);
    records.iter().map(|record| (record.number(), record.line(), record.last_line())).collect()
}

#[test]
fn lines_are_those_of_the_object() {
    assert_eq!(places("a\nb\r\nc\rd", &bare()), [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)]);
    assert_eq!(places("\"a\n\r\n\rb\"\nc\n", &bare()), [(1, 1, 4), (2, 5, 5)]);
    assert_eq!(places("h\n\"x\ny\"\nz", &Dialect::default()), [(1, 2, 3), (2, 4, 4)]);
    let semicolons = Dialect { line_end: Some(";".to_owned()), ..bare() };
    assert_eq!(places("a;b;\nc\r\n;d", &semicolons), [(1, 1, 1), (2, 1, 1), (3, 1, 3), (4, 3, 3)]);
    let returns = Dialect { line_end: Some("\r".to_owned()), ..bare() };
    assert_eq!(places("a\r\nb\r\nc", &returns), [(1, 1, 1), (2, 2, 2), (3, 3, 3)]);
}

#[test]
fn a_quote_that_does_not_end_spoils_its_line_only() {
    let text = "a,b\n1,2\n\"3,4\n5,6\n";
    let expected = ["1|2", "UnterminatedQuote: \"3,4", "5|6"];
    for quoting in [Quoting::Anywhere, Quoting::Whole, Quoting::Loose] {
        assert_eq!(read(text, &Dialect { quoting, ..Dialect::default() }), expected);
    }
    let text = "a,b\n\"x\ny\",\"z\n5,6\n";
    let (_, records) = parse(text.as_bytes(), &Dialect::default());
    assert_eq!(shown(&records), ["UnterminatedQuote: \"x\ny\",\"z", "5|6"]);
    assert_eq!((records[0].line(), records[0].last_line(), records[1].line()), (2, 3, 4));
}

#[test]
fn a_record_that_is_too_long_ends_where_it_ends_and_only_its_beginning_is_kept() {
    let text = format!("a\n{},\"x\n{}\",{}\nb\n", "y".repeat(30), "z".repeat(20), "w".repeat(90));
    let (_, records) = read_in_chunks(text.as_bytes(), &[], &bare(), 64).unwrap();
    assert_eq!(records.len(), 3, "{:?}", shown(&records));
    assert_eq!(records[1].fault(), Some(Fault::TooLong));
    assert_eq!(records[1].raw(), (&text[2..66], true));
    assert_eq!(records[1].width(), 0);
    assert_eq!((records[1].line(), records[1].last_line(), records[2].line()), (2, 3, 4));
    assert_eq!(show(&records[2]), "b");
}

#[test]
fn a_quote_that_ends_too_late_is_one_that_does_not_end() {
    let text = format!("a\n\"b\n{}\"\nc\n", "1,2\n".repeat(40));
    let (_, records) = read_in_chunks(text.as_bytes(), &[], &bare(), 64).unwrap();
    assert_eq!(shown(&records[..3]), ["a", "UnterminatedQuote: \"b", "1|2"]);
    assert_eq!(shown(&records[42..]), ["UnterminatedQuote: \"", "c"]);
}
