//! Step 4: a range of stock is bound to one session, at every honest party, for ever.
//!
//! Without it one liar lets two ciphertexts meet one mask: the difference of what is opened is an equation on the key
//! without any noise (`exact::tests::two_ciphertexts_under_one_range_give_the_key`).

use crate::preprocessing::BatchId;
use crate::tags;
use std::collections::BTreeMap;
use tkms_types::transcript::Transcript;
use tkms_types::{Committee, PartyId, SessionId};

/// Items `from` … `to` − 1 of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The batch.
    pub batch: BatchId,
    /// First item.
    pub from: u32,
    /// One past the last.
    pub to: u32,
}

impl Range {
    /// Items of the range.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.to.saturating_sub(self.from) as usize
    }

    /// What a party signs when it binds the range to a session.
    #[must_use]
    pub fn digest(&self, session: &SessionId) -> [u8; 32] {
        self.hash(tags::EXACT_ALLOCATION).word(session.0).finish().0
    }

    /// Names the tops of the masks: of the session **and** the range. From the session alone, two ranges would show the
    /// difference of their bits.
    pub(super) fn mask_context(&self, session: &SessionId) -> SessionId {
        SessionId(self.hash(tags::EXACT_MASK).word(session.0).finish())
    }

    fn hash(&self, tag: &'static str) -> Transcript {
        let batch = &self.batch;
        let hash = Transcript::new(tag).word(batch.context).word(batch.epoch).u64(batch.number);
        hash.u32(self.from).u32(self.to)
    }
}

/// What a party signs when it binds ranges to sessions, many at once: one signature for all that is in flight.
#[must_use]
pub fn ballot_digest(votes: &[(Range, SessionId)]) -> [u8; 32] {
    let hash = Transcript::new(tags::EXACT_BALLOT);
    hash.list(votes, |hash, (range, session)| hash.word(range.digest(session))).finish().0
}

/// One party's votes on the ranges of one batch: one session for every item, for ever. The caller stores a vote before it
/// is sent, and feeds the stored ones to [`Ledger::bind`] after a restart.
#[derive(Debug)]
pub struct Ledger {
    batch: BatchId,
    items: u32,
    /// By first item: one past the last, and the session.
    bound: BTreeMap<u32, (u32, SessionId)>,
    /// First item of each session's range.
    sessions: BTreeMap<SessionId, u32>,
}

/// A vote that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    /// A range of another batch.
    #[error("a range of batch {found}, this is batch {expected}")]
    Batch {
        /// Number of this batch.
        expected: u64,
        /// Number of the range's.
        found: u64,
    },
    /// Empty, or past the end.
    #[error("items {from} to {to} of a batch of {items}")]
    Outside {
        /// First item.
        from: u32,
        /// One past the last.
        to: u32,
        /// Items of the batch.
        items: u32,
    },
    /// One of its items is bound to another session, or in another range.
    #[error("item {item} is bound already")]
    Bound {
        /// The first such item.
        item: u32,
    },
    /// The session has another range of this batch.
    #[error("the session has the range that begins at item {from}")]
    Session {
        /// First item of that range.
        from: u32,
    },
}

impl Ledger {
    /// Nothing bound yet.
    #[must_use]
    pub const fn new(batch: BatchId, items: u32) -> Self {
        Self { batch, items, bound: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    /// The range that a session has in this batch.
    #[must_use]
    pub fn of(&self, session: &SessionId) -> Option<Range> {
        let from = *self.sessions.get(session)?;
        let (to, _) = *self.bound.get(&from)?;
        Some(Range { batch: self.batch, from, to })
    }

    /// One past the last bound item among those of a part of the batch; its first item if none is bound.
    #[must_use]
    pub fn end_in(&self, part: std::ops::Range<u32>) -> u32 {
        self.bound.range(part.clone()).next_back().map_or(part.start, |(_, (to, _))| *to)
    }

    /// Binds a range to a session. The same vote again is no other vote.
    ///
    /// # Errors
    /// [`AllocationError`] if any of it is bound otherwise.
    pub fn bind(&mut self, range: &Range, session: SessionId) -> Result<(), AllocationError> {
        let Range { batch, from, to } = *range;
        if batch != self.batch {
            return Err(AllocationError::Batch { expected: self.batch.number, found: batch.number });
        }
        if from >= to || to > self.items {
            return Err(AllocationError::Outside { from, to, items: self.items });
        }
        if self.bound.get(&from) == Some(&(to, session)) {
            return Ok(());
        }
        // ranges do not overlap, so only the last one that begins before the end can reach into this one
        if let Some((first, (end, _))) = self.bound.range(..to).next_back()
            && *end > from
        {
            return Err(AllocationError::Bound { item: from.max(*first) });
        }
        if let Some(from) = self.sessions.get(&session) {
            return Err(AllocationError::Session { from: *from });
        }
        self.bound.insert(from, (to, session));
        self.sessions.insert(session, from);
        Ok(())
    }
}

/// A range and the session that 2t + 1 parties have bound it to. Two certificates for one item name one session: their
/// voters share t + 1 parties, so an honest one, which votes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    range: Range,
    session: SessionId,
}

/// Not enough votes for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{votes} of the {needed} votes that bind a range")]
pub struct TooFewVotes {
    /// Different parties that voted.
    pub votes: usize,
    /// 2t + 1.
    pub needed: usize,
}

impl Certificate {
    /// Counts votes. The caller has checked each voter's signature on [`Range::digest`].
    ///
    /// # Errors
    /// [`TooFewVotes`] unless 2t + 1 different members voted.
    pub fn new(
        committee: Committee,
        range: Range,
        session: SessionId,
        voters: &[PartyId],
    ) -> Result<Self, TooFewVotes> {
        let votes = committee.parties().filter(|party| voters.contains(party)).count();
        let needed = committee.threshold().quorum();
        if votes < needed { Err(TooFewVotes { votes, needed }) } else { Ok(Self { range, session }) }
    }

    /// The range.
    #[must_use]
    pub const fn range(&self) -> &Range {
        &self.range
    }

    /// Its session.
    #[must_use]
    pub const fn session(&self) -> &SessionId {
        &self.session
    }
}

#[cfg(test)]
mod tests;
