//! Identifiers as words. 32-byte ids carry a type tag in the top byte (DESIGN.md D14).

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The type tags of 32-byte ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum IdTag {
    /// A preparation for key generation.
    Preparation = 3,
    /// A key.
    Key = 4,
    /// A common reference string.
    Crs = 5,
    /// A committee context.
    Context = 7,
    /// An epoch of a context: one sharing of its keys.
    Epoch = 8,
}

/// An id that does not carry the tag of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("id {id} carries tag {found}, expected {expected:?}")]
pub struct IdError {
    /// The id.
    pub id: B256,
    /// The top byte found.
    pub found: u8,
    /// The tag it should carry.
    pub expected: IdTag,
}

/// What tagged ids have in common.
pub trait Id: Sized {
    /// The tag in the top byte.
    const TAG: IdTag;

    /// Checks the tag.
    ///
    /// # Errors
    /// [`IdError`] if the top byte is another one.
    fn parse(id: B256) -> Result<Self, IdError>;

    /// The id with this number below the tag; number 1 is the first.
    fn numbered(number: u64) -> Self;
}

macro_rules! tagged_id {
    ($(#[$doc:meta])* $name:ident, $tag:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "B256", into = "B256")]
        pub struct $name(B256);

        impl $name {
            /// The 32 bytes.
            #[must_use]
            pub const fn bytes(self) -> B256 {
                self.0
            }

            /// The id as the `uint256` of contracts and typed data.
            #[must_use]
            pub fn number(self) -> U256 {
                self.0.into()
            }
        }

        impl Id for $name {
            const TAG: IdTag = $tag;

            fn parse(id: B256) -> Result<Self, IdError> {
                let found = id.0[0];
                if found == Self::TAG as u8 {
                    Ok(Self(id))
                } else {
                    Err(IdError { id, found, expected: Self::TAG })
                }
            }

            fn numbered(number: u64) -> Self {
                let mut id = B256::left_padding_from(&number.to_be_bytes());
                id.0[0] = Self::TAG as u8;
                Self(id)
            }
        }

        impl TryFrom<B256> for $name {
            type Error = IdError;
            fn try_from(id: B256) -> Result<Self, IdError> {
                Self::parse(id)
            }
        }

        impl From<$name> for B256 {
            fn from(id: $name) -> B256 {
                id.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

tagged_id!(
    /// An FHE key.
    KeyId,
    IdTag::Key
);
tagged_id!(
    /// A committee and its thresholds, as named by `extraData`.
    ContextId,
    IdTag::Context
);
tagged_id!(
    /// One sharing of the keys of a context.
    EpochId,
    IdTag::Epoch
);

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub B256);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

hash_id!(
    /// One protocol run: the tagged hash of what it decrypts (D15).
    SessionId
);
hash_id!(
    /// A decryption request: the tagged hash of its content (`transcript`).
    RequestId
);

/// The FHE types in use, numbered as in Solidity, handles and tfhe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FheType {
    Bool = 0,
    Uint8 = 2,
    Uint16 = 3,
    Uint32 = 4,
    Uint64 = 5,
    Uint128 = 6,
    /// `eaddress`.
    Uint160 = 7,
    Uint256 = 8,
}

impl FheType {
    /// Every type, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Uint128,
        Self::Uint160,
        Self::Uint256,
    ];

    /// The type with this number, if it is in use.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Bits of the value: 1 for bool.
    #[must_use]
    pub const fn bits(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Uint8 => 8,
            Self::Uint16 => 16,
            Self::Uint32 => 32,
            Self::Uint64 => 64,
            Self::Uint128 => 128,
            Self::Uint160 => 160,
            Self::Uint256 => 256,
        }
    }

    /// Bits counted against the limit of one request: bool counts 2.
    #[must_use]
    pub const fn counted_bits(self) -> usize {
        match self {
            Self::Bool => 2,
            other => other.bits(),
        }
    }

    /// Squashed LWE samples of one ciphertext: four bits each, one for bool.
    #[must_use]
    pub const fn squashed_blocks(self) -> usize {
        self.bits().div_ceil(4)
    }
}

/// A ciphertext handle: 21 bytes of a hash, index, chain id, type, version (fhevm-compat §1.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(pub B256);

impl Handle {
    /// Index byte of a handle computed on chain.
    pub const COMPUTED: u8 = 0xff;
    /// The only version.
    pub const VERSION: u8 = 0;

    /// Puts the metadata into bytes 21 … 31 of a hash.
    #[must_use]
    pub fn new(hash: B256, index: u8, chain_id: u64, kind: FheType) -> Self {
        let mut bytes = hash;
        bytes.0[21] = index;
        bytes.0[22..30].copy_from_slice(&chain_id.to_be_bytes());
        bytes.0[30] = kind as u8;
        bytes.0[31] = Self::VERSION;
        Self(bytes)
    }

    /// Checks version and type.
    ///
    /// # Errors
    /// [`HandleError`] naming the handle and the byte at fault.
    pub fn check(self) -> Result<FheType, HandleError> {
        if self.0.0[31] != Self::VERSION {
            return Err(HandleError::Version { handle: self, version: self.0.0[31] });
        }
        FheType::from_number(self.0.0[30]).ok_or(HandleError::Type { handle: self, number: self.0.0[30] })
    }

    /// The host chain (bytes 22 … 29).
    #[must_use]
    pub fn chain_id(self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0.0[22..30]);
        u64::from_be_bytes(bytes)
    }

    /// Position in an input list, or [`Handle::COMPUTED`].
    #[must_use]
    pub const fn index(self) -> u8 {
        self.0.0[21]
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.0)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A handle whose metadata bytes are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Byte 31.
    #[error("handle {handle} has version {version}, expected 0")]
    Version {
        /// The handle.
        handle: Handle,
        /// Its byte 31.
        version: u8,
    },
    /// Byte 30.
    #[error("handle {handle} has unsupported type {number}")]
    Type {
        /// The handle.
        handle: Handle,
        /// Its byte 30.
        number: u8,
    },
}
