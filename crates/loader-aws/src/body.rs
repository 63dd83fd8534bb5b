//! The bytes of an object as they arrive.

use aws_smithy_types::byte_stream::ByteStream as SdkBody;
use bytes::Bytes;
use futures_util::stream;
use loader_core::error::{Error, ErrorName, Place};
use loader_core::source::ByteStream;

use crate::refusal::chain;

/// A body of which the length is known.
pub(crate) struct Body {
    pub(crate) bytes: SdkBody,
    pub(crate) length: u64,
    pub(crate) address: String,
    pub(crate) key: String,
}

struct Reading {
    body: Body,
    read: u64,
}

impl Body {
    /// Streams the body: its length exactly, or an error that says where it broke.
    pub(crate) fn stream(self) -> ByteStream {
        let reading = Reading { body: self, read: 0 };
        Box::pin(stream::try_unfold(reading, |mut reading| async move {
            match reading.next().await? {
                Some(bytes) => Ok(Some((bytes, reading))),
                None => Ok(None),
            }
        }))
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let left = self.body.length - self.read;
        match self.body.bytes.next().await {
            Some(Ok(mut bytes)) => {
                // A server that knows no ranges sends the whole object.
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                self.read += bytes.len() as u64;
                Ok((left > 0).then_some(bytes))
            }
            Some(Err(error)) => Err(self.broke_off(&chain(&error))),
            None if left > 0 => Err(self.broke_off("it ended early")),
            None => Ok(None),
        }
    }

    fn broke_off(&self, why: &str) -> Error {
        let Body { address, key, length, .. } = &self.body;
        let message = format!("{address} broke off after {} of {length} bytes: {why}", self.read);
        Error::new(ErrorName::SourceUnavailable, message).at(Place { key: key.clone(), ..Place::default() })
    }
}
