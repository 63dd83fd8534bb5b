//! A second reader, of other people's code (the crates `csv`, `encoding_rs` and
//! `flate2`): what it reads of a file is what the loader must have read of it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A table as the second reader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The first record, if the dialect says that it is a header.
    pub(super) header: Option<Vec<String>>,
    /// All other records, each as wide as it is.
    pub(super) rows: Vec<Vec<String>>,
}

/// How the second reader is told to read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// What stands between two fields.
    pub(super) delimiter: u8,
    /// What a field is wrapped in; none if nothing is.
    pub(super) quote: Option<u8>,
    /// What makes a quote part of a value, where it is not the quote itself.
    pub(super) escape: Option<u8>,
    /// What a line begins with that is no record.
    pub(super) comment: Option<u8>,
    /// How many lines stand before the header.
    pub(super) skip_lines: usize,
    /// Whether the first record is a header.
    pub(super) header: bool,
    /// Whether blanks around a value are no part of it.
    pub(super) trim: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            comment: None,
            skip_lines: 0,
            header: true,
            trim: false,
        }
    }
}

impl Reading {
    /// Reads a text.
    ///
    /// # Errors
    /// If the crate `csv` can't.
    pub(super) fn read(&self, text: &str) -> Result<Table> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .quoting(self.quote.is_some())
            .quote(self.quote.unwrap_or(b'"'))
            .double_quote(self.escape.is_none())
            .escape(self.escape)
            .comment(self.comment)
            .trim(if self.trim { csv::Trim::All } else { csv::Trim::None })
            .from_reader(after_lines(text, self.skip_lines).as_bytes());
        let mut rows: Vec<Vec<String>> = reader
            .records()
            .map(|record| Ok(record?.iter().map(ToOwned::to_owned).collect()))
            .collect::<Result<_, csv::Error>>()?;
        let header = (self.header && !rows.is_empty()).then(|| rows.remove(0));
        Ok(Table { header, rows })
    }
}

impl Table {
    /// Returns how many fields the header has, or the widest record.
    pub(super) fn width(&self) -> usize {
        match &self.header {
            Some(header) => header.len(),
            None => self.rows.iter().map(Vec::len).max().unwrap_or_default(),
        }
    }

    /// Returns the rows of a width, the shorter ones filled up with NULL; longer ones
    /// are left out.
    pub(super) fn filled(&self, width: usize) -> Vec<Vec<Option<String>>> {
        self.rows
            .iter()
            .filter(|row| row.len() <= width)
            .map(|row| {
                let mut row: Vec<_> = row.iter().cloned().map(Some).collect();
                row.resize(width, None);
                row
            })
            .collect()
    }

    /// Whether all records are as wide as the header.
    pub(super) fn is_even(&self) -> bool {
        self.rows.iter().all(|row| row.len() == self.width())
    }
}

/// Returns what follows so many lines, whatever ends them.
fn after_lines(text: &str, lines: usize) -> &str {
    let mut rest = text;
    for _ in 0..lines {
        let Some(at) = rest.find(['\n', '\r']) else { return "" };
        let (_, end) = rest.split_at(at);
        rest = end.strip_prefix("\r\n").or_else(|| end.strip_prefix(['\n', '\r'])).unwrap_or_default();
    }
    rest
}

/// Decodes bytes, a byte order mark left out.
///
/// # Errors
/// If the label is none of the WHATWG's, or the bytes are not of the encoding.
pub(super) fn decode(bytes: &[u8], label: &str) -> Result<String> {
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes())
        .with_context(|| format!("the encoding {label} has no label of the WHATWG"))?;
    let (text, _, malformed) = encoding.decode(bytes);
    if malformed {
        bail!("the bytes are not in {label}");
    }
    Ok(text.into_owned())
}

/// Reads a file, unpacked if it is gzip.
///
/// # Errors
/// If it can't be read.
pub(super) fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let bytes = bytes(path)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice())
        .read_to_end(&mut text)
        .with_context(|| format!("{} is no gzip", path.display()))?;
    Ok(text)
}

/// Reads a file.
///
/// # Errors
/// If it can't be read.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can't read {}", path.display()))
}

/// Returns the files of a folder in the order of their names; none if there is no such
/// folder.
///
/// # Errors
/// If the folder can't be listed.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("can't list {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

/// Whether a name ends in this suffix, in any case of its letters.
pub(super) fn is_a(name: &str, suffix: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(suffix))
}

/// Returns the last part of a path.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_ends_are_skipped() {
        assert_eq!(after_lines("a\r\nb\rc\nd", 3), "d");
        assert_eq!(after_lines("a\n\nb", 2), "b");
        assert_eq!(after_lines("a", 1), "");
    }

    #[test]
    fn a_table_is_read_in_its_dialect() {
        let reading = Reading {
            delimiter: b';',
            escape: Some(b'\\'),
            comment: Some(b'#'),
            header: false,
            ..Reading::default()
        };
        let table = reading.read("\"a \\\"b\\\"\";1\n# no\nc\n").unwrap();
        assert_eq!(table.rows, [vec!["a \"b\"", "1"], vec!["c"]]);
        assert!(!table.is_even());
        assert_eq!(table.filled(2).last().unwrap(), &[Some("c".to_owned()), None]);
    }
}
