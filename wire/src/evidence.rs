//! The evidence of a request: one block, who vouches for it, and proofs of what holds in its state.
//!
//! Shapes only: counts and widths. What the bytes prove is for `merkle_acl` to say, in each node.

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
/// Bytes of the packed proofs of both accounts: two ways of 64 nodes of 600 bytes.
pub const ACCOUNTS_BYTES: usize = 2 * 64 * 600;
/// Facts of one request: two grants for each of 1,024 handles, and what can be taken back beside them.
pub const FACTS: usize = 2_100;
/// Levels of the range, the lowest one included: 2⁴⁰ grants.
pub const LEVELS: usize = 41;
/// Proven slots: each fact's, the range's first word, every peak.
pub const SLOTS: usize = FACTS + 1 + LEVELS;
/// Places of grants.
pub const PLACES: usize = FACTS;
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
    /// Packed proofs under the header's state root: of the ACL's account and, if `executor` says so, of the executor's.
    pub accounts: Bytes,
    /// Whether the executor's account is among them.
    pub executor: bool,
    /// Packed proofs of `slots` under the ACL's storage root.
    pub storage: Bytes,
    /// Slots of the ACL as the contract numbers them, not hashed.
    pub slots: Vec<B256>,
    /// For each grant of the request, in the order of `merkle_acl::grants`: 1 + its position in the whole range, or 0 if its slot shows
    /// it. Empty, not all 0, if none is shown by a path.
    pub places: Vec<u64>,
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
        let some_path = message.places.is_empty() || message.places.iter().any(|place| *place > 0);
        Ok(Self {
            header: bounded("header", message.header, HEADER_BYTES)?,
            attested,
            accounts: bounded("accounts", message.accounts, ACCOUNTS_BYTES)?,
            executor: message.executor,
            storage: message.storage,
            slots: read_words("slots", &message.slots, SLOTS)?,
            places: match message.places.len() {
                found if found > PLACES => {
                    return Err(FieldError::new("places", Problem::TooMany { found, limit: PLACES }));
                }
                _ if some_path => message.places,
                _ => return Err(FieldError::new("places", Problem::Unused)),
            },
            hashes: read_words("hashes", &message.hashes, HASHES)?,
            witness: message.witness.map(TryInto::try_into).transpose().map_err(within_witness)?,
        })
    }
}

impl From<&Evidence> for kms::Evidence {
    fn from(evidence: &Evidence) -> Self {
        let attested = evidence.attested.as_ref();
        Self {
            header: evidence.header.clone(),
            attester_set: attested.map(|attested| word(&attested.set)).unwrap_or_default(),
            attestations: attested
                .map(|attested| attested.attestations.iter().map(Into::into).collect())
                .unwrap_or_default(),
            accounts: evidence.accounts.clone(),
            executor: evidence.executor,
            storage: evidence.storage.clone(),
            slots: words(&evidence.slots),
            places: evidence.places.clone(),
            hashes: words(&evidence.hashes),
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

fn read_words(field: &'static str, bytes: &[u8], limit: usize) -> Result<Vec<B256>, FieldError> {
    let (words, rest) = bytes.as_chunks::<32>();
    if words.len() > limit {
        return Err(FieldError::new(field, Problem::TooMany { found: words.len(), limit }));
    }
    if !rest.is_empty() {
        return Err(FieldError::new(field, Problem::Width { found: bytes.len(), expected: 32 * words.len() }));
    }
    Ok(words.iter().map(B256::from).collect())
}

fn words(words: &[B256]) -> Bytes {
    words.iter().flat_map(|word| word.0).collect::<Vec<u8>>().into()
}

fn within_witness(error: FieldError) -> FieldError {
    error.within("witness")
}

fn word(word: &B256) -> Bytes {
    Bytes::copy_from_slice(word.as_slice())
}
