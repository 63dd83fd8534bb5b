//! Finds the signs of a dialect in a text, 64 bytes at a time: fields are short, and a search
//! that begins anew for each of them takes longer to begin than to search.
//!
//! What stands within quotes is told by counting them, for all bytes of a block at once, as
//! Langdale and Lemire do ("Parsing Gigabytes of JSON per Second", 2019, 3.1.1).

#[cfg(not(target_feature = "avx2"))]
use wide::u8x16 as Lanes;
#[cfg(target_feature = "avx2")]
use wide::u8x32 as Lanes;

/// How many bytes are looked at together: as many as a mask has bits.
pub(super) const BLOCK: usize = 64;
/// How many of them the processor compares in one step.
const LANES: usize = size_of::<Lanes>();

/// Signs that are looked for, each in all lanes; none of them is a NUL.
#[derive(Debug, Clone)]
pub(super) struct Signs {
    delimiter: Lanes,
    quote: Lanes,
    /// The sign before a quote within quotes, if that is another one.
    escape: Option<Lanes>,
    /// Whether two quotes within quotes are one.
    doubles: bool,
}

/// Where the signs are in a block: the first byte is the lowest bit.
#[derive(Debug, Default)]
struct Masks {
    delimiters: u64,
    quotes: u64,
    line_ends: u64,
    escapes: u64,
}

impl Signs {
    pub(super) fn new(delimiter: u8, quote: u8, escape: Option<u8>) -> Self {
        let lanes = |sign| Lanes::new([sign; LANES]);
        let other = escape.filter(|escape| *escape != quote);
        Self {
            delimiter: lanes(delimiter),
            quote: lanes(quote),
            escape: other.map(lanes),
            doubles: escape == Some(quote),
        }
    }

    #[inline]
    fn masks(&self, bytes: &[u8]) -> Masks {
        if let Some(whole) = bytes.first_chunk() {
            return self.masks_of(whole);
        }
        // No sign is a NUL.
        let mut padded = [0; BLOCK];
        for (place, byte) in padded.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.masks_of(&padded)
    }

    // With AVX2 the compiler takes the masks apart into their bits beside what is done with them.
    #[cfg_attr(target_feature = "avx2", inline(never))]
    #[cfg_attr(not(target_feature = "avx2"), inline)]
    fn masks_of(&self, block: &[u8; BLOCK]) -> Masks {
        let (feed, carriage) = (Lanes::new([b'\n'; LANES]), Lanes::new([b'\r'; LANES]));
        let mut masks = Masks::default();
        let (parts, _) = block.as_chunks::<LANES>();
        for (part, shift) in parts.iter().zip((0..BLOCK).step_by(LANES)) {
            let bytes = Lanes::new(*part);
            let bits = |lanes: Lanes| u64::from(lanes.to_bitmask()) << shift;
            masks.delimiters |= bits(bytes.simd_eq(self.delimiter));
            masks.quotes |= bits(bytes.simd_eq(self.quote));
            masks.line_ends |= bits(bytes.simd_eq(feed) | bytes.simd_eq(carriage));
            if let Some(escape) = self.escape {
                masks.escapes |= bits(bytes.simd_eq(escape));
            }
        }
        masks
    }
}

/// What a record has been like up to a block.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    signs: &'a Signs,
    /// All bits, if the block begins within quotes.
    within: u64,
    /// The lowest bit, if a field begins with the block.
    begins: u64,
    /// The lowest bit, if the block begins behind a quote that has closed.
    closed: u64,
    /// Whether there are line ends within quotes.
    pub(super) lines: bool,
    /// Whether there are two quotes for one.
    pub(super) doubled: bool,
}

/// Where fields end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldEnds {
    /// Delimiters, and the line end behind the last field: the first byte is the lowest bit.
    pub(super) at: u64,
    /// Those of them that stand behind a quote: what they end is in quotes.
    pub(super) quoted: u64,
    /// Whether the last one ends the record.
    pub(super) is_last: bool,
}

impl<'a> Scan<'a> {
    /// Begins with a record.
    #[inline]
    pub(super) fn new(signs: &'a Signs) -> Self {
        Self { signs, within: 0, begins: 1, closed: 0, lines: false, doubled: false }
    }

