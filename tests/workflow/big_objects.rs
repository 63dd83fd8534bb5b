//! An object that is so big that several Lambdas load it.

use std::fmt::Write as _;

use serde_json::json;
use workflow_tests::{Messages, Stack};

const ROWS: usize = 66_000;

/// Writes records of about 2,000 bytes each: with newlines, quotes and delimiters within
/// quotes everywhere, so that a part begins amid them.
fn text() -> String {
    let note = "a line,\nhalf a \"\"record\"\",\n1,2,".repeat(66);
    let mut text = String::with_capacity(ROWS * (note.len() + 16));
    text.push_str("id,note\n");
    for id in 1..=ROWS {
        writeln!(text, "{id},\"{note}\"").unwrap();
    }
    text
}

#[tokio::test]
async fn a_big_object_is_loaded_by_several_lambdas_each_row_once() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "big").await;
    let text = text();
    let bytes = text.len();
    // The template's parts have 64 MiB, and smaller objects stay whole.
    assert!(bytes > 128 << 20, "{bytes}");
    stack.put("big/all.csv", text).await;
    stack.put("big/more.csv", format!("id,note\n{},more\n", ROWS + 1)).await;
    let ended = stack.succeed(&json!({"table": "big", "definition": {"engine": "stream"}})).await;
    assert_eq!(
        stack
            .rows(
                "select count(*), count(distinct id), min(id), max(id), count(distinct note) from public.big"
            )
            .await,
        [format!("({0},{0},1,{0},2)", ROWS + 1)]
    );
    assert_eq!(
        stack.one("select length(note) from public.big where id = 40000").await,
        (29 * 66).to_string(),
        "the doubled quotes are one each"
    );
    assert_eq!(
        stack
            .rows(&format!(
                "select key, state, rows from loader.object where run_id = '{}' order by key",
                ended.run_id
            ))
            .await,
        [format!("(big/all.csv,loaded,{ROWS})"), "(big/more.csv,loaded,1)".to_owned()]
    );
    let parts = stack
        .one(&format!(
            "select count(*) filter (where rows > 0) from loader.object_part where run_id = '{}' and key = 'big/all.csv'",
            ended.run_id
        ))
        .await;
    assert!(parts.parse::<u32>().unwrap() >= 2, "{parts} parts have rows");
    let message = messages.about(&ended.run_id).await;
    assert_eq!(message["objects"]["loaded"], 2);
}
