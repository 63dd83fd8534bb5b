//! The one move: live to backup, candidate to live, with all that hangs on it.

use std::time::Duration;

use tokio_postgres::Transaction;

use crate::catalog;
use crate::catalog::dependents::{Dependents, IncomingKey, dependents, fingerprint};
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::succession::moving::{Replacement, rename_whole};
use crate::succession::versions::{self, Becoming};
use crate::succession::{Candidate, materialized};

use super::{Strategy, refusal};

const DOING: &str = "publishing";

/// A table that is to become live.
#[derive(Debug)]
pub(crate) struct Promotion<'a> {
    /// The live table's name.
    pub(crate) table: &'a Identifier,
    /// What takes its place.
    pub(crate) candidate: Candidate,
    /// The name of the candidate until now, if it is a kept version.
    pub(crate) kept_as: Option<QualifiedName>,
    /// What is recorded.
    pub(crate) becoming: Becoming<'a>,
}

/// A table that is ready to be moved.
struct Ready {
    replacement: Option<Replacement>,
    materialized: Vec<(Replacement, bool)>,
    dependents: Dependents,
    incoming: Vec<Referring>,
    fingerprint: String,
    /// What is done to make a first version live.
    first: Vec<String>,
}

/// A foreign key of another table to the candidate.
struct Referring {
    /// The key that it takes the place of.
    key: IncomingKey,
    /// Its name until then.
    name: Identifier,
    /// The statements that name those of the other table's partitions.
    names: Vec<String>,
}

