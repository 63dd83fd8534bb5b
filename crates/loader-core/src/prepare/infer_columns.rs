//! Infers columns from the objects themselves.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio_postgres::Client;

use super::columns::Asked;
use crate::definition::dialect::{Dialect, Ragged, Written};
use crate::definition::infer::Inference;
use crate::definition::selection::Selection;
use crate::definition::{ColumnDefinition, ColumnsFrom, ResolvedDefinition};
use crate::error::{Error, ErrorName, Result};
use crate::plan::settled;
use crate::record::parsed::{Fault, Parsed};
use crate::record::parser::Parser;
use crate::record::unpack::unpack_written;
use crate::sniff::sniff;
use crate::source::{ByteStream, ObjectSource, ObjectVersion};

/// Objects that are looked into: enough to see a table's variety, few enough to
/// read in seconds.
const SAMPLED_OBJECTS: usize = 40;
/// Pages of the listing that they are chosen from.
const SAMPLED_PAGES: usize = 20;
/// Bytes that are fetched of each.
const SAMPLED_BYTES: u64 = 256 * 1024;
/// Bytes that are looked at in each once it is unpacked: gzip can make any number of
/// few.
const SAMPLED_UNPACKED_BYTES: usize = 2 * 1024 * 1024;
/// Records that are looked at in each.
const SAMPLED_RECORDS: usize = 2_000;

