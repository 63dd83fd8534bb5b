//! Bad input, bad objects, and what the ledger says of them.

use loader_core::error::ErrorName;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_bad_row_is_named_and_the_other_objects_are_loaded() {
    let world = World::new().await;
    world
        .execute("create table public.t (id bigint, name text); insert into public.t values (0, 'before')")
        .await;
    world.put_three();
    world.source.put("t/bad.csv", "id,name\n7,\"a\nb\"\nsecret,x\n8,y\n");
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select key, state, error_name, error_line, error_column, sqlstate, error_message from loader.object where state = 'failed'").await,
        ["(t/bad.csv,failed,Loader.BadRow,4,id,22P02,\"the database refused a row: invalid input syntax for type bigint\")"]
    );
    assert_eq!(
        world.rows("select key, line, column_name, row_text from loader.rejected_row").await,
        ["(t/bad.csv,4,id,\"secret,x\")"]
    );
    assert_eq!(world.one("select count(*) from loader.object where state = 'loaded'").await, "3");
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::ObjectsFailed);
    assert!(error.message.contains("t/bad.csv, line 4, column id"), "{error}");
    assert!(!error.message.contains("secret"), "{error}");
    assert_eq!(world.rows("select * from public.t").await, ["(0,before)"], "live is untouched");
    world.end().await;
}

#[tokio::test]
async fn the_others_of_a_group_are_loaded_together_unless_many_of_it_are_bad() {
    let mut world = World::new().await;
    world.batch_max_objects = 100;
    let columns = json!([{"name": "id", "type": "int"}]);
    // Four batches of ten objects; the bad ones are all in the first.
    for (bad, transactions) in [(1, 4), (3, 4), (5, 3 + 5)] {
        for number in 0..40 {
            let text = if number < bad { "id\n1\nx\n" } else { "id\n1\n2\n" };
            world.source.put(&format!("t/{number:02}.csv"), text);
        }
        let run_id = format!("{bad} bad");
        let plan = world.planned(&run_id, &json!({"columns": columns, "engine": "stream"})).await;
        let batches = world.batches(&plan);
        assert_eq!(batches.iter().map(|batch| batch.objects.len()).collect::<Vec<_>>(), [10; 4]);
        let outcome = world.import(&plan, &batches[0]).await.unwrap();
        assert_eq!((outcome.loaded, outcome.failed, outcome.rows), (10 - bad, bad, 2 * (10 - bad)));
        world.import_all(&plan).await;
        assert_eq!(
            world
                .rows(&format!(
                    "select count(*), count(*) filter (where error_name = 'Loader.BadRow' and error_line = 3)
                     from loader.object where run_id = '{run_id}' and state = 'failed'"
                ))
                .await,
            [format!("({bad},{bad})")]
        );
        let staging =
            world.one(&format!("select staging_table from loader.run where run_id = '{run_id}'")).await;
        assert_eq!(
            world.one(&format!("select count(distinct xmin::text) from dataimport.\"{staging}\"")).await,
            transactions.to_string()
        );
        world.clean_up(&run_id, "Loader.ObjectsFailed").await.unwrap();
    }
    world.end().await;
}

#[tokio::test]
async fn failed_objects_within_the_tolerance_are_left_out() {
    let world = World::new().await;
    world.put_three();
    world.source.put("t/bad.csv", "id,name\nx,x\n");
    let input = json!({"table": "t", "definition": {"tolerated_failed_objects": 1, "columns": [{"name": "id", "type": "int"}, {"name": "name", "type": "text"}]}});
    let published = world.run("r1", &input).await.unwrap();
    assert_eq!((published.rows, published.objects_failed), (5, 1));
    world.end().await;
}

