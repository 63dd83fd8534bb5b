//! The strategy `merge`: the live table stays the one it is, and its rows are
//! changed until they are those of the staging table.
//!
//! Readers go on all the time; who writes waits. Rows that are the same already
//! are not touched.
//!
//! All rows are changed by one statement, which deletes before it updates before
//! it inserts: at its end, when the foreign keys are checked, all rows are as they
//! will be. A row that changes in a column of a unique index is deleted and
//! inserted anew, so that two rows can exchange their values. Triggers of the live
//! table fire as for any other change.

mod references;
mod shape;

use tokio_postgres::{GenericClient, Transaction};

use self::shape::Shape;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::gate::{count, equality, first_key, foreign_key, key_text, names, see_all_rows};
use crate::identifier::{Identifier, QualifiedName};
use crate::wording::counted;

const DOING: &str = "merging the rows into the live table";

/// How many rows a merge has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows whose key has gone.
    pub deleted: u64,
    /// Rows whose key was there, and that were others.
    pub updated: u64,
    /// Rows whose key is new.
    pub inserted: u64,
}

/// Finds the columns that tell the rows of a table apart: those of its primary
/// key, or of a unique index that takes no NULLs and leaves no row out.
///
/// # Errors
/// Those of the database.
pub async fn key_of(client: &impl GenericClient, table: &QualifiedName) -> Result<Option<Vec<Identifier>>> {
    let found = client
        .query_opt(
            "select (select array_agg(attname::text order by at)
                       from unnest(indkey[0:indnkeyatts - 1]) with ordinality as key (attnum, at)
                       join pg_attribute using (attnum)
                      where attrelid = indrelid)
               from pg_index
               join pg_class on pg_class.oid = indexrelid
              where indrelid = to_regclass($1) and indisunique and indisvalid
                and (indisprimary or indimmediate) and indpred is null and indexprs is null
                and not exists (
                    select from pg_attribute
                     where attrelid = indrelid and attnum = any (indkey[0:indnkeyatts - 1]) and not attnotnull)
              order by indisprimary desc, indnkeyatts, relname
              limit 1",
            &[&table.to_string()],
        )
        .await
        .map_err(|error| failure("looking for the key of a table", &error))?;
    let Some(row) = found else { return Ok(None) };
    let columns: Vec<String> = row.get(0);
    let columns = columns.into_iter().map(|column| {
        Identifier::new(column).map_err(|error| {
            Error::new(ErrorName::Internal, format!("a column's name can't be used: {error}"))
        })
    });
    columns.collect::<Result<Vec<_>>>().map(Some)
}

/// Copies the rows of the live table into a table of their own, from which
/// [`merge`] can bring them back, and returns how many there are.
///
/// The copy holds the columns and nothing else: no indexes, defaults or
/// identities, and what was generated is stored. No one can write to the live
/// table until the transaction ends.
///
/// # Errors
/// `DatabaseBusy` when the lock is not to be had, and those of the database.
pub async fn copy_as_backup(
    transaction: &Transaction<'_>,
    live: &QualifiedName,
    backup: &QualifiedName,
) -> Result<u64> {
    see_all_rows(transaction).await?;
    execute(transaction, &format!("lock table {live} in share row exclusive mode")).await?;
    execute(
        transaction,
        &format!(
            "create table {backup} (like {live} including comments including compression including storage)"
        ),
    )
    .await?;
    let source = shape::source(transaction, live).await?;
    transaction
        .execute(&format!("insert into {backup} select * from {source}"), &[])
        .await
        .map_err(|error| failure("copying the rows of the live table", &error))
}

