//! One attempt of a ciphertext: a range of stock, or none, and what was heard.

use super::codec::Ballot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tkms_mpc::exact::{Certificate, FromStock, MessageShares, OnDemand, Range, Reveal};
use tkms_mpc::ring::Gr16;
use tkms_types::{Committee, PartyId, SessionId};

/// Steps 3 to 6.
pub(super) enum Machine {
    FromStock(FromStock),
    OnDemand(OnDemand),
}

/// See the module. What came before its machine was there waits here: one message of each party.
#[derive(Default)]
pub(super) struct Attempt {
    /// The first vote of each party, and what shows it, if that is short enough to be passed on.
    pub votes: BTreeMap<PartyId, (Range, Option<Arc<Ballot>>)>,
    /// Our vote was cast, or is asked for.
    pub claimed: bool,
    pub range: Option<Range>,
    pub machine: Option<Machine>,
    /// We can take no part in it.
    pub lost: bool,
    pub deadline: Option<Instant>,
    pub bits: BTreeMap<PartyId, Vec<Gr16>>,
    pub masked: BTreeMap<PartyId, Vec<Gr16>>,
    pub masked_heard: BTreeSet<PartyId>,
    pub bits_own: Vec<Gr16>,
    pub masked_own: Vec<Gr16>,
    pub shares: Option<Arc<MessageShares>>,
    pub reveal: Option<Reveal>,
    pub revealed: BTreeMap<PartyId, Vec<Gr16>>,
    pub revealed_heard: BTreeSet<PartyId>,
    pub revealed_own: Vec<Gr16>,
}

impl Attempt {
    /// Neither begun, nor ended, nor given up.
    pub const fn is_idle(&self) -> bool {
        !self.is_begun() && !self.lost
    }

    /// Whether its range is certified and its steps were taken, or that was not necessary.
    pub const fn is_begun(&self) -> bool {
        self.machine.is_some() || self.shares.is_some()
    }

    /// Whether it is under way: begun, or voted for.
    pub fn may_end(&self) -> bool {
        self.shares.is_none() && !self.lost && (self.machine.is_some() || !self.votes.is_empty())
    }

    /// The range that 2t + 1 parties voted for.
    pub fn certificate(&self, committee: Committee, session: SessionId) -> Option<Certificate> {
        self.votes.values().find_map(|(range, _)| {
            let voters: Vec<_> =
                self.votes.iter().filter(|(_, (other, _))| other == range).map(|(voter, _)| *voter).collect();
            Certificate::new(committee, *range, session, &voters).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tkms_mpc::preprocessing::BatchId;
    use tkms_types::{ContextId, EpochId, Id as _};

    #[test]
    fn a_range_is_certified_by_a_quorum_that_names_the_same_range() {
        let committee = Committee::new(4).unwrap();
        let session = SessionId([1; 32].into());
        let batch = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 };
        let mut attempt = Attempt::default();
        let mut vote = |number: u8, from: u32| {
            let voter = committee.party(number).unwrap();
            let ballot = Ballot { voter, votes: Vec::new(), signature: [0; 64] };
            attempt.votes.insert(voter, (Range { batch, from, to: from + 4 }, Some(Arc::new(ballot))));
            attempt.certificate(committee, session).map(|certificate| certificate.range().from)
        };
        // a proposer that names two ranges has two votes for each at most
        assert_eq!([vote(1, 0), vote(2, 0), vote(3, 4), vote(4, 8)], [None; 4]);
        assert_eq!(vote(4, 4), None);
        assert_eq!(vote(4, 0), Some(0));
    }
}