#[tokio::test]
async fn each_kind_of_bad_object_has_its_error() {
    let world = World::new().await;
    let columns =
        json!([{"name": "id", "type": "int"}, {"name": "name", "type": "varchar(5)", "not_null": true}]);
    for (name, bytes, error) in [
        ("unknown column.csv", &b"id,nam\n1,x\n"[..], "Loader.HeaderMismatch"),
        ("missing column.csv", b"id\n1\n", "Loader.HeaderMismatch"),
        ("no header.csv", b"1,x\n", "Loader.HeaderMismatch"),
        ("zip", b"PK\x03\x04rest", "Loader.UnsupportedFormat"),
        ("parquet", b"PAR1\x15\x04\x15\x10", "Loader.UnsupportedFormat"),
        ("utf16", b"\xff\xfei\x00d\x00", "Loader.UnsupportedFormat"),
        ("damaged.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage", "Loader.UnsupportedFormat"),
        ("open quote.csv", b"id,name\n1,\"x\n", "Loader.BadRow"),
        ("too few.csv", b"id,name\n1\n", "Loader.BadRow"),
        ("too many.csv", b"id,name\n1,x,y\n", "Loader.BadRow"),
        ("too long.csv", b"id,name\n1,toolong\n", "Loader.BadRow"),
        ("null.csv", b"id,name\n1,\n", "Loader.BadRow"),
        ("encoding.csv", b"id,name\n1,\xff\n", "Loader.BadRow"),
        ("nul.csv", b"id,name\n1,a\0b\n", "Loader.BadRow"),
    ] {
        world.source.put(&format!("t/{name}"), bytes);
        world.source.put("t/good.csv", "id,name\n1,x\n");
        let run_id = format!("run {name}");
        world
            .prepare_with(&run_id, &json!({"table": "t", "definition": {"columns": columns}}))
            .await
            .unwrap();
        let plan = world.plan(&run_id).await.unwrap();
        world.import_all(&plan).await;
        assert_eq!(
            world.rows("select key, error_name from loader.object where state = 'failed'").await,
            [format!(
                "({},{error})",
                if name.contains(' ') { format!("\"t/{name}\"") } else { format!("t/{name}") }
            )]
        );
        assert_eq!(world.publish(&plan).await.unwrap_err().name, ErrorName::ObjectsFailed);
        world.clean_up(&run_id, "Loader.ObjectsFailed").await.unwrap();
        world.execute("truncate loader.object").await;
        world.source.remove(&format!("t/{name}"));
    }
    world.end().await;
}

#[tokio::test]
async fn no_objects_are_a_failure_unless_the_definition_allows_it() {
    let world = World::new().await;
    world.execute("create table public.t (id bigint); insert into public.t values (1)").await;
    world.prepare("r1").await.unwrap();
    let error = world.plan("r1").await.unwrap_err();
    assert_eq!(error.name, ErrorName::NoObjects);
    assert!(error.message.contains("s3://memory/t/"), "{error}");
    assert!(!world.clean_up("r1", "Loader.NoObjects").await.unwrap().retry);
    world.source.put("t/_SUCCESS", "x");
    world.prepare("r2").await.unwrap();
    let error = world.plan("r2").await.unwrap_err();
    assert!(error.message.contains("t/_SUCCESS"), "{error}");
    world.clean_up("r2", "Loader.NoObjects").await.unwrap();
    assert_eq!(world.one("select count(*) from public.t").await, "1");
    assert_eq!(world.run("r3", &json!({"table": "t", "allow_empty": true})).await.unwrap().rows, 0);
    assert_eq!(world.one("select count(*) from public.t").await, "0");
    world.end().await;
}

#[tokio::test]
async fn what_is_no_table_is_refused_before_anything_is_loaded() {
    let world = World::new().await;
    world.put_three();
    for (statement, part) in [
        ("create view public.t as select 1 as id", "a view"),
        ("create materialized view public.t as select 1 as id", "a materialized view"),
        ("create sequence public.t", "a sequence"),
    ] {
        world.execute(statement).await;
        let error = world.prepare(part).await.unwrap_err();
        assert_eq!(error.name, ErrorName::LiveNotReplaceable);
        assert!(error.message.contains(part), "{error}");
        world.clean_up(part, "Loader.LiveNotReplaceable").await.unwrap();
        world
            .execute(
                &statement
                    .replace("create ", "drop ")
                    .split(" public.t")
                    .next()
                    .map(|drop| format!("{drop} public.t"))
                    .unwrap(),
            )
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn an_unaccounted_object_keeps_the_table_as_it_is() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import(&plan, &world.batches(&plan)[0]).await.unwrap();
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::Unreconciled);
    assert!(error.message.contains("of 3 listed objects 1 are loaded"), "{error}");
    assert!(world.clean_up("r1", "Loader.Unreconciled").await.unwrap().retry);
    world.end().await;
}

