//! `DuckDB`'s options of reading, as far as they say how a file is to be read.
//!
//! What they mean is in `DuckDB`'s documentation, "CSV Import".

use super::statement::Value;

/// How a file is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that is on or off")]
pub(super) struct Options {
    pub(super) auto_detect: Option<bool>,
    pub(super) delimiter: Option<String>,
    pub(super) quote: Option<String>,
    pub(super) escape: Option<String>,
    pub(super) header: Option<bool>,
    pub(super) skip: Option<u64>,
    pub(super) comment: Option<String>,
    pub(super) new_line: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) null: Option<Vec<String>>,
    pub(super) quoted_null: Option<bool>,
    pub(super) force_not_null: Vec<String>,
    pub(super) columns: Option<Vec<(String, String)>>,
    pub(super) names: Option<Vec<String>>,
    pub(super) types: Option<Types>,
    pub(super) all_varchar: bool,
    pub(super) date_format: Option<String>,
    pub(super) timestamp_format: Option<String>,
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<char>,
    pub(super) null_padding: bool,
    pub(super) keep_rejects: bool,
    pub(super) strict: Option<bool>,
    pub(super) union_by_name: bool,
    pub(super) file_name: bool,
    pub(super) hive: bool,
    /// Whether the sample is smaller than the file: types may be guessed wrong.
    pub(super) small_sample: bool,
    /// Whether a limit is set that is `DuckDB`'s own.
    pub(super) has_limit: bool,
}

/// The types of some columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Types {
    /// Of the first ones.
    InOrder(Vec<String>),
    /// Of those with these names.
    ByName(Vec<(String, String)>),
}

impl Types {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::InOrder(types) => types.len(),
            Self::ByName(types) => types.len(),
        }
    }
}

const LOOP: &str = "an option that the test's loop fills in";
const MALFORMED: &str = "an option whose value DuckDB itself refuses";
const CANDIDATES: &str = "which types DuckDB may guess";
const COMPRESSION: &str = "a compression that is asked for by name";
const UNKNOWN: &str = "an option that is not known here";

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    /// The reason to leave the case out.
    pub(super) fn read(written: &[(String, Value)]) -> Result<Self, &'static str> {
        let mut options = Self::default();
        for (name, value) in written {
            options.set(name, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), &'static str> {
        match name {
            // How DuckDB goes about it: of no meaning to the values.
            "buffer_size"
            | "parallel"
            | "files_to_sniff"
            | "sample_size"
            | "normalize_names"
            | "format"
            | "rejects_limit"
            | "rejects_line_size_limit" => {
                self.small_sample |= name == "sample_size"
                    && matches!(value, Value::Number(size) if size.len() < 4 && size != "-1");
                self.has_limit |= matches!(name, "buffer_size" | "files_to_sniff");
            }
            "max_line_size" | "maximum_line_size" => self.has_limit = true,
            "auto_detect" => self.auto_detect = Some(boolean(value)?),
            "delim" | "delimiter" | "sep" | "separator" => self.delimiter = Some(tab(text(value)?)),
            "quote" => self.quote = Some(mark(value)?),
            "escape" => self.escape = Some(mark(value)?),
            // Whatever the loop fills in, the answer is the same.
            "header" | "new_line" | "newline" if *value == Value::Placeholder => {}
            "header" => self.header = Some(boolean(value)?),
            "skip" => self.skip = Some(number(value)?),
            "comment" => self.comment = Some(mark(value)?).filter(|mark| !mark.is_empty()),
            "new_line" | "newline" => {
                self.new_line = Some(text(value)?.replace("\\r", "\r").replace("\\n", "\n"));
            }
            "encoding" => self.encoding = Some(text(value)?),
            "nullstr" | "null" => self.null = Some(texts(value)?),
            "allow_quoted_nulls" => self.quoted_null = Some(boolean(value)?),
            "force_not_null" => self.force_not_null = texts(value)?,
            "columns" => self.columns = Some(fields(value)?),
            "names" | "column_names" => self.names = Some(texts(value)?),
            "types" | "dtypes" | "column_types" => {
                self.types = Some(match value {
                    Value::Struct(_) => Types::ByName(fields(value)?),
                    _ => Types::InOrder(texts(value)?),
                });
            }
            "all_varchar" => self.all_varchar = boolean(value)?,
            "auto_type_candidates" => return Err(CANDIDATES),
            "dateformat" | "date_format" => self.date_format = Some(text(value)?),
            "timestampformat" | "timestamp_format" => self.timestamp_format = Some(text(value)?),
            "decimal_separator" => self.decimal = Some(sign(value)?),
            "thousands" => self.thousands = Some(sign(value)?),
            "null_padding" => self.null_padding = boolean(value)?,
            "ignore_errors" | "store_rejects" => self.keep_rejects |= boolean(value)?,
            "rejects_table" | "rejects_scan" => self.keep_rejects = true,
            "strict_mode" => self.strict = Some(boolean(value)?),
            "union_by_name" => self.union_by_name = boolean(value)?,
            "filename" => {
                self.file_name = boolean(value).map_err(|_| "a column of file names with another name")?;
            }
            "hive_partitioning" => self.hive = boolean(value)?,
            "compression" => match text(value)?.to_lowercase().as_str() {
                "auto" | "auto_detect" | "infer" | "gzip" | "none" => {}
                _ => return Err(COMPRESSION),
            },
            _ => return Err(UNKNOWN),
        }
        Ok(())
    }
}

