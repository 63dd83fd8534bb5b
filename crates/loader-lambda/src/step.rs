//! One step of the state machine, invoked again and again.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use loader_core::error::{Class, Error, ErrorName, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::Instrument;

use crate::diagnosis::describe;
use crate::{Deadline, Environment, memory, panics};

/// Time kept back to tell what happened before the Lambda is killed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A step with the state that it keeps from one event to the next.
pub(crate) struct Step<S, C, H> {
    environment: Environment,
    connect: C,
    handle: H,
    state: Option<S>,
}

impl<S, C, H> Step<S, C, H>
where
    C: AsyncFn(&Environment) -> Result<S>,
{
    pub(crate) fn new(environment: Environment, connect: C, handle: H) -> Self {
        Self { environment, connect, handle, state: None }
    }

    /// Handles one event: parses it, keeps the time, catches panics, logs the end.
    pub(crate) async fn invoke<E, T>(&mut self, event: &RawValue, deadline: Deadline) -> Result<Value>
    where
        E: DeserializeOwned,
        T: Serialize,
        H: AsyncFn(&mut S, E, Deadline) -> Result<T>,
    {
        let subject = Subject::of(event);
        let span = tracing::info_span!("invocation", run.id = subject.run_id, table.name = subject.table);
        async {
            let started = Instant::now();
            let deadline = deadline.earlier_by(LAST_WORDS);
            let work = AssertUnwindSafe(self.work_with_newest_password(event, deadline)).catch_unwind();
            let outcome = match tokio::time::timeout_at(deadline.instant(), work).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panic)) => Err(panics::error(panic.as_ref())),
                Err(_) => Err(out_of_time(started.elapsed())),
            };
            if outcome.is_err() {
                // A broken connection, an old password, half a transaction: the
                // next event starts afresh.
                self.state = None;
            }
            log_end(&outcome, started.elapsed());
            outcome
        }
        .instrument(span)
        .await
    }

    /// Does the work, and once more with a new state if the database refused the
    /// password that an earlier event has read: it may have been changed since.
    async fn work_with_newest_password<E, T>(&mut self, event: &RawValue, deadline: Deadline) -> Result<Value>
    where
        E: DeserializeOwned,
        T: Serialize,
        H: AsyncFn(&mut S, E, Deadline) -> Result<T>,
    {
        let is_reused = self.state.is_some();
        match self.work(event, deadline).await {
            Err(error) if is_reused && error.name == ErrorName::AuthenticationFailed => {
                self.state = None;
                self.work(event, deadline).await
            }
            outcome => outcome,
        }
    }

    async fn work<E, T>(&mut self, event: &RawValue, deadline: Deadline) -> Result<Value>
    where
        E: DeserializeOwned,
        T: Serialize,
        H: AsyncFn(&mut S, E, Deadline) -> Result<T>,
    {
        let event = parse(event)?;
        let state = match &mut self.state {
            Some(state) => state,
            state => state.insert((self.connect)(&self.environment).await?),
        };
        let answer = (self.handle)(state, event, deadline).await?;
        serde_json::to_value(answer)
            .map_err(|error| Error::new(ErrorName::Internal, format!("the answer is no JSON: {error}")))
    }
}

/// What an event is about, for the log.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Subject {
    run_id: Option<String>,
    table: Option<String>,
    group: Option<String>,
    execution: Option<Execution>,
    input: Option<Input>,
}

#[derive(serde::Deserialize)]
struct Execution {
    name: Option<String>,
}

#[derive(serde::Deserialize)]
struct Input {
    table: Option<String>,
}

impl Subject {
    /// Takes what it finds; an event of another form has no subject.
    fn of(event: &RawValue) -> Self {
        let mut subject: Self = serde_json::from_str(event.get()).unwrap_or_default();
        subject.run_id = subject.run_id.or(subject.execution.take().and_then(|run| run.name));
        // A group is named like the execution that publishes it.
        subject.run_id = subject.run_id.or(subject.group.take());
        subject.table = subject.table.or(subject.input.take().and_then(|input| input.table));
        subject
    }
}

fn parse<E: DeserializeOwned>(event: &RawValue) -> Result<E> {
    let mut json = serde_json::Deserializer::from_str(event.get());
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = match error.path().to_string() {
            path if path == "." => String::new(),
            path => format!(" at `{path}`"),
        };
        let message = format!("the event can't be read{field}: {}", error.inner());
        Error::new(ErrorName::InvalidEvent, message)
    })
}

fn out_of_time(elapsed: Duration) -> Error {
    let message = format!(
        "the time of the Lambda was up after {} s: what it committed stays, the rest is to be done again",
        elapsed.as_secs()
    );
    Error::new(ErrorName::DeadlineReached, message)
}

/// Writes the one line that ends an invocation; an error is logged here only.
fn log_end(outcome: &Result<Value>, elapsed: Duration) {
    let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let memory_peak_kb = memory::peak_kb();
    match outcome {
        Ok(_) => tracing::info!(outcome = "succeeded", duration_ms, memory_peak_kb, "done"),
        Err(error) => {
            let (outcome, text) = (error.name.as_str(), describe(error));
            if error.class() == Class::Permanent {
                tracing::error!(outcome, error = text, duration_ms, memory_peak_kb, "failed");
            } else {
                tracing::warn!(outcome, error = text, duration_ms, memory_peak_kb, "failed");
            }
        }
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
