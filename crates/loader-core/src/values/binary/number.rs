//! Numbers.

/// The longest numeric that is written; longer ones are rare.
const MAX_NUMERIC_BYTES: usize = 256;
/// Numerics of digits below this are written as one number, with room for three more.
const SHORT_NUMERIC: u64 = 10_000_000_000_000_000;
/// The sign of a negative one (`NUMERIC_NEG`).
const NEGATIVE: u16 = 0x4000;
/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// What a double holds every whole number below.
const EXACT: u64 = 1 << 53;

pub(super) fn write_smallint(text: &str, out: &mut Vec<u8>) -> bool {
    integer(text).and_then(|number| i16::try_from(number).ok()).is_some_and(|number| {
        out.extend_from_slice(&number.to_be_bytes());
        true
    })
}

pub(super) fn write_integer(text: &str, out: &mut Vec<u8>) -> bool {
    integer(text).and_then(|number| i32::try_from(number).ok()).is_some_and(|number| {
        out.extend_from_slice(&number.to_be_bytes());
        true
    })
}

pub(super) fn write_bigint(text: &str, out: &mut Vec<u8>) -> bool {
    integer(text).is_some_and(|number| {
        out.extend_from_slice(&number.to_be_bytes());
        true
    })
}

/// Blanks around a number are nothing to Postgres.
fn trimmed(text: &str) -> &[u8] {
    text.as_bytes().trim_ascii()
}

fn integer(text: &str) -> Option<i64> {
    let bytes = trimmed(text);
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

fn signed(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    }
}

/// A number as it is written: its digits without the point, if they are few, and how
/// many of them stand after it.
struct Written {
    negative: bool,
    /// None where there are more digits than it holds.
    digits: Option<u64>,
    decimals: usize,
    has_exponent: bool,
}

impl Written {
    /// Reads digits with at most one point between or before or after them, as Postgres
    /// does.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (negative, unsigned) = signed(bytes);
        let mut digits = Some(0_u64);
        let mut count = 0_usize;
        let mut decimals = None;
        for (at, byte) in unsigned.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                count += 1;
                digits = digits.and_then(|digits| digits.checked_mul(10)?.checked_add(u64::from(digit)));
                decimals = decimals.map(|decimals: usize| decimals + 1);
            } else if *byte == b'.' && decimals.is_none() {
                decimals = Some(0);
            } else if matches!(byte, b'e' | b'E') && count > 0 {
                let (_, exponent) = signed(unsigned.get(at + 1..)?);
                let is_exponent = !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit);
                return is_exponent.then_some(Self {
                    negative,
                    digits,
                    decimals: decimals.unwrap_or(0),
                    has_exponent: true,
                });
            } else {
                return None;
            }
        }
        let decimals = decimals.unwrap_or(0);
        (count > 0).then_some(Self { negative, digits, decimals, has_exponent: false })
    }
}

pub(super) fn write_double(text: &str, out: &mut Vec<u8>) -> bool {
    let bytes = trimmed(text);
    let Some(written) = Written::of(bytes) else { return false };
    let number = match (written.digits, POWERS.get(written.decimals)) {
        // Both are exact, so their quotient is the nearest double there is (Clinger, "How
        // to read floating point numbers accurately", 1990).
        #[expect(clippy::cast_precision_loss, reason = "there are no more digits than it holds")]
        (Some(digits), Some(power)) if digits <= EXACT && !written.has_exponent => {
            let number = digits as f64 / power;
            if written.negative { -number } else { number }
        }
        _ => match parsed::<f64>(bytes) {
            // Postgres refuses what is not zero and too near to it, or too far.
            Some(number) if number.is_normal() || written.digits == Some(0) => number,
            _ => return false,
        },
    };
    out.extend_from_slice(&number.to_be_bytes());
    true
}

pub(super) fn write_real(text: &str, out: &mut Vec<u8>) -> bool {
    let bytes = trimmed(text);
    let Some(written) = Written::of(bytes) else { return false };
    match parsed::<f32>(bytes) {
        Some(number) if number.is_normal() || written.digits == Some(0) => {
            out.extend_from_slice(&number.to_be_bytes());
            true
        }
        _ => false,
    }
}

fn parsed<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Digits are written four by four, without zeros at either end, after the number of
/// groups, the weight of the first, the sign, and the decimals (`numeric_recv`).
pub(super) fn write_numeric(text: &str, out: &mut Vec<u8>) -> bool {
    let bytes = trimmed(text);
    if bytes.len() > MAX_NUMERIC_BYTES {
        return false;
    }
    if let Some(written) = Written::of(bytes).filter(|written| !written.has_exponent)
        && let Some(digits) = written.digits.filter(|digits| *digits < SHORT_NUMERIC)
        && let Ok(scale) = i16::try_from(written.decimals)
    {
        write_short_numeric(digits, scale, written.negative, out);
        return true;
    }
    write_long_numeric(bytes, out)
}

/// Writes a numeric of so many digits that they are one number.
fn write_short_numeric(digits: u64, scale: i16, negative: bool, out: &mut Vec<u8>) {
    // Groups begin at the point.
    let missing = (4 - scale % 4) % 4;
    let mut left = digits * 10_u64.pow(u32::from(missing.unsigned_abs()));
    let mut groups = [0_u16; 5];
    let mut read = 0;
    for group in &mut groups {
        if left == 0 {
            break;
        }
        *group = u16::try_from(left % 10_000).unwrap_or_default();
        left /= 10_000;
        read += 1;
    }
    let weight = if read == 0 { 0 } else { read - 1 - (scale + missing) / 4 };
    let sign: u16 = if negative && read > 0 { NEGATIVE } else { 0 };
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    let used = groups.get(zeros..read.unsigned_abs().into()).unwrap_or_default();
    let count = u16::try_from(used.len()).unwrap_or_default();
    for part in [count.to_be_bytes(), weight.to_be_bytes(), sign.to_be_bytes(), scale.to_be_bytes()] {
        out.extend_from_slice(&part);
    }
    for group in used.iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
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