/// Moves all candidates to their places inside the transaction, whose checks have
/// passed and whose candidates are locked. Until the last moment readers are not
/// held up; then they wait for the changes of the catalog.
pub(crate) async fn promote(
    transaction: &Transaction<'_>,
    promotions: &[Promotion<'_>],
    lock_timeout: Duration,
) -> Result<()> {
    catalog::qualify_all(transaction).await?;
    let mut group = Vec::new();
    for promotion in promotions {
        let live = Schema::Live.table(promotion.table);
        if let Some(oid) = catalog::find(transaction, &live).await? {
            // Keeps everybody from altering the table, and nobody from reading it
            // or writing into it.
            execute(transaction, &format!("lock table {live} in share update exclusive mode")).await?;
            group.push(oid);
        }
    }
    let mut ready = Vec::new();
    for promotion in promotions {
        ready.push(prepare(transaction, promotion, &group).await?);
    }
    refer_within(transaction, promotions, &ready).await?;
    for (promotion, ready) in promotions.iter().zip(&ready) {
        versions::shift_backup(transaction, promotion.table).await?;
        let replaced = ready.replacement.is_some().then_some(promotion.table);
        versions::record(transaction, promotion.table, promotion.becoming, Strategy::Rename, replaced)
            .await?;
    }
    tracing::debug!("waiting for the readers to end");
    lock_readers_out(transaction, &ready, lock_timeout).await?;
    tracing::debug!("the readers are locked out");
    for ready in &ready {
        if let Some(replacement) = &ready.replacement
            && fingerprint(transaction, replacement.live).await? != ready.fingerprint
        {
            return Err(Error::new(
                ErrorName::DatabaseBusy,
                format!("{} was altered while it was being published", replacement.live_name),
            ));
        }
    }
    let statements: Vec<String> = ready.iter().flat_map(statements).collect();
    execute(transaction, &statements.join(";\n")).await
}

async fn prepare(transaction: &Transaction<'_>, promotion: &Promotion<'_>, group: &[u32]) -> Result<Ready> {
    let candidate = &promotion.candidate;
    if let Some(kept_as) = &promotion.kept_as {
        rename_whole(transaction, kept_as, &candidate.name.name, &candidate.suffix).await?;
        // Keys are checked with the rights of a table's owner, who may not use the
        // schema that it is in until it is live.
        execute(transaction, &format!("alter table {} owner to current_user", candidate.name)).await?;
    }
    let live_name = Schema::Live.table(promotion.table);
    let Some(live) = catalog::find(transaction, &live_name).await? else {
        return Ok(Ready {
            replacement: None,
            materialized: Vec::new(),
            dependents: Dependents::default(),
            incoming: Vec::new(),
            fingerprint: String::new(),
            first: first_statements(transaction, promotion).await?,
        });
    };
    let fingerprint = fingerprint(transaction, live).await?;
    let dependents = dependents(transaction, live).await?;
    refusal::check(transaction, live, &dependents).await?;
    let retired = versions::backup(promotion.table);
    let replacement = Replacement::read(transaction, live, candidate.clone(), retired, group).await?;
    if !replacement.likeness.is_built() {
        return Err(Error::new(
            ErrorName::LiveChanged,
            format!(
                "{live_name} was altered after the build of its successor: {}",
                replacement.likeness.missing()
            ),
        ));
    }
    let mut copies = Vec::new();
    for copied in materialized::find_copies(transaction, live, candidate, &dependents.materialized).await? {
        let away = candidate.retiring(&copied.live.name.name, copied.live.oid);
        let copy = Replacement::read(
            transaction,
            copied.live.oid,
            copied.candidate,
            Schema::Staging.table(&away),
            &[],
        )
        .await?;
        if !copy.likeness.is_built() {
            return Err(Error::new(
                ErrorName::LiveChanged,
                format!("the materialized view {} was altered after the build", copied.live.name),
            ));
        }
        copies.push((copy, copied.is_filled_late));
    }
    let incoming = refer_to_candidate(transaction, live, candidate, &dependents.incoming, group).await?;
    for replacement in std::iter::once(&replacement).chain(copies.iter().map(|(copy, _)| copy)) {
        execute(transaction, &replacement.likeness.before.join(";\n")).await?;
    }
    Ok(Ready {
        replacement: Some(replacement),
        materialized: copies,
        dependents,
        incoming,
        fingerprint,
        first: Vec::new(),
    })
}

/// Gives other tables a second foreign key, to the candidate, which takes the
/// name of the first one after the move. Their writers wait while it is checked,
/// their readers don't. A row that refers to nothing fails here, before anything
/// is moved.
async fn refer_to_candidate(
    transaction: &Transaction<'_>,
    live: u32,
    candidate: &Candidate,
    keys: &[IncomingKey],
    group: &[u32],
) -> Result<Vec<Referring>> {
    let oid = catalog::get(transaction, &candidate.name).await?;
    let mut referring = Vec::new();
    for key in keys {
        let child = catalog::get(transaction, &key.child).await?;
        if group.contains(&child) {
            // That table is replaced too; its successor refers to this one's.
            continue;
        }
        let name = candidate.provisional(&key.name, key.oid);
        let definition = key.definition.replacen("%T", &candidate.name.to_string(), 1);
        transaction
            .batch_execute(&format!("alter table {} add constraint {name} {definition}", key.child))
            .await
            .map_err(|error| refusal::of_key(&key.name, &key.child, &error))?;
        let made = catalog::keys_of(transaction, child).await?;
        let mut names = Vec::new();
        if let Some((_, new)) = made.iter().find(|(made, _)| *made == name) {
            for other in catalog::key_names(transaction, (key.oid, *new), (live, oid)).await? {
                let (_, table) = other.table;
                names.push(format!("alter table {table} rename constraint {} to {}", other.from, other.to));
            }
        }
        referring.push(Referring { key: key.clone(), name, names });
    }
    Ok(referring)
}

/// Makes the foreign keys between tables that are published together.
async fn refer_within(
    transaction: &Transaction<'_>,
    promotions: &[Promotion<'_>],
    ready: &[Ready],
) -> Result<()> {
    for one in ready.iter().filter_map(|ready| ready.replacement.as_ref()) {
        for reference in &one.likeness.references_within {
            let target = ready.iter().zip(promotions).find_map(|(ready, promotion)| {
                let live = ready.replacement.as_ref()?.live;
                (live == reference.table).then_some(&promotion.candidate.name)
            });
            let Some(target) = target else { continue };
            let statement = reference.statement.replacen("%T", &target.to_string(), 1);
            transaction
                .batch_execute(&statement)
                .await
                .map_err(|error| refusal::of_rows(&format!("a foreign key of {}", one.live_name), &error))?;
        }
    }
    Ok(())
}

/// Takes the locks that readers wait for, in the order in which readers take
/// them: views, the ones on top first, then the tables.
async fn lock_readers_out(
    transaction: &Transaction<'_>,
    ready: &[Ready],
    lock_timeout: Duration,
) -> Result<()> {
    let exclusive = |table: &QualifiedName| format!("{table} in access exclusive mode");
    let mut locks: Vec<String> =
        ready.iter().flat_map(|ready| ready.dependents.locks.iter().cloned()).collect();
    for referring in ready.iter().flat_map(|ready| &ready.incoming) {
        locks.push(format!("lock table {}", exclusive(&referring.key.child)));
    }
    for replacement in ready.iter().filter_map(|ready| ready.replacement.as_ref()) {
        locks.push(format!("lock table only {}", exclusive(&replacement.live_name)));
    }
    execute(transaction, &all_within(lock_timeout, &locks)).await
}

/// Gives all locks together the time that one may take: whoever waits behind the
/// first of them waits until the last.
fn all_within(lock_timeout: Duration, locks: &[String]) -> String {
    let limit = lock_timeout.as_millis().max(1);
    let now = "1000 * extract(epoch from pg_catalog.clock_timestamp())";
    let mut statements =
        vec![format!("select pg_catalog.set_config('loader.locked_by', ({now} + {limit})::text, true)")];
    for lock in locks {
        // Zero would be for ever.
        statements.push(format!(
            "select pg_catalog.set_config('lock_timeout', greatest(1,
                        pg_catalog.current_setting('loader.locked_by')::numeric - {now})::integer::text, true)"
        ));
        statements.push(lock.clone());
    }
    statements.push(format!("set local lock_timeout = {limit}"));
    statements.join(";\n")
}

