//! The buckets, as S3 speaks of them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream;
use s3s::dto::{
    Bucket, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
    ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    PutObjectInput, PutObjectOutput, Range as ByteRange, StreamingBlob, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::folder::{Folder, Found, Listed, Page};
use crate::made_up::MadeUp;

/// What is read from a file at once: large, so that the server costs little.
const CHUNK: usize = 256 << 10;

/// Reads a part of a file, which the system has in its memory: a thread that waits for it
/// would cost more than the reading.
fn read(path: &Path, mut range: Range<u64>) -> io::Result<StreamingBlob> {
    let file = File::open(path)?;
    let chunks = std::iter::from_fn(move || {
        let mut chunk =
            vec![0; usize::try_from(range.end - range.start).map_or(CHUNK, |left| left.min(CHUNK))];
        let read = file.read_exact_at(&mut chunk, range.start);
        range.start = if read.is_ok() { range.start + chunk.len() as u64 } else { range.end };
        (!chunk.is_empty()).then(|| read.map(|()| Bytes::from(chunk)))
    });
    Ok(StreamingBlob::wrap(stream::iter(chunks)))
}

/// All buckets.
pub(crate) struct Buckets {
    pub(crate) folder: Folder,
    pub(crate) made_up: Option<MadeUp>,
    /// How many uploads in parts have begun.
    pub(crate) uploads: AtomicU64,
}

impl Buckets {
    fn made_up(&self, bucket: &str) -> Option<&MadeUp> {
        self.made_up.as_ref().filter(|_| bucket == MadeUp::BUCKET)
    }

    fn check(&self, bucket: &str) -> S3Result<()> {
        if self.made_up(bucket).is_some() { Ok(()) } else { self.folder.bucket(bucket).map(drop) }
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Found> {
        match self.made_up(bucket) {
            Some(made_up) => made_up.find(key).ok_or_else(|| s3_error!(NoSuchKey)),
            None => self.folder.find(bucket, key),
        }
    }

    async fn list(&self, bucket: &str, page: &Page) -> S3Result<Listed> {
        match self.made_up(bucket) {
            Some(made_up) => Ok(made_up.list(page).await),
            None => self.folder.list(bucket, page),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Buckets {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let folders = std::fs::read_dir(&self.folder.root).map_err(S3Error::internal_error)?;
        let buckets = folders
            .flatten()
            .map(|entry| Bucket {
                name: Some(entry.file_name().to_string_lossy().into_owned()),
                ..Bucket::default()
            })
            .collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..ListBucketsOutput::default() }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.check(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.check(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let page = Page {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.marker.clone(),
            most: most(input.max_keys),
        };
        let listed = self.list(&input.bucket, &page).await?;
        Ok(S3Response::new(ListObjectsOutput {
            is_truncated: Some(listed.next.is_some()),
            contents: Some(listed.objects),
            common_prefixes: Some(listed.prefixes),
            next_marker: listed.next,
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: input.max_keys,
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let page = Page {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.continuation_token.clone().or_else(|| input.start_after.clone()),
            most: most(input.max_keys),
        };
        let listed = self.list(&input.bucket, &page).await?;
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(listed.objects.len() + listed.prefixes.len()).ok(),
            is_truncated: Some(listed.next.is_some()),
            contents: Some(listed.objects),
            common_prefixes: Some(listed.prefixes),
            next_continuation_token: listed.next,
            continuation_token: input.continuation_token,
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: input.max_keys,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let found = self.find(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(found.size).ok(),
            e_tag: Some(found.etag),
            last_modified: Some(found.modified),
            ..HeadObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let found = self.find(&input.bucket, &input.key)?;
        if let Some(wanted) = &input.if_match
            && !wanted.is_any()
            && wanted.as_etag().is_some_and(|wanted| wanted.value() != found.etag.value())
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let (range, content_range) = match &input.range {
            None => (0..found.size, None),
            Some(range) => {
                let range = ByteRange::check(range, found.size)?;
                let written = format!("bytes {}-{}/{}", range.start, range.end - 1, found.size);
                (range, Some(written))
            }
        };
        let length = range.end - range.start;
        let body = read(&found.path, range).map_err(S3Error::internal_error)?;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            content_length: i64::try_from(length).ok(),
            content_range,
            e_tag: Some(found.etag),
            last_modified: Some(found.modified),
            ..GetObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, body, .. } = request.input;
        let e_tag = Some(self.folder.write(&bucket, &key, body).await?);
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let CreateMultipartUploadInput { bucket, key, .. } = request.input;
        self.check(&bucket)?;
        let id = self.uploads.fetch_add(1, Ordering::Relaxed).to_string();
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { bucket, key, body, upload_id, part_number, .. } = request.input;
        let e_tag = Some(self.folder.write(&bucket, &part(&key, &upload_id, part_number), body).await?);
        Ok(S3Response::new(UploadPartOutput { e_tag, ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, .. } = request.input;
        let parts = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|done| done.part_number)
            .map(|number| part(&key, &upload_id, number))
            .collect();
        let e_tag = Some(self.folder.join(&bucket, &key, &parts).await?);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            e_tag,
            ..CompleteMultipartUploadOutput::default()
        }))
    }
}

fn most(max_keys: Option<i32>) -> usize {
    max_keys.and_then(|most| usize::try_from(most).ok()).map_or(1_000, |most| most.min(1_000))
}

/// Where a part is until its upload is complete.
fn part(key: &str, upload: &str, number: i32) -> String {
    format!("{key}.upload-{upload}.{number}")
}
