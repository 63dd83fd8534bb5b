//! Rejects: the rows that were refused, each once, with its place and its cause.
//!
//! They are written in the transaction that loads the other rows of their object, or
//! in the one that records its failure.

use std::fmt;

use tokio_postgres::GenericClient;

use super::failure::failure;
use crate::error::Result;
use crate::plan::parts::Part;
use crate::source::ObjectVersion;

/// The most bytes of a record that are kept.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The most rejects that are kept of an object that fails.
pub const KEPT_OF_FAILED: usize = 1_000;

/// A row that was refused.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reject {
    /// The object's line on which it begins, from 1, the header counted.
    pub line: u64,
    /// Its number in the object, from 1, the header not counted, where it is known.
    pub record_number: Option<u64>,
    /// The column, where one is to blame.
    pub column: Option<String>,
    /// The constraint, where one is to blame.
    pub constraint: Option<String>,
    /// The SQLSTATE.
    pub sqlstate: Option<String>,
    /// The cause in words, without values.
    pub reason: String,
    /// The record as it stands in the object; none if it is not to be kept.
    pub text: Option<String>,
    /// Whether the text is only the beginning.
    pub cut: bool,
}

// By hand, as the text is a value.
impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reject")
            .field("line", &self.line)
            .field("record_number", &self.record_number)
            .field("column", &self.column)
            .field("sqlstate", &self.sqlstate)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Takes a text as far as it is kept, and as the database can hold it; returns
/// whether something was cut off.
#[must_use]
pub fn kept_text(text: &str) -> (String, bool) {
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    let kept = text.get(..end).unwrap_or_default();
    // Text in the database can't hold a NUL.
    (kept.replace('\0', "\u{fffd}"), end < text.len())
}

/// Keeps rejects of an object.
///
/// # Errors
/// Those of the database.
pub async fn keep(
    client: &impl GenericClient,
    run_id: &str,
    object: &ObjectVersion,
    rejects: &[Reject],
) -> Result<()> {
    keep_of(client, run_id, object, None, rejects).await
}

/// Keeps rejects of an object, or of a part of it.
///
/// # Errors
/// Those of the database.
pub(crate) async fn keep_of(
    client: &impl GenericClient,
    run_id: &str,
    object: &ObjectVersion,
    part: Option<&Part>,
    rejects: &[Reject],
) -> Result<()> {
    if rejects.is_empty() {
        return Ok(());
    }
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let lines: Vec<i64> = rejects.iter().map(|reject| number(reject.line)).collect();
    let records: Vec<Option<i64>> = rejects.iter().map(|reject| reject.record_number.map(number)).collect();
    let columns: Vec<Option<&str>> = rejects.iter().map(|reject| reject.column.as_deref()).collect();
    let constraints: Vec<Option<&str>> = rejects.iter().map(|reject| reject.constraint.as_deref()).collect();
    let states: Vec<Option<&str>> = rejects.iter().map(|reject| reject.sqlstate.as_deref()).collect();
    let reasons: Vec<&str> = rejects.iter().map(|reject| reject.reason.as_str()).collect();
    let texts: Vec<Option<&str>> = rejects.iter().map(|reject| reject.text.as_deref()).collect();
    let cuts: Vec<bool> = rejects.iter().map(|reject| reject.cut).collect();
    let (table, name, value, now) = match part {
        None => ("loader.rejected_row", "", String::new(), ", rejected_at = clock_timestamp()"),
        Some(part) => ("loader.part_reject", ", part", format!(", {}", part.number), ""),
    };
    client
        .execute(
            &format!("insert into {table}
                    (run_id, key{name}, etag, line, record_number, column_name, constraint_name, sqlstate,
                     error_message, row_text, row_cut)
             select distinct on (line) $1, $2{value}, $3, line, record, column_name, constraint_name, state, reason, text, cut
               from unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::boolean[])
                 as refused (line, record, column_name, constraint_name, state, reason, text, cut)
              order by line, record
             on conflict (run_id, key{name}, line) do update
                set etag = excluded.etag, record_number = excluded.record_number,
                    column_name = excluded.column_name, constraint_name = excluded.constraint_name,
                    sqlstate = excluded.sqlstate, error_message = excluded.error_message,
                    row_text = excluded.row_text, row_cut = excluded.row_cut{now}"),
            &[
                &run_id,
                &object.key,
                &object.etag,
                &lines,
                &records,
                &columns,
                &constraints,
                &states,
                &reasons,
                &texts,
                &cuts,
            ],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("keeping rejected rows", &error))
}

/// Forgets the rejects of objects that are about to be loaded again.
///
/// # Errors
/// Those of the database.
pub async fn forget(client: &impl GenericClient, run_id: &str, keys: &[&str]) -> Result<()> {
    client
        .execute("delete from loader.rejected_row where run_id = $1 and key = any($2)", &[&run_id, &keys])
        .await
        .map(|_| ())
        .map_err(|error| failure("forgetting rejected rows", &error))
}

/// Counts the rows that a run has rejected so far, those of failed objects counted.
///
/// # Errors
/// Those of the database.
pub async fn count(client: &impl GenericClient, run_id: &str) -> Result<u64> {
    client
        .query_one(
            "select coalesce(sum(rejects), 0)::bigint from loader.object where run_id = $1",
            &[&run_id],
        )
        .await
        .map(|row| u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
        .map_err(|error| failure("counting rejected rows", &error))
}

/// A cause of rejects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The column, where one is to blame.
    pub column: Option<String>,
    /// The SQLSTATE.
    pub sqlstate: Option<String>,
    /// The cause in words.
    pub reason: String,
    /// How many rows it has cost.
    pub count: u64,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = &self.column {
            write!(f, "column {column}: ")?;
        }
        f.write_str(&self.reason)?;
        match &self.sqlstate {
            Some(state) => write!(f, " ({state})"),
            None => Ok(()),
        }
    }
}

/// Returns the most frequent causes of a run's rejects, or of those that a replay of it
/// was refused.
///
/// # Errors
/// Those of the database.
pub async fn causes(
    client: &impl GenericClient,
    run_id: &str,
    replay: Option<&str>,
    most: i64,
) -> Result<Vec<Cause>> {
    let rows = client
        .query(
            "select column_name, sqlstate, error_message, count(*)
               from loader.rejected_row
              where run_id = $1 and ($3::text is null or tried_by = $3 and replayed_by is null)
              group by 1, 2, 3 order by 4 desc, 1, 2, 3 limit $2",
            &[&run_id, &most, &replay],
        )
        .await
        .map_err(|error| failure("reading the rejected rows", &error))?;
    Ok(rows
        .iter()
        .map(|row| Cause {
            column: row.get(0),
            sqlstate: row.get(1),
            reason: row.get(2),
            count: u64::try_from(row.get::<_, i64>(3)).unwrap_or_default(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_holds_no_nul() {
        assert_eq!(kept_text("a\0b"), ("a\u{fffd}b".to_owned(), false));
        let long = "é".repeat(MAX_TEXT_BYTES / 2 + 1);
        let (kept, cut) = kept_text(&long);
        assert!(cut);
        assert_eq!(kept.len(), MAX_TEXT_BYTES);
        let (kept, _) = kept_text(&format!("a{long}"));
        assert_eq!(kept.len(), MAX_TEXT_BYTES - 1);
    }

    #[test]
    fn a_reject_in_a_log_is_without_its_text() {
        let reject = Reject { text: Some("secret".to_owned()), ..Reject::default() };
        assert!(!format!("{reject:?}").contains("secret"));
    }
}
