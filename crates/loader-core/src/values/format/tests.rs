use proptest::prelude::*;

use super::*;

#[track_caller]
fn read(format: &str, text: &str) -> Result<String, &'static str> {
    let mut out = String::new();
    let read = Format::new(format).unwrap().read(text, &mut out);
    read.map(|()| out).map_err(|refusal| refusal.sqlstate)
}

#[test]
fn templates_of_to_timestamp_are_read() {
    for (format, text, expected) in [
        ("DD.MM.YYYY", "31.01.2021", "2021-01-31"),
        ("DD.MM.YYYY", "1.2.2021", "2021-02-01"),
        ("YYYYMMDD", "20210131", "2021-01-31"),
        ("YYYYMMDDHH24MISS", "20210131235959", "2021-01-31 23:59:59"),
        ("YYYY-MM-DD\"T\"HH24:MI:SS.US", "2021-01-31T01:02:03.5", "2021-01-31 01:02:03.5"),
        ("YYYY-MM-DDTHH24:MI:SSZ", "2021-01-31T01:02:03Z", "2021-01-31 01:02:03+00:00"),
        ("YYYY-MM-DD HH24:MI:SS.MSOF", "2021-01-31 01:02:03.123+0530", "2021-01-31 01:02:03.123+05:30"),
        ("YYYY-MM-DD HH24:MI TZ", "2021-01-31 01:02 CET", "2021-01-31 01:02:00 CET"),
        ("YYYY-MM-DD HH24:MI TZ", "2021-01-31 01:02 Europe/Paris", "2021-01-31 01:02:00 Europe/Paris"),
        ("YYYY-MM-DD HH24:MI TZ", "2021-01-31 01:02 -08", "2021-01-31 01:02:00-08:00"),
        ("YYYY-MM-DD HH24:MITZH:TZM", "2021-01-31 01:02-08:30", "2021-01-31 01:02:00-08:30"),
        ("MM/DD/YY", "12/31/69", "2069-12-31"),
        ("MM/DD/YY", "12/31/70", "1970-12-31"),
        ("DD-Mon-YYYY", "05-feb-2021", "2021-02-05"),
        ("Month DDth, YYYY", "February 5th, 2021", "2021-02-05"),
        ("Dy, DD Mon YYYY", "Fri, 05 Feb 2021", "2021-02-05"),
        ("YYYYDDD", "2020366", "2020-12-31"),
        ("YYYY-MM", "2021-02", "2021-02-01"),
        ("YYYY", "2021", "2021-01-01"),
        ("HH12:MI AM", "12:30 am", "00:30:00"),
        ("HH12:MI AM", "12:30 P.M.", ""),
        ("HH:MI:SS P.M.", "1:02:03 p.m.", "13:02:03"),
        ("YYYY-MM-DD BC", "0044-03-15 BC", "0044-03-15 BC"),
        ("YYYY-MM-DD SSSS", "2021-01-31 3723", "2021-01-31 01:02:03"),
        ("FMDD. FMMonth YYYY", "3. March 2021", "2021-03-03"),
    ] {
        if expected.is_empty() {
            assert!(read(format, text).is_ok(), "{format}: {text}");
        } else {
            assert_eq!(read(format, text).as_deref(), Ok(expected), "{format}: {text}");
        }
    }
}

#[test]
fn templates_of_strftime_are_read() {
    for (format, text, expected) in [
        ("%Y-%m-%d", "2021-01-31", "2021-01-31"),
        ("%d/%m/%y", "1/2/99", "1999-02-01"),
        ("%Y%m%d %H%M%S", "20210131 010203", "2021-01-31 01:02:03"),
        ("%m/%d/%Y %I:%M:%S %p", "01/31/2021 12:00:01 AM", "2021-01-31 00:00:01"),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2021-01-31T01:02:03.000001+02:00", "2021-01-31 01:02:03.000001+02:00"),
        ("%Y-%m-%dT%H:%M:%S%.fZ", "2021-01-31T01:02:03.5Z", "2021-01-31 01:02:03.5+00:00"),
        ("%Y-%m-%dT%H:%M:%S%.fZ", "2021-01-31T01:02:03Z", "2021-01-31 01:02:03+00:00"),
        ("%F %T", "2021-01-31 01:02:03", "2021-01-31 01:02:03"),
        ("%D", "01/31/21", "2021-01-31"),
        ("%d %B %Y", "31 jan 2021", "2021-01-31"),
        ("%A %-d %b %Y", "Sunday 31 Jan 2021", "2021-01-31"),
        ("%Y %j", "2021 32", "2021-02-01"),
        ("%b %e %Y", "Jan  5 2021", "2021-01-05"),
        ("%d%b%Y", "31JAN2021", "2021-01-31"),
        ("%s", "1612137600", "2021-02-01 00:00:00+00:00"),
        ("%s.%f", "1612137600.25", "2021-02-01 00:00:00.25+00:00"),
        ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10 13:55:36-07:00"),
        ("%H:%M %Z", "13:55 UTC", "13:55:00 UTC"),
    ] {
        assert_eq!(read(format, text).as_deref(), Ok(expected), "{format}: {text}");
    }
}

