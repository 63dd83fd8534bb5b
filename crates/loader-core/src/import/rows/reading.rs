//! Reads an object's records ahead of the database: parsing and sending take turns
//! otherwise, and each waits for the other.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::piece::{Origin, Piece, PieceMaker};
use super::spare::Spares;
use crate::database::parts::{Begun, Ended};
use crate::definition::dialect::Dialect;
use crate::error::{Error, ErrorName, Result};
use crate::record::mapping::Mapping;
use crate::record::parsed::Parsed;
use crate::record::parser::Parser;

/// Pieces that are read ahead; memory is bounded by it.
const AHEAD: usize = 4;
/// Bytes of those. Full pieces have about as many; a piece with an overlong record has more,
/// and waits alone.
const AHEAD_BYTES: u32 = 4 << 20;

/// An object whose records go through here one by one.
pub(in crate::import) struct RowsObject {
    pub(in crate::import) mapping: Arc<Mapping>,
    /// The names of its fields, where it has a header.
    pub(in crate::import) header: Option<Vec<String>>,
    pub(in crate::import) dialect: Dialect,
    /// What was found out about the dialect, and where it may be otherwise, in words.
    pub(in crate::import) found: Vec<String>,
    pub(in crate::import) doubts: Vec<String>,
    /// Why this engine, and what was found out about the object.
    pub(in crate::import) reason: String,
    pub(in crate::import) parser: Parser,
    /// Its first record, where the mapping had to know it.
    pub(in crate::import) first: Option<Parsed>,
    /// Where it begins, if it is a part of an object.
    pub(in crate::import) begun: Option<Begun>,
}

/// What is said of an object that is being read.
enum Read {
    /// A piece, and its share of the bytes.
    Piece(Piece, OwnedSemaphorePermit),
    Failed(Error),
    End(Ended),
}

/// An object that is being read.
pub(super) struct Reading {
    said: mpsc::Receiver<Read>,
    /// Where it ended.
    pub(super) ended: Option<Ended>,
    /// Ended with this.
    _task: JoinSet<()>,
}

impl Reading {
    pub(super) fn start(parser: Parser, first: Option<&Parsed>, origin: Origin, spares: Spares) -> Self {
        let (sender, said) = mpsc::channel(AHEAD);
        let mut task = JoinSet::new();
        let mut maker = PieceMaker::new(origin, spares);
        if let Some(first) = first {
            maker.add(first);
        }
        task.spawn(read(parser, maker, sender));
        Self { said, ended: None, _task: task }
    }

    /// Returns the next piece; none at the end of the object.
    ///
    /// # Errors
    /// Those of the source and of the parser.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>> {
        match self.said.recv().await {
            Some(Read::Piece(piece, share)) => {
                drop(share);
                Ok(Some(piece))
            }
            Some(Read::Failed(error)) => Err(error),
            Some(Read::End(ended)) => {
                self.ended = Some(ended);
                Ok(None)
            }
            // Not to be taken for the end of the object.
            None => Err(Error::new(ErrorName::Internal, "the reading of an object broke off")),
        }
    }
}

async fn read(mut parser: Parser, mut maker: PieceMaker, sender: mpsc::Sender<Read>) {
    let mut record = Parsed::default();
    let room = Arc::new(Semaphore::new(AHEAD_BYTES as usize));
    let said = loop {
        match parser.next(&mut record).await {
            Ok(true) => maker.add(&record),
            Ok(false) => break Read::End(Ended { end_at: parser.place(), lines: parser.lines() }),
            // What came before it comes out first.
            Err(error) => break Read::Failed(error),
        }
        // Nobody waits for it: the load has failed.
        if maker.is_full() && send(maker.take(), &room, &sender).await.is_none() {
            return;
        }
    };
    if send(maker.finish(), &room, &sender).await.is_some() {
        let _ = sender.send(said).await;
    }
}

/// Sends a piece when there is room for it.
async fn send(piece: Piece, room: &Arc<Semaphore>, sender: &mpsc::Sender<Read>) -> Option<()> {
    let bytes = u32::try_from(piece.bytes()).unwrap_or(u32::MAX).min(AHEAD_BYTES);
    let share = Arc::clone(room).acquire_many_owned(bytes).await.ok()?;
    sender.send(Read::Piece(piece, share)).await.ok()
}
