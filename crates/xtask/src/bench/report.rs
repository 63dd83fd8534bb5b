//! What was found: tables for people, JSON for machines.

use std::fmt::Write as _;

use serde::Serialize;

use super::dataset::{Dataset, megabytes};
use super::rows::Verdict;
use super::runner::Measured;
use super::variant::{Lane, Way};
use crate::progress::grouped;

/// What became of a way to load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Found {
    /// Its name.
    pub(crate) name: String,
    /// Where it reads from.
    pub(crate) reads: &'static str,
    /// Whether it is ours.
    pub(crate) ours: bool,
    /// Whether it is somebody else's loader.
    pub(crate) peer: bool,
    /// Each measurement; none where it was not run.
    pub(crate) rounds: Vec<Measured>,
    /// Why it was not run, or not to its end.
    pub(crate) not_run: Option<String>,
    #[serde(skip)]
    pub(crate) way: Option<Way>,
}

/// The medians of a way.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Medians {
    pub(crate) wall: f64,
    pub(crate) client: Option<f64>,
    pub(crate) server: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
}

/// All ways to load a data set in a lane.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Section {
    pub(crate) dataset: String,
    pub(crate) lane: Lane,
    pub(crate) weather: bool,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) rows: i64,
    pub(crate) found: Vec<Found>,
}

impl Found {
    /// Nothing yet.
    pub(crate) fn new(way: Way) -> Self {
        Self {
            name: way.name(),
            reads: way.reads(),
            ours: way.is_ours(),
            peer: matches!(way, Way::Peer(_) | Way::Python),
            rounds: Vec::new(),
            not_run: None,
            way: Some(way),
        }
    }

    /// Returns the medians of all rounds, if there are any.
    pub(crate) fn medians(&self) -> Option<Medians> {
        let median = |part: fn(&Measured) -> Option<f64>| {
            let mut numbers: Vec<f64> = self.rounds.iter().filter_map(part).collect();
            numbers.sort_unstable_by(f64::total_cmp);
            // Of an even number the lower one: no figure that nobody has measured.
            numbers.get(numbers.len().saturating_sub(1) / 2).copied()
        };
        Some(Medians {
            wall: median(|measured| Some(measured.wall))?,
            client: median(|measured| measured.client),
            server: median(|measured| measured.server),
            peak_mib: median(|measured| measured.peak_kib.map(mebibytes)),
        })
    }