fn boolean(value: &Value) -> Result<bool, &'static str> {
    match value {
        Value::Nothing => Ok(true),
        Value::Word(text) | Value::Text(text) | Value::Number(text) => match text.to_lowercase().as_str() {
            "true" | "1" | "t" => Ok(true),
            "false" | "0" | "f" => Ok(false),
            _ => Err(MALFORMED),
        },
        Value::Placeholder => Err(LOOP),
        _ => Err(MALFORMED),
    }
}

fn text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::Text(text) | Value::Word(text) => Ok(text.clone()),
        Value::Placeholder => Err(LOOP),
        _ => Err(MALFORMED),
    }
}

fn texts(value: &Value) -> Result<Vec<String>, &'static str> {
    match value {
        Value::List(values) => values.iter().map(text).collect(),
        _ => Ok(vec![text(value)?]),
    }
}

fn number(value: &Value) -> Result<u64, &'static str> {
    match value {
        Value::Number(text) | Value::Text(text) => text.parse().map_err(|_| MALFORMED),
        Value::Placeholder => Err(LOOP),
        _ => Err(MALFORMED),
    }
}

/// A quote, an escape or a comment: one character or none.
fn mark(value: &Value) -> Result<String, &'static str> {
    let text = text(value)?;
    if text.chars().count() > 1 { Err(MALFORMED) } else { Ok(text) }
}

fn sign(value: &Value) -> Result<char, &'static str> {
    let text = text(value)?;
    match text.chars().next() {
        Some(sign @ ('.' | ',' | ' ' | '\'' | '_')) if text.len() == 1 => Ok(sign),
        _ => Err(MALFORMED),
    }
}

fn fields(value: &Value) -> Result<Vec<(String, String)>, &'static str> {
    match value {
        Value::Struct(fields) => {
            fields.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
        }
        Value::Placeholder => Err(LOOP),
        _ => Err(MALFORMED),
    }
}

/// `DuckDB` takes `\t` for a tab.
fn tab(delimiter: String) -> String {
    if delimiter == "\\t" { "\t".to_owned() } else { delimiter }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, Value)]) -> Result<Options, &'static str> {
        let written: Vec<_> =
            options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Options::read(&written)
    }

    #[test]
    fn options_have_several_names_and_ways_to_say_yes() {
        let text = |text: &str| Value::Text(text.to_owned());
        let options = read(&[
            ("sep", text("\\t")),
            ("header", Value::Nothing),
            ("ignore_errors", text("true")),
            ("nullstr", Value::List(vec![text("a"), text("")])),
            ("new_line", text("\\r\\n")),
        ])
        .unwrap();
        assert_eq!(options.delimiter.as_deref(), Some("\t"));
        assert_eq!(options.null, Some(vec!["a".to_owned(), String::new()]));
        assert_eq!((options.header, options.keep_rejects), (Some(true), true));
        assert_eq!(options.new_line.as_deref(), Some("\r\n"));
    }

    #[test]
    fn what_is_not_known_leaves_the_case_out() {
        assert_eq!(read(&[("frobnicate", Value::Null)]).unwrap_err(), UNKNOWN);
        assert_eq!(read(&[("quote", Value::Text("ab".to_owned()))]).unwrap_err(), MALFORMED);
        assert_eq!(read(&[("skip", Value::Placeholder)]).unwrap_err(), LOOP);
        assert!(read(&[("header", Value::Placeholder)]).is_ok());
    }
}
