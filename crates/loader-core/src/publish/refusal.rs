//! What can't be kept when a table is replaced, and what a person can do.

use tokio_postgres::GenericClient;

use crate::catalog::dependents::Dependents;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

/// The longest part of an error of the database that is repeated.
const LONGEST_KEY: usize = 200;

/// Refuses a table on which something hangs that can't be kept.
///
/// # Errors
/// `LiveNotReplaceable`, naming every such object and the way out.
pub(crate) async fn check(client: &impl GenericClient, live: u32, dependents: &Dependents) -> Result<()> {
    let name = crate::catalog::name_of(client, live).await?;
    if !dependents.refused.is_empty() {
        return Err(Error::new(
            ErrorName::LiveNotReplaceable,
            format!(
                "{name} can't be replaced by a new table, as these hold on to the table itself: {}; set strategy = \"merge\" in the definition, which changes the rows in place and needs a primary key, or drop them",
                dependents.refused.join(", ")
            ),
        ));
    }
    let mut foreign = dependents.foreign.clone();
    foreign.extend(foreign_owner(client, live).await?);
    if !foreign.is_empty() {
        return Err(Error::new(
            ErrorName::LiveNotReplaceable,
            format!(
                "the loader's role may not change what hangs on {name}: {}; grant it membership in these roles (docs/OPERATIONS.md)",
                foreign.join(", ")
            ),
        ));
    }
    Ok(())
}

/// Says which roles the loader must be a member of to make the new table the
/// property of the old one's owner, with the grants that others have made.
async fn foreign_owner(client: &impl GenericClient, live: u32) -> Result<Option<String>> {
    client
        .query_one(
            "select string_agg(distinct words, ', ')
               from (select format('the table of the role %s', pg_get_userbyid(relowner)) as words
                       from pg_catalog.pg_class
                      where oid = $1 and not pg_has_role(relowner, 'usage')
                      union all
                     select format('the table of the role %s, which lacks CREATE on its schema', pg_get_userbyid(relowner))
                       from pg_catalog.pg_class
                      where oid = $1 and relowner <> current_user::regrole
                        and not has_schema_privilege(relowner, relnamespace, 'create')
                        and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
                      union all
                     select format('grants made by the role %s', pg_get_userbyid(acl.grantor))
                       from pg_catalog.pg_class
                      cross join lateral aclexplode(relacl) as acl
                      where oid = $1 and acl.grantor <> relowner and not pg_has_role(acl.grantor, 'member')
                      union all
                     select format('the publication %s of the role %s', p.pubname, pg_get_userbyid(p.pubowner))
                       from pg_catalog.pg_publication_rel pr
                       join pg_catalog.pg_publication p on p.oid = pr.prpubid
                      where pr.prrelid = $1 and not pg_has_role(p.pubowner, 'usage')) as lacking",
            &[&live],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking at who owns what hangs on the table", &error))
}

/// The error of rows that refer to one that the new table does not have.
pub(crate) fn of_key(name: &Identifier, child: &QualifiedName, error: &tokio_postgres::Error) -> Error {
    of_rows(&format!("the foreign key {name} of {child}"), error)
}

/// The error of rows that something can't be built on. The key of the row is what
/// a person looks for; it is told, as far as the database tells it.
pub(crate) fn of_rows(what: &str, error: &tokio_postgres::Error) -> Error {
    let plain = failure(&format!("making {what}"), error);
    let Some(db) = error.as_db_error() else { return plain };
    if !db.code().code().starts_with("23") {
        return plain;
    }
    let detail = match db.code().code() {
        // The whole row is in the detail of a check, and of a null.
        "23514" | "23502" => db.message(),
        _ => db.detail().unwrap_or_else(|| db.message()),
    };
    let detail: String = detail.chars().take(LONGEST_KEY).collect();
    let mut gate = Error::new(
        ErrorName::GateFailed,
        format!("the rows do not allow {what}: {}", detail.trim_end_matches('.')),
    );
    gate.sqlstate = plain.sqlstate;
    gate
}
