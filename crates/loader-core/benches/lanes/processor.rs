//! Time of the processor, as the kernel counts it.

use std::time::Duration;

/// Ticks a second, which Linux has told programs on all its machines for decades
/// (`USER_HZ`).
const TICKS: u64 = 100;

/// What this process and the server have used so far, in ticks.
pub(crate) struct Processor {
    client: u64,
    server: u64,
}

impl Processor {
    /// Reads the times of this process and of the server that a session belongs to.
    pub(crate) fn now(session: u32) -> Self {
        let own = Stat::of(std::process::id()).unwrap();
        let postmaster = Stat::of(session).unwrap().parent;
        let main = Stat::of(postmaster).unwrap();
        let living: u64 = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Stat::of))
            .filter(|stat| stat.parent == postmaster)
            .map(|stat| stat.used)
            .sum();
        Self { client: own.used, server: main.used + main.used_by_ended + living }
    }

    /// Returns what was used in between, by this process and by the server.
    pub(crate) fn since(&self, before: &Self) -> (Duration, Duration) {
        let ticks = |after: u64, before: u64| Duration::from_millis((after - before) * 1000 / TICKS);
        (ticks(self.client, before.client), ticks(self.server, before.server))
    }
}

/// A line of `/proc/<pid>/stat` (man page proc(5)).
struct Stat {
    parent: u32,
    used: u64,
    used_by_ended: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, but ends with the last parenthesis.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            used: number(11)? + number(12)?,
            used_by_ended: number(13)? + number(14)?,
        })
    }
}

/// The most memory that the process has had, in MiB.
pub(crate) fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}
