//! What came of a case, and what it is worth.

use std::fmt;

use loader_core::error::ErrorName;

use crate::comparison::{differing_columns, first_difference, unaccounted};
use crate::suite::{Compare, Expected};

/// What came of loading a case.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A table was published.
    Published(Published),
    /// The loader refused.
    Refused(Refusal),
}

/// What was published.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// The columns that are compared.
    pub columns: Vec<String>,
    /// Their values as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows the table has.
    pub count: u64,
    /// How many rows were rejected.
    pub rejects: u64,
    /// What the query of [`Expected::SameAs`] returned.
    pub same_as: Vec<Vec<Option<String>>>,
    /// What the ledger says of the objects: what was found out, and what is doubtful.
    pub said: Vec<String>,
}

impl Published {
    /// Whether the loader has said that something may be other than it looks.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.said.iter().any(|said| {
            let said = said.to_lowercase();
            ["doubt", "could also", "may be", "plausible", "unsure"].iter().any(|word| said.contains(word))
        })
    }
}

/// Why the loader refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The step that refused.
    pub step: &'static str,
    /// The error's name; that of an object where one failed.
    pub name: ErrorName,
    /// What it says.
    pub message: String,
    /// Whether it has a line or a column.
    pub has_place: bool,
    /// How many rows were rejected until then.
    pub rejects: u64,
}

impl Refusal {
    /// Whether it says where it is, or what to write into the definition.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        let helps =
            ["line ", "column", "header", "dialect", "definition", "`", "delimiter", "encoding", "gzip"];
        let message = self.message.to_lowercase();
        self.name != ErrorName::Internal
            && (self.has_place || helps.iter().any(|help| message.contains(help)))
    }
}

/// What an outcome is worth, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// As expected.
    Right,
    /// Refused, and it should have been loaded.
    Refused,
    /// Something else was published, and the loader has said so: rows are rejected, or
    /// it has named a doubt.
    Wrong,
    /// Something else was published, and the loader takes it for right.
    SilentlyWrong,
    /// The loader broke, or did not end.
    Crashed,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "right",
            Self::Refused => "refused",
            Self::Wrong => "wrong",
            Self::SilentlyWrong => "silently wrong",
            Self::Crashed => "crashed",
        })
    }
}

/// A grade with its reason.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The grade.
    pub grade: Grade,
    /// The reason; empty where it is right.
    pub why: String,
    /// Whether the loader refused without saying where it is or what to do.
    pub is_unclear: bool,
}

impl Verdict {
    /// Makes a verdict of a grade and its reason.
    #[must_use]
    pub fn new(grade: Grade, why: impl Into<String>) -> Self {
        Self { grade, why: why.into(), is_unclear: false }
    }

    fn right() -> Self {
        Self::new(Grade::Right, "")
    }

    /// Judges an outcome by what was expected.
    #[must_use]
    pub fn of(expected: &Expected, outcome: &Outcome) -> Self {
        if let Expected::AnyOf(several) = expected {
            let best = several.iter().map(|one| Self::of(one, outcome)).min_by_key(|verdict| verdict.grade);
            return best.unwrap_or_else(Self::right);
        }
        match outcome {
            Outcome::Published(published) => judge_published(expected, published),
            Outcome::Refused(refusal) => {
                let mut verdict = judge_refusal(expected, refusal);
                verdict.is_unclear = !refusal.is_clear();
                verdict
            }
        }
    }
}

fn judge_published(expected: &Expected, published: &Published) -> Verdict {
    let rejected = published.rejects;
    let difference = match expected {
        Expected::Rows { columns, rows, ordered, compare } => {
            difference(columns.as_deref(), rows, *ordered, *compare, published)
        }
        Expected::RowsAndRejects { columns, rows, ordered, compare, rejects } => {
            difference(columns.as_deref(), rows, *ordered, *compare, published).or_else(|| match rejects {
                Some(rejects) => {
                    (*rejects != rejected).then(|| format!("{rejected} rows are rejected, not {rejects}"))
                }
                None => (rejected == 0).then(|| "no row is rejected".to_owned()),
            })
        }
        Expected::Accounted { columns, rows, compare, at_least } => columns
            .as_deref()
            .and_then(|columns| differing_columns(columns, &published.columns))
            .or_else(|| unaccounted(rows, &published.rows, *compare, rejected))
            .or_else(|| {
                let found = published.rows.len();
                (found < *at_least).then(|| format!("{found} rows, not {at_least} at the least"))
            }),
        Expected::SameAs { rejects, .. } => {
            first_difference(&published.same_as, &published.rows, false, Compare::Exact).or_else(|| {
                let rejects = rejects.filter(|rejects| *rejects != rejected)?;
                Some(format!("{rejected} rows are rejected, not {rejects}"))
            })
        }
        Expected::RowCount(rows) => {
            (*rows != published.count).then(|| format!("{} rows, not {rows}", published.count))
        }
        Expected::Published if rejected > 0 => Some(format!("{rejected} rows are rejected")),
        Expected::Refused { .. } if rejected == 0 => {
            Some(format!("{} rows are published, and none is rejected", published.count))
        }
        Expected::Refused { .. } | Expected::Loads | Expected::Published | Expected::AnyOf(_) => None,
    };
    let Some(difference) = difference else { return Verdict::right() };
    if rejected > 0 {
        return Verdict::new(Grade::Wrong, format!("{difference} ({rejected} rows are rejected)"));
    }
    if published.is_in_doubt() {
        return Verdict::new(Grade::Wrong, format!("{difference} (the loader has doubts)"));
    }
    Verdict::new(Grade::SilentlyWrong, difference)
}

