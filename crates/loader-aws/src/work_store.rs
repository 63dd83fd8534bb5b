//! The application's own bucket.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use loader_core::error::{Error, ErrorName, Result};
use loader_core::source::{WorkStore, WorkWriter};

use crate::bucket::{Bucket, Request};
use crate::refusal::chain;
use crate::upload::Upload;

/// A bucket on S3 that holds plans, results and the tables' definitions.
#[derive(Debug, Clone)]
pub struct S3WorkStore {
    bucket: Bucket,
}

impl S3WorkStore {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }
}

#[async_trait]
impl WorkStore for S3WorkStore {
    fn bucket(&self) -> &str {
        &self.bucket.name
    }

    async fn read(&self, key: &str, limit: usize) -> Result<Option<Bytes>> {
        let answer = self.bucket.client.get_object().bucket(&self.bucket.name).key(key).send().await;
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let error = self.bucket.error(Request::get(key), &error);
                if error.name == ErrorName::ObjectMissing {
                    return Ok(None);
                }
                return Err(error);
            }
        };
        let mut content = BytesMut::new();
        while let Some(bytes) = answer.body.next().await {
            let bytes = bytes.map_err(|error| {
                let message = format!("{} broke off: {}", self.bucket.address(key), chain(&error));
                Error::new(ErrorName::SourceUnavailable, message)
            })?;
            if content.len() + bytes.len() > limit {
                let address = self.bucket.address(key);
                let message = format!("{address} is larger than the {limit} bytes it may have");
                return Err(Error::new(ErrorName::InvalidDefinition, message));
            }
            content.extend_from_slice(&bytes);
        }
        Ok(Some(content.freeze()))
    }

    async fn write(&self, key: &str) -> Result<Box<dyn WorkWriter>> {
        Ok(Box::new(Upload::new(self.bucket.clone(), key)))
    }
}

#[cfg(test)]
#[path = "work_store_tests.rs"]
mod tests;
