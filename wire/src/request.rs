//! Requests to a node: protobuf to checked words and back.
//!
//! Only shapes are judged here: widths of ids, counts, lengths. Whether a permit is valid or a handle of a known
//! type is the node's policy, so that its refusals keep their names.

use crate::evidence::Evidence;
use crate::field::{FieldError, Problem, bounded, fixed, nested};
use crate::kms;
use crate::material::{Format, MATERIAL_SIGNATURES, Material};
use alloy_primitives::{Address, B256};
use bytes::Bytes;
use std::time::Duration;
use tkms_types::{Handle, HandlePair, Id, KeyId, MinFinality, PublicRequest, RequestId, UserRequest, limits};

/// Bytes of a caller's label.
pub const LABEL_BYTES: usize = 64;
/// Bytes of a permit's signature: 65, or more from a smart account.
pub const PERMIT_SIGNATURE_BYTES: usize = 4096;
/// Bytes of `extraData`, of which policy accepts fewer.
pub const EXTRA_DATA_BYTES: usize = 1024;

/// A well-formed request to a node with what travels beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<R> {
    /// What is asked, all that enters the request's id.
    pub request: R,
    /// Where the bytes are named; at most one a handle.
    pub materials: Vec<Material>,
    /// Why it is allowed: one block and what holds in it.
    pub evidence: Option<Evidence>,
    /// Least finality of that block; `None`: the host's own rule.
    pub finality: Option<MinFinality>,
    /// How long the caller will wait; the node bounds it.
    pub wait: Duration,
    /// Echoed, never a key of anything.
    pub label: String,
}

/// A question where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCall {
    /// Which.
    pub request_id: RequestId,
    /// How long the caller will wait; the node bounds it.
    pub wait: Duration,
}

impl TryFrom<kms::PublicDecryptRequest> for Call<PublicRequest> {
    type Error = FieldError;
    fn try_from(message: kms::PublicDecryptRequest) -> Result<Self, FieldError> {
        let handles = nested("handles", &message.handles, limits::REQUEST_HANDLES, |handle| read_handle(handle))?;
        Ok(Self {
            request: PublicRequest { handles, extra_data: read_extra_data(message.extra_data)? },
            materials: read_materials(message.materials)?,
            evidence: read_evidence(message.evidence)?,
            finality: read_finality(message.finality)?,
            wait: read_wait(message.wait_ms),
            label: read_label(message.label)?,
        })
    }
}

impl TryFrom<kms::UserDecryptRequest> for Call<UserRequest> {
    type Error = FieldError;
    fn try_from(message: kms::UserDecryptRequest) -> Result<Self, FieldError> {
        let request = UserRequest {
            pairs: nested("pairs", &message.pairs, limits::REQUEST_HANDLES, read_pair)?,
            user: read_address("user", &message.user)?,
            delegator: match message.delegator.as_ref() {
                [] => None,
                address => Some(read_address("delegator", address)?),
            },
            contracts: nested("contracts", &message.contracts, limits::REQUEST_HANDLES, |contract| {
                read_address("", contract)
            })?,
            start: message.start,
            days: u16::try_from(message.days).map_err(|_| FieldError::new("days", Problem::Number))?,
            public_key: bounded("public_key", message.public_key, limits::USER_KEY_BYTES)?.into(),
            extra_data: read_extra_data(message.extra_data)?,
            signature: bounded("signature", message.signature, PERMIT_SIGNATURE_BYTES)?.into(),
        };
        Ok(Self {
            request,
            materials: read_materials(message.materials)?,
            evidence: read_evidence(message.evidence)?,
            finality: read_finality(message.finality)?,
            wait: read_wait(message.wait_ms),
            label: read_label(message.label)?,
        })
    }
}

impl TryFrom<kms::StatusRequest> for StatusCall {
    type Error = FieldError;
    fn try_from(message: kms::StatusRequest) -> Result<Self, FieldError> {
        let request_id = RequestId(fixed::<32>("request_id", &message.request_id)?.into());
        Ok(Self { request_id, wait: read_wait(message.wait_ms) })
    }
}

