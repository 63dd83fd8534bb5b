//! What the topic's subscribers get.

use serde_json::Value;

use crate::stack::{Stack, eventually};

/// A queue that is subscribed to the stack's topic.
pub struct Messages {
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
}

impl Messages {
    /// Subscribes a new queue.
    pub async fn of(stack: &Stack, name: &str) -> Self {
        let sqs = aws_sdk_sqs::Client::new(&stack.config);
        let queue_url = sqs
            .create_queue()
            .queue_name(name)
            .send()
            .await
            .expect("a queue")
            .queue_url()
            .expect("its URL")
            .to_owned();
        let attributes = sqs
            .get_queue_attributes()
            .queue_url(&queue_url)
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::QueueArn)
            .send()
            .await
            .expect("attributes");
        let arn = attributes.attributes().expect("attributes")
            [&aws_sdk_sqs::types::QueueAttributeName::QueueArn]
            .clone();
        let sns = aws_sdk_sns::Client::new(&stack.config);
        sns.subscribe()
            .topic_arn(stack.topic())
            .protocol("sqs")
            .endpoint(arn)
            .send()
            .await
            .expect("a subscription");
        Self { sqs, queue_url }
    }

    /// Waits for the message about a run, in its form for machines.
    pub async fn about(&self, run_id: &str) -> Value {
        eventually("a message about the run arrives", async || {
            self.receive().await.into_iter().find(|message| message["run_id"] == run_id)
        })
        .await
    }

    /// Waits for the message about a run, and returns all that came until then.
    pub async fn until_about(&self, run_id: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        eventually("a message about the run arrives", async || {
            seen.extend(self.receive().await);
            seen.iter().any(|message| message["run_id"] == run_id).then_some(())
        })
        .await;
        seen
    }

    /// Takes the messages that are there.
    pub async fn receive(&self) -> Vec<Value> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(10)
            .send()
            .await
            .expect("receives");
        let mut messages = Vec::new();
        for message in received.messages() {
            let envelope: Value = serde_json::from_str(message.body().expect("a body")).expect("JSON");
            let text = envelope["Message"].as_str().expect("a message");
            messages.push(
                serde_json::from_str(text)
                    .unwrap_or_else(|_| panic!("a subscriber that is a machine gets JSON: {text}")),
            );
            self.sqs
                .delete_message()
                .queue_url(&self.queue_url)
                .receipt_handle(message.receipt_handle().expect("a handle"))
                .send()
                .await
                .expect("deletes");
        }
        messages
    }
}
