//! Big objects that are loaded in parts, side by side.

use loader_core::error::ErrorName;
use loader_core::plan::Plan;
use loader_core::publish::Published;
use serde_json::{Value, json};

use crate::world::World;

/// Newlines, delimiters and quotes within quotes, at every second place.
const TRICKY: &str = "id,name,note\n1,\"a\nb\",x\n2,\"\"\"\n\"\"\",\"\n\"\n3,\"c,\n,\n,\",y\r\n4,,\"\n\n\n\"\"\n\"\n5,e,\"f\"\n";

pub(crate) fn input(definition: &Value) -> Value {
    let mut definition = definition.clone();
    let columns = json!([
        {"name": "id", "type": "bigint"}, {"name": "name", "type": "text"}, {"name": "note", "type": "text"}
    ]);
    definition.as_object_mut().unwrap().entry("columns").or_insert(columns);
    json!({"table": "t", "definition": definition})
}

/// Plans and loads until nothing is to be planned anew, as the state machine does.
async fn load(world: &World, run_id: &str, input: &Value) -> Result<(Plan, u32), loader_core::error::Error> {
    world.prepare_with(run_id, input).await?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let plan = world.plan(run_id).await?;
        world.import_all(&plan).await;
        match world.build(&plan).await {
            Ok(_) => return Ok((plan, attempts)),
            Err(error) if error.name == ErrorName::ObjectsFailed || error.name == ErrorName::Unreconciled => {
                let caught = error.name.as_str();
                if !world.clean_up(run_id, caught).await.unwrap().retry {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

pub(crate) async fn run(world: &World, run_id: &str, input: &Value) -> (Published, u32) {
    let (plan, attempts) = load(world, run_id, input).await.unwrap();
    (world.publish(&plan).await.unwrap(), attempts)
}

const ROWS: &str = "select id, name, note from public.t order by id, name, note";
const REJECTS: &str =
    "select line, record_number, column_name, sqlstate, row_text from loader.rejected_row order by line";
const LEDGER: &str = "select state, rows, rejects from loader.object";

/// What a load of one object makes, without what depends on how it was loaded.
pub(crate) async fn made(world: &World) -> [Vec<String>; 3] {
    [world.rows(ROWS).await, world.rows(REJECTS).await, world.rows(LEDGER).await]
}

#[tokio::test]
async fn an_object_of_many_parts_is_loaded_as_one() {
    let mut world = World::new().await;
    world.source.put("t/a.csv", TRICKY);
    world.part_bytes = u64::MAX;
    let whole = {
        run(&world, "whole", &input(&json!({}))).await;
        made(&world).await
    };
    assert_eq!(whole[0].len(), 5);
    let mut in_parts = 0;
    for part_bytes in 1..=TRICKY.len() as u64 / 2 {
        world.execute("drop table public.t; delete from loader.object; delete from loader.version").await;
        world.part_bytes = part_bytes;
        let run_id = format!("p{part_bytes}");
        let (published, attempts) = run(&world, &run_id, &input(&json!({}))).await;
        assert_eq!(made(&world).await, whole, "parts of {part_bytes} bytes");
        assert_eq!(published.rows, 5);
        let is_whole =
            world.one(&format!("select count(*) from loader.unsplit where run_id = '{run_id}'")).await;
        assert_eq!(attempts, if is_whole == "1" { 2 } else { 1 });
        in_parts += usize::from(attempts == 1);
        let left = world.one("select count(*) from loader.part_reject").await;
        assert_eq!(left, "0");
    }
    assert!(in_parts > 20, "{in_parts} of {} sizes were loaded in parts", TRICKY.len() / 2);
    world.end().await;
}

#[tokio::test]
async fn the_ledger_knows_every_part() {
    let mut world = World::new().await;
    let body = (0..40).map(|n| format!("{n},\"line\n{n}\",x\n")).collect::<Vec<_>>().concat();
    world.source.put("t/a.csv", format!("id,name,note\n{body}"));
    world.source.put("t/b.csv", "id,name,note\n100,b,c\n");
    world.part_bytes = 100;
    world.prepare_with("r1", &input(&json!({}))).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    assert_eq!((plan.objects_listed, plan.objects_to_load), (2, 2));
    assert!(plan.batches > 5);
    let lines = world.work.lines(&plan.plan.key);
    assert!(lines[0].contains(r#""part":{"number":0,"of":"#), "{}", lines[0]);
    assert!(!lines[lines.len() - 1].contains("part"));
    let mut batches = world.batches(&plan);
    // The last part first.
    batches.reverse();
    let mut loaded = 0;
    for batch in batches {
        loaded += world.import(&plan, &batch).await.unwrap().loaded;
    }
    assert_eq!(loaded, 2);
    let chain = "select bool_and(first_at = coalesce(before, first_at)), min(first_at), max(end_at), sum(lines), sum(rows)
                   from (select *, lag(end_at) over (order by part) as before from loader.object_part) as parts";
    let size = world.one("select size_bytes from loader.object where key = 't/a.csv'").await;
    assert_eq!(world.rows(chain).await, [format!("(t,13,{size},80,40)")]);
    let said = world.one("select reason from loader.object where key = 't/a.csv'").await;
    assert!(said.starts_with("loaded in ") && said.contains(" parts"), "{said}");
    world.publish(&plan).await.unwrap();
    assert_eq!(world.one("select count(*) from public.t").await, "41");
    world.end().await;
}

#[tokio::test]
async fn rejects_have_true_lines_and_numbers_in_parts() {
    let mut world = World::new().await;
    let body = (0..60)
        .map(|n| match n % 7 {
            3 => format!("x{n},\"a\n\",b\n"),
            5 => format!("{n},too,many,fields\n"),
            _ => format!("{n},\"a\nb\",c\r\n"),
        })
        .collect::<Vec<_>>()
        .concat();
    world.source.put("t/a.csv", format!("\u{feff}some line\nid,name,note\n{body}"));
    let definition = input(&json!({
        "on_reject": "keep", "dialect": {"skip_lines": 1},
        "reject_limits": {"object_percent": 60, "run_percent": 60}
    }));
    world.part_bytes = u64::MAX;
    run(&world, "whole", &definition).await;
    let whole = made(&world).await;
    assert_eq!(whole[1].len(), 17);
    for part_bytes in [40, 64, 100, 333] {
        world
            .execute("drop table public.t; delete from loader.object; delete from loader.rejected_row")
            .await;
        world.part_bytes = part_bytes;
        let (_, attempts) = run(&world, &format!("p{part_bytes}"), &definition).await;
        assert_eq!(made(&world).await, whole, "parts of {part_bytes} bytes");
        assert_eq!(attempts, 1, "parts of {part_bytes} bytes");
        assert_eq!(
            world.rows("select dialect is null, header from loader.object").await,
            [r#"(f,"[""id"", ""name"", ""note""]")"#]
        );
    }
    world.end().await;
}

#[tokio::test]
async fn byte_order_marks_are_what_they_are_for_the_whole_object() {
    let mut world = World::new().await;
    let rows = (0..6).map(|n| format!("{n},\u{feff}é,\"\u{feff}\n\"\n")).collect::<Vec<_>>().concat();
    let definition = input(&json!({
        "on_reject": "keep", "dialect": {"header": false},
        "reject_limits": {"object_percent": 50, "run_percent": 50}
    }));
    for (number, marks) in ["", "\u{feff}", "\u{feff}\u{feff}", "\u{feff}\u{feff}\u{feff}"].iter().enumerate()
    {
        world.source.put("t/a.csv", format!("{marks}{rows}"));
        world.part_bytes = u64::MAX;
        run(&world, &format!("whole{number}"), &definition).await;
        let whole = made(&world).await;
        for part_bytes in [20, 33] {
            world
                .execute("drop table public.t; delete from loader.object; delete from loader.rejected_row")
                .await;
            world.part_bytes = part_bytes;
            let (_, attempts) = run(&world, &format!("p{number}-{part_bytes}"), &definition).await;
            assert_eq!(made(&world).await, whole, "{number} marks, parts of {part_bytes} bytes");
            assert_eq!(attempts, 1, "{number} marks, parts of {part_bytes} bytes");
        }
        world
            .execute("drop table public.t; delete from loader.object; delete from loader.rejected_row")
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn too_many_rejects_are_those_of_all_parts() {
    let mut world = World::new().await;
    let body =
        (0..40).map(|n| format!("{},a,b\n", if n < 5 { "x" } else { "1" })).collect::<Vec<_>>().concat();
    world.source.put("t/a.csv", format!("id,name,note\n{body}"));
    world.part_bytes = 30;
    let limits = |percent: u32, rows: u32| {
        input(
            &json!({"on_reject": "keep", "reject_limits": {"object_percent": percent, "object_rows": rows, "run_percent": 100}}),
        )
    };
    let (published, attempts) = run(&world, "r1", &limits(13, 5)).await;
    assert_eq!((published.rows, published.rows_rejected, attempts), (35, 5, 1));
    for (run_id, percent, rows) in [("r2", 12, 100), ("r3", 100, 4)] {
        let error = load(&world, run_id, &limits(percent, rows)).await.unwrap_err();
        assert_eq!(error.name, ErrorName::ObjectsFailed);
        assert!(error.message.contains("5 of the object's 40 records were rejected"), "{error}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_bad_row_fails_the_object_with_its_true_line() {
    let mut world = World::new().await;
    let body = (0..40)
        .map(|n| format!("{},\"a\nb\",c\n", if n == 31 { "x".to_owned() } else { n.to_string() }))
        .collect::<Vec<_>>()
        .concat();
    world.source.put("t/a.csv", format!("id,name,note\n{body}"));
    world.part_bytes = u64::MAX;
    let of_failed = "select error_name, error_line, error_column, rejects from loader.object";
    load(&world, "whole", &input(&json!({}))).await.unwrap_err();
    // The record's number is known only to parts.
    let of_reject = "select line, column_name, sqlstate, row_text from loader.rejected_row";
    let whole = (world.rows(of_failed).await, world.rows(of_reject).await);
    assert_eq!(whole.1.len(), 1);
    world.execute("delete from loader.object; delete from loader.rejected_row").await;
    world.part_bytes = 50;
    let error = load(&world, "r1", &input(&json!({}))).await.unwrap_err();
    assert_eq!(error.name, ErrorName::ObjectsFailed);
    assert_eq!((world.rows(of_failed).await, world.rows(of_reject).await), whole);
    assert_eq!(world.one("select count(*) from loader.unsplit").await, "0");
    // The next run goes on with the parts that are good. The object is the same: it fails again.
    world.prepare_with("r2", &input(&json!({}))).await.unwrap();
    let plan = world.plan("r2").await.unwrap();
    assert!(plan.batches < 5, "{} parts are loaded again", plan.batches);
    world.import_all(&plan).await;
    assert_eq!(world.build(&plan).await.unwrap_err().name, ErrorName::ObjectsFailed);
    world.clean_up("r2", "Loader.ObjectsFailed").await.unwrap();
    // Corrected, it is loaded anew, as parts of it are in the table.
    world.source.put("t/a.csv", format!("id,name,note\n{}", body.replace('x', "31")));
    let (published, attempts) = run(&world, "r3", &input(&json!({}))).await;
    assert_eq!((published.rows, attempts), (40, 1));
    world.end().await;
}

#[tokio::test]
async fn rows_that_repeat_a_key_in_another_part_are_rejected_with_their_true_lines() {
    let mut world = World::new().await;
    world.execute("create table public.t (id bigint primary key, name text, note text)").await;
    let body = (0..40).map(|n| format!("{},\"a\n\",{n}\n", n % 30)).collect::<Vec<_>>().concat();
    world.source.put("t/a.csv", format!("id,name,note\n{body}"));
    let keep =
        input(&json!({"on_reject": "keep", "reject_limits": {"object_percent": 50, "run_percent": 50}}));
    for part_bytes in [50, 90] {
        world.part_bytes = part_bytes;
        let (published, attempts) = run(&world, &format!("p{part_bytes}"), &keep).await;
        assert_eq!((published.rows, published.rows_rejected, attempts), (30, 10, 1));
        assert_eq!(world.one("select count(*) from public.t where note::int < 30").await, "30");
        let lines: Vec<String> = (30..40).map(|n| format!("({})", 2 * n + 2)).collect();
        let query = format!("select line from loader.rejected_row where run_id = 'p{part_bytes}' order by 1");
        assert_eq!(world.rows(&query).await, lines);
    }
    world.end().await;
}

#[tokio::test]
async fn a_part_delivered_twice_at_once_is_loaded_once() {
    let mut world = World::new().await;
    let body = (0..60).map(|n| format!("{n},a,\"b\n\"\n")).collect::<Vec<_>>().concat();
    world.source.put("t/a.csv", format!("id,name,note\n{body}"));
    world.part_bytes = 100;
    world.prepare_with("r1", &input(&json!({}))).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let batches = world.batches(&plan);
    let all = batches.iter().chain(&batches).map(|batch| world.import(&plan, batch));
    let outcomes = futures_util::future::join_all(all).await;
    let loaded: u64 = outcomes.iter().map(|outcome| outcome.as_ref().unwrap().loaded).sum();
    let already: u64 = outcomes.iter().map(|outcome| outcome.as_ref().unwrap().already_loaded).sum();
    assert_eq!((loaded, already), (1, batches.len() as u64));
    for batch in &batches {
        assert_eq!(world.import(&plan, batch).await.unwrap().already_loaded, 1);
    }
    world.publish(&plan).await.unwrap();
    assert_eq!(world.one("select count(*) || ' ' || sum(id) from public.t").await, "60 1770");
    world.end().await;
}

#[tokio::test]
async fn an_object_that_is_overwritten_between_its_parts_is_loaded_anew() {
    let mut world = World::new().await;
    let body = |name: &str| -> String {
        let rows = (0..40).map(|n| format!("{n},{name},c\n")).collect::<Vec<_>>().concat();
        format!("id,name,note\n{rows}")
    };
    world.source.put("t/a.csv", body("old"));
    world.part_bytes = 100;
    world.prepare_with("r1", &input(&json!({}))).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    for (number, batch) in world.batches(&plan).iter().enumerate() {
        if number == 2 {
            world.source.put("t/a.csv", body("new"));
        }
        world.import(&plan, batch).await.unwrap();
    }
    assert_eq!(world.one("select error_name from loader.object").await, "Loader.ObjectChanged");
    assert_eq!(world.build(&plan).await.unwrap_err().name, ErrorName::ObjectsFailed);
    assert!(world.clean_up("r1", "Loader.ObjectsFailed").await.unwrap().retry);
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(world.rows("select name, count(*) from public.t group by 1").await, ["(new,40)"]);
    world.end().await;
}

#[tokio::test]
async fn parts_that_broke_off_are_loaded_by_the_next_plan_and_the_next_run() {
    let mut world = World::new().await;
    let body = (0..60).map(|n| format!("{n},a,\"b\n\"\n")).collect::<Vec<_>>().concat();
    world.source.put("t/a.csv", format!("id,name,note\n{body}"));
    world.part_bytes = 100;
    world.prepare_with("r1", &input(&json!({}))).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let batches = world.batches(&plan);
    world.import(&plan, &batches[1]).await.unwrap();
    world.import(&plan, &batches[3]).await.unwrap();
    assert_eq!(world.build(&plan).await.unwrap_err().name, ErrorName::Unreconciled);
    let again = world.plan("r1").await.unwrap();
    assert_eq!(again.batches, plan.batches - 2);
    // Of the plan before, nothing is written any more.
    assert_eq!(world.import(&plan, &batches[0]).await.unwrap_err().name, ErrorName::LeaseLost);
    world.import(&again, &world.batches(&again)[0]).await.unwrap();
    for _ in 0..3 {
        world.clean_up("r1", "Loader.Unreconciled").await.unwrap();
    }
    assert_eq!(world.one("select state from loader.run").await, "failed");
    world.prepare_with("r2", &input(&json!({}))).await.unwrap();
    let plan = world.plan("r2").await.unwrap();
    assert_eq!(plan.batches, again.batches - 1);
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(world.one("select count(*) || ' ' || sum(id) from public.t").await, "60 1770");
    // Parts that are cut elsewhere can't be gone on with.
    world.prepare_with("r3", &input(&json!({}))).await.unwrap();
    let plan = world.plan("r3").await.unwrap();
    world.import(&plan, &world.batches(&plan)[1]).await.unwrap();
    world.part_bytes = 70;
    let plan = world.plan("r3").await.unwrap();
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(world.one("select count(*) || ' ' || sum(id) from public.t").await, "60 1770");
    world.end().await;
}

#[tokio::test]
async fn what_can_not_be_split_is_loaded_as_a_whole_and_said_so() {
    let mut world = World::new().await;
    let body = (0..40).map(|n| format!("{n},a{n},c\n")).collect::<Vec<_>>().concat();
    let text = format!("id,name,note\n{body}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let objects: [(&[u8], Value, &str); 5] = [
        (&gzip.finish().unwrap(), json!({}), "gzip can't be split"),
        (&utf16, json!({"dialect": {"encoding": "UTF-16LE"}}), "its encoding can't be read from the midst"),
        (text.as_bytes(), json!({"dialect": "auto"}), "its dialect is found out"),
        (text.as_bytes(), json!({"metadata": ["_line"]}), "the lines of its rows are in the column _line"),
        (text.as_bytes(), json!({"tolerated_failed_objects": 1}), "failed objects are tolerated"),
    ];
    world.part_bytes = 20;
    for (number, (body, definition, said)) in objects.into_iter().enumerate() {
        world.execute("drop table if exists public.t").await;
        world.source.put("t/a.csv", body.to_vec());
        let (published, attempts) = run(&world, &format!("r{number}"), &input(&definition)).await;
        assert_eq!((published.rows, attempts), (40, 1), "{said}");
        let reason = world.one("select reason from loader.object order by started_at desc limit 1").await;
        assert!(reason.contains("loaded as a whole: ") && reason.contains(said), "{reason}");
        assert_eq!(world.one("select count(*) from loader.object_part").await, "0");
    }
    world.end().await;
}

#[tokio::test]
async fn gzip_that_the_plan_could_not_look_at_is_found_by_its_parts() {
    let mut world = World::new().await;
    let body = (0..400).map(|n| format!("{n},a{n},c\n")).collect::<Vec<_>>().concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, format!("id,name,note\n{body}").as_bytes()).unwrap();
    world.source.put("t/a.csv", gzip.finish().unwrap());
    world.part_bytes = 200;
    world.source.break_next_read("t/a.csv", 0);
    let (published, attempts) = run(&world, "r1", &input(&json!({}))).await;
    assert_eq!((published.rows, attempts), (400, 2));
    let reason = world.one("select reason from loader.object").await;
    assert!(reason.contains("gzip can't be split"), "{reason}");
    world.end().await;
}

#[tokio::test]
async fn a_record_longer_than_parts_is_in_the_part_in_which_it_begins() {
    let mut world = World::new().await;
    let long = "x\n".repeat(5_000);
    world.source.put(
        "t/a.csv",
        format!("id,name,note\n1,a,b\n2,\"{long}\",c\n3,d,e\n4,{},f\n5,g,h\n", "y".repeat(5_000)),
    );
    world.part_bytes = 100;
    run(&world, "r1", &input(&json!({}))).await;
    assert_eq!(
        world.rows("select id, length(name) from public.t order by 1").await,
        ["(1,1)", "(2,10000)", "(3,1)", "(4,5000)", "(5,1)"]
    );
    world.end().await;
}

#[tokio::test]
async fn where_records_begin_is_found_without_reading_to_the_end() {
    let mut world = World::new().await;
    let row = |n: u32| format!("{n},\"a\n{n},\"\"b\"\"\n,\",c\n");
    let rows = |from: u32, to: u32| (from..to).map(row).collect::<Vec<_>>().concat();
    // Longer than what is looked at first.
    let long = "x\n".repeat(400_000);
    world.source.put(
        "t/a.csv",
        format!("id,name,note\n{}50000,\"{long}\",c\n{}", rows(0, 50_000), rows(50_001, 60_000)),
    );
    let count = "select count(*) || ' ' || sum(id) || ' ' || sum(length(name)) from public.t";
    let names: usize = (0..60_000_u32).filter(|n| *n != 50_000).map(|n| n.to_string().len() + 8).sum();
    let expected = format!("60000 1799970000 {}", names + long.len());
    world.part_bytes = 300_000;
    let (published, attempts) = run(&world, "r1", &input(&json!({}))).await;
    assert_eq!((published.rows, attempts), (60_000, 1));
    assert_eq!(world.one(count).await, expected);
    assert!(world.one("select reason from loader.object").await.starts_with("loaded in "));
    // Longer than what is looked at.
    world.execute("drop table public.t").await;
    let long = "x\n".repeat(2_500_000);
    world.source.put("t/a.csv", format!("id,name,note\n1,a,b\n2,\"{long}\",c\n{}", rows(3, 6)));
    world.part_bytes = 500_000;
    let (published, attempts) = run(&world, "r2", &input(&json!({}))).await;
    assert_eq!((published.rows, attempts), (5, 2));
    let said = world.one("select reason from loader.unsplit").await;
    assert!(said.contains("part 1 ends at byte 5000026"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn a_quote_that_never_ends_costs_what_it_costs_the_whole_object() {
    let mut world = World::new().await;
    let rows = |from: u32| (from..from + 20).map(|n| format!("{n},a,b\n")).collect::<Vec<_>>().concat();
    world.source.put("t/a.csv", format!("id,name,note\n{}20,\"a,b\n{}", rows(0), rows(21)));
    world.part_bytes = u64::MAX;
    let keep = input(&json!({"on_reject": "keep"}));
    run(&world, "whole", &keep).await;
    let whole = made(&world).await;
    for part_bytes in [20, 33, 64, 100] {
        world
            .execute("drop table public.t; delete from loader.object; delete from loader.rejected_row")
            .await;
        world.part_bytes = part_bytes;
        run(&world, &format!("p{part_bytes}"), &keep).await;
        assert_eq!(made(&world).await, whole, "parts of {part_bytes} bytes");
    }
    let error = load(&world, "r1", &input(&json!({}))).await.unwrap_err();
    assert_eq!(error.name, ErrorName::ObjectsFailed);
    assert_eq!(world.one("select error_line from loader.object where run_id = 'r1'").await, "22");
    world.end().await;
}
