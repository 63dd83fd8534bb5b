//! A part of a text, with the bytes beside it.
//!
//! Most values are a few bytes, and always to take as many, of which some belong to the values
//! beside, is faster than to look how many there are.

use std::ops::Range;

/// The longest text that is copied with what is behind it.
pub(super) const STRIDE: usize = 16;

/// A part of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    text: &'a str,
    /// All up to its end, and all from its beginning on.
    upto: &'a [u8],
    from: &'a [u8],
}

impl<'a> Part<'a> {
    /// Returns a part of a text; none if there is no such part.
    #[inline]
    pub(crate) fn of(whole: &'a str, place: Range<usize>) -> Option<Self> {
        let bytes = whole.as_bytes();
        let (upto, from) = (bytes.get(..place.end)?, bytes.get(place.start..)?);
        Some(Self { text: whole.get(place)?, upto, from })
    }

    /// Returns a text as a part.
    pub(crate) const fn whole(text: &'a str) -> Self {
        Self { text, upto: text.as_bytes(), from: text.as_bytes() }
    }

    /// Returns the part itself.
    #[inline]
    pub(super) const fn text(self) -> &'a str {
        self.text
    }

    /// Returns it with what stands behind it, if it is not longer than that.
    #[inline]
    pub(super) fn with_bytes_behind(self) -> Option<&'a [u8; STRIDE]> {
        self.from.first_chunk().filter(|_| self.text.len() <= STRIDE)
    }

    /// Returns one to eight bytes as a number, of which the last is the highest, and how many
    /// of its bits are missing; those are zeros.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "every number goes through here")]
    pub(super) fn word(self) -> Option<(u64, u32)> {
        let length = u32::try_from(self.text.len()).ok().filter(|length| (1..=8).contains(length))?;
        let missing = 64 - 8 * length;
        let last = match self.upto.last_chunk() {
            Some(last) => u64::from_le_bytes(*last),
            // It stands at the beginning of the text.
            None => self.upto.iter().fold(0, |word, byte| word >> 8 | u64::from(*byte) << 56),
        };
        Some((last >> missing << missing, missing))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_has_nothing_of_what_is_beside_it(before in "[aé]{0,9}", text in "[bé]{0,18}", behind in "[cé]{0,20}") {
            let whole = format!("{before}{text}{behind}");
            let part = Part::of(&whole, before.len()..before.len() + text.len()).unwrap();
            prop_assert_eq!(part.text(), text.as_str());
            if let Some(chunk) = part.with_bytes_behind() {
                prop_assert_eq!(&chunk[..text.len()], text.as_bytes());
            }
            let word = part.word();
            prop_assert_eq!(word.is_some(), (1..=8).contains(&text.len()));
            prop_assert_eq!(word, Part::whole(&text).word());
            if let Some((word, missing)) = word {
                let mut padded = vec![0; missing as usize / 8];
                padded.extend_from_slice(text.as_bytes());
                prop_assert_eq!(word.to_le_bytes().to_vec(), padded);
            }
        }
    }

    #[test]
    fn there_is_no_part_beyond_the_text_or_within_a_character() {
        assert!(Part::of("aéb", 1..3).is_some());
        for place in [0..5, 1..2, 2..3, 6..6] {
            assert!(Part::of("aéb", place.clone()).is_none(), "{place:?}");
        }
    }
}
