//! What is sent in binary is, byte for byte, what COPY makes of the text.

use loader_core::definition::ResolvedColumn;
use loader_core::values::binary::{self, BinaryForm};
use proptest::prelude::*;
use tokio_postgres::Client;

use crate::judge::{Judge, copy};
use crate::values::{TYPES, columns, text};

/// Texts that types take or refuse in ways of their own.
const ODD: &[&str] = &[
    "-0",
    "-0.0",
    "+0",
    "0.00",
    "00012",
    "000000000000000000000000000012",
    "0.000012",
    "10000",
    "100000000",
    "1234567890123456789012345678901234567890.0000000000123",
    ".5",
    "5.",
    ".",
    "-.5",
    "1e5",
    "1E-5",
    "1e400",
    "1e-400",
    "1e39",
    "1e-46",
    "1e-310",
    "4.9e-324",
    "1.17549435e-38",
    "0e0",
    "3.4028235677973366e38",
    "9007199254740993",
    "9007199254740992.5",
    "0.1",
    "16777217",
    "0.30000001192092896",
    "123456789012345678901234567890e-20",
    "NaN",
    "nan",
    "inf",
    "Infinity",
    "-infinity",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "2147483647",
    "2147483648",
    "-2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "0x1F",
    "1_000",
    "1,000",
    " 7 ",
    "\t7\t",
    "\u{a0}7",
    "٣",
    "７",
    "",
    " ",
    "t",
    "tr",
    "TRUE",
    "yes",
    "oN",
    "of",
    "o",
    " true ",
    "2020-02-29",
    "2019-02-29",
    "1900-02-29",
    "2000-02-29",
    "0001-01-01",
    "0000-01-01",
    "0044-03-15 BC",
    "9999-12-31",
    "10000-01-01",
    "294277-01-01",
    "5874898-01-01",
    "-0001-01-01",
    "2020-1-1",
    "20200131",
    "01/02/2020",
    "1.2.2020",
    "2020-01-31 24:00",
    "2020-01-31 24:00:00",
    "2020-01-31 23:59:60",
    "2020-01-31 23:59:59.9999999",
    "2020-01-31 23:59:59.999999",
    "2020-01-31T23:59:59.5",
    "2020-01-31T23:59:59.",
    "2020-01-31 23:59:59.5Z",
    "2020-01-31 23:59:59+14",
    "2020-01-31 23:59:59-14:59",
    "2020-01-31 23:59:59+1500",
    "2020-01-31 23:59:59+15:59:59",
    "2020-01-31 23:59:59 Europe/Berlin",
    "2020-01-31+02",
    "0001-01-01 00:00:00+14",
    "2020-01-31 10:00 PM",
    "epoch",
    "now",
    "today",
    "infinity",
    "24:00",
    "24:00:00",
    "23:59:60",
    "00:00",
    "12:30:00.1234567",
    "04:05 PM",
    "040506",
    "00000000-0000-0000-0000-00000000000a",
    "{00000000-0000-0000-0000-00000000000A}",
    "0000000000000000000000000000000a",
    "\\x00ff",
    "\\xFF 00",
    "\\x0",
    "a\\000b",
    "{}",
    "{\"a\": 1, \"a\": 2}",
    "{\"a\": \"\\u0000\"}",
    "1e999999",
    "192.168.0.1",
    "192.168.0.1/24",
    "192.168.0.0/24",
    "192.168.0.1/033",
    "192.168.0.1/032",
    "192.168.0.1/",
    "192.168.0.1/+8",
    "192.168/16",
    "10",
    "010.1.1.1",
    "::1",
    "::ffff:1.2.3.4/128",
    "fe80::/10",
    "fe80::1%eth0",
    "08:00:2b:01:02:03",
    "08002b:010203",
    "08:00:2b:01:02:3",
    "abcd",
    "abcd   ",
    "éééé",
    "\u{feff}1",
];

fn forms(judge: &Judge) -> Vec<(ResolvedColumn, BinaryForm)> {
    let columns = judge.ask(async |client| columns(client).await);
    columns
        .into_iter()
        .filter_map(|column| {
            let form = BinaryForm::of(&column)?;
            Some((column, form))
        })
        .collect()
}

