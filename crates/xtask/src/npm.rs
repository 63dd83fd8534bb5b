//! Packages of npm in folders of our own: pinned, installed once, never shared.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;

use crate::console::say;
use crate::process::{find_program, run};
use crate::python::{self, PythonEnvironment};
use crate::workspace::Workspace;

/// One package at one version.
#[derive(Debug, Clone)]
pub(crate) struct NpmPackage {
    /// The folder's name under `.tools`.
    pub(crate) folder: String,
    /// The package's name.
    pub(crate) name: String,
    /// The package's version.
    pub(crate) version: &'static str,
}

impl NpmPackage {
    /// Installs the package unless it is there already, and returns its own folder.
    ///
    /// None of its scripts are run; `finish` does what is left to do with its files.
    pub(crate) async fn ensure(
        &self,
        workspace: &Workspace,
        finish: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let tools = workspace.tools();
        fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
        let folder = tools.join(&self.folder);
        let package = folder.join("node_modules").join(&self.name);
        // Written last: a half-made folder has no stamp and is made again.
        let stamp = folder.join("installed");
        let wanted = format!("{}@{}", self.name, self.version);
        let is_ready = || fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
        if is_ready() {
            return Ok(package);
        }

        // Several tasks may start at once and share the tools.
        let lock = fs::File::create(tools.join(format!("{}.lock", self.folder)))?;
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
        if !is_ready() {
            say(format!("installing {wanted} with npm"));
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
            let mut install = Command::new(npm(workspace).await?);
            install
                .args([
                    "install",
                    "--ignore-scripts",
                    "--no-save",
                    "--no-package-lock",
                    "--no-audit",
                    "--no-fund",
                ])
                .arg("--prefix")
                .arg(&folder)
                .arg(&wanted);
            run(&mut install).await.with_context(|| format!("cannot install {wanted}"))?;
            finish(&package)?;
            fs::write(&stamp, wanted)?;
        }
        drop(lock);
        Ok(package)
    }
}

/// Finds npm, or gets it as a wheel.
async fn npm(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    if let Some(npm) = find_program("npm") {
        return Ok(npm);
    }
    let environment = python::NODE.ensure(workspace).await?;
    Ok(PythonEnvironment::program(&environment, "npm"))
}
