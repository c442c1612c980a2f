//! The key that signs EIP-712 digests.

use std::fmt;

use alloy::{
    primitives::{Address, B256},
    signers::{SignerSync, local::PrivateKeySigner},
};

/// Signs digests that its caller computed. A trait because keys also live in hardware and in tests.
pub trait DigestSigner: Send + Sync {
    /// Who signs.
    fn address(&self) -> Address;

    /// 65 bytes `r ‖ s ‖ v`, s in the lower half, v 27 or 28.
    ///
    /// # Errors
    /// [`SignerError`].
    fn sign_digest(&self, digest: &B256) -> Result<[u8; 65], SignerError>;
}

/// Why there is no signature. Says nothing about the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Zero, or not below the group order.
    #[error("not a secp256k1 private key")]
    InvalidKey,
    /// The key refused.
    #[error("{signer} could not sign")]
    Refused {
        /// Whose signature it should have been.
        signer: Address,
    },
}

/// A secp256k1 key in memory, erased on drop.
#[derive(Clone)]
pub struct LocalKey(PrivateKeySigner);

impl LocalKey {
    /// From the 32 bytes of the scalar, big-endian. The caller erases its own copy.
    ///
    /// # Errors
    /// [`SignerError::InvalidKey`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SignerError> {
        // Through the slice: `from_bytes` would want a copy in a type that does not erase itself.
        PrivateKeySigner::from_slice(bytes).map(Self).map_err(|_| SignerError::InvalidKey)
    }

    pub(crate) const fn inner(&self) -> &PrivateKeySigner {
        &self.0
    }
}

impl DigestSigner for LocalKey {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign_digest(&self, digest: &B256) -> Result<[u8; 65], SignerError> {
        let signature = self.0.sign_hash_sync(digest).map_err(|_| SignerError::Refused { signer: self.address() })?;
        Ok(signature.normalized_s().as_bytes())
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").field("address", &self.address()).finish_non_exhaustive()
    }
}
