//! Cuts objects into batches that are even in bytes.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::parts::Part;
use crate::source::ObjectVersion;

/// What one child of the map loads: one line of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The batch's number in its plan, from 0.
    pub batch: u32,
    /// Its objects.
    pub objects: Vec<ObjectVersion>,
    /// The part of its only object that it loads; all of it if none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// The bounds of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchBounds {
    /// The most bytes of data, unless one object alone is larger: so much is
    /// loaded well inside the child's time limit.
    pub max_bytes: u64,
    /// The most objects.
    pub max_objects: usize,
    /// The most bytes of the plan's line. Step Functions passes an item and its
    /// surroundings to a child as at most 256 KiB.
    pub max_line_bytes: usize,
    /// The fewest batches to aim for, so that every connection has work and a
    /// slow batch does not hold up the rest.
    pub min_batches: usize,
}

/// What the JSON of an object's entry adds to the key, the tag and the version:
/// field names, quotes, the size's digits.
const LINE_OVERHEAD: usize = 64;

fn line_bytes(object: &ObjectVersion) -> usize {
    // A key's characters may double or grow sixfold (`\u0001`) in JSON.
    let key = serde_json::to_string(&object.key).map_or(object.key.len() * 6, |json| json.len());
    key + object.etag.len() + object.version_id.as_ref().map_or(0, String::len) + LINE_OVERHEAD
}

/// Cuts the objects, in their order, into batches that are even in bytes.
///
/// Every object is in exactly one batch. The bytes are divided into even shares,
/// as few as keep the bounds; an object belongs to the share that its middle
/// byte falls into, and a batch is what belongs to one share. An import cuts its batch into
/// transactions by the same rule.
#[must_use]
pub fn cut<O: Borrow<ObjectVersion>>(objects: Vec<O>, bounds: &BatchBounds) -> Vec<Vec<O>> {
    let max_objects = bounds.max_objects.max(1);
    let total: u128 = objects.iter().map(|object| u128::from(object.borrow().size)).sum();
    let by_bytes = total.div_ceil(u128::from(bounds.max_bytes.max(1)));
    let by_objects = objects.len().div_ceil(max_objects).max(bounds.min_batches) as u128;
    let shares = by_bytes.max(by_objects).min(objects.len() as u128);

    let mut batches = Vec::new();
    let mut current = Current::new();
    let mut before: u128 = 0;
    for object in objects {
        let size = object.borrow().size;
        let middle = before + u128::from(size) / 2;
        before += u128::from(size);
        let share = (middle * shares).checked_div(total).unwrap_or(0);
        let line_bytes = line_bytes(object.borrow());
        let full = current.share != share
            || current.objects.len() >= max_objects
            || current.bytes.saturating_add(size) > bounds.max_bytes
            || current.line_bytes + line_bytes > bounds.max_line_bytes;
        if full && !current.objects.is_empty() {
            batches.push(std::mem::replace(&mut current, Current::new()).objects);
        }
        current.share = share;
        current.bytes = current.bytes.saturating_add(size);
        current.line_bytes += line_bytes;
        current.objects.push(object);
    }
    if !current.objects.is_empty() {
        batches.push(current.objects);
    }
    batches
}

/// The batch that is being filled.
struct Current<O> {
    share: u128,
    bytes: u64,
    line_bytes: usize,
    objects: Vec<O>,
}

impl<O> Current<O> {
    const fn new() -> Self {
        Self { share: 0, bytes: 0, line_bytes: 0, objects: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(n: usize, size: u64) -> ObjectVersion {
        ObjectVersion {
            key: format!("t/{n:05}.csv"),
            etag: "e".repeat(32),
            size,
            version_id: None,
            last_modified: None,
        }
    }

    fn bounds() -> BatchBounds {
        BatchBounds { max_bytes: 1000, max_objects: 10, max_line_bytes: 128 * 1024, min_batches: 1 }
    }

    #[test]
    fn no_objects_make_no_batches() {
        assert!(cut(Vec::<ObjectVersion>::new(), &bounds()).is_empty());
    }

    #[test]
    fn even_objects_make_even_batches() {
        let objects: Vec<_> = (0..100).map(|n| object(n, 100)).collect();
        let batches =
            cut(objects, &BatchBounds { max_bytes: 10_000, max_objects: 500, min_batches: 8, ..bounds() });
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 100);
        assert_eq!(sizes.len(), 8);
        assert!(sizes.iter().all(|n| (12..=13).contains(n)), "{sizes:?}");
    }

    #[test]
    fn a_large_object_has_a_batch_of_its_own() {
        let batches = cut(vec![object(0, 10), object(1, 5000), object(2, 10)], &bounds());
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn long_keys_keep_a_line_below_its_limit() {
        let objects: Vec<_> = (0..400)
            .map(|n| ObjectVersion {
                key: format!("t/{n}{}", "\u{1}".repeat(1000)),
                etag: "e".into(),
                size: 1,
                version_id: None,
                last_modified: None,
            })
            .collect();
        let bounds =
            BatchBounds { max_bytes: 1 << 40, max_objects: 500, max_line_bytes: 64 * 1024, min_batches: 1 };
        for (n, objects) in cut(objects, &bounds).into_iter().enumerate() {
            let line =
                serde_json::to_string(&Batch { batch: u32::try_from(n).unwrap(), objects, part: None })
                    .unwrap();
            assert!(line.len() < 65 * 1024, "{}", line.len());
        }
    }

    proptest! {
        #[test]
        fn every_object_is_in_exactly_one_batch_within_the_bounds(
            sizes in proptest::collection::vec(0_u64..3000, 0..200),
            max_bytes in 1_u64..5000,
            max_objects in 1_usize..50,
            min_batches in 0_usize..20,
        ) {
            let objects: Vec<_> = sizes.iter().enumerate().map(|(n, size)| object(n, *size)).collect();
            let bounds = BatchBounds { max_bytes, max_objects, max_line_bytes: 64 * 1024, min_batches };
            let batches = cut(objects.clone(), &bounds);
            prop_assert_eq!(batches.concat(), objects);
            for batch in &batches {
                prop_assert!(!batch.is_empty());
                prop_assert!(batch.len() <= max_objects);
                let bytes: u64 = batch.iter().map(|object| object.size).sum();
                prop_assert!(bytes <= max_bytes || batch.len() == 1);
            }
        }

        #[test]
        fn batches_are_even_to_within_one_object(
            sizes in proptest::collection::vec(1_u64..100, 1..300),
            min_batches in 1_usize..20,
        ) {
            let objects: Vec<_> = sizes.iter().enumerate().map(|(n, size)| object(n, *size)).collect();
            let bounds = BatchBounds { max_bytes: u64::MAX, max_objects: usize::MAX, max_line_bytes: usize::MAX, min_batches };
            let total: u64 = sizes.iter().sum();
            let largest = sizes.iter().max().copied().unwrap_or(0);
            let batches = cut(objects, &bounds);
            let share = total / min_batches.min(sizes.len()) as u64;
            for batch in &batches {
                let bytes: u64 = batch.iter().map(|object| object.size).sum();
                prop_assert!(bytes <= share + 2 * largest, "{bytes} of {share}");
            }
        }
    }
}
