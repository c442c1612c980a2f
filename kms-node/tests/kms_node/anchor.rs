//! Checks 11 to 13: who is believed about a block, and what is remembered of it. Every lie is refused by name.

use crate::common::chain::EXECUTOR;
use crate::common::evidence::{Parts, attest, attested, attester};
use crate::common::{address_of, handle, signing_key};
use crate::trial::{NOW, Trial, grant_public, public_trial, says};
use alloy_primitives::{B256, U256};
use merkle_acl::trust::{AnchorHistory, AnchorMark, BlockClaim, EndpointAnswers, Finality};
use merkle_acl::{Fact, Grant, keys};
use tkms_kms_node::policy::HostState;
use tkms_kms_node::policy::anchor::{KnownBlock, OwnView};
use tkms_kms_node::refusal::RefusalClass::{Permanent, Retry, Wait};
use tkms_types::{AttesterSet, FheType, FormerAttesters, HeaderTrustKind, MinFinality};
use tkms_wire::evidence::{Attested, Evidence};

fn refused(trial: &Trial, tamper: impl FnOnce(&mut Evidence), code: &str) {
    let mut evidence = trial.evidence();
    tamper(&mut evidence);
    says(trial.judge(&evidence), code, Retry);
}

/// Without the last byte.
fn shorten(bytes: &mut bytes::Bytes) {
    bytes.truncate(bytes.len() - 1);
}

fn attestations(evidence: &mut Evidence) -> &mut Attested {
    evidence.attested.as_mut().unwrap()
}

#[test]
fn a_header_that_is_none_or_the_genesis_is_refused() {
    let mut trial = public_trial();
    refused(&trial, |e| e.header = b"x".as_slice().into(), "HeaderMalformed");
    refused(&trial, |e| e.header = [&e.header[..], &[0]].concat().into(), "HeaderMalformed");
    refused(&trial, |e| e.header = vec![0xf9; 4097].into(), "HeaderMalformed");
    trial.at = 0;
    let genesis = trial.chain.parts(0, &[]).compact(None);
    says(trial.judge(&genesis), "HeaderMalformed", Retry);
}

#[test]
fn a_lying_header_under_true_signatures_is_unattested() {
    let trial = public_trial();
    // Another history in which the grant was given, and in which all proofs hold
    let mut liar = public_trial();
    liar.chain.set(B256::repeat_byte(5), U256::from(1));
    liar.chain.mine(1);
    liar.at = 6;
    let mut lie = liar.evidence();
    lie.attested = trial.evidence().attested;
    says(trial.judge(&lie), "HeaderUnattested", Retry);
}

#[test]
fn t_lying_attesters_and_whoever_they_bring_along_are_no_quorum() {
    let trial = public_trial();
    let header = trial.chain.header(trial.at);
    let by = |number| attest(&trial.host, &header, number, MinFinality::Finalized);
    let with = |list: Vec<_>| {
        let mut evidence = trial.evidence();
        attestations(&mut evidence).attestations = list;
        trial.judge(&evidence).map(drop)
    };
    assert_eq!(with(vec![by(1), by(2), by(4)]), Ok(()));
    says(with(vec![by(1)]), "HeaderUnattested", Retry);
    says(with(vec![by(1), by(2)]), "HeaderUnattested", Retry);
    says(with(vec![by(1), by(2), by(2)]), "HeaderUnattested", Retry);
    let mut borrowed = by(2);
    borrowed.signer = address_of(&attester(3));
    says(with(vec![by(1), by(2), borrowed]), "HeaderUnattested", Retry);
    let mut stranger = by(2);
    stranger.signer = address_of(&signing_key(9));
    says(with(vec![by(1), by(2), stranger]), "HeaderUnattested", Retry);
    let mut high = by(3);
    high.signature[64] ^= 7;
    says(with(vec![by(1), by(2), high]), "HeaderUnattested", Retry);
    says(with(vec![by(1), by(2), by(3), by(4), by(4)]), "HeaderUnattested", Retry);
    says(with(Vec::new()), "HeaderUnattested", Retry);
    refused(&trial, |e| e.attested = None, "HeaderUnattested");
}

