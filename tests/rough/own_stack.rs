//! A stack that only this test uses.

use std::process::Command;

use workflow_tests::Stack;

const NAME: &str = "rough";

/// A stack of one's own; it is taken down when it goes.
pub(crate) struct OwnStack {
    json: String,
}

impl OwnStack {
    /// Starts it.
    pub(crate) fn up() -> Self {
        let built = std::env::var("STACK_BUILT").ok();
        let built = built.iter().flat_map(|folder| ["--built", folder]);
        let start = ["stack", "up", "--name", NAME, "--json", "--wait-scale", "0.1"];
        let output = x(&start.into_iter().chain(built).collect::<Vec<_>>());
        Self { json: output.trim().to_owned() }
    }

    /// Connects to it.
    pub(crate) async fn connect(&self) -> Stack {
        Stack::connect(&self.json).await
    }

    /// Crashes its database and starts it again.
    pub(crate) fn restart_database() {
        x(&["stack", "restart-database", "--name", NAME]);
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        x(&["stack", "down", "--name", NAME]);
    }
}

fn x(arguments: &[&str]) -> String {
    let program = std::env::var("X").expect("X is not set: run `cargo x test --only workflow`");
    let output = Command::new(program).args(arguments).output().expect("runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
