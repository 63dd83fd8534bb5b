//! How a message puts its subject, times and links.

use crate::cleanup::Failure;

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

/// Writes the lines that every message ends with.
pub(super) fn ending(run_id: &str, next: &str, link: Option<&str>) -> Vec<String> {
    let mut lines = vec![format!("Run: {run_id}"), String::new(), format!("Next: {next}")];
    lines.extend(link.map(|link| format!("Execution: {link}")));
    lines
}

/// Writes the lines about a failure, if there is one.
pub(super) fn failed(failure: Option<&Failure>) -> Vec<String> {
    failure.map_or_else(Vec::new, |failure| {
        vec![format!("Error: {} in {}", failure.error, failure.state), failure.message.clone(), String::new()]
    })
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
    fn times_are_readable() {
        assert_eq!([3.24, 65.0, 7262.0].map(duration), ["3.2 s", "1 min 5 s", "2 h 1 min"]);
    }
}
