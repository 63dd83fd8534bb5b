//! Log lines: one JSON object each, flat, so that one query finds `run.id`
//! wherever it was said.

use std::fmt;
use std::io::stdout;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::environment::Environment;

/// Sends the log of this process to its standard output, as detailed as
/// `LOG_LEVEL` says.
pub(crate) fn install(step: &str, environment: &Environment) {
    let choices = [
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let level = environment.choice("LOG_LEVEL", LevelFilter::INFO, &choices);
    let filter = filter(step, *level.as_ref().unwrap_or(&LevelFilter::INFO));
    // There is one already where a test made it.
    let _ = tracing::subscriber::set_global_default(subscriber(filter, stdout));
    if let Err(error) = level {
        tracing::warn!(%error, "logging at the level info");
    }
}

/// Lets our own lines through at the level that was asked for, and of the
/// libraries only warnings: a database's notices quote cell values.
fn filter(step: &str, level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        // It logs each error once more, as Rust prints it.
        .with_target("lambda_runtime::layers", LevelFilter::OFF)
        .with_target("loader_", level)
        .with_target(step.replace('-', "_"), level)
}

fn subscriber<W>(filter: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(FlatJson)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines).with(filter)
}

/// Writes an event with the fields of its spans beside its own.
struct FlatJson;

impl<S> FormatEvent<S, JsonFields> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line(Map::new());
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            if let Some(Ok(Value::Object(fields))) = fields.map(|fields| serde_json::from_str(&fields.fields))
            {
                line.0.extend(fields);
            }
        }
        event.record(&mut line);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.put("timestamp", time);
        line.put("level", event.metadata().level().as_str());
        line.put("target", event.metadata().target());
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

/// The fields of a line.
struct Line(Map<String, Value>);

impl Line {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(level: LevelFilter, logs: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(filter("import-batch", level), move || writer.clone());
        tracing::subscriber::with_default(subscriber, logs);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_flat_json_with_the_fields_of_its_spans() {
        let lines = lines(LevelFilter::INFO, || {
            let span = tracing::info_span!("invocation", run.id = "r-1", table.name = "t \"x\"");
            let _entered = span.enter();
            tracing::info!(object.key = %"y/a.csv", duration_ms = 12_u64, ok = true, "object loaded");
        });
        let [line] = lines.as_slice() else { panic!("one line") };
        assert_eq!(line["run.id"], "r-1");
        assert_eq!(line["table.name"], "t \"x\"");
        assert_eq!(line["object.key"], "y/a.csv");
        assert_eq!(line["duration_ms"], 12);
        assert_eq!(line["ok"], true);
        assert_eq!(line["message"], "object loaded");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_field_that_is_none_is_left_out() {
        let lines = lines(LevelFilter::INFO, || {
            let span = tracing::info_span!("invocation", run.id = None::<String>);
            let _entered = span.enter();
            tracing::info!(memory_peak_kb = None::<u64>, "done");
        });
        assert_eq!(lines[0].get("run.id"), None);
        assert_eq!(lines[0].get("memory_peak_kb"), None);
    }

    #[test]
    fn libraries_are_heard_from_warnings_on_and_a_database_s_notices_never() {
        let lines = lines(LevelFilter::TRACE, || {
            tracing::trace!(target: "import_batch::batch", "ours");
            tracing::trace!(target: "loader_core::import", "ours");
            tracing::info!(target: "tokio_postgres::connection", "NOTICE: a cell value");
            tracing::warn!(target: "hyper", "theirs");
            tracing::error!(target: "lambda_runtime::layers::panic", "once more");
        });
        let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["ours", "ours", "theirs"]);
    }
}
