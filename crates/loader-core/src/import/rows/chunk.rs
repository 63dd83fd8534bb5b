//! The rows of one savepoint: those of one object, or of several small ones.

use bytes::Bytes;

use super::piece::Piece;
use super::spare::Spares;

/// Rows at which a chunk is full.
const FULL_ROWS: usize = 16_384;
/// Bytes at which a chunk is full.
const FULL_BYTES: usize = 8 * 1024 * 1024;

/// Pieces whose rows stand or fall together, each of the account of this number.
#[derive(Default)]
pub(super) struct Chunk {
    pieces: Vec<(usize, Piece)>,
    rows: usize,
    /// Rows that have been sent and are not kept.
    trusted: usize,
    /// Records that are kept, or refused.
    records: usize,
    bytes: usize,
}

/// A row of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowAt {
    piece: usize,
    row: usize,
}

impl Chunk {
    /// Adds a piece, of which so many records were refused.
    pub(super) fn push(&mut self, account: usize, piece: Piece, refused: usize) {
        self.rows += piece.rows();
        self.trusted += piece.trusted();
        self.records += piece.rows() + refused;
        self.bytes += piece.bytes();
        if piece.rows() > 0 {
            self.pieces.push((account, piece));
        }
    }

    /// Gives its memory to the next pieces.
    pub(super) fn spare(self, spares: &Spares) {
        for (_, piece) in self.pieces {
            spares.keep(piece.into_used());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records + self.trusted == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.records >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    /// Returns how many rows are kept.
    pub(super) fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// Returns how many records are kept, or refused.
    pub(super) fn records(&self) -> u64 {
        self.records as u64
    }

    /// Returns how many rows have been sent and are not kept.
    pub(super) fn trusted(&self) -> u64 {
        self.trusted as u64
    }

    /// Returns the places of all rows that are kept, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = RowAt> + '_ {
        self.pieces
            .iter()
            .enumerate()
            .flat_map(|(piece, (_, rows))| (0..rows.rows()).map(move |row| RowAt { piece, row }))
    }

    /// Whether a row is in the binary format.
    pub(super) fn is_binary(&self, at: RowAt) -> bool {
        self.pieces.get(at.piece).is_some_and(|(_, piece)| piece.is_binary(at.row))
    }

    /// Returns the piece of a row, and the number of its account.
    pub(super) fn piece(&self, at: RowAt) -> Option<(usize, &Piece, usize)> {
        self.pieces.get(at.piece).map(|(account, piece)| (*account, piece, at.row))
    }

    /// Returns a row as it is sent, its newline counted.
    pub(super) fn text(&self, at: RowAt) -> Bytes {
        self.pieces.get(at.piece).and_then(|(_, piece)| piece.row(at.row)).unwrap_or_default()
    }

    /// Returns rows as they are sent, those that follow each other as one.
    pub(super) fn runs(&self, rows: &[RowAt]) -> impl Iterator<Item = Bytes> {
        let follow = |one: &RowAt, next: &RowAt| one.piece == next.piece && one.row + 1 == next.row;
        rows.chunk_by(follow).filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            self.pieces.get(first.piece).and_then(|(_, piece)| piece.run(first.row, last.row))
        })
    }

    /// Returns the number of the account of all rows; none if there are several.
    pub(super) fn only_account(&self) -> Option<usize> {
        let (first, _) = self.pieces.first()?;
        self.pieces.iter().all(|(account, _)| account == first).then_some(*first)
    }
}
