//! A COPY of rows, in its text format or in the binary one.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{CopyInSink, ToStatement, Transaction};

use crate::identifier::{Identifier, QualifiedName};
use crate::values::binary::{HEADER, TRAILER};

/// Bytes of one message. The server takes a message whole before it reads in it.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A COPY that is under way.
pub(super) struct Sending {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    binary: bool,
}

impl Sending {
    pub(super) async fn begin(
        transaction: &Transaction<'_>,
        statement: &(impl ToStatement + ?Sized),
    ) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { sink: Box::pin(transaction.copy_in(statement).await?), binary: false })
    }

    pub(super) async fn begin_binary(
        transaction: &Transaction<'_>,
        statement: &(impl ToStatement + ?Sized),
    ) -> Result<Self, tokio_postgres::Error> {
        let mut sending = Self { binary: true, ..Self::begin(transaction, statement).await? };
        sending.feed(Bytes::from_static(HEADER)).await?;
        Ok(sending)
    }

    pub(super) const fn is_binary(&self) -> bool {
        self.binary
    }

    /// Sends rows at once: the database ends what waits too long for rows, and a COPY
    /// that has got none by then breaks the connection.
    pub(super) async fn send(&mut self, rows: Bytes) -> Result<(), tokio_postgres::Error> {
        self.feed(rows).await?;
        self.sink.flush().await
    }

    pub(super) async fn feed(&mut self, mut rows: Bytes) -> Result<(), tokio_postgres::Error> {
        while !rows.is_empty() {
            let message = rows.split_to(rows.len().min(MESSAGE_BYTES));
            self.sink.feed(message).await?;
        }
        Ok(())
    }

    /// Ends the COPY and returns how many rows the database took.
    pub(super) async fn finish(mut self) -> Result<u64, tokio_postgres::Error> {
        if self.binary {
            self.feed(Bytes::from_static(TRAILER)).await?;
        }
        self.sink.as_mut().finish().await
    }
}

/// Writes the statement of a COPY in the text format.
pub(super) fn statement(staging: &QualifiedName, columns: &[Identifier]) -> String {
    format!("copy {staging} ({}) from stdin with (format text, encoding 'UTF8')", list(columns))
}

/// Writes the statement of a COPY in the binary format.
pub(super) fn binary_statement(staging: &QualifiedName, columns: &[Identifier]) -> String {
    format!("copy {staging} ({}) from stdin with (format binary)", list(columns))
}

fn list(columns: &[Identifier]) -> String {
    columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
