//! What it takes to plan very many objects: time, processor, memory, requests.
//!
//! `cargo x measure plan` runs this on a Postgres of its own. It is no test: its figures
//! are those of the machine. The bucket is made up: each page of its listing takes as long
//! as it is told to.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that can't be made has failed"
)]

#[path = "../memory/peak.rs"]
mod peak;
#[path = "../lanes/processor.rs"]
#[allow(dead_code, reason = "shared with another benchmark")]
mod processor;
#[path = "../../tests/steps/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the steps")]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use loader_core::definition::EngineChoice;
use loader_core::error::Result;
use loader_core::input::ExecutionInput;
use loader_core::plan::{Plan, PlanSettings, plan};
use loader_core::prepare::{PrepareSettings, prepare};
use loader_core::source::{
    ListingPage, ObjectHead, ObjectSource, ObjectVersion, OpenObject, WorkStore, WorkWriter,
};
use serde_json::json;

use self::peak::peak_mib;
use self::processor::Processor;
use self::world::{LEASE, World, execution};

/// Keys in one page, as S3 gives them.
const PAGE: u64 = 1_000;

/// How the keys look.
#[derive(Clone, Copy)]
enum Keys {
    /// They count up.
    Numbered,
    /// A folder a day, 4,000 objects in each.
    Days,
}

impl Keys {
    fn key(self, number: u64) -> String {
        match self {
            Self::Numbered => format!("t/part-{number:08}.csv"),
            Self::Days => {
                let day = number / 4_000;
                let (year, month, day) = (2000 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
                format!("t/{year}/{month:02}/{day:02}/station-{:05}-observations.csv", number % 4_000)
            }
        }
    }

    /// Counts the keys that are not behind one.
    fn up_to(self, key: &str, objects: u64) -> u64 {
        let (mut low, mut high) = (0, objects);
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle).as_str() <= key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// A bucket of made-up objects.
struct MadeUp {
    objects: u64,
    keys: Keys,
    page: Duration,
    in_order: bool,
    requests: AtomicU64,
}

impl MadeUp {
    async fn from(&self, first: u64) -> ListingPage {
        self.requests.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.page).await;
        let end = (first + PAGE).min(self.objects);
        let objects = (first..end)
            .map(|number| ObjectVersion {
                key: self.keys.key(number),
                etag: format!("{:032x}", u128::from(number) << 64 | 0x9e37_79b9),
                size: 40_000 + number % 10_000,
                version_id: None,
                last_modified: Some(1_700_000_000),
            })
            .collect();
        ListingPage { objects, next: (end < self.objects).then(|| end.to_string()) }
    }
}

#[async_trait]
impl ObjectSource for MadeUp {
    fn bucket(&self) -> &'static str {
        "made-up"
    }

    fn region(&self) -> &'static str {
        "eu-west-1"
    }

    fn lists_in_order(&self) -> bool {
        self.in_order
    }

    async fn list(&self, _: &str, continuation: Option<String>) -> Result<ListingPage> {
        Ok(self.from(continuation.map_or(0, |number| number.parse().unwrap())).await)
    }

    async fn list_after(&self, _: &str, after: &str) -> Result<ListingPage> {
        Ok(self.from(self.keys.up_to(after, self.objects)).await)
    }

    async fn head(&self, _: &str) -> Result<ObjectHead> {
        unreachable!("nobody asks")
    }

    async fn open(&self, object: &ObjectVersion, _: Option<u64>) -> Result<OpenObject> {
        let head = ObjectHead { etag: object.etag.clone(), size: object.size, content_encoding: None };
        Ok(OpenObject { head, body: Box::pin(stream::iter([Ok(Bytes::from_static(b"id\n1\n"))])) })
    }

    async fn open_from(&self, object: &ObjectVersion, _: u64) -> Result<OpenObject> {
        self.open(object, None).await
    }
}

/// A work bucket that keeps nothing but the plan's size.
#[derive(Default)]
struct Scale {
    bytes: Arc<AtomicU64>,
}

struct ScaleWriter(Arc<AtomicU64>);

