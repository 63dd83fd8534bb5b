//! Records that can't be read to their end, and the others that can.

use crate::rejects::{id_and_name, keeping_of, object, rejected};
use crate::world::World;

#[tokio::test]
async fn a_quote_that_does_not_end_costs_its_record_and_not_the_rest_of_the_object() {
    let world = World::new().await;
    let rows: String =
        (1..=50).map(|id| if id == 20 { "20,\"open\n".to_owned() } else { format!("{id},x\n") }).collect();
    world.source.put("t/a.csv", format!("id,name\n{rows}"));
    let plan = world.planned("r1", &keeping_of(&id_and_name())).await;
    world.import_all(&plan).await;
    assert_eq!(rejected(&world).await, ["(t/a.csv,21,20,,22P04,\"20,\"\"open\")"]);
    assert_eq!(world.publish(&plan).await.unwrap().rows, 49);
    world.end().await;
}

#[tokio::test]
async fn an_object_that_breaks_off_is_not_loaded_in_part() {
    let world = World::new().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, object(100_000, 1_000).as_bytes()).unwrap();
    let mut gzip = encoder.finish().unwrap();
    gzip.truncate(gzip.len() / 2);
    world.source.put("t/cut.csv.gz", gzip);
    world.source.put("t/page.csv", "<!DOCTYPE html>\n<html><body>503, try later</body></html>\n");
    world.put_three();
    let plan = world.planned("r1", &keeping_of(&id_and_name())).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select key, error_name from loader.object where state = 'failed' order by key").await,
        ["(t/cut.csv.gz,Loader.UnsupportedFormat)", "(t/page.csv,Loader.HeaderMismatch)"]
    );
    let kept = world.one("select count(*) from loader.rejected_row where key = 't/cut.csv.gz'").await;
    assert!((20..60).contains(&kept.parse::<u32>().unwrap()), "{kept}");
    let staging = world.one("select staging_table from loader.run").await;
    assert_eq!(world.one(&format!("select count(*) from dataimport.\"{staging}\"")).await, "5");
    world.end().await;
}

#[tokio::test]
async fn rows_that_never_end_cost_one_row_and_little_memory() {
    let world = World::new().await;
    // `cargo x measure rejects` has one of 2 GB: that takes a minute without optimization.
    world.source.put_repeated("t/line.csv", "id,name\n1,one\n2,", vec![b'x'; 1 << 20], 200);
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut bomb, b"id,name\n1,one\n").unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..100 {
        std::io::Write::write_all(&mut bomb, &zeros).unwrap();
    }
    world.source.put("t/bomb.csv", bomb.finish().unwrap());
    let plan = world.planned("r1", &keeping_of(&id_and_name())).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select key, line, sqlstate, length(row_text) <= 8192, row_cut from loader.rejected_row order by key").await,
        ["(t/bomb.csv,3,54000,t,t)", "(t/line.csv,3,54000,t,t)"]
    );
    assert_eq!(
        world.rows("select key, rows, rejects from loader.object order by key").await,
        ["(t/bomb.csv,1,1)", "(t/line.csv,1,1)"]
    );
    world.end().await;
}
