//! The gates on real tables.

use std::time::Duration;

use loader_core::definition::ResolvedDefinition;
use loader_core::error::{Error, ErrorName, Result};
use loader_core::gate::{GateFigure, Subject, check_counts, check_incoming_keys, check_rows, verdict};
use loader_core::identifier::{Identifier, QualifiedName};
use loader_test_support::TestDatabase;
use serde_json::{Value, json};
use tokio_postgres::Client;

const TIMEOUT: Duration = Duration::from_secs(30);

struct Bench {
    database: TestDatabase,
    client: Client,
    staging: QualifiedName,
    live: QualifiedName,
    together: Vec<(QualifiedName, QualifiedName)>,
}

pub(crate) fn name(schema: &str, name: &str) -> QualifiedName {
    QualifiedName::new(Identifier::new(schema).unwrap(), Identifier::new(name).unwrap())
}

fn definition(allow_empty: bool, gates: &Value) -> ResolvedDefinition {
    serde_json::from_value(json!({
        "bucket": "b", "prefix": "t/", "include": [], "exclude": [], "engine": "auto", "dialect": {},
        "columns": [], "columns_from": "live", "allow_empty": allow_empty,
        "tolerated_failed_objects": 0, "max_concurrency": null, "gates": gates,
    }))
    .unwrap()
}

impl Bench {
    async fn new(setup: &str) -> Self {
        let database = TestDatabase::create().await;
        let client = database.connect().await;
        client.batch_execute("create schema dataimport").await.unwrap();
        client.batch_execute(setup).await.unwrap();
        Self {
            database,
            client,
            staging: name("dataimport", "t__1"),
            live: name("public", "t"),
            together: Vec::new(),
        }
    }

    async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    async fn counts(&mut self, rows: u64, allow_empty: bool, gates: &Value) -> Vec<GateFigure> {
        let subject = Subject { staging: &self.staging, live: Some(&self.live), rows, together: &[] };
        check_counts(&mut self.client, &subject, &definition(allow_empty, gates)).await.unwrap()
    }

    async fn rows_within(&mut self, gates: &Value, timeout: Duration) -> Result<Vec<GateFigure>> {
        let subject =
            Subject { staging: &self.staging, live: Some(&self.live), rows: 0, together: &self.together };
        check_rows(&mut self.client, &subject, &definition(false, gates), timeout).await
    }

    async fn rows(&mut self, gates: Value) -> Result<Vec<GateFigure>> {
        self.rows_within(&gates, TIMEOUT).await
    }

    async fn incoming(&mut self) -> Vec<GateFigure> {
        let subject =
            Subject { staging: &self.staging, live: Some(&self.live), rows: 0, together: &self.together };
        check_incoming_keys(&mut self.client, &subject).await.unwrap()
    }

    async fn refusal(&mut self, gates: Value) -> Error {
        self.rows(gates).await.unwrap_err()
    }

    async fn end(self) {
        drop(self.client);
        self.database.drop().await;
    }
}

/// Returns gate, outcome and finding of each figure.
fn lines(figures: &[GateFigure]) -> String {
    let lines: Vec<String> = figures
        .iter()
        .map(|figure| {
            let passed = if figure.passed { "passed" } else { "FAILED" };
            format!("{} {passed}: {}", figure.gate, figure.found)
        })
        .collect();
    lines.join("\n")
}

#[tokio::test]
async fn without_a_word_in_the_definition_an_empty_and_a_halved_delivery_fail() {
    let mut bench = Bench::new("create table t as select generate_series(1, 1000) as id").await;
    let nothing = json!({});
    assert_eq!(
        lines(&bench.counts(0, false, &nothing).await),
        "min_rows FAILED: 0 rows\nmax_drop_percent FAILED: 0 rows against 1,000 live (-100.0 %)"
    );
    assert_eq!(
        lines(&bench.counts(500, false, &nothing).await),
        "min_rows passed: 500 rows\nmax_drop_percent FAILED: 500 rows against 1,000 live (-50.0 %)"
    );
    assert!(verdict(&bench.counts(600, false, &nothing).await).is_ok());
    assert!(verdict(&bench.counts(90_000, false, &nothing).await).is_ok());
    // A table that may be empty may be empty, but not half.
    assert!(verdict(&bench.counts(0, true, &nothing).await).is_ok());
    assert!(verdict(&bench.counts(500, true, &nothing).await).is_err());
    bench.end().await;
}

