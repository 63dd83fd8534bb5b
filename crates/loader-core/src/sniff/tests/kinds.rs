//! One small object of each kind.

use super::super::{Sniffed, sniff};
use crate::definition::dialect::{Dialect, Header, Quoting, Ragged, Written};
use crate::record::parser::parse;

/// What is found in an object that is all there.
#[track_caller]
fn auto(object: &[u8]) -> Sniffed {
    sniff(object, true, &Written::auto(), &[]).unwrap()
}

/// Asserts what is found, the delimiter first, without doubts.
#[track_caller]
fn assert_found(object: &str, found: &[&str]) -> Dialect {
    let sniffed = auto(object.as_bytes());
    assert_eq!(sniffed.found, found);
    assert_eq!(sniffed.doubts, Vec::<String>::new());
    sniffed.dialect
}

/// The fields that the sniffed dialect makes of an object.
fn rows(object: &[u8], dialect: &Dialect) -> Vec<Vec<String>> {
    let (_, records) = parse(object, dialect);
    records.iter().map(|record| record.fields().map(|field| field.value.to_owned()).collect()).collect()
}

#[test]
fn plain_csv_is_what_copy_reads_by_itself() {
    let dialect = assert_found("id,name\n1,a\n2,\"b \"\"c\"\"\"\n", &["delimiter ,", "a header"]);
    assert_eq!(dialect, Dialect::default());
}

#[test]
fn delimiters_are_found() {
    for (delimiter, name) in [
        (",", ","),
        (";", ";"),
        ("\t", "tab"),
        ("|", "|"),
        ("^", "^"),
        ("~", "~"),
        (":", ":"),
        ("||", "||"),
        ("~|~", "~|~"),
        ("\u{1}", "<0x01>"),
    ] {
        let object = "id_name_size\n1_Anna_1,5\n2_Otto_2,5\n3_Ida_3,5\n".replace('_', delimiter);
        let object = if matches!(delimiter, "," | ":") { object.replace(",5", ".5") } else { object };
        assert_found(&object, &[&format!("delimiter {name}"), "a header"]);
    }
}

#[test]
fn a_blank_belongs_to_the_delimiter_where_quotes_come_after_it() {
    assert_found("id, name\n1, \"a, b\"\n2, \"c\"\n", &["delimiter ,<blank>", "a header"]);
    // Not every delimiter has one.
    assert_found(
        "id, name,x\n1, \"a, b\",1\n2, \"c\",2\n",
        &["delimiter ,", "blanks around fields", "a header"],
    );
    let sniffed = auto(b"id, name\n1, a\n2, b\n");
    assert_eq!(sniffed.dialect.delimiter, ",");
    assert!(!sniffed.doubts.is_empty(), "{:?}", sniffed.found);
}

#[test]
fn quotes_and_escapes_are_found() {
    let cases: [(&str, &[&str]); 5] = [
        ("id;text\n1;'a;b'\n2;'it''s'\n", &["delimiter ;", "quote '", "a header"]),
        ("id,text\n1,\"a \\\"b\\\", c\"\n2,\"d\"\n", &["delimiter ,", "escape \\", "a header"]),
        (
            "id,text,x\n1,\"5\" disc\",a\n2,\"d, e\",b\n3,\"f, 24\"\",c\n",
            &["delimiter ,", "no escapes", "quotes stand within fields", "a header"],
        ),
        ("id,text\n1,5\" disc\n2,plain\n", &["delimiter ,", "quotes stand within fields", "a header"]),
        ("id,text\n1,a\\,b\n2,c\n", &["delimiter ,", "no quotes", "escape \\", "a header"]),
    ];
    for (object, found) in cases {
        assert_found(object, found);
    }
}

