use proptest::prelude::*;

use super::*;

fn kinds(values: &[&str]) -> InferredType {
    let mut kinds = Kinds::default();
    for value in values {
        kinds.observe(value.as_bytes());
    }
    kinds.narrowest()
}

fn assert_text(values: &[&str]) {
    for value in values {
        assert_eq!(kinds(&[value]), InferredType::Text, "{value:?}");
    }
}

#[test]
fn numbers_that_would_be_written_otherwise_are_text() {
    assert_text(&["+1", "007", "00", "-01", "009.0", "1.", ".", "-", "", "1,5", "1 000", "0x1f"]);
    assert_text(&["NaN", "Infinity", "inf", "1e", "e5", "1e5.0", "1e99999", "--1", "1_000", "١"]);
    assert_eq!(kinds(&["1".repeat(101).as_str()]), InferredType::Text);
}

#[test]
fn numbers_have_the_narrowest_type_that_keeps_them() {
    for (value, expected) in [
        ("0", InferredType::BigInt),
        ("-0", InferredType::BigInt),
        ("-9223372036854775808", InferredType::BigInt),
        ("9223372036854775808", InferredType::Numeric),
        ("12.10", InferredType::Numeric),
        ("-.5", InferredType::Numeric),
        ("0.000", InferredType::Numeric),
        ("1e5", InferredType::DoublePrecision),
        ("6.02214076E+23", InferredType::DoublePrecision),
        ("1.7976931348623157e308", InferredType::DoublePrecision),
        ("0e0", InferredType::DoublePrecision),
        ("1.2345678901234567890e5", InferredType::Numeric),
        ("1e-5000", InferredType::Text),
        ("1e400", InferredType::Text),
    ] {
        assert_eq!(kinds(&[value]), expected, "{value}");
    }
}

#[test]
fn only_real_days_in_iso_form_are_dates() {
    for value in ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31", " 2024-01-01 "] {
        assert_eq!(kinds(&[value]), InferredType::Date, "{value}");
    }
    assert_text(&["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-01-32"]);
    assert_text(&["0000-01-01", "24-01-01", "2024-1-1", "2024/01/01", "01-02-2024", "20240101x"]);
    assert_text(&["-2024-01-01", "2024-01-01BC", "２０２４-01-01", "2024-01-é", "2024-01-0é"]);
    assert_eq!(kinds(&["20240101"]), InferredType::BigInt);
}

#[test]
fn times_of_day_are_kept_to_the_microsecond() {
    for value in ["2024-01-01 00:00", "2024-01-01T23:59:59", "2024-01-01 10:00:00.123456"] {
        assert_eq!(kinds(&[value]), InferredType::Timestamp, "{value}");
    }
    for value in ["2024-01-01T00:00Z", "2024-01-01 10:00:00.5+02", "2024-01-01 10:00-0330"] {
        assert_eq!(kinds(&[value]), InferredType::TimestampTz, "{value}");
    }
    assert_text(&["2024-01-01 24:00", "2024-01-01 10:60", "2024-01-01 10:00:60"]);
    assert_text(&["2024-01-01 10:00:00.1234567", "2024-01-01 10:00:00.", "2024-01-01T"]);
    assert_text(&["2024-01-01 10", "2024-01-01  10:00", "2024-01-01 1:00", "2024-01-01t10:00"]);
    assert_text(&["2024-01-01 10:00+", "2024-01-01 10:00+16", "2024-01-01 10:00+1:00"]);
    assert_text(&["2024-01-01 10:00ZZ", "2024-01-01 10:00 +02", "2024-01-01 10:00+é00"]);
}

#[test]
fn only_true_and_false_are_booleans() {
    assert_eq!(kinds(&["true", "False", "TRUE "]), InferredType::Boolean);
    assert_text(&["t", "f", "yes", "no", "on", "truee"]);
    assert_eq!(kinds(&["true", "t"]), InferredType::Text);
}

