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

/// One party's votes on the ranges of one batch: one session for every item, for ever. The caller stores a vote before it
/// is sent, and feeds the stored ones to [`Ledger::bind`] after a restart.
#[derive(Debug)]
pub struct Ledger {
    batch: BatchId,
    items: u32,
    /// By first item: one past the last, and the session.
    bound: BTreeMap<u32, (u32, SessionId)>,
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
        Self { batch, items, bound: BTreeMap::new() }
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
        if let Some((from, _)) = self.bound.iter().find(|(_, (_, bound))| *bound == session) {
            return Err(AllocationError::Session { from: *from });
        }
        self.bound.insert(from, (to, session));
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
mod tests {
    use super::*;
    use tkms_types::{ContextId, EpochId, Id, KeyId};

    fn batch(number: u64) -> BatchId {
        BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number }
    }

    fn range(from: u32, to: u32) -> Range {
        Range { batch: batch(1), from, to }
    }

    fn session(number: u64) -> SessionId {
        SessionId(KeyId::numbered(number).bytes())
    }

    fn party(number: u8) -> PartyId {
        PartyId::new(number).unwrap()
    }

    #[test]
    fn an_item_is_bound_once_for_ever() {
        let mut ledger = Ledger::new(batch(1), 100);
        ledger.bind(&range(10, 20), session(1)).unwrap();
        ledger.bind(&range(10, 20), session(1)).expect("the same vote again");
        for (from, to, item) in [(10, 20, 10), (0, 11, 10), (19, 30, 19), (12, 14, 12), (0, 100, 10), (10, 11, 10)] {
            assert_eq!(ledger.bind(&range(from, to), session(2)), Err(AllocationError::Bound { item }));
        }
        assert_eq!(ledger.bind(&range(10, 19), session(1)), Err(AllocationError::Bound { item: 10 }));
        ledger.bind(&range(20, 30), session(2)).unwrap();
        ledger.bind(&range(0, 10), session(3)).unwrap();
        assert_eq!(ledger.bind(&range(5, 25), session(4)), Err(AllocationError::Bound { item: 20 }));
    }

    #[test]
    fn a_session_has_one_range() {
        let mut ledger = Ledger::new(batch(1), 100);
        ledger.bind(&range(10, 20), session(1)).unwrap();
        assert_eq!(ledger.bind(&range(40, 50), session(1)), Err(AllocationError::Session { from: 10 }));
    }

    #[test]
    fn ranges_outside_of_the_batch_are_refused() {
        let mut ledger = Ledger::new(batch(1), 100);
        for (from, to) in [(0, 0), (5, 4), (90, 101), (u32::MAX, u32::MAX), (u32::MAX, 0)] {
            let outside = AllocationError::Outside { from, to, items: 100 };
            assert_eq!(ledger.bind(&range(from, to), session(1)), Err(outside));
            assert_eq!(range(from, to).items(), if to == 101 { 11 } else { 0 });
        }
        let other = Range { batch: batch(2), from: 0, to: 1 };
        assert_eq!(ledger.bind(&other, session(1)), Err(AllocationError::Batch { expected: 1, found: 2 }));
    }

    #[test]
    fn a_certificate_takes_a_quorum_of_different_members() {
        let committee = Committee::new(4).unwrap();
        let certificate = |voters: &[u8]| {
            let voters: Vec<_> = voters.iter().map(|number| party(*number)).collect();
            Certificate::new(committee, range(0, 1), session(1), &voters)
        };
        for short in [&[][..], &[1, 2], &[1, 1, 2], &[1, 2, 5], &[1, 2, 13]] {
            assert_eq!(certificate(short).unwrap_err().needed, 3);
        }
        let certified = certificate(&[4, 2, 1]).unwrap();
        assert_eq!((certified.range(), certified.session()), (&range(0, 1), &session(1)));
    }

    /// Every way of four parties, one of them a liar that votes for all, to vote for two sessions and one range.
    #[test]
    fn no_two_sessions_are_certified_for_overlapping_ranges() {
        let committee = Committee::new(4).unwrap();
        for votes in 0..8u8 {
            for liar in 1..=4u8 {
                let honest = committee.parties().filter(|party| party.number() != liar).enumerate();
                let mut voters = [vec![party(liar)], vec![party(liar)]];
                for (i, honest) in honest {
                    let mut ledger = Ledger::new(batch(1), 100);
                    let first = usize::from(votes >> i & 1);
                    for wish in [first, 1 - first] {
                        let range = range(wish as u32, 10 + wish as u32);
                        if ledger.bind(&range, session(wish as u64)).is_ok() {
                            voters[wish].push(honest);
                        }
                    }
                }
                let made = [0, 1]
                    .map(|wish| Certificate::new(committee, range(0, 10), session(wish as u64), &voters[wish]).is_ok());
                assert_ne!(made, [true, true], "{votes} {liar}");
            }
        }
    }

    #[test]
    fn digest_and_mask_context_name_every_part() {
        let base = (range(0, 10).digest(&session(1)), range(0, 10).mask_context(&session(1)));
        let other = Range { batch: batch(2), ..range(0, 10) };
        for (range, session) in
            [(range(1, 10), session(1)), (range(0, 9), session(1)), (other, session(1)), (range(0, 10), session(2))]
        {
            assert_ne!(range.digest(&session), base.0);
            assert_ne!(range.mask_context(&session), base.1);
        }
        assert_ne!(base.0, base.1.0.0);
    }
}