/// Copies a text into two tables, in both ways, and compares the rows as they are stored.
async fn compare(client: &Client, (column, form): &(ResolvedColumn, BinaryForm), text: &str) -> bool {
    let mut bytes = binary::HEADER.to_vec();
    binary::begin_row(1, &mut bytes);
    if !form.write(text, &mut bytes) {
        return false;
    }
    bytes.extend(binary::TRAILER);
    let name = &column.name;
    client.batch_execute("truncate t, b").await.unwrap();
    let line = format!("\"{}\"\n", text.replace('"', "\"\""));
    let as_text = copy(client, &format!("t ({name})"), "format csv", line).await;
    let as_binary = copy(client, &format!("b ({name})"), "format binary", bytes).await;
    let state = |copied: Result<u64, tokio_postgres::Error>| copied.map_err(|error| error.code().cloned());
    match (state(as_text), state(as_binary)) {
        (Ok(1), Ok(1)) => {
            let same = format!("select (select row(t.{name}) from t) *= (select row(b.{name}) from b)");
            let same: bool = client.query_one(&same, &[]).await.unwrap().get(0);
            assert!(same, "{name} {text:?}");
        }
        (Err(one), Err(other)) => assert_eq!(one, other, "{name} {text:?}"),
        (one, other) => panic!("{name} {text:?}: {one:?} as text, {other:?} in binary"),
    }
    true
}

const COPY_OF_TYPES: &str = "create table b (like t including all)";

#[test]
fn every_odd_text_is_left_to_the_database_or_becomes_what_it_makes_of_it() {
    let judge = Judge::new(&format!(
        "{TYPES}; {COPY_OF_TYPES}; set timezone = 'Asia/Kolkata'; set datestyle = 'German'"
    ));
    let forms = forms(&judge);
    let taken = judge.ask(async |client| {
        let mut taken = 0;
        for text in ODD {
            for form in &forms {
                taken += u32::from(compare(client, form, text).await);
            }
        }
        taken
    });
    assert!(taken > 1_000, "{taken}");
    judge.end();
}

#[test]
fn every_text_that_is_sent_in_binary_becomes_what_copy_makes_of_it() {
    let judge = Judge::new(&format!("{TYPES}; {COPY_OF_TYPES}"));
    let forms = forms(&judge);
    let strategy = prop_oneof![
        3 => text(),
        1 => "-?[0-9]{1,40}(\\.[0-9]{0,40})?",
        1 => any::<f32>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        1 => (any::<i64>(), 0..25_u32).prop_map(|(digits, scale)| format!("{digits}e-{scale}")),
        1 => "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[-+](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?",
        1 => "([0-9]{1,3}\\.){3}[0-9]{1,3}(/[0-9]{1,2})?|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(/[0-9]{1,3})?",
    ];
    judge.each(600, &strategy, async |client, text| {
        for form in &forms {
            // Every text column takes the same; one of them is enough here.
            if !form.1.is_text() || form.0.name.as_str() == "c_varchar_4" {
                compare(client, form, text).await;
            }
        }
    });
    judge.end();
}

#[test]
fn what_objects_usually_hold_goes_in_binary() {
    let judge = Judge::new(TYPES);
    let forms = forms(&judge);
    for (name, text) in [
        ("c_int2", "-32768"),
        ("c_int4", "0"),
        ("c_int8", "9223372036854775807"),
        ("c_numeric", "-12.50"),
        ("c_numeric_5_2", "99.99"),
        ("c_float4", "0.1"),
        ("c_float8", "-9999.9"),
        ("c_bool", "True"),
        ("c_date", "2020-02-29"),
        ("c_timestamp", "2020-02-29 23:59:59.999"),
        ("c_timestamp_0", "2020-02-29"),
        ("c_timestamptz", "2020-02-29T23:59:59+05:30"),
        ("c_time", "23:59"),
        ("c_uuid", "00000000-0000-0000-0000-00000000000a"),
        ("c_text", "é"),
        ("c_varchar_4", "éééé"),
        ("c_char_3", "abc"),
        ("c_jsonb", "{\"a\": [1, null]}"),
        ("c_bytea", "\\x00ff"),
        ("c_inet", "192.168.0.1/24"),
        ("c_plain", "1.5"),
        ("c_checked", "5"),
    ] {
        let (_, form) = forms.iter().find(|(column, _)| column.name.as_str() == name).unwrap();
        assert!(form.write(text, &mut Vec::new()), "{name} {text}");
    }
    judge.end();
}
