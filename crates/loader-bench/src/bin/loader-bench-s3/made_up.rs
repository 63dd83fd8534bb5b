//! A bucket of very many objects that all are the same file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use s3s::dto::{ETag, Object};

use crate::folder::{Found, Listed, Page};

/// A bucket of very many objects, of which a page of a listing takes its time.
pub(crate) struct MadeUp {
    objects: u64,
    page: Duration,
    file: PathBuf,
    found: Found,
}

impl MadeUp {
    pub(crate) const BUCKET: &str = "made-up";

    /// Reads `<objects> <milliseconds> <file>`; none where there is nothing.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Option<Self>> {
        let Some(objects) = arguments.next() else { return Ok(None) };
        let page = arguments.next().context("the milliseconds of a page are missing")?;
        let file = PathBuf::from(arguments.next().context("the file of all objects is missing")?);
        let number = |text: OsString| text.to_string_lossy().parse::<u64>();
        Ok(Some(Self {
            objects: number(objects)?,
            page: Duration::from_millis(number(page)?),
            found: Found::of(file.clone()).context("there is no such file")?,
            file,
        }))
    }

    fn key(number: u64) -> String {
        format!("t/part-{number:08}.csv")
    }

    /// Every object has an `ETag` of its own, as it would if they differed.
    fn etag(number: u64) -> ETag {
        ETag::Strong(format!("{number:032x}"))
    }

    /// Finds an object.
    pub(crate) fn find(&self, key: &str) -> Option<Found> {
        let number = key.strip_prefix("t/part-")?.strip_suffix(".csv")?.parse().ok()?;
        let is_there = number < self.objects && Self::key(number) == key;
        is_there.then(|| Found { path: self.file.clone(), etag: Self::etag(number), ..self.found.clone() })
    }

    pub(crate) async fn list(&self, page: &Page) -> Listed {
        tokio::time::sleep(self.page).await;
        // Keys are all of one length, so that those with a prefix are side by side.
        let first = self.first(|key| key < page.prefix.as_str() || page.after.as_deref() >= Some(key));
        let behind = self.first(|key| key < page.prefix.as_str() || key.starts_with(&page.prefix));
        let end = behind.min(first + page.most as u64);
        let object = |number: u64| Object {
            key: Some(Self::key(number)),
            size: i64::try_from(self.found.size).ok(),
            e_tag: Some(Self::etag(number)),
            last_modified: Some(self.found.modified.clone()),
            ..Object::default()
        };
        Listed {
            objects: (first..end).map(object).collect(),
            prefixes: Vec::new(),
            next: (end < behind).then(|| Self::key(end - 1)),
        }
    }

    /// Returns the first number of which that is not so: it is so of those before only.
    fn first(&self, is_before: impl Fn(&str) -> bool) -> u64 {
        let (mut first, mut high) = (0, self.objects);
        while first < high {
            let middle = first.midpoint(high);
            if is_before(&Self::key(middle)) { first = middle + 1 } else { high = middle }
        }
        first
    }
}