#[test]
fn lines_before_the_header_are_skipped() {
    let object = "\"Data Source\",\"World Indicators\",\n\n\"Updated\",\"2018-01-01\",\n\n\"Country\",\"Code\",\"1960\",\"1961\",\"1962\"\n\"Aruba\",\"ABW\",\"1\",\"2\",\"3\"\n\"Chad\",\"TCD\",\"1\",\"2\",\"3\"\n";
    let dialect = assert_found(object, &["delimiter ,", "a header", "4 lines before the header"]);
    assert_eq!(rows(object.as_bytes(), &dialect).len(), 2);
    let padded = "PREAMBLE,,,\n,,,\nid,name,size,day\n1,a,2.5,2024-01-01\n2,b,3.5,2024-01-02\n";
    assert_found(padded, &["delimiter ,", "a header", "2 lines before the header"]);
}

#[test]
fn a_short_first_record_is_kept_where_there_is_no_header() {
    let dialect = assert_found("1,2\n3,4,5\n6,7,8\n9,1,2\n", &["delimiter ,", "no header"]);
    assert_eq!((dialect.skip_lines, dialect.ragged), (0, Ragged::Refuse));
}

#[test]
fn headers_are_told_from_values() {
    assert_found("1,a,2024-01-01\n2,b,2024-01-02\n", &["delimiter ,", "no header"]);
    assert_found("MG-1,x\nMG-2,y\nMG-3,z\n", &["delimiter ,", "no header"]);
    assert_found("Year,2000,2001,2002\nTimber,1,2,3\nPaper,4,5,6\n", &["delimiter ,", "a header"]);
    assert_eq!(auto(b"a,b\nc,d\n").doubts.len(), 1, "texts only");
}

#[test]
fn a_header_of_several_records_is_taken_where_it_is_certain() {
    let body = "1,2024-01-01,x\n2,2024-01-02,y\n3,2024-01-03,z\n4,2024-01-04,z\n";
    assert_found(&format!("id,day,c\nid,day,c\n{body}"), &["delimiter ,", "a header of 2 records"]);
    let units = auto(format!("id,day,c\nnumber,date,text\n{body}").as_bytes());
    assert_eq!((units.dialect.header_rows, units.doubts.len()), (2, 1));
}

#[test]
fn comments_and_blank_lines_are_found() {
    let dialect = assert_found(
        "# made by hand\na;b\n1;3\n# not sure\n\n6;7\n",
        &["delimiter ;", "a header", "blank lines are no records", "comments begin with #"],
    );
    assert_eq!(rows(b"# made by hand\na;b\n1;3\n# not sure\n\n6;7\n", &dialect).len(), 2);
    // These are values.
    assert_found("#tag,n\n#a,1\n#b,2\n", &["delimiter ,", "a header"]);
}

#[test]
fn dirty_records_do_not_throw_it_off() {
    let record = |n: usize| match n % 20 {
        7 => format!("{n};short\n"),
        13 => format!("{n};too;many;1,5\n"),
        _ => format!("{n};a, b;1,5\n"),
    };
    let object = format!("id;name;amount\n{}", (0..200).map(record).collect::<String>());
    let dialect = assert_found(&object, &["delimiter ;", "a header"]);
    assert_eq!(dialect.ragged, Ragged::Refuse, "they are rejects");
}

#[test]
fn a_delimiter_at_the_end_of_every_record_is_found() {
    let written = Written { names: Some(vec!["a".to_owned(), "b".to_owned()]), ..Written::auto() };
    let sniffed = sniff(b"1|2|\n3|4|\n", true, &written, &[]).unwrap();
    assert!(sniffed.dialect.trailing_delimiter, "{sniffed:?}");
    assert_eq!(sniffed.doubts, Vec::<String>::new());
}

