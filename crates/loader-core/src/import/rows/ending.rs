//! How the COPY of a chunk ends: what was sent is in the table, or its rows are judged.

use std::sync::Arc;

use super::Lane;
use super::chunk::{Chunk, RowAt};
use super::judge::{Judge, Refused};
use super::refused::{Stopped, reject_of};
use super::sending::{Sending, statement};
use crate::database::failure::{copy_failure, failure, refusal};
use crate::definition::rejects::OnReject;
use crate::error::{Error, ErrorName};
use crate::import::group::{GroupError, sending};

impl Lane<'_> {
    /// Ends the COPY of a chunk, and sends after it what can't go in binary. What is
    /// refused is judged.
    pub(super) async fn end_copies(&mut self, copy: Sending, chunk: &Chunk) -> Result<(), GroupError> {
        let all: Vec<RowAt> = chunk.all().collect();
        let was_sent = |at: &&RowAt| !copy.is_binary() || chunk.is_binary(**at);
        let (sent, loose): (Vec<RowAt>, Vec<RowAt>) = all.iter().partition(was_sent);
        if let Some(stopped) = self.end_copy(copy, chunk, &sent, chunk.trusted()).await? {
            self.execute("rollback to savepoint chunk").await?;
            return self.judge(chunk, &all, stopped.known()).await;
        }
        if loose.is_empty() {
            return Ok(());
        }
        if self.is_dirty {
            return self.judge(chunk, &loose, None).await;
        }
        self.execute("savepoint loose").await?;
        let stopped = self.copy_loose(chunk, &loose).await?;
        if stopped.is_some() {
            self.execute("rollback to savepoint loose").await?;
        }
        self.execute("release savepoint loose").await?;
        match stopped {
            Some(stopped) => self.judge(chunk, &loose, stopped.known()).await,
            None => Ok(()),
        }
    }

    /// Sends rows with a value that only the database can read.
    async fn copy_loose(&mut self, chunk: &Chunk, loose: &[RowAt]) -> Result<Option<Stopped>, GroupError> {
        let copying = |error: tokio_postgres::Error| failure("copying rows", &error);
        let statement = statement(&self.staging, &self.columns());
        let mut copy = Sending::begin(self.transaction, &statement).await.map_err(copying)?;
        for run in chunk.runs(loose) {
            copy.feed(run).await.map_err(copying)?;
        }
        self.end_copy(copy, chunk, loose, 0).await
    }

    /// Ends a COPY of these rows, and of so many that were trusted.
    async fn end_copy(
        &mut self,
        copy: Sending,
        chunk: &Chunk,
        rows: &[RowAt],
        trusted: u64,
    ) -> Result<Option<Stopped>, GroupError> {
        let sent = trusted + rows.len() as u64;
        let error = match copy.finish().await {
            Ok(taken) if taken == sent => return Ok(None),
            Ok(taken) => {
                return Err(GroupError::Step(Error::new(
                    ErrorName::Internal,
                    format!("the database took {taken} rows of the {sent} that were sent"),
                )));
            }
            Err(error) => error,
        };
        let Some(refusal) = refusal(self.work.staging.as_str(), &error) else {
            return Err(sending(failure("copying rows", &error)));
        };
        if trusted > 0 {
            return Err(GroupError::Misplaced(refusal));
        }
        let line = refusal.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        let at = line.and_then(|at| rows.get(at)).copied();
        if self.on_reject() == OnReject::Fail {
            return Err(match at {
                Some(at) => self.refused(chunk, at, refusal),
                None => sending(copy_failure(self.work.staging.as_str(), "", &error)),
            });
        }
        Ok(Some(Stopped { at, refusal }))
    }

    /// Judges rows of a chunk one by one where that is needed.
    pub(super) async fn judge(
        &mut self,
        chunk: &Chunk,
        rows: &[RowAt],
        first: Option<Refused>,
    ) -> Result<(), GroupError> {
        let limits = self.limits();
        let is_kept = self.on_reject() == OnReject::Keep;
        let only = chunk.only_account().and_then(|number| self.accounts.get(number));
        let most = match only {
            _ if !is_kept => 0,
            Some(account) => account.left(&limits),
            None => u64::MAX,
        };
        let Some(last) = self.accounts.last() else { return Ok(()) };
        let mapping = Arc::clone(&last.mapping);
        let marks = self.marks();
        let judge = Judge::new(self.transaction, &self.staging, &self.work.staging, &mapping, &marks).await?;
        let verdict = judge.judge(chunk, rows, first, most).await.map_err(sending)?;
        if let (false, Some(first)) = (is_kept, verdict.refused.first()) {
            return Err(self.refused(chunk, first.at, first.refusal.clone()));
        }
        let keep_text = self.work.opener.definition.rejects.keep_text;
        let was_sent = |refused: &Refused| chunk.is_binary(refused.at);
        // One bad row in a million: what follows goes as fast as before.
        self.binary_is_dirty = verdict.refused.iter().any(was_sent);
        self.is_dirty = !verdict.refused.is_empty();
        for refused in verdict.refused {
            let Some((account, reject)) = reject_of(chunk, refused.at, refused.refusal, keep_text) else {
                return Err(GroupError::Step(Error::new(
                    ErrorName::Internal,
                    "a row that was refused is lost",
                )));
            };
            if let Some(account) = self.accounts.get_mut(account) {
                account.reject(reject);
            }
        }
        if verdict.ended_early {
            self.settle()?;
            return Err(GroupError::Step(Error::new(
                ErrorName::Internal,
                "rows were left unjudged, and no limit was reached",
            )));
        }
        Ok(())
    }
}
