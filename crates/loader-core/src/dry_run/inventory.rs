//! What is below the prefix: counted all of it, and kept for reading as far as memory
//! allows.

use std::collections::BTreeMap;

use super::report::{MOST_NAMED, ObjectsReport, SkipReport};
use crate::source::ObjectVersion;

/// Objects that are kept. Of more, every second one is let go, then every second of
/// those, and so on: what stays is spread over the listing.
const MOST_KEPT: usize = 200_000;

/// The objects of a listing.
pub(super) struct Inventory {
    listed: u64,
    bytes: u64,
    to_load: u64,
    skipped: BTreeMap<String, (u64, String)>,
    kept: Vec<ObjectVersion>,
    /// Of so many objects one is kept.
    step: u64,
}

impl Default for Inventory {
    fn default() -> Self {
        Self { listed: 0, bytes: 0, to_load: 0, skipped: BTreeMap::new(), kept: Vec::new(), step: 1 }
    }
}

impl Inventory {
    pub(super) fn skip(&mut self, object: ObjectVersion, reason: String) {
        self.listed += 1;
        self.skipped.entry(reason).or_insert((0, object.key)).0 += 1;
    }

    pub(super) fn load(&mut self, object: ObjectVersion) {
        self.listed += 1;
        self.bytes += object.size;
        if self.to_load.is_multiple_of(self.step) {
            self.kept.push(object);
        }
        self.to_load += 1;
        if self.kept.len() >= MOST_KEPT {
            let mut number = 0_usize;
            self.kept.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.step *= 2;
        }
    }

    pub(super) const fn to_load(&self) -> u64 {
        self.to_load
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the objects in an order in which any number of the first ones is spread
    /// over the listing: the first, the one in the middle, those at the quarters …
    pub(super) fn spread(&self) -> impl Iterator<Item = &ObjectVersion> {
        let bits = usize::BITS - self.kept.len().saturating_sub(1).leading_zeros();
        (0..1_usize << bits)
            .map(move |number| if bits == 0 { 0 } else { number.reverse_bits() >> (usize::BITS - bits) })
            .filter_map(|at| self.kept.get(at))
    }

    pub(super) fn report(&self) -> ObjectsReport {
        let mut reasons: Vec<SkipReport> = self
            .skipped
            .iter()
            .map(|(reason, (objects, first))| SkipReport {
                reason: reason.clone(),
                objects: *objects,
                first: first.clone(),
            })
            .collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.objects));
        reasons.truncate(MOST_NAMED);
        ObjectsReport {
            listed: self.listed,
            to_load: self.to_load,
            bytes: self.bytes,
            skipped: self.listed - self.to_load,
            skip_reasons: reasons,
            ..ObjectsReport::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn inventory(n: usize) -> Inventory {
        let mut inventory = Inventory::default();
        for at in 0..n {
            inventory.load(ObjectVersion {
                key: format!("{at:07}"),
                etag: String::new(),
                size: 1,
                version_id: None,
                last_modified: None,
            });
        }
        inventory
    }

    #[test]
    fn every_object_comes_once_and_the_first_ones_are_spread() {
        for n in [0, 1, 2, 3, 7, 8, 9, 1000] {
            let inventory = inventory(n);
            let order: Vec<&str> = inventory.spread().map(|object| object.key.as_str()).collect();
            assert_eq!(order.len(), n);
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), n);
        }
        let spread = inventory(1024);
        let first: Vec<&str> = spread.spread().take(4).map(|object| object.key.as_str()).collect();
        assert_eq!(first, ["0000000", "0000512", "0000256", "0000768"]);
    }

    #[test]
    fn a_listing_that_is_too_long_is_counted_whole_and_kept_in_part() {
        let inventory = inventory(MOST_KEPT * 3);
        assert_eq!((inventory.to_load(), inventory.bytes()), (600_000, 600_000));
        assert!((MOST_KEPT / 2..MOST_KEPT).contains(&inventory.kept.len()), "{}", inventory.kept.len());
        let keys: Vec<u64> = inventory.kept.iter().map(|object| object.key.parse().unwrap()).collect();
        assert!(keys.array_windows().all(|[one, next]| next - one == 4), "evenly");
    }
}
