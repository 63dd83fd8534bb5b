//! Memory of pieces that are done with, for the next ones: memory that is given back to
//! the system and asked for again costs more than what is written into it.

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

impl Buffers {
    /// Empties what a piece held.
    pub(super) fn of(text: Bytes, binary: Bytes, mut raw: String, mut rows: Vec<Row>) -> Self {
        raw.clear();
        rows.clear();
        Self { text: emptied(text), binary: emptied(binary), raw, rows }
    }

    fn bytes(&self) -> usize {
        let rows = self.rows.capacity() * size_of::<Row>();
        self.text.capacity() + self.binary.capacity() + self.raw.capacity() + rows
    }
}

/// Takes the memory of bytes that nobody else looks at.
fn emptied(bytes: Bytes) -> Vec<u8> {
    if !bytes.is_unique() {
        return Vec::new();
    }
    let mut memory = Vec::from(bytes);
    memory.clear();
    memory
}

/// Memory that the pieces of one transaction share.
#[derive(Debug, Clone, Default)]
pub(super) struct Spares(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<Buffers>,
    bytes: usize,
}

impl Spares {
    /// Keeps the memory of a piece, or lets go of it if there is enough.
    pub(super) fn keep(&self, buffers: Buffers) {
        let bytes = buffers.bytes();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes <= MOST_BYTES {
            kept.bytes += bytes;
            kept.buffers.push(buffers);
        }
    }

    /// Takes memory for a piece: none yet if none is kept.
    pub(super) fn take(&self) -> Buffers {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let buffers = kept.buffers.pop().unwrap_or_default();
        kept.bytes -= buffers.bytes();
        buffers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_if_nobody_looks_at_it() {
        let spares = Spares::default();
        let bytes = |capacity| {
            let mut memory: Vec<u8> = Vec::with_capacity(capacity);
            memory.push(1);
            Bytes::from(memory)
        };
        let shared = bytes(1_000);
        spares.keep(Buffers::of(bytes(1_000), shared.clone(), String::from("a"), Vec::new()));
        let taken = spares.take();
        assert_eq!((taken.text.capacity(), taken.binary.capacity()), (1_000, 0));
        assert_eq!((taken.text.len(), taken.raw.len()), (0, 0));
        assert_eq!(spares.take().bytes(), 0);
        assert_eq!(shared.len(), 1);
    }

    #[test]
    fn no_more_than_enough_is_kept() {
        let spares = Spares::default();
        for _ in 0..100 {
            let raw = String::with_capacity(1024 * 1024);
            spares.keep(Buffers { raw, ..Buffers::default() });
        }
        let mut kept = 0;
        while spares.take().bytes() > 0 {
            kept += 1;
        }
        assert_eq!(kept, 12);
        assert_eq!(spares.0.lock().unwrap().bytes, 0);
    }
}
