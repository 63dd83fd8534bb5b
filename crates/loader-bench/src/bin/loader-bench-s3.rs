//! A folder as S3 buckets, for reading: `loader-bench-s3 <folder>`.
//!
//! With `<objects> <milliseconds>` behind it, there is a bucket `made-up`, too: so many keys
//! that count up below `t/`, for listings only, of which each page takes so long.
//!
//! It prints its port, and ends when its standard input does. The protocol is the crate
//! s3s'. Its own server of a folder (s3s-fs 0.14) lists objects without their `ETag`, and
//! reads an object as a whole for every range of it, so that it can't be used here.

use std::collections::BTreeSet;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    Bucket, CommonPrefix, ETag, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
    ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    Range, StreamingBlob, Timestamp,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;

/// What is read from a file at once: large, so that the server costs little.
const CHUNK: usize = 256 << 10;

/// Buckets are folders, and the objects are the files in them.
struct Folder {
    root: PathBuf,
    made_up: Option<MadeUp>,
}

/// A bucket of very many objects that are not there.
struct MadeUp {
    objects: u64,
    page: Duration,
}

impl MadeUp {
    const BUCKET: &str = "made-up";

    fn key(number: u64) -> String {
        format!("t/part-{number:08}.csv")
    }

    async fn list(&self, page: &Page) -> Listed {
        tokio::time::sleep(self.page).await;
        let after = page.after.as_deref().unwrap_or_default();
        let (mut first, mut high) = (0, self.objects);
        while first < high {
            let middle = first.midpoint(high);
            if Self::key(middle).as_str() <= after { first = middle + 1 } else { high = middle }
        }
        let end = (first + page.most as u64).min(self.objects);
        let object = |number: u64| Object {
            key: Some(Self::key(number)),
            size: i64::try_from(40_000 + number % 10_000).ok(),
            e_tag: Some(ETag::Strong(format!("{number:032x}"))),
            last_modified: Some(Timestamp::from(UNIX_EPOCH)),
            ..Object::default()
        };
        Listed {
            objects: (first..end).map(object).collect(),
            prefixes: Vec::new(),
            next: (end < self.objects).then(|| Self::key(end - 1)),
        }
    }
}

/// A file as S3 tells of it.
struct Found {
    path: PathBuf,
    size: u64,
    etag: ETag,
    modified: Timestamp,
}

impl Folder {
    fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let folder = self.root.join(bucket);
        if folder.is_dir() { Ok(folder) } else { Err(s3_error!(NoSuchBucket)) }
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Found> {
        // A key may not lead out of the folder.
        if key.split('/').any(|part| part == ".." || part.is_empty()) {
            return Err(s3_error!(NoSuchKey));
        }
        Found::of(self.bucket(bucket)?.join(key)).ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Returns the keys that begin with a prefix, in S3's order.
    fn keys(&self, bucket: &str, prefix: &str) -> S3Result<BTreeSet<String>> {
        let root = self.bucket(bucket)?;
        let mut keys = BTreeSet::new();
        // The folder that all keys with the prefix are in.
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut folders = vec![start.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if entry.path().is_dir() {
                    folders.push(key);
                } else if key.starts_with(prefix) {
                    keys.insert(key);
                }
            }
        }
        Ok(keys)
    }
}

impl Found {
    fn of(path: PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        let modified = metadata.modified().ok()?;
        let age = modified.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let size = metadata.len();
        // No MD5: that of objects which were put in parts is none either.
        Some(Self {
            path,
            size,
            etag: ETag::Strong(format!("{age:x}-{size:x}")),
            modified: Timestamp::from(modified),
        })
    }
}

/// Where a page of a listing begins and ends.
struct Page {
    prefix: String,
    delimiter: Option<String>,
    after: Option<String>,
    most: usize,
}

/// A page of a listing.
#[derive(Default)]
struct Listed {
    objects: Vec<Object>,
    prefixes: Vec<CommonPrefix>,
    /// The last key or prefix, where there are more.
    next: Option<String>,
}

