//! Sealing and opening with our own client: what the official one does is tested in `official_client`.

use crate::fixture::{Scene, USER, Value, rng, value};
use alloy_primitives::{Address, B256};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use tkms_types::{Committee, FheType, PartyId};
use tkms_wire::seal::{Expected, OpenFault, Recipient, SealError, Sender, open, seal};
use tkms_wire::user_payload::{Body, Payload, UserKeyPair};

fn values() -> Vec<Value> {
    vec![value(1, FheType::Uint64, &77u64.to_le_bytes()), value(2, FheType::Bool, &[1])]
}

fn scene(seed: u64) -> (Scene, ChaCha20Rng) {
    let mut rng = rng(seed);
    (Scene::new(4, values(), &mut rng), rng)
}

fn party() -> PartyId {
    PartyId::new(2).unwrap()
}

/// The fault found when `change` is applied to what the user expects of an honest answer.
fn fault(change: impl FnOnce(&mut Expected<'_>)) -> OpenFault {
    let (scene, mut rng) = scene(1);
    let answers = scene.answers(&mut rng);
    let handles = scene.handles();
    let mut expected = scene.expected(party(), &handles);
    change(&mut expected);
    let error = open(&answers[1].payload, &scene.user, &expected).unwrap_err();
    assert_eq!(error.party, expected.party);
    error.fault
}

/// The fault found when the node changes its honest payload.
fn payload_fault(change: impl FnOnce(&mut Payload)) -> OpenFault {
    let (scene, mut rng) = scene(2);
    let bodies = scene.bodies(&mut rng).swap_remove(1);
    let mut payload = seal(&scene.sender(party()), &scene.recipient(), &scene.items(&bodies), &mut rng).unwrap();
    change(&mut payload);
    let handles = scene.handles();
    let error = open(&payload.encode(), &scene.user, &scene.expected(party(), &handles)).unwrap_err();
    assert_eq!(error.party, party());
    error.fault
}

#[test]
fn every_party_s_bodies_come_back() {
    for n in [1, 4, 13] {
        let mut rng = rng(n as u64);
        let scene = Scene::new(n, values(), &mut rng);
        let bodies = scene.bodies(&mut rng);
        for party in scene.committee.parties() {
            let sent = &bodies[party.index()];
            let payload = seal(&scene.sender(party), &scene.recipient(), &scene.items(sent), &mut rng).unwrap();
            let bytes = payload.encode();
            assert_eq!(Payload::parse(&bytes).unwrap(), payload);
            let handles = scene.handles();
            assert_eq!(&open(&bytes, &scene.user, &scene.expected(party, &handles)).unwrap(), sent);
        }
    }
}

#[test]
fn two_seals_of_one_share_differ() {
    let (scene, mut rng) = scene(3);
    let bodies = scene.bodies(&mut rng).swap_remove(0);
    let party = PartyId::new(1).unwrap();
    let mut seal = || seal(&scene.sender(party), &scene.recipient(), &scene.items(&bodies), &mut rng).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn a_body_of_another_type_or_committee_is_not_sealed() {
    let (scene, mut rng) = scene(4);
    let mut bodies = scene.bodies(&mut rng).swap_remove(0);
    bodies.swap(0, 1);
    let sealed = seal(&scene.sender(party()), &scene.recipient(), &scene.items(&bodies), &mut rng);
    assert!(matches!(sealed.unwrap_err(), SealError::Body(_)));
    let plain = [Body::Central(77u64.to_le_bytes().to_vec()), Body::Central(vec![1])];
    let sealed = seal(&scene.sender(party()), &scene.recipient(), &scene.items(&plain), &mut rng);
    assert!(matches!(sealed.unwrap_err(), SealError::Body(_)));
}

#[test]
fn an_answer_in_another_s_name_is_refused() {
    assert!(matches!(fault(|expected| expected.signer = USER), OpenFault::Signer { .. }));
    assert_eq!(fault(|expected| expected.party = PartyId::new(3).unwrap()), OpenFault::Party(party()));
}

#[test]
fn an_answer_to_another_request_is_refused() {
    assert_eq!(fault(|expected| expected.link = B256::ZERO), OpenFault::Link);
    assert_eq!(fault(|expected| expected.handles = &expected.handles[..1]), OpenFault::Count { expected: 1, found: 2 });
}

#[test]
fn an_answer_signed_for_another_user_is_refused() {
    assert_eq!(fault(|expected| expected.user = Address::ZERO), OpenFault::Signature { position: 0 });
}

#[test]
fn an_answer_of_another_degree_is_refused() {
    assert_eq!(fault(|expected| expected.committee = Committee::new(7).unwrap()), OpenFault::Degree(1));
}

#[test]
fn an_answer_sealed_to_another_key_cannot_be_opened() {
    let (scene, mut rng) = scene(5);
    let answers = scene.answers(&mut rng);
    let stranger = UserKeyPair::generate(&mut rng).unwrap();
    let handles = scene.handles();
    let error = open(&answers[1].payload, &stranger, &scene.expected(party(), &handles)).unwrap_err();
    assert_eq!(error.fault, OpenFault::Undecryptable { position: 0 });
}

#[test]
fn values_that_are_not_those_asked_are_refused() {
    assert_eq!(payload_fault(|payload| payload.items.swap(0, 1)), OpenFault::Item { position: 0 });
    assert_eq!(payload_fault(|payload| payload.items[1].packing = 1), OpenFault::Item { position: 1 });
    assert_eq!(payload_fault(|payload| payload.items[0].kind = FheType::Uint32), OpenFault::Item { position: 0 });
    assert!(matches!(payload_fault(|payload| payload.items.truncate(1)), OpenFault::Count { .. }));
}

#[test]
fn a_share_moved_between_values_is_refused() {
    let moved = payload_fault(|payload| {
        let cipher = payload.items[0].cipher.clone();
        payload.items[1].cipher = cipher;
    });
    // It decrypts and is signed, but says another type
    assert_eq!(moved, OpenFault::Item { position: 1 });
}

#[test]
fn a_share_taken_from_another_node_is_refused() {
    let (scene, mut rng) = scene(6);
    let bodies = scene.bodies(&mut rng);
    let other = PartyId::new(3).unwrap();
    let theirs = seal(&scene.sender(other), &scene.recipient(), &scene.items(&bodies[2]), &mut rng).unwrap();
    let own = seal(&scene.sender(party()), &scene.recipient(), &scene.items(&bodies[1]), &mut rng).unwrap();
    let handles = scene.handles();
    let stolen = Payload { items: theirs.items, ..own };
    let error = open(&stolen.encode(), &scene.user, &scene.expected(party(), &handles)).unwrap_err();
    assert_eq!(error.fault, OpenFault::Signature { position: 0 });
}

#[test]
fn a_link_inside_the_seal_must_be_the_request_s() {
    let (scene, mut rng) = scene(7);
    let bodies = scene.bodies(&mut rng);
    let other = Recipient { link: B256::ZERO, ..scene.recipient() };
    let mut payload = seal(&scene.sender(party()), &other, &scene.items(&bodies[1]), &mut rng).unwrap();
    payload.link = scene.link;
    let handles = scene.handles();
    let error = open(&payload.encode(), &scene.user, &scene.expected(party(), &handles)).unwrap_err();
    assert_eq!(error.fault, OpenFault::Item { position: 0 });
}

#[test]
fn a_plaintext_from_a_committee_of_four_is_refused() {
    let (scene, mut rng) = scene(8);
    let plain = [Body::Central(77u64.to_le_bytes().to_vec()), Body::Central(vec![1])];
    let alone = Sender { committee: Committee::new(1).unwrap(), ..scene.sender(party()) };
    let mut payload = seal(&alone, &scene.recipient(), &scene.items(&plain), &mut rng).unwrap();
    payload.degree = 1;
    let handles = scene.handles();
    let error = open(&payload.encode(), &scene.user, &scene.expected(party(), &handles)).unwrap_err();
    assert!(matches!(error.fault, OpenFault::Message { position: 0, .. }));
}

#[test]
fn bytes_missing_or_too_many_are_refused() {
    let (scene, mut rng) = scene(9);
    let bytes = scene.answers(&mut rng).swap_remove(0).payload;
    for end in 0..bytes.len() {
        Payload::parse(&bytes[..end]).unwrap_err();
    }
    Payload::parse(&[bytes.as_slice(), &[0]].concat()).unwrap_err();
}

#[test]
fn bodies_are_redacted() {
    assert_eq!(format!("{:?}", Body::Central(vec![42])), "Body(redacted)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_changed_byte_goes_unnoticed_or_panics(position in 0usize..2400, flip in 1u8..) {
        let (scene, mut rng) = scene(10);
        let mut bytes = scene.answers(&mut rng).swap_remove(1).payload;
        let position = position % bytes.len();
        bytes[position] ^= flip;
        let handles = scene.handles();
        prop_assert!(open(&bytes, &scene.user, &scene.expected(party(), &handles)).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Payload::parse(&bytes).is_err());
    }
}
