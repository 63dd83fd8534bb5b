//! The bucket with the objects to load.

use async_trait::async_trait;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{EncodingType, Object};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures_util::stream;
use loader_core::error::{Error, ErrorName, Place, Result};
use loader_core::source::{ListingPage, ObjectHead, ObjectSource, ObjectVersion, OpenObject};

use crate::body::Body;
use crate::bucket::{Bucket, Request};
use crate::listing::decode_key;

/// Keys in one page; S3 gives no more.
const PAGE: i32 = 1_000;

/// A bucket on S3 that holds the objects to load.
#[derive(Debug, Clone)]
pub struct S3Source {
    bucket: Bucket,
}

impl S3Source {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    fn listed(&self, object: &Object, encoded: bool) -> Result<ObjectVersion> {
        let incomplete = || {
            let message = format!("a listing of bucket {} is incomplete", self.bucket.name);
            Error::new(ErrorName::SourceUnavailable, message)
        };
        let key = object.key().ok_or_else(incomplete)?;
        Ok(ObjectVersion {
            key: if encoded { decode_key(key) } else { key.to_owned() },
            etag: bare(object.e_tag().ok_or_else(incomplete)?),
            size: object.size().and_then(|size| size.try_into().ok()).ok_or_else(incomplete)?,
            version_id: None,
            last_modified: object.last_modified().map(DateTime::secs),
        })
    }

    async fn page(
        &self,
        prefix: &str,
        from: impl FnOnce(ListObjectsV2FluentBuilder) -> ListObjectsV2FluentBuilder + Send,
    ) -> Result<ListingPage> {
        let request = self
            .bucket
            .client
            .list_objects_v2()
            .bucket(&self.bucket.name)
            .prefix(prefix)
            .max_keys(PAGE)
            .encoding_type(EncodingType::Url);
        let page = from(request).send().await.map_err(|error| self.bucket.error(Request::list(), &error))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let objects =
            page.contents().iter().map(|object| self.listed(object, encoded)).collect::<Result<Vec<_>>>()?;
        let next = match (page.is_truncated(), page.next_continuation_token) {
            (Some(true), None) => {
                let message =
                    format!("a listing of bucket {} says that there is more and not where", self.bucket.name);
                return Err(Error::new(ErrorName::SourceUnavailable, message));
            }
            (Some(true), next) => next,
            _ => None,
        };
        Ok(ListingPage { objects, next })
    }

    /// Asks for exactly this version, or a range of it.
    async fn get(
        &self,
        object: &ObjectVersion,
        range: Option<String>,
    ) -> std::result::Result<GetObjectOutput, SdkError<GetObjectError, HttpResponse>> {
        self.bucket
            .client
            .get_object()
            .bucket(&self.bucket.name)
            .key(&object.key)
            .if_match(format!("\"{}\"", object.etag))
            .set_version_id(object.version_id.clone())
            .set_range(range)
            .send()
            .await
    }

    fn changed(&self, object: &ObjectVersion, found: &str) -> Error {
        let message = format!(
            "{} was overwritten since it was listed: its ETag was {}, {found}",
            self.bucket.address(&object.key),
            object.etag
        );
        Error::new(ErrorName::ObjectChanged, message).at(place(&object.key))
    }

    fn opened(&self, object: &ObjectVersion, answer: GetObjectOutput) -> Result<OpenObject> {
        let length = size(answer.content_length());
        let head = ObjectHead {
            etag: answer.e_tag().map_or_else(|| object.etag.clone(), bare),
            size: answer.content_range().and_then(whole_size).unwrap_or(length),
            content_encoding: encoding(answer.content_encoding()),
        };
        if head.etag != object.etag {
            return Err(self.changed(object, &format!("now it is {}", head.etag)));
        }
        let address = self.bucket.address(&object.key);
        let body = Body { bytes: answer.body, length, address, key: object.key.clone() };
        Ok(OpenObject { head, body: body.stream() })
    }
}

#[async_trait]
impl ObjectSource for S3Source {
    fn bucket(&self) -> &str {
        &self.bucket.name
    }

