//! Foreign keys of other tables that refer to the live one.

use tokio_postgres::{GenericClient, Row};

use super::key_text;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

/// What a foreign key does to its rows when the row that they refer to goes or
/// gets another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The statement fails if a row has nothing to refer to at its end.
    None,
    /// The statement fails at once.
    Restrict,
    /// The rows change or go along.
    Change,
}

impl Action {
    fn of(code: &str) -> Self {
        match code {
            "a" => Self::None,
            "r" => Self::Restrict,
            _ => Self::Change,
        }
    }
}

/// How a foreign key comes to refer to the live table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// It is one of another table.
    Direct,
    /// It is one of the live table itself.
    Own,
    /// It refers to the table that the live one is a partition of: its rows may
    /// find theirs in another partition.
    ThroughParent,
}

/// A foreign key that refers to the live table.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    pub(crate) name: Identifier,
    /// The table whose rows refer.
    pub(crate) child: QualifiedName,
    /// Its columns.
    pub(crate) columns: Vec<Identifier>,
    /// The columns of the live table, in the same order.
    pub(crate) referenced: Vec<Identifier>,
    /// What compares a column of the live table with one of the child.
    operators: Vec<String>,
    /// Whether rows with some NULLs in the key are wrong: `match full`.
    match_full: bool,
    /// Whether the check can wait for the end of a transaction.
    pub(crate) deferrable: bool,
    /// Whether the rows that are there have been checked.
    pub(crate) validated: bool,
    pub(crate) on_delete: Action,
    pub(crate) on_update: Action,
    pub(crate) path: Path,
}

impl ForeignKey {
    /// Writes the condition under which row `parent` of the live table, or of what
    /// takes its place, is the one that row `child` refers to.
    pub(crate) fn matches(&self, parent: &str, child: &str) -> String {
        let pairs: Vec<String> = self
            .referenced
            .iter()
            .zip(&self.columns)
            .zip(&self.operators)
            .map(|((referenced, column), operator)| {
                format!("{parent}.{referenced} {operator} {child}.{column}")
            })
            .collect();
        pairs.join(" and ")
    }

    /// Writes the condition under which row `child` refers to a row at all.
    pub(crate) fn refers(&self, child: &str) -> String {
        let between = if self.match_full { " or " } else { " and " };
        let tests: Vec<String> =
            self.columns.iter().map(|column| format!("{child}.{column} is not null")).collect();
        format!("({})", tests.join(between))
    }

    /// Writes the text of what row `child` refers to.
    pub(crate) fn key(&self, child: &str) -> String {
        key_text(child, &self.columns)
    }
}

/// Reads the foreign keys that refer to a table, by the order of their tables and
/// names. Those that are not enforced are left out.
///
/// # Errors
/// Those of the database.
pub(crate) async fn incoming(client: &impl GenericClient, live: &QualifiedName) -> Result<Vec<ForeignKey>> {
    // A foreign key of or to a partitioned table has a copy for each partition,
    // of which one is enough. `conenforced` came with PostgreSQL 18.
    let rows = client
        .query(
            "select case when above.confrelid <> con.confrelid then above.conname else con.conname end::text, nspname::text, relname::text,
                    (select array_agg(attname::text order by at)
                       from unnest(con.conkey) with ordinality as key (attnum, at)
                       join pg_attribute using (attnum) where attrelid = con.conrelid),
                    (select array_agg(attname::text order by at)
                       from unnest(con.confkey) with ordinality as key (attnum, at)
                       join pg_attribute using (attnum) where attrelid = con.confrelid),
                    (select array_agg(format('operator(%I.%s)', nspname, oprname) order by at)
                       from unnest(con.conpfeqop) with ordinality as op (oid, at)
                       join pg_operator using (oid)
                       join pg_namespace on pg_namespace.oid = oprnamespace),
                    con.confmatchtype = 'f', con.condeferrable, con.convalidated, con.confdeltype::text, con.confupdtype::text,
                    con.conrelid = con.confrelid, coalesce(above.confrelid <> con.confrelid, false)
               from pg_constraint con
               join pg_class on pg_class.oid = con.conrelid
               join pg_namespace on pg_namespace.oid = relnamespace
               left join pg_constraint above on above.oid = con.conparentid
              where con.contype = 'f' and con.confrelid = to_regclass($1)
                and coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true)
                and (above.oid is null
                     or (above.conrelid = con.conrelid and above.confrelid <> con.confrelid))
              order by nspname, relname, con.conname",
            &[&live.to_string()],
        )
        .await
        .map_err(|error| failure("reading the foreign keys that refer to the table", &error))?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ForeignKey> {
    let name = |text: String| {
        Identifier::new(text)
            .map_err(|error| Error::new(ErrorName::Internal, format!("a name can't be used: {error}")))
    };
    let names = |at: usize| row.get::<_, Vec<String>>(at).into_iter().map(name).collect::<Result<Vec<_>>>();
    Ok(ForeignKey {
        name: name(row.get(0))?,
        child: QualifiedName::new(name(row.get(1))?, name(row.get(2))?),
        columns: names(3)?,
        referenced: names(4)?,
        operators: row.get(5),
        match_full: row.get(6),
        deferrable: row.get(7),
        validated: row.get(8),
        on_delete: Action::of(row.get(9)),
        on_update: Action::of(row.get(10)),
        path: match (row.get(11), row.get(12)) {
            (_, true) => Path::ThroughParent,
            (true, false) => Path::Own,
            (false, false) => Path::Direct,
        },
    })
}
