//! A bucket, and what its refusals mean.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use loader_core::error::{Error, ErrorName};

use crate::refusal::{Answer, Refusal};

/// A bucket with a client of its region.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) client: aws_sdk_s3::Client,
    pub(crate) name: String,
    pub(crate) region: String,
}

/// What was asked of a bucket: the action that a policy must allow, and the key
/// if it was about one object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) action: &'static str,
    pub(crate) key: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Returns the request to read an object.
    pub(crate) const fn get(key: &'a str) -> Self {
        Self { action: "s3:GetObject", key: Some(key) }
    }

    /// Returns the request to write an object.
    pub(crate) const fn put(key: &'a str) -> Self {
        Self { action: "s3:PutObject", key: Some(key) }
    }

    /// Returns the request to list keys.
    pub(crate) const fn list() -> Self {
        Self { action: "s3:ListBucket", key: None }
    }
}

impl Bucket {
    /// Returns the address of an object for people.
    pub(crate) fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Turns what the SDK says into an error that says what to do.
    pub(crate) fn error<E>(&self, request: Request<'_>, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.refused(request, &Refusal::of(error))
    }

    /// Turns a refusal into an error that says what to do.
    pub(crate) fn refused(&self, request: Request<'_>, refusal: &Refusal) -> Error {
        let (action, what) = (request.action, self.resource(request));
        let (name, message) = match refusal {
            Refusal::Answer(answer) => self.answered(request, answer),
            Refusal::Unreachable(why) => {
                (ErrorName::SourceUnavailable, format!("{action} on {what} got no answer: {why}"))
            }
            Refusal::NoCredentials(why) => (
                ErrorName::AccessDenied,
                format!("there are no AWS credentials for {action} on {what}: {why}"),
            ),
            Refusal::Unbuildable(why) => {
                (ErrorName::Internal, format!("the request {action} on {what} could not be made: {why}"))
            }
        };
        Error::new(name, message)
    }

    fn answered(&self, request: Request<'_>, answer: &Answer) -> (ErrorName, String) {
        let Request { action, key } = request;
        let (bucket, what) = (&self.name, self.resource(request));
        let said = answer.phrase("S3");
        if answer.code == "NoSuchBucket" {
            return (
                ErrorName::BucketMissing,
                format!("bucket {bucket} does not exist: check its name, or create it"),
            );
        }
        if let Some(region) = self.other_region(answer) {
            return (
                ErrorName::WrongRegion,
                format!(
                    "bucket {bucket} is in {region}, not in {}: set the bucket's region \
                     (SourceBucketRegion in the template, SOURCE_REGION in the environment) to \
                     {region}",
                    self.region
                ),
            );
        }
        if let Some(key) = key {
            let address = self.address(key);
            match (answer.status, answer.code.as_str()) {
                (_, "InvalidObjectState") => {
                    return (
                        ErrorName::UnsupportedFormat,
                        format!("{address} is archived and can't be read: restore it first"),
                    );
                }
                // A version that was deleted, and a delete marker asked by its id.
                (_, "NoSuchKey" | "NotFound" | "NoSuchVersion") | (404 | 405, _) => {
                    return (ErrorName::ObjectMissing, format!("{address} is not there ({said})"));
                }
                _ => {}
            }
        }
        if answer.is_about_a_key() {
            let needed =
                if action == "s3:PutObject" { "kms:GenerateDataKey and kms:Decrypt" } else { "kms:Decrypt" };
            return (
                ErrorName::AccessDenied,
                format!(
                    "the key that encrypts {what} refused: allow {needed} on it, to this role \
                     and in the key's policy, and see that it is enabled ({said})"
                ),
            );
        }
        if answer.is_transient() {
            return (ErrorName::SourceUnavailable, format!("{action} on {what} failed for now: {said}"));
        }
        if answer.is_denied() || answer.code == "AuthorizationHeaderMalformed" {
            // S3 hides whether a key exists from who may not list the bucket.
            let hint = if action == "s3:GetObject" {
                format!(
                    "; a key that does not exist is denied too, unless s3:ListBucket on \
                     arn:aws:s3:::{bucket} is allowed"
                )
            } else {
                String::new()
            };
            return (
                ErrorName::AccessDenied,
                format!("{action} on {what} was denied: allow it to this role ({said}{hint})"),
            );
        }
        if answer.code == "InvalidBucketName" {
            return (ErrorName::InvalidConfiguration, format!("{bucket} can't be a bucket's name"));
        }
        (ErrorName::Internal, format!("{action} on {what} was refused: {said}"))
    }

    /// Finds the region that S3 says the bucket is in, if that is another one.
    fn other_region(&self, answer: &Answer) -> Option<String> {
        const CODES: [&str; 4] = [
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "PermanentRedirect",
            "IncorrectEndpoint",
        ];
        // An answer to HEAD has no body, hence no code: 301, or 400 with the header.
        let about_region = CODES.contains(&answer.code.as_str())
            || answer.status == 301
            || (answer.status == 400 && answer.code.is_empty());
        if !about_region {
            return None;
        }
        let told = answer.bucket_region.clone().or_else(|| expected_region(&answer.message));
        match told {
            Some(region) => (region != self.region).then_some(region),
            None => (answer.code != "AuthorizationHeaderMalformed" && answer.status != 400)
                .then(|| "another region".to_owned()),
        }
    }

    fn resource(&self, request: Request<'_>) -> String {
        match request.key {
            Some(key) => format!("arn:aws:s3:::{}/{key}", self.name),
            None => format!("arn:aws:s3:::{}", self.name),
        }
    }
}

/// Takes the region out of "the region 'us-east-1' is wrong; expecting 'eu-west-1'".
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}