#[tokio::test]
async fn the_limits_of_the_definition_hold_instead_of_the_defaults() {
    let mut bench = Bench::new("create table t as select generate_series(1, 1000) as id").await;
    let off = json!({"max_drop_percent": 100, "min_rows": 0});
    assert_eq!(lines(&bench.counts(0, false, &off).await), "min_rows passed: 0 rows");
    let tight = json!({"max_drop_percent": 0.5, "max_growth_percent": 10, "min_rows": 2000});
    assert_eq!(
        lines(&bench.counts(994, false, &tight).await),
        "min_rows FAILED: 994 rows\n\
         max_drop_percent FAILED: 994 rows against 1,000 live (-0.6 %)\n\
         max_growth_percent passed: 994 rows against 1,000 live (-0.6 %)"
    );
    assert_eq!(
        verdict(&bench.counts(1101, false, &tight).await).unwrap_err().message,
        "2 of 3 gates failed: min_rows: 1,101 rows, expected at least 2,000; \
         max_growth_percent: 1,101 rows against 1,000 live (+10.1 %), expected +10 % at the most"
    );
    bench.end().await;
}

#[tokio::test]
async fn without_a_live_table_there_is_nothing_to_compare_with() {
    let mut bench = Bench::new("").await;
    let subject = Subject { staging: &bench.staging, live: None, rows: 1, together: &[] };
    let definition = definition(false, &json!({"max_drop_percent": 0, "max_growth_percent": 0}));
    let figures = check_counts(&mut bench.client, &subject, &definition).await.unwrap();
    assert_eq!(lines(&figures), "min_rows passed: 1 row");
    assert!(check_incoming_keys(&mut bench.client, &subject).await.unwrap().is_empty());
    bench.end().await;
}

#[tokio::test]
async fn nulls_are_counted_and_the_first_row_is_named_by_its_key() {
    let mut bench = Bench::new(
        r#"create table t (id int primary key, "a ""b" text, c text);
           create table dataimport.t__1 (like t);
           insert into dataimport.t__1 values (1, 'x', null), (7, null, null), (3, null, 'y')"#,
    )
    .await;
    assert_eq!(
        lines(&bench.rows(json!({"not_null": ["id", "a \"b", "c"]})).await.unwrap()),
        "not_null(id) passed: 0 rows are null\n\
         not_null(a \"b) FAILED: 2 rows are null, the first: (id)=(3)\n\
         not_null(c) FAILED: 2 rows are null, the first: (id)=(1)"
    );
    // Without a key there is only a number.
    bench.execute("drop table t").await;
    assert_eq!(
        lines(&bench.rows(json!({"not_null": ["c"]})).await.unwrap()),
        "not_null(c) FAILED: 2 rows are null"
    );
    bench.end().await;
}

#[tokio::test]
async fn repeated_keys_are_counted_and_rows_with_null_are_left_out() {
    let mut bench = Bench::new(
        "create table t (a int, b text);
         create table dataimport.t__1 (like t);
         insert into dataimport.t__1 values
             (1, 'x'), (1, 'x'), (1, 'y'), (2, null), (2, null), (3, 'z'), (3, 'z'), (3, 'z')",
    )
    .await;
    let gates = json!({"unique": [["a", "b"], ["b", "a"], ["a"]]});
    assert_eq!(
        lines(&bench.rows(gates.clone()).await.unwrap()),
        "unique(a, b) FAILED: 2 repeated keys in 5 rows, the first: (a, b)=(1,x)\n\
         unique(b, a) FAILED: 2 repeated keys in 5 rows, the first: (b, a)=(x,1)\n\
         unique(a) FAILED: 3 repeated keys in 8 rows, the first: (a)=(1)"
    );
    bench.execute("delete from dataimport.t__1 where ctid not in (select min(ctid) from dataimport.t__1 group by a)").await;
    assert!(verdict(&bench.rows(gates.clone()).await.unwrap()).is_ok());
    // An index that says it all is believed, one that leaves rows out is not.
    bench
        .execute(
            "create unique index on dataimport.t__1 (b) include (a);
             create unique index on dataimport.t__1 (a) where a = 1;
             create unique index on dataimport.t__1 ((a + 1));
             create unique index on dataimport.t__1 (a, (b || 'x'))",
        )
        .await;
    assert_eq!(
        lines(&bench.rows(gates).await.unwrap()),
        "unique(a, b) passed: a unique index sees to it\n\
         unique(b, a) passed: a unique index sees to it\n\
         unique(a) passed: each key once"
    );
    bench.end().await;
}

