//! Keys as a listing spells them.

/// Undoes the URL encoding of a key in a listing: `%2C` is a comma, `+` a blank.
///
/// A listing is asked to encode its keys as XML 1.0 can't carry every character
/// of a key (`EncodingType` of `ListObjectsV2`). What is no escape stays as it is.
pub(crate) fn decode_key(encoded: &str) -> String {
    let mut key = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        key.push(match byte {
            b'+' => b' ',
            b'%' => match after {
                [high, low, after @ ..] => match (hex(*high), hex(*low)) {
                    (Some(high), Some(low)) => {
                        rest = after;
                        high << 4 | low
                    }
                    _ => byte,
                },
                _ => byte,
            },
            _ => byte,
        });
    }
    String::from_utf8(key).unwrap_or_else(|_| encoded.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::decode_key;

    #[test]
    fn escapes_and_blanks_are_undone() {
        assert_eq!(decode_key("year_2022/a.csv"), "year_2022/a.csv");
        assert_eq!(decode_key("a+b%2Bc%25d%27%22.csv"), "a b+c%d'\".csv");
        assert_eq!(decode_key("%E5%B9%B4/%F0%9F%8C%A7.csv"), "年/🌧.csv");
        assert_eq!(decode_key("tab%09nul%01"), "tab\tnul\u{1}");
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(decode_key("100%"), "100%");
        assert_eq!(decode_key("100%zz%4"), "100%zz%4");
        assert_eq!(decode_key("%FF"), "%FF");
    }
}
