//! Ctrl-C and a polite kill: what was started is stopped before the program ends.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};

/// The error of work that was given up because the program was asked to end.
#[derive(Debug, Clone, Copy)]
struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Tells whether an error comes from the program being asked to end.
pub(crate) fn is_interruption(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>()
}

/// Runs some work to its end, or gives up on it when the program is asked to end.
///
/// The caller cleans up in both cases.
pub(crate) async fn or_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(Interrupted.into()),
        _ = terminate.recv() => Err(Interrupted.into()),
    }
}
