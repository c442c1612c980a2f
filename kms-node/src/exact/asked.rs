//! A public request as peers that missed it get it: all its ciphertexts share it, in memory and on disk.

use alloy_primitives::B256;
use prost::Message as _;
use std::sync::Arc;
use tkms_wire::kms;

/// See the module.
pub(crate) struct Asked {
    /// What its row is called: the hash of the bytes.
    pub(super) name: B256,
    pub(super) encoded: Vec<u8>,
}

impl Asked {
    /// Of a request that our policy accepted; nothing for a committee of one, whose users' answers are opened without one.
    pub(crate) fn new(message: Option<&kms::PublicDecryptRequest>) -> Arc<Self> {
        Self::of(message.map(kms::PublicDecryptRequest::encode_to_vec).unwrap_or_default())
    }

    pub(super) fn of(encoded: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { name: B256::new(*blake3::hash(&encoded).as_bytes()), encoded })
    }

    pub(super) fn message(&self) -> Option<kms::PublicDecryptRequest> {
        kms::PublicDecryptRequest::decode(self.encoded.as_slice()).ok()
    }
}
