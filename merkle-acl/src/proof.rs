//! The one check a node makes before it believes the ACL: evidence in, facts out.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::{
    anchor::Anchor,
    error::AclError,
    facts::{ANY_CONTRACT, Fact, Grant, slots_for},
    keys::{self, AclLayout},
    slot::{prove_account, prove_slot},
};

/// Most facts of one request: two grants for each of 1,024 one-bit handles (2,048 bits are asked for at most, a bool counts
/// two), ten delegations, two accounts not denied, one permit, and some room.
pub const MAX_FACTS: usize = 2_100;

/// The ACL contract a host chain is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclHost {
    /// Its address.
    pub address: Address,
    /// keccak-256 of its runtime code; other code could grant itself anything.
    pub code_hash: B256,
    /// Its storage layout.
    pub layout: AclLayout,
}

/// One storage slot with its trie nodes, root first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot as the contract numbers it, not hashed.
    pub slot: B256,
    /// RLP of the nodes.
    pub nodes: Vec<Bytes>,
}

/// What a caller hands over to have facts believed: bytes only, nothing in it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEvidence {
    /// RLP of the block header.
    pub header: Bytes,
    /// Trie nodes of the ACL's account under the header's state root, root first.
    pub account: Vec<Bytes>,
    /// One proof for each slot of [`slots_for`], in any order.
    pub slots: Vec<SlotProof>,
}

/// Facts that hold in the anchor's block. Only [`verify`] and [`crate::AclBlock::facts`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFacts {
    anchor: Anchor,
    range_count: Option<u64>,
    facts: Vec<Fact>,
}

impl VerifiedFacts {
    pub(crate) fn new(anchor: Anchor, range_count: Option<u64>, wanted: &[Fact]) -> Self {
        Self { anchor, range_count, facts: wanted.to_vec() }
    }

    /// The block the facts hold in. Whether to trust this block is the caller's question.
    pub const fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// Number of grants in the range; `None` if the ACL keeps none. It never falls along one chain.
    pub const fn range_count(&self) -> Option<u64> {
        self.range_count
    }

    /// The facts as they were asked for.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }
}

/// Checks that the evidence proves every fact of `wanted` in the state of one block, and that the ACL ran the expected code
/// and was not paused there.
///
/// Order of checks: header, account and code, every slot proof, pause, then the facts in the order grants, delegations,
/// permits, deny list. A slot nobody asked for, or proven twice, is refused. The caller still has to decide whether the
/// anchor's hash is final on its chain. Here every fact is proven by its slot; for grants by their path in the range, and for
/// many requests under one block, see [`crate::AclBlock`].
///
/// # Errors
/// [`AclError`] for the first check that fails.
pub fn verify(evidence: &AclEvidence, acl: &AclHost, wanted: &[Fact]) -> Result<VerifiedFacts, AclError> {
    if wanted.len() > MAX_FACTS {
        return Err(AclError::TooManyFacts { len: wanted.len(), max: MAX_FACTS });
    }
    let anchor = Anchor::from_header_rlp(&evidence.header)?;
    let storage_root = open(&anchor, &evidence.account, acl)?;
    let state = AclState::prove(storage_root, &slots_for(acl.layout, wanted), &evidence.slots)?;
    let range_count = state.range_count(acl.layout)?;
    state.check_all(wanted)?;
    Ok(VerifiedFacts::new(anchor, range_count, wanted))
}

/// Account and code: the root of the ACL's storage in this block.
pub(crate) fn open(anchor: &Anchor, account: &[Bytes], acl: &AclHost) -> Result<B256, AclError> {
    let account = prove_account(anchor.state_root(), acl.address, account)
        .map_err(|reason| AclError::AccountProofInvalid { acl: acl.address, reason })?;
    if account.code_hash != acl.code_hash {
        return Err(AclError::AclCodeChanged { found: account.code_hash, expected: acl.code_hash });
    }
    Ok(account.storage_root)
}

/// Order in which facts are checked, so that every node names the same refusal.
const fn rank(fact: &Fact) -> u8 {
    match fact {
        Fact::Granted(_) => 0,
        Fact::Delegated { .. } => 1,
        Fact::PermitStands { .. } => 2,
        Fact::NotDenied(_) => 3,
    }
}

/// Proven words of the ACL's storage, by slot, and grants proven without one.
pub(crate) struct AclState {
    words: BTreeMap<B256, U256>,
    shown: BTreeSet<Grant>,
}

