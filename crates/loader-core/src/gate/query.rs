//! The gates that a definition writes as queries.

use std::time::Duration;

use tokio_postgres::{SimpleQueryMessage, Transaction};

use super::{GateFigure, MAX_KEY_CHARS, Subject, one_line, refused};
use crate::database::failure::failure;
use crate::definition::gates::{QueryGate, TABLE};
use crate::error::{Error, ErrorName, Result};
use crate::wording::counted;

/// Runs the query and counts what it finds, inside a transaction that can only
/// read.
///
/// The query goes through a cursor: the database takes nothing but one `select`
/// for it, and the rows stay where they are.
pub(super) async fn check(
    transaction: &Transaction<'_>,
    subject: &Subject<'_>,
    gate: &QueryGate,
    timeout: Duration,
) -> Result<GateFigure> {
    let name = format!("sql({})", gate.name);
    let query = gate.query.replace(TABLE, &subject.staging.to_string());
    limit(transaction, timeout).await?;
    let stopped = |error: &tokio_postgres::Error| stopped(&name, timeout, error);
    // Prepared, so that it can be one statement only.
    let cursor = transaction
        .prepare(&format!("declare loader_gate no scroll cursor for {query}"))
        .await
        .map_err(|error| stopped(&error))?;
    if !cursor.params().is_empty() {
        return Err(Error::new(
            ErrorName::InvalidDefinition,
            format!(
                "checking the gate {name}: its query has parameters such as $1, and nothing to put there"
            ),
        ));
    }
    transaction.execute(&cursor, &[]).await.map_err(|error| stopped(&error))?;
    let first =
        transaction.simple_query("fetch next from loader_gate").await.map_err(|error| stopped(&error))?;
    let first = first.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(shown(row)),
        _ => None,
    });
    let more = transaction.execute("move all in loader_gate", &[]).await.map_err(|error| stopped(&error))?;
    transaction.batch_execute("close loader_gate").await.map_err(|error| stopped(&error))?;
    let rows = more + u64::from(first.is_some());
    let found = match first {
        None => "no rows".to_owned(),
        Some(first) => format!("{}, the first: {first}", counted(rows, "row", "rows")),
    };
    Ok(GateFigure::new(name, "no rows", found, rows == 0))
}

/// Lets a statement take `timeout`, or less where the session's own limit is lower.
async fn limit(transaction: &Transaction<'_>, timeout: Duration) -> Result<()> {
    let timeout =
        i64::try_from(timeout.as_millis()).unwrap_or(i64::from(i32::MAX)).clamp(1, i64::from(i32::MAX));
    transaction
        .execute(
            "select set_config('statement_timeout', least(nullif(setting::bigint, 0), $1)::text, true)
               from pg_settings where name = 'statement_timeout'",
            &[&timeout],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("limiting the time of a gate's query", &error))
}

fn stopped(gate: &str, timeout: Duration, error: &tokio_postgres::Error) -> Error {
    let mut refusal = refused(gate, error);
    if refusal.sqlstate.as_deref() == Some("57014") {
        refusal.message = format!(
            "{}; a gate's query may take {} s: make it quicker, or give it an index",
            refusal.message,
            timeout.as_secs_f64()
        );
    }
    refusal
}

/// Writes a row as `(id)=(5)`.
fn shown(row: &tokio_postgres::SimpleQueryRow) -> String {
    let columns: Vec<&str> = row.columns().iter().map(tokio_postgres::SimpleColumn::name).collect();
    let values: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("null")).collect();
    let key: String =
        format!("({})=({})", columns.join(", "), values.join(", ")).chars().take(MAX_KEY_CHARS).collect();
    one_line(&key)
}
