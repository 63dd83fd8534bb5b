//! Decodes the bytes of an object, in any encoding that is known.
//!
//! Encodings of one byte are what Postgres says they are ([`tables`]); UTF-8 is the
//! standard library's, UTF-32 is read here, and everything else is `encoding_rs`, which
//! has the encodings of the WHATWG (<https://encoding.spec.whatwg.org/>).
//!
//! Of the encodings of more bytes, some characters of BIG5 (267), GB18030 (20) and
//! `EUC_CN` (2) are others than those of Postgres, which has them from older lists.
//!
//! Bytes that are no character are told to the reader of the text, with their place.

mod tables;

use encoding_rs::{DecoderResult, Encoding};

use self::tables::{TABLES, Upper};
use super::encoding;
use super::tokenizer::Sink;
use crate::error::{Error, ErrorName, Result};

/// What a UTF-8 byte order mark is.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes a byte order mark has at most.
const LONGEST_MARK: usize = 4;

/// How many bytes of what was decoded are remembered, to show wrong ones.
const REMEMBERED: usize = 8;

/// Encodings of Postgres by the names that the WHATWG has for them.
const MULTIBYTE: &[(&str, &str)] = &[
    ("EUC_JP", "EUC-JP"),
    ("SJIS", "Shift_JIS"),
    ("EUC_KR", "EUC-KR"),
    ("UHC", "EUC-KR"),
    ("EUC_CN", "GBK"),
    ("GBK", "GBK"),
    ("GB18030", "gb18030"),
    ("BIG5", "Big5"),
];

/// Whether an encoding of `PostgreSQL` is decoded here as the database does: by its own
/// tables. Those of the WHATWG for encodings of several bytes have other characters too.
pub(crate) fn is_decoded_alike(name: &str) -> bool {
    encoding::known(name).is_some_and(|name| name == "UTF8" || TABLES.iter().any(|(table, _)| *table == name))
}

/// What a stored byte is of the text that is decoded from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A byte of UTF-8.
    Byte,
    /// A character.
    Character,
}

/// Returns what a stored byte is in an encoding, where it is the same everywhere: then
/// decoding can begin in the midst of an object, behind a line end.
pub(crate) fn unit(name: &str) -> Option<Unit> {
    let name = encoding::known(name)?;
    if name == "UTF8" {
        return Some(Unit::Byte);
    }
    TABLES.iter().any(|(table, _)| *table == name).then_some(Unit::Character)
}

/// Decodes a text in chunks of any size.
pub(super) struct Decoder {
    kind: Kind,
    /// Bytes that are only the beginning of something.
    held: Vec<u8>,
    begun: bool,
    mark: u64,
}

enum Kind {
    Utf8,
    /// One byte for each character.
    Single(&'static Upper),
    /// UTF-16, which a byte order mark may tell more about. `None`: of either order.
    Utf16(Option<Order>),
    Utf32(Option<Order>),
    Whatwg {
        decoder: encoding_rs::Decoder,
        /// The last bytes that it was given.
        last: Vec<u8>,
    },
    /// Not decoded here but for what is ASCII.
    Ascii(String),
}

/// The order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Decoder {
    /// Makes a decoder for an encoding by its name.
    ///
    /// # Errors
    /// `InvalidDefinition` for a name that is not known.
    pub(super) fn new(name: &str) -> Result<Self> {
        let unknown = || {
            let message =
                format!("the encoding {name:?} is not known: name one that Postgres or the WHATWG has");
            Error::new(ErrorName::InvalidDefinition, message)
        };
        let name = encoding::known(name).ok_or_else(unknown)?;
        let kind = match name.as_str() {
            "UTF8" => Kind::Utf8,
            "UTF-16" => Kind::Utf16(None),
            "UTF-16LE" => Kind::Utf16(Some(Order::Little)),
            "UTF-16BE" => Kind::Utf16(Some(Order::Big)),
            "UTF-32" => Kind::Utf32(None),
            "UTF-32LE" => Kind::Utf32(Some(Order::Little)),
            "UTF-32BE" => Kind::Utf32(Some(Order::Big)),
            _ => match TABLES.iter().find(|(table, _)| *table == name) {
                Some((_, upper)) => Kind::Single(upper),
                None => other(name),
            },
        };
        Ok(Self { kind, held: Vec::new(), begun: false, mark: 0 })
    }

