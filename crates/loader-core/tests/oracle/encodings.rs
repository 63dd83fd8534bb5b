//! What bytes are characters, and which.

use loader_core::definition::dialect::Dialect;
use loader_core::record::parser::parse;

use crate::judge::Judge;

/// Decodes each sequence as a record of its own; none where it is no text.
fn decoded(encoding: &str, sequences: &[Vec<u8>]) -> Vec<Option<String>> {
    let dialect = Dialect {
        encoding: encoding.to_owned(),
        header_rows: 0,
        quote: None,
        escape: None,
        delimiter: "\u{1}".to_owned(),
        ..Dialect::default()
    };
    let read = |bytes: &Vec<u8>| {
        let (_, records) = parse(bytes, &dialect);
        let [record] = records.as_slice() else { return None };
        record.fault().is_none().then(|| record.field(0).unwrap().value.to_owned())
    };
    sequences.iter().map(read).collect()
}

/// What a server makes of the same.
fn converted(judge: &Judge, encoding: &str, sequences: &[Vec<u8>]) -> Vec<Option<String>> {
    judge.ask(async |client| {
        let query = "select pg_temp.decoded(bytes, $2) from unnest($1::bytea[]) with ordinality as s(bytes, n) order by n";
        let rows = client.query(query, &[&sequences, &encoding]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
}

fn judge() -> Judge {
    Judge::new(
        "create function pg_temp.decoded(bytes bytea, encoding text) returns text language plpgsql as \
         $$ begin return convert_from(bytes, encoding); exception when others then return null; end $$",
    )
}

#[test]
fn encodings_of_one_byte_are_what_the_server_says_they_are() {
    let judge = judge();
    let names = [
        "LATIN1",
        "LATIN2",
        "LATIN3",
        "LATIN4",
        "LATIN5",
        "LATIN6",
        "LATIN7",
        "LATIN8",
        "LATIN9",
        "LATIN10",
        "WIN866",
        "WIN874",
        "WIN1250",
        "WIN1251",
        "WIN1252",
        "WIN1253",
        "WIN1254",
        "WIN1255",
        "WIN1256",
        "WIN1257",
        "WIN1258",
        "ISO_8859_5",
        "ISO_8859_6",
        "ISO_8859_7",
        "ISO_8859_8",
        "KOI8R",
        "KOI8U",
    ];
    let sequences: Vec<Vec<u8>> = (0x20..=0xff_u8).map(|byte| vec![byte]).collect();
    for name in names {
        assert_eq!(decoded(name, &sequences), converted(&judge, name, &sequences), "{name}");
    }
    judge.end();
}

/// In three encodings the WHATWG has another character for some bytes than Postgres,
/// which follows older lists, with replacement characters and private ones in them.
const OTHERWISE: &[(&str, usize)] = &[("EUC_CN", 2), ("GB18030", 20), ("BIG5", 267)];

#[test]
fn encodings_of_more_bytes_are_what_the_server_says_but_for_what_it_has_from_older_lists() {
    let judge = judge();
    let second = |first: u8| (0x30..=0xff_u8).map(move |second| vec![first, second]);
    let pairs: Vec<Vec<u8>> = (0x80..=0xff_u8).flat_map(second).collect();
    for name in ["SJIS", "EUC_JP", "EUC_KR", "EUC_CN", "GBK", "GB18030", "BIG5", "UHC"] {
        let (ours, theirs) = (decoded(name, &pairs), converted(&judge, name, &pairs));
        let both = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours.is_some() && theirs.is_some());
        let otherwise = both.filter(|(ours, theirs)| ours != theirs).count();
        let known = OTHERWISE.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
        assert_eq!(otherwise, known, "{name}");
    }
    judge.end();
}
