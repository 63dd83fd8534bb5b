//! What the definition says together with what is found, and what is doubted.

use super::super::{Sniffed, sniff};
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
