//! The staging table: one for each run, so that no Lambda of another run can
//! write into it.

use sha2::{Digest, Sha256};
use tokio_postgres::{GenericClient, Transaction};

use super::control_schema::Schema;
use super::failure::failure;
use crate::catalog::{self, FactKind};
use crate::definition::drift::Filled;
use crate::definition::values::ColumnValues;
use crate::definition::{BaseType, ColumnDefinition, ResolvedColumn};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::import::rows::MARKS;

/// Names the staging table of a run: the live table's name, cut to fit, and
/// eight hex digits of the run's id.
#[must_use]
pub fn name_for(table: &Identifier, run_id: &str) -> Identifier {
    table.with_suffix(&suffix(run_id))
}

/// Returns what the names of a run's own tables and indexes end in.
#[must_use]
pub fn suffix(run_id: &str) -> String {
    let hash = Sha256::digest(run_id.as_bytes());
    let digits = hash.iter().take(4).fold(0_u32, |digits, byte| (digits << 8) | u32::from(*byte));
    format!("__{digits:08x}")
}

/// Writes the statement that creates a staging table with these columns.
#[must_use]
pub fn create_with_columns(staging: &Identifier, columns: &[ColumnDefinition]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| {
            let not_null = if column.not_null { " not null" } else { "" };
            format!("{} {}{not_null}", column.name, column.sql_type)
        })
        .collect();
    format!("create table {} (\n    {}\n)", Schema::Staging.table(staging), columns.join(",\n    "))
}

/// Whether a table in the image of another one is partitioned as that one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// It holds all rows itself.
    Plain,
    /// It has the other one's partition key, if that one has any.
    Partitioned,
}

/// Creates a table in the image of a live one: columns, defaults, checks,
/// identities, storage. Indexes and keys are built after the load.
///
/// # Errors
/// Those of the database.
pub(crate) async fn create_like_live(
    transaction: &Transaction<'_>,
    name: &QualifiedName,
    live: u32,
    image: Image,
) -> Result<()> {
    let doing = "creating the staging table";
    let statement: String = transaction
        .query_one(LIKE_LIVE, &[&live, &name.to_string(), &(image == Image::Partitioned)])
        .await
        .map_err(|error| failure(doing, &error))?
        .get(0);
    transaction.batch_execute(&statement).await.map_err(|error| failure(doing, &error))?;
    // The sequence of a copied identity is of bigint, whatever the column is of.
    let retyped: Option<String> = transaction
        .query_one(IDENTITY_TYPES, &[&live, &name.to_string()])
        .await
        .map_err(|error| failure(doing, &error))?
        .get(0);
    if let Some(statements) = retyped {
        transaction.batch_execute(&statements).await.map_err(|error| failure(doing, &error))?;
    }
    // Both decide on how the rows are stored. The options come first: those of a TOAST
    // table are lost where there is none, and none is made for columns that are all stored
    // plain. The live table has one from the time before they were, as pg_dump has it.
    for fact in catalog::facts(transaction, live, name).await? {
        if matches!(fact.kind, FactKind::Option | FactKind::Storage) {
            transaction.batch_execute(&fact.makes).await.map_err(|error| failure(doing, &error))?;
        }
    }
    Ok(())
}

const IDENTITY_TYPES: &str = "
    select string_agg(format('alter sequence %s as %s', pg_get_serial_sequence($2, copied.attname::text),
                             format_type(wanted.seqtypid, null)), '; ')
      from pg_catalog.pg_attribute copied
      join pg_catalog.pg_attribute a on a.attrelid = $1 and a.attname = copied.attname and a.attidentity <> ''
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = a.attrelid
                      and d.refobjsubid = a.attnum and d.classid = 'pg_catalog.pg_class'::regclass and d.deptype = 'i'
      join pg_catalog.pg_sequence wanted on wanted.seqrelid = d.objid
      join pg_catalog.pg_sequence made on made.seqrelid = pg_get_serial_sequence($2, copied.attname::text)::regclass
     where copied.attrelid = to_regclass($2) and copied.attidentity <> '' and made.seqtypid <> wanted.seqtypid";

/// A partition has its parent's identity, and can't be attached with one of its own.
const LIKE_LIVE: &str = "
    select format('create %stable %s (like %I.%I including defaults including constraints %s\
                   including generated including compression including comments)%s%s%s',
                  case c.relpersistence when 'u' then 'unlogged ' else '' end, $2::text, n.nspname, c.relname,
                  case when not c.relispartition then 'including identity ' end,
                  ' partition by ' || case when $3 and c.relkind = 'p' then pg_get_partkeydef(c.oid) end,
                  ' using ' || quote_ident(am.amname), ' tablespace ' || quote_ident(s.spcname))
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join pg_catalog.pg_am am on am.oid = c.relam
      left join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
     where c.oid = $1";

