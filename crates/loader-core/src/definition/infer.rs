//! Infers the columns of a table from headers and sampled records.

use std::collections::BTreeMap;
use std::fmt;

use super::dialect::Dialect;
use super::validation::ALL_COLUMNS;
use super::values::ColumnValues;
use crate::identifier::Identifier;
use crate::record::parsed::{Parsed, Text, Written};
use crate::values::{Conversion, Converted};

mod value;

use self::value::Kinds;

/// A type that a column can be inferred to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InferredType {
    /// Whole numbers of 64 bits.
    BigInt,
    /// Exact numbers.
    Numeric,
    /// Floating-point numbers: at least one was written with an exponent.
    DoublePrecision,
    /// Dates.
    Date,
    /// Dates with a time of day.
    Timestamp,
    /// Moments: with an offset from UTC.
    TimestampTz,
    /// `true` and `false`.
    Boolean,
    /// Everything else.
    Text,
}

impl InferredType {
    /// Returns the type as SQL writes it.
    #[must_use]
    pub const fn as_sql(self) -> &'static str {
        match self {
            Self::BigInt => "bigint",
            Self::Numeric => "numeric",
            Self::DoublePrecision => "double precision",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Boolean => "boolean",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for InferredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_sql())
    }
}

/// A column that was inferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferredColumn {
    /// The name, made from the header or the position.
    pub name: Identifier,
    /// The header's cell as it is; none without a header.
    pub header: Option<String>,
    /// The type that takes every value seen.
    pub inferred: InferredType,
}

/// What was seen of a table's objects so far.
///
/// A type is inferred only if every value seen is a value of it, exactly: an
/// amount like `12.10` is a number, an identifier like `007` is text. Only the
/// values seen count, so the sample should be from many objects.
#[derive(Debug, Clone)]
pub struct Inference {
    dialect: Dialect,
    values: BTreeMap<String, ColumnValues>,
    columns: Vec<Seen>,
    /// The columns of the current object's fields, as places in `columns`.
    order: Vec<usize>,
    /// Whether fields beyond `order` are columns: there is no header.
    by_position: bool,
}

#[derive(Debug, Clone)]
struct Seen {
    name: Identifier,
    header: Option<String>,
    /// What the texts are as they are.
    kinds: Kinds,
    /// What they are as rules of the definition read them.
    read: Vec<Read>,
}

/// What a column's texts are by a rule, as long as all of them fit it.
#[derive(Debug, Clone)]
struct Read {
    conversion: Conversion,
    kinds: Kinds,
    fits: bool,
}

impl Seen {
    fn observe(&mut self, text: Text<'_>, scratch: &mut String) {
        for read in &mut self.read {
            match read.conversion.apply(text, scratch) {
                Converted::Null => return,
                Converted::Value(value) => read.kinds.observe(value.as_bytes()),
                Converted::Refused { .. } => read.fits = false,
            }
        }
        self.kinds.observe(text.value.as_bytes());
    }

    fn narrowest(&self) -> InferredType {
        self.read
            .iter()
            .filter(|read| read.fits)
            .map(|read| read.kinds.narrowest())
            .find(|inferred| *inferred != InferredType::Text)
            .unwrap_or_else(|| self.kinds.narrowest())
    }
}

impl Inference {
    /// Begins with nothing seen.
    #[must_use]
    pub fn new(dialect: &Dialect) -> Self {
        Self {
            dialect: dialect.clone(),
            values: BTreeMap::new(),
            columns: Vec::new(),
            order: Vec::new(),
            by_position: true,
        }
    }

    /// Reads texts as a definition says, by the columns' names.
    #[must_use]
    pub fn with_values(self, values: BTreeMap<String, ColumnValues>) -> Self {
        Self { values, ..self }
    }

