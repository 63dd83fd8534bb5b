//! Records and fields as the parser reads them, and as COPY does.

use std::fmt::Write;

use bytes::Bytes;
use loader_core::definition::dialect::{Dialect, Format};
use loader_core::record::parsed::{Fault, Parsed, Written};
use loader_core::record::parser::parse;
use proptest::prelude::*;
use proptest::sample::select;
use tokio_postgres::Client;

use crate::judge::{Judge, copy, texts};

/// Texts of what matters to a format, with one kind of line end.
fn object(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let line_end = select(vec!["\n", "\r\n", "\r"]);
    let piece = prop_oneof![
        60 => select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => (0x80..=0xff_u8).prop_map(|byte| vec![byte]),
    ];
    (line_end, proptest::collection::vec(piece, 0..30)).prop_map(|(line_end, pieces)| {
        let lines =
            pieces.into_iter().map(|piece| if piece == b"\n" { line_end.as_bytes().to_vec() } else { piece });
        lines.collect::<Vec<_>>().concat()
    })
}

/// The values, with NULL where the format has its sign for it.
fn values(record: &Parsed, dialect: &Dialect) -> Vec<Option<String>> {
    let null = |value: &str| dialect.null.iter().any(|null| null == value);
    let value = |field: loader_core::record::parsed::Text<'_>| match field.written {
        Written::Absent => None,
        Written::Plain if null(field.value) => None,
        _ => Some(field.value.to_owned()),
    };
    record.fields().map(value).collect()
}

/// Copies into the table, and reads back what came of it; none if COPY refuses.
async fn copied(client: &Client, options: &str, text: Vec<u8>) -> Option<Vec<Option<String>>> {
    client.batch_execute("truncate t restart identity").await.unwrap();
    copy(client, "t (a, b)", options, Bytes::from(text)).await.ok()?;
    Some(texts(client, "select unnest(array[a, b]) from t order by n").await)
}

/// Holds every record, and the object if nothing is wrong in it, against COPY.
async fn compare(client: &Client, object: &[u8], dialect: &Dialect, options: &str) {
    let (_, records) = parse(object, dialect);
    let mut sound = Vec::new();
    let mut left = object;
    for record in &records {
        let (raw, cut) = record.raw();
        assert!(!cut);
        let (bytes, behind) = stored(left, raw).unwrap_or_else(|| panic!("not in the object: {raw:?}"));
        left = behind;
        // COPY ends there before PostgreSQL 18, and says nothing of the rest.
        if record.fault() == Some(Fault::AfterEnd) || (dialect.format == Format::Csv && raw == "\\.") {
            return;
        }
        let bytes = if bytes.is_empty() { b"\n".to_vec() } else { bytes.to_vec() };
        let copied = copied(client, options, bytes).await;
        match record.fault() {
            None => {
                let values = values(record, dialect);
                assert_eq!(copied.as_ref(), Some(&values), "{raw:?}");
                sound.extend(values);
            }
            Some(fault) => assert_eq!(copied, None, "{fault:?} {raw:?}"),
        }
    }
    // COPY wants a line end after its mark of the end.
    let marked = dialect.format == Format::Text && object.ends_with(b"\\.");
    if !marked && records.iter().all(|record| record.fault().is_none()) {
        assert_eq!(copied(client, options, object.to_vec()).await, Some(sound));
    }
}

/// Finds the bytes that a raw text shows, and what is behind them. Wrong bytes are shown as
/// `\x` and two digits, which may stand in the object, too.
fn stored<'a>(object: &'a [u8], raw: &str) -> Option<(&'a [u8], &'a [u8])> {
    (0..=object.len()).find_map(|start| {
        let (mut bytes, mut raw) = (&object[start..], raw.as_bytes());
        while let Some((sign, rest)) = raw.split_first() {
            let shown = raw
                .strip_prefix(b"\\x")
                .and_then(|digits| u8::from_str_radix(str::from_utf8(digits.get(..2)?).ok()?, 16).ok())
                .filter(|byte| bytes.first() == Some(byte) && !(1..0x80).contains(byte));
            raw = if shown.is_some() { &raw[4..] } else { rest };
            let (first, behind) = bytes.split_first()?;
            if shown.is_none() && first != sign {
                return None;
            }
            bytes = behind;
        }
        Some(object[start..].split_at(object.len() - start - bytes.len()))
    })
}

