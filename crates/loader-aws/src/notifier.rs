//! The topic that tells people and machines of a run.

use async_trait::async_trait;
use aws_sdk_sns::error::SdkError;
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use loader_core::error::{Error, ErrorName, Result};
use loader_core::report::Message;
use loader_core::source::Notifier;

use crate::publication::Publication;
use crate::refusal::{Answer, Refusal};

/// An SNS topic.
#[derive(Debug, Clone)]
pub struct SnsNotifier {
    client: aws_sdk_sns::Client,
    topic_arn: String,
}

impl SnsNotifier {
    pub(crate) fn new(client: aws_sdk_sns::Client, topic_arn: String) -> Self {
        Self { client, topic_arn }
    }

    fn refused(&self, error: &SdkError<PublishError, HttpResponse>) -> Error {
        let topic = &self.topic_arn;
        let (name, message) = match Refusal::of(error) {
            Refusal::Answer(answer) => self.answered(&answer),
            Refusal::Unreachable(why) => {
                (ErrorName::ServiceUnavailable, format!("SNS gave no answer for {topic}: {why}"))
            }
            Refusal::NoCredentials(why) => (
                ErrorName::AccessDenied,
                format!("there are no AWS credentials for sns:Publish on {topic}: {why}"),
            ),
            Refusal::Unbuildable(why) => {
                (ErrorName::Internal, format!("the message could not be sent to {topic}: {why}"))
            }
        };
        Error::new(name, message)
    }

    fn answered(&self, answer: &Answer) -> (ErrorName, String) {
        let topic = &self.topic_arn;
        let said = answer.phrase("SNS");
        if answer.is_transient() || answer.code == "KMSThrottling" {
            return (
                ErrorName::ServiceUnavailable,
                format!("the message could not be sent to {topic} for now: {said}"),
            );
        }
        if answer.is_about_a_key() {
            return (
                ErrorName::AccessDenied,
                format!(
                    "the key that encrypts {topic} refused: allow kms:GenerateDataKey and \
                     kms:Decrypt on it, to this role and in the key's policy, and see that it \
                     is enabled ({said})"
                ),
            );
        }
        if answer.is_denied() {
            return (
                ErrorName::AccessDenied,
                format!("sns:Publish on {topic} was denied: allow it to this role ({said})"),
            );
        }
        if answer.status == 404 || answer.message.contains("TopicArn") {
            return (
                ErrorName::InvalidConfiguration,
                format!("there is no topic {topic}: check TOPIC_ARN ({said})"),
            );
        }
        (ErrorName::Internal, format!("the message to {topic} was refused: {said}"))
    }
}

#[async_trait]
impl Notifier for SnsNotifier {
    async fn send(&self, message: &Message) -> Result<String> {
        let publication = Publication::of(message);
        let attributes = [("outcome", Some(publication.outcome)), ("table", publication.table)]
            .into_iter()
            .filter_map(|(name, value)| Some(attribute(name, value?)))
            .collect::<Result<_>>()?;
        let answer = self
            .client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(publication.subject)
            .message_structure("json")
            .message(publication.document)
            .set_message_attributes(Some(attributes))
            .send()
            .await
            .map_err(|error| self.refused(&error))?;
        answer.message_id.ok_or_else(|| {
            let message = format!("SNS gave no id for the message to {}", self.topic_arn);
            Error::new(ErrorName::ServiceUnavailable, message)
        })
    }
}

fn attribute(name: &str, value: String) -> Result<(String, MessageAttributeValue)> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .map(|value| (name.to_owned(), value))
        .map_err(|error| {
            let message = format!("the message's attribute {name} could not be made: {error}");
            Error::new(ErrorName::Internal, message)
        })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::config::retry::RetryConfig;
    use aws_sdk_sns::config::{BehaviorVersion, Region};
    use aws_smithy_types::body::SdkBody;
    use serde_json::json;

    use super::*;
    use crate::replay::{Replay, answer, credentials};

    const TOPIC: &str = "arn:aws:sns:eu-north-1:123456789012:loads";

    fn notifier(answers: impl IntoIterator<Item = http::Response<SdkBody>>) -> (SnsNotifier, Replay) {
        let replay = Replay::new(answers);
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .credentials_provider(credentials())
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .http_client(replay.client())
            .build();
        let client = aws_sdk_sns::Client::from_conf(config);
        (SnsNotifier::new(client, TOPIC.to_owned()), replay)
    }

    fn message() -> Message {
        Message {
            subject: "year_2022 failed".to_owned(),
            text: "It broke.".to_owned(),
            json: json!({ "run": "r-1" }),
            outcome: "failed",
            table: "year_2022".to_owned(),
        }
    }

    fn sns_error(status: u16, code: &str, message: &str) -> http::Response<SdkBody> {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        );
        answer(status, &[], &body)
    }

    async fn refusal(status: u16, code: &str, text: &str) -> Error {
        let (notifier, _) = notifier([sns_error(status, code, text), sns_error(status, code, text)]);
        notifier.send(&message()).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_message_is_published_with_its_attributes_and_gives_its_id() {
        let (notifier, replay) = notifier([answer(
            200,
            &[],
            "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult>\
             </PublishResponse>",
        )]);
        assert_eq!(notifier.send(&message()).await.unwrap(), "m-1");
        let form = replay.body(0);
        for part in [
            "Action=Publish",
            "TopicArn=arn%3Aaws%3Asns%3Aeu-north-1%3A123456789012%3Aloads",
            "Subject=year_2022%20failed",
            "MessageStructure=json",
            "Name=outcome",
            "StringValue=failed",
            "Name=table",
            "StringValue=year_2022",
            "DataType=String",
        ] {
            assert!(form.contains(part), "{part} in {form}");
        }
    }

    #[tokio::test]
    async fn a_topic_that_does_not_exist_is_a_bad_configuration() {
        let error = refusal(404, "NotFound", "Topic does not exist").await;
        assert_eq!(error.name, ErrorName::InvalidConfiguration);
        assert!(error.message.contains(TOPIC) && error.message.contains("TOPIC_ARN"), "{error}");
        let error = refusal(400, "InvalidParameter", "Invalid parameter: TopicArn").await;
        assert_eq!(error.name, ErrorName::InvalidConfiguration);
    }

    #[tokio::test]
    async fn a_denied_publish_names_the_action_and_the_topic() {
        let error = refusal(403, "AuthorizationError", "not authorized").await;
        assert_eq!(error.name, ErrorName::AccessDenied);
        assert!(error.message.contains(&format!("sns:Publish on {TOPIC}")), "{error}");
    }

    #[tokio::test]
    async fn a_denied_key_names_the_permissions_on_it() {
        let error = refusal(400, "KMSAccessDenied", "denied").await;
        assert_eq!(error.name, ErrorName::AccessDenied);
        assert!(error.message.contains("kms:GenerateDataKey"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_and_failures_can_be_tried_again() {
        for (status, code) in [(429, "Throttled"), (400, "Throttling"), (500, "InternalError")] {
            let error = refusal(status, code, "").await;
            assert_eq!(error.name, ErrorName::ServiceUnavailable, "{code}");
        }
    }
}
