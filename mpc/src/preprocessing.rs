//! Random bits and products ahead of time, in batches. `docs/protocol/preprocessing.md` numbers the steps.
//!
//! References: Cramer, Damgård, Ishai, TCC 2005 (sharings without interaction, and their check); Damgård, Nielsen,
//! CRYPTO 2007 (products by one opening of degree 2t); Damgård, Fitzi, Kiltz, Nielsen, Toft, TCC 2006 and Orsini, Smart,
//! Vercauteren, CT-RSA 2020 (bits from square roots, modulo powers of two).
//! Assumes: at most t of n = 3t + 1 parties are malicious; synchronous rounds for ending, not for safety; private
//! authenticated channels; PRSS keys that are right. Changed: a² + a is opened itself, without a triple; a is a word
//! and four masked words are opened in one element; one report and one binding vote for a batch.

mod agree;
mod convict;
mod mark;
mod products;
mod recipe;
mod stock;

pub use agree::{Rejection, Standing};
pub use convict::convicted;
pub use mark::{Counters, Mark};
pub use products::{masked_factors, products};
pub use recipe::{BitShares, Bits, Recipe, TripleShares, Triples};
pub use stock::{Item, MAX_MASK_BITS, MaskItem, Piece, TripleItem};

use crate::broadcast::{Broadcast, BroadcastId, BroadcastMsg, Delivered};
use crate::codec::{RunKind, Terms, read_elements, write_elements};
use crate::fault::{Evidence, Fault, Misuse, StepId};
use crate::prss::{BatchKeys, PrssKeys};
use crate::ring::{DEGREE, Ring};
use crate::rounds::{Rounds, Say, Turn};
use crate::shamir::{self, Received};
use crate::tags;
use agree::{Digest, Shown};
use std::mem;
use tkms_types::transcript::Transcript;
use tkms_types::{Committee, ContextId, EpochId, PartyId, SessionId};

/// Most items of a batch: 8 MiB of a message over GR(2⁶⁴, 4).
pub const MAX_ITEMS: usize = 1 << 20;
/// Number of the broadcast of the shares, in a careful batch.
const SHARES: u32 = 0;
/// Number of the broadcast of the reports.
const REPORTS: u32 = 1;
/// Number of the broadcast of the secrets of a rejected batch.
const CHECK: u32 = 2;

/// Names a batch. A number is used once in an epoch: the node stores that it is, before the batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchId {
    /// The context.
    pub context: ContextId,
    /// The epoch.
    pub epoch: EpochId,
    /// Counts the batches of an epoch, of every kind.
    pub number: u64,
}

impl BatchId {
    /// The session: the name and everything the parties have to agree on.
    #[must_use]
    pub fn session<R: Ring, C: Recipe<R>>(&self, recipe: &C, standing: &Standing) -> SessionId {
        let hash = Transcript::new(tags::BATCH).word(self.context).word(self.epoch).u64(self.number);
        let hash = hash.u8(C::KIND).u32(R::BITS).u32(recipe.items() as u32).u8(standing.careful.into());
        SessionId(hash.list(&standing.evicted, |hash, party| hash.u8(party.number())).finish())
    }
}

/// One message of a round. Unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchMsg<R> {
    /// Step 2: shares of degree 2t of the masked values, four to an element.
    Shares(Vec<R>),
    /// The rounds of the broadcasts.
    Broadcast(BroadcastMsg),
    /// Step 5: the one binding vote, and whether we lack what was opened.
    Vote {
        /// t + 1 reports agree.
        accept: bool,
        /// Whether we ask for the opened elements.
        want: bool,
    },
    /// Step 5: the opened elements, for who asked.
    Supply(Option<Vec<R>>),
}

/// How a batch ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<I> {
    /// 2t + 1 votes accept it: these are the items, to be stored before any is used.
    Accepted(I),
    /// 2t + 1 votes reject it: its secrets have been shown, it is never used.
    Rejected(Rejection),
    /// Neither, or its values did not reach us: not used by us and not shown.
    Dropped,
}

enum Stage {
    Shares,
    CarefulShares(Broadcast),
    Report(Broadcast),
    Vote { digest: Option<Digest> },
    Supply { digest: Digest },
    Check(Broadcast),
}