    /// Begins an object with this header, or with none; columns not seen before
    /// are added at the end.
    pub fn begin_object(&mut self, header: Option<&[String]>) {
        self.by_position = header.is_none();
        let Some(cells) = header else {
            self.order = (0..self.columns.len()).collect();
            return;
        };
        self.order.clear();
        for (name, cell) in Identifier::all_from_header(cells).into_iter().zip(cells) {
            let place = self.place(name, Some(cell));
            self.order.push(place);
        }
    }

    /// Takes the fields of a record of the current object. Fields without a
    /// column are left to the load, which will refuse the record.
    pub fn observe(&mut self, record: &Parsed) {
        if self.by_position {
            while self.order.len() < record.width() {
                let name = Identifier::from_header("", self.order.len() + 1);
                let place = self.place(name, None);
                self.order.push(place);
            }
        }
        let mut scratch = String::new();
        for (field, place) in record.fields().zip(&self.order) {
            // On other columns than text, the null text means NULL even in quotes.
            let missing =
                field.written == Written::Absent || self.dialect.null.iter().any(|null| null == field.value);
            if !missing && let Some(column) = self.columns.get_mut(*place) {
                column.observe(field, &mut scratch);
            }
        }
    }

    /// Returns the columns in the order in which they were first seen.
    #[must_use]
    pub fn columns(&self) -> Vec<InferredColumn> {
        self.columns
            .iter()
            .map(|column| InferredColumn {
                name: column.name.clone(),
                header: column.header.clone(),
                inferred: column.narrowest(),
            })
            .collect()
    }

    /// Finds the place of a column, adding it if it is new.
    fn place(&mut self, name: Identifier, header: Option<&String>) -> usize {
        if let Some(place) = self.columns.iter().position(|column| column.name == name) {
            return place;
        }
        let read = self.rules(&name);
        self.columns.push(Seen { name, header: header.cloned(), kinds: Kinds::default(), read });
        self.columns.len() - 1
    }

