//! Samples that are made to be slow or to break something.

use std::time::Instant;

use proptest::prelude::*;

use super::super::sniff;
use crate::definition::dialect::Written;

/// As much as a load reads ahead.
const SAMPLE: usize = 256 * 1024;

fn repeated(pattern: &str) -> Vec<u8> {
    pattern.bytes().cycle().take(SAMPLE).collect()
}

/// Bytes from a generator of our own, so that they are the same each time.
fn noise(of: &[u8]) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        of[usize::try_from(state % of.len() as u64).unwrap()]
    };
    (0..SAMPLE).map(|_| next()).collect()
}

/// Sniffs in each way there is; what comes out does not matter.
fn survives(sample: &[u8]) {
    let names = Written { names: Some(vec!["a".to_owned(), "b".to_owned()]), ..Written::auto() };
    for (written, columns) in [(Written::auto(), &[][..]), (names, &["a", "b", ""][..])] {
        for whole in [true, false] {
            if let Ok(sniffed) = sniff(sample, whole, &written, columns) {
                sniffed.dialect.validate().unwrap();
            }
        }
    }
}

#[test]
fn samples_that_are_made_to_be_slow_end() {
    let delimiters = ",;\t|^~:#!*&@ \u{1}§¦";
    let every = format!("{delimiters}\"'`\\%$/\r\n");
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let line = |of: &str| repeated(of).into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let samples: Vec<(&str, Vec<u8>)> = vec![
        ("quotes", repeated("\"")),
        ("other quotes", repeated("'`\"")),
        ("delimiters", repeated(",")),
        ("all delimiters", repeated(delimiters)),
        ("one line", line("some words, and numbers 1;2\t3|")),
        ("one line without a delimiter", repeated("x")),
        ("newlines", repeated("\n")),
        ("carriage returns", repeated("\r")),
        ("blanks", repeated(" ")),
        ("quoted blanks", repeated("\"    ")),
        ("backslashes", repeated("\\")),
        ("backslashes and quotes", repeated("\\\"")),
        ("long delimiters", repeated("a||b~|~c, d::e;;f\t\tg|~|h\n")),
        ("open quotes", repeated("a,\"b\nc;'d\ne|`f\n")),
        ("open quotes, all candidates", repeated("'a','b\\'','c\"\"\" ,|d|,~e~,^f^,$g$,%h%,*i*,/j/,#k#\n")),
        ("one field in quotes", repeated("x,y\n1,2\n\"")),
        ("comments", repeated("#\n//\n--\n%\n")),
        ("records of one sign", repeated("a\n")),
        ("wide records", repeated(&format!("{}\n", "a,".repeat(5_000)))),
        ("numbers", repeated("1,2;3|4\t5:6 7\n")),
        ("signs", noise(every.as_bytes())),
        ("bytes", noise(&all)),
        ("ascii", noise(&all[9..127])),
        ("wide characters", repeated("a\0,\0b\0\n\0")),
        ("high bytes", repeated("\u{ff}\u{fe}").into_iter().map(|byte| byte | 0x80).collect()),
        ("braces", repeated("[{\"")),
        ("tags", repeated("<a>")),
        ("digits", repeated("1")),
        ("dates", repeated("2024-01-01 ")),
    ];
    for (name, sample) in samples {
        let started = Instant::now();
        if let Ok(sniffed) = sniff(&sample, false, &Written::auto(), &[]) {
            sniffed.dialect.validate().unwrap();
        }
        println!("{name}: {:?}", started.elapsed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_sniffed_or_refused(sample in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(&sample);
    }

    #[test]
    fn any_text_of_signs_is_sniffed_or_refused(
        sample in "([,;|\t:~\"'`\\\\ #%/\r\n\u{1}a1é]|\\|\\||, |\"\"|2024-01-01|null){0,120}"
    ) {
        survives(sample.as_bytes());
        let wide: Vec<u8> = sample.encode_utf16().flat_map(u16::to_le_bytes).collect();
        survives(&wide);
    }
}
