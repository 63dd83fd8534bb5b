//! A dialect that is valid here is one that COPY takes, and COPY reads from it
//! what a writer of that dialect has written.

use loader_core::definition::dialect::copy::CopyDialect;
use proptest::prelude::*;

use crate::judge::{Judge, copy, split, texts};

/// A table of text in a dialect.
#[derive(Debug, Clone)]
struct Written {
    dialect: CopyDialect,
    rows: Vec<[Option<String>; 2]>,
}

fn dialect() -> impl Strategy<Value = CopyDialect> {
    let sign = || prop_oneof![3 => proptest::sample::select(&b",;|\t\"'\\.^~ aN0"[..]), 1 => 0_u8..128];
    let null = prop_oneof![2 => Just(String::new()), 1 => Just("\\N".to_owned()), 1 => Just("é'\\".to_owned()), 2 => "[a-zN ,.'\\\\\"-]{0,3}"];
    let encoding = proptest::sample::select(&["UTF8", "LATIN1", "WIN1252", "SJIS", "GB18030"][..]);
    (sign(), sign(), sign(), any::<bool>(), null, encoding, any::<bool>())
        .prop_map(|(delimiter, quote, escape, doubled, null, encoding, header)| CopyDialect {
            delimiter,
            quote,
            escape: if doubled { quote } else { escape },
            null,
            encoding: encoding.to_owned(),
            header,
        })
        .prop_filter("not valid", |dialect| dialect.validate().is_ok())
}

/// Values of what matters to the dialect.
fn value(dialect: &CopyDialect) -> impl Strategy<Value = Option<String>> + use<> {
    let signs = [dialect.delimiter, dialect.quote, dialect.escape].map(|byte| char::from(byte).to_string());
    // What an encoding does not have it can't write; the null text may be any.
    let accent = if is_decoded(dialect) { "é" } else { "e" };
    let mut pieces: Vec<String> =
        ["\n", "\r", "\r\n", "\\.", ".", "\\", "a", " ", accent].map(str::to_owned).into();
    pieces.extend(signs);
    pieces.extend((is_decoded(dialect) || dialect.null.is_ascii()).then(|| dialect.null.clone()));
    let text = proptest::collection::vec(proptest::sample::select(pieces), 0..5);
    prop_oneof![1 => Just(None), 5 => text.prop_map(|pieces| Some(pieces.concat()))]
}

fn is_decoded(dialect: &CopyDialect) -> bool {
    ["UTF8", "LATIN1", "WIN1252"].contains(&dialect.encoding.as_str())
}

fn written() -> impl Strategy<Value = Written> {
    dialect().prop_flat_map(|dialect| {
        let row = proptest::array::uniform2(value(&dialect));
        proptest::collection::vec(row, 1..4).prop_map(move |rows| Written { dialect: dialect.clone(), rows })
    })
}

impl Written {
    /// Whether the encoding can write everything; the null text is the only thing
    /// that may not be.
    fn is_writable(&self) -> bool {
        let nulls = self.rows.iter().flatten().any(Option::is_none);
        !nulls || is_decoded(&self.dialect) || self.dialect.null.is_ascii()
    }

    /// Writes the rows as this dialect has them: what could be taken for
    /// something else is in quotes.
    fn bytes(&self) -> Vec<u8> {
        let delimiter = char::from(self.dialect.delimiter).to_string();
        let rows = self
            .rows
            .iter()
            .map(|row| row.each_ref().map(|value| self.field(value.as_deref())).join(&delimiter) + "\n");
        let text: String = rows.collect();
        match self.dialect.encoding.as_str() {
            "LATIN1" | "WIN1252" => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
            _ => text.into_bytes(),
        }
    }

    fn field(&self, value: Option<&str>) -> String {
        let dialect = &self.dialect;
        let Some(value) = value else { return dialect.null.clone() };
        let [delimiter, quote, escape] = [dialect.delimiter, dialect.quote, dialect.escape].map(char::from);
        if value != dialect.null && !value.contains([delimiter, quote, '\n', '\r']) {
            return value.to_owned();
        }
        let mut field = String::from(quote);
        for c in value.chars() {
            if c == quote || c == escape {
                field.push(escape);
            }
            field.push(c);
        }
        field.push(quote);
        field
    }
}

#[test]
fn copy_takes_every_valid_dialect_and_reads_back_what_was_written_in_it() {
    let judge = Judge::new("create temp table t (n serial, a text, b text)");
    judge.each(1_500, &written(), async |client, written| {
        if !written.is_writable() {
            return;
        }
        let dialect = &written.dialect;
        let (records, counts) = split(dialect, &written.bytes()).expect("the writer ends its quotes");
        assert_eq!(counts.records, written.rows.len() as u64);
        client.batch_execute("truncate t restart identity").await.unwrap();
        // A header of nothing: any letter may be the quote.
        let data = [b"\n", records.as_slice()].concat();
        let rows = copy(client, "t (a, b)", &dialect.copy_options(true, &[]), data).await;
        assert_eq!(rows.unwrap_or_else(|error| panic!("{error:?}")), counts.records);
        let read = texts(client, "select unnest(array[a, b]) from t order by n").await;
        assert_eq!(read, written.rows.concat());
    });
    judge.end();
}
