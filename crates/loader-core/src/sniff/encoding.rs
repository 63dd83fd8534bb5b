//! Finds out in which encoding a sample is.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::error::{Error, ErrorName, Result};

/// With fewer bytes beyond ASCII than this, their encoding is a guess.
const FEW: usize = 6;
/// The control characters that a text may have, those that delimit among them.
const CONTROLS_OF_TEXT: &[char] = &[
    '\t', '\n', '\r', '\u{b}', '\u{c}', '\u{1}', '\u{2}', '\u{7}', '\u{1a}', '\u{1b}', '\u{1c}', '\u{1d}',
    '\u{1e}', '\u{1f}',
];

/// A sample as text.
#[derive(Debug, Clone)]
pub(super) struct Decoded {
    /// The sample, without a byte order mark.
    pub(super) text: String,
    /// The encoding by the name that a definition has for it.
    pub(super) encoding: String,
    /// How it was found, in words; none where it is what anybody expects.
    pub(super) found: Option<String>,
    /// Why it may be another.
    pub(super) doubt: Option<String>,
}

impl Decoded {
    fn new(text: String, encoding: &str, found: impl Into<Option<String>>) -> Self {
        Self { text, encoding: encoding.to_owned(), found: found.into(), doubt: None }
    }
}

/// Decodes a sample whose encoding is given.
pub(super) fn given(sample: &[u8], name: &str) -> Decoded {
    let canonical = name.to_owned();
    let text = match by_name(name) {
        // What is wrong in it is found by the reader, record by record.
        Some(encoding) => encoding.decode_with_bom_removal(sample).0.into_owned(),
        None => String::from_utf8_lossy(sample).into_owned(),
    };
    Decoded::new(text, &canonical, None)
}

/// Finds the encoding of a sample and decodes it.
///
/// In this order: a byte order mark; the NUL bytes that UTF-16 has between ASCII
/// characters; UTF-8 if the bytes are such; else a legacy encoding by the letters that
/// follow each other in it, as browsers guess it (chardetng, by the author of
/// Firefox's decoders), and Mac Roman, which browsers do not look for, by our own
/// count of letters at odd places.
///
/// # Errors
/// `UnsupportedFormat` if it is no text.
pub(super) fn find(sample: &[u8], whole: bool) -> Result<Decoded> {
    if let Some((encoding, mark)) = Encoding::for_bom(sample) {
        let text = decode(sample.get(mark..).unwrap_or_default(), encoding);
        let name = name_of(encoding);
        return Ok(Decoded::new(text, name, format!("encoding {name} by its byte order mark")));
    }
    if let Some(encoding) = utf_16(sample) {
        let name = name_of(encoding);
        return Ok(Decoded::new(decode(sample, encoding), name, format!("encoding {name} by its NUL bytes")));
    }
    let found = match utf_8(sample, whole) {
        Utf8::Valid(text) => {
            let found = (!text.is_ascii()).then(|| "encoding UTF8".to_owned());
            Decoded::new(text.to_owned(), "UTF8", found)
        }
        Utf8::Dirty(bad) => {
            let mut decoded = Decoded::new(decode(sample, UTF_8), "UTF8", "encoding UTF8".to_owned());
            decoded.doubt =
                Some(format!("the encoding is UTF8 but for {bad} places with bytes that are none"));
            decoded
        }
        Utf8::Not => legacy(sample, whole),
    };
    refuse_binary(&found.text)?;
    Ok(found)
}

/// What UTF-8 makes of the sample.
enum Utf8<'a> {
    /// It is UTF-8, as far as it goes.
    Valid(&'a str),
    /// It is, but for so many places.
    Dirty(usize),
    /// It is something else.
    Not,
}

