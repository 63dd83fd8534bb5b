//! A service that gives prepared answers and remembers what it was asked.

use aws_credential_types::Credentials;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::bucket::Bucket;

/// A page of a listing without objects.
pub(crate) const EMPTY_LISTING: &str =
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

/// Prepared answers, in order.
#[derive(Clone)]
pub(crate) struct Replay(StaticReplayClient);

impl Replay {
    pub(crate) fn new(answers: impl IntoIterator<Item = http::Response<SdkBody>>) -> Self {
        let events = answers
            .into_iter()
            .map(|answer| ReplayEvent::new(http::Request::builder().body(SdkBody::empty()).unwrap(), answer));
        Self(StaticReplayClient::new(events.collect()))
    }

    pub(crate) fn client(&self) -> StaticReplayClient {
        self.0.clone()
    }

    pub(crate) fn asked(&self) -> usize {
        self.0.actual_requests().count()
    }

    pub(crate) fn request(&self, index: usize) -> &HttpRequest {
        self.0.actual_requests().nth(index).expect("the request was made")
    }

    pub(crate) fn body(&self, index: usize) -> String {
        let bytes = self.request(index).body().bytes().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("AKID", "SECRET", None, None, "test")
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> http::Response<SdkBody> {
    answer_with(status, headers, SdkBody::from(body))
}

pub(crate) fn answer_with(status: u16, headers: &[(&str, &str)], body: SdkBody) -> http::Response<SdkBody> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

pub(crate) fn s3_error(status: u16, code: &str, message: &str) -> http::Response<SdkBody> {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    answer(status, &[("content-type", "application/xml")], &body)
}

pub(crate) fn json_error(status: u16, code: &str, message: &str) -> http::Response<SdkBody> {
    let body = serde_json::json!({ "__type": code, "message": message }).to_string();
    answer(status, &[], &body)
}

pub(crate) fn bucket(answers: impl IntoIterator<Item = http::Response<SdkBody>>) -> (Bucket, Replay) {
    let replay = Replay::new(answers);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(credentials())
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .http_client(replay.client())
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let bucket = Bucket { client, name: "raw".to_owned(), region: "eu-north-1".to_owned() };
    (bucket, replay)
}
