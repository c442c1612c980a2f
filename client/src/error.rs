//! What can go wrong, and whose fault it is.

use crate::combine::Blame;
use alloy_primitives::B256;
use std::time::Duration;
use tkms_types::{ClusterError, ExtraDataError, FheType, HandleError, PlaintextError};
use tkms_wire::relayer::ApiError;
use tkms_wire::user_payload::UserKeyError;

/// Of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The relayer cannot be reached.
    #[error("{url}: {source}")]
    Http {
        /// What was asked for.
        url: String,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// The relayer refused.
    #[error("the relayer refused: {0}")]
    Refused(#[from] ApiError),
    /// The relayer answered something its API does not allow.
    #[error("{url}: the relayer broke its protocol: {what}")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// No result within the configured time.
    #[error("{url}: no result within {limit:?}")]
    Timeout {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: Duration,
    },
    /// The relayer's key or CRS is not the one in the cluster file.
    #[error("the {what} from the relayer has digest {found}, the cluster file says {expected}")]
    Digest {
        /// Public key or CRS.
        what: &'static str,
        /// Of the cluster file.
        expected: B256,
        /// Of the bytes.
        found: B256,
    },
    /// The key or CRS cannot be read.
    #[error(transparent)]
    Keys(#[from] tkms_fhe::KeyError),
    /// The values cannot be encrypted.
    #[error(transparent)]
    Input(#[from] tkms_fhe::InputError),
    /// The coprocessors say that the proof does not hold.
    #[error("the coprocessors rejected the proof of this input")]
    InputRejected,
    /// The relayer names other handles than those of the list that was sent.
    #[error("the relayer answered about other handles than those of this input")]
    OtherHandles,
    /// Too few signers vouch for an answer.
    #[error("{found} of the {need} signatures needed are valid: {what}")]
    Quorum {
        /// What they should sign.
        what: &'static str,
        /// Distinct valid ones.
        found: usize,
        /// The quorum.
        need: usize,
    },
    /// Public words are not one for each handle.
    #[error("the answer has {found} bytes, expected {expected}")]
    Words {
        /// Bytes given.
        found: usize,
        /// 32 a handle.
        expected: usize,
    },
    /// A signed value that does not fit its type.
    #[error("the answer for a {kind:?} is not one: {source}")]
    Plaintext {
        /// The type.
        kind: FheType,
        /// Why not.
        source: PlaintextError,
    },
    /// The shares received do not make the values.
    #[error("the answers of {usable} nodes do not suffice (quorum {quorum}); bad answers: {}", list(blamed))]
    NotEnough {
        /// Usable answers in the largest group that belongs together.
        usable: usize,
        /// 2t + 1.
        quorum: usize,
        /// Answers that were not usable.
        blamed: Vec<Blame>,
    },
    /// Nothing was asked, or more than one request may hold.
    #[error("a request has 1 to {limit} handles, not {found}")]
    Count {
        /// Handles given.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A handle of an unknown kind.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// A handle of another chain than the client's.
    #[error("handle {handle} is of chain {found}, this client is for chain {expected}")]
    OtherChain {
        /// The handle.
        handle: B256,
        /// Its chain.
        found: u64,
        /// Ours.
        expected: u64,
    },
    /// The cluster file knows no such chain.
    #[error("the cluster file has no chain {0}")]
    UnknownChain(u64),
    /// The cluster file contradicts itself.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// `extraData` names no context.
    #[error(transparent)]
    ExtraData(#[from] ExtraDataError),
    /// A user key.
    #[error(transparent)]
    UserKey(#[from] UserKeyError),
    /// The wallet did not sign.
    #[error(transparent)]
    Signer(#[from] tkms_eth::SignerError),
    /// The chain contradicts the cluster file, or cannot be asked.
    #[error("{0}")]
    Chain(String),
    /// A worker thread ended early.
    #[error("the encryption was interrupted")]
    Interrupted,
}

fn list(blamed: &[Blame]) -> String {
    if blamed.is_empty() {
        return "none".to_owned();
    }
    blamed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
