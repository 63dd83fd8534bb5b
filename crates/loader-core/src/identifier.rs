//! Names of the database that are safe to put into SQL.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The most bytes that Postgres keeps of a name (`NAMEDATALEN` - 1); it cuts
/// longer ones in silence, so that two of them may become one.
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// It has no characters.
    #[error("a name can't be empty")]
    Empty,
    /// It has a NUL character, which no text in Postgres can hold.
    #[error("a name can't hold a NUL character")]
    Nul,
    /// It is longer than Postgres keeps.
    #[error("a name can't be longer than {MAX_IDENTIFIER_BYTES} bytes")]
    TooLong,
}

/// Names that every table has columns of already (`PostgreSQL` documentation,
/// "System Columns"): a header such as `xmin,ymin` can't have them.
const SYSTEM_COLUMNS: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// A name of a table, a column or a schema.
///
/// It writes itself quoted (`"a""b"`), so any name is safe in SQL; the name
/// itself is behind [`as_str`](Self::as_str).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(String);

impl Identifier {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is empty, holds a NUL or is longer than 63 bytes.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidIdentifier> {
        let name = name.into();
        if name.is_empty() {
            return Err(InvalidIdentifier::Empty);
        }
        if name.contains('\0') {
            return Err(InvalidIdentifier::Nul);
        }
        if name.len() > MAX_IDENTIFIER_BYTES {
            return Err(InvalidIdentifier::TooLong);
        }
        Ok(Self(name))
    }

    /// Makes an identifier of a name that the code itself gives.
    pub(crate) fn of_static(name: &'static str) -> Self {
        debug_assert!(Self::new(name).is_ok());
        Self(name.to_owned())
    }

    /// Returns the name as it is, not quoted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends a suffix, and cuts the name before it where both don't fit.
    ///
    /// The cut may make one name of two: the suffix has to tell them apart.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        let suffix: String = suffix.chars().filter(|c| *c != '\0').collect();
        let suffix = cut(&suffix, MAX_IDENTIFIER_BYTES);
        let stem = cut(&self.0, MAX_IDENTIFIER_BYTES - suffix.len());
        Self(format!("{stem}{suffix}"))
    }

    /// Makes a column's name from a cell of a header: lower case, everything
    /// but letters, digits and `_` turned to `_`.
    ///
    /// `position` counts from 1 and names a cell without a letter or a digit
    /// (`column_3`).
    #[must_use]
    pub fn from_header(cell: &str, position: usize) -> Self {
        let mut name = String::with_capacity(cell.len() + 1);
        let mut in_run = false;
        for c in cell.trim().chars().flat_map(char::to_lowercase) {
            if c.is_alphanumeric() || c == '_' {
                // Only between two characters: `Size (cm)` is `size_cm`.
                if in_run && !name.is_empty() {
                    name.push('_');
                }
                name.push(c);
                in_run = false;
            } else {
                in_run = true;
            }
        }
        if !name.contains(char::is_alphanumeric) {
            return Self(format!("column_{position}"));
        }
        if name.starts_with(char::is_numeric) {
            name.insert(0, '_');
        }
        if SYSTEM_COLUMNS.contains(&name.as_str()) {
            name.push('_');
        }
        if name.len() > MAX_IDENTIFIER_BYTES {
            let mut suffix = String::from("_");
            for byte in Sha256::digest(name.as_bytes()).iter().take(4) {
                // Writing to a String can't fail.
                let _ = write!(suffix, "{byte:02x}");
            }
            let stem = cut(&name, MAX_IDENTIFIER_BYTES - suffix.len());
            name = format!("{stem}{suffix}");
        }
        Self(name)
    }

    /// Makes a name from every cell of a header, no two of them the same: a
    /// repeated one gets `_2`, `_3` and so on.
    #[must_use]
    pub fn all_from_header(cells: &[String]) -> Vec<Self> {
        let plain: Vec<Self> =
            (1..).zip(cells).map(|(position, cell)| Self::from_header(cell, position)).collect();
        // A suffix must not make a name that another cell has of its own.
        let mut used: HashSet<Self> = HashSet::new();
        let owned: HashSet<Self> = plain.iter().cloned().collect();
        plain
            .into_iter()
            .map(|name| {
                let mut unique = name.clone();
                let mut count = 2_u32;
                while used.contains(&unique) || (unique != name && owned.contains(&unique)) {
                    unique = name.with_suffix(&format!("_{count}"));
                    count = count.saturating_add(1);
                }
                used.insert(unique.clone());
                unique
            })
            .collect()
    }
}

/// Returns the longest beginning of `text` that has at most `bytes` bytes and
/// ends between two characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for (at, part) in self.0.split('"').enumerate() {
            if at > 0 {
                f.write_str("\"\"")?;
            }
            f.write_str(part)?;
        }
        f.write_char('"')
    }
}

impl TryFrom<String> for Identifier {
    type Error = InvalidIdentifier;

