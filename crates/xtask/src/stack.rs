//! The local stack: Postgres, the emulator, and the application deployed on both.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::aws;
use crate::aws_s3_stand_in;
use crate::console::say;
use crate::deployment;
use crate::emulator::Emulator;
use crate::lambda_package::SamBuild;
use crate::postgres::{Cluster, Major};
use crate::python;
use crate::system_package;
use crate::workspace::Workspace;

/// The database of the loaded tables.
const DATABASE: &str = "loader";

/// What a program needs to use a stack from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    /// The address for AWS SDKs.
    pub(crate) endpoint_url: String,
    /// The connection string of the database.
    pub(crate) database_url: String,
    /// The bucket that tables are loaded from.
    pub(crate) source_bucket: String,
    /// The bucket of the plans and definitions.
    pub(crate) work_bucket: String,
    /// The state machine that loads a table.
    pub(crate) state_machine_arn: String,
    /// The state machine that puts an earlier version back.
    #[serde(default)]
    pub(crate) rollback_state_machine_arn: String,
    /// The topic that hears of every run.
    pub(crate) topic_arn: String,
    /// The region that all of it is in.
    pub(crate) region: String,
}

/// What runs of a stack, as its state file keeps it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    cluster: Option<Cluster>,
    emulator: Option<Emulator>,
    connection: Option<Connection>,
}

/// A named stack: several can run side by side.
#[derive(Debug)]
pub(crate) struct Stack {
    workspace: Workspace,
    name: String,
    folder: PathBuf,
    state: State,
    s3_endpoint: Option<String>,
    built: Option<SamBuild>,
    /// Held as long as this value lives: one program at a time changes a stack.
    _lock: fs::File,
}

