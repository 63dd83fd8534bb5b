//! What the definition says together with what is found, and what is doubted.

use super::super::{SAMPLE_BYTES, Sniffed, sniff, sniff_inferred};
use crate::definition::dialect::{Dialect, Written};
use crate::record::parser::parse;

#[track_caller]
fn found(object: &str, written: &Written, columns: &[&str]) -> Sniffed {
    sniff(object.as_bytes(), true, written, columns).unwrap()
}

fn named(names: &[&str]) -> Written {
    Written { names: Some(names.iter().map(|name| (*name).to_owned()).collect()), ..Written::auto() }
}

/// The names and the first field of each record.
fn read(object: &str, dialect: &Dialect) -> (Option<Vec<String>>, Vec<String>) {
    let (header, records) = parse(object.as_bytes(), dialect);
    let first = |at: usize| records[at].fields().next().unwrap().value.to_owned();
    (header, (0..records.len()).map(first).collect())
}

#[test]
fn a_header_is_found_where_names_are_written_and_the_names_stay() {
    for object in [
        // The header says what is written, in another case too.
        "day|text\nMonday|x\nTuesday|y\n",
        "DAY|Text\nMonday|x\nTuesday|y\n",
        // It says something else, above values that are no text.
        "when|what\n2024-01-01|x\n2024-01-02|y\n",
        "an export\n\nwhen|what\n2024-01-01|x\n2024-01-02|y\n",
    ] {
        let sniffed = found(object, &named(&["day", "text"]), &[]);
        let (names, records) = read(object, &sniffed.dialect);
        assert_eq!(names.unwrap(), ["day", "text"], "{object}");
        assert_eq!(records.len(), 2, "{object}: {sniffed:?}");
        assert_eq!((sniffed.dialect.header_rows, sniffed.doubts.len()), (1, 0), "{object}: {sniffed:?}");
    }
}

#[test]
fn records_below_written_names_are_kept_and_doubted_where_nothing_tells() {
    let values = "2024-01-01|x\n2024-01-02|y\n2024-01-03|z\n";
    let sniffed = found(values, &named(&["day", "text"]), &[]);
    assert_eq!((sniffed.dialect.header_rows, sniffed.doubts.len()), (0, 0), "{sniffed:?}");
    let texts = "Anna|Bern\nOtto|Basel\n";
    let sniffed = found(texts, &named(&["name", "city"]), &[]);
    assert_eq!(read(texts, &sniffed.dialect).1, ["Anna", "Otto"]);
    assert_eq!(sniffed.doubts.len(), 1, "{sniffed:?}");
}

#[test]
fn written_lines_before_the_header_stay_written() {
    let object = "a line\nanother, and more\nid,name\n1,x\n2,y\n";
    for skip_lines in [2, 3] {
        let written = Written { skip_lines: Some(skip_lines), ..Written::auto() };
        let dialect = found(object, &written, &[]).dialect;
        assert_eq!(dialect.skip_lines, skip_lines);
        assert_eq!(u64::from(dialect.header_rows), 3 - skip_lines);
        assert_eq!(read(object, &dialect).1, ["1", "2"]);
    }
    let all = Written { skip_lines: Some(9), ..Written::auto() };
    assert_eq!(found(object, &all, &[]).dialect.skip_lines, 9);
}

#[test]
fn a_first_record_that_may_be_names_is_doubted() {
    for object in [
        "\"header1;header2\"\n\"value1;value2\"\n\"value1;value2\"\n\"value1;value2\"\n",
        "line1\nline2\nline3\n",
        "a1,b1\na2,b2\na3,b3\n",
        "yes\nno\nno\n",
    ] {
        let sniffed = found(object, &Written::auto(), &[]);
        assert!(!sniffed.doubts.is_empty(), "{object}: {sniffed:?}");
    }
}

#[test]
fn signs_within_quotes_that_may_mean_another_are_doubted() {
    for object in [
        "id,text\n1,\"a\\, b\"\n2,\"c \\\"d\\\"\"\n",
        "id,text\n1,'say \"\"a\"\", b'\n2,'it \" is'\n3,'c, d'\n",
        "id,text\n1,'say \"\"a\"\", b'\n2,'c, d'\n3,'c, d'\n",
    ] {
        let sniffed = found(object, &Written::auto(), &[]);
        assert!(!sniffed.doubts.is_empty(), "{object}: {sniffed:?}");
    }
}

