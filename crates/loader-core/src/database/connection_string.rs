//! The connection string and how the connection is to be secured.

use std::fmt;

use tokio_postgres::config::SslMode;

use crate::error::{Error, ErrorName, Result};

/// How the server's identity is checked, in libpq's words.
///
/// `prefer` and `allow` are refused: both fall back to plain text without a
/// word when the server, or somebody in between, says that it has no TLS.
/// Source: `PostgreSQL` documentation, "SSL Support", table "SSL Mode
/// Descriptions".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS, and the server may be anybody.
    Require,
    /// TLS, and a trusted authority signed the server's certificate.
    VerifyCa,
    /// TLS, and the certificate is for the host that was asked for. The default.
    VerifyFull,
}

/// A parsed connection string; its `Debug` form shows no password.
#[derive(Clone)]
pub struct ConnectionString {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: TlsMode,
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionString")
            .field("server", &self.server())
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl ConnectionString {
    /// Parses a URL (`postgres://user:password@host:5432/db?sslmode=…`) or the
    /// `key=value` form.
    ///
    /// `tokio-postgres` knows neither `verify-ca` nor `verify-full`, so
    /// `sslmode` is taken out here first.
    ///
    /// # Errors
    /// `InvalidConfiguration`, which never repeats the string, as it holds a
    /// password.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (rest, mode) = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            take_from_url(text)
        } else {
            take_from_pairs(text)
        };
        let tls = match mode.as_deref() {
            None | Some("verify-full") => TlsMode::VerifyFull,
            Some("verify-ca") => TlsMode::VerifyCa,
            Some("require") => TlsMode::Require,
            Some("disable") => TlsMode::Disable,
            Some("prefer" | "allow") => {
                return Err(invalid(
                    "sslmode=prefer and sslmode=allow can fall back to plain text; use verify-full, verify-ca, require or disable",
                ));
            }
            Some(_) => {
                return Err(invalid("sslmode is not one of verify-full, verify-ca, require, disable"));
            }
        };
        let mut config: tokio_postgres::Config = rest.parse().map_err(|_| {
            invalid("it is neither a URL like postgres://user:password@host:5432/database nor a list of key=value")
        })?;
        if config.get_hosts().is_empty() {
            return Err(invalid("it names no host"));
        }
        config.ssl_mode(if tls == TlsMode::Disable { SslMode::Disable } else { SslMode::Require });
        Ok(Self { config, tls })
    }

    /// Names the server for messages: host, port and database.
    #[must_use]
    pub fn server(&self) -> String {
        let host = self.config.get_hosts().first().map_or_else(
            || "?".to_owned(),
            |host| match host {
                tokio_postgres::config::Host::Tcp(name) => name.clone(),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            },
        );
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or("?");
        format!("{host}:{port}/{database}")
    }

    /// Returns how the connection is secured.
    #[must_use]
    pub const fn tls(&self) -> TlsMode {
        self.tls
    }
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorName::InvalidConfiguration, format!("the connection string can't be used: {why}"))
}

fn take_from_url(text: &str) -> (String, Option<String>) {
    let Some((base, query)) = text.split_once('?') else {
        return (text.to_owned(), None);
    };
    let mut mode = None;
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            _ => kept.push(pair),
        }
    }
    if kept.is_empty() { (base.to_owned(), mode) } else { (format!("{base}?{}", kept.join("&")), mode) }
}

/// Takes `sslmode` out of `key = 'quoted value'` pairs, in libpq's syntax.
fn take_from_pairs(text: &str) -> (String, Option<String>) {
    let mut mode = None;
    let mut kept = String::new();
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim();
        let after = after.trim_start();
        let end = value_end(after);
        let (raw, remainder) = after.split_at_checked(end).unwrap_or((after, ""));
        if key == "sslmode" {
            mode = Some(raw.trim_matches('\'').to_owned());
        } else {
            kept.push_str(key);
            kept.push('=');
            kept.push_str(raw);
            kept.push(' ');
        }
        rest = remainder.trim_start();
    }
    kept.push_str(rest);
    (kept, mode)
}

fn value_end(text: &str) -> usize {
    let quoted = text.starts_with('\'');
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(usize::from(quoted)) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quoted => return at + 1,
            c if !quoted && c.is_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> TlsMode {
        ConnectionString::parse(text).unwrap().tls()
    }

    #[test]
    fn tls_is_verified_unless_the_string_says_otherwise() {
        assert_eq!(mode("postgres://u:p@h/db"), TlsMode::VerifyFull);
        assert_eq!(mode("host=h user=u"), TlsMode::VerifyFull);
        assert_eq!(mode("postgres://u:p@h/db?sslmode=verify-full"), TlsMode::VerifyFull);
        assert_eq!(mode("postgresql://u:p@h/db?connect_timeout=3&sslmode=verify-ca"), TlsMode::VerifyCa);
        assert_eq!(mode("host=h sslmode=require user=u"), TlsMode::Require);
        assert_eq!(mode("host=h password='a sslmode=x \\' b' sslmode = 'disable'"), TlsMode::Disable);
    }

    #[test]
    fn modes_that_fall_back_to_plain_text_are_refused() {
        for text in ["postgres://u@h/db?sslmode=prefer", "host=h sslmode=allow"] {
            let error = ConnectionString::parse(text).unwrap_err();
            assert_eq!(error.name, ErrorName::InvalidConfiguration);
            assert!(error.message.contains("plain text"), "{error}");
        }
    }

    #[test]
    fn a_refused_string_is_never_repeated() {
        for text in [
            "postgres://u:secret@h:notaport/db",
            "password=secret",
            "secret",
            "",
            "postgres://u:secret@h/db?sslmode=secret",
        ] {
            let error = ConnectionString::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_server_is_named_without_the_password() {
        let parsed = ConnectionString::parse("postgres://u:secret@db.example:6543/app").unwrap();
        assert_eq!(parsed.server(), "db.example:6543/app");
        assert!(!format!("{parsed:?}").contains("secret"));
    }
}
