//! The payload of a user decryption, byte for byte as the official client reads it (fhevm-compat §3.6).
//!
//! ```text
//! payload = vec(vk) vec(link 32) u64 m { i32 type  vec(cipher)  vec(handle 32)  u32 packing } × m  u32 party  u32 degree
//! vk      = u64 33 ‖ compressed secp256k1 point
//! cipher  = nonce 12 ‖ vec(encapsulated secret 768) ‖ vec(sealed)
//! body    = threshold: u64 k ‖ k × 4 × u128        centralised: little-endian plaintext
//! ```
//! `vec` is a u64 length and the bytes, all integers are little-endian.

pub use crate::user_key::{UserKey, UserKeyError, UserKeyPair};

use crate::codec::{DecodeError, Reader, put_vec};
use crate::user_key::KEM_CIPHER_BYTES;
use alloy_primitives::B256;
use k256::ecdsa::VerifyingKey;
use tkms_types::{Committee, FheType, Handle, PartyId, limits};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Two-bit digits in one opened block: what squashing yields for radix ciphertexts.
pub const PACKING: u32 = 2;
/// Bytes of the largest payload: one of 1024 booleans takes 1.1 MB.
pub const PAYLOAD_BYTES: usize = 2 * 1024 * 1024;
/// Blocks in one ring element, one a coefficient.
const BLOCKS_PER_ELEMENT: usize = 4;
/// Bytes of the longest body, a shared euint256: its length and 16 ring elements.
const BODY_BYTES: usize = 8 + 16 * ELEMENT_BYTES;
const ELEMENT_BYTES: usize = BLOCKS_PER_ELEMENT * 16;
const NONCE_BYTES: usize = 12;
/// Bytes of a compressed point, and with its length in front.
const POINT_BYTES: usize = 33;
const KEY_BYTES: usize = 8 + POINT_BYTES;
/// Around a body: lengths, type, link, signature, sender's key hash, authentication tag.
const SEALED_BYTES: usize = BODY_BYTES + 8 + 4 + 40 + 64 + 32 + 16;
const CIPHER_BYTES: usize = NONCE_BYTES + 8 + KEM_CIPHER_BYTES + 8 + SEALED_BYTES;

/// What one node says about one value. Wipes itself and is redacted.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum Body {
    /// Shares over GR(2^128, 4), lowest coefficient first: four consecutive blocks an element.
    Threshold(Vec<[u128; 4]>),
    /// The plaintext, little-endian, of a committee of one.
    Central(Vec<u8>),
}

impl Body {
    /// Ring elements in a shared value of this type.
    #[must_use]
    pub const fn elements(kind: FheType) -> usize {
        kind.squashed_blocks().div_ceil(BLOCKS_PER_ELEMENT)
    }

    /// Bytes of a plaintext of this type.
    const fn plain_bytes(kind: FheType) -> usize {
        kind.bits().div_ceil(8)
    }

    /// Whether this is what a member of that committee says about a value of that type.
    #[must_use]
    pub fn fits(&self, kind: FheType, committee: Committee) -> bool {
        match self {
            Self::Threshold(elements) => committee.size() > 1 && elements.len() == Self::elements(kind),
            Self::Central(bytes) => committee.size() == 1 && bytes.len() == Self::plain_bytes(kind),
        }
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Room for everything at once: growing would leave copies behind
        let mut out = Zeroizing::new(Vec::with_capacity(BODY_BYTES));
        match self {
            Self::Central(bytes) => out.extend_from_slice(bytes),
            Self::Threshold(elements) => {
                out.extend_from_slice(&(elements.len() as u64).to_le_bytes());
                out.extend(elements.iter().flatten().flat_map(|coefficient| coefficient.to_le_bytes()));
            }
        }
        out
    }

    pub(crate) fn parse(bytes: &[u8], kind: FheType, committee: Committee) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let body = if committee.size() == 1 {
            Self::Central(reader.bytes("plaintext", Self::plain_bytes(kind))?.to_vec())
        } else {
            let count = reader.len("share", Self::elements(kind))?;
            let element = |reader: &mut Reader<'_>| -> Result<[u128; 4], DecodeError> {
                Ok([reader.u128("share")?, reader.u128("share")?, reader.u128("share")?, reader.u128("share")?])
            };
            let mut elements = Vec::with_capacity(count);
            for _ in 0..count {
                elements.push(element(&mut reader)?);
            }
            Self::Threshold(elements)
        };
        reader.finish()?;
        if body.fits(kind, committee) { Ok(body) } else { Err(DecodeError::Value { field: "share" }) }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(redacted)")
    }
}

