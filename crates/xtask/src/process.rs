//! Processes that this program starts and stops: exactly those, and no others.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(50);

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pid: i32,
    started: String,
}

impl ProcessIdentity {
    /// Identifies the running process with this number.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let started = start_time(pid)?;
        Some(Self { pid, started })
    }

    /// Returns the process number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Tells whether this very process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    /// Asks the process to end, waits, and ends its group by force if it does not.
    pub(crate) async fn stop(&self, grace: Duration) -> anyhow::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            bail!("{} is not a process number", self.pid);
        };
        if !self.is_alive() {
            return Ok(());
        }
        // An error here means that it ended on its own just now.
        kill_process(pid, Signal::TERM).ok();
        if wait_until(grace, || !self.is_alive()).await {
            return Ok(());
        }
        kill_process_group(pid, Signal::KILL).or_else(|_| kill_process(pid, Signal::KILL)).ok();
        ensure!(wait_until(grace, || !self.is_alive()).await, "process {} does not end", self.pid);
        Ok(())
    }
}

/// Reads when a process started, or nothing if it has ended.
#[cfg(target_os = "linux")]
fn start_time(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let state = *fields.first()?;
    let started = *fields.get(19)?;
    // A zombie has ended; nobody has asked for its exit code yet.
    (state != "Z" && state != "X").then(|| started.to_owned())
}

/// Reads when a process started, or nothing if it has ended.
#[cfg(not(target_os = "linux"))]
fn start_time(pid: i32) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let (state, started) = line.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// Waits for a condition and tells whether it came true in time.
pub(crate) async fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Runs a program to its end and returns its output, or an error with what it said.
pub(crate) async fn run(command: &mut Command) -> anyhow::Result<Output> {
    let program = program_name(command);
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} failed with {}\n{}{}", output.status, tail(&output.stdout), tail(&output.stderr));
    }
    Ok(output)
}

/// Runs a program to its end with its output going to this program's standard error.
pub(crate) async fn run_visibly(command: &mut Command) -> anyhow::Result<()> {
    let program = program_name(command);
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "{program} failed with {status}");
    Ok(())
}

/// Looks a program up on the search path.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| is_executable(candidate))
}

/// Tells whether a file exists and may be run by someone.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn program_name(command: &Command) -> String {
    let program: &OsStr = command.as_std().get_program();
    Path::new(program)
        .file_name()
        .map_or_else(|| program.to_string_lossy().into_owned(), |name| name.to_string_lossy().into_owned())
}

/// Keeps the last lines of an output: an error message is no place for a whole log.
fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(20);
    lines.iter().skip(first).fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_is_told_from_another_with_its_number() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let own = ProcessIdentity::of(pid).unwrap();
        let impostor = ProcessIdentity { pid, started: "another time".to_owned() };
        assert!(own.is_alive());
        assert!(!impostor.is_alive());
    }

    #[tokio::test]
    async fn stopping_a_process_that_is_not_ours_any_more_touches_nothing() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        let old = ProcessIdentity { pid, started: "before".to_owned() };
        old.stop(Duration::from_secs(1)).await.unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().await.unwrap();
    }

    #[tokio::test]
    async fn a_stopped_process_is_gone() {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = ProcessIdentity::of(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        identity.stop(Duration::from_secs(10)).await.unwrap();
        assert!(!identity.is_alive());
    }

    #[tokio::test]
    async fn a_failed_program_is_reported_with_what_it_said() {
        let error = run(Command::new("sh").args(["-c", "echo the reason >&2; exit 3"]))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("sh failed with exit status: 3"), "{error}");
        assert!(error.contains("the reason"), "{error}");
    }
}
