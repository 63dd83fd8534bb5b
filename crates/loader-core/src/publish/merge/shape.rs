//! The columns of a merge, and which of them a row can't change in place.

use tokio_postgres::{GenericClient, Row, Transaction};

use super::DOING;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::gate::columns_of;
use crate::gate::equality::demand_columns;
use crate::gate::foreign_key::{Action, ForeignKey};
use crate::identifier::{Identifier, QualifiedName};

/// The columns of both tables, by what a merge does with them.
pub(super) struct Shape {
    /// The live table, as a statement reads it.
    pub(super) live: String,
    /// The candidate, as a statement reads it.
    pub(super) candidate: String,
    /// The columns that are compared and inserted: all that are not generated.
    pub(super) columns: Vec<Identifier>,
    /// Those that an update can set.
    pub(super) settable: Vec<Identifier>,
    /// Those that only an insert can set: `generated always as identity`.
    pub(super) identity: Vec<Identifier>,
    /// Those with which a row is not updated but deleted and inserted anew, if they
    /// change.
    pub(super) moving: Vec<Identifier>,
}

struct Column {
    name: Identifier,
    generated: bool,
    identity: bool,
    /// Whether the candidate's column has the same type and collation; none if it
    /// has no such column.
    same_type: Option<bool>,
}

impl Shape {
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        live: &QualifiedName,
        candidate: &QualifiedName,
        key: &[Identifier],
        foreign_keys: &[ForeignKey],
    ) -> Result<Self> {
        demand_columns(transaction, live, key).await?;
        let all = columns(transaction, live, candidate).await?;
        check_columns(transaction, live, candidate, &all).await?;
        let names = |of: fn(&Column) -> bool| -> Vec<Identifier> {
            all.iter().filter(|column| of(column)).map(|column| column.name.clone()).collect()
        };
        let stored = names(|column| !column.generated);
        let identity = names(|column| !column.generated && column.identity);
        let unique = unique_columns(transaction, live, key).await?;
        let moving = if unique.iter().any(|name| !stored.contains(name)) {
            // A unique index on a generated column: any column may change it.
            stored.clone()
        } else {
            let referenced: Vec<&Identifier> = foreign_keys
                .iter()
                .filter(|foreign_key| foreign_key.on_update != Action::None)
                .flat_map(|foreign_key| &foreign_key.referenced)
                .collect();
            let moves = |name: &Identifier| {
                unique.contains(name) || identity.contains(name) || referenced.contains(&name)
            };
            stored.iter().filter(|name| moves(name)).cloned().collect()
        };
        Ok(Self {
            live: source(transaction, live).await?,
            candidate: source(transaction, candidate).await?,
            settable: names(|column| !column.generated && !column.identity),
            columns: stored,
            identity,
            moving,
        })
    }
}

/// Writes the table as a statement reads it: its own rows, and those of its
/// partitions if it is partitioned.
pub(super) async fn source(client: &impl GenericClient, table: &QualifiedName) -> Result<String> {
    let partitioned = client
        .query_opt("select relkind = 'p' from pg_class where oid = to_regclass($1)", &[&table.to_string()])
        .await
        .map_err(|error| failure(DOING, &error))?
        .is_some_and(|row| row.get(0));
    Ok(if partitioned { table.to_string() } else { format!("only {table}") })
}

/// Writes whether rows `l` and `c` differ in the columns: byte by byte, for which
/// every type is fit. The casts keep the database from comparing column by column.
pub(super) fn differs(columns: &[Identifier]) -> String {
    if columns.is_empty() {
        return "false".to_owned();
    }
    format!(
        "row({})::record operator(pg_catalog.*<>) row({})::record",
        columns_of("l", columns),
        columns_of("c", columns)
    )
}

