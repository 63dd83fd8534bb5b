//! A live table from a fixture, and how it is replaced and rolled back.

use loader_core::build::{BuildEvent, BuildSettings, build};
use loader_core::database::connect::Session;
use loader_core::database::connection_string::ConnectionString;
use loader_core::error::Result;
use loader_core::publish::{PublishSettings, Published, publish};
use loader_core::rollback::{RollBackEvent, RollBackSettings, RolledBack, roll_back};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use crate::world::{LEASE, World, execution};

/// The tablespace of the fixtures.
const TABLESPACE: &str = "catalog_space";

/// How long a try waits for its locks: nobody else holds any.
const LOCK_TIMEOUT_MS: u64 = 1000;

/// A database with a live table, and the ways to change it.
pub(crate) struct Live {
    pub(crate) world: World,
    pub(crate) table: String,
    /// The server's major version.
    pub(crate) server: u32,
    runs: u32,
}

impl Live {
    /// Makes a database in which fixtures can be built.
    pub(crate) async fn new(table: &str) -> Self {
        let world = World::new().await;
        world.execute(include_str!("roles.sql")).await;
        world.execute("set allow_in_place_tablespaces = on").await;
        let made = world.client.batch_execute(&format!("create tablespace {TABLESPACE} location ''")).await;
        // It belongs to the server; another test was first.
        if let Err(error) = made {
            let code = error.code().cloned();
            assert!(
                code == Some(SqlState::DUPLICATE_OBJECT) || code == Some(SqlState::UNIQUE_VIOLATION),
                "{error}"
            );
        }
        let version: u32 = world.one("current_setting('server_version_num')").await.parse().unwrap();
        Self { world, table: table.to_owned(), server: version / 10_000, runs: 0 }
    }

    /// Builds fixtures; each is for servers of a version and newer.
    pub(crate) async fn build(&self, fixtures: &[(u32, &str)]) {
        for (_, statements) in fixtures.iter().filter(|(since, _)| self.server >= *since) {
            if let Err(error) = self.world.client.batch_execute(statements).await {
                panic!("a fixture can't be built: {error:?}");
            }
        }
    }

    /// Puts one object, in the place of all others.
    pub(crate) fn put(&self, csv: &str) {
        self.world.source.put(&format!("{}/all.csv", self.table), csv.to_owned());
    }

    /// Loads what is put and publishes it.
    pub(crate) async fn replace(&mut self) -> Result<Published> {
        self.replace_with(&json!({"table": self.table})).await
    }

    /// Loads what is put with an input and publishes it.
    pub(crate) async fn replace_with(&mut self, input: &Value) -> Result<Published> {
        self.runs += 1;
        let run_id = format!("load-{}", self.runs);
        self.world.prepare_with(&run_id, input).await?;
        let plan = self.world.plan(&run_id).await?;
        self.world.import_all(&plan).await;
        let event = BuildEvent { run_id: run_id.clone(), attempt: plan.attempt };
        let settings = BuildSettings { lease: LEASE, sessions: 2 };
        build(&mut self.session().await, &event, &settings, Instant::now() + self.world.time).await?;
        let settings =
            PublishSettings { lease: LEASE, lock_timeout_ms: LOCK_TIMEOUT_MS, attempts: 5, versions_kept: 1 };
        publish(&mut self.world.database.connect().await, &run_id, plan.attempt, &settings).await
    }

    /// Puts the version before back.
    pub(crate) async fn roll_back(&mut self) -> Result<RolledBack> {
        self.runs += 1;
        let event = RollBackEvent {
            input: json!({"table": self.table, "to": "previous"}),
            execution: execution(&format!("rollback-{}", self.runs)),
        };
        let settings = RollBackSettings {
            lease: LEASE,
            lock_timeout_ms: LOCK_TIMEOUT_MS,
            attempts: 5,
            versions_kept: 1,
            sessions: 2,
        };
        roll_back(&mut self.session().await, &event, &settings, Instant::now() + self.world.time).await
    }

    async fn session(&self) -> Session {
        Session::open(ConnectionString::parse(self.world.database.url()).unwrap()).await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.world.end().await;
    }
}