/// One party's part in one batch.
pub struct Batch<R: Ring, C: Recipe<R>> {
    terms: Terms,
    keys: BatchKeys,
    recipe: C,
    standing: Standing,
    kept: Option<C::Kept>,
    /// What each party sent in step 2.
    messages: Vec<Option<Vec<R>>>,
    /// What step 3 opened, with its digest.
    opened: Option<(Vec<R>, Digest)>,
    round: u32,
    stage: Stage,
}

type BatchTurn<R, C> = Turn<BatchMsg<R>, Outcome<<C as Recipe<R>>::Items>>;

impl<R: Ring, C: Recipe<R>> Batch<R, C> {
    /// Steps 1 and 2: draws the sharings and sends the masked ones.
    ///
    /// # Errors
    /// [`Misuse::Items`] unless the items are 4, 8, … [`MAX_ITEMS`].
    pub fn new(
        id: &BatchId,
        keys: &PrssKeys,
        recipe: C,
        standing: &Standing,
    ) -> Result<(Self, Say<BatchMsg<R>>), Misuse> {
        let items = recipe.items();
        if items == 0 || items > MAX_ITEMS || !items.is_multiple_of(DEGREE) {
            return Err(Misuse::Items { items, max: MAX_ITEMS });
        }
        let terms = Self::terms_of((id, &recipe, standing), keys.owner().committee);
        let keys = keys.batch(&terms.session);
        let (kept, message) = recipe.prepare(&mut keys.draws());
        let mut batch = Self {
            terms,
            keys,
            recipe,
            standing: standing.clone(),
            kept: Some(kept),
            messages: Vec::new(),
            opened: None,
            round: 1,
            stage: Stage::Shares,
        };
        if !standing.careful {
            return Ok((batch, Say::All(BatchMsg::Shares(message))));
        }
        let (broadcast, say) = batch.broadcast(SHARES, write(&message));
        batch.stage = Stage::CarefulShares(broadcast);
        Ok((batch, say))
    }

    fn place(&self) -> (Committee, PartyId) {
        (self.keys.owner().committee, self.keys.owner().party)
    }

    fn elements(&self) -> usize {
        self.recipe.items() / DEGREE
    }

    /// What everyone knows about a batch before it begins.
    #[must_use]
    pub fn terms_of((id, recipe, standing): (&BatchId, &C, &Standing), committee: Committee) -> Terms {
        let list = recipe.items() / DEGREE * R::BYTES;
        let shown = Shown::bytes(committee);
        let value = if standing.careful { shown.max(list) } else { shown };
        let kind = RunKind::Batch { careful: standing.careful };
        Terms { session: id.session(recipe, standing), committee, kind, value, list }
    }

    fn broadcast(&self, number: u32, value: Vec<u8>) -> (Broadcast, Say<BatchMsg<R>>) {
        let id = BroadcastId { session: self.terms.session, number };
        let (broadcast, say) = Broadcast::new(id, self.place(), self.terms.value, value);
        (broadcast, say.map(BatchMsg::Broadcast))
    }

    /// Step 2, received: a message of another kind or length is no message.
    fn take_shares(&mut self, heard: Vec<Option<BatchMsg<R>>>) -> BatchTurn<R, C> {
        let mut faults = Vec::new();
        let expected = self.elements();
        let mut take = |(culprit, msg): (PartyId, Option<BatchMsg<R>>)| {
            let evidence = match msg? {
                BatchMsg::Shares(list) if list.len() == expected => return Some(list),
                BatchMsg::Shares(list) => Evidence::WrongLength { expected, found: list.len() },
                _ => Evidence::WrongKind { round: self.round },
            };
            faults.push(Fault { culprit, step: StepId::Batch, evidence });
            None
        };
        self.messages = self.keys.owner().committee.parties().zip(heard).map(&mut take).collect();
        self.report(faults)
    }

    /// Step 2 of a careful batch: everyone has the same messages.
    fn take_broadcast_shares(&mut self, delivered: Delivered, faults: Vec<Fault>) -> BatchTurn<R, C> {
        let expected = self.elements() * R::BYTES;
        let read = |value: Option<Vec<u8>>| Some(read_elements(&value.filter(|value| value.len() == expected)?));
        self.messages = delivered.into_iter().map(read).collect();
        self.report(faults)
    }