/// A number by the digits of its text: sign, digits without leading zeros, and
/// the digits after the point.
fn exact(text: &str) -> (bool, String, i64) {
    let text = text.trim_matches(' ');
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap()),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}").trim_start_matches('0').to_owned();
    let mut power = exponent - i64::try_from(fraction.len()).unwrap();
    while digits.ends_with('0') {
        digits.pop();
        power += 1;
    }
    if digits.is_empty() {
        return (false, digits, 0);
    }
    (negative, digits, power)
}

/// Values of every kind, and near to every kind.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}",
        "-?(0|[1-9][0-9]{0,18})",
        "[-+]?[0-9]{0,3}\\.?[0-9]{0,20}",
        "-?(0|[1-9][0-9]{0,4})\\.[0-9]{1,6}",
        "-?[0-9](\\.[0-9]{1,18})?[eE][-+]?[0-9]{1,3}",
        any::<f64>().prop_map(|double| format!("{double:e}")),
        any::<f64>().prop_map(|double| format!("{double}")),
        "[012][0-9]{3}-[01][0-9]-[0-3][0-9]",
        "20[0-9]{2}-0[1-9]-[012][0-9][T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{1,8})?)?(Z|[-+][01][0-9](:?[0-5][0-9])?)?",
        "(true|false|TRUE|False|t|f|yes|1|0)",
        " {0,2}[0-9]{1,2} {0,2}",
        "\\PC{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_type_takes_every_value_it_was_inferred_from(values in proptest::collection::vec(value(), 1..5)) {
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let inferred = kinds(&texts);
        for text in texts {
            let text = text.trim_matches(' ');
            match inferred {
                InferredType::BigInt => {
                    let read: i64 = text.parse().unwrap();
                    prop_assert_eq!(exact(&read.to_string()), exact(text));
                }
                // Postgres reads a numeric exactly; it must be one, and plain.
                InferredType::Numeric => {
                    prop_assert!(text.parse::<f64>().is_ok(), "{}", text);
                    prop_assert!(!text.contains(['+', 'n', 'N', 'i', 'I']) || text.contains(['e', 'E']), "{}", text);
                }
                InferredType::DoublePrecision => {
                    let read: f64 = text.parse().unwrap();
                    prop_assert!(read.is_finite());
                    prop_assert_eq!(exact(&format!("{read}")), exact(text), "{}", text);
                }
                InferredType::Boolean => prop_assert!(text.to_lowercase().parse::<bool>().is_ok()),
                InferredType::Date => prop_assert_eq!(text.len(), 10),
                InferredType::Timestamp => prop_assert!(text.len() <= 26 && !text.contains('Z')),
                InferredType::TimestampTz => prop_assert!(text.len() >= 17),
                InferredType::Text => {}
            }
        }
    }

    #[test]
    fn the_order_of_values_does_not_matter(values in proptest::collection::vec(value(), 1..5)) {
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let reversed: Vec<&str> = texts.iter().rev().copied().collect();
        prop_assert_eq!(kinds(&texts), kinds(&reversed));
    }

    #[test]
    fn a_value_never_makes_a_type_narrower_again(values in proptest::collection::vec(value(), 1..5), more in value()) {
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        if kinds(&texts) == InferredType::Text {
            let mut wider = texts.clone();
            wider.push(&more);
            prop_assert_eq!(kinds(&wider), InferredType::Text);
        }
    }

    #[test]
    fn all_days_of_the_calendar_are_dates(days in 0_i64..3_652_059) {
        // From 0001-01-01 on, by counting; the civil calendar repeats every 400 years.
        let (mut year, mut left) = (1 + days / 146_097 * 400, days % 146_097);
        let length = |year: i64| if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 { 366 } else { 365 };
        while left >= length(year) {
            left -= length(year);
            year += 1;
        }
        let mut month = 1;
        for days in [31, length(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if left < days {
                break;
            }
            left -= days;
            month += 1;
        }
        let text = format!("{year:04}-{month:02}-{:02}", left + 1);
        prop_assert_eq!(kinds(&[&text]), InferredType::Date, "{}", text);
    }
}
