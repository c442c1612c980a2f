//! Sealing a node's share to a user and opening it, side by side (fhevm-compat §3.6).
//!
//! Sign, then encrypt, for one receiver:
//! ```text
//! message = vec(body) ‖ i32 type ‖ vec(link 32)
//! signed  = "USER_DEC" ‖ message ‖ user address 20 ‖ SHAKE256-32("SIGNCRYP" ‖ u64 800 ‖ receiver's key)
//! plain   = message ‖ r ‖ s ‖ SHAKE256-32("SIGNCRYP" ‖ sender's key)
//! ```
//! ECDSA over SHA-256 with low s; AES-256-GCM under the secret of an ML-KEM-512 encapsulation, fresh for each value.

use crate::codec::{DecodeError, Reader, put_vec};
use crate::user_key::{KEM_CIPHER_BYTES, KEM_KEY_BYTES, UserKey, UserKeyError, UserKeyPair};
use crate::user_payload::{Body, Cipher, PACKING, Payload, SealedItem, encode_key, parse_kind};
use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, KeyInit};
use alloy_primitives::{Address, B256};
use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use sha3::Shake256;
use sha3::digest::{ExtendableOutput, Update, XofReader};
use tkms_types::{Committee, FheType, Handle, PartyId};
use zeroize::Zeroizing;

const SIGN_TAG: &[u8] = b"USER_DEC";
const HASH_TAG: &[u8] = b"SIGNCRYP";
const TAG_BYTES: usize = 16;
const INNER_SIGNATURE_BYTES: usize = 64;
const HASH_BYTES: usize = 32;

/// The node that seals.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// Its signing key; the address of it is the node's signer.
    pub key: &'a SigningKey,
    /// Its number.
    pub party: PartyId,
    /// Its committee: gives the degree and the form of a body.
    pub committee: Committee,
}

/// The user it seals to.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// The key of the permit.
    pub key: &'a UserKey,
    /// Signer of the permit; the delegate of a delegated one.
    pub user: Address,
    /// `tkms_types::typed_data::user_link` of the request.
    pub link: B256,
}

/// One value to seal.
#[derive(Clone, Debug)]
pub struct Item {
    /// Which.
    pub handle: Handle,
    /// Its type.
    pub kind: FheType,
    /// The share or, from a committee of one, the plaintext.
    pub body: Body,
}

/// Seals every value to the user. What comes back is encoded, signed and sent by the caller.
///
/// # Errors
/// [`SealError`] for a body that does not fit type or committee.
pub fn seal(
    sender: &Sender<'_>,
    recipient: &Recipient<'_>,
    items: &[Item],
    rng: &mut impl rand::CryptoRng,
) -> Result<Payload, SealError> {
    let mut sealed = Vec::with_capacity(items.len());
    for Item { handle, kind, body } in items {
        if !body.fits(*kind, sender.committee) {
            return Err(SealError::Body(*handle));
        }
        let cipher = seal_one(sender.key, recipient, *kind, body, rng)?;
        sealed.push(SealedItem { kind: *kind, cipher, handle: *handle, packing: PACKING });
    }
    Ok(Payload {
        verification_key: *sender.key.verifying_key(),
        link: recipient.link,
        items: sealed,
        party: sender.party,
        degree: degree(sender.committee),
    })
}

/// t as the payload states it.
const fn degree(committee: Committee) -> u32 {
    // At most 4
    committee.threshold().faults() as u32
}

