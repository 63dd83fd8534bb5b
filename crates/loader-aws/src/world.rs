//! The clients of a process, made once from its environment.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use loader_core::error::{Error, ErrorName, Result};

use crate::bucket::Bucket;
use crate::{S3Source, S3WorkStore, SnsNotifier, SsmParameters};

/// A connection is made within this time, or tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A request that has been sent gets its first answer within this time.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// One try of an operation, an 8 MiB part over a slow line included. It ends
/// with the head of the answer: a body that is being read has no end set, the
/// SDK's own protection breaks off one that stalls.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);
/// Tries of one request; the state machine tries whole steps again after that.
const ATTEMPTS: u32 = 4;

/// The AWS account and region that a process works in.
#[derive(Debug, Clone)]
pub struct World {
    sdk: SdkConfig,
    region: String,
    path_style: bool,
}

impl World {
    /// Reads region, credentials and endpoints as every AWS tool does.
    ///
    /// # Errors
    /// `InvalidConfiguration` when no region is set. Missing credentials show
    /// with the first request.
    pub async fn from_environment() -> Result<Self> {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .load()
            .await;
        let s3_endpoint = std::env::var("AWS_ENDPOINT_URL_S3").is_ok_and(|url| !url.is_empty());
        Self::new(sdk, s3_endpoint)
    }

    fn new(sdk: SdkConfig, s3_endpoint: bool) -> Result<Self> {
        let region = sdk.region().map(ToString::to_string).ok_or_else(|| {
            Error::new(
                ErrorName::InvalidConfiguration,
                "no AWS region is known: set AWS_REGION, or a region in the AWS profile",
            )
        })?;
        // An emulator has one host name, so the bucket goes into the path.
        let path_style = s3_endpoint || sdk.endpoint_url().is_some();
        Ok(Self { sdk, region, path_style })
    }

    /// Returns the region of the process.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the bucket with the objects to load, in its own region.
    #[must_use]
    pub fn source(&self, bucket: impl Into<String>, region: impl Into<String>) -> S3Source {
        S3Source::new(self.bucket(bucket.into(), region.into()))
    }

    /// Returns the application's own bucket, in the region of the process.
    #[must_use]
    pub fn work_store(&self, bucket: impl Into<String>) -> S3WorkStore {
        S3WorkStore::new(self.bucket(bucket.into(), self.region.clone()))
    }

    /// Returns the parameters of the process's account and region.
    #[must_use]
    pub fn parameters(&self) -> SsmParameters {
        SsmParameters::new(aws_sdk_ssm::Client::new(&self.sdk))
    }

    /// Returns the topic's notifier, in the region that its ARN names.
    #[must_use]
    pub fn notifier(&self, topic_arn: impl Into<String>) -> SnsNotifier {
        let topic_arn = topic_arn.into();
        let mut config = aws_sdk_sns::config::Builder::from(&self.sdk);
        if let Some(region) = topic_arn.split(':').nth(3).filter(|region| !region.is_empty()) {
            config.set_region(Some(Region::new(region.to_owned())));
        }
        SnsNotifier::new(aws_sdk_sns::Client::from_conf(config.build()), topic_arn)
    }

    fn bucket(&self, name: String, region: String) -> Bucket {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk)
            .region(Region::new(region.clone()))
            .force_path_style(self.path_style)
            .build();
        Bucket { client: aws_sdk_s3::Client::from_conf(config), name, region }
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::SharedCredentialsProvider;
    use loader_core::source::ObjectSource;

    use super::*;
    use crate::replay;

    fn sdk(endpoint: Option<&str>) -> (SdkConfig, replay::Replay) {
        let replay = replay::Replay::new([
            replay::answer(200, &[], replay::EMPTY_LISTING),
            replay::answer(200, &[], r#"{"Parameter":{"Value":"postgres://h/d"}}"#),
        ]);
        let mut sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .credentials_provider(SharedCredentialsProvider::new(replay::credentials()))
            .http_client(replay.client());
        sdk.set_endpoint_url(endpoint.map(ToOwned::to_owned));
        (sdk.build(), replay)
    }

    #[tokio::test]
    async fn the_bucket_is_in_the_path_when_an_endpoint_is_set() {
        let (sdk, replay) = sdk(Some("http://127.0.0.1:4566"));
        let source = World::new(sdk, false).unwrap().source("raw", "eu-west-1");
        source.list("a/", None).await.unwrap();
        assert!(
            replay.request(0).uri().starts_with("http://127.0.0.1:4566/raw"),
            "{}",
            replay.request(0).uri()
        );
    }

    #[tokio::test]
    async fn the_source_is_asked_in_its_own_region_and_the_rest_in_the_process_s() {
        let (sdk, replay) = sdk(None);
        let world = World::new(sdk, false).unwrap();
        world.source("raw", "eu-west-1").list("a/", None).await.unwrap();
        world.parameters().connection_string("db").await.unwrap();
        assert!(replay.request(0).uri().starts_with("https://raw.s3.eu-west-1.amazonaws.com/"));
        assert!(replay.request(1).uri().starts_with("https://ssm.eu-north-1.amazonaws.com/"));
        let signed = replay.request(0).headers().get("authorization").unwrap().to_owned();
        assert!(signed.contains("/eu-west-1/s3/"), "{signed}");
    }

    #[test]
    fn a_world_without_a_region_is_refused() {
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let error = World::new(sdk, false).unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidConfiguration);
        assert!(error.message.contains("AWS_REGION"));
    }
}
