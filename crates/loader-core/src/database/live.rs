//! The live relation: what is there before anything is replaced.

use tokio_postgres::GenericClient;

use super::control_schema::Schema;
use super::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;

/// Says whether the live table exists.
///
/// # Errors
/// `LiveNotReplaceable` when something else than a table has its
/// name: it is found out before anything is loaded.
pub async fn exists(client: &impl GenericClient, table: &Identifier) -> Result<bool> {
    let row = client
        .query_opt(
            "select relkind::text from pg_class where oid = to_regclass($1)",
            &[&Schema::Live.table(table).to_string()],
        )
        .await
        .map_err(|error| failure("looking at the live table", &error))?;
    let Some(row) = row else { return Ok(false) };
    let what = match row.get(0) {
        "r" | "p" => return Ok(true),
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        "S" => "a sequence",
        "i" | "I" => "an index",
        "c" => "a composite type",
        _ => "no table",
    };
    Err(Error::new(
        ErrorName::LiveNotReplaceable,
        format!(
            "{} is {what}, and only a table can be replaced; load under another name",
            Schema::Live.table(table)
        ),
    ))
}

/// Digests what decides on the rows that a staging table in the image of the live
/// one takes, so that a changed live table is noticed by a later run.
///
/// # Errors
/// Those of the database.
pub async fn digest(client: &impl GenericClient, table: &Identifier) -> Result<String> {
    client
        .query_one(
            "with live as (select to_regclass($1) as oid)
             select md5(concat_ws(chr(10),
                 (select string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
                                              pg_get_expr(adbin, adrelid)), chr(10) order by attnum)
                    from live join pg_attribute on attrelid = live.oid and attnum > 0 and not attisdropped
                    left join pg_attrdef on adrelid = attrelid and adnum = attnum),
                 (select string_agg(conname || pg_get_constraintdef(pg_constraint.oid), chr(10) order by conname)
                    from live join pg_constraint on conrelid = live.oid and contype = 'c'),
                 (select string_agg(concat_ws(' ', relid::oid, pg_get_expr(relpartbound, relid)), chr(10) order by relid::oid)
                    from live cross join pg_partition_tree(live.oid) join pg_class on pg_class.oid = relid where level > 0)))",
            &[&Schema::Live.table(table).to_string()],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking at the live table", &error))
}
