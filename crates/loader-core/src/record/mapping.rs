//! Maps the fields of an object's records to the columns of the table.

mod in_binary;
mod key_parts;

use self::in_binary::InBinary;
use self::key_parts::key_part;
use super::header::{HeaderColumn, fit, list, mismatch};
use super::naming::{Found, find_columns};
use super::parsed::{Fault, Parsed, Text, Written};
use crate::definition::dialect::{Dialect, Format, Ragged};
use crate::definition::drift::{Filled, Metadata, MissingColumns, UnknownColumns};
use crate::definition::{ResolvedColumn, ResolvedDefinition};
use crate::error::Result;
use crate::identifier::Identifier;
use crate::values::binary::BinaryForm;
use crate::values::{Certain, Conversion, Converted};

/// What becomes of the records of one object.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The columns that are filled, in the table's order. Those that an object lacks and
    /// that have their defaults are not among them.
    pub columns: Vec<MappedColumn>,
    /// Fields that no column takes as they are, and that SQL expressions may read. There
    /// are none unless there is an expression.
    pub beside: Vec<MappedColumn>,
    /// The names of the fields, in the order of the record: that of the column that a
    /// field fills, else what its header becomes as a column's name.
    pub names: Vec<String>,
    /// How many fields each record must have, where that is one number.
    pub width: Option<usize>,
    least: usize,
    most: usize,
    /// Whether a column that the object lacks is numbered in the order of the rows.
    is_numbered: bool,
    /// The cells of the object's header, without blanks around them.
    header: Vec<String>,
    in_binary: InBinary,
}

/// A column of the table, or of the record that a SQL expression reads.
#[derive(Debug, Clone)]
pub struct MappedColumn {
    /// Its name.
    pub name: Identifier,
    /// What fills it.
    pub from: From,
    /// How the texts become values.
    pub conversion: Conversion,
    /// What it is sure to take.
    pub certain: Certain,
    /// How its values are sent in binary, where that is certain.
    pub binary: Option<BinaryForm>,
    /// The type without modifiers that a text is cast to before it is assigned.
    pub base_type: String,
    /// The SQL expression, if that is what fills it.
    pub expression: Option<String>,
}

/// What fills a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The field at this place of the record, from 0.
    Field(usize),
    /// Where the row comes from.
    Metadata(Metadata),
    /// The same text in all rows of the object; none is NULL.
    Constant(Option<String>),
    /// The column's SQL expression.
    Sql,
}

impl Mapping {
    /// Maps the fields of an object: by the names in its header or in the dialect, else
    /// by their places.
    ///
    /// # Errors
    /// `HeaderMismatch` when the object does not fit the table and the policies do not
    /// say what becomes of that; `InvalidDefinition`.
    pub fn of(
        header: Option<&[String]>,
        dialect: &Dialect,
        definition: &ResolvedDefinition,
        key: &str,
    ) -> Result<Self> {
        let fixed: Vec<String> = match dialect.format {
            Format::Fixed => dialect.fields.iter().map(|field| field.name.clone()).collect(),
            Format::Csv | Format::Text => Vec::new(),
        };
        let names = header.or(dialect.names.as_deref()).or((!fixed.is_empty()).then_some(fixed.as_slice()));
        match names {
            Some(names) => {
                let mapping = Self::by_name(names, dialect, definition, key)?;
                let header = names.iter().map(|name| name.trim().to_owned()).collect();
                Ok(Self { header, ..mapping })
            }
            None => Self::by_place(None, dialect, definition, key),
        }
    }