    /// Returns what its rows are worth: the worst of all rounds.
    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        let wrong = self.rounds.iter().find(|measured| matches!(measured.verdict, Verdict::Wrong(_)));
        wrong.or_else(|| self.rounds.last()).map(|measured| &measured.verdict)
    }

    /// Tells whether it has loaded other rows than it should.
    pub(crate) fn is_wrong(&self) -> bool {
        matches!(self.verdict(), Some(Verdict::Wrong(_)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

impl Section {
    /// Nothing yet.
    pub(crate) fn new(dataset: &Dataset, lane: Lane) -> Self {
        Self {
            dataset: dataset.name.clone(),
            lane,
            weather: dataset.is_weather,
            files: dataset.files.len(),
            bytes: dataset.bytes,
            rows: 0,
            found: Vec::new(),
        }
    }

    /// Returns the medians of a way.
    pub(crate) fn of(&self, way: Way) -> Option<Medians> {
        self.found.iter().find(|found| found.way == Some(way))?.medians()
    }

    /// Returns the medians of the limit.
    pub(crate) fn limit(&self) -> Option<Medians> {
        self.of(Way::Limit)
    }

    /// Returns the heading of the table and the plot.
    pub(crate) fn title(&self) -> String {
        format!(
            "{}, {}: {} file{}, {:.0} MB, {} rows",
            self.dataset.replace('_', " "),
            self.lane.title(),
            grouped(i64::try_from(self.files).unwrap_or_default()),
            if self.files == 1 { "" } else { "s" },
            megabytes(self.bytes),
            grouped(self.rows)
        )
    }

    /// Returns the same with a capital.
    pub(crate) fn heading(&self) -> String {
        let title = self.title();
        let mut letters = title.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }

    /// Writes the section as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.heading());
        text.push_str(
            "| | Reads from | Time | of limit | Rows/s | MB/s | Server CPU | of limit | Client CPU | for a GB | Peak memory | Rows |\n",
        );
        text.push_str("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
        for found in &self.found {
            self.line(found, &mut text);
        }
        text
    }

    fn line(&self, found: &Found, text: &mut String) {
        let start = format!("| {} | {} |", found.name, found.reads);
        let Some(of) = found.medians() else {
            let why = found.not_run.as_deref().unwrap_or("no reason is known");
            let _ = writeln!(text, "{start} NOT RUN: {why} | | | | | | | | | |");
            return;
        };
        let limit = self.limit();
        let seconds =
            |number: Option<f64>| number.map_or("–".to_owned(), |number| format!("{number:.2} s"));
        let ratio = |number: Option<f64>, least: Option<f64>| match (number, least) {
            (Some(number), Some(least)) if least > 0.0 => format!("{:.2}×", number / least),
            _ => "–".to_owned(),
        };
        let mut verdict = found.verdict().map(ToString::to_string).unwrap_or_default();
        if let Some(why) = &found.not_run {
            let _ = write!(verdict, "; later NOT RUN: {why}");
        }
        let gigabytes = megabytes(self.bytes) / 1e3;
        let _ = writeln!(
            text,
            "{start} {} | {} | {} | {:.1} | {} | {} | {} | {} | {} | {verdict} |",
            seconds(Some(of.wall)),
            ratio(Some(of.wall), limit.map(|limit| limit.wall)),
            self.per_second(of.wall),
            megabytes(self.bytes) / of.wall,
            seconds(of.server),
            ratio(of.server, limit.and_then(|limit| limit.server)),
            seconds(of.client),
            seconds(of.client.map(|client| client / gigabytes)),
            of.peak_mib.map_or("–".to_owned(), |peak| format!("{peak:.0} MiB")),
        );
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a figure for people")]
    fn per_second(&self, seconds: f64) -> String {
        grouped((self.rows as f64 / seconds) as i64)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn found(way: Way, wall: &[f64], verdict: &Verdict) -> Found {
        let mut found = Found::new(way);
        found.rounds = wall
            .iter()
            .map(|wall| Measured {
                wall: *wall,
                client: Some(wall / 2.0),
                server: Some(wall / 4.0),
                peak_kib: Some(20 << 10),
                verdict: verdict.clone(),
            })
            .collect();
        found
    }

    pub(crate) fn section(found: Vec<Found>) -> Section {
        Section {
            dataset: "all_files".to_owned(),
            lane: Lane::Typed,
            weather: true,
            files: 2,
            bytes: 1_000_000_000,
            rows: 1_000,
            found,
        }
    }

    #[test]
    fn a_line_holds_the_medians_and_their_ratio_to_the_limit() {
        let section = section(vec![
            found(Way::Limit, &[2.0, 9.0, 1.0], &Verdict::Same),
            found(Way::Ours { one: false }, &[1.0], &Verdict::Same),
        ]);
        let text = section.markdown();
        assert!(text.starts_with("### All files, typed: 2 files, 1000 MB, 1,000 rows\n"), "{text}");
        let ours = text.lines().last().unwrap();
        assert_eq!(
            ours,
            "| ours, stream | S3 | 1.00 s | 0.50× | 1,000 | 1000.0 | 0.25 s | 0.50× | 0.50 s | 0.50 s | 20 MiB | same |"
        );
    }

    #[test]
    fn what_was_not_run_says_why_and_what_is_wrong_stays_wrong() {
        let mut missing = Found::new(Way::Python);
        missing.not_run = Some("python3 is missing".to_owned());
        let mut wrong = found(Way::ServerFiles, &[1.0], &Verdict::Wrong("2 rows, not 3".to_owned()));
        wrong.rounds.extend(found(Way::ServerFiles, &[1.0], &Verdict::Same).rounds);
        let text = section(vec![missing, wrong]).markdown();
        assert!(text.contains("| NOT RUN: python3 is missing |"), "{text}");
        assert!(text.contains("| WRONG: 2 rows, not 3 |"), "{text}");
    }
}
