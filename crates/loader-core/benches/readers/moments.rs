//! The moments of the publish, as it tells them itself.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Everything that the loader has said, and when.
#[derive(Clone, Default)]
pub(crate) struct Moments(Arc<Mutex<Vec<Said>>>);

#[derive(Default)]
struct Said {
    message: String,
    error: Option<String>,
    at: Option<Instant>,
}

impl Moments {
    /// Listens to the whole program from now on.
    pub(crate) fn listen() -> Self {
        let moments = Self::default();
        tracing::subscriber::set_global_default(moments.clone()).expect("nobody listens yet");
        moments
    }

    /// Forgets what has been said.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Returns when this was said.
    pub(crate) fn all(&self, message: &str) -> Vec<Instant> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|said| said.message == message)
            .filter_map(|said| said.at)
            .collect()
    }

    /// Returns the errors that were told.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().filter_map(|said| said.error.clone()).collect()
    }

    /// Returns when this was said last.
    pub(crate) fn last(&self, message: &str) -> Instant {
        self.all(message).pop().unwrap_or_else(|| panic!("the loader never said: {message}"))
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" => self.error = Some(format!("{value:?}")),
            _ => {}
        }
    }
}

impl Subscriber for Moments {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("loader_core")
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said { at: Some(Instant::now()), ..Said::default() };
        event.record(&mut said);
        self.0.lock().unwrap().push(said);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
