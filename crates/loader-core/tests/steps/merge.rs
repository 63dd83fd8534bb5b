//! The merge of rows into a live table that stays.

use loader_core::error::{Error, ErrorName, Result};
use loader_core::identifier::{Identifier, QualifiedName};
use loader_core::publish::merge::{Merged, copy_as_backup, key_of, merge};
use loader_test_support::TestDatabase;
use tokio_postgres::Client;

use crate::gates::name;

struct Bench {
    database: TestDatabase,
    client: Client,
}

pub(crate) fn key(columns: &[&str]) -> Vec<Identifier> {
    columns.iter().map(|column| Identifier::new(*column).unwrap()).collect()
}

pub(crate) fn live() -> QualifiedName {
    name("public", "t")
}

pub(crate) fn candidate() -> QualifiedName {
    name("dataimport", "t__1")
}

impl Bench {
    /// Makes the live table, and a candidate of the same columns with other rows.
    async fn new(table: &str, old: &str, new: &str) -> Self {
        let database = TestDatabase::create().await;
        let client = database.connect().await;
        let bench = Self { database, client };
        bench
            .execute(&format!(
                "create schema dataimport; create table t ({table}); insert into t overriding system value {old};
                 create table dataimport.t__1 (like t including all); insert into dataimport.t__1 overriding system value {new}"
            ))
            .await;
        bench
    }

    async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    async fn merge_by(&mut self, columns: &[&str]) -> Result<Merged> {
        let transaction = self.client.transaction().await.unwrap();
        let merged = merge(&transaction, &live(), &candidate(), &key(columns)).await?;
        transaction.commit().await.map_err(|error| Error::new(ErrorName::Internal, error.to_string()))?;
        Ok(merged)
    }

    async fn merge(&mut self) -> Merged {
        self.merge_by(&["id"]).await.unwrap()
    }

