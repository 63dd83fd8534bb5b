//! The engine inside the database: `aws_s3.table_import_from_s3`.
//!
//! Source of its arguments, its return text and its limits: Amazon RDS User
//! Guide, "Importing data from Amazon S3 into an RDS for `PostgreSQL` DB instance".

use tokio_postgres::Transaction;

use super::copy::force_null;
use super::open::InDatabase;
use crate::database::control_schema::Schema;
use crate::database::failure::{copy_failure, failure};
use crate::definition::ResolvedDefinition;
use crate::error::{Error, ErrorName, Place, Result};
use crate::identifier::Identifier;
use crate::source::{ObjectSource, ObjectVersion};

const IMPORT: &str = "select aws_s3.table_import_from_s3($1, $2, $3, $4, $5, $6)";

/// Whether the database has the extension, or the local stand-in for it.
///
/// # Errors
/// Those of what it calls.
pub async fn is_installed(client: &tokio_postgres::Client) -> Result<bool> {
    client
        .query_one(
            "select exists (select 1 from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
                             where nspname = 'aws_s3' and proname = 'table_import_from_s3')",
            &[],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking for the extension aws_s3", &error))
}

/// Imports one object and returns its rows. Afterwards the object still is the
/// version that was planned: the extension takes no `ETag`, so the source is asked
/// once more, and the caller rolls back if the answer is another.
///
/// # Errors
/// those of COPY; by the HTTP status that the extension reports
/// `ObjectMissing`, `AccessDenied`, `ObjectChanged`, `WrongRegion`,
/// `SourceUnavailable`.
pub(super) async fn import(
    transaction: &Transaction<'_>,
    source: &dyn ObjectSource,
    staging: &Identifier,
    definition: &ResolvedDefinition,
    object: &ObjectVersion,
    opened: &InDatabase,
) -> Result<u64> {
    let columns: Vec<String> = opened.columns.iter().map(ToString::to_string).collect();
    let options =
        opened.dialect.copy_options(opened.dialect.header, &force_null(definition, &opened.columns));
    let row = transaction
        .query_one(
            IMPORT,
            &[
                &Schema::Staging.table(staging).to_string(),
                &columns.join(","),
                &format!("({options})"),
                &source.bucket(),
                &object.key,
                &source.region(),
            ],
        )
        .await
        .map_err(|error| import_failure(staging, source, object, &error))?;
    let said: String = row.get(0);
    let rows = rows_in(&said).ok_or_else(|| {
        Error::new(ErrorName::Internal, "aws_s3 returned a text that does not begin with the number of rows")
    })?;
    let now = source.head(&object.key).await?;
    if now.etag == object.etag {
        Ok(rows)
    } else {
        Err(Error::new(
            ErrorName::ObjectChanged,
            format!("the object {} was overwritten while it was imported", object.key),
        ))
    }
}

/// Reads `50 rows imported into relation "t" from file a.csv of 4323 bytes`.
fn rows_in(text: &str) -> Option<u64> {
    let (number, rest) = text.split_once(' ')?;
    rest.starts_with("row").then(|| number.parse().ok()).flatten()
}

fn import_failure(
    staging: &Identifier,
    source: &dyn ObjectSource,
    object: &ObjectVersion,
    error: &tokio_postgres::Error,
) -> Error {
    let place = Place { key: object.key.clone(), line: None, column: None };
    let Some(db) = error.as_db_error() else {
        return copy_failure(staging.as_str(), &object.key, error);
    };
    let bucket = source.bucket();
    let key = &object.key;
    let found = match http_status(db.message()) {
        Some(403) => Some((
            ErrorName::AccessDenied,
            format!(
                "the database may not read s3://{bucket}/{key} (HTTP 403): give its import role s3:GetObject and s3:ListBucket, and attach the role to the database for s3Import"
            ),
        )),
        Some(404) => {
            Some((ErrorName::ObjectMissing, format!("the object {key} is no longer in {bucket} (HTTP 404)")))
        }
        Some(412) => Some((
            ErrorName::ObjectChanged,
            format!("the object {key} was overwritten while it was imported (HTTP 412)"),
        )),
        Some(416) => Some((ErrorName::ObjectChanged, format!("the object {key} is empty now (HTTP 416)"))),
        Some(status @ (301 | 307 | 400)) => Some((
            ErrorName::WrongRegion,
            format!("S3 sent the database away (HTTP {status}): is {bucket} in {}?", source.region()),
        )),
        Some(status) => Some((
            ErrorName::SourceUnavailable,
            format!("S3 answered HTTP {status} to the database for {key}"),
        )),
        None if db.message().contains("CURL error") => Some((
            ErrorName::SourceUnavailable,
            format!(
                "the database does not reach S3 for {key}: it needs a route (an S3 gateway endpoint) and a security group that lets it out"
            ),
        )),
        None if db.message().contains("credentials") || db.message().contains("pre-signed") => Some((
            ErrorName::AccessDenied,
            "the database has no role for S3: attach the import role for the feature s3Import".to_owned(),
        )),
        None => None,
    };
    match found {
        Some((name, message)) => {
            let mut failure = Error::new(name, message).at(place);
            failure.sqlstate = Some(db.code().code().to_owned());
            failure
        }
        None => copy_failure(staging.as_str(), &object.key, error),
    }
}

/// Finds the number in `… Error: HTTP 416. Check your arguments …`. The wording
/// around it differs between versions of the extension.
fn http_status(message: &str) -> Option<u16> {
    let after = message.split("HTTP ").nth(1)?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_read_from_the_text_as_rds_writes_it() {
        assert_eq!(
            rows_in("50 rows imported into relation \"stg\" from file a/b.csv of 4323 bytes"),
            Some(50)
        );
        assert_eq!(rows_in("1 row imported into relation"), Some(1));
        assert_eq!(rows_in("imported 50 rows"), None);
        assert_eq!(rows_in(""), None);
    }

    #[test]
    fn the_status_is_found_whatever_stands_around_it() {
        assert_eq!(
            http_status(
                "Unable to validate pre-signed URL. Error: HTTP 416. Check your arguments and try again."
            ),
            Some(416)
        );
        assert_eq!(http_status("HTTP 403: Forbidden"), Some(403));
        assert_eq!(http_status("CURL error code: 28 when attempting to validate pre-signed URL"), None);
    }
}
