//! Gives a local Postgres the functions of the RDS extension `aws_s3`.

use anyhow::Context as _;

use crate::aws;
use crate::postgres::{self, quote_literal};

#[cfg(test)]
mod tests;

/// What RDS brings as an extension.
const SQL: &str = include_str!("../sql/aws_s3_stand_in.sql");

/// Installs the functions, and tells them where the local buckets are.
pub(crate) async fn install(database_url: &str, endpoint_url: &str) -> anyhow::Result<()> {
    let client = postgres::connect(database_url).await?;
    client.batch_execute(SQL).await.context("cannot install the stand-in for aws_s3")?;
    let database: String =
        client.query_one("select quote_ident(current_database())", &[]).await?.try_get(0)?;
    client
        .batch_execute(&format!(
            "alter database {database} set aws_s3.endpoint_url = {};
             alter database {database} set aws_s3.region = {}",
            quote_literal(endpoint_url),
            quote_literal(aws::REGION),
        ))
        .await?;
    Ok(())
}
