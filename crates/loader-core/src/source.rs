//! Where objects come from, as the core sees it: listed in pages, opened at one
//! version, read in chunks.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// One object at one version: what a run plans, claims and loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// The key in the source bucket.
    pub key: String,
    /// The entity tag, with its quotes taken off. An identity, not a checksum:
    /// multipart and KMS objects have tags that are no MD5.
    pub etag: String,
    /// The size in bytes, as listed.
    pub size: u64,
    /// The version id, where the bucket is versioned and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// When it was written, in seconds since 1970. Only a listing knows it: it is no
    /// part of the version, and not in a plan.
    #[serde(skip)]
    pub last_modified: Option<i64>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListingPage {
    /// The objects, in the order of their keys.
    pub objects: Vec<ObjectVersion>,
    /// What to ask the next page with; none on the last page.
    pub next: Option<String>,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// The entity tag now, with its quotes taken off.
    pub etag: String,
    /// The size in bytes now.
    pub size: u64,
    /// The `Content-Encoding` header, when set and not empty.
    pub content_encoding: Option<String>,
}

/// The bytes of an object, in chunks as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// An object that is being read.
pub struct OpenObject {
    /// What is known of it.
    pub head: ObjectHead,
    /// Its bytes: stored bytes, never unpacked on the way.
    pub body: ByteStream,
}

/// A bucket that holds the objects to load.
///
/// # Errors
/// `SourceUnavailable` (try again), `ObjectChanged` (the version is no
/// longer there), `ObjectMissing`, `AccessDenied`, `BucketMissing`,
/// `WrongRegion`. They name the bucket, the key and the permission.
#[async_trait]
pub trait ObjectSource: Send + Sync {
    /// Returns the bucket's name.
    fn bucket(&self) -> &str;

    /// Returns the bucket's region.
    fn region(&self) -> &str;

    /// Returns whether objects are listed in the order of their keys' bytes, and from
    /// behind any key on.
    fn lists_in_order(&self) -> bool {
        true
    }

    /// Lists up to 1,000 objects whose keys start with `prefix`, in key order.
    async fn list(&self, prefix: &str, continuation: Option<String>) -> Result<ListingPage>;

    /// Lists up to 1,000 objects whose keys start with `prefix` and come behind `after`,
    /// which need not be there. Only for those that list in order.
    async fn list_after(&self, prefix: &str, after: &str) -> Result<ListingPage>;

    /// Reads what is known of the object now.
    async fn head(&self, key: &str) -> Result<ObjectHead>;

    /// Opens exactly this version, the first `limit` bytes of it if given.
    async fn open(&self, object: &ObjectVersion, limit: Option<u64>) -> Result<OpenObject>;

    /// Opens exactly this version from its byte `from` on, to its end.
    async fn open_from(&self, object: &ObjectVersion, from: u64) -> Result<OpenObject>;
}

/// A bucket that holds what the application writes for itself: plans and
/// results, and the tables' definitions.
#[async_trait]
pub trait WorkStore: Send + Sync {
    /// Returns the bucket's name.
    fn bucket(&self) -> &str;

    /// Reads a small object whole; none if there is none. More than `limit`
    /// bytes are an `InvalidDefinition`.
    async fn read(&self, key: &str, limit: usize) -> Result<Option<Bytes>>;

    /// Starts to write an object. Nothing is there until `finish`.
    async fn write(&self, key: &str) -> Result<Box<dyn WorkWriter>>;
}

/// An object of the work bucket that is being written.
#[async_trait]
pub trait WorkWriter: Send {
    /// Appends bytes; memory stays bounded however many there are.
    async fn append(&mut self, bytes: Bytes) -> Result<()>;

    /// Makes the object be there.
    async fn finish(self: Box<Self>) -> Result<()>;
}

/// Where messages for people and machines go.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends one message and returns its id. `subject` is at most 100
    /// characters of printable ASCII.
    async fn send(&self, message: &crate::report::Message) -> Result<String>;
}
