//! Figures of single nights, and of all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::night::Night;
use crate::readers::{CONNECTIONS, READS_A_SECOND, Read};

/// How long the reads of some time took, in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    reads: usize,
    failed: usize,
    first_failure: Option<String>,
    p50: f64,
    p99: f64,
    p999: f64,
    pub(crate) longest: f64,
}

/// Takes the latencies of a part of the night.
type Part = fn(&Night) -> &Latencies;

impl Latencies {
    pub(crate) fn of(reads: &[&Read]) -> Self {
        let mut sorted: Vec<f64> = reads.iter().map(|read| ms(read.latency)).collect();
        sorted.sort_by(f64::total_cmp);
        // The smallest of which at least so many of a thousand are not longer.
        let at = |thousandths: usize| {
            let rank = (sorted.len() * thousandths).div_ceil(1_000).max(1);
            sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
        };
        let mut failures = reads.iter().filter_map(|read| read.failure.as_ref());
        Self {
            reads: reads.len(),
            failed: failures.clone().count(),
            first_failure: failures.next().cloned(),
            p50: at(500),
            p99: at(990),
            p999: at(999),
            longest: sorted.last().copied().unwrap_or_default(),
        }
    }
}

impl Night {
    fn failed(&self) -> usize {
        self.quiet.failed + self.building.failed + self.publishing.failed
    }

    /// Tells the night in one line.
    pub(crate) fn line(&self, rows: u64, round: u32) -> String {
        let failure = [&self.quiet, &self.building, &self.publishing]
            .into_iter()
            .find_map(|latencies| latencies.first_failure.as_deref())
            .map_or_else(String::new, |failure| format!(", FAILED READS: {failure}"));
        let mut refusals = self.refusals.clone();
        refusals.dedup();
        let refusals: Vec<String> = refusals.iter().map(|refusal| format!("\n    {refusal}")).collect();
        let refusals = refusals.concat();
        format!(
            "  {rows} rows, round {round}: longest read {:.1} ms (due {:.0} ms after the commit), of those that met the publish's locks {:.1} ms, \
             in quiet time {:.1} ms; in the way for at most {:.1} ms; {} tries in {:.0} ms, the last one {:.1} ms, \
             of which {:.1} ms with the readers' locks; build {:.1} s; load {:.1}{failure}{refusals}",
            self.publishing.longest,
            self.longest_after_commit,
            self.met.longest,
            self.quiet.longest,
            ms(self.in_the_way),
            self.tries,
            ms(self.publish),
            ms(self.transaction),
            ms(self.locked),
            self.build.as_secs_f64(),
            self.load,
        )
    }
}

/// A case: so many rows, and a report that stays open for so many seconds.
type Case = (u64, Option<u64>);

/// All nights of a measurement.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) server: String,
    nights: BTreeMap<Case, Vec<Night>>,
}

impl Findings {
    pub(crate) fn add(&mut self, rows: u64, report: Option<Duration>, night: Night) {
        self.nights.entry((rows, report.map(|lasts| lasts.as_secs()))).or_default().push(night);
    }

    /// Counts the reads that failed.
    pub(crate) fn failed(&self) -> usize {
        self.nights.values().flatten().map(Night::failed).sum()
    }

    /// Writes all as tables: of each figure the median and the worst of the nights.
    pub(crate) fn markdown(&self) -> String {
        let loads = self.nights.values().flatten().map(|night| night.load);
        let mut text = format!(
            "{}; {} processors; load when the publishes began {:.1} to {:.1}; {READS_A_SECOND} reads a second on \
             {CONNECTIONS} connections.\n\n",
            self.server,
            std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            loads.clone().fold(f64::INFINITY, f64::min),
            loads.fold(0.0, f64::max),
        );
        self.write(&mut text).expect("text can be written");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "| Rows | Long report | Longest hold-up | Locks wanted or held | Failed reads | Tries | Publish transaction | Of it with the readers' locks | `build()` |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
        for (case, nights) in &self.nights {
            writeln!(
                text,
                "| {} | {} ms | {} ms | {} | {} | {} ms | {} ms | {} s |",
                title(*case),
                summary(nights, 1, |night| night.met.longest),
                summary(nights, 1, |night| ms(night.in_the_way)),
                nights.iter().map(Night::failed).sum::<usize>(),
                summary(nights, 0, |night| f64::from(u32::try_from(night.tries).unwrap_or(u32::MAX))),
                summary(nights, 0, |night| ms(night.transaction)),
                summary(nights, 1, |night| ms(night.locked)),
                summary(nights, 1, |night| night.build.as_secs_f64()),
            )?;
        }
        writeln!(text)?;
        writeln!(text, "| Rows | Long report | Time | Reads | p50 | p99 | p99.9 | Longest |")?;
        writeln!(text, "|---|---|---|---|---|---|---|---|")?;
        for (case, nights) in &self.nights {
            let times: [(&str, Part); 3] = [
                ("quiet", |night| &night.quiet),
                ("build", |night| &night.building),
                ("publish", |night| &night.publishing),
            ];
            for (name, latencies) in times {
                writeln!(
                    text,
                    "| {} | {name} | {} | {} ms | {} ms | {} ms | {} ms |",
                    title(*case),
                    nights.iter().map(|night| latencies(night).reads).sum::<usize>(),
                    summary(nights, 1, |night| latencies(night).p50),
                    summary(nights, 1, |night| latencies(night).p99),
                    summary(nights, 1, |night| latencies(night).p999),
                    summary(nights, 1, |night| latencies(night).longest),
                )?;
            }
        }
        Ok(())
    }
}

fn title((rows, report): Case) -> String {
    let rows = if rows % 1_000_000 == 0 { format!("{}M", rows / 1_000_000) } else { rows.to_string() };
    format!("{rows} | {}", report.map_or_else(|| "no".to_owned(), |seconds| format!("{seconds} s")))
}

/// Writes the median and, in brackets, the worst.
fn summary(nights: &[Night], digits: usize, figure: impl Fn(&Night) -> f64) -> String {
    let mut figures: Vec<f64> = nights.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    let median = figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    let worst = figures.last().copied().unwrap_or(f64::NAN);
    format!("{median:.digits$} ({worst:.digits$})")
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
