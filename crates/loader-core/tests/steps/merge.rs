//! The merge of rows into a live table that stays.

use loader_core::error::{Error, ErrorName, Result};
use loader_core::identifier::{Identifier, QualifiedName};
use loader_core::publish::merge::{Merged, copy_as_backup, key_of, merge};
use loader_test_support::TestDatabase;
use tokio_postgres::Client;

use crate::gates::name;

pub(crate) struct Bench {
    pub(crate) database: TestDatabase,
    pub(crate) client: Client,
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
    pub(crate) async fn new(table: &str, old: &str, new: &str) -> Self {
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

    pub(crate) async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    pub(crate) async fn merge_by(&mut self, columns: &[&str]) -> Result<Merged> {
        let transaction = self.client.transaction().await.unwrap();
        let merged = merge(&transaction, &live(), &candidate(), &key(columns)).await?;
        transaction.commit().await.map_err(|error| Error::new(ErrorName::Internal, error.to_string()))?;
        Ok(merged)
    }

    pub(crate) async fn merge(&mut self) -> Merged {
        self.merge_by(&["id"]).await.unwrap()
    }

    pub(crate) async fn rows(&self, query: &str) -> Vec<String> {
        let query = format!("select (q.*)::text from ({query}) q order by 1");
        self.client.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn live_is_the_candidate(&self) {
        assert_eq!(self.rows("select * from t").await, self.rows("select * from dataimport.t__1").await);
    }

    pub(crate) async fn refused(&mut self, columns: &[&str]) -> Error {
        let before = self.rows("select ctid, xmin, * from t").await;
        let error = self.merge_by(columns).await.unwrap_err();
        assert_eq!(self.rows("select ctid, xmin, * from t").await, before);
        error
    }

    pub(crate) async fn end(self) {
        drop(self.client);
        self.database.drop().await;
    }
}

pub(crate) const fn merged(deleted: u64, updated: u64, inserted: u64) -> Merged {
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
async fn rows_exchange_what_only_one_of_them_can_have() {
    for (column, index, values) in [
        ("text", "alter table t add unique (x)", ["'a'", "'b'"]),
        ("int4range", "alter table t add exclude using gist (x with &&)", ["'[1,5)'", "'[5,9)'"]),
        ("text", "create unique index on t (lower(x)) where n = 1", ["'A'", "'b'"]),
        ("int", "create unique index on t (n) where x > 0", ["0", "1"]),
        ("int", "alter table t add twice int generated always as (x * 2) stored unique", ["1", "2"]),
        ("int", "alter table t add unique (x) deferrable", ["1", "2"]),
        ("int", "create unique index on t (x, id)", ["1", "2"]),
        (
            "int",
            "create function whole(t) returns text immutable language sql as 'select $1.x::text'; create unique index on t (whole(t))",
            ["1", "2"],
        ),
    ] {
        let [one, two] = values;
        let mut bench = Bench::new(
            &format!("id int primary key, n int, x {column}"),
            &format!("values (1, 1, {one}), (2, 1, {two})"),
            &format!("values (1, 1, {two}), (2, 1, {one})"),
        )
        .await;
        bench.execute(index).await;
        assert_eq!(bench.merge().await, merged(0, 2, 0), "{index}");
        let rows = bench.rows("select id, n, x from t").await;
        assert_eq!(rows, bench.rows("select id, n, x from dataimport.t__1").await, "{index}");
        bench.end().await;
    }
}

#[tokio::test]
async fn rows_that_a_constraint_of_the_live_table_refuses_fail_the_gate() {
    let mut bench = Bench::new("id int primary key, n int", "values (1, 1)", "values (1, 1), (2, 1)").await;
    for constraint in ["unique (n)", "check (id < 2)", "foreign key (n) references other"] {
        bench
            .execute(&format!(
                "create table other (id int primary key); insert into other values (1);
                 update dataimport.t__1 set n = 7 where id = 2 and '{constraint}' ~ 'foreign';
                 alter table t add constraint refuses {constraint}"
            ))
            .await;
        let error = bench.refused(&["id"]).await;
        assert_eq!(error.name, ErrorName::GateFailed, "{error}");
        assert!(error.message.contains("\"refuses\""), "{error}");
        bench.execute("alter table t drop constraint refuses; drop table other").await;
    }
    bench.end().await;
}

#[tokio::test]
async fn who_waits_too_long_for_a_lock_is_told() {
    let mut bench = Bench::new("id int primary key", "values (1), (2)", "values (1)").await;
    let mut other = bench.database.connect().await;
    let writing = other.transaction().await.unwrap();
    writing.batch_execute("insert into t values (9)").await.unwrap();
    bench.execute("set lock_timeout = '50ms'").await;
    assert_eq!(bench.refused(&["id"]).await.name, ErrorName::DatabaseBusy);
    writing.rollback().await.unwrap();
    assert_eq!(bench.merge().await, merged(1, 0, 0));
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
    for action in ["no action", "cascade", "set null"] {
        let mut bench = Bench::new("x int", "values (1)", "values (1)").await;
        bench
            .execute(&format!(
                "create schema ext; create extension citext schema ext; drop table t; drop table dataimport.t__1;
                 create domain ext.code as ext.citext;
                 create table t (code ext.code primary key, n numeric); create table dataimport.t__1 (like t);
                 insert into t values ('a', 1), ('b', 2); insert into dataimport.t__1 values ('A', 1), ('b', 2);
                 create table fact (code ext.citext references t on update {action}); insert into fact values ('a')"
            ))
            .await;
        let same = bench.rows("select ctid from t where n = 2").await;
        assert_eq!(bench.merge_by(&["code"]).await.unwrap(), merged(0, 1, 0), "{action}");
        bench.live_is_the_candidate().await;
        assert_eq!(bench.rows("select ctid from t where n = 2").await, same);
        assert_eq!(bench.rows("select * from fact").await, ["(a)"], "{action}");
        bench.end().await;
    }
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
