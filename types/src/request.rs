//! What is asked of the committee, in the form that ids and policy see.

use crate::{ContextId, Handle, Id, IdError};
use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// Which kind of answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestKind {
    /// A signed plaintext for everybody.
    Public,
    /// Shares sealed to one user.
    User,
}

/// `extraData` of a request, checked: it names the current context or a given one (DESIGN.md D7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtraData {
    /// Empty or version 0: the current context; answered with empty `extraData`.
    Current,
    /// Version 1: this context; echoed.
    Context(ContextId),
}

impl ExtraData {
    /// Parses what a caller sent: empty or `00…` is the current context, `01 ‖ context` in exactly 33 bytes
    /// a named one. Anything else is refused: the verifier contract ignores trailing bytes, so nodes must not sign them.
    ///
    /// # Errors
    /// [`ExtraDataError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ExtraDataError> {
        match bytes.split_first() {
            None | Some((0, _)) => Ok(Self::Current),
            Some((1, id)) => {
                let id = B256::try_from(id).map_err(|_| ExtraDataError::Length(bytes.len()))?;
                Ok(Self::Context(ContextId::parse(id)?))
            }
            Some((version, _)) => Err(ExtraDataError::Version(*version)),
        }
    }

    /// The bytes that are hashed, signed and echoed (`extraData'` of trust-rules §5).
    #[must_use]
    pub fn normalised(&self) -> Vec<u8> {
        match self {
            Self::Current => Vec::new(),
            Self::Context(id) => [&[1], id.bytes().as_slice()].concat(),
        }
    }
}

/// `extraData` that names no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtraDataError {
    /// Unknown version byte.
    #[error("extraData has version {0}, supported are 0 and 1")]
    Version(u8),
    /// Version 1 with another length than 33.
    #[error("extraData of version 1 has 33 bytes, not {0}")]
    Length(usize),
    /// The id is not a context's.
    #[error(transparent)]
    Context(#[from] IdError),
}

/// A request for plaintexts that everybody may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicRequest {
    /// In the order of the answer; may repeat.
    pub handles: Vec<Handle>,
    /// As sent.
    pub extra_data: Bytes,
}

/// A handle and the contract through which the user may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HandlePair {
    /// The ciphertext.
    pub handle: Handle,
    /// The contract that is also allowed on it.
    pub contract: Address,
}

/// A user's request: the signed permit and what is asked under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRequest {
    /// In the order of the answer.
    pub pairs: Vec<HandlePair>,
    /// Signer of the permit; the delegate of a delegated one.
    pub user: Address,
    /// Whose right is used, if not the user's own.
    pub delegator: Option<Address>,
    /// Contracts the permit names, as signed.
    pub contracts: Vec<Address>,
    /// Unix seconds from which the permit is valid.
    pub start: u64,
    /// Days it is valid.
    pub days: u16,
    /// ML-KEM-512 encapsulation key as the official client serialises it, 869 bytes.
    pub public_key: Bytes,
    /// As signed.
    pub extra_data: Bytes,
    /// EIP-712 signature of the permit, 65 bytes. Not part of the request's id.
    pub signature: Bytes,
}
