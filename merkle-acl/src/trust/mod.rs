//! Is this header one to build on? Three ways to know, and the rules that hold for each of them.
//!
//! [`accept`] is the one door. It reads the header, asks a [`HeaderTrust`] whether the block is final on its chain, and then what no
//! attestation can answer: is it of this very chain, is it recent, does it contradict what was accepted before. Pure: the clock, the
//! history and the evidence are arguments.

mod attesters;
mod endpoints;
mod error;
mod seals;

use alloy_primitives::{B256, Bytes};

use crate::{anchor::Anchor, error::HeaderError};

pub use attesters::{Attestation, AttesterQuorum, AttesterSet, HeaderStatement, Retirement, SIGNATURE_BYTES, recover};
pub use endpoints::{BlockClaim, EndpointAnswers, EndpointQuorum, MAX_ENDPOINTS};
pub use error::{Conflict, SetError, Staleness, TrustError, Unattested};
pub use seals::{MAX_SEALED_HEADER_BYTES, SealFormat, ValidatorSeals};

/// Most members of a signer set.
pub const MAX_SIGNERS: usize = 64;

/// How sure a block is, as its witnesses say it of their own node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finality {
    /// The chain's own finality.
    Finalized,
    /// The chain's `safe` block.
    Safe,
    /// So many blocks deep.
    Depth(u32),
}

impl Finality {
    /// The two numbers that are signed.
    pub const fn signed(self) -> (u8, u32) {
        match self {
            Self::Finalized => (1, 0),
            Self::Safe => (2, 0),
            Self::Depth(depth) => (3, depth),
        }
    }

    /// The class with these signed numbers, if there is one.
    pub const fn from_signed(class: u8, depth: u32) -> Option<Self> {
        match (class, depth) {
            (1, 0) => Some(Self::Finalized),
            (2, 0) => Some(Self::Safe),
            (3, depth) => Some(Self::Depth(depth)),
            _ => None,
        }
    }

    /// Whether a block of this class is good enough where `need` is asked for.
    pub const fn satisfies(self, need: Self) -> bool {
        match (self, need) {
            (Self::Finalized, _) | (Self::Safe, Self::Safe) => true,
            (Self::Depth(found), Self::Depth(wanted)) => found >= wanted,
            _ => false,
        }
    }
}

/// What a block's class is held to: the host's floor, and what the request asks for. Asking for less than the floor changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The host's own rule.
    pub floor: Finality,
    /// The request's wish.
    pub asked: Finality,
}

impl Need {
    /// Whether a block of this class will do.
    pub const fn met_by(self, class: Finality) -> bool {
        class.satisfies(self.floor) && class.satisfies(self.asked)
    }

    /// What has been shown when it is met: the wish, or the floor where that is stricter.
    pub const fn shown(self) -> Finality {
        if self.asked.satisfies(self.floor) { self.asked } else { self.floor }
    }
}

/// A header, and why to believe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderEvidence {
    /// RLP of the header as the chain's nodes publish it, seals included.
    pub header: Bytes,
    /// What stands beside it.
    pub witness: Witness,
}

/// What is said of a header by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witness {
    /// Signatures of one set of host validators.
    Attestations {
        /// The set they count for.
        set: B256,
        /// At most one of each member.
        attestations: Vec<Attestation>,
    },
    /// Nothing: the validators' seals are inside the header.
    Seals,
    /// What the node's own endpoints answered. The node asks them itself and takes none of this from a request.
    Endpoints(EndpointAnswers),
}

/// One way to know that a block is final on its chain.
pub trait HeaderTrust {
    /// Reads the header and hashes it as this chain does.
    ///
    /// # Errors
    /// [`HeaderError`].
    fn anchor(&self, header: &[u8]) -> Result<Anchor, HeaderError> {
        Anchor::from_header_rlp(header)
    }

    /// Whether the evidence shows the block final as needed at time `now` (unix seconds); the class that was shown.
    ///
    /// # Errors
    /// [`TrustError::HeaderUnattested`], [`TrustError::AttesterSetUnknown`], [`TrustError::NotFinal`] or
    /// [`TrustError::AnchorConflict`].
    fn attested(
        &self,
        anchor: &Anchor,
        evidence: &HeaderEvidence,
        need: Need,
        now: u64,
    ) -> Result<Finality, TrustError>;
}

/// What a host chain's anchors are held to, from the cluster file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorRules {
    /// A block of this very chain; anchors lie above it.
    pub checkpoint_number: u64,
    /// The least finality, whatever a request asks for.
    pub min_finality: Finality,
    /// Oldest anchor, seconds before the clock. It binds every anchor: keys of former attesters could sign old headers.
    pub max_age: u64,
    /// Most blocks below the newest anchor accepted so far.
    pub max_lag: u64,
    /// Most seconds ahead of the clock.
    pub clock_skew: u64,
}

