//! Tables of random cells, written in random dialects.

use proptest::prelude::*;

/// A table and how it is written.
#[derive(Debug, Clone)]
pub(super) struct WrittenTable {
    pub(super) header: Option<Vec<String>>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) delimiter: &'static str,
    pub(super) quote: char,
    pub(super) escape: char,
    pub(super) quotes_all: bool,
    pub(super) line_end: &'static str,
    pub(super) encoding: &'static str,
    pub(super) preamble: Vec<&'static str>,
}

const DELIMITERS: &[&str] = &[",", ";", "\t", "|", ":", "^", "~", " ", "||", ", ", "\u{1}"];
const LINE_ENDS: &[&str] = &["\n", "\r\n", "\r"];
const ENCODINGS: &[&str] = &[
    "UTF8",
    "UTF8",
    "UTF8+BOM",
    "UTF-16LE",
    "UTF-16BE",
    "UTF-16LE+BOM",
    "UTF-16BE+BOM",
    "WIN1252",
    "macintosh",
];
const PREAMBLES: &[&[&str]] = &[
    &[],
    &[],
    &[],
    &["Export of the register"],
    &["Export of the register", "", "as of 2024-05-01 (provisional)"],
    &["# made by a program"],
];
const NAMES: &[&str] = &[
    "id",
    "name",
    "amount",
    "Date",
    "City",
    "remark",
    "first name",
    "ÉTAT",
    "PRODUCT_ID",
    "qty",
    "x",
    "Größe (cm)",
];
const WORDS: &[&str] = &[
    "Zürich",
    "Paris",
    "café",
    "naïve",
    "señor",
    "garçon",
    "Ålesund",
    "alpha",
    "beta",
    "John Smith",
    "déjà vu",
    "Lorem ipsum dolor sit amet",
    "über",
    "Straße",
    "première",
    "plain",
    "x",
    "Ñandú",
    "crème brûlée",
];

fn cell(kind: u8) -> BoxedStrategy<String> {
    match kind {
        0 => any::<i32>().prop_map(|n| n.to_string()).boxed(),
        1 => (0..100_000_u32, 0..100_u32).prop_map(|(whole, part)| format!("{whole}.{part:02}")).boxed(),
        2 => (1990..2030_u32, 1..13_u32, 1..29_u32).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}")).boxed(),
        3 => (0..24_u32, 0..60_u32).prop_map(|(h, m)| format!("{h:02}:{m:02}:00")).boxed(),
        4 => prop::sample::select(WORDS).prop_map(str::to_owned).boxed(),
        5 => (0..1_000_u32).prop_map(|n| format!("AB-{n:04}")).boxed(),
        6 => prop_oneof![
            3 => prop::sample::select(WORDS).prop_map(str::to_owned),
            1 => Just(String::new()),
        ]
        .boxed(),
        // Whatever hurts.
        _ => prop::collection::vec(
            prop_oneof![
                6 => prop::sample::select(WORDS).prop_map(str::to_owned),
                1 => prop::sample::select(&[",", ";", "\"", "'", "\n", "\t", "|", "\\", ":", " ", "\"\"", "5\" disc", ", ", "#"][..])
                    .prop_map(str::to_owned),
            ],
            1..4,
        )
        .prop_map(|parts| parts.join(" "))
        .boxed(),
    }
}

pub(super) fn table() -> impl Strategy<Value = WrittenTable> {
    let kinds = prop::collection::vec(0..8_u8, 1..8);
    let cells = (kinds, 1..40_usize).prop_flat_map(|(kinds, rows)| {
        let names = prop::sample::subsequence(NAMES, kinds.len()).prop_shuffle();
        let row: Vec<BoxedStrategy<String>> = kinds.iter().map(|kind| cell(*kind)).collect();
        (names, prop::collection::vec(row, rows))
    });
    let style = (
        prop::sample::select(DELIMITERS),
        prop::sample::select(&['"', '"', '"', '\''][..]),
        prop::bool::weighted(0.2),
        any::<bool>(),
        prop::sample::select(LINE_ENDS),
        prop::sample::select(ENCODINGS),
        prop::sample::select(PREAMBLES),
        prop::bool::weighted(0.8),
    );
    (cells, style).prop_map(
        |((names, rows), (delimiter, quote, backslash, quotes_all, line_end, encoding, preamble, header))| {
            let one_column = names.len() == 1;
            WrittenTable {
                header: header.then(|| names.into_iter().map(str::to_owned).collect()),
                rows,
                delimiter,
                quote,
                escape: if backslash { '\\' } else { quote },
                quotes_all,
                line_end,
                encoding,
                // Above one column, a title is a value.
                preamble: if one_column { Vec::new() } else { preamble.to_vec() },
            }
        },
    )
}

impl WrittenTable {
    /// The object's bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for line in &self.preamble {
            text.push_str(line);
            text.push_str(self.line_end);
        }
        for row in self.header.iter().chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| self.write(cell, row.len())).collect();
            text.push_str(&cells.join(self.delimiter));
            text.push_str(self.line_end);
        }
        encode(&text, self.encoding)
    }

    fn write(&self, cell: &str, width: usize) -> String {
        // What looks quoted by its own, nobody could tell.
        let looks_quoted = |sign: char| cell.len() > 1 && cell.starts_with(sign) && cell.ends_with(sign);
        let special = cell.contains(self.delimiter)
            || cell.contains([self.quote, '\n', '\r', self.escape])
            || self.delimiter.starts_with(|c| cell.ends_with(c))
            || looks_quoted('"')
            || looks_quoted('\'')
            || cell.is_empty() && width == 1;
        if !special && !self.quotes_all {
            return cell.to_owned();
        }
        let mut written = String::from(self.quote);
        for c in cell.chars() {
            if c == self.quote || c == self.escape {
                written.push(self.escape);
            }
            written.push(c);
        }
        written.push(self.quote);
        written
    }
}

fn encode(text: &str, encoding: &str) -> Vec<u8> {
    let (name, mark) = match encoding.strip_suffix("+BOM") {
        Some(name) => (name, true),
        None => (encoding, false),
    };
    let text = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
    match name {
        "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "UTF-16BE" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "WIN1252" => encoding_rs::WINDOWS_1252.encode(&text).0.into_owned(),
        "macintosh" => encoding_rs::MACINTOSH.encode(&text).0.into_owned(),
        _ => text.into_bytes(),
    }
}