    fn try_from(name: String) -> Result<Self, InvalidIdentifier> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Identifier {
    type Error = InvalidIdentifier;

    fn try_from(name: &str) -> Result<Self, InvalidIdentifier> {
        Self::new(name)
    }
}

impl From<Identifier> for String {
    fn from(identifier: Identifier) -> Self {
        identifier.0
    }
}

impl AsRef<str> for Identifier {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A name within a schema, written `"schema"."name"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QualifiedName {
    /// The schema.
    pub schema: Identifier,
    /// The name in it.
    pub name: Identifier,
}

impl QualifiedName {
    /// Puts a name into a schema.
    #[must_use]
    pub const fn new(schema: Identifier, name: Identifier) -> Self {
        Self { schema, name }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(name: &str) -> Identifier {
        Identifier::new(name).unwrap()
    }

    fn from_header(cell: &str) -> String {
        Identifier::from_header(cell, 3).into()
    }

    /// How Postgres reads a quoted identifier: a doubled quote is a quote, and a
    /// single one ends it. Returns the name and what is left.
    fn unquote(sql: &str) -> Option<(String, &str)> {
        let mut name = String::new();
        let mut rest = sql.strip_prefix('"')?;
        loop {
            let at = rest.find('"')?;
            name.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            match rest.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    rest = more;
                }
                None => return Some((name, rest)),
            }
        }
    }

    #[test]
    fn names_are_refused_for_what_postgres_could_not_keep() {
        assert_eq!(Identifier::new(""), Err(InvalidIdentifier::Empty));
        assert_eq!(Identifier::new("a\0b"), Err(InvalidIdentifier::Nul));
        assert_eq!(Identifier::new("a".repeat(64)), Err(InvalidIdentifier::TooLong));
        assert_eq!(Identifier::new("é".repeat(32)), Err(InvalidIdentifier::TooLong));
        assert_eq!(id(&"a".repeat(63)).as_str().len(), 63);
    }

    #[test]
    fn names_quote_themselves() {
        assert_eq!(id("select").to_string(), r#""select""#);
        assert_eq!(id(r#"a"b"#).to_string(), r#""a""b""#);
        assert_eq!(id(r#"""#).to_string(), r#""""""#);
        let name = QualifiedName::new(id("public"), id("Year 2022"));
        assert_eq!(name.to_string(), r#""public"."Year 2022""#);
    }

    #[test]
    fn a_name_is_a_string_in_json() {
        let name: Identifier = serde_json::from_str(r#""a b""#).unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""a b""#);
        let error = serde_json::from_str::<Identifier>(r#""""#).unwrap_err();
        assert!(error.to_string().contains("can't be empty"), "{error}");
    }

    #[test]
    fn header_cells_become_plain_names() {
        assert_eq!(from_header(" Station ID "), "station_id");
        assert_eq!(from_header("Temp. (°C)"), "temp_c");
        assert_eq!(from_header("2nd"), "_2nd");
        assert_eq!(from_header("_id"), "_id");
        assert_eq!(from_header("Größe"), "größe");
        assert_eq!(from_header("日付"), "日付");
        assert_eq!(from_header("a__b"), "a__b");
        assert_eq!(from_header(""), "column_3");
        assert_eq!(from_header(" ## "), "column_3");
        assert_eq!(from_header("a\"; drop table x; --"), "a_drop_table_x");
    }

    #[test]
    fn long_header_cells_stay_different() {
        let (a, b) = ("x".repeat(80) + "a", "x".repeat(80) + "b");
        assert_eq!(from_header(&a).len(), 63);
        assert_ne!(from_header(&a), from_header(&b));
    }

    #[test]
    fn repeated_header_cells_get_a_number_that_no_other_cell_has() {
        let cells = ["a", "A", "a_2", "", "a", "b"].map(String::from);
        let names: Vec<String> = Identifier::all_from_header(&cells).into_iter().map(Into::into).collect();
        assert_eq!(names, ["a", "a_3", "a_2", "column_4", "a_4", "b"]);
    }

    proptest! {
        #[test]
        fn postgres_reads_back_the_name_that_was_quoted(name in "[^\0]{1,15}", after in ".*") {
            prop_assume!(!after.starts_with('"'));
            let sql = format!("{}{after}", Identifier::new(name.clone()).unwrap());
            prop_assert_eq!(unquote(&sql), Some((name, after.as_str())));
        }

        #[test]
        fn a_suffix_always_fits_and_is_kept(name in "[^\0]{1,15}", suffix in "\\PC{0,30}") {
            let suffixed = id(&name).with_suffix(&suffix);
            prop_assert!(Identifier::new(suffixed.as_str()).is_ok());
            if suffix.len() <= MAX_IDENTIFIER_BYTES {
                prop_assert!(suffixed.as_str().ends_with(&suffix));
                let stem = suffixed.as_str().strip_suffix(&suffix).unwrap();
                prop_assert!(name.starts_with(stem));
            }
        }

        #[test]
        fn any_header_gives_valid_names_that_differ(cells in proptest::collection::vec(".{0,90}|[ab]", 0..12)) {
            let names = Identifier::all_from_header(&cells);
            prop_assert_eq!(names.len(), cells.len());
            for name in &names {
                prop_assert!(Identifier::new(name.as_str()).is_ok(), "{:?}", name);
            }
            let different: HashSet<_> = names.iter().collect();
            prop_assert_eq!(different.len(), names.len());
        }

        #[test]
        fn a_name_made_from_a_header_names_itself(cell in "\\PC{0,90}") {
            let name = Identifier::from_header(&cell, 1);
            prop_assert_eq!(Identifier::from_header(name.as_str(), 1), name);
        }
    }
}
