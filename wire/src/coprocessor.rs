//! JSON of the coprocessor's HTTP API.
//!
//! `POST /v1/inputs` verifies an encrypted input; `POST /v1/materials/{handle}` asks that a handle be squashed and
//! `GET` only looks; `GET /v1/objects/{digest}` gives stored bytes.

use crate::hex::Hex;
use crate::material::{Format, Material};
use crate::signature::SIGNATURE_BYTES;
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use tkms_types::{Handle, KeyId};

/// Body of `POST /v1/inputs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputRequest {
    /// The contract the input is for.
    pub contract_address: Address,
    /// Who will send it.
    pub user_address: Address,
    /// Host chain.
    pub contract_chain_id: u64,
    /// The proven list.
    pub ciphertext: Hex,
    /// Signed as it stands.
    pub extra_data: Hex,
}

/// An accepted input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputAnswer {
    /// One a value, in order.
    pub handles: Vec<Handle>,
    /// EIP-712 `CiphertextVerification`, 65 bytes.
    pub signature: Hex,
    /// Who signed.
    pub signer: Address,
    /// As signed.
    pub extra_data: Hex,
}

/// Where the material of a handle stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum MaterialReply {
    /// Stored and signed.
    Ready {
        /// What nodes need.
        material: AttestedMaterial,
    },
    /// No event named this handle yet.
    Unknown,
    /// The ciphertext is not there yet.
    Computing,
    /// The ciphertext is there, its samples are being made or wait to be asked for.
    Squashing,
}

/// The stored bytes of one handle with this coprocessor's attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestedMaterial {
    /// The ciphertext.
    pub handle: Handle,
    /// The key it is encrypted under.
    pub key_id: KeyId,
    /// What is stored.
    pub format: Format,
    /// Arithmetic that made it.
    pub profile: B256,
    /// BLAKE3-256 of the stored bytes.
    pub digest: B256,
    /// Their number.
    pub size: u64,
    /// EIP-712 `CiphertextAttestation`, 65 bytes.
    pub signature: Hex,
}

impl AttestedMaterial {
    /// As it travels to nodes. `None` if the signature has not 65 bytes.
    #[must_use]
    pub fn to_material(&self) -> Option<Material> {
        let signature: [u8; SIGNATURE_BYTES] = self.signature.0.as_ref().try_into().ok()?;
        Some(Material {
            handle: self.handle,
            key_id: self.key_id,
            format: self.format,
            profile: self.profile,
            digest: self.digest,
            size: self.size,
            signatures: vec![signature],
        })
    }
}

/// Body of every answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// Short name of the error.
    pub code: String,
    /// For people.
    pub message: String,
}
