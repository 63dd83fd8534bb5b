use aws_smithy_types::body::SdkBody;
use futures_util::TryStreamExt;

use super::*;
use crate::replay::{EMPTY_LISTING, Replay, answer, answer_with, bucket, s3_error};

fn source(answers: impl IntoIterator<Item = http::Response<SdkBody>>) -> (S3Source, Replay) {
    let (bucket, replay) = bucket(answers);
    (S3Source::new(bucket), replay)
}

fn planned() -> ObjectVersion {
    ObjectVersion {
        key: "year_2022/a b.csv".to_owned(),
        etag: "e1".to_owned(),
        size: 10,
        version_id: None,
        last_modified: None,
    }
}

async fn refused(answer: http::Response<SdkBody>) -> Error {
    let (source, _) = source([answer]);
    source.open(&planned(), None).await.err().expect("the object can't be opened")
}

async fn read(opened: OpenObject) -> Result<Vec<u8>> {
    let chunks: Vec<_> = opened.body.try_collect().await?;
    Ok(chunks.concat())
}

#[tokio::test]
async fn a_page_is_asked_with_the_prefix_exactly() {
    let (source, replay) = source([answer(200, &[], EMPTY_LISTING)]);
    let page = source.list("year_2022/", Some("t+/=".to_owned())).await.unwrap();
    assert!(page.objects.is_empty() && page.next.is_none());
    let uri = replay.request(0).uri();
    assert!(uri.starts_with("https://raw.s3.eu-north-1.amazonaws.com/?list-type=2"), "{uri}");
    for part in ["prefix=year_2022%2F", "max-keys=1000", "continuation-token=t%2B%2F%3D", "encoding-type=url"]
    {
        assert!(uri.split(['?', '&']).any(|found| found == part), "{part} in {uri}");
    }
}

#[tokio::test]
async fn a_page_is_asked_from_behind_a_key() {
    let (source, replay) = source([answer(200, &[], EMPTY_LISTING)]);
    source.list_after("y/", "y/a b+\u{5e74}/%").await.unwrap();
    let uri = replay.request(0).uri();
    for part in ["prefix=y%2F", "start-after=y%2Fa%20b%2B%E5%B9%B4%2F%25", "encoding-type=url"] {
        assert!(uri.split(['?', '&']).any(|found| found == part), "{part} in {uri}");
    }
    assert!(!uri.contains("continuation-token"), "{uri}");
    assert!(source.lists_in_order());
}

#[tokio::test]
async fn a_page_gives_keys_as_they_are_and_tags_without_quotes() {
    let body = "<ListBucketResult><IsTruncated>true</IsTruncated>\
        <NextContinuationToken>more</NextContinuationToken><EncodingType>url</EncodingType>\
        <Contents><Key>y/a+b%25%27%E5%B9%B4.csv</Key><ETag>&quot;e1&quot;</ETag><Size>7</Size>\
        <LastModified>2026-03-01T03:00:00.000Z</LastModified></Contents><Contents><Key>y/b.csv</Key><ETag>\"e2-3\"</ETag><Size>5368709120</Size>\
        </Contents></ListBucketResult>";
    let (source, _) = source([answer(200, &[], body)]);
    let page = source.list("y/", None).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("more"));
    let [first, second] = page.objects.as_slice() else { panic!("two objects") };
    assert_eq!((first.key.as_str(), first.etag.as_str(), first.size), ("y/a b%'年.csv", "e1", 7));
    assert_eq!((first.last_modified, second.last_modified), (Some(1_772_334_000), None));
    assert_eq!((second.etag.as_str(), second.size), ("e2-3", 5_368_709_120));
}

#[tokio::test]
async fn keys_that_are_not_encoded_are_not_decoded() {
    let body = "<ListBucketResult><Contents><Key>y/a+b%20.csv</Key><ETag>e</ETag>\
        <Size>0</Size></Contents></ListBucketResult>";
    let (source, _) = source([answer(200, &[], body)]);
    assert_eq!(source.list("y/", None).await.unwrap().objects[0].key, "y/a+b%20.csv");
}

#[tokio::test]
async fn a_listing_that_is_cut_short_is_no_last_page() {
    let body = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    let (source, _) = source([answer(200, &[], body)]);
    let error = source.list("y/", None).await.unwrap_err();
    assert_eq!(error.name, ErrorName::SourceUnavailable);
}

