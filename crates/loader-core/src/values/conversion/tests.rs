use super::*;
use crate::definition::dialect::Written as Dialected;

fn conversion(is_text: bool, values: &str, dialect: &str) -> Conversion {
    let mut column: ResolvedColumn =
        serde_json::from_str(r#"{"name":"a","type":"text","required":false,"is_text":true}"#).unwrap();
    column.is_text = is_text;
    column.values = toml::from_str(values).unwrap();
    let dialect: Dialected = toml::from_str(dialect).unwrap();
    Conversion::of(&column, &dialect.complete().unwrap()).unwrap()
}

/// Converts a text: `~` before it means in quotes. NULL is `None`, a refusal its SQLSTATE.
fn convert(conversion: &Conversion, text: &str) -> Result<Option<String>, &'static str> {
    let (value, written) = match text.strip_prefix('~') {
        Some(value) => (value, Written::Quoted),
        None => (text, Written::Plain),
    };
    let mut out = "left from before".to_owned();
    match conversion.apply(Text { value, written }, &mut out) {
        Converted::Null => Ok(None),
        Converted::Value(value) => Ok(Some(value.to_owned())),
        Converted::Refused { sqlstate, .. } => Err(sqlstate),
    }
}

#[track_caller]
fn assert_converts(conversion: &Conversion, cases: &[(&str, Option<&str>)]) {
    for (text, expected) in cases {
        assert_eq!(convert(conversion, text), Ok(expected.map(ToOwned::to_owned)), "{text:?}");
    }
}

#[test]
fn null_is_what_copy_takes_for_it() {
    let text = conversion(true, "", "null = ['', 'NA']");
    assert_converts(
        &text,
        &[("", None), ("NA", None), ("~", Some("")), ("~NA", Some("NA")), (" ", Some(" "))],
    );
    let number = conversion(false, "", "null = ['', 'NA']");
    assert_converts(&number, &[("", None), ("NA", None), ("~", None), ("~NA", None), (" ", Some(" "))]);
    let absent = Text { value: "", written: Written::Absent };
    assert_eq!(text.apply(absent, &mut String::new()), Converted::Null);
}

#[test]
fn the_text_format_has_told_null_from_values_before() {
    let text = conversion(true, "null = 'NA'", "format = 'text'");
    assert_converts(&text, &[("\\N", Some("\\N")), ("", Some("")), ("NA", None)]);
}

#[test]
fn a_column_has_texts_for_null_of_its_own_in_quotes_or_not() {
    let text = conversion(true, "null = ['-', '999.9']", "");
    assert_converts(
        &text,
        &[("-", None), ("~-", None), ("~999.9", None), ("~", Some("")), (" - ", Some(" - "))],
    );
    let trimmed = conversion(true, "null = '-'\ntrim = true", "");
    assert_converts(
        &trimmed,
        &[("~ - ", None), ("  ", None), ("~  ", Some("")), ("\u{a0}a b\t", Some("a b"))],
    );
}

#[test]
fn words_are_true_and_false_in_any_case() {
    let both = conversion(false, "true = ['Ja', 'Wahr']\nfalse = 'NEIN'", "");
    assert_converts(&both, &[("ja", Some("true")), (" WAHR ", Some("true")), ("~nein", Some("false"))]);
    assert_eq!(convert(&both, "true"), Err("22P02"));
    let one = conversion(false, "true = 'ja'", "");
    assert_converts(&one, &[("JA", Some("true")), ("no", Some("no"))]);
    let other = conversion(false, "true = 'ÉVET'\nfalse = 'hayır'", "");
    assert_converts(&other, &[("évet", Some("true"))]);
}

#[test]
fn formats_are_tried_in_their_order() {
    let dates = conversion(false, "format = ['DD.MM.YYYY', 'MM/DD/YY', 'YYYY']", "");
    assert_converts(
        &dates,
        &[
            (" 01.02.2021 ", Some("2021-02-01")),
            ("01/02/21", Some("2021-01-02")),
            ("2021", Some("2021-01-01")),
            ("", None),
        ],
    );
    assert_eq!(convert(&dates, "31.02.2021"), Err("22008"));
    assert_eq!(convert(&dates, "2021-02-01"), Err("22007"));
}

#[test]
fn numbers_go_by_their_rule() {
    let number = conversion(false, "decimal = ','\nthousands = '.'\nnull = 'k.A.'", "");
    assert_converts(&number, &[("1.234,5", Some("1234.5")), ("k.A.", None), ("~ 7 ", Some("7"))]);
    assert_eq!(convert(&number, "1.5"), Err("22P02"));
}

#[test]
fn a_rule_says_what_type_its_texts_are_of() {
    for (values, expected) in [
        ("", None),
        ("null = 'x'", None),
        ("decimal = ','", Some("numeric")),
        ("true = 'x'", Some("boolean")),
        ("format = 'DD.MM.YYYY'", Some("date")),
        ("format = ['%F', '%F %T']", Some("timestamp")),
        ("format = '%F %T%z'", Some("timestamptz")),
        ("format = '%H:%M'", Some("time")),
        ("format = ['%H:%M', '%F']", Some("text")),
    ] {
        assert_eq!(implied_type(&toml::from_str(values).unwrap()), expected, "{values}");
    }
}
