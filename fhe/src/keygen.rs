//! The trusted dealer: one short-lived process makes the whole key set and hands the one secret the committee
//! shares, the squash key, to whoever splits it. Nothing here touches a disk.

use crate::keys::{self, KeyError, PUBLIC_KEY_BYTES, SERVER_KEY_BYTES};
use crate::params;
use std::fmt;
use tfhe::shortint::client_key::atomic_pattern::AtomicPatternClientKey;
use tfhe::shortint::oprf::AtomicPatternOprfPrivateKey;
use tfhe::zk::CompactPkeCrs;
use tfhe::{ClientKey, CompactPublicKey, CompressedServerKey};
use tkms_types::limits::INPUT_BITS;
use zeroize::{Zeroize, Zeroizing};

/// What the dealer is about to do. The server key takes some 15 s on two cores and the CRS some 7 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeygenStep {
    /// All secret keys, from the operating system's randomness.
    SecretKeys,
    /// The evaluation keys of the coprocessor.
    ServerKey,
    /// The compact public key that clients encrypt with.
    PublicKey,
    /// The common reference string of the input proofs.
    Crs,
}

impl fmt::Display for KeygenStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretKeys => "secret keys",
            Self::ServerKey => "server key",
            Self::PublicKey => "public key",
            Self::Crs => "common reference string",
        })
    }
}

/// The secret key under which squashed samples are encrypted: [`params::SAMPLE_DIMENSION`] bits, the GLWE key
/// flattened in the order of a sample's mask. Wiped on drop, redacted in `Debug`, not serialisable.
pub struct SquashKey(Zeroizing<Vec<u64>>);

impl SquashKey {
    /// The bits, each 0 or 1.
    #[must_use]
    pub fn bits(&self) -> &[u64] {
        &self.0
    }
}

impl fmt::Debug for SquashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SquashKey(redacted)")
    }
}

/// Everything the dealer makes. The byte strings are public and go to stores as they are.
#[derive(Debug)]
pub struct KeySet {
    /// Compressed evaluation keys for [`crate::Evaluator::load`], some 330 MB.
    pub server_key: Vec<u8>,
    /// Compact public key as clients download it, in the form that old clients read too.
    pub public_key: Vec<u8>,
    /// Common reference string as clients download it.
    pub crs: Vec<u8>,
    /// The secret to be shared among the committee.
    pub squash_key: SquashKey,
}

/// Which protocols a key set is for (DESIGN.md D2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decryption {
    /// Squashed samples: 330 MB of server key.
    Flood,
    /// Switched samples: no squash key, 60 MB of server key.
    Exact,
    /// Either.
    Both,
}

/// The secret key under which stored ciphertexts are encrypted, for `exact`: [`params::BLOCK_DIMENSION`] bits, the GLWE
/// key flattened in the order of a mask. Wiped on drop, redacted in `Debug`, not serialisable.
pub struct StoredKey(Zeroizing<Vec<u64>>);

impl StoredKey {
    /// The bits, each 0 or 1.
    #[must_use]
    pub fn bits(&self) -> &[u64] {
        &self.0
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredKey(redacted)")
    }
}

/// A key set for the protocols asked for. The byte strings are public and go to stores as they are.
#[derive(Debug)]
pub struct DealtKeys {
    /// Compressed evaluation keys for [`crate::Evaluator::load`].
    pub server_key: Vec<u8>,
    /// Compact public key as clients download it, in the form that old clients read too.
    pub public_key: Vec<u8>,
    /// Common reference string as clients download it.
    pub crs: Vec<u8>,
    /// To be shared among the committee, for `flood`.
    pub squash_key: Option<SquashKey>,
    /// To be shared among the committee, for `exact`.
    pub stored_key: Option<StoredKey>,
}

/// Makes a key set for `flood`; `progress` is called before each step.
///
/// # Errors
/// [`KeyError`] if the library refuses to make or write a key.
pub fn deal(progress: &mut dyn FnMut(KeygenStep)) -> Result<KeySet, KeyError> {
    progress(KeygenStep::SecretKeys);
    deal_from(ClientKey::generate(params::config()), progress)
}

