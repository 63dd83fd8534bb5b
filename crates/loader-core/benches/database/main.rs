//! What the database's side of a load is worth: the kind of the staging table, when its
//! indexes are built, with how much memory and how many workers, and how much one
//! transaction holds.
//!
//! `cargo x measure database` runs this on a Postgres of its own, by itself. It is no test:
//! its figures are those of the machine.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that can't be made has failed"
)]

#[path = "../arguments/rows.rs"]
mod arguments;
#[path = "../../tests/steps/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the steps")]
mod world;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use self::arguments::Arguments;
use self::world::World;

const COLUMNS: &str = "id bigint, code bigint, at timestamp, station text, value double precision";
const INDEXES: &str = "create index on public.t (id); create index on public.t (code); \
                       create index on public.t (station, at)";

/// The objects that the rows are in where they are imported.
const OBJECTS: u64 = 1_000;

/// Statements before what is measured, and what is.
struct Case {
    name: &'static str,
    before: String,
    measured: String,
}

impl Case {
    fn new(name: &'static str, before: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { name, before: before.into(), measured: measured.into() }
    }
}

/// The ways to fill a table.
fn fillings(file: &Path) -> Vec<Case> {
    let copy = |with: &str| format!("copy public.t from '{}'{with}", file.display());
    let table = |kind: &str| format!("create {kind} table public.t ({COLUMNS})");
    vec![
        Case::new("logged", table(""), copy("")),
        Case::new("unlogged", table("unlogged"), copy("")),
        Case::new(
            "unlogged, then made logged",
            table("unlogged"),
            format!("{}; alter table public.t set logged", copy("")),
        ),
        Case::new(
            "logged, with freeze",
            table(""),
            format!("begin; truncate public.t; {}; commit", copy(" with (freeze)")),
        ),
        Case::new("logged, and vacuumed", table(""), format!("{}; ;vacuum public.t", copy(""))),
        Case::new(
            "logged, with freeze, and vacuumed",
            table(""),
            format!("begin; truncate public.t; {}; commit; ;vacuum public.t", copy(" with (freeze)")),
        ),
        Case::new("three indexes, then filled", format!("{}; {INDEXES}", table("")), copy("")),
        Case::new("filled, then three indexes", table(""), format!("{}; {INDEXES}", copy(""))),
    ]
}

/// A way to build the indexes of a table that is filled.
#[derive(Clone, Copy)]
struct Building {
    sessions: usize,
    memory: &'static str,
    workers: u32,
}

impl Building {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for sessions in [1, 2] {
            for memory in ["64MB", "96MB", "256MB", "1GB"] {
                all.extend([0, 2].map(|workers| Self { sessions, memory, workers }));
            }
        }
        all
    }

    fn name(self) -> String {
        let Self { sessions, memory, workers } = self;
        format!("{sessions} sessions, {memory} and {workers} workers each")
    }

    /// Builds the indexes; a session that has one takes the next, as in a load.
    async fn build(self, world: &World) -> Duration {
        let Self { memory, workers, .. } = self;
        let setting = format!(
            "set maintenance_work_mem = '{memory}'; set max_parallel_maintenance_workers = {workers}"
        );
        let mut clients = Vec::new();
        for _ in 0..self.sessions {
            let client = world.database.connect().await;
            client.batch_execute(&setting).await.unwrap();
            clients.push(client);
        }
        let queue = Mutex::new(INDEXES.split("; "));
        let begun = Instant::now();
        join_all(clients.iter().map(|client| async {
            loop {
                let next = queue.lock().unwrap().next();
                let Some(index) = next else { break };
                client.batch_execute(index).await.unwrap();
            }
        }))
        .await;
        begun.elapsed()
    }
}

/// What was measured: how long it took, and how many bytes were written ahead.
type Figures = Vec<(Duration, u64)>;

/// Measures the building of indexes on one table, by turns, the first round apart.
async fn measure_buildings(file: &Path, rounds: usize) {
    let world = World::new().await;
    let setup = format!(
        "create table public.t ({COLUMNS}); copy public.t from '{}'; analyze public.t",
        file.display()
    );
    world.execute(&setup).await;
    let mut measured: Vec<(Building, Figures)> =
        Building::all().into_iter().map(|building| (building, Vec::new())).collect();
    for round in 0..=rounds {
        for (building, figures) in &mut measured {
            let place = place(&world).await;
            let took = building.build(&world).await;
            if round > 0 {
                figures.push((took, written_since(&world, &place).await));
            }
            for index in world
                .rows("select indexrelid::regclass::text from pg_index where indrelid = 'public.t'::regclass")
                .await
            {
                world.execute(&format!("drop index {}", index.trim_matches(['(', ')']))).await;
            }
        }
    }
    world.end().await;
    title("building three indexes");
    let first = median(measured[0].1.clone()).0;
    for (building, figures) in measured {
        row(&building.name(), figures, first);
    }
}