    /// Takes what comes for what stands in the midst of an object: there are no byte
    /// order marks.
    pub(super) const fn begin_amid(&mut self) {
        self.begun = true;
    }

    /// Takes what comes for the beginning of an object again.
    pub(super) const fn begin_anew(&mut self) {
        self.begun = false;
    }

    /// Says once how many bytes the byte order mark had that was taken off.
    pub(super) fn take_mark(&mut self) -> u64 {
        std::mem::take(&mut self.mark)
    }

    /// Decodes what comes next.
    ///
    /// # Errors
    /// `UnsupportedFormat` for what is not ASCII in an encoding that is not decoded here.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Sink<'_>) -> Result<()> {
        if self.begun {
            return self.decode(bytes, false, out);
        }
        if self.held.is_empty() && bytes.len() >= LONGEST_MARK {
            return self.begin(bytes, false, out);
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() < LONGEST_MARK {
            return Ok(());
        }
        let start = std::mem::take(&mut self.held);
        self.begin(&start, false, out)
    }

    /// Decodes what is left, when nothing follows.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub(super) fn finish(&mut self, out: &mut Sink<'_>) -> Result<()> {
        if self.begun {
            return self.decode(&[], true, out);
        }
        let start = std::mem::take(&mut self.held);
        self.begin(&start, true, out)
    }

    /// Takes a byte order mark off, and learns from it.
    fn begin(&mut self, start: &[u8], last: bool, out: &mut Sink<'_>) -> Result<()> {
        self.begun = true;
        let (mark, kind) = match &self.kind {
            Kind::Utf8 if start.starts_with(UTF8_MARK) => (UTF8_MARK.len(), None),
            Kind::Utf16(declared) => {
                let marked = match start {
                    [0xff, 0xfe, ..] => Some(Order::Little),
                    [0xfe, 0xff, ..] => Some(Order::Big),
                    _ => None,
                };
                // Nearly every text begins with a letter, a digit or a quote.
                let guessed = if start.first() == Some(&0) { Order::Big } else { Order::Little };
                let name = match marked.or(*declared).unwrap_or(guessed) {
                    Order::Little => encoding_rs::UTF_16LE,
                    Order::Big => encoding_rs::UTF_16BE,
                };
                (if marked.is_some() { 2 } else { 0 }, Some(whatwg(name)))
            }
            Kind::Utf32(declared) => {
                let marked = match start {
                    [0xff, 0xfe, 0, 0, ..] => Some(Order::Little),
                    [0, 0, 0xfe, 0xff, ..] => Some(Order::Big),
                    _ => None,
                };
                let guessed = if start.first() == Some(&0) { Order::Big } else { Order::Little };
                let order = marked.or(*declared).unwrap_or(guessed);
                (if marked.is_some() { 4 } else { 0 }, Some(Kind::Utf32(Some(order))))
            }
            _ => (0, None),
        };
        if let Some(kind) = kind {
            self.kind = kind;
        }
        self.mark = mark as u64;
        self.decode(start.get(mark..).unwrap_or_default(), last, out)
    }

    fn decode(&mut self, bytes: &[u8], last: bool, out: &mut Sink<'_>) -> Result<()> {
        match &mut self.kind {
            Kind::Utf8 => decode_utf8(bytes, last, &mut self.held, out),
            Kind::Single(upper) => decode_single(bytes, upper, out),
            Kind::Utf16(_) => {}
            Kind::Utf32(order) => {
                decode_utf32(bytes, last, order.unwrap_or(Order::Little), &mut self.held, out);
            }
            Kind::Whatwg { decoder, last: remembered } => {
                decode_whatwg(bytes, last, decoder, remembered, out);
            }
            Kind::Ascii(name) => {
                let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()) else {
                    return Err(Error::new(
                        ErrorName::UnsupportedFormat,
                        format!(
                            "the object holds more than ASCII, and its encoding {name} can be decoded by \
                             the database alone: set on_reject to fail and a plain dialect, or convert the \
                             object to UTF-8"
                        ),
                    ));
                };
                out.text(text);
            }
        }
        Ok(())
    }
}

