//! One COPY, and the objects that go into it.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{CopyInSink, Transaction};

use super::open::Streamed;
use crate::database::control_schema::Schema;
use crate::database::failure::copy_failure;
use crate::definition::ResolvedDefinition;
use crate::definition::dialect::copy::CopyDialect;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;

/// The lines that COPY counts before the first record: our own header, an empty
/// line. It is there to tell COPY that lines end in a newline; it would take a
/// stray carriage return in the first record for the line end of all.
const HEADER_LINES: u64 = 1;

/// A COPY into the staging table that is under way.
pub(super) struct Copy {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    columns: Vec<Identifier>,
    relation: String,
    records: u64,
    /// The object's line of its first record, of the only object if there is one.
    first_line: u64,
    key: String,
}

impl Copy {
    pub(super) async fn begin(
        transaction: &Transaction<'_>,
        staging: &Identifier,
        dialect: &CopyDialect,
        definition: &ResolvedDefinition,
        object: &Streamed,
        key: &str,
    ) -> Result<Self> {
        let refused = |error| copy_failure(staging.as_str(), key, &error);
        let statement = statement(staging, dialect, definition, &object.columns);
        let mut sink = Box::pin(transaction.copy_in(&statement).await.map_err(refused)?);
        sink.feed(Bytes::from_static(b"\n")).await.map_err(refused)?;
        Ok(Self {
            sink,
            columns: object.columns.clone(),
            relation: staging.as_str().to_owned(),
            records: 0,
            first_line: object.splitter.first_line(),
            key: key.to_owned(),
        })
    }

    /// Whether an object with these columns can go into this COPY.
    pub(super) fn takes(&self, columns: &[Identifier]) -> bool {
        self.columns == columns
    }

    /// Sends an object and returns its records.
    ///
    /// # Errors
    /// those of the source and of the splitter; then part of the object is
    /// in the COPY, and the transaction must not be committed.
    pub(super) async fn send(&mut self, object: &mut Streamed) -> Result<u64> {
        let mut out = Vec::new();
        while let Some(chunk) = object.next().await {
            object.splitter.push(chunk?, &mut out)?;
            self.feed(&mut out).await?;
        }
        let counts = object.splitter.finish(&mut out)?;
        self.feed(&mut out).await?;
        self.records += counts.records;
        Ok(counts.records)
    }

    async fn feed(&mut self, out: &mut Vec<Bytes>) -> Result<()> {
        for bytes in out.drain(..) {
            self.sink.feed(bytes).await.map_err(|error| copy_failure(&self.relation, &self.key, &error))?;
        }
        Ok(())
    }

    /// Ends the COPY.
    ///
    /// # Errors
    /// what the database says of a row, with its line in the object (if
    /// there was only one); `Internal` if it took another number of rows than
    /// were sent.
    pub(super) async fn finish(mut self) -> Result<()> {
        let rows = self.sink.as_mut().finish().await.map_err(|error| {
            let mut error = copy_failure(&self.relation, &self.key, &error);
            if let Some(line) = error.place.as_mut().and_then(|place| place.line.as_mut()) {
                *line = (*line + self.first_line).saturating_sub(HEADER_LINES + 1);
            }
            error
        })?;
        if rows == self.records {
            return Ok(());
        }
        Err(Error::new(
            ErrorName::Internal,
            format!("the database took {rows} rows of the {} that were sent", self.records),
        ))
    }
}

/// Writes the statement.
pub(super) fn statement(
    staging: &Identifier,
    dialect: &CopyDialect,
    definition: &ResolvedDefinition,
    columns: &[Identifier],
) -> String {
    let options = dialect.copy_options(true, &force_null(definition, columns));
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    format!("copy {} ({}) from stdin with ({options})", Schema::Staging.table(staging), columns.join(", "))
}

/// Returns the columns of an object in which an empty value is NULL even in
/// quotes: those whose type has no empty value.
pub(super) fn force_null(definition: &ResolvedDefinition, columns: &[Identifier]) -> Vec<Identifier> {
    definition
        .columns
        .iter()
        .filter(|column| !column.is_text && columns.contains(&column.name))
        .map(|column| column.name.clone())
        .collect()
}
