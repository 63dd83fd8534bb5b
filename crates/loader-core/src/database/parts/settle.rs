//! Makes of the parts of an object what becomes of the object.

use tokio_postgres::GenericClient;

use super::{Fate, Outcome, Work, big, judge, leave_whole};
use crate::database::failure::failure;
use crate::database::rejects::KEPT_OF_FAILED;
use crate::definition::rejects::{DEFAULT_PERCENT, OnReject, Rejects};
use crate::error::{Error, ErrorName, Result};
use crate::import::rows::share;
use crate::wording::{counted, grouped};

const DOING: &str = "adding up the parts of an object";

/// The parts of an object, with the lines and records that stand before each.
const PLACED: &str = "
    select part, head_lines + coalesce(sum(lines) over before, 0)::bigint as lines_before,
           coalesce(sum(rows + rejects) over before, 0)::bigint as records_before
      from loader.object_part where run_id = $1 and key = $2
    window before as (order by part rows between unbounded preceding and 1 preceding)";

/// Judges the parts of an object that have an outcome so far, and records what becomes of
/// it. It holds the object's row until the commit: of two parts that commit at once, the
/// second one sees the first.
///
/// Returns whether the object is loaded now.
///
/// # Errors
/// Those of the database.
pub async fn settle(client: &impl GenericClient, work: &Work<'_>, rejects: &Rejects) -> Result<bool> {
    let Work { run_id, attempt, batch, object, part } = work;
    let row = client
        .query_one(
            "insert into loader.object as held
                    (run_id, key, etag, version_id, size_bytes, batch, attempt, state)
             values ($1, $2, $3, $4, $5, $6, $7, 'loading')
             on conflict (run_id, key) do update
                set state = case when held.state = 'failed' and held.attempt < excluded.attempt
                                 then excluded.state else held.state end,
                    attempt = excluded.attempt
             returning state",
            &[run_id, &object.key, &object.etag, &object.version_id, &big(object.size), batch, attempt],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    if row.get::<_, &str>(0) != "loading" {
        return Ok(false);
    }
    match judge(&outcomes(client, work).await?, part.of, object.size) {
        Fate::Open => Ok(false),
        Fate::Failed(number) => fail(client, work, number).await.map(|()| false),
        Fate::Refused(why) => refuse(client, work, &why).await.map(|()| false),
        Fate::Whole => match over_limits(client, work, rejects).await? {
            Some(error) => {
                record(client, work, &error).await?;
                move_rejects(client, work, None, Some(KEPT_OF_FAILED)).await?;
                Ok(false)
            }
            None => complete(client, work).await.map(|()| true),
        },
    }
}

async fn outcomes(client: &impl GenericClient, work: &Work<'_>) -> Result<Vec<Outcome>> {
    let rows = client
        .query(
            "select part, first_at, end_at, error_name, coalesce(is_certain, false) from loader.object_part
              where run_id = $1 and key = $2 and etag = $3 and finished_at is not null",
            &[&work.run_id, &work.object.key, &work.object.etag],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    let place = |at: Option<i64>| at.and_then(|at| u64::try_from(at).ok());
    Ok(rows
        .iter()
        .map(|row| Outcome {
            number: u32::try_from(row.get::<_, i32>(0)).unwrap_or_default(),
            first_at: place(row.get(1)),
            end_at: place(row.get(2)),
            failed: row
                .get::<_, Option<&str>>(3)
                .map(|name| ErrorName::parse(name).unwrap_or(ErrorName::Internal)),
            is_certain: row.get(4),
        })
        .collect())
}

async fn complete(client: &impl GenericClient, work: &Work<'_>) -> Result<()> {
    move_rejects(client, work, None, None).await?;
    client
        .execute(
            "delete from loader.part_reject where run_id = $1 and key = $2",
            &[&work.run_id, &work.object.key],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    client
        .execute(
            "update loader.object as held
                set state = 'loaded', rows = all_of.rows, rejects = all_of.rejects, engine = 'stream',
                    reason = format('loaded in %s parts; %s', all_of.parts, all_of.reason),
                    dialect = all_of.dialect, header = all_of.header, started_at = all_of.started_at,
                    finished_at = clock_timestamp()
               from (select count(*) as parts, sum(rows)::bigint as rows, sum(rejects)::bigint as rejects,
                            min(reason) as reason, min(started_at) as started_at,
                            (array_agg(dialect) filter (where dialect is not null))[1] as dialect,
                            (array_agg(header) filter (where header is not null))[1] as header
                       from loader.object_part where run_id = $1 and key = $2) as all_of
              where held.run_id = $1 and held.key = $2",
            &[&work.run_id, &work.object.key],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure(DOING, &error))
}

/// Records the failure of a part as its object's, with its true line. The rejects are
/// those up to there.
async fn fail(client: &impl GenericClient, work: &Work<'_>, number: u32) -> Result<()> {
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    let row = client
        .query_one(
            &format!(
                "with placed as ({PLACED}),
                 failed as (
                     select part.*, case when part.is_certain then 0 else placed.lines_before end as lines_before
                       from loader.object_part as part join placed using (part)
                      where part.run_id = $1 and part.key = $2 and part.part = $3)
                 update loader.object as held
                    set state = 'failed', error_name = failed.error_name, error_message = failed.error_message,
                        error_line = failed.error_line + failed.lines_before,
                        error_column = failed.error_column, sqlstate = failed.sqlstate,
                        rejects = case when failed.is_certain then 0 else
                            (select coalesce(sum(rejects), 0) from loader.object_part
                              where run_id = $1 and key = $2 and part <= $3) end,
                        finished_at = clock_timestamp()
                   from failed where held.run_id = $1 and held.key = $2
                 returning failed.is_certain"
            ),
            &[&work.run_id, &work.object.key, &number],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    // Else it is not known how many lines stand before it.
    if row.get(0) { Ok(()) } else { move_rejects(client, work, Some(number), Some(KEPT_OF_FAILED)).await }
}

/// Records that the parts are not the object: the next plan loads it as a whole, into an
/// empty table.
async fn refuse(client: &impl GenericClient, work: &Work<'_>, why: &str) -> Result<()> {
    let said = client
        .query_opt(
            "select error_message from loader.object_part
              where run_id = $1 and key = $2 and error_name = $3 order by part limit 1",
            &[&work.run_id, &work.object.key, &ErrorName::Unreconciled.as_str()],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    let said: Option<String> = said.map(|row| row.get(0));
    let why = said.as_deref().filter(|_| why.is_empty()).unwrap_or(why);
    tracing::warn!(
        run.id = work.run_id,
        object.key = work.object.key,
        why,
        "an object can't be loaded in parts"
    );
    leave_whole(client, work.run_id, &[(work.object, why.to_owned())]).await?;
    let message = format!("the object can't be loaded in parts, and a new plan loads it as a whole: {why}");
    record(client, work, &Error::new(ErrorName::Unreconciled, message)).await
}

async fn record(client: &impl GenericClient, work: &Work<'_>, error: &Error) -> Result<()> {
    client
        .execute(
            "update loader.object
                set state = 'failed', error_name = $3, error_message = $4, finished_at = clock_timestamp()
              where run_id = $1 and key = $2",
            &[&work.run_id, &work.object.key, &error.name.as_str(), &error.message],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure(DOING, &error))
}

/// Makes rejects of the object of those of its parts, up to a part, with their true lines
/// and numbers.
async fn move_rejects(
    client: &impl GenericClient,
    work: &Work<'_>,
    up_to: Option<i32>,
    most: Option<usize>,
) -> Result<()> {
    client
        .execute(
            &format!(
                "with placed as ({PLACED})
                 insert into loader.rejected_row
                        (run_id, key, etag, line, record_number, column_name, constraint_name, sqlstate,
                         error_message, row_text, row_cut)
                 select $1, $2, rejected.etag, rejected.line + placed.lines_before,
                        rejected.record_number + placed.records_before, rejected.column_name,
                        rejected.constraint_name, rejected.sqlstate, rejected.error_message,
                        rejected.row_text, rejected.row_cut
                   from loader.part_reject as rejected join placed using (part)
                  where rejected.run_id = $1 and rejected.key = $2
                    and ($3::int is null or rejected.part <= $3)
                  order by rejected.part, rejected.line limit $4
                 on conflict (run_id, key, line) do nothing"
            ),
            &[&work.run_id, &work.object.key, &up_to, &most.map(|most| big(most as u64))],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("keeping rejected rows", &error))
}

/// Returns the error of an object of which too many records were rejected.
async fn over_limits(
    client: &impl GenericClient,
    work: &Work<'_>,
    rejects: &Rejects,
) -> Result<Option<Error>> {
    if rejects.on_reject == OnReject::Fail {
        return Ok(None);
    }
    let row = client
        .query_one(
            "select coalesce(sum(rows), 0)::bigint, coalesce(sum(rejects), 0)::bigint
               from loader.object_part where run_id = $1 and key = $2",
            &[&work.run_id, &work.object.key],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
    let (records, rejected) = (number(0) + number(1), number(1));
    let limits = rejects.limits;
    let percent = limits.object_percent.unwrap_or(DEFAULT_PERCENT);
    let tolerated = match limits.object_rows {
        Some(rows) if rejected > rows => {
            format!("{} are tolerated in an object (reject_limits.object_rows)", grouped(rows))
        }
        _ if rejected > share(records, percent) => {
            format!("{percent} % are tolerated in an object (reject_limits.object_percent)")
        }
        _ => return Ok(None),
    };
    let message = format!(
        "{} of the object's {} were rejected, and {tolerated}",
        grouped(rejected),
        counted(records, "record", "records")
    );
    Ok(Some(Error::new(ErrorName::TooManyRejects, message)))
}
