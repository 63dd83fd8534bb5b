//! The moments of the publish, as it tells them itself.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Everything that the loader has said, and when.
#[derive(Clone, Default)]
pub(crate) struct Moments(Arc<Mutex<Vec<(String, Instant)>>>);

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
        self.0.lock().unwrap().iter().filter(|(said, _)| said == message).map(|(_, at)| *at).collect()
    }

    /// Returns when this was said last.
    pub(crate) fn last(&self, message: &str) -> Instant {
        self.all(message).pop().unwrap_or_else(|| panic!("the loader never said: {message}"))
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Moments {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("loader_core")
    }

    fn event(&self, event: &Event<'_>) {
        let now = Instant::now();
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push((message.0, now));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