    fn region(&self) -> &str {
        &self.bucket.region
    }

    /// Directory buckets do not, and know no `StartAfter` (Amazon S3 API Reference,
    /// "`ListObjectsV2`"); their names end so ("Directory bucket naming rules").
    fn lists_in_order(&self) -> bool {
        !self.bucket.name.ends_with("--x-s3")
    }

    async fn list(&self, prefix: &str, continuation: Option<String>) -> Result<ListingPage> {
        self.page(prefix, |request| request.set_continuation_token(continuation)).await
    }

    async fn list_after(&self, prefix: &str, after: &str) -> Result<ListingPage> {
        self.page(prefix, |request| request.start_after(after)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectHead> {
        let answer = self
            .bucket
            .client
            .head_object()
            .bucket(&self.bucket.name)
            .key(key)
            .send()
            .await
            .map_err(|error| self.bucket.error(Request::get(key), &error).at(place(key)))?;
        Ok(ObjectHead {
            etag: answer.e_tag().map(bare).unwrap_or_default(),
            size: size(answer.content_length()),
            content_encoding: encoding(answer.content_encoding()),
        })
    }

    async fn open(&self, object: &ObjectVersion, limit: Option<u64>) -> Result<OpenObject> {
        // An empty object has no first byte: a range on it is refused with 416.
        let limit = limit.filter(|limit| *limit < object.size);
        if limit == Some(0) {
            let head = self.head(&object.key).await?;
            if head.etag != object.etag {
                return Err(self.changed(object, &format!("now it is {}", head.etag)));
            }
            return Ok(OpenObject { head, body: Box::pin(stream::empty()) });
        }
        let answer = self.get(object, limit.map(|limit| format!("bytes=0-{}", limit - 1))).await;
        match answer {
            Ok(answer) => self.opened(object, answer),
            Err(error) => match status(&error) {
                Some(412) => Err(self.changed(object, "S3 has another now")),
                Some(416) => Ok(OpenObject {
                    head: ObjectHead { etag: object.etag.clone(), size: 0, content_encoding: None },
                    body: Box::pin(stream::empty()),
                }),
                _ => {
                    let request = Request::get(&object.key);
                    Err(self.bucket.error(request, &error).at(place(&object.key)))
                }
            },
        }
    }

    async fn open_from(&self, object: &ObjectVersion, from: u64) -> Result<OpenObject> {
        if from >= object.size {
            // There is no such byte: a range on it is refused with 416.
            return self.open(object, Some(0)).await;
        }
        match self.get(object, Some(format!("bytes={from}-"))).await {
            // A server that does not know ranges sends all of it.
            Ok(answer) if !begins_at(answer.content_range(), from) => Err(Error::new(
                ErrorName::SourceUnavailable,
                format!(
                    "{} was asked for from byte {from} on and came otherwise",
                    self.bucket.address(&object.key)
                ),
            )
            .at(place(&object.key))),
            Ok(answer) => self.opened(object, answer),
            Err(error) if status(&error) == Some(412) => Err(self.changed(object, "S3 has another now")),
            Err(error) => {
                let request = Request::get(&object.key);
                Err(self.bucket.error(request, &error).at(place(&object.key)))
            }
        }
    }
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|raw| raw.status().as_u16())
}

fn place(key: &str) -> Place {
    Place { key: key.to_owned(), ..Place::default() }
}

/// Takes the quotes off an entity tag.
fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| length.try_into().ok()).unwrap_or(0)
}

fn encoding(header: Option<&str>) -> Option<String> {
    header.map(str::trim).filter(|encoding| !encoding.is_empty()).map(ToOwned::to_owned)
}

/// Whether `bytes 7-99/1234` begins at a byte.
fn begins_at(content_range: Option<&str>, from: u64) -> bool {
    let first = content_range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-'));
    first.is_some_and(|(first, _)| first.parse() == Ok(from))
}

/// Takes the size of the object out of `bytes 0-99/1234`.
fn whole_size(content_range: &str) -> Option<u64> {
    content_range.rsplit_once('/').and_then(|(_, size)| size.parse().ok())
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
