//! Answers of a node: protobuf to checked words and back. Signatures are not judged here.

use crate::field::{FieldError, Problem, bounded, fixed, nested};
use crate::kms;
use crate::request::EXTRA_DATA_BYTES;
use crate::signature::SIGNATURE_BYTES;
use crate::user_payload::PAYLOAD_BYTES;
use alloy_primitives::B256;
use bytes::Bytes;
use tkms_types::transcript::{Transcript, tags};
use tkms_types::{PartyId, RequestId, SessionId, limits};

/// Peers named in one answer: several per member of the committee.
pub const BLAMES: usize = 64;
/// Bytes of the name of a protocol step.
const STEP_BYTES: usize = 64;

/// A peer that lied or failed, as one node saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Who.
    pub party: PartyId,
    /// At which step.
    pub step: String,
    /// In which session.
    pub session: SessionId,
}

/// One node's signed plaintexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAnswer {
    /// Whose.
    pub party: PartyId,
    /// One word a handle, in order.
    pub words: Vec<B256>,
    /// As signed.
    pub extra_data: Bytes,
    /// EIP-712 `PublicDecryptVerification`.
    pub signature: [u8; SIGNATURE_BYTES],
    /// Peers that lied.
    pub blamed: Vec<Blame>,
}

/// One node's shares, sealed to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAnswer {
    /// Whose.
    pub party: PartyId,
    /// [`crate::user_payload::Payload`], encoded.
    pub payload: Bytes,
    /// As signed.
    pub extra_data: Bytes,
    /// EIP-712 `UserDecryptResponseVerification`.
    pub signature: [u8; SIGNATURE_BYTES],
    /// One a handle: only answers with equal ones are combined.
    pub sessions: Vec<SessionId>,
    /// Over [`envelope_digest`].
    pub envelope_signature: [u8; SIGNATURE_BYTES],
}

/// What a node signs around a user's answer: the payload itself names neither epoch nor ciphertext digest (trust-rules §5).
#[must_use]
pub fn envelope_digest(request_id: RequestId, sessions: &[SessionId], payload: &[u8]) -> B256 {
    Transcript::new(tags::ANSWER)
        .word(request_id.0)
        .list(sessions, |hash, session| hash.word(session.0))
        .bytes(payload)
        .finish()
}

impl TryFrom<kms::PublicAnswer> for PublicAnswer {
    type Error = FieldError;
    fn try_from(message: kms::PublicAnswer) -> Result<Self, FieldError> {
        let (words, rest) = message.words.as_chunks::<32>();
        if !rest.is_empty() || words.len() > limits::REQUEST_HANDLES {
            let (found, expected) = (message.words.len(), words.len().min(limits::REQUEST_HANDLES) * 32);
            return Err(FieldError::new("words", Problem::Width { found, expected }));
        }
        Ok(Self {
            party: read_party(message.party)?,
            words: words.iter().map(B256::from).collect(),
            extra_data: bounded("extra_data", message.extra_data, EXTRA_DATA_BYTES)?,
            signature: fixed("signature", &message.signature)?,
            blamed: nested("blamed", &message.blamed, BLAMES, |blame| Blame::try_from(blame))?,
        })
    }
}

impl From<&PublicAnswer> for kms::PublicAnswer {
    fn from(answer: &PublicAnswer) -> Self {
        Self {
            party: answer.party.number().into(),
            words: answer.words.concat().into(),
            extra_data: answer.extra_data.clone(),
            signature: Bytes::copy_from_slice(&answer.signature),
            blamed: answer.blamed.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<kms::UserAnswer> for UserAnswer {
    type Error = FieldError;
    fn try_from(message: kms::UserAnswer) -> Result<Self, FieldError> {
        let session = |session: &Bytes| Ok(SessionId(fixed::<32>("", session)?.into()));
        Ok(Self {
            party: read_party(message.party)?,
            payload: bounded("payload", message.payload, PAYLOAD_BYTES)?,
            extra_data: bounded("extra_data", message.extra_data, EXTRA_DATA_BYTES)?,
            signature: fixed("signature", &message.signature)?,
            sessions: nested("sessions", &message.sessions, limits::REQUEST_HANDLES, session)?,
            envelope_signature: fixed("envelope_signature", &message.envelope_signature)?,
        })
    }
}

impl From<&UserAnswer> for kms::UserAnswer {
    fn from(answer: &UserAnswer) -> Self {
        Self {
            party: answer.party.number().into(),
            payload: answer.payload.clone(),
            extra_data: answer.extra_data.clone(),
            signature: Bytes::copy_from_slice(&answer.signature),
            sessions: answer.sessions.iter().map(|session| Bytes::copy_from_slice(session.0.as_slice())).collect(),
            envelope_signature: Bytes::copy_from_slice(&answer.envelope_signature),
        }
    }
}

impl TryFrom<&kms::Blame> for Blame {
    type Error = FieldError;
    fn try_from(message: &kms::Blame) -> Result<Self, FieldError> {
        if message.step.len() > STEP_BYTES {
            return Err(FieldError::new("step", Problem::TooLong { found: message.step.len(), limit: STEP_BYTES }));
        }
        Ok(Self {
            party: read_party(message.party)?,
            step: message.step.clone(),
            session: SessionId(fixed::<32>("session", &message.session)?.into()),
        })
    }
}

impl From<&Blame> for kms::Blame {
    fn from(blame: &Blame) -> Self {
        Self {
            party: blame.party.number().into(),
            step: blame.step.clone(),
            session: Bytes::copy_from_slice(blame.session.0.as_slice()),
        }
    }
}

fn read_party(number: u32) -> Result<PartyId, FieldError> {
    let number = u8::try_from(number).map_err(|_| FieldError::new("party", Problem::Number))?;
    PartyId::new(number).map_err(|error| FieldError::new("party", error))
}
