//! What a Lambda is deployed with: its settings, AWS, and the database.

use std::sync::Arc;

use loader_aws::World;
use loader_core::database::connect::Session;
use loader_core::database::connection_string::ConnectionString;
use loader_core::error::Result;
use loader_core::source::{Notifier, ObjectSource, WorkStore};

use crate::{CommonSettings, Environment};

/// The world of a deployed Lambda.
#[derive(Debug, Clone)]
pub struct Deployment {
    world: World,
    /// The settings of every Lambda.
    pub settings: CommonSettings,
}

impl Deployment {
    /// Reads the settings; nothing is connected yet.
    ///
    /// # Errors
    /// `InvalidConfiguration`, naming the variable.
    pub async fn connect(environment: &Environment) -> Result<Self> {
        let settings = CommonSettings::read(environment)?;
        Ok(Self { world: World::from_environment().await?, settings })
    }

    /// Returns the bucket with the objects to load.
    #[must_use]
    pub fn source(&self) -> Arc<dyn ObjectSource> {
        Arc::new(self.world.source(&self.settings.source_bucket, &self.settings.source_region))
    }

    /// Returns the application's own bucket.
    #[must_use]
    pub fn work_store(&self) -> Arc<dyn WorkStore> {
        Arc::new(self.world.work_store(&self.settings.work_bucket))
    }

    /// Returns the topic for messages.
    #[must_use]
    pub fn notifier(&self, topic_arn: &str) -> Arc<dyn Notifier> {
        Arc::new(self.world.notifier(topic_arn))
    }

    /// Reads the connection string and connects.
    ///
    /// # Errors
    /// `ParameterMissing`, `AccessDenied`, `ServiceUnavailable`; those of the
    /// database.
    pub async fn database(&self) -> Result<Session> {
        let text = self.world.parameters().connection_string(&self.settings.connection_parameter).await?;
        Session::open(ConnectionString::parse(&text)?).await
    }
}
