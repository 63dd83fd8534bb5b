//! A database, a bucket, and the steps on them.

use std::sync::Arc;
use std::time::Duration;

use loader_core::build::{BuildEvent, BuildSettings, Built, build};
use loader_core::cleanup::{Caught, Outcome, clean_up};
use loader_core::database::connect::{Session, connect};
use loader_core::database::connection_string::ConnectionString;
use loader_core::definition::EngineChoice;
use loader_core::error::{ErrorName, Result};
use loader_core::import::{BatchOutcome, ImportEvent, ImportSettings, import};
use loader_core::input::{Execution, ExecutionInput};
use loader_core::plan::batching::Batch;
use loader_core::plan::{Plan, PlanSettings, plan};
use loader_core::prepare::{PrepareSettings, Prepared, prepare};
use loader_core::publish::{PublishSettings, Published, publish};
use loader_core::rollback::{RollBackEvent, RollBackSettings, RolledBack, roll_back};
use loader_test_support::{MemorySource, MemoryWork, TestDatabase};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_postgres::Client;

pub(crate) const LEASE: Duration = Duration::from_mins(10);

/// A definition that keeps rejects, as many as there are.
pub(crate) fn keeping() -> Value {
    json!({"on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100}})
}

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) source: Arc<MemorySource>,
    pub(crate) work: Arc<MemoryWork>,
    pub(crate) client: Client,
    pub(crate) batch_max_bytes: u64,
    pub(crate) batch_max_objects: usize,
    pub(crate) group_max_bytes: u64,
    pub(crate) part_bytes: u64,
    /// By how much an import prolongs the lease.
    pub(crate) import_lease: Duration,
    /// How long an import may take.
    pub(crate) time: Duration,
}

/// A world that others are made of, each with a database of its own.
pub(crate) struct FrozenWorld {
    database: TestDatabase,
    source: Arc<MemorySource>,
    work: Arc<MemoryWork>,
}

impl FrozenWorld {
    pub(crate) async fn thaw(&self) -> World {
        let (source, work) = (Arc::clone(&self.source), Arc::clone(&self.work));
        World { source, work, ..World::on(self.database.copy().await).await }
    }

    pub(crate) async fn end(self) {
        self.database.drop().await;
    }
}

