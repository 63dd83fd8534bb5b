//! Objects that are opened before their turn: while the ones before them are copied, and
//! while the group before theirs is committed. The database does not wait for S3.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::open::{Opened, Opener};
use crate::error::{Error, ErrorName, Result};
use crate::source::ObjectVersion;

/// The objects of a batch, as they are opened ahead.
pub(super) struct Ahead {
    opener: Arc<Opener>,
    /// How many are open at once, the one whose turn it is not counted.
    most: usize,
    /// Those whose opening has begun, in their order.
    begun: VecDeque<Begun>,
    /// Those that follow.
    following: VecDeque<ObjectVersion>,
    /// How many of all of these are of the group.
    due: usize,
}

impl Ahead {
    pub(super) fn new(opener: Arc<Opener>, most: usize) -> Self {
        Self { opener, most: most.max(1), begun: VecDeque::new(), following: VecDeque::new(), due: 0 }
    }

    /// Begins to open the objects of a group, and those that follow when there is room.
    ///
    /// What is open already and comes next stays open.
    pub(super) fn expect(&mut self, group: &[&ObjectVersion], then: &[&ObjectVersion]) {
        let expected: Vec<&ObjectVersion> =
            group.iter().chain(then.iter().take(self.most)).copied().collect();
        let mut kept = VecDeque::new();
        for begun in self.begun.drain(..) {
            if expected.get(kept.len()).is_some_and(|next| begun.object == **next) {
                kept.push_back(begun);
            }
        }
        self.following = expected.into_iter().skip(kept.len()).cloned().collect();
        self.begun = kept;
        self.due = group.len();
        self.begin();
    }

    /// Lets go of what is open, until it is expected again. S3 does not keep waiting for those
    /// that don't read.
    pub(super) fn forget(&mut self) {
        self.begun.clear();
    }

    /// Returns the next object of the group, and what came of opening it; none when all of
    /// them have been returned.
    ///
    /// # Errors
    /// `Internal`.
    pub(super) async fn next(&mut self) -> Result<Option<(ObjectVersion, Result<Opened>)>> {
        let Some(due) = self.due.checked_sub(1) else { return Ok(None) };
        self.due = due;
        let broken = |why: &str| Error::new(ErrorName::Internal, format!("reading ahead failed: {why}"));
        let mut begun =
            self.begun.pop_front().ok_or_else(|| broken("an object of the group was not opened"))?;
        // While this one is waited for.
        self.begin();
        let opened = (&mut begun.task.0).await.map_err(|error| broken(&error.to_string()))?;
        Ok(Some((begun.object, opened)))
    }

    fn begin(&mut self) {
        while self.begun.len() < self.most {
            let Some(object) = self.following.pop_front() else { return };
            let (opener, its) = (Arc::clone(&self.opener), object.clone());
            // A task of its own, so that it reads on while another is copied.
            let task = Task(tokio::spawn(async move { opener.open(&its).await }));
            self.begun.push_back(Begun { object, task });
        }
    }
}

/// An object whose opening has begun.
struct Begun {
    object: ObjectVersion,
    task: Task,
}

/// A task that ends when nobody waits for it.
struct Task(JoinHandle<Result<Opened>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
