//! Partitions: how one leaves its parent, and how another takes its place there
//! without its rows being looked at.

use tokio_postgres::{GenericClient, Transaction};

use super::Candidate;
use crate::catalog::{self, Fact, FactKind};
use crate::database::failure::failure;
use crate::database::staging_tree;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

const DOING: &str = "looking at the partitions of the table";

/// What makes a table a partition.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// The table that it is a partition of.
    pub(crate) parent: QualifiedName,
    /// `for values …`, or `default`.
    pub(crate) bound: String,
    /// Whether it takes what no other takes.
    pub(crate) is_default: bool,
    /// The check on its successor that says the same as the bound.
    pub(crate) bound_check: Option<Identifier>,
}

impl Membership {
    /// Reads what a table is a partition of; none if it is no partition.
    pub(crate) async fn of(client: &impl GenericClient, table: u32) -> Result<Option<Self>> {
        let row = client
            .query_opt(
                "select i.inhparent::oid, pg_get_expr(c.relpartbound, c.oid)
                   from pg_catalog.pg_class c
                   join pg_catalog.pg_inherits i on i.inhrelid = c.oid
                  where c.oid = $1 and c.relispartition",
                &[&table],
            )
            .await
            .map_err(|error| failure(DOING, &error))?;
        let Some(row) = row else { return Ok(None) };
        let bound: String = row.get(1);
        let parent = catalog::name_of(client, row.get(0)).await?;
        let check = bound_check(client, table, &parent).await?;
        Ok(Some(Self {
            parent,
            is_default: bound == "DEFAULT",
            bound,
            bound_check: check.map(|check| catalog::identifier(check.name)).transpose()?,
        }))
    }

    /// Writes the statement that takes it from its parent.
    pub(crate) fn detach(&self, name: &QualifiedName) -> String {
        format!("alter table {} detach partition {name}", self.parent)
    }

    /// Writes the statement that makes a table this partition.
    pub(crate) fn attach(&self, name: &QualifiedName) -> String {
        format!("alter table {} attach partition {name} {}", self.parent, self.bound)
    }
}

/// Writes the check that says the same as a partition's bound: with it on the
/// successor, the database needs not look at its rows while readers wait. None if
/// the table is no partition, or takes whatever comes.
pub(crate) async fn bound_check(
    client: &impl GenericClient,
    table: u32,
    target: &QualifiedName,
) -> Result<Option<Fact>> {
    let row = client
        .query_opt(
            "select 'partition_bound_' || left(md5(bound), 8),
                    format('alter table %s add constraint %I check (%s)', $2::text, 'partition_bound_' || left(md5(bound), 8), bound),
                    format('alter table %s drop constraint %I', $2::text, 'partition_bound_' || left(md5(bound), 8))
               from pg_catalog.pg_class c
              cross join pg_get_partition_constraintdef(c.oid) as bound
              where c.oid = $1 and c.relispartition and bound is not null",
            &[&table, &target.to_string()],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    Ok(row.map(|row| Fact {
        kind: FactKind::Check,
        name: row.get(0),
        makes: row.get(1),
        unmakes: row.get(2),
        refers_to: None,
        in_two_steps: None,
    }))
}

/// Lists the partitions of a table, on all levels, that hold rows themselves.
///
/// # Errors
/// `LiveNotReplaceable` when one is no table, or is about to be detached.
pub(crate) async fn leaves(client: &impl GenericClient, table: u32) -> Result<Vec<u32>> {
    let rows = client
        .query(
            "select c.oid::oid, format('%I.%I', n.nspname, c.relname), c.relkind::text,
                    coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false)
               from pg_partition_tree($1::oid) t
               join pg_catalog.pg_class c on c.oid = t.relid
               join pg_catalog.pg_namespace n on n.oid = c.relnamespace
               left join pg_catalog.pg_inherits i on i.inhrelid = c.oid
              where t.isleaf and c.oid <> $1
              order by c.oid",
            &[&table],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    let mut leaves = Vec::new();
    for row in &rows {
        let (name, kind, is_leaving): (&str, &str, bool) = (row.get(1), row.get(2), row.get(3));
        let refused = match kind {
            // One that is partitioned and has no partitions holds no rows.
            "p" => continue,
            "r" if is_leaving => "is being detached; let that end first, or drop it",
            "r" => {
                leaves.push(row.get(0));
                continue;
            }
            _ => "is no table, and the load can't fill it; detach it, or drop it",
        };
        return Err(Error::new(ErrorName::LiveNotReplaceable, format!("the partition {name} {refused}")));
    }
    Ok(leaves)
}

/// The partitions of two tables that are partitioned alike, paired by their bounds.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// Live partitions that hold rows, each with the candidate's.
    pub(crate) leaves: Vec<(u32, QualifiedName)>,
    /// Partitions of the candidate that are partitioned themselves.
    pub(crate) inner: Vec<QualifiedName>,
    /// Live partitions that the candidate lacks, each with the parent of its own.
    missing: Vec<(u32, QualifiedName)>,
    /// Partitions of the candidate that no live one has the bound of.
    surplus: Vec<QualifiedName>,
}