    /// Maps the fields of an object without names, whose first record has so many
    /// fields, to the columns in the table's order.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_width(
        width: usize,
        dialect: &Dialect,
        definition: &ResolvedDefinition,
        key: &str,
    ) -> Result<Self> {
        Self::by_place(Some(width), dialect, definition, key)
    }

    /// Returns the columns and fields that a row carries as texts: all but those that an
    /// expression fills, and what the expressions read beside.
    pub fn carried(&self) -> impl Iterator<Item = &MappedColumn> {
        self.columns.iter().filter(|column| column.from != From::Sql).chain(&self.beside)
    }

    /// Whether a SQL expression fills any column.
    #[must_use]
    pub fn has_expressions(&self) -> bool {
        self.columns.iter().any(|column| column.from == From::Sql)
    }

    /// Whether the database numbers the rows in their order.
    pub(crate) const fn is_numbered(&self) -> bool {
        self.is_numbered
    }

    /// Says what is wrong with a record, as far as its fields alone say it.
    ///
    /// Objects that were put together of others have their headers among the rows; in a
    /// table of texts they would be loaded as rows. One field alone says nothing.
    #[must_use]
    pub fn check(&self, record: &Parsed) -> Option<Fault> {
        let width = record.width();
        let is_header = || record.fields().zip(&self.header).all(|(field, cell)| is_cell(field.value, cell));
        if width > 1 && width == self.header.len() && is_header() {
            return Some(Fault::RepeatedHeader);
        }
        self.check_width(width)
    }

    /// Says what is wrong with a record of so many fields.
    #[must_use]
    pub const fn check_width(&self, width: usize) -> Option<Fault> {
        if width < self.least {
            Some(Fault::TooFewFields)
        } else if width > self.most {
            Some(Fault::TooManyFields)
        } else {
            None
        }
    }

    fn by_name(
        cells: &[String],
        dialect: &Dialect,
        definition: &ResolvedDefinition,
        key: &str,
    ) -> Result<Self> {
        let offered: Vec<&ResolvedColumn> = by_field(definition).collect();
        let columns: Vec<HeaderColumn<'_>> = offered
            .iter()
            .map(|column| HeaderColumn {
                name: &column.name,
                header: column.header.as_deref(),
                aliases: &column.aliases,
                required: demanded(column, definition.missing_columns),
            })
            .collect();
        let found = fit(cells, &columns, definition.unknown_columns)?;
        let place = |column: &ResolvedColumn| {
            let at = offered.iter().position(|offered| offered.name == column.name)?;
            found.iter().position(|found| *found == Found::Column(at))
        };
        let taken = |cell: usize| match found.get(cell) {
            Some(Found::Column(at)) => offered.get(*at).map(|column| &column.name),
            _ => None,
        };
        let names = names_of(cells, taken, definition);
        let range = match dialect.ragged {
            Ragged::Refuse => (names.len(), names.len()),
            Ragged::Pad => (0, names.len()),
            Ragged::PadAndCut => (0, usize::MAX),
        };
        Self::compile(place, names, range, dialect, definition, key)
    }

    fn by_place(
        width: Option<usize>,
        dialect: &Dialect,
        definition: &ResolvedDefinition,
        key: &str,
    ) -> Result<Self> {
        let offered: Vec<&ResolvedColumn> = by_field(definition).collect();
        let all = offered.len();
        let lacking = definition.missing_columns != MissingColumns::Fail;
        // What the first record has not, no record has.
        let there = width.filter(|width| lacking && *width < all).unwrap_or(all);
        let refused: Vec<&str> = offered
            .iter()
            .skip(there)
            .filter(|column| demanded(column, definition.missing_columns))
            .map(|column| column.name.as_str())
            .collect();
        if !refused.is_empty() {
            return Err(mismatch(&format!(
                "the records have {there} fields, and these columns after them have neither a default nor NULL: {}; \
                 correct the objects or the definition",
                list(refused)
            )));
        }
        let least = if dialect.ragged == Ragged::Refuse { there } else { 0 };
        let cut = dialect.ragged == Ragged::PadAndCut || definition.unknown_columns == UnknownColumns::Ignore;
        let place = |column: &ResolvedColumn| {
            offered.iter().position(|offered| offered.name == column.name).filter(|at| *at < there)
        };
        let names = offered.iter().take(there).map(|column| column.name.clone()).collect();
        Self::compile(place, names, (least, if cut { usize::MAX } else { there }), dialect, definition, key)
    }

    fn compile(
        place: impl Fn(&ResolvedColumn) -> Option<usize>,
        names: Vec<Identifier>,
        (least, most): (usize, usize),
        dialect: &Dialect,
        definition: &ResolvedDefinition,
        key: &str,
    ) -> Result<Self> {
        let mut columns = Vec::new();
        let mut beside = Vec::new();
        let has_expressions = by_field(definition).any(|column| column.values.sql.is_some());
        let mut carried = vec![false; names.len()];
        for column in &definition.columns {
            let at = if column.filled == Filled::Field { place(column) } else { None };
            if let Some(carried) = at.and_then(|at| carried.get_mut(at)) {
                *carried = true;
            }
            let mapped = MappedColumn::of(column, dialect)?;
            let from = match (&column.filled, at) {
                (Filled::Metadata(metadata), _) => From::Metadata(*metadata),
                (Filled::KeyPart(name), _) => match constant(name, &mapped, column, definition, key)? {
                    Some(from) => from,
                    None => continue,
                },
                (Filled::Field, _) if column.values.sql.is_some() => {
                    // The text that the expression knows as `value`.
                    let from = at.map_or(From::Constant(None), From::Field);
                    beside.push(MappedColumn { from, expression: None, ..mapped.clone() });
                    From::Sql
                }
                (Filled::Field, Some(at)) => From::Field(at),
                (Filled::Field, None) if is_null(column, definition.missing_columns) => From::Constant(None),
                (Filled::Field, None) => {
                    // An expression reads NULL of it, and the column has its default.
                    if has_expressions {
                        beside.push(MappedColumn { from: From::Constant(None), ..mapped });
                    }
                    continue;
                }
            };
            columns.push(MappedColumn { from, ..mapped });
        }
        if has_expressions {
            for (at, (name, _)) in
                names.iter().zip(&carried).enumerate().filter(|(_, (_, carried))| !**carried)
            {
                beside.push(MappedColumn::beside(name.clone(), at, dialect));
            }
        }
        let width = (least == most).then_some(least);
        let names = names.into_iter().map(Into::into).collect();
        let is_numbered = definition.columns.iter().any(|column| {
            column.base.has_ordered_default
                && columns.iter().all(|mapped: &MappedColumn| mapped.name != column.name)
        });
        let mut mapping = Self {
            columns,
            beside,
            names,
            width,
            least,
            most,
            is_numbered,
            header: Vec::new(),
            in_binary: InBinary::default(),
        };
        mapping.in_binary = InBinary::of(&mapping);
        Ok(mapping)
    }
}

