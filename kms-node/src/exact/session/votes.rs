//! Votes of an attempt: each party's first one counts.

use super::super::codec::{Ballot, Vote};
use super::{Desk, PASSED_ON, Queues, Session};
use crate::stock::{BindError, Claim};
use std::sync::Arc;
use tkms_types::PartyId;

impl Session {
    /// Whether a party's vote on an attempt is not known yet, nor the attempt certified without it.
    pub fn wants_vote(&self, voter: PartyId, attempt: u32) -> bool {
        self.attempts.get(&attempt).is_none_or(|attempt| !attempt.is_begun() && !attempt.votes.contains_key(&voter))
    }

    /// A vote whose signature was checked.
    pub fn hear_vote(
        &mut self,
        desk: &Desk<'_>,
        (voter, ballot): (PartyId, Option<Arc<Ballot>>),
        vote: &Vote,
        queues: &mut Queues,
    ) {
        let number = vote.attempt;
        let sized = vote.from.checked_add(self.blocks()) == Some(vote.to);
        if !(1..=desk.names.attempts()).contains(&number) || !sized {
            tracing::debug!(session = %self.base, %voter, ?vote, "a vote for nothing that could be");
            return;
        }
        let range = desk.names.range(vote);
        let attempt = self.attempts.entry(number).or_default();
        let ballot = ballot.filter(|ballot| ballot.votes.len() <= PASSED_ON);
        attempt.votes.entry(voter).or_insert((range, ballot));
        let proposer = desk.names.proposer(self.base, number);
        if voter == desk.names.me {
            attempt.claimed = true;
        } else if voter == proposer {
            self.second(desk, number, queues);
        }
        self.advance(desk, number, queues);
    }

    /// Our vote for what the proposer of an attempt proposed, if it is not cast yet.
    pub(super) fn second(&mut self, desk: &Desk<'_>, number: u32, queues: &mut Queues) {
        let proposer = desk.names.proposer(self.base, number);
        let Some(attempt) = self.attempts.get_mut(&number).filter(|attempt| !attempt.claimed) else { return };
        let Some((range, _)) = attempt.votes.get(&proposer) else { return };
        attempt.claimed = true;
        let claim = Claim::Of { proposer, batch: range.batch.number, from: range.from, to: range.to };
        queues.claims.push((self.base, number, claim));
    }

    /// Our vote was not cast. Where that may change it is asked for again by the clock: a batch may be in stock elsewhere before it
    /// is here.
    pub fn refused(&mut self, desk: &Desk<'_>, number: u32, error: &BindError) {
        let retry = match error {
            BindError::Empty(_) | BindError::Distrusted(_) => true,
            BindError::NoBatch(batch) => desk.stock.expects(*batch),
            BindError::Lane { .. } | BindError::Bound(_) => false,
        };
        if let Some(attempt) = self.attempts.get_mut(&number)
            && retry
        {
            attempt.claimed = false;
        }
    }
}