impl Stack {
    /// Opens a stack, whether it runs or not, and keeps others from changing it.
    pub(crate) async fn open(workspace: &Workspace, name: &str) -> anyhow::Result<Self> {
        ensure!(
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "a stack's name is made of small letters, digits and dashes: {name:?} is not"
        );
        let stacks = workspace.stacks();
        fs::create_dir_all(&stacks).with_context(|| format!("cannot create {}", stacks.display()))?;
        let lock = fs::File::create(stacks.join(format!("{name}.lock")))?;
        if lock.try_lock().is_err() {
            say(format!("waiting for another program that uses the stack {name}"));
        }
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;

        let folder = workspace.stack(name);
        let state = match fs::read_to_string(folder.join("stack.json")) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{}/stack.json is damaged", folder.display()))?,
            Err(_) => State::default(),
        };
        Ok(Self {
            workspace: workspace.clone(),
            name: name.to_owned(),
            folder,
            state,
            s3_endpoint: None,
            built: None,
            _lock: lock,
        })
    }

    /// Lets the Lambdas of a stack that is not up yet find S3 at another address.
    pub(crate) fn find_s3_at(&mut self, endpoint: &str) {
        self.s3_endpoint = Some(endpoint.to_owned());
    }

    /// Lets a stack that is not up yet run the programs that SAM has built, in place of
    /// building its own.
    pub(crate) fn run_what_is_built(&mut self, built: SamBuild) {
        self.built = Some(built);
    }

    /// Starts what does not run yet; a stack that is up is left as it is.
    pub(crate) async fn up(&mut self, wait_scale: f64) -> anyhow::Result<Connection> {
        if let Some(connection) = self.running().await {
            return Ok(connection.clone());
        }
        // What a crash has left is of no use: the parts must fit each other.
        self.stop().await?;
        match self.start(wait_scale).await {
            Ok(connection) => Ok(connection),
            Err(error) => {
                self.stop().await?;
                Err(error)
            }
        }
    }

    /// Starts the stack's Postgres alone.
    pub(crate) async fn up_database(&mut self) -> anyhow::Result<Cluster> {
        self.up_database_of(None).await
    }

    /// Starts a Postgres of a version, or else the one that this machine has, alone.
    pub(crate) async fn up_database_of(&mut self, major: Option<Major>) -> anyhow::Result<Cluster> {
        if let Some(cluster) = &self.state.cluster
            && cluster.is_alive()
        {
            return Ok(cluster.clone());
        }
        let mut cluster = Cluster::prepare(&self.workspace, &self.folder, major).await?;
        // Noted down first: a start that is broken off must be found and stopped.
        self.state.cluster = Some(cluster.clone());
        self.save()?;
        cluster.start().await?;
        self.state.cluster = Some(cluster.clone());
        self.save()?;
        Ok(cluster)
    }

    /// Returns how to reach the stack if all of it runs.
    pub(crate) async fn running(&self) -> Option<&Connection> {
        let emulator = self.state.emulator.as_ref()?;
        let cluster = self.state.cluster.as_ref()?;
        if cluster.is_alive() && emulator.is_alive().await { self.state.connection.as_ref() } else { None }
    }

    /// Returns the emulator's process number if it was started.
    pub(crate) fn emulator_pid(&self) -> Option<i32> {
        self.state.emulator.as_ref().map(Emulator::pid)
    }

    /// Crashes the stack's Postgres and starts it again.
    pub(crate) async fn restart_database(&mut self) -> anyhow::Result<()> {
        let Some(cluster) = &mut self.state.cluster else {
            bail!("the stack {} is not up", self.name);
        };
        cluster.restart().await?;
        self.save()
    }

    /// Stops everything that runs and keeps the database's data.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(emulator) = &self.state.emulator {
            emulator.stop().await?;
            self.state.emulator = None;
        }
        if let Some(cluster) = &self.state.cluster {
            cluster.stop().await?;
        }
        self.state.connection = None;
        if self.folder.exists() {
            self.save()?;
        }
        Ok(())
    }

    /// Stops everything and removes all that the stack has written.
    pub(crate) async fn down(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        if let Some(cluster) = self.state.cluster.take() {
            cluster.remove_data()?;
        }
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("cannot remove {}", self.folder.display()))?;
        }
        Ok(())
    }

    async fn start(&mut self, wait_scale: f64) -> anyhow::Result<Connection> {
        // The stand-in for aws_s3 runs it inside the database server.
        system_package::ensure_program("curl", "curl").await?;
        let cluster = self.up_database().await?;
        let environment = python::EMULATOR.ensure(&self.workspace).await?;
        let emulator = Emulator::spawn(
            &self.workspace,
            &environment,
            &self.folder,
            wait_scale,
            self.s3_endpoint.as_deref(),
        )?;
        self.state.emulator = Some(emulator.clone());
        self.save()?;
        emulator.wait_until_ready(&self.folder).await?;
        let endpoint_url = emulator.endpoint_url();

        cluster.ensure_database(DATABASE).await?;
        let database_url = cluster.url(DATABASE);
        aws_s3_stand_in::install(&database_url, &endpoint_url).await?;

        let config = aws::local_config(&endpoint_url).await;
        let deployed =
            deployment::deploy(&self.workspace, &config, &database_url, self.built.as_ref()).await?;
        let connection = Connection {
            endpoint_url,
            database_url,
            source_bucket: deployed.source_bucket,
            work_bucket: deployed.work_bucket,
            state_machine_arn: deployed.state_machine_arn,
            rollback_state_machine_arn: deployed.rollback_state_machine_arn,
            topic_arn: deployed.topic_arn,
            region: aws::REGION.to_owned(),
        };
        self.state.connection = Some(connection.clone());
        self.save()?;
        say(format!("the stack {} is up", self.name));
        Ok(connection)
    }

    fn save(&self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let file = self.folder.join("stack.json");
        // A reader sees the old state or the new one.
        let draft = self.folder.join("stack.json.new");
        fs::write(&draft, serde_json::to_vec_pretty(&self.state)?)?;
        fs::rename(&draft, &file).with_context(|| format!("cannot write {}", file.display()))
    }
}
