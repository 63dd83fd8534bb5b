//! What the database's errors mean to a run, without the values in them.

use tokio_postgres::error::DbError;

use crate::error::{Error, ErrorName, Place};

/// Turns an error of the database into ours.
///
/// `doing` says what was tried, such as `taking the lease`. SQLSTATE classes are
/// from the `PostgreSQL` documentation, appendix "`PostgreSQL` Error Codes".
#[must_use]
pub fn failure(doing: &str, error: &tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return connection_failure(doing, error);
    };
    let state = db.code().code();
    let mut failure = Error::new(name_of(state), format!("{doing}: {}{}", said(db), advice(state)));
    failure.sqlstate = Some(state.to_owned());
    failure
}

/// Turns an error that a COPY into `relation` raised into ours, with the
/// physical line and the column that the database names.
#[must_use]
pub fn copy_failure(relation: &str, key: &str, error: &tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return connection_failure("copying rows", error);
    };
    let state = db.code().code();
    let mut failure = if is_about_rows(state) {
        Error::new(ErrorName::BadRow, format!("the database refused a row: {}", said(db)))
    } else {
        Error::new(name_of(state), format!("copying rows: {}{}", said(db), advice(state)))
    };
    failure.sqlstate = Some(state.to_owned());
    let (line, column) = db.where_().map_or((None, None), |context| place_in(relation, context));
    failure.at(Place { key: key.to_owned(), line, column })
}

/// Whether the SQLSTATE blames the data: data exceptions (22), integrity
/// constraints (23), and errors that a trigger or a function raises (P0, 38).
fn is_about_rows(state: &str) -> bool {
    matches!(state.get(..2), Some("22" | "23" | "P0" | "38"))
}

fn connection_failure(doing: &str, error: &tokio_postgres::Error) -> Error {
    let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    Error::new(ErrorName::DatabaseUnavailable, format!("{doing}: the connection failed: {why}"))
}

fn name_of(state: &str) -> ErrorName {
    match state {
        // Admin shutdown, crash shutdown, cannot connect now; read-only after a
        // failover, when the old primary is still answering.
        "57P01" | "57P02" | "57P03" | "25006" => ErrorName::DatabaseUnavailable,
        // A query that was cancelled by statement or lock timeout.
        "57014" | "55P03" | "55006" => ErrorName::DatabaseBusy,
        "28000" | "28P01" | "3D000" => ErrorName::AuthenticationFailed,
        _ => match state.get(..2) {
            Some("08" | "58") => ErrorName::DatabaseUnavailable,
            Some("40" | "53") => ErrorName::DatabaseBusy,
            _ => ErrorName::DatabaseRejected,
        },
    }
}

fn advice(state: &str) -> &'static str {
    match state {
        "42501" => "; grant the loader's role what it needs (docs/OPERATIONS.md)",
        "3D000" => "; check the database name in the connection string",
        "28000" | "28P01" => {
            "; check user and password in the connection string, and the server's pg_hba rules"
        }
        "53100" => "; the disk is full",
        "53300" => "; lower MaxConcurrency or raise max_connections",
        "25006" => "; the server is read-only: is this a replica, or is a failover under way?",
        _ => "",
    }
}

/// What the database says of a row that it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The line that it was at, of what it was sent; none if it does not say.
    pub(crate) line: Option<u64>,
    /// The column, where it names one.
    pub(crate) column: Option<String>,
    /// The constraint, where it names one.
    pub(crate) constraint: Option<String>,
    /// The SQLSTATE.
    pub(crate) sqlstate: String,
    /// The cause in words, without values.
    pub(crate) reason: String,
}

/// Returns what the database says of a row in an error that a COPY into `relation`,
/// or an INSERT, raised; none if no row is at fault.
///
/// A COPY names a line in every error that comes up while it is at a row. Those of
/// the connection (08), of resources (53), of an operator (57), of the system (58, XX)
/// and of concurrency (40, 55) are not about the row all the same.
pub(crate) fn refusal(relation: &str, error: &tokio_postgres::Error) -> Option<Refusal> {
    let db = error.as_db_error()?;
    let state = db.code().code();
    let (line, mut column) = db.where_().map_or((None, None), |context| place_in(relation, context));
    let of_something_else =
        matches!(state.get(..2), Some("08" | "25" | "28" | "40" | "53" | "55" | "57" | "58" | "XX"));
    if of_something_else || line.is_none() && !is_about_rows(state) {
        return None;
    }
    // A constraint is checked when the row is read: the column that COPY was at is none.
    if let Some(named) = db.column() {
        column = Some(named.to_owned());
    }
    Some(Refusal {
        line,
        column,
        constraint: db.constraint().map(ToOwned::to_owned),
        sqlstate: state.to_owned(),
        reason: reason_of(state, db.message()),
    })
}

