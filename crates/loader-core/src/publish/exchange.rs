//! The exchange of all partitions of a table, which stays: where the old ones go, and
//! what becomes of the staging table that the new ones leave.

use tokio_postgres::{GenericClient, Transaction};

use crate::catalog;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::succession::Candidate;
use crate::succession::moving::advances_past;
use crate::succession::partitions::{Membership, pair};

const DOING: &str = "exchanging the partitions of the table";

/// A partitioned live table, and the candidate whose partitions it gets.
#[derive(Debug)]
pub(super) struct Exchange {
    root: QualifiedName,
    inner: Vec<QualifiedName>,
    /// The live partitions, each with the candidate for it.
    pub(super) leaves: Vec<Leaf>,
    /// The statements that put the table's sequences past the rows.
    pub(super) advances: Vec<String>,
}

/// A partition that is exchanged.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) live: u32,
    pub(super) candidate: Candidate,
    /// Where the live one goes.
    pub(super) retired: QualifiedName,
    /// What it is to be a partition of there.
    place: Membership,
}

impl Exchange {
    /// Pairs the partitions, and takes those of the candidate from it.
    ///
    /// # Errors
    /// `LiveChanged` when they can't be paired.
    pub(super) async fn begin(
        transaction: &Transaction<'_>,
        live: u32,
        candidate: &Candidate,
    ) -> Result<Self> {
        let root = catalog::get(transaction, &candidate.name).await?;
        let live_name = catalog::name_of(transaction, live).await?;
        if !catalog::is_partitioned(transaction, root).await? {
            return Err(Error::new(
                ErrorName::LiveChanged,
                format!("{live_name} became partitioned after {} was made", candidate.name),
            ));
        }
        let pairs = pair(transaction, live, root).await?;
        pairs.check_complete(&live_name)?;
        let advances = advances_past(transaction, candidate, live).await?;
        let mut leaves = Vec::new();
        for (live, name) in pairs.leaves {
            let own = catalog::get(transaction, &name).await?;
            let place = Membership::of(transaction, own)
                .await?
                .ok_or_else(|| Error::new(ErrorName::Internal, format!("{name} is no partition")))?;
            execute(transaction, &place.detach(&name)).await?;
            let live_name = catalog::name_of(transaction, live).await?;
            leaves.push(Leaf {
                live,
                retired: Schema::Backup.table(&candidate.retiring(&live_name.name, live)),
                candidate: Candidate { name, suffix: candidate.suffix.clone() },
                place,
            });
        }
        Ok(Self { root: candidate.name.clone(), inner: pairs.inner, leaves, advances })
    }

    /// Makes the emptied candidate the place of the partitions that go, and notes
    /// which is to go where: they are attached after the commit, as the database
    /// looks at their rows.
    pub(super) async fn make_backup(&self, transaction: &Transaction<'_>, table: &Identifier) -> Result<()> {
        let backup = Schema::Backup.table(table);
        let mut statements = Vec::new();
        for node in std::iter::once(&self.root).chain(&self.inner) {
            statements.extend(checks_of(transaction, node).await?);
            if node.schema != backup.schema {
                statements.push(format!("alter table {node} set schema {}", backup.schema));
            }
        }
        let root = Schema::Backup.table(&self.root.name);
        statements.push(format!("alter table {root} rename to {}", backup.name));
        execute(transaction, &statements.join(";\n")).await?;
        for Leaf { retired, place, .. } in &self.leaves {
            let parent = if place.parent == self.root { &backup.name } else { &place.parent.name };
            transaction
                .execute(
                    "insert into loader.kept_partition (table_name, partition, parent, bound) values ($1, $2, $3, $4)",
                    &[&table.as_str(), &retired.name.as_str(), &parent.as_str(), &place.bound],
                )
                .await
                .map_err(|error| failure(DOING, &error))?;
        }
        Ok(())
    }
}

/// Writes the statements that take a table's checks: what is kept need not pass them.
async fn checks_of(client: &impl GenericClient, table: &QualifiedName) -> Result<Vec<String>> {
    client
        .query(
            "select format('alter table %s drop constraint %I', $1::text, conname)
               from pg_catalog.pg_constraint
              where conrelid = to_regclass($1) and contype = 'c' and coninhcount = 0",
            &[&table.to_string()],
        )
        .await
        .map(|rows| rows.iter().map(|row| row.get(0)).collect())
        .map_err(|error| failure(DOING, &error))
}

async fn execute(transaction: &Transaction<'_>, statements: &str) -> Result<()> {
    transaction.batch_execute(statements).await.map_err(|error| failure(DOING, &error))
}
