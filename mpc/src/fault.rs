//! Three families of failure and no fourth: the caller's ([`Misuse`]), a peer's ([`Fault`]), nobody's ([`Abort`]).

use crate::bounds::BoundError;
use std::fmt;
use tkms_types::PartyId;

/// The caller gave what cannot be worked on. No peer is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A parameter breaks the bound of noise and mask.
    #[error(transparent)]
    Bound(#[from] BoundError),
    /// A party outside the committee.
    #[error("{party} is not in the committee of {size}")]
    NotAMember {
        /// The party.
        party: PartyId,
        /// n.
        size: usize,
    },
    /// Key share and mask keys of different parties or committees.
    #[error("key share of {key}, mask keys of {masks}")]
    OwnersDiffer {
        /// Party and committee of the key share.
        key: Owner,
        /// Party and committee of the mask keys.
        masks: Owner,
    },
    /// Words that are no whole number of samples, or none, or more than a session may hold.
    #[error("{words} words are not 1 to {max} samples of {dimension} mask words and a body")]
    SampleShape {
        /// Words given.
        words: usize,
        /// Mask words of a sample.
        dimension: usize,
        /// [`crate::decrypt::MAX_BLOCKS`].
        max: usize,
    },
    /// Samples under a key of another dimension.
    #[error("samples of dimension {samples}, key of dimension {key}")]
    Dimension {
        /// Mask words of a sample.
        samples: usize,
        /// Coefficients of the key.
        key: usize,
    },
    /// A key to deal that is empty, too long or not binary.
    #[error("a key to deal has 1 to {max} coefficients, each 0 or 1; {len} given")]
    Key {
        /// Coefficients given.
        len: usize,
        /// [`crate::phase::MAX_DIMENSION`].
        max: usize,
    },
    /// Stored secret bytes that this version did not write.
    #[error("stored {what} is malformed: {why}")]
    Stored {
        /// Key share or mask keys.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Items that are no multiple of four, or none, or more than a batch may hold.
    #[error("{items} items; a batch has 4, 8 … {max}")]
    Items {
        /// Items given.
        items: usize,
        /// [`crate::preprocessing::MAX_ITEMS`].
        max: usize,
    },
    /// Items that a stored batch does not have, or that were taken from it before.
    #[error("items {from} to {to} of a batch are {why}")]
    Range {
        /// First item asked for.
        from: usize,
        /// One after the last.
        to: usize,
        /// What is wrong with them.
        why: &'static str,
    },
    /// No secret to deal, or more than a run may hold.
    #[error("{secrets} secrets; a dealing has 1 to {max}")]
    Secrets {
        /// Secrets given.
        secrets: usize,
        /// [`crate::vss::MAX_SECRETS`].
        max: usize,
    },
    /// A message of no block, or of more blocks than a session may hold.
    #[error("{blocks} blocks; a session has 1 to {max}")]
    Blocks {
        /// Blocks announced.
        blocks: usize,
        /// [`crate::decrypt::MAX_BLOCKS`].
        max: usize,
    },
}

/// Whose secret material it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The party.
    pub party: PartyId,
    /// The committee it is a member of.
    pub committee: tkms_types::Committee,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.party, self.committee.size())
    }
}

/// Where in a protocol something went wrong; the numbers are those of `docs/protocol/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepId {
    /// Step 5 of decrypt.md: opening of the masked value among the nodes.
    Open,
    /// Step 8 of decrypt.md: a user combines the shares of the nodes.
    Combine,
    /// broadcast.md.
    Broadcast,
    /// vss.md.
    Vss,
    /// Step 3 of prss-setup.md: the value of a subset is opened to its members.
    PrssSetup,
    /// Step 3 of preprocessing.md: the opening of a batch.
    Batch,
    /// Steps 4 and 5 of preprocessing.md: reports and votes on a batch.
    Agree,
    /// Step 6 of preprocessing.md: the batch keys of a rejected batch are shown.
    Check,
    /// Step 4a of exact-decrypt.md: the bits of a session without stock.
    ExactBits,
    /// Step 5 of exact-decrypt.md: opening of the masked value.
    ExactMask,
    /// Step 7 of exact-decrypt.md: opening of the message.
    ExactReveal,
}

/// What shows that a peer departed from the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A message with another number of shares.
    WrongLength {
        /// Shares the session has.
        expected: usize,
        /// Shares the message had.
        found: usize,
    },
    /// A share off the polynomial that at least 2t + 1 parties agree on.
    OffPolynomial {
        /// First element (four blocks each) where it is off.
        element: usize,
    },
    /// Two different messages for one session; the first is kept.
    Conflicting {
        /// First element where they differ.
        element: usize,
    },
    /// A message from a party outside the committee.
    NotAMember,
    /// Two different messages in one round; the first is kept.
    TwoMessages {
        /// The round.
        round: u32,
    },
    /// A message that does not belong to the round it names.
    WrongKind {
        /// The round.
        round: u32,
    },
    /// Bytes that are no message.
    Unreadable {
        /// The round they name, if that could be read.
        round: Option<u32>,
    },
    /// A public message without the sender's signature.
    Unsigned {
        /// The round.
        round: u32,
    },
    /// It passed on as another's what that party did not sign.
    PassedOn {
        /// The round.
        round: u32,
    },
    /// A broadcast that reached us and not all, or others with another value.
    Split,
    /// What it sent or showed is not what its keys of the batch make.
    NotFromKeys,
    /// A dealing that the committee found inconsistent; its secrets count as 0.
    BadDealing,
}

/// A peer departed from the protocol. The run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{culprit} at step {step:?}: {evidence:?}")]
pub struct Fault {
    /// Who.
    pub culprit: PartyId,
    /// Where.
    pub step: StepId,
    /// How it shows.
    pub evidence: Evidence,
}

/// Not enough good answers. Silence is named, but it proves nothing: the network may be at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "step {step:?} has {heard} shares and cannot finish with fewer than {needed} good ones; silent: {silent:?}; at fault: {faulty:?}"
)]
pub struct Abort {
    /// Where it stopped.
    pub step: StepId,
    /// Good shares the step needs.
    pub needed: usize,
    /// Well-formed shares that came, our own included.
    pub heard: usize,
    /// Parties that sent nothing.
    pub silent: Vec<PartyId>,
    /// Parties that are proven to have departed from the protocol.
    pub faulty: Vec<PartyId>,
}

/// Any failure of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The caller's.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// A peer's.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Nobody's.
    #[error(transparent)]
    Abort(#[from] Abort),
}

impl Failure {
    /// Parties that are proven to be at fault. Silent ones are not.
    #[must_use]
    pub fn culprits(&self) -> Vec<PartyId> {
        match self {
            Self::Misuse(_) => Vec::new(),
            Self::Fault(fault) => vec![fault.culprit],
            Self::Abort(abort) => abort.faulty.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_proven_are_culprits() {
        let [a, b] = [2, 3].map(|number| PartyId::new(number).unwrap());
        let misuse = Misuse::Blocks { blocks: 0, max: 1 };
        let fault = Fault { culprit: a, step: StepId::Open, evidence: Evidence::NotAMember };
        let abort = Abort { step: StepId::Open, needed: 3, heard: 1, silent: vec![a], faulty: vec![b] };
        assert_eq!(Failure::from(misuse).culprits(), []);
        assert_eq!(Failure::from(fault).culprits(), [a]);
        assert_eq!(Failure::from(abort).culprits(), [b], "silence proves nothing");
    }
}