#[test]
fn a_header_that_lacks_the_delimiter_that_ends_every_record_is_refused() {
    // It may have lost another, and then all values are one column off.
    for object in ["a|b\n1|2|\n3|4|\n", "id,name size,remark\n1,a,2,\n2,b,3,\n"] {
        let error = sniff(object.as_bytes(), true, &Written::auto(), &[]).unwrap_err();
        assert!(error.message.contains("trailing_delimiter = true"), "{error}");
        let written = Written { trailing_delimiter: Some(true), ..Written::auto() };
        assert!(sniff(object.as_bytes(), true, &written, &[]).unwrap().dialect.trailing_delimiter);
    }
}

#[test]
fn a_header_without_the_last_delimiter_is_taken_with_a_doubt_where_its_names_fit() {
    let object = "day,item,price,place,note\n2024-01-01,a,1.5,x,y,\n2024-01-02,b,2.5,x,z,\n";
    let sniffed = auto(object.as_bytes());
    assert!(sniffed.dialect.trailing_delimiter && sniffed.dialect.header_rows == 1, "{sniffed:?}");
    assert_eq!(sniffed.doubts.len(), 1, "{sniffed:?}");
    // One name fewer, and the price is a text.
    let lost = object.replace("day,item", "dayitem").replace(",y,", ",").replace(",z,", ",");
    assert!(sniff(lost.as_bytes(), true, &Written::auto(), &[]).is_err());
}

#[test]
fn more_lines_of_keys_and_values_than_records_stand_before_the_header() {
    let report = "Vendor\tTest\nFrom\t06/02/2024\nTo\t06/29/2024\nBy\tx\n";
    for end in ["", "\t"] {
        let body = format!(
            "day\tid\tcount\tplace\tnote\n06/19/2024\ta\t1\tx\ty{end}\n06/14/2024\tb\t2\tx\tz{end}\n"
        );
        let sniffed = auto(format!("{report}{body}").as_bytes());
        assert_eq!((sniffed.dialect.skip_lines, sniffed.dialect.header_rows), (4, 1), "{sniffed:?}");
        assert_eq!(sniffed.dialect.trailing_delimiter, !end.is_empty());
    }
}

#[test]
fn quotes_that_are_values_are_told_by_one_that_is_not_closed() {
    let record = |n: usize| match n % 7 {
        3 => format!("{n}\t\"The_Best\"_of_{n}\n"),
        5 => format!("{n}\t\"Whole\"\n"),
        _ => format!("{n}\tplain_{n}\n"),
    };
    let records: String = (0..7_000).map(record).collect();
    // It stands beyond what every candidate reads.
    let object = format!("id\ttitle\n{records}7000\t\"Hg\n7001\tplain\n");
    assert!(object.len() > 64 * 1024 && object.len() < super::super::SAMPLE_BYTES);
    let sniffed = auto(object.as_bytes());
    assert_eq!((sniffed.dialect.quote, sniffed.doubts.len()), (None, 1), "{sniffed:?}");
    assert_eq!(rows(object.as_bytes(), &sniffed.dialect).len(), 7_002);
    // Where quotes wrap values, one that is not closed is a bad record.
    let wrapped_record = |n: usize| format!("{n}\t\"The {n}th\"\n");
    let wrapped: String = (0..3_000).map(wrapped_record).collect();
    let sniffed = auto(format!("id\ttitle\n{wrapped}3000\t\"Hg\n3001\tplain\n").as_bytes());
    assert_eq!(sniffed.dialect.quote, Some('"'), "{sniffed:?}");
}

#[test]
fn blanks_may_stand_between_a_quote_and_a_delimiter() {
    let written = Written { quoting: Some(Quoting::Whole), ..Written::auto() };
    for object in ["a,b\n\"onions\"  ,\",\"\n", "a,b\n\"onions\",   \",\"\n"] {
        let sniffed = sniff(object.as_bytes(), true, &written, &[]).unwrap();
        assert_eq!(rows(object.as_bytes(), &sniffed.dialect), [["onions", ","]], "{object}: {sniffed:?}");
    }
}

