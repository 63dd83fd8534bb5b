//! Lists a prefix in the order of its keys: page after page at first, and, when it turns
//! out long, ranges of its keys side by side.
//!
//! S3 gives 1,000 keys at a time and tells where the next ones begin only then. A million
//! would be a thousand requests one after another. But a listing may begin behind any key
//! (`StartAfter`), and general purpose buckets list in the order of the keys' UTF-8 bytes
//! (Amazon S3 User Guide, "Listing object keys programmatically"), which is the order of
//! Rust's strings. So the keys ahead are cut into ranges that should hold a little less
//! than a page each, by [`extrapolation`]. Where that is wrong, it costs a request: what a
//! range still holds behind its first page is a range again.

pub mod extrapolation;

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use self::extrapolation::{Alphabet, Sample};
use crate::error::{Error, ErrorName, Result};
use crate::source::{ListingPage, ObjectSource, ObjectVersion};

/// How a long listing is gone about.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Pages that are listed one after another before the listing counts as long.
    pub patience: usize,
    /// Requests at once.
    pub at_once: usize,
    /// Objects that are held ready, or may be on their way, at once.
    pub ahead: usize,
    /// Objects that a page has at most.
    pub page: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { patience: 4, at_once: 16, ahead: 48_000, page: 1_000 }
    }
}

/// Which part of a page a range is to hold: a page that is not quite full is better than
/// one more request.
const AIM: (usize, usize) = (4, 5);

/// Which part of the requests may be for ranges that are cut off one behind the other. Then
/// one goes beyond them all: where they end in a gap, such as that between two folders, the
/// keys behind it come at the same time.
const CUTS: (usize, usize) = (3, 4);

type Request<'a> = Pin<Box<dyn Future<Output = (u64, Result<ListingPage>)> + Send + 'a>>;

/// The pages of a listing.
pub struct Pages<'a> {
    source: &'a dyn ObjectSource,
    prefix: &'a str,
    bounds: Bounds,
    /// Pages that were listed one after another.
    listed: usize,
    /// Where the listing goes on; none before the first page.
    continuation: Option<String>,
    ended: bool,
    /// The ranges ahead, once the listing is long.
    ranges: Option<Ranges<'a>>,
    /// Whether all keys so far came in order, and all may be listed from behind any key.
    in_order: bool,
    /// The last key that was listed one after another.
    last: Option<String>,
    /// Whether ranges have been given out.
    ranged: bool,
}

impl<'a> Pages<'a> {
    /// Begins a listing.
    #[must_use]
    pub fn new(source: &'a dyn ObjectSource, prefix: &'a str) -> Self {
        Self::within(source, prefix, Bounds::default())
    }

    /// Begins a listing within other bounds.
    #[must_use]
    pub fn within(source: &'a dyn ObjectSource, prefix: &'a str, bounds: Bounds) -> Self {
        Self {
            source,
            prefix,
            bounds,
            listed: 0,
            continuation: None,
            ended: false,
            ranges: None,
            in_order: source.lists_in_order(),
            last: None,
            ranged: false,
        }
    }

    /// Returns the next objects, in the order of their keys; none at the end.
    ///
    /// # Errors
    /// Those of the source; `SourceUnavailable` if it turns out not to list in order when
    /// it is too late to list it otherwise.
    pub async fn next(&mut self) -> Result<Option<Vec<ObjectVersion>>> {
        loop {
            let objects = match &mut self.ranges {
                Some(ranges) => match ranges.next().await? {
                    Next::Objects(objects) => {
                        self.ranged = true;
                        return Ok(Some(objects));
                    }
                    Next::End => return Ok(None),
                    Next::Disorder if self.ranged => {
                        return Err(Error::new(
                            ErrorName::SourceUnavailable,
                            format!(
                                "bucket {} was listed in another order than that of its keys",
                                self.source.bucket()
                            ),
                        ));
                    }
                    // One after another, from where that was left.
                    Next::Disorder => {
                        (self.ranges, self.in_order) = (None, false);
                        continue;
                    }
                },
                None if self.ended => return Ok(None),
                None => self.one_after_another().await?,
            };
            if !objects.is_empty() {
                return Ok(Some(objects));
            }
        }
    }

