//! Reading and writing public key material, with a size bound and a check against the parameters each time.

use crate::params;
use serde::{Serialize, de::DeserializeOwned};
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::prelude::LweCiphertextCount;
use tfhe::named::Named;
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::zk::{CompactPkeCrs, CompactPkeZkScheme, new_compact_pke_crs_conformance_params};
use tfhe::{CompactPublicKey, Unversionize, Versionize};
use tkms_types::limits::INPUT_BITS;

/// Bytes of a serialised server key (330 MB in use).
pub(crate) const SERVER_KEY_BYTES: u64 = 512 * 1024 * 1024;
/// Bytes of a serialised compact public key (33,018 in use).
pub(crate) const PUBLIC_KEY_BYTES: u64 = 64 * 1024;
/// Bytes of a serialised common reference string (4.6 MB in use).
pub(crate) const CRS_BYTES: u64 = 8 * 1024 * 1024;
/// Packed pairs of blocks that the CRS can prove.
const CRS_MESSAGES: LweCiphertextCount = LweCiphertextCount(INPUT_BITS.div_ceil(params::DIGIT_BITS as usize));

/// Key material that cannot be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// tfhe failed.
    #[error("the FHE library failed: {0}")]
    Library(#[source] tfhe::Error),
    /// Bytes that are no such key or are too long.
    #[error("the {what} cannot be read: {reason}")]
    Malformed {
        /// Which key.
        what: &'static str,
        /// What the library said.
        reason: String,
    },
    /// The bytes go on after the key.
    #[error("{extra} bytes follow the {what}")]
    Trailing {
        /// Which key.
        what: &'static str,
        /// How many bytes.
        extra: usize,
    },
    /// A key that cannot be written within its bound.
    #[error("the {what} cannot be written: {reason}")]
    Write {
        /// Which key.
        what: &'static str,
        /// What the library said.
        reason: String,
    },
    /// A key of other parameters than [`params::NAME`].
    #[error("the {what} does not belong to {}", params::NAME)]
    Parameters {
        /// Which key.
        what: &'static str,
    },
    /// The serialised public key does not end as expected, so it cannot be made readable by old clients.
    #[error("the serialised public key does not end as tfhe 1.8 writes it: {tail:02x?}")]
    UnexpectedTail {
        /// Its last bytes.
        tail: Vec<u8>,
    },
}

/// What a client encrypts with and a coprocessor verifies with.
pub struct PublicKeys {
    pub(crate) public_key: CompactPublicKey,
    pub(crate) crs: CompactPkeCrs,
}

impl PublicKeys {
    /// Reads the two files clients download, when their digests have been compared with the cluster file: a CRS is
    /// checked for its parameters but not point by point. Takes milliseconds.
    ///
    /// # Errors
    /// [`KeyError`] naming the file that is too long, malformed or of other parameters.
    pub fn parse_pinned(public_key: &[u8], crs: &[u8]) -> Result<Self, KeyError> {
        let pke = params::PUBLIC_KEY.pke_params;
        let public_key =
            read("public key", public_key, PUBLIC_KEY_BYTES, |key: &CompactPublicKey| key.is_conformant(&pke))?;
        let crs = read("CRS", crs, CRS_BYTES, |crs: &CompactPkeCrs| {
            matches!(crs.scheme_version(), CompactPkeZkScheme::V2)
                && crs.lwe_dimension() == pke.encryption_lwe_dimension
                && crs.max_num_messages() == CRS_MESSAGES
                && crs.plaintext_modulus() == 1 << (params::DIGIT_BITS + 1)
        })?;
        Ok(Self { public_key, crs })
    }

    /// As [`PublicKeys::parse_pinned`] for files from an unknown source: also checks that every point of the CRS lies
    /// in its group, which takes some 3 s.
    ///
    /// # Errors
    /// [`KeyError`] naming the file that is too long, malformed or of other parameters.
    pub fn parse(public_key: &[u8], crs: &[u8]) -> Result<Self, KeyError> {
        let keys = Self::parse_pinned(public_key, crs)?;
        let shape = new_compact_pke_crs_conformance_params(params::PUBLIC_KEY.pke_params, CRS_MESSAGES)
            .map_err(KeyError::Library)?;
        if keys.crs.is_conformant(&shape) { Ok(keys) } else { Err(KeyError::Parameters { what: "CRS" }) }
    }
}

/// Writes a key within its bound.
pub(crate) fn to_bytes<T>(what: &'static str, key: &T, limit: u64) -> Result<Vec<u8>, KeyError>
where
    T: Serialize + Versionize + Named,
{
    let mut bytes = Vec::new();
    safe_serialize(key, &mut bytes, limit).map_err(|error| KeyError::Write { what, reason: error.to_string() })?;
    Ok(bytes)
}

/// Reads a key within its bound, checks it against its parameters, and that nothing follows.
fn read<T>(what: &'static str, bytes: &[u8], limit: u64, fits: impl FnOnce(&T) -> bool) -> Result<T, KeyError>
where
    T: DeserializeOwned + Unversionize + Named,
{
    let mut rest = bytes;
    let key = safe_deserialize(&mut rest, limit).map_err(|reason| KeyError::Malformed { what, reason })?;
    if !rest.is_empty() {
        return Err(KeyError::Trailing { what, extra: rest.len() });
    }
    if fits(&key) { Ok(key) } else { Err(KeyError::Parameters { what }) }
}

/// How tfhe 1.8 ends a serialised compact public key with our parameters, in 4-byte numbers: version 1 of the
/// expansion kind and its variant 0 ("requires casting"), version 0 of the proof scheme and its variant 2, then an
/// empty tag.
const TAIL: [u8; 28] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The same key in the words of tfhe before 1.6, which knows only version 0 of the expansion kind. For the variant
/// in use the two encodings differ in that number alone, and newer versions read both.
pub(crate) fn readable_by_old_clients(mut key: Vec<u8>) -> Result<Vec<u8>, KeyError> {
    match key.last_chunk_mut::<{ TAIL.len() }>() {
        Some(tail) if *tail == TAIL => {
            let [version, ..] = tail;
            *version = 0;
            Ok(key)
        }
        tail => Err(KeyError::UnexpectedTail { tail: tail.map(|tail| tail.to_vec()).unwrap_or_default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_another_tail_is_not_patched() {
        let mut already_old = vec![7; 100];
        already_old.extend(TAIL);
        let patched = readable_by_old_clients(already_old.clone()).unwrap();
        assert_eq!(patched.iter().zip(&already_old).filter(|(a, b)| a != b).count(), 1);
        assert!(matches!(readable_by_old_clients(patched), Err(KeyError::UnexpectedTail { tail }) if tail.len() == 28));
        assert!(
            matches!(readable_by_old_clients(vec![1; 5]), Err(KeyError::UnexpectedTail { tail }) if tail.is_empty())
        );
    }
}
