//! The connection string in SSM's Parameter Store.

use std::fmt;

use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use loader_core::error::{Error, ErrorName, Result};

use crate::refusal::{Answer, Refusal};

/// The parameters of an account.
pub struct SsmParameters {
    client: aws_sdk_ssm::Client,
}

impl SsmParameters {
    pub(crate) fn new(client: aws_sdk_ssm::Client) -> Self {
        Self { client }
    }

    /// Reads the connection string from the parameter of this name; the leading
    /// slash is added.
    ///
    /// # Errors
    /// `ParameterMissing`, `AccessDenied`, `ServiceUnavailable`, or
    /// `InvalidConfiguration` when the parameter is blank.
    pub async fn connection_string(&self, name_without_slash: &str) -> Result<String> {
        self.read(&format!("/{}", name_without_slash.trim().trim_matches('/'))).await
    }

    async fn read(&self, name: &str) -> Result<String> {
        let answer = self
            .client
            .get_parameter()
            .name(name)
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| refused(name, &error))?;
        // A value put from a file ends with a line break.
        let value = answer.parameter().and_then(|parameter| parameter.value()).map(str::trim);
        match value {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            _ => Err(Error::new(
                ErrorName::InvalidConfiguration,
                format!("the SSM parameter {name} is blank: put the connection string in it"),
            )),
        }
    }
}

impl fmt::Debug for SsmParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsmParameters").finish_non_exhaustive()
    }
}

fn refused(name: &str, error: &SdkError<GetParameterError, HttpResponse>) -> Error {
    let (error_name, message) = match Refusal::of(error) {
        Refusal::Answer(answer) => answered(name, &answer),
        Refusal::Unreachable(why) => {
            (ErrorName::ServiceUnavailable, format!("SSM gave no answer for {name}: {why}"))
        }
        Refusal::NoCredentials(why) => (
            ErrorName::AccessDenied,
            format!("there are no AWS credentials for ssm:GetParameter on {name}: {why}"),
        ),
        Refusal::Unbuildable(why) => {
            (ErrorName::Internal, format!("the request for {name} could not be made: {why}"))
        }
    };
    Error::new(error_name, message)
}

fn answered(name: &str, answer: &Answer) -> (ErrorName, String) {
    let said = answer.phrase("SSM");
    match answer.code.as_str() {
        "ParameterNotFound" | "ParameterVersionNotFound" => (
            ErrorName::ParameterMissing,
            format!(
                "the SSM parameter {name} does not exist in this account and region: create it \
                 with `aws ssm put-parameter --name {name} --type SecureString --value \
                 'postgres://user:password@host:5432/database'`"
            ),
        ),
        "InvalidKeyId" => (
            ErrorName::AccessDenied,
            format!(
                "the key that encrypts the SSM parameter {name} can't be used: see that it is \
                 enabled and that kms:Decrypt is allowed ({said})"
            ),
        ),
        "ValidationException" => (
            ErrorName::InvalidConfiguration,
            format!(
                "{name} can't be an SSM parameter's name: check DB_CONNECTION_STRING_SSM_PATH \
                 ({said})"
            ),
        ),
        _ if answer.is_about_a_key() => (
            ErrorName::AccessDenied,
            format!(
                "kms:Decrypt on the key of the SSM parameter {name} was denied: allow it to \
                 this role and in the key's policy ({said})"
            ),
        ),
        _ if answer.is_transient() => {
            (ErrorName::ServiceUnavailable, format!("{name} could not be read for now: {said}"))
        }
        _ if answer.is_denied() => (
            ErrorName::AccessDenied,
            format!(
                "ssm:GetParameter on the parameter {name} was denied: allow it to this role \
                 ({said})"
            ),
        ),
        _ => (ErrorName::Internal, format!("the parameter {name} was refused: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::config::retry::RetryConfig;
    use aws_sdk_ssm::config::{BehaviorVersion, Region};
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::replay::{Replay, answer, credentials, json_error};

    fn parameters(answers: impl IntoIterator<Item = http::Response<SdkBody>>) -> (SsmParameters, Replay) {
        let replay = Replay::new(answers);
        let config = aws_sdk_ssm::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .credentials_provider(credentials())
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .http_client(replay.client())
            .build();
        (SsmParameters::new(aws_sdk_ssm::Client::from_conf(config)), replay)
    }

    fn value(text: &str) -> http::Response<SdkBody> {
        let body = serde_json::json!({ "Parameter": { "Value": text } }).to_string();
        answer(200, &[], &body)
    }

    async fn refusal(status: u16, code: &str, message: &str) -> Error {
        let (parameters, _) =
            parameters([json_error(status, code, message), json_error(status, code, message)]);
        parameters.connection_string("app/db").await.unwrap_err()
    }

    #[tokio::test]
    async fn the_slash_is_added_and_the_value_is_decrypted() {
        let (parameters, replay) = parameters([value("postgres://h/d\n")]);
        assert_eq!(parameters.connection_string("app/db").await.unwrap(), "postgres://h/d");
        let asked: serde_json::Value = serde_json::from_str(&replay.body(0)).unwrap();
        assert_eq!(asked, serde_json::json!({ "Name": "/app/db", "WithDecryption": true }));
    }

    #[tokio::test]
    async fn a_missing_parameter_is_named_with_the_command_that_creates_it() {
        let error = refusal(400, "ParameterNotFound", "").await;
        assert_eq!(error.name, ErrorName::ParameterMissing);
        assert!(
            error.message.contains("aws ssm put-parameter --name /app/db --type SecureString"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_denied_parameter_names_the_action() {
        let error = refusal(400, "AccessDeniedException", "User: x is not authorized").await;
        assert_eq!(error.name, ErrorName::AccessDenied);
        assert!(error.message.contains("ssm:GetParameter on the parameter /app/db"), "{error}");
    }

    #[tokio::test]
    async fn a_denied_key_names_kms_decrypt() {
        let message = "The ciphertext refers to a key: not authorized to perform: kms:Decrypt";
        let error = refusal(400, "AccessDeniedException", message).await;
        assert_eq!(error.name, ErrorName::AccessDenied);
        assert!(error.message.starts_with("kms:Decrypt on the key"), "{error}");
        assert_eq!(refusal(400, "InvalidKeyId", "").await.name, ErrorName::AccessDenied);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_and_failures_can_be_tried_again() {
        for (status, code) in [(400, "ThrottlingException"), (500, "InternalServerError")] {
            let error = refusal(status, code, "").await;
            assert_eq!(error.name, ErrorName::ServiceUnavailable, "{code}");
        }
        let (parameters, _) = parameters([]);
        let error = parameters.connection_string("db").await.unwrap_err();
        assert_eq!(error.name, ErrorName::ServiceUnavailable, "no answer at all");
    }

    #[tokio::test]
    async fn a_blank_parameter_is_a_bad_configuration() {
        let (parameters, _) = parameters([value(" \n")]);
        let error = parameters.connection_string("db").await.unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidConfiguration);
    }
}
