//! Whether a table holds the rows that it should.

use anyhow::Context as _;
use serde::Serialize;
use tokio_postgres::Client;

use crate::postgres::quote_identifier;

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Column {
    /// Its name in the files' header.
    pub(crate) header: String,
    /// Its name in the table.
    pub(crate) name: String,
    /// Its type.
    pub(crate) sql_type: String,
}

impl Column {
    /// Tells whether it is a column of text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.sql_type.as_str(), "text" | "character varying")
    }

    fn is_number(&self) -> bool {
        ["smallint", "integer", "bigint", "numeric", "real", "double precision"]
            .iter()
            .any(|name| self.sql_type.starts_with(name))
    }
}

/// How closely values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closeness {
    /// As the server writes them.
    Exact,
    /// As values of the types that they should have.
    Values,
    /// As those, and blanks around a text, and an empty text for none, do not count.
    ButBlanks,
}

/// What a table holds.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    pub(crate) rows: i64,
    sums: [Option<String>; 3],
    of_columns: Vec<Option<String>>,
}

/// How a table compares with what it should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Every value is the same, written the same.
    Same,
    /// Every value is the same, of other types.
    SameValues,
    /// The same values, but that blanks or empty texts were lost.
    ButBlanks,
    /// Other rows, or other values.
    Wrong(String),
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Same => f.write_str("same"),
            Self::SameValues => f.write_str("same, other types"),
            Self::ButBlanks => f.write_str("same but blanks"),
            Self::Wrong(why) => write!(f, "WRONG: {why}"),
        }
    }
}

fn expression(found: &str, column: &Column, closeness: Closeness) -> String {
    let text = format!("{}::text", quote_identifier(found));
    let filled = match closeness {
        Closeness::Exact => return text,
        Closeness::Values => text,
        Closeness::ButBlanks => format!("nullif(btrim({text}), '')"),
    };
    if column.is_text() {
        filled
    } else if column.is_number() {
        format!("trim_scale({filled}::numeric)::text")
    } else {
        format!("({filled}::{})::text", column.sql_type)
    }
}

fn row_sum(found: &[String], columns: &[Column], closeness: Closeness) -> String {
    let cells: Vec<String> =
        found.iter().zip(columns).map(|(found, column)| expression(found, column, closeness)).collect();
    format!("sum(hashtextextended(row({})::text, 0)::numeric)::text", cells.join(", "))
}

fn column_sums(found: &[String], columns: &[Column]) -> String {
    let sums: Vec<String> = found
        .iter()
        .zip(columns)
        .map(|(found, column)| {
            let cell = expression(found, column, Closeness::ButBlanks);
            format!("sum(hashtextextended({cell}, 0)::numeric)::text")
        })
        .collect();
    sums.join(", ")
}

/// Reads what a table holds that is known to be right.
pub(crate) async fn contents(client: &Client, table: &str, columns: &[Column]) -> anyhow::Result<Contents> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let sums = [Closeness::Exact, Closeness::Values, Closeness::ButBlanks]
        .map(|closeness| row_sum(&names, columns, closeness));
    let of_columns = column_sums(&names, columns);
    let query = format!("select count(*), {}, {of_columns} from {table}", sums.join(", "));
    let row = client.query_one(&query, &[]).await.with_context(|| format!("cannot read {table}"))?;
    Ok(Contents {
        rows: row.try_get(0)?,
        sums: [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?],
        of_columns: (4..row.len()).map(|at| row.try_get(at)).collect::<Result<_, _>>()?,
    })
}

/// Counts a table's rows.
pub(crate) async fn count(client: &Client, table: &str) -> anyhow::Result<i64> {
    Ok(client.query_one(&format!("select count(*) from {table}"), &[]).await?.try_get(0)?)
}

/// Compares a table with what it should hold.
pub(crate) async fn compare(
    client: &Client,
    table: &str,
    columns: &[Column],
    expected: &Contents,
) -> anyhow::Result<Verdict> {
    let rows = count(client, table).await?;
    if rows != expected.rows {
        return Ok(Verdict::Wrong(format!("{rows} rows, not {}", expected.rows)));
    }
    // Others name columns in their own ways.
    let all: Vec<String> = client
        .query(
            "select attname::text from pg_attribute
             where attrelid = $1::text::regclass and attnum > 0 and not attisdropped",
            &[&table],
        )
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for column in columns {
        let same = |name: &&String| {
            name.eq_ignore_ascii_case(&column.name) || name.eq_ignore_ascii_case(&column.header)
        };
        let Some(name) = all.iter().find(same) else {
            return Ok(Verdict::Wrong(format!("there is no column {}", column.name)));
        };
        found.push(name.clone());
    }
    let levels = [
        (Closeness::Exact, Verdict::Same),
        (Closeness::Values, Verdict::SameValues),
        (Closeness::ButBlanks, Verdict::ButBlanks),
    ];
    for ((closeness, verdict), expected) in levels.into_iter().zip(&expected.sums) {
        let query = format!("select {} from {table}", row_sum(&found, columns, closeness));
        // Values that are none of their type are other values.
        if let Ok(row) = client.query_one(&query, &[]).await
            && row.try_get::<_, Option<String>>(0)? == *expected
        {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Wrong(format!("other values in {}", others(client, table, columns, &found, expected).await?)))
}

async fn others(
    client: &Client,
    table: &str,
    columns: &[Column],
    found: &[String],
    expected: &Contents,
) -> anyhow::Result<String> {
    let mut wrong = Vec::new();
    for ((name, column), expected) in found.iter().zip(columns).zip(&expected.of_columns) {
        let sum = column_sums(std::slice::from_ref(name), std::slice::from_ref(column));
        let found = client.query_one(&format!("select {sum} from {table}"), &[]).await.ok();
        let same = found.and_then(|row| row.try_get::<_, Option<String>>(0).ok());
        if same.as_ref() != Some(expected) {
            wrong.push(column.name.clone());
        }
    }
    Ok(match wrong.len() {
        0 => "the same columns, in other rows".to_owned(),
        1..=4 => wrong.join(", "),
        more => {
            format!("{} and {} more", wrong.iter().take(3).cloned().collect::<Vec<_>>().join(", "), more - 3)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers_and_texts_as_texts() {
        let column = |sql_type: &str| Column {
            header: "A".to_owned(),
            name: "a".to_owned(),
            sql_type: sql_type.to_owned(),
        };
        let written = |sql_type, closeness| expression("A", &column(sql_type), closeness);
        assert_eq!(written("numeric(5,2)", Closeness::Values), "trim_scale(\"A\"::text::numeric)::text");
        assert_eq!(written("text", Closeness::ButBlanks), "nullif(btrim(\"A\"::text), '')");
        assert_eq!(written("date", Closeness::Values), "(\"A\"::text::date)::text");
        assert_eq!(written("date", Closeness::Exact), "\"A\"::text");
    }
}
