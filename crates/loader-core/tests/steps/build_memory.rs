//! The memory that indexes are built with: what the server says that a session had.

use serde_json::json;

use crate::world::World;

/// Keeps what the session has that builds an index.
const WITNESS: &str = "
    create table public.witness (index text, memory bigint, workers text);
    create function public.see() returns event_trigger language plpgsql as $$
    begin
        insert into public.witness
        select object_identity, pg_size_bytes(current_setting('maintenance_work_mem')),
               current_setting('max_parallel_maintenance_workers')
          from pg_event_trigger_ddl_commands() where object_identity like 'dataimport.%';
    end $$;
    create event trigger see on ddl_command_end when tag in ('CREATE INDEX') execute function public.see();";

async fn built_with(given: &str) -> World {
    let world = World::new().await;
    world.set_for_new_sessions("maintenance_work_mem", given).await;
    world
        .execute(
            "create table public.t (id int primary key, name text);
             create index t_name on public.t (name)",
        )
        .await;
    world.execute(WITNESS).await;
    world.put_three();
    let plan = world.planned("r1", &json!({})).await;
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(world.one("select count(*) from public.witness").await, "2");
    world
}

#[tokio::test]
async fn every_process_that_builds_has_its_memory() {
    let world = built_with("1MB").await;
    // Two sessions; one process more than workers.
    let share =
        "least((1 + current_setting('max_parallel_maintenance_workers')::bigint) * pg_size_bytes('32MB'),
                       pg_size_bytes(current_setting('shared_buffers')) / 4 / 2)";
    assert_eq!(world.rows(&format!("select distinct memory = {share} from public.witness")).await, ["(t)"]);
    assert_eq!(
        world
            .rows("select distinct workers = current_setting('max_parallel_maintenance_workers') from public.witness")
            .await,
        ["(t)"],
        "how many workers help is the server's to say"
    );
    world.end().await;
}

#[tokio::test]
async fn indexes_are_built_with_no_less_than_the_server_gives() {
    let world = built_with("2000MB").await;
    assert_eq!(
        world.rows("select distinct pg_size_pretty(memory) from public.witness").await,
        ["(\"2000 MB\")"]
    );
    world.end().await;
}
