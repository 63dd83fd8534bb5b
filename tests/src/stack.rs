//! The stack: its buckets, its state machine, its database.

use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sfn::types::ExecutionStatus;
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::NoTls;

/// How long anything may take before a test gives up on it. It is no measure of
/// speed: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Clone, Deserialize)]
struct Connection {
    endpoint_url: String,
    database_url: String,
    source_bucket: String,
    work_bucket: String,
    state_machine_arn: String,
    rollback_state_machine_arn: String,
    topic_arn: String,
    region: String,
}

/// A running stack.
pub struct Stack {
    connection: Connection,
    pub(crate) config: SdkConfig,
    s3: aws_sdk_s3::Client,
    sfn: aws_sdk_sfn::Client,
    client: tokio_postgres::Client,
}

/// How an execution ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The run.
    pub run_id: String,
    /// `SUCCEEDED`, `FAILED`, …
    pub status: String,
    /// The error's name.
    pub error: String,
    /// Its cause.
    pub cause: String,
    /// Its output; null if it has none.
    pub output: Value,
}

impl Stack {
    /// Connects to the stack that `cargo x test` has started.
    pub async fn shared() -> Self {
        let json =
            std::env::var("STACK_JSON").expect("STACK_JSON is not set: run `cargo x test --only workflow`");
        Self::connect(&json).await
    }

    /// Connects to the stack that this JSON describes, as `stack up --json` prints it.
    pub async fn connect(json: &str) -> Self {
        let connection: Connection = serde_json::from_str(json).expect("the JSON of a stack");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(connection.region.clone()))
            .endpoint_url(&connection.endpoint_url)
            .credentials_provider(Credentials::new("test", "test", None, None, "local stack"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await;
        let s3 = aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build(),
        );
        let client = open(&connection.database_url).await;
        Self { sfn: aws_sdk_sfn::Client::new(&config), s3, client, config, connection }
    }

    /// Opens another connection to the database.
    pub async fn another_connection(&self) -> tokio_postgres::Client {
        open(&self.connection.database_url).await
    }

    /// Connects to the database again, after it was restarted.
    pub async fn reconnect(&mut self) {
        self.client = open(&self.connection.database_url).await;
    }

