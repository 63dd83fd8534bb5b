//! Any object makes the same rows and rejects in parts of any size as in one piece.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::parts::{input, made, run};
use crate::world::World;

/// A definition and the bytes of an object.
fn objects() -> impl Strategy<Value = (Value, Vec<u8>)> {
    let cell = prop_oneof![
        4 => "[a-z]{0,6}",
        1 => "[a,\"\n\r;' é]{0,8}",
        1 => Just("\"".to_owned()),
        1 => Just("\n\n".to_owned()),
    ];
    let record = (
        0_u32..10_000,
        cell.clone(),
        cell,
        prop::bool::weighted(0.1),
        prop::sample::select(&["\n", "\r\n", "\r"][..]),
    );
    (
        prop::collection::vec(record, 1..30),
        any::<bool>(),
        prop::sample::select(&["UTF8", "LATIN1"][..]),
        prop::sample::select(&["any", "whole", "loose"][..]),
        prop::option::weighted(0.3, Just("\\")),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    )
        .prop_map(|(records, header, encoding, quoting, escape, damage)| {
            let escape_with = escape.unwrap_or("\"");
            let quoted = |cell: &str| {
                if cell.contains([',', '"', '\n', '\r', '\\']) {
                    let cell = cell.replace('\\', "\\\\");
                    format!("\"{}\"", cell.replace('"', &format!("{escape_with}\"")))
                } else {
                    cell.to_owned()
                }
            };
            let mut text = if header { "id,name,note\n".to_owned() } else { String::new() };
            for (id, name, note, bad, end) in records {
                let id = if bad { "x".to_owned() } else { id.to_string() };
                text.extend([id, ",".to_owned(), quoted(&name), ",".to_owned(), quoted(&note), end.to_owned()]);
            }
            let mut bytes: Vec<u8> = match encoding {
                "LATIN1" => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
                _ => text.into_bytes(),
            };
            // Not the header.
            for (index, byte) in damage {
                let at = 13 + index.index(bytes.len());
                if let Some(there) = bytes.get_mut(at) {
                    *there = byte;
                }
            }
            let quoting = if quoting == "any" { "anywhere" } else { quoting };
            let mut dialect = json!({"header": header, "encoding": encoding, "quoting": quoting});
            if let Some(escape) = escape {
                dialect["escape"] = json!(escape);
            }
            let limits = json!({"object_percent": 100, "run_percent": 100});
            (json!({"dialect": dialect, "on_reject": "keep", "reject_limits": limits, "gates": {"min_rows": 0}}), bytes)
        })
}

#[tokio::test]
async fn any_object_in_parts_of_any_size_makes_the_same_rows_and_rejects() {
    let mut world = World::new().await;
    world.put_three();
    world.run("r0", &json!({"table": "t"})).await.unwrap();
    for key in ["t/a.csv", "t/b.csv", "t/c.csv"] {
        world.source.remove(key);
    }
    let mut runner = TestRunner::deterministic();
    let strategy = (objects(), prop::collection::vec(1_u64..120, 3));
    let (mut split, mut refused) = (0, 0);
    for number in 0..12 {
        let ((definition, bytes), sizes) = strategy.new_tree(&mut runner).unwrap().current();
        world.source.put("t/a.csv", bytes.clone());
        let clear =
            "drop table if exists public.t; delete from loader.object; delete from loader.rejected_row";
        world.execute(clear).await;
        world.part_bytes = u64::MAX;
        run(&world, &format!("w{number}"), &input(&definition)).await;
        let whole = made(&world).await;
        for part_bytes in sizes {
            world.execute(clear).await;
            world.part_bytes = part_bytes;
            let (_, attempts) = run(&world, &format!("p{number}-{part_bytes}"), &input(&definition)).await;
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(made(&world).await, whole, "parts of {part_bytes} bytes of {text:?} as {definition}");
            *if attempts == 1 { &mut split } else { &mut refused } += 1;
        }
    }
    assert!(split > refused, "{split} were loaded in parts, {refused} as a whole");
    world.end().await;
}