fn judge_refusal(expected: &Expected, refusal: &Refusal) -> Verdict {
    let said = format!("{}: {}: {}", refusal.step, refusal.name, refusal.message);
    let broke = refusal.name == ErrorName::Internal;
    match expected {
        Expected::Refused { contains } if !broke => {
            let message = said.to_lowercase();
            match contains.iter().find(|part| !message.contains(&part.to_lowercase())) {
                None => Verdict::right(),
                Some(part) => Verdict::new(Grade::Refused, format!("does not say `{part}`: {said}")),
            }
        }
        Expected::Loads if !broke => Verdict::right(),
        _ => Verdict::new(Grade::Refused, said),
    }
}

fn difference(
    columns: Option<&[String]>,
    rows: &[Vec<Option<String>>],
    ordered: bool,
    compare: Compare,
    published: &Published,
) -> Option<String> {
    columns
        .and_then(|columns| differing_columns(columns, &published.columns))
        .or_else(|| first_difference(rows, &published.rows, ordered, compare))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<Option<String>>> {
        rows.iter().map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect()).collect()
    }

    fn expected(cells: &[&[&str]]) -> Expected {
        Expected::Rows { columns: None, rows: rows(cells), ordered: true, compare: Compare::Exact }
    }

    fn published(cells: &[&[&str]], rejects: u64, said: &[&str]) -> Outcome {
        Outcome::Published(Published {
            columns: vec!["a".to_owned()],
            rows: rows(cells),
            count: cells.len() as u64,
            rejects,
            same_as: Vec::new(),
            said: said.iter().map(|said| (*said).to_owned()).collect(),
        })
    }

    fn refused(name: ErrorName, message: &str) -> Outcome {
        let message = message.to_owned();
        Outcome::Refused(Refusal { step: "import", name, message, has_place: false, rejects: 0 })
    }

    #[test]
    fn other_values_are_silent_unless_the_loader_has_said_something() {
        let grade = |outcome| Verdict::of(&expected(&[&["1"], &["2"]]), &outcome).grade;
        assert_eq!(grade(published(&[&["1"], &["2"]], 0, &[])), Grade::Right);
        assert_eq!(grade(published(&[&["1"], &["3"]], 0, &[])), Grade::SilentlyWrong);
        assert_eq!(grade(published(&[&["1"]], 0, &[])), Grade::SilentlyWrong);
        assert_eq!(grade(published(&[&["1"]], 1, &[])), Grade::Wrong);
        assert_eq!(
            grade(published(&[&["1"]], 0, &["in doubt: the delimiter could also be ;"])),
            Grade::Wrong
        );
    }

    #[test]
    fn a_refusal_is_right_only_where_it_is_expected() {
        let refusal = refused(ErrorName::BadRow, "a.csv, line 3: too many fields");
        let verdict = Verdict::of(&expected(&[&["1"]]), &refusal);
        assert_eq!((verdict.grade, verdict.is_unclear), (Grade::Refused, false));
        let refused_for = |part: &str| Expected::Refused { contains: vec![part.to_owned()] };
        assert_eq!(Verdict::of(&refused_for("Line 3"), &refusal).grade, Grade::Right);
        assert_eq!(Verdict::of(&refused_for("line 4"), &refusal).grade, Grade::Refused);
        assert_eq!(Verdict::of(&Expected::Loads, &refusal).grade, Grade::Right);
        assert_eq!(Verdict::of(&Expected::Published, &refusal).grade, Grade::Refused);
    }

    #[test]
    fn rows_may_lack_where_others_are_rejected() {
        let accounted = Expected::Accounted {
            columns: None,
            rows: rows(&[&["1"], &["2"]]),
            compare: Compare::Exact,
            at_least: 1,
        };
        let grade =
            |cells: &[&[&str]], rejects| Verdict::of(&accounted, &published(cells, rejects, &[])).grade;
        assert_eq!(grade(&[&["1"], &["2"]], 0), Grade::Right);
        assert_eq!(grade(&[&["2"]], 1), Grade::Right);
        assert_eq!(grade(&[&["2"]], 0), Grade::SilentlyWrong);
        assert_eq!(grade(&[&["3"]], 1), Grade::Wrong);
        assert_eq!(grade(&[], 2), Grade::Wrong);
        assert_eq!(grade(&[&["1"], &["2"], &["2"]], 0), Grade::SilentlyWrong);
    }

    #[test]
    fn the_best_of_several_expectations_counts() {
        let either = Expected::AnyOf(vec![expected(&[&["1"]]), Expected::Refused { contains: Vec::new() }]);
        assert_eq!(Verdict::of(&either, &published(&[&["1"]], 0, &[])).grade, Grade::Right);
        assert_eq!(Verdict::of(&either, &refused(ErrorName::BadRow, "line 3")).grade, Grade::Right);
        assert_eq!(Verdict::of(&either, &published(&[&["2"]], 0, &[])).grade, Grade::SilentlyWrong);
    }

    #[test]
    fn a_fault_of_the_loader_is_never_right() {
        let broken = refused(ErrorName::Internal, "something");
        let verdict = Verdict::of(&Expected::Loads, &broken);
        assert_eq!((verdict.grade, verdict.is_unclear), (Grade::Refused, true));
    }

    #[test]
    fn what_should_be_refused_may_be_rejected_row_by_row() {
        let refused = Expected::Refused { contains: Vec::new() };
        assert_eq!(Verdict::of(&refused, &published(&[&["1"]], 1, &[])).grade, Grade::Right);
        assert_eq!(Verdict::of(&refused, &published(&[&["1"]], 0, &[])).grade, Grade::SilentlyWrong);
    }
}
