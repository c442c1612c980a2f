//! Chains whose validators seal each block: what a node admits under a sealed header, and every way a seal does not count.

use crate::common::cluster::{World, code, words};
use crate::common::evidence::{attester, attesters};
use crate::common::{handle, public_request, signing_key};
use crate::trial::{NOW, Trial, public_trial, says};
use alloy::consensus::Header;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{Decodable as _, encode};
use k256::ecdsa::SigningKey;
use merkle_acl::Grant;
use std::time::Duration;
use tkms_kms_node::refusal::RefusalClass::Retry;
use tkms_kms_node::request::Ask;
use tkms_types::{FheType, HeaderTrustKind, HostChain};
use tkms_wire::evidence::Evidence;
use tkms_wire::signature::sign;

/// How a header is sealed.
#[derive(Clone)]
struct Sealing {
    kind: HeaderTrustKind,
    named: Vec<Address>,
    round: u32,
    /// The round that the seals are for.
    sealed_round: u32,
    by: Vec<SigningKey>,
}

impl Sealing {
    fn of(kind: HeaderTrustKind, by: &[u8]) -> Self {
        let by = by.iter().map(|number| attester(*number)).collect();
        Self { kind, named: attesters(), round: 0, sealed_round: 0, by }
    }

    fn extra(&self, round: u32, seals: Option<&[Vec<u8>]>) -> Bytes {
        let qbft = self.kind == HeaderTrustKind::Qbft;
        let validators: Vec<_> = self.named.iter().map(encode).collect();
        let vote = if qbft { vec![0xc0] } else { vec![0x80] };
        let round = if qbft { encode(round) } else { encode(round.to_be_bytes().as_slice()) };
        let mut items = vec![encode([7u8; 32].as_slice()), list(&validators), vote, round];
        match seals {
            Some(seals) => items.push(list(&seals.iter().map(|seal| encode(seal.as_slice())).collect::<Vec<_>>())),
            None if qbft => items.push(list(&[])),
            None => {}
        }
        list(&items).into()
    }

