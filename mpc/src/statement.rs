//! Signed statements, and evidence that convinces who was not there.
//!
//! In every round a party tells the committee at most one thing in public: the rounds of a broadcast, a vote on a
//! batch. It signs H("tkms/mpc/statement/v1"; session, round, sender, digest of what is said). Two statements of one round, or
//! one that no honest party makes in that round, convict their author before anyone who knows the run's [`Terms`] and
//! the committee's keys: an honest party never signs either, and t parties cannot sign for another.
//!
//! Every public message passes on the statements of the round before, so that what is told to one party is known to
//! all honest ones a round later (`docs/protocol/broadcast.md`, "Evidence").

use crate::broadcast::{Broadcast, BroadcastMsg};
use crate::codec::{self, RunKind, Terms, Wire};
use crate::tags;
use crate::vss::BROADCASTS;
use tkms_types::PartyId;
use tkms_types::transcript::Transcript;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// The keys of the committee, and ours: handed in, so that this crate knows no scheme.
pub trait Seal {
    /// Signs a hash with our key.
    fn sign(&self, hash: &[u8; 32]) -> [u8; SIGNATURE_BYTES];
    /// Whether this is the party's signature of the hash. Has to refuse every other form of one signature (high s).
    fn verify(&self, party: PartyId, hash: &[u8; 32], signature: &[u8; SIGNATURE_BYTES]) -> bool;
}

/// What a party signed in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Digest of what it said.
    pub digest: [u8; 32],
    /// Its signature of [`Self::signed_hash`].
    pub signature: [u8; SIGNATURE_BYTES],
}

/// Digest of what is said in public.
pub(crate) fn digest_of(said: &[u8]) -> [u8; 32] {
    Transcript::new(tags::SAID).bytes(said).finish().0
}

impl Statement {
    /// What is signed: by whom, and in which round of which run, included.
    #[must_use]
    pub fn signed_hash(terms: &Terms, (party, round): (PartyId, u32), digest: &[u8; 32]) -> [u8; 32] {
        let hash = Transcript::new(tags::STATEMENT).word(terms.session.0).u32(round).u8(party.number());
        hash.word(*digest).finish().0
    }

    /// Whether this party signed it in this round.
    #[must_use]
    pub fn verify(&self, terms: &Terms, place: (PartyId, u32), seal: &impl Seal) -> bool {
        seal.verify(place.0, &Self::signed_hash(terms, place, &self.digest), &self.signature)
    }
}

/// What a party said in public, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedWords {
    /// Who.
    pub party: PartyId,
    /// In which round.
    pub round: u32,
    /// Its words.
    pub said: Vec<u8>,
    /// Its signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl SignedWords {
    /// Whether the party said it in this run.
    #[must_use]
    pub fn verify(&self, terms: &Terms, seal: &impl Seal) -> bool {
        let statement = Statement { digest: digest_of(&self.said), signature: self.signature };
        terms.committee.contains(self.party) && statement.verify(terms, (self.party, self.round), seal)
    }
}

/// Proof that a party departed from the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEvidence {
    /// Who.
    pub culprit: PartyId,
    /// In which round of the run.
    pub round: u32,
    /// How.
    pub proof: Proof,
}

/// How a party departed from the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It said two things in one round.
    Equivocation {
        /// One.
        first: Statement,
        /// The other.
        second: Statement,
    },
    /// It said what no honest party says in this round.
    BrokenRule {
        /// Its words.
        said: Vec<u8>,
        /// Signed by it.
        signature: [u8; SIGNATURE_BYTES],
    },
}

impl SignedEvidence {
    /// Whether it convicts the culprit, in the eyes of one who knows the run's terms and the committee's keys.
    #[must_use]
    pub fn verify(&self, terms: &Terms, seal: &impl Seal) -> bool {
        let place = (self.culprit, self.round);
        if !terms.committee.contains(self.culprit) {
            return false;
        }
        match &self.proof {
            Proof::Equivocation { first, second } => {
                let signed = |statement: &Statement| statement.verify(terms, place, seal);
                first.digest != second.digest && signed(first) && signed(second)
            }
            Proof::BrokenRule { said, signature } => {
                let statement = Statement { digest: digest_of(said), signature: *signature };
                !terms.permits(self.round, said) && statement.verify(terms, place, seal)
            }
        }
    }
}

impl Terms {
    /// Whether an honest party can say this, in public, in this round.
    #[must_use]
    pub fn permits(&self, round: u32, said: &[u8]) -> bool {
        let Some(tag) = said.first() else { return false };
        if !self.public_tags(round).contains(tag) {
            return false;
        }
        match said {
            [codec::BATCH_VOTE, 0..4] => true,
            // in the one form that is signed, too: nothing is supplied in public
            _ => BroadcastMsg::parse(said, self).is_ok_and(|msg| msg.statement().as_deref() == Some(said)),
        }
    }

    /// Tags of public messages of a round.
    fn public_tags(&self, round: u32) -> &'static [u8] {
        let each = Broadcast::rounds(self.committee);
        let Some(place) = round.checked_sub(1) else { return &[] };
        let of_broadcast = |place: u32| -> &'static [u8] {
            match place {
                0 => &[codec::SEND],
                1 => &[codec::ECHO],
                2 => &[codec::VOTE],
                _ => match place % 3 {
                    0 => &[codec::BITS],
                    1 => &[codec::MARKS],
                    _ => &[codec::KING, codec::NO_KING],
                },
            }
        };
        match self.kind {
            RunKind::Broadcast if place < each => of_broadcast(place),
            RunKind::Dealing if (2..2 + BROADCASTS * each).contains(&place) => of_broadcast((place - 2) % each),
            RunKind::Batch { careful } => {
                let shares = if careful { each } else { 1 };
                match place.checked_sub(shares) {
                    None if careful => of_broadcast(place),
                    Some(place) if place < each => of_broadcast(place),
                    Some(place) if place == each => &[codec::BATCH_VOTE],
                    Some(place) if place <= 2 * each => of_broadcast(place - each - 1),
                    _ => &[],
                }
            }
            RunKind::Broadcast | RunKind::Dealing => &[],
        }
    }
}
