//! How a message puts numbers, times and links.

/// The longest subject that SNS takes.
const MAX_SUBJECT: usize = 100;

/// Links to the execution in the AWS console; the ARN names partition and region.
pub(super) fn console_link(arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let partition = parts.nth(1)?;
    let region = parts.nth(1).filter(|region| !region.is_empty())?;
    let domain = match partition {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => return None,
    };
    Some(format!("https://{region}.{domain}/states/home?region={region}#/v2/executions/details/{arn}"))
}

/// Returns a line as SNS takes it for a subject: printable ASCII, and short.
pub(super) fn subject(headline: &str) -> String {
    headline
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(MAX_SUBJECT)
        .collect()
}

/// Writes a number with commas between its thousands.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Writes how many there are of something.
pub(super) fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Writes a duration in the unit that fits it.
pub(super) fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration is small and not negative"
    )]
    let whole = seconds.max(0.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_short_printable_ascii() {
        let subject = subject(&"jahr\n2022 für ☂ ".repeat(12));
        assert_eq!(subject.len(), MAX_SUBJECT);
        assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 1200].map(|n| counted(n, "row")), ["0 rows", "1 row", "1,200 rows"]);
        assert_eq!([3.24, 65.0, 7262.0].map(duration), ["3.2 s", "1 min 5 s", "2 h 1 min"]);
    }
}
