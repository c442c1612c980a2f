//! One ciphertext under `exact`: its attempts, from votes to the answer. Pure but for the stock, which it reads.

mod timing;
mod votes;

use super::attempt::{Attempt, Machine};
use super::codec::{Part, What, Word, write_elements};
use super::{Asked, Names, Queues};
use crate::limits::{AWAY_TIME, EXACT_MISSED, ON_DEMAND_TIME, SETTLE_TIME};
use crate::session::Opened;
use crate::stock::{EndedSession, Stock, TakeError};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_mpc::exact::{
    Ending, ExactKey, FromStock, Masked, MessageShares, OnDemand, OnDemandMsg, Reveal, Revealed, Switched, Width,
};
use tkms_mpc::fault::{Fault, Owner};
use tkms_mpc::machine::{Machine as _, Step};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::Gr16;
use tkms_types::{FheType, PartyId, SessionId};
use tkms_wire::answer::Blame;
use tkms_wire::switched::{DIMENSION, SwitchedList};
use tokio::sync::watch;

/// Votes of the longest ballot that is kept with each of its ciphertexts and passed on; own votes are signed again.
const PASSED_ON: usize = 32;

/// What a session works with.
pub(super) struct Desk<'a> {
    pub names: &'a Names,
    pub key: &'a ExactKey,
    pub prss: &'a PrssKeys,
    pub stock: &'a Stock,
    pub now: Instant,
    /// What is on its way here makes everything slower by this.
    pub load: Duration,
}

impl Desk<'_> {
    fn owner(&self) -> Owner {
        self.key.owner()
    }

    /// After so long something is wrong that takes `time` where nothing else is to be done.
    fn patience(&self, time: Duration) -> Duration {
        time + self.load
    }
}

/// See the module.
pub(super) struct Session {
    pub base: SessionId,
    pub digest: B256,
    pub kind: FheType,
    /// Until the messages are shared. A later attempt fetches it again.
    pub list: Option<Arc<SwitchedList>>,
    /// The public request that our policy accepted, if any: without one nothing is opened.
    pub request: Option<Arc<Asked>>,
    attempts: BTreeMap<u32, Attempt>,
    /// When the first attempt ended.
    ended: Option<Instant>,
    /// Shares of the messages, once it is settled of which attempt.
    pub shares: watch::Sender<Option<(u32, Arc<MessageShares>)>>,
    /// The messages.
    pub opened: watch::Sender<Option<Arc<Opened>>>,
    blamed: Vec<Blame>,
    /// Since when a range could have been proposed.
    waits: Instant,
    pull_at: Instant,
    ask_at: Instant,
    fetch_at: Instant,
    pause: Duration,
    /// When the clock has to look at it next.
    wake: Instant,
    /// Since when nobody here waits for it.
    pub finished: Option<Instant>,
}

impl Session {
    pub fn new(base: SessionId, digest: B256, kind: FheType, desk: &Desk<'_>) -> Self {
        let (now, missed) = (desk.now, desk.now + desk.patience(EXACT_MISSED));
        Self {
            base,
            digest,
            kind,
            list: None,
            request: None,
            attempts: BTreeMap::new(),
            ended: None,
            shares: watch::Sender::new(None),
            opened: watch::Sender::new(None),
            blamed: Vec::new(),
            waits: now,
            pull_at: missed,
            ask_at: missed,
            fetch_at: now,
            pause: EXACT_MISSED,
            wake: now,
            finished: None,
        }
    }

    /// What an earlier run of the node left of it.
    pub fn restore(&mut self, ended: EndedSession) {
        let attempt = self.attempts.entry(ended.attempt).or_default();
        attempt.claimed = true;
        attempt.masked_own = super::codec::read_elements(&ended.masked);
        attempt.range = ended.range;
        attempt.shares = Some(ended.shares);
    }

    /// A user's answer is of the lowest attempt that ended. One below it that is voted for may still end, and be what the other
    /// nodes answer from: it is waited for, but not for long; and so are votes for one that we have not heard of.
    fn settle(&mut self, now: Instant) {
        let ended = self.attempts.iter().find_map(|(number, attempt)| Some((*number, attempt.shares.clone()?)));
        let Some((number, shares)) = ended.filter(|_| self.shares.borrow().is_none()) else { return };
        let since = *self.ended.get_or_insert(now);
        let wait = match number {
            _ if self.attempts.range(..number).any(|(_, attempt)| attempt.may_end()) => SETTLE_TIME,
            0 | 1 => Duration::ZERO,
            _ => AWAY_TIME,
        };
        if since + wait <= now {
            self.shares.send_replace(Some((number, shares)));
        } else {
            self.wake = self.wake.min(since + wait);
        }
    }

