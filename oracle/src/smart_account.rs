//! Users that are contracts (ERC-1271): whether their code accepts a permit, and all the state its answer depends on, proven in
//! one block. Nodes run the code themselves on what is sent here (docs/protocol/smart-accounts.md).

use crate::prove::Unproven;
use crate::record::{Ask, Refused};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use futures::{StreamExt, TryStreamExt, stream};
use merkle_acl::{Anchor, TrieError, prove_account, prove_slot};
use std::collections::{BTreeMap, BTreeSet};
use tkms_eth::accounts::{FreeCall, answer, code, touched};
use tkms_eth::proofs::{BlockId, StateProof, state_proof};
use tkms_eth::{Rpc, RpcError};
use tkms_types::limits::SMART_ACCOUNT_GAS;
use tkms_types::typed_data::{permit_digest, permit_domain, recover};
use tkms_types::{GatewayDomain, HostChain};
use tkms_wire::account_witness::{
    ACCEPTS, ACCOUNTS, AccountWitness, CODE_BYTES, SLOTS, WITNESS_BYTES, WitnessedAccount, WitnessedSlot, pool,
    signature_call,
};
use tkms_wire::kms;

/// Accounts looked up at once.
const CALLS_AT_ONCE: usize = 4;
/// Gas of a transaction beside that of its data.
const TRANSACTION_GAS: u64 = 21_000;
/// Most gas one byte of data takes (EIP-7623).
const BYTE_GAS: u64 = 40;
/// What the longest list of accounts and slots takes when the call is tried with it (EIP-2930).
const LIST_GAS: u64 = 2_400 * ACCOUNTS as u64 + 1_900 * SLOTS as u64;
/// What stands before the address in the code of a key's account that has other code act for it (EIP-7702).
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

/// A permit that no key of its user has signed: the user must be a contract, and is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    account: Address,
    call: Bytes,
}

/// One account as it is proven.
struct Found {
    address: Address,
    proof: StateProof,
    code: Bytes,
}

impl Question {
    /// The question that a request leaves open, if any.
    #[must_use]
    pub fn of(ask: &Ask, gateway: &GatewayDomain, chain: &HostChain) -> Option<Self> {
        let Ask::User(request) = ask else { return None };
        let digest = permit_digest(request, &permit_domain(gateway, chain.chain_id));
        if recover(digest, &request.signature) == Some(request.user) {
            return None;
        }
        Some(Self { account: request.user, call: signature_call(digest, &request.signature).into() })
    }

    /// Whether the contract accepts in this block. Only a cost control and a quick answer for people.
    ///
    /// # Errors
    /// [`RpcError`], when nothing can be said.
    pub async fn accepted(&self, rpc: &Rpc, block: BlockId) -> Result<bool, RpcError> {
        let returned = answer(rpc, &self.free_call(0), block).await?;
        Ok(returned.is_some_and(|returned| returned.as_ref() == ACCEPTS.as_slice()))
    }

    /// The refusal for a contract that does not accept, or for none.
    #[must_use]
    pub fn rejected(&self) -> Refused {
        let message = format!("no key of {0} has signed the permit, and no contract there accepts it", self.account);
        Refused { code: "SmartAccountRejected".to_owned(), message }
    }

    /// Everything the contract's answer depends on in one block, checked as nodes check it.
    ///
    /// # Errors
    /// [`Unproven`]; [`Unproven::Never`] if it is more than nodes take.
    pub async fn witness(&self, rpc: &Rpc, anchor: &Anchor) -> Result<AccountWitness, Unproven> {
        let block = anchor.hash();
        if !self.accepted(rpc, block.into()).await.map_err(later)? {
            return Err(Unproven::Missing(self.rejected()));
        }
        let list = touched(rpc, &self.free_call(LIST_GAS), block).await.map_err(later)?;
        let list = list.ok_or_else(|| Unproven::Later("the host endpoint makes no access lists".to_owned()))?;
        let mut places: BTreeMap<Address, BTreeSet<B256>> = BTreeMap::from([(self.account, BTreeSet::new())]);
        for (address, slots) in list {
            places.entry(address).or_default().extend(slots);
        }
        self.check_counts(&places)?;
        let mut found: Vec<Found> = Vec::new();
        // Code that acts for a key's account is read without being named by the list
        while !places.is_empty() {
            let look = |(address, slots): (Address, BTreeSet<B256>)| find(rpc, anchor, address, slots);
            let looks = stream::iter(std::mem::take(&mut places).into_iter().map(look)).buffered(CALLS_AT_ONCE);
            found.extend(looks.try_collect::<Vec<Found>>().await?);
            for delegate in found.iter().filter_map(|found| delegate(&found.code)) {
                if found.iter().all(|known| known.address != delegate) {
                    places.insert(delegate, BTreeSet::new());
                }
            }
            if found.len() + places.len() > ACCOUNTS {
                return Err(self.too_large("accounts", found.len() + places.len(), ACCOUNTS));
            }
        }
        self.pooled(&found)
    }

