//! The binary form of values, as COPY's binary format carries them.
//!
//! The database then reads no text, which is most of what a load costs it. Only what is
//! certain is written: where it is not plain that Postgres would read a text as this
//! value, the text is left to Postgres.
//!
//! Sources: `PostgreSQL` documentation, COPY, "Binary Format"; the forms of the types are
//! those of their `…_recv` functions (`src/backend/utils/adt`). Modifiers such as the
//! scale of a numeric are applied there, as to texts.

mod digits;
mod moment;
mod network;
mod number;
mod part;

pub(crate) use self::part::Part;
use self::part::STRIDE;
use super::certain::is_json;
use super::kind::base_name;
use crate::definition::ResolvedColumn;

/// What a file in COPY's binary format begins with: the signature, no flags, no
/// extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub const TRAILER: &[u8] = &[0xff, 0xff];

/// How the texts of a column are written in binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BinaryForm {
    form: Form,
    /// Whether characters beyond ASCII are sure to be in the database's encoding.
    any_character: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Numeric,
    Boolean,
    Date,
    Time,
    Timestamp,
    /// Only with an offset: without one, the session's time zone decides.
    TimestampTz,
    Uuid,
    /// Whatever the length is: the database checks it.
    Text,
    Json,
    Jsonb,
    Bytea,
    Inet,
    Cidr,
    MacAddr,
}

impl BinaryForm {
    /// Returns the form of a column's type; none where it is not certain.
    #[must_use]
    pub fn of(column: &ResolvedColumn) -> Option<Self> {
        let form = match base_name(column).as_str() {
            "smallint" => Form::SmallInt,
            "integer" => Form::Integer,
            "bigint" => Form::BigInt,
            "real" => Form::Real,
            "double precision" => Form::Double,
            "numeric" => Form::Numeric,
            "boolean" => Form::Boolean,
            "date" => Form::Date,
            "time without time zone" => Form::Time,
            "timestamp without time zone" => Form::Timestamp,
            "timestamp with time zone" => Form::TimestampTz,
            "uuid" => Form::Uuid,
            "text" | "character varying" | "bpchar" | "character" => Form::Text,
            "json" => Form::Json,
            "jsonb" => Form::Jsonb,
            "bytea" => Form::Bytea,
            "inet" => Form::Inet,
            "cidr" => Form::Cidr,
            "macaddr" => Form::MacAddr,
            _ => return None,
        };
        Some(Self { form, any_character: column.base.any_character })
    }

    /// Whether the value is copied as it is in both forms, and the database does not read
    /// its text.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self.form, Form::Text | Form::Json | Form::Jsonb)
    }

    /// Returns what the database saves with a value of this form in place of its text, in
    /// nanoseconds.
    const fn ns_saved(self) -> usize {
        match self.form {
            Form::Text | Form::Json | Form::Jsonb => 0,
            Form::Boolean => 5,
            Form::SmallInt => 13,
            Form::Integer | Form::BigInt => 18,
            Form::Numeric => 37,
            Form::Bytea => 48,
            Form::Real | Form::Double => 58,
            Form::Cidr => 72,
            Form::Inet => 80,
            Form::Time => 110,
            Form::Date => 132,
            Form::Timestamp => 196,
            Form::TimestampTz => 216,
            Form::MacAddr => 272,
            Form::Uuid => 390,
        }
    }

    /// Whether any text is a value.
    #[must_use]
    pub fn takes_any_text(self) -> bool {
        self.form == Form::Text
    }

    /// Appends a value, its length before it. Returns false, and appends nothing, where
    /// the text has to be left to Postgres.
    #[must_use]
    pub fn write(self, text: &str, out: &mut Vec<u8>) -> bool {
        memchr::memchr(0, text.as_bytes()).is_none() && self.write_part(Part::whole(text), out)
    }

    /// Does the same with a part of a text in which there is no NUL.
    #[inline]
    pub(crate) fn write_part(self, part: Part<'_>, out: &mut Vec<u8>) -> bool {
        let text = part.text();
        match self.form {
            // What most tables are made of writes its length itself, in one step.
            Form::SmallInt => number::write_smallint(part, out),
            Form::Integer => number::write_integer(part, out),
            Form::BigInt => number::write_bigint(part, out),
            Form::Real => number::write_real(text, out),
            Form::Double => number::write_double(part, out),
            Form::Numeric => number::write_numeric(part, out),
            Form::Text => self.is_sure(text) && write_text(part, out),
            Form::Json => self.is_sure(text) && is_json(text, false) && write_bytes(text.as_bytes(), out),
            Form::Jsonb => {
                self.is_sure(text)
                    && is_json(text, true)
                    && with_length(out, |out| {
                        // The version of the form (jsonb_recv).
                        out.push(1);
                        out.extend_from_slice(text.as_bytes());
                        true
                    })
            }
            Form::Boolean => with_length(out, |out| write_boolean(text, out)),
            Form::Date => with_length(out, |out| moment::write_date(text, out)),
            Form::Time => with_length(out, |out| moment::write_time(text, out)),
            Form::Timestamp => with_length(out, |out| moment::write_timestamp(text, out)),
            Form::TimestampTz => with_length(out, |out| moment::write_timestamp_with_offset(text, out)),
            Form::Uuid => with_length(out, |out| write_uuid(text, out)),
            Form::Bytea => with_length(out, |out| write_bytea(text, out)),
            Form::Inet => with_length(out, |out| network::write_inet(text, out)),
            Form::Cidr => with_length(out, |out| network::write_cidr(text, out)),
            Form::MacAddr => with_length(out, |out| network::write_macaddr(text, out)),
        }
    }

    /// Whether the database is sure to take the text as characters.
    fn is_sure(self, text: &str) -> bool {
        self.any_character || text.is_ascii()
    }
}

