//! A program that is measured.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::process::Command;

use crate::process::find_program;
use crate::workspace::Workspace;

/// Runs a program and asks the kernel what it took.
const WRAPPER: &str = "crates/xtask/assets/bench/measured.py";

/// What is run: a program, its arguments, and what it finds in its environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Program {
    /// A program with arguments.
    pub(crate) fn new(program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { path: program.into(), arguments, environment: Vec::new() }
    }

    /// Adds variables of its environment.
    pub(crate) fn with(mut self, environment: &[(String, String)]) -> Self {
        self.environment.extend_from_slice(environment);
        self
    }
}

/// What the kernel tells of a program that has ended.
#[derive(Debug, Clone, Deserialize)]
struct Usage {
    wall: f64,
    user: f64,
    system: f64,
    peak_kib: u64,
    code: i32,
    timed_out: bool,
}

/// What a program took.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// Its time.
    pub(crate) wall: Duration,
    /// Its processor time.
    pub(crate) processor: Duration,
    /// The most memory of its own.
    pub(crate) peak_kib: u64,
    /// What it has printed.
    pub(crate) printed: String,
}

/// Runs a program to its end; one that fails or takes too long is an error.
pub(crate) async fn measure(
    workspace: &Workspace,
    folder: &Path,
    program: &Program,
    limit: Duration,
) -> anyhow::Result<Taken> {
    let python = find_program("python3").context("python3 is missing: it measures the programs")?;
    let [result, stdout, stderr] = ["measured.json", "stdout", "stderr"].map(|name| folder.join(name));
    if result.exists() {
        fs::remove_file(&result)?;
    }
    let status = Command::new(python)
        .arg(workspace.root().join(WRAPPER))
        .arg(&result)
        .arg(limit.as_secs().to_string())
        .arg(&program.path)
        .args(&program.arguments)
        .envs(program.environment.iter().cloned())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(File::create(&stdout)?)
        .stderr(File::create(&stderr)?)
        .kill_on_drop(true)
        .status()
        .await?;
    let [printed, complaint] = [stdout, stderr].map(|file| {
        fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    });
    let Ok(text) = fs::read(&result) else { bail!("the wrapper failed with {status}: {complaint}") };
    let usage: Usage = serde_json::from_slice(&text)?;
    if usage.timed_out {
        bail!("broken off after {} s", limit.as_secs());
    }
    if usage.code != 0 {
        bail!("ended with {}: {}", usage.code, last_words(&complaint, &printed));
    }
    Ok(Taken {
        wall: Duration::from_secs_f64(usage.wall),
        processor: Duration::from_secs_f64(usage.user + usage.system),
        peak_kib: usage.peak_kib,
        printed,
    })
}

/// Returns the last line that tells of an error, or else of anything.
fn last_words(complaint: &str, printed: &str) -> String {
    let lines = || complaint.lines().rev().chain(printed.lines().rev()).map(str::trim);
    let is_error = |line: &&str| line.contains("rror:") || line.contains("xception:");
    let line =
        lines().find(is_error).or_else(|| lines().find(|line| line.chars().any(char::is_alphanumeric)));
    let short: String = line.unwrap_or("it says nothing").chars().take(200).collect();
    short.replace('|', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_an_error_or_a_line_with_words() {
        assert_eq!(last_words("it | broke\n  ^^^\n\n", "1"), "it / broke");
        assert_eq!(last_words("MissingError: why\nsee also\n", "1"), "MissingError: why");
        assert_eq!(last_words("", ""), "it says nothing");
    }

    #[tokio::test]
    async fn what_a_program_took_is_known_and_its_failure_told() {
        let workspace = Workspace::locate().unwrap();
        let folder = std::env::temp_dir().join(format!("loader-child-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let limit = Duration::from_mins(1);
        let works = Program::new("sh", &["-c", "echo said"]);
        let taken = measure(&workspace, &folder, &works, limit).await.unwrap();
        assert_eq!(taken.printed, "said\n");
        assert!(taken.peak_kib > 0);
        let fails = Program::new("sh", &["-c", "echo why >&2; exit 3"]);
        let error = measure(&workspace, &folder, &fails, limit).await.unwrap_err();
        assert_eq!(error.to_string(), "ended with 3: why");
        fs::remove_dir_all(&folder).unwrap();
    }
}
