//! Buckets and a topic in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use loader_core::error::{Error, ErrorName, Result};
use loader_core::report::Message;
use loader_core::source::{
    ListingPage, Notifier, ObjectHead, ObjectSource, ObjectVersion, OpenObject, WorkStore, WorkWriter,
};

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    etag: String,
    last_modified: i64,
    content_encoding: Option<String>,
    /// The next reads break off after so many bytes.
    breaks: Vec<usize>,
    /// What follows the bytes, and how often: more than memory holds.
    repeated: Option<(Bytes, u64)>,
}

/// A source bucket in memory.
pub struct MemorySource {
    objects: Mutex<BTreeMap<String, Stored>>,
    puts: Mutex<u64>,
    /// How many objects a page of a listing has.
    pub page: usize,
    /// How many bytes a chunk has.
    pub chunk: usize,
    opened: Mutex<Vec<String>>,
}

impl Default for MemorySource {
    fn default() -> Self {
        Self {
            objects: Mutex::default(),
            puts: Mutex::default(),
            page: 1000,
            chunk: 8192,
            opened: Mutex::default(),
        }
    }
}

impl MemorySource {
    /// Puts an object; another of the same key is overwritten and gets another tag.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.put_encoded(key, bytes, None);
    }

    /// Puts an object with a `Content-Encoding`.
    pub fn put_encoded(&self, key: &str, bytes: impl Into<Bytes>, content_encoding: Option<&str>) {
        let mut puts = self.puts.lock().expect("no panic before");
        *puts += 1;
        let stored = Stored {
            bytes: bytes.into(),
            etag: format!("etag-{}", *puts),
            last_modified: now(),
            content_encoding: content_encoding.map(ToOwned::to_owned),
            breaks: Vec::new(),
            repeated: None,
        };
        self.objects.lock().expect("no panic before").insert(key.to_owned(), stored);
    }

    /// Lets an object have been written so many seconds ago.
    pub fn age(&self, key: &str, seconds: i64) {
        let mut objects = self.objects.lock().expect("no panic before");
        objects.get_mut(key).expect("the object").last_modified = now() - seconds;
    }

    /// Puts an object that goes on with the same chunk over and over.
    pub fn put_repeated(&self, key: &str, start: impl Into<Bytes>, chunk: impl Into<Bytes>, times: u64) {
        self.put(key, start);
        let mut objects = self.objects.lock().expect("no panic before");
        objects.get_mut(key).expect("the object").repeated = Some((chunk.into(), times));
    }

    /// Removes an object.
    pub fn remove(&self, key: &str) {
        self.objects.lock().expect("no panic before").remove(key);
    }

    /// Lets the next read of an object break off after so many bytes.
    pub fn break_next_read(&self, key: &str, after: usize) {
        self.objects.lock().expect("no panic before").get_mut(key).expect("the object").breaks.push(after);
    }

    /// Returns the keys that have been opened whole since the last call.
    pub fn take_opened(&self) -> Vec<String> {
        std::mem::take(&mut *self.opened.lock().expect("no panic before"))
    }

    fn find(&self, key: &str) -> Result<Stored> {
        self.objects
            .lock()
            .expect("no panic before")
            .get(key)
            .cloned()
            .ok_or_else(|| Error::new(ErrorName::ObjectMissing, format!("the object {key} is gone")))
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("a while to go")
}

fn head(stored: &Stored) -> ObjectHead {
    ObjectHead {
        etag: stored.etag.clone(),
        size: stored.bytes.len() as u64,
        content_encoding: stored.content_encoding.clone(),
    }
}

