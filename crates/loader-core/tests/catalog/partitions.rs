//! Live tables that are partitioned, and live tables that are partitions.

use std::fmt::Write as _;

use crate::live::Live;
use crate::snapshot::Snapshot;

/// Makes the objects of `public.event`: rows for every partition, two of which other
/// tables refer to.
fn events(version: usize) -> String {
    let mut csv = "day,id,place,words,amount\n".to_owned();
    for (number, day) in ["2023-05-05", "2024-05-05", "2022-05-05", "2024-06-05"].into_iter().enumerate() {
        for (at, place) in ["here", "there", "far away"].into_iter().enumerate() {
            for again in 0..=version {
                let id = 100 * number + 10 * at + again;
                let _ = writeln!(csv, "{day},{id},{place},words {version},{version}.50");
            }
        }
    }
    csv
}

/// How many rows [`events`] makes for each of the four days.
fn events_a_day(version: usize) -> usize {
    3 * (version + 1)
}

async fn event() -> Live {
    let live = Live::new("event").await;
    live.build(&[
        (15, include_str!("partitioned.sql")),
        (17, include_str!("partitioned_17.sql")),
        (
            15,
            "insert into public.event (day, id, place, words, amount)
                 select day, 100 * number + 10 * at, place, 'words 0', 0.5
                   from unnest(array['2023-05-05', '2024-05-05', '2022-05-05', '2024-06-05']::date[])
                        with ordinality as days (day, after_number),
                        unnest(array['here', 'there', 'far away']) with ordinality as places (place, after_at),
                        lateral (select after_number - 1, after_at - 1) as numbers (number, at);
             insert into ref.visit values ('2023-05-05', 0, 'here'), ('2024-05-05', 110, 'there');
             insert into ref.visit_2023 values (0), (10);
             refresh materialized view public.event_by_day",
        ),
    ])
    .await;
    live
}

async fn assert_events(live: &Live, version: usize, since: &str) {
    let a_day = events_a_day(version);
    for (query, expected) in [
        ("select count(*) from public.event".to_owned(), 4 * a_day),
        ("select count(*) from public.event_2023".to_owned(), a_day),
        ("select count(*) from public.event_2024".to_owned(), 2 * a_day),
        ("select count(*) from public.\"event 2024 here\"".to_owned(), 2 * (version + 1)),
        ("select count(*) from ref.event_2024_there".to_owned(), 2 * (version + 1)),
        ("select count(*) from public.event_2024_rest".to_owned(), 2 * (version + 1)),
        ("select count(*) from public.event_rest".to_owned(), a_day),
        (format!("select count(*) from public.event where shouted = 'WORDS {version}'"), 4 * a_day),
        ("select count(*) from public.event_near".to_owned(), 8 * (version + 1)),
        ("select count(*) from public.event_2023_words".to_owned(), a_day),
        ("select public.event_count()".to_owned(), 4 * a_day),
        ("select count(*) from ref.visit".to_owned(), 2),
        ("select count(*) from ref.visit_2023".to_owned(), 2),
    ] {
        assert_eq!(live.world.one(&query).await, expected.to_string(), "{since}: {query}");
    }
    for statement in [
        "insert into ref.visit values ('2023-05-05', -1, 'here')",
        "insert into ref.visit_2023 values (-1)",
        "insert into public.event (day, id, place) values ('2023-05-05', 9999, 'nowhere')",
        "insert into public.event (day, id, place, amount) values ('2023-05-05', 9999, 'here', 1000000)",
        "insert into public.event (day, id, place) select day, id, place from public.event limit 1",
        "insert into ref.event_2024_there (day, id, place) values ('2024-05-05', 1, 'here')",
    ] {
        assert!(live.world.client.batch_execute(statement).await.is_err(), "{since}: {statement}");
    }
}

#[tokio::test]
async fn a_partitioned_table_with_everything_works_and_its_dump_is_stable() {
    let live = event().await;
    let before = Snapshot::take(&live.world).await;
    assert_events(&live, 0, "before anything").await;
    before.assert_unchanged(&live.world, "with nothing done").await;
    live.end().await;
}