#[tokio::test]
async fn rows_that_somebody_else_wrote_into_staging_stop_the_publish() {
    let world = World::new().await;
    world.put_three();
    let prepared = world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    world.execute(&format!("insert into dataimport.\"{}\" values (99)", prepared.staging)).await;
    let error = world.publish(&plan).await.unwrap_err();
    assert!(error.message.contains("6 rows and the ledger 5"), "{error}");
    world.end().await;
}

#[tokio::test]
async fn a_long_reader_fails_the_publish_with_its_name_and_holds_up_nobody() {
    let world = World::new().await;
    world.put_three();
    world.run("r1", &json!({"table": "t"})).await.unwrap();
    world.prepare("r2").await.unwrap();
    let plan = world.plan("r2").await.unwrap();
    world.import_all(&plan).await;
    let mut reader = world.database.connect().await;
    let reading = reader.transaction().await.unwrap();
    reading.query_one("select count(*) from public.t", &[]).await.unwrap();
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::DatabaseBusy);
    assert!(error.message.contains("held by pid"), "{error}");
    reading.commit().await.unwrap();
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn locks_that_hold_up_no_reader_are_waited_for_until_an_autovacuum_gives_way() {
    let world = World::new().await;
    world.put_three();
    world.run("r1", &json!({"table": "t"})).await.unwrap();
    // The publish tells its limits itself, at each of its changes of the catalog.
    world
        .execute(
            "alter table public.t add primary key (id);
             create table public.child (id bigint references public.t (id));
             create table public.seen (statement text, lock_timeout interval);
             create function public.see() returns event_trigger language plpgsql as $$ begin
                 insert into public.seen values (current_query(), current_setting('lock_timeout')::interval);
             end $$;
             create event trigger see on ddl_command_start when tag in ('ALTER TABLE') execute function public.see()",
        )
        .await;
    world.run("r2", &json!({"table": "t"})).await.unwrap();
    let outlasts = "bool_and(lock_timeout > current_setting('deadlock_timeout')::interval)";
    let key = "statement like '%alter table \"public\".\"child\" add constraint%'";
    assert_eq!(world.one(&format!("select {outlasts} from public.seen where {key}")).await, "true");
    let moves = "statement like '%set schema \"public\"%'";
    assert_eq!(
        world
            .one(&format!("select bool_and(lock_timeout <= interval '25 ms') from public.seen where {moves}"))
            .await,
        "true"
    );
    world.execute("drop event trigger see").await;
    world.end().await;
}

#[tokio::test]
async fn a_read_that_breaks_off_is_tried_again_and_leaves_nothing() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let batch = &world.batches(&plan)[0];
    world.source.break_next_read("t/a.csv", 12);
    assert_eq!(world.import(&plan, batch).await.unwrap_err().name, ErrorName::SourceUnavailable);
    assert_eq!(world.one("select count(*) from loader.object").await, "0");
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn a_batch_whose_time_is_up_goes_on_in_the_next_call() {
    let mut world = World::new().await;
    world.put_three();
    world.batch_max_objects = 3;
    let staging = world.prepare("r1").await.unwrap().staging;
    let plan = world.plan("r1").await.unwrap();
    let mut holder = world.database.connect().await;
    let hold = holder.transaction().await.unwrap();
    // Keeps every COPY waiting until the time is up.
    hold.batch_execute(&format!("lock table dataimport.\"{staging}\" in access exclusive mode"))
        .await
        .unwrap();
    world.time = std::time::Duration::from_secs(6);
    let batch = &world.batches(&plan)[0];
    let error = world.import(&plan, batch).await.unwrap_err();
    assert_eq!(error.name, ErrorName::DeadlineReached, "{error}");
    // An object that had all the time for itself is recorded with what to do.
    assert_eq!(
        world.rows("select key, error_name from loader.object").await,
        ["(t/a.csv,Loader.DeadlineReached)"]
    );
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    assert_eq!(world.one(waiting).await, "0", "nothing goes on in the database");
    hold.commit().await.unwrap();
    world.time = std::time::Duration::from_mins(2);
    assert!(world.clean_up("r1", "Loader.ObjectsFailed").await.unwrap().retry);
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}
