//! The dialect of a table's objects: how their bytes are records and fields.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::record::encoding;

/// How CSV is written in the objects of a table; RFC 4180 if nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct CopyDialect {
    /// What stands between two fields.
    pub delimiter: u8,
    /// What a field is wrapped in that holds a delimiter or a line end.
    pub quote: u8,
    /// What makes a quote within quotes part of the value.
    pub escape: u8,
    /// The unquoted text that means NULL.
    pub null: String,
    /// The encoding, by the name that Postgres has for it.
    pub encoding: String,
    /// Whether the first record names the columns; if not, the fields are the
    /// columns in the table's order.
    pub header: bool,
}

impl Default for CopyDialect {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            escape: b'"',
            null: String::new(),
            encoding: "UTF8".to_owned(),
            header: true,
        }
    }
}

/// The dialect as a definition writes it: characters are strings of one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escape: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    null: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<bool>,
}

impl TryFrom<Written> for CopyDialect {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        let defaults = Self::default();
        let quote = one_byte("quote", written.quote, defaults.quote)?;
        let encoding = match written.encoding {
            None => defaults.encoding,
            Some(name) => match encoding::canonical(&name) {
                Some(canonical) => canonical.to_owned(),
                None => {
                    return Err(invalid(
                        "encoding must be one that Postgres knows, such as UTF8, LATIN1 or WIN1252",
                    ));
                }
            },
        };
        let dialect = Self {
            delimiter: one_byte("delimiter", written.delimiter, defaults.delimiter)?,
            quote,
            escape: one_byte("escape", written.escape, quote)?,
            null: written.null.unwrap_or(defaults.null),
            encoding,
            header: written.header.unwrap_or(defaults.header),
        };
        dialect.validate()?;
        Ok(dialect)
    }
}

impl From<CopyDialect> for Written {
    fn from(dialect: CopyDialect) -> Self {
        let text = |byte: u8| Some(char::from(byte).to_string());
        Self {
            delimiter: text(dialect.delimiter),
            quote: text(dialect.quote),
            escape: text(dialect.escape),
            null: Some(dialect.null),
            encoding: Some(dialect.encoding),
            header: Some(dialect.header),
        }
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorName::InvalidDefinition, format!("the dialect is not valid: {what}"))
}

/// Reads a string of one character, which must be ASCII as it is one byte in
/// every encoding then.
fn one_byte(field: &str, text: Option<String>, default: u8) -> Result<u8> {
    let Some(text) = text else { return Ok(default) };
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(invalid(&format!("{field} must be one ASCII character"))),
    }
}

impl CopyDialect {
    /// Checks what COPY would refuse, and what the splitting of records can't
    /// tell apart.
    ///
    /// The rules of COPY are those of `ProcessCopyOptions` in
    /// `src/backend/commands/copy.c` of Postgres.
    ///
    /// # Errors
    /// `InvalidDefinition`, with the field and the rule.
    pub fn validate(&self) -> Result<()> {
        let fields = [("delimiter", self.delimiter), ("quote", self.quote), ("escape", self.escape)];
        for (field, byte) in fields {
            if !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0) {
                return Err(invalid(&format!(
                    "{field} must be one ASCII character, and no newline, carriage return or NUL"
                )));
            }
            if !encoding::is_single(byte, &self.encoding) {
                return Err(invalid(&format!(
                    "{field} may be a part of another character in {}; choose a sign before 0 in ASCII",
                    self.encoding
                )));
            }
        }
        if self.delimiter == self.quote {
            return Err(invalid("delimiter and quote must be different"));
        }
        // A record `\.` has to be written so that COPY does not take it for the
        // end of the data; these leave no way to do so.
        if self.quote == b'\\' {
            return Err(invalid("quote can't be a backslash"));
        }
        if matches!(self.delimiter, b'\\' | b'.') {
            return Err(invalid("delimiter can't be a backslash or a dot"));
        }
        if self.null == "\\." {
            return Err(invalid("null can't be the text that ends a COPY"));
        }
        if self.null.contains(['\n', '\r', '\0']) {
            return Err(invalid("null can't hold a newline, a carriage return or a NUL"));
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return Err(invalid("null can't hold the delimiter"));
        }
        if self.null.as_bytes().contains(&self.quote) {
            return Err(invalid("null can't hold the quote"));
        }
        if encoding::canonical(&self.encoding) != Some(self.encoding.as_str()) {
            return Err(invalid("encoding must be a name that Postgres has for one"));
        }
        Ok(())
    }

    /// Writes the options of a COPY that reads this dialect, without the
    /// parentheses around them.
    ///
    /// `header` says whether the bytes that COPY gets begin with a header;
    /// `force_null` are the columns in which the null text means NULL even in
    /// quotes.
    #[must_use]
    pub fn copy_options(&self, header: bool, force_null: &[Identifier]) -> String {
        let byte = |byte: u8| literal(&char::from(byte).to_string());
        let mut options = format!(
            "format csv, header {header}, delimiter {}, quote {}, escape {}, null {}, encoding {}",
            byte(self.delimiter),
            byte(self.quote),
            byte(self.escape),
            literal(&self.null),
            literal(&self.encoding),
        );
        if !force_null.is_empty() {
            let columns: Vec<String> = force_null.iter().map(ToString::to_string).collect();
            options.extend([", force_null (", &columns.join(", "), ")"]);
        }
        options
    }
}