/// Runs statements. A vacuum can't stand among others: two semicolons part it from them.
async fn run(world: &World, statements: &str) {
    for statement in statements.split("; ;") {
        world.execute(statement).await;
    }
}

fn median(mut figures: Figures) -> (f64, f64) {
    figures.sort_unstable();
    let (took, _) = figures[figures.len() / 2];
    let mut written: Vec<u64> = figures.iter().map(|(_, written)| *written).collect();
    written.sort_unstable();
    let mib = written[written.len() / 2] / 1024 / 1024;
    (took.as_secs_f64(), f64::from(u32::try_from(mib).unwrap()))
}

fn title(title: &str) {
    println!("\n| {title} | time | of the first | written ahead |\n|---|---|---|---|");
}

fn row(name: &str, figures: Figures, first: f64) {
    let (took, written) = median(figures);
    println!("| {name} | {took:.2} s | {:.2} | {written:.0} MiB |", took / first);
}

/// Has everything written to the disk, and returns where the log is.
async fn place(world: &World) -> String {
    world.execute("checkpoint").await;
    world.one("select pg_current_wal_lsn()").await
}

async fn written_since(world: &World, place: &str) -> u64 {
    world.one(&format!("select pg_wal_lsn_diff(pg_current_wal_lsn(), '{place}')")).await.parse().unwrap()
}

/// Measures the ways to fill a table, by turns. The first round is not counted: the server
/// makes the files of its log in it, which it uses again later.
async fn measure_fillings(file: &Path, rounds: usize) {
    let mut measured: Vec<(Case, Figures)> =
        fillings(file).into_iter().map(|case| (case, Vec::new())).collect();
    for round in 0..=rounds {
        for (case, figures) in &mut measured {
            let world = World::new().await;
            run(&world, &case.before).await;
            let place = place(&world).await;
            let begun = Instant::now();
            run(&world, &case.measured).await;
            if round > 0 {
                figures.push((begun.elapsed(), written_since(&world, &place).await));
            }
            world.end().await;
        }
    }
    title("filling");
    let first = median(measured[0].1.clone()).0;
    for (case, figures) in measured {
        row(case.name, figures, first);
    }
}

/// Measures the import of small objects with so many bytes in one transaction, by turns,
/// the first round apart.
async fn measure_groups(rows: u64, rounds: usize) {
    let mut measured = [1_u64, 4, 16, 64].map(|mebibytes| (mebibytes, Figures::new()));
    for round in 0..=rounds {
        for (mebibytes, figures) in &mut measured {
            let took = import(rows, *mebibytes << 20).await;
            if round > 0 {
                figures.push((took, 0));
            }
        }
    }
    println!("\n| bytes of a transaction | time | of the first |\n|---|---|---|");
    let first = median(measured[0].1.clone()).0;
    for (mebibytes, figures) in measured {
        let (took, _) = median(figures);
        println!("| {mebibytes} MiB | {took:.2} s | {:.2} |", took / first);
    }
}

/// Imports a thousand objects by one session.
async fn import(rows: u64, group_max_bytes: u64) -> Duration {
    let mut world = World::new().await;
    world.time = Duration::from_mins(30);
    (world.batch_max_bytes, world.batch_max_objects) = (1 << 30, 1_000_000);
    world.group_max_bytes = group_max_bytes;
    for object in 0..OBJECTS {
        let mut text = "id,code,at,station,value\n".to_owned();
        let first = object * (rows / OBJECTS);
        for number in first..first + rows / OBJECTS {
            line(&mut text, number, ',');
        }
        world.source.put(&format!("t/{object}.csv"), text);
    }
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    world.execute("checkpoint").await;
    let begun = Instant::now();
    world.import_all(&plan).await;
    let took = begun.elapsed();
    world.end().await;
    took
}

fn line(text: &mut String, number: u64, delimiter: char) {
    // Scattered, as most keys are.
    let code = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let (month, day, station, value) = (number % 12 + 1, number % 28 + 1, number % 977, number % 1_000);
    writeln!(
        text,
        "{number}{delimiter}{code}{delimiter}2021-{month:02}-{day:02} 12:00:00{delimiter}station {station}{delimiter}{value}.5"
    )
    .unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Arguments { rows, rounds, only } = Arguments::or(5_000_000, 3, &["filling", "building", "groups"]);
    let wants = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let file = std::env::temp_dir().join(format!("loader-database-{}.txt", std::process::id()));
    let mut text = String::new();
    for number in 0..rows {
        line(&mut text, number, '\t');
    }
    std::fs::write(&file, &text).unwrap();
    println!("{rows} rows, {} MiB", text.len() / 1024 / 1024);
    drop(text);
    if wants("filling") {
        measure_fillings(&file, rounds).await;
    }
    if wants("building") {
        measure_buildings(&file, rounds).await;
    }
    std::fs::remove_file(&file).unwrap();
    if wants("groups") {
        measure_groups(rows, rounds).await;
    }
}