    async fn rows(&self, query: &str) -> Vec<String> {
        let query = format!("select (q.*)::text from ({query}) q order by 1");
        self.client.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    async fn live_is_the_candidate(&self) {
        assert_eq!(self.rows("select * from t").await, self.rows("select * from dataimport.t__1").await);
    }

    async fn refused(&mut self, columns: &[&str]) -> Error {
        let before = self.rows("select ctid, xmin, * from t").await;
        let error = self.merge_by(columns).await.unwrap_err();
        assert_eq!(self.rows("select ctid, xmin, * from t").await, before);
        error
    }

    async fn end(self) {
        drop(self.client);
        self.database.drop().await;
    }
}

const fn merged(deleted: u64, updated: u64, inserted: u64) -> Merged {
    Merged { deleted, updated, inserted }
}

#[tokio::test]
async fn only_the_rows_that_differ_are_touched() {
    let mut bench = Bench::new(
        r#"id int primary key, "a ""b" text, doc json, place point, price numeric"#,
        r#"values (1, 'same', '{"a":1}', '(1,2)', 1.0), (2, 'text', null, null, 1), (3, 'json', '{"a":1}', null, 1),
                  (4, 'point', null, '(1,2)', 1), (5, 'scale', null, null, 1.0), (6, 'gone', null, null, 1), (7, null, null, null, null)"#,
        r#"values (1, 'same', '{"a":1}', '(1,2)', 1.0), (2, 'changed', null, null, 1), (3, 'json', '{"a": 1}', null, 1),
                  (4, 'point', null, '(1,3)', 1), (5, 'scale', null, null, 1.00), (7, null, null, null, null), (8, 'new', null, null, 1)"#,
    )
    .await;
    let oid = bench.rows("select 't'::regclass::oid, pg_relation_filenode('t')").await;
    let same = bench.rows("select ctid, xmin from t where id in (1, 7)").await;
    assert_eq!(bench.merge().await, merged(1, 4, 1));
    bench.live_is_the_candidate().await;
    assert_eq!(bench.rows("select ctid, xmin from t where id in (1, 7)").await, same);
    assert_eq!(bench.rows("select 't'::regclass::oid, pg_relation_filenode('t')").await, oid);
    assert_eq!(bench.merge().await, merged(0, 0, 0));
    assert!(bench.rows("select relname from pg_class where relname like '%merge%'").await.is_empty());
    bench.end().await;
}

#[tokio::test]
async fn an_empty_table_is_filled_and_a_full_one_emptied() {
    let mut bench =
        Bench::new("id int primary key, a text", "select 1, 'x' where false", "values (1, 'x'), (2, 'y')")
            .await;
    assert_eq!(bench.merge().await, merged(0, 0, 2));
    bench.live_is_the_candidate().await;
    bench.execute("truncate dataimport.t__1").await;
    assert_eq!(bench.merge().await, merged(2, 0, 0));
    bench.live_is_the_candidate().await;
    bench.end().await;
}

#[tokio::test]
async fn readers_go_on_while_writers_wait() {
    let mut bench =
        Bench::new("id int primary key, a text", "values (1, 'x')", "values (1, 'y'), (2, 'z')").await;
    let other = bench.database.connect().await;
    other.batch_execute("set lock_timeout = '50ms'").await.unwrap();
    let transaction = bench.client.transaction().await.unwrap();
    merge(&transaction, &live(), &candidate(), &key(&["id"])).await.unwrap();
    let read = other.query_one("select string_agg(a, ',') from t", &[]).await.unwrap();
    assert_eq!(read.get::<_, String>(0), "x");
    let refused = other.batch_execute("insert into t values (9, 'w')").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03");
    transaction.commit().await.unwrap();
    drop(other);
    bench.end().await;
}

#[tokio::test]
async fn rows_exchange_the_values_of_unique_and_exclusion_constraints() {
    let mut bench = Bench::new(
        "id int primary key, code text unique, slot int4range, mail text, day int,
         twice int generated always as (day * 2) stored unique, exclude using gist (slot with &&)",
        "values (1, 'a', '[1,5)', 'A@x', 1), (2, 'b', '[5,9)', 'b@x', 2), (3, 'c', '[9,10)', 'c@x', 3), (4, 'd', null, 'd@x', 4)",
        "values (1, 'b', '[5,9)', 'b@x', 2), (2, 'a', '[1,5)', 'a@x', 1), (3, 'd', '[20,21)', 'D@x', 4), (5, 'c', '[9,10)', 'C@x', 3)",
    )
    .await;
    bench.execute("create unique index on t (lower(mail)) where day > 0").await;
    assert_eq!(bench.merge().await, merged(1, 3, 1));
    bench.live_is_the_candidate().await;
    bench.end().await;
}

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
async fn who_refers_to_a_row_meanwhile_is_waited_for() {
    let mut bench = Bench::new("id int primary key", "values (1), (2)", "values (1)").await;
    bench.execute("create table fact (t_id int references t on delete cascade)").await;
    let mut other = bench.database.connect().await;
    let referring = other.transaction().await.unwrap();
    referring.batch_execute("insert into fact values (2)").await.unwrap();
    bench.execute("set lock_timeout = '50ms'").await;
    assert_eq!(bench.refused(&["id"]).await.name, ErrorName::DatabaseBusy);
    referring.commit().await.unwrap();
    assert_eq!(bench.refused(&["id"]).await.name, ErrorName::GateFailed);
    drop(other);
    bench.end().await;
}

#[tokio::test]
async fn generated_and_identity_columns_come_out_as_loaded() {
    let mut bench = Bench::new(
        "id int primary key, serial int generated always as identity, twice int generated always as (id * 2) stored, loose int generated by default as identity",
        "values (1, 10, default, 100), (2, 20, default, 200), (3, 30, default, 300)",
        "values (1, 10, default, 100), (2, 21, default, 200), (3, 30, default, 301), (4, 40, default, 400)",
    )
    .await;
    assert_eq!(bench.merge().await, merged(0, 2, 1));
    assert_eq!(
        bench.rows("select * from t").await,
        ["(1,10,2,100)", "(2,21,4,200)", "(3,30,6,301)", "(4,40,8,400)"]
    );
    // A row whose number must change can't be updated, nor deleted if that cascades.
    bench
        .execute(
            "create table fact (t_id int references t on delete cascade); insert into fact values (2);
             alter table dataimport.t__1 alter serial set generated by default; update dataimport.t__1 set serial = 22 where id = 2",
        )
        .await;
    let error = bench.refused(&["id"]).await;
    assert_eq!(error.name, ErrorName::GateFailed);
    assert!(error.message.contains("identity column changes"), "{error}");
    bench.end().await;
}

#[tokio::test]
async fn a_table_that_is_all_key_and_identity_is_merged() {
    let mut bench =
        Bench::new("id int generated always as identity primary key", "values (1), (2)", "values (2), (3)")
            .await;
    assert_eq!(bench.merge().await, merged(1, 0, 1));
    bench.live_is_the_candidate().await;
    bench.end().await;
}

#[tokio::test]
async fn a_partitioned_table_is_merged_across_its_partitions() {
    let mut bench = Bench::new(
        "id int, a text",
        "select 1, 'x' where false",
        "values (1, 'x'), (2, 'B'), (11, 'y'), (12, 'z')",
    )
    .await;
    bench
        .execute(
            "drop table t; create table t (id int primary key, a text) partition by range (id);
             create table t_0 partition of t for values from (0) to (10); create table t_1 partition of t for values from (10) to (20);
             insert into t values (1, 'x'), (2, 'b'), (11, 'y'), (13, 'gone')",
        )
        .await;
    assert_eq!(bench.merge().await, merged(1, 1, 1));
    bench.live_is_the_candidate().await;
    bench.end().await;
}

#[tokio::test]
async fn a_key_that_does_not_tell_rows_apart_is_refused() {
    let mut bench = Bench::new(
        "a int, b text",
        "values (1, 'x'), (2, 'y')",
        "values (1, 'x'), (1, 'y'), (null, 'z'), (null, 'z')",
    )
    .await;
    assert_eq!(
        bench.refused(&["a"]).await.message,
        "the rows of \"dataimport\".\"t__1\" can't be merged by their key (a): 2 rows have NULL in it, the first: ()"
    );
    bench.execute("delete from dataimport.t__1 where a is null").await;
    let error = bench.refused(&["a"]).await;
    assert_eq!(error.name, ErrorName::GateFailed);
    assert_eq!(
        error.message,
        "the rows of \"dataimport\".\"t__1\" can't be merged by their key (a): 1 key is in more than one row, the first: (1)"
    );
    assert_eq!(bench.merge_by(&["a", "b"]).await.unwrap(), merged(1, 0, 1));
    bench.execute("insert into t values (1, 'x')").await;
    let error = bench.refused(&["b"]).await;
    assert!(error.message.contains("\"public\".\"t\"") && error.message.contains("(x)"), "{error}");
    assert_eq!(bench.refused(&["nothing"]).await.name, ErrorName::InvalidDefinition);
    bench.end().await;
}

#[tokio::test]
async fn equal_keys_that_are_written_differently_are_one_row() {
    let mut bench = Bench::new("x int", "values (1)", "values (1)").await;
    bench
        .execute(
            "create schema ext; create extension citext schema ext; drop table t; drop table dataimport.t__1;
             create domain ext.code as ext.citext;
             create table t (code ext.code primary key, n numeric); create table dataimport.t__1 (like t);
             insert into t values ('a', 1), ('b', 2); insert into dataimport.t__1 values ('A', 1), ('b', 2)",
        )
        .await;
    let same = bench.rows("select ctid from t where n = 2").await;
    assert_eq!(bench.merge_by(&["code"]).await.unwrap(), merged(0, 1, 0));
    bench.live_is_the_candidate().await;
    assert_eq!(bench.rows("select ctid from t where n = 2").await, same);
    bench.end().await;
}

#[tokio::test]
async fn other_columns_are_refused_with_their_names() {
    let mut bench =
        Bench::new("id int primary key, a text, b text", "values (1, 'x', 'y')", "values (1, 'x', 'y')")
            .await;
    bench.execute("alter table dataimport.t__1 drop a, add c int, alter b type varchar(9)").await;
    let error = bench.refused(&["id"]).await;
    assert_eq!(error.name, ErrorName::LiveNotReplaceable);
    assert!(error.message.contains("it lacks \"a\"; it has c beside; \"b\" have another type"), "{error}");
    bench.end().await;
}

#[tokio::test]
async fn a_trigger_that_keeps_rows_is_found_out() {
    let mut bench = Bench::new("id int primary key", "values (1)", "values (2)").await;
    bench
        .execute(
            "create function keep() returns trigger language plpgsql as 'begin return null; end';
             create trigger keep before delete on t for each row execute function keep()",
        )
        .await;
    assert_eq!(bench.refused(&["id"]).await.name, ErrorName::LiveNotReplaceable);
    bench.end().await;
}

#[tokio::test]
async fn a_backup_brings_the_rows_back() {
    let mut bench = Bench::new(
        "id int primary key, serial int generated always as identity, \"double u\" int generated always as (id * 2) stored, n int default 7 unique",
        "values (1, 10, default, 1), (2, 20, default, 2)",
        "values (2, 21, default, 1), (3, 30, default, 2)",
    )
    .await;
    bench
        .execute("alter table t add dropped int; alter table t drop dropped; create schema databackup")
        .await;
    let before = bench.rows("select * from t").await;
    let backup = name("databackup", "t");
    let transaction = bench.client.transaction().await.unwrap();
    assert_eq!(copy_as_backup(&transaction, &live(), &backup).await.unwrap(), 2);
    assert_eq!(merge(&transaction, &live(), &candidate(), &key(&["id"])).await.unwrap(), merged(1, 1, 1));
    transaction.commit().await.unwrap();
    assert_eq!(bench.rows("select * from databackup.t").await, before);
    let transaction = bench.client.transaction().await.unwrap();
    assert_eq!(merge(&transaction, &live(), &backup, &key(&["id"])).await.unwrap(), merged(1, 1, 1));
    transaction.commit().await.unwrap();
    assert_eq!(bench.rows("select * from t").await, before);
    bench.end().await;
}

#[tokio::test]
async fn the_key_of_a_table_is_its_primary_key_or_a_unique_index_without_nulls() {
    let bench = Bench::new(
        "a int not null, \"b c\" int not null, d int, e int not null",
        "values (1, 1, 1, 1)",
        "values (1, 1, 1, 1)",
    )
    .await;
    let found = async || key_of(&bench.client, &live()).await.unwrap();
    for nothing in [
        "create unique index on t (d)",
        "create unique index on t (e) where a > 0",
        "create unique index on t ((a + 1))",
        "create unique index on t (a, d)",
        "alter table t add unique (e) deferrable",
        "create index on t (a)",
    ] {
        bench.execute(nothing).await;
        assert_eq!(found().await, None, "{nothing}");
    }
    bench.execute("create unique index on t (\"b c\", a) include (d)").await;
    assert_eq!(found().await, Some(key(&["b c", "a"])));
    bench.execute("create unique index on t (e)").await;
    assert_eq!(found().await, Some(key(&["e"])));
    bench.execute("alter table t add primary key (e, a)").await;
    assert_eq!(found().await, Some(key(&["e", "a"])));
    assert_eq!(key_of(&bench.client, &name("public", "nobody")).await.unwrap(), None);
    bench.end().await;
}
