//! Partitions: how one leaves its parent, and how another takes its place there
//! without its rows being looked at.

use tokio_postgres::GenericClient;

use crate::catalog::{self, Fact, FactKind};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const DOING: &str = "looking at the partitions of the table";

/// What makes a table a partition.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    parent: QualifiedName,
    /// `for values …`, or `default`.
    bound: String,
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
        refers_to_partitioned: false,
    }))
}
