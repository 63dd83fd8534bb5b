//! The tables above partitions that are replaced. They stay, with all that hangs on
//! them; only foreign keys that refer to them keep a partition from leaving.

use tokio_postgres::{GenericClient, Transaction};

use crate::catalog::{self, DerivedKey};
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::publish::refusal;

const DOING: &str = "looking at the tables above the partition";
const KEYS: &str = include_str!("../../sql/catalog/ancestor_keys.sql");
const UNFIT: &str = include_str!("../../sql/catalog/unfit_ancestors.sql");

/// The tables above those that are replaced in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Ancestry {
    /// From the top down.
    ancestors: Vec<(u32, QualifiedName)>,
    keys: Vec<Key>,
}

/// A foreign key that is made again, as the exchange can't be done under it.
#[derive(Debug)]
struct Key {
    child: (u32, QualifiedName),
    name: Identifier,
    definition: String,
    comment: Option<String>,
    /// The keys that Postgres has made beside it for partitions.
    derived: Vec<DerivedKey>,
}

impl Ancestry {
    /// Reads what is above tables that are replaced.
    pub(crate) async fn of(client: &impl GenericClient, replaced: &[u32]) -> Result<Self> {
        let doing = |error: tokio_postgres::Error| failure(DOING, &error);
        let rows = client
            .query(
                "select above.relid::oid
                   from (select distinct a.relid
                           from unnest($1::oid[]) as replaced
                          cross join pg_partition_ancestors(replaced) as a
                          where a.relid <> replaced) as above
                  order by (select count(*) from pg_partition_ancestors(above.relid)), above.relid::oid",
                &[&replaced],
            )
            .await
            .map_err(doing)?;
        let mut found = Self::default();
        for row in &rows {
            found.ancestors.push((row.get(0), catalog::name_of(client, row.get(0)).await?));
        }
        if found.ancestors.is_empty() {
            return Ok(found);
        }
        let oids: Vec<u32> = found.ancestors.iter().map(|(oid, _)| *oid).collect();
        for row in client.query(KEYS, &[&oids, &replaced]).await.map_err(doing)? {
            let (key, child): (u32, u32) = (row.get(0), row.get(1));
            found.keys.push(Key {
                child: (child, catalog::name_of(client, child).await?),
                name: catalog::identifier(row.get(2))?,
                definition: row.get(3),
                comment: row.get(4),
                derived: catalog::derived_keys(client, key).await?,
            });
        }
        Ok(found)
    }

    /// Says whether a table is above one that is replaced.
    pub(crate) fn contains(&self, table: u32) -> bool {
        self.ancestors.iter().any(|(oid, _)| *oid == table)
    }

    /// Writes the statements that lock the tables, from the top down, as readers do.
    pub(crate) fn locks(&self) -> Vec<String> {
        // The end of a key to a table looks at all its partitions.
        let only = if self.keys.is_empty() { "only " } else { "" };
        let children = self.keys.iter().filter(|key| !self.contains(key.child.0)).map(|key| &key.child.1);
        children
            .map(|child| format!("lock table {child} in access exclusive mode"))
            .chain(
                self.ancestors
                    .iter()
                    .map(|(_, name)| format!("lock table {only}{name} in access exclusive mode")),
            )
            .collect()
    }

    /// Writes the statements that drop the keys.
    pub(crate) fn releases(&self) -> Vec<String> {
        self.keys
            .iter()
            .map(|Key { child: (_, child), name, .. }| format!("alter table {child} drop constraint {name}"))
            .collect()
    }

    /// Makes the keys again, when all partitions are in their places.
    ///
    /// # Errors
    /// `GateFailed` when rows refer to others that are no longer there.
    pub(crate) async fn bind(&self, transaction: &Transaction<'_>) -> Result<()> {
        for Key { child: (_, child), name, definition, comment, derived: before } in &self.keys {
            let mut statements = vec![format!("alter table {child} add constraint {name} {definition}")];
            statements.extend(
                comment.iter().map(|comment| format!("comment on constraint {name} on {child} is {comment}")),
            );
            transaction
                .batch_execute(&statements.join(";\n"))
                .await
                .map_err(|error| refusal::of_key(name, child, &error))?;
            // The table may be another one by now, under the same name.
            let keys = catalog::keys_of(transaction, catalog::get(transaction, child).await?).await?;
            let Some((_, made)) = keys.iter().find(|(made, _)| made == name) else { continue };
            let now = catalog::derived_keys(transaction, *made).await?;
            transaction
                .batch_execute(&catalog::names_again(before, &now).join(";\n"))
                .await
                .map_err(|error| failure("naming foreign keys", &error))?;
        }
        Ok(())
    }
}

/// Refuses tables above which something is that the exchange of a partition can't
/// keep.
///
/// # Errors
/// `LiveNotReplaceable`, naming every such object and the way out.
pub(crate) async fn check(client: &impl GenericClient, replaced: &[u32]) -> Result<()> {
    let unfit: Option<String> =
        client.query_one(UNFIT, &[&replaced]).await.map_err(|error| failure(DOING, &error))?.get(0);
    let Some(unfit) = unfit else { return Ok(()) };
    Err(Error::new(ErrorName::LiveNotReplaceable, format!("its partitions can't be exchanged: {unfit}")))
}
