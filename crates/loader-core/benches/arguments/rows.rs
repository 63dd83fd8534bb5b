//! What a benchmark is told on its command line.

/// How many rows, and how often each case is measured.
pub(crate) struct Arguments {
    pub(crate) rows: u64,
    pub(crate) rounds: usize,
}

impl Arguments {
    /// Reads `--rows` and `--rounds`; these are the defaults.
    pub(crate) fn or(rows: u64, rounds: usize) -> Self {
        let mut found = Self { rows, rounds };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--rows" => found.rows = value().parse().unwrap(),
                "--rounds" => found.rounds = value().parse().unwrap(),
                // Cargo says so to every benchmark.
                "--bench" => {}
                other => panic!("{other} is none of --rows, --rounds"),
            }
        }
        found
    }
}