/// Pairs the partitions of a live table with those of a candidate.
pub(crate) async fn pair(client: &impl GenericClient, live: u32, candidate: u32) -> Result<Pairs> {
    let doing = |error: tokio_postgres::Error| failure(DOING, &error);
    let rows = client.query(PAIRS, &[&live, &candidate]).await.map_err(doing)?;
    let mut pairs = Pairs::default();
    let mut paired = Vec::new();
    for row in &rows {
        let (live, parent): (u32, u32) = (row.get(0), row.get(3));
        let Some(own) = row.get::<_, Option<u32>>(1) else {
            pairs.missing.push((live, catalog::name_of(client, parent).await?));
            continue;
        };
        paired.push(own);
        let name = catalog::name_of(client, own).await?;
        if row.get::<_, bool>(2) {
            pairs.inner.push(name);
        } else {
            pairs.leaves.push((live, name));
        }
    }
    for row in client.query(SURPLUS, &[&candidate, &paired]).await.map_err(doing)? {
        pairs.surplus.push(catalog::name_of(client, row.get(0)).await?);
    }
    Ok(pairs)
}

const PAIRS: &str = "
    with recursive pairs(live, own, is_partitioned, parent) as (
        select $1::oid, $2::oid, true, null::oid
        union all
        select c.oid, (select o.oid
                         from pg_catalog.pg_inherits oi
                         join pg_catalog.pg_class o on o.oid = oi.inhrelid
                        where oi.inhparent = p.own and o.relkind = c.relkind
                          and pg_get_expr(o.relpartbound, o.oid) = pg_get_expr(c.relpartbound, c.oid)),
               c.relkind = 'p', p.own
          from pairs p
          join pg_catalog.pg_inherits i on i.inhparent = p.live
          join pg_catalog.pg_class c on c.oid = i.inhrelid
         where p.own is not null)
    select live, own, is_partitioned, parent from pairs where parent is not null order by live";

/// Only the topmost: what is below goes with it.
const SURPLUS: &str = "
    select c.relid::oid
      from pg_partition_tree($1::oid) c
     where c.level > 0 and c.relid <> all ($2::oid[])
       and (c.parentrelid = $1::oid or c.parentrelid = any ($2::oid[]))
     order by 1";

impl Pairs {
    /// Says that every partition has its counterpart.
    ///
    /// # Errors
    /// `LiveChanged`.
    pub(crate) fn check_complete(&self, live: &QualifiedName) -> Result<()> {
        if self.missing.is_empty() && self.surplus.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorName::LiveChanged,
            format!("partitions of {live} came or went after the build of its successor"),
        ))
    }
}

/// Pairs the partitions of a live table with those of a candidate, and makes those
/// of the candidate that are lacking.
///
/// # Errors
/// `LiveNotReplaceable` when the candidate has rows in a partition that the live
/// table no longer has; `GateFailed` when it has rows elsewhere that belong into a
/// partition that it lacks.
pub(crate) async fn complete(
    transaction: &Transaction<'_>,
    live: u32,
    candidate: &Candidate,
) -> Result<Pairs> {
    let own = catalog::get(transaction, &candidate.name).await?;
    let live_name = catalog::name_of(transaction, live).await?;
    if !catalog::is_partitioned(transaction, own).await? {
        return Err(Error::new(
            ErrorName::LiveNotReplaceable,
            format!(
                "{live_name} is partitioned by now and {} is not; change that, or load it again",
                candidate.name
            ),
        ));
    }
    let pairs = pair(transaction, live, own).await?;
    for surplus in &pairs.surplus {
        let holds_rows: bool = transaction
            .query_one(&format!("select exists (select from {surplus})"), &[])
            .await
            .map_err(|error| failure(DOING, &error))?
            .get(0);
        if holds_rows {
            return Err(Error::new(
                ErrorName::LiveNotReplaceable,
                format!(
                    "{live_name} has no partition any more for the rows of {surplus}; create one with its bounds, or drop that table"
                ),
            ));
        }
        transaction
            .batch_execute(&format!("drop table {surplus}"))
            .await
            .map_err(|error| failure(DOING, &error))?;
    }
    for (missing, parent) in &pairs.missing {
        staging_tree::add(transaction, candidate, *missing, parent).await?;
    }
    pair(transaction, live, own).await
}

/// Lists the relations that are replaced when a candidate takes a live table's
/// place, each with what replaces it: the table itself, or its partitions.
///
/// # Errors
/// Those of [`complete`].
pub(crate) async fn successions(
    transaction: &Transaction<'_>,
    live: u32,
    candidate: &Candidate,
) -> Result<Vec<(u32, Candidate)>> {
    catalog::qualify_all(transaction).await?;
    if !catalog::is_partitioned(transaction, live).await? {
        let own = catalog::get(transaction, &candidate.name).await?;
        if catalog::is_partitioned(transaction, own).await? {
            return Err(Error::new(
                ErrorName::LiveNotReplaceable,
                format!(
                    "{} is no longer partitioned and {} is; change that, or load it again",
                    catalog::name_of(transaction, live).await?,
                    candidate.name
                ),
            ));
        }
        return Ok(vec![(live, candidate.clone())]);
    }
    let pairs = complete(transaction, live, candidate).await?;
    Ok(pairs
        .leaves
        .into_iter()
        .map(|(live, name)| (live, Candidate { name, suffix: candidate.suffix.clone() }))
        .collect())
}
