//! The text of a record as it stands in the object.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A part of what has been read.
///
/// The text is shared with its reader and not copied. Before the reader takes more, it
/// [lets go](Self::let_go) of it; a record that is kept for longer is a copy.
#[derive(Default)]
pub(super) struct Raw {
    whole: Option<Arc<String>>,
    place: Range<usize>,
}

impl Raw {
    /// Makes one of a text of its own.
    pub(super) fn own(text: String) -> Self {
        Self { place: 0..text.len(), whole: Some(Arc::new(text)) }
    }

    /// Makes it a part of a text.
    #[inline]
    pub(super) fn share(&mut self, whole: &Arc<String>, place: Range<usize>) {
        // Most records are of the same text as the one before.
        if !self.whole.as_ref().is_some_and(|shared| Arc::ptr_eq(shared, whole)) {
            self.whole = Some(Arc::clone(whole));
        }
        self.place = place;
    }

    /// Forgets what it is, but not what it is a part of.
    pub(super) const fn clear(&mut self) {
        self.place = 0..0;
    }

    /// Forgets all.
    pub(super) fn let_go(&mut self) {
        *self = Self::default();
    }

    /// Returns it.
    #[inline]
    pub(super) fn as_str(&self) -> &str {
        self.of_whole(self.place.clone())
    }

    /// Returns it, and all that is behind it.
    #[inline]
    pub(super) fn with_rest(&self) -> &str {
        self.of_whole(self.place.start..self.whole.as_ref().map_or(0, |whole| whole.len()))
    }

    #[inline]
    fn of_whole(&self, place: Range<usize>) -> &str {
        self.whole.as_ref().and_then(|whole| whole.get(place)).unwrap_or_default()
    }
}

impl Clone for Raw {
    /// Copies the part alone.
    fn clone(&self) -> Self {
        Self::own(self.as_str().to_owned())
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}
