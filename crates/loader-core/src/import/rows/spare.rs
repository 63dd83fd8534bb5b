//! Memory of pieces that are done with, for the next ones: memory that is given back to
//! the system and asked for again costs more than what is written into it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::piece::Row;

/// The most bytes that are kept.
const MOST_BYTES: usize = 12 * 1024 * 1024;

/// The memory of a piece, empty.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) text: Vec<u8>,
    pub(super) binary: Vec<u8>,
    pub(super) raw: String,
    pub(super) rows: Vec<Row>,
}

/// The memory of a piece, which may still be on its way to the database.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) text: Bytes,
    pub(super) binary: Bytes,
    pub(super) raw: String,
    pub(super) rows: Vec<Row>,
}

impl Used {
    fn bytes(&self) -> usize {
        let rows = self.rows.capacity() * size_of::<Row>();
        self.text.len() + self.binary.len() + self.raw.capacity() + rows
    }

    fn is_free(&self) -> bool {
        [&self.text, &self.binary].iter().all(|bytes| bytes.is_empty() || bytes.is_unique())
    }

    fn emptied(self) -> Buffers {
        let Self { text, binary, mut raw, mut rows } = self;
        let (mut text, mut binary) = (Vec::from(text), Vec::from(binary));
        text.clear();
        binary.clear();
        raw.clear();
        rows.clear();
        Buffers { text, binary, raw, rows }
    }
}

/// Memory that the pieces of one transaction share.
#[derive(Debug, Clone, Default)]
pub(super) struct Spares(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The first was sent before the others, and is free before them.
    used: VecDeque<Used>,
    bytes: usize,
}

impl Spares {
    /// Keeps the memory of a piece, or lets go of it if there is enough.
    pub(super) fn keep(&self, used: Used) {
        let bytes = used.bytes();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes <= MOST_BYTES {
            kept.bytes += bytes;
            kept.used.push_back(used);
        }
    }

    /// Takes memory for a piece: none yet if none is free.
    pub(super) fn take(&self) -> Buffers {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(used) = kept.used.pop_front_if(|used| used.is_free()) else { return Buffers::default() };
        kept.bytes -= used.bytes();
        used.emptied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(text: Bytes) -> Used {
        Used { text, ..Used::default() }
    }

    fn bytes() -> Bytes {
        let mut memory: Vec<u8> = Vec::with_capacity(1_000);
        memory.push(1);
        Bytes::from(memory)
    }

    #[test]
    fn memory_is_used_again_when_nobody_looks_at_it() {
        let spares = Spares::default();
        let sent = bytes();
        spares.keep(used(sent.clone()));
        spares.keep(used(bytes()));
        assert_eq!(spares.take().text.capacity(), 0);
        drop(sent);
        for _ in 0..2 {
            let taken = spares.take();
            assert_eq!((taken.text.capacity(), taken.text.len()), (1_000, 0));
        }
        assert_eq!(spares.take().text.capacity(), 0);
    }

    #[test]
    fn no_more_than_enough_is_kept() {
        let spares = Spares::default();
        for _ in 0..100 {
            spares.keep(used(Bytes::from(vec![0; 1024 * 1024])));
        }
        let mut kept = 0;
        while spares.take().text.capacity() > 0 {
            kept += 1;
        }
        assert_eq!(kept, 12);
        assert_eq!(spares.0.lock().unwrap().bytes, 0);
    }
}
