//! Evidence: comes back from its message, and whatever is misshapen is named by its field.

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use prost::Message as _;
use tkms_types::MinFinality;
use tkms_wire::evidence::{
    ATTESTATIONS, Attestation, Attested, EVIDENCE_BYTES, Evidence, GrantPath, HASHES, HEADER_BYTES, NODE_BYTES, NODES,
    PATHS, PROOF_NODES, SLOTS, SlotProof,
};
use tkms_wire::{Problem, kms};

fn node(number: u8) -> Bytes {
    vec![number; 532].into()
}

pub fn evidence() -> Evidence {
    let attestation =
        |number: u8, finality| Attestation { signer: Address::repeat_byte(number), finality, signature: [number; 65] };
    let handle = B256::repeat_byte(0x11);
    Evidence {
        header: vec![0xf9; 600].into(),
        attested: Some(Attested {
            set: B256::repeat_byte(9),
            attestations: vec![attestation(1, MinFinality::Finalized), attestation(2, MinFinality::Depth(70))],
        }),
        nodes: (0..5).map(node).collect(),
        account: vec![0, 1],
        executor: vec![0, 2],
        slots: vec![
            SlotProof { slot: B256::repeat_byte(1), nodes: vec![3, 4] },
            SlotProof { slot: B256::repeat_byte(2), nodes: vec![] },
        ],
        paths: vec![
            GrantPath { kind: 1, handle, subject: Address::repeat_byte(0x22), index: 1 << 39 },
            GrantPath { kind: 1, handle, subject: Address::ZERO, index: 0 },
            GrantPath { kind: 2, handle, subject: Address::ZERO, index: 7 },
        ],
        hashes: vec![B256::repeat_byte(5), B256::repeat_byte(6)],
        witness: None,
    }
}

#[test]
fn evidence_comes_back_from_its_message() {
    let sealed = Evidence {
        attested: None,
        executor: Vec::new(),
        nodes: vec![node(0), node(1), node(3), node(4)],
        ..evidence()
    };
    let sealed = Evidence { slots: vec![SlotProof { slot: B256::ZERO, nodes: vec![2, 3] }], ..sealed };
    let nobody = Evidence { attested: Some(Attested { set: B256::ZERO, attestations: Vec::new() }), ..evidence() };
    for evidence in [evidence(), sealed, nobody] {
        let bytes = kms::Evidence::from(&evidence).encode_to_vec();
        let read = kms::Evidence::decode(bytes.as_slice()).unwrap();
        assert_eq!(Evidence::try_from(read).unwrap(), evidence);
    }
}

fn refused(change: impl FnOnce(&mut kms::Evidence)) -> (String, Problem) {
    let mut message = kms::Evidence::from(&evidence());
    change(&mut message);
    let error = Evidence::try_from(message).unwrap_err();
    (error.path, error.problem)
}

fn path(change: impl FnOnce(&mut kms::Evidence)) -> String {
    refused(change).0
}

#[test]
fn wrong_widths_and_numbers_are_named() {
    let short = || Bytes::from_static(&[0; 19]);
    assert_eq!(path(|m| m.attester_set = short()), "attester_set");
    assert_eq!(path(|m| m.attester_set = Bytes::new()), "attester_set", "signatures of no set");
    assert_eq!(path(|m| m.attestations[1].signer = short()), "attestations[1].signer");
    assert_eq!(path(|m| m.attestations[1].signature = vec![0; 64].into()), "attestations[1].signature");
    assert_eq!(refused(|m| m.attestations[0].finality = None).1, Problem::Missing);
    for (class, depth) in [(0, 0), (1, 1), (2, 9), (3, 0), (4, 0), (257, 0)] {
        let finality = Some(kms::Finality { class, depth });
        assert_eq!(path(|m| m.attestations[0].finality = finality), "attestations[0].finality.class");
    }
    assert_eq!(path(|m| m.slots[1].slot = short()), "slots[1].slot");
    assert_eq!(path(|m| m.paths[0].handle = short()), "paths[0].handle");
    assert_eq!(path(|m| m.paths[0].subject = short()), "paths[0].subject");
    assert_eq!(path(|m| m.paths[0].subject = Bytes::new()), "paths[0].subject");
    assert_eq!(path(|m| m.paths[2].subject = vec![0; 20].into()), "paths[2].subject", "one form of a public grant");
    for kind in [0, 3, 258] {
        assert_eq!(path(|m| m.paths[0].kind = kind), "paths[0].kind");
    }
    assert_eq!(path(|m| m.hashes = vec![0; 65].into()), "hashes");
}

#[test]
fn places_outside_the_pool_and_nodes_for_nothing_are_named() {
    assert_eq!(path(|m| m.account[1] = 5), "account[1]");
    assert_eq!(path(|m| m.executor[0] = 1 << 16), "executor[0]");
    assert_eq!(path(|m| m.slots[0].nodes[0] = u32::MAX), "slots[0].nodes[0]");
    assert_eq!(refused(|m| m.nodes.push(node(9))), ("nodes[5]".to_owned(), Problem::Unused));
    assert_eq!(refused(|m| m.slots[0].nodes = vec![4]), ("nodes[3]".to_owned(), Problem::Unused));
    assert_eq!(refused(|m| m.nodes[4] = node(3)), ("nodes".to_owned(), Problem::Repeated));
    assert_eq!(path(|m| m.nodes.clear()), "account[0]");
}

#[test]
fn each_bound_holds() {
    assert_eq!(path(|m| m.header = vec![0; HEADER_BYTES + 1].into()), "header");
    assert_eq!(path(|m| m.attestations = vec![m.attestations[0].clone(); ATTESTATIONS + 1]), "attestations");
    assert_eq!(path(|m| m.nodes[2] = vec![0; NODE_BYTES + 1].into()), "nodes[2]");
    assert_eq!(path(|m| m.nodes = vec![Bytes::new(); NODES + 1]), "nodes");
    assert_eq!(path(|m| m.account = vec![0; PROOF_NODES + 1]), "account");
    assert_eq!(path(|m| m.slots[0].nodes = vec![0; PROOF_NODES + 1]), "slots[0].nodes");
    assert_eq!(path(|m| m.slots = vec![m.slots[0].clone(); SLOTS + 1]), "slots");
    assert_eq!(path(|m| m.paths = vec![m.paths[0].clone(); PATHS + 1]), "paths");
    assert_eq!(path(|m| m.hashes = vec![0; 32 * (HASHES + 1)].into()), "hashes");
    let (whole, problem) = refused(|m| m.hashes = vec![0; EVIDENCE_BYTES].into());
    assert!(whole.is_empty() && matches!(problem, Problem::TooLong { limit: EVIDENCE_BYTES, .. }));
}
