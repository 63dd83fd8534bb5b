//! Any schema stays: random tables with random things on them are replaced, and the
//! catalog is the same afterwards.

mod column;
mod made;
mod schema;
mod thing;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use self::schema::{Schema, schema};
use crate::live::Live;
use crate::snapshot::Snapshot;

/// How many schemas are tried, unless the variable says another number.
const CASES: u32 = 16;
const CASES_VARIABLE: &str = "CATALOG_CASES";

/// Each trial replaces a real table: the simplest schema that fails is looked for,
/// but not for ever.
const MOST_TRIALS_TO_SIMPLIFY: u32 = 150;

#[test]
fn any_schema_stays() {
    with_any_schema(cases(), &async |live, schema| {
        let before = Snapshot::take(&live.world).await;
        for version in 1..=2 {
            live.put(&schema.csv(version));
            live.replace().await.map_err(|error| format!("publish {version}: {error}"))?;
            before.unchanged(&live.world, &format!("after publish {version}")).await?;
            has_rows(live, schema, version).await?;
        }
        live.roll_back().await.map_err(|error| format!("the rollback: {error}"))?;
        before.unchanged(&live.world, "after the rollback").await?;
        has_rows(live, schema, 1).await
    });
}

#[test]
fn any_schema_can_be_made_and_its_dump_is_stable() {
    with_any_schema(cases() / 4, &async |live, schema| {
        let before = Snapshot::take(&live.world).await;
        before.unchanged(&live.world, "with nothing done").await?;
        has_rows(live, schema, 0).await
    });
}

fn cases() -> u32 {
    std::env::var(CASES_VARIABLE).map_or(CASES, |number| number.parse().unwrap())
}

/// Makes random schemas and tries each; the simplest one that fails is shown.
fn with_any_schema(cases: u32, trial: &impl AsyncFn(&mut Live, &Schema) -> Result<(), String>) {
    let config = Config {
        cases,
        max_shrink_iters: MOST_TRIALS_TO_SIMPLIFY,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = TestRunner::new(config).run(&schema(), |schema| {
        runtime.block_on(make_and_try(&schema, trial)).map_err(|why| {
            let script = schema.statements().join(";\n");
            TestCaseError::fail(format!("{why}\n\nthe schema:\n{script};\n"))
        })
    });
    match outcome {
        Ok(()) => {}
        // The schema is in the reason; the value says the same in other words.
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(error) => panic!("{error}"),
    }
}

async fn make_and_try(
    schema: &Schema,
    trial: &impl AsyncFn(&mut Live, &Schema) -> Result<(), String>,
) -> Result<(), String> {
    let mut live = Live::new(schema.table()).await;
    let outcome = match made(&live, schema).await {
        Ok(()) => trial(&mut live, schema).await,
        refused => refused,
    };
    live.end().await;
    outcome
}

async fn made(live: &Live, schema: &Schema) -> Result<(), String> {
    for statement in schema.statements() {
        live.world
            .client
            .batch_execute(&statement)
            .await
            .map_err(|error| format!("a statement of the schema is refused: {statement}: {error:?}"))?;
    }
    Ok(())
}

async fn has_rows(live: &Live, schema: &Schema, version: usize) -> Result<(), String> {
    let rows =
        live.world.client.query(&schema.rows_query(), &[]).await.map_err(|error| format!("{error:?}"))?;
    let rows: Vec<Vec<Option<String>>> = rows.iter().map(|row| row.get(0)).collect();
    let expected = schema.rows(version);
    if rows == expected {
        return Ok(());
    }
    Err(format!("version {version} has other rows:\n  expected {expected:?}\n  found    {rows:?}"))
}
