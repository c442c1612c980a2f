//! Signatures over EIP-712 digests: 65 bytes r ‖ s ‖ v with low s and v 27 or 28, as contracts read them.

use alloy_primitives::{Address, B256};
use k256::ecdsa::{SigningKey, VerifyingKey};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 65;

/// Signs a digest, deterministically (RFC 6979).
///
/// # Errors
/// The curve library's, for a key or digest that makes r or s zero; not met in practice.
pub fn sign(key: &SigningKey, digest: B256) -> Result<[u8; SIGNATURE_BYTES], k256::ecdsa::Error> {
    let (signature, recovery) = key.sign_prehash_recoverable(digest.as_slice())?;
    let mut bytes = [0; SIGNATURE_BYTES];
    let (body, v) = bytes.split_at_mut(SIGNATURE_BYTES - 1);
    body.copy_from_slice(&signature.to_bytes());
    v.fill(27 + u8::from(recovery.is_y_odd()));
    Ok(bytes)
}

/// The address that stands for a key on a chain.
#[must_use]
pub fn address(key: &VerifyingKey) -> Address {
    Address::from_public_key(key)
}
