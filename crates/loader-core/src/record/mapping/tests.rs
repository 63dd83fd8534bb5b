use proptest::prelude::*;

use super::*;
use crate::definition::BaseType;
use crate::definition::dialect::FixedField;
use crate::definition::values::ColumnValues;
use crate::error::ErrorName;
use crate::identifier::QualifiedName;
use crate::values::expression;

/// Makes a column of text: `a`, `a?` if it is not required, `a!` if it is not nullable,
/// `a=Header|Alias`, `a:expression`.
fn column(written: &str) -> ResolvedColumn {
    let (written, sql) = match written.split_once(':') {
        Some((written, sql)) => (written, Some(sql.to_owned())),
        None => (written, None),
    };
    let (name, headers) = written.split_once('=').unwrap_or((written, ""));
    let mut headers = headers.split('|').filter(|header| !header.is_empty()).map(ToOwned::to_owned);
    ResolvedColumn {
        name: Identifier::new(name.trim_end_matches(['?', '!'])).unwrap(),
        sql_type: "text".to_owned(),
        header: headers.next(),
        aliases: headers.collect(),
        filled: Filled::Field,
        values: ColumnValues { sql, ..ColumnValues::default() },
        required: !name.contains('?'),
        is_text: true,
        base: BaseType {
            name: "text".to_owned(),
            modified: "text".to_owned(),
            nullable: !name.contains('!'),
            has_default: name.contains('?'),
            ..BaseType::default()
        },
    }
}

fn definition(columns: &[&str], policies: (UnknownColumns, MissingColumns)) -> ResolvedDefinition {
    let mut definition: ResolvedDefinition = serde_json::from_str(
        r#"{"bucket":"b","prefix":"t/","include":[],"exclude":[],"engine":"auto","dialect":{},"columns":[],
            "columns_from":"live","allow_empty":false,"tolerated_failed_objects":0,"max_concurrency":null}"#,
    )
    .unwrap();
    definition.columns = columns.iter().map(|written| column(written)).collect();
    (definition.unknown_columns, definition.missing_columns) = policies;
    definition
}

const STRICT: (UnknownColumns, MissingColumns) = (UnknownColumns::Fail, MissingColumns::Fail);

fn map(header: &str, definition: &ResolvedDefinition) -> Result<Mapping> {
    let header: Vec<String> = header.split(',').map(ToOwned::to_owned).collect();
    Mapping::of(Some(&header), &Dialect::default(), definition, "t/year=2021/month=01/a.csv")
}

/// Writes what fills each column.
fn shown(mapping: &Mapping) -> String {
    let show = |column: &MappedColumn| match &column.from {
        From::Field(at) => format!("{}={at}", column.name.as_str()),
        From::Metadata(metadata) => format!("{}={}", column.name.as_str(), metadata.name()),
        From::Constant(None) => format!("{}=null", column.name.as_str()),
        From::Constant(Some(text)) => format!("{}='{text}'", column.name.as_str()),
        From::Sql => format!("{}=sql", column.name.as_str()),
    };
    let columns: Vec<String> = mapping.columns.iter().map(show).collect();
    let beside: Vec<String> = mapping.beside.iter().map(show).collect();
    if beside.is_empty() {
        columns.join(" ")
    } else {
        format!("{} + {}", columns.join(" "), beside.join(" "))
    }
}

#[track_caller]
fn assert_maps(header: &str, definition: &ResolvedDefinition, expected: &str) {
    assert_eq!(shown(&map(header, definition).unwrap()), expected, "{header}");
}

#[track_caller]
fn refusal(header: &str, definition: &ResolvedDefinition) -> String {
    let error = map(header, definition).unwrap_err();
    assert_eq!(error.name, ErrorName::HeaderMismatch);
    error.message
}

#[test]
fn fields_find_their_columns_by_any_of_their_names() {
    let definition = definition(&["id=Nr|No.|Number", "max_temp", "name"], STRICT);
    for header in
        ["Nr,max_temp,name", "No.,Max Temp,NAME", "Number,MaxTemp, name ", "\u{feff}number,'max-temp',Name"]
    {
        assert_maps(header, &definition, "id=0 max_temp=1 name=2");
    }
    assert_maps("name,nr,max_temp", &definition, "id=1 max_temp=2 name=0");
}

