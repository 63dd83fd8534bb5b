//! What a load costs the database and the loader, beside the server's own COPY of a file
//! that holds the same rows.
//!
//! `cargo x measure lanes` runs this on a Postgres of its own, on the same machine. It is no test:
//! its figures are those of the machine.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that can't be made has failed"
)]

#[path = "../memory/peak.rs"]
mod peak;
#[path = "../../tests/steps/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the steps")]
mod world;

mod processor;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::peak::peak_mib;
use self::processor::Processor;
use self::world::World;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One COPY of the file that holds all rows, by the server.
    ServerFile,
    /// One COPY for each file, by the server.
    ServerFiles,
    /// The loader, with one object that holds all rows.
    Object { keep: bool },
    /// The loader, with an object for each file.
    Objects { keep: bool },
}

const WAYS: &[(&str, Way)] = &[
    ("server, one file", Way::ServerFile),
    ("server, each file", Way::ServerFiles),
    ("loader, one object", Way::Object { keep: false }),
    ("loader, one object, rejects kept", Way::Object { keep: true }),
    ("loader, each object", Way::Objects { keep: false }),
    ("loader, each object, rejects kept", Way::Objects { keep: true }),
];

/// What the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Types {
    /// As they are inferred: `numeric` for what has decimals.
    Inferred,
    /// The same, with `double precision` for `numeric`.
    Doubles,
    Texts,
}

const TYPES: &[(&str, Types)] =
    &[("typed", Types::Inferred), ("doubles", Types::Doubles), ("texts", Types::Texts)];

/// Files with the same header.
struct Files {
    header: String,
    names: Vec<PathBuf>,
    bodies: Vec<String>,
}

impl Files {
    /// Reads a folder, and takes each file so many times.
    fn read(folder: &Path, copies: usize) -> Self {
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.retain(|name| name.extension().is_some_and(|extension| extension == "csv"));
        let mut header = String::new();
        let mut bodies = Vec::new();
        for name in &names {
            let text = std::fs::read_to_string(name).unwrap();
            let (first, body) = text.split_once('\n').unwrap();
            first.clone_into(&mut header);
            bodies.push(body.to_owned());
        }
        let names = (0..copies).flat_map(|_| names.clone()).collect();
        let bodies = (0..copies).flat_map(|_| bodies.clone()).collect();
        Self { header, names, bodies }
    }

    fn one(&self) -> String {
        format!("{}\n{}", self.header, self.bodies.concat())
    }

    fn columns(&self) -> Vec<String> {
        self.header.split(',').map(|name| name.trim_matches('"').to_lowercase()).collect()
    }
}

struct Measured {
    took: Duration,
    client: Duration,
    server: Duration,
    rows: String,
}

/// Returns the columns that the definition names, with their types; none are inferred.
async fn columns(types: Types, files: &Files, one: &Path) -> Option<Value> {
    let of_type = |(name, sql_type)| json!({"name": name, "type": sql_type});
    match types {
        Types::Inferred => None,
        Types::Texts => {
            Some(files.columns().into_iter().map(|name| of_type((name, "text".to_owned()))).collect())
        }
        Types::Doubles => {
            let world = World::new().await;
            world.source.put("t/one.csv", std::fs::read(one).unwrap());
            world.prepare_with("r1", &json!({"table": "t"})).await.unwrap();
            let inferred = world
                .rows(
                    "select attname, format_type(atttypid, -1) from pg_attribute
                     where attrelid = (select format('dataimport.%I', staging_table) from loader.run)::regclass
                       and attnum > 0 order by attnum",
                )
                .await;
            world.end().await;
            let columns = inferred.iter().map(|row| {
                let (name, sql_type) = row.trim_matches(['(', ')']).split_once(',').unwrap();
                let sql_type = sql_type.trim_matches('"');
                let sql_type = if sql_type == "numeric" { "double precision" } else { sql_type };
                of_type((name.to_owned(), sql_type.to_owned()))
            });
            Some(columns.collect())
        }
    }
}