/// Says without values what the database says of a row.
pub(crate) fn reason_of(state: &str, message: &str) -> String {
    match state.get(..2) {
        Some("22" | "23" | "P0" | "38") => said_of(state, message),
        _ => format!("the database refused a value ({state})"),
    }
}

fn said(db: &DbError) -> String {
    said_of(db.code().code(), db.message())
}

/// Returns the server's message if it carries no cell value, otherwise as much
/// of it as is safe.
///
/// Messages of class 22 end in `: "<value>"` or hold the value in quotes, those of
/// the server's language. Class 23 and 22P04 name columns and constraints only, the
/// row is in the DETAIL, which is never repeated. Messages raised by triggers may say
/// anything.
fn said_of(state: &str, message: &str) -> String {
    match state {
        "22P04" => message.to_owned(),
        _ if state.starts_with("22") => {
            let safe = message.split(": \"").next().unwrap_or_default();
            if safe.contains(QUOTES) || safe.is_empty() {
                format!("a value does not fit its type ({})", condition(state))
            } else {
                safe.to_owned()
            }
        }
        _ if state.starts_with("P0") || state.starts_with("38") => {
            "a trigger or a function raised an error".to_owned()
        }
        _ => message.to_owned(),
    }
}

/// What the translations of the server's messages put around values.
const QUOTES: &[char] = &['"', '«', '»', '„', '“', '”', '‚', '‘', '’', '‹', '›', '「', '」', '『', '』', '`'];

fn condition(state: &str) -> &'static str {
    match state {
        "22001" => "too long",
        "22003" => "out of range",
        "22007" => "not a date or time in a known format",
        "22008" => "date or time out of range",
        "22021" | "22P05" => "not valid in the encoding",
        "22P02" => "invalid input syntax",
        _ => "data exception",
    }
}

/// Finds line and column in a context such as
/// `COPY stg, line 3, column temp: "abc"`.
///
/// The relation's name is taken off first, so that a name with `, line 9` in it
/// does not mislead. Other languages say it in other words; then there is no place.
fn place_in(relation: &str, context: &str) -> (Option<u64>, Option<String>) {
    let start = format!("COPY {relation}, line ");
    let Some(after) = context.lines().find_map(|line| line.strip_prefix(start.as_str())) else {
        return (None, None);
    };
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    let column =
        after.strip_prefix(digits.as_str()).and_then(|rest| rest.strip_prefix(", column ")).map(|rest| {
            let end = rest.find(": ").unwrap_or(rest.len());
            rest.chars().take(rest.get(..end).map_or(0, |name| name.chars().count())).collect()
        });
    (digits.parse().ok(), column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn line_and_column_come_from_the_context_of_copy() {
        let place = |relation, context| place_in(relation, context);
        assert_eq!(
            place("t", "COPY t, line 3, column temp: \"a, line 9\""),
            (Some(3), Some("temp".to_owned()))
        );
        assert_eq!(place("t", "COPY t, line 12: \"1,2\""), (Some(12), None));
        assert_eq!(place("t", "COPY t, line 12"), (Some(12), None));
        assert_eq!(place("a, line 5", "COPY a, line 5, line 7, column b"), (Some(7), Some("b".to_owned())));
        assert_eq!(
            place(
                "t",
                "COPY t, line 2, column n: \"x\"\nSQL statement \"copy …\"\nPL/pgSQL function f() line 4"
            ),
            (Some(2), Some("n".to_owned()))
        );
        assert_eq!(place("t", "SQL function"), (None, None));
    }

    #[test]
    fn values_are_left_out_in_every_language() {
        for (state, message, said) in [
            (
                "22P02",
                "invalid input syntax for type integer: \"secret\"",
                "invalid input syntax for type integer",
            ),
            (
                "22003",
                "value \"99999999999\" is out of range for type integer",
                "a value does not fit its type (out of range)",
            ),
            (
                "22P02",
                "ungültige Eingabesyntax für Typ integer: »secret«",
                "a value does not fit its type (invalid input syntax)",
            ),
            (
                "22007",
                "syntaxe en entrée invalide pour le type date : « secret »",
                "a value does not fit its type (not a date or time in a known format)",
            ),
            ("42P01", "relation \"secret\" does not exist", "the database refused a value (42P01)"),
            ("P0001", "secret is not allowed", "a trigger or a function raised an error"),
        ] {
            assert_eq!(reason_of(state, message), said);
        }
    }

    #[test]
    fn what_gets_better_by_itself_is_told_from_what_does_not() {
        for state in ["57P01", "08006", "40P01", "40001", "53300", "55P03", "57014"] {
            assert_eq!(name_of(state).class(), Class::Transient, "{state}");
        }
        for state in ["42501", "42P01", "28P01", "3D000", "2BP01"] {
            assert_eq!(name_of(state).class(), Class::Permanent, "{state}");
        }
    }
}