#[test]
fn signatures_for_another_set_host_or_fork_do_not_count() {
    let trial = public_trial();
    refused(&trial, |e| attestations(e).set = B256::ZERO, "AttesterSetUnknown");
    let mut rotated = public_trial();
    rotated.host.attesters.version = 2;
    says(rotated.judge(&trial.evidence()), "AttesterSetUnknown", Retry);
    // The right name over signatures that were given for something else
    let mut fork = public_trial();
    fork.host.checkpoint_hash = B256::ZERO;
    let mut foreign = fork.evidence();
    attestations(&mut foreign).set = trial.host.attester_set_id();
    says(trial.judge(&foreign), "HeaderUnattested", Retry);
}

/// Four new attesters took over at `until`; those before them signed the trial's header.
fn rotated(until: u64) -> (Trial, Evidence) {
    let mut trial = public_trial();
    let signed_before = trial.evidence();
    let former = FormerAttesters { set: trial.host.attesters.clone(), until };
    let mut members: Vec<_> = (1..=4).map(|number| address_of(&signing_key(0xa0 + number))).collect();
    members.sort_unstable();
    trial.host.attesters = AttesterSet { version: 2, quorum: 3, members };
    trial.host.former_attesters = Some(former);
    (trial, signed_before)
}

#[test]
fn a_former_set_counts_for_headers_before_its_end_until_they_are_too_old() {
    let time = NOW + 1;
    let (mut trial, signed) = rotated(time + 1);
    assert!(trial.judge(&signed).is_ok(), "the last header of its time");
    let (later, _) = rotated(time);
    says(later.judge(&signed), "AttesterSetUnknown", Retry);
    // Nor for ever: from the end on, as long as a header may be old
    trial.host.former_attesters.as_mut().unwrap().until = time + 1;
    trial.now = time + 600;
    assert!(trial.judge(&signed).is_ok());
    trial.host.max_anchor_age = 599;
    trial.now = time + 1 + 598;
    assert!(trial.judge(&signed).is_ok());
    trial.now += 1;
    says(trial.judge(&signed), "AttesterSetUnknown", Retry);
}

#[test]
fn signatures_of_a_former_set_and_of_its_successor_are_not_added_up() {
    let (trial, mut mixed) = rotated(NOW + 100);
    attestations(&mut mixed).attestations.truncate(2);
    says(trial.judge(&mixed), "HeaderUnattested", Retry);
    // The former members' signatures under the new set's name, and the other way round
    let (trial, mut renamed) = rotated(NOW + 100);
    attestations(&mut renamed).set = trial.host.attester_set_id();
    says(trial.judge(&renamed), "HeaderUnattested", Retry);
    let (mut forgotten, signed) = rotated(NOW + 100);
    forgotten.host.former_attesters = None;
    says(forgotten.judge(&signed), "AttesterSetUnknown", Retry);
}

#[test]
fn a_block_is_held_to_the_floor_and_to_the_wish() {
    let with = |floor, asked: Option<MinFinality>, signed| {
        let mut trial = public_trial();
        trial.host.min_finality = floor;
        trial.asked = asked;
        let mut evidence = trial.evidence();
        evidence.attested = Some(attested(&trial.host, &evidence.header, signed));
        trial.judge(&evidence).map(|known| known.finality)
    };
    use MinFinality::{Depth, Finalized, Safe};
    assert_eq!(with(Finalized, None, Finalized), Ok(Finality::Finalized));
    assert_eq!(with(Safe, None, Safe), Ok(Finality::Safe));
    assert_eq!(with(Depth(5), Some(Depth(7)), Depth(9)), Ok(Finality::Depth(7)));
    assert_eq!(with(Depth(5), Some(Safe), Finalized), Ok(Finality::Depth(5)), "of two that do not compare, the floor");
    says(with(Finalized, None, Safe), "NotFinal", Wait);
    says(with(Finalized, None, Depth(u32::MAX)), "NotFinal", Wait);
    says(with(Depth(5), None, Depth(4)), "NotFinal", Wait);
    says(with(Finalized, Some(Depth(1)), Depth(1)), "NotFinal", Wait);
    says(with(Safe, Some(Finalized), Safe), "NotFinal", Wait);
    says(with(Depth(1), Some(Depth(64)), Depth(63)), "NotFinal", Wait);
}

