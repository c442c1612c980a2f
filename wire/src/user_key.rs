//! A user's ML-KEM-512 key pair (FIPS 203) in the bytes of the official client (fhevm-compat §3.6).

use crate::codec::{DecodeError, Reader};
use alloy_primitives::Bytes;
use ml_kem::kem::{Decapsulate, DecapsulationKey, EncapsulationKey};
use ml_kem::{B32, EncapsulateDeterministic, EncodedSizeUser, KemCore, MlKem512, MlKem512Params};
use sha3::{Digest, Sha3_256};
use tkms_types::limits::USER_KEY_BYTES;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of an encapsulation key.
pub const KEM_KEY_BYTES: usize = 800;
/// Bytes of an encapsulated secret.
pub const KEM_CIPHER_BYTES: usize = 768;
/// Bytes of a decapsulation key.
const KEM_PRIVATE_BYTES: usize = 1632;
/// Bytes of a decapsulation key in front of the encapsulation key it repeats.
const KEM_SECRET_BYTES: usize = 768;
/// Coefficients are reduced modulo this prime.
const KEM_MODULUS: u16 = 3329;
/// Bytes of the packed coefficients of an encapsulation key; the seed of its matrix follows.
const KEM_VECTOR_BYTES: usize = 768;

/// Names in the header of the serialised public key.
const HEADER: [&[u8]; 3] = [b"0.5", b"0.1", b"UnifiedPublicEncKey"];

/// A user's encapsulation key: header checked, coefficients reduced.
#[derive(Clone, PartialEq, Eq)]
pub struct UserKey([u8; USER_KEY_BYTES]);

impl UserKey {
    /// Reads the 869 bytes a user's wallet signs.
    ///
    /// # Errors
    /// [`UserKeyError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, UserKeyError> {
        let serialised: [u8; USER_KEY_BYTES] =
            bytes.try_into().map_err(|_| UserKeyError::Length { found: bytes.len() })?;
        let mut reader = Reader::new(bytes);
        reader.expect("header", &header())?;
        check_reduced(reader.rest())?;
        Ok(Self(serialised))
    }

    fn from_kem_key(key: &[u8]) -> Result<Self, UserKeyError> {
        Self::parse(&[header().as_slice(), key].concat())
    }

    /// As parsed.
    #[must_use]
    pub const fn serialised(&self) -> &[u8; USER_KEY_BYTES] {
        &self.0
    }

    /// As parsed, for typed data.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    /// The 800 bytes of FIPS 203.
    #[must_use]
    pub fn kem_key(&self) -> &[u8] {
        self.0.last_chunk::<KEM_KEY_BYTES>().map_or(&[], |key| key.as_slice())
    }

    /// Encapsulates a fresh secret: ciphertext and secret.
    pub(crate) fn encapsulate(
        &self,
        rng: &mut impl rand::CryptoRng,
    ) -> Result<(Vec<u8>, Zeroizing<[u8; 32]>), UserKeyError> {
        let encoded = self.kem_key().try_into().map_err(|_| UserKeyError::Length { found: self.0.len() })?;
        let key = EncapsulationKey::<MlKem512Params>::from_bytes(&encoded);
        let mut message = seed(rng);
        let done = key.encapsulate_deterministic(&message);
        message.as_mut_slice().zeroize();
        let (cipher, mut secret) = done.map_err(|()| UserKeyError::Kem)?;
        let kept = Zeroizing::new(secret.into());
        secret.as_mut_slice().zeroize();
        Ok((cipher.to_vec(), kept))
    }
}

impl std::fmt::Debug for UserKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserKey({})", alloy_primitives::keccak256(self.0))
    }
}

/// What stands in front of the key: two versions, a name, two enum tags and the length.
fn header() -> Vec<u8> {
    let [serialisation, versioning, name] = HEADER;
    let mut out = Vec::with_capacity(USER_KEY_BYTES);
    crate::codec::put_vec(&mut out, serialisation);
    out.extend_from_slice(&[0; 4]);
    crate::codec::put_vec(&mut out, versioning);
    crate::codec::put_vec(&mut out, name);
    // Version 0 of the enum, variant 0: ML-KEM-512
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&(KEM_KEY_BYTES as u64).to_le_bytes());
    out
}

