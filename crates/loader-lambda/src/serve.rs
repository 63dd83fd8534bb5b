//! The loop of a Lambda.

use std::rc::Rc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use loader_core::database::connect::prepare_tls;
use loader_core::error::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::diagnosis::diagnostic;
use crate::step::Step;
use crate::{Deadline, Environment, RuntimeError, log_line, panics};

/// Serves a Lambda until it is shut down: `connect` makes the state at the first
/// event, `handle` answers each event with it.
///
/// The state is kept while events succeed and made anew after one that failed,
/// so what broke (a connection, a password that was changed) heals by itself.
/// The deadline that `handle` gets is one second before the Lambda's own; work
/// that is still going on then ends as `Loader.DeadlineReached`. A panic ends as
/// `Loader.Internal`.
///
/// # Errors
/// When the Lambda service can't be spoken to. What fails in an event is told to
/// the service as that event's error and is none of the loop.
pub async fn serve<S, E, T>(
    step: &'static str,
    connect: impl AsyncFn(&Environment) -> Result<S>,
    handle: impl AsyncFn(&mut S, E, Deadline) -> Result<T>,
) -> Result<(), RuntimeError>
where
    E: DeserializeOwned,
    T: Serialize,
{
    let environment = Environment::of_process();
    if environment.text("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err(
            format!("{step} is a Lambda: it runs where AWS_LAMBDA_RUNTIME_API says whom to serve").into()
        );
    }
    log_line::install(step, &environment);
    panics::install();
    // Before the first event there is nothing else to do, and the processor is not yet shared
    // out by the Lambda's memory (docs/adr/0025-lambda-profile.md).
    prepare_tls();
    // One event at a time is what the service gives; the lock says so.
    let step = Rc::new(Mutex::new(Step::new(environment, connect, handle)));
    // The event is taken as it is and parsed by the step: what the runtime itself
    // can't parse gets an error type that no state machine can match.
    let invoke = async |event: LambdaEvent<Box<RawValue>>| -> Result<Value, Diagnostic> {
        let deadline = Deadline::at_epoch_ms(event.context.deadline);
        let answer = step.lock().await.invoke(&event.payload, deadline).await;
        answer.map_err(|error| diagnostic(&error))
    };
    lambda_runtime::run(service_fn(invoke)).await
}
