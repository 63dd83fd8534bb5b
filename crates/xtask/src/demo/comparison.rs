//! Compares the loaded table with the files it came from.

use anyhow::Context as _;
use tokio_postgres::Client;

use super::answer_sheet::{AnswerSheet, NUMBERS, TEXTS, scaled, unscaled};
use crate::postgres::quote_identifier;
use crate::progress::grouped;

/// What was compared, one line each.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// What is the same on both sides.
    pub(crate) agreed: Vec<String>,
    /// What is not.
    pub(crate) differing: Vec<String>,
}

impl Comparison {
    fn check(&mut self, what: &str, files: &str, table: &str) {
        if files == table {
            self.agreed.push(format!("{what}: {files}"));
        } else {
            self.differing.push(format!("{what}: {files} in the files, {table} in the table"));
        }
    }
}

/// Compares rows, rows by object, sums, nulls and characters.
pub(crate) async fn compare(
    client: &Client,
    table: &str,
    run_id: &str,
    sheet: &AnswerSheet,
) -> anyhow::Result<Comparison> {
    let mut comparison = Comparison::default();
    let table = format!("public.{}", quote_identifier(table));

    let total: i64 = client
        .query_one(&format!("select count(*) from {table}"), &[])
        .await
        .context("cannot count the loaded table")?
        .try_get(0)?;
    let expected: i64 = sheet.rows.values().sum();
    comparison.check("rows", &grouped(expected), &grouped(total));

    compare_objects(client, run_id, sheet, &mut comparison).await?;
    for name in NUMBERS {
        compare_numbers(client, &table, name, sheet, &mut comparison).await?;
    }
    for name in TEXTS {
        compare_texts(client, &table, name, sheet, &mut comparison).await?;
    }
    Ok(comparison)
}

async fn compare_objects(
    client: &Client,
    run_id: &str,
    sheet: &AnswerSheet,
    comparison: &mut Comparison,
) -> anyhow::Result<()> {
    let ledger = client
        .query(
            "select key, coalesce(rows, 0) from loader.object
             where run_id = $1 and state = 'loaded' order by key",
            &[&run_id],
        )
        .await
        .context("cannot read the ledger")?;
    comparison.check("objects in the ledger", &sheet.rows.len().to_string(), &ledger.len().to_string());
    let mut same = 0;
    for row in ledger {
        let key: String = row.try_get(0)?;
        let rows: i64 = row.try_get(1)?;
        match sheet.rows.get(&key) {
            Some(expected) if *expected == rows => same += 1,
            Some(expected) => comparison
                .differing
                .push(format!("rows of {key}: {expected} in the file, {rows} in the ledger")),
            None => comparison.differing.push(format!("{key} is in the ledger, and there is no such file")),
        }
    }
    comparison.agreed.push(format!("objects with the same rows as their file: {same}"));
    Ok(())
}

async fn compare_numbers(
    client: &Client,
    table: &str,
    name: &str,
    sheet: &AnswerSheet,
    comparison: &mut Comparison,
) -> anyhow::Result<()> {
    let column = quote_identifier(name);
    let row = client
        .query_one(
            &format!(
                "select coalesce(sum({column}::numeric), 0)::text, count(*) - count({column}) from {table}"
            ),
            &[],
        )
        .await
        .with_context(|| format!("cannot add up the column {name}"))?;
    let sum: String = row.try_get(0)?;
    let nulls: i64 = row.try_get(1)?;
    let expected = sheet.columns.get(name).cloned().unwrap_or_default();
    let in_table = format!("{sum}, nulls {}", grouped(nulls));
    if scaled(&sum)? == expected.sum && nulls == expected.nulls {
        comparison.agreed.push(format!("{name}: sum {in_table}"));
    } else {
        comparison.differing.push(format!(
            "{name}: sum {in_table} in the table, sum {} and nulls {} in the files",
            unscaled(expected.sum),
            grouped(expected.nulls)
        ));
    }
    Ok(())
}

async fn compare_texts(
    client: &Client,
    table: &str,
    name: &str,
    sheet: &AnswerSheet,
    comparison: &mut Comparison,
) -> anyhow::Result<()> {
    let column = quote_identifier(name);
    let row = client
        .query_one(
            &format!(
                "select coalesce(sum(length({column})), 0)::bigint, count(*) - count({column}) from {table}"
            ),
            &[],
        )
        .await
        .with_context(|| format!("the column {name} is not text"))?;
    let expected = sheet.columns.get(name).cloned().unwrap_or_default();
    let (characters, nulls): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    comparison.check(
        &format!("{name}: characters and nulls"),
        &format!("{}, {}", grouped(expected.characters), grouped(expected.nulls)),
        &format!("{}, {}", grouped(characters), grouped(nulls)),
    );
    Ok(())
}
