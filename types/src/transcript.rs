//! Tagged hashing: `H(tag; f…) = keccak256(keccak256(tag) ‖ f…)` (trust-rules, head of the page).
//!
//! Fixed-width fields are appended as they are (integers big-endian), a list is its u32 count and then its
//! elements, a byte string is its keccak256. Every tag stands in [`tags`] and is used once.

use crate::{ContextId, EpochId, ExtraData, Handle, HandlePair, KeyId, RequestId, SessionId};
use alloy_primitives::{Address, B256, Keccak256, keccak256};
use serde::{Deserialize, Serialize};

/// The table of domain tags.
pub mod tags {
    /// [`super::host_id`].
    pub const HOST: &str = "tkms/host/id/v1";
    /// [`super::set_id`].
    pub const SET: &str = "tkms/host/set/v1";
    /// [`super::public_request_id`].
    pub const PUBLIC_REQUEST: &str = "tkms/request/public/v1";
    /// [`super::user_request_id`].
    pub const USER_REQUEST: &str = "tkms/request/user/v1";
    /// [`super::session_id`].
    pub const SESSION: &str = "tkms/decrypt/session/v1";
    /// KDF of the per-session mask keys.
    pub const PRSS_MASK: &str = "tkms/prss/mask/v1";
    /// [`super::setup_session`].
    pub const PRSS_SESSION: &str = "tkms/prss/session/v1";
    /// Key that a batch of the stock is encrypted with on disk.
    pub const STOCK: &str = "tkms/stock/batch/v1";
    /// Arithmetic profile of a coprocessor.
    pub const PROFILE: &str = "tkms/coprocessor/profile/v1";
    /// Hash of the cluster file.
    pub const CLUSTER: &str = "tkms/cluster/v1";
    /// A node's signed envelope around its answers.
    pub const ANSWER: &str = "tkms/answer/v1";
    /// Hash chain of the journal.
    pub const AUDIT: &str = "tkms/audit/v1";
    /// Names of the contracts of a coordination chain that does not exist yet.
    pub const GATEWAY: &str = "tkms/gateway/v1";
}

/// A running tagged hash over fields of fixed width.
#[derive(Clone)]
pub struct Transcript(Keccak256);

impl Transcript {
    /// Starts a hash under a tag of the table.
    #[must_use]
    pub fn new(tag: &'static str) -> Self {
        let mut hasher = Keccak256::new();
        hasher.update(keccak256(tag));
        Self(hasher)
    }

    /// A 32-byte word.
    #[must_use]
    pub fn word(mut self, word: impl Into<B256>) -> Self {
        self.0.update(word.into());
        self
    }

    /// A 20-byte address.
    #[must_use]
    pub fn address(mut self, address: Address) -> Self {
        self.0.update(address);
        self
    }

    /// One byte.
    #[must_use]
    pub fn u8(mut self, value: u8) -> Self {
        self.0.update([value]);
        self
    }

    /// Two bytes, big-endian.
    #[must_use]
    pub fn u16(mut self, value: u16) -> Self {
        self.0.update(value.to_be_bytes());
        self
    }

    /// Four bytes, big-endian.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.0.update(value.to_be_bytes());
        self
    }

    /// Eight bytes, big-endian.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.0.update(value.to_be_bytes());
        self
    }

    /// A byte string, as its keccak256.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(keccak256(bytes));
        self
    }

    /// A list: its count as u32, then each element as `field` adds it.
    ///
    /// Lists are bounded by the limits of requests and cluster files, far below 2³²; a longer one saturates
    /// the count and so still hashes to something else.
    #[must_use]
    pub fn list<T>(self, items: &[T], field: impl Fn(Self, &T) -> Self) -> Self {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        items.iter().fold(self.u32(count), field)
    }

    /// The hash.
    #[must_use]
    pub fn finish(self) -> B256 {
        self.0.finalize()
    }
}

/// Which protocol decrypts (DESIGN.md D2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Protocol {
    /// Switch-and-squash with noise flooding.
    Flood = 1,
    /// Public switch to a small modulus, masked opening, linear rounding.
    Exact = 2,
}

/// Identity of a host chain: survives rotation of sets, tells forks and restarted devnets apart.
#[must_use]
pub fn host_id(chain_id: u64, acl: Address, acl_code_hash: B256, checkpoint: (u64, B256)) -> B256 {
    Transcript::new(tags::HOST)
        .u64(chain_id)
        .address(acl)
        .word(acl_code_hash)
        .u64(checkpoint.0)
        .word(checkpoint.1)
        .finish()
}

/// Role of a signer set of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SetRole {
    /// Attests headers.
    Attester = 1,
    /// Attests ciphertexts.
    Coprocessor = 2,
}

/// Identity of a signer set: signatures of different sets are never added up. `members` sorted and distinct.
#[must_use]
pub fn set_id(host: B256, role: SetRole, version: u32, quorum: u16, members: &[Address]) -> B256 {
    Transcript::new(tags::SET)
        .word(host)
        .u8(role as u8)
        .u32(version)
        .u16(quorum)
        .list(members, |hash, member| hash.address(*member))
        .finish()
}

/// Id of a public decryption request. `context` is the one `extra_data` resolves to.
#[must_use]
pub fn public_request_id(host: B256, context: ContextId, extra_data: &ExtraData, handles: &[Handle]) -> RequestId {
    let hash = Transcript::new(tags::PUBLIC_REQUEST)
        .word(host)
        .word(context)
        .bytes(&extra_data.normalised())
        .list(handles, |hash, handle| hash.word(handle.0));
    RequestId(hash.finish())
}

/// Id of a user decryption request: everything the permit and the request say, but no signature and no evidence.
#[must_use]
pub fn user_request_id(host: B256, context: ContextId, request: &crate::UserRequest) -> RequestId {
    let hash = Transcript::new(tags::USER_REQUEST)
        .word(host)
        .word(context)
        .address(request.user)
        .address(request.delegator.unwrap_or(Address::ZERO))
        .bytes(&request.public_key)
        .list(&request.contracts, |hash, contract| hash.address(*contract))
        .u64(request.start)
        .u16(request.days)
        .bytes(&request.extra_data)
        .list(&request.pairs, |hash, pair: &HandlePair| hash.word(pair.handle.0).address(pair.contract));
    RequestId(hash.finish())
}

/// Session of one attempt to make the mask keys of an epoch.
#[must_use]
pub fn setup_session(context: ContextId, epoch: EpochId, attempt: u64) -> SessionId {
    SessionId(Transcript::new(tags::PRSS_SESSION).word(context).word(epoch).u64(attempt).finish())
}

/// Session of one ciphertext (trust-rules §5), whatever the output: public and user requests share one masked value.
/// `sample_digest` is the node's own hash of the bytes it feeds. `attempt` is 0 for `flood` and counts masks for `exact`.
#[must_use]
pub fn session_id(
    protocol: Protocol,
    context: ContextId,
    epoch: EpochId,
    key: KeyId,
    sample_digest: B256,
    attempt: u32,
) -> SessionId {
    let hash = Transcript::new(tags::SESSION)
        .u8(protocol as u8)
        .word(context)
        .word(epoch)
        .word(key)
        .word(sample_digest)
        .u8(0)
        .u32(attempt);
    SessionId(hash.finish())
}
