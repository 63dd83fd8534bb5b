//! What a load would do, found out without doing it.

use std::sync::Arc;
use std::time::Duration;

use loader_core::definition::EngineChoice;
use loader_core::dry_run::{DryRunSettings, Report, dry_run};
use loader_core::error::{ErrorName, Result};
use loader_core::input::Input;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::World;

/// Everything that a database has, but for what the system has.
const EVERYTHING: &str = "select string_agg(what, E'\\n' order by what) from (
    select format('%s %s %s', relnamespace::regnamespace, relname, xmin) as what from pg_class
     where relnamespace::regnamespace::text !~ '^pg_|information_schema'
    union all select format('%s %s', nspname, xmin) from pg_namespace where nspname !~ '^pg_'
    union all select format('%s %s', oid::regprocedure, xmin) from pg_proc
     where pronamespace::regnamespace::text !~ '^pg_|information_schema') as things";

impl World {
    async fn dry_run(&self, input: Value) -> Result<Report> {
        let mut fields = input;
        fields["dry_run"] = json!(true);
        let Input::DryRun(input) = Input::parse(&fields)? else { panic!("a dry run") };
        let settings = DryRunSettings { engine: EngineChoice::Auto, max_concurrency: 2 };
        let mut client = self.database.connect().await;
        let deadline = Instant::now() + Duration::from_mins(10);
        let source = Arc::clone(&self.source) as _;
        dry_run(&mut client, source, self.work.as_ref(), &input, &settings, deadline).await
    }

    /// Takes a dry run and sees to it that nothing has changed.
    async fn rehearsed(&self, input: Value) -> Report {
        let before = self.one(EVERYTHING).await;
        let report = self.dry_run(input).await.unwrap();
        assert_eq!(self.one(EVERYTHING).await, before);
        report
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_inferred_read_and_left_as_it_is() {
    let world = World::new().await;
    world.put_three();
    world.source.put("t/_SUCCESS", "");
    world.source.put("t/empty.csv", "");
    let report = world.rehearsed(json!({"table": "t"})).await;
    assert!(report.read.everything && report.dry_run && report.delivery.complete);
    assert_eq!((report.objects.listed, report.objects.to_load, report.objects.rows), (5, 3, 5));
    assert_eq!((report.objects.skipped, report.rejects.rows), (2, 0));
    assert_eq!(
        report.summary,
        "3 objects with 5 rows in 61 bytes; 0 of 5 rows that were read would be refused (0 %); the run would succeed, as far as this can be known without it. Nothing was changed."
    );
    let definition = report.definition.unwrap();
    let columns: Vec<&str> = definition.columns.iter().map(|column| column.sql_type.as_str()).collect();
    assert_eq!(columns, ["bigint", "text"]);
    assert_eq!(report.publish.strategy.as_deref(), Some("rename"));
    assert!(report.prediction.unwrap().said.starts_with("a prediction"));
    assert!(!world.exists("loader.run").await, "not even the control tables stay");
    world.end().await;
}

#[tokio::test]
async fn a_dry_run_while_somebody_creates_the_control_tables_waits_for_them() {
    let world = World::new().await;
    world.put_three();
    let mut other = world.database.connect().await;
    let creation = other.transaction().await.unwrap();
    // What a first run does, stopped half-way.
    creation
        .batch_execute(
            "select pg_advisory_xact_lock(7305808869235); create schema loader; create schema dataimport",
        )
        .await
        .unwrap();
    let waits = "select exists (select 1 from pg_locks join pg_database as d on d.oid = database
                                 where datname = current_database() and locktype = 'advisory' and not granted)";
    let (report, ()) = tokio::join!(world.dry_run(json!({"table": "t"})), async {
        while world.one(waits).await != "true" {
            tokio::task::yield_now().await;
        }
        creation.commit().await.unwrap();
    });
    assert_eq!(report.unwrap().objects.rows, 5);
    world.end().await;
}

#[tokio::test]
async fn rows_that_would_be_refused_are_counted_by_cause_with_their_places() {
    let world = World::new().await;
    world
        .execute("create table public.t (id int primary key, name varchar(5) not null, check (id < 100))")
        .await;
    world.put_three();
    world.source.put("t/bad.csv", "id,name\nsix,6\n7,sevens\n8,\n900,nine\nten,10\n11\n12,\"twelve\n");
    let input =
        json!({"table": "t", "definition": {"on_reject": "keep", "reject_limits": {"run_percent": 5.0}}});
    let report = world.rehearsed(input).await;
    let causes: Vec<(Option<&str>, Option<&str>, u64, String)> = report
        .rejects
        .causes
        .iter()
        .map(|cause| (cause.column.as_deref(), cause.sqlstate.as_deref(), cause.rows, cause.places.join(" ")))
        .collect();
    for expected in [
        (Some("id"), Some("22P02"), 2, "t/bad.csv:2 t/bad.csv:6".to_owned()),
        (Some("name"), Some("22001"), 1, "t/bad.csv:3".to_owned()),
        (Some("name"), Some("23502"), 1, "t/bad.csv:4".to_owned()),
        (None, Some("23514"), 1, "t/bad.csv:5".to_owned()),
        (None, Some("22P04"), 1, "t/bad.csv:7".to_owned()),
        (None, Some("22P04"), 1, "t/bad.csv:8".to_owned()),
    ] {
        assert!(causes.contains(&expected), "{expected:?} in {causes:?}");
    }
    assert_eq!((report.read.rows, report.rejects.rows), (12, 7));
    assert_eq!(report.failed_objects[0].error, "Loader.TooManyRejects");
    assert!(
        report.summary.contains("the run would FAIL: 1 object would fail, and 0 are tolerated"),
        "{}",
        report.summary
    );
    assert!(report.summary.contains("7 rows would be rejected"), "{}", report.summary);
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("sevens") && !json.contains("twelve"), "no values");
    world.end().await;
}

