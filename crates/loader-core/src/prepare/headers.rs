//! Reads the headers of some objects, where the columns depend on them.

use tokio_postgres::Client;

use super::columns::Asked;
use super::infer_columns::{spread, unresolved};
use crate::definition::drift::UnknownColumns;
use crate::definition::selection::Selection;
use crate::error::{Class, Result};
use crate::plan::settled;
use crate::record::sample::sample;
use crate::record::unpack::unpack;
use crate::source::{ObjectSource, ObjectVersion};

/// Pages of the listing that the objects are chosen from.
const PAGES: usize = 20;

/// How much of an object is fetched to read its header.
const HEADER_BYTES: u64 = 64 * 1024;

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
    let unresolved = unresolved(asked);
    // What is half there may lack a column.
    settled::check(client, source, &unresolved).await?;
    let selection = Selection::new(&unresolved)?;
    let mut candidates: Vec<ObjectVersion> = Vec::new();
    let mut continuation = None;
    for _ in 0..PAGES {
        let page = source.list(&asked.prefix, continuation).await?;
        candidates.extend(page.objects.into_iter().filter(|object| selection.skip_reason(object).is_none()));
        continuation = page.next;
        if continuation.is_none() {
            break;
        }
    }
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

async fn header_of(
    source: &dyn ObjectSource,
    object: &ObjectVersion,
    asked: &Asked,
) -> Result<Option<Vec<String>>> {
    let Some(dialect) = asked.dialect.complete()?.for_copy() else { return Ok(None) };
    let open = source.open(object, Some(HEADER_BYTES)).await?;
    let body = unpack(open.body).await?.body;
    let found = sample(body, &dialect, 0, object.size <= HEADER_BYTES).await?;
    Ok(found.and_then(|found| found.header))
}