impl MappedColumn {
    fn of(column: &ResolvedColumn, dialect: &Dialect) -> Result<Self> {
        Ok(Self {
            name: column.name.clone(),
            from: From::Sql,
            conversion: Conversion::of(column, dialect)?,
            certain: Certain::of(column),
            binary: BinaryForm::of(column),
            base_type: column.base.name.clone(),
            expression: column.values.sql.clone(),
        })
    }

    fn beside(name: Identifier, at: usize, dialect: &Dialect) -> Self {
        Self {
            name,
            from: From::Field(at),
            conversion: Conversion::text(dialect),
            certain: Certain::default(),
            binary: None,
            base_type: "text".to_owned(),
            expression: None,
        }
    }
}

/// Whether a value is a cell of the header, whatever blanks are around it. Most are not by
/// their first byte.
#[inline]
fn is_cell(value: &str, cell: &str) -> bool {
    if let (Some(first), Some(expected)) = (value.as_bytes().first(), cell.as_bytes().first())
        && first != expected
        && first.is_ascii_graphic()
    {
        return false;
    }
    value.trim_start().strip_prefix(cell).is_some_and(|behind| behind.trim_start().is_empty())
}

/// Returns the columns that fields can fill.
fn by_field(definition: &ResolvedDefinition) -> impl Iterator<Item = &ResolvedColumn> {
    definition.columns.iter().filter(|column| column.filled == Filled::Field)
}