fn utf_8(sample: &[u8], whole: bool) -> Utf8<'_> {
    let mut rest = sample;
    let (mut bad, mut good) = (0_usize, 0_usize);
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                good += characters_beyond_ascii(text);
                break;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                let valid = std::str::from_utf8(valid).unwrap_or_default();
                good += characters_beyond_ascii(valid);
                match error.error_len() {
                    // The sample ends within a character.
                    None if !whole && bad == 0 => {
                        let end = sample.len() - after.len();
                        let text = sample.get(..end).and_then(|text| std::str::from_utf8(text).ok());
                        return text.map_or(Utf8::Not, Utf8::Valid);
                    }
                    None => {
                        bad += usize::from(whole);
                        break;
                    }
                    Some(length) => {
                        bad += 1;
                        rest = after.get(length..).unwrap_or_default();
                    }
                }
            }
        }
    }
    match std::str::from_utf8(sample) {
        Ok(text) => Utf8::Valid(text),
        // By chance, text of another encoding is hardly ever a character of UTF-8.
        Err(_) if good >= 2 && bad * 4 <= good => Utf8::Dirty(bad),
        Err(_) => Utf8::Not,
    }
}

fn characters_beyond_ascii(text: &str) -> usize {
    text.chars().filter(|c| !c.is_ascii()).count()
}

/// UTF-16 without a mark has a NUL beside nearly every character of ASCII, always on
/// the same side.
fn utf_16(sample: &[u8]) -> Option<&'static Encoding> {
    let count = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (count(0), count(1));
    let pairs = sample.len() / 2;
    let (encoding, with, without) = if odd > even { (UTF_16LE, odd, even) } else { (UTF_16BE, even, odd) };
    // In other scripts than Latin only delimiters, digits and line ends are ASCII.
    let enough = with * 3 >= pairs || with * 10 >= pairs && std::str::from_utf8(sample).is_err();
    (with >= 2 && enough && without * 20 <= with).then_some(encoding)
}

fn legacy(sample: &[u8], whole: bool) -> Decoded {
    let high = sample.iter().filter(|byte| !byte.is_ascii()).count();
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample, whole);
    let guessed = match detector.guess(None, Utf8Detection::Deny) {
        other if other == UTF_8 => WINDOWS_1252,
        // Few bytes say little: where they make Western words, these are likelier.
        _ if high < FEW && oddity(&decode(sample, WINDOWS_1252)) == 0 => WINDOWS_1252,
        guessed => guessed,
    };
    let (mac, western) = (oddity(&decode(sample, MACINTOSH)), oddity(&decode(sample, guessed)));
    let broken = decode(sample, guessed).chars().any(|c| c == char::REPLACEMENT_CHARACTER || is_c1(c));
    let chosen = if guessed.is_single_byte() && (mac * 2 < western || broken && mac <= western) {
        MACINTOSH
    } else {
        guessed
    };
    let text = decode(sample, chosen);
    let name = name_of(chosen);
    let mut decoded = Decoded::new(text, name, format!("encoding {name} by its letters"));
    let other = if chosen == MACINTOSH { name_of(guessed) } else { "macintosh" };
    if chosen.is_single_byte() && mac.abs_diff(western) <= 1 && mac + western > 0 && chosen != guessed {
        decoded.doubt = Some(format!("the encoding may be {other} as well as {name}"));
    } else if high < FEW {
        decoded.doubt =
            Some(format!("{high} bytes beyond ASCII are few to know the encoding by; {name} is taken"));
    }
    decoded
}