#[async_trait]
impl ObjectSource for MemorySource {
    fn bucket(&self) -> &'static str {
        "memory"
    }

    fn region(&self) -> &'static str {
        "eu-west-1"
    }

    async fn list(&self, prefix: &str, continuation: Option<String>) -> Result<ListingPage> {
        let objects = self.objects.lock().expect("no panic before");
        let mut found = objects
            .iter()
            .filter(|(key, _)| {
                key.starts_with(prefix) && continuation.as_ref().is_none_or(|after| *key > after)
            })
            .map(|(key, stored)| ObjectVersion {
                key: key.clone(),
                etag: stored.etag.clone(),
                size: stored.bytes.len() as u64,
                version_id: None,
                last_modified: Some(stored.last_modified),
            });
        let page: Vec<_> = found.by_ref().take(self.page).collect();
        let next = found.next().and(page.last()).map(|object| object.key.clone());
        Ok(ListingPage { objects: page, next })
    }

    async fn list_after(&self, prefix: &str, after: &str) -> Result<ListingPage> {
        self.list(prefix, Some(after.to_owned())).await
    }

    async fn head(&self, key: &str) -> Result<ObjectHead> {
        Ok(head(&self.find(key)?))
    }

    async fn open(&self, object: &ObjectVersion, limit: Option<u64>) -> Result<OpenObject> {
        let stored = self.find(&object.key)?;
        if stored.etag != object.etag {
            return Err(Error::new(
                ErrorName::ObjectChanged,
                format!("the object {} was overwritten since it was listed", object.key),
            ));
        }
        if limit.is_none() {
            self.opened.lock().expect("no panic before").push(object.key.clone());
        }
        let length = limit.map_or(stored.bytes.len(), |limit| {
            stored.bytes.len().min(usize::try_from(limit).unwrap_or(usize::MAX))
        });
        let breaks = self
            .objects
            .lock()
            .expect("no panic before")
            .get_mut(&object.key)
            .and_then(|stored| stored.breaks.pop());
        let given = breaks.map_or(length, |after| length.min(after));
        let mut chunks: Vec<Result<Bytes>> = Vec::new();
        let mut at = 0;
        while at < given {
            let end = (at + self.chunk).min(given);
            chunks.push(Ok(stored.bytes.slice(at..end)));
            at = end;
        }
        if let (Some((chunk, times)), None) = (&stored.repeated, limit) {
            let chunk = chunk.clone();
            let rest = stream::iter(0..*times).map(move |_| Ok(chunk.clone()));
            return Ok(OpenObject { head: head(&stored), body: Box::pin(stream::iter(chunks).chain(rest)) });
        }
        if breaks.is_some() {
            chunks.push(Err(Error::new(ErrorName::SourceUnavailable, "the read broke off")));
        }
        Ok(OpenObject { head: head(&stored), body: Box::pin(stream::iter(chunks)) })
    }

    async fn open_from(&self, object: &ObjectVersion, from: u64) -> Result<OpenObject> {
        let stored = self.find(&object.key)?;
        if stored.etag != object.etag {
            return Err(Error::new(
                ErrorName::ObjectChanged,
                format!("the object {} was overwritten since it was listed", object.key),
            ));
        }
        let rest = stored.bytes.slice(usize::try_from(from).unwrap_or(usize::MAX).min(stored.bytes.len())..);
        let chunks: Vec<Result<Bytes>> = (0..rest.len())
            .step_by(self.chunk)
            .map(|at| Ok(rest.slice(at..rest.len().min(at + self.chunk))))
            .collect();
        Ok(OpenObject { head: head(&stored), body: Box::pin(stream::iter(chunks)) })
    }
}

/// A work bucket in memory.
#[derive(Default)]
pub struct MemoryWork {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl MemoryWork {
    /// Puts an object.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.objects.lock().expect("no panic before").insert(key.to_owned(), bytes.into());
    }

    /// Returns an object's lines.
    #[must_use]
    pub fn lines(&self, key: &str) -> Vec<String> {
        let objects = self.objects.lock().expect("no panic before");
        let bytes = objects.get(key).unwrap_or_else(|| panic!("no object {key}"));
        String::from_utf8_lossy(bytes).lines().map(ToOwned::to_owned).collect()
    }
}

#[async_trait]
impl WorkStore for MemoryWork {
    fn bucket(&self) -> &'static str {
        "work-bucket"
    }

    async fn read(&self, key: &str, _limit: usize) -> Result<Option<Bytes>> {
        Ok(self.objects.lock().expect("no panic before").get(key).cloned())
    }

    async fn write(&self, key: &str) -> Result<Box<dyn WorkWriter>> {
        Ok(Box::new(MemoryWriter {
            objects: Arc::clone(&self.objects),
            key: key.to_owned(),
            bytes: Vec::new(),
        }))
    }
}

struct MemoryWriter {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
    key: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl WorkWriter for MemoryWriter {
    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.objects.lock().expect("no panic before").insert(self.key, Bytes::from(self.bytes));
        Ok(())
    }
}

/// A topic in memory.
#[derive(Default)]
pub struct MemoryNotifier {
    messages: Mutex<Vec<Message>>,
}

impl MemoryNotifier {
    /// Returns what was sent.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().expect("no panic before").clone()
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn send(&self, message: &Message) -> Result<String> {
        let mut messages = self.messages.lock().expect("no panic before");
        messages.push(message.clone());
        Ok(format!("message-{}", messages.len()))
    }
}
