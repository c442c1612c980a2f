//! What can be asked of the ACL's state, as plain data.

use std::fmt;

use alloy_primitives::{Address, B256};

use crate::keys::{self, AclLayout};

/// The wildcard contract of a delegation: it stands for all contracts.
pub const ANY_CONTRACT: Address = Address::repeat_byte(0xff);

/// Which permission a grant gives; the byte is part of the range's leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum GrantKind {
    /// The subject may use and decrypt the ciphertext, for ever.
    Persistent = 1,
    /// Everybody may decrypt the ciphertext.
    Public = 2,
}

impl fmt::Display for GrantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Persistent => "persistent",
            Self::Public => "public",
        })
    }
}

/// One permission that is never taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// `allow(handle, account)`; any account, the zero address included.
    Persistent {
        /// The ciphertext.
        handle: B256,
        /// Who may use it.
        account: Address,
    },
    /// `allowForDecryption([handle])`.
    Public {
        /// The ciphertext.
        handle: B256,
    },
}

impl Grant {
    /// The grant with these leaf fields; `None` for a kind there is not, or a public grant with a subject.
    pub fn from_leaf(kind: u8, handle: B256, subject: Address) -> Option<Self> {
        match kind {
            1 => Some(Self::Persistent { handle, account: subject }),
            2 if subject.is_zero() => Some(Self::Public { handle }),
            _ => None,
        }
    }

    /// The ciphertext.
    pub const fn handle(&self) -> B256 {
        match self {
            Self::Persistent { handle, .. } | Self::Public { handle } => *handle,
        }
    }

    /// Which permission.
    pub const fn kind(&self) -> GrantKind {
        match self {
            Self::Persistent { .. } => GrantKind::Persistent,
            Self::Public { .. } => GrantKind::Public,
        }
    }

    /// Who has it; the zero address for a public grant.
    pub const fn subject(&self) -> Address {
        match self {
            Self::Persistent { account, .. } => *account,
            Self::Public { .. } => Address::ZERO,
        }
    }

    /// Storage slot of the ACL that holds 1 if and only if the grant was given.
    pub fn slot(&self) -> B256 {
        match self {
            Self::Persistent { handle, account } => keys::persistent(*handle, *account),
            Self::Public { handle } => keys::public(*handle),
        }
    }
}

/// One statement about the ACL at the anchor's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The grant was given.
    Granted(Grant),
    /// `delegator` lets `delegate` decrypt handles of `contract` (or of all contracts), at least until `now`.
    Delegated {
        /// Whose right it is.
        delegator: Address,
        /// Who uses it.
        delegate: Address,
        /// The contract.
        contract: Address,
        /// Unix seconds; the expiry must lie after it.
        now: u64,
    },
    /// `account` has not withdrawn permits that start at `start`.
    PermitStands {
        /// Signer of the permit.
        account: Address,
        /// Start of the permit, unix seconds.
        start: u64,
    },
    /// `account` is not on the deny list.
    NotDenied(Address),
}

impl Fact {
    /// Appends the storage slots this fact depends on.
    fn slots(&self, out: &mut Vec<B256>) {
        match self {
            Self::Granted(grant) => out.push(grant.slot()),
            Self::Delegated { delegator, delegate, contract, .. } => {
                out.push(keys::delegation(*delegator, *delegate, *contract));
                out.push(keys::delegation(*delegator, *delegate, ANY_CONTRACT));
            }
            Self::PermitStands { account, .. } => out.push(keys::invalidated_before(*account)),
            Self::NotDenied(account) => out.push(keys::denied(*account)),
        }
    }
}

/// All storage slots that evidence for `facts` must prove, each once, sorted; the slot with the pause flag is among them.
///
/// Whoever collects evidence asks the chain for exactly these.
pub fn slots_for(layout: AclLayout, facts: &[Fact]) -> Vec<B256> {
    let mut slots = vec![layout.pause_slot()];
    slots.extend(fact_slots(facts));
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// The grants among `facts`, each once, sorted by kind, handle and subject: the order in which evidence gives their places.
pub fn grants<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Vec<Grant> {
    let granted = |fact: &Fact| if let Fact::Granted(grant) = fact { Some(*grant) } else { None };
    let mut grants: Vec<Grant> = facts.into_iter().filter_map(granted).collect();
    grants.sort_unstable();
    grants.dedup();
    grants
}

/// The storage slots of `facts` alone, each once, sorted: what is proven under a block that is known already.
pub fn fact_slots<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Vec<B256> {
    let mut slots = Vec::new();
    for fact in facts {
        fact.slots(&mut slots);
    }
    slots.sort_unstable();
    slots.dedup();
    slots
}
