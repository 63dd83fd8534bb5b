//! What bad rows cost: the import of one object by the stream engine, with rejects
//! kept, against the same object as it goes without.
//!
//! `cargo x measure rejects` runs this on a Postgres of its own. It is no test: its
//! figures are those of the machine.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that can't be made has failed"
)]

#[path = "../arguments/rows.rs"]
mod arguments;
#[path = "../memory/peak.rs"]
mod peak;
#[path = "../../tests/steps/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the steps")]
mod world;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use self::arguments::Arguments;
use self::peak::peak_mib;
use self::world::World;

/// A case: what it is called, which rows are bad, and whether rejects are kept.
struct Case {
    name: &'static str,
    is_bad: fn(u64, u64) -> bool,
    keeps: bool,
}

const CASES: &[Case] = &[
    Case { name: "clean, on_reject = fail", is_bad: |_, _| false, keeps: false },
    Case { name: "clean, on_reject = keep", is_bad: |_, _| false, keeps: true },
    Case { name: "1 bad row", is_bad: |number, rows| number == rows / 2, keeps: true },
    Case { name: "1 % bad rows, each at its place", is_bad: |number, _| number % 100 == 50, keeps: true },
    Case {
        name: "1 % bad rows, all at the end",
        is_bad: |number, rows| number * 100 > rows * 99,
        keeps: true,
    },
    Case { name: "100 % bad rows, 10 % tolerated", is_bad: |_, _| true, keeps: true },
];

fn object(rows: u64, is_bad: fn(u64, u64) -> bool) -> String {
    let mut text = "id,at,station,value,note\n".to_owned();
    for number in 1..=rows {
        let temperature =
            if is_bad(number, rows) { "n/a".to_owned() } else { format!("{}.{}", number % 60, number % 10) };
        writeln!(
            text,
            "{number},2021-{:02}-{:02} 12:00:00,station {},{temperature},\"a note of some length, quoted\"",
            number % 12 + 1,
            number % 28 + 1,
            number % 1_000
        )
        .unwrap();
    }
    text
}

struct Measured {
    took: Duration,
    rows: String,
    rejects: String,
}

async fn measure(case: &Case, rows: u64) -> Measured {
    let mut world = World::new().await;
    world.time = Duration::from_mins(30);
    // One Lambda's work is measured.
    world.part_bytes = u64::MAX;
    world.source.put("t/a.csv", object(rows, case.is_bad));
    let definition = json!({
        "engine": "stream",
        "on_reject": if case.keeps { "keep" } else { "fail" },
        "columns": [
            {"name": "id", "type": "bigint"}, {"name": "at", "type": "timestamp"}, {"name": "station", "type": "text"},
            {"name": "value", "type": "double precision"}, {"name": "note", "type": "text"},
        ],
    });
    world.prepare_with("r1", &json!({"table": "t", "definition": definition})).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let batch = &world.batches(&plan)[0];
    let begun = Instant::now();
    world.import(&plan, batch).await.unwrap();
    let took = begun.elapsed();
    let measured = Measured {
        took,
        rows: world.one("select coalesce(sum(rows), 0) from loader.object where state = 'loaded'").await,
        rejects: world.one("select count(*) from loader.rejected_row").await,
    };
    world.end().await;
    measured
}

/// An object of a line of 2 GB that is no more in memory than the longest row.
async fn endless_line() {
    let mut world = World::new().await;
    world.time = Duration::from_mins(30);
    // One Lambda's work is measured.
    world.part_bytes = u64::MAX;
    world.source.put_repeated("t/line.csv", "id,name\n1,one\n2,", vec![b'x'; 1 << 20], 2_048);
    let definition = json!({
        "engine": "stream", "on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100},
        "columns": [{"name": "id", "type": "bigint"}, {"name": "name", "type": "text"}],
    });
    world.prepare_with("r1", &json!({"table": "t", "definition": definition})).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let begun = Instant::now();
    world.import(&plan, &world.batches(&plan)[0]).await.unwrap();
    let kept = world.rows("select line, sqlstate from loader.rejected_row").await;
    println!(
        "A line of 2 GB: {:.1} s, rejected as {kept:?}, at most {} MiB so far\n",
        begun.elapsed().as_secs_f64(),
        peak_mib()
    );
    world.end().await;
}

#[tokio::main]
async fn main() {
    let Arguments { rows, rounds, .. } = Arguments::or(1_000_000, 3, &[]);
    let mut times: Vec<Vec<Measured>> = CASES.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (case, times) in CASES.iter().zip(&mut times) {
            let measured = measure(case, rows).await;
            eprintln!(
                "{round}: {}: {:.2} s, at most {} MiB so far",
                case.name,
                measured.took.as_secs_f64(),
                peak_mib()
            );
            times.push(measured);
        }
    }
    endless_line().await;
    let best = |times: &[Measured]| times.iter().map(|measured| measured.took).min().unwrap().as_secs_f64();
    let clean = best(&times[1]);
    println!(
        "| {rows} records | best of {rounds} | of clean with keep | rows | rejects kept |\n|---|---|---|---|---|"
    );
    for (case, times) in CASES.iter().zip(&times) {
        let took = best(times);
        println!(
            "| {} | {took:.2} s | {:.2} | {} | {} |",
            case.name,
            took / clean,
            times[0].rows,
            times[0].rejects
        );
    }
}
