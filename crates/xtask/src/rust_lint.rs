//! Lints the Rust code and its dependencies.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::console::say;
use crate::process::{find_program, is_executable, run, run_visibly};
use crate::workspace::Workspace;

/// The version that the rules in `.deny.toml` are written for.
const CARGO_DENY: &str = "0.20.2";

/// Builds a call of the cargo that runs this program.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace.root());
    command
}

/// Checks the format of all Rust code.
pub(crate) async fn check_format(workspace: &Workspace) -> anyhow::Result<()> {
    ensure_component(workspace, "fmt", "rustfmt").await?;
    run_visibly(cargo(workspace).args(["fmt", "--all", "--check"]))
        .await
        .context("the code is not formatted: run cargo x fmt")
}

/// Formats all Rust code.
pub(crate) async fn format(workspace: &Workspace) -> anyhow::Result<()> {
    ensure_component(workspace, "fmt", "rustfmt").await?;
    run_visibly(cargo(workspace).args(["fmt", "--all"])).await
}

/// Runs clippy on everything; a warning is an error.
pub(crate) async fn clippy(workspace: &Workspace) -> anyhow::Result<()> {
    ensure_component(workspace, "clippy", "clippy").await?;
    let mut clippy = cargo(workspace);
    clippy.args(["clippy", "--workspace", "--all-targets", "--quiet"]).args(["--", "-D", "warnings"]);
    run_visibly(&mut clippy).await?;
    // Not among all targets: it runs on servers of its own.
    let mut catalog = cargo(workspace);
    catalog.args(["clippy", "--package", "loader-core", "--test", "catalog", "--quiet"]);
    run_visibly(catalog.args(["--", "-D", "warnings"])).await
}

/// Checks the licences, sources and duplicates of all dependencies.
pub(crate) async fn dependencies(workspace: &Workspace) -> anyhow::Result<()> {
    let program = cargo_deny(workspace).await?;
    // It looks at those of all systems, and nothing else has fetched what this one does not build.
    let mut fetch = cargo(workspace);
    run_visibly(fetch.args(["fetch", "--locked", "--quiet"])).await?;
    let mut deny = Command::new(program);
    deny.current_dir(workspace.root())
        .args(["--offline", "check", "--hide-inclusion-graph"])
        .args(["bans", "licenses", "sources"]);
    run_visibly(&mut deny).await
}

/// Fetches the list of known weaknesses, which is not in any package registry.
pub(crate) async fn fetch_advisories(workspace: &Workspace) -> anyhow::Result<()> {
    let program = cargo_deny(workspace).await?;
    let mut fetch = Command::new(program);
    fetch.current_dir(workspace.root()).args(["fetch", "db"]);
    run(&mut fetch).await?;
    Ok(())
}

/// Checks all dependencies against the fetched list of known weaknesses.
pub(crate) async fn advisories(workspace: &Workspace) -> anyhow::Result<()> {
    let mut deny = Command::new(cargo_deny(workspace).await?);
    deny.current_dir(workspace.root()).args(["check", "--disable-fetch", "advisories"]);
    run_visibly(&mut deny).await
}

/// Finds cargo-deny, or builds it once into `.tools`.
async fn cargo_deny(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = workspace.tools().join(format!("cargo-deny-{CARGO_DENY}"));
    let own = root.join("bin/cargo-deny");
    if is_executable(&own) {
        return Ok(own);
    }
    if let Some(installed) = find_program("cargo-deny") {
        return Ok(installed);
    }
    say("building cargo-deny, once, for some minutes");
    let mut install = cargo(workspace);
    install
        // Unoptimized it builds in a third of the time, and runs for a second anyway.
        .args(["install", "--quiet", "--locked", "--debug"])
        .args(["cargo-deny", "--version", CARGO_DENY, "--root"])
        .arg(&root)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TARGET_DIR", root.join("target"));
    run_visibly(&mut install).await?;
    std::fs::remove_dir_all(root.join("target")).ok();
    Ok(own)
}

/// Rust's smallest installation comes without the formatter and the linter.
async fn ensure_component(workspace: &Workspace, subcommand: &str, component: &str) -> anyhow::Result<()> {
    if run(cargo(workspace).args([subcommand, "--version"])).await.is_ok() {
        return Ok(());
    }
    let Some(rustup) = find_program("rustup") else {
        bail!("{component} is missing: install it");
    };
    say(format!("adding {component} to Rust"));
    run(Command::new(rustup).args(["component", "add", component])).await?;
    Ok(())
}
