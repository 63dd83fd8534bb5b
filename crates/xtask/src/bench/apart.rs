//! The server on processors of its own, as it has them where it is another machine.

use std::fs;

use anyhow::Context as _;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::processor::{Stat, children};

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

    /// Holds this process and what it starts from now on to the others' processors, and
    /// with it what it has started before: those processes, not their children.
    pub(super) fn hold_others(&self, started: &[u32]) -> anyhow::Result<()> {
        started.iter().chain([&std::process::id()]).try_for_each(|pid| hold(*pid, &self.others))
    }

    /// Holds the server of a session, all its processes and those to come, to its own.
    pub(super) fn hold_server(&self, session: u32) -> anyhow::Result<()> {
        let postmaster = Stat::of(session).context("the server's processes can't be seen")?.parent;
        // First, as new ones are like it.
        hold(postmaster, &self.server)?;
        children(postmaster)?.try_for_each(|(pid, _)| hold(pid, &self.server))
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
fn hold(process: u32, processors: &CpuSet) -> anyhow::Result<()> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Ok(()) };
    let numbers = threads.filter_map(|thread| thread.ok()?.file_name().to_str()?.parse().ok());
    for thread in numbers.filter_map(Pid::from_raw) {
        match sched_setaffinity(Some(thread), processors) {
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
        hold(shell.id(), &last).unwrap();
        shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let printed = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(printed.split_whitespace().last().unwrap(), all.last().unwrap().to_string());
    }
}
