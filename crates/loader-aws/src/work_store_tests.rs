use aws_smithy_types::body::SdkBody;

use super::*;
use crate::replay::{Replay, answer, bucket, s3_error};
use crate::upload::PART;

const CREATED: &str = "<InitiateMultipartUploadResult><UploadId>u-1</UploadId>\
                       </InitiateMultipartUploadResult>";
const COMPLETED: &str = "<CompleteMultipartUploadResult><ETag>x</ETag>\
                         </CompleteMultipartUploadResult>";

fn store(answers: impl IntoIterator<Item = http::Response<SdkBody>>) -> (S3WorkStore, Replay) {
    let (bucket, replay) = bucket(answers);
    (S3WorkStore::new(bucket), replay)
}

fn part(etag: &str) -> http::Response<SdkBody> {
    answer(200, &[("etag", etag), ("x-amz-checksum-crc32", "AAAAAA==")], "")
}

/// Waits for what was left to the runtime.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_definition_is_read_whole() {
    let (store, replay) = store([answer(200, &[], "rows = 1")]);
    let read = store.read("tables/t.toml", 100).await.unwrap();
    assert_eq!(read.as_deref(), Some(b"rows = 1".as_slice()));
    assert!(replay.request(0).uri().contains("/tables/t.toml"));
}

#[tokio::test]
async fn a_definition_that_is_not_there_is_none() {
    let (store, _) = store([s3_error(404, "NoSuchKey", "not there")]);
    assert_eq!(store.read("tables/t.toml", 100).await.unwrap(), None);
}

#[tokio::test]
async fn a_work_bucket_that_is_not_there_is_an_error() {
    let (store, _) = store([s3_error(404, "NoSuchBucket", "not there")]);
    let error = store.read("tables/t.toml", 100).await.unwrap_err();
    assert_eq!(error.name, ErrorName::BucketMissing);
}

#[tokio::test]
async fn more_than_the_limit_is_refused() {
    let (store, _) = store([answer(200, &[], "0123456789")]);
    let error = store.read("tables/t.toml", 9).await.unwrap_err();
    assert_eq!(error.name, ErrorName::InvalidDefinition);
    assert!(error.message.contains("s3://raw/tables/t.toml"), "{error}");
}

#[tokio::test]
async fn a_small_object_is_one_request() {
    let (store, replay) = store([answer(200, &[], "")]);
    let mut writer = store.write("runs/r/plan.jsonl").await.unwrap();
    writer.append(Bytes::from_static(b"one\n")).await.unwrap();
    writer.append(Bytes::from_static(b"two\n")).await.unwrap();
    assert_eq!(replay.asked(), 0, "nothing is there before the end");
    writer.finish().await.unwrap();
    assert_eq!((replay.asked(), replay.request(0).method()), (1, "PUT"));
    assert_eq!(replay.body(0), "one\ntwo\n");
}

#[tokio::test]
async fn an_empty_object_is_written_too() {
    let (store, replay) = store([answer(200, &[], "")]);
    store.write("runs/r/plan.jsonl").await.unwrap().finish().await.unwrap();
    assert_eq!(replay.asked(), 1);
}

#[tokio::test]
async fn a_large_object_goes_in_parts() {
    let (store, replay) =
        store([answer(200, &[], CREATED), part("a"), part("b"), answer(200, &[], COMPLETED)]);
    let mut writer = store.write("plan").await.unwrap();
    writer.append(Bytes::from(vec![b'x'; PART - 1])).await.unwrap();
    assert_eq!(replay.asked(), 0);
    writer.append(Bytes::from_static(b"yz")).await.unwrap();
    writer.finish().await.unwrap();
    assert!(replay.request(1).uri().contains("partNumber=1"));
    assert_eq!(replay.body(1).len(), PART);
    assert!(replay.request(2).uri().contains("partNumber=2"));
    assert_eq!(replay.body(2), "z");
    let parts = replay.body(3);
    assert!(parts.contains("<ETag>a</ETag>") && parts.contains("<ETag>b</ETag>"), "{parts}");
    assert!(parts.contains("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"), "{parts}");
}

#[tokio::test]
async fn a_part_that_is_refused_aborts_the_upload() {
    let (store, replay) = store([
        answer(200, &[], CREATED),
        s3_error(403, "AccessDenied", "Access Denied"),
        answer(204, &[], ""),
    ]);
    let mut writer = store.write("plan").await.unwrap();
    let error = writer.append(Bytes::from(vec![b'x'; PART])).await.unwrap_err();
    assert_eq!(error.name, ErrorName::AccessDenied);
    assert!(error.message.contains("s3:PutObject on arn:aws:s3:::raw/plan"), "{error}");
    assert_eq!(replay.request(2).method(), "DELETE");
    assert!(replay.request(2).uri().contains("uploadId=u-1"));
}

#[tokio::test]
async fn a_writer_that_is_dropped_aborts_its_upload() {
    let (store, replay) = store([answer(200, &[], CREATED), part("a"), answer(204, &[], "")]);
    let mut writer = store.write("plan").await.unwrap();
    writer.append(Bytes::from(vec![b'x'; PART])).await.unwrap();
    drop(writer);
    settle().await;
    assert_eq!((replay.asked(), replay.request(2).method()), (3, "DELETE"));
}
