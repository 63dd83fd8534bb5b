//! Finds Postgres' programs on this machine, or gets them as a wheel.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use super::account::Account;
use super::command;
use crate::console::say;
use crate::process::{find_program, is_executable, run};
use crate::python;
use crate::workspace::Workspace;

/// Names the folder of another server's programs, for trying a version.
const OVERRIDE: &str = "POSTGRES_BIN";

/// Where Debian keeps every major version in its own folder.
pub(super) const DEBIAN: &str = "/usr/lib/postgresql";

/// The wheel's programs inside Python's package folder.
const WHEEL_PROGRAMS: &str = "pgserver/pginstall/bin";

/// Finds a folder with Postgres' programs that the account can run.
pub(super) async fn find(
    workspace: &Workspace,
    account: Option<&Account>,
    home: &Path,
) -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os(OVERRIDE).map(PathBuf::from) {
        ensure!(runs(&folder, account).await, "{OVERRIDE} is {}, and no initdb runs there", folder.display());
        return Ok(folder);
    }
    let installed = newest_of(Path::new(DEBIAN)).or_else(on_the_path);
    if let Some(folder) = installed
        && runs(&folder, account).await
    {
        return Ok(folder);
    }

    say("this machine has no Postgres: using the wheel pgserver");
    let environment = python::POSTGRES.ensure(workspace).await?;
    let packages = site_packages(&environment)?;
    let in_place = packages.join(WHEEL_PROGRAMS);
    if runs(&in_place, account).await {
        return Ok(in_place);
    }
    let copy = home.join("programs").join(WHEEL_PROGRAMS);
    if !runs(&copy, account).await {
        copy_packages(&[packages.join("pgserver"), packages.join("pgserver.libs")], home).await?;
    }
    ensure!(
        runs(&copy, account).await,
        "the Postgres of the wheel pgserver does not run on this machine: install Postgres"
    );
    Ok(copy)
}

fn newest_of(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            is_executable(&programs.join("initdb")).then_some((major, programs))
        })
        .max()
        .map(|(_, programs)| programs)
}

fn on_the_path() -> Option<PathBuf> {
    let server = fs::canonicalize(find_program("postgres")?).ok()?;
    let folder = server.parent()?;
    is_executable(&folder.join("initdb")).then(|| folder.to_path_buf())
}

/// Copies a server's packages to the account's own folder: the repository may be
/// closed to it.
pub(super) async fn copy_packages(packages: &[PathBuf], home: &Path) -> anyhow::Result<()> {
    let copy = home.join("programs");
    fs::create_dir_all(&copy)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    for package in packages.iter().filter(|package| package.exists()) {
        run(Command::new("cp").arg("-R").arg(package).arg(&copy)).await?;
    }
    Ok(())
}

fn site_packages(environment: &Path) -> anyhow::Result<PathBuf> {
    python::site_packages(environment)
        .into_iter()
        .find(|packages| is_executable(&packages.join(WHEEL_PROGRAMS).join("initdb")))
        .with_context(|| format!("{} holds no Postgres", environment.display()))
}

/// Tells whether the account can run the programs of a folder.
pub(super) async fn runs(folder: &Path, account: Option<&Account>) -> bool {
    run(command(folder, "initdb", account).arg("--version")).await.is_ok()
}
