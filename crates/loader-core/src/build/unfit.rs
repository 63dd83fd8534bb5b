//! Rows that a constraint of the live table refuses when it is made on all of them:
//! they are taken out of the staging table, and kept as rejects.

use tokio_postgres::GenericClient;

use crate::database::failure::failure;
use crate::definition::ResolvedDefinition;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::QualifiedName;
use crate::import::rows::PART_SHIFT;

pub(super) const DOING: &str = "rejecting rows that a constraint refuses";
/// SQLSTATEs (documentation of `PostgreSQL`, appendix A).
pub(super) const UNIQUE_VIOLATION: &str = "23505";
pub(super) const FOREIGN_KEY_VIOLATION: &str = "23503";

/// What rows can be taken out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The row repeats a key.
    Repeated,
    /// The row refers to nothing.
    Orphan,
}

impl Unfit {
    pub(super) const ALL: [Self; 2] = [Self::Repeated, Self::Orphan];

    /// Whether a construction has failed on such rows.
    pub(super) fn is_behind(self, error: &Error) -> bool {
        let sqlstate = match self {
            Self::Repeated => UNIQUE_VIOLATION,
            Self::Orphan => FOREIGN_KEY_VIOLATION,
        };
        error.name == ErrorName::GateFailed && error.sqlstate.as_deref() == Some(sqlstate)
    }

    /// What the log says when such rows were taken out.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Repeated => "rows repeat a key: the first of each stays",
            Self::Orphan => "rows refer to nothing, and were rejected",
        }
    }
}

/// Rows that one constraint refuses.
pub(super) struct Found {
    pub(super) constraint: String,
    pub(super) sqlstate: &'static str,
    /// In words, without values.
    pub(super) reason: String,
    /// A query that returns where they are, as `place` (`ctid`) and `part` (`tableoid`).
    pub(super) places: String,
}

/// Takes rows out of the staging table and off the rows in the ledger. Returns how many
/// there are.
///
/// # Errors
/// Those of the database.
pub(super) async fn reject(
    client: &impl GenericClient,
    run_id: &str,
    staging: &QualifiedName,
    found: &Found,
    definition: &ResolvedDefinition,
) -> Result<u64> {
    let Found { constraint, sqlstate, reason, places } = found;
    let names: Vec<&str> = definition.columns.iter().map(|column| column.name.as_str()).collect();
    client
        .query_one(
            &statement(staging, places, definition),
            &[&run_id, constraint, sqlstate, reason, &definition.rejects.keep_text, &names],
        )
        .await
        .map(|row| u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
        .map_err(|error| failure(DOING, &error))
}

/// The parts of objects that were loaded in parts, with the lines that stand before each.
const PLACED: &str = "
    select key, part, head_lines + coalesce(sum(lines) over before, 0)::bigint as lines_before
      from loader.object_part where run_id = $1
    window before as (partition by key order by part rows between unbounded preceding and 1 preceding)";

/// The values are kept as the texts that their types read again: what JSON makes of an
/// array, of a document or of bytes, they do not.
fn statement(staging: &QualifiedName, places: &str, definition: &ResolvedDefinition) -> String {
    let values: Vec<String> =
        definition.columns.iter().map(|column| format!("loaded.{}::text", column.name)).collect();
    let values = values.join(", ");
    format!(
        "with unfit as ({places}),
         gone as (
             delete from {staging} as loaded using unfit
              where loaded.ctid = unfit.place and loaded.tableoid = unfit.part
             returning loaded._loader_object as key, loaded._loader_line as line,
                       jsonb_object($6::text[], array[{values}]) as row_values),
         placed as ({PLACED}),
         kept as (
             insert into loader.rejected_row as kept
                    (run_id, key, etag, line, constraint_name, sqlstate, error_message, row_values)
             select $1, gone.key, held.etag,
                    (gone.line & ((1::bigint << {PART_SHIFT}) - 1)) + coalesce(placed.lines_before, 0),
                    $2, $3, $4, case when $5 then gone.row_values end
               from gone join loader.object as held on held.run_id = $1 and held.key = gone.key
               left join placed on (placed.key, placed.part) = (gone.key, gone.line >> {PART_SHIFT})
             on conflict (run_id, key, line) do update
                set constraint_name = excluded.constraint_name, sqlstate = excluded.sqlstate,
                    error_message = excluded.error_message, row_values = excluded.row_values
             returning kept.key),
         counted as (select key, count(*) as number from kept group by key),
         told as (
             update loader.object as held
                set rows = held.rows - counted.number, rejects = held.rejects + counted.number
               from counted where held.run_id = $1 and held.key = counted.key)
         select count(*) from kept"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_constraint_refuses_is_cured_by_rejecting_rows() {
        let error = |name, sqlstate: &str| {
            let mut error = Error::new(name, "x");
            error.sqlstate = Some(sqlstate.to_owned());
            error
        };
        let repeated = error(ErrorName::GateFailed, "23505");
        let orphan = error(ErrorName::GateFailed, "23503");
        assert!(Unfit::Repeated.is_behind(&repeated) && Unfit::Orphan.is_behind(&orphan));
        assert!(!Unfit::Repeated.is_behind(&orphan) && !Unfit::Orphan.is_behind(&repeated));
        assert!(!Unfit::Repeated.is_behind(&error(ErrorName::DatabaseRejected, "23505")));
    }
}
