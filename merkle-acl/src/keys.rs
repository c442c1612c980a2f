//! Storage slots of the ACL contract, computed by whoever checks and never taken from a request.
//!
//! The main namespace has the layout of the released fhEVM ACL, so one set of formulas serves an unmodified ACL and ours;
//! the range and its pause flag stand in a namespace of their own.

use alloy_primitives::{Address, B256, U256, b256, keccak256};

/// Base of the ERC-7201 namespace `fhevm.storage.ACL`.
pub const ACL_NAMESPACE: B256 = b256!("a688f31953c2015baaf8c0a488ee1ee22eb0e05273cc1fd31ea4cbee42febc00");
/// Base of the ERC-7201 namespace `tkms.storage.AclRange`: the word with `count` (bits 0–63) and the pause flag (bit 64).
pub const RANGE_NAMESPACE: B256 = b256!("58b750285530fbe515ab71865d93aefc12b8a8e8919db4fa881be483c9cdb400");
/// Slot of the pause flag (low byte) in an ACL that keeps no range.
pub const FOREIGN_PAUSE_SLOT: B256 = b256!("cd5ed15c6e187e77e9aee88184c21f4f2182ab5827cb3b7e07fbedcd63f03300");

/// Offset of each mapping from [`ACL_NAMESPACE`].
const PERSISTENT: u8 = 0;
const PUBLIC: u8 = 1;
const DELEGATIONS: u8 = 2;
const DENIED: u8 = 3;
const INVALIDATED_BEFORE: u8 = 4;

/// Which storage layout the host's ACL has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AclLayout {
    /// Ours: mappings, and the range with the pause flag in its first word.
    Range,
    /// An ACL with the mappings only; the pause flag has a slot of its own.
    SlotsOnly,
}

impl AclLayout {
    /// The slot that tells whether the ACL is paused.
    pub const fn pause_slot(self) -> B256 {
        match self {
            Self::Range => RANGE_NAMESPACE,
            Self::SlotsOnly => FOREIGN_PAUSE_SLOT,
        }
    }
}

/// Slot of `persistAllowed(handle, account)`.
pub fn persistent(handle: B256, account: Address) -> B256 {
    entry(account.into_word(), entry(handle, field(PERSISTENT)))
}

/// Slot of `isAllowedForDecryption(handle)`.
pub fn public(handle: B256) -> B256 {
    entry(handle, field(PUBLIC))
}

/// Slot of a delegation: expiry in bits 0–63, last block in 64–127, counter in 128–191.
pub fn delegation(delegator: Address, delegate: Address, contract: Address) -> B256 {
    let of_delegator = entry(delegator.into_word(), field(DELEGATIONS));
    entry(contract.into_word(), entry(delegate.into_word(), of_delegator))
}

/// Slot of `isAccountDenied(account)`.
pub fn denied(account: Address) -> B256 {
    entry(account.into_word(), field(DENIED))
}

/// Slot of the time (unix seconds) before which `account`'s permits are withdrawn.
pub fn invalidated_before(account: Address) -> B256 {
    entry(account.into_word(), field(INVALIDATED_BEFORE))
}

/// Slot of `peak[level]` of the range, for levels 0 to 63.
pub fn range_peak(level: u8) -> B256 {
    offset(RANGE_NAMESPACE, u64::from(level) + 1)
}

fn field(index: u8) -> B256 {
    offset(ACL_NAMESPACE, u64::from(index))
}

fn offset(base: B256, words: u64) -> B256 {
    U256::from_be_bytes(base.0).wrapping_add(U256::from(words)).into()
}

/// Slot of `mapping[key]` when the mapping itself stands at `slot`.
fn entry(key: B256, slot: B256) -> B256 {
    keccak256([key.0, slot.0].concat())
}
