//! What the stream engine makes of files as they come.

use std::io::Write;

use serde_json::json;

use crate::world::World;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn gzip_is_known_by_content_and_all_its_members_are_loaded() {
    let world = World::new().await;
    let mut joined = gzip("id\n1\n2\n");
    joined.extend(gzip("3\n4\n"));
    joined.extend([0; 512]);
    world.source.put("t/joined.csv", joined);
    world.source.put("t/plain.csv.gz", "id\n5\n");
    world.source.put("t/one", gzip("id\n6"));
    assert_eq!(world.run("r1", &json!({"table": "t"})).await.unwrap().rows, 6);
    assert_eq!(world.one("select sum(id) from public.t").await, "21");
    world.end().await;
}

#[tokio::test]
async fn line_ends_marks_and_quotes_load_as_they_were_meant() {
    let world = World::new().await;
    world.source.put("t/bom.csv", "\u{feff}s\nbom\n");
    world.source.put("t/crlf.csv", "s\r\ncrlf\r\n\"a\r\nb\"\r\n");
    world.source.put("t/cr.csv", "s\rcr\r");
    world.source.put("t/no end.csv", "s\nno end");
    world.source.put("t/mark.csv", "s\nbefore\n\\.\nafter\n");
    world.source.put("t/quotes.csv", "s\n\"He said \"\"hi\"\"\"\n\"C:\\\"\n");
    world.source.put("t/utf8.csv", "s\nzürich ☂\n");
    assert_eq!(world.run("r1", &json!({"table": "t"})).await.unwrap().rows, 11);
    assert_eq!(
        world.rows("select s from public.t order by s collate \"C\"").await,
        [
            "(\"C:\\\\\")",
            "(\"He said \"\"hi\"\"\")",
            "(\"\\\\.\")",
            "(\"a\r\nb\")",
            "(after)",
            "(before)",
            "(bom)",
            "(cr)",
            "(crlf)",
            "(\"no end\")",
            "(\"zürich ☂\")"
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn objects_with_columns_in_another_order_share_a_transaction_and_load_right() {
    let mut world = World::new().await;
    world.batch_max_objects = 500;
    for number in 0..40 {
        let text = if number % 3 == 0 {
            format!("b,a\ny{number},{number}\n")
        } else {
            format!("a,b\n{number},y{number}\n")
        };
        world.source.put(&format!("t/{number:02}.csv"), text);
    }
    assert_eq!(world.run("r1", &json!({"table": "t"})).await.unwrap().rows, 40);
    assert_eq!(world.one("select count(*) from public.t where b <> 'y' || a").await, "0");
    world.end().await;
}

#[tokio::test]
async fn empty_is_null_but_a_quoted_empty_text_is_a_text() {
    let world = World::new().await;
    world.source.put("t/a.csv", "n,s\n1,x\n,\n\"\",\"\"\n");
    world.run("r1", &json!({"table": "t"})).await.unwrap();
    assert_eq!(
        world.rows("select n, s, s is null from public.t order by n, s nulls first").await,
        ["(1,x,f)", "(,,t)", "(,\"\",f)"]
    );
    world.end().await;
}