    /// The same header, sealed.
    fn seal(&self, header: &[u8]) -> Vec<u8> {
        let mut header = Header::decode(&mut &*header).unwrap();
        header.extra_data = self.extra(self.sealed_round, None);
        let digest = keccak256(encode(&header));
        let seal = |key: &SigningKey| {
            let mut seal = sign(key, digest).unwrap().to_vec();
            seal[64] -= 27;
            seal
        };
        header.extra_data = self.extra(self.round, Some(&self.by.iter().map(seal).collect::<Vec<_>>()));
        encode(&header)
    }
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

/// Four validators, three of which are the quorum of the protocol.
fn trusted_by_seals(host: &mut HostChain, kind: HeaderTrustKind) {
    host.trust = kind;
    assert_eq!((host.attesters.members.len(), host.attesters.quorum), (4, 3));
}

fn trial(kind: HeaderTrustKind) -> Trial {
    let mut trial = public_trial();
    trusted_by_seals(&mut trial.host, kind);
    trial
}

fn evidence(trial: &Trial, sealing: &Sealing) -> Evidence {
    let evidence = trial.evidence();
    Evidence { header: sealing.seal(&evidence.header).into(), attested: None, ..evidence }
}

const KINDS: [HeaderTrustKind; 2] = [HeaderTrustKind::Qbft, HeaderTrustKind::Ibft2];

#[test]
fn a_request_is_admitted_under_a_header_that_a_quorum_sealed() {
    for kind in KINDS {
        let trial = trial(kind);
        for by in [&[1, 2, 3][..], &[4, 2, 1], &[1, 2, 3, 4]] {
            let sent = evidence(&trial, &Sealing::of(kind, by));
            let known = trial.judge(&sent).unwrap();
            assert_ne!(known.block.anchor().hash(), keccak256(&sent.header), "seals are outside of the hash");
        }
        // A chain that keeps its validators in a contract names none
        let silent = Sealing { named: Vec::new(), ..Sealing::of(kind, &[1, 2, 3]) };
        assert!(trial.judge(&evidence(&trial, &silent)).is_ok());
    }
}

#[test]
fn seals_that_are_no_quorum_of_the_pinned_validators_admit_nothing() {
    for kind in KINDS {
        let trial = trial(kind);
        let refused = |sealing: Sealing| says(trial.judge(&evidence(&trial, &sealing)), "HeaderUnattested", Retry);
        refused(Sealing::of(kind, &[]));
        refused(Sealing::of(kind, &[1, 2]));
        refused(Sealing::of(kind, &[1, 2, 2]));
        refused(Sealing::of(kind, &[1, 1, 1, 1]));
        refused(Sealing::of(kind, &[1, 2, 3, 4, 4]));
        let stranger = signing_key(9);
        let mut foreign = Sealing::of(kind, &[1, 2]);
        foreign.by.push(stranger.clone());
        refused(foreign.clone());
        foreign.by.push(stranger);
        refused(foreign);
        refused(Sealing { sealed_round: 1, ..Sealing::of(kind, &[1, 2, 3]) });
        refused(Sealing { round: 1, ..Sealing::of(kind, &[1, 2, 3]) });
        // Sealed by a quorum of others, whom the header names
        let mut named = attesters();
        named[3] = Address::repeat_byte(0xff);
        refused(Sealing { named: named.clone(), ..Sealing::of(kind, &[1, 2, 3]) });
        named.pop();
        refused(Sealing { named, ..Sealing::of(kind, &[1, 2, 3]) });
    }
}

#[test]
fn seals_are_for_one_header_in_one_format() {
    let [qbft, ibft] = KINDS.map(|kind| (trial(kind), Sealing::of(kind, &[1, 2, 3])));
    says(qbft.0.judge(&evidence(&qbft.0, &ibft.1)), "HeaderMalformed", Retry);
    says(ibft.0.judge(&evidence(&ibft.0, &qbft.1)), "HeaderMalformed", Retry);
    // The seals of one block in another one, in whose state all proofs hold
    let mut liar = trial(HeaderTrustKind::Qbft);
    liar.chain.set(B256::repeat_byte(5), alloy_primitives::U256::from(1));
    liar.chain.mine(1);
    liar.at = 6;
    let (lie, sealed) = (liar.evidence(), qbft.1.seal(&qbft.0.evidence().header));
    let mut header = Header::decode(&mut lie.header.as_ref()).unwrap();
    header.extra_data = Header::decode(&mut sealed.as_slice()).unwrap().extra_data;
    let lie = Evidence { header: encode(&header).into(), attested: None, ..lie };
    says(qbft.0.judge(&lie), "HeaderUnattested", Retry);
    // Unsealed, with the signatures of attesters
    says(qbft.0.judge(&qbft.0.evidence()), "HeaderMalformed", Retry);
    // And a sealed header where attesters are believed
    let plain = public_trial();
    says(plain.judge(&evidence(&plain, &qbft.1)), "HeaderUnattested", Retry);
}

#[test]
fn sealed_blocks_are_held_to_age_and_history_like_all_others() {
    let mut trial = trial(HeaderTrustKind::Qbft);
    let sealing = Sealing::of(HeaderTrustKind::Qbft, &[1, 2, 3]);
    let sent = evidence(&trial, &sealing);
    let known = trial.judge(&sent).unwrap();
    trial.now = NOW + 602;
    says(trial.judge(&sent), "AnchorTooOld", Retry);
    trial.now = NOW;
    trial.state.history.recent = vec![(5, B256::ZERO)];
    says(trial.judge(&sent), "AnchorConflict", Retry);
    // One block sealed twice is one block
    trial.state.history.recent = vec![(5, known.block.anchor().hash())];
    let again = Sealing { round: 4, sealed_round: 4, ..Sealing::of(HeaderTrustKind::Qbft, &[2, 3, 4]) };
    assert!(trial.judge(&evidence(&trial, &again)).is_ok());
    // A known block needs its seals no more
    trial.known = Some(known);
    assert!(trial.judge(&evidence(&trial, &Sealing::of(HeaderTrustKind::Qbft, &[]))).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_running_node_answers_under_sealed_headers_and_under_no_others() {
    let mut world = World::new(1);
    trusted_by_seals(&mut world.cluster.chains[0], HeaderTrustKind::Qbft);
    world.start([1]).await;
    let handle = handle(1, FheType::Bool);
    let material = world.ciphertext(handle, 1).await;
    world.chain.grant(Grant::Public { handle: handle.0 });
    world.chain.mine(3);
    let sent = world.evidence(Ask::Public(public_request(&[handle])));
    let sealed = |by: &[u8]| {
        let header = Sealing::of(HeaderTrustKind::Qbft, by).seal(&sent.header).into();
        Some(Evidence { header, attested: None, ..sent.clone() })
    };
    let ask = async |evidence| {
        let materials = std::slice::from_ref(&material);
        world.ask_public_with(1, &[handle], materials, evidence, Duration::from_secs(20)).await
    };
    assert_eq!(code(&ask(Some(sent.clone())).await), "HeaderMalformed");
    for too_few in [&[][..], &[1, 2], &[1, 2, 2]] {
        assert_eq!(code(&ask(sealed(too_few)).await), "HeaderUnattested");
    }
    assert_eq!(world.info(1).await.sessions_computed, 0);
    assert_eq!(words(&ask(sealed(&[1, 2, 3])).await), [alloy_primitives::U256::ONE]);
    let status = world.info(1).await.hosts.remove(0);
    assert_eq!((status.trust.as_str(), status.newest_number), ("qbft", world.chain.final_number() as u64));
}
