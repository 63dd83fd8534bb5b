//! Unpacks the stored bytes of an object, by what they are and not by name.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::magic::{MAGIC_BYTES, UTF8_BOM, is_gzip, refuse_other_formats};
use super::{gzip, magic};
use crate::definition::dialect::Written;
use crate::error::{Error, ErrorName, Result};
use crate::source::ByteStream;

/// An object whose bytes are text.
pub struct Unpacked {
    /// The text, without a byte order mark.
    pub body: ByteStream,
    /// Whether it is stored as gzip.
    pub gzip: bool,
    /// Whether a byte order mark was taken off. COPY would take it for a part of
    /// the first value, unless a header is there to hold it.
    pub bom: bool,
}

/// Unpacks an object: decompresses gzip of one or many members, and takes a
/// UTF-8 byte order mark off.
///
/// It reads no more than the beginning here. Later errors come out of the body:
/// those of `body` unchanged, and `UnsupportedFormat` for damaged gzip.
///
/// # Errors
/// Those of `body`; `UnsupportedFormat` if the object is something that can't be
/// loaded, such as a ZIP archive, Parquet or UTF-16.
pub async fn unpack(body: ByteStream) -> Result<Unpacked> {
    unpack_text(body, false).await
}

/// Unpacks an object as a [`Parser`](super::parser::Parser) of the dialect reads it. Where
/// that may be UTF-16 or UTF-32, a byte order mark of theirs stays, as it tells the decoder
/// the order.
///
/// # Errors
/// As for [`unpack`], but for UTF-16 and UTF-32 where they are expected.
pub async fn unpack_written(body: ByteStream, written: &Written) -> Result<Unpacked> {
    unpack_text(body, written.may_be_wide()).await
}

async fn unpack_text(body: ByteStream, wide: bool) -> Result<Unpacked> {
    let (start, body) = peek(body).await?;
    if !is_gzip(&start) {
        refuse_other_formats(&start, false, wide)?;
        return Ok(text(&start, body, false));
    }
    let (start, body) = peek(gzip::decompress(body)).await?;
    if magic::is_gzip(&start) {
        return Err(Error::new(
            ErrorName::UnsupportedFormat,
            "the object is gzip within gzip, which can't be loaded: compress it once",
        ));
    }
    refuse_other_formats(&start, true, wide)?;
    Ok(text(&start, body, true))
}

/// Reads enough to know the format, and returns it with the whole stream.
async fn peek(mut body: ByteStream) -> Result<(Bytes, ByteStream)> {
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut start = BytesMut::new();
    while start.len() < MAGIC_BYTES {
        let Some(chunk) = body.try_next().await? else { break };
        start.extend_from_slice(chunk.get(..MAGIC_BYTES).unwrap_or(&chunk));
        chunks.push(chunk);
    }
    let whole = stream::iter(chunks.into_iter().map(Ok)).chain(body);
    Ok((start.freeze(), Box::pin(whole)))
}

fn text(start: &[u8], body: ByteStream, gzip: bool) -> Unpacked {
    if !start.starts_with(UTF8_BOM) {
        return Unpacked { body, gzip, bom: false };
    }
    let mut left = UTF8_BOM.len();
    let body = body.map_ok(move |mut chunk| {
        let skip = left.min(chunk.len());
        chunk.advance(skip);
        left -= skip;
        chunk
    });
    Unpacked { body: Box::pin(body), gzip, bom: true }
}

#[cfg(test)]
mod tests;
