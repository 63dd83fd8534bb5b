//! Whether parts are the object that they were cut from.

use crate::error::ErrorName;

/// What is known of a part that has an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its number in the object.
    pub number: u32,
    /// Where its first record was taken to begin.
    pub first_at: Option<u64>,
    /// Where the first record behind it begins, if it is loaded and that is known.
    pub end_at: Option<u64>,
    /// The name of its error, if it has failed.
    pub failed: Option<ErrorName>,
    /// Whether the failure stands wherever the part begins.
    pub is_certain: bool,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It can't be said yet.
    Open,
    /// Its parts are all of it.
    Whole,
    /// It has failed, as this part of it has.
    Failed(u32),
    /// Its parts are not all of it, or it can't be loaded in parts; and why.
    Refused(String),
}

/// Judges the parts of an object, of which there are `of` in `size` bytes. Part 0 begins
/// where the records do; where the others begin was guessed, and holds for each of which
/// the one before ends there.
#[must_use]
pub fn judge(outcomes: &[Outcome], of: u32, size: u64) -> Fate {
    let certain = outcomes.iter().find(|outcome| outcome.failed.is_some() && outcome.is_certain);
    match certain.map(|outcome| (outcome.number, outcome.failed)) {
        // The part has said so itself, in its message.
        Some((_, Some(ErrorName::Unreconciled))) => return Fate::Refused(String::new()),
        Some((number, _)) => return Fate::Failed(number),
        None => {}
    }
    let find = |number: u32| outcomes.iter().find(|outcome| outcome.number == number);
    let mut at = None;
    for number in 0..of {
        let Some(outcome) = find(number) else { return pairs(outcomes) };
        if number > 0 && outcome.first_at != at {
            return Fate::Refused(misfit(number, at, outcome.first_at));
        }
        if outcome.failed.is_some() {
            return Fate::Failed(number);
        }
        let Some(end) = outcome.end_at else {
            return Fate::Refused(format!(
                "what follows part {} can't be read without what is in it: a quote there does not end",
                number + 1
            ));
        };
        at = Some(end);
    }
    if at == Some(size) { Fate::Whole } else { Fate::Refused(misfit(of, at, Some(size))) }
}

/// Looks at neighbours where a part before them has no outcome yet.
fn pairs(outcomes: &[Outcome]) -> Fate {
    for outcome in outcomes.iter().filter(|outcome| outcome.failed.is_none()) {
        let next = outcomes.iter().find(|next| next.number == outcome.number + 1);
        let Some(next) = next else { continue };
        if outcome.end_at.is_none() || outcome.end_at != next.first_at {
            return Fate::Refused(misfit(next.number, outcome.end_at, next.first_at));
        }
    }
    Fate::Open
}

fn misfit(number: u32, ends: Option<u64>, begins: Option<u64>) -> String {
    let place = |at: Option<u64>| at.map_or_else(|| "an unknown place".to_owned(), |at| format!("byte {at}"));
    format!("part {number} ends at {}, and what follows was taken to begin at {}", place(ends), place(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(number: u32, first_at: u64, end_at: u64) -> Outcome {
        Outcome { number, first_at: Some(first_at), end_at: Some(end_at), failed: None, is_certain: false }
    }

    fn failed(number: u32, first_at: u64) -> Outcome {
        Outcome { end_at: None, failed: Some(ErrorName::BadRow), ..loaded(number, first_at, 0) }
    }

    #[test]
    fn parts_that_meet_are_the_object() {
        let parts = [loaded(1, 12, 21), loaded(0, 5, 12), loaded(2, 21, 30)];
        assert_eq!(judge(&parts, 3, 30), Fate::Whole);
        assert_eq!(judge(&parts[..2], 3, 30), Fate::Open);
        assert!(matches!(judge(&parts, 3, 31), Fate::Refused(_)));
        assert_eq!(judge(&[], 3, 30), Fate::Open);
    }

    #[test]
    fn a_gap_an_overlap_or_an_unknown_end_is_refused_as_soon_as_it_is_seen() {
        let said = |parts: &[Outcome]| match judge(parts, 4, 40) {
            Fate::Refused(said) => said,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            said(&[loaded(2, 20, 30), loaded(3, 31, 40)]),
            "part 3 ends at byte 30, and what follows was taken to begin at byte 31"
        );
        said(&[loaded(0, 1, 12), loaded(1, 11, 20)]);
        said(&[Outcome { end_at: None, ..loaded(2, 20, 0) }, loaded(3, 31, 40)]);
        assert!(said(&[Outcome { end_at: None, ..loaded(0, 1, 0) }]).contains("part 1"));
    }

    #[test]
    fn a_failure_counts_where_its_part_is_known_to_begin() {
        assert_eq!(judge(&[failed(0, 7)], 3, 30), Fate::Failed(0));
        assert_eq!(judge(&[failed(1, 12)], 3, 30), Fate::Open);
        assert_eq!(judge(&[failed(1, 12), loaded(0, 5, 12)], 3, 30), Fate::Failed(1));
        assert!(matches!(judge(&[failed(1, 12), loaded(0, 5, 13)], 3, 30), Fate::Refused(_)));
        let certain = Outcome { is_certain: true, ..failed(2, 0) };
        assert_eq!(judge(std::slice::from_ref(&certain), 3, 30), Fate::Failed(2));
        let refused = Outcome { failed: Some(ErrorName::Unreconciled), ..certain };
        assert!(matches!(judge(&[refused], 3, 30), Fate::Refused(_)));
    }
}
