//! How much memory the Lambdas have used at most, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;

/// The highest memory use seen, by function.
///
/// The emulator runs every Lambda as a child process of its own, and keeps it for the
/// next call. The kernel keeps the peak of a process (`VmHWM`), so a look now and then
/// misses nothing but processes that came and went between two looks.
#[derive(Debug)]
pub(crate) struct LambdaMemory {
    emulator: i32,
    peaks: BTreeMap<String, u64>,
}

impl LambdaMemory {
    /// Watches the children of the emulator.
    pub(crate) fn of_emulator(pid: i32) -> Self {
        Self { emulator: pid, peaks: BTreeMap::new() }
    }

    /// Looks at all Lambdas that run now.
    pub(crate) fn sample(&mut self) {
        let Ok(processes) = fs::read_dir("/proc") else {
            return;
        };
        for process in processes.filter_map(Result::ok) {
            let folder = process.path();
            // A process may end between two reads.
            let Ok(status) = fs::read_to_string(folder.join("status")) else {
                continue;
            };
            if number(&status, "PPid:") != u64::try_from(self.emulator).ok() {
                continue;
            }
            let Ok(environment) = fs::read(folder.join("environ")) else {
                continue;
            };
            if let Some(function) = function_name(&environment)
                && let Some(peak) = number(&status, "VmHWM:")
            {
                let highest = self.peaks.entry(function).or_default();
                *highest = peak.max(*highest);
            }
        }
    }

    /// Returns the functions with their peaks in KiB.
    pub(crate) fn peaks_kib(&self) -> &BTreeMap<String, u64> {
        &self.peaks
    }
}

fn number(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn function_name(environment: &[u8]) -> Option<String> {
    environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"AWS_LAMBDA_FUNCTION_NAME="))
        .map(|name| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_and_the_parent_are_read_from_a_status() {
        let status = "Name:\tbootstrap\nPPid:\t42\nVmHWM:\t   12345 kB\n";
        assert_eq!(number(status, "PPid:"), Some(42));
        assert_eq!(number(status, "VmHWM:"), Some(12_345));
        assert_eq!(number(status, "VmSwap:"), None);
    }

    #[test]
    fn the_function_is_read_from_an_environment() {
        let environment = b"A=1\0AWS_LAMBDA_FUNCTION_NAME=loader-Import\0B=2\0";
        assert_eq!(function_name(environment).as_deref(), Some("loader-Import"));
        assert_eq!(function_name(b"A=1\0"), None);
    }
}
