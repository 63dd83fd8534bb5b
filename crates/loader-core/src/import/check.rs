//! Objects that are read and judged as a load does it, in a transaction that somebody
//! rolls back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_postgres::Transaction;

use super::group::{Assignment, GroupError, Trust, is_objects_fault, lost};
use super::last_mapping::LastMapping;
use super::open::{Opener, named};
use super::rows::Lane;
use super::turn::Turns;
use crate::database::failure::failure;
use crate::definition::ResolvedDefinition;
use crate::definition::dialect::Dialect;
use crate::error::{Error, Result};
use crate::identifier::Identifier;
use crate::source::{ListingPage, ObjectHead, ObjectSource, ObjectVersion, OpenObject};

/// What objects are checked with.
pub(crate) struct Check<'a> {
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) source: &'a Arc<dyn ObjectSource>,
    /// The definition, without limits on rejects: all of them are to be seen.
    pub(crate) definition: &'a Arc<ResolvedDefinition>,
    /// The staging table that is there for the transaction.
    pub(crate) staging: &'a Identifier,
    /// What the rejects are recorded under.
    pub(crate) run_id: &'a str,
    /// When the database is to give up a statement that still runs.
    pub(crate) until: Instant,
}

/// An object that was checked.
pub(crate) struct Checked {
    /// Rows that are loaded.
    pub(crate) rows: u64,
    /// Rows that are refused.
    pub(crate) rejected: u64,
    /// How it was read.
    pub(crate) dialect: Dialect,
    /// What was found out about that, in words.
    pub(crate) found: Vec<String>,
    /// Where it may be otherwise.
    pub(crate) doubts: Vec<String>,
}

/// Why an object was not checked.
pub(crate) enum Unchecked {
    /// It would fail.
    Fails(Error),
    /// Nothing can be said.
    Step(Error),
}

impl Check<'_> {
    /// Loads an object, all of it or so many of its first bytes, and keeps its rejects.
    pub(crate) async fn object(
        &self,
        object: &ObjectVersion,
        first_bytes: Option<u64>,
    ) -> Result<Checked, Unchecked> {
        self.execute("savepoint object").await?;
        let outcome = Box::pin(self.load(object, first_bytes)).await;
        if outcome.is_ok() {
            self.execute("release savepoint object").await?;
        } else if !matches!(outcome, Err(Unchecked::Step(_))) {
            self.execute("rollback to savepoint object; release savepoint object").await?;
        }
        outcome
    }

    async fn load(&self, object: &ObjectVersion, first_bytes: Option<u64>) -> Result<Checked, Unchecked> {
        let source: Arc<dyn ObjectSource> = match first_bytes {
            Some(bytes) => Arc::new(Beginning { source: Arc::clone(self.source), bytes }),
            None => Arc::clone(self.source),
        };
        let work = Assignment {
            run_id: self.run_id.to_owned(),
            attempt: 0,
            batch: 0,
            staging: self.staging.clone(),
            opener: Arc::new(Opener {
                source,
                definition: Arc::clone(self.definition),
                plain: None,
                engine: self.definition.engine,
                extension: false,
                marked: false,
                last_mapping: LastMapping::default(),
            }),
            part: None,
            until: self.until,
            turns: Turns::default(),
            most_lag: Duration::MAX,
            // It is not begun anew.
            trust: Trust::none(),
        };
        let sort = |error: Error| {
            let error = named(error, &object.key);
            if is_objects_fault(&error) { Unchecked::Fails(error) } else { Unchecked::Step(error) }
        };
        let opened = work.opener.rows(object, "").await.map_err(sort)?;
        let (dialect, found, doubts) = (opened.dialect.clone(), opened.found.clone(), opened.doubts.clone());
        let mut lane = Lane::new(self.transaction, &work);
        lane.load(object, opened).await.map_err(spoiled)?;
        lane.finish().await.map_err(spoiled)?;
        let (mut rows, mut rejected) = (0, 0);
        for loaded in lane.loaded() {
            rows += loaded.rows;
            rejected += loaded.rejects;
        }
        Ok(Checked { rows, rejected, dialect, found, doubts })
    }

    async fn execute(&self, statement: &str) -> Result<(), Unchecked> {
        self.transaction
            .batch_execute(statement)
            .await
            .map_err(|error| Unchecked::Step(failure("checking an object", &error)))
    }
}

fn spoiled(error: GroupError) -> Unchecked {
    match error {
        GroupError::Object(spoiled) => Unchecked::Fails(spoiled.error),
        GroupError::Step(error) => Unchecked::Step(error),
        GroupError::Misplaced(refusal) => Unchecked::Step(lost(&refusal)),
    }
}

/// A bucket of which only the beginnings of objects are read.
struct Beginning {
    source: Arc<dyn ObjectSource>,
    bytes: u64,
}

#[async_trait]
impl ObjectSource for Beginning {
    fn bucket(&self) -> &str {
        self.source.bucket()
    }

    fn region(&self) -> &str {
        self.source.region()
    }

    async fn list(&self, prefix: &str, continuation: Option<String>) -> Result<ListingPage> {
        self.source.list(prefix, continuation).await
    }

    async fn list_after(&self, prefix: &str, after: &str) -> Result<ListingPage> {
        self.source.list_after(prefix, after).await
    }

    async fn head(&self, key: &str) -> Result<ObjectHead> {
        self.source.head(key).await
    }

    async fn open(&self, object: &ObjectVersion, limit: Option<u64>) -> Result<OpenObject> {
        self.source.open(object, Some(limit.map_or(self.bytes, |limit| limit.min(self.bytes)))).await
    }

    async fn open_from(&self, object: &ObjectVersion, from: u64) -> Result<OpenObject> {
        self.source.open_from(object, from).await
    }
}
