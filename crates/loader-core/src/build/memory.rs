//! The memory that a session builds indexes with.

use tokio_postgres::{Client, Row};

use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};

const DOING: &str = "giving memory to the building of indexes";

/// What each process of a build has to have, or there will be fewer of them (`PostgreSQL`
/// documentation, "CREATE INDEX").
const FOR_EACH_PROCESS_KIB: u64 = 32 << 10;
/// The part of `shared_buffers` that the sessions of a build may take together.
const SHARE: u64 = 4;

/// What a server says of itself.
#[derive(Debug, Clone, Copy)]
struct Server {
    /// `maintenance_work_mem`, which somebody may have thought about.
    given_kib: u64,
    shared_buffers_kib: u64,
    /// `max_parallel_maintenance_workers`.
    workers: u64,
}

impl Server {
    async fn ask(client: &Client) -> Result<Self> {
        let row = client
            .query_one(
                "select pg_size_bytes(current_setting('maintenance_work_mem')) / 1024,
                        pg_size_bytes(current_setting('shared_buffers')) / 1024,
                        current_setting('max_parallel_maintenance_workers')::bigint",
                &[],
            )
            .await
            .map_err(|error| failure(DOING, &error))?;
        Ok(Self {
            given_kib: number(&row, 0)?,
            shared_buffers_kib: number(&row, 1)?,
            workers: number(&row, 2)?,
        })
    }
}

fn number(row: &Row, at: usize) -> Result<u64> {
    row.try_get::<_, i64>(at).ok().and_then(|number| u64::try_from(number).ok()).ok_or_else(|| {
        Error::new(ErrorName::Internal, "the server's settings for the building of indexes are no numbers")
    })
}

/// `maintenance_work_mem` of a session: as much as lets as many workers help as the server
/// allows. More makes a build no faster (docs/adr/0027-the-databases-side.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BuildMemory {
    kib: u64,
}

impl BuildMemory {
    /// Decides how much each of some sessions gets.
    pub(super) async fn ask(client: &Client, sessions: usize) -> Result<Self> {
        Ok(Self::of(Server::ask(client).await?, sessions as u64))
    }

    fn of(server: Server, sessions: u64) -> Self {
        let wanted = server.workers.saturating_add(1).saturating_mul(FOR_EACH_PROCESS_KIB);
        let share = server.shared_buffers_kib / SHARE / sessions.max(1);
        Self { kib: server.given_kib.max(wanted.min(share)) }
    }

    /// Gives it to a session, until that ends. Any role may: the setting's context is `user`
    /// (`PostgreSQL` documentation, "`pg_settings`").
    pub(super) async fn give(self, client: &Client) -> Result<()> {
        client
            .batch_execute(&format!("set maintenance_work_mem = '{}kB'", self.kib))
            .await
            .map_err(|error| failure(DOING, &error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1024;

    fn memory(given: u64, shared_buffers: u64, workers: u64, sessions: u64) -> u64 {
        let server = Server { given_kib: given * MIB, shared_buffers_kib: shared_buffers * MIB, workers };
        BuildMemory::of(server, sessions).kib / MIB
    }

    #[test]
    fn every_process_of_a_build_has_its_memory() {
        assert_eq!(memory(64, 4_096, 2, 2), 96);
        assert_eq!(memory(64, 4_096, 7, 2), 256);
        assert_eq!(memory(64, 4_096, 0, 2), 64);
    }

    #[test]
    fn sessions_take_a_quarter_of_the_shared_buffers_at_most() {
        assert_eq!(memory(64, 1_024, 7, 2), 128);
        assert_eq!(memory(64, 1_024, 7, 3), 85);
    }

    #[test]
    fn what_the_server_gives_is_never_made_less() {
        assert_eq!(memory(64, 128, 7, 2), 64);
        assert_eq!(memory(2_000, 4_096, 2, 2), 2_000);
    }

    proptest! {
        #[test]
        fn memory_is_more_than_the_servers_only_within_the_share(
            given_kib in 1_024_u64..=2_147_483_647,
            shared_buffers_kib in 128_u64..=1 << 40,
            workers in 0_u64..=1_024,
            sessions in 0_u64..=64,
        ) {
            let server = Server { given_kib, shared_buffers_kib, workers };
            let BuildMemory { kib } = BuildMemory::of(server, sessions);
            prop_assert!(kib >= given_kib);
            prop_assert!(kib == given_kib || kib * sessions.max(1) <= shared_buffers_kib / SHARE);
            // What the setting may be at most.
            prop_assert!(kib <= 2_147_483_647);
        }
    }
}
