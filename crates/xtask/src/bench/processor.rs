//! The time of the processor that a server has used, as the kernel counts it.

use std::time::Duration;

/// Ticks a second, which Linux has told programs on all its machines for decades
/// (`USER_HZ`).
pub(crate) const TICKS: u64 = 100;

/// What a server has used so far: its main process, the living sessions, and those that
/// have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerTime(u64);

impl ServerTime {
    /// Reads the times of the server that a session belongs to; none where there is no
    /// `/proc`.
    pub(crate) fn now(session: u32) -> Option<Self> {
        let postmaster = Stat::of(session)?.parent;
        loop {
            let before = Stat::of(postmaster)?.used_by_ended;
            let living: u64 = children(postmaster).ok()?.map(|(_, stat)| stat.used).sum();
            let main = Stat::of(postmaster)?;
            // A session that ends meanwhile would count twice, or not at all.
            if main.used_by_ended == before {
                return Some(Self(main.used + main.used_by_ended + living));
            }
        }
    }

    /// Returns what was used since then.
    pub(crate) fn since(self, before: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(before.0) * 1_000 / TICKS)
    }
}

/// Lists the living processes that a process has started.
pub(crate) fn children(parent: u32) -> std::io::Result<impl Iterator<Item = (u32, Stat)>> {
    Ok(std::fs::read_dir("/proc")?
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, Stat::of(pid)?))
        })
        .filter(move |(_, stat)| stat.parent == parent))
}

/// A line of `/proc/<pid>/stat` (man page proc(5)).
pub(crate) struct Stat {
    /// The process that has started it.
    pub(crate) parent: u32,
    /// By the process itself, in ticks.
    pub(crate) used: u64,
    used_by_ended: u64,
}

impl Stat {
    /// Reads that of a process; none if there is none.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let line = "12 (a) b (c) S 7 12 12 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 1 0 99 1 1";
        let stat = super::Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.used, stat.used_by_ended), (7, 120, 34));
    }
}