    /// Steps 3 and 4: open, with a share of everyone that is not evicted on one polynomial, and broadcast the digest of
    /// what was opened, or nothing.
    fn report(&mut self, faults: Vec<Fault>) -> BatchTurn<R, C> {
        let committee = self.place().0;
        let trusted: Vec<_> = committee.parties().filter(|party| !self.standing.evicted.contains(party)).collect();
        let heard = committee.parties().zip(&self.messages);
        let received: Vec<_> =
            heard.filter_map(|(party, shares)| Some(Received { party, shares: shares.as_deref()? })).collect();
        let degree = 2 * committee.threshold().faults();
        let opened = shamir::decode_complete(&received, &trusted, degree).ok();
        let opened = opened.filter(|opened| self.recipe.plausible(opened));
        self.opened = opened.map(|opened| {
            let digest = self.digest(&opened);
            (opened, digest)
        });
        let report = self.opened.as_ref().map_or_else(Vec::new, |(_, digest)| digest.to_vec());
        let (broadcast, say) = self.broadcast(REPORTS, report);
        self.stage = Stage::Report(broadcast);
        Turn::say(say, faults)
    }

    fn digest(&self, opened: &[R]) -> Digest {
        agree::opened_digest(self.terms.session, opened)
    }

    /// Step 5: one vote. t + 1 equal reports hold an honest one, so what it opened is right.
    fn vote(&mut self, reports: &Delivered, faults: Vec<Fault>) -> BatchTurn<R, C> {
        let digest = agree::agreed_report(self.place().0, &self.standing.evicted, reports);
        let ours = self.opened.as_ref().map(|(_, digest)| *digest);
        let want = digest.is_some() && ours != digest;
        self.stage = Stage::Vote { digest };
        Turn::say(Say::All(BatchMsg::Vote { accept: digest.is_some(), want }), faults)
    }

    /// Step 5: 2t + 1 votes either way decide; no honest party votes twice, so there cannot be both.
    fn count(&mut self, heard: Vec<Option<BatchMsg<R>>>, digest: Option<Digest>) -> BatchTurn<R, C> {
        let (committee, _) = self.place();
        let (mut faults, mut votes) = (Vec::new(), Vec::new());
        for (culprit, msg) in committee.parties().zip(heard) {
            votes.push(match msg {
                Some(BatchMsg::Vote { accept, want }) => Some((accept, want)),
                None => None,
                Some(_) => {
                    let evidence = Evidence::WrongKind { round: self.round };
                    faults.push(Fault { culprit, step: StepId::Agree, evidence });
                    None
                }
            });
        }
        let count = |side: bool| votes.iter().flatten().filter(|(accept, _)| *accept == side).count();
        let quorum = committee.threshold().quorum();
        if let (true, Some(digest)) = (count(true) >= quorum, digest) {
            let opened = self.opened.as_ref().filter(|(_, ours)| *ours == digest).map(|(opened, _)| opened);
            let supply = |vote: &Option<(bool, bool)>| {
                BatchMsg::Supply(opened.filter(|_| matches!(vote, Some((_, true)))).cloned())
            };
            let say = Say::Each(votes.iter().map(supply).collect());
            self.stage = Stage::Supply { digest };
            return Turn::say(say, faults);
        }
        if count(false) >= quorum {
            let own = self.recipe.prepare(&mut self.keys.draws()).1;
            let heard =
                self.messages.iter().map(|msg| msg.as_ref().map(|msg| agree::message_digest(self.terms.session, msg)));
            let shown = Shown {
                secrets: self.keys.show(),
                own: agree::message_digest(self.terms.session, &own),
                heard: heard.collect(),
            };
            let (broadcast, say) = self.broadcast(CHECK, shown.write());
            self.stage = Stage::Check(broadcast);
            return Turn::say(say, faults);
        }
        Turn::output(Outcome::Dropped, faults)
    }

    /// Step 5, who lacked the values: takes what has the digest.
    fn accept(&mut self, heard: Vec<Option<BatchMsg<R>>>, digest: Digest) -> BatchTurn<R, C> {
        let own = self.opened.take().filter(|(_, ours)| *ours == digest).map(|(opened, _)| opened);
        let mut supplied = heard.into_iter().filter_map(|msg| match msg {
            Some(BatchMsg::Supply(list)) => list,
            _ => None,
        });
        let fits = |opened: &Vec<R>| opened.len() == self.elements() && self.digest(opened) == digest;
        let opened = own.or_else(|| supplied.find(fits));
        let items = opened.zip(self.kept.take()).and_then(|(opened, kept)| self.recipe.finish(kept, &opened));
        Turn::output(items.map_or(Outcome::Dropped, Outcome::Accepted), Vec::new())
    }

