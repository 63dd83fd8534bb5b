use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::definition::dialect::Dialect;
use crate::definition::drift::Filled;
use crate::definition::values::ColumnValues;
use crate::definition::{BaseType, ResolvedColumn};
use crate::identifier::Identifier;
use crate::record::parser::parse;
use crate::values::binary::write_bytes;
use crate::values::{Certain, Conversion};

const PROVENANCE: Provenance<'_> = Provenance { key: "t/a\tb.csv", etag: "\"e\"", run_id: "run" };

/// What fills a column, and what that is in a record of these fields on this line.
#[derive(Debug, Clone)]
enum Filling {
    Field(Index),
    Trimmed(Index),
    Line,
    Object,
    LoadedAt,
    Constant(Option<String>),
}

impl Filling {
    fn column(&self, width: usize) -> MappedColumn {
        let column = ResolvedColumn {
            name: Identifier::new("c").unwrap(),
            sql_type: "text".to_owned(),
            header: None,
            aliases: Vec::new(),
            filled: Filled::Field,
            values: ColumnValues {
                trim: matches!(self, Self::Trimmed(_)).then_some(true),
                ..ColumnValues::default()
            },
            required: true,
            is_text: true,
            base: BaseType {
                name: "text".to_owned(),
                modified: "text".to_owned(),
                any_character: true,
                ..BaseType::default()
            },
        };
        MappedColumn {
            from: match self {
                Self::Field(at) | Self::Trimmed(at) => From::Field(at.index(width)),
                Self::Line => From::Metadata(Metadata::Line),
                Self::Object => From::Metadata(Metadata::Object),
                Self::LoadedAt => From::Metadata(Metadata::LoadedAt),
                Self::Constant(value) => From::Constant(value.clone()),
            },
            conversion: Conversion::of(&column, &Dialect::default()).unwrap(),
            certain: Certain::of(&column),
            binary: BinaryForm::of(&column),
            base_type: "text".to_owned(),
            expression: None,
            name: column.name,
        }
    }

    fn value(&self, fields: &[Option<String>], line: u64) -> Option<String> {
        match self {
            Self::Field(at) => fields[at.index(fields.len())].clone(),
            Self::Trimmed(at) => fields[at.index(fields.len())].as_ref().map(|text| text.trim().to_owned()),
            Self::Line => Some(line.to_string()),
            Self::Object => Some(PROVENANCE.key.to_owned()),
            Self::LoadedAt => Some(NOW.to_owned()),
            Self::Constant(value) => value.clone(),
        }
    }
}

fn filling() -> impl Strategy<Value = Filling> {
    prop_oneof![
        4 => any::<Index>().prop_map(Filling::Field),
        1 => any::<Index>().prop_map(Filling::Trimmed),
        1 => Just(Filling::Line),
        1 => Just(Filling::Object),
        1 => Just(Filling::LoadedAt),
        1 => prop::option::of("[a\t]{0,3}").prop_map(Filling::Constant),
    ]
}

/// Writes a record in CSV; what is NULL is nothing.
fn csv(fields: &[Option<String>]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|field| {
            field.as_ref().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).unwrap_or_default()
        })
        .collect();
    fields.join(",") + "\n"
}

proptest! {
    #[test]
    fn rows_have_the_values_of_their_columns(
        columns in prop::collection::vec(filling(), 1..8),
        records in prop::collection::vec(prop::collection::vec(prop::option::of("[ aé,\"\t\\\\\n]{0,20}|[a ]{0,40}"), 2..3), 1..4),
    ) {
        let mapped: Vec<MappedColumn> = columns.iter().map(|column| column.column(2)).collect();
        let layout = Layout::of(mapped.iter(), &PROVENANCE);
        let text: String = records.iter().map(|record| csv(record)).collect();
        let dialect = Dialect { header_rows: 0, ..Dialect::default() };
        let (_, parsed) = parse(text.as_bytes(), &dialect);
        prop_assert_eq!(parsed.len(), records.len());
        for (record, fields) in parsed.iter().zip(&records) {
            let values: Vec<Option<String>> =
                columns.iter().map(|column| column.value(fields, record.line())).collect();
            let (mut expected, mut expected_binary) = (b"before".to_vec(), b"before".to_vec());
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    expected.push(b'\t');
                }
                if let Some(value) = value {
                    push_value(value, &mut expected);
                    write_bytes(value.as_bytes(), &mut expected_binary);
                } else {
                    push_null(&mut expected);
                    write_null(&mut expected_binary);
                }
            }
            let (mut out, mut binary, mut scratch) = (b"before".to_vec(), b"before".to_vec(), String::new());
            prop_assert_eq!(layout.write_text(record, &mut scratch, &mut out), Ok(()));
            prop_assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(expected).unwrap());
            prop_assert!(layout.write_binary(record, &mut scratch, &mut binary));
            prop_assert_eq!(binary, expected_binary);
        }
    }
}