    fn free_call(&self, more: u64) -> FreeCall {
        let gas = SMART_ACCOUNT_GAS + TRANSACTION_GAS + BYTE_GAS * self.call.len() as u64 + more;
        FreeCall { to: self.account, data: self.call.clone(), gas }
    }

    fn check_counts(&self, places: &BTreeMap<Address, BTreeSet<B256>>) -> Result<(), Unproven> {
        let slots = places.values().map(BTreeSet::len).sum();
        if places.len() > ACCOUNTS {
            return Err(self.too_large("accounts", places.len(), ACCOUNTS));
        }
        if slots > SLOTS { Err(self.too_large("slots", slots, SLOTS)) } else { Ok(()) }
    }

    fn pooled(&self, found: &[Found]) -> Result<AccountWitness, Unproven> {
        let raw = |nodes: &Vec<Bytes>| nodes.iter().map(|node| node.0.clone()).collect::<Vec<_>>();
        let slots = |found: &Found| found.proof.slots.iter().map(|(_, nodes)| raw(nodes)).collect::<Vec<_>>();
        let proofs: Vec<_> =
            found.iter().flat_map(|found| std::iter::once(raw(&found.proof.account)).chain(slots(found))).collect();
        let (nodes, places) = pool(&proofs);
        let mut places = places.into_iter();
        let accounts = found.iter().map(|found| WitnessedAccount {
            address: found.address,
            nodes: places.next().unwrap_or_default(),
            code: found.code.0.clone(),
            slots: found
                .proof
                .slots
                .iter()
                .map(|(slot, _)| WitnessedSlot { slot: *slot, nodes: places.next().unwrap_or_default() })
                .collect(),
        });
        let accounts: Vec<WitnessedAccount> = accounts.collect();
        let witness = AccountWitness { nodes, accounts };
        if let Some(longest) =
            witness.accounts.iter().map(|account| account.code.len()).max().filter(|len| *len > CODE_BYTES)
        {
            return Err(self.too_large("bytes of code", longest, CODE_BYTES));
        }
        let size = prost::Message::encoded_len(&kms::AccountWitness::from(&witness));
        if size > WITNESS_BYTES { Err(self.too_large("bytes", size, WITNESS_BYTES)) } else { Ok(witness) }
    }

    fn too_large(&self, what: &str, found: usize, limit: usize) -> Unproven {
        let message =
            format!("the answer of {} depends on {found} {what}, at most {limit} are looked at", self.account);
        Unproven::Never(Refused { code: "SmartAccountUnproven".to_owned(), message })
    }
}

async fn find(rpc: &Rpc, anchor: &Anchor, address: Address, slots: BTreeSet<B256>) -> Result<Found, Unproven> {
    let (block, slots) = (anchor.hash(), slots.into_iter().collect::<Vec<_>>());
    let proof = state_proof(rpc, block, address, &slots).await.map_err(later)?;
    let code = code(rpc, address, block).await.map_err(later)?;
    let wrong = |reason: &dyn std::fmt::Display| {
        Unproven::Wrong(format!("the host endpoint's proof of {address} in block {}: {reason}", anchor.number()))
    };
    let account = match prove_account(anchor.state_root(), address, &proof.account) {
        Ok(account) => account,
        Err(TrieError::NoAccount) => Default::default(),
        Err(error) => return Err(wrong(&error)),
    };
    if keccak256(&code) != account.code_hash {
        return Err(wrong(&"it gives other code"));
    }
    for (slot, nodes) in &proof.slots {
        prove_slot(account.storage_root, *slot, nodes).map_err(|error| wrong(&error))?;
    }
    Ok(Found { address, proof, code })
}

fn delegate(code: &[u8]) -> Option<Address> {
    code.strip_prefix(&DELEGATION).and_then(|address| Address::try_from(address).ok())
}

/// Its own words may name its address, and that may hold a key.
fn later(error: impl std::fmt::Display) -> Unproven {
    tracing::warn!(%error, "the host endpoint cannot say what a smart account answers");
    Unproven::Later("the host endpoint says nothing of a smart account at the moment".to_owned())
}