#[test]
fn a_header_with_a_delimiter_too_many_is_refused() {
    let object = "id,,name,day\n1,a,2024-01-01\n2,b,2024-01-02\n";
    let error = sniff(object.as_bytes(), true, &Written::auto(), &[]).unwrap_err();
    assert!(error.message.contains("`names`"), "{error}");
    let names = ["id", "name", "day"].map(str::to_owned).to_vec();
    let written = Written { names: Some(names), ..Written::auto() };
    let sniffed = sniff(object.as_bytes(), true, &written, &[]).unwrap();
    assert_eq!(rows(object.as_bytes(), &sniffed.dialect)[0], ["1", "a", "2024-01-01"], "{sniffed:?}");
}

#[test]
fn a_header_with_another_delimiter_than_the_records_names_their_fields() {
    for header in ["id day \"full name\" url", "id;day;full name;url"] {
        let object = format!("{header}\n1,2024-01-01,a,http://a.b\n2,2024-01-02,b,http://a.c\n");
        let sniffed = auto(object.as_bytes());
        let (names, records) = parse(object.as_bytes(), &sniffed.dialect);
        assert_eq!(names.unwrap(), ["id", "day", "full name", "url"], "{sniffed:?}");
        assert_eq!((records.len(), sniffed.doubts.is_empty()), (2, false), "{sniffed:?}");
    }
}

#[test]
fn records_that_are_all_shorter_than_the_header_are_padded_and_doubted() {
    let sniffed = auto(b"a;b;c;d\n1;2;3\n4;5;6\n7;8;9\n");
    assert_eq!((sniffed.dialect.ragged, sniffed.doubts.len()), (Ragged::Pad, 1));
}

#[test]
fn newlines_within_fields_are_told_from_line_ends() {
    let dialect = assert_found(
        "id,text,n\r\n1,a\nb,1\r\n2,c,2\r\n3,d\ne,3\r\n4,f,4\r\n",
        &["records end in carriage return and newline", "delimiter ,", "a header"],
    );
    assert_eq!(dialect.line_end.as_deref(), Some("\r\n"));
}

#[test]
fn encodings_are_found() {
    let text = "id,name\n1,Zürich\n2,café crème\n3,Ålesund\n4,señor\n5,Ñandú\n6,garçon\n";
    let wide = |bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let marked = format!("\u{feff}{text}");
    let mut four = vec![0xff, 0xfe, 0, 0];
    four.extend(text.chars().flat_map(|c| u32::from(c).to_le_bytes()));
    for (object, encoding) in [
        (text.as_bytes().to_vec(), "UTF8"),
        (marked.clone().into_bytes(), "UTF8"),
        (wide(u16::to_le_bytes, ""), "UTF-16LE"),
        (wide(u16::to_be_bytes, ""), "UTF-16BE"),
        (wide(u16::to_le_bytes, "\u{feff}"), "UTF-16LE"),
        (four, "UTF-32LE"),
        (encoding_rs::WINDOWS_1252.encode(text).0.into_owned(), "WIN1252"),
        (encoding_rs::MACINTOSH.encode(text).0.into_owned(), "macintosh"),
        (encoding_rs::WINDOWS_1251.encode("имя,город\nАнна,Москва\nИван,Казань\n").0.into_owned(), "WIN1251"),
        (encoding_rs::SHIFT_JIS.encode("名前,市\nはなこ,東京\nたろう,大阪\n").0.into_owned(), "SJIS"),
    ] {
        let sniffed = auto(&object);
        assert_eq!(sniffed.dialect.encoding, encoding);
        let read = rows(&object, &sniffed.dialect);
        assert!(
            ["Zürich", "Анна", "はなこ"].iter().any(|name| read[0].iter().any(|cell| cell == name)),
            "{encoding}"
        );
    }
}

