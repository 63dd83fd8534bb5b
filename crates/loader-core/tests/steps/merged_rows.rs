//! Random rows, merged: the live table holds exactly the candidate's.

use std::collections::BTreeMap;

use loader_core::error::ErrorName;
use loader_core::publish::merge::merge;
use loader_test_support::TestDatabase;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Transaction};

use crate::merge::{candidate, key, live};

/// What a row has beside its key: a unique code, a number, a document, a boss.
type Values = (Option<u8>, Option<u8>, Option<u8>, Option<u8>);

/// Rows by their key.
type Rows = BTreeMap<u8, Values>;

#[derive(Debug, Clone)]
struct Case {
    old: Rows,
    new: Rows,
    /// The keys that other rows refer to.
    referred: Vec<u8>,
    /// Whether a row that goes would take those along that refer to it.
    cascades: bool,
}

fn rows() -> impl Strategy<Value = Rows> {
    let small = || proptest::option::of(0_u8..6);
    proptest::collection::btree_map(
        0_u8..12,
        (small(), small(), small(), proptest::option::of(0_u8..12)),
        0..12,
    )
    .prop_map(|mut rows| {
        let keys: Vec<u8> = rows.keys().copied().collect();
        let mut codes = std::collections::BTreeSet::new();
        for (code, _, _, boss) in rows.values_mut() {
            *code = code.filter(|code| codes.insert(*code));
            *boss = boss.filter(|boss| keys.contains(boss));
        }
        rows
    })
}

fn cases() -> impl Strategy<Value = Case> {
    (rows(), rows(), proptest::collection::vec(0_u8..12, 0..5), any::<bool>(), any::<bool>()).prop_map(
        |(old, mut new, referred, alike, cascades)| {
            if alike {
                // The same rows, but for a few.
                let few: Rows = new.into_iter().take(2).collect();
                let codes: Vec<u8> = few.values().filter_map(|values| values.0).collect();
                new = old.clone();
                for values in new.values_mut() {
                    values.0 = values.0.filter(|code| !codes.contains(code));
                }
                new.extend(few);
                let keys: Vec<u8> = new.keys().copied().collect();
                for values in new.values_mut() {
                    values.3 = values.3.filter(|boss| keys.contains(boss));
                }
            }
            let referred =
                referred.into_iter().filter(|key| old.contains_key(key) && new.contains_key(key)).collect();
            Case { old, new, referred, cascades }
        },
    )
}

async fn fill(transaction: &Transaction<'_>, table: &str, rows: &Rows) {
    let text = |value: Option<u8>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
    let values: Vec<String> = rows
        .iter()
        .map(|(id, (code, number, doc, boss))| {
            // Numbers that are equal and not the same, documents without an equality.
            let number = text(*number).replace('5', "4.0");
            let doc = doc.map_or_else(|| "null".to_owned(), |doc| format!("'{{\"a\":{doc}}}'"));
            format!("({id}, {}, {number}, {doc}, {})", text(*code), text(*boss))
        })
        .collect();
    if !values.is_empty() {
        transaction
            .batch_execute(&format!(
                "insert into {table} (id, code, number, doc, boss) values {}",
                values.join(", ")
            ))
            .await
            .unwrap();
    }
}

async fn ask(transaction: &Transaction<'_>, query: &str) -> Vec<String> {
    transaction.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn check(client: &mut Client, case: &Case) {
    let transaction = client.transaction().await.unwrap();
    fill(&transaction, "public.t", &case.old).await;
    fill(&transaction, "dataimport.t__1", &case.new).await;
    if case.cascades {
        transaction
            .batch_execute(
                "alter table t drop constraint own, add constraint own foreign key (boss) references t on delete cascade;
                 alter table fact drop constraint of_t, add constraint of_t foreign key (t_id) references t on delete cascade",
            )
            .await
            .unwrap();
    }
    for id in &case.referred {
        transaction.batch_execute(&format!("insert into fact values ({id})")).await.unwrap();
    }
    // Rows know the subtransaction that wrote them, and so whether they are touched.
    transaction.batch_execute("savepoint filled").await.unwrap();
    let same = "select (l.ctid, l.xmin, l.id)::text from t l join dataimport.t__1 c using (id)
                 where row(l.code, l.number, l.doc, l.boss)::record operator(pg_catalog.*=) row(c.code, c.number, c.doc, c.boss)::record
                 order by l.id";
    let untouched = ask(&transaction, same).await;
    let merged = match merge(&transaction, &live(), &candidate(), &key(&["id"])).await {
        Ok(merged) => merged,
        // What would cascade may be refused; without that there is always a way.
        Err(error) => {
            assert!(case.cascades && error.name == ErrorName::GateFailed, "{error}");
            return transaction.rollback().await.unwrap();
        }
    };

    let columns = "id, code, number::text, doc::text, boss, sum";
    let all = |table: &str| format!("select row({columns})::text from {table} order by id");
    assert_eq!(ask(&transaction, &all("t")).await, ask(&transaction, &all("dataimport.t__1")).await);
    let now = ask(&transaction, same).await;
    assert!(untouched.iter().all(|row| now.contains(row)), "{untouched:?} {now:?}");
    let count = |n: usize| u64::try_from(n).unwrap();
    let kept = |a: &Rows, b: &Rows| count(a.keys().filter(|key| b.contains_key(key)).count());
    assert_eq!(merged.deleted, count(case.old.len()) - kept(&case.old, &case.new));
    assert_eq!(merged.inserted, count(case.new.len()) - kept(&case.new, &case.old));
    assert_eq!(merged.updated, kept(&case.old, &case.new) - count(untouched.len()));
    assert_eq!(ask(&transaction, "select count(*)::text from fact").await, [case.referred.len().to_string()]);
    transaction.rollback().await.unwrap();
}

#[test]
fn after_a_merge_the_live_table_holds_exactly_the_rows_of_the_candidate() {
    let runtime = Runtime::new().unwrap();
    let (database, client) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let client = database.connect().await;
        client
            .batch_execute(
                "create schema dataimport;
                 create table t (id int primary key, code int unique, number numeric, doc json, boss int,
                     sum numeric generated always as (id + number) stored,
                     constraint own foreign key (boss) references t);
                 create table dataimport.t__1 (like t including all);
                 create table fact (t_id int, constraint of_t foreign key (t_id) references t)",
            )
            .await
            .unwrap();
        (database, client)
    });
    let client = std::cell::RefCell::new(client);
    let config = Config { cases: 120, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&cases(), |case| {
            runtime.block_on(check(&mut client.borrow_mut(), &case));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    drop(client);
    runtime.block_on(database.drop());
}