/// How many characters stand where their like does not in Western languages: capitals
/// after small letters, and signs between letters.
fn oddity(text: &str) -> usize {
    let characters: Vec<char> = text.chars().collect();
    let at = |place: Option<usize>| place.and_then(|place| characters.get(place)).copied().unwrap_or(' ');
    let mut odd = 0;
    for (place, c) in characters.iter().enumerate().filter(|(_, c)| !c.is_ascii()) {
        let (before, after) = (at(place.checked_sub(1)), at(Some(place + 1)));
        let inside = before.is_alphabetic() && after.is_alphabetic();
        odd += usize::from(match c {
            'ª' | 'º' => inside,
            '’' | '‘' | '–' | '—' | '·' | '\u{a0}' => false,
            c if c.is_uppercase() => before.is_lowercase() || after.is_lowercase() && before.is_alphabetic(),
            c if c.is_lowercase() => {
                before.is_uppercase() && after.is_uppercase()
                    || matches!(c, 'ı' | 'ƒ' | 'ð' | 'þ' | 'ÿ' | 'ˇ')
            }
            'ˆ' | '˜' | '¨' | '¯' | '¸' | '´' | '˘' | '˙' | '˚' | '˝' | '˛' | '¬' | '¦' | '\u{f8ff}' => {
                true
            }
            c if is_c1(*c) || *c == char::REPLACEMENT_CHARACTER => true,
            _ => inside,
        });
    }
    odd
}

fn is_c1(c: char) -> bool {
    ('\u{80}'..='\u{9f}').contains(&c)
}

fn decode(bytes: &[u8], encoding: &'static Encoding) -> String {
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// The name that Postgres has for it, or else its label.
fn name_of(encoding: &'static Encoding) -> &'static str {
    match encoding.name() {
        "UTF-8" => "UTF8",
        "windows-1250" => "WIN1250",
        "windows-1251" => "WIN1251",
        "windows-1252" => "WIN1252",
        "windows-1253" => "WIN1253",
        "windows-1254" => "WIN1254",
        "windows-1255" => "WIN1255",
        "windows-1256" => "WIN1256",
        "windows-1257" => "WIN1257",
        "windows-1258" => "WIN1258",
        "windows-874" => "WIN874",
        "IBM866" => "WIN866",
        "KOI8-U" => "KOI8U",
        "KOI8-R" => "KOI8R",
        "ISO-8859-2" => "LATIN2",
        "ISO-8859-4" => "LATIN4",
        "ISO-8859-5" => "ISO_8859_5",
        "ISO-8859-6" => "ISO_8859_6",
        "ISO-8859-7" => "ISO_8859_7",
        "ISO-8859-8" => "ISO_8859_8",
        "ISO-8859-13" => "LATIN7",
        "EUC-JP" => "EUC_JP",
        "EUC-KR" => "UHC",
        "Shift_JIS" => "SJIS",
        "Big5" => "BIG5",
        "GBK" => "GBK",
        name => name,
    }
}

/// The decoder for a name that Postgres or the WHATWG has.
fn by_name(name: &str) -> Option<&'static Encoding> {
    let all = [
        "UTF-8",
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "windows-874",
        "IBM866",
        "KOI8-U",
        "KOI8-R",
        "ISO-8859-2",
        "ISO-8859-4",
        "ISO-8859-5",
        "ISO-8859-6",
        "ISO-8859-7",
        "ISO-8859-8",
        "ISO-8859-13",
        "EUC-JP",
        "EUC-KR",
        "Shift_JIS",
        "Big5",
        "GBK",
    ];
    let listed = all.iter().filter_map(|label| Encoding::for_label(label.as_bytes()));
    let listed = listed.into_iter().find(|encoding| name_of(encoding) == name);
    listed.or_else(|| Encoding::for_label(name.as_bytes()))
}

fn refuse_binary(text: &str) -> Result<()> {
    let (mut controls, mut all) = (0_usize, 0_usize);
    for c in text.chars().take(16 * 1024) {
        all += 1;
        controls += usize::from(c == '\0' || c.is_ascii_control() && !CONTROLS_OF_TEXT.contains(&c));
    }
    if controls > 8 && controls * 5 > all {
        return Err(Error::new(
            ErrorName::UnsupportedFormat,
            "the object is no text: many of its bytes are control characters; exclude it by a pattern, or \
             write its `encoding` into the dialect",
        ));
    }
    Ok(())
}
