//! The `cleanup` Lambda.

use cleanup::State;
use loader_core::error::Result;
use loader_lambda::{Environment, RuntimeError};

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    Ok(State { database: deployment.database().await? })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("cleanup", connect, cleanup::handle).await
}