/// FIPS 203 §7.2: a key whose coefficients are not reduced is refused. Two 12-bit numbers in each three bytes.
fn check_reduced(key: &[u8]) -> Result<(), UserKeyError> {
    let (vector, _) = key.split_at_checked(KEM_VECTOR_BYTES).ok_or(UserKeyError::Length { found: key.len() })?;
    let (triples, _) = vector.as_chunks::<3>();
    let reduced = triples.iter().all(|[a, b, c]| {
        let low = u16::from(*a) | (u16::from(*b & 0x0f) << 8);
        let high = u16::from(*b >> 4) | (u16::from(*c) << 4);
        low < KEM_MODULUS && high < KEM_MODULUS
    });
    if reduced { Ok(()) } else { Err(UserKeyError::NotReduced) }
}

fn seed(rng: &mut impl rand::CryptoRng) -> B32 {
    let mut seed = B32::default();
    rng.fill_bytes(seed.as_mut_slice());
    seed
}

/// A user's key pair. The secret half wipes itself and is redacted.
pub struct UserKeyPair {
    public: UserKey,
    secret: DecapsulationKey<MlKem512Params>,
}

impl UserKeyPair {
    /// A fresh pair.
    ///
    /// # Errors
    /// [`UserKeyError`]; not for a pair made by the library.
    pub fn generate(rng: &mut impl rand::CryptoRng) -> Result<Self, UserKeyError> {
        let (mut d, mut z) = (seed(rng), seed(rng));
        let (secret, public) = MlKem512::generate_deterministic(&d, &z);
        d.as_mut_slice().zeroize();
        z.as_mut_slice().zeroize();
        Ok(Self { public: UserKey::from_kem_key(&public.as_bytes())?, secret })
    }

    /// Reads the private form of the official client: u64 1632 and the FIPS 203 decapsulation key.
    ///
    /// # Errors
    /// [`UserKeyError`], also if the public key inside does not match its hash.
    pub fn from_private_bytes(bytes: &[u8]) -> Result<Self, UserKeyError> {
        let mut reader = Reader::new(bytes);
        let key = reader.vec("private key", KEM_PRIVATE_BYTES)?;
        reader.finish()?;
        let mut parts = Reader::new(key);
        parts.bytes("secret vector", KEM_SECRET_BYTES)?;
        let public = parts.bytes("public key", KEM_KEY_BYTES)?;
        let hash: [u8; 32] = parts.array("hash of the public key")?;
        parts.array::<32>("rejection seed")?;
        let computed: [u8; 32] = Sha3_256::digest(public).into();
        if computed != hash {
            return Err(UserKeyError::Mismatch);
        }
        let mut encoded = key.try_into().map_err(|_| UserKeyError::Length { found: key.len() })?;
        let secret = DecapsulationKey::from_bytes(&encoded);
        AsMut::<[u8]>::as_mut(&mut encoded).zeroize();
        Ok(Self { public: UserKey::from_kem_key(public)?, secret })
    }

    /// The private form of the official client.
    #[must_use]
    pub fn to_private_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut encoded = self.secret.as_bytes();
        let mut out = Zeroizing::new(Vec::with_capacity(8 + KEM_PRIVATE_BYTES));
        crate::codec::put_vec(&mut out, &encoded);
        encoded.as_mut_slice().zeroize();
        out
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &UserKey {
        &self.public
    }

    /// The secret behind a ciphertext; another one, never an error, for a ciphertext not made for this key.
    pub(crate) fn decapsulate(&self, cipher: &[u8; KEM_CIPHER_BYTES]) -> Result<Zeroizing<[u8; 32]>, UserKeyError> {
        let encoded = cipher.as_slice().try_into().map_err(|_| UserKeyError::Length { found: cipher.len() })?;
        let mut secret = self.secret.decapsulate(&encoded).map_err(|()| UserKeyError::Kem)?;
        let kept = Zeroizing::new(secret.into());
        secret.as_mut_slice().zeroize();
        Ok(kept)
    }
}

impl std::fmt::Debug for UserKeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserKeyPair").field("public", &self.public).field("secret", &"redacted").finish()
    }
}

/// Bytes that are no user key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserKeyError {
    /// Another length.
    #[error("user key has {found} bytes, expected {USER_KEY_BYTES} (public) or {KEM_PRIVATE_BYTES} (private)")]
    Length {
        /// Bytes given.
        found: usize,
    },
    /// Another header or length field: another kind of key.
    #[error("user key: {0}")]
    Layout(#[from] DecodeError),
    /// A coefficient is not reduced.
    #[error("user key has a coefficient of {KEM_MODULUS} or more")]
    NotReduced,
    /// The private key contradicts itself.
    #[error("private user key: its public key does not match its hash")]
    Mismatch,
    /// The library's; it has no such case today.
    #[error("the key encapsulation failed")]
    Kem,
}
