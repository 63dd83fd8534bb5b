//! `cargo x arm64`: the core's own tests as on the processor that the Lambdas have by default.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::console::say;
use crate::interrupt::or_interrupted;
use crate::process::{find_program, run, run_visibly};
use crate::rust_lint::cargo;
use crate::stack::Stack;
use crate::system_package::{ensure_program, install};
use crate::workspace::Workspace;

const STACK: &str = "arm64";
const TARGET: &str = "aarch64-unknown-linux-gnu";
const COMPILER: &str = "aarch64-linux-gnu-gcc";
/// Where Debian has the C library of the other processor.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// Those of what reads and makes bytes; the steps around it do the same on any processor.
const TESTS: [&str; 2] = ["--lib", "--test=oracle"];

/// Builds the tests of `loader-core` for arm64, those that Postgres judges among them, and
/// runs them in an emulator of the processor.
pub(crate) async fn test(workspace: &Workspace) -> anyhow::Result<()> {
    if cfg!(target_arch = "aarch64") {
        bail!("this machine has such a processor: cargo x test is enough");
    }
    ensure_program(COMPILER, "gcc-aarch64-linux-gnu").await?;
    if !Path::new(LIBRARIES).join("include").exists() {
        install("libc6-dev-arm64-cross").await?;
    }
    ensure_program("qemu-aarch64", "qemu-user").await?;
    // Without it the system's own Rust has to have the target.
    if find_program("rustup").is_some() {
        run(Command::new("rustup").args(["target", "add", TARGET])).await?;
    }
    let mut stack = Stack::open(workspace, STACK).await?;
    let outcome = Box::pin(or_interrupted(run_tests(workspace, &mut stack))).await;
    let stopped = stack.down().await;
    outcome.and(stopped)
}

async fn run_tests(workspace: &Workspace, stack: &mut Stack) -> anyhow::Result<()> {
    let cluster = stack.up_database().await?;
    say("building the tests for arm64, which takes minutes the first time");
    let mut tests = cargo(workspace);
    tests
        .args(["test", "--quiet", "--no-fail-fast", "--package", "loader-core", "--target", TARGET])
        .args(TESTS)
        .args(["--config", &format!("target.{TARGET}.linker = '{COMPILER}'")])
        .args(["--config", &format!("target.{TARGET}.runner = 'qemu-aarch64 -L {LIBRARIES}'")])
        .env("TEST_DATABASE_URL", cluster.url("postgres"));
    run_visibly(&mut tests).await.context("a test failed on arm64")
}
