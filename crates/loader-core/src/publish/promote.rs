//! The one move: live to backup, candidate to live, with all that hangs on it.

use std::time::Duration;

use tokio_postgres::Transaction;

use crate::catalog;
use crate::catalog::dependents::{Dependents, IncomingKey, dependents, fingerprint};
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::succession::ancestry::{self, Ancestry};
use crate::succession::moving::{Replacement, rename_whole};
use crate::succession::versions::{self, Becoming};
use crate::succession::{Candidate, materialized};

use super::exchange::Exchange;
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

/// What a promotion replaces: the live table, or all of its partitions.
#[derive(Debug, Default)]
struct Moves {
    /// The live table, if there is one.
    live: Option<u32>,
    successions: Vec<Succession>,
    /// What else an exchange of partitions does.
    exchange: Option<Exchange>,
}

impl Moves {
    fn strategy(&self) -> Strategy {
        if self.exchange.is_some() { Strategy::Partition } else { Strategy::Rename }
    }
}

/// A live table and what takes its place.
#[derive(Debug)]
struct Succession {
    live: u32,
    candidate: Candidate,
    /// Where the live one goes.
    retired: QualifiedName,
    /// Whether the candidate was live before.
    is_kept: bool,
}

/// A table that is ready to be moved.
#[derive(Default)]
struct Ready {
    replacement: Option<Replacement>,
    materialized: Vec<(Replacement, bool)>,
    dependents: Dependents,
    incoming: Vec<Referring>,
    fingerprint: String,
    /// What is done without a replacement: the move of a first version, or of the
    /// sequences of a table that stays.
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
///
/// `merged` are the live tables whose rows the transaction has changed in place.
pub(crate) async fn promote(
    transaction: &Transaction<'_>,
    promotions: &[Promotion<'_>],
    merged: &[QualifiedName],
    lock_timeout: Duration,
) -> Result<()> {
    catalog::qualify_all(transaction).await?;
    let mut moves = Vec::new();
    for promotion in promotions {
        moves.push(find(transaction, promotion).await?);
    }
    let successions = moves.iter().flat_map(|moves| &moves.successions);
    let replaced: Vec<u32> = successions.map(|succession| succession.live).collect();
    let ancestry = Ancestry::of(transaction, &replaced).await?;
    let mut group: Vec<u32> = moves.iter().filter_map(|moves| moves.live).chain(replaced).collect();
    let mut successors = Vec::new();
    for name in merged {
        let table = catalog::get(transaction, name).await?;
        group.extend(catalog::family(transaction, table).await?);
        successors.push((table, name.clone()));
    }
    let mut ready = Vec::new();
    for (promotion, moves) in promotions.iter().zip(&moves) {
        for succession in &moves.successions {
            ready.push(prepare(transaction, succession, &group, &ancestry).await?);
        }
        if let Some(exchange) = &moves.exchange {
            ready.push(Ready { first: exchange.advances.clone(), ..Ready::default() });
        }
        if moves.live.is_none() {
            ready.push(Ready { first: first_statements(transaction, promotion).await?, ..Ready::default() });
        }
    }
    let replacements = ready.iter().filter_map(|ready| ready.replacement.as_ref());
    successors.extend(replacements.map(|one| (one.live, one.candidate.name.clone())));
    refer_within(transaction, &ready, &successors).await?;
    for (promotion, moves) in promotions.iter().zip(&moves) {
        versions::shift_backup(transaction, promotion.table).await?;
        let replaced = moves.live.map(|_| promotion.table);
        versions::record(transaction, promotion.table, promotion.becoming, moves.strategy(), replaced)
            .await?;
        if let Some(exchange) = &moves.exchange {
            exchange.make_backup(transaction, promotion.table).await?;
        }
    }
    tracing::debug!("waiting for the readers to end");
    lock_readers_out(transaction, &ready, &ancestry, lock_timeout).await?;
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
    execute(transaction, &statements(&ready, &ancestry).join(";\n")).await?;
    ancestry.bind(transaction).await
}

/// Finds what a promotion replaces, and keeps everybody from altering it, and nobody
/// from reading it or writing into it.
async fn find(transaction: &Transaction<'_>, promotion: &Promotion<'_>) -> Result<Moves> {
    let candidate = &promotion.candidate;
    let live = Schema::Live.table(promotion.table);
    let Some(oid) = catalog::find(transaction, &live).await? else {
        if let Some(kept_as) = &promotion.kept_as {
            // No other table has the names of its indexes.
            execute(transaction, &format!("alter table {kept_as} rename to {}", candidate.name.name)).await?;
        }
        return Ok(Moves::default());
    };
    if let Some(kept_as) = &promotion.kept_as {
        rename_whole(transaction, kept_as, &candidate.name.name, &candidate.suffix).await?;
    }
    execute(transaction, &format!("lock table {live} in share update exclusive mode")).await?;
    let is_kept = promotion.kept_as.is_some();
    if catalog::is_partitioned(transaction, oid).await? {
        let exchange = Exchange::begin(transaction, oid, candidate).await?;
        let successions = exchange.leaves.iter().map(|leaf| Succession {
            live: leaf.live,
            candidate: leaf.candidate.clone(),
            retired: leaf.retired.clone(),
            is_kept,
        });
        return Ok(Moves { live: Some(oid), successions: successions.collect(), exchange: Some(exchange) });
    }
    let own = catalog::get(transaction, &candidate.name).await?;
    if catalog::is_partitioned(transaction, own).await? {
        return Err(Error::new(
            ErrorName::LiveChanged,
            format!("{live} is no longer partitioned as {} is", candidate.name),
        ));
    }
    let succession = Succession {
        live: oid,
        candidate: candidate.clone(),
        retired: versions::backup(promotion.table),
        is_kept,
    };
    Ok(Moves { live: Some(oid), successions: vec![succession], exchange: None })
}

async fn prepare(
    transaction: &Transaction<'_>,
    succession: &Succession,
    group: &[u32],
    ancestry: &Ancestry,
) -> Result<Ready> {
    let Succession { live, candidate, retired, is_kept } = succession;
    let live = *live;
    if *is_kept {
        // Keys are checked with the rights of a table's owner, who may not use the
        // schema that it is in until it is live.
        execute(transaction, &format!("alter table {} owner to current_user", candidate.name)).await?;
    }
    let fingerprint = fingerprint(transaction, live).await?;
    let dependents = dependents(transaction, live).await?;
    refusal::check(transaction, live, &dependents).await?;
    ancestry::check(transaction, &[live]).await?;
    let replacement = Replacement::read(transaction, live, candidate.clone(), retired.clone(), group).await?;
    if !replacement.likeness.is_built() {
        return Err(Error::new(
            ErrorName::LiveChanged,
            format!(
                "{} was altered after the build of its successor: {}",
                replacement.live_name,
                replacement.likeness.missing()
            ),
        ));
    }
    let copies = prepare_copies(transaction, live, candidate, &dependents).await?;
    let incoming = refer_to_candidate(
        transaction,
        &replacement.live_name,
        candidate,
        &dependents.incoming,
        group,
        ancestry,
    )
    .await?;
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

/// Readies the copies of materialized views that the build has made.
async fn prepare_copies(
    transaction: &Transaction<'_>,
    live: u32,
    candidate: &Candidate,
    dependents: &Dependents,
) -> Result<Vec<(Replacement, bool)>> {
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
    Ok(copies)
}

/// Gives other tables a second foreign key, to the candidate, which takes the
/// name of the first one after the move. Their writers wait while it is checked,
/// their readers don't. A row that refers to nothing fails here, before anything
/// is moved.
async fn refer_to_candidate(
    transaction: &Transaction<'_>,
    live_name: &QualifiedName,
    candidate: &Candidate,
    keys: &[IncomingKey],
    group: &[u32],
    ancestry: &Ancestry,
) -> Result<Vec<Referring>> {
    let mut referring = Vec::new();
    for key in keys {
        let child = catalog::get(transaction, &key.child).await?;
        if group.contains(&child) || ancestry.contains(child) {
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
            let before = catalog::derived_keys(transaction, key.oid).await?;
            let now = catalog::derived_keys(transaction, *new).await?;
            let now: Vec<_> = now.into_iter().map(|key| key.renamed(&candidate.name, live_name)).collect();
            names = catalog::names_again(&before, &now);
        }
        referring.push(Referring { key: key.clone(), name, names });
    }
    Ok(referring)
}

/// Makes the foreign keys between tables that are published together. `successors`
/// says what each of these tables will be.
async fn refer_within(
    transaction: &Transaction<'_>,
    ready: &[Ready],
    successors: &[(u32, QualifiedName)],
) -> Result<()> {
    for one in ready.iter().filter_map(|ready| ready.replacement.as_ref()) {
        for reference in &one.likeness.references_within {
            let Some((_, target)) = successors.iter().find(|(table, _)| *table == reference.table) else {
                continue;
            };
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
    ancestry: &Ancestry,
    lock_timeout: Duration,
) -> Result<()> {
    let exclusive = |table: &QualifiedName| format!("{table} in access exclusive mode");
    let mut locks: Vec<String> =
        ready.iter().flat_map(|ready| ready.dependents.locks.iter().cloned()).collect();
    for referring in ready.iter().flat_map(|ready| &ready.incoming) {
        locks.push(format!("lock table {}", exclusive(&referring.key.child)));
    }
    locks.extend(ancestry.locks());
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

/// Writes the whole move.
fn statements(ready: &[Ready], ancestry: &Ancestry) -> Vec<String> {
    let mut statements = ancestry.releases();
    let replacements = || ready.iter().filter_map(|ready| ready.replacement.as_ref());
    // All partitions leave before one comes: none is searched for another's rows.
    statements.extend(replacements().flat_map(Replacement::retire));
    statements.extend(ready.iter().flat_map(|ready| ready.first.iter().cloned()));
    statements.extend(replacements().flat_map(Replacement::succeed));
    for is_default in [false, true] {
        let coming = replacements().filter(|replacement| replacement.is_default_partition() == is_default);
        statements.extend(coming.flat_map(Replacement::attach));
    }
    statements.extend(ready.iter().flat_map(rebinding));
    statements
}

/// Writes the statements that bind to the new table what was bound to the old one.
fn rebinding(ready: &Ready) -> Vec<String> {
    let mut statements = Vec::new();
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
