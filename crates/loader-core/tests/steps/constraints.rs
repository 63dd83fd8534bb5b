//! Rows that a constraint of the live table refuses, one by one or all together.

use loader_core::error::ErrorName;
use serde_json::json;

use crate::world::{World, keeping};

#[tokio::test]
async fn what_the_table_forbids_is_rejected_with_the_constraint() {
    let world = World::new().await;
    world
        .execute(
            "create table public.t (id int not null, name text check (name <> 'no'), at date default '2000-01-01',
                                    number bigint generated always as identity, constraint ordered check (id < 100))",
        )
        .await;
    world.source.put("t/a.csv", "id,name,number\n1,yes,7\n,yes,8\n3,no,9\n400,yes,10\n5,yes,11\n");
    let plan = world.planned("r1", &keeping()).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select line, column_name, constraint_name, sqlstate, row_text from loader.rejected_row order by line").await,
        ["(3,id,,23502,\",yes,8\")", "(4,,t_name_check,23514,\"3,no,9\")", "(5,,ordered,23514,\"400,yes,10\")"]
    );
    assert_eq!(world.publish(&plan).await.unwrap().rows, 2);
    assert_eq!(
        world.rows("select * from public.t order by id").await,
        ["(1,yes,2000-01-01,7)", "(5,yes,2000-01-01,11)"]
    );
    world.end().await;
}

#[tokio::test]
async fn rows_that_repeat_a_key_are_rejected_and_the_first_one_stays() {
    let world = World::new().await;
    world
        .execute(
            "create table public.t (id int primary key, name text);
             create unique index t_name on public.t (lower(name)) where id > 0",
        )
        .await;
    world.source.put("t/a.csv", "id,name\n1,one\n2,two\n2,again\n3,\n");
    world.source.put("t/b.csv", "id,name\n1,late\n4,ONE\n5,\n-6,one\n7,seven\n");
    let plan = world.planned("r1", &keeping()).await;
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 6);
    assert_eq!(
        world.rows("select key, line, constraint_name, sqlstate, error_message, row_values from loader.rejected_row order by key, line").await,
        [
            "(t/a.csv,4,t_pkey,23505,\"an earlier row has the same key (t_pkey)\",\"{\"\"id\"\": \"\"2\"\", \"\"name\"\": \"\"again\"\"}\")",
            "(t/b.csv,2,t_pkey,23505,\"an earlier row has the same key (t_pkey)\",\"{\"\"id\"\": \"\"1\"\", \"\"name\"\": \"\"late\"\"}\")",
            "(t/b.csv,3,t_name,23505,\"an earlier row has the same key (t_name)\",\"{\"\"id\"\": \"\"4\"\", \"\"name\"\": \"\"ONE\"\"}\")"
        ]
    );
    assert_eq!(
        world.rows("select key, rows, rejects from loader.object order by key").await,
        ["(t/a.csv,3,1)", "(t/b.csv,3,2)"]
    );
    assert_eq!(
        world.rows("select * from public.t order by id").await,
        ["(-6,one)", "(1,one)", "(2,two)", "(3,)", "(5,)", "(7,seven)"]
    );
    let columns = "select string_agg(attname, ',' order by attnum) from pg_attribute where attrelid = 'public.t'::regclass and attnum > 0 and not attisdropped";
    assert_eq!(world.one(columns).await, "id,name");
    // And the next run, whose live table has seen dropped columns.
    let plan = world.planned("r2", &keeping()).await;
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 6);
    world.end().await;
}

#[tokio::test]
async fn rows_that_repeat_the_key_of_a_merge_or_of_a_partitioned_table_are_rejected() {
    for (table, strategy) in [
        (
            "create table public.t (id int primary key, name text); create function public.all_of_t() returns setof public.t language sql as 'select * from public.t'",
            "merge",
        ),
        (
            "create table public.t (id int primary key, name text) partition by range (id);
          create table public.t_low partition of public.t for values from (0) to (3);
          create table public.t_high partition of public.t for values from (3) to (100)",
            "partition",
        ),
    ] {
        let world = World::new().await;
        world.execute(table).await;
        world.source.put("t/a.csv", "id,name\n1,one\n2,two\n3,three\n");
        world.source.put("t/b.csv", "id,name\n3,again\n4,four\n1,again\n500,out\n");
        let mut keep = keeping();
        keep["strategy"] = json!(strategy);
        let plan = world.planned("r1", &keep).await;
        world.import_all(&plan).await;
        let rows = if strategy == "merge" { 5 } else { 4 };
        assert_eq!(world.publish(&plan).await.unwrap().rows, rows, "{strategy}");
        let mut rejected = vec!["(t/b.csv,2,23505)", "(t/b.csv,4,23505)"];
        if strategy == "partition" {
            rejected.push("(t/b.csv,5,23514)");
        }
        assert_eq!(
            world.rows("select key, line, sqlstate from loader.rejected_row order by line").await,
            rejected
        );
        assert_eq!(world.one("select count(*) from public.t where name = 'again'").await, "0", "{strategy}");
        world.end().await;
    }
}

