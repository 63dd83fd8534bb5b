//! An inferred type takes every value that was seen, and gives it back.

use loader_core::definition::dialect::Dialect;
use loader_core::definition::dialect::copy::CopyDialect;
use loader_core::definition::infer::{Inference, InferredType};
use loader_core::identifier::Identifier;
use loader_core::record::parser::parse;
use proptest::prelude::*;

use crate::judge::{Judge, copy, texts};

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}",
        "-?(0|[1-9][0-9]{0,18})",
        "[-+]?[0-9]{0,3}\\.?[0-9]{0,20}",
        "-?(0|[1-9][0-9]{0,4})\\.[0-9]{1,6}",
        "-?[0-9](\\.[0-9]{1,18})?[eE][-+]?[0-9]{1,3}",
        any::<f64>().prop_map(|number| format!("{number:e}")),
        any::<f64>().prop_map(|number| number.to_string()),
        "[012][0-9]{3}-[01][0-9]-[0-3][0-9]",
        "20[0-9]{2}-0[1-9]-[012][0-9][T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{1,8})?)?(Z|[-+][01][0-9](:?[0-5][0-9])?)?",
        "(true|false|TRUE|False|t|f|yes|1|0)",
        " {0,2}[0-9]{1,2} {0,2}",
        " ?20[0-9]{2}-0[1-9]-1[0-9] ?",
        "[a-z ]{0,4}",
    ]
}

/// Returns what a query has to select so that nothing but the value counts.
fn selected(inferred: InferredType) -> &'static str {
    match inferred {
        InferredType::Date => "to_char(v, 'YYYY-MM-DD')",
        InferredType::Timestamp | InferredType::TimestampTz => {
            "(extract(epoch from v) * 1000000)::bigint::text"
        }
        _ => "v::text",
    }
}

/// Asserts that the column has given back what was written.
fn assert_same(inferred: InferredType, given: Option<&str>, written: &str) {
    let value = written.trim_matches(' ');
    if written.is_empty() && inferred != InferredType::Text {
        return assert_eq!(given, None);
    }
    let given = given.expect("a value");
    match inferred {
        InferredType::Text => assert_eq!(given, written),
        InferredType::BigInt => assert_eq!(given.parse::<i64>(), value.parse::<i64>()),
        InferredType::Numeric => {
            assert_eq!(decimal(given), decimal(value), "{given} {value}");
            // Zeros at the end tell how exact an amount is.
            let places = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            assert!(value.contains(['e', 'E']) || places(given) == places(value), "{given} {value}");
        }
        InferredType::DoublePrecision => {
            assert_eq!(given.parse::<f64>().unwrap().to_bits(), value.parse::<f64>().unwrap().to_bits());
        }
        InferredType::Boolean => assert_eq!(given == "true", value.eq_ignore_ascii_case("true")),
        InferredType::Date => assert_eq!(given, value),
        InferredType::Timestamp | InferredType::TimestampTz => {
            assert_eq!(given, microseconds(value).to_string());
        }
    }
}

/// Takes a number apart: its sign, its digits without zeros around them, and the
/// power of ten of the last.
fn decimal(text: &str) -> (bool, String, i64) {
    let unsigned = text.trim_start_matches('-');
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let power = power.parse::<i64>().unwrap() - i64::try_from(fraction.len()).unwrap();
    let kept = digits.trim_end_matches('0');
    let power = power + i64::try_from(digits.len() - kept.len()).unwrap();
    let kept = kept.trim_start_matches('0');
    // Zero has no sign, and no power.
    (
        unsigned.len() < text.len() && !kept.is_empty(),
        kept.to_owned(),
        if kept.is_empty() { 0 } else { power },
    )
}

/// Returns the microseconds since 1970 in UTC.
fn microseconds(text: &str) -> i64 {
    let number = |text: &str| text.parse::<i64>().unwrap();
    let (date, rest) = text.split_at(10);
    let time = if rest.is_empty() { "00:00" } else { &rest[1..] };
    let (clock, offset) = time.split_at(time.find(['Z', '+', '-']).unwrap_or(time.len()));
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next().unwrap()), number(parts.next().unwrap()));
    let (second, fraction) =
        parts.next().map_or(("0", ""), |rest| rest.split_once('.').unwrap_or((rest, "")));
    let offset_digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let (offset_hour, offset_minute) = offset_digits.split_at(offset_digits.len().min(2));
    let part = |text: &str| if text.is_empty() { 0 } else { number(text) };
    let offset_seconds = (part(offset_hour) * 60 + part(offset_minute)) * 60;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let seconds = days(number(&date[..4]), number(&date[5..7]), number(&date[8..])) * 86_400
        + (hour * 60 + minute) * 60
        + number(second)
        - sign * offset_seconds;
    seconds * 1_000_000 + number(&format!("{fraction:0<6}"))
}

/// Returns the days since 1970, counted one by one: slow and plain.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let years: i64 = if year < 1970 {
        -(year..1970).map(|year| 365 + leap(year)).sum::<i64>()
    } else {
        (1970..year).map(|year| 365 + leap(year)).sum()
    };
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + lengths[..usize::try_from(month - 1).unwrap()].iter().sum::<i64>() + day - 1
}

#[test]
fn an_inferred_type_takes_every_value_and_gives_it_back_in_any_date_style() {
    let judge = Judge::new("");
    let dialect = CopyDialect::default();
    for style in ["ISO, MDY", "SQL, DMY", "German, YMD"] {
        judge.ask(async |client| client.batch_execute(&format!("set datestyle = '{style}'")).await).unwrap();
        judge.each(400, &proptest::collection::vec(value(), 1..3), async |client, values| {
            let headerless = Dialect { header_rows: 0, ..Dialect::default() };
            let mut inference = Inference::new(&headerless);
            inference.begin_object(Some(&["v".to_owned()]));
            let records: Vec<String> = values.iter().map(|value| format!("\"{value}\"\n")).collect();
            for record in &parse(records.concat().as_bytes(), &headerless).1 {
                inference.observe(record);
            }
            let column = &inference.columns()[0];
            let inferred = column.inferred;
            let table = format!("drop table if exists i; create temp table i (n serial, v {inferred})");
            client.batch_execute(&table).await.unwrap();
            // As the import does for every column that is no text.
            let force_null: &[Identifier] =
                if inferred == InferredType::Text { &[] } else { std::slice::from_ref(&column.name) };
            let options = dialect.copy_options(true, force_null);
            let data = format!("v\n{}", records.concat());
            copy(client, "i (v)", &options, data)
                .await
                .unwrap_or_else(|error| panic!("{inferred} does not take {values:?}: {error:?}"));
            let given = texts(client, &format!("select {} from i order by n", selected(inferred))).await;
            assert_eq!(given.len(), values.len());
            for (given, value) in given.iter().zip(values) {
                assert_same(inferred, given.as_deref(), value);
            }
        });
    }
    judge.end();
}