#[test]
fn wrong_bytes_and_what_is_written_like_them_are_told_apart() {
    let object = b"\\xe9\n\xe9\\xe9\n";
    let (first, behind) = stored(object, "\\xe9").unwrap();
    assert_eq!(first, b"\\xe9");
    assert_eq!(stored(behind, "\\xe9\\xe9").unwrap(), (&b"\xe9\\xe9"[..], &b"\n"[..]));
    assert!(stored(behind, "\\xe8").is_none());
}

const TABLE: &str = "create temp table t (n serial, a text, b text)";

#[test]
fn plain_csv_is_read_as_copy_reads_it_and_what_copy_refuses_is_at_fault() {
    let judge = Judge::new(TABLE);
    let names = Some(vec!["a".to_owned(), "b".to_owned()]);
    let dialect = Dialect { header_rows: 0, names, ..Dialect::default() };
    let pieces = &[
        "\n", "\n", "\n", ",", ",", ",", ",", "\"", "\"", "\"", "\"\"", "\",\"", "a", "b", " ", "é", "\\",
        "'", ".",
    ];
    judge.each(2_000, &(object(pieces), any::<bool>()), async |client, (object, backslash)| {
        let escape = if *backslash { '\\' } else { '"' };
        let dialect = Dialect { escape: Some(escape), ..dialect.clone() };
        let options = format!("format csv, escape '{escape}'");
        compare(client, object, &dialect, &options).await;
    });
    judge.end();
}

#[test]
fn the_text_format_is_read_as_copy_reads_it() {
    let judge = Judge::new(TABLE);
    let dialect = Dialect {
        format: Format::Text,
        delimiter: "\t".to_owned(),
        quote: None,
        escape: Some('\\'),
        null: vec!["\\N".to_owned()],
        header_rows: 0,
        names: Some(vec!["a".to_owned(), "b".to_owned()]),
        ..Dialect::default()
    };
    let pieces = &[
        "\n", "\n", "\n", "\t", "\t", "\t", "\t", "\\", "\\N", "\\t", "\\n", "\\\n", "\\\t", "\\\\", "\\x",
        "\\x4", "\\x41", "\\1", "\\101", "\\0", "\\303", "\\251", "\\xe9", "\\.", "a", "1", "8", "f", "é",
        "\"", "N", ".",
    ];
    judge.each(2_000, &object(pieces), async |client, object| {
        compare(client, object, &dialect, "format text").await;
    });
    judge.end();
}

/// Rows, and how they are written.
#[derive(Debug, Clone)]
struct Case {
    dialect: Dialect,
    /// What the server calls the encoding; none for what it does not have.
    encoding: Option<&'static str>,
    rows: Vec<Vec<String>>,
    line_end: &'static str,
}

/// Encodings, and characters that they have.
const ENCODINGS: &[(&str, Option<&str>, &str)] = &[
    ("UTF8", Some("UTF8"), "é日🌧\u{85}\u{2028}"),
    ("UTF-16LE", None, "é日🌧\u{a0d}\u{2c22}"),
    ("UTF-16BE", None, "é日🌧\u{a0d}\u{2c22}"),
    ("LATIN1", Some("LATIN1"), "éß\u{85}"),
    ("LATIN2", Some("LATIN2"), "éŁ"),
    ("LATIN9", Some("LATIN9"), "é€"),
    ("WIN1250", Some("WIN1250"), "éŁ"),
    ("WIN1251", Some("WIN1251"), "жЯ"),
    ("WIN1252", Some("WIN1252"), "é€"),
    ("ISO_8859_7", Some("ISO_8859_7"), "αΩ"),
    ("KOI8R", Some("KOI8R"), "жЯ"),
    // Characters with a backslash, a bar or a quote as their second byte.
    ("SJIS", Some("SJIS"), "ソ表ポ"),
    ("BIG5", Some("BIG5"), "功許一"),
    ("GBK", Some("GBK"), "誠丂"),
    ("GB18030", Some("GB18030"), "誠é🌧"),
    ("EUC_JP", Some("EUC_JP"), "日本"),
    ("EUC_KR", Some("EUC_KR"), "한국"),
    ("UHC", Some("UHC"), "똠한"),
];

