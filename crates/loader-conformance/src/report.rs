//! Prints the scores, and writes them down.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::outcome::Grade;
use crate::runner::{Judged, Score};

/// The most characters of a reason in the table of misses.
const LONGEST_REASON: usize = 300;

const COLUMNS: [&str; 10] = [
    "suite",
    "cases",
    "right",
    "refused",
    "wrong",
    "silently wrong",
    "crashed",
    "unclear",
    "left out",
    "right %",
];

/// Returns the table of scores for a terminal.
#[must_use]
pub fn table(scores: &[Score]) -> String {
    let rows: Vec<[String; 10]> = scores.iter().map(cells).collect();
    let widths: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([title.len()]).max().unwrap_or(0)
        })
        .collect();
    let mut text = line(&COLUMNS.map(ToOwned::to_owned), &widths);
    for row in &rows {
        text.push_str(&line(row, &widths));
    }
    text
}

fn line(cells: &[String; 10], widths: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(
            |(column, (cell, width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            },
        )
        .collect();
    format!("{}\n", padded.join("  ").trim_end())
}

fn cells(score: &Score) -> [String; 10] {
    let count = |grade| score.count(grade).to_string();
    [
        score.suite.clone(),
        score.judged.len().to_string(),
        count(Grade::Right),
        count(Grade::Refused),
        count(Grade::Wrong),
        count(Grade::SilentlyWrong),
        count(Grade::Crashed),
        score.unclear().to_string(),
        score.left_out.len().to_string(),
        percent(score.share()),
    ]
}

fn percent(share: f64) -> String {
    // 99.96 is not 100.
    format!("{:.1}", (share * 1000.0).floor() / 10.0)
}

/// Returns the misses of a suite, worst first.
#[must_use]
pub fn misses(score: &Score) -> Vec<&Judged> {
    let mut misses: Vec<&Judged> =
        score.judged.iter().filter(|judged| judged.verdict.grade != Grade::Right).collect();
    misses.sort_by_key(|judged| std::cmp::Reverse(judged.verdict.grade));
    misses
}

/// Counts what was left out by its reason, most frequent first.
#[must_use]
pub fn left_out(score: &Score) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &score.left_out {
        *counts.entry(&case.why).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

const HEAD: &str = "# Conformance

Test suites that others wrote, loaded through the same code as the Lambdas into a real Postgres, and scored by the values
that are published. `cargo x conformance` runs them and writes this file; `crates/loader-conformance` turns each case into a
definition and objects.

| Grade | Means |
|---|---|
| right | The published values are those that the suite expects, or what it wants refused is refused or rejected |
| refused | The load was refused, and should not have been. Nothing was published |
| wrong | Other values were published, and the loader said so: rows are rejected, or a doubt is in the ledger |
| silently wrong | Other values were published, and the loader takes them for right |
| crashed | The loader broke, or did not end |

\"Unclear\" counts refusals that name neither a place nor what to write into the definition. Cases about what another program
alone has are left out; they are counted by their reason. Values are compared as what they are where a suite's program prints
them its own way: 5.0 is 5, and where it has inferred a type that we leave as text, the text may stand as it is in the object.
";

/// Returns the report as Markdown: the scores, what was left out, every miss.
#[must_use]
pub fn markdown(scores: &[Score]) -> String {
    let mut text =
        format!("{HEAD}\n## Scores\n\n| {} | bar |\n|---{}|---|\n", COLUMNS.join(" | "), "|---:".repeat(9));
    for score in scores {
        let _ = writeln!(text, "| {} | {} |", cells(score).join(" | "), percent(score.bar));
    }
    for score in scores {
        let _ = write!(text, "\n## {}\n", score.suite);
        for remark in &score.remarks {
            let _ = write!(text, "\n{remark}\n");
        }
        let left_out = left_out(score);
        if !left_out.is_empty() {
            text.push_str("\nLeft out:\n\n| Cases | Why |\n|---:|---|\n");
            for (why, count) in left_out {
                let _ = writeln!(text, "| {count} | {} |", cell(why));
            }
        }
        let misses = misses(score);
        if misses.is_empty() {
            text.push_str("\nNo misses.\n");
            continue;
        }
        text.push_str("\nMisses:\n\n| Case | Grade | Why |\n|---|---|---|\n");
        for miss in misses {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                cell(&miss.name),
                miss.verdict.grade,
                cell(&miss.verdict.why)
            );
        }
    }
    text
}

/// Makes a text fit a cell: one line, no more than is read, nothing that ends the cell.
fn cell(text: &str) -> String {
    let mut fitting: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_REASON)
        .collect::<String>()
        .replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;");
    if text.chars().nth(LONGEST_REASON).is_some() {
        fitting.push('…');
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;
    use crate::suite::LeftOut;

    fn score() -> Score {
        let judged = |name: &str, grade| Judged {
            name: name.to_owned(),
            notes: Vec::new(),
            verdict: Verdict::new(grade, "a|b\nc"),
            measure: None,
        };
        let left_out = |why: &str| LeftOut { name: "x".to_owned(), why: why.to_owned() };
        Score {
            suite: "s".to_owned(),
            bar: 0.5,
            judged: vec![
                judged("one", Grade::Right),
                judged("two", Grade::Refused),
                judged("three", Grade::SilentlyWrong),
            ],
            left_out: vec![left_out("rare"), left_out("often"), left_out("often")],
            remarks: Vec::new(),
        }
    }

    #[test]
    fn the_worst_misses_come_first() {
        let score = score();
        let names: Vec<&str> = misses(&score).iter().map(|miss| miss.name.as_str()).collect();
        assert_eq!(names, ["three", "two"]);
        assert_eq!(left_out(&score), [("often", 2), ("rare", 1)]);
    }

    #[test]
    fn a_suite_passes_at_its_bar_and_never_with_a_silent_error() {
        let mut score = score();
        assert!(!score.passes());
        score.judged.pop();
        assert!(score.passes());
        score.bar = 0.51;
        assert!(!score.passes());
    }

    #[test]
    fn the_report_holds_every_miss_in_one_line() {
        let text = markdown(&[score()]);
        assert!(text.contains("| three | silently wrong | a\\|b c |"), "{text}");
        assert!(text.contains("| 2 | often |"), "{text}");
        assert!(table(&[score()]).contains("33.3"), "{}", table(&[score()]));
    }
}
