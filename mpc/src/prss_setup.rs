//! PRSS keys without a dealer. `docs/protocol/prss-setup.md` numbers the steps.
//!
//! References: Cramer, Damgård, Ishai, TCC 2005 (what the keys are for); Hirt, Maurer, Przydatek, ASIACRYPT 2000, and
//! Damgård, Nielsen, CRYPTO 2007 (extraction of n − t uniform sharings from n dealt ones by a Vandermonde matrix).
//! Assumes: at most t of n = 3t + 1 parties are malicious; synchronous rounds; private authenticated channels;
//! [`crate::vss`]. Changed: the keys are hashed from elements of GR(2⁶⁴, 4), which have the bits of a key.

use crate::bounds::{FloodBounds, subsets};
use crate::broadcast::BroadcastId;
use crate::codec::Terms;
use crate::fault::{Abort, Evidence, Fault, Misuse, Owner, StepId};
use crate::prss::{KEY_BYTES, PrssKeys, Subset, all_subsets, held_subsets, holds};
use crate::ring::Gr64;
use crate::rounds::{Rounds, Say, Turn};
use crate::shamir::{self, Received};
use crate::statement::{Seal, SignedWords};
use crate::tags;
use crate::vss::{self, Dealt, Vss, VssMsg};
use std::fmt;
use tkms_types::transcript::Transcript;
use tkms_types::{Committee, PartyId, SessionId};
use zeroize::Zeroizing;

/// One message of a round. Unchecked.
#[derive(Clone, PartialEq, Eq)]
pub enum SetupMsg {
    /// Steps 1 and 2: the dealings.
    Vss(VssMsg<Gr64>),
    /// Step 3: the sender's shares of the values of the receiver's subsets, in ascending order.
    Open(Vec<Gr64>),
}

impl fmt::Debug for SetupMsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vss(msg) => msg.fmt(f),
            Self::Open(list) => write!(f, "Open({} elements, redacted)", list.len()),
        }
    }
}

/// One party's part in the setup of an epoch.
pub struct PrssSetup {
    session: SessionId,
    owner: Owner,
    round: u32,
    vss: Vss<Gr64>,
    /// After step 2: our share of every subset's value is on its way.
    opening: bool,
}

type SetupTurn = Turn<SetupMsg, Result<PrssKeys, Abort>>;

impl PrssSetup {
    /// Step 1: every party deals ⌈C(n,t) / (n − t)⌉ uniform secrets.
    ///
    /// # Errors
    /// [`Misuse::Bound`] if masks of this committee would not fit beside the message.
    pub fn new(
        session: SessionId,
        owner: Owner,
        rng: &mut impl rand::CryptoRng,
    ) -> Result<(Self, Say<SetupMsg>), Misuse> {
        FloodBounds::PRODUCTION.check(subsets(owner.committee))?;
        let count = secrets_dealt(owner.committee);
        let mut secrets = Zeroizing::new(Vec::with_capacity(count));
        secrets.extend((0..count).map(|_| Gr64::random(rng)));
        let id = BroadcastId { session, number: 0 };
        let (vss, say) = Vss::new(id, (owner.committee, owner.party), &secrets, rng)?;
        Ok((Self { session, owner, round: 1, vss, opening: false }, say.map(SetupMsg::Vss)))
    }

    /// Rounds of a run in this committee.
    #[must_use]
    pub const fn rounds(committee: Committee) -> u32 {
        Vss::<Gr64>::rounds(committee) + 1
    }

    /// Step 2: n − t uniform sharings from every n dealt ones, one for each subset.
    fn extract(&self, dealt: &Dealt<Gr64>) -> Zeroizing<Vec<(Subset, Gr64)>> {
        let committee = self.owner.committee;
        let all = all_subsets(committee);
        let mut shares = Zeroizing::new(Vec::with_capacity(all.len()));
        for (place, subset) in all.into_iter().enumerate() {
            let (batch, row) = (place / extracted(committee), place % extracted(committee));
            let terms = committee.parties().zip(&dealt.shares).map(|(dealer, shares)| {
                let power = (0..row).fold(Gr64::ONE, |power, _| power * Gr64::point(dealer));
                power * shares.get(batch).copied().unwrap_or_default()
            });
            shares.push((subset, terms.fold(Gr64::ZERO, |sum, term| sum + term)));
        }
        shares
    }

    /// Step 3: each subset's value is opened to its members and to nobody else.
    fn open(&mut self, dealt: &Dealt<Gr64>, faults: Vec<Fault>) -> SetupTurn {
        self.opening = true;
        let shares = self.extract(dealt);
        let to = |party| {
            let of_party = shares.iter().filter(|(subset, _)| holds(*subset, party));
            SetupMsg::Open(of_party.map(|(_, share)| *share).collect())
        };
        Turn::say(Say::Each(self.owner.committee.parties().map(to).collect()), faults)
    }

