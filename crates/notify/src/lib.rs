//! Tells people and machines how a run ended.

use std::pin::Pin;
use std::sync::Arc;

use loader_core::cleanup::abandon;
use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::input::Execution;
use loader_core::report::{ended_execution, occasion, tell};
use loader_core::source::Notifier;
use loader_lambda::Deadline;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Client;

/// Opens the database.
pub type OpenDatabase = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Session>>>>>;

/// What the Lambda works with.
pub struct State {
    /// Opens the database; a message goes out without it too.
    pub open_database: OpenDatabase,
    /// The database, once it could be opened.
    pub database: Option<Session>,
    /// Where messages go.
    pub notifier: Arc<dyn Notifier>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Whether a message was sent; not if this end has been told before, or is told
    /// with its group.
    pub notified: bool,
    /// The message's id.
    pub message_id: Option<String>,
}

/// Handles one event: of the state machine, or of `EventBridge`.
///
/// # Errors
/// `InvalidEvent`; those of the notifier.
pub async fn handle(state: &mut State, event: Value, _deadline: Deadline) -> Result<Told> {
    if let Some((execution, status)) = ended_execution(&event)
        && let Err(error) = end_run(state, &execution, &status).await
    {
        tracing::warn!(run.id = execution.name, %error, "the table stays leased until the lease expires");
    }
    let Some(occasion) = occasion(&event)? else {
        return Ok(Told { notified: false, message_id: None });
    };
    let notifier = Arc::clone(&state.notifier);
    let client = match client(state).await {
        Ok(client) => Some(&*client),
        Err(error) => {
            tracing::warn!(%error, "the message does without the database");
            None
        }
    };
    let message_id = tell(client, notifier.as_ref(), &occasion).await?;
    Ok(Told { notified: message_id.is_some(), message_id })
}

async fn end_run(state: &mut State, execution: &Execution, status: &str) -> Result<()> {
    abandon(client(state).await?, execution, status).await
}

async fn client(state: &mut State) -> Result<&mut Client> {
    let session = match state.database.take() {
        Some(session) => session,
        None => (state.open_database)().await?,
    };
    state.database.insert(session).client().await
}
