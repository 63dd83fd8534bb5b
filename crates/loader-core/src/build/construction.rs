//! The construction of indexes and constraints: several at once, each in a
//! statement of its own that stays when the next one is cut off.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::Client;

use crate::build::memory::BuildMemory;
use crate::catalog;
use crate::catalog::dependents::dependents;
use crate::database::connect::Session;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::publish::refusal;
use crate::succession::likeness::{BuildStatement, Lacking, Likeness, compare};
use crate::succession::{Candidate, materialized};

const COMPARING: &str = "comparing the staging table with the live one";
/// How often the database is asked whether an index of an earlier call is done.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Rounds of comparing and building. One is enough unless the live table changes
/// meanwhile, or an earlier call is still at work.
const MOST_ROUNDS: u32 = 20;

type Queue = Arc<Mutex<VecDeque<Lacking>>>;

/// Builds on the candidate what the live relation has. Returns how many indexes
/// the candidate has in its image.
///
/// # Errors
/// `GateFailed` when the rows do not allow a constraint; `DeadlineReached`: the
/// database goes on with the statement it is at, and the next call finds it built.
pub(crate) async fn construct(
    session: &mut Session,
    live: u32,
    candidate: &Candidate,
    group: &[u32],
    sessions: u32,
    deadline: Instant,
) -> Result<u64> {
    for _ in 0..MOST_ROUNDS {
        wait_for_earlier_calls(session.client().await?, candidate, deadline).await?;
        let likeness = difference(session.client().await?, live, candidate, group).await?;
        if likeness.is_built() {
            return Ok(u64::try_from(likeness.indexes.len()).unwrap_or(u64::MAX));
        }
        if likeness.lacking.is_empty() {
            make_constraints(session.client().await?, candidate, &likeness.constraints, deadline).await?;
        } else {
            build_indexes(session, candidate, likeness.lacking, sessions, deadline).await?;
        }
    }
    Err(Error::new(
        ErrorName::LiveChanged,
        format!("the live table changes as fast as its successor {} is built", candidate.name),
    ))
}

/// Builds the indexes of the copies of materialized views.
pub(crate) async fn construct_copies(
    session: &mut Session,
    live: u32,
    candidate: &Candidate,
    sessions: u32,
    deadline: Instant,
) -> Result<u64> {
    let doing = |error: tokio_postgres::Error| failure(COMPARING, &error);
    let transaction = session.client().await?.transaction().await.map_err(doing)?;
    catalog::qualify_all(&transaction).await?;
    let views = dependents(&transaction, live).await?.materialized;
    transaction.commit().await.map_err(doing)?;
    let mut indexes = 0;
    for (view, copy) in materialized::copies(candidate, &views) {
        indexes += construct(session, view.oid, &copy, &[], sessions, deadline).await?;
    }
    Ok(indexes)
}

async fn difference(
    client: &mut Client,
    live: u32,
    candidate: &Candidate,
    group: &[u32],
) -> Result<Likeness> {
    let doing = |error: tokio_postgres::Error| failure(COMPARING, &error);
    let transaction = client.transaction().await.map_err(doing)?;
    catalog::qualify_all(&transaction).await?;
    let likeness = compare(&transaction, live, candidate, group).await?;
    transaction.commit().await.map_err(doing)?;
    Ok(likeness)
}

/// Waits until no index is being built on the candidate: a Lambda that was ended
/// leaves its last statement behind, and the database goes on with it.
async fn wait_for_earlier_calls(client: &Client, candidate: &Candidate, deadline: Instant) -> Result<()> {
    loop {
        let is_building: bool = client
            .query_one(
                "select exists (select 1 from pg_stat_progress_create_index
                                 where datname = current_database() and relid = to_regclass($1) and pid <> pg_backend_pid())",
                &[&candidate.name.to_string()],
            )
            .await
            .map_err(|error| failure("looking for indexes that are being built", &error))?
            .get(0);
        if !is_building {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(out_of_time("an index"));
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn build_indexes(
    session: &mut Session,
    candidate: &Candidate,
    lacking: Vec<Lacking>,
    sessions: u32,
    deadline: Instant,
) -> Result<()> {
    let sessions = usize::try_from(sessions).unwrap_or(1).clamp(1, lacking.len());
    let memory = BuildMemory::ask(session.client().await?, sessions).await?;
    let queue: Queue = Arc::new(Mutex::new(lacking.into()));
    let session = &*session;
    let builders = (0..sessions).map(|_| build_from(session, candidate, memory, Arc::clone(&queue)));
    timeout_at(deadline, try_join_all(builders)).await.map_err(|_| out_of_time("indexes"))?.map(|_| ())
}

async fn build_from(
    session: &Session,
    candidate: &Candidate,
    memory: BuildMemory,
    queue: Queue,
) -> Result<()> {
    let client = session.another().await?;
    memory.give(&client).await?;
    // An index may take longer than any statement is allowed otherwise; what the
    // database has begun it ends, whoever waits for it.
    client
        .batch_execute("set statement_timeout = 0; set search_path = ''")
        .await
        .map_err(|error| failure("building indexes", &error))?;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(lacking) = next else { return Ok(()) };
        client
            .batch_execute(&lacking.setting)
            .await
            .map_err(|error| failure(&format!("building the index {}", lacking.name), &error))?;
        tracing::debug!(index = lacking.name.as_str(), table = %candidate.name, "building");
        match client.batch_execute(&lacking.statement).await {
            Ok(()) => {}
            // Another call of this step has built it meanwhile: 42P07 is a relation
            // of that name, 23505 here may be the catalog's own index.
            Err(error) if is_built_meanwhile(&error) => {}
            Err(error) => return Err(refusal::of_rows(&format!("the index {}", lacking.name), &error)),
        }
    }
}

fn is_built_meanwhile(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        db.code().code() == "42P07" || db.code().code() == "23505" && db.schema() == Some("pg_catalog")
    })
}

async fn make_constraints(
    client: &Client,
    candidate: &Candidate,
    statements: &[BuildStatement],
    deadline: Instant,
) -> Result<()> {
    let work = async {
        client
            .batch_execute("set search_path = ''")
            .await
            .map_err(|error| failure("making constraints", &error))?;
        for BuildStatement { what, statement, validate } in statements {
            tracing::debug!(what, table = %candidate.name, "making");
            for statement in [Some(statement), validate.as_ref()].into_iter().flatten() {
                client.batch_execute(statement).await.map_err(|error| refusal::of_rows(what, &error))?;
            }
        }
        client.batch_execute("reset search_path").await.map_err(|error| failure("making constraints", &error))
    };
    timeout_at(deadline, work).await.map_err(|_| out_of_time("constraints"))?
}

fn out_of_time(what: &str) -> Error {
    Error::new(
        ErrorName::DeadlineReached,
        format!(
            "the time of the Lambda was nearly up while {what} were being built: what is built stays, the next call goes on"
        ),
    )
}