/// Whether an object without the column is refused.
fn demanded(column: &ResolvedColumn, missing: MissingColumns) -> bool {
    let cannot_lack = column.required && !column.base.nullable && !column.base.has_default;
    match missing {
        // An expression can do without a field of its own.
        _ if column.values.sql.is_some() => false,
        MissingColumns::Fail => column.required,
        MissingColumns::Default | MissingColumns::Null => cannot_lack,
    }
}

/// Whether a column that an object lacks is NULL, whatever its default is. One that
/// can't be NULL has its default.
fn is_null(column: &ResolvedColumn, missing: MissingColumns) -> bool {
    missing == MissingColumns::Null && column.base.nullable
}

/// Returns what a part of the key gives its column; none if the column is left to its
/// default.
fn constant(
    name: &str,
    mapped: &MappedColumn,
    column: &ResolvedColumn,
    definition: &ResolvedDefinition,
    key: &str,
) -> Result<Option<From>> {
    let Some(part) = key_part(key, name) else {
        return match definition.missing_columns {
            MissingColumns::Fail => Err(mismatch(&format!(
                "the key has no part `{name}=`, which fills the column {}; \
                 correct the key, or say in missing_columns what becomes of the column",
                column.name
            ))),
            missing => Ok(is_null(column, missing).then_some(From::Constant(None))),
        };
    };
    let Some(part) = part? else { return Ok(Some(From::Constant(None))) };
    let mut out = String::new();
    match mapped.conversion.apply(Text { value: &part, written: Written::Plain }, &mut out) {
        Converted::Null => Ok(Some(From::Constant(None))),
        Converted::Value(value) => Ok(Some(From::Constant(Some(value.to_owned())))),
        Converted::Refused { reason, .. } => Err(mismatch(&format!(
            "the part `{name}=` of the key can't fill the column {}: {reason}",
            column.name
        ))),
    }
}

/// Names the fields: by their columns, else by what their headers become, and no two the
/// same.
fn names_of<'a>(
    cells: &[String],
    taken: impl Fn(usize) -> Option<&'a Identifier>,
    definition: &ResolvedDefinition,
) -> Vec<Identifier> {
    let mut used: std::collections::HashSet<Identifier> =
        definition.columns.iter().map(|column| column.name.clone()).collect();
    Identifier::all_from_header(cells)
        .into_iter()
        .enumerate()
        .map(|(at, folded)| {
            if let Some(name) = taken(at) {
                return name.clone();
            }
            let mut name = folded.clone();
            let mut count = 2_u32;
            while !used.insert(name.clone()) {
                name = folded.with_suffix(&format!("_{count}"));
                count = count.saturating_add(1);
            }
            name
        })
        .collect()
}

/// Returns what a header has and the columns do not: each with the name that a column of
/// it would have, and the header by which that column is found again. Repeated cells are
/// found by the number in their names.
#[must_use]
pub fn unknown(cells: &[String], columns: &[ResolvedColumn]) -> Vec<(Identifier, Option<String>)> {
    let offered: Vec<HeaderColumn<'_>> = columns
        .iter()
        .filter(|column| column.filled == Filled::Field)
        .map(|column| HeaderColumn {
            name: &column.name,
            header: column.header.as_deref(),
            aliases: &column.aliases,
            required: false,
        })
        .collect();
    let found = find_columns(cells, &offered);
    Identifier::all_from_header(cells)
        .into_iter()
        .zip(cells)
        .zip(found)
        .filter_map(|((name, cell), found)| match found {
            Found::Nothing => Some((name, Some(cell.trim().to_owned()).filter(|cell| !cell.is_empty()))),
            Found::Taken => {
                let repeated = cells.iter().filter(|other| other.trim() == cell.trim()).count() > 1;
                Some((name, (!repeated).then(|| cell.trim().to_owned())))
            }
            Found::Ambiguous | Found::Column(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
