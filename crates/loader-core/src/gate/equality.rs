//! Which `=` compares two columns.

use tokio_postgres::GenericClient;

use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

/// Finds the operators that compare columns of one relation with columns of
/// another, pair by pair.
///
/// A type of an extension may be in a schema that is not searched; a plain `=`
/// would then compare `citext`, say, as if it were `text`.
///
/// # Errors
/// `InvalidDefinition` when a relation lacks one of the columns.
pub(crate) async fn operators(
    client: &impl GenericClient,
    left: (&QualifiedName, &[Identifier]),
    right: (&QualifiedName, &[Identifier]),
) -> Result<Vec<String>> {
    for (relation, columns) in [left, right] {
        demand_columns(client, relation, columns).await?;
    }
    let rows = client
        .query(
            "with recursive typed as (
                 select at, side, atttypid as typid
                   from unnest($2::text[], $4::text[]) with ordinality as pair (l, r, at)
                  cross join lateral (values ('l', to_regclass($1), l), ('r', to_regclass($3), r))
                          as named (side, relation, name)
                   join pg_attribute on attrelid = relation and attname = name
                  union all
                 select at, side, typbasetype from typed join pg_type on oid = typid where typtype = 'd'),
             base as (
                 select at, side, typid from typed join pg_type on oid = typid where typtype <> 'd')
             select (select nspname::text
                       from pg_operator
                       join pg_namespace on pg_namespace.oid = oprnamespace
                      where oprname = '=' and oprleft = l.typid and oprright = r.typid
                      order by nspname <> 'pg_catalog', nspname
                      limit 1)
               from base l
               join base r using (at)
              where l.side = 'l' and r.side = 'r'
              order by at",
            &[&left.0.to_string(), &texts(left.1), &right.0.to_string(), &texts(right.1)],
        )
        .await
        .map_err(|error| failure("looking for the operators that compare keys", &error))?;
    rows.iter()
        .map(|row| match row.get::<_, Option<String>>(0) {
            Some(schema) => {
                Identifier::new(schema).map(|schema| format!("operator({schema}.=)")).map_err(|error| {
                    Error::new(ErrorName::Internal, format!("a schema's name can't be used: {error}"))
                })
            }
            // Arrays, enums, ranges and rows share one operator, and varchar has
            // that of text.
            None => Ok("operator(pg_catalog.=)".to_owned()),
        })
        .collect()
}

/// Checks that a relation has the columns.
///
/// # Errors
/// `InvalidDefinition`, naming those that are missing.
pub(crate) async fn demand_columns(
    client: &impl GenericClient,
    relation: &QualifiedName,
    columns: &[Identifier],
) -> Result<()> {
    let missing: Option<String> = client
        .query_one(
            "select string_agg(quote_ident(name), ', ')
               from unnest($2::text[]) as name
              where not exists (
                    select from pg_attribute
                     where attrelid = to_regclass($1) and attname = name and attnum > 0 and not attisdropped)",
            &[&relation.to_string(), &texts(columns)],
        )
        .await
        .map_err(|error| failure("looking at the columns of a table", &error))?
        .get(0);
    match missing {
        None => Ok(()),
        Some(missing) => Err(Error::new(
            ErrorName::InvalidDefinition,
            format!("{relation} is not there or lacks the columns {missing}; correct the table's definition"),
        )),
    }
}

/// Whether an index of the relation sees to it that no two rows have the same
/// values in the columns.
///
/// # Errors
/// Those of the database.
pub(crate) async fn is_unique(
    client: &impl GenericClient,
    relation: &QualifiedName,
    columns: &[Identifier],
) -> Result<bool> {
    client
        .query_one(
            "select exists (
                 select from pg_index
                  where indrelid = to_regclass($1) and indisunique and indisvalid
                    and indpred is null and indexprs is null
                    and (select array_agg(attname::text)
                           from unnest(indkey[0:indnkeyatts - 1]) as attnum
                           join pg_attribute using (attnum)
                          where attrelid = indrelid) <@ $2::text[])",
            &[&relation.to_string(), &texts(columns)],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking for unique indexes", &error))
}

fn texts(columns: &[Identifier]) -> Vec<&str> {
    columns.iter().map(Identifier::as_str).collect()
}
