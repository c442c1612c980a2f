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
    /// The first vote of each party.
    pub votes: BTreeMap<PartyId, (Range, Arc<Ballot>)>,
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
        self.machine.is_none() && self.shares.is_none() && !self.lost
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
