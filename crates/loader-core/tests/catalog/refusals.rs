//! What can't be kept is refused before anything is touched.

use loader_core::error::ErrorName;

use crate::live::Live;
use crate::snapshot::Snapshot;

/// A table that can be replaced, and an object for it.
async fn plain() -> Live {
    let live = Live::new("t").await;
    live.world.execute("create schema ref; create table public.t (id int, name text); insert into public.t values (0, 'before')").await;
    live.put("id,name\n1,one\n");
    live
}

/// Words of the ways out: drop or change the object, load by another strategy or
/// under another name.
const WAYS_OUT: [&str; 4] = ["drop", "merge", "another name", "change"];

/// Expects that a table on which these statements were made is refused by the
/// first step, that the refusal names the object and a way out, and that nothing
/// was made or changed.
async fn assert_refused(statements: &str, names: &[&str]) {
    let live = plain().await;
    live.world.execute(statements).await;
    let before = Snapshot::take(&live.world).await;
    let error = live.world.prepare("r1").await.expect_err(statements);
    assert_eq!(error.name, ErrorName::LiveNotReplaceable, "{statements}: {error}");
    for name in names {
        assert!(error.message.contains(name), "{statements}: the message lacks `{name}`: {error}");
    }
    assert!(
        WAYS_OUT.iter().any(|word| error.message.contains(word)),
        "{statements}: the message has no way out: {error}"
    );
    before.assert_unchanged(&live.world, statements).await;
    assert_eq!(live.world.rows("table public.t").await, ["(0,before)"], "{statements}");
    live.end().await;
}

#[tokio::test]
async fn a_function_that_returns_the_row_type_is_refused() {
    assert_refused(
        "create function ref.all_of_t() returns setof public.t language sql as 'select * from public.t'",
        &["function", "ref.all_of_t()"],
    )
    .await;
}

#[tokio::test]
async fn a_function_that_takes_the_row_type_is_refused() {
    assert_refused(
        "create function ref.\"Name of\"(t public.t) returns text language sql as 'select t.name'",
        &["function", "\"Name of\""],
    )
    .await;
}

#[tokio::test]
async fn a_column_of_the_row_type_is_refused() {
    assert_refused("create table ref.kept (n int, was public.t)", &["ref.kept", "was"]).await;
}

#[tokio::test]
async fn a_column_of_an_array_of_the_row_type_is_refused() {
    assert_refused("create table ref.kept (n int, were public.t[])", &["ref.kept", "were"]).await;
}

#[tokio::test]
async fn a_domain_over_the_row_type_is_refused() {
    assert_refused("create domain ref.named_t as public.t check ((value).name <> '')", &["ref.named_t"])
        .await;
}

#[tokio::test]
async fn an_inheriting_table_is_refused() {
    assert_refused("create table ref.child (more int) inherits (public.t)", &["ref.child"]).await;
}

#[tokio::test]
async fn everything_in_the_way_is_named_at_once() {
    assert_refused(
        "create table ref.child () inherits (public.t);
         create table ref.kept (was public.t);
         create function ref.all_of_t() returns setof public.t language sql as 'select * from public.t'",
        &["ref.child", "ref.kept", "ref.all_of_t()"],
    )
    .await;
}

#[tokio::test]
async fn what_is_in_the_way_of_a_swap_is_no_trouble_for_a_merge() {
    let mut live = plain().await;
    live.world
        .execute(
            "alter table public.t add primary key (id);
             create function ref.all_of_t() returns setof public.t language sql as 'select * from public.t';
             create table ref.kept (was public.t)",
        )
        .await;
    let before = Snapshot::take(&live.world).await;
    live.replace_with(&serde_json::json!({"table": "t", "definition": {"strategy": "merge"}}))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(live.world.rows("select * from ref.all_of_t()").await, ["(1,one)"]);
    before.assert_unchanged(&live.world, "after a merge").await;
    live.end().await;
}
