//! The memory that the process has taken.

/// Returns the most memory that the process had at any time, in KiB; none where
/// the system does not tell.
pub(crate) fn peak_kb() -> Option<u64> {
    peak_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_peak_is_read_from_its_line() {
        let status = "Name:\tbootstrap\nVmPeak:\t  999 kB\nVmHWM:\t   10240 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(super::peak_in(status), Some(10_240));
        assert_eq!(super::peak_in("Name:\tbootstrap\n"), None);
    }
}