async fn measure(way: Way, files: &Files, one: &Path, columns: Option<&Value>, all_text: bool) -> Measured {
    let mut world = World::new().await;
    world.time = Duration::from_mins(30);
    // One Lambda's work is measured.
    world.part_bytes = u64::MAX;
    // As the template has them.
    (world.batch_max_bytes, world.batch_max_objects) = (128 << 20, 500);
    let keep = match way {
        Way::Objects { keep } => {
            for (number, body) in files.bodies.iter().enumerate() {
                world.source.put(&format!("t/{number}.csv"), format!("{}\n{body}", files.header));
            }
            keep
        }
        Way::Object { keep } => {
            world.source.put("t/one.csv", std::fs::read(one).unwrap());
            keep
        }
        // The types are inferred from it.
        Way::ServerFile | Way::ServerFiles => {
            world.source.put("t/one.csv", std::fs::read(one).unwrap());
            false
        }
    };
    let mut definition = json!({"engine": "stream", "on_reject": if keep { "keep" } else { "fail" }});
    if let Some(columns) = columns {
        definition["columns"] = columns.clone();
    }
    world.prepare_with("r1", &json!({"table": "t", "definition": definition})).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let staging = world.one("select staging_table from loader.run").await;
    let copy = |file: &Path| {
        format!(
            "copy dataimport.\"{staging}\" from '{}' with (format csv, header, force_null ({}))",
            file.display(),
            if all_text { String::new() } else { files.columns().join(", ") }
        )
        .replace(", force_null ()", "")
    };
    world.execute("checkpoint").await;
    let pid: u32 = world.one("select pg_backend_pid()").await.parse().unwrap();
    let before = Processor::now(pid);
    let begun = Instant::now();
    match way {
        Way::ServerFile => world.execute(&copy(one)).await,
        Way::ServerFiles => {
            for name in &files.names {
                world.execute(&copy(name)).await;
            }
        }
        Way::Object { .. } | Way::Objects { .. } => {
            for batch in &world.batches(&plan) {
                world.import(&plan, batch).await.unwrap();
            }
        }
    }
    let took = begun.elapsed();
    let (client, server) = Processor::now(pid).since(&before);
    let rows = world.one(&format!("select count(*) from dataimport.\"{staging}\"")).await;
    world.end().await;
    Measured { took, client, server, rows }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (mut folder, mut copies, mut rounds) = (PathBuf::from("../../tests/data/gsod"), 1_usize, 3_usize);
    let (mut only, mut only_types): (Option<String>, Option<String>) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--files" => folder = value().into(),
            "--copies" => copies = value().parse().unwrap(),
            "--rounds" => rounds = value().parse().unwrap(),
            "--only" => only = Some(value()),
            "--types" => only_types = Some(value()),
            // Cargo says so to every benchmark.
            "--bench" => {}
            other => panic!("{other} is none of --files, --copies, --rounds, --only, --types"),
        }
    }
    let files = Files::read(&folder, copies);
    let one = std::env::temp_dir().join(format!("loader-lanes-{}.csv", std::process::id()));
    let bytes = files.one();
    std::fs::write(&one, &bytes).unwrap();
    let mib = f64::from(u32::try_from(bytes.len() / 1024).unwrap()) / 1024.0;
    println!("{} files, {mib:.1} MiB", files.bodies.len());
    drop(bytes);
    for (title, types) in TYPES {
        if only_types.as_ref().is_some_and(|only| only != title) {
            continue;
        }
        let columns = columns(*types, &files, &one).await;
        println!(
            "\n| {title} | wall | of the limit | server | of the limit | client | client for a GB | rows |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        let mut limit = None;
        for (name, way) in WAYS {
            let is_wanted = |only: &String| name == only || *way == Way::ServerFile;
            if !only.as_ref().is_none_or(is_wanted) {
                continue;
            }
            let mut measured = Vec::new();
            for _ in 0..rounds {
                measured.push(
                    Box::pin(measure(*way, &files, &one, columns.as_ref(), *types == Types::Texts)).await,
                );
            }
            let of = |part: fn(&Measured) -> Duration| median(measured.iter().map(part).collect());
            let (wall, server, client) = (of(|m| m.took), of(|m| m.server), of(|m| m.client));
            let (least_wall, least_server) = *limit.get_or_insert((wall, server));
            println!(
                "| {name} | {wall:.2} s | {:.2} | {server:.2} s | {:.2} | {client:.2} s | {:.2} s | {} |",
                wall / least_wall,
                server / least_server,
                client / (mib / 1000.0 * 1.048_576),
                measured[0].rows
            );
        }
    }
    std::fs::remove_file(&one).unwrap();
    println!("\nPeak memory of this process, which holds the objects: {} MiB", peak_mib());
}
