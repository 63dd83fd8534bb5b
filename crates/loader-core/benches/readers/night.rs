//! A table in use, and the nights on which it is replaced.

use std::time::{Duration, Instant};

use loader_core::plan::Plan;
use loader_core::publish::{PublishSettings, publish};
use serde_json::json;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::figures::Latencies;
use crate::moments::Moments;
use crate::readers::{Read, Readers};
use crate::world::{LEASE, World};

/// Reads of this time are left out: connections and caches are cold.
const WARM_UP: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_secs(10);
/// How long after the publish its window ends.
const AFTERMATH: Duration = Duration::from_secs(2);
/// How long before the publish the report begins.
const REPORT_AHEAD: Duration = Duration::from_secs(1);

/// What the deployment sets by default.
const SETTINGS: PublishSettings =
    PublishSettings { lease: LEASE, lock_timeout_ms: 1_000, attempts: 60, versions_kept: 1 };

/// A live table of some size, with what hangs on it.
pub(crate) struct Live {
    world: World,
    rows: u64,
    role: String,
    nights: u32,
}

/// What one night has shown.
#[derive(Debug)]
pub(crate) struct Night {
    pub(crate) quiet: Latencies,
    pub(crate) building: Latencies,
    pub(crate) publishing: Latencies,
    pub(crate) build: Duration,
    /// The call of the publish, with all its tries.
    pub(crate) publish: Duration,
    pub(crate) tries: usize,
    /// The transaction that succeeded.
    pub(crate) transaction: Duration,
    /// Its part from the request of the readers' locks.
    pub(crate) locked: Duration,
    /// The longest time of all tries in which those locks were wanted or held.
    pub(crate) in_the_way: Duration,
    /// Reads that were under way in such a time.
    pub(crate) met: Latencies,
    /// What the other tries failed of.
    pub(crate) refusals: Vec<String>,
    /// How long after the commit the longest read of the publish's window was due,
    /// in milliseconds.
    pub(crate) longest_after_commit: f64,
    /// The machine's load when the publish began.
    pub(crate) load: f64,
}

