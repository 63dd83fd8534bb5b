//! The server on processors of its own, as it has them where it is another machine.

use std::fs;

use anyhow::Context as _;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::processor::Stat;

/// Which processors the server has, and which everything else.
pub(super) struct Halves {
    server: CpuSet,
    others: CpuSet,
}

impl Halves {
    /// Splits the processors of this process; none if there is only one.
    pub(super) fn of_this_machine() -> anyhow::Result<Option<Self>> {
        let all = sched_getaffinity(None).context("cannot ask for the processors")?;
        let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| all.is_set(*number)).collect();
        Ok(Self::of(&numbers))
    }

    fn of(numbers: &[usize]) -> Option<Self> {
        let (others, server) =
            numbers.split_at_checked(numbers.len() / 2).filter(|(others, _)| !others.is_empty())?;
        Some(Self { server: set_of(server), others: set_of(others) })
    }

    /// Holds this process, and all that it starts from now on, to the others' processors.
    pub(super) fn hold_others(&self) -> anyhow::Result<()> {
        hold("self", &self.others)
    }

    /// Holds the server of a session, all its processes and those to come, to its own.
    pub(super) fn hold_server(&self, session: u32) -> anyhow::Result<()> {
        let postmaster = Stat::of(session).context("the server's processes can't be seen")?.parent;
        // First, as new ones are like it.
        hold(&postmaster.to_string(), &self.server)?;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if Stat::of(pid).is_some_and(|stat| stat.parent == postmaster) {
                hold(&pid.to_string(), &self.server)?;
            }
        }
        Ok(())
    }
}

fn set_of(numbers: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    for number in numbers {
        set.set(*number);
    }
    set
}

/// Holds all threads of a process; what has ended meanwhile needs no holding.
fn hold(process: &str, processors: &CpuSet) -> anyhow::Result<()> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Ok(()) };
    for thread in threads {
        let thread = thread?.file_name();
        let pid = thread.to_str().and_then(|thread| thread.parse().ok()).and_then(Pid::from_raw);
        match sched_setaffinity(pid, processors) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error).context("cannot hold a process to some processors"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn numbers_of(set: &CpuSet) -> Vec<usize> {
        (0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect()
    }

    #[test]
    fn the_server_has_no_less_than_the_others() {
        let halves = Halves::of(&[0, 2, 3, 7, 9]).unwrap();
        assert_eq!(numbers_of(&halves.others), [0, 2]);
        assert_eq!(numbers_of(&halves.server), [3, 7, 9]);
        assert!(Halves::of(&[4]).is_none());
    }

    #[test]
    fn a_process_is_held_and_what_it_starts() {
        let all = numbers_of(&sched_getaffinity(None).unwrap());
        let last = set_of(&all[all.len() - 1..]);
        let mut shell = Command::new("sh")
            .args(["-c", "read go; grep Cpus_allowed_list /proc/self/status"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        hold(&shell.id().to_string(), &last).unwrap();
        shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let printed = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(printed.split_whitespace().last().unwrap(), all.last().unwrap().to_string());
    }
}