/// Changes the rows of `live` until they are those of `candidate`, within the
/// transaction, which must be `read committed`.
///
/// `key` tells the rows apart. Values are compared as they are stored: `1.0`
/// becomes `1.00` and `a` becomes `A`, whatever the type holds for equal.
///
/// # Errors
/// `GateFailed` when the key is NULL or repeated in either table, or when a foreign
/// key would change or delete rows of other tables; `LiveNotReplaceable` when the
/// tables have other columns; `DatabaseBusy` when a lock is not to be had.
pub async fn merge(
    transaction: &Transaction<'_>,
    live: &QualifiedName,
    candidate: &QualifiedName,
    key: &[Identifier],
) -> Result<Merged> {
    see_all_rows(transaction).await?;
    execute(transaction, &format!("lock table {live} in share row exclusive mode")).await?;
    execute(transaction, &format!("lock table {candidate} in share mode")).await?;
    let foreign_keys = foreign_key::incoming(transaction, live).await?;
    let merge = Merge {
        live,
        candidate,
        key,
        plan: Schema::Staging.table(&candidate.name.with_suffix("__merge")),
        shape: Shape::read(transaction, live, candidate, key, &foreign_keys).await?,
    };
    check_key(transaction, live, &merge.shape.live, key).await?;
    check_key(transaction, candidate, &merge.shape.candidate, key).await?;
    merge.plan(transaction).await?;
    let pinned = references::settle(transaction, &merge, &foreign_keys).await?;
    let merged = merge.apply(transaction, pinned).await?;
    execute(transaction, &format!("drop table {}", merge.plan)).await?;
    Ok(merged)
}

/// A merge that is under way.
struct Merge<'a> {
    live: &'a QualifiedName,
    candidate: &'a QualifiedName,
    key: &'a [Identifier],
    /// The rows that differ, and what is to be done with each. It is a table like the
    /// staging table's, not a temporary one, as that may take a grant that the loader's
    /// role lacks.
    plan: QualifiedName,
    shape: Shape,
}

/// Joins a row `l` of the live table to its row `p` of the plan.
const LIVE_ROW: &str = "l.tableoid = p.live_part and l.ctid = p.live_row";
/// Joins a row `c` of the candidate to its row `p` of the plan.
const CANDIDATE_ROW: &str = "c.tableoid = p.candidate_part and c.ctid = p.candidate_row";

impl Merge<'_> {
    /// Writes down which rows differ. Nobody can write to either table, so that
    /// they stay where they are.
    async fn plan(&self, transaction: &Transaction<'_>) -> Result<()> {
        let operators =
            equality::operators(transaction, (self.live, self.key), (self.candidate, self.key)).await?;
        let matches: Vec<String> = self
            .key
            .iter()
            .zip(&operators)
            .map(|(column, operator)| format!("l.{column} {operator} c.{column}"))
            .collect();
        let Self { plan, shape, .. } = self;
        let statement = format!(
            "create unlogged table {plan} as
             select l.tableoid as live_part, l.ctid as live_row, c.tableoid as candidate_part, c.ctid as candidate_row,
                    case when c.ctid is null then 'delete'
                         when l.ctid is null then 'insert'
                         when {moved} then 'replace'
                         else 'update' end as action
               from {live} l
               full join {candidate} c on {matches}
              where l.ctid is null or c.ctid is null or {differs}",
            moved = shape::differs(&shape.moving),
            live = shape.live,
            candidate = shape.candidate,
            matches = matches.join(" and "),
            differs = shape::differs(&shape.columns),
        );
        execute(transaction, &statement).await?;
        execute(transaction, &format!("analyze {plan}")).await
    }

    /// Changes the rows as planned; `pinned` of them are updated although a unique
    /// index may refuse that.
    async fn apply(&self, transaction: &Transaction<'_>, pinned: u64) -> Result<Merged> {
        let planned = transaction
            .query_one(
                &format!(
                    "select count(*) filter (where action = 'delete'), count(*) filter (where action = 'update'),
                            count(*) filter (where action = 'replace'), count(*) filter (where action = 'insert')
                       from {}",
                    self.plan
                ),
                &[],
            )
            .await
            .map_err(|error| failure(DOING, &error))?;
        let (deletes, updates) = (count(&planned, 0), count(&planned, 1));
        let (replaces, inserts) = (count(&planned, 2), count(&planned, 3));
        let done = transaction
            .query_one(&self.statement(), &[])
            .await
            .map_err(|error| refused(failure(DOING, &error), pinned))?;
        let done = [count(&done, 0), count(&done, 1), count(&done, 2)];
        if done != [deletes + replaces, updates, inserts + replaces] {
            return Err(Error::new(
                ErrorName::LiveNotReplaceable,
                format!(
                    "{} can't be merged into: a trigger of it keeps rows from being deleted, updated or inserted; use another strategy",
                    self.live
                ),
            ));
        }
        Ok(Merged { deleted: deletes, updated: updates + replaces, inserted: inserts })
    }

    /// Writes the statement. Each part waits for the one before, as it asks for its
    /// count.
    fn statement(&self) -> String {
        let Self { shape, plan, live, .. } = self;
        let set: Vec<String> = shape.settable.iter().map(|column| format!("{column} = c.{column}")).collect();
        // Without a column to set, no row can have been planned to be updated.
        let changed = if set.is_empty() {
            "select 1 where false".to_owned()
        } else {
            format!(
                "update {} l set {} from {plan} p join {} c on {CANDIDATE_ROW}
                  where p.action = 'update' and {LIVE_ROW} and (select count(*) from gone) >= 0
                 returning 1",
                shape.live,
                set.join(", "),
                shape.candidate,
            )
        };
        let columns: Vec<String> = shape.columns.iter().map(ToString::to_string).collect();
        format!(
            "with gone as (
                 delete from {from} l using {plan} p
                  where p.action in ('delete', 'replace') and {LIVE_ROW}
                 returning 1),
             changed as ({changed}),
             added as (
                 insert into {live} ({columns}) overriding system value
                 select {values} from {plan} p join {candidate} c on {CANDIDATE_ROW}
                  where p.action in ('insert', 'replace')
                    and (select count(*) from gone) >= 0 and (select count(*) from changed) >= 0
                 returning 1)
             select (select count(*) from gone), (select count(*) from changed), (select count(*) from added)",
            from = shape.live,
            columns = columns.join(", "),
            values = crate::gate::columns_of("c", &shape.columns),
            candidate = shape.candidate,
        )
    }
}