#[async_trait]
impl WorkStore for Scale {
    fn bucket(&self) -> &'static str {
        "scale"
    }

    async fn read(&self, _: &str, _: usize) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn write(&self, _: &str) -> Result<Box<dyn WorkWriter>> {
        Ok(Box::new(ScaleWriter(Arc::clone(&self.bytes))))
    }
}

#[async_trait]
impl WorkWriter for ScaleWriter {
    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

async fn planned(world: &World, source: &MadeUp, work: &Scale) -> Plan {
    let settings = PlanSettings {
        lease: LEASE,
        max_concurrency: 4,
        database_cpus: 0,
        batch_max_bytes: 128 << 20,
        batch_max_objects: 500,
        part_bytes: 64 << 20,
    };
    let mut client = world.database.connect().await;
    plan(&mut client, source, work, "r1", &settings).await.unwrap()
}

async fn measure(name: &str, world: &World, source: &MadeUp) {
    // The peak begins anew (`man proc_pid_clear_refs`, Linux).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    source.requests.store(0, Ordering::Relaxed);
    let work = Scale::default();
    let session: u32 = world.one("pg_backend_pid()").await.parse().unwrap();
    let (begun, before) = (Instant::now(), Processor::now(session));
    let plan = planned(world, source, &work).await;
    let took = begun.elapsed();
    let (client, server) = Processor::now(session).since(&before);
    println!(
        "| {name} | {} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {} |",
        plan.objects_listed,
        took.as_secs_f64(),
        client.as_secs_f64(),
        server.as_secs_f64(),
        peak_mib(),
        source.requests.load(Ordering::Relaxed),
        plan.batches,
        work.bytes.load(Ordering::Relaxed) >> 20,
    );
}

async fn run(objects: u64, page: Duration, every: bool) {
    println!(
        "| Case | Objects | Seconds | Its CPU s | The server's | Peak MiB | Requests | Batches | Plan MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut cases = vec![("numbered keys", Keys::Numbered, true), ("a folder a day", Keys::Days, true)];
    if every {
        cases.push(("page after page", Keys::Numbered, false));
    }
    for (name, keys, in_order) in cases {
        let world = World::new().await;
        let source = MadeUp { objects, keys, page, in_order, requests: AtomicU64::new(0) };
        let settings = PrepareSettings { lease: LEASE, max_attempts: 3, engine: EngineChoice::Auto };
        let definition = json!({"columns": [{"name": "id", "type": "bigint"}], "engine": "stream"});
        let input = ExecutionInput::parse(&json!({"table": "t", "definition": definition})).unwrap();
        let mut client = world.database.connect().await;
        let work = Scale::default();
        prepare(&mut client, &source, &work, &input, &execution("r1"), &settings).await.unwrap();
        measure(name, &world, &source).await;
        if matches!(keys, Keys::Numbered) && in_order {
            // All but one are loaded: a new plan has to find that out.
            let loaded: Vec<String> = (0..objects - 1).map(|number| keys.key(number)).collect();
            for keys in loaded.chunks(50_000) {
                client
                    .execute(
                        "insert into loader.object (run_id, key, etag, size_bytes, batch, attempt, state, rows)
                         select 'r1', key, lpad(to_hex(substr(key, 8, 8)::bigint), 16, '0') || '000000009e3779b9',
                                1, 0, 1, 'loaded', 0 from unnest($1::text[]) as key",
                        &[&keys],
                    )
                    .await
                    .unwrap();
            }
            drop(loaded);
            client.batch_execute("analyze loader.object").await.unwrap();
            measure("all but one loaded already", &world, &source).await;
        }
        drop(client);
        world.end().await;
    }
}

/// As a Lambda has it: one thread.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (mut objects, mut page_ms, mut every) = (1_000_000, 80, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--objects" => objects = value().parse().unwrap(),
            "--page-ms" => page_ms = value().parse().unwrap(),
            "--every" => every = true,
            // Cargo says so to every benchmark.
            "--bench" => {}
            other => panic!("{other} is none of --objects, --page-ms, --every"),
        }
    }
    run(objects, Duration::from_millis(page_ms), every).await;
}