/// A sealed value: encapsulated secret, nonce and what AES-256-GCM made of the signed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cipher {
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) kem: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

impl Cipher {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(CIPHER_BYTES);
        out.extend_from_slice(&self.nonce);
        put_vec(&mut out, &self.kem);
        put_vec(&mut out, &self.sealed);
        out
    }

    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let nonce = reader.array("nonce")?;
        let kem = reader.exact::<KEM_CIPHER_BYTES>("encapsulated secret")?.to_vec();
        let sealed = reader.vec("sealed message", SEALED_BYTES)?.to_vec();
        reader.finish()?;
        Ok(Self { nonce, kem, sealed })
    }
}

/// One value of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedItem {
    /// Type, as the handle says.
    pub kind: FheType,
    /// What only the user can open.
    pub cipher: Cipher,
    /// Which value.
    pub handle: Handle,
    /// Digits in a block, [`PACKING`].
    pub packing: u32,
}

/// One node's whole answer, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The node's signing key.
    pub verification_key: VerifyingKey,
    /// Ties the answer to key, handles and user.
    pub link: B256,
    /// In the order of the request.
    pub items: Vec<SealedItem>,
    /// Whose answer.
    pub party: PartyId,
    /// t, the degree of the sharing.
    pub degree: u32,
}

impl Payload {
    /// The bytes that are signed and sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_vec(&mut out, &encode_key(&self.verification_key));
        put_vec(&mut out, self.link.as_slice());
        out.extend_from_slice(&(self.items.len() as u64).to_le_bytes());
        for item in &self.items {
            out.extend_from_slice(&u32::from(item.kind as u8).to_le_bytes());
            put_vec(&mut out, &item.cipher.encode());
            put_vec(&mut out, item.handle.0.as_slice());
            out.extend_from_slice(&item.packing.to_le_bytes());
        }
        out.extend_from_slice(&u32::from(self.party.number()).to_le_bytes());
        out.extend_from_slice(&self.degree.to_le_bytes());
        out
    }

    /// Reads a payload; nothing in it is believed yet, see [`crate::seal::open`].
    ///
    /// # Errors
    /// [`DecodeError`] naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > PAYLOAD_BYTES {
            return Err(DecodeError::Length { field: "payload", found: bytes.len() as u64 });
        }
        let mut reader = Reader::new(bytes);
        let verification_key = parse_key(&reader.exact::<KEY_BYTES>("verification key")?)?;
        let link = B256::new(reader.exact("link")?);
        let count = reader.len("items", limits::REQUEST_HANDLES)?;
        let items = (0..count).map(|_| parse_item(&mut reader)).collect::<Result<_, _>>()?;
        let party = u8::try_from(reader.u32("party")?).ok().and_then(|number| PartyId::new(number).ok());
        let party = party.ok_or(DecodeError::Value { field: "party" })?;
        let degree = reader.u32("degree")?;
        reader.finish()?;
        Ok(Self { verification_key, link, items, party, degree })
    }
}

fn parse_item(reader: &mut Reader<'_>) -> Result<SealedItem, DecodeError> {
    let kind = parse_kind(reader)?;
    let cipher = Cipher::parse(reader.vec("cipher", CIPHER_BYTES)?)?;
    let handle = Handle(B256::new(reader.exact("handle")?));
    let packing = reader.u32("packing")?;
    Ok(SealedItem { kind, cipher, handle, packing })
}

/// A type, as the i32 it is in these layouts.
pub(crate) fn parse_kind(reader: &mut Reader<'_>) -> Result<FheType, DecodeError> {
    let kind = u8::try_from(reader.u32("type")?).ok().and_then(FheType::from_number);
    kind.ok_or(DecodeError::Value { field: "type" })
}

/// The signing key as the layouts hold it, also under hashes.
pub(crate) fn encode_key(key: &VerifyingKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(KEY_BYTES);
    put_vec(&mut out, key.to_encoded_point(true).as_bytes());
    out
}

fn parse_key(bytes: &[u8]) -> Result<VerifyingKey, DecodeError> {
    let mut reader = Reader::new(bytes);
    let point = reader.exact::<POINT_BYTES>("verification key")?;
    reader.finish()?;
    VerifyingKey::from_sec1_bytes(&point).map_err(|_| DecodeError::Value { field: "verification key" })
}
