//! The processes of the Lambdas, which the emulator starts as children of its own.

use std::fs;
use std::process::Command;

/// Kills the Lambdas of the stack at this endpoint whose function's name holds a
/// text, at once and without a word, and returns how many there were.
pub(crate) fn kill(endpoint: &str, part: &str) -> usize {
    let mut killed = 0;
    for process in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Ok(environment) = fs::read(process.path().join("environ")) else { continue };
        let variable = |name: &str| {
            environment
                .split(|byte| *byte == 0)
                .find_map(|entry| entry.strip_prefix(format!("{name}=").as_bytes()))
                .map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let is_ours = variable("AWS_LAMBDA_FUNCTION_NAME").is_some_and(|name| name.contains(part))
            && variable("AWS_ENDPOINT_URL").is_some_and(|url| url == endpoint);
        if is_ours {
            let pid = process.file_name().into_string().unwrap();
            killed += usize::from(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        }
    }
    killed
}