#[tokio::test]
async fn objects_that_would_fail_are_named_and_the_others_are_read() {
    let world = World::new().await;
    world.put_three();
    world.source.put("t/d.csv", "id,nmae\n1,x\n");
    world.source.put("t/e.csv", "id,name\nx,x\n");
    world.execute("create table public.t (id int, name text)").await;
    let report = world.rehearsed(json!({"table": "t", "definition": {"tolerated_failed_objects": 2}})).await;
    let failed: Vec<(&str, &str)> =
        report.failed_objects.iter().map(|object| (object.key.as_str(), object.error.as_str())).collect();
    assert_eq!(failed, [("t/e.csv", "Loader.BadRow"), ("t/d.csv", "Loader.HeaderMismatch")]);
    assert_eq!(report.read.rows, 6);
    assert!(report.summary.contains("PARTIAL"), "{}", report.summary);
    world.end().await;
}

#[tokio::test]
async fn what_was_sniffed_is_told_with_its_doubts_and_half_a_delivery_is_said_to_be_one() {
    let world = World::new().await;
    world.source.put("t/a.csv", "id;name;day\n1;one;31.01.2022\n2;two;01.02.2022\n3;three;02.02.2022\n");
    world
        .source
        .put("t/b.csv", "id\tname\tday\n1\tone\t31.01.2022\n2\ttwo\t01.02.2022\n3\tthree\t02.02.2022\n");
    let input = json!({"table": "t", "definition": {"dialect": "auto", "delivery": {"marker": "_SUCCESS"}}});
    let report = world.rehearsed(input).await;
    let mut delimiters: Vec<&str> =
        report.dialects.iter().map(|dialect| dialect.dialect.delimiter.as_str()).collect();
    delimiters.sort_unstable();
    assert_eq!(delimiters, ["\t", ";"]);
    assert!(report.dialects.iter().all(|dialect| !dialect.found.is_empty()), "{:?}", report.dialects);
    assert!(!report.delivery.complete);
    assert!(report.delivery.missing.unwrap().contains("_SUCCESS"));
    assert!(report.summary.starts_with("a load would wait for the delivery"), "{}", report.summary);
    world.end().await;
}

#[tokio::test]
async fn a_dry_run_beside_a_run_holds_nobody_up() {
    let world = World::new().await;
    world.put_three();
    world.run("r1", &json!({"table": "t"})).await.unwrap();
    world.prepare("r2").await.unwrap();
    let plan = world.plan("r2").await.unwrap();
    let report = world.rehearsed(json!({"table": "t"})).await;
    assert_eq!(report.read.rows, 5);
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(world.one("select count(*) from loader.run").await, "2");
    world.end().await;
}

#[tokio::test]
async fn what_ends_a_load_before_it_begins_ends_a_dry_run() {
    let world = World::new().await;
    for (input, name) in [
        (json!({"table": "t"}), ErrorName::NoObjects),
        (json!({"table": "t", "definition": {"engine": "aws_s3"}}), ErrorName::ExtensionMissing),
        (
            json!({"table": "t", "definition": {"columns": [{"name": "a", "type": "nothing"}]}}),
            ErrorName::InvalidDefinition,
        ),
    ] {
        assert_eq!(world.dry_run(input).await.unwrap_err().name, name);
    }
    world.end().await;
}
