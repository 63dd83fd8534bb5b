//! What a benchmark is told on its command line.

/// How many rows, and how often each case is measured.
pub(crate) struct Arguments {
    pub(crate) rows: u64,
    pub(crate) rounds: usize,
    /// The part that is measured; none: all of them.
    pub(crate) only: Option<String>,
}

impl Arguments {
    /// Reads `--rows`, `--rounds` and `--only`, which is one of some parts; the first two
    /// have these defaults.
    pub(crate) fn or(rows: u64, rounds: usize, parts: &[&str]) -> Self {
        let mut found = Self { rows, rounds, only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--rows" => found.rows = value().parse().unwrap(),
                "--rounds" => found.rounds = value().parse().unwrap(),
                "--only" => found.only = Some(value()),
                // Cargo says so to every benchmark.
                "--bench" => {}
                other => panic!("{other} is none of --rows, --rounds, --only"),
            }
        }
        if let Some(only) = &found.only {
            assert!(parts.contains(&only.as_str()), "{only} is none of the parts: {parts:?}");
        }
        found
    }
}