/// Writes a SQL literal that means the same whatever
/// `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains(['\\', '\t']) {
        format!("E'{}'", quoted.replace('\\', "\\\\").replace('\t', "\\t"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(json: &str) -> Result<CopyDialect, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn refusal(json: &str) -> String {
        dialect(json).unwrap_err()
    }

    #[test]
    fn nothing_said_is_rfc_4180() {
        assert_eq!(dialect("{}"), Ok(CopyDialect::default()));
        assert!(CopyDialect::default().validate().is_ok());
    }

    #[test]
    fn the_escape_is_the_quote_if_nothing_is_said() {
        let read = dialect(r#"{"quote": "'"}"#).unwrap();
        assert_eq!((read.quote, read.escape), (b'\'', b'\''));
    }

    #[test]
    fn a_dialect_reads_what_it_wrote() {
        let before =
            dialect(r#"{"delimiter": "\t", "escape": "\\", "encoding": "utf-8", "header": false}"#).unwrap();
        let written = serde_json::to_string(&before).unwrap();
        assert_eq!(dialect(&written), Ok(before));
    }

    #[test]
    fn toml_reads_the_same_fields() {
        let read: CopyDialect = toml::from_str("delimiter = \";\"\nencoding = \"latin1\"").unwrap();
        assert_eq!((read.delimiter, read.encoding.as_str()), (b';', "LATIN1"));
    }

    #[test]
    fn what_copy_would_refuse_is_refused_with_the_field_named() {
        for (json, expected) in [
            (r#"{"delimeter": ","}"#, "unknown field `delimeter`"),
            (r#"{"delimiter": ""}"#, "delimiter must be one ASCII character"),
            (r#"{"delimiter": "||"}"#, "delimiter must be one ASCII character"),
            (r#"{"delimiter": "é"}"#, "delimiter must be one ASCII character"),
            (r#"{"delimiter": "\n"}"#, "delimiter must be one ASCII character, and no newline"),
            (r#"{"quote": "\r"}"#, "quote must be one ASCII character, and no newline"),
            (r#"{"escape": "\u0000"}"#, "escape must be one ASCII character, and no newline"),
            (r#"{"delimiter": "\""}"#, "delimiter and quote must be different"),
            (r#"{"quote": "\\"}"#, "quote can't be a backslash"),
            (r#"{"delimiter": "."}"#, "delimiter can't be a backslash or a dot"),
            (r#"{"null": "a\nb"}"#, "null can't hold a newline"),
            (r#"{"null": "a,b"}"#, "null can't hold the delimiter"),
            (r#"{"null": "\"\""}"#, "null can't hold the quote"),
            (r#"{"null": "\\."}"#, "null can't be the text that ends a COPY"),
            (r#"{"encoding": "utf16"}"#, "encoding must be one that Postgres knows"),
            (r#"{"encoding": "sjis", "escape": "\\"}"#, "escape may be a part of another character in SJIS"),
            (
                r#"{"encoding": "gbk", "delimiter": "|"}"#,
                "delimiter may be a part of another character in GBK",
            ),
        ] {
            let refused = refusal(json);
            assert!(refused.contains(expected), "{json}: {refused}");
        }
    }

    #[test]
    fn copy_options_say_everything() {
        let columns = ["a", "b\"c"].map(|name| Identifier::new(name).unwrap());
        insta::assert_snapshot!(
            CopyDialect::default().copy_options(true, &columns),
            @r#"format csv, header true, delimiter ',', quote '"', escape '"', null '', encoding 'UTF8', force_null ("a", "b""c")"#
        );
    }

    #[test]
    fn copy_options_quote_their_literals() {
        let odd = dialect(
            r#"{"delimiter": "\t", "quote": "'", "escape": "\\", "null": "\\N", "encoding": "cp1252"}"#,
        )
        .unwrap();
        insta::assert_snapshot!(
            odd.copy_options(false, &[]),
            @r"format csv, header false, delimiter E'\t', quote '''', escape E'\\', null E'\\N', encoding 'WIN1252'"
        );
    }
}
