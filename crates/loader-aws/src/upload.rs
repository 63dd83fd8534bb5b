//! An object that is written in parts.

use async_trait::async_trait;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use loader_core::error::{Error, ErrorName, Result};
use loader_core::source::WorkWriter;

use crate::bucket::{Bucket, Request};

/// Bytes in a part; S3 wants 5 MiB or more and takes 10,000 parts.
pub(crate) const PART: usize = 8 * 1024 * 1024;

/// A writer that holds one part at most: a small object is one request, a
/// larger one a multipart upload. What is not finished is aborted.
pub(crate) struct Upload {
    bucket: Bucket,
    key: String,
    buffer: BytesMut,
    parts: Option<Parts>,
}

/// The parts of an upload that are on S3 and not yet an object.
struct Parts {
    bucket: Bucket,
    key: String,
    id: String,
    done: Vec<CompletedPart>,
    open: bool,
}

impl Upload {
    pub(crate) fn new(bucket: Bucket, key: &str) -> Self {
        Self { bucket, key: key.to_owned(), buffer: BytesMut::new(), parts: None }
    }

    async fn put_whole(self) -> Result<()> {
        let request = self.bucket.client.put_object().bucket(&self.bucket.name).key(&self.key);
        request
            .body(self.buffer.freeze().into())
            .send()
            .await
            .map_err(|error| self.bucket.error(Request::put(&self.key), &error))?;
        Ok(())
    }
}

#[async_trait]
impl WorkWriter for Upload {
    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= PART {
            let part = self.buffer.split_to(PART).freeze();
            let mut parts = match self.parts.take() {
                Some(parts) => parts,
                None => Parts::begin(&self.bucket, &self.key).await?,
            };
            parts.send(part).await?;
            self.parts = Some(parts);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        let Some(mut parts) = self.parts.take() else {
            return self.put_whole().await;
        };
        if !self.buffer.is_empty() {
            parts.send(self.buffer.split().freeze()).await?;
        }
        parts.complete().await
    }
}

impl Parts {
    async fn begin(bucket: &Bucket, key: &str) -> Result<Self> {
        let answer = bucket
            .client
            .create_multipart_upload()
            .bucket(&bucket.name)
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await
            .map_err(|error| bucket.error(Request::put(key), &error))?;
        let id = answer.upload_id.ok_or_else(|| {
            let message = format!("S3 gave no id for the upload of {}", bucket.address(key));
            Error::new(ErrorName::SourceUnavailable, message)
        })?;
        Ok(Self { bucket: bucket.clone(), key: key.to_owned(), id, done: Vec::new(), open: true })
    }

    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        let number = i32::try_from(self.done.len() + 1).unwrap_or(i32::MAX);
        let answer = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(bytes.into())
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.done.push(
                    CompletedPart::builder()
                        .part_number(number)
                        .set_e_tag(answer.e_tag)
                        .set_checksum_crc32(answer.checksum_crc32)
                        .build(),
                );
                Ok(())
            }
            Err(error) => {
                let error = self.bucket.error(Request::put(&self.key), &error);
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn complete(mut self) -> Result<()> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.done.clone())).build();
        let answer = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await;
        match answer {
            Ok(_) => {
                self.open = false;
                Ok(())
            }
            Err(error) => {
                let error = self.bucket.error(Request::put(&self.key), &error);
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Gives the parts back. It is best effort: the bucket's lifecycle rule
    /// takes away what is left.
    async fn abort(&mut self) {
        self.open = false;
        let request = self.bucket.client.abort_multipart_upload();
        let answer = request.bucket(&self.bucket.name).key(&self.key).upload_id(&self.id).send().await;
        if let Err(error) = answer {
            let request = Request { action: "s3:AbortMultipartUpload", key: Some(&self.key) };
            let error = self.bucket.error(request, &error);
            tracing::warn!(object.key = %self.key, %error, "an upload was left unfinished");
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        self.open = false;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut left = Self {
            bucket: self.bucket.clone(),
            key: std::mem::take(&mut self.key),
            id: std::mem::take(&mut self.id),
            done: Vec::new(),
            open: false,
        };
        runtime.spawn(async move { left.abort().await });
    }
}
