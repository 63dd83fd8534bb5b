//! What the findings of a dry run come to.

use super::inventory::Inventory;
use super::reading::Findings;
use super::report::{DeliveryReport, GateReport, Prediction, PublishReport, RejectsReport, Report};
use crate::definition::ResolvedDefinition;
use crate::definition::gates::MAX_DROP_PERCENT;
use crate::definition::rejects::{DEFAULT_PERCENT, OnReject};
use crate::import::rows::share;
use crate::wording::{counted, grouped};

/// What is known when everything has been looked at.
pub(super) struct Known<'a> {
    pub(super) table: &'a str,
    pub(super) inventory: &'a Inventory,
    pub(super) missing: Option<String>,
    pub(super) findings: Findings,
    pub(super) live: Option<u64>,
    pub(super) concurrency: u32,
    pub(super) publish: (&'a str, &'a str),
    pub(super) definition: ResolvedDefinition,
}

pub(super) fn report(known: &Known<'_>) -> Report {
    let findings = &known.findings;
    let mut objects = known.inventory.report();
    objects.rows_are_estimated = !findings.read.everything;
    objects.rows = rows(known);
    let mut read = findings.read.clone();
    read.said = said_of_reading(known);
    let rejects = rejects(known);
    let fails = fails(known);
    let summary = summary(known, &fails, objects.rows, &rejects);
    let gates = gates(known, objects.rows);
    Report {
        table: known.table.to_owned(),
        dry_run: true,
        summary,
        delivery: DeliveryReport { complete: known.missing.is_none(), missing: known.missing.clone() },
        objects,
        read,
        rejects,
        failed_objects: findings.failures.clone(),
        dialects: findings.dialects.clone(),
        publish: PublishReport {
            strategy: Some(known.publish.0.to_owned()),
            reason: known.publish.1.to_owned(),
            gates,
        },
        prediction: prediction(known),
        not_checked: not_checked(known),
        columns_from: Some(known.definition.columns_from),
        definition: Some(known.definition.clone()),
    }
}

/// Returns the rows that a load would find, by the bytes if not all were read.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an estimate; numbers of rows are below 2^52"
)]
fn rows(known: &Known<'_>) -> u64 {
    let read = &known.findings.read;
    if read.everything || read.bytes == 0 {
        return read.rows;
    }
    (read.rows as f64 * known.inventory.bytes() as f64 / read.bytes as f64).round() as u64
}

fn said_of_reading(known: &Known<'_>) -> String {
    let read = &known.findings.read;
    let all = known.inventory.to_load();
    if all == 0 {
        return "there is nothing to read".to_owned();
    }
    if read.everything {
        return format!(
            "every row of {} was read and judged by the database",
            counted(all, "object", "objects")
        );
    }
    format!(
        "{} of {} objects and {} of {} bytes were read, spread over the listing, as far as there was time; their rows were judged by the database. All else is an estimate by the bytes",
        grouped(read.objects),
        grouped(all),
        grouped(read.bytes),
        grouped(known.inventory.bytes())
    )
}

#[allow(clippy::cast_precision_loss, reason = "numbers of rows are below 2^52")]
fn percent(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { (part as f64 * 10_000.0 / of as f64).round() / 100.0 }
}

fn rejects(known: &Known<'_>) -> RejectsReport {
    let findings = &known.findings;
    let said = match (findings.rejected, known.definition.rejects.on_reject) {
        (0, _) => "no row that was read would be refused".to_owned(),
        (_, OnReject::Fail) => {
            "each object with such a row would fail; with on_reject = \"keep\" only the rows would be left out".to_owned()
        }
        (_, OnReject::Keep) => "they would be kept in loader.rejected_row, and the other rows loaded".to_owned(),
    };
    RejectsReport {
        rows: findings.rejected,
        percent: percent(findings.rejected, findings.read.rows),
        said,
        causes: findings.causes.clone(),
    }
}

/// Returns why the run would fail, as far as that is known.
fn fails(known: &Known<'_>) -> Vec<String> {
    let findings = &known.findings;
    let definition = &known.definition;
    let mut why = Vec::new();
    if known.inventory.to_load() == 0 && !definition.allow_empty {
        why.push("there is nothing to load (Loader.NoObjects)".to_owned());
    }
    if findings.failed > definition.tolerated_failed_objects {
        why.push(format!(
            "{} would fail, and {} are tolerated (Loader.ObjectsFailed)",
            counted(findings.failed, "object", "objects"),
            grouped(definition.tolerated_failed_objects)
        ));
    }
    let limits = definition.rejects.limits;
    if definition.rejects.on_reject == OnReject::Keep {
        let allowed = share(findings.read.rows, limits.run_percent.unwrap_or(DEFAULT_PERCENT));
        let allowed = limits.run_rows.map_or(allowed, |rows| allowed.min(rows));
        if findings.rejected > allowed {
            why.push(format!(
                "{} would be rejected, and of so many {} are tolerated in a run (Loader.TooManyRejects)",
                counted(findings.rejected, "row", "rows"),
                grouped(allowed)
            ));
        }
    }
    why
}

