//! The slots and words of `vectors/acl-slots.json` and the leaves and proofs of `vectors/acl-range.json`, which the contracts'
//! own tests reproduce, mean here what they mean there.

use std::path::Path;

use crate::common::Chain;
use alloy_primitives::{Address, B256, U256};
use merkle_acl::{
    AclError, AclLayout, Fact, Grant, keys, leaf_hash, node_hash,
    range::{RangeProof, covering_level},
    verify,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn vectors() -> Value {
    read("acl-slots.json")
}

fn read(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn field<T: DeserializeOwned>(row: &Value, name: &str) -> T {
    serde_json::from_value(row[name].clone()).unwrap_or_else(|error| panic!("{name} of {row}: {error}"))
}

fn number(row: &Value, name: &str) -> u64 {
    field::<String>(row, name).parse().unwrap()
}

fn check(row: &Value, facts: &[Fact]) -> Result<(), AclError> {
    let mut chain = Chain::busy(AclLayout::Range);
    chain.set(field(row, "slot"), field::<B256>(row, "value").into());
    verify(&chain.evidence(facts), &chain.acl, facts).map(|_| ())
}

/// Slot computed here, a fact that the word proves or refuses, and what comes out.
fn expected(row: &Value) -> (B256, Vec<Fact>, bool) {
    let address = |name| field::<Address>(row, name);
    match field::<String>(row, "fact").as_str() {
        "persistent" => {
            let grant = Grant::Persistent { handle: field(row, "handle"), account: address("account") };
            (grant.slot(), vec![Fact::Granted(grant)], true)
        }
        "public" => {
            let grant = Grant::Public { handle: field(row, "handle") };
            (grant.slot(), vec![Fact::Granted(grant)], true)
        }
        "delegation" => {
            let (delegator, delegate, contract) = (address("delegator"), address("delegate"), address("contract"));
            let expiry = number(row, "expirationDate");
            let fact = Fact::Delegated { delegator, delegate, contract, now: expiry.saturating_sub(1) };
            (keys::delegation(delegator, delegate, contract), vec![fact], expiry > 0)
        }
        "denied" => (keys::denied(address("account")), vec![Fact::NotDenied(address("account"))], false),
        "invalidatedBefore" => {
            let (account, start) = (address("account"), number(row, "timestamp"));
            (keys::invalidated_before(account), vec![Fact::PermitStands { account, start }], true)
        }
        "range" => (keys::RANGE_NAMESPACE, Vec::new(), !field::<bool>(row, "paused")),
        "peak" => (keys::range_peak(u8::try_from(number(row, "level")).unwrap()), Vec::new(), true),
        other => panic!("unknown fact {other}"),
    }
}

#[test]
fn slots_are_those_of_the_contract_and_words_prove_their_facts() {
    let vectors = vectors();
    let rows = vectors["slots"].as_array().unwrap();
    assert!(rows.len() > 6);
    for row in rows {
        let (slot, facts, holds) = expected(row);
        assert_eq!(slot, field::<B256>(row, "slot"), "{row}");
        assert_eq!(check(row, &facts).is_ok(), holds, "{row}: {:?}", check(row, &facts));
    }
}

#[test]
fn words_prove_nothing_past_their_limits() {
    for row in vectors()["slots"].as_array().unwrap() {
        let (_, facts, _) = expected(row);
        let past = match facts[..] {
            [Fact::Delegated { delegator, delegate, contract, now }] => {
                Fact::Delegated { delegator, delegate, contract, now: now.saturating_add(1) }
            }
            [Fact::PermitStands { account, start }] => Fact::PermitStands { account, start: start - 1 },
            _ => continue,
        };
        assert!(check(row, &[past]).is_err(), "{row}");
    }
}

#[test]
fn namespaces_are_those_of_the_contract() {
    let namespaces = &vectors()["namespaces"];
    assert_eq!(keys::ACL_NAMESPACE, field::<B256>(namespaces, "acl"));
    assert_eq!(keys::RANGE_NAMESPACE, field::<B256>(namespaces, "aclRange"));
    // Erased to the last byte, as ERC-7201 has it.
    assert_eq!(U256::from_be_bytes(keys::RANGE_NAMESPACE.0).byte(0), 0);
}

fn grant(row: &Value) -> Option<Grant> {
    let kind = number(row, "kind").try_into().unwrap();
    Grant::from_leaf(kind, field(row, "handle"), field(row, "subject"))
}

/// Whether the proof of this row is accepted here.
fn proven(row: &Value) -> bool {
    let proof = RangeProof { index: number(row, "index"), path: field(row, "path") };
    grant(row).is_some_and(|grant| proof.verify(leaf_hash(&grant), number(row, "count"), field(row, "peak")).is_ok())
}

#[test]
fn leaves_and_nodes_are_those_of_the_contract() {
    let vectors = read("acl-range.json");
    for row in vectors["grants"].as_array().unwrap() {
        assert_eq!(leaf_hash(&grant(row).unwrap()), field::<B256>(row, "leaf"), "{row}");
    }
    let node = &vectors["nodes"][0];
    assert_eq!(node_hash(field(node, "left"), field(node, "right")), field::<B256>(node, "node"));
}

#[test]
fn proofs_the_contract_accepts_are_accepted_and_no_other() {
    let vectors = read("acl-range.json");
    let (sound, spoilt) = (vectors["proofs"].as_array().unwrap(), vectors["refused"].as_array().unwrap());
    assert!(sound.len() >= 30 && spoilt.len() >= 20);
    for row in sound {
        let level = covering_level(number(row, "index"), number(row, "count")).unwrap();
        assert_eq!(u64::from(level), number(row, "level"));
        assert!(proven(row), "{row}");
    }
    for row in spoilt {
        assert!(!proven(row), "{row}");
    }
}
