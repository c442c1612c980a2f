//! The evidence of a request: one block, who vouches for it, and proofs of what holds in its state.
//!
//! Shapes only: counts, widths, places inside the pool. What the bytes prove is for `merkle_acl` to say, in each node.

use crate::account_witness::AccountWitness;
use crate::field::{FieldError, Problem, bounded, fixed, nested};
use crate::kms;
use crate::signature::SIGNATURE_BYTES;
use alloy_primitives::{Address, B256};
use bytes::Bytes;
use tkms_types::{MinFinality, limits};

/// Bytes of the longest header: one with the seals of 64 validators.
pub const HEADER_BYTES: usize = 32 * 1024;
/// Attestations of one header: no set is larger.
pub const ATTESTATIONS: usize = limits::SET_MEMBERS;
/// Distinct trie nodes.
pub const NODES: usize = 16 * 1024;
/// Bytes of a trie node: a full branch has 532.
pub const NODE_BYTES: usize = 600;
/// Nodes of one proof: a path has 64 nibbles.
pub const PROOF_NODES: usize = 64;
/// Facts of one request: two grants for each of 1,024 handles, and what can be taken back beside them.
pub const FACTS: usize = 2_100;
/// Levels of the range, the lowest one included: 2⁴⁰ grants.
pub const LEVELS: usize = 41;
/// Proven slots: each fact's, the range's first word, every peak.
pub const SLOTS: usize = FACTS + 1 + LEVELS;
/// Paths of grants.
pub const PATHS: usize = FACTS;
/// Hashes of all paths together.
pub const HASHES: usize = 64 * 1024;
/// Bytes of all of it as it is sent.
pub const EVIDENCE_BYTES: usize = 3 * 1024 * 1024;

/// Well-formed evidence; nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// RLP of the header as the chain's nodes publish it, seals included.
    pub header: Bytes,
    /// Who vouches for it; `None` where the chain is not trusted by attesters.
    pub attested: Option<Attested>,
    /// Distinct trie nodes of all proofs.
    pub nodes: Vec<Bytes>,
    /// The ACL's account under the header's state root: places in `nodes`, root first.
    pub account: Vec<u16>,
    /// The executor's account likewise, or nothing.
    pub executor: Vec<u16>,
    /// Slots of the ACL, each once.
    pub slots: Vec<SlotProof>,
    /// Grants shown by their place in the range.
    pub paths: Vec<GrantPath>,
    /// Of all paths together, the hashes that do not follow from their own leaves.
    pub hashes: Vec<B256>,
    /// What a smart account's word for a permit depends on; only for permits that no key of their user has signed.
    pub witness: Option<AccountWitness>,
}

/// Attestations of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// `HostChain::attester_set_id` of the set they count for.
    pub set: B256,
    /// At most one of each member.
    pub attestations: Vec<Attestation>,
}

/// One attester's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Who claims to have signed.
    pub signer: Address,
    /// The class it signed: what the block was at its own node.
    pub finality: MinFinality,
    /// r ‖ s ‖ v.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// One storage slot with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot as the contract numbers it, not hashed.
    pub slot: B256,
    /// Places in [`Evidence::nodes`], root first.
    pub nodes: Vec<u16>,
}

/// Place of one grant in the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantPath {
    /// 1 persistent, 2 public.
    pub kind: u8,
    /// The ciphertext.
    pub handle: B256,
    /// Who has the grant; zero for a public one.
    pub subject: Address,
    /// Position of the leaf in the whole range.
    pub index: u64,
}

const PUBLIC: u8 = 2;

impl TryFrom<kms::Evidence> for Evidence {
    type Error = FieldError;
    fn try_from(message: kms::Evidence) -> Result<Self, FieldError> {
        let size = prost::Message::encoded_len(&message);
        if size > EVIDENCE_BYTES {
            return Err(FieldError::new("", Problem::TooLong { found: size, limit: EVIDENCE_BYTES }));
        }
        let attestations = nested("attestations", &message.attestations, ATTESTATIONS, read_attestation)?;
        let attested = match message.attester_set.as_ref() {
            [] if attestations.is_empty() => None,
            set => Some(Attested { set: fixed::<32>("attester_set", set)?.into(), attestations }),
        };
        let nodes = nested("nodes", &message.nodes, NODES, |node| bounded("", node.clone(), NODE_BYTES))?;
        let count = nodes.len();
        let evidence = Self {
            header: bounded("header", message.header, HEADER_BYTES)?,
            attested,
            account: read_places("account", &message.account, count)?,
            executor: read_places("executor", &message.executor, count)?,
            slots: nested("slots", &message.slots, SLOTS, |slot| read_slot(slot, count))?,
            paths: nested("paths", &message.paths, PATHS, read_path)?,
            hashes: read_hashes(&message.hashes)?,
            witness: message.witness.map(TryInto::try_into).transpose().map_err(within_witness)?,
            nodes,
        };
        evidence.check_pool()?;
        Ok(evidence)
    }
}