/// An anchor as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorMark {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// Unix seconds.
    pub time: u64,
    /// Grants in the range, 0 if there is none.
    pub count: u64,
}

/// What was accepted before on this chain, and what the node sees itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnchorHistory {
    /// The highest anchor accepted.
    pub newest: Option<AnchorMark>,
    /// Number and hash of other anchors accepted lately.
    pub recent: Vec<(u64, B256)>,
    /// The hash the node's own endpoint names for this number, if it has one.
    pub own: Option<B256>,
}

/// A block to build on. Only [`accept`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedAnchor {
    anchor: Anchor,
    finality: Finality,
}

impl TrustedAnchor {
    /// The block.
    pub const fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The class shown for it. A kept anchor serves requests whose need this class meets.
    pub const fn finality(&self) -> Finality {
        self.finality
    }
}

/// Checks, in this order: the header's form; above the checkpoint; attested; final as needed; not from the future, not too old, not too
/// far behind; no contradiction to what was accepted before.
///
/// # Errors
/// [`TrustError`] for the first check that fails. After one with [`TrustError::halts`] nothing more may be released for this chain
/// until an operator has looked at it.
pub fn accept(
    evidence: &HeaderEvidence,
    trust: &dyn HeaderTrust,
    rules: &AnchorRules,
    history: &AnchorHistory,
    asked: Finality,
    now: u64,
) -> Result<TrustedAnchor, TrustError> {
    let anchor = trust.anchor(&evidence.header)?;
    if anchor.number() <= rules.checkpoint_number {
        return Err(TrustError::AnchorBeforeCheckpoint {
            number: anchor.number(),
            checkpoint: rules.checkpoint_number,
        });
    }
    let need = Need { floor: rules.min_finality, asked };
    let finality = trust.attested(&anchor, evidence, need, now)?;
    rules.check_age(&anchor, history, now)?;
    history.check(&anchor)?;
    Ok(TrustedAnchor { anchor, finality })
}

impl AnchorRules {
    /// Clock, age and lag. To be repeated for an anchor that is kept and used again.
    ///
    /// # Errors
    /// [`TrustError::AnchorFromFuture`], [`TrustError::AnchorTooOld`].
    pub fn check_age(&self, anchor: &Anchor, history: &AnchorHistory, now: u64) -> Result<(), TrustError> {
        let (number, time) = (anchor.number(), anchor.timestamp());
        if time > now.saturating_add(self.clock_skew) {
            return Err(TrustError::AnchorFromFuture { time, now });
        }
        if now.saturating_sub(time) > self.max_age {
            return Err(TrustError::AnchorTooOld(Staleness::Age { time, now, limit: self.max_age }));
        }
        match history.newest {
            Some(newest) if newest.number.saturating_sub(number) > self.max_lag => {
                Err(TrustError::AnchorTooOld(Staleness::Lag { number, newest: newest.number, limit: self.max_lag }))
            }
            _ => Ok(()),
        }
    }
}

impl AnchorHistory {
    /// Whether the (attested) anchor fits what is known: one hash for each number, later blocks not earlier in time.
    ///
    /// # Errors
    /// [`TrustError::AnchorConflict`].
    pub fn check(&self, anchor: &Anchor) -> Result<(), TrustError> {
        let (number, hash, time) = (anchor.number(), anchor.hash(), anchor.timestamp());
        let known = self.newest.iter().map(|mark| (mark.number, mark.hash)).chain(self.recent.iter().copied());
        let own = self.own.map(|own| (number, own));
        if let Some((_, other)) = known.chain(own).find(|(other, known)| *other == number && *known != hash) {
            return Err(Conflict::TwoHashes { number, known: other, found: hash }.into());
        }
        match self.newest {
            Some(newest) if number > newest.number && time < newest.time => {
                Err(Conflict::TimeRunsBack { number, time, newest: newest.number, newest_time: newest.time }.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the range's count fits: grants are never taken back. To be asked once the count is proven under the anchor.
    ///
    /// # Errors
    /// [`TrustError::AnchorConflict`].
    pub fn check_count(&self, anchor: &Anchor, count: u64) -> Result<(), TrustError> {
        match self.newest {
            Some(newest) if anchor.number() > newest.number && count < newest.count => {
                let (number, newest_count) = (anchor.number(), newest.count);
                Err(Conflict::CountFalls { number, count, newest: newest.number, newest_count }.into())
            }
            _ => Ok(()),
        }
    }
}
