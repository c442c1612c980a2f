//! Evidence: comes back from its message, and whatever is misshapen is named by its field.

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use prost::Message as _;
use tkms_types::MinFinality;
use tkms_wire::evidence::{
    ACCOUNTS_BYTES, ATTESTATIONS, Attestation, Attested, EVIDENCE_BYTES, Evidence, HASHES, HEADER_BYTES, PLACES, SLOTS,
};
use tkms_wire::{Problem, kms};

pub fn evidence() -> Evidence {
    let attestation =
        |number: u8, finality| Attestation { signer: Address::repeat_byte(number), finality, signature: [number; 65] };
    Evidence {
        header: vec![0xf9; 600].into(),
        attested: Some(Attested {
            set: B256::repeat_byte(9),
            attestations: vec![attestation(1, MinFinality::Finalized), attestation(2, MinFinality::Depth(70))],
        }),
        accounts: vec![4; 3_000].into(),
        executor: true,
        storage: vec![4; 6_000].into(),
        slots: vec![B256::repeat_byte(1), B256::repeat_byte(2)],
        places: vec![1 << 39, 0, 1],
        hashes: vec![B256::repeat_byte(5), B256::repeat_byte(6)],
        witness: None,
    }
}

#[test]
fn evidence_comes_back_from_its_message() {
    let sealed = Evidence { attested: None, executor: false, places: Vec::new(), hashes: Vec::new(), ..evidence() };
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
    assert_eq!(path(|m| m.slots = vec![0; 33].into()), "slots");
    assert_eq!(path(|m| m.hashes = vec![0; 65].into()), "hashes");
}

#[test]
fn no_paths_have_one_form() {
    assert_eq!(refused(|m| m.places = vec![0; 3]), ("places".to_owned(), Problem::Unused));
    assert_eq!(refused(|m| m.places = vec![0]), ("places".to_owned(), Problem::Unused));
}

#[test]
fn each_bound_holds() {
    assert_eq!(path(|m| m.header = vec![0; HEADER_BYTES + 1].into()), "header");
    assert_eq!(path(|m| m.attestations = vec![m.attestations[0].clone(); ATTESTATIONS + 1]), "attestations");
    assert_eq!(path(|m| m.accounts = vec![0; ACCOUNTS_BYTES + 1].into()), "accounts");
    assert_eq!(path(|m| m.slots = vec![0; 32 * (SLOTS + 1)].into()), "slots");
    assert_eq!(path(|m| m.places = vec![1; PLACES + 1]), "places");
    assert_eq!(path(|m| m.hashes = vec![0; 32 * (HASHES + 1)].into()), "hashes");
    let (whole, problem) = refused(|m| m.storage = vec![0; EVIDENCE_BYTES].into());
    assert!(whole.is_empty() && matches!(problem, Problem::TooLong { limit: EVIDENCE_BYTES, .. }));
}
