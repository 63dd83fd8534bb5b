//! A database that judges generated cases.

use std::fmt::Debug;

use bytes::Bytes;
use futures_util::{SinkExt, stream};
use loader_core::definition::dialect::copy::CopyDialect;
use loader_core::record::{Counts, RecordSplitter};
use loader_core::source::ByteStream;
use loader_test_support::TestDatabase;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

/// A database of its own, and what runs the questions to it.
pub(crate) struct Judge {
    runtime: Runtime,
    database: TestDatabase,
    client: Client,
}

impl Judge {
    /// Sets a database up with these statements.
    pub(crate) fn new(setup: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let (database, client) = runtime.block_on(async {
            let database = TestDatabase::create().await;
            let client = database.connect().await;
            client.batch_execute(setup).await.unwrap();
            (database, client)
        });
        Self { runtime, database, client }
    }

    /// Asks one question.
    pub(crate) fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(question(&self.client))
    }

    /// Asks about so many cases; the smallest that fails is shown.
    #[expect(clippy::needless_pass_by_value, reason = "the question is written where it is asked")]
    pub(crate) fn each<S>(&self, cases: u32, strategy: &S, question: impl AsyncFn(&Client, &S::Value))
    where
        S: Strategy,
        S::Value: Debug,
    {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(strategy, |case| {
            self.runtime.block_on(question(&self.client, &case));
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Drops the database.
    pub(crate) fn end(self) {
        drop(self.client);
        self.runtime.block_on(self.database.drop());
    }
}

/// Copies into a table, or a table with its columns.
pub(crate) async fn copy(
    client: &Client,
    into: &str,
    options: &str,
    data: impl Into<Bytes>,
) -> Result<u64, tokio_postgres::Error> {
    let statement = format!("copy {into} from stdin with ({options})");
    let mut sink = Box::pin(client.copy_in::<_, Bytes>(&statement).await?);
    sink.send(data.into()).await?;
    sink.as_mut().finish().await
}

/// Returns the one column of a query, as text.
pub(crate) async fn texts(client: &Client, query: &str) -> Vec<Option<String>> {
    client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Makes a stream of the bytes, in small chunks.
pub(crate) fn body(bytes: &[u8]) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(3).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    Box::pin(stream::iter(chunks))
}

/// Splits the bytes, in small chunks; none if the splitter refuses them.
pub(crate) fn split(dialect: &CopyDialect, bytes: &[u8]) -> Option<(Vec<u8>, Counts)> {
    let mut splitter = RecordSplitter::new(dialect);
    let mut out = Vec::new();
    for chunk in bytes.chunks(3) {
        splitter.push(Bytes::copy_from_slice(chunk), &mut out).ok()?;
    }
    let counts = splitter.finish(&mut out).ok()?;
    Some((out.concat(), counts))
}
