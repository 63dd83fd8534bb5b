use super::*;

#[test]
fn plain_csv_is_split_as_rfc_4180_says() {
    assert_eq!(read("a,b\n1,2\n", &bare()), ["a|b", "1|2"]);
    assert_eq!(read("a,\"b \"\"c\"\", d\"\r\n,\"\"\r\n", &bare()), ["a|[b \"c\", d]", "|[]"]);
    assert_eq!(read("\"a\nb\",c", &bare()), ["[a\nb]|c"]);
    assert_eq!(read("", &bare()), [""; 0]);
    assert_eq!(read("\n\na", &bare()), ["", "", "a"]);
}

#[test]
fn lines_may_end_in_any_way_and_each_in_another() {
    assert_eq!(read("a\nb\rc\r\nd", &bare()), ["a", "b", "c", "d"]);
    assert_eq!(read("a\r\r\nb\n\r", &bare()), ["a", "", "b", ""]);
    let exact = |line_end: &str| Dialect { line_end: Some(line_end.to_owned()), ..bare() };
    assert_eq!(read("a\rb\nc\r\n", &exact("\n")), ["a\rb", "c\r"]);
    assert_eq!(read("a\nb\r\nc\r\n", &exact("\r\n")), ["a\nb", "c"]);
    assert_eq!(read("a;b|;c,d", &exact(";")), ["a", "b|", "c|d"]);
    assert_eq!(read("a,b||\nc||", &exact("||\n")), ["a|b", "c||"]);
}

#[test]
fn delimiters_may_be_longer_than_a_character() {
    for (delimiter, text) in [(", ", "a, \"b, c\", d,e"), ("||", "a||\"b, c\"||d,e"), ("¦", "a¦\"b, c\"¦d,e")]
    {
        let dialect = Dialect { delimiter: delimiter.to_owned(), ..bare() };
        assert_eq!(read(text, &dialect), ["a|[b, c]|d,e"]);
    }
}

#[test]
fn a_quote_anywhere_begins_quoting_as_for_copy() {
    assert_eq!(read("a\"b,c\"d,e\n", &bare()), ["[ab,cd]|e"]);
    assert_eq!(read("\"a\"\"b\"", &Dialect { escape: None, ..bare() }), ["[ab]"]);
    let backslash = Dialect { escape: Some('\\'), ..bare() };
    assert_eq!(read("\"a\\\"b\\\\\",\\x\"\\y\"", &backslash), ["[a\"b\\]|[\\x\\y]"]);
    let nul = Dialect { escape: Some('\0'), ..bare() };
    assert_eq!(read("\"a\"\"b\"", &nul), ["[ab]"]);
}

#[test]
fn a_quote_that_wraps_whole_fields_ends_before_the_delimiter() {
    let whole = Dialect { quoting: Quoting::Whole, ..bare() };
    assert_eq!(read("\"a\"\"b\",c d\n", &whole), ["[a\"b]|c d"]);
    assert_eq!(read("a,b\"c, d\"\n1,2,3\n", &whole), ["QuoteWithinField: a,b\"c, d\"", "1|2|3"]);
    assert_eq!(
        read("\"a\"b,c\n\"a\" ,b\n1,2\n", &whole),
        ["TextAfterQuote: \"a\"b,c", "TextAfterQuote: \"a\" ,b", "1|2"]
    );
    let trimmed = Dialect { trim: Trim::Unquoted, ..whole };
    assert_eq!(read(" \" a \" , b \n", &trimmed), ["[ a ]|b"]);
}

#[test]
fn loose_quotes_take_what_a_writer_forgot_to_double() {
    let loose = Dialect { quoting: Quoting::Loose, escape: None, ..bare() };
    assert_eq!(
        read("\"a \"b\" c\",\"48\"\",x\n5\" pipe,\"\"\n", &loose),
        ["[a \"b\" c]|[48\"]|x", "5\" pipe|[]"]
    );
    let doubled = Dialect { escape: Some('"'), ..loose };
    assert_eq!(read("\"a \"b\" \"\"c\"\"\",x", &doubled), ["[a \"b\" \"c\"]|x"]);
}

#[test]
fn an_escape_without_quotes_takes_the_meaning_off_what_follows() {
    let dialect = Dialect { quote: None, escape: Some('\\'), ..bare() };
    assert_eq!(read("a\\,b,c\\\\,\\d,\"e\"\nf\\\ng", &dialect), ["a,b|c\\|\\d|\"e\"", "f\ng"]);
    let long = Dialect { delimiter: "||".to_owned(), ..dialect };
    assert_eq!(read("a\\||b||c", &long), ["a||b|c"]);
}