/// Explains what else the database may refuse: it is the rows that don't fit.
fn refused(mut error: Error, pinned: u64) -> Error {
    let state = error.sqlstate.as_deref().unwrap_or_default();
    let repeated = state == "23505";
    if state.starts_with("23") {
        error.name = ErrorName::GateFailed;
    }
    if repeated && pinned > 0 {
        error.message.push_str(
            "; rows take over each other's unique values, and they can't be deleted on the way as a foreign key with `on delete` refers to them: make the unique constraint deferrable, or the foreign key `on delete no action`",
        );
    }
    error
}

/// Checks that the key tells the rows of a table apart.
async fn check_key(
    transaction: &Transaction<'_>,
    table: &QualifiedName,
    source: &str,
    key: &[Identifier],
) -> Result<()> {
    let nulls: Vec<String> = key.iter().map(|column| format!("r.{column} is null")).collect();
    let row = transaction
        .query_one(
            &format!(
                "select count(*), min({}) from {source} r where {}",
                key_text("r", key),
                nulls.join(" or ")
            ),
            &[],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    let unfit = |what: String| {
        Error::new(
            ErrorName::GateFailed,
            format!("the rows of {table} can't be merged by their key {0}: {what}", names(key)),
        )
    };
    if let Some(first) = first_key(&row, 1) {
        let rows = counted(count(&row, 0), "row has NULL in it", "rows have NULL in it");
        return Err(unfit(format!("{rows}, the first: {first}")));
    }
    if equality::is_unique(transaction, table, key).await? {
        return Ok(());
    }
    let row = transaction
        .query_one(
            &format!(
                "select count(*), min(key)
                   from (select {} as key from {source} r group by {} having count(*) > 1) repeated",
                key_text("r", key),
                crate::gate::columns_of("r", key),
            ),
            &[],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    match first_key(&row, 1) {
        None => Ok(()),
        Some(first) => {
            let keys =
                counted(count(&row, 0), "key is in more than one row", "keys are in more than one row");
            Err(unfit(format!("{keys}, the first: {first}")))
        }
    }
}

async fn execute(transaction: &Transaction<'_>, statement: &str) -> Result<()> {
    transaction.batch_execute(statement).await.map_err(|error| failure(DOING, &error))
}
