//! The rejected rows of a run that can be loaded again, and how their objects were read.

use std::collections::HashMap;

use tokio_postgres::types::Json;
use tokio_postgres::{GenericClient, Row};

use crate::database::failure::failure;
use crate::definition::dialect::Dialect;
use crate::error::{Error, ErrorName, Result};
use crate::record::parsed::Fault;

/// A row that was refused and has not been loaded since.
pub(super) struct Rejected {
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) line: i64,
    pub(super) record: Option<i64>,
    pub(super) column: Option<String>,
    pub(super) sqlstate: Option<String>,
    pub(super) reason: String,
    /// The record as it stands in its object, or as somebody has corrected it here.
    pub(super) text: Option<String>,
    /// Whether that is only its beginning.
    pub(super) cut: bool,
    /// The values by column, where the record itself is not at hand.
    pub(super) values: Option<Vec<(String, Option<String>)>>,
}

/// How an object was read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) dialect: Dialect,
    pub(super) header: Option<Vec<String>>,
}

const COLUMNS: &str = "row.key, row.etag, row.line, row.record_number, row.column_name, row.sqlstate,
    row.error_message, row.row_text, row.row_cut,
    array(select name from jsonb_each_text(row.row_values) as each (name, value)) as names,
    array(select value from jsonb_each_text(row.row_values) as each (name, value)) as row_values,
    row.row_values is not null as has_values";

/// Rows of objects that failed are no rejects: nothing of their object was loaded.
const OPEN: &str = "loader.rejected_row as row
    join loader.object using (run_id, key)
   where run_id = $1 and object.state = 'loaded' and row.replayed_by is null";

/// Reads the next rows behind a place, in the order of their keys and lines.
pub(super) async fn after(
    client: &impl GenericClient,
    run_id: &str,
    (key, line): (&str, i64),
    most: i64,
) -> Result<Vec<Rejected>> {
    let rows = client
        .query(
            &format!(
                "select {COLUMNS} from {OPEN} and (row.key, row.line) > ($2, $3) order by row.key, row.line limit $4"
            ),
            &[&run_id, &key, &line, &most],
        )
        .await
        .map_err(|error| failure("reading the rejected rows", &error))?;
    Ok(rows.iter().map(of_row).collect())
}

/// Reads the rows at these places, as far as they are there.
pub(super) async fn at(
    client: &impl GenericClient,
    run_id: &str,
    keys: &[&str],
    lines: &[i64],
) -> Result<HashMap<(String, i64), Rejected>> {
    let rows = client
        .query(
            &format!(
                "select {COLUMNS} from {OPEN}
                    and (row.key, row.line) in (select * from unnest($2::text[], $3::bigint[]))"
            ),
            &[&run_id, &keys, &lines],
        )
        .await
        .map_err(|error| failure("reading the rejected rows", &error))?;
    Ok(rows.iter().map(of_row).map(|row| ((row.key.clone(), row.line), row)).collect())
}

