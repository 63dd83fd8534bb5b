//! Clients of the emulator's services.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;

/// The region that everything local is in.
pub(crate) const REGION: &str = "us-east-1";

/// Builds the configuration of clients that talk to the emulator with dummy credentials.
pub(crate) async fn local_config(endpoint_url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::new("test", "test", None, None, "local stack"))
        // The emulator speaks plain HTTP.
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await
}

/// Builds an S3 client that names the bucket in the path: the emulator has one host name.
pub(crate) fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}
