//! Pseudo-random sharing of the flooding mask, without interaction (steps 1 and 3 of `docs/protocol/decrypt.md`).
//!
//! Reference: Cramer, Damgård, Ishai, "Share conversion, pseudorandom secret-sharing and applications to secure
//! computation", TCC 2005; the mask of two uniform summands per subset: Dahl et al., "Noah's Ark", WAHC 2023.
//! Assumes: at most t of n = 3t + 1 parties pool their keys; r_A is uniform and known to the parties of A only
//! (here: dealt). Changed: a session has AES keys of its own, by a KDF from r_A, where the papers XOR the session
//! into the key; related-key behaviour of AES is thus never relied on.

mod batch;
pub mod check;

pub use batch::{BatchKeys, Draws};

use crate::bounds::{BoundError, FloodBounds, subsets};
use crate::fault::{Misuse, Owner};
use crate::ring::{Gr128, Ring};
use aes::cipher::{BlockEncrypt, Key, KeyInit};
use aes::{Aes128Enc, Block};
use std::fmt;
use tkms_types::transcript::{Transcript, tags};
use tkms_types::{Committee, PartyId, SessionId};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of r_A, and of its secret of a batch.
pub(crate) const KEY_BYTES: usize = 32;
/// First byte of stored mask keys.
const STORED_VERSION: u8 = 1;
/// Bytes before the keys: version, n, party.
const STORED_HEADER: usize = 3;
/// Sample blocks whose AES inputs are encrypted in one call; two inputs each, enough to fill the AES pipeline.
const BATCH: usize = 16;

/// A subset A of n − t parties as a bit mask: bit i is the party of index i.
pub(crate) type Subset = u16;

/// One party's mask keys: r_A for every subset A of n − t parties that it belongs to.
///
/// Zeroed on drop, redacted in `Debug`.
pub struct PrssKeys {
    owner: Owner,
    /// In ascending order of the subset's bit mask.
    keys: Zeroizing<Vec<[u8; KEY_BYTES]>>,
    /// f_A at the party's point, in the same order. Public.
    weights: Vec<Gr128>,
    /// log2 of B1.
    summand_log: u32,
}

impl PrssKeys {
    /// Step 1: the dealer draws every r_A and gives it to the parties of A; one key set per party, in their order.
    ///
    /// # Errors
    /// [`BoundError`] if masks of this committee would not fit beside the message.
    pub fn deal(committee: Committee, rng: &mut impl rand::CryptoRng) -> Result<Vec<Self>, BoundError> {
        let all = all_subsets(committee);
        let mut drawn = Zeroizing::new(vec![[0; KEY_BYTES]; all.len()]);
        for key in drawn.iter_mut() {
            rng.fill_bytes(key);
        }
        let of_party = |party: PartyId| {
            // with its whole capacity: growing would leave copies of keys behind
            let mut keys = Zeroizing::new(Vec::with_capacity(all.len()));
            keys.extend(all.iter().zip(drawn.iter()).filter(|(subset, _)| holds(**subset, party)).map(|(_, key)| *key));
            Self::new(Owner { party, committee }, keys)
        };
        committee.parties().map(of_party).collect()
    }

    /// Keys in ascending order of the owner's subsets.
    pub(crate) fn new(owner: Owner, keys: Zeroizing<Vec<[u8; KEY_BYTES]>>) -> Result<Self, BoundError> {
        FloodBounds::PRODUCTION.check(subsets(owner.committee))?;
        Ok(Self { owner, keys, weights: weights(owner), summand_log: FloodBounds::PRODUCTION.summand_log() })
    }

    /// Whose keys these are.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// The keys as bytes for the key store: version, n, party, then r_A in ascending order of A.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(STORED_HEADER + KEY_BYTES * self.keys.len()));
        bytes.extend([STORED_VERSION, u8::from(self.owner.committee), self.owner.party.number()]);
        for key in self.keys.iter() {
            bytes.extend(key);
        }
        bytes
    }

    /// Reads what [`Self::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`Misuse::Stored`] for anything else, [`Misuse::Bound`] for a committee whose masks do not fit.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        let refused = |why| Misuse::Stored { what: "mask keys", why };
        let [version, n, party, rest @ ..] = bytes else { return Err(refused("header is cut short")) };
        if *version != STORED_VERSION {
            return Err(refused("unknown version"));
        }
        let committee = Committee::try_from(*n).map_err(|_| refused("no such committee"))?;
        let owner = Owner { party: committee.party(*party).map_err(|_| refused("not a member"))?, committee };
        if rest.len() != KEY_BYTES * held_subsets(owner).len() {
            return Err(refused("wrong number of keys"));
        }
        let (chunks, _) = rest.as_chunks::<KEY_BYTES>();
        Ok(Self::new(owner, Zeroizing::new(chunks.to_vec()))?)
    }

    /// Step 3: the party's shares of the masks E of blocks 0 … `blocks` − 1 of a session.
    ///
    /// |E| ≤ 2·C(n,t)·B1; the same session gives the same masks, another session independent ones.
    #[must_use]
    pub fn mask_shares(&self, session: &SessionId, blocks: usize) -> Zeroizing<Vec<Gr128>> {
        let mut shares = Zeroizing::new(vec![Gr128::ZERO; blocks]);
        let context = kdf_context(session);
        // one buffer for all subsets: clearing it for each would cost as much as the encryption
        let mut buffer = [Block::default(); 2 * BATCH];
        for (key, weight) in self.keys.iter().zip(&self.weights) {
            let prf = SubsetPrf::new(key, &context, self.summand_log);
            for (batch, shares) in shares.chunks_mut(BATCH).enumerate() {
                for (share, sum) in shares.iter_mut().zip(prf.sums(batch * BATCH, &mut buffer)) {
                    *share += weight.scale(sum);
                }
            }
        }
        buffer.zeroize();
        shares
    }
}

