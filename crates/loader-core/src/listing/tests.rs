use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::error::{Error, ErrorName};
use crate::source::{ObjectHead, OpenObject};

/// Keys as a bucket lists them.
#[derive(Default)]
struct Keys {
    all: BTreeSet<String>,
    page: usize,
    /// Requests so far, and how many were under way at most.
    requests: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    /// What it is bad at.
    ignores_start: bool,
    unordered: bool,
}

impl Keys {
    fn of(keys: impl IntoIterator<Item = String>, page: usize) -> Self {
        Self { all: keys.into_iter().collect(), page, ..Self::default() }
    }

    fn page(&self, prefix: &str, after: Option<&str>) -> ListingPage {
        let behind =
            |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
        let mut found = self.all.iter().filter(behind).map(|key| ObjectVersion {
            key: key.clone(),
            etag: String::new(),
            size: 1,
            version_id: None,
            last_modified: None,
        });
        let objects: Vec<_> = found.by_ref().take(self.page).collect();
        let next = found.next().and(objects.last()).map(|last| last.key.clone());
        ListingPage { objects, next }
    }

    async fn answer(&self, prefix: &str, after: Option<&str>) -> ListingPage {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        // Requests overtake each other.
        for _ in 0..=number % 3 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.page(prefix, after)
    }
}

#[async_trait]
impl ObjectSource for Keys {
    fn bucket(&self) -> &'static str {
        "keys"
    }

    fn region(&self) -> &'static str {
        "eu-west-1"
    }

    fn lists_in_order(&self) -> bool {
        !self.unordered
    }

    async fn list(&self, prefix: &str, continuation: Option<String>) -> Result<ListingPage> {
        Ok(self.answer(prefix, continuation.as_deref()).await)
    }

    async fn list_after(&self, prefix: &str, after: &str) -> Result<ListingPage> {
        Ok(self.answer(prefix, Some(after).filter(|_| !self.ignores_start)).await)
    }

    async fn head(&self, _: &str) -> Result<ObjectHead> {
        Err(Error::new(ErrorName::Internal, "nobody asks"))
    }

    async fn open(&self, _: &ObjectVersion, _: Option<u64>) -> Result<OpenObject> {
        Err(Error::new(ErrorName::Internal, "nobody asks"))
    }

    async fn open_from(&self, _: &ObjectVersion, _: u64) -> Result<OpenObject> {
        Err(Error::new(ErrorName::Internal, "nobody asks"))
    }
}

const BOUNDS: Bounds = Bounds { patience: 2, at_once: 16, ahead: 10_000, page: 100 };

async fn list(keys: &Keys, prefix: &str, bounds: Bounds) -> Vec<String> {
    let mut pages = Pages::within(keys, prefix, bounds);
    let mut listed = Vec::new();
    while let Some(objects) = pages.next().await.unwrap() {
        assert!(!objects.is_empty());
        listed.extend(objects.into_iter().map(|object| object.key));
    }
    assert!(pages.next().await.unwrap().is_none(), "an end is an end");
    listed
}

/// Lists keys, compares them, and returns how many requests that took for ten pages, and
/// how many were under way at once.
async fn measured(keys: Vec<String>) -> (usize, usize) {
    let pages = keys.len().div_ceil(BOUNDS.page);
    let source = Keys::of(keys, BOUNDS.page);
    let listed = list(&source, "t/", BOUNDS).await;
    assert!(listed.iter().eq(source.all.iter()));
    (source.requests.into_inner() * 10 / pages, source.most.into_inner())
}

#[tokio::test]
async fn keys_that_count_up_take_few_requests_and_many_at_once() {
    let (requests, most) = measured((0..20_000).map(|n| format!("t/part-{n:07}.csv")).collect()).await;
    assert!(requests < 15, "{requests}");
    assert!(most > BOUNDS.at_once / 2, "{most}");
}

