//! A folder whose folders are buckets.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use futures_util::TryStreamExt as _;
use s3s::dto::{CommonPrefix, ETag, Object, StreamingBlob, Timestamp};
use s3s::{S3Error, S3Result, s3_error};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::StreamReader;

/// Buckets are folders, and the objects are the files in them.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) root: PathBuf,
}

/// A file as S3 tells of it.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) etag: ETag,
    pub(crate) modified: Timestamp,
}

impl Found {
    pub(crate) fn of(path: PathBuf) -> Option<Self> {
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
pub(crate) struct Page {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) most: usize,
}

/// A page of a listing.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Object>,
    pub(crate) prefixes: Vec<CommonPrefix>,
    /// The last key or prefix, where there are more.
    pub(crate) next: Option<String>,
}

impl Folder {
    pub(crate) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let folder = self.root.join(bucket);
        if folder.is_dir() { Ok(folder) } else { Err(s3_error!(NoSuchBucket)) }
    }

    pub(crate) fn find(&self, bucket: &str, key: &str) -> S3Result<Found> {
        Found::of(self.path(bucket, key)?).ok_or_else(|| s3_error!(NoSuchKey))
    }

    fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        // A key may not lead out of the folder.
        if key.split('/').any(|part| part == ".." || part.is_empty()) {
            return Err(s3_error!(NoSuchKey));
        }
        Ok(self.bucket(bucket)?.join(key))
    }

    /// Writes an object.
    pub(crate) async fn write(&self, bucket: &str, key: &str, body: Option<StreamingBlob>) -> S3Result<ETag> {
        let path = self.path(bucket, key)?;
        let write = async {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).await?;
            }
            let mut file = fs::File::create(&path).await?;
            if let Some(body) = body {
                tokio::io::copy(&mut StreamReader::new(body.map_err(io::Error::other)), &mut file).await?;
            }
            file.flush().await
        };
        write.await.map_err(S3Error::internal_error)?;
        Ok(self.find(bucket, key)?.etag)
    }

    /// Makes an object of others, which are gone then.
    pub(crate) async fn join(&self, bucket: &str, key: &str, parts: &[String]) -> S3Result<ETag> {
        let path = self.path(bucket, key)?;
        let parts = parts.iter().map(|part| self.path(bucket, part)).collect::<S3Result<Vec<_>>>()?;
        let join = async {
            let mut file = fs::File::create(&path).await?;
            for part in &parts {
                tokio::io::copy(&mut fs::File::open(part).await?, &mut file).await?;
                fs::remove_file(part).await?;
            }
            file.flush().await
        };
        join.await.map_err(S3Error::internal_error)?;
        Ok(self.find(bucket, key)?.etag)
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

    pub(crate) fn list(&self, bucket: &str, page: &Page) -> S3Result<Listed> {
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
