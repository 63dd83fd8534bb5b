//! Merges into a table that others refer to.

use loader_core::error::ErrorName;
use loader_core::publish::merge::merge;

use crate::merge::{Bench, candidate, key, live, merged};

#[tokio::test]
async fn rows_that_others_refer_to_exchange_unique_values_too() {
    let mut bench = Bench::new(
        "id int primary key, code text unique",
        "values (1, 'a'), (2, 'b'), (3, 'c')",
        "values (1, 'b'), (2, 'a'), (3, 'c')",
    )
    .await;
    bench
        .execute(
            "create table fact (t_id int references t, t_code text references t (code));
             insert into fact values (1, 'b'), (2, 'a'), (3, 'c')",
        )
        .await;
    assert_eq!(bench.merge().await, merged(0, 2, 0));
    bench.live_is_the_candidate().await;
    assert_eq!(bench.rows("select * from fact").await, ["(1,b)", "(2,a)", "(3,c)"]);
    bench.end().await;
}

#[tokio::test]
async fn a_row_that_others_refer_to_is_not_deleted_whatever_the_foreign_key_would_do() {
    for action in ["cascade", "set null", "set default", "restrict", "no action"] {
        let mut bench =
            Bench::new("id int primary key, a int", "values (1, 1), (2, 2), (3, 3)", "values (1, 5)").await;
        bench
            .execute(&format!(
                "create schema shop; create table shop.fact (t_id int default 1, constraint of_t foreign key (t_id) references t on delete {action});
                 insert into shop.fact values (1), (3), (null)"
            ))
            .await;
        let error = bench.refused(&["id"]).await;
        assert_eq!(error.name, ErrorName::GateFailed, "{action}: {error}");
        assert_eq!(
            error.message,
            "\"public\".\"t\" can't be merged into: by the foreign key \"of_t\" of \"shop\".\"fact\" 1 row refers to rows that go, \
             the first: (t_id)=(3); load the rows, or delete or change those that refer to them",
        );
        bench.execute("delete from shop.fact where t_id = 3").await;
        assert_eq!(bench.merge().await, merged(2, 1, 0));
        assert_eq!(bench.rows("select * from shop.fact").await, ["()", "(1)"], "{action}");
        bench.end().await;
    }
}

#[tokio::test]
async fn a_row_with_a_new_unique_value_is_changed_in_place_if_deleting_it_would_cascade() {
    let mut bench = Bench::new(
        "id int primary key, code text unique",
        "values (1, 'a'), (2, 'b'), (3, 'c')",
        "values (1, 'b'), (2, 'x'), (3, 'a')",
    )
    .await;
    // Row 2 makes place for row 1, which makes place for row 3.
    bench
        .execute("create table fact (t_id int references t on delete cascade); insert into fact values (1)")
        .await;
    assert_eq!(bench.merge().await, merged(0, 3, 0));
    bench.live_is_the_candidate().await;
    assert_eq!(bench.rows("select * from fact").await, ["(1)"]);
    bench.end().await;
}

#[tokio::test]
async fn an_exchange_that_would_need_a_cascading_delete_is_refused_with_the_way_out() {
    let mut bench = Bench::new(
        "id int primary key, code text, constraint code_once unique (code)",
        "values (1, 'a'), (2, 'b')",
        "values (1, 'b'), (2, 'a')",
    )
    .await;
    bench
        .execute(
            "create table fact (t_id int references t on delete cascade); insert into fact values (1), (2)",
        )
        .await;
    let error = bench.refused(&["id"]).await;
    assert_eq!(error.name, ErrorName::GateFailed, "{error}");
    assert!(error.message.contains("\"code_once\"") && error.message.contains("deferrable"), "{error}");
    bench.execute("alter table t drop constraint code_once, add unique (code) deferrable").await;
    assert_eq!(bench.merge().await, merged(0, 2, 0));
    assert_eq!(bench.rows("select * from fact").await, ["(1)", "(2)"]);
    bench.end().await;
}

