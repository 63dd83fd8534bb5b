//! The encodings that COPY can read, and what of them is decoded here.

use std::borrow::Cow;

use encoding_rs::Encoding;

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
    ("ISO88593", "LATIN3"),
    ("ISO88594", "LATIN4"),
    ("ISO88599", "LATIN5"),
    ("ISO885910", "LATIN6"),
    ("ISO885913", "LATIN7"),
    ("ISO885914", "LATIN8"),
    ("ISO885915", "LATIN9"),
    ("ISO885916", "LATIN10"),
    ("WINDOWS866", "WIN866"),
    ("CP866", "WIN866"),
    ("IBM866", "WIN866"),
    ("WINDOWS874", "WIN874"),
    ("WINDOWS1250", "WIN1250"),
    ("WINDOWS1251", "WIN1251"),
    ("WINDOWS1252", "WIN1252"),
    ("WINDOWS1253", "WIN1253"),
    ("WINDOWS1254", "WIN1254"),
    ("WINDOWS1255", "WIN1255"),
    ("WINDOWS1256", "WIN1256"),
    ("WINDOWS1257", "WIN1257"),
    ("WINDOWS1258", "WIN1258"),
    ("CP1250", "WIN1250"),
    ("CP1251", "WIN1251"),
    ("CP1252", "WIN1252"),
    ("CP1253", "WIN1253"),
    ("CP1254", "WIN1254"),
    ("CP1255", "WIN1255"),
    ("CP1256", "WIN1256"),
    ("CP1257", "WIN1257"),
    ("CP1258", "WIN1258"),
    ("KOI8", "KOI8R"),
    ("GB2312", "EUC_CN"),
    ("MSKANJI", "SJIS"),
    ("CP932", "SJIS"),
    ("SHIFTJIS", "SJIS"),
    ("WINDOWS932", "SJIS"),
    ("WINDOWS936", "GBK"),
    ("WINDOWS949", "UHC"),
    ("WINDOWS950", "BIG5"),
];

/// Encodings that Postgres does not have, by names that the WHATWG does not, cleaned
/// likewise. Of UTF-16 without an order, the byte order mark says which it is.
const OTHERS: &[(&str, &str)] = &[
    // The WHATWG takes it for Windows-1252.
    ("ASCII", "US-ASCII"),
    ("USASCII", "US-ASCII"),
    ("ANSIX341968", "US-ASCII"),
    ("UTF16", "UTF-16"),
    ("UTF16LE", "UTF-16LE"),
    ("UTF16BE", "UTF-16BE"),
    ("UCS2", "UTF-16"),
    ("UCS2LE", "UTF-16LE"),
    ("UCS2BE", "UTF-16BE"),
    ("UTF32", "UTF-32"),
    ("UTF32LE", "UTF-32LE"),
    ("UTF32BE", "UTF-32BE"),
    ("UCS4", "UTF-32"),
    ("UTF8SIG", "UTF8"),
    ("UTF8BOM", "UTF8"),
    ("MACROMAN", "macintosh"),
    ("XMACROMAN", "macintosh"),
    ("MACCYRILLIC", "x-mac-cyrillic"),
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

/// Leaves letters and digits only, in upper case.
fn clean(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// Finds the name that Postgres has for an encoding; like Postgres, it looks at
/// letters and digits only, in any case.
pub(crate) fn canonical(name: &str) -> Option<&'static str> {
    let wanted = clean(name);
    let listed = NAMES.iter().copied().find(|listed| clean(listed) == wanted);
    listed.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == wanted).map(|(_, name)| *name))
}

/// Finds the name of an encoding that can be read: the one that Postgres has for it,
/// or else the label of the WHATWG, or UTF-16 or UTF-32.
pub(crate) fn known(name: &str) -> Option<String> {
    let wanted = clean(name);
    let other = || OTHERS.iter().find(|(other, _)| *other == wanted).map(|(_, name)| *name);
    canonical(name).or_else(other).or_else(|| whatwg(name)).map(str::to_owned)
}

/// Finds the name that the WHATWG has for a label. Two of its encodings are none: one
/// replaces everything, the other leaves bytes what they are.
fn whatwg(label: &str) -> Option<&'static str> {
    let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
    let name = encoding.name();
    (encoding != encoding_rs::X_USER_DEFINED).then(|| canonical(name).unwrap_or(name))
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
        assert_eq!(known("utf-16").as_deref(), Some("UTF-16"));
        assert_eq!(known("Mac Roman").as_deref(), Some("macintosh"));
        assert_eq!(known("ISO-8859-1").as_deref(), Some("LATIN1"));
        assert_eq!(known("x-sjis").as_deref(), Some("SJIS"));
        assert_eq!(known("iso-8859-8-i").as_deref(), Some("ISO-8859-8-I"));
        assert_eq!(known("x-user-defined").as_deref(), None);
        assert_eq!(known("iso-2022-kr").as_deref(), None);
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