fn summary(known: &Known<'_>, fails: &[String], rows: u64, rejects: &RejectsReport) -> String {
    let findings = &known.findings;
    let waits = if known.missing.is_some() { "a load would wait for the delivery; as it is, " } else { "" };
    let about = if findings.read.everything { "" } else { "about " };
    let end = if !fails.is_empty() {
        format!("the run would FAIL: {}", fails.join("; "))
    } else if findings.failed > 0 || findings.rejected > 0 {
        let left_out: Vec<String> = [
            (findings.failed, counted(findings.failed, "object", "objects")),
            (findings.rejected, counted(findings.rejected, "row", "rows")),
        ]
        .into_iter()
        .filter_map(|(n, words)| (n > 0).then_some(words))
        .collect();
        format!("the run would end PARTIAL: {} would be left out", left_out.join(" and "))
    } else {
        "the run would succeed, as far as this can be known without it".to_owned()
    };
    format!(
        "{waits}{} with {about}{} in {} bytes; {} of {} that were read would be refused ({} %); {end}. Nothing was changed.",
        counted(known.inventory.to_load(), "object", "objects"),
        counted(rows, "row", "rows"),
        grouped(known.inventory.bytes()),
        grouped(findings.rejected),
        counted(findings.read.rows, "row", "rows"),
        rejects.percent
    )
}

fn gates(known: &Known<'_>, rows: u64) -> Vec<GateReport> {
    let definition = &known.definition;
    let loaded = rows.saturating_sub(known.findings.rejected);
    let about = if known.findings.read.everything { "" } else { "about " };
    let least = definition.gates.min_rows.unwrap_or(u64::from(!definition.allow_empty));
    let mut gates = vec![GateReport {
        gate: "min_rows".to_owned(),
        expected: format!("at least {}", counted(least, "row", "rows")),
        found: format!("{about}{}", counted(loaded, "row", "rows")),
        passes: Some(loaded >= least),
    }];
    if let Some(live) = known.live {
        let drop = definition.gates.max_drop_percent.unwrap_or(MAX_DROP_PERCENT);
        let found =
            format!("{about}{}; the live table has about {}", counted(loaded, "row", "rows"), grouped(live));
        gates.push(GateReport {
            gate: "max_drop_percent".to_owned(),
            expected: format!("at most {drop} % fewer than live"),
            found: found.clone(),
            passes: Some(live.saturating_sub(loaded) <= share(live, drop)),
        });
        if let Some(growth) = definition.gates.max_growth_percent {
            gates.push(GateReport {
                gate: "max_growth_percent".to_owned(),
                expected: format!("at most {growth} % more than live"),
                found,
                passes: Some(loaded.saturating_sub(live) <= share(live, growth)),
            });
        }
    }
    let lists = [
        ("not_null", definition.gates.not_null.as_ref().map_or(0, Vec::len)),
        ("unique", definition.gates.unique.as_ref().map_or(0, Vec::len)),
        ("no_orphans", definition.gates.no_orphans.as_ref().map_or(0, Vec::len)),
        ("sql", definition.gates.sql.as_ref().map_or(0, Vec::len)),
    ];
    gates.extend(lists.into_iter().filter(|(_, number)| *number > 0).map(|(gate, number)| GateReport {
        gate: gate.to_owned(),
        expected: format!("{number} in the definition"),
        found: "only a load can tell".to_owned(),
        passes: None,
    }));
    gates
}

#[allow(clippy::cast_precision_loss, reason = "an estimate; numbers of rows are below 2^52")]
fn prediction(known: &Known<'_>) -> Option<Prediction> {
    let findings = &known.findings;
    if findings.read.rows == 0 || findings.seconds <= 0.0 {
        return None;
    }
    let rate = findings.read.rows as f64 / findings.seconds;
    let at_once = u64::from(known.concurrency).min(known.inventory.to_load()).max(1);
    let seconds = rows(known) as f64 / (rate * at_once as f64);
    let rounded = |n: f64| (n * 10.0).round() / 10.0;
    Some(Prediction {
        load_seconds: rounded(seconds),
        rows_per_second: rounded(rate),
        concurrency: u32::try_from(at_once).unwrap_or(u32::MAX),
        said: "a prediction: what one connection has checked here in a second, times the connections of a load. Indexes, constraints and the publish come on top; aws_s3 may be faster".to_owned(),
    })
}

fn not_checked(known: &Known<'_>) -> Vec<String> {
    let mut not_checked = vec![
        "keys that two rows have, foreign keys and the gates that read rows: the build checks them"
            .to_owned(),
        "the engine: everything was read row by row, as objects are that COPY alone can't load".to_owned(),
    ];
    not_checked.extend(known.findings.left_out.iter().cloned());
    not_checked
}
