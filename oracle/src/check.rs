//! Checks one node's answer against the cluster file before it counts.

use crate::record::Ask;
use alloy_primitives::{B256, Bytes};
use tkms_types::{
    Cluster, PartyId, RequestId, SessionId, UserRequest,
    typed_data::{public_answer_digest, recover, user_answer_digest, user_link},
};
use tkms_wire::{
    DecodeError, FieldError,
    answer::{Blame, PublicAnswer, UserAnswer, envelope_digest},
    kms,
    signature::address,
    user_payload::Payload,
};

/// A valid public answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicVote {
    /// One word a handle.
    pub words: Vec<B256>,
    /// As signed.
    pub extra_data: Bytes,
    /// 65 bytes.
    pub signature: Bytes,
    /// What the node says of its peers.
    pub blamed: Vec<Blame>,
}

/// A valid user answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserVote {
    /// fhevm-compat §3.6.
    pub payload: Bytes,
    /// EIP-712.
    pub signature: Bytes,
    /// One a handle.
    pub sessions: Vec<SessionId>,
    /// Over request id, sessions and payload.
    pub envelope_signature: Bytes,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// An answer of the other kind.
    #[error("answered another kind of request")]
    Kind,
    /// Widths and counts.
    #[error("answer: {0}")]
    Field(#[from] FieldError),
    /// The party number in the answer is another node's.
    #[error("answered as {0}")]
    Party(PartyId),
    /// Not one word or session a handle.
    #[error("{found} {what} for {handles} handles")]
    Count {
        /// Which field.
        what: &'static str,
        /// How many came.
        found: usize,
        /// Handles asked.
        handles: usize,
    },
    /// Signed `extraData` that was not asked.
    #[error("signed other extraData than asked")]
    ExtraData,
    /// Not the signature of the node's key over the answer.
    #[error("the signature over the {what} is not the node's")]
    Signature {
        /// Which signature.
        what: &'static str,
        /// What came in its place.
        bytes: Bytes,
    },
    /// Bytes that are no payload.
    #[error("payload: {0}")]
    Payload(#[from] DecodeError),
    /// A payload for another key, user, list of handles, node or committee.
    #[error("payload: {0} is not that of this request")]
    PayloadField(&'static str),
}

impl Lie {
    /// The bytes at fault, where there are any worth keeping.
    #[must_use]
    pub fn evidence(&self) -> Option<Bytes> {
        match self {
            Self::Signature { bytes, .. } => Some(bytes.clone()),
            _ => None,
        }
    }
}

/// Checks a public answer.
///
/// # Errors
/// [`Lie`].
pub fn check_public(
    cluster: &Cluster,
    ask: &Ask,
    party: PartyId,
    answer: kms::PublicAnswer,
) -> Result<PublicVote, Lie> {
    let Ask::Public(request) = ask else { return Err(Lie::Kind) };
    let answer = PublicAnswer::try_from(answer)?;
    expect_party(party, answer.party)?;
    expect_count("words", answer.words.len(), request.handles.len())?;
    let extra_data = expect_extra_data(ask, &answer.extra_data)?;
    let handles: Vec<B256> = request.handles.iter().map(|handle| handle.0).collect();
    let digest = public_answer_digest(&handles, &answer.words, &extra_data, &cluster.gateway);
    let signature = expect_signer(cluster, party, digest, &answer.signature, "plaintext")?;
    Ok(PublicVote { words: answer.words, extra_data, signature, blamed: answer.blamed })
}

/// Checks a user answer, its envelope and what of its payload is not sealed.
///
/// # Errors
/// [`Lie`].
pub fn check_user(
    cluster: &Cluster,
    id: RequestId,
    ask: &Ask,
    party: PartyId,
    answer: kms::UserAnswer,
) -> Result<UserVote, Lie> {
    let Ask::User(request) = ask else { return Err(Lie::Kind) };
    let answer = UserAnswer::try_from(answer)?;
    expect_party(party, answer.party)?;
    expect_count("sessions", answer.sessions.len(), request.pairs.len())?;
    let extra_data = expect_extra_data(ask, &answer.extra_data)?;
    let handles: Vec<B256> = request.pairs.iter().map(|pair| pair.handle.0).collect();
    let digest = user_answer_digest(&request.public_key, &handles, &answer.payload, &extra_data, &cluster.gateway);
    let signature = expect_signer(cluster, party, digest, &answer.signature, "share")?;
    let envelope = envelope_digest(id, &answer.sessions, &answer.payload);
    let envelope_signature = expect_signer(cluster, party, envelope, &answer.envelope_signature, "envelope")?;
    check_payload(cluster, request, party, &answer.payload)?;
    Ok(UserVote { payload: answer.payload.into(), signature, sessions: answer.sessions, envelope_signature })
}

/// The official client counts a payload with another link, degree or type as an answer and then cannot combine:
/// such a one must not reach it.
fn check_payload(cluster: &Cluster, request: &UserRequest, party: PartyId, bytes: &[u8]) -> Result<(), Lie> {
    let payload = Payload::parse(bytes)?;
    let handles: Vec<B256> = request.pairs.iter().map(|pair| pair.handle.0).collect();
    let wrong = |field| Err(Lie::PayloadField(field));
    if cluster.node(party).map(|node| node.signer) != Some(address(&payload.verification_key)) {
        return wrong("verification key");
    }
    if payload.party != party {
        return wrong("party");
    }
    if usize::try_from(payload.degree) != Ok(cluster.thresholds.faults) {
        return wrong("degree");
    }
    if payload.link != user_link(&request.public_key, &handles, request.user, &cluster.gateway) {
        return wrong("link");
    }
    let items = payload.items.iter().map(|item| (item.handle, Some(item.kind)));
    if !items.eq(request.pairs.iter().map(|pair| (pair.handle, pair.handle.check().ok()))) {
        return wrong("list of handles and types");
    }
    Ok(())
}

fn expect_party(party: PartyId, claimed: PartyId) -> Result<(), Lie> {
    if claimed == party { Ok(()) } else { Err(Lie::Party(claimed)) }
}

fn expect_count(what: &'static str, found: usize, handles: usize) -> Result<(), Lie> {
    if found == handles { Ok(()) } else { Err(Lie::Count { what, found, handles }) }
}

fn expect_extra_data(ask: &Ask, signed: &[u8]) -> Result<Bytes, Lie> {
    match ask.signed_extra_data() {
        Ok(expected) if expected == signed => Ok(expected.into()),
        _ => Err(Lie::ExtraData),
    }
}

fn expect_signer(
    cluster: &Cluster,
    party: PartyId,
    digest: B256,
    signature: &[u8],
    what: &'static str,
) -> Result<Bytes, Lie> {
    let bytes = Bytes::copy_from_slice(signature);
    match cluster.node(party) {
        Some(node) if recover(digest, signature) == Some(node.signer) => Ok(bytes),
        _ => Err(Lie::Signature { what, bytes }),
    }
}
