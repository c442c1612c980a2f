//! What the clock asks of a ciphertext: proposals, the way without stock, what to fetch and whom to ask.

use super::super::attempt::{Attempt, Machine};
use super::{Desk, Queues, Session};
use crate::limits::{AWAY_TIME, EXACT_LOOK, EXACT_MISSED, LONGEST_BACKOFF, PROPOSAL_TIME, STUCK_TIME};
use crate::stock::Claim;
use std::time::Instant;
use tkms_mpc::machine::Machine as _;
use tkms_types::PartyId;

impl Session {
    /// A peer opens it in public, and we know no public request for it.
    pub fn lacks_request(&mut self, peer: PartyId, now: Instant) -> bool {
        if self.request.is_some() || now < self.ask_at {
            return false;
        }
        let lacks = self.attempts.values().any(|attempt| attempt.revealed.contains_key(&peer));
        if lacks {
            self.ask_at = now + LONGEST_BACKOFF;
        }
        lacks
    }

    /// A certified attempt cannot begin for want of the samples.
    pub fn lacks_list(&mut self, desk: &Desk<'_>) -> bool {
        if self.list.is_some() || desk.now < self.fetch_at {
            return false;
        }
        let waits = |(number, attempt): (&u32, &Attempt)| {
            attempt.is_idle() && attempt.certificate(desk.names.committee, self.id(desk.names, *number)).is_some()
        };
        let lacks = self.attempts.iter().any(waits);
        if lacks {
            self.fetch_at = desk.now + LONGEST_BACKOFF;
        }
        lacks
    }

    /// What the clock asks for, if it is time: a proposal, a vote, the end of an attempt without stock, or its beginning by rule.
    pub fn tick(&mut self, desk: &Desk<'_>, connected: &dyn Fn(PartyId) -> bool, queues: &mut Queues) {
        if desk.now < self.wake {
            return;
        }
        self.wake = desk.now + EXACT_LOOK;
        let late = self.attempts.get_mut(&0).filter(|attempt| attempt.deadline.is_some_and(|at| at <= desk.now));
        if let Some(attempt) = late {
            attempt.deadline = None;
            if let Some(Machine::OnDemand(machine)) = &mut attempt.machine {
                let step = machine.round_over();
                self.demanded(desk, step, queues);
            }
        }
        let done = self.is_done();
        for number in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.advance(desk, number, queues);
            if !done {
                self.second(desk, number, queues);
            }
        }
        self.settle(desk.now);
        if self.is_done() || self.has_ended() {
            return;
        }
        let demand = self.attempts.get(&0);
        if demand.is_some_and(|attempt| attempt.machine.is_some()) {
            self.waits = desk.now;
            return;
        }
        if !desk.stock.serves(self.blocks()) {
            self.waits = desk.now;
            // the rule: no stock, and everybody there
            if demand.is_none_or(|attempt| !attempt.lost) && desk.names.committee.parties().all(connected) {
                self.begin_on_demand(desk, queues);
            }
            return;
        }
        self.propose(desk, connected, queues);
    }

    /// Attempts have their proposers in turn. One that has spoken and led to nothing is given more time than one that is
    /// silent, and that more than one that we do not reach: it may be back and not yet called.
    fn propose(&mut self, desk: &Desk<'_>, connected: &dyn Fn(PartyId) -> bool, queues: &mut Queues) {
        let (names, blocks) = (desk.names, self.blocks());
        let mut due = self.waits;
        for number in 1..=names.attempts() {
            let proposer = names.proposer(self.base, number);
            let attempt = self.attempts.get(&number);
            let spoken = attempt.is_some_and(|attempt| attempt.votes.contains_key(&proposer));
            if proposer == names.me && !spoken {
                let claimed = attempt.is_some_and(|attempt| attempt.claimed);
                if due <= desk.now && !claimed && desk.stock.has(blocks) {
                    self.attempts.entry(number).or_default().claimed = true;
                    queues.claims.push((self.base, number, Claim::Own { items: blocks }));
                }
                return;
            }
            due += if spoken {
                desk.patience(STUCK_TIME)
            } else if connected(proposer) {
                desk.patience(PROPOSAL_TIME)
            } else {
                if self.pause == EXACT_MISSED {
                    // Not asked yet: what it led to before it went is with the others
                    self.pull_at = self.pull_at.min(self.waits + AWAY_TIME / 2);
                }
                AWAY_TIME
            };
            if due > desk.now {
                self.wake = self.wake.min(due);
            }
        }
    }

    /// Whether it is time to ask the peers again.
    pub fn wants_pull(&mut self, desk: &Desk<'_>) -> bool {
        if desk.now < self.pull_at || self.is_done() {
            return false;
        }
        self.pause = (self.pause * 2).min(LONGEST_BACKOFF);
        self.pull_at = desk.now + desk.patience(self.pause);
        true
    }
}
