//! A request as the node works on it: checked shapes from `tkms_wire`, both kinds behind one type.

use crate::limits::{BODY_BYTES, BODY_BYTES_PER_HANDLE};
use crate::refusal::Refusal;
use prost::Message as _;
use std::time::Duration;
use tkms_types::{Handle, MinFinality, PublicRequest, RequestKind, UserRequest, limits};
use tkms_wire::account_witness::WITNESS_BYTES;
use tkms_wire::evidence::Evidence;
use tkms_wire::kms;
use tkms_wire::material::Material;
use tkms_wire::request::Call;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Plaintexts for everybody.
    Public(PublicRequest),
    /// Shares sealed to a user.
    User(UserRequest),
}

/// A well-formed request; nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub ask: Ask,
    /// Where the bytes are named, with attestations nobody has checked.
    pub materials: Vec<Material>,
    /// One block and proofs in its state, checked by nobody.
    pub evidence: Option<Evidence>,
    /// Least finality the caller asks for.
    pub finality: Option<MinFinality>,
}

/// What travels beside a request and enters no id.
#[derive(Clone, Debug)]
pub struct Manner {
    /// How long the caller will wait.
    pub wait: Duration,
    /// Echoed.
    pub label: String,
}

impl Request {
    /// Check 1 for a public request.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Malformed`].
    pub fn public(message: kms::PublicDecryptRequest) -> Result<(Self, Manner), Refusal> {
        check_size(message.encoded_len(), message.handles.len(), 0)?;
        let call: Call<PublicRequest> = message.try_into().map_err(malformed)?;
        let manner = Manner { wait: call.wait, label: call.label.clone() };
        let Call { request, materials, evidence, finality, .. } = call;
        Ok((Self { ask: Ask::Public(request), materials, evidence, finality }, manner))
    }

    /// Check 1 for a user's request.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Malformed`].
    pub fn user(message: kms::UserDecryptRequest) -> Result<(Self, Manner), Refusal> {
        let witness = message.evidence.as_ref().and_then(|evidence| evidence.witness.as_ref());
        let witness = witness.map_or(0, |witness| witness.encoded_len().min(WITNESS_BYTES));
        check_size(message.encoded_len(), message.pairs.len(), witness)?;
        let call: Call<UserRequest> = message.try_into().map_err(malformed)?;
        let manner = Manner { wait: call.wait, label: call.label.clone() };
        let Call { request, materials, evidence, finality, .. } = call;
        Ok((Self { ask: Ask::User(request), materials, evidence, finality }, manner))
    }

    /// Which kind of answer is asked for.
    #[must_use]
    pub const fn kind(&self) -> RequestKind {
        match self.ask {
            Ask::Public(_) => RequestKind::Public,
            Ask::User(_) => RequestKind::User,
        }
    }

    /// Handles in the order of the answer; they may repeat.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        match &self.ask {
            Ask::Public(request) => request.handles.clone(),
            Ask::User(request) => request.pairs.iter().map(|pair| pair.handle).collect(),
        }
    }

    /// `extraData` as sent.
    #[must_use]
    pub fn extra_data(&self) -> &[u8] {
        match &self.ask {
            Ask::Public(request) => &request.extra_data,
            Ask::User(request) => &request.extra_data,
        }
    }

    /// The part of a public request that asks for one handle, as a peer that missed it gets it: without label and wait.
    #[must_use]
    pub fn for_peers(&self, handle: Handle, evidence: Evidence) -> Option<kms::PublicDecryptRequest> {
        let Ask::Public(request) = &self.ask else { return None };
        let request = PublicRequest { handles: vec![handle], extra_data: request.extra_data.clone() };
        let materials = self.materials.iter().filter(|material| material.handle == handle).cloned().collect();
        Some(passed_on(request, materials, (evidence, self.finality)))
    }

    /// The same with all its handles: whoever gets it has the request itself, of the same id.
    #[must_use]
    pub fn whole_for_peers(&self, evidence: Evidence) -> Option<kms::PublicDecryptRequest> {
        let Ask::Public(request) = &self.ask else { return None };
        Some(passed_on(request.clone(), self.materials.clone(), (evidence, self.finality)))
    }
}

fn passed_on(
    request: PublicRequest,
    materials: Vec<Material>,
    (evidence, finality): (Evidence, Option<MinFinality>),
) -> kms::PublicDecryptRequest {
    let (evidence, wait, label) = (Some(evidence), Duration::ZERO, String::new());
    (&Call { request, materials, evidence, finality, wait, label }).into()
}

/// A smart account's witness has a bound of its own beside that of the rest.
fn check_size(found: usize, handles: usize, witness: usize) -> Result<(), Refusal> {
    let limit = (BODY_BYTES + BODY_BYTES_PER_HANDLE.saturating_mul(handles) + witness).min(limits::REQUEST_BYTES);
    if found > limit { Err(Refusal::TooLarge { what: "bytes of the request", found, limit }) } else { Ok(()) }
}

fn malformed(error: tkms_wire::FieldError) -> Refusal {
    Refusal::Malformed(error.to_string())
}
