//! Hears what the topic tells its subscribers.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

/// How long one wait for a message lasts, the longest that SQS allows.
const WAIT_SECONDS: i32 = 20;

/// A queue that subscribes to a topic.
#[derive(Debug)]
pub(crate) struct Inbox {
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
}

impl Inbox {
    /// Creates a queue and subscribes it.
    pub(crate) async fn subscribe(config: &SdkConfig, topic_arn: &str) -> anyhow::Result<Self> {
        let sqs = aws_sdk_sqs::Client::new(config);
        let queue_url = sqs
            .create_queue()
            .queue_name("demo-messages")
            .send()
            .await
            .context("cannot create a queue")?
            .queue_url
            .context("the new queue has no address")?;
        let attributes = sqs
            .get_queue_attributes()
            .queue_url(&queue_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await?;
        let queue_arn = attributes
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::QueueArn))
            .context("the new queue has no ARN")?;
        aws_sdk_sns::Client::new(config)
            .subscribe()
            .topic_arn(topic_arn)
            .protocol("sqs")
            .endpoint(queue_arn)
            .send()
            .await
            .context("cannot subscribe to the topic")?;
        Ok(Self { sqs, queue_url })
    }

    /// Waits for the next message and returns its text.
    pub(crate) async fn receive(&self) -> anyhow::Result<Option<String>> {
        let answer = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .wait_time_seconds(WAIT_SECONDS)
            .max_number_of_messages(1)
            .send()
            .await
            .context("cannot read the queue")?;
        let body = answer.messages().first().and_then(|message| message.body());
        Ok(body.map(text_of))
    }
}

/// Takes the text out of the envelope that SNS puts around it, and out of the JSON that
/// the loader puts into a queue for machines.
fn text_of(body: &str) -> String {
    let message = field(body, "Message").unwrap_or_else(|| body.to_owned());
    field(&message, "text").unwrap_or(message)
}

fn field(json: &str, name: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    Some(value.get(name)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_comes_out_of_its_envelope() {
        assert_eq!(text_of(r#"{"Type":"Notification","Message":"Loaded."}"#), "Loaded.");
        assert_eq!(text_of(r#"{"Message":"{\"text\":\"Loaded.\"}"}"#), "Loaded.");
        assert_eq!(text_of("Loaded."), "Loaded.");
    }
}
