//! A model of how COPY reads CSV, on the whole object at once: the slow and
//! plain way, to hold the fast one against.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, stream};
use proptest::prelude::*;

use crate::definition::dialect::copy::CopyDialect;
use crate::error::Result;
use crate::source::ByteStream;

/// What the model makes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    /// The records, without their line ends, and the line each begins on.
    Records(Vec<(Vec<u8>, u64)>),
    /// It ends within quotes.
    Unterminated,
    /// Newlines where the first line ended in a carriage return.
    Mixed,
}

/// Reads an object byte by byte.
pub(super) fn read(bytes: &[u8], dialect: &CopyDialect) -> Read {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let (mut line, mut begin) = (1, 1);
    let (mut in_quote, mut last_was_escape) = (false, false);
    let mut only_returns = None;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        // As in `CopyReadLineText`.
        if dialect.escape != dialect.quote && in_quote && byte == dialect.escape {
            last_was_escape = !last_was_escape;
        }
        if byte == dialect.quote && !last_was_escape {
            in_quote = !in_quote;
        }
        if byte != dialect.escape {
            last_was_escape = false;
        }
        let next = bytes.get(at + 1);
        let length = match (byte, next) {
            _ if in_quote => 0,
            (b'\r', _) if only_returns == Some(true) => 1,
            (b'\r', Some(b'\n')) => 2,
            (b'\n', _) | (b'\r', None) => 1,
            (b'\r', Some(_)) if only_returns.is_none() => {
                only_returns = Some(true);
                1
            }
            _ => 0,
        };
        if length == 0 {
            if in_quote && byte == b'\n' {
                line += 1;
            }
            record.push(byte);
            at += 1;
            continue;
        }
        if byte == b'\n' && only_returns == Some(true) {
            return Read::Mixed;
        }
        only_returns.get_or_insert(false);
        records.push((std::mem::take(&mut record), begin));
        line += 1;
        begin = line;
        at += length;
    }
    if in_quote {
        return Read::Unterminated;
    }
    if !record.is_empty() {
        records.push((record, begin));
    }
    Read::Records(records)
}

/// Counts the newlines.
pub(super) fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Objects of what matters to a splitter.
pub(super) fn object() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just(&b"\n"[..]),
        2 => Just(&b"\r\n"[..]),
        1 => Just(&b"\r"[..]),
        3 => Just(&b"\""[..]),
        2 => Just(&b"\"\""[..]),
        2 => Just(&b"\\"[..]),
        2 => Just(&b"\\."[..]),
        2 => Just(&b"\n\\.\n"[..]),
        1 => Just(&b"."[..]),
        3 => Just(&b","[..]),
        3 => Just(&b"ab"[..]),
        1 => Just("é".as_bytes()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Dialects whose quote and escape differ in every way that matters.
pub(super) fn dialect() -> impl Strategy<Value = CopyDialect> {
    prop_oneof![
        2 => Just(CopyDialect::default()),
        1 => Just(CopyDialect { escape: b'\\', ..CopyDialect::default() }),
        1 => Just(CopyDialect { escape: b'a', ..CopyDialect::default() }),
        1 => Just(CopyDialect { quote: b'b', escape: b'b', ..CopyDialect::default() }),
    ]
}

/// Cuts an object into chunks at the given places.
pub(super) fn chunks(bytes: &[u8], cuts: &[proptest::sample::Index]) -> Vec<Bytes> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])).collect()
}

/// Makes a stream of chunks.
pub(super) fn stream_of(chunks: Vec<Bytes>) -> ByteStream {
    let chunks: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> =
        Box::pin(stream::iter(chunks.into_iter().map(Ok)));
    chunks
}

/// Runs what never has to wait, as all its bytes are there.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}
