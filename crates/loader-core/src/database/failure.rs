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

/// Returns the server's message if it carries no cell value, otherwise as much
/// of it as is safe.
///
/// Messages of class 22 end in `: "<value>"` or hold the value in quotes.
/// Class 23 and 22P04 name columns and constraints only, the row is in the
/// DETAIL, which is never repeated. Messages raised by triggers may say anything.
fn said(db: &DbError) -> String {
    let state = db.code().code();
    let message = db.message();
    match state {
        "22P04" => message.to_owned(),
        _ if state.starts_with("22") => {
            let safe = message.split(": \"").next().unwrap_or_default();
            if safe.contains('"') || safe.is_empty() {
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
    fn what_gets_better_by_itself_is_told_from_what_does_not() {
        for state in ["57P01", "08006", "40P01", "40001", "53300", "55P03", "57014"] {
            assert_eq!(name_of(state).class(), Class::Transient, "{state}");
        }
        for state in ["42501", "42P01", "28P01", "3D000", "2BP01"] {
            assert_eq!(name_of(state).class(), Class::Permanent, "{state}");
        }
    }
}
