//! Runs the cases of a suite, each with a time limit, several at once.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::outcome::{Grade, Outcome, Verdict};
use crate::suite::{Case, Cases, LeftOut, Suite};
use crate::workbench::Workbench;

/// How cases are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many cases at once, each worker with a database of its own.
    pub workers: usize,
    /// How long a case may take.
    pub limit: Duration,
    /// Run the cases only whose names contain this.
    pub only: Option<String>,
    /// Print each case with what came of it.
    pub show: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { workers: 2, limit: Duration::from_mins(1), only: None, show: false }
    }
}

/// A case with its verdict.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The case's name.
    pub name: String,
    /// The case's notes.
    pub notes: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// What the suite's own metric says.
    pub measure: Option<f64>,
}

/// What came of a suite.
#[derive(Debug, Clone, Default)]
pub struct Score {
    /// The suite's name.
    pub suite: String,
    /// The share that must be right.
    pub bar: f64,
    /// Its cases, in its order.
    pub judged: Vec<Judged>,
    /// The cases that were not run.
    pub left_out: Vec<LeftOut>,
    /// What the suite says of all of them.
    pub remarks: Vec<String>,
}

impl Score {
    /// Counts the cases of a grade.
    #[must_use]
    pub fn count(&self, grade: Grade) -> usize {
        self.judged.iter().filter(|judged| judged.verdict.grade == grade).count()
    }

    /// Counts the refusals that say neither where nor what to do.
    #[must_use]
    pub fn unclear(&self) -> usize {
        self.judged.iter().filter(|judged| judged.verdict.is_unclear).count()
    }

    /// The share of its cases that are right.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are some thousands of cases")]
    pub fn share(&self) -> f64 {
        self.count(Grade::Right) as f64 / self.judged.len().max(1) as f64
    }

    /// Whether it reaches its bar, nothing is silently wrong and nothing broke.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.share() >= self.bar && self.count(Grade::SilentlyWrong) == 0 && self.count(Grade::Crashed) == 0
    }
}

/// Runs a suite.
///
/// # Errors
/// Its data can't be read, or there is no database.
pub async fn run(suite: &dyn Suite, data: &Path, settings: &Settings) -> anyhow::Result<Score> {
    let Cases { mut cases, left_out } =
        suite.cases(data).with_context(|| format!("the suite {} can't be read", suite.name()))?;
    if let Some(only) = &settings.only {
        cases.retain(|case| case.name.contains(only));
    }
    let judged = judge_all(cases, settings).await?;
    let measured: Vec<(&str, f64)> =
        judged.iter().filter_map(|judged| Some((judged.name.as_str(), judged.measure?))).collect();
    let remarks = suite.remarks(data, &measured)?;
    Ok(Score { suite: suite.name().to_owned(), bar: suite.bar(), judged, left_out, remarks })
}

async fn judge_all(cases: Vec<Case>, settings: &Settings) -> anyhow::Result<Vec<Judged>> {
    let cases: Arc<[Arc<Case>]> = cases.into_iter().map(Arc::new).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..settings.workers.clamp(1, cases.len().max(1)) {
        let (cases, next, settings) = (Arc::clone(&cases), Arc::clone(&next), settings.clone());
        workers.spawn(async move {
            let mut judged = Vec::new();
            let mut bench = Arc::new(Workbench::open().await?);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(index) else { break };
                let (verdict, measure) = judge(&bench, case, &settings).await;
                if verdict.grade == Grade::Crashed {
                    // What broke may still hold the database.
                    let broken = std::mem::replace(&mut bench, Arc::new(Workbench::open().await?));
                    close(broken).await;
                }
                let (name, notes) = (case.name.clone(), case.notes.clone());
                judged.push((index, Judged { name, notes, verdict, measure }));
            }
            close(bench).await;
            anyhow::Ok(judged)
        });
    }
    let mut all = Vec::with_capacity(cases.len());
    while let Some(judged) = workers.join_next().await {
        all.extend(judged??);
    }
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, judged)| judged).collect())
}

async fn close(bench: Arc<Workbench>) {
    // A case that never ends keeps its database.
    if let Some(bench) = Arc::into_inner(bench) {
        bench.close().await;
    }
}

async fn judge(bench: &Arc<Workbench>, case: &Arc<Case>, settings: &Settings) -> (Verdict, Option<f64>) {
    let (verdict, outcome) = match load(bench, case, settings.limit).await {
        Ok(Ok(outcome)) => (Verdict::of(&case.expected, &outcome), Some(outcome)),
        Ok(Err(error)) => (of_the_case(&error), None),
        Err(why) => (Verdict::new(Grade::Crashed, why), None),
    };
    if settings.show {
        show(case, outcome.as_ref(), &verdict);
    }
    let published = match &outcome {
        Some(Outcome::Published(published)) => Some(published),
        _ => None,
    };
    let measure = case.metric.map(|metric| metric(case, published));
    (verdict, measure)
}

/// Loads a case on a thread of its own: a panic ends that alone, and what never ends is
/// left behind. Returns why there is no outcome.
async fn load(
    bench: &Arc<Workbench>,
    case: &Arc<Case>,
    limit: Duration,
) -> Result<anyhow::Result<Outcome>, String> {
    let (done, outcome) = oneshot::channel();
    let (bench, case) = (Arc::clone(bench), Arc::clone(case));
    let thread = std::thread::Builder::new()
        .name("case".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let outcome =
                runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(bench.load(&case)));
            drop(bench);
            // Nobody waits for what came too late.
            let _ = done.send(outcome);
        })
        .map_err(|error| format!("no thread: {error}"))?;
    match tokio::time::timeout(limit, outcome).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => {
            Err(thread.join().map_or_else(|payload| panicked(&*payload), |()| "ended early".to_owned()))
        }
        Err(_) => Err(format!("did not end within {} seconds", limit.as_secs())),
    }
}

/// A case whose query can't be asked: what was published lacks what it asks for. Nothing
/// says that the loader has seen it.
fn of_the_case(error: &anyhow::Error) -> Verdict {
    Verdict::new(Grade::SilentlyWrong, format!("{error:#}"))
}

fn panicked(payload: &(dyn Any + Send)) -> String {
    let said = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("panicked: {said}")
}

fn show(case: &Case, outcome: Option<&Outcome>, verdict: &Verdict) {
    println!("--- {} {}", case.name, verdict.grade);
    for note in &case.notes {
        println!("    {note}");
    }
    println!("    setup: {:?}", case.setup);
    println!("    definition: {}", case.definition);
    println!("    query: {}", case.query.as_deref().unwrap_or("all"));
    for (key, bytes) in &case.objects {
        let beginning = String::from_utf8_lossy(bytes.get(..bytes.len().min(300)).unwrap_or_default());
        println!("    object: {key}, {} bytes: {beginning:?}", bytes.len());
    }
    println!("    expected: {}", beginning_of(&format!("{:?}", case.expected)));
    println!("    outcome: {}", beginning_of(&format!("{outcome:?}")));
    println!("    {}", verdict.why);
}

fn beginning_of(text: &str) -> String {
    text.chars().take(2000).collect()
}
