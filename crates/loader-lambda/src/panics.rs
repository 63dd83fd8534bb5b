//! What a panic said, kept for the error that it becomes.

use std::any::Any;
use std::cell::RefCell;
use std::panic::PanicHookInfo;

use loader_core::error::{Error, ErrorName};

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics of this process log lines, and remembers where the last one of
/// each thread was.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let place = place(panic);
        tracing::error!(
            panic.place = place.as_deref(),
            panic.message = text(panic.payload()),
            "the program is at fault"
        );
        PLACE.with(|last| *last.borrow_mut() = place);
    }));
}

/// Turns a panic that was caught into an error.
pub(crate) fn error(payload: &(dyn Any + Send)) -> Error {
    let place = PLACE.with(|last| last.borrow_mut().take());
    let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
    let message = format!("the program is at fault: it panicked{place}: {}", text(payload));
    Error::new(ErrorName::Internal, message)
}

fn place(panic: &PanicHookInfo<'_>) -> Option<String> {
    panic.location().map(|place| format!("{}:{}", place.file(), place.line()))
}

fn text(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
