use super::*;
use crate::cleanup::Failure;
use crate::database::ledger::{FailedObject, Totals};
use crate::database::rejects::Cause;
use crate::input::Execution;

fn occasion(outcome: Outcome, failure: Option<Failure>) -> Occasion {
    Occasion {
        outcome,
        execution: Execution {
            id: "arn:aws:states:eu-west-1:123456789012:execution:load:abc".to_owned(),
            name: "abc".to_owned(),
            start_time: None,
        },
        table: Some("year_2022".to_owned()),
        tables: Vec::new(),
        kind: RunKind::Load,
        failure,
    }
}

fn facts(published: bool, failed: Vec<FailedObject>) -> RunFacts {
    RunFacts {
        run_id: "abc".to_owned(),
        table: "year_2022".to_owned(),
        kind: RunKind::Load,
        group: None,
        published,
        objects_listed: Some(12_319),
        totals: Totals {
            loaded: 12_319 - failed.len() as u64,
            skipped: 0,
            failed: failed.len() as u64,
            rows: 3_994_699,
            ..Totals::default()
        },
        version_rows: published.then_some(3_994_699),
        seconds: 83.26,
        failed_attempts: 0,
        version: published.then_some(4),
        replaced_version: published.then_some(3),
        backup: published.then(|| "databackup.year_2022".to_owned()),
        strategy: None,
        staging: None,
        kept_until: None,
        failure: None,
        failed,
        replay: None,
        causes: Vec::new(),
    }
}

fn bad_object() -> FailedObject {
    FailedObject {
        key: "year_2022/x.csv".to_owned(),
        error_name: "Loader.BadRow".to_owned(),
        error_message: "the database refused a row: invalid input syntax for type bigint".to_owned(),
        line: Some(17),
        column: Some("n".to_owned()),
    }
}

