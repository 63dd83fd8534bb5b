//! Runs a step as a Lambda: JSON in, JSON or a typed error out, logs beside it.
//!
//! A Lambda's `main` says how its state is made from the environment and which
//! function handles an event; [`serve`] does the rest:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use loader_core::error::Result;
//! # use loader_lambda::{CommonSettings, Deadline, Environment};
//! struct State {
//!     lease: Duration,
//! }
//!
//! async fn connect(environment: &Environment) -> Result<State> {
//!     Ok(State { lease: CommonSettings::read(environment)?.lease })
//! }
//!
//! async fn handle(state: &mut State, event: serde_json::Value, deadline: Deadline) -> Result<u64> {
//!     Ok(state.lease.min(deadline.remaining()).as_secs())
//! }
//!
//! # async fn run() -> Result<(), loader_lambda::RuntimeError> {
//! loader_lambda::serve("plan-batches", connect, handle).await
//! # }
//! ```
//!
//! The state is made by the first event and kept for the next ones, as long as
//! they succeed. A bad setting is so an error of the event, with a name that the
//! state machine knows, and not a crash at the start that nobody can match.

mod deadline;
mod deployment;
mod diagnosis;
mod environment;
mod log_line;
mod memory;
mod panics;
mod serve;
mod settings;
mod step;

pub use deadline::Deadline;
pub use deployment::Deployment;
pub use diagnosis::describe;
pub use environment::Environment;
pub use lambda_runtime::Error as RuntimeError;
pub use serve::serve;
pub use settings::CommonSettings;
