//! Decompresses gzip: one member or many, whole or refused.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, ReadBuf};

use crate::error::{Error, ErrorName};
use crate::source::ByteStream;

/// The size of the chunks that come out.
const CHUNK_BYTES: usize = 64 * 1024;

/// Decompresses a gzip stream.
///
/// Joined members are one text, as for gzip itself. The decoder could go on
/// from member to member alone, but refuses the zeros that tapes and copies put
/// behind the last one, and which gzip ignores; so each member has its own run
/// here, and what follows is looked at between two.
pub(super) fn decompress(body: ByteStream) -> ByteStream {
    let members = Members {
        decoder: Some(GzipDecoder::new(ChunkReader { body, chunk: Bytes::new() })),
        buffer: BytesMut::new(),
        failure: None,
    };
    Box::pin(stream::try_unfold(members, |mut members| async move {
        match members.read().await {
            Ok(Some(chunk)) => Ok(Some((chunk, members))),
            Ok(None) => Ok(None),
            Err(error) => Err(explain(error)),
        }
    }))
}

struct Members {
    /// None after the last member.
    decoder: Option<GzipDecoder<ChunkReader>>,
    buffer: BytesMut,
    /// What is told once everything before it is out.
    failure: Option<io::Error>,
}

impl Members {
    async fn read(&mut self) -> io::Result<Option<Bytes>> {
        while self.failure.is_none() && self.buffer.len() < CHUNK_BYTES {
            match self.read_more().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.failure = Some(error),
            }
        }
        if !self.buffer.is_empty() {
            return Ok(Some(self.buffer.split().freeze()));
        }
        self.failure.take().map_or(Ok(None), Err)
    }

    /// Reads some of what is left; false at the end.
    async fn read_more(&mut self) -> io::Result<bool> {
        let Some(decoder) = &mut self.decoder else { return Ok(false) };
        if self.buffer.is_empty() {
            self.buffer.reserve(CHUNK_BYTES);
        }
        if decoder.read_buf(&mut self.buffer).await? == 0
            && let Some(ended) = self.decoder.take()
        {
            self.decoder = next_member(ended.into_inner()).await?;
        }
        Ok(true)
    }
}

/// Looks at what follows a member: the end, zeros up to the end, or one more.
async fn next_member(mut reader: ChunkReader) -> io::Result<Option<GzipDecoder<ChunkReader>>> {
    match reader.fill_buf().await?.first() {
        None => return Ok(None),
        Some(0) => {}
        Some(_) => return Ok(Some(GzipDecoder::new(reader))),
    }
    loop {
        let padding = reader.fill_buf().await?;
        if padding.is_empty() {
            return Ok(None);
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "something follows the zeros after the gzip data",
            ));
        }
        let length = padding.len();
        reader.consume(length);
    }
}

/// Turns what a reader says into an error of ours: the source's own comes out
/// as it went in, and any other is about the compressed bytes.
fn explain(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => {
            let why = if error.kind() == io::ErrorKind::UnexpectedEof {
                "it ends in the middle of the gzip data".to_owned()
            } else {
                error.to_string().to_lowercase()
            };
            Error::new(
                ErrorName::UnsupportedFormat,
                format!("the object is damaged: {why}; store it again from its origin"),
            )
        }
    }
}

/// The chunks of a stream as a reader.
struct ChunkReader {
    body: ByteStream,
    chunk: Bytes,
}

impl AsyncBufRead for ChunkReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() {
            match this.body.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(chunk))) => this.chunk = chunk,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().chunk.advance(amount);
    }
}

impl AsyncRead for ChunkReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let amount = match self.as_mut().poll_fill_buf(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(bytes)) => {
                let bytes = bytes.get(..buffer.remaining()).unwrap_or(bytes);
                buffer.put_slice(bytes);
                bytes.len()
            }
        };
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}