impl TryFrom<kms::Material> for Material {
    type Error = FieldError;
    fn try_from(message: kms::Material) -> Result<Self, FieldError> {
        let key_id = B256::new(fixed("key_id", &message.key_id)?);
        let format = u8::try_from(message.format).ok().and_then(|number| Format::try_from(number).ok());
        Ok(Self {
            handle: read_handle(&message.handle).map_err(|error| error.within("handle"))?,
            key_id: KeyId::parse(key_id).map_err(|error| FieldError::new("key_id", Problem::Id(error)))?,
            format: format.ok_or(FieldError::new("format", Problem::Number))?,
            profile: fixed("profile", &message.profile)?.into(),
            digest: fixed("digest", &message.digest)?.into(),
            size: message.size,
            signatures: nested("signatures", &message.signatures, MATERIAL_SIGNATURES, |signature| {
                fixed("", signature)
            })?,
        })
    }
}

impl From<&Call<PublicRequest>> for kms::PublicDecryptRequest {
    fn from(call: &Call<PublicRequest>) -> Self {
        Self {
            handles: call.request.handles.iter().map(|handle| word(handle.0)).collect(),
            extra_data: call.request.extra_data.clone().into(),
            materials: call.materials.iter().map(Into::into).collect(),
            evidence: call.evidence.as_ref().map(Into::into),
            finality: call.finality.map(Into::into),
            wait_ms: write_wait(call.wait),
            label: call.label.clone(),
        }
    }
}

impl From<&Call<UserRequest>> for kms::UserDecryptRequest {
    fn from(call: &Call<UserRequest>) -> Self {
        let request = &call.request;
        let pair =
            |pair: &HandlePair| kms::HandlePair { handle: word(pair.handle.0), contract: address(&pair.contract) };
        Self {
            pairs: request.pairs.iter().map(pair).collect(),
            user: address(&request.user),
            delegator: request.delegator.as_ref().map(address).unwrap_or_default(),
            contracts: request.contracts.iter().map(address).collect(),
            start: request.start,
            days: request.days.into(),
            public_key: request.public_key.clone().into(),
            extra_data: request.extra_data.clone().into(),
            signature: request.signature.clone().into(),
            materials: call.materials.iter().map(Into::into).collect(),
            evidence: call.evidence.as_ref().map(Into::into),
            finality: call.finality.map(Into::into),
            wait_ms: write_wait(call.wait),
            label: call.label.clone(),
        }
    }
}

impl From<&Material> for kms::Material {
    fn from(material: &Material) -> Self {
        Self {
            handle: word(material.handle.0),
            key_id: word(material.key_id.bytes()),
            format: u8::from(material.format).into(),
            profile: word(material.profile),
            digest: word(material.digest),
            size: material.size,
            signatures: material.signatures.iter().map(|signature| Bytes::copy_from_slice(signature)).collect(),
        }
    }
}

fn read_handle(bytes: &[u8]) -> Result<Handle, FieldError> {
    Ok(Handle(fixed::<32>("", bytes)?.into()))
}

fn read_pair(pair: &kms::HandlePair) -> Result<HandlePair, FieldError> {
    Ok(HandlePair {
        handle: Handle(fixed::<32>("handle", &pair.handle)?.into()),
        contract: read_address("contract", &pair.contract)?,
    })
}

fn read_address(field: &'static str, bytes: &[u8]) -> Result<Address, FieldError> {
    Ok(Address::new(fixed(field, bytes)?))
}

fn read_extra_data(bytes: Bytes) -> Result<alloy_primitives::Bytes, FieldError> {
    Ok(bounded("extra_data", bytes, EXTRA_DATA_BYTES)?.into())
}

fn read_materials(list: Vec<kms::Material>) -> Result<Vec<Material>, FieldError> {
    nested("materials", &list, limits::REQUEST_HANDLES, |material| Material::try_from(material.clone()))
}

fn read_evidence(evidence: Option<kms::Evidence>) -> Result<Option<Evidence>, FieldError> {
    evidence.map(Evidence::try_from).transpose().map_err(|error| error.within("evidence"))
}

fn read_finality(finality: Option<kms::Finality>) -> Result<Option<MinFinality>, FieldError> {
    finality.map(MinFinality::try_from).transpose().map_err(|error| error.within("finality"))
}

const fn read_wait(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds as u64)
}

fn write_wait(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}

fn read_label(label: String) -> Result<String, FieldError> {
    if label.len() > LABEL_BYTES {
        return Err(FieldError::new("label", Problem::TooLong { found: label.len(), limit: LABEL_BYTES }));
    }
    Ok(label)
}

fn word(word: B256) -> Bytes {
    Bytes::copy_from_slice(word.as_slice())
}

fn address(address: &Address) -> Bytes {
    Bytes::copy_from_slice(address.as_slice())
}
