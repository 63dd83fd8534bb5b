//! What a person reads while this program works: short lines on standard error.

/// Says one thing that happens now.
pub(crate) fn say(line: impl AsRef<str>) {
    eprintln!("  {}", line.as_ref());
}

/// Says that a new part begins.
pub(crate) fn heading(line: impl AsRef<str>) {
    eprintln!("\n{}", line.as_ref());
}
