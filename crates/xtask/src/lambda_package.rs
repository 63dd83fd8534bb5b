//! The Lambdas as AWS takes them: a zip file with one program named `bootstrap`.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::process::Command;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::console::say;
use crate::workspace::Workspace;

/// The setting of cargo for a release build without LTO, which takes minutes for each program.
pub(crate) const WITHOUT_LTO: (&str, &str) = ("CARGO_PROFILE_RELEASE_LTO", "false");

/// The processor that cargo-lambda compiles for where nothing is said (its documentation,
/// "Release optimizations"; tried with 1.9.2).
const TARGET_CPU: &str = if cfg!(target_arch = "x86_64") { "haswell" } else { "neoverse-n1" };

/// What cargo is told so that programs are built as they are deployed, or faster.
pub(crate) fn release_settings(as_deployed: bool) -> (&'static str, String) {
    if as_deployed {
        ("RUSTFLAGS", format!("-C target-cpu={TARGET_CPU}"))
    } else {
        let (name, value) = WITHOUT_LTO;
        (name, value.to_owned())
    }
}

/// What SAM has built: a folder for each function, with its program in it.
#[derive(Debug, Clone)]
pub(crate) struct SamBuild(pub(crate) PathBuf);

impl SamBuild {
    /// Returns where the program of a function is.
    pub(crate) fn program(&self, function_id: &str) -> PathBuf {
        self.0.join(function_id).join("bootstrap")
    }
}

/// Builds programs in release mode for this machine, as they are deployed or without LTO, and
/// returns where they are.
pub(crate) async fn build(
    workspace: &Workspace,
    as_deployed: bool,
    binaries: &[String],
) -> anyhow::Result<Vec<(String, PathBuf)>> {
    say(format!("building {} programs", binaries.len()));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--release"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace.root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    cargo.envs([release_settings(as_deployed)]);
    for binary in binaries {
        cargo.args(["--bin", binary]);
    }
    let output = cargo.output().await.context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the programs do not build: cargo ended with {}", output.status);
    }
    let messages = String::from_utf8(output.stdout)?;
    binaries
        .iter()
        .map(|binary| {
            let program =
                executable(&messages, binary).with_context(|| format!("cargo built no program {binary}"))?;
            Ok((binary.clone(), program))
        })
        .collect()
}

/// Packs a program as Lambda wants it; the same program gives the same bytes.
pub(crate) fn zip_bootstrap(program: &Path) -> anyhow::Result<Vec<u8>> {
    let code = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // Local traffic is cheaper than compression. The crate's default time is fixed.
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    archive.start_file("bootstrap", options)?;
    archive.write_all(&code)?;
    Ok(archive.finish()?.into_inner())
}

#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.target.as_ref().is_some_and(|target| target.name == binary))
        .find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_build_is_found_by_its_name() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"notify"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"cleanup"},"executable":"/t/cleanup"}
{"reason":"compiler-artifact","target":{"name":"notify"},"executable":"/t/notify"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "notify"), Some("/t/notify".into()));
        assert_eq!(executable(messages, "other"), None);
    }

    #[test]
    fn a_panic_of_a_deployed_lambda_can_be_caught() {
        let manifest = Workspace::locate().unwrap().root().join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let (_, profile) = manifest.split_once("[profile.release]").unwrap();
        let (profile, _) = profile.split_once("\n[").unwrap();
        assert!(profile.contains("\npanic = \"unwind\"\n"), "cargo-lambda aborts where nothing is said");
    }

    #[test]
    fn the_same_program_gives_the_same_zip() {
        let program = std::env::current_exe().unwrap();
        assert_eq!(zip_bootstrap(&program).unwrap(), zip_bootstrap(&program).unwrap());
    }
}
