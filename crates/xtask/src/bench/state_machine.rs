//! The state machine and the Lambdas on the emulator, with the same rows.

use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::json;

use super::dataset::Dataset;
use super::processor::ServerTime;
use super::rows::{self, Column, Contents};
use super::runner::Measured;
use crate::aws;
use crate::execution;
use crate::lambda_memory::LambdaMemory;
use crate::postgres;
use crate::stack::Connection;

/// A stack that is up.
pub(crate) struct StateMachine {
    connection: Connection,
    config: SdkConfig,
    emulator: i32,
}

impl StateMachine {
    /// Uses a stack.
    pub(crate) async fn on(connection: Connection, emulator: i32) -> Self {
        let config = aws::local_config(&connection.endpoint_url).await;
        Self { connection, config, emulator }
    }

    /// Loads the objects, which its bucket has, too.
    pub(crate) async fn measure(
        &self,
        dataset: &Dataset,
        columns: &[Column],
        expected: Option<&Contents>,
    ) -> anyhow::Result<Measured> {
        let table = &dataset.name;
        let client = postgres::connect(&self.connection.database_url).await?;
        // As if nothing had been loaded ever.
        client
            .batch_execute(&format!(
                "drop table if exists public.{table} cascade;
                 drop schema if exists loader cascade; drop schema if exists dataimport cascade;
                 drop schema if exists databackup cascade; checkpoint"
            ))
            .await?;
        let session: i32 = client.query_one("select pg_backend_pid()", &[]).await?.try_get(0)?;
        let before = ServerTime::now(session.unsigned_abs());
        let mut memory = LambdaMemory::of_emulator(self.emulator);
        let input =
            json!({"table": table, "definition": {"prefix": dataset.prefix(false), "engine": "stream"}});
        let outcome =
            execution::run(&self.connection, &self.config, "bench", &input, Some(&mut memory)).await?;
        let after = ServerTime::now(session.unsigned_abs());
        outcome.ensure_succeeded()?;
        let verdict = match expected {
            Some(expected) => rows::compare(&client, &format!("public.{table}"), columns, expected).await?,
            None => anyhow::bail!("the limit was not measured"),
        };
        Ok(Measured {
            wall: outcome.elapsed.as_secs_f64(),
            // The emulator's own is in it, and is not ours to count.
            client: None,
            server: after
                .zip(before)
                .map(|(after, before)| after.since(before))
                .as_ref()
                .map(Duration::as_secs_f64),
            peak_kib: memory.peaks_kib().values().copied().max(),
            verdict,
        })
    }
}