    async fn one_after_another(&mut self) -> Result<Vec<ObjectVersion>> {
        let page = self.source.list(self.prefix, self.continuation.take()).await?;
        let objects = page.objects;
        self.continuation = page.next;
        self.ended = self.continuation.is_none();
        self.listed += 1;
        let (Some(first), Some(last)) = (objects.first(), objects.last()) else { return Ok(objects) };
        self.in_order = self.in_order && is_behind(&objects, self.last.as_deref());
        self.last = Some(last.key.clone());
        if self.in_order && !self.ended && self.listed >= self.bounds.patience {
            let mut ranges = Ranges::new(self.source, self.prefix, self.bounds, last.key.clone());
            let keys = objects.len();
            ranges.learn(&objects, Sample { from: first.key.clone(), to: last.key.clone(), keys });
            self.ranges = Some(ranges);
        }
        Ok(objects)
    }
}

/// Whether objects are in the order of their keys, and behind a key.
fn is_behind(objects: &[ObjectVersion], after: Option<&str>) -> bool {
    objects.is_sorted_by(|one, next| one.key < next.key)
        && objects.first().zip(after).is_none_or(|(first, after)| first.key.as_str() > after)
}

/// What comes next of the ranges.
enum Next {
    Objects(Vec<ObjectVersion>),
    End,
    /// The source does not list in order, or not from where it was asked.
    Disorder,
}

/// The keys behind `after`, to `to`; to the end if that is not said.
#[derive(Debug, Clone)]
struct Range {
    after: String,
    to: Option<String>,
}

enum State {
    /// Nobody has asked for it. `whole`: it is not to be cut, as nothing is known of what
    /// is in it.
    Waiting {
        whole: bool,
    },
    Asked,
    Ready(Vec<ObjectVersion>),
}

struct Ahead {
    id: u64,
    range: Range,
    state: State,
}

struct Ranges<'a> {
    source: &'a dyn ObjectSource,
    prefix: &'a str,
    bounds: Bounds,
    /// In the order of their keys; together they are all that has not been given out.
    ahead: VecDeque<Ahead>,
    requests: FuturesUnordered<Request<'a>>,
    /// Objects that are ready.
    ready: usize,
    ids: u64,
    alphabet: Alphabet,
    /// How far apart keys were the last time.
    sample: Option<Sample>,
    /// Ranges that were cut off since one was not.
    cuts: usize,
}

impl<'a> Ranges<'a> {
    fn new(source: &'a dyn ObjectSource, prefix: &'a str, bounds: Bounds, after: String) -> Self {
        let mut ranges = Self {
            source,
            prefix,
            bounds,
            ahead: VecDeque::new(),
            requests: FuturesUnordered::new(),
            ready: 0,
            ids: 0,
            alphabet: Alphabet::default(),
            sample: None,
            cuts: 0,
        };
        let rest = ranges.waiting(Range { after, to: None }, false);
        ranges.ahead.push_back(rest);
        ranges
    }

    fn waiting(&mut self, range: Range, whole: bool) -> Ahead {
        self.ids += 1;
        Ahead { id: self.ids, range, state: State::Waiting { whole } }
    }

    /// Takes note of how keys look and how far apart they are.
    fn learn(&mut self, objects: &[ObjectVersion], sample: Sample) {
        for object in objects.iter().step_by((objects.len() / 16).max(1)).chain(objects.last()) {
            self.alphabet.saw(object.key.strip_prefix(self.prefix).unwrap_or_default());
        }
        self.sample = Some(sample);
    }

    async fn next(&mut self) -> Result<Next> {
        loop {
            self.ask();
            match self.ahead.pop_front() {
                None => return Ok(Next::End),
                Some(Ahead { state: State::Ready(objects), .. }) => {
                    self.ready -= objects.len();
                    if !objects.is_empty() {
                        return Ok(Next::Objects(objects));
                    }
                }
                Some(first) => {
                    self.ahead.push_front(first);
                    let Some((id, page)) = self.requests.next().await else {
                        return Ok(Next::Disorder);
                    };
                    if !self.answered(id, page?) {
                        return Ok(Next::Disorder);
                    }
                }
            }
        }
    }

