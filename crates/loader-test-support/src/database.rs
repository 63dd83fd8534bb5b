//! Throwaway databases on a real Postgres.

use std::sync::atomic::{AtomicU32, Ordering};

use loader_core::database::connect::connect;
use loader_core::database::connection_string::ConnectionString;
use tokio_postgres::{Client, NoTls};

/// The server that tests use, as a URL; `cargo x test` sets it.
const SERVER: &str = "TEST_DATABASE_URL";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A database of its own for one test.
pub struct TestDatabase {
    url: String,
    server: String,
    name: String,
}

impl TestDatabase {
    /// Creates a database.
    pub async fn create() -> Self {
        let server = std::env::var(SERVER)
            .unwrap_or_else(|_| panic!("{SERVER} is not set: run `cargo x test`, or set it to a Postgres where databases may be created"));
        Self::create_on(server, "").await
    }

    /// Creates a database that holds what this one holds; nobody may be connected
    /// to this one.
    pub async fn copy(&self) -> Self {
        Self::create_on(self.server.clone(), &format!(" template {}", self.name)).await
    }

    async fn create_on(server: String, template: &str) -> Self {
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let admin = admin(&server).await;
        admin
            .batch_execute(&format!("drop database if exists {name}"))
            .await
            .expect("drops a database of that name");
        admin.batch_execute(&format!("create database {name}{template}")).await.expect("creates a database");
        let url = with_database(&server, &name);
        Self { url, server, name }
    }

    /// Returns the database's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connects as the loader does.
    pub async fn connect(&self) -> Client {
        connect(&ConnectionString::parse(&self.url).expect("a URL")).await.expect("connects")
    }

    /// Returns host and port of the server.
    #[must_use]
    pub fn address(&self) -> String {
        let after = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = after.split('/').next().unwrap_or(after);
        authority.rsplit('@').next().unwrap_or(authority).to_owned()
    }

    /// Returns the URL with another address in it, of a proxy.
    #[must_use]
    pub fn url_through(&self, address: &str) -> String {
        self.url.replace(&self.address(), address)
    }

    /// Drops the database.
    pub async fn drop(self) {
        let admin = admin(&self.server).await;
        admin
            .batch_execute(&format!("drop database {} with (force)", self.name))
            .await
            .expect("drops the database");
    }
}

async fn admin(server: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(&server.replace("sslmode=verify-full", "sslmode=disable"), NoTls)
            .await
            .unwrap_or_else(|error| panic!("{SERVER} can't be connected to: {error}"));
    tokio::spawn(connection);
    client
}

fn with_database(server: &str, name: &str) -> String {
    let (base, query) =
        server.split_once('?').map_or((server, "sslmode=disable"), |(base, query)| (base, query));
    let (authority, _) = base.rsplit_once('/').expect("a URL with a database");
    format!("{authority}/{name}?{query}")
}
