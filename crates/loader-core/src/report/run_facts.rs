//! What the control tables know of a run.

use tokio_postgres::{Client, Row};

use crate::database::failure::failure;
use crate::database::ledger::{self, FailedObject, Totals};
use crate::database::rejects::{self, Cause};
use crate::database::run::RunKind;
use crate::error::Result;
use crate::input::Execution;
use crate::prepare::KEPT_DAYS;
use crate::wording::counted;

/// How many failed objects a message shows.
const SHOWN_FAILURES: i64 = 5;

/// How many causes of rejected rows a message shows.
const SHOWN_CAUSES: i64 = 3;

/// The figures of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// The run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// What it does with the table.
    pub kind: RunKind,
    /// The execution that publishes it together with others.
    pub group: Option<String>,
    /// Whether the live table has been replaced.
    pub published: bool,
    /// Objects below the prefix, as the newest plan found them.
    pub objects_listed: Option<u64>,
    /// What became of them.
    pub totals: Totals,
    /// Rows of the version that it made live.
    pub version_rows: Option<u64>,
    /// Seconds from the start to the end, or to now.
    pub seconds: f64,
    /// How many attempts failed.
    pub failed_attempts: i32,
    /// The version that it made live.
    pub version: Option<i64>,
    /// The version that was live before.
    pub replaced_version: Option<i64>,
    /// Where the version before is.
    pub backup: Option<String>,
    /// How the version took the place of the one before, if not by renaming, and
    /// why so.
    pub strategy: Option<String>,
    /// The staging table, if it is kept.
    pub staging: Option<String>,
    /// Until when the staging table of a failed run is kept.
    pub kept_until: Option<String>,
    /// The last failure's name, message and state.
    pub failure: Option<(String, String, String)>,
    /// The first failed objects.
    pub failed: Vec<FailedObject>,
    /// The most frequent causes of rejected rows; of a replay, of those that it was
    /// refused.
    pub causes: Vec<Cause>,
    /// What a replay has done.
    pub replay: Option<ReplayFacts>,
}

/// The figures of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayFacts {
    /// The run whose rows were loaded again.
    pub of_run: String,
    /// The rows that are in the table now.
    pub rows: u64,
    /// The rows that were refused again.
    pub refused: u64,
    /// The rows that are left, those counted.
    pub left: u64,
}

impl RunFacts {
    /// Whether something is not in the table that was listed.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        match &self.replay {
            Some(replay) => replay.left > 0,
            None => self.kind == RunKind::Load && (self.totals.failed > 0 || self.totals.rejects > 0),
        }
    }

    /// Returns the rows of the table, as far as it is known.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        match self.kind {
            RunKind::Load => Some(self.totals.rows),
            RunKind::Rollback => self.version_rows,
            RunKind::Replay => self.replay.as_ref().map(|replay| replay.rows),
        }
    }
}

/// Says how much is not in the tables of these runs that was listed.
pub(super) fn left_out<'a>(runs: impl IntoIterator<Item = &'a RunFacts>) -> String {
    let (objects, rows) = runs
        .into_iter()
        .fold((0, 0), |(objects, rows), run| (objects + run.totals.failed, rows + run.totals.rejects));
    let (of_objects, of_rows) = (counted(objects, "object", "objects"), counted(rows, "row", "rows"));
    match (objects, rows) {
        (0, _) => of_rows,
        (_, 0) => of_objects,
        _ => format!("{of_objects} and {of_rows}"),
    }
}

/// Reads the figures of an execution's run, or of the runs of the group that it
/// publishes; none if nothing was ever registered.
///
/// # Errors
/// Those of the database.
pub async fn read(client: &Client, execution: &Execution) -> Result<Vec<RunFacts>> {
    // The runs of a group are named after it, of the same state machine.
    let rows = client
        .query(
            "select run.run_id, run.table_name, run.kind, run.group_id, run.state = 'published' as published,
                    run.objects_listed, run.failed_attempts, run.backup_table, run.staging_table,
                    extract(epoch from coalesce(run.finished_at, clock_timestamp()) - run.started_at)::float8 as seconds,
                    case when run.strategy <> 'rename' then concat_ws(', ', run.strategy, run.strategy_reason) end as strategy,
                    case when run.state = 'failed'
                         then to_char((run.finished_at + make_interval(days => $3)) at time zone 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"') end as kept_until,
                    run.error_name, coalesce(run.error_message, '') as error_message,
                    coalesce(run.failed_state, '') as failed_state,
                    change.to_version, change.from_version, version.rows as version_rows,
                    run.replay_of, coalesce(run.rows, 0) as rows,
                    (select count(*) from loader.rejected_row as row
                      where row.run_id = run.replay_of and row.tried_by = run.run_id and row.replayed_by is null) as refused,
                    (select count(*) from loader.rejected_row as row
                      where row.run_id = run.replay_of and row.replayed_by is null) as left_over
               from loader.run as run
               left join loader.version_change as change using (table_name, run_id)
               left join loader.version as version
                 on (version.table_name, version.version) = (change.table_name, change.to_version)
              where (run.run_id = $1 and run.execution_arn = $2)
                 or (run.group_id = $1 and starts_with(run.execution_arn, $2 || '-'))
              order by length(run.run_id), run.run_id",
            &[&execution.name, &execution.id, &KEPT_DAYS],
        )
        .await
        .map_err(|error| failure("reading the run", &error))?;
    let mut facts = Vec::with_capacity(rows.len());
    for row in &rows {
        facts.push(of_row(client, row).await?);
    }
    Ok(facts)
}

async fn of_row(client: &Client, row: &Row) -> Result<RunFacts> {
    let count = |column: &str| row.get::<_, Option<i64>>(column).and_then(|n| u64::try_from(n).ok());
    let run_id: String = row.get("run_id");
    // A replay has no rejects of its own: it tries those of another run.
    let replay_of: Option<String> = row.get("replay_of");
    let causes = match &replay_of {
        None => rejects::causes(client, &run_id, None, SHOWN_CAUSES).await?,
        Some(of_run) => rejects::causes(client, of_run, Some(&run_id), SHOWN_CAUSES).await?,
    };
    Ok(RunFacts {
        table: row.get("table_name"),
        kind: RunKind::parse(row.get("kind"))?,
        group: row.get("group_id"),
        published: row.get("published"),
        objects_listed: count("objects_listed"),
        totals: ledger::totals(client, &run_id).await?,
        version_rows: count("version_rows"),
        seconds: row.get("seconds"),
        failed_attempts: row.get("failed_attempts"),
        version: row.get("to_version"),
        replaced_version: row.get("from_version"),
        backup: row.get("backup_table"),
        strategy: row.get("strategy"),
        staging: row.get("staging_table"),
        kept_until: row.get("kept_until"),
        failure: row
            .get::<_, Option<String>>("error_name")
            .map(|name| (name, row.get("error_message"), row.get("failed_state"))),
        failed: ledger::first_failed(client, &run_id, SHOWN_FAILURES).await?,
        replay: replay_of.map(|of_run| ReplayFacts {
            of_run,
            rows: count("rows").unwrap_or_default(),
            refused: count("refused").unwrap_or_default(),
            left: count("left_over").unwrap_or_default(),
        }),
        causes,
        run_id,
    })
}
