//! How fast records are read, and in how much memory.
//!
//! `cargo bench -p loader-core --bench parser` prints a table. It is no test: its
//! figures are those of the machine.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measurement that can't be made has failed")]

#[path = "../memory/peak.rs"]
mod peak;

use std::fmt::Write;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream;
use loader_core::definition::dialect::{Dialect, Format, Quoting, Trim};
use loader_core::record::parsed::Parsed;
use loader_core::record::parser::Parser;
use loader_core::source::ByteStream;

use self::peak::peak_mib;

/// How much is read of each kind.
const BYTES: usize = 128 << 20;

/// The size of the chunks that come.
const CHUNK: usize = 64 << 10;

/// What is read: a name, a dialect, and a text that is repeated.
struct Case {
    name: &'static str,
    dialect: Dialect,
    text: Vec<u8>,
}

fn text(row: impl Fn(u32) -> String) -> String {
    (0..20_000).map(row).collect()
}

fn cases() -> Vec<Case> {
    let bare = Dialect { header_rows: 0, ..Dialect::default() };
    let plain =
        text(|n| format!("{n},{}.{},2024-03-{:02},name {n},,abc,{}\n", n * 7, n % 100, n % 28 + 1, n % 2));
    let quoted = text(|n| {
        format!("\"{n}\",\"some text, with \"\"quotes\"\" {n}\",\"2024-03-{:02}\",\"a\nb\"\n", n % 28 + 1)
    });
    let long = text(|n| format!("{n},\"{}\"\n", "a longer text without anything special in it, ".repeat(20)));
    let accents = text(|n| format!("{n},Größe und Maß {n},naïve café,日本語のテキスト\n"));
    let latin = text(|n| format!("{n},Größe und Maß {n},naïve café\n"));
    let wide = latin.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let tabs = text(|n| format!("{n}\tname {n}\t\\N\t2024-03-{:02}\ta\\tb\n", n % 28 + 1));
    let fixed = text(|n| format!("{n:>10}{:<20}{:>8}\n", "name", n * 3));
    let single = latin.chars().map(|character| u8::try_from(u32::from(character)).expect("LATIN1")).collect();
    let mut broken = String::new();
    for n in 0..20_000 {
        _ = writeln!(broken, "{n},\"not closed {n},b,c");
    }
    let field = |name: &str, from, length| loader_core::definition::dialect::FixedField {
        name: name.to_owned(),
        from,
        length: Some(length),
    };
    let case = |name, dialect, text| Case { name, dialect, text };
    vec![
        case("plain CSV", bare.clone(), plain.clone().into_bytes()),
        case(
            "plain CSV, blanks trimmed",
            Dialect { trim: Trim::All, ..bare.clone() },
            plain.clone().into_bytes(),
        ),
        case(
            "delimiter of two characters",
            Dialect { delimiter: "||".to_owned(), ..bare.clone() },
            plain.replace(',', "||").into_bytes(),
        ),
        case("quoted CSV", bare.clone(), quoted.clone().into_bytes()),
        case(
            "quoted CSV, whole",
            Dialect { quoting: Quoting::Whole, ..bare.clone() },
            quoted.clone().into_bytes(),
        ),
        case("quoted CSV, loose", Dialect { quoting: Quoting::Loose, ..bare.clone() }, quoted.into_bytes()),
        case("long quoted fields", bare.clone(), long.into_bytes()),
        case("UTF-8 beyond ASCII", bare.clone(), accents.into_bytes()),
        case("LATIN1", Dialect { encoding: "LATIN1".to_owned(), ..bare.clone() }, single),
        case("UTF-16LE", Dialect { encoding: "UTF-16LE".to_owned(), ..bare.clone() }, wide),
        case(
            "text format",
            Dialect {
                format: Format::Text,
                delimiter: "\t".to_owned(),
                quote: None,
                escape: Some('\\'),
                null: vec!["\\N".to_owned()],
                ..bare.clone()
            },
            tabs.into_bytes(),
        ),
        case(
            "fixed places",
            Dialect {
                format: Format::Fixed,
                quote: None,
                escape: None,
                fields: vec![field("a", 0, 10), field("b", 10, 20), field("c", 30, 8)],
                trim: Trim::All,
                ..bare.clone()
            },
            fixed.into_bytes(),
        ),
        case(
            "a stray quote in each line, loose",
            Dialect { quoting: Quoting::Loose, ..bare.clone() },
            broken.replace(",\"", ",\"\"").replace("b,c", "\"b,c").into_bytes(),
        ),
        case(
            "a quote that never ends in each line",
            Dialect { quoting: Quoting::Loose, ..bare },
            broken.into_bytes(),
        ),
    ]
}

/// The text again and again, in chunks.
fn body(text: Vec<u8>, bytes: usize) -> ByteStream {
    let text = Bytes::from(text);
    let chunks = (0..text.len().div_ceil(CHUNK)).map({
        let text = text.clone();
        move |chunk| text.slice(chunk * CHUNK..((chunk + 1) * CHUNK).min(text.len()))
    });
    let chunks: Vec<Bytes> = chunks.collect();
    let count = (bytes / text.len()).max(1) * chunks.len();
    Box::pin(stream::iter(chunks.into_iter().cycle().take(count).map(Ok)))
}

/// The time that the process was on a processor, so that what else the machine does
/// counts less; the time on the wall where Linux does not say.
fn time(since: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.map_or_else(|| since.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    println!("{:<40} {:>8} {:>12} {:>10} {:>9}", "", "MB/s", "records", "faults", "peak MiB");
    let mut cases = cases();
    // A line that does not end.
    let line = vec![b'x'; 1 << 20];
    let bare = Dialect { header_rows: 0, ..Dialect::default() };
    cases.push(Case { name: "one line of 2 GiB", dialect: bare.clone(), text: line.clone() });
    let dialect = Dialect { encoding: "LATIN1".to_owned(), ..bare };
    cases.push(Case { name: "one line of 2 GiB, blank", dialect, text: vec![b' '; 1 << 20] });
    for case in cases {
        if only.as_ref().is_some_and(|only| !case.name.contains(only)) {
            continue;
        }
        let bytes = if case.name.contains("2 GiB") {
            2 << 30
        } else if case.name.contains("never ends") {
            BYTES / 4
        } else {
            BYTES
        };
        let bytes = (bytes / case.text.len()).max(1) * case.text.len();
        let mut parser = Parser::new(body(case.text, bytes), &case.dialect).expect("a known encoding");
        let before = time(start);
        let (records, faults) = runtime.block_on(async {
            let mut record = Parsed::default();
            let (mut records, mut faults) = (0_u64, 0_u64);
            while parser.next(&mut record).await.expect("no error") {
                records += 1;
                faults += u64::from(record.fault().is_some());
            }
            (records, faults)
        });
        let seconds = time(start) - before;
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let rate = bytes as f64 / 1e6 / seconds;
        println!("{:<40} {rate:>8.0} {records:>12} {faults:>10} {:>9}", case.name, peak_mib());
    }
}