fn statements(ready: &Ready) -> Vec<String> {
    let mut statements = ready.first.clone();
    let Some(replacement) = &ready.replacement else { return statements };
    statements.extend(replacement.statements());
    for (copy, _) in &ready.materialized {
        statements.extend(copy.statements());
    }
    statements.extend(ready.dependents.rebinds.iter().cloned());
    for (copy, is_filled_late) in &ready.materialized {
        if *is_filled_late {
            statements.push(format!("refresh materialized view {}", copy.live_name));
        }
    }
    // Those that read others go first.
    for (copy, _) in ready.materialized.iter().rev() {
        statements.push(format!("drop materialized view {}", copy.retired));
    }
    for Referring { key, name, names } in &ready.incoming {
        let child = &key.child;
        statements.push(format!("alter table {child} drop constraint {}", key.name));
        statements.push(format!("alter table {child} rename constraint {name} to {}", key.name));
        statements.extend(names.iter().cloned());
        if let Some(comment) = &key.comment {
            statements.push(format!("comment on constraint {} on {child} is {comment}", key.name));
        }
    }
    statements
}

/// Writes the move of a table that replaces none: it gets the grants that tables
/// of the live schema get by default, as it was made in another schema.
async fn first_statements(transaction: &Transaction<'_>, promotion: &Promotion<'_>) -> Result<Vec<String>> {
    let live = Schema::Live.table(promotion.table);
    let here = Schema::Live.table(&promotion.candidate.name.name);
    // Moved before it is renamed: the staging schema may hold anything under the
    // live table's name, the live schema holds nothing under it any more.
    let mut statements = vec![
        format!("alter table {} set schema {}", promotion.candidate.name, live.schema),
        format!("alter table {here} rename to {}", live.name),
    ];
    let rows = transaction
        .query(
            "select format('grant %s on table %s to %s%s', lower(string_agg(acl.privilege_type, ', ')), $1::text,
                           case when acl.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end,
                           case when acl.is_grantable then ' with grant option' else '' end)
               from pg_catalog.pg_default_acl d
              cross join lateral aclexplode(d.defaclacl) as acl
              where d.defaclobjtype = 'r' and d.defaclnamespace = to_regnamespace($2)
                and d.defaclrole = current_user::regrole
              group by acl.grantee, acl.is_grantable
              order by 1",
            &[&live.to_string(), &live.schema.to_string()],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    statements.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    Ok(statements)
}

async fn execute(transaction: &Transaction<'_>, statements: &str) -> Result<()> {
    transaction.batch_execute(statements).await.map_err(|error| failure(DOING, &error))
}
