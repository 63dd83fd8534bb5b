//! The encodings that COPY can read, and what of them is decoded here.

use std::borrow::Cow;

/// The client encodings of Postgres (documentation, "Character Set Support"),
/// without `SQL_ASCII`, which means that nobody knows, and `MULE_INTERNAL`.
const NAMES: &[&str] = &[
    "UTF8",
    "LATIN1",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "LATIN10",
    "WIN866",
    "WIN874",
    "WIN1250",
    "WIN1251",
    "WIN1252",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1256",
    "WIN1257",
    "WIN1258",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "KOI8R",
    "KOI8U",
    "EUC_CN",
    "EUC_JP",
    "EUC_JIS_2004",
    "EUC_KR",
    "EUC_TW",
    "BIG5",
    "GBK",
    "GB18030",
    "JOHAB",
    "SJIS",
    "SHIFT_JIS_2004",
    "UHC",
];

/// Other names for them that people write, cleaned of everything but letters
/// and digits.
const ALIASES: &[(&str, &str)] = &[
    ("UNICODE", "UTF8"),
    ("ISO88591", "LATIN1"),
    ("ISO88592", "LATIN2"),
    ("ISO885915", "LATIN9"),
    ("WINDOWS1250", "WIN1250"),
    ("WINDOWS1251", "WIN1251"),
    ("WINDOWS1252", "WIN1252"),
    ("CP1250", "WIN1250"),
    ("CP1251", "WIN1251"),
    ("CP1252", "WIN1252"),
    ("SHIFTJIS", "SJIS"),
    ("WINDOWS932", "SJIS"),
    ("WINDOWS936", "GBK"),
    ("WINDOWS949", "UHC"),
    ("WINDOWS950", "BIG5"),
];

/// Encodings in which the second byte of a character may be an ASCII one, from
/// `0` (0x30) upward. Postgres splits records after decoding, this crate before.
const ASCII_WITHIN_CHARACTERS: &[&str] =
    &["BIG5", "GBK", "GB18030", "JOHAB", "SJIS", "SHIFT_JIS_2004", "UHC"];

/// What Windows-1252 has between 0x80 and 0x9f; the gaps are no characters.
const WIN1252_HIGH: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

/// Finds the name that Postgres has for an encoding; like Postgres, it looks at
/// letters and digits only, in any case.
pub(crate) fn canonical(name: &str) -> Option<&'static str> {
    let clean = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
    };
    let wanted = clean(name);
    let listed = NAMES.iter().copied().find(|listed| clean(listed) == wanted);
    listed.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == wanted).map(|(_, name)| *name))
}

/// Finds the name of an encoding that can be read: the one that Postgres has for it,
/// or else the label of the WHATWG.
pub(crate) fn known(name: &str) -> Option<String> {
    canonical(name).map(str::to_owned)
}

/// Tells whether `byte` is that one character wherever it stands.
pub(crate) fn is_single(byte: u8, encoding: &str) -> bool {
    byte < b'0' || !ASCII_WITHIN_CHARACTERS.contains(&encoding)
}

/// Decodes text, or returns none if the bytes are no such text, or are not
/// ASCII in an encoding that is not decoded here. Nothing is ever replaced.
pub(crate) fn decode<'a>(bytes: &'a [u8], encoding: &str) -> Option<Cow<'a, str>> {
    match encoding {
        "UTF8" => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        "LATIN1" => Some(bytes.iter().copied().map(char::from).collect::<String>().into()),
        "WIN1252" => {
            let decoded: Option<String> = bytes.iter().copied().map(win1252).collect();
            decoded.map(Cow::Owned)
        }
        _ if bytes.is_ascii() => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        _ => None,
    }
}

fn win1252(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9f => WIN1252_HIGH.get(usize::from(byte - 0x80)).copied().flatten(),
        _ => Some(char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_known_by_the_names_that_people_write() {
        assert_eq!(canonical("utf-8"), Some("UTF8"));
        assert_eq!(canonical("Latin1"), Some("LATIN1"));
        assert_eq!(canonical("ISO-8859-1"), Some("LATIN1"));
        assert_eq!(canonical("iso_8859_5"), Some("ISO_8859_5"));
        assert_eq!(canonical("windows-1252"), Some("WIN1252"));
        assert_eq!(canonical("UTF16"), None);
        assert_eq!(canonical(""), None);
    }

    #[test]
    fn text_is_decoded_exactly_or_not_at_all() {
        assert_eq!(decode("é".as_bytes(), "UTF8").as_deref(), Some("é"));
        assert_eq!(decode(b"\xe9", "UTF8"), None);
        assert_eq!(decode(b"\xe9\x80", "LATIN1").as_deref(), Some("é\u{80}"));
        assert_eq!(decode(b"\xe9\x80", "WIN1252").as_deref(), Some("é€"));
        assert_eq!(decode(b"\x81", "WIN1252"), None);
        assert_eq!(decode(b"abc", "SJIS").as_deref(), Some("abc"));
        assert_eq!(decode(b"\x83\x5c", "SJIS"), None);
    }
}