#[test]
fn columns_that_only_the_object_has_are_what_the_policy_says() {
    let columns = ["a", "b"];
    let policy = |unknown| definition(&columns, (unknown, MissingColumns::Fail));
    assert_maps("x,a,,b", &policy(UnknownColumns::Ignore), "a=1 b=3");
    insta::assert_snapshot!(refusal("x,a,,b", &policy(UnknownColumns::Fail)), @"the header does not fit the table: without a column: `x`, ``; correct the objects or the definition");
    insta::assert_snapshot!(refusal("x,a,b", &policy(UnknownColumns::Add)), @"the header does not fit the table: without a column, as no object that was looked into before the load has them: `x` (name them in the definition, or set unknown_columns to ignore); correct the objects or the definition");
    // The second of two same names is another column; of two that are alike, neither is surer.
    assert_maps("a,b,a", &policy(UnknownColumns::Ignore), "a=0 b=1");
    insta::assert_snapshot!(refusal("A+,A-,b", &policy(UnknownColumns::Ignore)), @"the header does not fit the table: like another one for the same column: `A-`; correct the objects or the definition");
    // It may be no header at all.
    insta::assert_snapshot!(refusal("x,y", &policy(UnknownColumns::Ignore)), @"no header matches a column; is the first line a header, and the delimiter right? expected: `a`, `b`");
}

#[test]
fn columns_that_the_object_lacks_are_what_the_policy_says() {
    let columns = ["a", "b", "c?", "d!?"];
    let policy = |missing| definition(&columns, (UnknownColumns::Fail, missing));
    assert_eq!(
        refusal("a", &policy(MissingColumns::Fail)),
        "the header does not fit the table: missing: `b`; correct the objects or the definition"
    );
    assert_maps("a,b", &policy(MissingColumns::Fail), "a=0 b=1");
    assert_maps("a", &policy(MissingColumns::Default), "a=0");
    // A column that can't be NULL has its default.
    assert_maps("a", &policy(MissingColumns::Null), "a=0 b=null c=null");
    // One that has neither is missing whatever the policy is.
    for missing in [MissingColumns::Default, MissingColumns::Null] {
        let definition = definition(&["a", "b!"], (UnknownColumns::Fail, missing));
        assert!(refusal("a", &definition).contains("missing: `b`"));
    }
}

#[test]
fn fields_without_names_are_the_columns_in_their_order() {
    let mut with_metadata = definition(&["line", "a", "b"], STRICT);
    with_metadata.columns[0].filled = Filled::Metadata(Metadata::Line);
    let dialect = Dialect { header_rows: 0, ..Dialect::default() };
    let mapping = Mapping::of(None, &dialect, &with_metadata, "a.csv").unwrap();
    assert_eq!(shown(&mapping), "line=_line a=0 b=1");
    assert_eq!((mapping.width, mapping.names), (Some(2), vec!["a".to_owned(), "b".to_owned()]));

    let named = Dialect { names: Some(vec!["b".to_owned(), "A".to_owned()]), ..dialect.clone() };
    let plain = definition(&["a", "b"], STRICT);
    assert_eq!(shown(&Mapping::of(None, &named, &plain, "a.csv").unwrap()), "a=1 b=0");

    let field = |name: &str| FixedField { name: name.to_owned(), from: 0, length: None };
    let fixed = Dialect { format: Format::Fixed, fields: vec![field("B"), field("A")], ..dialect };
    assert_eq!(shown(&Mapping::of(None, &fixed, &plain, "a.csv").unwrap()), "a=1 b=0");
}

#[test]
fn an_object_without_names_may_have_fewer_fields_where_columns_may_be_missing() {
    let dialect = Dialect { header_rows: 0, ..Dialect::default() };
    let of = |missing, width| {
        let definition = definition(&["a", "b", "c"], (UnknownColumns::Fail, missing));
        Mapping::of_width(width, &dialect, &definition, "a.csv").unwrap()
    };
    let strict = of(MissingColumns::Fail, 2);
    assert_eq!((shown(&strict).as_str(), strict.check_width(2)), ("a=0 b=1 c=2", Some(Fault::TooFewFields)));
    let null = of(MissingColumns::Null, 2);
    assert_eq!((shown(&null).as_str(), null.width), ("a=0 b=1 c=null", Some(2)));
    assert_eq!(null.check_width(3), Some(Fault::TooManyFields));
    assert_eq!(shown(&of(MissingColumns::Default, 2)), "a=0 b=1");
    assert_eq!(shown(&of(MissingColumns::Default, 5)), "a=0 b=1 c=2");
}

