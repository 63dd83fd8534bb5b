//! How a version takes the place of the one before, and why that way.

use serde::{Deserialize, Serialize};
use tokio_postgres::Transaction;

use super::in_place::no_key;
use super::merge::key_of;
use super::refusal;
use crate::catalog;
use crate::catalog::dependents::dependents;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::succession::{ancestry, partitions};

/// How a version takes the place of the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The staging table becomes the live one, and takes over all that hangs on it.
    #[default]
    Rename,
    /// The live table is partitioned and stays; its partitions are exchanged.
    Partition,
    /// The live table stays; its rows are compared and changed in place.
    Merge,
}

impl Strategy {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rename => "rename",
            Self::Partition => "partition",
            Self::Merge => "merge",
        }
    }

    /// Reads the word.
    ///
    /// # Errors
    /// `Internal` for another word.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Rename, Self::Partition, Self::Merge]
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or_else(|| Error::new(ErrorName::Internal, format!("there is no strategy {text}")))
    }
}

/// Chooses how the table will be published, before anything is loaded.
///
/// Returns the strategy with the reason.
///
/// # Errors
/// `LiveNotReplaceable` when something hangs on the live table that no strategy
/// can keep.
pub(crate) async fn foresee(
    transaction: &Transaction<'_>,
    table: &Identifier,
    asked: Option<Strategy>,
    key: Option<&[Identifier]>,
) -> Result<(Strategy, String)> {
    catalog::qualify_all(transaction).await?;
    let Some(live) = catalog::find(transaction, &Schema::Live.table(table)).await? else {
        return Ok((Strategy::Rename, "there is no live table yet".to_owned()));
    };
    let name = Schema::Live.table(table);
    let is_partitioned = catalog::is_partitioned(transaction, live).await?;
    // Only what is replaced need let go of what hangs on it.
    let replaced = if is_partitioned { partitions::leaves(transaction, live).await? } else { vec![live] };
    let mut bound = Vec::new();
    for relation in &replaced {
        bound.push((*relation, dependents(transaction, *relation).await?));
    }
    let refused: Vec<&str> =
        bound.iter().flat_map(|(_, dependents)| &dependents.refused).map(String::as_str).collect();
    let has_key = match key {
        Some(_) => true,
        None => key_of(transaction, &name).await?.is_some(),
    };
    // A rule may turn a change of rows into another one, or into none.
    let has_rules = has_rules(transaction, live).await?;
    match asked {
        Some(Strategy::Merge) if has_rules => {
            return Err(Error::new(
                ErrorName::LiveNotReplaceable,
                format!(
                    "the rows of {table} can't be changed in place, as it has rules: drop them, or choose another strategy"
                ),
            ));
        }
        Some(Strategy::Merge) if has_key => {
            return Ok((Strategy::Merge, "the definition says so".to_owned()));
        }
        Some(Strategy::Merge) => return Err(no_key(&name)),
        Some(Strategy::Partition) if !is_partitioned => {
            return Err(Error::new(
                ErrorName::InvalidDefinition,
                format!("the strategy partition is for partitioned tables, and {table} is none"),
            ));
        }
        Some(Strategy::Rename) if is_partitioned => {
            return Err(Error::new(
                ErrorName::InvalidDefinition,
                format!(
                    "{table} is partitioned: it stays, and its partitions are exchanged; drop strategy = \"rename\" from the definition"
                ),
            ));
        }
        // What no other table can take over, this one keeps.
        None if has_key && !has_rules && !refused.is_empty() => {
            return Ok((
                Strategy::Merge,
                format!("these hold on to the live table itself: {}", refused.join(", ")),
            ));
        }
        Some(_) | None => {}
    }
    for (relation, dependents) in &bound {
        refusal::check(transaction, *relation, dependents).await?;
    }
    ancestry::check(transaction, &replaced).await?;
    if is_partitioned {
        return Ok((
            Strategy::Partition,
            "the live table is partitioned: its partitions are exchanged".to_owned(),
        ));
    }
    Ok((Strategy::Rename, "everything that hangs on the live table can be kept".to_owned()))
}

async fn has_rules(transaction: &Transaction<'_>, live: u32) -> Result<bool> {
    transaction
        .query_one("select exists (select 1 from pg_catalog.pg_rewrite where ev_class = $1)", &[&live])
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking for rules of the table", &error))
}
