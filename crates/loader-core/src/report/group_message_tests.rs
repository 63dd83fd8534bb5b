use super::*;
use crate::cleanup::Failure;
use crate::database::ledger::{FailedObject, Totals};
use crate::input::Execution;

fn occasion(outcome: Outcome, failure: Option<Failure>) -> Occasion {
    Occasion {
        outcome,
        execution: Execution {
            id: "arn:aws:states:eu-west-1:123456789012:execution:load:night".to_owned(),
            name: "night".to_owned(),
            start_time: None,
        },
        table: None,
        tables: vec!["dim_store".to_owned(), "fact_sales".to_owned()],
        kind: RunKind::Load,
        failure,
    }
}

fn failure(error: &str, message: &str, state: &str) -> Failure {
    Failure { error: error.to_owned(), message: message.to_owned(), state: state.to_owned() }
}

fn run(number: usize, table: &str, rows: u64) -> RunFacts {
    RunFacts {
        run_id: format!("night-{number}"),
        table: table.to_owned(),
        kind: RunKind::Load,
        group: Some("night".to_owned()),
        published: false,
        objects_listed: Some(2),
        totals: Totals { loaded: 2, rows, ..Totals::default() },
        version_rows: None,
        seconds: 8.5,
        failed_attempts: 0,
        version: None,
        replaced_version: None,
        backup: None,
        strategy: None,
        staging: None,
        kept_until: None,
        failure: None,
        failed: Vec::new(),
        replay: None,
        causes: Vec::new(),
    }
}

fn published(number: usize, table: &str, rows: u64) -> RunFacts {
    RunFacts {
        published: true,
        version: Some(7),
        replaced_version: Some(6),
        backup: Some(format!("databackup.{table}")),
        ..run(number, table, rows)
    }
}

fn failed(mut run: RunFacts, told: &Failure) -> RunFacts {
    run.failure = Some((told.error.clone(), told.message.clone(), told.state.clone()));
    run
}

#[test]
fn success_reads_like_this() {
    let runs = [published(0, "dim_store", 1_204), published(1, "fact_sales", 3_994_699)];
    insta::assert_snapshot!(compose_group(&occasion(Outcome::Succeeded, None), &runs).text, @r#"
    dim_store, fact_sales: loaded and live together

    Tables:
    - dim_store: 1,204 rows of 2 objects in 8.5 s, live as version 7; the version before is databackup.dim_store
    - fact_sales: 3,994,699 rows of 2 objects in 8.5 s, live as version 7; the version before is databackup.fact_sales

    Run: night

    Next: nothing. To take a table back, start the rollback state machine with {"table":"dim_store","to":"previous"}
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:night
    "#);
}

#[test]
fn failure_names_the_table_that_failed_and_what_to_do() {
    let own = failure("Loader.ObjectsFailed", "1 of 2 objects failed, 0 are tolerated", "BuildIndexes");
    let told = failure("Loader.ObjectsFailed", &format!("fact_sales: {}", own.message), "BuildIndexes");
    let with_it = failure("Loader.ObjectsFailed", "it was not published, as its group failed", "LoadTables");
    let mut bad = failed(run(1, "fact_sales", 3_994_000), &own);
    bad.totals = Totals { loaded: 1, failed: 1, rows: 3_994_000, ..Totals::default() };
    bad.failed = vec![FailedObject {
        key: "fact_sales/x.csv".to_owned(),
        error_name: "Loader.BadRow".to_owned(),
        error_message: "the database refused a row".to_owned(),
        line: Some(17),
        column: Some("n".to_owned()),
    }];
    let runs = [failed(run(0, "dim_store", 1_204), &with_it), bad];
    let message = compose_group(&occasion(Outcome::Failed, Some(told)), &runs);
    assert_eq!(message.subject, "dim_store, fact_sales: load failed, live tables untouched");
    insta::assert_snapshot!(message.text, @r"
    dim_store, fact_sales: load failed, live tables untouched

    Error: Loader.ObjectsFailed in BuildIndexes
    fact_sales: 1 of 2 objects failed, 0 are tolerated

    Tables:
    - dim_store: 1,204 rows of 2 objects in 8.5 s, not published
    - fact_sales: failed with Loader.ObjectsFailed in BuildIndexes: 1 of 2 objects failed, 0 are tolerated
      - fact_sales/x.csv, line 17, column n: the database refused a row (Loader.BadRow)

    Run: night

    Next: fix or exclude the failed objects, then start the execution again with the same input for dim_store, fact_sales: what was loaded is kept, only the rest is loaded. All of them: select key, error_line, error_column, error_message from loader.object where run_id = 'night-1' and state = 'failed'
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:night
    ");
}

#[test]
fn a_group_that_was_stopped_reads_like_this() {
    let told = failure("ABORTED", "the execution was stopped", "ABORTED");
    let ended = failure("Loader.LeaseLost", "the execution is over: ABORTED", "ABORTED");
    let runs = [failed(run(0, "dim_store", 1_204), &ended)];
    insta::assert_snapshot!(compose_group(&occasion(Outcome::Failed, Some(told)), &runs).text, @r"
    dim_store, fact_sales: load failed, live tables untouched

    Error: ABORTED in ABORTED
    the execution was stopped

    Tables:
    - dim_store: 1,204 rows of 2 objects in 8.5 s, not published
    - fact_sales: not begun

    Run: night

    Next: see to the cause above, then start the execution again with the same input for dim_store, fact_sales; what was loaded is kept.
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:night
    ");
}

#[test]
fn a_group_that_fails_when_it_is_published_has_no_table_to_blame() {
    let told = failure("Loader.DatabaseBusy", "the lock was not given within 1000 ms", "PublishTables");
    let runs = [failed(run(0, "dim_store", 1), &told), failed(run(1, "fact_sales", 2), &told)];
    let text = compose_group(&occasion(Outcome::Failed, Some(told)), &runs).text;
    assert!(text.contains("- dim_store: 1 row of 2 objects in 8.5 s, not published\n"), "{text}");
    assert!(
        text.contains("with the same input for dim_store, fact_sales; what was loaded is kept."),
        "{text}"
    );
}

#[test]
fn a_group_is_told_without_the_database_too() {
    let told = failure("Loader.DatabaseUnavailable", "connecting failed", "PrepareSchemas");
    let message = compose_group(&occasion(Outcome::Failed, Some(told)), &[]);
    assert_eq!(message.subject, "dim_store, fact_sales: load failed");
    assert_eq!(message.json["published"], Value::Null);
}

#[test]
fn many_tables_are_counted_in_the_headline_and_all_listed() {
    let mut many = occasion(Outcome::Succeeded, None);
    many.tables = (0..12).map(|number| format!("t{number:02}")).collect();
    let runs: Vec<RunFacts> =
        many.tables.iter().enumerate().map(|(number, table)| published(number, table, 1)).collect();
    let message = compose_group(&many, &runs);
    assert_eq!(message.subject, "t00, t01 and 10 more: loaded and live together");
    assert!(message.text.contains("- t11: "));
    assert_eq!(message.json["tables"][11]["version"], 7);
}

#[test]
fn a_table_with_objects_left_out_makes_the_group_partial() {
    let mut partial = published(1, "fact_sales", 5);
    partial.totals.failed = 1;
    let message =
        compose_group(&occasion(Outcome::Succeeded, None), &[published(0, "dim_store", 1), partial]);
    assert_eq!(message.outcome, "partial");
    assert!(message.text.contains("where run_id = 'night-1' and state = 'failed'"), "{}", message.text);
}
