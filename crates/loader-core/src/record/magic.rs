//! Tells formats apart by their first bytes.

use crate::error::{Error, ErrorName, Result};

/// How many bytes decide.
pub(super) const MAGIC_BYTES: usize = 16;

/// The mark that some programs put before UTF-8.
pub(super) const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

const COMPRESSED: &str = "store it as plain CSV or as gzip";
const NO_CSV: &str = "export it as CSV";
const UTF16: &str = "say so in the dialect, or have the encoding found out (encoding = \"auto\")";

/// Beginnings that no CSV has, what they are and what helps.
const FORMATS: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a ZIP archive (or an Excel workbook)", "store the CSV in it as plain CSV or as gzip"),
    (b"PK\x05\x06", "an empty ZIP archive", "store the CSV as plain CSV or as gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", COMPRESSED),
    (b"\xfd7zXZ\x00", "xz-compressed", COMPRESSED),
    (b"\x04\x22\x4d\x18", "LZ4-compressed", COMPRESSED),
    (b"\xff\x06\x00\x00sNaPpY", "Snappy-compressed", COMPRESSED),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", COMPRESSED),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", NO_CSV),
    (b"Obj\x01", "Avro", NO_CSV),
];

/// The marks before UTF-16 and UTF-32.
const WIDE: &[(&[u8], &str, &str)] = &[
    (b"\xff\xfe", "UTF-16 (or UTF-32) text", UTF16),
    (b"\xfe\xff", "UTF-16 text", UTF16),
    (b"\x00\x00\xfe\xff", "UTF-32 text", UTF16),
];

/// Tells whether gzip begins here.
pub(crate) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(b"\x1f\x8b")
}

/// Refuses what begins as no CSV does. `packed` says that it was in gzip, `wide` that
/// UTF-16 and UTF-32 can be read.
pub(super) fn refuse_other_formats(start: &[u8], packed: bool, wide: bool) -> Result<()> {
    let found = other_format(start).or_else(|| wide_text(start).filter(|_| !wide));
    let Some((what, fix)) = found else { return Ok(()) };
    let within = if packed { ", within gzip," } else { "" };
    Err(Error::new(
        ErrorName::UnsupportedFormat,
        format!("the object{within} is {what}, which can't be loaded: {fix}"),
    ))
}

fn other_format(start: &[u8]) -> Option<(&'static str, &'static str)> {
    for (magic, what, fix) in FORMATS {
        if start.starts_with(magic) {
            return Some((what, fix));
        }
    }
    match start {
        // A header may begin with these letters too; what follows is binary only
        // in a Parquet file.
        [b'P', b'A', b'R', b'1' | b'E', next, ..] if is_binary(*next) => Some(("Parquet", NO_CSV)),
        // Likewise: the size of a block, then pi, or the root of it in an empty
        // stream.
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, b'r', b'E', b'8', b'P', 0x90, ..] => {
            Some(("bzip2-compressed", COMPRESSED))
        }
        _ => None,
    }
}

fn wide_text(start: &[u8]) -> Option<(&'static str, &'static str)> {
    for (mark, what, fix) in WIDE {
        if start.starts_with(mark) {
            return Some((what, fix));
        }
    }
    match start {
        // Text never has a NUL; UTF-16 without a mark has one beside every
        // ASCII letter.
        [0, other, ..] | [other, 0, ..] if *other != 0 => Some(("UTF-16 text or a binary file", UTF16)),
        _ => None,
    }
}

const fn is_binary(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named_with_what_helps() {
        for (start, expected) in [
            (&b"PK\x03\x04\x14\x00"[..], "ZIP"),
            (b"PAR1\x15\x04\x15", "Parquet"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd"),
            (b"BZh91AY&SY\x00", "bzip2"),
            (b"\xfd7zXZ\x00\x00", "xz"),
            (b"\xff\xfei\x00d\x00", "UTF-16"),
            (b"\xfe\xff\x00i\x00d", "UTF-16"),
            (b"i\x00d\x00", "UTF-16"),
            (b"\x00i\x00d", "UTF-16"),
        ] {
            let error = refuse_other_formats(start, false, false).unwrap_err();
            assert_eq!(error.name, ErrorName::UnsupportedFormat);
            assert!(error.message.contains(expected), "{error}");
            assert!(error.message.starts_with("the object is "), "{error}");
        }
        let error = refuse_other_formats(b"PK\x03\x04", true, true).unwrap_err();
        assert!(error.message.starts_with("the object, within gzip, is a ZIP"), "{error}");
    }

    #[test]
    fn headers_that_begin_like_a_format_are_text() {
        for start in [&b""[..], b"\n", b"PAR1,PAR2\n", b"PAR1\n", b"PKW\n", b"BZh1,x\n", b"a"] {
            assert!(refuse_other_formats(start, false, false).is_ok(), "{start:?}");
        }
    }

    #[test]
    fn wide_text_is_taken_where_it_can_be_read() {
        for start in
            [&b"\xff\xfei\x00d\x00"[..], b"\xfe\xff\x00i", b"\x00\x00\xfe\xff", b"i\x00d\x00", b"\x00i"]
        {
            assert!(refuse_other_formats(start, false, true).is_ok(), "{start:?}");
            assert!(refuse_other_formats(start, false, false).is_err(), "{start:?}");
        }
    }
}