#[tokio::test]
async fn rows_that_refer_to_nothing_are_rejected() {
    let world = World::new().await;
    world
        .execute(
            "create table public.place (country text, number int, name text unique, primary key (country, number));
             insert into public.place values ('de', 1, 'one'), ('de', 2, 'two'), ('fr', 1, 'un');
             create table public.t (id int primary key, country text, number int, name text references public.place (name),
                 constraint at foreign key (country, number) references public.place,
                 constraint whole foreign key (country, number) references public.place match full)",
        )
        .await;
    world.source.put("t/a.csv", "id,country,number,name\n1,de,1,one\n2,de,3,\n3,fr,1,nobody\n4,,,\n");
    world.source.put("t/b.csv", "id,country,number,name\n1,xx,9,\n5,,7,\n6,de,2,un\n");
    let plan = world.planned("r1", &keeping()).await;
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 3);
    assert_eq!(
        world.rows("select key, line, constraint_name, sqlstate, error_message from loader.rejected_row order by key, line").await,
        [
            "(t/a.csv,3,at,23503,\"there is no row that it refers to (at)\")",
            "(t/a.csv,4,t_name_fkey,23503,\"there is no row that it refers to (t_name_fkey)\")",
            "(t/b.csv,2,t_pkey,23505,\"an earlier row has the same key (t_pkey)\")",
            "(t/b.csv,3,whole,23503,\"there is no row that it refers to (whole)\")"
        ]
    );
    assert_eq!(
        world.rows("select key, rows, rejects from loader.object order by key").await,
        ["(t/a.csv,2,2)", "(t/b.csv,1,2)"]
    );
    assert_eq!(
        world.rows("select * from public.t order by id").await,
        ["(1,de,1,one)", "(4,,,)", "(6,de,2,un)"]
    );
    world.end().await;
}

#[tokio::test]
async fn rows_of_a_merge_or_of_a_partitioned_table_that_refer_to_nothing_are_rejected() {
    for (table, strategy) in [
        ("create table public.t (id int primary key, place int references public.place)", "merge"),
        (
            "create table public.t (id int primary key, place int references public.place) partition by range (id);
             create table public.t_low partition of public.t for values from (0) to (3);
             create table public.t_high partition of public.t for values from (3) to (100)",
            "partition",
        ),
    ] {
        let world = World::new().await;
        world.execute("create table public.place (id int primary key); insert into public.place values (1)").await;
        world.execute(table).await;
        world.source.put("t/a.csv", "id,place\n1,1\n2,2\n3,\n4,3\n5,1\n");
        let mut keep = keeping();
        keep["strategy"] = json!(strategy);
        let plan = world.planned("r1", &keep).await;
        world.import_all(&plan).await;
        assert_eq!(world.publish(&plan).await.unwrap().rows, 3, "{strategy}");
        assert_eq!(
            world.rows("select line, sqlstate from loader.rejected_row order by line").await,
            ["(3,23503)", "(5,23503)"],
            "{strategy}"
        );
        assert_eq!(world.rows("select * from public.t order by id").await, ["(1,1)", "(3,)", "(5,1)"]);
        world.end().await;
    }
}

#[tokio::test]
async fn a_row_that_refers_to_nothing_fails_the_run_where_rejects_are_not_kept() {
    let world = World::new().await;
    world
        .execute(
            "create table public.place (id int primary key); insert into public.place values (1);
             create table public.t (id int primary key, place int references public.place)",
        )
        .await;
    world.source.put("t/a.csv", "id,place\n1,1\n2,2\n");
    let plan = world.planned("r1", &json!({})).await;
    world.import_all(&plan).await;
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!((error.name, error.sqlstate.as_deref()), (ErrorName::GateFailed, Some("23503")));
    assert_eq!(world.rows("select line from loader.rejected_row").await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test]
async fn too_many_rows_that_refer_to_nothing_fail_the_run() {
    let world = World::new().await;
    world
        .execute(
            "create table public.place (id int primary key); insert into public.place values (1);
             create table public.t (id int primary key, place int references public.place)",
        )
        .await;
    world.source.put("t/a.csv", "id,place\n1,1\n2,2\n3,1\n4,9\n");
    let limited = json!({"on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100, "run_rows": 1}});
    let plan = world.planned("r1", &limited).await;
    world.import_all(&plan).await;
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::TooManyRejects, "{error}");
    assert_eq!(world.one("select count(*) from loader.rejected_row").await, "2");
    world.end().await;
}
