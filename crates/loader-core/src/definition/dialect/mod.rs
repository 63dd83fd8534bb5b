//! The dialect of a table's objects: how their bytes are characters, records and
//! fields.

pub mod copy;

use serde::{Deserialize, Serialize};

use self::copy::CopyDialect;
use crate::error::{Error, ErrorName, Result};
use crate::record::encoding;

/// The encoding that is found out from the object.
pub const AUTO: &str = "auto";

/// The longest delimiter, comment mark or line end, in characters.
const LONGEST_MARK: usize = 16;

/// How records and fields are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Fields between delimiters, in quotes where they have to be.
    #[default]
    Csv,
    /// The text format of COPY: backslash sequences, `\N`, no quotes.
    Text,
    /// Fields at fixed places of a line.
    Fixed,
}

/// What quotes mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quoting {
    /// As COPY reads CSV: a quote anywhere in a field begins or ends quoting.
    #[default]
    Anywhere,
    /// As RFC 4180 says: quotes wrap a whole field; what stands between the closing
    /// quote and the delimiter spoils the record.
    Whole,
    /// Quotes wrap a whole field; a quote that neither begins nor ends one is a part
    /// of the value.
    Loose,
}

/// Which blanks around a value are no part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trim {
    /// None.
    #[default]
    None,
    /// Those outside of quotes.
    Unquoted,
    /// All of them.
    All,
}

/// What becomes of a record with another number of fields than there are names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ragged {
    /// It is refused.
    #[default]
    Refuse,
    /// What is missing is NULL; one with more is refused.
    Pad,
    /// What is missing is NULL, what is too many is left out.
    PadAndCut,
}

/// A field at a fixed place of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedField {
    /// Its name.
    pub name: String,
    /// Its first character, from 0.
    pub from: usize,
    /// Its characters; to the end of the line if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
}

/// A dialect with every question answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// How records and fields are told apart.
    pub format: Format,
    /// What stands between two fields: one or more characters.
    pub delimiter: String,
    /// What a field is wrapped in that holds a delimiter or a line end.
    pub quote: Option<char>,
    /// What makes a quote within quotes part of the value; the quote itself unless
    /// something else is said. None: nothing does.
    pub escape: Option<char>,
    /// What quotes mean.
    pub quoting: Quoting,
    /// The unquoted texts that mean NULL. In columns whose type has no such value
    /// they mean NULL in quotes too.
    pub null: Vec<String>,
    /// The encoding, by the name that Postgres or the WHATWG has for it.
    pub encoding: String,
    /// How many records at the beginning name the columns; their cells are joined
    /// with a blank. 0: the fields are `names`, or the columns in the table's order.
    pub header_rows: u32,
    /// How many lines stand before the header.
    pub skip_lines: u64,
    /// What a line begins with that is no record.
    pub comment: Option<String>,
    /// What ends a record; none takes a newline, a carriage return or both, each
    /// where it stands.
    pub line_end: Option<String>,
    /// Whether lines without any character are no records.
    pub skip_blank_lines: bool,
    /// Whether every record ends in a delimiter with nothing after it.
    pub trailing_delimiter: bool,
    /// Which blanks are no part of a value.
    pub trim: Trim,
    /// What becomes of records with too few or too many fields.
    pub ragged: Ragged,
    /// The names of the fields, instead of a header.
    pub names: Option<Vec<String>>,
    /// The fields of the format `fixed`.
    pub fields: Vec<FixedField>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            format: Format::Csv,
            delimiter: ",".to_owned(),
            quote: Some('"'),
            escape: Some('"'),
            quoting: Quoting::Anywhere,
            null: vec![String::new()],
            encoding: "UTF8".to_owned(),
            header_rows: 1,
            skip_lines: 0,
            comment: None,
            line_end: None,
            skip_blank_lines: false,
            trailing_delimiter: false,
            trim: Trim::None,
            ragged: Ragged::Refuse,
            names: None,
            fields: Vec::new(),
        }
    }
}

impl Dialect {
    /// Returns the dialect as COPY in CSV reads it by itself, if it can.
    #[must_use]
    pub fn for_copy(&self) -> Option<CopyDialect> {
        let plain = Self {
            delimiter: self.delimiter.clone(),
            quote: self.quote,
            escape: self.escape,
            null: self.null.clone(),
            encoding: self.encoding.clone(),
            header_rows: self.header_rows,
            ..Self::default()
        };
        if *self != plain || self.header_rows > 1 {
            return None;
        }
        let byte = |c: char| u8::try_from(c).ok();
        let [null] = self.null.as_slice() else { return None };
        let [delimiter] = self.delimiter.as_bytes() else { return None };
        let dialect = CopyDialect {
            delimiter: *delimiter,
            quote: byte(self.quote?)?,
            escape: byte(self.escape?)?,
            null: null.clone(),
            encoding: encoding::canonical(&self.encoding)?.to_owned(),
            header: self.header_rows == 1,
        };
        dialect.validate().is_ok().then_some(dialect)
    }