/// Infers the columns from objects spread over the listing.
///
/// # Errors
/// `NoObjects` when there is nothing to look into; `DeliveryIncomplete`; those of the source,
/// `HeaderMismatch`, `UnsupportedFormat`.
pub(super) async fn infer(
    client: &Client,
    source: &dyn ObjectSource,
    asked: &Asked,
) -> Result<Vec<ColumnDefinition>> {
    // What is half there says half of what the table is.
    settled::check(client, source, &unresolved(asked)).await?;
    let candidates = candidates(source, asked).await?;
    let values = asked.written.values.clone().unwrap_or_default();
    let mut inference = Inference::new(&asked.dialect.complete()?).with_values(values);
    let mut first_failure = None;
    let mut seen = 0;
    for object in spread(&candidates) {
        match look_into(source, object, &asked.dialect, &mut inference).await {
            Ok(()) => seen += 1,
            // An object that can't be read fails the load with all its reasons; it
            // must not keep the others from saying what the table is.
            Err(error) if error.class() == crate::error::Class::Permanent => {
                first_failure = first_failure.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    let columns = inference.columns();
    if let (0, Some(error)) = (seen, first_failure) {
        return Err(error);
    }
    if columns.is_empty() {
        return Err(Error::new(
            ErrorName::NoObjects,
            format!(
                "there is nothing below s3://{}/{} to infer the columns from; check the prefix, or write the columns into tables/<table>.toml",
                asked.bucket, asked.prefix
            ),
        ));
    }
    Ok(columns
        .into_iter()
        .map(|column| ColumnDefinition {
            header: column.header.filter(|header| header != column.name.as_str()),
            name: column.name,
            sql_type: column.inferred.as_sql().to_owned(),
            not_null: false,
            optional: false,
            values: None,
        })
        .collect())
}

/// Lists objects that can be looked into.
///
/// # Errors
/// Those of the source.
pub(super) async fn candidates(source: &dyn ObjectSource, asked: &Asked) -> Result<Vec<ObjectVersion>> {
    let selection = Selection::new(&unresolved(asked))?;
    let mut candidates = Vec::new();
    let mut continuation = None;
    for _ in 0..SAMPLED_PAGES {
        let page = source.list(&asked.prefix, continuation).await?;
        candidates.extend(page.objects.into_iter().filter(|object| selection.skip_reason(object).is_none()));
        continuation = page.next;
        if continuation.is_none() {
            break;
        }
    }
    Ok(candidates)
}

async fn look_into(
    source: &dyn ObjectSource,
    object: &ObjectVersion,
    written: &Written,
    inference: &mut Inference,
) -> Result<()> {
    let open = source.open(object, Some(SAMPLED_BYTES)).await?;
    let body = unpacked(open.body, written).await?;
    let (sample, whole) = beginning(body, object.size <= SAMPLED_BYTES).await?;
    if sample.is_empty() {
        return Ok(());
    }
    let dialect = if written.is_sniffed() {
        sniff(&sample, whole, written, &[])?.dialect
    } else {
        written.complete()?
    };
    let (header, records) = records(sample, whole, &dialect).await?;
    inference.begin_object(header.as_deref());
    // Where short records are to be padded, the longest ones say how many columns there are.
    let padded = dialect.ragged != Ragged::Refuse;
    let width =
        (header.is_none() && written.is_sniffed() && !padded).then(|| usual_width(&records)).flatten();
    for record in records.iter().filter(|record| width.is_none_or(|width| record.width() == width)) {
        inference.observe(record);
    }
    Ok(())
}

/// Unpacks an object for a parser.
pub(super) async fn unpacked(body: ByteStream, written: &Written) -> Result<ByteStream> {
    let unpacked = unpack_written(body, written).await?;
    Ok(unpacked.body)
}

/// Reads the beginning of an unpacked object, and whether it is all of it. `whole`
/// says whether the stream has the whole object; if not, it may break off within a
/// gzip block.
pub(super) async fn beginning(mut body: ByteStream, whole: bool) -> Result<(Vec<u8>, bool)> {
    let mut sample = Vec::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => sample.extend_from_slice(&chunk),
            Err(error) if !whole && error.name == ErrorName::UnsupportedFormat => break,
            Err(error) => return Err(error),
        }
        if sample.len() >= SAMPLED_UNPACKED_BYTES {
            return Ok((sample, false));
        }
    }
    Ok((sample, whole))
}

/// Reads the header and the records of a sample, without those that no table takes.
async fn records(
    sample: Vec<u8>,
    whole: bool,
    dialect: &Dialect,
) -> Result<(Option<Vec<String>>, Vec<Parsed>)> {
    let body = stream::once(std::future::ready(Ok(Bytes::from(sample))));
    let mut parser = Parser::new(Box::pin(body), dialect)?;
    let header = parser.header().await?;
    let header = header.map(|cells| cells.iter().map(|cell| cell.trim().to_owned()).collect());
    let mut records = Vec::new();
    let mut record = Parsed::default();
    let mut ended = false;
    // One more than is wanted, as the last may be cut short.
    while records.len() <= SAMPLED_RECORDS {
        if !parser.next(&mut record).await? {
            ended = true;
            break;
        }
        records.push(record.clone());
    }
    if !whole && ended {
        // A quote that the sample cuts off is one that does not end: what is within it was
        // read as records, which it has not.
        let cut = records.iter().position(|record| record.fault() == Some(Fault::UnterminatedQuote));
        records.truncate(cut.unwrap_or(records.len().saturating_sub(1)));
    }
    records.truncate(SAMPLED_RECORDS);
    records.retain(|record| record.fault().is_none());
    Ok((header, records))
}

/// The width that most records have, the larger of two.
fn usual_width(records: &[Parsed]) -> Option<usize> {
    let mut widths: HashMap<usize, usize> = HashMap::new();
    for record in records {
        *widths.entry(record.width()).or_default() += 1;
    }
    widths.into_iter().max_by_key(|(width, count)| (*count, *width)).map(|(width, _)| width)
}

/// Chooses objects evenly from the first to the last, and the largest.
pub(super) fn spread(candidates: &[ObjectVersion]) -> Vec<&ObjectVersion> {
    let last = candidates.len().saturating_sub(1);
    let steps = SAMPLED_OBJECTS.min(candidates.len());
    let mut places: Vec<usize> =
        (0..steps).map(|step| step * last / steps.saturating_sub(1).max(1)).collect();
    places
        .extend(candidates.iter().enumerate().max_by_key(|(_, object)| object.size).map(|(place, _)| place));
    places.sort_unstable();
    places.dedup();
    places.iter().filter_map(|place| candidates.get(*place)).collect()
}

pub(super) fn unresolved(asked: &Asked) -> ResolvedDefinition {
    super::stage::resolved(asked, Vec::new(), ColumnsFrom::Inferred, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(n: usize) -> Vec<ObjectVersion> {
        (0..n)
            .map(|at| ObjectVersion {
                key: format!("{at:04}"),
                etag: String::new(),
                size: at as u64,
                version_id: None,
                last_modified: None,
            })
            .collect()
    }

    #[tokio::test]
    async fn a_record_that_the_sample_cuts_off_is_no_record() {
        let dialect = Written::default().complete().unwrap();
        let text = "id,note\n1,\"a\nb,c\"\n2,\"a\nb,c\nd,e\nf";
        let (header, found) = records(text.into(), false, &dialect).await.unwrap();
        assert_eq!(header.unwrap(), ["id", "note"]);
        let numbers: Vec<&str> = found.iter().map(|record| record.field(0).unwrap().value).collect();
        assert_eq!(numbers, ["1"]);
        let (_, found) = records("id,note\n1,a\n2,b\n3".into(), false, &dialect).await.unwrap();
        assert_eq!(found.len(), 2);
        let (_, found) = records("id,note\n1,a\n2,b\n".into(), true, &dialect).await.unwrap();
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn the_sample_spreads_from_the_first_object_to_the_last() {
        assert!(spread(&[]).is_empty());
        for n in [1, 2, 39, 40, 41, 20_000] {
            let candidates = objects(n);
            let chosen = spread(&candidates);
            assert_eq!(chosen.first().unwrap().key, "0000");
            assert_eq!(chosen.last().unwrap().key, format!("{:04}", n - 1));
            assert!(
                chosen.len() == n.min(SAMPLED_OBJECTS) || chosen.len() == SAMPLED_OBJECTS + 1,
                "{n}: {}",
                chosen.len()
            );
        }
    }
}
