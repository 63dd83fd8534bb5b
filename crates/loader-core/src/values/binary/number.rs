//! Numbers.

use super::digits::{Short, signed, trimmed};
use super::{Part, with_length, write_fixed};

/// The longest numeric that is written; longer ones are rare.
const MAX_NUMERIC_BYTES: usize = 256;
/// The sign of a negative one (`NUMERIC_NEG`).
const NEGATIVE: u16 = 0x4000;
/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// What a double holds every whole number below.
const EXACT: u64 = 1 << 53;

pub(super) fn write_smallint(part: Part<'_>, out: &mut Vec<u8>) -> bool {
    integer(part)
        .and_then(|number| i16::try_from(number).ok())
        .is_some_and(|number| write_fixed(number.to_be_bytes(), out))
}

pub(super) fn write_integer(part: Part<'_>, out: &mut Vec<u8>) -> bool {
    integer(part)
        .and_then(|number| i32::try_from(number).ok())
        .is_some_and(|number| write_fixed(number.to_be_bytes(), out))
}

pub(super) fn write_bigint(part: Part<'_>, out: &mut Vec<u8>) -> bool {
    integer(part).is_some_and(|number| write_fixed(number.to_be_bytes(), out))
}

fn integer(part: Part<'_>) -> Option<i64> {
    if let Some(Short { negative, digits, decimals }) = Short::of(part) {
        // There is room for its digits with either sign.
        let number = digits.cast_signed();
        return decimals.is_none().then_some(if negative { -number } else { number });
    }
    let bytes = trimmed(part.text().as_bytes());
    let (negative, digits) = signed(bytes);
    if digits.is_empty() {
        return None;
    }
    let mut number: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Downwards, as there is one number more below zero.
        number = number.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

/// Tells whether a number is zero; none if it is no number to Postgres, which reads less than
/// Rust does: digits with at most one point between or before or after them, and an
/// exponent.
fn is_zero(bytes: &[u8]) -> Option<bool> {
    let (_, unsigned) = signed(bytes);
    let (mut has_digits, mut has_point, mut is_zero) = (false, false, true);
    for (at, byte) in unsigned.iter().enumerate() {
        match byte {
            b'0'..=b'9' => (has_digits, is_zero) = (true, is_zero && *byte == b'0'),
            b'.' if !has_point => has_point = true,
            b'e' | b'E' if has_digits => {
                let (_, exponent) = signed(unsigned.get(at + 1..)?);
                let is_exponent = !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit);
                return is_exponent.then_some(is_zero);
            }
            _ => return None,
        }
    }
    has_digits.then_some(is_zero)
}

pub(super) fn write_double(part: Part<'_>, out: &mut Vec<u8>) -> bool {
    if let Some(Short { negative, digits, decimals }) = Short::of(part)
        && digits <= EXACT
        && let Some(power) = POWERS.get(usize::from(decimals.unwrap_or_default()))
    {
        // Both are exact, so their quotient is the nearest double there is (Clinger, "How
        // to read floating point numbers accurately", 1990).
        #[expect(clippy::cast_precision_loss, reason = "there are no more digits than it holds")]
        let number = digits as f64 / power;
        return write_fixed((if negative { -number } else { number }).to_be_bytes(), out);
    }
    let bytes = trimmed(part.text().as_bytes());
    let Some(is_zero) = is_zero(bytes) else { return false };
    match parsed::<f64>(bytes) {
        // Postgres refuses what is not zero and too near to it, or too far.
        Some(number) if number.is_normal() || is_zero => write_fixed(number.to_be_bytes(), out),
        _ => false,
    }
}

pub(super) fn write_real(text: &str, out: &mut Vec<u8>) -> bool {
    let bytes = trimmed(text.as_bytes());
    let Some(is_zero) = is_zero(bytes) else { return false };
    match parsed::<f32>(bytes) {
        Some(number) if number.is_normal() || is_zero => write_fixed(number.to_be_bytes(), out),
        _ => false,
    }
}

fn parsed<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Digits are written four by four, without zeros at either end, after the number of
/// groups, the weight of the first, the sign, and the decimals (`numeric_recv`).
pub(super) fn write_numeric(part: Part<'_>, out: &mut Vec<u8>) -> bool {
    if write_short_numeric(part, out) {
        return true;
    }
    let bytes = trimmed(part.text().as_bytes());
    bytes.len() <= MAX_NUMERIC_BYTES && with_length(out, |out| write_long_numeric(bytes, out))
}

