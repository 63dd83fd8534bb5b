//! The reading side of the stream engine: from the stored bytes of an object to
//! the bytes of a COPY, in constant memory.
//!
//! An object is first unpacked ([`unpack`](unpack::unpack)), then its header is
//! taken off ([`RecordReader::header`]) and mapped to columns
//! ([`header::map_header`]); what is left is split into records
//! ([`RecordSplitter`]) and goes to COPY.
//!
//! What a record is, is what COPY says it is: `CopyReadLineText` and
//! `CopyReadAttributesCSV` in `src/backend/commands/copyfromparse.c` of
//! Postgres. So Postgres stays the judge of every row; nothing is dropped or
//! repaired here, but for line ends.

pub(crate) mod boundary;
mod decode;
pub(crate) mod encoding;
pub mod fields;
mod gzip;
pub mod header;
pub mod locate;
mod magic;
pub mod mapping;
mod naming;
pub mod parsed;
pub mod parser;
mod raw;
pub mod reader;
pub mod sample;
mod scanner;
pub mod splitter;
mod tokenizer;
pub mod unpack;

pub(crate) use self::decode::{is_decoded_alike, unit};
pub(crate) use self::magic::is_gzip;
pub use self::reader::{Record, RecordReader};
pub use self::scanner::{LineCount, MAX_RECORD_BYTES};
pub use self::splitter::{Counts, RecordSplitter};

#[cfg(test)]
mod model;
