//! Reads the first records of an object, to learn from them.

use super::header;
use super::reader::{Record, RecordReader};
use crate::definition::dialect::copy::CopyDialect;
use crate::error::{Error, ErrorName, Result};
use crate::source::ByteStream;

/// The beginning of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The cells of the header; none if the dialect has no header.
    pub header: Option<Vec<String>>,
    /// The records after it.
    pub records: Vec<Record>,
}

/// Reads the header and up to `max_records` records of an unpacked object; none
/// if the object is empty.
///
/// `whole` says whether the stream has the whole object; if not, the stream may
/// break off within a record or a gzip block, and what was read till then is
/// the sample.
///
/// # Errors
/// Those of the stream and of the header, and `BadRow` where a record of a whole
/// object can't be read.
pub async fn sample(
    body: ByteStream,
    dialect: &CopyDialect,
    max_records: usize,
    whole: bool,
) -> Result<Option<Sample>> {
    let mut reader = RecordReader::new(body, dialect);
    let header = if dialect.header {
        let Some(record) = reader.header().await? else { return Ok(None) };
        Some(header::cells(&record.bytes, dialect)?)
    } else {
        None
    };
    let mut records = Vec::new();
    let mut ended = false;
    // One more than is wanted, as the last may be cut short.
    while records.len() <= max_records {
        match reader.next().await {
            Ok(Some(record)) => records.push(record),
            Ok(None) => {
                ended = true;
                break;
            }
            Err(error) if !whole && is_cut_short(&error) => break,
            Err(error) => return Err(error),
        }
    }
    if !whole && ended {
        records.pop();
    }
    records.truncate(max_records);
    if header.is_none() && records.is_empty() && ended {
        return Ok(None);
    }
    Ok(Some(Sample { header, records }))
}

/// Whether the error may come from nothing but the end of what was asked for.
fn is_cut_short(error: &Error) -> bool {
    matches!(error.name, ErrorName::BadRow | ErrorName::UnsupportedFormat)
}

#[cfg(test)]
mod tests;