/// Returns how many bytes the texts of a row must have together for the database to have less
/// work with rows of these values in binary than as text; 0 where it always has.
///
/// In binary it saves the reading of what is no text. A text costs it more steps than in the
/// text format, and saves it looking at each byte for what has a meaning there. How much that
/// is was measured (`docs/adr/0031-long-texts-go-in-binary.md`).
#[must_use]
pub fn pays_from(forms: &[BinaryForm]) -> usize {
    let costs = PS_A_TEXT * forms.iter().filter(|form| form.is_text()).count();
    let saved: usize = forms.iter().map(|form| 1_000 * form.ns_saved()).sum();
    costs.saturating_sub(saved).div_ceil(PS_A_BYTE)
}

/// What a text costs the database more in binary, whatever its length, in picoseconds.
const PS_A_TEXT: usize = 22_000;
/// What each of its bytes saves.
const PS_A_BYTE: usize = 1_500;

/// Appends NULL. Returns true, as what writes a value does.
pub fn write_null(out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
    true
}

/// Appends a value that is in its binary form already. Returns false, and appends
/// nothing, where it is longer than a value can be.
pub fn write_bytes(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = i32::try_from(value.len()) else { return false };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    true
}

/// Appends a text, its length before it. Returns false, and appends nothing, where it is
/// longer than a value can be.
#[inline]
fn write_text(part: Part<'_>, out: &mut Vec<u8>) -> bool {
    const LENGTH: usize = size_of::<u32>();
    let text = part.text();
    let (Some(value), Ok(length)) = (part.with_bytes_behind(), u32::try_from(text.len())) else {
        return write_bytes(text.as_bytes(), out);
    };
    let mut cell = [0; LENGTH + STRIDE];
    let (length_place, rest) = cell.split_at_mut(LENGTH);
    length_place.copy_from_slice(&length.to_be_bytes());
    rest.copy_from_slice(value);
    // All of it, as so many bytes are written in few steps.
    let end = out.len() + LENGTH + text.len();
    out.extend_from_slice(&cell);
    out.truncate(end);
    true
}

/// Appends a value of a fixed length, and its length before it. Returns true, as what
/// writes a value does.
#[inline]
fn write_fixed<const BYTES: usize>(value: [u8; BYTES], out: &mut Vec<u8>) -> bool {
    const ALL: usize = 12;
    const { assert!(BYTES + 4 <= ALL, "no longer values are of a fixed length") };
    let mut cell = [0; ALL];
    let (length, rest) = cell.split_at_mut(4);
    length.copy_from_slice(&u32::try_from(BYTES).unwrap_or_default().to_be_bytes());
    if let Some(place) = rest.first_chunk_mut() {
        *place = value;
    }
    // All of it, as so many bytes are written in one step.
    let end = out.len() + 4 + BYTES;
    out.extend_from_slice(&cell);
    out.truncate(end);
    true
}

/// Appends what is written, with its length before it; or nothing, if that returns false.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let is_written = write(out);
    let length = i32::try_from(out.len() - start - 4);
    if let (true, Ok(length), Some(place)) = (is_written, length, out.get_mut(start..start + 4)) {
        place.copy_from_slice(&length.to_be_bytes());
        return true;
    }
    out.truncate(start);
    false
}

/// Begins a row of so many columns.
pub fn begin_row(columns: i16, out: &mut Vec<u8>) {
    out.extend_from_slice(&columns.to_be_bytes());
}

fn write_boolean(text: &str, out: &mut Vec<u8>) -> bool {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    let is_true = is(&["t", "true", "1", "y", "yes", "on"]);
    if is_true || is(&["f", "false", "0", "n", "no", "off"]) {
        out.push(u8::from(is_true));
        return true;
    }
    false
}

fn write_uuid(text: &str, out: &mut Vec<u8>) -> bool {
    let mut groups = text.split('-');
    [8, 4, 4, 4, 12].iter().all(|length| {
        groups.next().is_some_and(|group| group.len() == *length && write_hexadecimal(group.as_bytes(), out))
    }) && groups.next().is_none()
}

fn write_bytea(text: &str, out: &mut Vec<u8>) -> bool {
    text.strip_prefix("\\x").is_some_and(|digits| write_hexadecimal(digits.as_bytes(), out))
}

fn write_hexadecimal(digits: &[u8], out: &mut Vec<u8>) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return false };
    pairs.iter().all(|[high, low]| match (digit(*high), digit(*low)) {
        (Some(high), Some(low)) => {
            out.push(high << 4 | low);
            true
        }
        _ => false,
    })
}
