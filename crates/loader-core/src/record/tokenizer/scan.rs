//! Finds the signs of a dialect in a text, 64 bytes at a time: fields are short, and a search
//! that begins anew for each of them takes longer to begin than to search.

use wide::u8x16;

/// How many bytes are looked at together: as many as a mask has bits.
const BLOCK: usize = 64;

/// Signs that are looked for, each in all lanes.
#[derive(Debug, Clone)]
pub(super) struct Signs {
    delimiter: u8x16,
    quote: u8x16,
    /// The sign before a quote within quotes, if that is another one.
    escape: Option<u8x16>,
}

impl Signs {
    pub(super) fn new(delimiter: u8, quote: u8, escape: u8) -> Self {
        let lanes = |sign| u8x16::new([sign; 16]);
        let escape = (escape != quote).then(|| lanes(escape));
        Self { delimiter: lanes(delimiter), quote: lanes(quote), escape }
    }

    /// Returns which of the bytes mean something outside of quotes, and which within.
    #[inline]
    fn masks(&self, block: &[u8; BLOCK]) -> (u64, u64) {
        let (feed, carriage) = (u8x16::new([b'\n'; 16]), u8x16::new([b'\r'; 16]));
        let (mut outside, mut within) = (0_u64, 0_u64);
        let (parts, _) = block.as_chunks::<16>();
        for (part, shift) in parts.iter().zip([0, 16, 32, 48]) {
            let bytes = u8x16::new(*part);
            let both = bytes.simd_eq(self.quote) | bytes.simd_eq(feed) | bytes.simd_eq(carriage);
            let bits = |lanes: u8x16| u64::from(lanes.to_bitmask()) << shift;
            outside |= bits(both | bytes.simd_eq(self.delimiter));
            within |= bits(match self.escape {
                Some(escape) => both | bytes.simd_eq(escape),
                None => both,
            });
        }
        (outside, within)
    }
}

/// A search through a text; it is fastest from the beginning to the end.
pub(super) struct Scan<'a> {
    signs: &'a Signs,
    bytes: &'a [u8],
    /// Where the block begins that the masks are of.
    block: usize,
    outside: u64,
    within: u64,
}

impl<'a> Scan<'a> {
    #[inline]
    pub(super) fn new(signs: &'a Signs, bytes: &'a [u8]) -> Self {
        let mut scan = Self { signs, bytes, block: 0, outside: 0, within: 0 };
        scan.look_at(0);
        scan
    }

    /// Finds the next sign that means something outside of quotes, at `from` or behind it.
    #[inline]
    pub(super) fn outside(&mut self, from: usize) -> Option<usize> {
        self.find(from, |scan| scan.outside)
    }

    /// The same within quotes.
    #[inline]
    pub(super) fn within(&mut self, from: usize) -> Option<usize> {
        self.find(from, |scan| scan.within)
    }

    #[inline]
    fn find(&mut self, mut from: usize, mask: impl Fn(&Self) -> u64) -> Option<usize> {
        while from < self.bytes.len() {
            // Before the block that was looked at last it is more than any block has.
            let passed = from.wrapping_sub(self.block);
            if passed < BLOCK {
                let left = mask(self) >> passed;
                if left != 0 {
                    return Some(from + left.trailing_zeros() as usize);
                }
                from = self.block + BLOCK;
            } else {
                self.look_at(from);
            }
        }
        None
    }

    #[inline]
    fn look_at(&mut self, block: usize) {
        self.block = block;
        let bytes = self.bytes.get(block..).unwrap_or_default();
        (self.outside, self.within) = if let Some(whole) = bytes.first_chunk() {
            self.signs.masks(whole)
        } else {
            let mut padded = [0; BLOCK];
            for (place, byte) in padded.iter_mut().zip(bytes) {
                *place = *byte;
            }
            let there = (1 << bytes.len()) - 1;
            let (outside, within) = self.signs.masks(&padded);
            (outside & there, within & there)
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn signs_are_found_where_they_stand(
            // Some runs of bytes that mean nothing are longer than a block.
            runs in prop::collection::vec(
                (prop::sample::select(b"a,\"\\\n\r\0".to_vec()), prop::sample::select(vec![0_usize, 0, 3, 70])),
                0..60,
            ),
            escape in prop::sample::select(b"\"\\".to_vec()),
        ) {
            let text: Vec<u8> = runs
                .iter()
                .flat_map(|(byte, run)| std::iter::repeat_n(b'a', *run).chain([*byte]))
                .collect();
            let signs = Signs::new(b',', b'"', escape);
            let (mut outside, mut within) = (Scan::new(&signs, &text), Scan::new(&signs, &text));
            for from in 0..=text.len() {
                let find = |signs: &[u8]| text[from..].iter().position(|byte| signs.contains(byte)).map(|at| from + at);
                prop_assert_eq!(outside.outside(from), find(b",\"\n\r"));
                prop_assert_eq!(within.within(from), find(&[b'"', escape, b'\n', b'\r']));
            }
        }
    }
}