#[test]
fn a_class_that_was_not_signed_is_no_signature() {
    let trial = public_trial();
    let mut evidence = trial.evidence();
    let header = evidence.header.clone();
    evidence.attested = Some(attested(&trial.host, &header, MinFinality::Safe));
    for attestation in &mut attestations(&mut evidence).attestations {
        attestation.finality = MinFinality::Finalized;
    }
    says(trial.judge(&evidence), "HeaderUnattested", Retry);
}

#[test]
fn too_old_from_the_future_before_the_checkpoint_or_far_behind() {
    let with = |change: &dyn Fn(&mut Trial)| {
        let mut trial = public_trial();
        change(&mut trial);
        trial.judge(&trial.evidence()).map(drop)
    };
    let newest = |trial: &mut Trial, number| {
        trial.state.history.newest = Some(AnchorMark { number, hash: B256::ZERO, time: NOW, count: 0 });
    };
    says(with(&|trial| trial.host.checkpoint_number = 5), "AnchorBeforeCheckpoint", Retry);
    says(with(&|trial| trial.now = NOW + 602), "AnchorTooOld", Retry);
    says(with(&|trial| trial.now = NOW - 5), "AnchorFromFuture", Retry);
    says(with(&|trial| newest(trial, 106)), "AnchorTooOld", Retry);
    assert_eq!(with(&|trial| trial.now = NOW + 601), Ok(()));
    assert_eq!(with(&|trial| newest(trial, 105)), Ok(()), "100 blocks behind are allowed");
}

#[test]
fn final_blocks_that_contradict_each_other_are_in_conflict() {
    let mark = |number, time, count| AnchorMark { number, hash: B256::repeat_byte(1), time, count };
    let newest = |mark| AnchorHistory { newest: Some(mark), ..AnchorHistory::default() };
    let histories = [
        newest(mark(5, NOW, 0)),
        AnchorHistory { recent: vec![(5, B256::repeat_byte(1))], ..AnchorHistory::default() },
        newest(mark(4, NOW + 2, 0)),
        newest(mark(4, NOW, 3)),
    ];
    for history in histories {
        let mut trial = public_trial();
        trial.state = HostState { history, ..HostState::default() };
        says(trial.judge(&trial.evidence()), "AnchorConflict", Retry);
        // What nobody vouches for contradicts nothing
        refused(&trial, |e| e.attested = None, "HeaderUnattested");
    }
    let mut trial = public_trial();
    trial.state.history = newest(mark(6, NOW + 2, 3));
    assert!(trial.judge(&trial.evidence()).is_ok(), "an older block is no conflict");
}

#[test]
fn account_code_and_pause_are_proven() {
    let trial = public_trial();
    refused(&trial, |e| shorten(&mut e.accounts), "AccountProofInvalid");
    refused(&trial, |e| e.accounts.clone_from(&e.storage), "AccountProofInvalid");
    refused(&trial, |e| e.accounts.clear(), "AccountProofInvalid");
    let mut other = public_trial();
    other.host.contracts.acl = EXECUTOR;
    says(other.judge(&other.evidence()), "AccountProofInvalid", Retry);
    let mut code = public_trial();
    code.host.acl_code_hash = B256::ZERO;
    says(code.judge(&code.evidence()), "AclCodeChanged", Permanent);
    let paused = Trial::new(crate::policy::public(&[crate::policy::a_handle()]), |chain| {
        grant_public(chain);
        chain.pause();
    });
    says(paused.judge(&paused.evidence()), "AclPaused", Retry);
}

#[test]
fn the_executors_code_is_proven_once_per_cluster_file() {
    let mut trial = public_trial();
    says(trial.judge(&trial.with(|parts| parts.executor.clear())), "ExecutorUnproven", Retry);
    // Both accounts, and the word that there is one; one, and the word that there are both
    refused(&trial, |e| e.executor = false, "AccountProofInvalid");
    let mut one = trial.with(|parts| parts.executor.clear());
    one.executor = true;
    says(trial.judge(&one), "AccountProofInvalid", Retry);
    trial.host.executor_code_hash = B256::ZERO;
    says(trial.judge(&trial.evidence()), "ExecutorCodeChanged", Permanent);
    trial.state.executor_proven = true;
    says(trial.judge(&trial.evidence()), "ExecutorCodeChanged", Permanent);
    assert!(trial.judge(&trial.with(|parts| parts.executor.clear())).is_ok());
}