fn case() -> impl Strategy<Value = Case> {
    let delimiter = select(vec![",", ";", "\t", "|", "||", ", ", "~"]);
    let signs = select(vec![('"', '"'), ('"', '\\'), ('\'', '\''), ('\'', '"'), ('^', '^')]);
    let line_end = select(vec!["\n", "\r\n", "\r"]);
    (select(ENCODINGS), delimiter, signs, line_end, any::<[bool; 3]>(), 1_usize..4).prop_flat_map(
        |((name, encoding, letters), delimiter, (quote, escape), line_end, flags, width)| {
            let dialect = Dialect {
                delimiter: delimiter.to_owned(),
                quote: Some(quote),
                escape: Some(escape),
                encoding: (*name).to_owned(),
                header_rows: 0,
                skip_lines: u64::from(flags[0]),
                trailing_delimiter: flags[1],
                line_end: flags[2].then(|| line_end.to_owned()),
                ..Dialect::default()
            };
            let mut pieces: Vec<String> =
                ["\n", "\r", "\r\n", "a", " ", "\\.", "\\", "#", "1"].map(str::to_owned).into();
            pieces.extend([delimiter.to_owned(), quote.to_string(), escape.to_string()]);
            pieces.extend(letters.chars().map(String::from));
            let value = proptest::collection::vec(select(pieces), 0..5).prop_map(|pieces| pieces.concat());
            let row = proptest::collection::vec(value, width);
            proptest::collection::vec(row, 0..5).prop_map(move |rows| Case {
                dialect: dialect.clone(),
                encoding,
                rows,
                line_end,
            })
        },
    )
}

impl Case {
    /// Writes the rows; every value is in quotes.
    fn text(&self) -> String {
        let mut text = String::new();
        if self.dialect.skip_lines > 0 {
            write!(text, "a line \" before{}", self.line_end).unwrap();
        }
        let (quote, escape) = (self.dialect.quote.unwrap(), self.dialect.escape.unwrap());
        for row in &self.rows {
            let fields: Vec<String> = row
                .iter()
                .map(|value| {
                    let mut field = String::from(quote);
                    for character in value.chars() {
                        if character == quote || character == escape {
                            field.push(escape);
                        }
                        field.push(character);
                    }
                    field.push(quote);
                    field
                })
                .collect();
            text += &fields.join(&self.dialect.delimiter);
            if self.dialect.trailing_delimiter {
                text += &self.dialect.delimiter;
            }
            text += self.line_end;
        }
        text
    }
}

#[test]
fn rows_written_in_any_dialect_and_encoding_are_read_back() {
    let judge = Judge::new("");
    judge.each(2_000, &case(), async |client, case| {
        let text = case.text();
        let bytes: Vec<u8> = match (case.encoding, case.dialect.encoding.as_str()) {
            (Some(encoding), _) => {
                client.query_one("select convert_to($1, $2)", &[&text, &encoding]).await.unwrap().get(0)
            }
            (None, "UTF-16LE") => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            (None, _) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        };
        let (_, records) = parse(&bytes, &case.dialect);
        let read: Vec<Vec<String>> = records
            .iter()
            .map(|record| {
                assert_eq!(record.fault(), None);
                record.fields().map(|field| field.value.to_owned()).collect()
            })
            .collect();
        assert_eq!(read, case.rows);
    });
    judge.end();
}
