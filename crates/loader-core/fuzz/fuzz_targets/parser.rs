//! Any text in any dialect is read without a panic, and the same however it is cut.
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use libfuzzer_sys::fuzz_target;
use loader_core::definition::dialect::{Dialect, FixedField, Format, Quoting, Ragged, Trim};
use loader_core::record::parsed::Parsed;
use loader_core::record::parser::Parser;

#[derive(Debug, Arbitrary)]
struct Input {
    format: u8,
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    quoting: u8,
    trim: u8,
    ragged: u8,
    line_end: u8,
    comment: bool,
    blank: bool,
    trailing: bool,
    header: u8,
    skip: u8,
    encoding: u8,
    limit: u8,
    chunk: u8,
    text: Vec<u8>,
}

fn pick<T: Clone>(from: &[T], by: u8) -> T {
    from[usize::from(by) % from.len()].clone()
}

impl Input {
    fn dialect(&self) -> Dialect {
        let signs = ['"', '\'', '\\', 'a', '«', '\0'];
        Dialect {
            format: pick(&[Format::Csv, Format::Csv, Format::Text, Format::Fixed], self.format),
            delimiter: pick(&[",", ";", "\t", " ", ", ", "||", "¦"], self.delimiter).to_owned(),
            quote: self.quote.map(|by| pick(&signs, by)),
            escape: self.escape.map(|by| pick(&signs, by)),
            quoting: pick(&[Quoting::Anywhere, Quoting::Whole, Quoting::Loose], self.quoting),
            trim: pick(&[Trim::None, Trim::Unquoted, Trim::All], self.trim),
            ragged: pick(&[Ragged::Refuse, Ragged::Pad, Ragged::PadAndCut], self.ragged),
            line_end: pick(&[None, None, Some("\n"), Some("\r\n"), Some("|\n"), Some(";")], self.line_end)
                .map(str::to_owned),
            comment: self.comment.then(|| "#".to_owned()),
            skip_blank_lines: self.blank,
            trailing_delimiter: self.trailing,
            header_rows: u32::from(self.header % 3),
            skip_lines: u64::from(self.skip % 3),
            encoding: pick(
                &["UTF8", "UTF8", "UTF-16", "UTF-32", "LATIN1", "WIN1252", "SJIS", "GB18030", "iso-2022-jp"],
                self.encoding,
            )
            .to_owned(),
            fields: vec![
                FixedField { name: "a".to_owned(), from: 1, length: Some(2) },
                FixedField { name: "b".to_owned(), from: 4, length: None },
            ],
            ..Dialect::default()
        }
    }

    fn read(&self, chunk: usize) -> Result<(Option<Vec<String>>, Vec<Parsed>), String> {
        let chunks: Vec<_> = self.text.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let mut parser = Parser::new(Box::pin(stream::iter(chunks)), &self.dialect()).expect("known encodings");
        parser.set_max_record_bytes(usize::from(self.limit) + 2);
        let reading = async {
            let header = parser.header().await.map_err(|error| error.to_string())?;
            let (mut record, mut records) = (Parsed::default(), Vec::new());
            while parser.next(&mut record).await.map_err(|error| error.to_string())? {
                records.push(record.clone());
            }
            Ok((header, records))
        };
        reading.now_or_never().expect("all is there")
    }
}

fuzz_target!(|input: Input| {
    let whole = input.read(usize::MAX);
    let cut = input.read(usize::from(input.chunk) + 1);
    assert_eq!(whole, cut);
    let Ok((_, records)) = whole else { return };
    let mut line = 0;
    for (record, number) in records.iter().zip(1..) {
        assert_eq!(record.number(), number);
        assert!(record.line() >= line && record.last_line() >= record.line());
        line = record.last_line();
    }
});
