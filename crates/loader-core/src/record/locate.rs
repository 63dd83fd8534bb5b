//! Finds the record behind a line that Postgres has named.

use super::reader::RecordReader;
use super::scanner::LineCount;
use crate::definition::dialect::copy::CopyDialect;
use crate::error::Result;
use crate::source::ByteStream;

/// The most bytes of a record that are kept for the reject table.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;

/// A record that was looked for. Its text is a value: it goes to the reject
/// table and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The line on which the record begins, from 1, the header counted.
    pub line: u64,
    /// The line on which it ends.
    pub last_line: u64,
    /// Its text; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Whether the text is only the beginning.
    pub cut: bool,
}

/// Finds the record that covers a line of an unpacked object; none if the
/// object is shorter.
///
/// It takes the object as it is: a record that can't be loaded is what it is
/// for.
///
/// # Errors
/// Those of the stream.
pub async fn locate(
    body: ByteStream,
    dialect: &CopyDialect,
    line: u64,
    count: LineCount,
) -> Result<Option<Located>> {
    let mut reader = RecordReader::lenient(body, dialect, count, MAX_TEXT_BYTES);
    while let Some(record) = reader.next().await? {
        if record.last_line >= line {
            return Ok(Some(Located {
                line: record.line,
                last_line: record.last_line,
                text: String::from_utf8_lossy(&record.bytes).into_owned(),
                cut: record.cut,
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
