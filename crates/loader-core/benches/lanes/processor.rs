//! Time of the processor, of this process and of the server.

#[path = "../../../xtask/src/bench/processor.rs"]
mod counted;

use std::time::Duration;

use self::counted::{ServerTime, Stat, TICKS};

/// What this process and the server have used so far.
pub(crate) struct Processor {
    client: u64,
    server: ServerTime,
}

impl Processor {
    /// Reads the times of this process and of the server that a session belongs to.
    pub(crate) fn now(session: u32) -> Self {
        Self { client: Stat::of(std::process::id()).unwrap().used, server: ServerTime::now(session).unwrap() }
    }

    /// Returns what was used in between, by this process and by the server.
    pub(crate) fn since(&self, before: &Self) -> (Duration, Duration) {
        let client = Duration::from_millis((self.client - before.client) * 1_000 / TICKS);
        (client, self.server.since(before.server))
    }
}