#[tokio::test]
async fn orphans_are_looked_for_in_what_will_be_live() {
    let mut bench = Bench::new(
        "create table store (id bigint, region text);
         create schema other; create table other.region (code text);
         insert into store values (1, 'n'), (2, 's');
         create table dataimport.t__1 (store_id int, region text, parent int);
         insert into dataimport.t__1 values (1, 'n', null), (2, 'n', 1), (null, 'n', 2), (9, 's', 7)",
    )
    .await;
    let by_store = json!({"no_orphans": [{"columns": ["store_id"], "table": "store", "key": ["id"]}]});
    assert_eq!(
        lines(&bench.rows(by_store.clone()).await.unwrap()),
        "no_orphans(store_id) FAILED: 1 row finds none there, the first: (store_id)=(9)"
    );
    assert_eq!(
        lines(
            &bench
                .rows(json!({"no_orphans": [
                    {"columns": ["region", "store_id"], "table": "store", "key": ["region", "id"]},
                    {"columns": ["region"], "table": "other.region", "key": ["code"]},
                    {"columns": ["parent"], "table": "t", "key": ["store_id"]},
                ]}))
                .await
                .unwrap()
        ),
        "no_orphans(region, store_id) FAILED: 2 rows find none there, the first: (region, store_id)=(n,2)\n\
         no_orphans(region) FAILED: 4 rows find none there, the first: (region)=(n)\n\
         no_orphans(parent) FAILED: 1 row finds none there, the first: (parent)=(7)"
    );
    // A table of the same publish counts as it will be.
    bench
        .execute("create table dataimport.store__1 as select 9::bigint as id union select 1 union select 2")
        .await;
    bench.together = vec![(name("public", "store"), name("dataimport", "store__1"))];
    assert!(verdict(&bench.rows(by_store).await.unwrap()).is_ok());
    bench.end().await;
}

#[tokio::test]
async fn a_type_of_an_extension_is_compared_by_its_own_equality() {
    let mut bench = Bench::new(
        "create schema ext; create extension citext schema ext;
         create domain ext.code as ext.citext;
         create table store (id ext.citext); insert into store values ('abc');
         create table dataimport.t__1 (id ext.code); insert into dataimport.t__1 values ('ABC')",
    )
    .await;
    let gates = json!({"no_orphans": [{"columns": ["id"], "table": "store", "key": ["id"]}]});
    assert!(verdict(&bench.rows(gates).await.unwrap()).is_ok());
    bench.end().await;
}

#[tokio::test]
async fn a_query_that_finds_rows_fails_with_their_number_and_the_first() {
    let mut bench = Bench::new(
        "create table dataimport.t__1 as select n as id, n - 3 as price, case when n > 1 then 'x' end as note from generate_series(1, 5) n",
    )
    .await;
    let query = |text: &str| json!({"sql": [{"name": "q", "query": text}]});
    for (text, expected) in [
        (
            "select id, note from {table} where price < 0 order by id",
            "sql(q) FAILED: 2 rows, the first: (id, note)=(1, null)",
        ),
        ("select id from {table} where price > 9;\n", "sql(q) passed: no rows"),
        (
            "with low as (select * from {table} as t where t.price < 0) select id from low where id > 1 -- so",
            "sql(q) FAILED: 1 row, the first: (id)=(2)",
        ),
        ("table {table}", "sql(q) FAILED: 5 rows, the first: (id, price, note)=(1, -2, null)"),
        (
            "select repeat(id || E'\\n', 300) as r from {table} where id = 1",
            "sql(q) FAILED: 1 row, the first: ",
        ),
    ] {
        let found = lines(&bench.rows(query(text)).await.unwrap());
        assert!(found.starts_with(expected), "{text}: {found}");
        assert!(found.len() < 260 && !found.contains('\n'), "{found}");
    }
    bench.end().await;
}