/// Writes a numeric of so few digits that they are one number. Most are.
fn write_short_numeric(part: Part<'_>, out: &mut Vec<u8>) -> bool {
    let Some(Short { negative, digits, decimals }) = Short::of(part) else { return false };
    let decimals = usize::from(decimals.unwrap_or_default());
    // Groups begin at the point.
    let (missing, tenfold) = match decimals % 4 {
        0 => (0, 1),
        1 => (3, 1_000),
        2 => (2, 100),
        _ => (1, 10),
    };
    let mut left = digits * tenfold;
    let mut after_point = (decimals + missing) / 4;
    while left > 0 && left.is_multiple_of(10_000) {
        left /= 10_000;
        after_point = after_point.wrapping_sub(1);
    }
    let (mut groups, mut count) = (0_u64, 0_usize);
    while left > 0 {
        if count == 4 {
            return false;
        }
        groups = groups >> 16 | ((left % 10_000) << 48);
        left /= 10_000;
        count += 1;
    }
    // Below zero where the number begins behind the point; it is cut to its 16 bits.
    let weight = if count == 0 { 0 } else { count.wrapping_sub(after_point).wrapping_sub(1) as u64 & 0xffff };
    let sign = if negative && count > 0 { NEGATIVE } else { 0 };
    let head = (count as u64) << 48 | weight << 32 | u64::from(sign) << 16 | decimals as u64;
    // The length of it all goes before.
    let length = u32::try_from(8 + 2 * count).unwrap_or_default();
    let mut cell = [0; 20];
    let (length_place, rest) = cell.split_at_mut(4);
    length_place.copy_from_slice(&length.to_be_bytes());
    let (head_place, groups_place) = rest.split_at_mut(8);
    head_place.copy_from_slice(&head.to_be_bytes());
    groups_place.copy_from_slice(&groups.to_be_bytes());
    // All of it, as so many bytes are written in few steps.
    let end = out.len() + 12 + 2 * count;
    out.extend_from_slice(&cell);
    out.truncate(end);
    true
}

fn write_long_numeric(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let (negative, unsigned) = signed(bytes);
    let point = memchr::memchr(b'.', unsigned);
    let (whole, decimals) = match point {
        Some(at) => unsigned.split_at(at),
        None => (unsigned, unsigned.get(unsigned.len()..).unwrap_or_default()),
    };
    let decimals = decimals.strip_prefix(b".").unwrap_or(decimals);
    if whole.is_empty() && decimals.is_empty() {
        return false;
    }
    let start = out.len();
    // The number of groups, the weight of the first, the sign, the decimals.
    out.extend_from_slice(&[0; 8]);
    let mut groups = Groups::default();
    let first = whole.len() % 4;
    let (head, tail) = whole.split_at(first);
    let is_written = (head.is_empty() || groups.push(head, 0, out))
        && tail.chunks(4).all(|group| groups.push(group, 0, out))
        && {
            groups.weight = i16::try_from(groups.read).unwrap_or_default() - 1;
            decimals.chunks(4).all(|group| groups.push(group, 4 - group.len(), out))
        };
    let (Ok(scale), true) = (i16::try_from(decimals.len()), is_written) else {
        return false;
    };
    // Zeros at the end.
    out.truncate(start + 8 + usize::from(groups.until) * 2);
    let weight = if groups.until == 0 { 0 } else { groups.weight - groups.skipped };
    let sign: u16 = if negative && groups.until > 0 { NEGATIVE } else { 0 };
    let head = [groups.until.to_be_bytes(), weight.to_be_bytes(), sign.to_be_bytes(), scale.to_be_bytes()];
    if let Some(place) = out.get_mut(start..start + 8) {
        place.copy_from_slice(head.as_flattened());
    }
    true
}

/// Groups of four digits.
#[derive(Default)]
struct Groups {
    /// How many were read.
    read: u16,
    /// How many zeros stood before the first that is none.
    skipped: i16,
    written: u16,
    /// How many were written up to the last that is no zero.
    until: u16,
    weight: i16,
}

impl Groups {
    fn push(&mut self, digits: &[u8], missing: usize, out: &mut Vec<u8>) -> bool {
        let mut group: u16 = 0;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return false;
            }
            group = group * 10 + u16::from(digit);
        }
        for _ in 0..missing {
            group *= 10;
        }
        self.read += 1;
        if self.written == 0 && group == 0 {
            self.skipped += 1;
            return true;
        }
        out.extend_from_slice(&group.to_be_bytes());
        self.written += 1;
        if group > 0 {
            self.until = self.written;
        }
        true
    }
}