#[tokio::test]
async fn what_hangs_on_a_partitioned_table_and_its_partitions_stays() {
    let mut live = event().await;
    let before = Snapshot::take(&live.world).await;
    for version in 1..=3 {
        live.put(&events(version));
        live.replace().await.unwrap_or_else(|error| panic!("publish {version}: {error}"));
        let since = format!("after publish {version}");
        before.assert_unchanged(&live.world, &since).await;
        assert_events(&live, version, &since).await;
        for expected in [version - 1, version] {
            live.roll_back().await.unwrap_or_else(|error| panic!("rollback after {version}: {error}"));
            let since = format!("after publish {version} and a rollback to {expected}");
            before.assert_unchanged(&live.world, &since).await;
            assert_events(&live, expected, &since).await;
        }
    }
    live.end().await;
}

/// Makes the objects of `public.year_2022`; other tables refer to the first row.
fn year(version: usize) -> String {
    let mut csv = "day,station,degrees\n2022-05-05,A1,2\n".to_owned();
    for day in 1..=10 + version {
        let _ = writeln!(csv, "2022-01-{day:02},B2,{version}{day}");
    }
    csv
}

async fn year_2022() -> Live {
    let live = Live::new("year_2022").await;
    live.build(&[(15, include_str!("partition.sql"))]).await;
    live
}

/// Version 0 has one row, as the fixture has.
async fn assert_year(live: &Live, version: usize, since: &str) {
    let rows = if version == 0 { 1 } else { 11 + version };
    for (query, expected) in [
        ("select count(*) from public.year_2022", rows),
        ("select count(*) from public.year", rows + 2),
        ("select count(*) from public.year where day >= '2022-01-01' and day < '2023-01-01'", rows),
        ("select count(*) from ref.reading", 2),
        ("select count(*) from ref.reading_2022", 1),
    ] {
        assert_eq!(live.world.one(query).await, expected.to_string(), "{since}: {query}");
    }
    assert_eq!(
        live.world.one("select max(degrees) = (table public.year_2022_best) from public.year_2022").await,
        "true",
        "{since}: the materialized view"
    );
    for statement in [
        "insert into ref.reading values ('2022-05-05', 'B2')",
        "insert into ref.reading_2022 values ('2021-05-05', 'A1')",
        "insert into public.year values ('2022-06-06', 'C3', 1)",
        "insert into public.year values ('2022-06-06', 'A1', -200)",
        "insert into public.year values ('2022-05-05', 'A1', 2)",
        "insert into public.year_2022 (day, station) values ('2023-06-06', 'A1')",
    ] {
        assert!(live.world.client.batch_execute(statement).await.is_err(), "{since}: {statement}");
    }
}

#[tokio::test]
async fn a_partition_with_everything_works_and_its_dump_is_stable() {
    let live = year_2022().await;
    live.world.execute("refresh materialized view public.year_2022_best").await;
    let before = Snapshot::take(&live.world).await;
    assert_year(&live, 0, "before anything").await;
    before.assert_unchanged(&live.world, "with nothing done").await;
    live.end().await;
}

#[tokio::test]
async fn what_hangs_on_a_partition_stays() {
    let mut live = year_2022().await;
    let before = Snapshot::take(&live.world).await;
    for version in 1..=3 {
        live.put(&year(version));
        live.replace().await.unwrap_or_else(|error| panic!("publish {version}: {error}"));
        let since = format!("after publish {version}");
        before.assert_unchanged(&live.world, &since).await;
        assert_year(&live, version, &since).await;
        for expected in [version - 1, version] {
            live.roll_back().await.unwrap_or_else(|error| panic!("rollback after {version}: {error}"));
            let since = format!("after publish {version} and a rollback to {expected}");
            before.assert_unchanged(&live.world, &since).await;
            assert_year(&live, expected, &since).await;
        }
    }
    live.end().await;
}