pub(crate) fn execution(run_id: &str) -> Execution {
    Execution {
        id: format!("arn:aws:states:eu-west-1:1:execution:load:{run_id}"),
        name: run_id.to_owned(),
        start_time: None,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(TestDatabase::create().await).await
    }

    async fn on(database: TestDatabase) -> Self {
        let client = database.connect().await;
        Self {
            database,
            source: Arc::default(),
            work: Arc::default(),
            client,
            batch_max_bytes: 1 << 20,
            batch_max_objects: 2,
            group_max_bytes: 32 << 20,
            part_bytes: 1 << 20,
            import_lease: LEASE,
            time: Duration::from_mins(2),
        }
    }

    pub(crate) async fn end(self) {
        drop(self.client);
        self.database.drop().await;
    }

    /// Lets go of the database, so that it can be copied.
    pub(crate) fn freeze(self) -> FrozenWorld {
        drop(self.client);
        FrozenWorld { database: self.database, source: self.source, work: self.work }
    }

    pub(crate) async fn connect_through(&self, address: &str) -> Result<Client> {
        connect(&ConnectionString::parse(&self.database.url_through(address)).unwrap()).await
    }

    /// Puts three objects of two, two and one rows.
    pub(crate) fn put_three(&self) {
        self.source.put("t/a.csv", "id,name\n1,one\n2,two\n");
        self.source.put("t/b.csv", "name,id\nthree,3\nfour,4\n");
        self.source.put("t/c.csv", "id,name\n5,\"fi\nve\"\n");
    }

    pub(crate) async fn prepare_on(
        &self,
        client: &mut Client,
        run_id: &str,
        input: &Value,
    ) -> Result<Prepared> {
        let settings = PrepareSettings { lease: LEASE, max_attempts: 3, engine: EngineChoice::Auto };
        let input = ExecutionInput::parse(input)?;
        prepare(client, self.source.as_ref(), self.work.as_ref(), &input, &execution(run_id), &settings).await
    }

    pub(crate) async fn prepare(&self, run_id: &str) -> Result<Prepared> {
        self.prepare_with(run_id, &json!({"table": "t"})).await
    }

    pub(crate) async fn prepare_with(&self, run_id: &str, input: &Value) -> Result<Prepared> {
        self.prepare_on(&mut self.database.connect().await, run_id, input).await
    }

    /// Prepares and plans a run of the table `t`.
    pub(crate) async fn planned(&self, run_id: &str, definition: &Value) -> Plan {
        self.prepare_with(run_id, &json!({"table": "t", "definition": definition})).await.unwrap();
        self.plan(run_id).await.unwrap()
    }

    pub(crate) async fn plan_on(&self, client: &mut Client, run_id: &str) -> Result<Plan> {
        self.plan_parts_on(client, run_id, self.part_bytes).await
    }

    /// Plans with parts of so many bytes.
    pub(crate) async fn plan_in_parts(&self, run_id: &str, part_bytes: u64) -> Result<Plan> {
        self.plan_parts_on(&mut self.database.connect().await, run_id, part_bytes).await
    }

    async fn plan_parts_on(&self, client: &mut Client, run_id: &str, part_bytes: u64) -> Result<Plan> {
        let settings = PlanSettings {
            lease: LEASE,
            max_concurrency: 1,
            database_cpus: 0,
            batch_max_bytes: self.batch_max_bytes,
            batch_max_objects: self.batch_max_objects,
            part_bytes,
        };
        plan(client, self.source.as_ref(), self.work.as_ref(), run_id, &settings).await
    }

    pub(crate) async fn plan(&self, run_id: &str) -> Result<Plan> {
        self.plan_on(&mut self.database.connect().await, run_id).await
    }

    pub(crate) fn batches(&self, plan: &Plan) -> Vec<Batch> {
        self.work.lines(&plan.plan.key).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns all objects of a plan as one batch.
    pub(crate) fn batch_of_all(&self, plan: &Plan) -> Batch {
        let mut batches = self.batches(plan).into_iter();
        let mut all = batches.next().unwrap();
        all.objects.extend(batches.flat_map(|batch| batch.objects));
        all
    }

    pub(crate) async fn import_on(
        &self,
        client: &mut Client,
        plan: &Plan,
        batch: &Batch,
    ) -> Result<BatchOutcome> {
        let settings = ImportSettings {
            lease: self.import_lease,
            fetch_ahead: 4,
            group_max_bytes: self.group_max_bytes,
            max_replica_lag: Duration::from_secs(30),
        };
        let event = ImportEvent { run_id: plan.run_id.clone(), attempt: plan.attempt, batch: batch.clone() };
        let deadline = Instant::now() + self.time;
        import(client, Arc::clone(&self.source) as _, &event, &settings, deadline).await
    }

    pub(crate) async fn import(&self, plan: &Plan, batch: &Batch) -> Result<BatchOutcome> {
        self.import_on(&mut self.database.connect().await, plan, batch).await
    }

    pub(crate) async fn import_all(&self, plan: &Plan) {
        for batch in self.batches(plan) {
            self.import(plan, &batch).await.unwrap();
        }
    }

    pub(crate) async fn publish_on(&self, client: &mut Client, plan: &Plan) -> Result<Published> {
        let settings = PublishSettings { lease: LEASE, lock_timeout_ms: 200, attempts: 2, versions_kept: 1 };
        publish(client, &plan.run_id, plan.attempt, &settings).await
    }

    pub(crate) async fn session(&self) -> Session {
        Session::open(ConnectionString::parse(self.database.url()).unwrap()).await.unwrap()
    }

    pub(crate) async fn session_through(&self, address: &str) -> Result<Session> {
        Session::open(ConnectionString::parse(&self.database.url_through(address)).unwrap()).await
    }

    pub(crate) async fn build_on(&self, session: &mut Session, plan: &Plan) -> Result<Built> {
        let settings = BuildSettings { lease: LEASE, sessions: 2 };
        let event = BuildEvent { run_id: plan.run_id.clone(), attempt: plan.attempt };
        build(session, &event, &settings, Instant::now() + self.time).await
    }

    pub(crate) async fn build(&self, plan: &Plan) -> Result<Built> {
        self.build_on(&mut self.session().await, plan).await
    }

    /// Builds and publishes.
    pub(crate) async fn publish(&self, plan: &Plan) -> Result<Published> {
        match self.build(plan).await {
            // A run that has been published is published again by asking.
            Err(error) if error.name != ErrorName::RunFinished => return Err(error),
            _ => {}
        }
        self.publish_on(&mut self.database.connect().await, plan).await
    }

    pub(crate) async fn roll_back_on(&self, session: &mut Session, run_id: &str) -> Result<RolledBack> {
        let event =
            RollBackEvent { input: json!({"table": "t", "to": "previous"}), execution: execution(run_id) };
        let settings = RollBackSettings {
            lease: LEASE,
            lock_timeout_ms: 200,
            attempts: 2,
            versions_kept: 1,
            sessions: 2,
        };
        roll_back(session, &event, &settings, Instant::now() + self.time).await
    }

    pub(crate) async fn roll_back(&self, run_id: &str) -> Result<RolledBack> {
        self.roll_back_on(&mut self.session().await, run_id).await
    }

    /// Takes a run from its input to its publish.
    pub(crate) async fn run(&self, run_id: &str, input: &Value) -> Result<Published> {
        self.prepare_with(run_id, input).await?;
        let plan = self.plan(run_id).await?;
        self.import_all(&plan).await;
        self.publish(&plan).await
    }

    pub(crate) async fn clean_up_on(
        &self,
        client: &mut Client,
        run_id: &str,
        error: &str,
    ) -> Result<Outcome> {
        let caught = Caught {
            run_id: run_id.to_owned(),
            execution: execution(run_id),
            failed_state: "LoadObjects".to_owned(),
            error: Some(error.to_owned()),
            cause: Some(r#"{"errorMessage":"it broke"}"#.to_owned()),
        };
        clean_up(client, &caught).await
    }

    pub(crate) async fn clean_up(&self, run_id: &str, error: &str) -> Result<Outcome> {
        self.clean_up_on(&mut self.database.connect().await, run_id, error).await
    }

    /// Returns the rows of a query, all columns as text.
    pub(crate) async fn rows(&self, query: &str) -> Vec<String> {
        let query = format!("select (q.*)::text from ({query}) as q");
        self.client.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn one(&self, query: &str) -> String {
        self.client
            .query_one(&format!("select ({query})::text"), &[])
            .await
            .unwrap()
            .get::<_, Option<String>>(0)
            .unwrap_or_default()
    }

    pub(crate) async fn exists(&self, relation: &str) -> bool {
        self.client.query_one("select to_regclass($1) is not null", &[&relation]).await.unwrap().get(0)
    }

    pub(crate) async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    /// Sets what sessions of this database begin with from now on.
    pub(crate) async fn set_for_new_sessions(&self, setting: &str, value: &str) {
        let name = self.one("current_database()").await;
        self.execute(&format!("alter database {name} set {setting} = '{value}'")).await;
    }

    /// Lets the lease of every table expire.
    pub(crate) async fn expire_leases(&self) {
        self.execute("update loader.lease set expires_at = clock_timestamp() - interval '1 second'").await;
    }
}
