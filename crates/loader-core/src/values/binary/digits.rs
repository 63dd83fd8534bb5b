//! Numbers of few digits, as most are.

use super::Part;

/// A number of so few digits that they are one, with room for three more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) negative: bool,
    pub(super) digits: u64,
    /// How many of the digits stand after the point; none if there is no point.
    pub(super) decimals: Option<u8>,
}

/// The most bytes of such a number, its sign not counted.
const MAX_BYTES: usize = 16;

impl Short {
    /// Reads a number, with or without blanks around it. None if it is longer, or none.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "there are millions of them, and few callers")]
    pub(super) fn of(part: Part<'_>) -> Option<Self> {
        Self::of_word(part).or_else(|| Self::of_bytes(trimmed(part.text().as_bytes())))
    }

    /// Reads a number of at most eight bytes, the blanks before it counted, all of them at
    /// once: how long it is and where its point stands differs from value to value, and a
    /// processor guesses wrong.
    #[inline(always)]
    fn of_word(part: Part<'_>) -> Option<Self> {
        const EACH: u64 = 0x0101_0101_0101_0101;
        const HIGHEST: u64 = EACH * 0x80;
        let (word, missing) = part.word()?;
        let below = |bits: u32| (1_u64 << bits) - 1;
        let values = word ^ (EACH * u64::from(b'0'));
        // The highest bit of each byte that is no digit.
        let others = (((values & !HIGHEST) + EACH * (0x7f - 9)) | values) & HIGHEST;
        if others == HIGHEST {
            return None;
        }
        let first = (!others & HIGHEST).trailing_zeros() & !7;
        // Nothing, or blanks and perhaps a sign behind them.
        let blanks = EACH * u64::from(b' ');
        let before = (word & below(first)) ^ (blanks & below(first) & !below(missing));
        let mut negative = false;
        if before != 0 {
            let sign = before >> (first - 8);
            negative = sign == u64::from(b'-' ^ b' ');
            let is_sign = negative || sign == u64::from(b'+' ^ b' ');
            if !is_sign || before != sign << (first - 8) {
                return None;
            }
        }
        let digits = values & !below(first);
        let point = others & !below(first);
        if point == 0 {
            return Some(Self { negative, digits: joined(digits), decimals: None });
        }
        let at = point.trailing_zeros() & !7;
        if point & (point - 1) != 0 || (word >> at) & 0xff != u64::from(b'.') {
            return None;
        }
        // The digits before the point move to its place.
        let digits = (digits & below(at)) << 8 | (digits & !below(at) & !(0xff << at));
        let decimals = u8::try_from((56 - at) / 8).ok();
        Some(Self { negative, digits: joined(digits), decimals })
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (negative, unsigned) = signed(bytes);
        if unsigned.len() > MAX_BYTES {
            return None;
        }
        let mut digits = 0_u64;
        let mut point = None;
        for (at, byte) in unsigned.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                digits = digits * 10 + u64::from(digit);
            } else if *byte == b'.' && point.is_none() {
                point = Some(at);
            } else {
                return None;
            }
        }
        let decimals = point.and_then(|at| u8::try_from(unsigned.len() - at - 1).ok());
        // A point alone is no number.
        (unsigned.len() > usize::from(point.is_some())).then_some(Self { negative, digits, decimals })
    }
}

/// Blanks around a number are nothing to Postgres.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// Takes the sign off a number: whether it is below zero, and the rest.
pub(super) fn signed(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    }
}

/// Joins the digits of eight bytes, of which the lowest is the first: each with its neighbour,
/// then each two, then each four.
#[inline]
const fn joined(digits: u64) -> u64 {
    let twos = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_numbers_are_read_at_once() {
        for text in ["0", "7", "-3", "12", "999.9", "  12.3", " -40.1", "12345678", "+1.5", "1.", "  0"] {
            assert!(Short::of_word(Part::whole(text)).is_some(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_at_once_is_read_so_byte_by_byte(
            text in prop::sample::select(vec![
                " {0,3}[-+]?[0-9]{0,6}(\\.[0-9]{0,4})?", "[ 0-9.+-]{0,9}", "[\u{0}-\u{7f}]{0,8}", "\\PC{0,4}",
            ]).prop_flat_map(|pattern| pattern),
        ) {
            if let Some(read) = Short::of_word(Part::whole(&text)) {
                prop_assert_eq!(Some(read), Short::of_bytes(trimmed(text.as_bytes())));
            }
        }

        #[test]
        fn all_numbers_of_few_bytes_with_blanks_before_them_are_read_at_once(
            text in " {0,2}[-+]?[0-9]{1,2}(\\.[0-9]{0,2})?",
        ) {
            prop_assert_eq!(Short::of_word(Part::whole(&text)), Short::of_bytes(trimmed(text.as_bytes())));
        }
    }
}