async fn columns(
    transaction: &Transaction<'_>,
    live: &QualifiedName,
    candidate: &QualifiedName,
) -> Result<Vec<Column>> {
    let rows = transaction
        .query(
            "select l.attname::text, l.attgenerated <> '', l.attidentity = 'a', c.attname is not null,
                    coalesce((l.atttypid, l.attcollation) = (c.atttypid, c.attcollation), false)
               from pg_attribute l
               left join pg_attribute c
                 on c.attrelid = to_regclass($2) and c.attname = l.attname and c.attnum > 0 and not c.attisdropped
              where l.attrelid = to_regclass($1) and l.attnum > 0 and not l.attisdropped
              order by l.attnum",
            &[&live.to_string(), &candidate.to_string()],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    rows.iter()
        .map(|row| {
            Ok(Column {
                name: identifier(row)?,
                generated: row.get(1),
                identity: row.get(2),
                same_type: row.get::<_, bool>(3).then(|| row.get(4)),
            })
        })
        .collect()
}

async fn check_columns(
    transaction: &Transaction<'_>,
    live: &QualifiedName,
    candidate: &QualifiedName,
    columns: &[Column],
) -> Result<()> {
    let more: Option<String> = transaction
        .query_one(
            "select string_agg(quote_ident(attname), ', ' order by attnum)
               from pg_attribute c
              where attrelid = to_regclass($2) and attnum > 0 and not attisdropped
                and not exists (
                    select from pg_attribute l
                     where l.attrelid = to_regclass($1) and l.attname = c.attname
                       and l.attnum > 0 and not l.attisdropped)",
            &[&live.to_string(), &candidate.to_string()],
        )
        .await
        .map_err(|error| failure(DOING, &error))?
        .get(0);
    let list = |of: fn(&&Column) -> bool| {
        let names: Vec<String> = columns
            .iter()
            .filter(|column| !column.generated)
            .filter(of)
            .map(|column| column.name.to_string())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let faults = [
        list(|column| column.same_type.is_none()).map(|names| format!("it lacks {names}")),
        more.map(|names| format!("it has {names} beside")),
        list(|column| column.same_type == Some(false))
            .map(|names| format!("{names} have another type or collation")),
    ];
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorName::LiveNotReplaceable,
        format!(
            "the rows of {candidate} can't be merged into {live}, as its columns are others: {}; use another strategy, or alter the live table",
            faults.join("; ")
        ),
    ))
}

/// Returns the columns in whose unique and exclusion indexes a row can be in the
/// way of another one.
///
/// Rows that differ in the key can't meet in an index that holds the key. An
/// expression or a predicate may read any column: the catalog says which.
async fn unique_columns(
    transaction: &Transaction<'_>,
    live: &QualifiedName,
    key: &[Identifier],
) -> Result<Vec<Identifier>> {
    let key: Vec<&str> = key.iter().map(Identifier::as_str).collect();
    let rows = transaction
        .query(
            "select distinct a.attname::text
               from pg_index i
               join pg_attribute a on a.attrelid = i.indrelid and a.attnum > 0 and not a.attisdropped
              where i.indrelid = to_regclass($1)
                and (i.indisunique or i.indisexclusion)
                and not (i.indisunique and $2::text[] <@ (
                    select coalesce(array_agg(attname::text), '{}')
                      from unnest(i.indkey[0:i.indnkeyatts - 1]) as attnum
                      join pg_attribute using (attnum)
                     where attrelid = i.indrelid))
                and (a.attnum = any (i.indkey)
                     or exists (
                        select from pg_depend
                         where classid = 'pg_class'::regclass and objid = i.indexrelid
                           and refclassid = 'pg_class'::regclass and refobjid = i.indrelid
                           and (refobjsubid = a.attnum
                                or refobjsubid = 0 and (i.indexprs is not null or i.indpred is not null))))",
            &[&live.to_string(), &key],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    rows.iter().map(identifier).collect()
}

fn identifier(row: &Row) -> Result<Identifier> {
    Identifier::new(row.get::<_, String>(0))
        .map_err(|error| Error::new(ErrorName::Internal, format!("a column's name can't be used: {error}")))
}
