//! One table with everything on it, replaced five times with rollbacks between.

use crate::items::Items;
use crate::live::Live;
use crate::snapshot::Snapshot;
use crate::working::assert_works;

/// What other tables hold of the items that are in every version.
const OTHERS: &str = "
    insert into public.order_line values (1, 1, 'external 1'), (2, 1, null), (3, 3, 'external 3');
    insert into ref.stock values (1, 'fixed 1', 5), (2, 'fixed 2', 0);
    insert into public.happening values ('2024-01-05', 1), ('2024-03-05', 2);
    insert into ref.review values (1, 5);
    set constraints all immediate;
    refresh materialized view public.item_by_kind;
    refresh materialized view ref.item_best;
    refresh materialized view public.item_cheapest;
    analyze";

/// What the keys over time hold.
const OTHERS_18: &str = "insert into ref.slot_used values ('[0,1]', '[11,13)')";

/// Builds the table with the rows of version 0.
async fn everything() -> Live {
    let live = Live::new("item").await;
    live.build(&[
        (15, include_str!("everything.sql")),
        (17, include_str!("everything_17.sql")),
        (18, include_str!("everything_18.sql")),
        (15, &Items::of_version(0).insert()),
        (15, OTHERS),
        (18, OTHERS_18),
    ])
    .await;
    live
}

#[tokio::test]
async fn the_table_with_everything_works_and_its_dump_is_stable() {
    let live = everything().await;
    let before = Snapshot::take(&live.world).await;
    assert_works(&live, &Items::of_version(0), "before anything").await;
    before.assert_unchanged(&live.world, "with nothing done").await;
    // What a careless copy loses is in what is compared.
    for part in [
        "SET default_table_access_method = heap_again",
        "SET default_tablespace = catalog_space",
        "ALTER INDEX public.\"Item expression\" ALTER COLUMN 1 SET STATISTICS 500",
        "SET SESSION AUTHORIZATION catalog_granter",
        "DEPENDS ON EXTENSION plpgsql",
        "REPLICA IDENTITY USING INDEX item_identity",
        "CLUSTER ON item_dear_first",
        "ALTER PUBLICATION catalog_some ADD TABLE ONLY public.item (id, name, price) WHERE ((id > 0))",
    ] {
        assert!(before.has(part), "{part}");
    }
    live.end().await;
}

#[tokio::test]
async fn everything_stays() {
    let mut live = everything().await;
    let before = Snapshot::take(&live.world).await;
    for version in 1..=5 {
        let items = Items::of_version(version);
        live.put(&items.csv());
        let published = live.replace().await.unwrap_or_else(|error| panic!("publish {version}: {error}"));
        assert_eq!(published.rows, items.count() as u64);
        let since = format!("after publish {version}");
        before.assert_unchanged(&live.world, &since).await;
        assert_works(&live, &items, &since).await;
        // Back, and in every other round forth again.
        for back in [true, false].into_iter().take(1 + version % 2) {
            live.roll_back().await.unwrap_or_else(|error| panic!("rollback after {version}: {error}"));
            let since = format!("after publish {version} and its rollback (undone: {})", !back);
            let items =
                if back { Items::of_version(expected_before(version)) } else { Items::of_version(version) };
            before.assert_unchanged(&live.world, &since).await;
            assert_works(&live, &items, &since).await;
        }
    }
    live.end().await;
}

/// The version that a rollback of this one brings back: the one before, unless that
/// one was rolled back itself.
fn expected_before(version: usize) -> usize {
    match version {
        // Version 2 and 4 were rolled back and stayed so.
        3 | 5 => version - 2,
        _ => version - 1,
    }
}

/// The TOAST table is older than the storage of the column that it was made for.
#[tokio::test]
async fn options_of_a_toast_table_that_no_column_needs_any_longer_stay() {
    let mut live = Live::new("note").await;
    live.world
        .execute(
            "create table public.note (id int not null, words text);
             alter table public.note alter words set storage plain;
             alter table public.note set (toast.autovacuum_vacuum_threshold = 9)",
        )
        .await;
    let before = Snapshot::take(&live.world).await;
    assert!(before.has("toast.autovacuum_vacuum_threshold='9'"));
    live.put("id,words\n1,one\n2,two\n");
    live.replace().await.unwrap_or_else(|error| panic!("{error}"));
    before.assert_unchanged(&live.world, "after the publish").await;
    live.end().await;
}