#[test]
fn success_reads_like_this() {
    insta::assert_snapshot!(compose(&occasion(Outcome::Succeeded, None), Some(&facts(true, vec![]))).text, @r#"
    year_2022: loaded and live

    Rows: 3,994,699
    Objects: 12,319 listed, 12,319 loaded, 0 skipped, 0 failed
    Time: 1 min 23 s
    Version: 4
    Version before: 3, in databackup.year_2022
    Run: abc

    Next: nothing. To take it back, start the rollback state machine with {"table":"year_2022","to":"previous"}
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    "#);
}

#[test]
fn failure_reads_like_this() {
    let failure = Failure {
        error: "Loader.ObjectsFailed".to_owned(),
        message: "1 of 12319 objects failed, 0 are tolerated".to_owned(),
        state: "BackupAndRename".to_owned(),
    };
    insta::assert_snapshot!(compose(&occasion(Outcome::Failed, Some(failure)), Some(&facts(false, vec![bad_object()]))).text, @r"
    year_2022: load failed, live table untouched

    Error: Loader.ObjectsFailed in BackupAndRename
    1 of 12319 objects failed, 0 are tolerated

    Rows: 3,994,699
    Objects: 12,319 listed, 12,318 loaded, 0 skipped, 1 failed
    Time: 1 min 23 s

    First failed objects:
    - year_2022/x.csv, line 17, column n: the database refused a row: invalid input syntax for type bigint (Loader.BadRow)

    Run: abc

    Next: fix or exclude the failed objects, then start the execution again with the same input for year_2022: what was loaded is kept, only the rest is loaded. All of them: select key, error_line, error_column, error_message from loader.object where run_id = 'abc' and state = 'failed'
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    ");
}

#[test]
fn a_publish_with_failed_objects_is_partial() {
    let message = compose(&occasion(Outcome::Succeeded, None), Some(&facts(true, vec![bad_object()])));
    assert_eq!(message.outcome, "partial");
    assert_eq!(message.json["objects"]["failed"], 1);
}

#[test]
fn without_a_database_there_is_still_a_message() {
    let failure = Failure {
        error: "Loader.DatabaseUnavailable".to_owned(),
        message: "connecting failed".to_owned(),
        state: "PrepareSchemas".to_owned(),
    };
    let message = compose(&occasion(Outcome::Failed, Some(failure)), None);
    assert!(message.text.contains("connecting failed"));
    assert_eq!(message.json["rows"], Value::Null);
}

fn rolled_back() -> RunFacts {
    let mut facts = facts(true, vec![]);
    facts.kind = RunKind::Rollback;
    facts.totals = Totals::default();
    facts.version = Some(3);
    facts.replaced_version = Some(4);
    facts.seconds = 0.21;
    facts
}

#[test]
fn a_rollback_reads_like_this() {
    let told = occasion(Outcome::Succeeded, None);
    insta::assert_snapshot!(compose(&told, Some(&rolled_back())).text, @r#"
    year_2022: rolled back to version 3

    Rows: 3,994,699
    Time: 0.2 s
    Version: 3
    Version before: 4, in databackup.year_2022
    Run: abc

    Next: correct the objects before the next load of year_2022 replaces it again. To undo it, start the rollback state machine with {"table":"year_2022","to":4}
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    "#);
}

#[test]
fn a_failed_rollback_reads_like_this() {
    let failure = Failure {
        error: "Loader.NoSuchVersion".to_owned(),
        message: "version 2 of \"year_2022\" has been dropped; 3 and 4 are there".to_owned(),
        state: "RollBack".to_owned(),
    };
    let mut facts = rolled_back();
    facts.published = false;
    (facts.version, facts.replaced_version, facts.version_rows, facts.backup) = (None, None, None, None);
    insta::assert_snapshot!(compose(&occasion(Outcome::Failed, Some(failure)), Some(&facts)).text, @r#"
    year_2022: rollback failed, live table untouched

    Error: Loader.NoSuchVersion in RollBack
    version 2 of "year_2022" has been dropped; 3 and 4 are there

    Time: 0.2 s
    Run: abc

    Next: choose a version that is kept: select version, state, rows, published_at from loader.version where table_name = 'year_2022' order by version desc
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    "#);
}

#[test]
fn a_rollback_is_told_without_the_database_too() {
    let failure = Failure {
        error: "Loader.DatabaseUnavailable".to_owned(),
        message: "connecting failed".to_owned(),
        state: "RollBack".to_owned(),
    };
    let mut told = occasion(Outcome::Failed, Some(failure));
    told.kind = RunKind::Rollback;
    let message = compose(&told, None);
    assert_eq!(message.subject, "year_2022: rollback failed");
    assert_eq!(message.json["kind"], "rollback");
}

#[test]
fn a_gate_that_fails_reads_like_this() {
    let failure = Failure {
        error: "Loader.GateFailed".to_owned(),
        message: "1 of 3 gates failed: max_drop_percent: 1,204 rows are 52.1 % fewer than the 2,514 that are live, 50 % are allowed"
            .to_owned(),
        state: "BuildIndexes".to_owned(),
    };
    let mut facts = facts(false, vec![]);
    facts.staging = Some("year_2022__9f3c21aa".to_owned());
    facts.kept_until = Some("2026-03-08 03:04 UTC".to_owned());
    let message = compose(&occasion(Outcome::Failed, Some(failure)), Some(&facts));
    assert_eq!(message.json["staging_kept_until"], "2026-03-08 03:04 UTC");
    insta::assert_snapshot!(message.text, @r#"
    year_2022: load failed, live table untouched

    Error: Loader.GateFailed in BuildIndexes
    1 of 3 gates failed: max_drop_percent: 1,204 rows are 52.1 % fewer than the 2,514 that are live, 50 % are allowed

    Rows: 3,994,699
    Objects: 12,319 listed, 12,319 loaded, 0 skipped, 0 failed
    Time: 1 min 23 s
    Run: abc

    Next: look at the rows in dataimport."year_2022__9f3c21aa", which is kept until 2026-03-08 03:04 UTC, or until the next run of year_2022; correct the delivery, or the gate in the definition of year_2022, then start the execution again with the same input for year_2022.
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    "#);
}

#[test]
fn another_strategy_than_renaming_is_told_with_its_reason() {
    let mut facts = facts(true, vec![]);
    facts.strategy = Some("partition, the live table is partitioned".to_owned());
    let text = compose(&occasion(Outcome::Succeeded, None), Some(&facts)).text;
    assert!(text.contains("\nStrategy: partition, the live table is partitioned\n"), "{text}");
}

#[test]
fn a_first_version_has_nothing_to_take_back() {
    let mut facts = facts(true, vec![]);
    facts.backup = None;
    let text = compose(&occasion(Outcome::Succeeded, None), Some(&facts)).text;
    assert!(text.contains("\nNext: nothing.\n"), "{text}");
}

fn cause(column: &str, sqlstate: &str, reason: &str, count: u64) -> Cause {
    Cause {
        column: (!column.is_empty()).then(|| column.to_owned()),
        sqlstate: Some(sqlstate.to_owned()),
        reason: reason.to_owned(),
        count,
    }
}

fn replayed(rows: u64, refused: u64, left: u64) -> RunFacts {
    RunFacts {
        kind: RunKind::Replay,
        version: None,
        replay: Some(crate::report::ReplayFacts { of_run: "night-1".to_owned(), rows, refused, left }),
        causes: if refused > 0 {
            vec![cause("n", "22P02", "invalid input syntax for type bigint", refused)]
        } else {
            vec![]
        },
        ..facts(true, vec![])
    }
}

#[test]
fn a_replay_that_leaves_rows_reads_like_this() {
    let message = compose(&occasion(Outcome::Succeeded, None), Some(&replayed(1_204, 3, 4)));
    assert_eq!((message.outcome, message.json["replay"]["left"].as_u64()), ("partial", Some(4)));
    insta::assert_snapshot!(message.text, @r#"
    year_2022: 1,204 rejected rows loaded, 4 left

    Rows loaded: 1,204
    Rows left: 4
    Rows refused again: 3
    - 3 rows: column n: invalid input syntax for type bigint (22P02)
    Rejected by run: night-1
    Time: 1 min 23 s
    Run: abc

    Next: look at the rejected rows, and load them after all if they matter:
    1. See them: select key, line, column_name, sqlstate, error_message, coalesce(row_text, row_values::text) as row from loader.rejected_row where run_id = 'night-1' and replayed_by is null order by key, line
    2. Get them as a file: start the state machine with {"table":"year_2022","export_rejects":"night-1"}
    3. Correct the file, put it into the work bucket as replays/night-1.csv, and start the state machine with {"table":"year_2022","replay":"night-1"}
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    "#);
}

#[test]
fn a_replay_that_leaves_none_has_nothing_to_do_next() {
    let message = compose(&occasion(Outcome::Succeeded, None), Some(&replayed(1, 0, 0)));
    assert_eq!(
        (message.outcome, message.subject.as_str()),
        ("succeeded", "year_2022: 1 rejected row loaded, none is left")
    );
    assert!(message.text.contains("Next: nothing. A replay can't be taken back"), "{}", message.text);
}

fn with_rejects(published: bool, failed: Vec<FailedObject>) -> RunFacts {
    let mut facts = facts(published, failed);
    facts.totals.rejects = 1_204;
    facts.totals.rejects_of_all = if facts.failed.is_empty() { 1_204 } else { 2_204 };
    facts.causes = vec![
        cause("n", "22P02", "invalid input syntax for type bigint", 1_200),
        cause("", "22P04", "the record has too few fields", 4),
    ];
    facts
}

#[test]
fn a_load_that_left_rows_out_reads_like_this() {
    let message = compose(&occasion(Outcome::Succeeded, None), Some(&with_rejects(true, vec![])));
    assert_eq!((message.outcome, message.json["rejects"]["rows"].as_u64()), ("partial", Some(1_204)));
    insta::assert_snapshot!(message.text, @r#"
    year_2022: live, with 1,204 rows left out

    Rows: 3,994,699
    Objects: 12,319 listed, 12,319 loaded, 0 skipped, 0 failed
    Rejected rows: 1,204 of 3,995,903
    - 1,200 rows: column n: invalid input syntax for type bigint (22P02)
    - 4 rows: the record has too few fields (22P04)
    Time: 1 min 23 s
    Version: 4
    Version before: 3, in databackup.year_2022
    Run: abc

    Next: look at the rejected rows, and load them after all if they matter:
    1. See them: select key, line, column_name, sqlstate, error_message, coalesce(row_text, row_values::text) as row from loader.rejected_row where run_id = 'abc' and replayed_by is null order by key, line
    2. Get them as a file: start the state machine with {"table":"year_2022","export_rejects":"abc"}
    3. Correct the file, put it into the work bucket as replays/abc.csv, and start the state machine with {"table":"year_2022","replay":"abc"}
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    "#);
}

#[test]
fn a_load_with_too_many_rejects_reads_like_this() {
    let failure = Failure {
        error: "Loader.TooManyRejects".to_owned(),
        message: "the run has rejected 1,204 rows, and 1,000 are tolerated in a run (reject_limits.run_rows)"
            .to_owned(),
        state: "BuildIndexes".to_owned(),
    };
    let facts = with_rejects(false, vec![bad_object()]);
    let message = compose(&occasion(Outcome::Failed, Some(failure)), Some(&facts));
    insta::assert_snapshot!(message.text, @r#"
    year_2022: load failed, live table untouched

    Error: Loader.TooManyRejects in BuildIndexes
    the run has rejected 1,204 rows, and 1,000 are tolerated in a run (reject_limits.run_rows)

    Rows: 3,994,699
    Objects: 12,319 listed, 12,318 loaded, 0 skipped, 1 failed
    Rejected rows: 1,204 of 3,995,903, and 1,000 of failed objects
    - 1,200 rows: column n: invalid input syntax for type bigint (22P02)
    - 4 rows: the record has too few fields (22P04)
    - 1,000 rows: other causes
    Time: 1 min 23 s

    First failed objects:
    - year_2022/x.csv, line 17, column n: the database refused a row: invalid input syntax for type bigint (Loader.BadRow)

    Run: abc

    Next: look at the rejected rows: select key, line, column_name, sqlstate, error_message, coalesce(row_text, row_values::text) as row from loader.rejected_row where run_id = 'abc' and replayed_by is null order by key, line; correct the objects, the definition of year_2022 or its reject_limits, then start the execution again with the same input for year_2022: what was loaded is kept.
    Execution: https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:load:abc
    "#);
}

#[test]
fn rows_that_only_failed_objects_have_are_no_share_of_what_is_loaded() {
    let mut facts = with_rejects(false, vec![bad_object()]);
    facts.totals = Totals { rejects: 0, rejects_of_all: 3, failed: 1, ..Totals::default() };
    facts.causes.truncate(1);
    let text = compose(&occasion(Outcome::Failed, None), Some(&facts)).text;
    assert!(text.contains("\nRejected rows: 3, all of failed objects\n- 1,200 rows: column n"), "{text}");
}

#[test]
fn what_a_run_has_done_before_it_knew_its_objects_is_told_without_them() {
    let mut facts = facts(false, vec![]);
    (facts.objects_listed, facts.totals) = (None, Totals::default());
    let objects = |facts: &RunFacts| {
        let text = compose(&occasion(Outcome::Failed, None), Some(facts)).text;
        text.lines().find(|line| line.starts_with("Objects")).unwrap().to_owned()
    };
    assert_eq!(objects(&facts), "Objects: not planned yet");
    facts.totals.skipped = 2;
    assert_eq!(objects(&facts), "Objects: 0 loaded, 2 skipped, 0 failed");
}

#[test]
fn objects_and_rows_that_were_left_out_are_told_of_both() {
    let message = compose(&occasion(Outcome::Succeeded, None), Some(&with_rejects(true, vec![bad_object()])));
    assert_eq!(message.subject, "year_2022: live, with 1 object and 1,204 rows left out");
    for part in ["state = 'failed'\nThen look at the rejected rows", "\n3. Correct the file"] {
        assert!(message.text.contains(part), "{}", message.text);
    }
}
