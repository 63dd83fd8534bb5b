//! Decides whether more or fewer sessions are to load. Nothing here asks a database.
//!
//! Fewer at once where the database is in trouble (halved), and one by one, or a quarter
//! at a time, where the last ones bring too little; one more where that has brought enough.
//! It is a climb: a number of sessions is tried, its rate is remembered, and the next
//! number is compared with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Groups for each session, and at least, that a decision is taken from.
const GROUPS_FOR_EACH_SESSION: u32 = 2;
const LEAST_GROUPS: u32 = 4;

/// Which part of what the others bring each a session has to bring to be worth it.
const WORTH: f64 = 0.5;

/// How much a newer rate counts beside the one that is remembered.
const NEWER: f64 = 0.5;

/// Decisions without a trial: after trouble, and, growing, after trials that led nowhere.
const REST_AFTER_TROUBLE: u32 = 2;
const FIRST_REST: u32 = 4;
const LONGEST_REST: u32 = 32;

/// What is remembered between decisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Bytes a second by the number of sessions that loaded them.
    rates: BTreeMap<u32, f64>,
    /// Decisions until another number is tried.
    rest: u32,
    /// The next rest.
    next_rest: u32,
    /// Whether fewer are tried next, and not more.
    downward: bool,
}

impl Default for Learned {
    fn default() -> Self {
        // One decision first: what the first groups have to set up is no measure.
        Self { rates: BTreeMap::new(), rest: 1, next_rest: FIRST_REST, downward: true }
    }
}

/// The pace of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// The most sessions: what the plan found affordable.
    pub most: u32,
    /// How many may load.
    pub allowed: u32,
    /// What is remembered.
    pub learned: Learned,
}

/// What the sessions have seen since the last decision.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// Groups that were loaded.
    pub groups: u32,
    /// Their bytes.
    pub bytes: f64,
    /// How long they took, added up.
    pub seconds: f64,
    /// How many sessions were at work on average.
    pub sessions: f64,
    /// The most sessions at a time that had waited for over a second for a lock that a
    /// loading session holds, or as a loading session.
    pub lock_waits: u32,
    /// By how many seconds the slowest replica was behind at most; none if there is none
    /// or it is not to be seen.
    pub replica_lag: Option<f64>,
}

impl Seen {
    /// Returns bytes a second of all sessions together.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.bytes / self.seconds * self.sessions } else { 0.0 }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The pace from now on.
    pub pace: Pace,
    /// Why, with the numbers that it follows from.
    pub reason: String,
}

/// Decides anew how many sessions load; none while too little has been seen for that.
/// A replica may be behind by `most_lag` seconds.
#[must_use]
pub fn decide(pace: &Pace, seen: &Seen, most_lag: f64) -> Option<Decision> {
    if let Some(trouble) = trouble(seen, most_lag) {
        return Some(slow_down(pace, &trouble));
    }
    let wanted = pace.allowed.saturating_mul(GROUPS_FOR_EACH_SESSION).max(LEAST_GROUPS);
    if seen.groups < wanted {
        return None;
    }
    let rate = seen.rate();
    if seen.sessions + 0.5 < f64::from(pace.allowed) {
        let reason = format!("stays: only {:.1} of {} sessions were at work", seen.sessions, pace.allowed);
        return Some(Decision { pace: pace.clone(), reason });
    }
    let mut learned = pace.learned.clone();
    let known = learned.rates.get(&pace.allowed).copied();
    let rate = known.map_or(rate, |known| known + (rate - known) * NEWER);
    learned.rates.insert(pace.allowed, rate);
    let mut climb = Climb { allowed: pace.allowed, most: pace.most, learned };
    let (allowed, reason) = climb.step(rate);
    let allowed = allowed.clamp(1, pace.most.max(1));
    Some(Decision { pace: Pace { most: pace.most, allowed, learned: climb.learned }, reason })
}

/// Says what troubles the database, if anything does.
fn trouble(seen: &Seen, most_lag: f64) -> Option<String> {
    if seen.lock_waits > 0 {
        return Some(format!("sessions waiting for locks: {}", seen.lock_waits));
    }
    let lag = seen.replica_lag.filter(|lag| *lag > most_lag)?;
    Some(format!("a replica is {lag:.0} s behind, {most_lag:.0} s are allowed"))
}

fn slow_down(pace: &Pace, trouble: &str) -> Decision {
    let allowed = (pace.allowed / 2).max(1);
    // What was fast before may not be now.
    let learned = Learned { rest: REST_AFTER_TROUBLE, downward: false, ..Learned::default() };
    let what = if allowed < pace.allowed { "halved" } else { "stays at one" };
    Decision { pace: Pace { most: pace.most, allowed, learned }, reason: format!("{what}: {trouble}") }
}

/// Whether the sessions from `low` to `high` bring enough beside those of `low`.
fn worth((low, low_rate): (u32, f64), (high, high_rate): (u32, f64)) -> bool {
    let (low, high) = (f64::from(low), f64::from(high));
    high_rate - low_rate >= (high - low) * low_rate / low * WORTH
}

fn mb(rate: f64) -> f64 {
    rate / 1e6
}

/// One step of the climb.
struct Climb {
    allowed: u32,
    most: u32,
    learned: Learned,
}

impl Climb {
    fn step(&mut self, rate: f64) -> (u32, String) {
        let here = (self.allowed, rate);
        if self.learned.rest > 0 {
            self.learned.rest -= 1;
            if self.learned.rest == 0 {
                // Others may have come or gone: what was found out is found out anew.
                self.learned.rates.retain(|sessions, _| *sessions == here.0);
            }
            return (here.0, format!("stays: {} sessions load {:.1} MB/s", here.0, mb(rate)));
        }
        let fewer = self.learned.rates.range(..here.0).next_back().map(|(n, rate)| (*n, *rate));
        let more = self.learned.rates.range(here.0 + 1..).next().map(|(n, rate)| (*n, *rate));
        let compared = |(sessions, rate): (u32, f64)| {
            format!("{} sessions load {:.1} MB/s, {sessions} loaded {:.1}", here.0, mb(here.1), mb(rate))
        };
        if let Some(fewer) = fewer.filter(|fewer| !worth(*fewer, here)) {
            self.rest();
            return (fewer.0, format!("fewer: {}", compared(fewer)));
        }
        if let Some(more) = more.filter(|more| worth(here, *more)) {
            return (here.0 + 1, format!("one more: {}", compared(more)));
        }
        let may_rise = more.is_none() && here.0 < self.most;
        let may_fall = fewer.is_none() && here.0 > 1;
        let trying = format!("{} sessions load {:.1} MB/s", here.0, mb(rate));
        if may_rise && !(may_fall && self.learned.downward) {
            let reason = fewer.map_or(format!("tries one more: {trying}"), |fewer| {
                format!("one more: {}", compared(fewer))
            });
            return (here.0 + 1, reason);
        }
        if may_fall {
            // A quarter fewer: where there are far too many, not one by one.
            let tried = (here.0 - here.0.div_ceil(4)).max(1);
            let reason =
                more.map_or(format!("tries fewer: {trying}"), |more| format!("fewer: {}", compared(more)));
            return (tried, reason);
        }
        self.rest();
        (here.0, format!("stays: {trying}, and no other number loads more"))
    }

    /// Begins a rest; the trial after it goes the other way.
    const fn rest(&mut self) {
        self.learned.rest = self.learned.next_rest;
        self.learned.next_rest =
            if self.learned.next_rest * 2 > LONGEST_REST { LONGEST_REST } else { self.learned.next_rest * 2 };
        self.learned.downward = !self.learned.downward;
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