#[test]
fn a_text_of_another_form_is_refused() {
    for (format, text) in [
        ("DD.MM.YYYY", "31/01/2021"),
        ("DD.MM.YYYY", "31.01.21"),
        ("DD.MM.YYYY", "31.01.2021 "),
        ("DD.MM.YYYY", " 31.01.2021"),
        ("DD.MM.YYYY", "31.01.2021x"),
        ("DD.MM.YYYY", "31.01.20211"),
        ("DD.MM.YYYY", ""),
        ("DD.MM.YYYY", "٣١.01.2021"),
        ("YYYYMMDD", "2021131"),
        ("DD Mon YYYY", "31 Maj 2021"),
        ("DD Mon YYYY", "31 Janu 2021"),
        ("HH24:MI TZ", "10:00 PM"),
        ("HH24:MI TZ", "10:00 Jan"),
        ("HH24:MI TZ", "10:00 MON"),
        ("%Y-%m-%d", "21-01-31"),
    ] {
        assert_eq!(read(format, text), Err(NOT_OF_THE_FORM), "{format}: {text}");
    }
}

#[test]
fn there_is_no_such_date_or_time() {
    for (format, text) in [
        ("DD.MM.YYYY", "31.02.2021"),
        ("DD.MM.YYYY", "29.02.1900"),
        ("DD.MM.YYYY", "01.13.2021"),
        ("DD.MM.YYYY", "00.01.2021"),
        ("DD.MM.YYYY", "01.01.0000"),
        ("YYYYDDD", "2021366"),
        ("YYYYDDD", "2021000"),
        ("HH24:MI", "24:00"),
        ("HH24:MI", "23:60"),
        ("HH24:MI:SS", "23:59:60"),
        ("HH12:MI AM", "13:00 AM"),
        ("HH12:MI AM", "00:00 AM"),
        ("YYYY-MM-DD HH24OF", "2021-01-01 00+16"),
        ("Dy YYYY-MM-DD", "Mon 2021-01-31"),
        ("YYYY-MM-DD SSSS", "2021-01-31 86400"),
    ] {
        assert_eq!(read(format, text), Err(OUT_OF_RANGE), "{format}: {text}");
    }
}

#[test]
fn formats_that_say_too_little_or_too_much_are_refused() {
    let refused: Vec<String> = [
        "DD.MM",
        "MI:SS",
        "YYYY-DD",
        "YYYY YY",
        "HH:MI",
        "%I:%M",
        "HH24:MI AM",
        "Q YYYY",
        "YYYY-MM-DD at HH24",
        "%Q",
        "%Y %",
        "\"YYYY",
        "---",
        "%s %Y",
        "YYYY OF",
        "IYYY-IW",
        "YYYY-MM-DD TZM",
    ]
    .map(|format| Format::new(format).unwrap_err())
    .into();
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn a_format_says_what_it_has() {
    for (format, date, time, zone) in [
        ("DD.MM.YYYY", true, false, false),
        ("HH24:MI", false, true, false),
        ("%F %T%z", true, true, true),
        ("%Y-%m-%dT%H:%M:%SZ", true, true, true),
        ("%s", true, true, true),
    ] {
        let format = Format::new(format).unwrap();
        assert_eq!(
            (format.has_date(), format.has_time(), format.has_zone()),
            (date, time, zone),
            "{format:?}"
        );
    }
}

/// Formats of strftime that jiff writes and reads as we do.
fn formats() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "%Y-%m-%d %H:%M:%S",
        "%d/%m/%Y %H.%M.%S",
        "%Y%m%d%H%M%S",
        "%m-%d-%Y %I:%M:%S %p",
        "%B %d, %Y %T",
        "%a %d %b %Y %H:%M:%S",
        "%A, %e %B %Y %T",
        "%Y %j %T",
    ])
}

proptest! {
    #[test]
    fn what_jiff_writes_is_read_as_what_it_was(
        format in formats(), second in -62_135_596_800_i64..253_402_207_200
    ) {
        let moment = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_second(second).unwrap());
        let written = moment.strftime(format).to_string();
        prop_assert_eq!(read(format, &written).unwrap(), moment.strftime("%Y-%m-%d %H:%M:%S").to_string());
    }

    #[test]
    fn dates_are_there_if_jiff_says_so(year in 0..10_000_i16, month in 0..14_i8, day in 0..33_i8) {
        let is = jiff::civil::Date::new(year, month, day).is_ok() && year > 0;
        prop_assert_eq!(read("%d.%m.%Y", &format!("{day:02}.{month:02}.{year:04}")).is_ok(), is);
    }

    #[test]
    fn no_format_and_no_text_makes_it_fall_over(
        format in "(%[a-zA-Z%.-]|YYYY|MM|DD|HH24|MI|SS|TZ|OF|[-/:T \"]|\\PC){0,8}", text in "\\PC{0,20}|[0-9:. TZ+-]{0,25}"
    ) {
        let mut out = String::new();
        if let Ok(format) = Format::new(&format) {
            let _ = format.read(&text, &mut out);
        }
    }
}