#[tokio::test]
async fn a_gate_that_cant_be_checked_is_a_fault_of_the_definition_and_is_named() {
    let mut bench = Bench::new(
        "create table dataimport.t__1 as select 1 as id, '{}'::json as doc; create table victim (id int);
         create function wipe() returns int language sql as 'delete from public.victim; select 1'",
    )
    .await;
    let query = |text: &str| json!({"sql": [{"name": "no bad rows", "query": text}]});
    for (gates, part) in [
        (query("select nothing from {table}"), "sql(no bad rows)"),
        (query("select 1 / (id - 1) from {table}"), "sql(no bad rows)"),
        (query("select 1 from {table}; drop table victim"), "sql(no bad rows)"),
        (query("delete from {table} returning id"), "sql(no bad rows)"),
        (query("with gone as (delete from {table} returning id) select * from gone"), "sql(no bad rows)"),
        (query("select id from {table} where id = $1"), "sql(no bad rows)"),
        (query("select wipe() from {table}"), "sql(no bad rows)"),
        (
            query("select set_config('transaction_read_only', 'off', true), wipe() from {table}"),
            "sql(no bad rows)",
        ),
        (json!({"not_null": ["nothing"]}), "not_null(nothing)"),
        (json!({"unique": [["nothing"]]}), "unique(nothing)"),
        (json!({"unique": [["doc"]]}), "unique(doc)"),
        (
            json!({"no_orphans": [{"columns": ["id"], "table": "victim", "key": ["x"]}]}),
            "\"victim\" is not there or lacks the columns x",
        ),
        (json!({"no_orphans": [{"columns": ["id"], "table": "nobody", "key": ["id"]}]}), "no_orphans(id)"),
        (json!({"no_orphans": [{"columns": ["doc"], "table": "victim", "key": ["id"]}]}), "no_orphans(doc)"),
    ] {
        let error = bench.refusal(gates.clone()).await;
        assert_eq!(error.name, ErrorName::InvalidDefinition, "{gates}: {error}");
        assert!(error.message.contains(part), "{gates}: {error}");
    }
    bench.execute("select 'public.victim'::regclass").await;
    bench.end().await;
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_stopped_and_the_session_goes_on() {
    let mut bench = Bench::new("create table dataimport.t__1 as select 1 as id").await;
    let gates = json!({"sql": [{"name": "slow", "query": "select pg_sleep(3600) from {table}"}]});
    let error = bench.rows_within(&gates, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.name, ErrorName::DatabaseBusy, "{error}");
    assert!(error.message.contains("sql(slow)") && error.message.contains("0.05 s"), "{error}");
    // The session's own limit holds where it is lower.
    bench.execute("set statement_timeout = 40").await;
    assert_eq!(bench.rows_within(&gates, TIMEOUT).await.unwrap_err().name, ErrorName::DatabaseBusy);
    let row = bench.client.query_one("show statement_timeout", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "40ms");
    bench.end().await;
}

#[tokio::test]
async fn rows_of_other_tables_must_find_theirs_in_the_loaded_table() {
    let mut bench = Bench::new(
        r#"create table t (id int primary key, "a b" text, part int, unique ("a b", part), boss int references t);
           insert into t select n, 'k' || n, n from generate_series(1, 4) n;
           create table dataimport.t__1 (like t);
           insert into dataimport.t__1 select * from t where id <> 3;
           create schema shop;
           create table shop.fact (n int, t_id int references t);
           create table loose (x text, y int, constraint "of two" foreign key (x, y) references t ("a b", part));
           create table strict (x text, y int, foreign key (x, y) references t ("a b", part) match full);
           create table old (t_id int);
           insert into shop.fact values (1, 1), (2, null), (3, 4);
           insert into loose values ('k1', 1), ('k3', null), (null, null);
           insert into strict values ('k1', 1), (null, null);
           insert into old values (99);
           alter table old add foreign key (t_id) references t not valid"#,
    )
    .await;
    assert!(verdict(&bench.incoming().await).is_ok());
    bench
        .execute(
            "insert into shop.fact values (4, 3), (5, 3); insert into loose values ('k3', 3);
             insert into strict values ('k3', 3)",
        )
        .await;
    let figures = bench.incoming().await;
    assert_eq!(
        lines(&figures),
        "foreign key \"of two\" of \"public\".\"loose\" FAILED: 1 row refers to rows that were not loaded, the first: (x, y)=(k3,3)\n\
         foreign key \"strict_x_y_fkey\" of \"public\".\"strict\" FAILED: 1 row refers to rows that were not loaded, the first: (x, y)=(k3,3)\n\
         foreign key \"fact_t_id_fkey\" of \"shop\".\"fact\" FAILED: 2 rows refer to rows that were not loaded, the first: (t_id)=(3)"
    );
    // Rows of a table of the same publish count as they will be.
    bench
        .execute("create table dataimport.fact__1 as select 1 as n, 4 as t_id; delete from loose; delete from strict")
        .await;
    bench.together = vec![(name("shop", "fact"), name("dataimport", "fact__1"))];
    assert!(verdict(&bench.incoming().await).is_ok());
    // Half a key is no key where all of it must match.
    bench.execute("create table dataimport.half as select 'k1' as x, null::int as y").await;
    for (table, passes) in [("loose", true), ("strict", false)] {
        bench.together = vec![
            (name("shop", "fact"), name("dataimport", "fact__1")),
            (name("public", table), name("dataimport", "half")),
        ];
        assert_eq!(verdict(&bench.incoming().await).is_ok(), passes, "{table}");
    }
    bench.end().await;
}

#[tokio::test]
async fn a_foreign_key_of_or_to_a_partitioned_table_is_checked_once() {
    let mut bench = Bench::new(
        "create table whole (id int primary key) partition by range (id);
         create table t partition of whole for values from (0) to (10);
         create table rest partition of whole for values from (10) to (20);
         insert into whole values (1), (2), (11);
         create table dataimport.t__1 (id int); insert into dataimport.t__1 values (1);
         create table fact (whole_id int references whole) partition by list (whole_id);
         create table fact_1 partition of fact for values in (1, 11);
         create table fact_2 partition of fact default;
         insert into fact values (1), (11)",
    )
    .await;
    // What is in another partition is not lost with this one.
    let figures = bench.incoming().await;
    assert_eq!(figures.len(), 1, "{figures:?}");
    assert!(verdict(&figures).is_ok(), "{figures:?}");
    bench.execute("insert into fact values (2)").await;
    assert_eq!(
        lines(&bench.incoming().await),
        "foreign key \"fact_whole_id_fkey\" of \"public\".\"fact\" FAILED: 1 row refers to rows that were not loaded, the first: (whole_id)=(2)"
    );
    bench.live = name("public", "whole");
    assert_eq!(bench.incoming().await.len(), 1);
    bench.end().await;
}

#[tokio::test]
async fn rows_that_a_policy_hides_are_not_counted_as_missing() {
    let mut bench = Bench::new(
        "create table t as select generate_series(1, 1000) as id; alter table t enable row level security",
    )
    .await;
    // Roles are those of the whole server.
    let row = bench.client.query_one("select current_database() || '_policed'", &[]).await.unwrap();
    let role: String = row.get(0);
    bench.execute(&format!("create role {role}; grant select on t to {role}; set role {role}")).await;
    let subject = Subject { staging: &bench.staging, live: Some(&bench.live), rows: 1, together: &[] };
    let error = check_counts(&mut bench.client, &subject, &definition(false, &json!({}))).await.unwrap_err();
    assert_eq!(error.sqlstate.as_deref(), Some("42501"), "{error}");
    bench.execute(&format!("reset role; drop owned by {role}; drop role {role}")).await;
    bench.end().await;
}
