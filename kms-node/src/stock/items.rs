//! Items of exact decryption: what one packed block of a ciphertext is masked with.

use std::fmt;
use tkms_mpc::preprocessing::BitShares;
use tkms_mpc::ring::{Gr16, Ring as _};
use zeroize::Zeroizing;

/// ℓ: random bits of an item, those below the message in the switched phase (L = 15, five bits of message and padding).
pub const BITS: usize = 10;
/// Bytes of an item.
pub const ITEM_BYTES: usize = 2 * Gr16::BYTES;

/// One party's shares of items: Σ 2ʲ·r_j, and the highest bit r_(ℓ−1) on its own. Zeroed on drop, redacted in `Debug`.
#[derive(PartialEq, Eq)]
pub struct ExactItems(pub Zeroizing<Vec<[Gr16; 2]>>);

impl fmt::Debug for ExactItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExactItems({}, redacted)", self.0.len())
    }
}

impl ExactItems {
    /// ℓ bits to an item, in their order; bits that fill no item are left.
    #[must_use]
    pub fn from_bits(bits: &BitShares<Gr16>) -> Self {
        let (groups, _) = bits.0.as_chunks::<BITS>();
        let mut items = Zeroizing::new(Vec::with_capacity(groups.len()));
        items.extend(groups.iter().map(|group| {
            // Horner from the highest bit down
            let sum = group.iter().rev().fold(Gr16::ZERO, |sum, bit| sum + sum + *bit);
            let [.., highest] = group;
            [sum, *highest]
        }));
        Self(items)
    }

    pub(super) fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len() * ITEM_BYTES));
        for part in self.0.iter().flatten() {
            part.write_le(&mut bytes);
        }
        bytes
    }

    pub(super) fn push_secret_bytes(&mut self, bytes: &[u8]) {
        let (parts, _) = bytes.as_chunks::<{ Gr16::BYTES }>();
        let (pairs, _) = parts.as_chunks::<2>();
        self.0.extend(pairs.iter().map(|[sum, highest]| [Gr16::read_le(sum), Gr16::read_le(highest)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_the_weighted_sum_and_the_highest_bit() {
        let bits: Vec<Gr16> = (0..25).map(|i: u16| Gr16::constant(u16::from([0, 3, 4, 9, 11].contains(&i)))).collect();
        let items = ExactItems::from_bits(&BitShares(Zeroizing::new(bits)));
        let constant = Gr16::constant;
        let expected = [[constant(1 + 8 + 16 + 512), constant(1)], [constant(2), constant(0)]];
        assert_eq!(items.0.as_slice(), expected, "the last five bits fill no item");
        let bytes = items.to_secret_bytes();
        assert_eq!(bytes.len(), 2 * ITEM_BYTES);
        let mut back = ExactItems(Zeroizing::default());
        back.push_secret_bytes(&bytes);
        assert!(back == items);
        assert_eq!(format!("{items:?}"), "ExactItems(2, redacted)");
    }
}