#[tokio::test]
async fn a_deferrable_foreign_key_can_be_satisfied_later_in_the_transaction() {
    let mut bench = Bench::new("id int primary key", "values (1), (2)", "values (1)").await;
    bench.execute("create table fact (t_id int references t deferrable); insert into fact values (2)").await;
    assert_eq!(bench.refused(&["id"]).await.name, ErrorName::GateFailed);
    let transaction = bench.client.transaction().await.unwrap();
    transaction.batch_execute("set constraints all deferred").await.unwrap();
    assert_eq!(merge(&transaction, &live(), &candidate(), &key(&["id"])).await.unwrap(), merged(1, 0, 0));
    transaction.batch_execute("update fact set t_id = 1").await.unwrap();
    transaction.commit().await.unwrap();
    bench.live_is_the_candidate().await;
    bench.end().await;
}

#[tokio::test]
async fn what_a_foreign_key_on_update_refers_to_is_not_changed_under_it() {
    let mut bench = Bench::new(
        "id int primary key, code text unique",
        "values (1, 'a'), (2, 'b')",
        "values (1, 'b'), (2, 'a')",
    )
    .await;
    // Whoever refers to `a` goes on to, whatever row has it.
    bench
        .execute("create table fact (code text references t (code) on update cascade); insert into fact values ('a')")
        .await;
    assert_eq!(bench.merge().await, merged(0, 2, 0));
    assert_eq!(bench.rows("select * from fact").await, ["(a)"]);
    // Where the row can neither be deleted nor updated, nothing is done.
    bench
        .execute(
            "create table other (t_id int references t on delete set null); insert into other values (1), (2);
             update dataimport.t__1 set code = 'x' where id = 1; update dataimport.t__1 set code = 'b' where id = 2;
             update dataimport.t__1 set code = 'a' where id = 1",
        )
        .await;
    let error = bench.refused(&["id"]).await;
    assert_eq!(error.name, ErrorName::GateFailed, "{error}");
    assert!(error.message.contains("\"fact_code_fkey\"") && error.message.contains("(code)=(a)"), "{error}");
    bench.end().await;
}

#[tokio::test]
async fn a_table_that_refers_to_itself_is_merged_whatever_the_order() {
    for action in ["no action", "cascade", "set null"] {
        let mut bench = Bench::new(
            &format!("id int primary key, boss int references t on delete {action}, code text unique"),
            "values (1, null, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, 4, 'd'), (5, 3, 'e')",
            "values (1, 3, 'z'), (3, 6, 'c'), (6, 7, 'b'), (7, null, 'd'), (5, 5, 'e')",
        )
        .await;
        assert_eq!(bench.merge().await, merged(2, 3, 2), "{action}");
        bench.live_is_the_candidate().await;
        // A row that would refer to one that goes is found before the action runs.
        bench.execute("delete from dataimport.t__1 where id = 7").await;
        let error = bench.refused(&["id"]).await;
        assert_eq!(error.name, ErrorName::GateFailed, "{action}: {error}");
        assert!(error.message.contains("\"t_boss_fkey\"") && error.message.contains("(boss)=(7)"), "{error}");
        bench.end().await;
    }
}

#[tokio::test]
async fn who_refers_to_a_row_meanwhile_is_waited_for_and_found() {
    let mut bench = Bench::new("id int primary key", "values (1), (2)", "values (1)").await;
    bench.execute("create table fact (t_id int references t on delete cascade)").await;
    let mut other = bench.database.connect().await;
    let watcher = bench.database.connect().await;
    let referring = other.transaction().await.unwrap();
    referring.batch_execute("insert into fact values (2)").await.unwrap();
    let commit = async {
        let waiting = "select exists (select from pg_stat_activity
                        where datname = current_database() and wait_event_type = 'Lock')";
        while !watcher.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        referring.commit().await.unwrap();
    };
    let key = key(&["id"]);
    let merging = async {
        let transaction = bench.client.transaction().await.unwrap();
        merge(&transaction, &live(), &candidate(), &key).await
    };
    let (outcome, ()) = tokio::join!(merging, commit);
    assert_eq!(outcome.unwrap_err().name, ErrorName::GateFailed);
    assert_eq!(bench.rows("select * from fact").await, ["(2)"]);
    drop((other, watcher));
    bench.end().await;
}
