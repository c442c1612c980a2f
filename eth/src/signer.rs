//! The key that signs EIP-712 digests.

use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
};

use alloy::{
    primitives::{Address, B256, hex},
    signers::{SignerSync, local::PrivateKeySigner},
};
use zeroize::Zeroizing;

/// Bytes of a key file: 64 hexadecimal digits and what editors add.
const KEY_FILE_BYTES: u64 = 256;

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

/// A key file that cannot be used. Says nothing about its content.
#[derive(Debug, thiserror::Error)]
#[error("key file {path}: {reason}")]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
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

    /// From a file with 64 hexadecimal digits, with or without `0x`.
    ///
    /// # Errors
    /// [`KeyFileError`], which names the file and says nothing about its content.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let wrong = |reason: String| KeyFileError { path: path.into(), reason };
        let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES as usize));
        // One byte more than allowed: a longer file is refused, not cut.
        let read = file.take(KEY_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        let mut key = Zeroizing::new([0; 32]);
        let decoded = hex::decode_to_slice(text.trim(), key.as_mut_slice()).is_ok() && read as u64 <= KEY_FILE_BYTES;
        if !decoded {
            return Err(wrong("does not hold a private key: 64 hex digits".to_owned()));
        }
        Self::from_bytes(&key).map_err(|error| wrong(error.to_string()))
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