#[tokio::test]
async fn keys_without_leading_zeros_take_few_requests() {
    let (requests, _) = measured((0..20_000).map(|n| format!("t/{n}.csv")).collect()).await;
    assert!(requests < 30, "{requests}");
}

#[tokio::test]
async fn random_keys_take_few_requests() {
    let key = |n: u64| format!("t/{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (requests, most) = measured((0..20_000).map(key).collect()).await;
    assert!(requests < 20, "{requests}");
    assert!(most > BOUNDS.at_once / 2, "{most}");
}

#[tokio::test]
async fn folders_of_days_take_few_requests() {
    for files in [3, 70, 1000] {
        let keys = (0..20_000 / files)
            .flat_map(|day| {
                let (year, month, day) = (2000 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
                (0..files).map(move |n| format!("t/{year}/{month:02}/{day:02}/part-{n:05}.csv"))
            })
            .collect();
        let (requests, _) = measured(keys).await;
        assert!(requests < 40, "{files} files a day: {requests}");
    }
}

#[tokio::test]
async fn a_short_listing_is_listed_page_by_page() {
    let source = Keys::of((0..150).map(|n| format!("t/{n:03}")), 100);
    assert_eq!(list(&source, "t/", BOUNDS).await.len(), 150);
    assert_eq!((source.requests.into_inner(), source.most.into_inner()), (2, 1));
    let source = Keys::of([], 100);
    assert!(list(&source, "t/", BOUNDS).await.is_empty());
}

#[tokio::test]
async fn a_source_without_order_is_listed_page_by_page() {
    let source = Keys { unordered: true, ..Keys::of((0..2_000).map(|n| format!("t/{n:04}")), 100) };
    assert_eq!(list(&source, "t/", BOUNDS).await.len(), 2_000);
    assert_eq!((source.requests.into_inner(), source.most.into_inner()), (20, 1));
}

#[tokio::test]
async fn a_source_that_begins_where_it_was_not_asked_is_listed_page_by_page() {
    let source = Keys { ignores_start: true, ..Keys::of((0..2_000).map(|n| format!("t/{n:04}")), 100) };
    let listed = list(&source, "t/", BOUNDS).await;
    assert!(listed.iter().eq(source.all.iter()));
}

#[tokio::test]
async fn what_is_held_ahead_is_bounded() {
    let source = Arc::new(Keys::of((0..50_000).map(|n| format!("t/{n:07}")), 100));
    let bounds = Bounds { ahead: 1_000, ..BOUNDS };
    let mut pages = Pages::within(source.as_ref(), "t/", bounds);
    while let Some(objects) = pages.next().await.unwrap() {
        drop(objects);
        let held = pages.ranges.as_ref().map_or(0, |ranges| ranges.ready);
        // One page more than fits may be asked for.
        assert!(held <= bounds.ahead + bounds.page, "{held}");
    }
}

fn keys() -> impl Strategy<Value = BTreeSet<String>> {
    prop_oneof![
        proptest::collection::btree_set("t/[0-9a-c]{0,4}", 0..200),
        proptest::collection::btree_set("(t/)?[a-c/]{0,6}", 0..200),
        proptest::collection::btree_set("t/(a/|b/|ä/|🌧/)?[0-9]{1,3}(\\.csv)?", 0..200),
        proptest::collection::btree_set("t/\\PC{0,5}", 0..100),
        proptest::collection::btree_set(".{0,3}", 0..100),
    ]
}

proptest! {
    #[test]
    fn ranges_are_what_pages_are(
        keys in keys(),
        prefix in prop_oneof![Just("t/"), Just(""), Just("t/a"), Just("none")],
        page in 1_usize..12,
        patience in 1_usize..4,
        at_once in 1_usize..20,
        ahead in 1_usize..100,
    ) {
        let source = Keys::of(keys, page);
        let bounds = Bounds { patience, at_once, ahead, page };
        let listed = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(list(&source, prefix, bounds));
        let expected: Vec<String> = source.all.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
        prop_assert_eq!(listed, expected);
    }
}