    /// Step 6: everyone's message is recomputed from the shown secrets.
    fn reject(&self, delivered: &Delivered, mut faults: Vec<Fault>) -> BatchTurn<R, C> {
        let committee = self.place().0;
        let shown: Vec<_> = delivered.iter().map(|value| Shown::read(committee, value.as_deref()?)).collect();
        let right = |keys: &BatchKeys| self.recipe.prepare(&mut keys.draws()).1;
        let (rejection, messages) = agree::check(self.terms.session, committee, &self.standing, &shown, right);
        for (culprit, right) in committee.parties().zip(&messages) {
            let sent = self.messages.get(culprit.index()).and_then(Option::as_ref);
            let off =
                right.as_ref().zip(sent).and_then(|(right, sent)| right.iter().zip(sent).position(|(a, b)| a != b));
            let public = rejection.corrupt.contains(&culprit).then_some(Evidence::NotFromKeys);
            let evidence = off.map(|element| Evidence::OffPolynomial { element }).or(public);
            faults.extend(evidence.map(|evidence| Fault { culprit, step: StepId::Check, evidence }));
        }
        Turn::output(Outcome::Rejected(rejection), faults)
    }

    /// Hands a round to the broadcast in progress.
    fn close_broadcast(&mut self, heard: Vec<Option<BatchMsg<R>>>) -> BatchTurn<R, C> {
        let (Stage::CarefulShares(broadcast) | Stage::Report(broadcast) | Stage::Check(broadcast)) = &mut self.stage
        else {
            return Turn::output(Outcome::Dropped, Vec::new());
        };
        let mut strange = Vec::new();
        let mut inner = |(culprit, msg): (PartyId, Option<BatchMsg<R>>)| match msg? {
            BatchMsg::Broadcast(msg) => Some(msg),
            _ => {
                let evidence = Evidence::WrongKind { round: self.round };
                strange.push(Fault { culprit, step: StepId::Broadcast, evidence });
                None
            }
        };
        let heard = self.keys.owner().committee.parties().zip(heard).map(&mut inner).collect();
        let mut turn = broadcast.close(heard);
        turn.faults.extend(strange);
        let Some(delivered) = turn.output else {
            return Turn::say(turn.say.map(BatchMsg::Broadcast), turn.faults);
        };
        match mem::replace(&mut self.stage, Stage::Shares) {
            Stage::CarefulShares(_) => self.take_broadcast_shares(delivered, turn.faults),
            Stage::Check(_) => self.reject(&delivered, turn.faults),
            _ => self.vote(&delivered, turn.faults),
        }
    }
}

impl<R: Ring, C: Recipe<R>> Rounds for Batch<R, C> {
    type Msg = BatchMsg<R>;
    type Output = Outcome<C::Items>;

    fn committee(&self) -> Committee {
        self.place().0
    }

    fn me(&self) -> PartyId {
        self.place().1
    }

    /// An evicted party is heard if it speaks and not waited for.
    fn waits_for(&self, party: PartyId) -> bool {
        !self.standing.evicted.contains(&party)
    }

    fn step_id(&self) -> StepId {
        match self.stage {
            Stage::Shares | Stage::CarefulShares(_) => StepId::Batch,
            Stage::Report(_) | Stage::Vote { .. } | Stage::Supply { .. } => StepId::Agree,
            Stage::Check(_) => StepId::Check,
        }
    }

    fn terms(&self) -> Terms {
        self.terms
    }

    fn close(&mut self, heard: Vec<Option<BatchMsg<R>>>) -> BatchTurn<R, C> {
        let turn = match &self.stage {
            Stage::Shares => self.take_shares(heard),
            Stage::Vote { digest } => self.count(heard, *digest),
            Stage::Supply { digest } => self.accept(heard, *digest),
            Stage::CarefulShares(_) | Stage::Report(_) | Stage::Check(_) => self.close_broadcast(heard),
        };
        self.round += 1;
        turn
    }
}

fn write<R: Ring>(list: &[R]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_elements(list, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