    /// Compiles the rules of a column: its own, and each kind of those for all columns.
    /// Rules that contradict each other are refused when the columns are settled.
    fn rules(&self, name: &Identifier) -> Vec<Read> {
        let all = self.values.get(ALL_COLUMNS).cloned().unwrap_or_default();
        let own = self.values.get(name.as_str()).cloned().unwrap_or_default();
        let of = |part: fn(&ColumnValues) -> ColumnValues| part(&own.clone().over(all.clone()));
        let mut rules: Vec<ColumnValues> = vec![
            of(ColumnValues::for_numbers),
            of(ColumnValues::for_moments),
            of(ColumnValues::for_booleans),
            of(ColumnValues::for_texts),
        ];
        rules.dedup();
        rules
            .iter()
            .filter(|rule| !rule.is_plain())
            .filter_map(|rule| Conversion::of_values(name.as_str(), rule, &self.dialect).ok())
            .map(|conversion| Read { conversion, kinds: Kinds::default(), fits: true })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parser::parse;

    /// Infers from objects, given as lines of which the first is the header.
    fn infer(objects: &[&str], dialect: &Dialect) -> Vec<(String, InferredType)> {
        let mut inference = Inference::new(dialect);
        for object in objects {
            let (header, records) = parse(object.as_bytes(), dialect);
            inference.begin_object(header.as_deref());
            for record in &records {
                inference.observe(record);
            }
        }
        inference.columns().into_iter().map(|column| (column.name.into(), column.inferred)).collect()
    }

    /// Infers one column from its fields, as they are written in CSV.
    fn column(values: &[&str]) -> InferredType {
        let object = format!("a\n{}", values.join("\n"));
        let columns = infer(&[&object], &Dialect::default());
        assert_eq!(columns.len(), 1);
        columns[0].1
    }

    #[test]
    fn every_type_is_found_from_its_values() {
        use InferredType::{BigInt, Boolean, Date, DoublePrecision, Numeric, Text, Timestamp, TimestampTz};
        for (values, expected) in [
            (&["1", "-20", "0"][..], BigInt),
            (&["1", "2.50"], Numeric),
            (&["9223372036854775808"], Numeric),
            (&["0.5", "1e-5", "3"], DoublePrecision),
            (&["1e-5", "0.1234567890123456789"], Numeric),
            (&["2024-02-29"], Date),
            (&["2024-02-29", "2024-03-01 10:00"], Timestamp),
            (&["2024-03-01T10:00:00.5Z", "2024-03-01 10:00:00+02:00"], TimestampTz),
            (&["true", "FALSE"], Boolean),
            (&["true", "1"], Text),
            (&["2024-02-29", "1"], Text),
            (&["2024-03-01 10:00", "2024-03-01 10:00Z"], Text),
            (&["1", "x"], Text),
            (&["007"], Text),
            (&["1", "007.5"], Text),
        ] {
            assert_eq!(column(values), expected, "{values:?}");
        }
    }

    #[test]
    fn empty_values_say_nothing_and_blank_ones_are_text() {
        assert_eq!(column(&["", "1", "\"\""]), InferredType::BigInt);
        assert_eq!(column(&["\" 1\"", "  9.6"]), InferredType::Numeric);
        assert_eq!(column(&["1", "\" \""]), InferredType::Text);
        assert_eq!(column(&["", "\"\""]), InferredType::Text);
        assert_eq!(column(&[]), InferredType::Text);
    }

    #[test]
    fn the_dialects_null_text_says_nothing_and_an_empty_value_is_one_then() {
        let dialect = Dialect { null: vec!["NA".to_owned()], ..Dialect::default() };
        let one = |object: &str| infer(&[object], &dialect)[0].1;
        assert_eq!(one("a\nNA\n1"), InferredType::BigInt);
        assert_eq!(one("a\n\n1"), InferredType::Text);
    }

    #[test]
    fn rules_say_how_texts_are_read() {
        let values: BTreeMap<String, ColumnValues> = toml::from_str(
            "\"*\" = { decimal = ',', thousands = '.', null = 'NA' }\nday = { format = 'DD.MM.YYYY' }\nyes = { true = 'ja', false = 'nein' }",
        )
        .unwrap();
        let mut inference =
            Inference::new(&Dialect { delimiter: ";".to_owned(), ..Dialect::default() }).with_values(values);
        let (header, records) = parse(
            b"day;price;yes;other;id;name\n31.01.2021;1.234,5;ja;31.01.2021;1;x\nNA;NA;nein;NA;NA;1,5\n",
            &inference.dialect,
        );
        inference.begin_object(header.as_deref());
        for record in &records {
            inference.observe(record);
        }
        let found: Vec<InferredType> = inference.columns().iter().map(|column| column.inferred).collect();
        let expected = [
            InferredType::Date,
            InferredType::Numeric,
            InferredType::Boolean,
            InferredType::Text,
            InferredType::BigInt,
            InferredType::Text,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn columns_are_found_by_name_across_objects() {
        let objects = ["A,b\n1,2024-01-01", "b,a,c\n2024-01-02,x,true"];
        assert_eq!(
            infer(&objects, &Dialect::default()),
            [
                ("a".to_owned(), InferredType::Text),
                ("b".to_owned(), InferredType::Date),
                ("c".to_owned(), InferredType::Boolean),
            ]
        );
    }

    #[test]
    fn columns_without_a_header_are_numbered() {
        let dialect = Dialect { header_rows: 0, ..Dialect::default() };
        assert_eq!(
            infer(&["1,x", "2,y,true"], &dialect),
            [
                ("column_1".to_owned(), InferredType::BigInt),
                ("column_2".to_owned(), InferredType::Text),
                ("column_3".to_owned(), InferredType::Boolean),
            ]
        );
    }

    #[test]
    fn fields_beyond_the_header_are_no_columns() {
        assert_eq!(infer(&["a\n1,2,3"], &Dialect::default()).len(), 1);
    }
}