fn seal_one(
    key: &SigningKey,
    recipient: &Recipient<'_>,
    kind: FheType,
    body: &Body,
    rng: &mut impl rand::CryptoRng,
) -> Result<Cipher, SealError> {
    let message = encode_message(body, kind, recipient.link);
    let signature: Signature = key.sign_prehash(&signed_hash(&message, recipient.user, recipient.key))?;
    // All room at once: growing would leave copies of the share behind
    let room = message.len() + INNER_SIGNATURE_BYTES + HASH_BYTES + TAG_BYTES;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    text.extend_from_slice(&message);
    text.extend_from_slice(&signature.to_bytes());
    text.extend_from_slice(&key_hash(&encode_key(key.verifying_key())));

    let (kem, secret) = recipient.key.encapsulate(rng)?;
    let mut nonce = [0; 12];
    rng.fill_bytes(&mut nonce);
    let aead = Aes256Gcm::new(secret.as_slice().into());
    aead.encrypt_in_place(&nonce.into(), b"", &mut *text).map_err(|_| SealError::Encryption)?;
    Ok(Cipher { nonce, kem, sealed: std::mem::take(&mut *text) })
}

fn encode_message(body: &Body, kind: FheType, link: B256) -> Zeroizing<Vec<u8>> {
    let body = body.encode();
    let mut out = Zeroizing::new(Vec::with_capacity(8 + body.len() + 4 + 8 + link.len()));
    put_vec(&mut out, &body);
    out.extend_from_slice(&u32::from(kind as u8).to_le_bytes());
    put_vec(&mut out, link.as_slice());
    out
}

/// What the inner signature signs, hashed.
fn signed_hash(message: &[u8], user: Address, receiver: &UserKey) -> [u8; 32] {
    let mut key = Vec::with_capacity(8 + KEM_KEY_BYTES);
    put_vec(&mut key, receiver.kem_key());
    let hash = Sha256::new().chain_update(SIGN_TAG).chain_update(message).chain_update(user);
    hash.chain_update(key_hash(&key)).finalize().into()
}

fn key_hash(key: &[u8]) -> [u8; HASH_BYTES] {
    let mut out = [0; HASH_BYTES];
    Shake256::default().chain(HASH_TAG).chain(key).finalize_xof().read(&mut out);
    out
}

/// What the user knows about an answer before opening it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Whose answer it is said to be.
    pub party: PartyId,
    /// That party's signer, from the chain or the cluster file.
    pub signer: Address,
    /// The committee.
    pub committee: Committee,
    /// Signer of the permit.
    pub user: Address,
    /// `tkms_types::typed_data::user_link` of the request.
    pub link: B256,
    /// As asked, in order.
    pub handles: &'a [Handle],
}

/// Opens one node's payload: one body for each handle, all of them signed by that node for this user and request.
/// The outer signature is the caller's to check, over the same bytes.
///
/// # Errors
/// [`OpenError`] naming the party and what is wrong with its answer.
pub fn open(bytes: &[u8], keys: &UserKeyPair, expected: &Expected<'_>) -> Result<Vec<Body>, OpenError> {
    open_checked(bytes, keys, expected).map_err(|fault| OpenError { party: expected.party, fault })
}

fn open_checked(bytes: &[u8], keys: &UserKeyPair, expected: &Expected<'_>) -> Result<Vec<Body>, OpenFault> {
    let payload = Payload::parse(bytes)?;
    let signer = crate::signature::address(&payload.verification_key);
    if signer != expected.signer {
        return Err(OpenFault::Signer { expected: expected.signer, found: signer });
    }
    if payload.party != expected.party {
        return Err(OpenFault::Party(payload.party));
    }
    if payload.degree != degree(expected.committee) {
        return Err(OpenFault::Degree(payload.degree));
    }
    if payload.link != expected.link {
        return Err(OpenFault::Link);
    }
    if payload.items.len() != expected.handles.len() {
        return Err(OpenFault::Count { expected: expected.handles.len(), found: payload.items.len() });
    }
    let items = payload.items.iter().zip(expected.handles).enumerate();
    items
        .map(|(position, (item, handle))| {
            if item.handle != *handle || handle.check().ok() != Some(item.kind) || item.packing != PACKING {
                return Err(OpenFault::Item { position });
            }
            open_one(item, &payload.verification_key, keys, expected, position)
        })
        .collect()
}

