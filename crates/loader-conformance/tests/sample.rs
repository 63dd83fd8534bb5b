//! The sample of the suites that is in the repository, loaded into a real Postgres.

use std::path::Path;

use loader_conformance::outcome::Grade;
use loader_conformance::report::misses;
use loader_conformance::runner::{Settings, run};
use loader_conformance::suites;

#[tokio::test]
async fn the_sample_of_every_suite_is_loaded_right() {
    let mut suites_run = 0;
    for folder in ["../../tests/data/conformance", "../../tests/data"] {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for suite in suites::all().into_iter().filter(|suite| data.join(suite.name()).is_dir()) {
            let score = run(suite.as_ref(), &data, &Settings::default()).await.unwrap();
            let misses: Vec<String> = misses(&score)
                .into_iter()
                .map(|miss| format!("{}: {}: {}", miss.name, miss.verdict.grade, miss.verdict.why))
                .collect();
            assert!(misses.is_empty(), "{}:\n{}", score.suite, misses.join("\n"));
            assert!(score.count(Grade::Right) > 0, "{} has no cases", score.suite);
            suites_run += 1;
        }
    }
    assert!(suites_run > 1, "only {suites_run} suites have a sample");
}
