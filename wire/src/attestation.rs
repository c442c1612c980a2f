//! What an attester serves over HTTP: one header with its own signature under it.
//!
//! `GET` [`LATEST_PATH`] gives the newest one, `GET` [`PATH`]`{number}` that of a block; both as JSON.

use crate::evidence::Attestation;
use crate::hex::Hex;
use crate::signature::SIGNATURE_BYTES;
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use tkms_types::{HostChain, MinFinality, typed_data};

/// The newest attestation.
pub const LATEST_PATH: &str = "/v1/attestations/latest";
/// An attestation by block number, which follows.
pub const PATH: &str = "/v1/attestations/";
/// Bytes of a header: Ethereum's are some 610. Sealed headers, which may be longer, need no attester.
pub const HEADER_BYTES: usize = 4096;
/// Bytes of the JSON: twice the header in hex, and the fields beside it.
pub const JSON_BYTES: usize = 2 * HEADER_BYTES + 2048;

/// One header and one attester's signature. Well formed; nobody has checked what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedHeader {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// Root of the state trie after the block.
    pub state_root: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// `HostChain::attester_set_id` of the set the signature counts for.
    pub set: B256,
    /// Who signed.
    pub signer: Address,
    /// Class: 1 finalized, 2 safe, 3 so many blocks deep.
    pub class: u8,
    /// Blocks on top with class 3, else 0.
    pub depth: u32,
    /// EIP-712 `HeaderAttestation`, 65 bytes r ‖ s ‖ v.
    pub signature: Hex,
    /// RLP of the header.
    pub header: Hex,
}

impl SignedHeader {
    /// Reads one strictly: no unknown field, every width and bound, a class there is.
    ///
    /// # Errors
    /// [`SignedHeaderError`].
    pub fn from_json(json: &[u8]) -> Result<Self, SignedHeaderError> {
        if json.len() > JSON_BYTES {
            return Err(SignedHeaderError::TooLong { what: "the JSON", found: json.len(), limit: JSON_BYTES });
        }
        let read: Self = serde_json::from_slice(json).map_err(|error| SignedHeaderError::Json(error.to_string()))?;
        let header = read.header.0.len();
        if header > HEADER_BYTES {
            return Err(SignedHeaderError::TooLong { what: "the header", found: header, limit: HEADER_BYTES });
        }
        read.attestation()?;
        Ok(read)
    }

    /// As it travels in evidence.
    ///
    /// # Errors
    /// [`SignedHeaderError::Signature`], [`SignedHeaderError::Class`].
    pub fn attestation(&self) -> Result<Attestation, SignedHeaderError> {
        let signature = self.signature.0.as_ref();
        let signature: [u8; SIGNATURE_BYTES] =
            signature.try_into().map_err(|_| SignedHeaderError::Signature(signature.len()))?;
        let finality = MinFinality::from_signed(self.class, self.depth);
        let finality = finality.ok_or(SignedHeaderError::Class { class: self.class, depth: self.depth })?;
        Ok(Attestation { signer: self.signer, finality, signature })
    }

    /// What the signature is over.
    #[must_use]
    pub fn digest(&self, host: &HostChain) -> B256 {
        let statement = typed_data::HeaderAttestation {
            attesterSetId: self.set,
            number: self.number,
            blockHash: self.hash,
            stateRoot: self.state_root,
            timestamp: self.timestamp,
            finality: self.class,
            depth: self.depth,
        };
        typed_data::header_digest(&statement, host)
    }

    /// Whether `signer` signed what is said here, for this host's set in force. Membership and the header's own bytes are
    /// for the caller to compare.
    #[must_use]
    pub fn is_signed(&self, host: &HostChain) -> bool {
        self.set == host.attester_set_id()
            && typed_data::recover(self.digest(host), &self.signature.0) == Some(self.signer)
    }
}

/// JSON that is no signed header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedHeaderError {
    /// Not the expected fields.
    #[error("attestation: {0}")]
    Json(String),
    /// Over a bound.
    #[error("attestation: {what} has {found} bytes, at most {limit} are taken")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// Bytes given.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Another length than 65.
    #[error("attestation: a signature of {0} bytes")]
    Signature(usize),
    /// No such class.
    #[error("attestation: there is no class {class} with depth {depth}")]
    Class {
        /// As stated.
        class: u8,
        /// As stated.
        depth: u32,
    },
}
