use super::*;

/// Dialects whose signs are few, so that they meet.
pub(super) fn dialect() -> impl Strategy<Value = Dialect> {
    let sign = || proptest::option::weighted(0.8, proptest::sample::select(vec!['"', '\\', 'b', '\'', '«']));
    let delimiter = proptest::sample::select(&[",", ", ", "||", "¦", "\t", " "][..]);
    let quoting = proptest::sample::select(vec![Quoting::Anywhere, Quoting::Whole, Quoting::Loose]);
    let trim = proptest::sample::select(vec![Trim::None, Trim::Unquoted, Trim::All]);
    let ragged = proptest::sample::select(vec![Ragged::Refuse, Ragged::Pad, Ragged::PadAndCut]);
    let line_end =
        proptest::option::weighted(0.3, proptest::sample::select(vec!["\n", "\r", "\r\n", ";", "|\n"]));
    let comment = proptest::option::weighted(0.3, proptest::sample::select(vec!["#", "//", "a"]));
    let format =
        proptest::sample::select(vec![Format::Csv, Format::Csv, Format::Csv, Format::Text, Format::Fixed]);
    let rest = (any::<bool>(), any::<bool>(), 0_u32..3, 0_u64..3);
    let field = |name: &str, from, length| FixedField { name: name.to_owned(), from, length };
    (format, delimiter, sign(), any::<bool>(), sign(), quoting, trim, ragged, line_end, comment, rest)
        .prop_map(
            move |(
                format,
                delimiter,
                quote,
                doubled,
                escape,
                quoting,
                trim,
                ragged,
                line_end,
                comment,
                rest,
            )| {
                Dialect {
                    format,
                    delimiter: delimiter.to_owned(),
                    quote,
                    escape: if doubled { quote } else { escape },
                    quoting,
                    trim,
                    ragged,
                    line_end: line_end.map(str::to_owned),
                    comment: comment.map(str::to_owned),
                    skip_blank_lines: rest.0,
                    trailing_delimiter: rest.1,
                    header_rows: rest.2,
                    skip_lines: rest.3,
                    null: vec![String::new(), "\\N".to_owned()],
                    fields: vec![field("a", 0, Some(2)), field("b", 2, None)],
                    ..Dialect::default()
                }
            },
        )
}

/// Text of what matters in these dialects.
pub(super) fn text() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "\n", "\n", "\r\n", "\r", "\"", "\"", "\"\"", "\\", "\\.", ".", ",", ",", ", ", "||", "|", "¦", "\t",
        " ", "ab", "x", "é", "«", "'", "#", "//", "/", ";", "\0", "\\x4", "\\12", "\u{fffd}",
    ];
    let piece = prop_oneof![
        30 => proptest::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn records_do_not_depend_on_where_the_text_is_cut(
        text in text(),
        dialect in dialect(),
        cuts in proptest::collection::vec(any::<Index>(), 0..40),
        limit in prop_oneof![2 => Just(1_000_usize), 1 => 2_usize..30],
    ) {
        let whole = read_in_chunks(&text, &[], &dialect, limit);
        let cut = read_in_chunks(&text, &cuts, &dialect, limit);
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => {
                prop_assert_eq!(whole.0, cut.0);
                for (whole, cut) in whole.1.iter().zip(&cut.1) {
                    prop_assert_eq!(whole, cut);
                }
                prop_assert_eq!(whole.1.len(), cut.1.len());
            }
            (Err(whole), Err(cut)) => prop_assert_eq!(whole.message, cut.message),
            (whole, cut) => prop_assert!(false, "{:?} {:?}", whole, cut),
        }
    }

    #[test]
    fn records_come_in_the_order_of_the_lines(text in text(), dialect in dialect()) {
        let Ok((_, records)) = read_in_chunks(&text, &[], &dialect, 1_000) else { return Ok(()) };
        let mut line = 0;
        for (record, number) in records.iter().zip(1..) {
            prop_assert_eq!(record.number(), number);
            prop_assert!(record.line() >= line && record.last_line() >= record.line());
            line = record.last_line();
        }
        let decoded = String::from_utf8_lossy(&text).replace("\r\n", "\n").replace('\r', "\n");
        prop_assert!(line <= decoded.split('\n').count() as u64);
    }
}
