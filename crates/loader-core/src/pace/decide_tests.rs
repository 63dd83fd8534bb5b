use proptest::prelude::*;

use super::*;

const MOST_LAG: f64 = 30.0;

/// The pace of a run that begins: all sessions that it may have.
fn begun(most: u32) -> Pace {
    Pace { most: most.max(1), allowed: most.max(1), learned: Learned::default() }
}

/// What sessions see at a database that loads `rate(n)` bytes a second for n of them.
fn seen(sessions: u32, rate: f64) -> Seen {
    let groups = (sessions * 2).max(4);
    // Each session loads a share of it.
    let seconds = f64::from(groups);
    let bytes = rate / f64::from(sessions) * seconds;
    Seen { groups, bytes, seconds, sessions: f64::from(sessions), lock_waits: 0, replica_lag: None }
}

/// Lets a run go on for so many decisions, and returns how many sessions loaded at each.
fn run(pace: &mut Pace, decisions: usize, rate: impl Fn(u32) -> f64) -> Vec<u32> {
    let mut history = Vec::new();
    for _ in 0..decisions {
        history.push(pace.allowed);
        let decision = decide(pace, &seen(pace.allowed, rate(pace.allowed)), MOST_LAG).unwrap();
        *pace = decision.pace;
    }
    history
}

/// A database of so many processors: as many sessions load at full speed, more do not
/// load more.
fn cpus(cpus: u32) -> impl Fn(u32) -> f64 {
    move |sessions| f64::from(sessions.min(cpus)) * 10e6
}

/// The number that most of the last decisions had.
fn settled(history: &[u32]) -> u32 {
    let last = &history[history.len() / 2..];
    let count = |n: u32| last.iter().filter(|at| **at == n).count();
    last.iter().copied().max_by_key(|n| count(*n)).unwrap()
}

#[test]
fn nothing_is_decided_from_a_few_groups() {
    let few = Seen { groups: 7, ..seen(4, 1e6) };
    assert_eq!(decide(&begun(4), &few, MOST_LAG), None);
}

#[test]
fn a_session_that_waits_for_a_lock_halves_the_pace_at_once() {
    let waits = Seen { groups: 1, lock_waits: 2, ..seen(8, 1e6) };
    let decision = decide(&begun(8), &waits, MOST_LAG).unwrap();
    assert_eq!(decision.pace.allowed, 4);
    assert_eq!(decision.reason, "halved: sessions waiting for locks: 2");
}

#[test]
fn a_replica_that_is_too_far_behind_halves_the_pace() {
    let behind = Seen { groups: 1, replica_lag: Some(31.0), ..seen(8, 1e6) };
    let decision = decide(&begun(8), &behind, MOST_LAG).unwrap();
    assert_eq!(decision.pace.allowed, 4);
    assert_eq!(decision.reason, "halved: a replica is 31 s behind, 30 s are allowed");
    let near = Seen { replica_lag: Some(29.0), ..behind };
    assert_eq!(decide(&begun(8), &near, MOST_LAG), None);
}

#[test]
fn a_pace_that_fell_rises_one_by_one_when_the_trouble_is_over() {
    let mut pace = begun(8);
    let waits = Seen { groups: 1, lock_waits: 1, ..seen(8, 1e6) };
    pace = decide(&pace, &waits, MOST_LAG).unwrap().pace;
    let history = run(&mut pace, 20, cpus(8));
    assert_eq!(history[..7], [4, 4, 4, 5, 6, 7, 8]);
}

#[test]
fn sessions_that_are_not_there_teach_nothing() {
    let idle = Seen { sessions: 2.0, ..seen(4, 1e6) };
    let decision = decide(&begun(4), &idle, MOST_LAG).unwrap();
    assert_eq!(decision.pace, begun(4));
    assert_eq!(decision.reason, "stays: only 2.0 of 4 sessions were at work");
}

#[test]
fn a_database_that_gets_slower_with_more_sessions_gets_fewer() {
    // From five on they are in each other's way.
    let rate = |n: u32| f64::from(n.min(5)) * 10e6 - f64::from(n.saturating_sub(5)) * 4e6;
    let history = run(&mut begun(12), 60, rate);
    assert_eq!(settled(&history), 5, "{history:?}");
}

#[test]
fn what_is_learned_is_read_back() {
    let mut pace = begun(6);
    run(&mut pace, 9, cpus(3));
    let json = serde_json::to_value(&pace.learned).unwrap();
    assert_eq!(serde_json::from_value::<Learned>(json).unwrap(), pace.learned);
}

proptest! {
    #[test]
    fn a_pace_settles_at_the_best_of_a_database(processors in 1_u32..20, most in 1_u32..40) {
        let mut pace = begun(most);
        let history = run(&mut pace, 200, cpus(processors));
        prop_assert_eq!(settled(&history), processors.min(most), "{:?}", history);
        // And does not give away more than a little for its trials.
        let rate = cpus(processors);
        let best: f64 = history.iter().map(|_| rate(processors.min(most))).sum();
        let loaded: f64 = history.iter().map(|n| rate(*n)).sum();
        prop_assert!(loaded >= best * 0.9, "{} of {}: {:?}", loaded, best, history);
    }

    #[test]
    fn a_pace_is_never_none_and_never_too_many(
        most in 0_u32..60,
        seens in proptest::collection::vec(
            (0_u32..200, 0.0_f64..1e9, 0.0_f64..1e4, 0.0_f64..70.0, 0_u32..3, proptest::option::of(0.0_f64..60.0)),
            1..80,
        ),
    ) {
        let mut pace = begun(most);
        for (groups, bytes, seconds, sessions, lock_waits, replica_lag) in seens {
            let seen = Seen { groups, bytes, seconds, sessions, lock_waits, replica_lag };
            if let Some(decision) = decide(&pace, &seen, MOST_LAG) {
                prop_assert!(decision.pace.allowed >= 1);
                prop_assert!(decision.pace.allowed <= most.max(1));
                prop_assert!(decision.pace.allowed <= pace.allowed + 1);
                prop_assert!(!decision.reason.is_empty());
                pace = decision.pace;
            }
        }
    }

    #[test]
    fn a_pace_falls_to_one_while_the_trouble_lasts(most in 1_u32..1000) {
        let mut pace = begun(most);
        for _ in 0..10 {
            let trouble = Seen { groups: 1, lock_waits: 1, ..Seen::default() };
            pace = decide(&pace, &trouble, MOST_LAG).unwrap().pace;
        }
        prop_assert_eq!(pace.allowed, 1);
    }

    #[test]
    fn a_pace_rises_to_what_it_may_have_where_every_session_brings_its_share(most in 2_u32..30) {
        let mut pace = Pace { allowed: 1, ..begun(most) };
        let history = run(&mut pace, 120, |n| f64::from(n) * 1e6);
        prop_assert_eq!(settled(&history), most, "{:?}", history);
    }
}