    /// Finds where fields end in the next block of the record, of which no more than a block
    /// is looked at. None if a field is neither bare nor in quotes as a whole, or there is an
    /// escape.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<FieldEnds> {
        let masks = self.signs.masks(bytes);
        // From each quote that opens up to the one that closes.
        let quoted = odd_so_far(masks.quotes) ^ self.within;
        let line_ends = masks.line_ends & !quoted;
        // The lowest of them, and all below; all where there is none.
        let record = line_ends ^ line_ends.wrapping_sub(1);
        let at = (masks.delimiters | line_ends) & !quoted & record;
        let (opening, closing) = (masks.quotes & quoted & record, masks.quotes & !quoted & record);
        let behind_closing = closing << 1 | self.closed;
        let again = if self.signs.doubles { opening & behind_closing } else { 0 };
        let field_begins = at << 1 | self.begins;
        let strange = opening & !(field_begins | again)
            | behind_closing & !(at | again)
            | masks.escapes & quoted & record;
        if strange != 0 {
            return None;
        }
        self.lines |= masks.line_ends & quoted & record != 0;
        self.doubled |= again != 0;
        self.within = 0_u64.wrapping_sub(quoted >> (BLOCK - 1));
        self.begins = at >> (BLOCK - 1);
        self.closed = closing >> (BLOCK - 1);
        Some(FieldEnds { at, quoted: at & behind_closing, is_last: line_ends != 0 })
    }
}

/// Returns in each bit whether the number of bits up to it, it counted, is odd.
#[inline]
const fn odd_so_far(bits: u64) -> u64 {
    let mut odd = bits;
    odd ^= odd << 1;
    odd ^= odd << 2;
    odd ^= odd << 4;
    odd ^= odd << 8;
    odd ^= odd << 16;
    odd ^ odd << 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, a byte at a time: where fields end, and whether they are in quotes.
    fn field_ends(text: &[u8], escape: Option<u8>) -> Option<(Vec<(usize, bool)>, bool)> {
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let is_quoted = text.get(at) == Some(&b'"');
            if is_quoted {
                loop {
                    at += 1;
                    match *text.get(at)? {
                        b'"' if escape == Some(b'"') && text.get(at + 1) == Some(&b'"') => at += 1,
                        b'"' => break,
                        byte if Some(byte) == escape => return None,
                        _ => {}
                    }
                }
                at += 1;
                if !matches!(text.get(at)?, b',' | b'\n' | b'\r') {
                    return None;
                }
            }
            let Some(length) = text.get(at..)?.iter().position(|byte| b",\n\r\"".contains(byte)) else {
                return Some((found, false));
            };
            at += length;
            match text[at] {
                b'"' => return None,
                b',' => found.push((at, is_quoted)),
                _ => {
                    found.push((at, is_quoted));
                    return Some((found, true));
                }
            }
            at += 1;
        }
    }

    /// The same, block by block.
    fn scanned(text: &[u8], escape: Option<u8>) -> Option<(Vec<(usize, bool)>, bool)> {
        let signs = Signs::new(b',', b'"', escape);
        let (mut scan, mut found) = (Scan::new(&signs), Vec::new());
        for (number, block) in text.chunks(BLOCK).enumerate() {
            let FieldEnds { at, quoted, is_last } = scan.next(block)?;
            let bits = (0..BLOCK).filter(|bit| at >> bit & 1 == 1);
            found.extend(bits.map(|bit| (number * BLOCK + bit, quoted >> bit & 1 == 1)));
            if is_last {
                return Some((found, true));
            }
        }
        Some((found, false))
    }

    #[test]
    fn fields_end_wherever_a_block_does() {
        let record = "a,\"b\",,\"\",\"c\"\"d\",\"\"\"\"\n";
        for before in 0..=2 * BLOCK {
            let text = format!("{}{record}", "x".repeat(before));
            let found = scanned(text.as_bytes(), Some(b'"'));
            assert_eq!(found, field_ends(text.as_bytes(), Some(b'"')), "behind {before} bytes");
            assert!(found.is_some_and(|(found, is_last)| found.len() == 6 && is_last));
        }
    }

    proptest! {
        #[test]
        fn fields_end_where_they_end_a_byte_at_a_time(
            // Some runs of bytes that mean nothing are longer than a block.
            runs in prop::collection::vec(
                (
                    prop::sample::select(vec!["a", ",", "\",\"", ",\"", "\",", "\"\"", "\\", "\n", "\r"]),
                    prop::sample::select(vec![0_usize, 0, 3, 61, 70]),
                ),
                0..20,
            ),
            escape in prop::sample::select(vec![Some(b'"'), Some(b'\\'), None]),
        ) {
            let text: Vec<u8> = runs
                .iter()
                .flat_map(|(sign, run)| std::iter::repeat_n(b'a', *run).chain(sign.bytes()))
                .chain(*b",a")
                .collect();
            let found = scanned(&text, escape);
            // What has no end is not known to be strange yet.
            let open = found.as_ref().is_some_and(|(_, is_last)| !is_last);
            let expected = field_ends(&text, escape);
            if !open || expected.is_some() {
                prop_assert_eq!(found, expected);
            }
        }
    }
}