#[test]
fn keys_and_values_before_the_header_are_no_records() {
    let wide = "Date\tApple Identifier\tTitle\tDeveloper\tCountry\tQuantity\tShare\tCode\tType\n\
        06/19/2024\t1435\tMonthly\t\tXX\t1\t99.99\t\t\n06/14/2024\t1436\tMonthly\t\tXX\t2\t99.99\t\t\n";
    let object = format!("Vendor Name\tTest\nStart Date\t06/02/2024\nEnd Date\t06/29/2024\n{wide}");
    let sniffed = found(&object, &Written::auto(), &[]);
    assert_eq!((sniffed.dialect.skip_lines, sniffed.dialect.header_rows), (3, 1), "{sniffed:?}");
}

#[test]
fn what_is_known_of_columns_does_not_change_what_is_plain() {
    for object in ["a\tb\tc\n1\t2\t3\n3\t4\t5\n4\t5\t6", "ts|c\nMonday|100\nSunday|200\nFriday|300\n"] {
        let without = found(object, &Written::auto(), &[]);
        for columns in [&["a", "b", "c"][..], &["a", "b", "c", "ts", "k"], &["ts", "c"]] {
            assert_eq!(found(object, &Written::auto(), columns), without, "{columns:?}");
        }
    }
}

#[test]
fn columns_with_one_name_or_none_do_not_change_what_is_plain() {
    let object = "day;n;;\n2024-01-01;1;;\n2024-01-02;2;;\n";
    let without = found(object, &Written::auto(), &[]);
    assert_eq!(found(object, &Written::auto(), &["day", "n", "", ""]), without);
}

#[test]
fn the_same_is_found_however_much_is_at_hand() {
    let mut object = "id,name\n".to_owned();
    while object.len() < SAMPLE_BYTES {
        object.push_str("1,Anna\n");
    }
    let there = object.len();
    // What comes after would say otherwise.
    object.push_str(&"2,\"caf\u{e9}\n".repeat(20_000));
    let beginning = sniff(&object.as_bytes()[..there], false, &Written::auto(), &[]).unwrap();
    for end in [there + 1, there + 77, object.len()] {
        let sample = &object.as_bytes()[..end];
        assert_eq!(sniff(sample, false, &Written::auto(), &[]).unwrap(), beginning);
        assert_eq!(sniff(sample, true, &Written::auto(), &[]).unwrap(), beginning);
    }
}

#[test]
fn an_object_that_inferred_columns_read_otherwise_is_refused() {
    let inferred =
        |object: &str, columns: &[&str]| sniff_inferred(object.as_bytes(), true, &Written::auto(), columns);
    // A value has the names of two of the columns.
    let object = "key,word,n\na,b,1\nname,city,2\nc,d,3\n";
    let error = inferred(object, &["name", "city", "n"]).unwrap_err();
    assert!(error.message.contains("a header; now that they are known"), "{error}");
    assert_eq!(inferred(object, &["key", "word", "n"]).unwrap().dialect.skip_lines, 0);
    // A header of nothing but names of columns is one, whatever it was taken for before.
    let texts = "2024,2025\nx,1\ny,2\n";
    assert_eq!(found(texts, &Written::auto(), &[]).dialect.header_rows, 0);
    assert_eq!(inferred(texts, &["2024", "2025"]).unwrap().dialect.header_rows, 1);
}

#[test]
fn records_before_the_names_of_the_columns_are_doubted() {
    let object = "a,b,1\nc,d,2\nname,city,n\ne,f,3\ng,h,4\n";
    let sniffed = found(object, &Written::auto(), &["name", "city", "n"]);
    assert_eq!((sniffed.dialect.skip_lines, sniffed.doubts.len()), (2, 1), "{sniffed:?}");
}

#[test]
fn lines_of_json_are_read_where_one_name_is_written() {
    let object = "{\"a\":0,\"b\":\"x|y\"}\n[not json]\n{\"a\":1}\n";
    assert!(sniff(object.as_bytes(), true, &Written::auto(), &["line"]).is_err());
    let sniffed = found(object, &named(&["line"]), &[]);
    assert_eq!(read(object, &sniffed.dialect).1, ["{\"a\":0,\"b\":\"x|y\"}", "[not json]", "{\"a\":1}"]);
}
