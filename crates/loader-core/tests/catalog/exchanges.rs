//! What an exchange of partitions does beside keeping what hangs on them.

use loader_core::build::{BuildEvent, BuildSettings, build};
use loader_core::error::ErrorName;
use loader_core::input::Input;
use loader_core::prepare::prepare_group;
use loader_core::publish::{PublishSettings, publish_group};
use serde_json::json;
use tokio::time::Instant;

use crate::live::Live;
use crate::world::{LEASE, execution};

/// A table with partitions by year and one for the rest, published once.
async fn sale() -> Live {
    let mut live = Live::new("sale").await;
    live.world
        .execute(
            "create schema ref;
             create table public.sale (day date not null, shop text) partition by range (day);
             create table public.sale_2023 partition of public.sale for values from ('2023-01-01') to ('2024-01-01');
             create table public.sale_2024 partition of public.sale for values from ('2024-01-01') to ('2025-01-01');
             create table public.sale_rest partition of public.sale default;
             insert into public.sale values ('2023-01-01', 'before'), ('2024-01-01', 'before'), ('1999-01-01', 'before')",
        )
        .await;
    live.put("day,shop\n2023-02-02,a\n2024-02-02,b\n1999-02-02,c\n2025-02-02,d\n");
    live.replace().await.unwrap_or_else(|error| panic!("{error}"));
    live
}

#[tokio::test]
async fn the_backup_of_a_partitioned_table_has_its_partitions() {
    let live = sale().await;
    assert_eq!(live.world.one("select count(*) from public.sale").await, "4");
    assert_eq!(
        live.world.rows("select day, shop from databackup.sale order by day").await,
        ["(1999-01-01,before)", "(2023-01-01,before)", "(2024-01-01,before)"]
    );
    assert_eq!(
        live.world.one("select count(*) from pg_partition_tree('databackup.sale') where isleaf").await,
        "3"
    );
    assert_eq!(live.world.one("select count(*) from loader.kept_partition").await, "0");
    assert_eq!(live.world.rows("select strategy from loader.version").await, ["(partition)", "(partition)"]);
    live.end().await;
}

#[tokio::test]
async fn versions_that_are_no_longer_kept_go_with_all_their_partitions() {
    let mut live = sale().await;
    live.world
        .execute(
            "create table ref.shop (name text primary key);
             insert into ref.shop values ('a'), ('b'), ('c'), ('d');
             alter table public.sale add foreign key (shop) references ref.shop",
        )
        .await;
    for _ in 0..2 {
        live.replace().await.unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(
        live.world
            .one("select count(*) from pg_constraint where contype = 'f' and connamespace = 'databackup'::regnamespace")
            .await,
        "0",
        "a kept version keeps nobody from changing other tables"
    );
    assert_eq!(
        live.world
            .one("select count(*) from pg_class where relnamespace = 'databackup'::regnamespace and relkind in ('r', 'p')")
            .await,
        "4"
    );
    live.end().await;
}

#[tokio::test]
async fn a_partition_that_is_newer_than_a_version_is_empty_when_that_one_is_back() {
    let mut live = sale().await;
    live.world
        .execute(
            "begin;
             delete from public.sale where day >= '2025-01-01';
             create table public.sale_2025 partition of public.sale for values from ('2025-01-01') to ('2026-01-01');
             commit",
        )
        .await;
    live.roll_back().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(live.world.one("select count(*) from public.sale where shop = 'before'").await, "3");
    assert_eq!(live.world.one("select count(*) from public.sale_2025").await, "0");
    live.put("day,shop\n2023-02-02,a\n2024-02-02,b\n2025-02-02,d\n");
    live.replace().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(live.world.one("select count(*) from public.sale_2025").await, "1");
    live.end().await;
}

#[tokio::test]
async fn rows_of_a_partition_that_is_gone_are_not_lost_by_a_rollback() {
    let mut live = sale().await;
    live.world.execute("drop table public.sale_2023").await;
    let error = live.roll_back().await.expect_err("there is no place for the rows of 2023");
    assert_eq!(error.name, ErrorName::LiveNotReplaceable);
    assert!(error.message.contains("sale_2023"), "{error}");
    assert_eq!(live.world.one("select count(*) from public.sale").await, "3");
    live.world.clean_up("rollback-2", "Loader.LiveNotReplaceable").await.unwrap();
    live.world
        .execute("create table public.sale_2023 partition of public.sale for values from ('2023-01-01') to ('2024-01-01')")
        .await;
    live.roll_back().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(live.world.one("select count(*) from public.sale where shop = 'before'").await, "3");
    live.end().await;
}

#[tokio::test]
async fn a_row_that_another_table_refers_to_through_the_parent_may_not_go() {
    let mut live = sale().await;
    live.world
        .execute(
            "alter table public.sale add primary key (day);
             create table ref.bill (day date references public.sale);
             insert into ref.bill values ('2023-02-02')",
        )
        .await;
    live.put("day,shop\n2024-02-02,b\n2024-03-03,b\n2024-04-04,b\n");
    let error = live.replace().await.expect_err("a bill refers to the row of 2023");
    assert_eq!(error.name, ErrorName::GateFailed, "{error}");
    assert_eq!(live.world.one("select count(*) from public.sale").await, "4");
    live.world.clean_up("load-2", "Loader.GateFailed").await.unwrap();
    live.put("day,shop\n2023-02-02,new\n2024-02-02,new\n1999-04-04,new\n");
    live.replace().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(live.world.one("select count(*) from public.sale where shop = 'new'").await, "3");
    live.end().await;
}

#[tokio::test]
async fn a_row_that_another_table_refers_to_in_its_partition_may_not_go() {
    let mut live = sale().await;
    live.world
        .execute(
            "alter table public.sale_2023 add primary key (day);
             create table ref.bill (day date references public.sale_2023);
             insert into ref.bill values ('2023-02-02')",
        )
        .await;
    live.put("day,shop\n2024-02-02,b\n2024-03-03,b\n2024-04-04,b\n");
    let error = live.replace().await.expect_err("a bill refers to the row of 2023");
    assert_eq!(error.name, ErrorName::GateFailed, "{error}");
    assert_eq!(
        live.world.one("select built_attempt is null from loader.run where run_id = 'load-2'").await,
        "true"
    );
    live.end().await;
}

#[tokio::test]
async fn rows_without_a_partition_fail_the_load() {
    let mut live = sale().await;
    live.world.execute("drop table public.sale_rest").await;
    let error = live.replace().await.expect_err("1999 has no partition");
    assert_eq!(error.name, ErrorName::ObjectsFailed, "{error}");
    assert!(error.message.contains("no partition"), "{error}");
    live.end().await;
}

#[tokio::test]
async fn a_partitioned_table_can_be_merged() {
    let mut live = sale().await;
    live.world.execute("alter table public.sale add primary key (day)").await;
    live.put("day,shop\n2023-02-02,new\n2024-02-02,b\n1999-02-02,c\n");
    let input = json!({"table": "sale", "definition": {"strategy": "merge"}});
    live.replace_with(&input).await.unwrap_or_else(|error| panic!("{error}"));
    let rows = "select day, shop from public.sale order by day";
    assert_eq!(live.world.rows(rows).await, ["(1999-02-02,c)", "(2023-02-02,new)", "(2024-02-02,b)"]);
    live.roll_back().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        live.world.one("select count(*) from public.sale where shop in ('a', 'b', 'c', 'd')").await,
        "4"
    );
    live.end().await;
}

