//! A quorum of the host chain's validators, each with its own node, signs which block is final.

use alloy_primitives::{Address, B256, Bytes, Signature};

use super::{Finality, HeaderEvidence, HeaderTrust, MAX_SIGNERS, Need, SetError, TrustError, Unattested, Witness};
use crate::anchor::Anchor;

/// Bytes of one signature: r, s, v.
pub const SIGNATURE_BYTES: usize = 65;

/// What an attester signs, as the fields of the EIP-712 struct `HeaderAttestation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderStatement {
    /// The set the signature counts for.
    pub set: B256,
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// State root.
    pub state_root: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// Class of the block at the attester's own node. It is signed: who has no endpoint cannot know it.
    pub finality: Finality,
}

/// One attester's word. Everything but the class is the header's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Who claims to have signed: repeated and foreign ones are dropped before any curve arithmetic.
    pub signer: Address,
    /// The class it signed.
    pub finality: Finality,
    /// r ‖ s ‖ v, v 27 or 28, low s.
    pub signature: Bytes,
}

/// When a set went out of force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirement {
    /// Headers of this time and later are not its any more, unix seconds.
    pub at: u64,
    /// From this time on the clock nothing of it is taken: its last headers are too old by then.
    pub accepted_until: u64,
}

/// A set of signers with its quorum. Signatures of different sets are never added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttesterSet {
    id: B256,
    members: Vec<Address>,
    quorum: usize,
    retired: Option<Retirement>,
}

impl AttesterSet {
    /// The set in force; `members` sorted.
    ///
    /// # Errors
    /// [`SetError`].
    pub fn new(id: B256, members: Vec<Address>, quorum: usize) -> Result<Self, SetError> {
        let count = members.len();
        if count == 0 || count > MAX_SIGNERS {
            return Err(SetError::Size(count));
        }
        let mut last = Address::ZERO;
        for member in &members {
            if *member <= last {
                return Err(SetError::Member(*member));
            }
            last = *member;
        }
        let faults = (count - 1) / 3;
        if 2 * quorum <= count + faults || quorum > count - faults {
            return Err(SetError::Quorum { quorum, members: count });
        }
        Ok(Self { id, members, quorum, retired: None })
    }

    /// The set as it counts after its successor took over at `at` (unix seconds): for earlier headers, while they are young enough.
    #[must_use]
    pub fn retired(self, at: u64, max_age: u64) -> Self {
        Self { retired: Some(Retirement { at, accepted_until: at.saturating_add(max_age) }), ..self }
    }

    /// The members, sorted.
    pub fn members(&self) -> &[Address] {
        &self.members
    }

    /// Distinct members needed.
    pub const fn quorum(&self) -> usize {
        self.quorum
    }

    fn in_force(&self, anchor: &Anchor, now: u64) -> bool {
        self.retired.is_none_or(|retired| anchor.timestamp() < retired.at && now < retired.accepted_until)
    }

    /// Place of a member, for one bit in a set of those seen.
    pub(crate) fn place(&self, signer: Address) -> Option<usize> {
        self.members.binary_search(&signer).ok()
    }
}

/// Trust in a quorum of attesters.
pub struct AttesterQuorum<D> {
    sets: Vec<AttesterSet>,
    digest: D,
}

impl<D: Fn(&HeaderStatement) -> B256> AttesterQuorum<D> {
    /// `sets`: the one in force, and former ones while they count. `digest`: the EIP-712 digest of a statement in this host's domain.
    pub const fn new(sets: Vec<AttesterSet>, digest: D) -> Self {
        Self { sets, digest }
    }

    /// Distinct members whose signature is good, and those of them whose class will do.
    fn count(&self, set: &AttesterSet, anchor: &Anchor, attestations: &[Attestation], need: Need) -> (usize, usize) {
        let (mut seen, mut signed, mut good) = (0u64, 0, 0);
        for attestation in attestations {
            let Some(bit) = set.place(attestation.signer).map(|place| 1u64 << place).filter(|bit| seen & bit == 0)
            else {
                continue;
            };
            seen |= bit;
            let digest = (self.digest)(&HeaderStatement {
                set: set.id,
                number: anchor.number(),
                hash: anchor.hash(),
                state_root: anchor.state_root(),
                timestamp: anchor.timestamp(),
                finality: attestation.finality,
            });
            if recover(digest, &attestation.signature) == Some(attestation.signer) {
                signed += 1;
                good += usize::from(need.met_by(attestation.finality));
            }
            if good == set.quorum {
                break;
            }
        }
        (signed, good)
    }
}

impl<D: Fn(&HeaderStatement) -> B256> HeaderTrust for AttesterQuorum<D> {
    fn attested(
        &self,
        anchor: &Anchor,
        evidence: &HeaderEvidence,
        need: Need,
        now: u64,
    ) -> Result<Finality, TrustError> {
        let Witness::Attestations { set: id, attestations } = &evidence.witness else {
            return Err(Unattested::WrongWitness.into());
        };
        let mut sets = self.sets.iter().filter(|set| set.id == *id);
        let set = sets.find(|set| set.in_force(anchor, now)).ok_or(TrustError::AttesterSetUnknown(*id))?;
        if attestations.len() > set.members.len() {
            return Err(Unattested::TooMany { len: attestations.len(), max: set.members.len() }.into());
        }
        let (signed, good) = self.count(set, anchor, attestations, need);
        if good >= set.quorum {
            Ok(need.shown())
        } else if signed >= set.quorum {
            Err(TrustError::NotFinal { found: good, needed: set.quorum, need: need.shown() })
        } else {
            Err(Unattested::Quorum { found: signed, needed: set.quorum }.into())
        }
    }
}

/// The signer of a digest: 65 bytes r ‖ s ‖ v with v 27 or 28 and low s. `None`: not such a signature.
pub fn recover(digest: B256, signature: &[u8]) -> Option<Address> {
    match signature {
        [_, .., 27] => recover_with_parity(digest, signature, false),
        [_, .., 28] => recover_with_parity(digest, signature, true),
        _ => None,
    }
}

pub(crate) fn recover_with_parity(digest: B256, signature: &[u8], odd: bool) -> Option<Address> {
    let (rs, _) = signature.split_last_chunk::<1>().filter(|(rs, _)| rs.len() == SIGNATURE_BYTES - 1)?;
    let signature = Signature::from_bytes_and_parity(rs, odd);
    if signature.normalize_s().is_some() {
        return None;
    }
    signature.recover_address_from_prehash(&digest).ok()
}