    /// Whether some attempt ended, with shares of the messages.
    fn has_ended(&self) -> bool {
        self.attempts.values().any(|attempt| attempt.shares.is_some())
    }

    fn blocks(&self) -> u32 {
        // at most 64
        self.kind.squashed_blocks() as u32
    }

    /// Whether it has what it was asked for.
    pub fn is_done(&self) -> bool {
        match self.request {
            Some(_) => self.opened.borrow().is_some(),
            None => self.shares.borrow().is_some(),
        }
    }

    /// Whether we have said anything in it, or are about to.
    pub fn is_begun(&self) -> bool {
        self.attempts.values().any(|attempt| attempt.claimed || attempt.machine.is_some())
    }

    /// Whether somebody still waits for it here.
    pub fn is_watched(&self) -> bool {
        self.shares.receiver_count() + self.opened.receiver_count() > 0
    }

    /// Whether every peer's shares were heard, in some attempt.
    pub fn is_complete(&self, desk: &Desk<'_>) -> bool {
        let peers = desk.names.committee.size() - 1;
        self.attempts.values().any(|attempt| {
            let revealed = self.request.is_none() || attempt.revealed_heard.len() >= peers;
            attempt.shares.is_some() && attempt.masked_heard.len() >= peers && revealed
        })
    }

    fn id(&self, names: &Names, attempt: u32) -> SessionId {
        if attempt == 0 { self.base } else { names.session(self.digest, attempt) }
    }