#[tokio::test]
async fn the_planned_version_is_opened_and_no_other() {
    let headers = [("etag", "\"e1\""), ("content-length", "10"), ("content-encoding", "gzip")];
    let (source, replay) = source([answer(200, &headers, "0123456789")]);
    let object = ObjectVersion { version_id: Some("v 1".to_owned()), ..planned() };
    let opened = source.open(&object, None).await.unwrap();
    assert_eq!(opened.head.etag, "e1");
    assert_eq!(opened.head.size, 10);
    assert_eq!(opened.head.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(read(opened).await.unwrap(), b"0123456789");
    let request = replay.request(0);
    assert!(request.uri().contains("/year_2022/a%20b.csv"), "{}", request.uri());
    assert!(request.uri().contains("versionId=v%201"), "{}", request.uri());
    assert_eq!(request.headers().get("if-match"), Some("\"e1\""));
    assert_eq!(request.headers().get("range"), None);
}

#[tokio::test]
async fn a_limit_is_a_range_and_the_size_is_the_whole_object_s() {
    let headers = [("etag", "e1"), ("content-length", "4"), ("content-range", "bytes 0-3/10")];
    let (source, replay) = source([answer(206, &headers, "0123")]);
    let opened = source.open(&planned(), Some(4)).await.unwrap();
    assert_eq!(opened.head.size, 10);
    assert_eq!(read(opened).await.unwrap(), b"0123");
    assert_eq!(replay.request(0).headers().get("range"), Some("bytes=0-3"));
    assert_eq!(replay.request(0).headers().get("if-match"), Some("\"e1\""));
}

#[tokio::test]
async fn the_rest_of_an_object_is_asked_for_at_the_planned_version() {
    let headers = [("etag", "\"e1\""), ("content-length", "3"), ("content-range", "bytes 7-9/10")];
    let (source, replay) = source([answer(206, &headers, "789")]);
    let opened = source.open_from(&planned(), 7).await.unwrap();
    assert_eq!(opened.head.size, 10);
    assert_eq!(read(opened).await.unwrap(), b"789");
    let request = replay.request(0);
    assert_eq!(request.headers().get("range"), Some("bytes=7-"));
    assert_eq!(request.headers().get("if-match"), Some("\"e1\""));
}

#[tokio::test]
async fn what_comes_from_another_byte_than_was_asked_for_is_not_taken() {
    for headers in [
        &[("etag", "\"e1\""), ("content-length", "10")][..],
        &[("etag", "\"e1\""), ("content-length", "4"), ("content-range", "bytes 6-9/10")],
    ] {
        let (source, _) = source([answer(200, headers, "0123456789")]);
        let error = source.open_from(&planned(), 7).await.err().expect("refused");
        assert_eq!(error.name, ErrorName::SourceUnavailable);
    }
}

#[tokio::test]
async fn no_range_is_asked_of_an_object_within_the_limit() {
    let headers = [("etag", "e1"), ("content-length", "0")];
    let (source, replay) = source([answer(200, &headers, "")]);
    let empty = ObjectVersion { size: 0, ..planned() };
    let opened = source.open(&empty, Some(4_096)).await.unwrap();
    assert!(read(opened).await.unwrap().is_empty());
    assert_eq!(replay.request(0).headers().get("range"), None);
}

#[tokio::test]
async fn a_range_that_can_t_be_satisfied_is_an_empty_object() {
    let (source, _) = source([s3_error(416, "InvalidRange", "not satisfiable")]);
    let opened = source.open(&planned(), Some(4)).await.unwrap();
    assert_eq!(opened.head.size, 0);
    assert!(read(opened).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_ends_early_can_be_tried_again() {
    let headers = [("etag", "e1"), ("content-length", "10")];
    let (source, _) = source([answer(200, &headers, "01234")]);
    let error = read(source.open(&planned(), None).await.unwrap()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::SourceUnavailable);
    assert!(error.message.contains("s3://raw/year_2022/a b.csv broke off"), "{error}");
    assert_eq!(error.place.unwrap().key, "year_2022/a b.csv");
}

#[tokio::test]
async fn a_body_that_breaks_midway_can_be_tried_again() {
    let headers = [("etag", "e1"), ("content-length", "10")];
    let body = SdkBody::from_body_1_x(Breaking(false));
    let (source, _) = source([answer_with(200, &headers, body)]);
    let error = read(source.open(&planned(), None).await.unwrap()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::SourceUnavailable);
    assert!(error.message.contains("broke off after 4 of 10 bytes"), "{error}");
    assert!(error.message.contains("connection reset"), "{error}");
}

/// A body of four bytes and a broken connection.
struct Breaking(bool);

impl http_body::Body for Breaking {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let frame = if std::mem::replace(&mut self.0, true) {
            Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset"))
        } else {
            Ok(http_body::Frame::data(bytes::Bytes::from_static(b"0123")))
        };
        std::task::Poll::Ready(Some(frame))
    }
}

#[tokio::test]
async fn an_overwritten_object_is_named_with_the_tag_that_was_planned() {
    let error = refused(s3_error(412, "PreconditionFailed", "did not hold")).await;
    assert_eq!(error.name, ErrorName::ObjectChanged);
    assert!(error.message.contains("s3://raw/year_2022/a b.csv"), "{error}");
    assert!(error.message.contains("overwritten since it was listed"), "{error}");
    assert!(error.message.contains("e1"), "{error}");
}

#[tokio::test]
async fn a_server_that_ignores_the_precondition_is_found_out() {
    let headers = [("etag", "\"e2\""), ("content-length", "1")];
    let error = refused(answer(200, &headers, "x")).await;
    assert_eq!(error.name, ErrorName::ObjectChanged);
}

#[tokio::test]
async fn a_deleted_object_or_version_is_missing() {
    for (status, code) in [(404, "NoSuchKey"), (404, "NoSuchVersion"), (405, "MethodNotAllowed")] {
        let error = refused(s3_error(status, code, "")).await;
        assert_eq!(error.name, ErrorName::ObjectMissing, "{code}");
        assert_eq!(error.place.unwrap().key, "year_2022/a b.csv");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let error = refused(s3_error(404, "NoSuchBucket", "")).await;
    assert_eq!(error.name, ErrorName::BucketMissing);
    assert!(error.message.contains("bucket raw"), "{error}");
}

#[tokio::test]
async fn a_denied_read_names_the_action_the_object_and_the_other_cause() {
    let error = refused(s3_error(403, "AccessDenied", "Access Denied")).await;
    assert_eq!(error.name, ErrorName::AccessDenied);
    assert!(error.message.contains("s3:GetObject on arn:aws:s3:::raw/year_2022/a b.csv"), "{error}");
    assert!(error.message.contains("s3:ListBucket on arn:aws:s3:::raw"), "{error}");
}

#[tokio::test]
async fn a_denied_listing_names_the_bucket() {
    let (source, _) = source([s3_error(403, "AccessDenied", "Access Denied")]);
    let error = source.list("y/", None).await.unwrap_err();
    assert_eq!(error.name, ErrorName::AccessDenied);
    assert!(error.message.starts_with("s3:ListBucket on arn:aws:s3:::raw was denied"), "{error}");
}

#[tokio::test]
async fn a_denied_key_names_kms_decrypt() {
    let message = "User: x is not authorized to perform: kms:Decrypt on resource: y";
    for (status, code, message) in
        [(403, "AccessDenied", message), (400, "KMS.DisabledException", "y is disabled.")]
    {
        let error = refused(s3_error(status, code, message)).await;
        assert_eq!(error.name, ErrorName::AccessDenied, "{code}");
        assert!(error.message.contains("allow kms:Decrypt on it"), "{error}");
    }
}

#[tokio::test]
async fn another_region_is_named_however_s3_tells_it() {
    let header = [("x-amz-bucket-region", "us-west-2")];
    let moved = "<Error><Code>PermanentRedirect</Code><Message>Use the endpoint</Message></Error>";
    let malformed = "the region 'eu-north-1' is wrong; expecting 'us-west-2'";
    for answer in [
        answer(301, &header, moved),
        s3_error(400, "AuthorizationHeaderMalformed", malformed),
        answer(400, &header, "<Error><Code>IllegalLocationConstraintException</Code></Error>"),
    ] {
        let error = refused(answer).await;
        assert_eq!(error.name, ErrorName::WrongRegion);
        assert!(error.message.contains("is in us-west-2, not in eu-north-1"), "{error}");
        assert!(error.message.contains("SOURCE_REGION"), "{error}");
    }
}

#[tokio::test]
async fn another_region_is_named_where_the_answer_has_no_body() {
    for status in [301, 400] {
        let (source, _) = source([answer(status, &[("x-amz-bucket-region", "us-west-2")], "")]);
        let error = source.head("k").await.unwrap_err();
        assert_eq!(error.name, ErrorName::WrongRegion, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_failures_and_silence_can_be_tried_again() {
    for (status, code) in [(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout")] {
        let (source, replay) = source([s3_error(status, code, "later"), s3_error(status, code, "later")]);
        let error = source.open(&planned(), None).await.err().unwrap();
        assert_eq!(error.name, ErrorName::SourceUnavailable, "{code}");
        assert_eq!(replay.asked(), 2, "the SDK tries again by itself: {code}");
    }
    let (source, _) = source([]);
    let error = source.list("y/", None).await.unwrap_err();
    assert_eq!(error.name, ErrorName::SourceUnavailable);
}

#[tokio::test]
async fn an_archived_object_is_to_be_restored_first() {
    let error = refused(s3_error(403, "InvalidObjectState", "storage class")).await;
    assert_eq!(error.name, ErrorName::UnsupportedFormat);
    assert!(error.message.contains("restore it first"), "{error}");
}

#[tokio::test]
async fn a_head_tells_what_is_there_now() {
    let headers = [("etag", "\"e9\""), ("content-length", "12"), ("content-encoding", " ")];
    let (source, replay) = source([answer(200, &headers, "")]);
    let head = source.head("y/ä.csv").await.unwrap();
    assert_eq!(head, ObjectHead { etag: "e9".to_owned(), size: 12, content_encoding: None });
    assert_eq!(replay.request(0).method(), "HEAD");
    assert!(replay.request(0).uri().contains("/y/%C3%A4.csv"));
}

#[tokio::test]
async fn a_head_without_a_body_still_tells_missing_from_denied() {
    for (status, name) in [(404, ErrorName::ObjectMissing), (403, ErrorName::AccessDenied)] {
        let (source, _) = source([answer(status, &[], "")]);
        assert_eq!(source.head("k").await.unwrap_err().name, name);
    }
}
