//! Reads the headers of some objects, where the columns depend on them.

use bytes::Bytes;
use futures_util::stream;
use tokio_postgres::Client;

use super::columns::Asked;
use super::infer_columns::{beginning, candidates, spread, unpacked, unresolved};
use crate::definition::drift::UnknownColumns;
use crate::error::{Class, Result};
use crate::plan::settled;
use crate::record::parsed::Parsed;
use crate::record::parser::Parser;
use crate::sniff::sniff;
use crate::source::{ObjectSource, ObjectVersion};

/// How much of an object is fetched to read its header: as much as its load looks at to
/// find out how it is written, also where it is compressed.
const HEADER_BYTES: u64 = 256 * 1024;

/// The header of an object.
pub(super) struct Header {
    pub(super) key: String,
    pub(super) cells: Vec<String>,
}

/// Reads the headers of objects spread over the listing, if anything depends on them:
/// columns that are added, or SQL expressions over fields.
///
/// An object that can't be read has none: its load says why.
///
/// # Errors
/// `DeliveryIncomplete`; those of the source.
pub(super) async fn read(client: &Client, source: &dyn ObjectSource, asked: &Asked) -> Result<Vec<Header>> {
    let adds = asked.written.unknown_columns == Some(UnknownColumns::Add);
    if !adds && !asked.written.has_expressions() {
        return Ok(Vec::new());
    }
    // What is half there may lack a column.
    settled::check(client, source, &unresolved(asked)).await?;
    let candidates = candidates(source, asked).await?;
    let mut headers: Vec<Header> = Vec::new();
    for object in spread(&candidates) {
        match header_of(source, object, asked).await {
            Ok(Some(cells)) => headers.push(Header { key: object.key.clone(), cells }),
            Ok(None) => {}
            Err(error) if error.class() == Class::Permanent => {}
            Err(error) => return Err(error),
        }
    }
    Ok(headers)
}

/// Reads the header of an object; none if it has no names for its fields.
async fn header_of(
    source: &dyn ObjectSource,
    object: &ObjectVersion,
    asked: &Asked,
) -> Result<Option<Vec<String>>> {
    let open = source.open(object, Some(HEADER_BYTES)).await?;
    let body = unpacked(open.body, &asked.dialect).await?;
    let (sample, whole) = beginning(body, object.size <= HEADER_BYTES).await?;
    let dialect = if asked.dialect.is_sniffed() {
        sniff(&sample, whole, &asked.dialect, &[])?.dialect
    } else {
        asked.dialect.complete()?
    };
    let body = stream::once(std::future::ready(Ok(Bytes::from(sample))));
    let mut parser = Parser::new(Box::pin(body), &dialect)?;
    let header = parser.header().await?;
    // Without a record after it, it may be cut off where the sample is.
    let complete = whole || parser.next(&mut Parsed::default()).await?;
    Ok(header.filter(|_| complete))
}
