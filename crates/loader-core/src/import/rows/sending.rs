//! A COPY of rows in its text format.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{CopyInSink, Transaction};

use crate::identifier::{Identifier, QualifiedName};

/// A COPY that is under way.
pub(super) struct Sending {
    sink: Pin<Box<CopyInSink<Bytes>>>,
}

impl Sending {
    pub(super) async fn begin(
        transaction: &Transaction<'_>,
        statement: &str,
    ) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { sink: Box::pin(transaction.copy_in(statement).await?) })
    }

    /// Sends rows at once: the database ends what waits too long for rows, and a COPY
    /// that has got none by then breaks the connection.
    pub(super) async fn send(&mut self, rows: Bytes) -> Result<(), tokio_postgres::Error> {
        self.feed(rows).await?;
        self.sink.flush().await
    }

    pub(super) async fn feed(&mut self, rows: Bytes) -> Result<(), tokio_postgres::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.sink.feed(rows).await
    }

    /// Ends the COPY and returns how many rows the database took.
    pub(super) async fn finish(mut self) -> Result<u64, tokio_postgres::Error> {
        self.sink.as_mut().finish().await
    }
}

/// Writes the statement.
pub(super) fn statement(staging: &QualifiedName, columns: &[Identifier]) -> String {
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    format!("copy {staging} ({}) from stdin with (format text, encoding 'UTF8')", columns.join(", "))
}
