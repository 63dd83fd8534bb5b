//! The gates on how many rows there are.

use tokio_postgres::Client;

use super::{GateFigure, Subject, count, see_all_rows};
use crate::database::failure::failure;
use crate::definition::ResolvedDefinition;
use crate::definition::gates::MAX_DROP_PERCENT;
use crate::error::Result;
use crate::identifier::QualifiedName;
use crate::wording::{counted, grouped};

/// Checks `min_rows`, `max_drop_percent` and `max_growth_percent`.
///
/// The live table is counted, not estimated; where no gate compares with it, it is
/// not read.
///
/// # Errors
/// Those of the database. A gate that fails is no error: see
/// [`verdict`](super::verdict).
pub async fn check_counts(
    client: &mut Client,
    subject: &Subject<'_>,
    definition: &ResolvedDefinition,
) -> Result<Vec<GateFigure>> {
    let limits = Limits::of(definition, subject.rows);
    let mut figures = vec![limits.min_rows(subject.rows)];
    if let Some(live) = subject.live
        && (limits.drop.is_some() || limits.growth.is_some())
    {
        let before = count_rows(client, live).await?;
        figures.extend(limits.compare(subject.rows, before));
    }
    Ok(figures)
}

async fn count_rows(client: &mut Client, live: &QualifiedName) -> Result<u64> {
    let doing = "counting the rows of the live table";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    see_all_rows(&transaction).await?;
    let row = transaction
        .query_one(&format!("select count(*) from {live}"), &[])
        .await
        .map_err(|error| failure(doing, &error))?;
    transaction.commit().await.map_err(|error| failure(doing, &error))?;
    Ok(count(&row, 0))
}

/// The limits that hold for a table, with the defaults filled in.
struct Limits {
    min_rows: u64,
    /// None if any drop is fine.
    drop: Option<f64>,
    growth: Option<f64>,
}

impl Limits {
    fn of(definition: &ResolvedDefinition, rows: u64) -> Self {
        let gates = &definition.gates;
        let drop = match gates.max_drop_percent {
            // An empty delivery of a table that may be empty is no half delivery.
            None if definition.allow_empty && rows == 0 => None,
            percent => Some(percent.unwrap_or(MAX_DROP_PERCENT)).filter(|percent| *percent < 100.0),
        };
        Self {
            min_rows: gates.min_rows.unwrap_or(u64::from(!definition.allow_empty)),
            drop,
            growth: gates.max_growth_percent,
        }
    }

    fn min_rows(&self, rows: u64) -> GateFigure {
        let expected = format!("at least {}", grouped(self.min_rows));
        GateFigure::new("min_rows", expected, counted(rows, "row", "rows"), rows >= self.min_rows)
    }

    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 rows")]
    fn compare(&self, rows: u64, before: u64) -> Vec<GateFigure> {
        let (now, then) = (rows as f64, before as f64);
        let against = format!("{} against {} live", counted(rows, "row", "rows"), grouped(before));
        let found =
            if before == 0 { against } else { format!("{against} ({:+.1} %)", (now - then) / then * 100.0) };
        let mut figures = Vec::new();
        if let Some(percent) = self.drop {
            let passed = (then - now) * 100.0 <= percent * then;
            let expected = format!("-{percent} % at the most");
            figures.push(GateFigure::new("max_drop_percent", expected, found.clone(), passed));
        }
        // Nothing to compare with: any number is more than none.
        if let Some(percent) = self.growth.filter(|_| before > 0) {
            let passed = (now - then) * 100.0 <= percent * then;
            let expected = format!("+{percent} % at the most");
            figures.push(GateFigure::new("max_growth_percent", expected, found, passed));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Limits = Limits { min_rows: 1, drop: Some(MAX_DROP_PERCENT), growth: None };

    fn passes(limits: &Limits, rows: u64, before: u64) -> bool {
        limits.min_rows(rows).passed && limits.compare(rows, before).iter().all(|figure| figure.passed)
    }

    #[test]
    fn the_defaults_stop_an_empty_and_a_halved_delivery() {
        assert!(!passes(&DEFAULTS, 0, 0));
        assert!(passes(&DEFAULTS, 1, 0));
        assert!(!passes(&DEFAULTS, 512, 1024));
        assert!(passes(&DEFAULTS, 600, 1000), "40 % is allowed");
        assert!(!passes(&DEFAULTS, 599, 1000));
        assert!(passes(&DEFAULTS, 1_000_000, 1));
    }

    #[test]
    fn growth_is_measured_against_the_live_table() {
        let limits = Limits { min_rows: 0, drop: None, growth: Some(50.0) };
        assert!(passes(&limits, 1500, 1000));
        assert!(!passes(&limits, 1501, 1000));
        assert!(passes(&limits, 0, 1000));
        assert!(passes(&limits, 1000, 0));
    }

    #[test]
    fn a_figure_says_how_many_rows_there_are_and_were() {
        let found: Vec<String> =
            DEFAULTS.compare(512, 1024).into_iter().map(|figure| format!("{figure:?}")).collect();
        insta::assert_snapshot!(found.join("\n"), @r#"GateFigure { gate: "max_drop_percent", expected: "-40 % at the most", found: "512 rows against 1,024 live (-50.0 %)", passed: false }"#);
    }
}