/// As [`deal`], from secret keys made elsewhere with the same parameters. They are wiped afterwards.
///
/// # Errors
/// [`KeyError`] if the keys have other parameters, or the library refuses to make or write a key.
pub fn deal_from(client_key: ClientKey, progress: &mut dyn FnMut(KeygenStep)) -> Result<KeySet, KeyError> {
    let DealtKeys { server_key, public_key, crs, squash_key, .. } =
        deal_for_from(Decryption::Flood, client_key, progress)?;
    let squash_key = squash_key.ok_or(KeyError::Parameters { what: "squash key" })?;
    Ok(KeySet { server_key, public_key, crs, squash_key })
}

/// Makes a key set for these protocols; `progress` is called before each step.
///
/// # Errors
/// [`KeyError`] if the library refuses to make or write a key.
pub fn deal_for(decryption: Decryption, progress: &mut dyn FnMut(KeygenStep)) -> Result<DealtKeys, KeyError> {
    progress(KeygenStep::SecretKeys);
    let config = if decryption == Decryption::Exact { params::exact_config() } else { params::config() };
    deal_for_from(decryption, ClientKey::generate(config), progress)
}

/// As [`deal_for`], from secret keys made elsewhere with the same parameters. They are wiped afterwards.
///
/// # Errors
/// [`KeyError`] if the keys have other parameters, or the library refuses to make or write a key.
pub fn deal_for_from(
    decryption: Decryption,
    client_key: ClientKey,
    progress: &mut dyn FnMut(KeygenStep),
) -> Result<DealtKeys, KeyError> {
    progress(KeygenStep::ServerKey);
    let server_key = keys::to_bytes("server key", &CompressedServerKey::new(&client_key), SERVER_KEY_BYTES)?;
    progress(KeygenStep::PublicKey);
    let public_key = CompactPublicKey::try_new(&client_key).map_err(KeyError::Library)?;
    let public_key = keys::to_bytes("public key", &public_key, PUBLIC_KEY_BYTES)?;
    let public_key = keys::readable_by_old_clients(public_key)?;
    let (squash_key, stored_key) = split(client_key)?;
    if decryption != Decryption::Exact && squash_key.is_none() {
        return Err(KeyError::Parameters { what: "squash key" });
    }
    progress(KeygenStep::Crs);
    let crs = CompactPkeCrs::from_config(params::config(), INPUT_BITS).map_err(KeyError::Library)?;
    let crs = keys::to_bytes("CRS", &crs, keys::CRS_BYTES)?;
    let stored_key = (decryption != Decryption::Flood).then_some(stored_key);
    let squash_key = squash_key.filter(|_| decryption != Decryption::Exact);
    Ok(DealtKeys { server_key, public_key, crs, squash_key, stored_key })
}

/// Takes the bits of the two keys out that a committee may share, and wipes every secret key the library holds (it does
/// not wipe them itself).
fn split(client_key: ClientKey) -> Result<(Option<SquashKey>, StoredKey), KeyError> {
    let (compute, public, _, squash, _, _, random, _, _) = client_key.into_raw_parts();
    let mut stored = Zeroizing::new(Vec::new());
    if let AtomicPatternClientKey::Standard(compute) = compute.into_raw_parts().atomic_pattern {
        let (glwe, lwe, _, _) = compute.into_raw_parts();
        stored = Zeroizing::new(glwe.into_container());
        lwe.into_container().zeroize();
    }
    if let Some((public, _)) = public {
        public.into_raw_parts().into_raw_parts().0.into_container().zeroize();
    }
    if let Some(random) = random
        && let AtomicPatternOprfPrivateKey::Standard(lwe) = random.into_raw_parts().into_raw_parts()
    {
        lwe.into_container().zeroize();
    }
    if stored.len() != params::BLOCK_DIMENSION || stored.iter().any(|word| *word > 1) {
        return Err(KeyError::Parameters { what: "key of stored ciphertexts" });
    }
    let Some(squash) = squash else { return Ok((None, StoredKey(stored))) };
    let words = Zeroizing::new(squash.into_raw_parts().into_raw_parts().0.into_container());
    if words.len() != params::SAMPLE_DIMENSION || words.iter().any(|word| *word > 1) {
        return Err(KeyError::Parameters { what: "squash key" });
    }
    let mut bits = Zeroizing::new(Vec::with_capacity(words.len()));
    bits.extend(words.iter().map(|word| u64::from(*word == 1)));
    Ok((Some(SquashKey(bits)), StoredKey(stored)))
}