impl fmt::Debug for PrssKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrssKeys({}, redacted)", self.owner)
    }
}

/// φ_A of one session: AES-128 on distinct inputs under K_A = KDF(r_A; tag, S), the first half of the BLAKE3 hash
/// of [`kdf_context`] keyed with r_A.
struct SubsetPrf {
    cipher: Aes128Enc,
    summand_log: u32,
}

impl SubsetPrf {
    fn new(key: &[u8; KEY_BYTES], context: &[u8; 32], summand_log: u32) -> Self {
        let mut derived = *blake3::keyed_hash(key, context).as_bytes();
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = derived;
        let mut aes_key: Key<Aes128Enc> = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p].into();
        let cipher = Aes128Enc::new(&aes_key);
        aes_key.zeroize();
        derived.zeroize();
        Self { cipher, summand_log }
    }

    /// φ(block, 0) + φ(block, 1) of [`BATCH`] consecutive blocks, as two's complement words.
    fn sums(&self, first: usize, buffer: &mut [Block; 2 * BATCH]) -> impl Iterator<Item = u128> {
        for (i, input) in buffer.iter_mut().enumerate() {
            *input = counter(first + i / 2, i % 2).to_le_bytes().into();
        }
        self.cipher.encrypt_blocks(buffer);
        let (pairs, _) = buffer.as_chunks::<2>();
        pairs.iter().map(|[a, b]| self.summand(a).wrapping_add(self.summand(b)))
    }

    /// Uniform in [−B1, B1): the low bits of a 16-byte PRF output, shifted down by B1.
    fn summand(&self, output: &Block) -> u128 {
        let width = self.summand_log + 1;
        (u128::from_le_bytes((*output).into()) & ((1 << width) - 1)).wrapping_sub(1 << self.summand_log)
    }
}

/// What the KDF of a session hashes under every r_A: the tagged hash of the session id.
fn kdf_context(session: &SessionId) -> [u8; 32] {
    Transcript::new(tags::PRSS_MASK).word(session.0).finish().0
}

/// The AES input (block, summand): the block's index in the low 64 bits, the summand's above.
fn counter(block: usize, summand: usize) -> u128 {
    block as u128 | (summand as u128) << 64
}

pub(crate) const fn holds(subset: Subset, party: PartyId) -> bool {
    subset >> party.index() & 1 == 1
}

/// Every subset of n − t parties, ascending.
pub(crate) fn all_subsets(committee: Committee) -> Vec<Subset> {
    let size = committee.size() - committee.threshold().faults();
    (0..1 << committee.size()).filter(|subset: &Subset| subset.count_ones() as usize == size).collect()
}

pub(crate) fn held_subsets(owner: Owner) -> Vec<Subset> {
    all_subsets(owner.committee).into_iter().filter(|subset| holds(*subset, owner.party)).collect()
}

/// f_A at the owner's point for every subset A it holds, ascending: degree t, 1 at 0, 0 at the t parties outside A.
fn weights<R: Ring>(owner: Owner) -> Vec<R> {
    let own = R::point(owner.party);
    // −point is an exceptional point but for its sign: always invertible
    let factor = |party| (own - R::point(party)) * (-R::point(party)).inverse().unwrap_or_default();
    let factors: Vec<_> = owner.committee.parties().map(|party| (party, factor(party))).collect();
    let weight = |subset: Subset| {
        let outside = factors.iter().filter(|(party, _)| !holds(subset, *party));
        outside.fold(R::ONE, |product, (_, factor)| product * *factor)
    };
    held_subsets(owner).into_iter().map(weight).collect()
}

#[cfg(test)]
mod tests;