fn other(name: String) -> Kind {
    let label =
        MULTIBYTE.iter().find(|(postgres, _)| *postgres == name).map_or(name.as_str(), |(_, label)| label);
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) => whatwg(encoding),
        None => Kind::Ascii(name),
    }
}

fn whatwg(encoding: &'static Encoding) -> Kind {
    Kind::Whatwg { decoder: encoding.new_decoder_without_bom_handling(), last: Vec::new() }
}

fn decode_utf8(mut bytes: &[u8], last: bool, held: &mut Vec<u8>, out: &mut Sink<'_>) {
    // A character that was cut.
    while let Some((first, rest)) = bytes.split_first().filter(|_| !held.is_empty()) {
        held.push(*first);
        match std::str::from_utf8(held) {
            Ok(text) => {
                out.text(text);
                held.clear();
                bytes = rest;
            }
            Err(error) if error.error_len().is_none() => bytes = rest,
            Err(_) => {
                // The byte that came now belongs to something else.
                held.pop();
                out.wrong(held);
                held.clear();
            }
        }
    }
    while !bytes.is_empty() {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                out.text(text);
                break;
            }
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                out.text(std::str::from_utf8(valid).unwrap_or_default());
                let Some(length) = error.error_len() else {
                    held.extend_from_slice(rest);
                    break;
                };
                let (wrong, rest) = rest.split_at(length.min(rest.len()));
                out.wrong(wrong);
                bytes = rest;
            }
        }
    }
    if last && !held.is_empty() {
        out.wrong(held);
        held.clear();
    }
}

fn decode_single(mut bytes: &[u8], upper: &Upper, out: &mut Sink<'_>) {
    while !bytes.is_empty() {
        let decoded = out.decode(|text| {
            for (at, byte) in bytes.iter().enumerate() {
                if byte.is_ascii() {
                    text.push(char::from(*byte));
                    continue;
                }
                let code = upper.get(usize::from(byte & 0x7f)).copied().unwrap_or_default();
                match char::from_u32(u32::from(code)).filter(|character| *character != '\0') {
                    Some(character) => text.push(character),
                    None => return at,
                }
            }
            bytes.len()
        });
        let (_, rest) = bytes.split_at(decoded);
        let Some((wrong, rest)) = rest.split_first() else { break };
        out.wrong(&[*wrong]);
        bytes = rest;
    }
}

fn decode_utf32(bytes: &[u8], last: bool, order: Order, held: &mut Vec<u8>, out: &mut Sink<'_>) {
    let mut push = |unit: [u8; 4]| {
        let code = match order {
            Order::Little => u32::from_le_bytes(unit),
            Order::Big => u32::from_be_bytes(unit),
        };
        match char::from_u32(code) {
            Some(character) => out.text(character.encode_utf8(&mut [0; 4])),
            None => out.wrong(&unit),
        }
    };
    held.extend_from_slice(bytes);
    let (units, rest) = held.as_chunks::<4>();
    for unit in units {
        push(*unit);
    }
    let rest = rest.to_vec();
    *held = rest;
    if last && !held.is_empty() {
        out.wrong(held);
        held.clear();
    }
}

fn decode_whatwg(
    mut bytes: &[u8],
    last: bool,
    decoder: &mut encoding_rs::Decoder,
    remembered: &mut Vec<u8>,
    out: &mut Sink<'_>,
) {
    loop {
        let (result, read) = out.decode(|text| {
            let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
            text.reserve(most.unwrap_or(bytes.len()).max(16));
            decoder.decode_to_string_without_replacement(bytes, text, last)
        });
        let (done, rest) = bytes.split_at(read.min(bytes.len()));
        bytes = rest;
        let from = done.len().saturating_sub(REMEMBERED);
        remembered.extend_from_slice(done.get(from..).unwrap_or_default());
        match result {
            DecoderResult::InputEmpty => break,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                let end = remembered.len().saturating_sub(usize::from(after));
                let begin = end.saturating_sub(usize::from(length));
                out.wrong(remembered.get(begin..end).unwrap_or_default());
            }
        }
    }
    let surplus = remembered.len().saturating_sub(REMEMBERED);
    remembered.drain(..surplus);
}
