//! How far a run is, as the control tables tell it.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

/// How often a log gets a line where no terminal shows one.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(2);

/// All that is asked of the control tables while a run goes on.
const QUERY: &str = "
    select run.state,
           run.attempt,
           coalesce(run.batches, 0),
           coalesce(run.objects_to_load, 0),
           coalesce(run.bytes_to_load, 0),
           count(distinct object.batch) filter (where object.attempt = run.attempt),
           count(object.key) filter (where object.attempt = run.attempt),
           coalesce(sum(object.size_bytes) filter (where object.attempt = run.attempt), 0)::bigint,
           coalesce(sum(object.rows), 0)::bigint
    from loader.run as run
    left join loader.object as object using (run_id)
    where run.run_id = $1
    group by run.run_id";

/// A run's counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    state: String,
    attempt: i32,
    batches: i32,
    objects: i64,
    bytes: i64,
    batches_begun: i64,
    objects_done: i64,
    bytes_done: i64,
    rows: i64,
}

impl Progress {
    /// Reads the counts, or nothing while the run has not begun.
    pub(crate) async fn read(client: &tokio_postgres::Client, run_id: &str) -> anyhow::Result<Option<Self>> {
        let row = match client.query_opt(QUERY, &[&run_id]).await {
            Ok(row) => row,
            // The first run of all creates the control tables.
            Err(error)
                if matches!(
                    error.code(),
                    Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)
                ) =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Self {
            state: row.try_get(0)?,
            attempt: row.try_get(1)?,
            batches: row.try_get(2)?,
            objects: row.try_get(3)?,
            bytes: row.try_get(4)?,
            batches_begun: row.try_get(5)?,
            objects_done: row.try_get(6)?,
            bytes_done: row.try_get(7)?,
            rows: row.try_get(8)?,
        }))
    }

    /// Describes the counts in one line, after so much time.
    pub(crate) fn line(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64().max(0.001);
        let attempt = if self.attempt > 1 { format!(", attempt {}", self.attempt) } else { String::new() };
        if self.objects == 0 {
            return format!("{}{attempt}, {seconds:.1} s", self.state);
        }
        format!(
            "{}{attempt}: batch {} of {}, {} of {} objects, {} rows, {} rows/s, {}",
            self.state,
            self.batches_begun,
            self.batches,
            grouped(self.objects_done),
            grouped(self.objects),
            grouped(self.rows),
            grouped(per_second(self.rows, seconds)),
            self.time_left(seconds),
        )
    }

    /// Bytes tell the remaining time better than objects: those differ in size.
    fn time_left(&self, seconds: f64) -> String {
        if self.bytes_done == 0 || self.bytes_done >= self.bytes {
            return format!("{seconds:.1} s");
        }
        let left = seconds * as_float(self.bytes - self.bytes_done) / as_float(self.bytes_done);
        format!("{left:.0} s left")
    }
}

fn per_second(count: i64, seconds: f64) -> i64 {
    let rate = as_float(count) / seconds;
    // A rate for the eye: a fraction of a row says nothing.
    #[allow(clippy::cast_possible_truncation)]
    let rate = rate as i64;
    rate
}

/// Rates and times for the eye need no more digits than a float has.
#[allow(clippy::cast_precision_loss)]
fn as_float(count: i64) -> f64 {
    count as f64
}

/// Writes a number with its thousands apart.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Shows the progress: one line that changes on a terminal, some lines elsewhere.
pub(crate) struct ProgressLine {
    started: Instant,
    is_terminal: bool,
    last: Option<(Progress, Instant)>,
}

impl ProgressLine {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), is_terminal: std::io::stderr().is_terminal(), last: None }
    }

    /// Shows the counts if they have changed.
    pub(crate) fn show(&mut self, progress: Progress) {
        let now = Instant::now();
        let shown = self.last.as_ref();
        let is_due = shown.is_none_or(|(last, at)| {
            *last != progress
                && (self.is_terminal || last.state != progress.state || now - *at > PLAIN_LINE_EVERY)
        });
        if !is_due {
            return;
        }
        let line = progress.line(self.started.elapsed());
        let mut out = std::io::stderr();
        // Nothing depends on the line: a closed terminal must not end the run.
        if self.is_terminal {
            write!(out, "\r\x1b[2K  {line}").and_then(|()| out.flush()).ok();
        } else {
            writeln!(out, "  {line}").ok();
        }
        self.last = Some((progress, now));
    }

    /// Ends the line and returns how long it all took.
    pub(crate) fn finish(self) -> Duration {
        if self.is_terminal && self.last.is_some() {
            eprintln!();
        }
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_done_how_fast_and_how_long_it_still_takes() {
        let progress = Progress {
            state: "loading".to_owned(),
            attempt: 1,
            batches: 4,
            objects: 1_200,
            bytes: 4_000,
            batches_begun: 2,
            objects_done: 300,
            bytes_done: 1_000,
            rows: 50_000,
        };
        assert_eq!(
            progress.line(Duration::from_secs(2)),
            "loading: batch 2 of 4, 300 of 1,200 objects, 50,000 rows, 25,000 rows/s, 6 s left"
        );
    }

    #[test]
    fn a_run_without_a_plan_has_no_rate() {
        let progress = Progress { state: "preparing".to_owned(), attempt: 2, ..Progress::default() };
        assert_eq!(progress.line(Duration::from_millis(1500)), "preparing, attempt 2, 1.5 s");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(-1_234_567), "-1,234,567");
        assert_eq!(grouped(123), "123");
    }
}