    /// Returns the URL of the emulator.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.connection.endpoint_url
    }

    /// Returns the topic's ARN.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.connection.topic_arn
    }

    /// Returns the SSM client.
    #[must_use]
    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.config)
    }

    /// Puts an object into the source bucket.
    pub async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        self.put_into(&self.connection.source_bucket, key, bytes.into(), None).await;
    }

    /// Puts an object with a `Content-Encoding` into the source bucket.
    pub async fn put_encoded(&self, key: &str, bytes: Vec<u8>, encoding: &str) {
        self.put_into(&self.connection.source_bucket, key, bytes, Some(encoding)).await;
    }

    /// Puts a table's definition into the work bucket.
    pub async fn define(&self, table: &str, toml: &str) {
        self.put_into(
            &self.connection.work_bucket,
            &format!("tables/{table}.toml"),
            toml.as_bytes().to_vec(),
            None,
        )
        .await;
    }

    /// Puts an object into the work bucket.
    pub async fn put_work(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        self.put_into(&self.connection.work_bucket, key, bytes.into(), None).await;
    }

    async fn put_into(&self, bucket: &str, key: &str, bytes: Vec<u8>, encoding: Option<&str>) {
        self.s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .set_content_encoding(encoding.map(ToOwned::to_owned))
            .body(ByteStream::from(bytes))
            .send()
            .await
            .unwrap_or_else(|error| panic!("{key} can't be put: {error:?}"));
    }

    /// Starts an execution and returns its ARN.
    pub async fn start(&self, input: &Value) -> String {
        self.start_machine(&self.connection.state_machine_arn, input).await
    }

    /// Starts a rollback and returns its execution's ARN.
    pub async fn start_rollback(&self, input: &Value) -> String {
        self.start_machine(&self.connection.rollback_state_machine_arn, input).await
    }

    async fn start_machine(&self, machine: &str, input: &Value) -> String {
        let started =
            self.sfn.start_execution().state_machine_arn(machine).input(input.to_string()).send().await;
        started.expect("starts").execution_arn().to_owned()
    }

    /// Stops an execution.
    pub async fn stop(&self, arn: &str) {
        self.sfn.stop_execution().execution_arn(arn).send().await.expect("stops");
    }

    /// Waits for the end of an execution.
    pub async fn end_of(&self, arn: &str) -> Ended {
        let described = eventually("the execution ends", async || {
            let described = self.sfn.describe_execution().execution_arn(arn).send().await.expect("describes");
            (*described.status() != ExecutionStatus::Running).then_some(described)
        })
        .await;
        Ended {
            run_id: described.name().unwrap_or_default().to_owned(),
            status: described.status().as_str().to_owned(),
            error: described.error().unwrap_or_default().to_owned(),
            cause: described.cause().unwrap_or_default().to_owned(),
            output: described
                .output()
                .and_then(|output| serde_json::from_str(output).ok())
                .unwrap_or_default(),
        }
    }

    /// Rolls a table back, which has to succeed.
    pub async fn roll_back(&self, input: &Value) -> Ended {
        let ended = self.end_of(&self.start_rollback(input).await).await;
        assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
        ended
    }

    /// Starts an execution and waits for its end.
    pub async fn run(&self, input: &Value) -> Ended {
        self.end_of(&self.start(input).await).await
    }

    /// Runs an execution that has to succeed.
    pub async fn succeed(&self, input: &Value) -> Ended {
        let ended = self.run(input).await;
        assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
        ended
    }

    /// Runs an execution that has to fail with this error.
    pub async fn fail(&self, input: &Value, error: &str) -> Ended {
        let ended = self.run(input).await;
        assert_eq!((ended.status.as_str(), ended.error.as_str()), ("FAILED", error), "{ended:?}");
        ended
    }

    /// Calls the Lambda whose logical id this is, as often at once as is asked.
    pub async fn invoke_at_once(
        &self,
        logical_id: &str,
        event: &Value,
        times: usize,
    ) -> Vec<Result<Value, String>> {
        let lambda = aws_sdk_lambda::Client::new(&self.config);
        let listed = lambda.list_functions().send().await.expect("lists");
        let name = listed
            .functions()
            .iter()
            .filter_map(|function| function.function_name())
            .find(|name| name.contains(logical_id))
            .unwrap_or_else(|| panic!("no function {logical_id}"))
            .to_owned();
        let mut calls = Vec::new();
        for _ in 0..times {
            let call = lambda
                .invoke()
                .function_name(&name)
                .payload(aws_sdk_lambda::primitives::Blob::new(event.to_string()))
                .send();
            calls.push(tokio::spawn(call));
        }
        let mut answers = Vec::new();
        for call in calls {
            let answer = call.await.expect("no panic").expect("is called");
            let payload: Value =
                serde_json::from_slice(answer.payload().map_or(b"null", |blob| blob.as_ref())).expect("JSON");
            answers.push(if answer.function_error().is_some() {
                Err(payload["errorType"].as_str().unwrap_or_default().to_owned())
            } else {
                Ok(payload)
            });
        }
        answers
    }

    /// Reads an object of the work bucket.
    pub async fn read_work(&self, key: &str) -> String {
        let object =
            self.s3.get_object().bucket(&self.connection.work_bucket).key(key).send().await.expect("reads");
        String::from_utf8(object.body.collect().await.expect("reads").to_vec()).expect("UTF-8")
    }

    /// Runs statements.
    pub async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// Returns the rows of a query as text.
    pub async fn rows(&self, query: &str) -> Vec<String> {
        let rows = self.client.query(&format!("select (q.*)::text from ({query}) as q"), &[]).await;
        rows.unwrap_or_else(|error| panic!("{query}: {error:?}")).iter().map(|row| row.get(0)).collect()
    }

    /// Returns a value as text; empty for NULL and for no row.
    pub async fn one(&self, query: &str) -> String {
        let row = self.client.query_opt(&format!("select ({query})::text"), &[]).await;
        row.unwrap_or_else(|error| panic!("{query}: {error:?}"))
            .and_then(|row| row.get(0))
            .unwrap_or_default()
    }

    /// Waits until a condition holds in the database.
    pub async fn until(&self, condition: &str) {
        eventually(condition, async || (self.one(condition).await == "true").then_some(())).await;
    }
}

async fn open(url: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("connects to the stack's database");
    tokio::spawn(connection);
    client
}

/// Asks again and again until there is an answer.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
