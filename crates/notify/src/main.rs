//! The `notify` Lambda.

use loader_core::error::Result;
use loader_lambda::{Environment, RuntimeError};
use notify::State;

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    let topic = environment.required("TOPIC_ARN", "the ARN of the topic for messages")?;
    Ok(State {
        notifier: deployment.notifier(&topic),
        open_database: Box::new(move || {
            let deployment = deployment.clone();
            Box::pin(async move { deployment.database().await })
        }),
        database: None,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("notify", connect, notify::handle).await
}
