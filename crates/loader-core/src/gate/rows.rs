//! The gates on the rows themselves.

use std::time::Duration;

use tokio_postgres::{Client, Transaction};

use super::{
    GateFigure, Subject, columns_of, count, equality, first_key, key_text, names, query, refused,
    see_all_rows,
};
use crate::database::failure::failure;
use crate::definition::ResolvedDefinition;
use crate::definition::gates::OrphanGate;
use crate::error::Result;
use crate::identifier::Identifier;
use crate::publish::merge::key_of;
use crate::wording::{counted, grouped};

/// Checks `not_null`, `unique`, `no_orphans` and the queries of the definition, on
/// one state of the database that they can't change.
///
/// # Errors
/// `InvalidDefinition` when a gate can't be checked, naming it; `DatabaseBusy`
/// when a query of the definition takes longer than `query_timeout`. A gate that
/// fails is no error: see [`verdict`](super::verdict).
pub async fn check_rows(
    client: &mut Client,
    subject: &Subject<'_>,
    definition: &ResolvedDefinition,
    query_timeout: Duration,
) -> Result<Vec<GateFigure>> {
    let doing = "checking the gates";
    let gates = &definition.gates;
    let transaction =
        client.build_transaction().read_only(true).start().await.map_err(|error| failure(doing, &error))?;
    see_all_rows(&transaction).await?;
    let mut figures = Vec::new();
    if let Some(columns) = &gates.not_null {
        figures.extend(not_null(&transaction, subject, definition, columns).await?);
    }
    for columns in gates.unique.iter().flatten() {
        figures.push(unique(&transaction, subject, columns).await?);
    }
    for gate in gates.no_orphans.iter().flatten() {
        figures.push(no_orphans(&transaction, subject, gate).await?);
    }
    for gate in gates.sql.iter().flatten() {
        figures.push(query::check(&transaction, subject, gate, query_timeout).await?);
    }
    transaction.commit().await.map_err(|error| failure(doing, &error))?;
    Ok(figures)
}

/// Counts the NULLs of all columns in one reading of the table.
async fn not_null(
    transaction: &Transaction<'_>,
    subject: &Subject<'_>,
    definition: &ResolvedDefinition,
    columns: &[Identifier],
) -> Result<Vec<GateFigure>> {
    let gate = |column: &Identifier| format!("not_null({})", column.as_str());
    let key = row_key(transaction, subject, definition).await?;
    let counts: Vec<String> = columns
        .iter()
        .map(|column| {
            let first = key.as_ref().map_or_else(
                || "null::text".to_owned(),
                |key| format!("min({}) filter (where staging.{column} is null)", key_text("staging", key)),
            );
            format!("count(*) filter (where staging.{column} is null), {first}")
        })
        .collect();
    let all: Vec<String> = columns.iter().map(gate).collect();
    let row = transaction
        .query_one(&format!("select {} from {} staging", counts.join(", "), subject.staging), &[])
        .await
        .map_err(|error| refused(&all.join(", "), &error))?;
    let figures = columns.iter().enumerate().map(|(at, column)| {
        let (nulls, first): (u64, Option<String>) = (count(&row, 2 * at), first_key(&row, 2 * at + 1));
        let mut found = counted(nulls, "row is null", "rows are null");
        if let (Some(key), Some(first)) = (&key, first) {
            found = format!("{found}, the first: {}={first}", names(key));
        }
        GateFigure::new(gate(column), "no NULL", found, nulls == 0)
    });
    Ok(figures.collect())
}

/// Returns the columns that tell a person which row it is.
async fn row_key(
    transaction: &Transaction<'_>,
    subject: &Subject<'_>,
    definition: &ResolvedDefinition,
) -> Result<Option<Vec<Identifier>>> {
    let key = match (&definition.key, subject.live) {
        (Some(key), _) => Some(key.clone()),
        (None, Some(live)) => key_of(transaction, live).await?,
        (None, None) => None,
    };
    // The new columns may be others than those of the live table.
    match key {
        Some(key) if equality::demand_columns(transaction, subject.staging, &key).await.is_ok() => {
            Ok(Some(key))
        }
        _ => key_of(transaction, subject.staging).await,
    }
}

async fn unique(
    transaction: &Transaction<'_>,
    subject: &Subject<'_>,
    columns: &[Identifier],
) -> Result<GateFigure> {
    let gate = format!("unique{}", names(columns));
    let expected = "each key once";
    if equality::is_unique(transaction, subject.staging, columns).await? {
        return Ok(GateFigure::new(gate, expected, "a unique index sees to it", true));
    }
    let list = columns_of("staging", columns);
    let present: Vec<String> = columns.iter().map(|column| format!("staging.{column} is not null")).collect();
    let row = transaction
        .query_one(
            &format!(
                "select count(*), coalesce(sum(rows), 0)::bigint, min(key)
                   from (select count(*) as rows, {} as key from {} staging where {} group by {list} having count(*) > 1) repeated",
                key_text("staging", columns),
                subject.staging,
                present.join(" and "),
            ),
            &[],
        )
        .await
        .map_err(|error| refused(&gate, &error))?;
    let (keys, rows, first): (u64, u64, Option<String>) =
        (count(&row, 0), count(&row, 1), first_key(&row, 2));
    let found = match first {
        None => "each key once".to_owned(),
        Some(first) => format!(
            "{} in {} rows, the first: {}={first}",
            counted(keys, "repeated key", "repeated keys"),
            grouped(rows),
            names(columns)
        ),
    };
    Ok(GateFigure::new(gate, expected, found, keys == 0))
}

async fn no_orphans(
    transaction: &Transaction<'_>,
    subject: &Subject<'_>,
    orphans: &OrphanGate,
) -> Result<GateFigure> {
    let OrphanGate { columns, table, key } = orphans;
    let gate = format!("no_orphans{}", names(columns));
    let parent = subject.successor(table.name());
    let operators = equality::operators(transaction, (parent, key), (subject.staging, columns))
        .await
        .map_err(|mut error| {
            error.message = format!("the gate {gate} can't be checked: {}", error.message);
            error
        })?;
    let matches: Vec<String> = key
        .iter()
        .zip(columns)
        .zip(&operators)
        .map(|((key, column), operator)| format!("parent.{key} {operator} staging.{column}"))
        .collect();
    let present: Vec<String> = columns.iter().map(|column| format!("staging.{column} is not null")).collect();
    let row = transaction
        .query_one(
            &format!(
                "select count(*), min({}) from {} staging
                  where {} and not exists (select from {parent} parent where {})",
                key_text("staging", columns),
                subject.staging,
                present.join(" and "),
                matches.join(" and "),
            ),
            &[],
        )
        .await
        .map_err(|error| refused(&gate, &error))?;
    let (rows, first): (u64, Option<String>) = (count(&row, 0), first_key(&row, 1));
    let found = match first {
        None => "every row finds its row".to_owned(),
        Some(first) => format!(
            "{} none there, the first: {}={first}",
            counted(rows, "row finds", "rows find"),
            names(columns)
        ),
    };
    let expected = format!("a row in {} by {}", table.name(), names(key));
    Ok(GateFigure::new(gate, expected, found, rows == 0))
}