fn open_one(
    item: &SealedItem,
    sender: &VerifyingKey,
    keys: &UserKeyPair,
    expected: &Expected<'_>,
    position: usize,
) -> Result<Body, OpenFault> {
    let kem: &[u8; KEM_CIPHER_BYTES] =
        item.cipher.kem.as_slice().try_into().map_err(|_| OpenFault::Undecryptable { position })?;
    let secret = keys.decapsulate(kem).map_err(|_| OpenFault::Undecryptable { position })?;
    let mut text = Zeroizing::new(item.cipher.sealed.clone());
    let aead = Aes256Gcm::new(secret.as_slice().into());
    aead.decrypt_in_place(&item.cipher.nonce.into(), b"", &mut *text)
        .map_err(|_| OpenFault::Undecryptable { position })?;

    let inner = |source| OpenFault::Message { position, source };
    let mut reader = Reader::new(&text);
    let body = reader.vec("body", text.len()).map_err(inner)?;
    let kind = parse_kind(&mut reader).map_err(inner)?;
    let link: [u8; 32] = reader.exact("link").map_err(inner)?;
    let signature = reader.array::<INNER_SIGNATURE_BYTES>("signature").map_err(inner)?;
    let hash = reader.array::<HASH_BYTES>("sender's key hash").map_err(inner)?;
    reader.finish().map_err(inner)?;

    let end = text.len() - INNER_SIGNATURE_BYTES - HASH_BYTES;
    let message = text.get(..end).ok_or(OpenFault::Undecryptable { position })?;
    let signature = Signature::from_slice(&signature).map_err(|_| OpenFault::Signature { position })?;
    let signed = signed_hash(message, expected.user, keys.public());
    sender.verify_prehash(&signed, &signature).map_err(|_| OpenFault::Signature { position })?;
    // Signed by the node: from here on a difference is its own doing
    if kind != item.kind || expected.link != link || hash != key_hash(&encode_key(sender)) {
        return Err(OpenFault::Item { position });
    }
    Body::parse(body, kind, expected.committee).map_err(inner)
}

/// Something the caller gave cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not the form or the length that type and committee imply.
    #[error("the body for {0} does not fit its type and this committee")]
    Body(Handle),
    /// The user's key.
    #[error(transparent)]
    Key(#[from] UserKeyError),
    /// The signature library's; not met in practice.
    #[error("inner signature: {0}")]
    Signature(#[from] k256::ecdsa::Error),
    /// The cipher library's; not met for messages of this size.
    #[error("the message could not be encrypted")]
    Encryption,
}

/// An answer that cannot be used, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("answer of {party}: {fault}")]
pub struct OpenError {
    /// Who sent it.
    pub party: PartyId,
    /// What is wrong.
    pub fault: OpenFault,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// Not a payload.
    #[error("payload: {0}")]
    Malformed(#[from] DecodeError),
    /// The key inside is not that of the party's signer.
    #[error("its key has address {found}, the committee names {expected}")]
    Signer {
        /// Of the committee.
        expected: Address,
        /// Of the payload's key.
        found: Address,
    },
    /// It states another party.
    #[error("it says it comes from {0}")]
    Party(PartyId),
    /// It states another degree.
    #[error("it states a sharing of degree {0}")]
    Degree(u32),
    /// It belongs to another request.
    #[error("its link is that of another request")]
    Link,
    /// Another number of values.
    #[error("it has {found} values, {expected} were asked")]
    Count {
        /// Asked.
        expected: usize,
        /// Found.
        found: usize,
    },
    /// Handle, type, packing or link of a value are other ones.
    #[error("value {position} is not the one asked")]
    Item {
        /// Which value.
        position: usize,
    },
    /// Not sealed to this key, or changed.
    #[error("value {position} cannot be decrypted with the user's key")]
    Undecryptable {
        /// Which value.
        position: usize,
    },
    /// Decrypted, but no message.
    #[error("value {position}: {source}")]
    Message {
        /// Which value.
        position: usize,
        /// The field.
        source: DecodeError,
    },
    /// The inner signature is not this party's over this message and user.
    #[error("value {position} has a wrong inner signature")]
    Signature {
        /// Which value.
        position: usize,
    },
}