impl Folder {
    fn list(&self, bucket: &str, page: &Page) -> S3Result<Listed> {
        let mut listed = Listed::default();
        let mut last = String::new();
        let mut count = 0;
        for key in self.keys(bucket, &page.prefix)? {
            let rest = key.get(page.prefix.len()..).unwrap_or_default();
            let common = page
                .delimiter
                .as_deref()
                .and_then(|delimiter| rest.split_once(delimiter).map(|(head, _)| (head, delimiter)))
                .map(|(head, delimiter)| format!("{}{head}{delimiter}", page.prefix));
            let name = common.as_ref().unwrap_or(&key);
            if page.after.as_ref().is_some_and(|after| name <= after) || *name == last {
                continue;
            }
            if count == page.most {
                listed.next = Some(last);
                break;
            }
            count += 1;
            last.clone_from(name);
            if let Some(prefix) = common {
                listed.prefixes.push(CommonPrefix { prefix: Some(prefix) });
            } else if let Ok(found) = self.find(bucket, &key) {
                listed.objects.push(Object {
                    key: Some(key),
                    size: i64::try_from(found.size).ok(),
                    e_tag: Some(found.etag),
                    last_modified: Some(found.modified),
                    ..Object::default()
                });
            }
        }
        Ok(listed)
    }
}

#[async_trait::async_trait]
impl S3 for Folder {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let folders = std::fs::read_dir(&self.root).map_err(S3Error::internal_error)?;
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
        self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.bucket(&request.input.bucket)?;
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
        let listed = self.list(&input.bucket, &page)?;
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
        let listed = match &self.made_up {
            Some(made_up) if input.bucket == MadeUp::BUCKET => made_up.list(&page).await,
            _ => self.list(&input.bucket, &page)?,
        };
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
                let range = Range::check(range, found.size)?;
                let written = format!("bytes {}-{}/{}", range.start, range.end - 1, found.size);
                (range, Some(written))
            }
        };
        let mut file = tokio::fs::File::open(&found.path).await.map_err(S3Error::internal_error)?;
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).await.map_err(S3Error::internal_error)?;
        }
        let length = range.end - range.start;
        let body = ReaderStream::with_capacity(file.take(length), CHUNK);
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(body)),
            content_length: i64::try_from(length).ok(),
            content_range,
            e_tag: Some(found.etag),
            last_modified: Some(found.modified),
            ..GetObjectOutput::default()
        }))
    }
}

fn most(max_keys: Option<i32>) -> usize {
    max_keys.and_then(|most| usize::try_from(most).ok()).map_or(1_000, |most| most.min(1_000))
}

/// Lets everybody in: the objects are no secret, and `curl` signs nothing.
struct Everybody;

#[async_trait::async_trait]
impl S3Access for Everybody {
    async fn check(&self, _: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let root = std::env::args_os().nth(1).context("the folder of the buckets is missing")?;
    let root = Path::new(&root).canonicalize().context("there is no such folder")?;
    let number = |at: usize| std::env::args().nth(at).map(|number| number.parse::<u64>()).transpose();
    let made_up = match (number(2)?, number(3)?) {
        (Some(objects), page) => Some(MadeUp { objects, page: Duration::from_millis(page.unwrap_or(0)) }),
        _ => None,
    };
    let mut builder = S3ServiceBuilder::new(Folder { root, made_up });
    // A signature is looked at only where there are credentials to compare it with.
    builder.set_auth(SimpleAuth::from_single("test", "test"));
    builder.set_access(Everybody);
    let service = builder.build();

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let server = Builder::new(TokioExecutor::new());
    std::thread::spawn(|| {
        // Whoever started this has ended.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        std::process::exit(0);
    });
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        socket.set_nodelay(true).ok();
        let connection = server.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
        tokio::spawn(connection);
    }
}
