//! Puts a folder's files into a bucket.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_sdk_s3::primitives::ByteStream;
use tokio::task::JoinSet;

/// How many files are on their way at once.
const CONCURRENCY: usize = 16;

/// A file of a table and its key in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// The file on this machine.
    pub(crate) path: PathBuf,
    /// The object's key.
    pub(crate) key: String,
}

/// Lists the CSV files of a folder, and names their objects after a prefix.
pub(crate) fn source_files(folder: &Path, prefix: &str) -> anyhow::Result<Vec<SourceFile>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_csv = path.extension().is_some_and(|extension| extension == "csv");
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && is_csv
        {
            let key = format!("{prefix}{name}");
            files.push(SourceFile { path, key });
        }
    }
    files.sort_by(|left, right| left.key.cmp(&right.key));
    anyhow::ensure!(!files.is_empty(), "{} holds no CSV file", folder.display());
    Ok(files)
}

/// Puts the files into the bucket, some at a time.
pub(crate) async fn put(s3: &aws_sdk_s3::Client, bucket: &str, files: &[SourceFile]) -> anyhow::Result<()> {
    let mut uploads = JoinSet::new();
    for file in files {
        if uploads.len() >= CONCURRENCY
            && let Some(done) = uploads.join_next().await
        {
            done??;
        }
        uploads.spawn(put_one(s3.clone(), bucket.to_owned(), file.clone()));
    }
    while let Some(done) = uploads.join_next().await {
        done??;
    }
    Ok(())
}

async fn put_one(s3: aws_sdk_s3::Client, bucket: String, file: SourceFile) -> anyhow::Result<()> {
    let body = ByteStream::from_path(&file.path)
        .await
        .with_context(|| format!("cannot read {}", file.path.display()))?;
    s3.put_object()
        .bucket(bucket)
        .key(&file.key)
        .content_type("text/csv")
        .body(body)
        .send()
        .await
        .with_context(|| format!("cannot upload {}", file.key))?;
    Ok(())
}
