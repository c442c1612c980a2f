//! Where the bytes of a handle are named and who says so (trust-rules §4).

use crate::samples::SampleList;
use crate::signature::SIGNATURE_BYTES;
use crate::switched::SwitchedList;
use alloy_primitives::B256;
use alloy_sol_types::SolStruct;
use serde::{Deserialize, Serialize};
use tkms_types::transcript::Protocol;
use tkms_types::{FheType, Handle, HostChain, KeyId, typed_data};

/// Signatures under one attestation: no coprocessor set is that large.
pub const MATERIAL_SIGNATURES: usize = 64;

/// Kinds of stored bytes, as attested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum Format {
    /// Sample list for `flood`.
    Flood = 1,
    /// Sample list for `exact`.
    Exact = 2,
    /// Stored ciphertext.
    Ciphertext = 3,
}

impl Format {
    /// Bytes of what is stored of a handle; `None` where they depend on more than its type.
    #[must_use]
    pub const fn encoded_len(self, kind: FheType) -> Option<usize> {
        match self {
            Self::Flood => Some(SampleList::encoded_len(kind)),
            Self::Exact => Some(SwitchedList::encoded_len(kind)),
            Self::Ciphertext => None,
        }
    }
}

/// What a protocol decrypts.
impl From<Protocol> for Format {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Flood => Self::Flood,
            Protocol::Exact => Self::Exact,
        }
    }
}

impl TryFrom<u8> for Format {
    type Error = FormatError;
    fn try_from(number: u8) -> Result<Self, FormatError> {
        match number {
            1 => Ok(Self::Flood),
            2 => Ok(Self::Exact),
            3 => Ok(Self::Ciphertext),
            other => Err(FormatError(other)),
        }
    }
}

impl From<Format> for u8 {
    fn from(format: Format) -> Self {
        format as Self
    }
}

/// A number that is no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("format {0} is unknown, there are 1 (flood), 2 (exact) and 3 (ciphertext)")]
pub struct FormatError(pub u8);

/// The stored bytes of one handle, by digest, with attestations. Well formed; nobody has checked the signatures yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// The ciphertext.
    pub handle: Handle,
    /// The key it is encrypted under.
    pub key_id: KeyId,
    /// What is stored.
    pub format: Format,
    /// Arithmetic that made it: only equal profiles yield equal bytes.
    pub profile: B256,
    /// BLAKE3-256 of the stored bytes.
    pub digest: B256,
    /// Their number.
    pub size: u64,
    /// Over [`material_digest`]; signers are recovered.
    pub signatures: Vec<[u8; SIGNATURE_BYTES]>,
}

/// The digest coprocessors sign for these bytes: EIP-712 `CiphertextAttestation` of this host's current set.
#[must_use]
pub fn material_digest(material: &Material, host: &HostChain) -> B256 {
    typed_data::CiphertextAttestation {
        coprocessorSetId: host.coprocessor_set_id(),
        handle: material.handle.0,
        keyId: material.key_id.number(),
        format: material.format.into(),
        profile: material.profile,
        digest: material.digest,
        size: material.size,
    }
    .eip712_signing_hash(&typed_data::ciphertext_domain(host))
}