#[tokio::test]
async fn a_partitioned_table_is_published_with_the_one_that_it_refers_to() {
    let live = sale().await;
    let world = &live.world;
    world
        .execute(
            "create table public.shop (name text constraint shop_name primary key);
             insert into public.shop values ('a'), ('b'), ('c'), ('d');
             alter table public.sale add constraint sale_shop foreign key (shop) references public.shop;
             create table public.bill (day date, shop text);
             alter table public.sale add constraint sale_key unique (day);
             alter table public.bill add constraint bill_sale foreign key (day) references public.sale (day)",
        )
        .await;
    world.source.put("shop/all.csv", "name\nx\ny\nz\n");
    live.put("day,shop\n2023-03-03,x\n2024-03-03,y\n1999-03-03,y\n2025-03-03,x\n");
    world.source.put("bill/all.csv", "day,shop\n2023-03-03,x\n");
    let Input::Group(input) = Input::parse(&json!({"tables": ["shop", "sale", "bill"]})).unwrap() else {
        panic!("it is a group");
    };
    prepare_group(&mut world.database.connect().await, &input, &execution("night")).await.unwrap();
    let before = crate::snapshot::Snapshot::take(world).await;
    for (number, table) in ["shop", "sale", "bill"].into_iter().enumerate() {
        let run_id = format!("night-{number}");
        world.prepare_with(&run_id, &json!({"table": table, "group": "night"})).await.unwrap();
        let plan = world.plan(&run_id).await.unwrap();
        world.import_all(&plan).await;
    }
    for number in 0..3 {
        let event = BuildEvent { run_id: format!("night-{number}"), attempt: 1 };
        let settings = BuildSettings { lease: LEASE, sessions: 2 };
        build(&mut world.session().await, &event, &settings, Instant::now() + world.time)
            .await
            .unwrap_or_else(|error| panic!("{number}: {error}"));
    }
    let settings = PublishSettings { lease: LEASE, lock_timeout_ms: 1000, attempts: 5, versions_kept: 1 };
    publish_group(&mut world.database.connect().await, "night", &settings)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    before.assert_unchanged(world, "after the group").await;
    assert_eq!(world.rows("select shop from public.sale order by day").await, ["(y)", "(x)", "(y)", "(x)"]);
    assert!(world.client.batch_execute("insert into public.sale values ('2023-04-04', 'a')").await.is_err());
    assert!(world.client.batch_execute("insert into public.bill values ('2023-04-04', 'x')").await.is_err());
    live.end().await;
}
