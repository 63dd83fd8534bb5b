//! Texts that are converted mean what Postgres says they mean, and what is certain is
//! taken by it.

use loader_core::database::staging::loadable_columns;
use loader_core::definition::ResolvedColumn;
use loader_core::definition::dialect::{Dialect, OneOrMany};
use loader_core::identifier::{Identifier, QualifiedName};
use loader_core::record::parsed::{Text, Written};
use loader_core::values::{Certain, Conversion, Converted};
use proptest::prelude::*;
use tokio_postgres::Client;

use crate::judge::{Judge, copy};

pub(crate) const TYPES: &str = "
    create domain plain as numeric(6, 2);
    create domain checked as integer check (value > 0);
    create domain filled as text not null;
    create table t (
        c_int2 int2, c_int4 int4, c_int8 int8, c_numeric numeric, c_numeric_5_2 numeric(5, 2),
        c_numeric_3_3 numeric(3, 3), c_numeric_2 numeric(2), c_float4 float4, c_float8 float8, c_bool bool,
        c_date date, c_timestamp timestamp, c_timestamp_0 timestamp(0), c_timestamptz timestamptz,
        c_time time, c_uuid uuid, c_text text, c_varchar varchar, c_varchar_4 varchar(4), c_char_3 char(3),
        c_bpchar bpchar, c_bytea bytea, c_json json, c_jsonb jsonb, c_plain plain, c_checked checked,
        c_filled filled default 'x', c_filled_int int not null default 1, c_inet inet, c_array int[], c_interval interval,
        c_name name, c_letter \"char\", c_money money, c_bit bit(3),
        c_cidr cidr, c_macaddr macaddr)";

pub(crate) async fn columns(client: &Client) -> Vec<ResolvedColumn> {
    let name = |name: &str| Identifier::new(name).unwrap();
    loadable_columns(client, &QualifiedName::new(name("public"), name("t"))).await.unwrap()
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-+]?[0-9]{1,21}",
        "[-+]?[0-9]{0,5}\\.?[0-9]{0,5}",
        "[-+]?[0-9]{1,30}(\\.[0-9]{1,30})?",
        any::<i64>().prop_map(|number| number.to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        any::<i16>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        "(true|FALSE|t|f|yes|No|on|oF|off|1|0|y|N|tru| true )",
        "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{1,10})?)?(Z|[-+][01][0-9](:?[0-6][0-9])?)?)?",
        "[0-2][0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,7})?)?",
        "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "\\\\x[0-9a-fA-F]{0,6}",
        "(\\{|\\[|\"|1|,|:|e|9|null|true|\\}|\\]|\\\\u0000|[a-z]){0,9}",
        "(\\{\"a\": ?(1|2.5e9|null|\\[1, 2\\]|\"é\")\\}|\\[[0-9]{1,5}(e[0-9]{1,6})?\\])",
        " {0,2}[0-9a-zé]{0,6} {0,3}",
        "\\PC{0,6}",
    ]
}

#[test]
fn what_is_certain_is_taken() {
    let judge = Judge::new(TYPES);
    let columns: Vec<(ResolvedColumn, Certain)> = judge
        .ask(async |client| columns(client).await)
        .into_iter()
        .map(|column| {
            let certain = Certain::of(&column);
            (column, certain)
        })
        .collect();
    let names = |text: Option<&str>| -> Vec<&ResolvedColumn> {
        columns.iter().filter(|(_, certain)| certain.takes(text)).map(|(column, _)| column).collect()
    };
    assert!(!names(None).iter().any(|column| column.name.as_str().starts_with("c_filled")));
    judge.each(1_500, &text(), async |client, text| {
        for column in names(Some(text)) {
            // As the rows lane sends it, and as it does beside an expression.
            let line = format!("\"{}\"\n", text.replace('"', "\"\""));
            copy(client, &format!("t ({})", column.name), "format csv", line).await.unwrap_or_else(|error| {
                panic!("{} {text:?}: {error:?}", column.name);
            });
            let insert = format!(
                "insert into t ({}) select field::{} from unnest($1::text[]) as field",
                column.name, column.base.name
            );
            client.execute(&insert, &[&vec![text]]).await.unwrap_or_else(|error| {
                panic!("{} {text:?}: {error:?}", column.name);
            });
        }
    });
    judge.end();
}

#[test]
fn what_is_plainly_right_is_certain() {
    let judge = Judge::new(TYPES);
    let columns = judge.ask(async |client| columns(client).await);
    for (name, text) in [
        ("c_int2", "-32768"),
        ("c_int4", " 7 "),
        ("c_int8", "9223372036854775807"),
        ("c_numeric_5_2", "99.994"),
        ("c_float8", "-1.5"),
        ("c_bool", "True"),
        ("c_date", "2020-02-29"),
        ("c_timestamp", "2020-02-29 23:59:59.999"),
        ("c_timestamptz", "2020-02-29T23:59:59+05:30"),
        ("c_uuid", "00000000-0000-0000-0000-00000000000a"),
        ("c_varchar_4", "éééé"),
        ("c_char_3", "abc"),
        ("c_jsonb", "{\"a\": [1, null]}"),
        ("c_plain", "1.5"),
        ("c_filled", ""),
    ] {
        let column = columns.iter().find(|column| column.name.as_str() == name).unwrap();
        assert!(Certain::of(column).takes(Some(text)), "{name} {text}");
    }
    judge.end();
}