    /// Our policy accepts a request for it.
    pub fn accept(
        &mut self,
        desk: &Desk<'_>,
        list: Arc<SwitchedList>,
        request: Option<Arc<Asked>>,
        queues: &mut Queues,
    ) {
        self.request = self.request.take().or(request);
        self.list.get_or_insert(list);
        for number in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.advance(desk, number, queues);
            self.reveal(desk, number, queues);
        }
        self.settle(desk.now);
        if self.is_done() {
            self.list = None;
        }
    }

    /// A message of a peer.
    pub fn hear_word(&mut self, desk: &Desk<'_>, from: PartyId, word: Word, queues: &mut Queues) {
        let number = word.attempt;
        if number > desk.names.attempts() {
            return;
        }
        let attempt = self.attempts.entry(number).or_default();
        match word.what {
            What::Bits => {
                match &mut attempt.machine {
                    Some(Machine::OnDemand(machine)) => {
                        let step = machine.receive(from, OnDemandMsg::Bits(word.elements));
                        self.demanded(desk, step, queues);
                    }
                    _ => {
                        attempt.bits.entry(from).or_insert(word.elements);
                        self.begin_on_demand(desk, queues);
                    }
                };
            }
            What::Masked => {
                attempt.masked_heard.insert(from);
                match &mut attempt.machine {
                    Some(Machine::FromStock(machine)) => {
                        let step = machine.receive(from, Masked(word.elements));
                        self.masked(desk, number, step, queues);
                    }
                    Some(Machine::OnDemand(machine)) => {
                        let step = machine.receive(from, OnDemandMsg::Masked(word.elements));
                        self.demanded(desk, step, queues);
                    }
                    None => drop(attempt.masked.entry(from).or_insert(word.elements)),
                }
            }
            What::Revealed => {
                attempt.revealed_heard.insert(from);
                match &mut attempt.reveal {
                    Some(machine) => {
                        let step = machine.receive(from, Revealed(word.elements));
                        self.revealed(desk, number, step, queues);
                    }
                    None => {
                        attempt.revealed.entry(from).or_insert(word.elements);
                        self.listen(desk, number, queues);
                    }
                }
            }
        }
    }

    /// Begins an attempt as soon as its range is certified.
    fn advance(&mut self, desk: &Desk<'_>, number: u32, queues: &mut Queues) {
        let quorum = desk.names.committee.threshold().quorum();
        let ripe = |attempt: &Attempt| attempt.is_idle() && attempt.votes.len() >= quorum;
        if !self.attempts.get(&number).is_some_and(ripe) {
            return;
        }
        let id = self.id(desk.names, number);
        let (Some(attempt), Some(list)) = (self.attempts.get_mut(&number), self.list.clone()) else { return };
        let Some(certificate) = attempt.certificate(desk.names.committee, id) else { return };
        crate::metrics::certificate();
        let items = match desk.stock.items(&certificate, desk.owner()) {
            Ok(items) => items,
            // asked again by the clock: when the peers have spoken, when the batch is there
            Err(TakeError::Distrusted(_)) => return,
            Err(TakeError::NoBatch(batch)) if desk.stock.expects(batch) => return,
            Err(error) => {
                tracing::warn!(session = %id, %error, "no part in this attempt");
                attempt.lost = true;
                return;
            }
        };
        let samples = Switched::new(Width::PRODUCTION, DIMENSION as usize, &list.words);
        let started = samples.ok().and_then(|samples| FromStock::start(desk.key, &samples, items, desk.prss).ok());
        let Some((machine, mut step)) = started else {
            tracing::error!(session = %id, "samples, key and items do not fit together");
            attempt.lost = true;
            return;
        };
        queues.computed += 1;
        attempt.range = Some(*certificate.range());
        attempt.masked_own = step.send.pop().map(|outgoing| outgoing.msg.0).unwrap_or_default();
        let word = Word { base: self.base, attempt: number, what: What::Masked, elements: attempt.masked_own.clone() };
        queues.send.push(Part::Word(word));
        attempt.machine = Some(Machine::FromStock(machine));
        let early = std::mem::take(&mut attempt.masked);
        self.masked(desk, number, step, queues);
        for (from, elements) in early {
            let word = Word { base: self.base, attempt: number, what: What::Masked, elements };
            self.hear_word(desk, from, word, queues);
        }
    }

    fn masked(&mut self, desk: &Desk<'_>, number: u32, step: Step<Masked, MessageShares>, queues: &mut Queues) {
        self.blame(desk, number, step.faults, queues);
        if let Some(shares) = step.output {
            self.end(desk, number, shares, queues);
        }
    }

    /// The variant without stock, attempt 0.
    pub fn begin_on_demand(&mut self, desk: &Desk<'_>, queues: &mut Queues) {
        let Some(list) = self.list.clone() else { return };
        let attempt = self.attempts.entry(0).or_default();
        if !attempt.is_idle() {
            return;
        }
        let samples = Switched::new(Width::PRODUCTION, DIMENSION as usize, &list.words);
        let started = samples.ok().and_then(|samples| OnDemand::start(desk.key, &samples, &self.base, desk.prss).ok());
        let Some((machine, step)) = started else {
            tracing::error!(session = %self.base, "samples and key do not fit together");
            attempt.lost = true;
            return;
        };
        queues.computed += 1;
        crate::metrics::on_demand("begun");
        let deadline = desk.now + desk.patience(ON_DEMAND_TIME);
        attempt.deadline = Some(deadline);
        self.wake = self.wake.min(deadline);
        attempt.machine = Some(Machine::OnDemand(machine));
        let (bits, masked) = (std::mem::take(&mut attempt.bits), std::mem::take(&mut attempt.masked));
        self.demanded(desk, step, queues);
        for (what, early) in [(What::Bits, bits), (What::Masked, masked)] {
            for (from, elements) in early {
                self.hear_word(desk, from, Word { base: self.base, attempt: 0, what, elements }, queues);
            }
        }
    }

    fn demanded(&mut self, desk: &Desk<'_>, step: Step<OnDemandMsg, Ending>, queues: &mut Queues) {
        let Some(attempt) = self.attempts.get_mut(&0) else { return };
        for outgoing in step.send {
            let (what, elements) = match outgoing.msg {
                OnDemandMsg::Bits(elements) => (What::Bits, elements),
                OnDemandMsg::Masked(elements) => (What::Masked, elements),
            };
            match what {
                What::Bits => attempt.bits_own = elements.clone(),
                _ => attempt.masked_own = elements.clone(),
            }
            queues.send.push(Part::Word(Word { base: self.base, attempt: 0, what, elements }));
        }
        self.blame(desk, 0, step.faults, queues);
        match step.output {
            Some(Ending::Shares(shares)) => {
                crate::metrics::on_demand("ended");
                self.end(desk, 0, shares, queues);
            }
            Some(Ending::FallBack(reason)) => {
                tracing::info!(session = %self.base, ?reason, "falls back to stock");
                crate::metrics::on_demand("fell back");
                if let Some(attempt) = self.attempts.get_mut(&0) {
                    // says nothing more in this session
                    (attempt.lost, attempt.machine) = (true, None);
                }
                self.waits = desk.now;
            }
            None => {}
        }
    }

    /// The messages are shared: to disk, to who waits, and on to the answer.
    fn end(&mut self, desk: &Desk<'_>, number: u32, shares: MessageShares, queues: &mut Queues) {
        let shares = Arc::new(shares);
        let Some(attempt) = self.attempts.get_mut(&number) else { return };
        attempt.shares = Some(Arc::clone(&shares));
        attempt.deadline = None;
        let mut masked = Vec::new();
        write_elements(&attempt.masked_own, &mut masked);
        queues.ended.push(EndedSession {
            base: self.base,
            attempt: number,
            digest: self.digest,
            kind: self.kind,
            range: attempt.range,
            masked,
            shares: Arc::clone(&shares),
        });
        crate::metrics::attempt(number);
        self.settle(desk.now);
        self.list = None;
        self.reveal(desk, number, queues);
    }

    /// Step 7, if a public request was accepted.
    fn reveal(&mut self, desk: &Desk<'_>, number: u32, queues: &mut Queues) {
        let Some(attempt) = self.attempts.get_mut(&number).filter(|_| self.request.is_some()) else { return };
        let Some(shares) = attempt.shares.clone().filter(|_| attempt.revealed_own.is_empty()) else {
            return self.listen(desk, number, queues);
        };
        let (machine, mut step) = Reveal::start(&shares);
        let own = step.send.pop().map(|outgoing| outgoing.msg.0).unwrap_or_default();
        attempt.revealed_own.clone_from(&own);
        let word = Word { base: self.base, attempt: number, what: What::Revealed, elements: own.clone() };
        queues.send.push(Part::Word(word));
        let me = desk.names.me;
        match &mut attempt.reveal {
            // it has listened until now
            Some(listening) => step = listening.receive(me, Revealed(own)),
            None => attempt.reveal = Some(machine),
        }
        self.revealed(desk, number, step, queues);
        self.feed_reveal(desk, number, queues);
    }

    /// A node whose items are lost learns the messages from 2t + 1 others.
    fn listen(&mut self, desk: &Desk<'_>, number: u32, queues: &mut Queues) {
        let quorum = desk.names.committee.threshold().quorum();
        let blocks = self.blocks() as usize;
        let Some(attempt) = self.attempts.get_mut(&number).filter(|_| self.request.is_some()) else { return };
        if attempt.reveal.is_none() && attempt.revealed.len() >= quorum {
            attempt.reveal = Reveal::listen(desk.owner(), blocks).ok();
            self.feed_reveal(desk, number, queues);
        }
    }

    fn feed_reveal(&mut self, desk: &Desk<'_>, number: u32, queues: &mut Queues) {
        let early = self.attempts.get_mut(&number).map(|attempt| std::mem::take(&mut attempt.revealed));
        for (from, elements) in early.unwrap_or_default() {
            let word = Word { base: self.base, attempt: number, what: What::Revealed, elements };
            self.hear_word(desk, from, word, queues);
        }
    }

    fn revealed(&mut self, desk: &Desk<'_>, number: u32, step: Step<Revealed, Vec<u8>>, queues: &mut Queues) {
        self.blame(desk, number, step.faults, queues);
        let (Some(digits), Some(request)) = (step.output, self.request.clone()) else { return };
        let fresh = self.opened.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(Arc::new(Opened { digits: digits.clone(), blamed: self.blamed.clone() }));
            }
            first
        });
        if fresh {
            queues.opened.push((self.base, request, digits));
        }
    }

    fn blame(&mut self, desk: &Desk<'_>, number: u32, faults: Vec<Fault>, queues: &mut Queues) {
        let session = self.id(desk.names, number);
        for fault in faults {
            let blame = Blame { party: fault.culprit, step: format!("{:?}", fault.step), session };
            self.blamed.push(blame.clone());
            queues.faults.push((blame, fault));
        }
    }

    /// Everything we said in it, and the votes that certify.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for (number, attempt) in &self.attempts {
            parts.extend(attempt.votes.values().filter_map(|(_, ballot)| ballot.clone().map(Part::Ballot)));
            let said: [(What, &Vec<Gr16>); 3] = [
                (What::Bits, &attempt.bits_own),
                (What::Masked, &attempt.masked_own),
                (What::Revealed, &attempt.revealed_own),
            ];
            let said = said.into_iter().filter(|(_, elements)| !elements.is_empty());
            parts.extend(said.map(|(what, elements)| {
                Part::Word(Word { base: self.base, attempt: *number, what, elements: elements.clone() })
            }));
        }
        parts
    }

    /// Attempts that we voted for and hold no ballot of: it was long, or of an earlier run of the node.
    pub fn unshown(&self, me: PartyId) -> Vec<(u32, tkms_mpc::exact::Range)> {
        let unshown = |(number, attempt): (&u32, &Attempt)| match attempt.votes.get(&me) {
            Some((_, Some(_))) => None,
            Some((range, None)) => Some((*number, *range)),
            None => Some((*number, attempt.range?)),
        };
        self.attempts.iter().filter_map(unshown).collect()
    }
}