    /// Checks what contradicts itself.
    ///
    /// # Errors
    /// `InvalidDefinition`, with the field and the rule.
    pub fn validate(&self) -> Result<()> {
        let marks = [
            ("delimiter", Some(self.delimiter.as_str())),
            ("comment", self.comment.as_deref()),
            ("line_end", self.line_end.as_deref()),
        ];
        for (field, mark) in marks {
            let length = mark.map_or(1, |mark| mark.chars().count());
            if length == 0 || length > LONGEST_MARK {
                return Err(invalid(&format!("{field} must be 1 to {LONGEST_MARK} characters")));
            }
        }
        if self.format != Format::Fixed && self.delimiter.contains(['\n', '\r', '\0']) {
            return Err(invalid("delimiter can't hold a newline, a carriage return or a NUL"));
        }
        for (field, sign) in [("quote", self.quote), ("escape", self.escape)] {
            if sign.is_some_and(|sign| matches!(sign, '\n' | '\r')) {
                return Err(invalid(&format!("{field} can't be a newline or a carriage return")));
            }
            if sign.is_some_and(|sign| self.delimiter.contains(sign)) {
                return Err(invalid(&format!("delimiter and {field} must be different")));
            }
        }
        if self.quote.is_none() && self.escape.is_some() && self.format == Format::Csv {
            // An escape without quotes is legal: it takes the meaning off a delimiter.
            return Ok(());
        }
        if self.format == Format::Fixed && self.fields.is_empty() {
            return Err(invalid("the format fixed needs `fields`, each with name, from and length"));
        }
        Ok(())
    }
}

/// A dialect as a definition writes it. What is left out is what RFC 4180 says, or
/// is found out from each object if `sniff` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// Whether what is left out is found out from each object.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sniff: bool,
    /// How records and fields are told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// What stands between two fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// What fields are wrapped in; an empty text if nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// What makes a quote part of the value; an empty text if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<String>,
    /// What quotes mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoting: Option<Quoting>,
    /// The text, or the texts, that mean NULL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null: Option<OneOrMany>,
    /// The encoding, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Whether there is a header, or how many records it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// How many lines stand before the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_lines: Option<u64>,
    /// What a comment begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What ends a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_end: Option<String>,
    /// Whether blank lines are no records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_blank_lines: Option<bool>,
    /// Whether every record ends in a delimiter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailing_delimiter: Option<bool>,
    /// Which blanks are no part of a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<Trim>,
    /// What becomes of records with too few or too many fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ragged: Option<Ragged>,
    /// The names of the fields, instead of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// The fields of the format `fixed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<FixedField>>,
}

/// One text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl OneOrMany {
    /// Returns them as a list.
    #[must_use]
    pub fn to_vec(&self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text.clone()],
            Self::Many(texts) => texts.clone(),
        }
    }
}

/// Whether there is a header, or how many records it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Header {
    /// One record, or none.
    Is(bool),
    /// So many records.
    Rows(u32),
}

impl Written {
    /// A dialect of which everything is found out from each object.
    #[must_use]
    pub fn auto() -> Self {
        Self { sniff: true, encoding: Some(AUTO.to_owned()), ..Self::default() }
    }

    /// Whether something has to be found out from each object.
    #[must_use]
    pub fn is_sniffed(&self) -> bool {
        self.sniff || self.encoding.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(AUTO))
    }

    /// Whether an object may be in UTF-16 or UTF-32.
    #[must_use]
    pub fn may_be_wide(&self) -> bool {
        let name = self.encoding.as_deref().unwrap_or(if self.sniff { AUTO } else { "UTF8" });
        let known = encoding::known(name);
        name.eq_ignore_ascii_case(AUTO)
            || known.is_some_and(|name| name.starts_with("UTF-16") || name.starts_with("UTF-32"))
    }

    /// Returns the dialect with what is left out as RFC 4180 says, and in UTF-8 where
    /// the encoding is to be found out.
    ///
    /// # Errors
    /// `InvalidDefinition`.
    pub fn complete(&self) -> Result<Dialect> {
        let defaults = Dialect::default();
        let format = self.format.unwrap_or_default();
        let text = format == Format::Text;
        let quote = match &self.quote {
            None if text || format == Format::Fixed => None,
            None => defaults.quote,
            Some(written) => at_most_one("quote", written)?,
        };
        let escape = match &self.escape {
            None if text => Some('\\'),
            None => quote,
            Some(written) => at_most_one("escape", written)?,
        };
        let encoding = match self.encoding.as_deref() {
            None => defaults.encoding,
            Some(name) if name.eq_ignore_ascii_case(AUTO) => defaults.encoding,
            Some(name) => encoding::known(name).ok_or_else(|| {
                invalid("encoding must be one that Postgres or the WHATWG knows, such as UTF8, LATIN1 or windows-1252, or auto")
            })?,
        };
        let dialect = Dialect {
            format,
            delimiter: match &self.delimiter {
                Some(delimiter) => delimiter.clone(),
                None if text => "\t".to_owned(),
                None => defaults.delimiter,
            },
            quote,
            escape,
            quoting: self.quoting.unwrap_or_default(),
            null: match &self.null {
                Some(null) => null.to_vec(),
                None if text => vec!["\\N".to_owned()],
                None => defaults.null,
            },
            encoding,
            header_rows: match self.header {
                None if self.names.is_some() || format != Format::Csv => 0,
                None => defaults.header_rows,
                Some(Header::Is(is)) => u32::from(is),
                Some(Header::Rows(rows)) => rows,
            },
            skip_lines: self.skip_lines.unwrap_or_default(),
            comment: self.comment.clone(),
            line_end: self.line_end.clone(),
            skip_blank_lines: self.skip_blank_lines.unwrap_or_default(),
            trailing_delimiter: self.trailing_delimiter.unwrap_or_default(),
            trim: self.trim.unwrap_or_default(),
            ragged: self.ragged.unwrap_or_default(),
            names: self.names.clone(),
            fields: self.fields.clone().unwrap_or_default(),
        };
        dialect.validate()?;
        Ok(dialect)
    }
}

fn at_most_one(field: &str, text: &str) -> Result<Option<char>> {
    let mut characters = text.chars();
    let first = characters.next();
    match characters.next() {
        None => Ok(first),
        Some(_) => Err(invalid(&format!("{field} must be one character, or empty for none"))),
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorName::InvalidDefinition, format!("the dialect is not valid: {what}"))
}