/// Converts a text with one format.
fn convert(format: &str, text: &str) -> Result<String, &'static str> {
    let mut column: ResolvedColumn =
        serde_json::from_str(r#"{"name":"a","type":"timestamp","required":false,"is_text":false}"#).unwrap();
    column.values.format = Some(OneOrMany::One(format.to_owned()));
    let conversion = Conversion::of(&column, &Dialect::default()).unwrap();
    let mut out = String::new();
    match conversion.apply(Text { value: text, written: Written::Plain }, &mut out) {
        Converted::Value(value) => Ok(value.to_owned()),
        Converted::Null => Ok(String::new()),
        Converted::Refused { sqlstate, .. } => Err(sqlstate),
    }
}

fn template() -> impl Strategy<Value = String> {
    let date = prop::sample::select(vec![
        "YYYY-MM-DD",
        "DD.MM.YYYY",
        "MM/DD/YYYY",
        "YYYYMMDD",
        "DD-Mon-YYYY",
        "FMMonth DD, YYYY",
        "YYYY DDD",
        "Dy DD MON YYYY",
        "YYYY/MM/DD",
    ]);
    let time = prop::sample::select(vec![
        "HH24:MI:SS",
        "HH12:MI:SS AM",
        "HH24.MI.SS.US",
        "HH24MISS",
        "SSSSS",
        "HH:MI:SS p.m.",
        "HH24:MI:SS.MS",
    ]);
    let between = prop::sample::select(vec![" ", "\"T\"", ", ", " \"at\" "]);
    (date, between, time).prop_map(|(date, between, time)| format!("{date}{between}{time}"))
}

#[test]
fn what_to_char_writes_is_read_as_what_it_was() {
    let judge = Judge::new("set datestyle = 'SQL, DMY'");
    let case = (template(), 0..253_402_300_800_000_i64);
    judge.each(1_500, &case, async |client, (template, millisecond)| {
        let query = "select to_char(moment, $1), date_trunc(case when $1 ~ 'US|MS' then 'milliseconds' else 'second' end, moment)::text
                       from (select date_trunc('milliseconds', timestamp '1970-01-01' + make_interval(secs => ($2::bigint / 1000.0)::float8)) as moment) as m";
        let row = client.query_one(query, &[template, millisecond]).await.unwrap();
        let (written, moment): (String, String) = (row.get(0), row.get(1));
        let read = convert(template, &written).unwrap_or_else(|why| panic!("{template} {written}: {why}"));
        let given: String =
            client.query_one("select $1::text::timestamp::text", &[&read]).await.unwrap().get(0);
        assert_eq!(given, moment, "{template} {written} {read}");
    });
    judge.end();
}

#[test]
fn what_is_read_at_all_is_read_as_to_timestamp_reads_it() {
    let judge = Judge::new("set datestyle = 'German'; set timezone = 'UTC'");
    let case = (
        prop::sample::select(vec![
            "DD.MM.YYYY",
            "DD.MM.YY",
            "MM/DD/YYY",
            "YYYYMMDD",
            "YYYYDDD",
            "DD.MM.YYYY HH24:MI",
            "YYYY-MM-DD HH12:MI AM",
        ]),
        "[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{2,4}( [0-9]{1,2}:[0-9]{1,2})?|[0-9]{6,9}|[01][0-9]/[0-3][0-9]/[0-9]{3}|[0-9]{4}-[01][0-9]-[0-3][0-9] [01]?[0-9]:[0-5][0-9] [AP]M",
    );
    judge.each(3_000, &case, async |client, (template, text)| {
        let Ok(read) = convert(template, text) else { return };
        let same: bool = client
            .query_one(
                "select to_timestamp($1, $2)::timestamp = $3::text::timestamp",
                &[text, template, &read],
            )
            .await
            .unwrap()
            .get(0);
        assert!(same, "{template} {text} {read}");
    });
    judge.end();
}

#[test]
fn years_of_two_and_three_digits_are_those_of_to_timestamp() {
    let judge = Judge::new("");
    judge.ask(async |client| {
        for (template, width) in [("YY-MM-DD", 2), ("YYY-MM-DD", 3)] {
            for year in 0..10_usize.pow(width) {
                let text = format!("{year:0>width$}-03-01", width = usize::try_from(width).unwrap());
                let year: String = client
                    .query_one("select to_date($1, $2)::text", &[&text, &template])
                    .await
                    .unwrap()
                    .get(0);
                assert_eq!(convert(template, &text).unwrap(), year);
            }
        }
    });
    judge.end();
}