#[test]
fn the_blocks_own_slots_are_all_there_once_and_no_others() {
    let trial = public_trial();
    for missing in [0, 1] {
        let fewer = trial.with(|parts| drop(parts.slots.remove(missing)));
        says(trial.judge(&fewer), "SlotProofInvalid", Retry);
        refused(&trial, |e| e.slots.retain(|slot| *slot != trial.evidence().slots[missing]), "SlotProofInvalid");
    }
    refused(&trial, |e| e.slots.push(e.slots[0]), "SlotProofInvalid");
    refused(&trial, |e| shorten(&mut e.storage), "SlotProofInvalid");
    refused(&trial, |e| e.storage.clear(), "SlotProofInvalid");
    refused(&trial, |e| e.storage.clone_from(&e.accounts), "SlotProofInvalid");
    // A peak that the count has not, with the proof that there is nothing; a word that nobody needs
    for slot in [keys::range_peak(5), keys::denied(address_of(&signing_key(1)))] {
        let more = trial.with(|parts| parts.slots.push(trial.chain.slot(trial.at, slot)));
        says(trial.judge(&more), "SlotProofInvalid", Retry);
    }
}

#[test]
fn count_and_peak_of_another_block_do_not_fit() {
    let trial = public_trial();
    trial.chain.grant(Grant::Public { handle: handle(7, FheType::Bool).0 });
    trial.chain.mine(1);
    let wanted = [Fact::Granted(Grant::Public { handle: crate::policy::a_handle().0 })];
    let (here, newer) = (trial.chain.parts(5, &wanted), trial.chain.parts(6, &wanted));
    // All of the newer block's storage under the older header
    let mixed = Parts { slots: newer.slots, grants: newer.grants, count: newer.count, ..here };
    let mixed = mixed.compact(trial.evidence().attested);
    says(trial.judge(&mixed), "SlotProofInvalid", Retry);
}

/// The block of the trial's evidence, accepted.
fn known(trial: &Trial) -> KnownBlock {
    trial.judge(&trial.evidence()).unwrap()
}

#[test]
fn a_known_block_needs_no_signatures_again_but_keeps_its_age_and_its_proofs() {
    let mut trial = public_trial();
    trial.known = Some(known(&trial));
    let mut bare = trial.evidence();
    bare.attested = None;
    assert_eq!(trial.judge(&bare).unwrap(), known(&trial), "the attestations that were checked stay");
    let refused = |change: &dyn Fn(&mut Evidence), code| {
        let mut evidence = bare.clone();
        change(&mut evidence);
        says(trial.judge(&evidence), code, Retry);
    };
    refused(&|e| shorten(&mut e.accounts), "AccountProofInvalid");
    refused(&|e| shorten(&mut e.storage), "SlotProofInvalid");
    for missing in [0, 1] {
        refused(&|e| e.slots.retain(|slot| *slot != bare.slots[missing]), "SlotProofInvalid");
        let mut fewer = trial.with(|parts| drop(parts.slots.remove(missing)));
        fewer.attested = None;
        says(trial.judge(&fewer), "SlotProofInvalid", Retry);
    }
    refused(&|e| e.slots.push(e.slots[1]), "SlotProofInvalid");
    // Well-formed proofs of another state
    for part in 0..3 {
        let mut other = Trial::new(trial.request.clone(), |chain| {
            grant_public(chain);
            grant_public(chain);
            chain.set(B256::repeat_byte(5), U256::from(1));
        });
        other.now = trial.now;
        let other = other.evidence();
        let refused = |change: &dyn Fn(&mut Evidence), code| {
            let mut evidence = bare.clone();
            change(&mut evidence);
            says(trial.judge(&evidence), code, Retry);
        };
        match part {
            0 => refused(&|e| e.accounts.clone_from(&other.accounts), "AccountProofInvalid"),
            _ => refused(&|e| e.storage.clone_from(&other.storage), "SlotProofInvalid"),
        }
    }
    trial.now = NOW + 602;
    says(trial.judge(&bare), "AnchorTooOld", Retry);
    trial.now = NOW;
    trial.state.history.recent = vec![(5, B256::ZERO)];
    says(trial.judge(&bare), "AnchorConflict", Retry);
}