    /// Step 4: decode, allowing for every share beyond 2t + 1 one lie, and hash each value to a key.
    fn finish(&self, heard: Vec<Option<SetupMsg>>) -> SetupTurn {
        let subsets = held_subsets(self.owner);
        let (committee, expected) = (self.owner.committee, subsets.len());
        let mut faults = Vec::new();
        let mut lists = Vec::new();
        let mut silent = Vec::new();
        for (party, msg) in committee.parties().zip(heard) {
            let evidence = match msg {
                Some(SetupMsg::Open(list)) if list.len() == expected => {
                    lists.push((party, Zeroizing::new(list)));
                    continue;
                }
                Some(SetupMsg::Open(list)) => Evidence::WrongLength { expected, found: list.len() },
                Some(SetupMsg::Vss(_)) => Evidence::WrongKind { round: self.round },
                None => {
                    silent.push(party);
                    continue;
                }
            };
            faults.push(Fault { culprit: party, step: StepId::PrssSetup, evidence });
        }
        let received: Vec<_> = lists.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
        let threshold = committee.threshold();
        let liars = received.len().checked_sub(threshold.quorum());
        let decoded = liars.and_then(|liars| shamir::decode(&received, threshold.faults(), liars).ok());
        let Some(decoded) = decoded else {
            let faulty = faults.iter().map(|fault| fault.culprit).collect();
            let (step, needed, heard) = (StepId::PrssSetup, threshold.quorum(), received.len());
            return Turn::output(Err(Abort { step, needed, heard, silent, faulty }), faults);
        };
        faults.extend(decoded.liars.iter().map(|(culprit, element)| Fault {
            culprit: *culprit,
            step: StepId::PrssSetup,
            evidence: Evidence::OffPolynomial { element: *element },
        }));
        let mut keys = Zeroizing::new(Vec::with_capacity(expected));
        keys.extend(subsets.iter().zip(Zeroizing::new(decoded.values).iter()).map(|(s, v)| self.key(*s, v)));
        // `new` has checked the bound: no other error is possible
        let keys = PrssKeys::new(self.owner, keys).map_err(|_| Abort {
            step: StepId::PrssSetup,
            needed: threshold.quorum(),
            heard: committee.size(),
            silent: Vec::new(),
            faulty: Vec::new(),
        });
        Turn::output(keys, faults)
    }

    /// r_A from the value of A: a hash keyed with the value, which has exactly the bytes of a key.
    fn key(&self, subset: Subset, value: &Gr64) -> [u8; KEY_BYTES] {
        let context = Transcript::new(tags::PRSS_KEY).word(self.session.0).u16(subset).finish().0;
        *blake3::keyed_hash(&Zeroizing::new(value.to_le_bytes()), &context).as_bytes()
    }
}

/// Secrets of each dealer: ⌈C(n,t) / (n − t)⌉.
fn secrets_dealt(committee: Committee) -> usize {
    all_subsets(committee).len().div_ceil(extracted(committee))
}

/// What everyone knows about a setup before it begins.
#[must_use]
pub fn terms(session: SessionId, committee: Committee) -> Terms {
    let terms = vss::terms::<Gr64>(session, committee, secrets_dealt(committee));
    // every party is in as many subsets
    let held = committee.parties().next().map_or(0, |party| held_subsets(Owner { party, committee }).len());
    Terms { list: terms.list.max(held * Gr64::BYTES), ..terms }
}

/// The dealers that signed words of a setup convict before a third party: [`crate::vss::convicted`].
#[must_use]
pub fn convicted(terms: &Terms, words: &[SignedWords], seal: &impl Seal) -> Vec<PartyId> {
    vss::convicted::<Gr64>(terms, secrets_dealt(terms.committee), words, seal)
}

/// n − t: uniform sharings from one of each party.
const fn extracted(committee: Committee) -> usize {
    committee.size() - committee.threshold().faults()
}

impl Rounds for PrssSetup {
    type Msg = SetupMsg;
    type Output = Result<PrssKeys, Abort>;

    fn committee(&self) -> Committee {
        self.owner.committee
    }

    fn me(&self) -> PartyId {
        self.owner.party
    }

    fn step_id(&self) -> StepId {
        if self.opening { StepId::PrssSetup } else { self.vss.step_id() }
    }

    fn terms(&self) -> Terms {
        terms(self.session, self.owner.committee)
    }

    fn close(&mut self, heard: Vec<Option<SetupMsg>>) -> SetupTurn {
        if self.opening {
            return self.finish(heard);
        }
        let round = self.round;
        self.round += 1;
        let mut strange = Vec::new();
        let mut inner = |(culprit, msg): (PartyId, Option<SetupMsg>)| match msg? {
            SetupMsg::Vss(msg) => Some(msg),
            SetupMsg::Open(_) => {
                strange.push(Fault { culprit, step: StepId::Vss, evidence: Evidence::WrongKind { round } });
                None
            }
        };
        let heard = self.owner.committee.parties().zip(heard).map(&mut inner).collect();
        let mut turn = self.vss.close(heard);
        turn.faults.extend(strange);
        match turn.output {
            Some(dealt) => self.open(&dealt, turn.faults),
            None => Turn::say(turn.say.map(SetupMsg::Vss), turn.faults),
        }
    }
}