    /// Asks for the ranges that come first, as many at once as may be.
    fn ask(&mut self) {
        let mut at = 0;
        while self.requests.len() < self.bounds.at_once.max(1) {
            let coming = self.ready + self.requests.len() * self.bounds.page;
            if coming >= self.bounds.ahead && at > 0 {
                return;
            }
            let Some(found) = self.ahead.get(at) else { return };
            let State::Waiting { whole } = found.state else {
                at += 1;
                continue;
            };
            let (id, mut range) = (found.id, found.range.clone());
            let is_enough = self.cuts >= (self.bounds.at_once * CUTS.0 / CUTS.1).max(1);
            let cut = if whole || is_enough { None } else { self.cut(&range) };
            self.cuts = if cut.is_some() { self.cuts + 1 } else { 0 };
            if let Some(cut) = cut {
                let rest = self.waiting(Range { after: cut.clone(), to: range.to.take() }, false);
                range.to = Some(cut);
                self.ahead.insert(at + 1, rest);
            }
            let (source, prefix, after) = (self.source, self.prefix, range.after.clone());
            self.requests.push(async move { (id, source.list_after(prefix, &after).await) }.boxed());
            if let Some(asked) = self.ahead.get_mut(at) {
                (asked.range, asked.state) = (range, State::Asked);
            }
            at += 1;
        }
    }

    /// Takes note of a gap. What lies behind it can't be told from what lies before it, so
    /// that what nobody has asked for yet is asked for as a whole, and not chased in vain.
    fn gap_behind(&mut self, at: usize) {
        for ahead in self.ahead.iter_mut().skip(at + 1) {
            match &mut ahead.state {
                State::Ready(objects) if !objects.is_empty() => return,
                State::Waiting { whole } => {
                    *whole = true;
                    return;
                }
                State::Ready(_) | State::Asked => {}
            }
        }
    }

    /// Finds a key in a range that about a page lies before.
    fn cut(&self, range: &Range) -> Option<String> {
        let sample = self.sample.as_ref()?;
        let keys = (self.bounds.page * AIM.0 / AIM.1).max(1);
        let cut = self.alphabet.behind(self.prefix, &range.after, sample, keys)?;
        let fits = cut > range.after && range.to.as_ref().is_none_or(|to| cut < *to);
        fits.then_some(cut)
    }

    /// Takes an answer in. Returns whether it is in order.
    fn answered(&mut self, id: u64, page: ListingPage) -> bool {
        let Some(at) = self.ahead.iter().position(|ahead| ahead.id == id) else { return true };
        let Some(range) = self.ahead.get(at).map(|ahead| ahead.range.clone()) else { return true };
        let mut objects = page.objects;
        if !is_behind(&objects, Some(&range.after)) || (objects.is_empty() && page.next.is_some()) {
            return false;
        }
        let listed = objects.len();
        if let Some(to) = &range.to {
            objects.truncate(objects.partition_point(|object| object.key <= *to));
        }
        let reached = objects.last().map(|last| last.key.clone());
        let is_all = page.next.is_none() || objects.len() < listed || reached == range.to;
        let rest = match (&reached, is_all) {
            (Some(reached), false) => Some(Range { after: reached.clone(), to: range.to.clone() }),
            _ => None,
        };
        match (objects.first(), reached) {
            // From key to key: what was asked for may begin in a gap, and end in one.
            (Some(first), Some(to)) if first.key < to => {
                let sample = Sample { from: first.key.clone(), to, keys: objects.len() - 1 };
                self.learn(&objects, sample);
            }
            (None, _) => self.gap_behind(at),
            _ => {}
        }
        self.ready += objects.len();
        if let Some(ahead) = self.ahead.get_mut(at) {
            ahead.state = State::Ready(objects);
        }
        if let Some(rest) = rest {
            let rest = self.waiting(rest, false);
            self.ahead.insert(at + 1, rest);
        }
        true
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