#[test]
fn records_have_as_many_fields_as_the_dialect_allows() {
    let definition = definition(&["a", "b"], STRICT);
    let header = ["a".to_owned(), "b".to_owned()];
    for (ragged, few, right, many) in [
        (Ragged::Refuse, Some(Fault::TooFewFields), None, Some(Fault::TooManyFields)),
        (Ragged::Pad, None, None, Some(Fault::TooManyFields)),
        (Ragged::PadAndCut, None, None, None),
    ] {
        let dialect = Dialect { ragged, ..Dialect::default() };
        let mapping = Mapping::of(Some(&header), &dialect, &definition, "a.csv").unwrap();
        let found = [1, 2, 3].map(|width| mapping.check_width(width));
        assert_eq!(found, [few, right, many], "{ragged:?}");
    }
}

#[test]
fn parts_of_the_key_and_metadata_fill_their_columns() {
    let mut definition = definition(&["a", "year", "_object"], STRICT);
    definition.columns[1].filled = Filled::KeyPart("year".to_owned());
    definition.columns[2].filled = Filled::Metadata(Metadata::Object);
    assert_maps("a", &definition, "a=0 year='2021' _object=_object");
    // They are not looked for in the records.
    assert!(refusal("a,year", &definition).contains("without a column: `year`"));
    definition.columns[1].filled = Filled::KeyPart("day".to_owned());
    insta::assert_snapshot!(refusal("a", &definition), @r#"the key has no part `day=`, which fills the column "year"; correct the key, or say in missing_columns what becomes of the column"#);
    definition.missing_columns = MissingColumns::Null;
    assert_maps("a", &definition, "a=0 year=null _object=_object");
    definition.missing_columns = MissingColumns::Default;
    assert_maps("a", &definition, "a=0 _object=_object");
}

#[test]
fn a_part_of_the_key_is_converted_as_its_column_says() {
    let mut definition = definition(&["a", "month"], STRICT);
    definition.columns[1].filled = Filled::KeyPart("month".to_owned());
    definition.columns[1].values.null = Some(crate::definition::dialect::OneOrMany::One("01".to_owned()));
    assert_maps("a", &definition, "a=0 month=null");
    definition.columns[1].values = ColumnValues { decimal: Some(','), ..ColumnValues::default() };
    assert_maps("a", &definition, "a=0 month='1'");
    definition.columns[1].values = ColumnValues {
        format: Some(crate::definition::dialect::OneOrMany::One("YYYY".to_owned())),
        ..ColumnValues::default()
    };
    assert!(refusal("a", &definition).contains("`month=` of the key can't fill the column"));
}

#[test]
fn expressions_read_the_fields_that_no_column_takes_too() {
    let lenient = (UnknownColumns::Ignore, MissingColumns::Fail);
    let columns = definition(&["a", "total:value || x", "c?", "joined:a || c"], lenient);
    let mapping = map("Total,a,X,a", &columns).unwrap();
    assert_eq!(shown(&mapping), "a=1 total=sql joined=sql + total=0 c=null joined=null x=2 a_2=3");
    assert_eq!(mapping.names, ["total", "a", "x", "a_2"]);
    assert!(mapping.has_expressions());
    let name = |name| Identifier::new(name).unwrap();
    let into = QualifiedName::new(name("dataimport"), name("t"));
    insta::assert_snapshot!(expression::insert(&into, &mapping));
}

#[test]
fn names_of_unknown_fields_find_them_again() {
    let mut columns = vec![column("a")];
    let header = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
    let cells = header(&["a", "a", "x", "X", "A+", ""]);
    let found = unknown(&cells, &columns);
    for (name, header) in &found {
        let mut added = column(name.as_str());
        added.header.clone_from(header);
        columns.push(added);
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a_2", "x", "x_2", "a_3", "column_6"]);
    assert!(unknown(&cells, &columns).is_empty());
}

proptest! {
    #[test]
    fn any_header_maps_each_field_once_or_is_refused(
        cells in prop::collection::vec("[ab AB_.+]{0,3}|a|b|c|id|\\PC{0,4}", 0..6),
        unknown in prop::sample::select(vec![UnknownColumns::Fail, UnknownColumns::Ignore, UnknownColumns::Add]),
        missing in prop::sample::select(vec![MissingColumns::Fail, MissingColumns::Default, MissingColumns::Null]),
    ) {
        let definition = definition(&["a", "b=B b|c", "id?", "c!:value || a"], (unknown, missing));
        let Ok(mapping) = Mapping::of(Some(&cells), &Dialect::default(), &definition, "a.csv") else {
            return Ok(());
        };
        let fields: Vec<usize> = mapping
            .carried()
            .filter_map(|column| match column.from {
                From::Field(at) => Some(at),
                _ => None,
            })
            .collect();
        let different: std::collections::HashSet<_> = fields.iter().collect();
        // As there is an expression, every field is carried, and by one name alone.
        prop_assert_eq!(different.len(), cells.len());
        prop_assert_eq!(fields.len(), cells.len());
        let names: std::collections::HashSet<_> = mapping.carried().map(|column| &column.name).collect();
        prop_assert_eq!(names.len(), mapping.carried().count());
        // An exact name always finds its column.
        if let Some(at) = cells.iter().position(|cell| cell == "a") {
            let found = mapping.columns.iter().find(|column| column.name.as_str() == "a").unwrap();
            prop_assert_eq!(&found.from, &From::Field(at));
        }
    }
}

#[test]
fn a_header_that_stands_among_the_rows_is_no_row() {
    let dialect = Dialect { header_rows: 0, ..Dialect::default() };
    let read = |text: &str| crate::record::parser::parse(text.as_bytes(), &dialect).1;
    let two = map("a, B ", &definition(&["a", "b"], STRICT)).unwrap();
    let found: Vec<_> = read("1,2\na, B \na,b\n\"a\",B\nB,a\n").iter().map(|row| two.check(row)).collect();
    let header = Some(Fault::RepeatedHeader);
    assert_eq!(found, [None, header, None, header, None]);
    let one = map("a", &definition(&["a"], STRICT)).unwrap();
    assert_eq!(read("a\n").iter().map(|row| one.check(row)).collect::<Vec<_>>(), [None]);
}

/// A record of fields of so many bytes.
fn record_of(bytes: &[usize]) -> Parsed {
    let fields: Vec<String> = bytes.iter().map(|bytes| "x".repeat(*bytes)).collect();
    let dialect = Dialect { header_rows: 0, ..Dialect::default() };
    crate::record::parser::parse(fields.join(",").as_bytes(), &dialect).1.remove(0)
}

#[test]
fn texts_go_in_binary_where_they_are_long() {
    let of = |types: &[&str], bytes: &[&[usize]]| {
        let names: Vec<String> = (0..types.len()).map(|at| format!("c{at}")).collect();
        let mut definition = definition(&names.iter().map(String::as_str).collect::<Vec<_>>(), STRICT);
        for (column, name) in definition.columns.iter_mut().zip(types) {
            (*name).clone_into(&mut column.base.name);
            (*name).clone_into(&mut column.base.modified);
        }
        let mut mapping = map(&names.join(","), &definition).unwrap();
        let records: Vec<Parsed> = bytes.iter().map(|bytes| record_of(bytes)).collect();
        let was_open = mapping.is_to_be_weighed();
        if was_open {
            mapping.weigh(&records);
        }
        assert_eq!(mapping.is_to_be_weighed(), was_open && records.is_empty());
        mapping.goes_in_binary()
    };
    assert!(!of(&["text", "text"], &[]));
    assert!(!of(&["text", "text"], &[&[10, 10]]));
    assert!(of(&["text", "text"], &[&[40, 0]]));
    // The mean counts.
    assert!(!of(&["text", "text"], &[&[40, 0], &[0, 0]]));
    assert!(of(&["text", "text"], &[&[60, 0], &[0, 0]]));
    // What is read is saved, so that fewer bytes are enough; or none, if it is hard to read.
    assert!(of(&["integer", "text", "text"], &[&[5, 20, 0]]));
    assert!(!of(&["integer", "text", "text"], &[&[5, 1, 0]]));
    assert!(of(&["date", "text", "text"], &[]));
    assert!(of(&["boolean", "integer"], &[]));
    // JSON is read here before it goes in binary.
    assert!(!of(&["json", "json"], &[&[90, 90]]));
    // Types that have no certain form never do.
    assert!(!of(&["text", "interval"], &[&[90, 90]]));
}
