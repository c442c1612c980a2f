//! A decrypted value with its type, and how it is put together from opened digits.

use crate::FheType;
use alloy_primitives::{Address, B256, U256};
use std::fmt;
use zeroize::Zeroize;

/// A typed plaintext. Redacted in `Debug`: it may be a user's.
#[derive(Clone, PartialEq, Eq, Zeroize)]
pub struct Plaintext {
    #[zeroize(skip)]
    kind: FheType,
    limbs: [u64; 4],
}

impl Plaintext {
    /// A value of a type.
    ///
    /// # Errors
    /// [`PlaintextError::TooLarge`] if it does not fit the type.
    pub fn new(kind: FheType, value: U256) -> Result<Self, PlaintextError> {
        if value.bit_len() > kind.bits() {
            return Err(PlaintextError::TooLarge { kind });
        }
        Ok(Self { kind, limbs: value.into_limbs() })
    }

    /// Puts 4-bit digits together, the lowest first: one digit for each squashed block, each under 16.
    /// Bits above the width of the type are dropped, as tfhe does when carries are not empty.
    ///
    /// # Errors
    /// [`PlaintextError::Digits`] if their number is not that of the type.
    pub fn from_digits(kind: FheType, digits: &[u8]) -> Result<Self, PlaintextError> {
        if digits.len() != kind.squashed_blocks() {
            return Err(PlaintextError::Digits { kind, found: digits.len() });
        }
        let value = digits.iter().rev().fold(U256::ZERO, |value, digit| (value << 4usize) | U256::from(digit & 0x0f));
        let mask = if kind.bits() == 256 { U256::MAX } else { (U256::ONE << kind.bits()) - U256::ONE };
        Ok(Self { kind, limbs: (value & mask).into_limbs() })
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> FheType {
        self.kind
    }

    /// The value, zero-extended.
    #[must_use]
    pub const fn value(&self) -> U256 {
        U256::from_limbs(self.limbs)
    }

    /// The 32-byte ABI word: bool, address and integers all as uint256.
    #[must_use]
    pub fn abi_word(&self) -> B256 {
        self.value().into()
    }

    /// Little-endian bytes of the type's width (bool: one byte), the centralised answer's body.
    #[must_use]
    pub fn le_bytes(&self) -> Vec<u8> {
        let mut bytes = self.value().to_le_bytes_vec();
        bytes.truncate(self.kind.bits().div_ceil(8));
        bytes
    }

    /// The value of an `eaddress`.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::from_word(self.abi_word())
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({:?}, redacted)", self.kind)
    }
}

/// Digits or a value that do not fit a type. Never says the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaintextError {
    /// Wrong number of blocks.
    #[error("{kind:?} has {} blocks, not {found}", kind.squashed_blocks())]
    Digits {
        /// The type.
        kind: FheType,
        /// How many came.
        found: usize,
    },
    /// Wider than the type.
    #[error("the value does not fit {kind:?}")]
    TooLarge {
        /// The type.
        kind: FheType,
    },
}
