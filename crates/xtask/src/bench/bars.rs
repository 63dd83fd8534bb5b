//! What a load may cost at most: the bars, all of them here.

use serde::Serialize;

use super::dataset::{ALL_FILES, megabytes};
use super::report::{Found, Medians, Section};
use super::variant::{Lane, Way};

/// Weather with types beside the server's COPY of one file: time.
///
/// These two bars are for values that the server takes as they are, `double precision`. It reads
/// each digit of a `numeric`, so that these come to more than that even from a file that it
/// has written itself.
const TYPED_TIME: f64 = 0.6;
/// The same: the server's processor time.
const TYPED_SERVER: f64 = 0.55;
/// Weather with types beside one COPY for each file: time.
const TYPED_TIME_OF_EACH: f64 = 0.3;
/// Weather as text beside the server's COPY of one file: time, and processor time.
const TEXT: f64 = 0.75;
/// Processor time of the client for a GB of typed CSV, in seconds.
const TYPED_CLIENT: f64 = 3.0;
/// The same, of text.
const TEXT_CLIENT: f64 = 1.5;
/// The client's most memory, in MiB.
const PEAK: f64 = 64.0;
/// The state machine on the emulator beside the import alone, with a full year: time. With
/// fewer files it is what every run costs, whatever it loads.
const STATE_MACHINE: f64 = 1.5;

/// A bar, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judged {
    /// What is asked for.
    pub(crate) what: String,
    /// What was found.
    pub(crate) found: f64,
    /// What it may be at most.
    pub(crate) most: f64,
}

impl Judged {
    /// Tells whether the bar is met.
    pub(crate) fn is_met(&self) -> bool {
        self.found <= self.most
    }
}

impl std::fmt::Display for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.is_met() { "met" } else { "MISSED" };
        write!(f, "{word}: {}: {:.2}, at most {:.2}", self.what, self.found, self.most)
    }
}

/// Holds what was found against the bars. What was not measured is not judged.
pub(crate) fn judge(sections: &[Section]) -> Vec<Judged> {
    sections.iter().flat_map(of_section).collect()
}

/// Lists what of ours, and of the limit, has other rows than it should or was not run.
pub(crate) fn failures(sections: &[Section]) -> Vec<String> {
    let mut failures = Vec::new();
    for section in sections {
        for found in section.found.iter().filter(|found| !found.peer) {
            if found.is_wrong() || (found.ours && found.not_run.is_some()) {
                let why = found.not_run.clone().or_else(|| found.verdict().map(ToString::to_string));
                failures.push(format!("{}: {}: {}", section.title(), found.name, why.unwrap_or_default()));
            }
        }
    }
    failures
}

fn of_section(section: &Section) -> Vec<Judged> {
    let (Some(ours), Some(limit)) = (section.of(Way::Ours { one: false }), section.limit()) else {
        return Vec::new();
    };
    let mut judged = Vec::new();
    let mut judge = |what: &str, found: Option<f64>, most: f64| {
        if let Some(found) = found.filter(|found| found.is_finite()) {
            judged.push(Judged {
                what: format!("{} {}: {what}", section.dataset, section.lane.title()),
                found,
                most,
            });
        }
    };
    let server = ours.server.zip(limit.server).map(|(ours, limit)| ours / limit);
    let client = ours.client.map(|client| client / (megabytes(section.bytes) / 1e3));
    judge("peak memory in MiB", ours.peak_mib, PEAK);
    match section.lane {
        Lane::Typed | Lane::Doubles => judge("client CPU for a GB in s", client, TYPED_CLIENT),
        Lane::Text => judge("client CPU for a GB in s", client, TEXT_CLIENT),
    }
    if section.weather && section.lane == Lane::Doubles {
        judge("time beside server COPY, one file", Some(ours.wall / limit.wall), TYPED_TIME);
        judge("server CPU beside server COPY, one file", server, TYPED_SERVER);
        let each = section.of(Way::ServerFiles).map(|each| ours.wall / each.wall);
        judge("time beside server COPY, each file", each, TYPED_TIME_OF_EACH);
    }
    if section.weather && section.lane == Lane::Text {
        judge("time beside server COPY, one file", Some(ours.wall / limit.wall), TEXT);
        judge("server CPU beside server COPY, one file", server, TEXT);
    }
    if section.dataset == ALL_FILES {
        let whole = section.of(Way::StateMachine).map(|whole| whole.wall / ours.wall);
        judge("time of the state machine beside the import alone", whole, STATE_MACHINE);
    }
    for peer in section.found.iter().filter(|found| found.peer && !found.is_wrong()) {
        if let Some(of_peer) = peer.medians() {
            beside(&mut judge, ours, peer, of_peer);
        }
    }
    judged
}

/// Ours is ahead of every other loader in every column.
fn beside(judge: &mut impl FnMut(&str, Option<f64>, f64), ours: Medians, peer: &Found, of_peer: Medians) {
    type Part = fn(Medians) -> Option<f64>;
    let parts: [(&str, Part); 4] = [
        ("time", |of| Some(of.wall)),
        ("server CPU", |of| of.server),
        ("client CPU", |of| of.client),
        ("peak memory", |of| of.peak_mib),
    ];
    for (name, part) in parts {
        let ratio = part(ours).zip(part(of_peer)).map(|(ours, theirs)| ours / theirs);
        judge(&format!("{name} beside {}", peer.name), ratio, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{found, section};
    use super::super::rows::Verdict;
    use super::*;

    #[test]
    fn ours_is_held_against_the_limit_and_against_others_with_the_same_rows() {
        let wrong = Verdict::Wrong("1 rows, not 2".to_owned());
        let mut section = section(vec![
            found(Way::Limit, &[4.0], &Verdict::Same),
            found(Way::Ours { one: false }, &[2.0], &Verdict::Same),
            found(Way::Python, &[1.0], &Verdict::Same),
            found(Way::Peer(&super::super::peers::PEERS[0]), &[0.1], &wrong),
        ]);
        section.lane = Lane::Doubles;
        let judged = judge(&[section]);
        let missed: Vec<&str> =
            judged.iter().filter(|judged| !judged.is_met()).map(|judged| judged.what.as_str()).collect();
        assert_eq!(
            missed,
            [
                "all_files typed, double precision: time beside boto3 + psycopg2",
                "all_files typed, double precision: server CPU beside boto3 + psycopg2",
                "all_files typed, double precision: client CPU beside boto3 + psycopg2",
            ]
        );
        assert!(
            judged
                .iter()
                .any(|judged| judged.what.ends_with("time beside server COPY, one file")
                    && judged.found < 0.51)
        );
    }

    #[test]
    fn ours_with_other_rows_is_a_failure_and_others_with_other_rows_are_not() {
        let wrong = Verdict::Wrong("1 rows, not 2".to_owned());
        let sections = [section(vec![
            found(Way::Ours { one: false }, &[2.0], &wrong),
            found(Way::Python, &[1.0], &wrong),
        ])];
        assert_eq!(failures(&sections).len(), 1);
    }
}
