//! Programs of the operating system that a step cannot do without.

use std::path::PathBuf;

use anyhow::bail;
use tokio::process::Command;

use crate::console::say;
use crate::process::{find_program, run};

/// Finds a program; as root on Debian or Ubuntu it installs the program's package.
pub(crate) async fn ensure_program(program: &str, package: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = find_program(program) {
        return Ok(path);
    }
    install(package).await?;
    match find_program(program) {
        Some(path) => Ok(path),
        None => bail!("the package {package} is installed, but {program} is not on the PATH"),
    }
}

/// Installs a package as root on Debian or Ubuntu, and says how where it cannot.
pub(crate) async fn install(package: &str) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() || find_program("apt-get").is_none() {
        bail!("{package} is missing: install it (Debian, Ubuntu: sudo apt-get install {package})");
    }
    say(format!("installing the system's package {package}"));
    let mut update = Command::new("apt-get");
    run(update.args(["update", "-qq"])).await?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut install).await?;
    Ok(())
}
