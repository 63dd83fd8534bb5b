//! Real weather data, compared with its answer sheet value by value.

use serde_json::{Value, json};
use workflow_tests::{Messages, Stack, workspace};

struct Sample {
    sheet: Value,
    files: Vec<(String, Vec<u8>)>,
}

fn sample() -> Sample {
    let folder = workspace().join("tests/data/gsod");
    let sheet: Value = serde_json::from_slice(&std::fs::read(folder.join("EXPECTED.json")).unwrap()).unwrap();
    let files = sheet["files"]
        .as_object()
        .unwrap()
        .keys()
        .map(|key| (key.clone(), std::fs::read(folder.join(key)).unwrap()))
        .collect();
    Sample { sheet, files }
}

async fn put(stack: &Stack, table: &str, sample: &Sample) {
    for (key, bytes) in &sample.files {
        stack.put(&key.replace("2022/", &format!("{table}/")), bytes.clone()).await;
    }
}

/// Compares every column of every file: nulls, exact sums of numbers, distinct
/// values and lengths of texts.
async fn assert_matches_sheet(stack: &Stack, table: &str, sample: &Sample) {
    let columns = sample.sheet["columns"].as_array().unwrap();
    for (key, file) in sample.sheet["files"].as_object().unwrap() {
        let station = key.trim_start_matches("2022/").trim_end_matches(".csv");
        let mut select = vec!["count(*)".to_owned()];
        let mut expected = vec![file["rows"].to_string()];
        for column in columns {
            let name = column["name"].as_str().unwrap();
            let lower = name.to_lowercase();
            let facts = &file["columns"][name];
            select.push(format!("count(*) filter (where {lower} is null)"));
            expected.push(facts["nulls"].to_string());
            if let Some(sum) = facts["sum"].as_str() {
                select.push(format!("coalesce(sum({lower}::numeric), 0) = {sum}::numeric"));
                expected.push("true".to_owned());
            } else {
                select.push(format!("count(distinct {lower})"));
                expected.push(facts["distinct"].to_string());
                select.push(format!("coalesce(sum(length({lower}::text)), 0)"));
                expected.push(facts["characters"].to_string());
            }
        }
        let row = stack
            .one(&format!(
                "select array_to_json(array[{}]::text[]) from public.{table} where station = '{station}'",
                select.iter().map(|part| format!("({part})::text")).collect::<Vec<_>>().join(", ")
            ))
            .await;
        let found: Vec<String> = serde_json::from_str(&row).unwrap();
        for ((found, expected), what) in found.iter().zip(&expected).zip(&select) {
            assert_eq!(found, expected, "{key}: {what}");
        }
    }
    let total = sample.sheet["total"]["rows"].as_u64().unwrap_or_else(|| {
        sample.sheet["files"].as_object().unwrap().values().map(|file| file["rows"].as_u64().unwrap()).sum()
    });
    assert_eq!(stack.one(&format!("select count(*) from public.{table}")).await, total.to_string());
}

async fn loads_with(engine: &str, recorded: &str, table: &str) {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, table).await;
    let sample = sample();
    put(&stack, table, &sample).await;
    let input = json!({"table": table, "definition": {"engine": engine}});
    let ended = stack.succeed(&input).await;
    assert_matches_sheet(&stack, table, &sample).await;
    let engines = stack
        .rows(&format!("select distinct engine from loader.object where run_id = '{}'", ended.run_id))
        .await;
    assert_eq!(engines, [format!("({recorded})")]);

    let message = messages.about(&ended.run_id).await;
    assert_eq!(message["outcome"], "succeeded");
    assert_eq!(message["table"], table);
    assert_eq!(message["objects"]["loaded"], sample.files.len());
    assert_eq!(message["execution_arn"].as_str().unwrap().rsplit(':').next(), Some(ended.run_id.as_str()));

    // Once more: the version before is in the backup.
    stack.succeed(&input).await;
    assert_matches_sheet(&stack, table, &sample).await;
    assert_eq!(
        stack.one(&format!("select count(*) from databackup.{table}")).await,
        stack.one(&format!("select count(*) from public.{table}")).await
    );
}

#[tokio::test]
async fn the_sample_is_loaded_right_by_the_stream_engine() {
    loads_with("stream", "stream", "sample_stream").await;
}

#[tokio::test]
async fn the_sample_is_loaded_right_inside_the_database() {
    loads_with("aws_s3", "aws_s3", "sample_aws_s3").await;
}

#[tokio::test]
async fn the_engine_that_fits_is_chosen_for_each_object() {
    let stack = Stack::shared().await;
    stack.put("chosen/plain.csv", "id\n1\n").await;
    stack.put("chosen/packed.csv", gzip("id\n2\n")).await;
    stack.put_encoded("chosen/declared.csv", gzip("id\n3\n"), "gzip").await;
    let ended = stack.succeed(&json!({"table": "chosen"})).await;
    assert_eq!(
        stack
            .rows(&format!(
                "select key, engine, reason from loader.object where run_id = '{}' order by key",
                ended.run_id
            ))
            .await,
        [
            "(chosen/declared.csv,aws_s3,\"the extension is installed and can read the object\")",
            "(chosen/packed.csv,stream,\"it is gzip without Content-Encoding: gzip\")",
            "(chosen/plain.csv,aws_s3,\"the extension is installed and can read the object\")",
        ]
    );
    assert_eq!(stack.one("select sum(id) from public.chosen").await, "6");
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