impl Evidence {
    /// Every node is there once and is part of a proof: bytes for nothing are not carried along.
    fn check_pool(&self) -> Result<(), FieldError> {
        let mut used = vec![false; self.nodes.len()];
        let proofs = self.slots.iter().map(|slot| &slot.nodes).chain([&self.account, &self.executor]);
        for place in proofs.flatten() {
            if let Some(used) = used.get_mut(usize::from(*place)) {
                *used = true;
            }
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            return Err(FieldError { path: format!("nodes[{unused}]"), problem: Problem::Unused });
        }
        let distinct: std::collections::BTreeSet<&Bytes> = self.nodes.iter().collect();
        if distinct.len() < self.nodes.len() {
            return Err(FieldError::new("nodes", Problem::Repeated));
        }
        Ok(())
    }
}

impl From<&Evidence> for kms::Evidence {
    fn from(evidence: &Evidence) -> Self {
        let places = |places: &[u16]| places.iter().map(|place| u32::from(*place)).collect();
        let attested = evidence.attested.as_ref();
        Self {
            header: evidence.header.clone(),
            attester_set: attested.map(|attested| word(&attested.set)).unwrap_or_default(),
            attestations: attested
                .map(|attested| attested.attestations.iter().map(Into::into).collect())
                .unwrap_or_default(),
            nodes: evidence.nodes.clone(),
            account: places(&evidence.account),
            executor: places(&evidence.executor),
            slots: evidence
                .slots
                .iter()
                .map(|proof| kms::SlotProof { slot: word(&proof.slot), nodes: places(&proof.nodes) })
                .collect(),
            paths: evidence.paths.iter().map(Into::into).collect(),
            hashes: evidence.hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>().into(),
            witness: evidence.witness.as_ref().map(Into::into),
        }
    }
}

impl From<&Attestation> for kms::Attestation {
    fn from(attestation: &Attestation) -> Self {
        Self {
            signer: Bytes::copy_from_slice(attestation.signer.as_slice()),
            finality: Some(attestation.finality.into()),
            signature: Bytes::copy_from_slice(&attestation.signature),
        }
    }
}

impl From<&GrantPath> for kms::GrantPath {
    fn from(path: &GrantPath) -> Self {
        let subject = if path.kind == PUBLIC { Bytes::new() } else { Bytes::copy_from_slice(path.subject.as_slice()) };
        Self { kind: path.kind.into(), handle: word(&path.handle), subject, index: path.index }
    }
}

impl From<MinFinality> for kms::Finality {
    fn from(finality: MinFinality) -> Self {
        let (class, depth) = finality.signed();
        Self { class: class.into(), depth }
    }
}

impl TryFrom<kms::Finality> for MinFinality {
    type Error = FieldError;
    fn try_from(message: kms::Finality) -> Result<Self, FieldError> {
        let class = u8::try_from(message.class).map_err(|_| FieldError::new("class", Problem::Number))?;
        Self::from_signed(class, message.depth).ok_or(FieldError::new("class", Problem::Number))
    }
}

fn read_attestation(message: &kms::Attestation) -> Result<Attestation, FieldError> {
    let finality = message.finality.ok_or(FieldError::new("finality", Problem::Missing))?;
    Ok(Attestation {
        signer: Address::new(fixed("signer", &message.signer)?),
        finality: MinFinality::try_from(finality).map_err(|error| error.within("finality"))?,
        signature: fixed("signature", &message.signature)?,
    })
}

fn read_slot(message: &kms::SlotProof, nodes: usize) -> Result<SlotProof, FieldError> {
    Ok(SlotProof {
        slot: fixed::<32>("slot", &message.slot)?.into(),
        nodes: read_places("nodes", &message.nodes, nodes)?,
    })
}

fn read_path(message: &kms::GrantPath) -> Result<GrantPath, FieldError> {
    let kind = u8::try_from(message.kind).ok().filter(|kind| matches!(kind, 1 | 2));
    let kind = kind.ok_or(FieldError::new("kind", Problem::Number))?;
    let subject = match (kind, message.subject.as_ref()) {
        (PUBLIC, []) => Address::ZERO,
        (PUBLIC, subject) => {
            return Err(FieldError::new("subject", Problem::Width { found: subject.len(), expected: 0 }));
        }
        (_, subject) => Address::new(fixed("subject", subject)?),
    };
    Ok(GrantPath { kind, handle: fixed::<32>("handle", &message.handle)?.into(), subject, index: message.index })
}

fn read_places(field: &'static str, places: &[u32], nodes: usize) -> Result<Vec<u16>, FieldError> {
    let inside = |place: &u32| u16::try_from(*place).ok().filter(|place| usize::from(*place) < nodes);
    nested(field, places, PROOF_NODES, |place| inside(place).ok_or(FieldError::new("", Problem::Number)))
}

fn read_hashes(bytes: &[u8]) -> Result<Vec<B256>, FieldError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.len() > HASHES {
        return Err(FieldError::new("hashes", Problem::TooMany { found: hashes.len(), limit: HASHES }));
    }
    if !rest.is_empty() {
        return Err(FieldError::new("hashes", Problem::Width { found: bytes.len(), expected: 32 * hashes.len() }));
    }
    Ok(hashes.iter().map(B256::from).collect())
}

fn within_witness(error: FieldError) -> FieldError {
    error.within("witness")
}

fn word(word: &B256) -> Bytes {
    Bytes::copy_from_slice(word.as_slice())
}
