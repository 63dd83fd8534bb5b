//! How long readers are held up while a table is replaced, and whether they notice.
//!
//! `cargo x measure readers` runs this on a Postgres of its own, with `fsync` on.
//! It is no test: it takes minutes, and its figures are those of the machine.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a measurement that can't be made has failed"
)]

mod figures;
mod moments;
mod night;
mod readers;
#[path = "../../tests/steps/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the steps")]
mod world;

use std::time::Duration;

use self::figures::Findings;
use self::moments::Moments;
use self::night::Live;

/// What is measured.
#[derive(Debug, Clone)]
struct Settings {
    /// The sizes of the table, in rows.
    rows: Vec<u64>,
    /// How often each case is measured.
    rounds: u32,
    /// How long the report stays open after the publish has begun.
    report: Duration,
}

impl Settings {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut settings =
            Self { rows: vec![1_000_000, 10_000_000], rounds: 3, report: Duration::from_secs(10) };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--rows" => settings.rows = value().split(',').map(|rows| rows.parse().unwrap()).collect(),
                "--rounds" => settings.rounds = value().parse().unwrap(),
                "--report-seconds" => settings.report = Duration::from_secs(value().parse().unwrap()),
                // Cargo says so to every benchmark.
                "--bench" => {}
                other => panic!("{other} is none of --rows, --rounds, --report-seconds"),
            }
        }
        settings
    }
}

#[tokio::main]
async fn main() {
    let settings = Settings::parse(std::env::args().skip(1));
    let moments = Moments::listen();
    let mut findings = Findings::default();
    for &rows in &settings.rows {
        let mut live = Live::create(rows).await;
        findings.server = live.server().await;
        for round in 1..=settings.rounds {
            for report in [None, Some(settings.report)] {
                let night = live.replace(&moments, report).await;
                eprintln!("{}", night.line(rows, round));
                findings.add(rows, report, night);
            }
        }
        live.end().await;
    }
    println!("{}", findings.markdown());
    assert_eq!(findings.failed(), 0, "no read fails");
}