#[test]
fn a_known_block_is_not_surer_than_it_was_shown_to_be() {
    let mut trial = public_trial();
    trial.host.min_finality = MinFinality::Safe;
    let header = trial.chain.header(5);
    let signed = |trial: &Trial, finality| {
        let mut evidence = trial.evidence();
        evidence.attested = Some(attested(&trial.host, &header, finality));
        evidence
    };
    let safe = trial.judge(&signed(&trial, MinFinality::Safe)).unwrap();
    assert_eq!(safe.finality, Finality::Safe);
    trial.known = Some(safe);
    trial.asked = Some(MinFinality::Finalized);
    let mut bare = trial.evidence();
    bare.attested = None;
    says(trial.judge(&bare), "HeaderUnattested", Retry);
    says(trial.judge(&signed(&trial, MinFinality::Safe)), "NotFinal", Wait);
    let surer = trial.judge(&signed(&trial, MinFinality::Finalized)).unwrap();
    assert_eq!(surer.finality, Finality::Finalized);
    // And it stays that sure when somebody asks for less
    trial.known = Some(surer.clone());
    trial.asked = None;
    assert_eq!(trial.judge(&bare).unwrap(), surer);
}

#[test]
fn a_known_block_is_not_another_one() {
    let mut trial = public_trial();
    trial.known = Some(known(&trial));
    trial.chain.mine(1);
    trial.at = 6;
    refused(&trial, |e| e.attested = None, "HeaderUnattested");
    assert_eq!(trial.judge(&trial.evidence()).unwrap().block.anchor().number(), 6);
}

/// A chain that is trusted by the node's own endpoint and `needed` of two others.
fn rpc(needed: u16, own: Option<(B256, Finality)>, others: &[(B256, Finality)]) -> Trial {
    let mut trial = public_trial();
    trial.host.trust = HeaderTrustKind::Rpc;
    trial.host.attesters = AttesterSet { version: 1, quorum: needed, members: Vec::new() };
    let claim = |(hash, finality): (B256, Finality)| BlockClaim { hash, finality };
    trial.own = own.map(|own| OwnView {
        endpoints: 2,
        answers: EndpointAnswers { own: claim(own), others: others.iter().copied().map(claim).enumerate().collect() },
    });
    trial
}

#[test]
fn a_poisoned_endpoint_alone_gets_nothing_and_a_split_halts() {
    let here = public_trial().chain.block_hash(5);
    let (good, lie) = ((here, Finality::Finalized), (B256::repeat_byte(9), Finality::Finalized));
    let judge = |needed, own, others: &[(B256, Finality)]| {
        let trial = rpc(needed, own, others);
        trial.judge(&trial.evidence()).map(drop)
    };
    assert_eq!(judge(1, Some(good), &[good]), Ok(()));
    assert_eq!(judge(0, Some(good), &[]), Ok(()), "one endpoint believed alone, as the file says");
    says(judge(1, Some(good), &[]), "HeaderUnattested", Retry);
    says(judge(0, Some(lie), &[]), "HeaderUnattested", Retry);
    says(judge(1, Some(good), &[lie]), "AnchorConflict", Retry);
    says(judge(1, Some(lie), &[good]), "AnchorConflict", Retry);
    says(judge(2, Some(good), &[good, lie]), "HeaderUnattested", Retry);
    says(judge(2, Some(lie), &[good, good]), "AnchorConflict", Retry);
    // Signatures count for nothing there, and nobody's answers are no answers
    says(judge(1, None, &[]), "HeaderUnattested", Retry);
    says(judge(1, Some((here, Finality::Safe)), &[good]), "NotFinal", Wait);
}

#[test]
fn attestations_count_for_nothing_where_validators_seal() {
    let mut trial = public_trial();
    let evidence = trial.evidence();
    for trust in [HeaderTrustKind::Qbft, HeaderTrustKind::Ibft2] {
        trial.host.trust = trust;
        says(trial.judge(&evidence), "HeaderMalformed", Retry);
    }
}