#[test]
fn few_bytes_beyond_ascii_are_doubted() {
    let sniffed = auto(b"id,name\n1,caf\xe9\n");
    assert_eq!((sniffed.dialect.encoding.as_str(), sniffed.doubts.len()), ("WIN1252", 1));
    let dirty = auto("id,name\n1,né\n2,né\n3,né\n4,né\n5,?\n".replace('?', "\u{fffd}").as_bytes());
    assert_eq!(dirty.dialect.encoding, "UTF8");
    let broken = [b"id,name\n1,\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n2,".as_slice(), b"\xff\n"].concat();
    let sniffed = auto(&broken);
    assert_eq!((sniffed.dialect.encoding.as_str(), sniffed.doubts.len()), ("UTF8", 1));
}

#[test]
fn a_sample_may_end_anywhere() {
    let text = "id;näme;text\n1;Zürich;\"a;b\"\n2;Köln;\"c\nd\"\n3;Bär;\"e \"\"f\"\"\"\n4;Öl;g\n5;x;h\n";
    for end in text.len() / 2..text.len() {
        let sniffed = sniff(&text.as_bytes()[..end], false, &Written::auto(), &[]).unwrap();
        assert_eq!(sniffed.dialect.delimiter, ";", "{end}");
        assert_eq!(sniffed.dialect.encoding, "UTF8", "{end}");
        assert_eq!(sniffed.dialect.quote, Some('"'), "{end}");
        assert_eq!(sniffed.dialect.header_rows, 1, "{end}");
    }
}

#[test]
fn names_of_the_tables_columns_are_the_surest_header() {
    let texts = "from the register\nextra,line\nname,city\nAnna,Bern\nOtto,Köln\n";
    let sniffed = sniff(texts.as_bytes(), true, &Written::auto(), &["name", "city"]).unwrap();
    assert_eq!((sniffed.dialect.skip_lines, sniffed.dialect.header_rows), (2, 1));
    assert_eq!(sniffed.doubts, Vec::<String>::new());
}

#[test]
fn what_is_written_stays() {
    let written = Written {
        delimiter: Some("|".to_owned()),
        quote: Some("'".to_owned()),
        header: Some(Header::Is(false)),
        quoting: Some(Quoting::Whole),
        skip_lines: Some(0),
        ..Written::auto()
    };
    let dialect = sniff(b"a,b\n1,2\n3,4\n", true, &written, &[]).unwrap().dialect;
    assert_eq!((dialect.delimiter.as_str(), dialect.quote, dialect.header_rows), ("|", Some('\''), 0));
    assert_eq!((dialect.quoting, dialect.skip_lines), (Quoting::Whole, 0));
    let only_encoding = Written { encoding: Some("auto".to_owned()), ..Written::default() };
    let dialect = sniff(b"a;b\n1;\xe9t\xe9\n", true, &only_encoding, &[]).unwrap().dialect;
    assert_eq!((dialect.delimiter.as_str(), dialect.encoding.as_str()), (",", "WIN1252"));
}

#[test]
fn what_is_no_table_is_refused_with_the_way_out() {
    for (object, what) in [
        ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "a web page"),
        ("<?xml version=\"1.0\"?>\n<Error/>\n", "XML"),
        ("{\"a\": 1, \"b\": 2}\n{\"a\": 3, \"b\": 4}\n", "JSON"),
        ("\u{0}\u{3}\u{4}\u{0}\u{5}\u{6}\u{8}\u{0}\u{e}\u{f}\u{10}\u{11}\u{12}abc\n", "no text"),
    ] {
        let error = sniff(object.as_bytes(), true, &Written::auto(), &[]).unwrap_err();
        assert!(error.message.contains(what), "{error}");
        assert!(error.message.contains("dialect"), "{error}");
    }
}

#[test]
fn an_object_with_nothing_in_it_has_the_plain_dialect() {
    for object in ["", "\n", " \r\n"] {
        let sniffed = auto(object.as_bytes());
        assert_eq!(sniffed.dialect, Dialect::default());
    }
}
