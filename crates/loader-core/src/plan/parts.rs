//! Cuts a big object into parts that are loaded side by side.
//!
//! A part is a range of bytes, and has the records that begin in it. Where those begin
//! is found out when the part is loaded.

use serde::{Deserialize, Serialize};

use crate::definition::dialect::Format;
use crate::definition::drift::{Filled, Metadata};
use crate::definition::{EngineChoice, ResolvedDefinition};
use crate::record::unit;

/// From how many times a part's bytes on an object is cut into parts.
const WORTH_IT: u64 = 2;

/// A part of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its number in the object, from 0.
    pub number: u32,
    /// How many parts the object has.
    pub of: u32,
    /// The first byte.
    pub from: u64,
    /// The first byte behind it.
    pub to: u64,
}

impl Part {
    /// Whether it is the last one of its object.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.number + 1 >= self.of
    }
}

/// Cuts an object into even parts of at most so many bytes; none if it is too small for
/// that.
#[must_use]
pub fn parts(size: u64, part_bytes: u64) -> Vec<Part> {
    let part_bytes = part_bytes.max(1);
    if size / part_bytes < WORTH_IT {
        return Vec::new();
    }
    let Ok(of) = u32::try_from(size.div_ceil(part_bytes)) else { return Vec::new() };
    let place = |number: u32| {
        let place = u128::from(size) * u128::from(number) / u128::from(of);
        u64::try_from(place).unwrap_or(size)
    };
    (0..of).map(|number| Part { number, of, from: place(number), to: place(number + 1) }).collect()
}

/// Says what keeps all objects of a run from being loaded in parts.
pub(super) fn obstacle(definition: &ResolvedDefinition) -> Option<&'static str> {
    if definition.engine == EngineChoice::AwsS3 {
        return Some("aws_s3 loads objects as a whole");
    }
    if definition.tolerated_failed_objects > 0 {
        return Some("one that fails could not be taken out again, and failed objects are tolerated");
    }
    if definition.columns.iter().any(|column| column.filled == Filled::Metadata(Metadata::Line)) {
        return Some("the lines of its rows are in the column _line");
    }
    if definition.columns.iter().any(|column| column.base.has_ordered_default && !column.required) {
        return Some("a column is numbered in the order of the rows");
    }
    if definition.dialect.is_sniffed() {
        return Some("its dialect is found out from its beginning");
    }
    let Ok(dialect) = definition.dialect.complete() else { return Some("its dialect is not valid") };
    if dialect.format == Format::Text {
        return Some("a mark may end it anywhere");
    }
    if unit(&dialect.encoding).is_none() {
        return Some("its encoding can't be read from the midst");
    }
    let is_plain = |sign: Option<char>| sign.is_none_or(|sign| sign.is_ascii());
    let ends_lines = matches!(dialect.line_end.as_deref(), None | Some("\n" | "\r\n"));
    if !is_plain(dialect.quote) || !is_plain(dialect.escape) || !ends_lines {
        return Some("its records can't be told apart from the midst");
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_object_is_not_cut() {
        assert!(parts(199, 100).is_empty());
        assert_eq!(parts(200, 100).len(), 2);
        assert!(parts(0, 0).is_empty());
        assert!(parts(u64::MAX, u64::MAX).is_empty());
    }

    proptest! {
        #[test]
        fn parts_are_the_object_and_even(size in 0_u64..10_000, part_bytes in 1_u64..500) {
            let parts = parts(size, part_bytes);
            let mut at = 0;
            for (number, part) in (0..).zip(&parts) {
                prop_assert_eq!((part.number, part.of as usize), (number, parts.len()));
                prop_assert_eq!(part.from, at);
                prop_assert!(part.to > part.from && part.to - part.from <= part_bytes);
                prop_assert!(part.is_last() == (part.to == size));
                at = part.to;
            }
            prop_assert!(parts.is_empty() == (size < 2 * part_bytes) && (parts.is_empty() || at == size));
        }
    }
}