/// Gives a staging table in the image of the live one the columns that a
/// definition names: those that are lacking, and other types. What the live table
/// has beside stays, filled by defaults.
///
/// # Errors
/// `LiveNotReplaceable` when something is bound to a column whose type changes;
/// `InvalidDefinition` when the type can't be changed.
pub(crate) async fn adapt(
    transaction: &Transaction<'_>,
    staging: &Identifier,
    live: u32,
    columns: &[ColumnDefinition],
) -> Result<()> {
    let name = Schema::Staging.table(staging);
    for column in columns {
        let row = transaction
            .query_opt(COLUMN, &[&live, &column.name.as_str(), &without_modifiers(&column.sql_type)])
            .await
            .map_err(|error| failure("comparing the definition with the live table", &error))?;
        let statement = match row {
            None => {
                let not_null = if column.not_null { " not null" } else { "" };
                format!("alter table {name} add column {} {}{not_null}", column.name, column.sql_type)
            }
            Some(row) if row.get::<_, bool>(0) => continue,
            Some(row) => {
                if let Some(bound) = row.get::<_, Option<String>>(1) {
                    return Err(Error::new(
                        ErrorName::LiveNotReplaceable,
                        format!(
                            "the definition makes column {} of {} a {}, and these are bound to its type: {bound}; drop them first, or keep the type",
                            column.name,
                            Schema::Live.as_str(),
                            column.sql_type
                        ),
                    ));
                }
                format!("alter table {name} alter column {} type {} using null", column.name, column.sql_type)
            }
        };
        transaction.batch_execute(&statement).await.map_err(|error| {
            Error::new(
                ErrorName::InvalidDefinition,
                failure(&format!("giving column {} the type {}", column.name, column.sql_type), &error)
                    .message,
            )
        })?;
    }
    Ok(())
}

/// Whether a column has a type, and what is bound to it. Modifiers such as the
/// length are the live table's, if the type itself is the same.
const COLUMN: &str = "
    select a.atttypid = to_regtype($3),
           (select string_agg(distinct pg_describe_object(d.classid, d.objid, 0), ', ')
              from pg_catalog.pg_depend d
             where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
               and (d.classid in ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_policy'::regclass,
                                  'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_trigger'::regclass)
                    or d.classid = 'pg_catalog.pg_attrdef'::regclass
                       and exists (select 1 from pg_catalog.pg_attrdef g where g.oid = d.objid and g.adnum <> a.attnum)
                    or d.classid = 'pg_catalog.pg_constraint'::regclass
                       and exists (select 1 from pg_catalog.pg_constraint f where f.oid = d.objid and f.contype = 'f')))
      from pg_catalog.pg_attribute a
     where a.attrelid = $1 and a.attname = $2 and not a.attisdropped";

/// Checks that every type is one that the database knows.
///
/// # Errors
/// `InvalidDefinition`, naming the column.
pub async fn check_types(client: &impl GenericClient, columns: &[ColumnDefinition]) -> Result<()> {
    for column in columns {
        let bare = without_modifiers(&column.sql_type);
        let known =
            client.query_one("select to_regtype($1) is not null", &[&bare]).await.is_ok_and(|row| row.get(0));
        if !known {
            return Err(Error::new(
                ErrorName::InvalidDefinition,
                format!(
                    "the type of column {}, `{}`, is not one that the database knows",
                    column.name, column.sql_type
                ),
            ));
        }
    }
    Ok(())
}

