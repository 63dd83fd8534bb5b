//! Readers who come when they come: a thousand reads a second, whether the reads
//! before have been answered or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loader_core::database::connect::connect;
use loader_core::database::connection_string::ConnectionString;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

/// How many reads come each second.
pub(crate) const READS_A_SECOND: u32 = 1_000;
/// How many connections they share.
pub(crate) const CONNECTIONS: u32 = 40;

/// Half of the reads go to the table, half through the view.
const QUERIES: [&str; 2] = [
    "select id, station, value from public.readings where id = $1",
    "select id, station, value from public.readings_in_celsius where id = $1",
];

/// A read that is due.
struct Due {
    number: u64,
    at: Instant,
}

/// A read that was made.
#[derive(Debug)]
pub(crate) struct Read {
    /// When it was due.
    pub(crate) at: Instant,
    /// How long after that its row was there.
    pub(crate) latency: Duration,
    /// Why it failed.
    pub(crate) failure: Option<String>,
}

/// Readers at work.
pub(crate) struct Readers {
    stop: Arc<AtomicBool>,
    connections: Vec<JoinHandle<Vec<Read>>>,
}

impl Readers {
    /// Lets them come from now on. They are of a role that may read the table and
    /// the view because somebody has granted it that.
    pub(crate) async fn start(url: &str, role: &str, rows: u64) -> Self {
        let (sender, receiver) = unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut connections = Vec::new();
        for number in 0..CONNECTIONS {
            let client = connect(&ConnectionString::parse(url).unwrap()).await.unwrap();
            client.batch_execute(&format!("set role {role}")).await.unwrap();
            let mut statements = Vec::new();
            // One half prepares its statements once, the other sends its text each time.
            if number % 2 == 0 {
                for query in QUERIES {
                    statements.push(client.prepare(query).await.unwrap());
                }
            }
            let connection = Connection { client, statements, rows };
            connections.push(tokio::spawn(connection.serve(Arc::clone(&receiver))));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        // A thread of its own: the runtime's timers are good for milliseconds only.
        thread::spawn(move || send_for(&sender, &stopped));
        Self { stop, connections }
    }

    /// Lets no more come, waits for the last ones, and returns all reads.
    pub(crate) async fn stop(self) -> Vec<Read> {
        self.stop.store(true, Ordering::Relaxed);
        let mut reads = Vec::new();
        for connection in self.connections {
            reads.extend(connection.await.unwrap());
        }
        reads
    }
}

fn send_for(sender: &UnboundedSender<Due>, stopped: &AtomicBool) {
    let begun = Instant::now();
    let mut number = 0_u64;
    while !stopped.load(Ordering::Relaxed) {
        let at = begun + Duration::from_micros(number * 1_000_000 / u64::from(READS_A_SECOND));
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if sender.send(Due { number, at }).is_err() {
            return;
        }
        number += 1;
    }
}

struct Connection {
    client: Client,
    /// Empty if it prepares none.
    statements: Vec<Statement>,
    rows: u64,
}

impl Connection {
    async fn serve(self, due: Arc<Mutex<UnboundedReceiver<Due>>>) -> Vec<Read> {
        let mut reads = Vec::new();
        loop {
            let next = due.lock().await.recv().await;
            let Some(Due { number, at }) = next else { return reads };
            let failure = self.read(number).await.err();
            reads.push(Read { at, latency: at.elapsed(), failure });
        }
    }

    async fn read(&self, number: u64) -> Result<(), String> {
        let key = i64::try_from(scattered(number) % self.rows + 1).unwrap();
        let which = usize::from(number % 2 == 1);
        let rows = match self.statements.get(which) {
            Some(statement) => self.client.query(statement, &[&key]).await,
            None => self.client.query_typed(QUERIES.get(which).unwrap(), &[(&key, Type::INT8)]).await,
        }
        .map_err(|error| error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string))?;
        match rows.as_slice() {
            [row] if row.get::<_, i64>(0) == key => Ok(()),
            other => Err(format!("{} rows have the key {key}", other.len())),
        }
    }
}

/// Scatters the numbers over the keys, the same way in every round (splitmix64).
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
