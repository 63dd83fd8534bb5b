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

/// Expects that a partitioned table on which these statements were made, or its
/// partition, is refused, whichever is loaded.
async fn assert_partitions_refused(statements: &str, names: &[&str], tables: &[&str]) {
    for table in tables {
        let live = Live::new(table).await;
        live.world
            .execute(
                "create table public.part (id int not null, above int) partition by range (id);
                 create table public.part_low partition of public.part for values from (0) to (10)",
            )
            .await;
        live.world.execute(statements).await;
        live.put("id\n1\n");
        let before = Snapshot::take(&live.world).await;
        let error =
            live.world.prepare_with("r1", &serde_json::json!({"table": table})).await.expect_err(statements);
        assert_eq!(error.name, ErrorName::LiveNotReplaceable, "{statements}: {error}");
        for name in names {
            assert!(error.message.contains(name), "{statements}: the message lacks `{name}`: {error}");
        }
        assert!(
            WAYS_OUT.iter().any(|word| error.message.contains(word)),
            "{statements}: no way out: {error}"
        );
        before.assert_unchanged(&live.world, statements).await;
        live.end().await;
    }
}

#[tokio::test]
async fn an_index_of_a_parent_that_lacks_partitions_is_refused() {
    assert_partitions_refused(
        "create index \"Once more\" on only public.part (above)",
        &["\"Once more\"", "public.part"],
        &["part", "part_low"],
    )
    .await;
}

#[tokio::test]
async fn a_foreign_key_of_a_partitioned_table_to_itself_is_refused() {
    assert_partitions_refused(
        "alter table public.part add primary key (id);
         alter table public.part add constraint upwards foreign key (above) references public.part",
        &["upwards", "public.part"],
        &["part", "part_low"],
    )
    .await;
}

#[tokio::test]
async fn a_foreign_table_as_a_partition_is_refused() {
    assert_partitions_refused(
        "create foreign data wrapper elsewhere;
         create server far foreign data wrapper elsewhere;
         create foreign table public.part_far partition of public.part for values from (10) to (20) server far",
        &["part_far"],
        &["part"],
    )
    .await;
}

#[tokio::test]
async fn what_holds_on_to_a_partition_is_refused() {
    assert_partitions_refused(
        "create table public.kept (was public.part_low)",
        &["public.kept"],
        &["part", "part_low"],
    )
    .await;
}

#[tokio::test]
async fn a_definition_with_other_columns_is_refused_for_a_partitioned_table() {
    let live = Live::new("part").await;
    live.world
        .execute(
            "create table public.part (id int not null) partition by range (id);
             create table public.part_low partition of public.part for values from (0) to (10)",
        )
        .await;
    live.put("id,more\n1,2\n");
    let columns = serde_json::json!([{"name": "id", "type": "int"}, {"name": "more", "type": "int"}]);
    let input = serde_json::json!({"table": "part", "definition": {"columns": columns}});
    let error = live.world.prepare_with("r1", &input).await.expect_err("a new column");
    assert_eq!(error.name, ErrorName::LiveNotReplaceable, "{error}");
    assert!(error.message.contains("more"), "{error}");
    live.end().await;
}