/// Returns the places, of those given, at which a row has been loaded before.
pub(super) async fn replayed(
    client: &impl GenericClient,
    run_id: &str,
    keys: &[&str],
    lines: &[i64],
) -> Result<Vec<(String, i64)>> {
    let rows = client
        .query(
            "select key, line from loader.rejected_row
              where run_id = $1 and replayed_by is not null
                and (key, line) in (select * from unnest($2::text[], $3::bigint[]))",
            &[&run_id, &keys, &lines],
        )
        .await
        .map_err(|error| failure("reading the rejected rows", &error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Counts the rows that are left, and those of them that a replay was refused.
pub(super) async fn left(client: &impl GenericClient, run_id: &str, replay: &str) -> Result<(u64, u64)> {
    let row = client
        .query_one(
            &format!("select count(*), count(*) filter (where row.tried_by = $2) from {OPEN}"),
            &[&run_id, &replay],
        )
        .await
        .map_err(|error| failure("counting the rejected rows", &error))?;
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
    Ok((number(0), number(1)))
}

fn of_row(row: &Row) -> Rejected {
    let values = row.get::<_, bool>("has_values").then(|| {
        let names: Vec<String> = row.get("names");
        names.into_iter().zip(row.get::<_, Vec<Option<String>>>("row_values")).collect()
    });
    Rejected {
        key: row.get("key"),
        etag: row.get("etag"),
        line: row.get("line"),
        record: row.get("record_number"),
        column: row.get("column_name"),
        sqlstate: row.get("sqlstate"),
        reason: row.get("error_message"),
        text: row.get("row_text"),
        cut: row.get("row_cut"),
        values,
    }
}

/// Reads how the objects with open rows were read.
pub(super) async fn readings(client: &impl GenericClient, run_id: &str) -> Result<HashMap<String, Reading>> {
    let rows = client
        .query(
            "select key, dialect, header from loader.object
              where run_id = $1 and state = 'loaded' and rejects > 0 and dialect is not null",
            &[&run_id],
        )
        .await
        .map_err(|error| failure("reading how the objects were read", &error))?;
    rows.iter()
        .map(|row| {
            let internal = |error: serde_json::Error| {
                Error::new(ErrorName::Internal, format!("loader.object can't be read: {error}"))
            };
            let Json(dialect): Json<serde_json::Value> = row.get(1);
            let header: Option<Json<Vec<String>>> = row.get(2);
            let dialect = serde_json::from_value(dialect).map_err(internal)?;
            Ok((row.get(0), Reading { dialect, header: header.map(|Json(header)| header) }))
        })
        .collect()
}

/// What became of a row that was tried.
pub(super) struct Tried {
    pub(super) key: String,
    pub(super) line: i64,
    pub(super) refused: Option<Refusal>,
}

/// Why a row was refused, in words and without values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It can't be tried from here; what was wrong with it first still says why.
    Untried(String),
    /// The database, or the definition, refuses it now for this.
    Again { column: Option<String>, constraint: Option<String>, sqlstate: Option<String>, reason: String },
}

impl Refusal {
    /// What is wrong with a record as a whole.
    pub(super) fn of_record(fault: Fault) -> Self {
        Self::Again {
            column: None,
            constraint: None,
            sqlstate: Some(fault.sqlstate().to_owned()),
            reason: fault.reason().to_owned(),
        }
    }
}

/// Records what became of rows: those that are loaded are no rejects any more.
pub(super) async fn record(
    client: &impl GenericClient,
    run_id: &str,
    replay: &str,
    tried: &[Tried],
) -> Result<()> {
    let doing = "recording what was loaded again";
    let places = |wanted: &dyn Fn(&&Tried) -> bool| -> (Vec<&str>, Vec<i64>) {
        tried.iter().filter(wanted).map(|row| (row.key.as_str(), row.line)).unzip()
    };
    let (keys, lines) = places(&|row| row.refused.is_none());
    let loaded = client
        .execute(
            "update loader.rejected_row as row
                set replayed_by = $2, replayed_at = clock_timestamp(), tried_by = $2
               from unnest($3::text[], $4::bigint[]) as loaded (key, line)
              where row.run_id = $1 and (row.key, row.line) = (loaded.key, loaded.line)
                and row.replayed_by is null",
            &[&run_id, &replay, &keys, &lines],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    // Nobody else may have loaded them, as the run holds the table.
    if loaded != keys.len() as u64 {
        return Err(Error::new(ErrorName::Internal, "a rejected row is gone that has just been loaded"));
    }
    let (keys, lines) = places(&|row| row.refused.is_some());
    let refusals: Vec<&Refusal> = tried.iter().filter_map(|row| row.refused.as_ref()).collect();
    let mut again = Vec::with_capacity(refusals.len());
    let (mut columns, mut constraints, mut states, mut reasons) = (vec![], vec![], vec![], vec![]);
    for refusal in refusals {
        let (is_again, column, constraint, state, reason) = match refusal {
            Refusal::Untried(why) => (false, None, None, None, why),
            Refusal::Again { column, constraint, sqlstate, reason } => {
                (true, column.as_deref(), constraint.as_deref(), sqlstate.as_deref(), reason)
            }
        };
        again.push(is_again);
        columns.push(column);
        constraints.push(constraint);
        states.push(state);
        reasons.push(reason.as_str());
    }
    client
        .execute(
            "update loader.rejected_row as row
                set tried_by = $2,
                    column_name = case when again then refused.column_name else row.column_name end,
                    constraint_name = case when again then refused.constraint_name else row.constraint_name end,
                    sqlstate = case when again then state else row.sqlstate end,
                    error_message = case when again then reason
                                         when strpos(row.error_message, reason) > 0 then row.error_message
                                         else row.error_message || '; ' || reason end
               from unnest($3::text[], $4::bigint[], $5::boolean[], $6::text[], $7::text[], $8::text[], $9::text[])
                 as refused (key, line, again, column_name, constraint_name, state, reason)
              where row.run_id = $1 and (row.key, row.line) = (refused.key, refused.line)",
            &[&run_id, &replay, &keys, &lines, &again, &columns, &constraints, &states, &reasons],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure(doing, &error))
}
