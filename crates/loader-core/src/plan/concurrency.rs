//! How many batches load at once, from what the database says of itself.

use tokio_postgres::GenericClient;

use crate::database::connect::APPLICATION;
use crate::database::failure::failure;
use crate::error::Result;

/// Sessions for each of the server's processors: while one waits for its objects or for
/// the disk, another one has rows.
const SESSIONS_FOR_EACH_CPU: u32 = 2;

/// What RDS sets `max_worker_processes` to at least, however few processors there are.
const LEAST_WORKERS_OF_RDS: u32 = 8;

/// What is known of the server's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpus {
    /// Somebody has said how many there are.
    Set(u32),
    /// There are no more than this.
    AtMost(u32),
    /// SQL does not tell.
    Unknown,
}

impl Cpus {
    /// Reads them from what the deployment says (0: nothing), and from
    /// `max_worker_processes` where the server is one of RDS or Aurora.
    ///
    /// Their default parameter groups set it to `GREATEST(${DBInstanceVCPU*2},8)`.
    /// Elsewhere it is 8 by default and says nothing (`PostgreSQL` documentation, "Worker
    /// Processes").
    #[must_use]
    pub fn of(set: u32, is_rds: bool, max_worker_processes: u32) -> Self {
        match set {
            0 if is_rds => Self::AtMost(max_worker_processes.max(LEAST_WORKERS_OF_RDS) / 2),
            0 => Self::Unknown,
            set => Self::Set(set),
        }
    }

    const fn most(self) -> Option<u32> {
        match self {
            Self::Set(cpus) | Self::AtMost(cpus) => Some(cpus),
            Self::Unknown => None,
        }
    }
}

/// What the database says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// `max_connections`.
    pub max_connections: u32,
    /// Those of them that are not for the loader.
    pub reserved: u32,
    /// Those that are open. Idle ones of the loader are not counted: they are those of
    /// warm Lambdas, which will load.
    pub open: u32,
    /// Its processors.
    pub cpus: Cpus,
}

/// How many batches load at once, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// The number: at least 1.
    pub sessions: u32,
    /// Why, with the numbers that it follows from.
    pub reason: String,
}

/// Decides how many batches load at once: as many as are wanted, but no more than half
/// of the connections that are free, and two for each processor.
#[must_use]
pub fn concurrency(wanted: u32, server: &Server) -> Concurrency {
    let Server { max_connections, reserved, open, cpus } = *server;
    let free = max_connections.saturating_sub(reserved).saturating_sub(open);
    let by_connections = (free / 2).max(1);
    let by_cpus = cpus.most().map(|cpus| cpus.saturating_mul(SESSIONS_FOR_EACH_CPU).max(1));
    let sessions = wanted.max(1).min(by_connections).min(by_cpus.unwrap_or(u32::MAX));

    let connections = format!(
        "half of {free} free connections ({max_connections}, less {reserved} reserved and {open} open) is {}",
        free / 2
    );
    let cpus = match (cpus, by_cpus) {
        (Cpus::Set(cpus), Some(most)) => format!("{cpus} CPUs as set allow {most}"),
        (Cpus::AtMost(cpus), Some(most)) => format!("at most {cpus} CPUs allow {most}"),
        _ => "the CPUs are unknown".to_owned(),
    };
    let because = if sessions == wanted {
        "as wanted"
    } else if sessions == by_connections {
        "lowered for the connections"
    } else {
        "lowered for the CPUs"
    };
    Concurrency { sessions, reason: format!("{because}: wanted {wanted}; {connections}; {cpus}") }
}

/// Asks the database for what it says of itself. `cpus` is what the deployment says of
/// its processors; 0 if it says nothing.
///
/// Every role may count the sessions (`pg_stat_activity` hides only what they do).
///
/// # Errors
/// Those of the database.
pub async fn ask(client: &impl GenericClient, cpus: u32) -> Result<Server> {
    let row = client
        .query_one(
            "select current_setting('max_connections')::int,
                    current_setting('superuser_reserved_connections')::int
                        + coalesce(current_setting('reserved_connections', true)::int, 0),
                    (select count(*)::int from pg_stat_activity
                      where datid is not null and coalesce(backend_type, 'client backend') = 'client backend'
                        and pid <> pg_backend_pid()
                        and not (application_name = $1 and coalesce(state, '') = 'idle')),
                    current_setting('max_worker_processes')::int,
                    current_setting('rds.extensions', true) is not null",
            &[&APPLICATION],
        )
        .await
        .map_err(|error| failure("reading what the server allows", &error))?;
    let number = |at: usize| u32::try_from(row.get::<_, i32>(at)).unwrap_or_default();
    Ok(Server {
        max_connections: number(0),
        reserved: number(1),
        open: number(2),
        cpus: Cpus::of(cpus, row.get(4), number(3)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn server(cpus: Cpus) -> Server {
        Server { max_connections: 100, reserved: 3, open: 57, cpus }
    }

    #[test]
    fn what_is_wanted_is_given_where_it_fits() {
        let given = concurrency(4, &server(Cpus::AtMost(4)));
        assert_eq!(given.sessions, 4);
        assert_eq!(
            given.reason,
            "as wanted: wanted 4; half of 40 free connections (100, less 3 reserved and 57 open) is 20; \
             at most 4 CPUs allow 8"
        );
    }

    #[test]
    fn half_of_the_free_connections_are_left_to_others() {
        let given = concurrency(50, &server(Cpus::Unknown));
        assert_eq!(given.sessions, 20);
        assert!(given.reason.starts_with("lowered for the connections: wanted 50"), "{}", given.reason);
        assert!(given.reason.ends_with("the CPUs are unknown"), "{}", given.reason);
    }

    #[test]
    fn processors_bound_the_sessions() {
        let given = concurrency(50, &server(Cpus::Set(2)));
        assert_eq!(given.sessions, 4);
        assert!(given.reason.starts_with("lowered for the CPUs"), "{}", given.reason);
    }

    #[test]
    fn only_rds_tells_of_its_processors() {
        assert_eq!(Cpus::of(0, false, 8), Cpus::Unknown);
        assert_eq!(Cpus::of(0, true, 8), Cpus::AtMost(4));
        assert_eq!(Cpus::of(0, true, 64), Cpus::AtMost(32));
        assert_eq!(Cpus::of(16, true, 8), Cpus::Set(16));
    }

    proptest! {
        #[test]
        fn there_is_at_least_one_and_no_bound_is_passed(
            wanted in 0_u32..2000,
            max_connections in 0_u32..6000,
            reserved in 0_u32..20,
            open in 0_u32..6000,
            cpus in prop_oneof![
                Just(Cpus::Unknown),
                (0_u32..200).prop_map(Cpus::Set),
                (0_u32..200).prop_map(Cpus::AtMost),
            ],
        ) {
            let server = Server { max_connections, reserved, open, cpus };
            let given = concurrency(wanted, &server);
            prop_assert!(given.sessions >= 1 && given.sessions <= wanted.max(1));
            let free = i64::from(max_connections) - i64::from(reserved) - i64::from(open);
            prop_assert!(i64::from(given.sessions) <= (free / 2).max(1));
            if let Some(cpus) = cpus.most() {
                prop_assert!(given.sessions <= (2 * cpus).max(1));
            }
            // More of anything never gives less.
            let more = concurrency(wanted + 1, &Server { max_connections: max_connections + 2, ..server });
            prop_assert!(more.sessions >= given.sessions);
            let said = format!("wanted {wanted}");
            prop_assert!(given.reason.contains(&said));
        }
    }
}