impl Live {
    /// Fills a table, with indexes, a view, grants, and a table that refers to it.
    pub(crate) async fn create(rows: u64) -> Self {
        let mut world = World::new().await;
        world.time = Duration::from_hours(1);
        let role = format!("readers_{}_{rows}", std::process::id());
        world
            .execute(&format!(
                "create table public.readings (
                     id bigint not null, station integer not null, measured_at timestamptz not null,
                     value double precision, remark text);
                 insert into public.readings {};
                 alter table public.readings add constraint readings_pkey primary key (id);
                 create index readings_station on public.readings (station, measured_at);
                 create index readings_measured_at on public.readings (measured_at);
                 create view public.readings_in_celsius as
                     select id, station, (value - 32) / 1.8 as value from public.readings;
                 create table public.alarm (id bigint primary key, reading bigint not null references public.readings (id));
                 insert into public.alarm select n, n from generate_series(1, 1000) as n;
                 create index alarm_reading on public.alarm (reading);
                 create role {role};
                 grant select on public.readings, public.readings_in_celsius to {role};",
                rows_from(1, rows)
            ))
            .await;
        world.execute("vacuum (analyze) public.readings").await;
        Self { world, rows, role, nights: 0 }
    }

    /// Says what the server is.
    pub(crate) async fn server(&self) -> String {
        self.world
            .one("select format('PostgreSQL %s, fsync %s, shared_buffers %s', current_setting('server_version'), current_setting('fsync'), current_setting('shared_buffers'))")
            .await
    }

    /// Replaces the table once while it is read, and while a report reads it, if
    /// one does.
    pub(crate) async fn replace(&mut self, moments: &Moments, report: Option<Duration>) -> Night {
        self.nights += 1;
        let plan = self.load().await;
        let readers = Readers::start(self.world.database.url(), &self.role, self.rows).await;
        sleep(WARM_UP).await;
        let quiet = Instant::now();
        sleep(QUIET).await;
        let building = Instant::now();
        self.world.build(&plan).await.unwrap();
        let built = Instant::now();
        sleep(AFTERMATH).await;

        let mut client = self.world.database.connect().await;
        let reporter = match report {
            Some(lasts) => Some(self.report(lasts).await),
            None => None,
        };
        moments.forget();
        let load = load();
        let publishing = Instant::now();
        publish(&mut client, &plan.run_id, plan.attempt, &SETTINGS).await.unwrap();
        let published = Instant::now();
        sleep(AFTERMATH).await;
        let end = Instant::now();
        let reads = readers.stop().await;
        if let Some(reporter) = reporter {
            reporter.await.unwrap();
        }

        let committed = moments.last("the publish is committed");
        let mut ends = moments.all("the live table is in use: trying again");
        ends.push(committed);
        // A try may end before it wants the readers' locks.
        let ways: Vec<(Instant, Instant)> = moments
            .all("waiting for the readers to end")
            .into_iter()
            .filter_map(|from| Some((from, ends.iter().copied().find(|end| *end > from)?)))
            .collect();
        let met: Vec<&Read> = reads
            .iter()
            .filter(|read| ways.iter().any(|(from, to)| read.at < *to && read.at + read.latency > *from))
            .collect();
        let longest =
            reads.iter().filter(|read| (publishing..end).contains(&read.at)).max_by_key(|read| read.latency);
        let after_commit = |at: Instant| {
            at.saturating_duration_since(committed).as_secs_f64()
                - committed.saturating_duration_since(at).as_secs_f64()
        };
        let between = |from: Instant, to: Instant| {
            let reads: Vec<&Read> = reads.iter().filter(|read| (from..to).contains(&read.at)).collect();
            Latencies::of(&reads)
        };
        Night {
            quiet: between(quiet, building),
            building: between(building, built),
            publishing: between(publishing, end),
            build: built - building,
            publish: published - publishing,
            tries: moments.all("a try begins").len(),
            transaction: committed - moments.last("a try begins"),
            locked: committed - moments.last("waiting for the readers to end"),
            in_the_way: ways.iter().map(|(from, to)| *to - *from).max().unwrap_or_default(),
            met: Latencies::of(&met),
            refusals: moments.errors(),
            longest_after_commit: longest.map_or(f64::NAN, |read| 1_000.0 * after_commit(read.at)),
            load,
        }
    }

    /// Loads what will be published. All rows but one are made in the server: how
    /// they come into the staging table makes no difference to the publish.
    async fn load(&self) -> Plan {
        let run_id = format!("night-{}", self.nights);
        let header = "id,station,measured_at,value,remark";
        let row = "1,1,2024-01-01T00:00:01Z,1,reading 1";
        self.world.source.put("readings/all.csv", format!("{header}\n{row}\n"));
        let prepared = self.world.prepare_with(&run_id, &json!({"table": "readings"})).await.unwrap();
        let plan = self.world.plan(&run_id).await.unwrap();
        self.world.import_all(&plan).await;
        self.world
            .execute(&format!(
                "insert into dataimport.\"{}\" {};
                 update loader.object set rows = {} where run_id = '{run_id}' and state = 'loaded'",
                prepared.staging,
                rows_from(2, self.rows),
                self.rows
            ))
            .await;
        // The quiet time is to be quiet.
        self.world.execute("checkpoint").await;
        plan
    }

    /// Begins a report that holds on to the table.
    async fn report(&self, lasts: Duration) -> tokio::task::JoinHandle<()> {
        let client: Client = self.world.database.connect().await;
        client
            .batch_execute("begin; select count(*) from public.readings where id between 1 and 1000")
            .await
            .unwrap();
        sleep(REPORT_AHEAD).await;
        tokio::spawn(async move {
            sleep(lasts).await;
            client.batch_execute("commit").await.unwrap();
        })
    }

    pub(crate) async fn end(self) {
        let Self { world, role, .. } = self;
        world.execute(&format!("drop owned by {role}; drop role {role}")).await;
        world.end().await;
    }
}

/// Writes the query of rows with the keys from one to another.
fn rows_from(first: u64, last: u64) -> String {
    format!(
        "select n, n % 5000, '2024-01-01Z'::timestamptz + n * interval '1 second', n % 997, 'reading ' || n
           from generate_series({first}, {last}) as n"
    )
}

/// Reads the machine's load of the last minute.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}
