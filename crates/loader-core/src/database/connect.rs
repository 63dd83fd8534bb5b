//! Connections to the database: verified TLS, and sessions that die with their
//! Lambda.

use std::sync::OnceLock;
use std::time::Duration;

use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use tokio_postgres::{Client, NoTls};

use super::connection_string::{ConnectionString, TlsMode};
use super::failure::failure;
use crate::error::{Error, ErrorName, Result};

/// The certificate authorities of Amazon RDS (`assets/README.md` says from where).
/// They are trusted beside those of the system.
const RDS_AUTHORITIES: &str = include_str!("../../assets/rds-global-bundle.pem");

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the loader's sessions are known by.
pub(crate) const APPLICATION: &str = "s3pg";

/// What lets the commit of a transaction not wait for the disk, where it is evaluated.
pub(super) const WITHOUT_WAITING: &str = "set_config('synchronous_commit', 'off', true)";

/// What every session is set to, beside its name.
///
/// - A Lambda that is killed leaves an open connection behind; the keepalives end
///   it within half a minute, and with it its locks and its uncommitted rows.
/// - `search_path`, `DateStyle` and the like are left as the role has them: they
///   decide how the files' text is read and what the table's own functions see,
///   and that is the owner's choice. Our own statements qualify every name.
/// - A commit waits for the disk, even where the server's do not: the next step goes
///   by what this one has written, and a crash must not take it back. Only the
///   transactions that load ([`super::pace::ask`]), and what a session says between them,
///   do without. The other settings wait for it, and some for standbys, too: they are left
///   as they are.
const SESSION: &str = "set tcp_keepalives_idle = 15; \
     set tcp_keepalives_interval = 5; \
     set tcp_keepalives_count = 3; \
     set idle_in_transaction_session_timeout = '5min'; \
     select pg_catalog.set_config('synchronous_commit', 'on', false) \
      where pg_catalog.current_setting('synchronous_commit') = 'off'";

/// Opens a connection.
///
/// # Errors
/// `DatabaseUnavailable`, `DatabaseBusy` (no free connection),
/// `AuthenticationFailed`, `TlsFailed`.
pub async fn connect(string: &ConnectionString) -> Result<Client> {
    let mut config = string.config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    let doing = format!("connecting to {}", string.server());
    let client = if string.tls() == TlsMode::Disable {
        let (client, connection) = config.connect(NoTls).await.map_err(|error| refused(&doing, &error))?;
        tokio::spawn(drive(connection));
        client
    } else {
        let connector = MakeTlsConnector::new(tls_connector(string.tls())?);
        let (client, connection) =
            config.connect(connector).await.map_err(|error| refused(&doing, &error))?;
        tokio::spawn(drive(connection));
        client
    };
    let session = format!("set application_name = '{APPLICATION}'; {SESSION}");
    client.batch_execute(&session).await.map_err(|error| failure(&doing, &error))?;
    Ok(client)
}

async fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Whoever uses the client sees the same error on the next statement; this is
    // only for the case in which nobody does.
    if let Err(error) = connection.await {
        tracing::debug!(%error, "the connection to the database ended");
    }
}

/// Reads the authorities, if that has not been done, so that the first connection need not
/// wait for it: it takes more of the processor than a handshake.
pub fn prepare_tls() {
    // What fails here fails again, and is told, when there is somebody to tell.
    let _ = tls_connector(TlsMode::VerifyFull);
}

/// Returns the connector of a mode, which is made once.
fn tls_connector(mode: TlsMode) -> Result<TlsConnector> {
    static CONNECTORS: [OnceLock<TlsConnector>; 3] = [const { OnceLock::new() }; 3];
    let [full, authority, any] = &CONNECTORS;
    let connector = match mode {
        TlsMode::VerifyFull => full,
        TlsMode::VerifyCa => authority,
        // Without TLS none is made.
        TlsMode::Require | TlsMode::Disable => any,
    };
    if let Some(connector) = connector.get() {
        return Ok(connector.clone());
    }
    let new = make_tls_connector(mode)?;
    Ok(connector.get_or_init(|| new).clone())
}

fn make_tls_connector(mode: TlsMode) -> Result<TlsConnector> {
    let mut builder = TlsConnector::builder();
    for pem in split_pem(RDS_AUTHORITIES) {
        let certificate = Certificate::from_pem(pem.as_bytes())
            .map_err(|error| tls_failure("reading the RDS authorities", &error))?;
        builder.add_root_certificate(certificate);
    }
    if mode == TlsMode::Require {
        builder.danger_accept_invalid_certs(true);
    }
    if mode != TlsMode::VerifyFull {
        builder.danger_accept_invalid_hostnames(true);
    }
    builder.build().map_err(|error| tls_failure("preparing TLS", &error))
}

fn split_pem(bundle: &str) -> impl Iterator<Item = String> + '_ {
    const END: &str = "-----END CERTIFICATE-----";
    bundle
        .split_inclusive(END)
        .filter_map(|part| part.find("-----BEGIN").and_then(|at| part.get(at..)))
        .map(ToOwned::to_owned)
}

fn tls_failure(doing: &str, error: &native_tls::Error) -> Error {
    Error::new(ErrorName::TlsFailed, format!("{doing}: {error}"))
}

fn refused(doing: &str, error: &tokio_postgres::Error) -> Error {
    if error.as_db_error().is_some() {
        return failure(doing, error);
    }
    // tokio-postgres keeps its error kinds to itself; the cause tells them apart.
    let cause = std::error::Error::source(error);
    let is_tls = error.to_string().contains("TLS")
        || cause.is_some_and(<dyn std::error::Error>::is::<native_tls::Error>);
    let why = cause.map_or_else(|| error.to_string(), ToString::to_string);
    if is_tls {
        return Error::new(
            ErrorName::TlsFailed,
            format!(
                "{doing}: TLS failed: {why}; check the host name and the server's certificate, or set sslmode=disable where the server has no TLS"
            ),
        );
    }
    if error.to_string().contains("configuration") || error.to_string().contains("password missing") {
        return Error::new(
            ErrorName::AuthenticationFailed,
            format!("{doing}: {why}; check user and password in the connection string"),
        );
    }
    Error::new(
        ErrorName::DatabaseUnavailable,
        format!(
            "{doing}: {why}; check host and port, that the server runs, and that the Lambda's subnets and security group reach it"
        ),
    )
}

/// A connection that is kept between the events of a warm Lambda, and made anew
/// when it broke meanwhile.
pub struct Session {
    string: ConnectionString,
    client: Client,
}

impl Session {
    /// Opens the connection.
    ///
    /// # Errors
    /// those of [`connect`].
    pub async fn open(string: ConnectionString) -> Result<Self> {
        let client = connect(&string).await?;
        Ok(Self { string, client })
    }

    /// Opens another connection to the same database.
    ///
    /// # Errors
    /// those of [`connect`].
    pub async fn another(&self) -> Result<Client> {
        connect(&self.string).await
    }

    /// Returns the connection. A Lambda may have been frozen for minutes, and the
    /// server restarted: an empty statement finds out before anything depends on it.
    ///
    /// # Errors
    /// those of [`connect`].
    pub async fn client(&mut self) -> Result<&mut Client> {
        if self.client.batch_execute("").await.is_err() {
            self.client = connect(&self.string).await?;
        }
        Ok(&mut self.client)
    }
}