#[test]
fn blanks_are_trimmed_as_the_dialect_says() {
    let trimmed = |trim| Dialect { trim, ..bare() };
    let text = " a b ,\t\" c \"  , \" d\" e\n";
    assert_eq!(read(text, &trimmed(Trim::None)), [" a b |[\t c   ]|[  d e]"]);
    assert_eq!(read(text, &trimmed(Trim::Unquoted)), ["a b|[ c ]|[ d e]"]);
    assert_eq!(read(text, &trimmed(Trim::All)), ["a b|[c]|[d e]"]);
    let tabs = Dialect { delimiter: "\t".to_owned(), ..trimmed(Trim::All) };
    assert_eq!(read("a \t\t b\n", &tabs), ["a||b"]);
}

#[test]
fn comments_and_blank_lines_are_no_records() {
    let dialect = Dialect { comment: Some("//".to_owned()), skip_blank_lines: true, ..Dialect::default() };
    let text = b"// first\n\na,b\n//\"\n\r\n1,2\n\"// no\",/\n/";
    let (header, records) = parse(text, &dialect);
    assert_eq!(header.unwrap(), ["a", "b"]);
    assert_eq!(shown(&records), ["1|2", "[// no]|/", "TooFewFields: /"]);
    let places: Vec<_> = records.iter().map(|record| (record.number(), record.line())).collect();
    assert_eq!(places, [(1, 6), (2, 7), (3, 8)]);
}

#[test]
fn a_header_has_as_many_rows_as_the_dialect_says() {
    let dialect = Dialect { header_rows: 2, skip_lines: 2, ..bare() };
    let (header, records) = parse(b"PREAMBLE,\"\nx\nYear, Max ,\n,Temp,Note\n1,2,3\n", &dialect);
    assert_eq!(header.unwrap(), ["Year", "Max Temp", "Note"]);
    assert_eq!(shown(&records), ["1|2|3"]);
    assert_eq!((records[0].number(), records[0].line()), (1, 5));
    let named = Dialect { names: Some(vec!["x".to_owned()]), header_rows: 1, ..bare() };
    let (header, records) = parse(b"a\n1\n", &named);
    assert_eq!((header.unwrap(), shown(&records)), (vec!["x".to_owned()], vec!["1".to_owned()]));
    assert_eq!(parse(b"", &Dialect::default()).0, None);
    assert_eq!(parse(b"a", &bare()).0, None);
}

#[test]
fn a_header_that_cannot_be_read_is_an_error_with_its_line() {
    let dialect = Dialect { skip_lines: 1, ..Dialect::default() };
    let error = read_in_chunks(b"x\na,\xff\n", &[], &dialect, 100).unwrap_err();
    assert_eq!(error.name, ErrorName::HeaderMismatch);
    assert!(error.message.starts_with("the header, on line 2, can't be read: "), "{error}");
    let long = "x".repeat(2 << 20);
    let error = read_in_chunks(long.as_bytes(), &[], &Dialect::default(), 8 << 20).unwrap_err();
    assert!(error.message.contains("is longer than 1 MiB"), "{error}");
}

#[test]
fn ragged_records_are_refused_padded_or_cut() {
    let ragged = |ragged| Dialect { ragged, ..Dialect::default() };
    let text = "a,b\n1\n1,2,3\n";
    assert_eq!(read(text, &ragged(Ragged::Refuse)), ["TooFewFields: 1", "TooManyFields: 1,2,3"]);
    assert_eq!(read(text, &ragged(Ragged::Pad)), ["1|~", "TooManyFields: 1,2,3"]);
    assert_eq!(read(text, &ragged(Ragged::PadAndCut)), ["1|~", "1|2"]);
    assert_eq!(read("1\n1,2,3\n", &bare()), ["1", "1|2|3"]);
}

#[test]
fn a_delimiter_at_the_end_is_no_field_where_the_dialect_says_so() {
    let dialect = Dialect { trailing_delimiter: true, ..Dialect::default() };
    let (header, records) = parse(b"a,b,\n1,2,\n1,\n1,2\n1,,\n1,\"\"\n", &dialect);
    assert_eq!(header.unwrap(), ["a", "b"]);
    assert_eq!(shown(&records), ["1|2", "TooFewFields: 1,", "1|2", "1|", "1|[]"]);
}