/// Takes the modifiers off: `numeric(10, 2)` is `numeric`, as `to_regtype` takes
/// no modifiers before `PostgreSQL` 17.
fn without_modifiers(sql_type: &str) -> String {
    let mut depth = 0_u32;
    sql_type
        .chars()
        .filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

/// Reads the columns of a table that objects can fill, in the table's order.
///
/// A column is required unless it is filled without the object: by a default or
/// an identity. Generated columns can't be loaded and are left out. Whether a
/// type is text is asked of the type itself, under any domains.
///
/// # Errors
/// Those of the database.
pub async fn loadable_columns(
    client: &impl GenericClient,
    relation: &QualifiedName,
) -> Result<Vec<ResolvedColumn>> {
    let rows = client
        .query(LOADABLE_COLUMNS, &[&relation.to_string()])
        .await
        .map_err(|error| failure("reading the columns of the table", &error))?;
    rows.iter()
        .map(|row| {
            let name = Identifier::try_from(row.get::<_, String>(0)).map_err(|error| {
                Error::new(ErrorName::Internal, format!("a column's name can't be used: {error}"))
            })?;
            Ok(ResolvedColumn {
                name,
                sql_type: row.get(1),
                header: None,
                aliases: Vec::new(),
                filled: Filled::Field,
                values: ColumnValues::default(),
                required: row.get(2),
                is_text: row.get(3),
                base: BaseType {
                    name: row.get(4),
                    modified: row.get(5),
                    nullable: row.get(6),
                    has_default: !row.get::<_, bool>(2),
                    checked: row.get(7),
                    any_character: row.get(8),
                    has_ordered_default: row.get(9),
                },
            })
        })
        .collect()
}

/// Whether the rows of the table are marked with where they come from.
///
/// # Errors
/// Those of the database.
pub(crate) async fn is_marked(client: &impl GenericClient, staging: &Identifier) -> Result<bool> {
    client
        .query_one(
            "select count(*) = cardinality($2::text[]) from pg_catalog.pg_attribute
              where attrelid = to_regclass($1) and attname = any($2) and not attisdropped",
            &[&Schema::Staging.table(staging).to_string(), &MARKS.map(|(name, _)| name).as_slice()],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking at the staging table", &error))
}

/// The modifier -1 has the name of `bpchar` written as it is: as `character` it would
/// be `character(1)`, and a cast to that cuts in silence (`format_type_extended` in
/// `src/backend/utils/adt/format_type.c` of Postgres).
const LOADABLE_COLUMNS: &str = "
    with recursive base as (
        select attnum, atttypid as typid, atttypmod as typmod, attnotnull as filled, false as checked
          from pg_attribute
         where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and attgenerated = ''
         union all
        select base.attnum, typbasetype, typtypmod, filled or typnotnull,
               checked or exists (select from pg_constraint where contypid = typid and contype = 'c')
          from base join pg_type on pg_type.oid = base.typid
         where typtype = 'd')
    select attname::text,
           format_type(atttypid, atttypmod),
           not (atthasdef or attidentity <> ''),
           typcategory = 'S',
           format_type(typid, -1),
           format_type(typid, typmod),
           not filled,
           checked,
           pg_encoding_to_char(encoding) = 'UTF8',
           attidentity <> ''
             or coalesce((select replace(pg_get_expr(adbin, adrelid), 'now()', '') ~ '[[:alnum:]_\"]\\('
                            from pg_attrdef where adrelid = attrelid and adnum = attnum), false)
      from base
      join pg_type on pg_type.oid = base.typid and typtype <> 'd'
      join pg_attribute using (attnum)
      join pg_database on datname = current_database()
     where attrelid = to_regclass($1)
     order by attnum";

/// Whether the table is there.
///
/// # Errors
/// Those of the database.
pub async fn exists(client: &impl GenericClient, staging: &Identifier) -> Result<bool> {
    client
        .query_one("select to_regclass($1) is not null", &[&Schema::Staging.table(staging).to_string()])
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking for the staging table", &error))
}

/// Waits, inside a transaction, until no Lambda is writing into the table, and
/// keeps all others out until the transaction ends.
///
/// # Errors
/// `DatabaseBusy` when that takes longer than `lock_timeout_ms`.
pub async fn lock(
    client: &impl GenericClient,
    staging: &Identifier,
    mode: &str,
    lock_timeout_ms: u64,
) -> Result<()> {
    client
        .batch_execute(&format!(
            "set local lock_timeout = {lock_timeout_ms}; lock table {} in {mode} mode",
            Schema::Staging.table(staging)
        ))
        .await
        .map_err(|error| failure("waiting for the Lambdas that write into the staging table", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(name: &str) -> Identifier {
        Identifier::try_from(name.to_owned()).unwrap()
    }

    #[test]
    fn each_run_has_its_own_staging_table_that_fits() {
        let table = identifier(&"é".repeat(31));
        let one = name_for(&table, "run-1");
        assert_ne!(one, name_for(&table, "run-2"));
        assert_eq!(one, name_for(&table, "run-1"));
        assert!(one.as_str().len() <= 63);
    }

    #[test]
    fn the_statements_that_create_staging_tables_are_these() {
        let columns = [
            ColumnDefinition {
                name: identifier("a"),
                sql_type: "text".to_owned(),
                header: None,
                not_null: true,
                optional: false,
                values: None,
            },
            ColumnDefinition {
                name: identifier("b\"c"),
                sql_type: "numeric(5, 1)".to_owned(),
                header: None,
                not_null: false,
                optional: false,
                values: None,
            },
        ];
        insta::assert_snapshot!(create_with_columns(&identifier("t__1"), &columns), @r#"
        create table "dataimport"."t__1" (
            "a" text not null,
            "b""c" numeric(5, 1)
        )
        "#);
    }

    #[test]
    fn modifiers_are_taken_off_types() {
        assert_eq!(without_modifiers("numeric(10, 2)"), "numeric");
        assert_eq!(without_modifiers("timestamp(3) with time zone"), "timestamp with time zone");
        assert_eq!(without_modifiers("text[]"), "text[]");
    }
}
