//! Items on disk: chunks of one batch, encrypted, each item erased as it is taken.
//!
//! ```text
//! u32 generation ‖ u16 count ‖ 32 bytes: one bit an item, set when taken ‖ AES-256-GCM(items, 16 bytes each)
//! ```
//!
//! Integers little-endian. The key is the batch's (from the mask keys, by a KDF); the nonce is chunk and generation,
//! which grows with every rewriting, so no nonce meets two plaintexts. What stands before the ciphertext is authenticated.

use super::items::ITEM_BYTES;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

/// Items of a chunk.
pub const CHUNK_ITEMS: usize = 256;
const MAP_BYTES: usize = CHUNK_ITEMS / 8;
const HEADER: usize = 4 + 2 + MAP_BYTES;

/// A chunk in memory. Zeroed on drop.
pub struct Chunk {
    number: u32,
    generation: u32,
    count: usize,
    taken: [u8; MAP_BYTES],
    items: Zeroizing<Vec<u8>>,
}

impl Chunk {
    /// At most [`CHUNK_ITEMS`] fresh items, as bytes.
    pub fn new(number: u32, items: &[u8]) -> Self {
        let items = Zeroizing::new(items.to_vec());
        Self { number, generation: 0, count: items.len() / ITEM_BYTES, taken: [0; MAP_BYTES], items }
    }

    fn header(&self) -> Vec<u8> {
        let mut header = self.generation.to_le_bytes().to_vec();
        header.extend((self.count as u16).to_le_bytes());
        header.extend(self.taken);
        header
    }

    fn nonce(number: u32, generation: u32) -> [u8; 12] {
        let mut nonce = [0; 12];
        let fields = number.to_le_bytes().into_iter().chain(generation.to_le_bytes());
        nonce.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        nonce
    }

    /// The row, encrypted; `None` if the cipher refuses, which it does for plaintexts of gigabytes only.
    pub fn seal(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        let mut row = self.header();
        let payload = Payload { msg: &self.items, aad: &row };
        let nonce = Self::nonce(self.number, self.generation);
        let sealed = Aes256Gcm::new(key.into()).encrypt(&Nonce::from(nonce), payload).ok()?;
        row.extend(sealed);
        Some(row)
    }

    /// Opens a row; `None` if it was altered, moved or is another batch's.
    pub fn open(number: u32, row: &[u8], key: &[u8; 32]) -> Option<Self> {
        let (header, sealed) = row.split_at_checked(HEADER)?;
        let (generation, rest) = header.split_first_chunk::<4>()?;
        let (count, taken) = rest.split_first_chunk::<2>()?;
        let generation = u32::from_le_bytes(*generation);
        let nonce = Self::nonce(number, generation);
        let payload = Payload { msg: sealed, aad: header };
        let items = Zeroizing::new(Aes256Gcm::new(key.into()).decrypt(&Nonce::from(nonce), payload).ok()?);
        let count = usize::from(u16::from_le_bytes(*count));
        (items.len() == count * ITEM_BYTES).then_some(())?;
        Some(Self { number, generation, count, taken: taken.try_into().ok()?, items })
    }

    /// Whether an item is there and was not taken.
    pub fn has(&self, item: usize) -> bool {
        let byte = self.taken.get(item / 8).copied().unwrap_or(u8::MAX);
        item < self.count && byte >> (item % 8) & 1 == 0
    }

    /// Takes an item: its bytes, which are zero here from now on.
    pub fn take(&mut self, item: usize) -> Option<Zeroizing<[u8; ITEM_BYTES]>> {
        if !self.has(item) {
            return None;
        }
        let (items, _) = self.items.as_chunks_mut::<ITEM_BYTES>();
        let place = items.get_mut(item)?;
        let found = Zeroizing::new(std::mem::replace(place, [0; ITEM_BYTES]));
        *self.taken.get_mut(item / 8)? |= 1 << (item % 8);
        Some(found)
    }

    /// Items were taken: the next row of this chunk is another one.
    pub const fn rewritten(mut self) -> Self {
        self.generation += 1;
        self
    }

    /// Whether every item was taken.
    pub fn is_empty(&self) -> bool {
        (0..self.count).all(|item| !self.has(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn chunk() -> Chunk {
        let items: Vec<u8> = (0..10 * ITEM_BYTES).map(|byte| byte as u8 | 1).collect();
        Chunk::new(3, &items)
    }

    #[test]
    fn an_item_is_taken_once_and_gone_from_the_row() {
        let row = chunk().seal(&KEY).unwrap();
        let mut opened = Chunk::open(3, &row, &KEY).unwrap();
        let item = opened.take(4).unwrap();
        assert_eq!(item[0], (4 * ITEM_BYTES) as u8 | 1);
        assert!(opened.take(4).is_none() && opened.take(10).is_none() && opened.take(CHUNK_ITEMS).is_none());
        let next = opened.rewritten().seal(&KEY).unwrap();
        let mut again = Chunk::open(3, &next, &KEY).unwrap();
        assert!(again.take(4).is_none() && again.take(5).is_some());
        assert_eq!(again.items[4 * ITEM_BYTES..6 * ITEM_BYTES], [0; 2 * ITEM_BYTES]);
        let common = row[HEADER..].iter().zip(&next[HEADER..]).filter(|(a, b)| a == b).count();
        assert!(common < row.len() / 8, "another key stream");
        assert!(!again.is_empty());
        (0..10).for_each(|item| drop(again.take(item)));
        assert!(again.is_empty());
    }

    #[test]
    fn an_altered_moved_or_foreign_row_does_not_open() {
        let row = chunk().seal(&KEY).unwrap();
        for place in [0, 4, 6, HEADER, row.len() - 1] {
            let mut altered = row.clone();
            altered[place] ^= 1;
            assert!(Chunk::open(3, &altered, &KEY).is_none(), "byte {place}");
        }
        assert!(Chunk::open(2, &row, &KEY).is_none() && Chunk::open(3, &row, &[8; 32]).is_none());
        assert!(Chunk::open(3, &row[..HEADER - 1], &KEY).is_none());
    }
}
