//! The one move: live to backup, staging to live.

use tokio_postgres::{Client, Transaction};

use super::reconcile;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::run::Run;
use crate::database::{lease, ledger, live};
use crate::definition::ResolvedDefinition;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;

/// Promotes the staging table in one transaction. Whatever fails, nothing has
/// happened, and a reader sees the old version or the new one.
pub(super) async fn promote(
    client: &mut Client,
    run: &Run,
    definition: &ResolvedDefinition,
    staging: &Identifier,
    attempt: i32,
    lock_timeout_ms: u64,
) -> Result<()> {
    let doing = "publishing";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    execute(&transaction, &format!("set local lock_timeout = {lock_timeout_ms}")).await?;
    // From here on no late Lambda can commit into the table; what the checks find
    // is what is published.
    execute(&transaction, &format!("lock table {} in access exclusive mode", Schema::Staging.table(staging)))
        .await?;
    lease::check(&transaction, &run.run_id, attempt).await?;
    reconcile::reconcile(&transaction, run, definition).await?;

    let replaces = live::exists(&transaction, &run.table).await?;
    for statement in statements(&run.table, staging, replaces) {
        execute(&transaction, &statement).await?;
    }
    record(&transaction, run, replaces).await?;
    lease::release(&transaction, &run.run_id).await?;
    transaction.commit().await.map_err(|error| failure("committing the publish", &error))
}

/// Writes the statements of the move. The backup before is dropped here and
/// nowhere else, so that there is always one.
fn statements(table: &Identifier, staging: &Identifier, replaces: bool) -> Vec<String> {
    let mut statements = Vec::new();
    if replaces {
        statements.push(format!("lock table {} in access exclusive mode", Schema::Live.table(table)));
        statements.push(format!("drop table if exists {}", Schema::Backup.table(table)));
        statements.push(format!(
            "alter table {} set schema {}",
            Schema::Live.table(table),
            Schema::Backup.as_str()
        ));
    }
    // Moved before it is renamed: the staging schema may hold anything under the
    // live table's name, the live schema holds nothing under it any more.
    statements.push(format!(
        "alter table {} set schema {}",
        Schema::Staging.table(staging),
        Schema::Live.as_str()
    ));
    statements.push(format!("alter table {} rename to {table}", Schema::Live.table(staging)));
    statements
}

async fn record(transaction: &Transaction<'_>, run: &Run, replaces: bool) -> Result<()> {
    let totals = ledger::totals(transaction, &run.run_id).await?;
    let backup = replaces.then(|| format!("{}.{}", Schema::Backup.as_str(), run.table.as_str()));
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let doing = "recording the publish";
    transaction
        .execute(
            "insert into loader.version (table_name, run_id, rows, objects, backup_table) values ($1, $2, $3, $4, $5)",
            &[&run.table.as_str(), &run.run_id, &number(totals.rows), &number(totals.loaded), &backup],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    transaction
        .execute(
            "update loader.run
                set state = 'published', finished_at = clock_timestamp(), staging_table = null, backup_table = $2,
                    rows = $3, objects_loaded = $4, objects_skipped = $5, objects_failed = $6,
                    error_name = null, error_message = null, failed_state = null
              where run_id = $1 and state = 'loading'",
            &[
                &run.run_id,
                &backup,
                &number(totals.rows),
                &number(totals.loaded),
                &number(totals.skipped),
                &number(totals.failed),
            ],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure(doing, &error))
}

async fn execute(transaction: &Transaction<'_>, statement: &str) -> Result<()> {
    transaction.batch_execute(statement).await.map_err(|error| {
        let mut error_here = failure("publishing", &error);
        // 2BP01: other objects depend on what is to be dropped.
        if error_here.sqlstate.as_deref() == Some("2BP01") {
            let dependents =
                error.as_db_error().and_then(|db| db.detail()).unwrap_or_default().replace('\n', "; ");
            error_here = Error::new(
                ErrorName::LiveNotReplaceable,
                format!("{}: {dependents}; point them at the live table, or drop them", error_here.message),
            );
        }
        error_here
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_of_the_move_are_these() {
        let table = Identifier::try_from("Year \"2022\"".to_owned()).unwrap();
        let staging = Identifier::try_from("Year \"2022\"__0a".to_owned()).unwrap();
        insta::assert_snapshot!(statements(&table, &staging, true).join(";\n"), @r#"
        lock table "public"."Year ""2022""" in access exclusive mode;
        drop table if exists "databackup"."Year ""2022""";
        alter table "public"."Year ""2022""" set schema databackup;
        alter table "dataimport"."Year ""2022""__0a" set schema public;
        alter table "public"."Year ""2022""__0a" rename to "Year ""2022"""
        "#);
        insta::assert_snapshot!(statements(&table, &staging, false).join(";\n"), @r#"
        alter table "dataimport"."Year ""2022""__0a" set schema public;
        alter table "public"."Year ""2022""__0a" rename to "Year ""2022"""
        "#);
    }
}
