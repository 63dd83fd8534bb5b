//! Rows that are put into the live table: all that Postgres takes, and no other.

use std::sync::Arc;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::rejected::Refusal;
use super::rows::{TableRow, Way};
use crate::database::failure::{failure, reason_of};
use crate::error::Result;

/// Inserts rows and returns, for each, why it was refused, if it was.
///
/// They go together; where they are refused, each half by itself, down to the row that
/// is at fault. So one bad row costs a few statements, and not one for every row.
///
/// # Errors
/// Those of the database that are not about a row.
pub(super) async fn insert(transaction: &Transaction<'_>, rows: &[TableRow]) -> Result<Vec<Option<Refusal>>> {
    let mut refused = vec![None; rows.len()];
    let mut open: Vec<(usize, usize)> = runs_of_one_way(rows);
    open.reverse();
    while let Some((from, to)) = open.pop() {
        let Some(part) = rows.get(from..to) else { continue };
        let Some(refusal) = attempt(transaction, part).await? else { continue };
        if let [only] = part {
            let column = match &refusal {
                Refusal::Again { column: None, .. } => blame(transaction, only).await?,
                _ => None,
            };
            if let Some(place) = refused.get_mut(from) {
                *place = Some(refusal.in_column(column));
            }
            continue;
        }
        let middle = from + part.len() / 2;
        open.extend([(middle, to), (from, middle)]);
    }
    Ok(refused)
}

/// Returns the places of rows that one statement takes.
fn runs_of_one_way(rows: &[TableRow]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut last: Option<&Arc<Way>> = None;
    for (at, row) in rows.iter().enumerate() {
        match (runs.last_mut(), last) {
            (Some((_, to)), Some(way)) if Arc::ptr_eq(way, &row.way) => *to = at + 1,
            _ => runs.push((at, at + 1)),
        }
        last = Some(&row.way);
    }
    runs
}

/// Inserts rows of one way, all or none; returns why they were refused.
async fn attempt(transaction: &Transaction<'_>, rows: &[TableRow]) -> Result<Option<Refusal>> {
    let doing = "loading rejected rows";
    let Some(first) = rows.first() else { return Ok(None) };
    let arrays: Vec<Vec<Option<&str>>> = (0..first.values.len())
        .map(|at| rows.iter().map(|row| row.values.get(at).and_then(Option::as_deref)).collect())
        .collect();
    let values: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| array as _).collect();
    let execute = async |statement: &str| {
        transaction.batch_execute(statement).await.map_err(|error| failure(doing, &error))
    };
    execute("savepoint attempt").await?;
    let refusal = match transaction.execute(&first.way.statement, &values).await {
        Ok(inserted) if inserted == rows.len() as u64 => {
            execute("release savepoint attempt").await?;
            return Ok(None);
        }
        Ok(_) => Refusal::Again {
            column: None,
            constraint: None,
            sqlstate: None,
            reason: "a trigger or a rule of the table keeps the row out".to_owned(),
        },
        Err(error) => match refusal(&error) {
            Some(refusal) => refusal,
            None => return Err(failure(doing, &error)),
        },
    };
    execute("rollback to savepoint attempt; release savepoint attempt").await?;
    Ok(Some(refusal))
}

/// Returns what an error says of a row; none if it is about something else.
fn refusal(error: &tokio_postgres::Error) -> Option<Refusal> {
    let db = error.as_db_error()?;
    let state = db.code().code();
    // As in judge_rows.sql: 54 is a value that is too long, and the others of 42 are a
    // text that names something which is not there, in a column such as regclass.
    let is_about_rows = matches!(state.get(..2), Some("22" | "23" | "38" | "54" | "P0"))
        || matches!(state, "42601" | "42602" | "42622" | "42704" | "42725" | "42883" | "42P01");
    is_about_rows.then(|| Refusal::Again {
        column: db.column().map(ToOwned::to_owned),
        constraint: db.constraint().map(ToOwned::to_owned),
        sqlstate: Some(state.to_owned()),
        reason: reason_of(state, db.message()),
    })
}

/// Finds the column whose text is no value of its type.
async fn blame(transaction: &Transaction<'_>, row: &TableRow) -> Result<Option<String>> {
    let doing = "looking for the column that is at fault";
    for ((column, base_type), value) in row.way.columns.iter().zip(&row.values) {
        if value.is_none() {
            continue;
        }
        transaction.batch_execute("savepoint probe").await.map_err(|error| failure(doing, &error))?;
        let probe = format!("select $1::text::{base_type}");
        let refused = transaction.query_one(&probe, &[value]).await.is_err();
        transaction
            .batch_execute("rollback to savepoint probe; release savepoint probe")
            .await
            .map_err(|error| failure(doing, &error))?;
        if refused {
            return Ok(Some(column.clone()));
        }
    }
    Ok(None)
}

impl Refusal {
    fn in_column(self, found: Option<String>) -> Self {
        match self {
            Self::Again { column, constraint, sqlstate, reason } => {
                Self::Again { column: column.or(found), constraint, sqlstate, reason }
            }
            untried @ Self::Untried(_) => untried,
        }
    }
}