impl AclState {
    /// Proves exactly the slots of `needed` (sorted), each once.
    pub(crate) fn prove<'a>(
        root: B256,
        needed: &[B256],
        proofs: impl IntoIterator<Item = &'a SlotProof>,
    ) -> Result<Self, AclError> {
        let mut words = BTreeMap::new();
        for SlotProof { slot, nodes } in proofs {
            if needed.binary_search(slot).is_err() {
                return Err(AclError::SlotProofUnneeded { slot: *slot });
            }
            if words.contains_key(slot) {
                return Err(AclError::SlotProofRepeated { slot: *slot });
            }
            let word =
                prove_slot(root, *slot, nodes).map_err(|reason| AclError::SlotProofInvalid { slot: *slot, reason })?;
            words.insert(*slot, word);
        }
        match needed.iter().find(|slot| !words.contains_key(*slot)) {
            Some(slot) => Err(AclError::SlotProofMissing { slot: *slot }),
            None => Ok(Self { words, shown: BTreeSet::new() }),
        }
    }

    /// Adds grants whose place in the range was proven.
    pub(crate) fn with_shown(self, shown: BTreeSet<Grant>) -> Self {
        Self { shown, ..self }
    }

    /// Checks every fact, in the order of the policy.
    pub(crate) fn check_all(&self, wanted: &[Fact]) -> Result<(), AclError> {
        let mut facts: Vec<&Fact> = wanted.iter().collect();
        facts.sort_by_key(|fact| rank(fact));
        facts.into_iter().try_for_each(|fact| self.check(fact))
    }

    pub(crate) fn word(&self, slot: B256) -> Result<U256, AclError> {
        self.words.get(&slot).copied().ok_or(AclError::SlotProofMissing { slot })
    }

    /// Refuses a paused ACL; the count of the range if there is one.
    pub(crate) fn range_count(&self, layout: AclLayout) -> Result<Option<u64>, AclError> {
        let slot = layout.pause_slot();
        let value = self.word(slot)?;
        let [count, flags, upper @ ..] = value.into_limbs();
        let (paused, count) = match layout {
            AclLayout::Range if flags > 1 || upper != [0, 0] => return Err(AclError::SlotValueInvalid { slot, value }),
            AclLayout::Range => (flags == 1, Some(count)),
            AclLayout::SlotsOnly => (count & 0xff != 0, None),
        };
        if paused { Err(AclError::AclPaused) } else { Ok(count) }
    }

    fn check(&self, fact: &Fact) -> Result<(), AclError> {
        match *fact {
            Fact::Granted(grant) => self.granted(&grant),
            Fact::Delegated { delegator, delegate, contract, now } => {
                let own = self.expiry(delegator, delegate, contract)?;
                let any = self.expiry(delegator, delegate, ANY_CONTRACT)?;
                match own.max(any) {
                    0 => Err(AclError::DelegationMissing { delegator, delegate, contract }),
                    expiry if expiry > now => Ok(()),
                    expiry => Err(AclError::DelegationExpired { delegator, delegate, contract, expiry }),
                }
            }
            // Read in every layout: an ACL of a release without this mapping has nothing in these slots.
            Fact::PermitStands { account, start } => {
                let before = self.word(keys::invalidated_before(account))?;
                if U256::from(start) >= before {
                    Ok(())
                } else {
                    Err(AclError::PermitInvalidated { account, start, before })
                }
            }
            // Anything but zero denies: in doubt against the request.
            Fact::NotDenied(account) if self.word(keys::denied(account))?.is_zero() => Ok(()),
            Fact::NotDenied(account) => Err(AclError::AccountDenied(account)),
        }
    }

    fn granted(&self, grant: &Grant) -> Result<(), AclError> {
        if self.shown.contains(grant) {
            return Ok(());
        }
        let slot = grant.slot();
        let value = self.word(slot)?;
        match value.try_into() {
            Ok(1u64) => Ok(()),
            Ok(0u64) => {
                Err(AclError::GrantMissing { handle: grant.handle(), kind: grant.kind(), subject: grant.subject() })
            }
            _ => Err(AclError::SlotValueInvalid { slot, value }),
        }
    }

    /// Expiry of one delegation, unix seconds, 0 if there is none.
    fn expiry(&self, delegator: Address, delegate: Address, contract: Address) -> Result<u64, AclError> {
        let [expiry, ..] = self.word(keys::delegation(delegator, delegate, contract))?.into_limbs();
        Ok(expiry)
    }
}
