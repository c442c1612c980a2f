//! A quorum of attesters, a quorum of endpoints, and the rules that bind every anchor.

use std::path::Path;

use crate::common::{NUMBER, TIME, address, addresses, header_fields, list, sign};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use merkle_acl::{
    Anchor, HeaderError,
    trust::{
        AnchorHistory, AnchorMark, AnchorRules, Attestation, AttesterQuorum, AttesterSet, BlockClaim, Conflict,
        EndpointAnswers, EndpointQuorum, Finality, HeaderEvidence, HeaderStatement, HeaderTrust, MAX_SIGNERS, SetError,
        Staleness, TrustError, Unattested, Witness, accept, recover,
    },
};
use proptest::prelude::*;

const SET: B256 = B256::repeat_byte(0x5e);
const RULES: AnchorRules =
    AnchorRules { checkpoint_number: 7, min_finality: Finality::Finalized, max_age: 600, max_lag: 20, clock_skew: 15 };
/// What the vectors of the contracts use.
const DOMAIN: &str = "e32d5b707f5ffc27e04916142b49209881aba78bf5cfefca9dfd9c37f52ee344";
const TYPE: &str = "HeaderAttestation(bytes32 attesterSetId,uint64 number,bytes32 blockHash,bytes32 stateRoot,uint64 timestamp,uint8 finality,uint32 depth)";

/// EIP-712, written out.
fn digest(statement: &HeaderStatement) -> B256 {
    let word = |number: u64| B256::from(U256::from(number));
    let (class, depth) = statement.finality.signed();
    let fields = [
        keccak256(TYPE),
        statement.set,
        word(statement.number),
        statement.hash,
        statement.state_root,
        word(statement.timestamp),
        word(class.into()),
        word(depth.into()),
    ];
    let body = keccak256(fields.concat());
    let domain: B256 = DOMAIN.parse().unwrap();
    keccak256([&[0x19, 0x01], domain.as_slice(), body.as_slice()].concat())
}

fn header(number: u64, time: u64, root: u8) -> Bytes {
    list(&header_fields(B256::repeat_byte(root), number, time)).into()
}

fn attestation_by(i: u8, header: &[u8], set: B256, finality: Finality) -> Attestation {
    let anchor = Anchor::from_header_rlp(header).unwrap();
    let statement = HeaderStatement {
        set,
        number: anchor.number(),
        hash: anchor.hash(),
        state_root: anchor.state_root(),
        timestamp: anchor.timestamp(),
        finality,
    };
    Attestation { signer: address(i), finality, signature: sign(i, digest(&statement), 27).into() }
}

/// The header, attested by these members of the set of four as this class.
fn attested(header: Bytes, members: &[u8], finality: Finality) -> HeaderEvidence {
    let attestations = members.iter().map(|i| attestation_by(*i, &header, SET, finality)).collect();
    HeaderEvidence { header, witness: Witness::Attestations { set: SET, attestations } }
}

fn honest() -> HeaderEvidence {
    attested(header(NUMBER, TIME, 1), &[1, 2, 4], Finality::Finalized)
}

fn change(evidence: &mut HeaderEvidence, change: impl FnOnce(&mut Vec<Attestation>)) {
    let Witness::Attestations { attestations, .. } = &mut evidence.witness else { panic!("attestations") };
    change(attestations);
}

fn set(id: B256) -> AttesterSet {
    AttesterSet::new(id, addresses(4), 3).unwrap()
}

fn quorum() -> AttesterQuorum<fn(&HeaderStatement) -> B256> {
    AttesterQuorum::new(vec![set(SET)], digest)
}

fn verdict(evidence: &HeaderEvidence) -> Result<Finality, TrustError> {
    accept(evidence, &quorum(), &RULES, &AnchorHistory::default(), Finality::Finalized, TIME + 5)
        .map(|trusted| trusted.finality())
}

fn unattested(found: usize) -> Result<Finality, TrustError> {
    Err(Unattested::Quorum { found, needed: 3 }.into())
}

#[test]
fn the_test_digest_is_the_one_of_the_contracts() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/eip712.json");
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let rows: Vec<_> =
        json["vectors"].as_array().unwrap().iter().filter(|row| row["struct"] == "HeaderAttestation").collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let text = |name: &str| row["message"][name].as_str().unwrap();
        let statement = HeaderStatement {
            set: text("attesterSetId").parse().unwrap(),
            number: text("number").parse().unwrap(),
            hash: text("blockHash").parse().unwrap(),
            state_root: text("stateRoot").parse().unwrap(),
            timestamp: text("timestamp").parse().unwrap(),
            finality: Finality::from_signed(text("finality").parse().unwrap(), text("depth").parse().unwrap()).unwrap(),
        };
        assert_eq!(digest(&statement), row["digest"].as_str().unwrap().parse::<B256>().unwrap());
    }
}

#[test]
fn three_of_four_attesters_make_an_anchor() {
    let trusted =
        accept(&honest(), &quorum(), &RULES, &AnchorHistory::default(), Finality::Finalized, TIME + 5).unwrap();
    assert_eq!((trusted.anchor().number(), trusted.finality()), (NUMBER, Finality::Finalized));
    assert_eq!(trusted.anchor().hash(), keccak256(&honest().header));
    for members in [[1, 2, 3], [4, 3, 2], [2, 4, 1]] {
        assert!(verdict(&attested(header(NUMBER, TIME, 1), &members, Finality::Finalized)).is_ok());
    }
}

#[test]
fn two_attesters_and_any_number_of_their_copies_are_no_quorum() {
    let header = header(NUMBER, TIME, 1);
    assert_eq!(verdict(&attested(header.clone(), &[], Finality::Finalized)), unattested(0));
    assert_eq!(verdict(&attested(header.clone(), &[1, 2], Finality::Finalized)), unattested(2));
    assert_eq!(verdict(&attested(header.clone(), &[1, 2, 2, 1], Finality::Finalized)), unattested(2));
    let too_many = Unattested::TooMany { len: 5, max: 4 };
    assert_eq!(verdict(&attested(header, &[1, 2, 3, 4, 1], Finality::Finalized)), Err(too_many.into()));
}

#[test]
fn a_stranger_does_not_count_under_its_own_name_or_another_s() {
    let mut evidence = attested(header(NUMBER, TIME, 1), &[1, 2, 9], Finality::Finalized);
    assert_eq!(verdict(&evidence), unattested(2));
    change(&mut evidence, |all| all[2].signer = address(3));
    assert_eq!(verdict(&evidence), unattested(2));
    // One member in the name of another.
    change(&mut evidence, |all| {
        all[2] = all[0].clone();
        all[2].signer = address(3);
    });
    assert_eq!(verdict(&evidence), unattested(2));
}

#[test]
fn a_signature_over_anything_else_does_not_count() {
    let (good, other) = (honest(), attested(header(NUMBER, TIME, 2), &[4], Finality::Finalized));
    let Witness::Attestations { attestations: foreign, .. } = other.witness else { panic!() };
    let mut wrong_block = good.clone();
    change(&mut wrong_block, |all| all[2] = foreign[0].clone());
    assert_eq!(verdict(&wrong_block), unattested(2));
    let mut wrong_set = good.clone();
    let for_other_set = attestation_by(4, &good.header, B256::ZERO, Finality::Finalized);
    change(&mut wrong_set, |all| all[2] = for_other_set);
    assert_eq!(verdict(&wrong_set), unattested(2));
    // A class that was not signed.
    let mut wrong_class = attested(good.header, &[1, 2, 4], Finality::Safe);
    change(&mut wrong_class, |all| all[2].finality = Finality::Finalized);
    assert_eq!(verdict(&wrong_class), unattested(2));
}

#[test]
fn a_signature_in_another_form_does_not_count() {
    let order: U256 = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().unwrap();
    let forms: [fn(&mut Vec<u8>, U256); 5] = [
        |bytes, _| bytes.truncate(64),
        |bytes, _| bytes.push(0),
        |bytes, _| bytes[64] -= 27,
        |bytes, order| {
            let s = order - U256::from_be_slice(&bytes[32..64]);
            bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
            bytes[64] = 55 - bytes[64];
        },
        |bytes, _| bytes[..64].fill(0),
    ];
    for form in forms {
        let mut evidence = honest();
        change(&mut evidence, |all| {
            let mut bytes = all[2].signature.to_vec();
            form(&mut bytes, order);
            assert_eq!(recover(B256::ZERO, &bytes), None);
            all[2].signature = bytes.into();
        });
        assert_eq!(verdict(&evidence), unattested(2));
    }
}

#[test]
fn a_class_serves_what_it_is_at_least_as_good_as() {
    use Finality::{Depth, Finalized, Safe};
    let table = [
        (Finalized, Finalized, true),
        (Finalized, Safe, true),
        (Finalized, Depth(u32::MAX), true),
        (Safe, Finalized, false),
        (Safe, Safe, true),
        (Safe, Depth(0), false),
        (Depth(9), Finalized, false),
        (Depth(9), Safe, false),
        (Depth(9), Depth(9), true),
        (Depth(9), Depth(10), false),
    ];
    for (found, need, enough) in table {
        assert_eq!(found.satisfies(need), enough, "{found:?} for {need:?}");
    }
    for class in [Finalized, Safe, Depth(0), Depth(7)] {
        let (code, depth) = class.signed();
        assert_eq!(Finality::from_signed(code, depth), Some(class));
    }
    for (code, depth) in [(0, 0), (4, 0), (1, 1), (2, 1)] {
        assert_eq!(Finality::from_signed(code, depth), None);
    }
}

#[test]
fn a_block_not_final_enough_waits_and_a_request_cannot_lower_the_floor() {
    let evidence = attested(header(NUMBER, TIME, 1), &[1, 2, 3], Finality::Depth(5));
    let judge = |min_finality, asked| {
        let rules = AnchorRules { min_finality, ..RULES };
        accept(&evidence, &quorum(), &rules, &AnchorHistory::default(), asked, TIME).map(|trusted| trusted.finality())
    };
    let waits = |need| Err(TrustError::NotFinal { found: 0, needed: 3, need });
    assert_eq!(judge(Finality::Depth(3), Finality::Depth(5)), Ok(Finality::Depth(5)));
    assert_eq!(judge(Finality::Depth(3), Finality::Depth(0)), Ok(Finality::Depth(3)));
    assert_eq!(judge(Finality::Depth(3), Finality::Finalized), waits(Finality::Finalized));
    assert_eq!(judge(Finality::Finalized, Finality::Depth(0)), waits(Finality::Finalized));
    assert_eq!(judge(Finality::Depth(6), Finality::Depth(0)), waits(Finality::Depth(6)));
    // Neither is the stricter one: both are needed.
    assert_eq!(judge(Finality::Depth(3), Finality::Safe), waits(Finality::Depth(3)));
}

#[test]
fn classes_of_a_quorum_are_counted_one_by_one() {
    let block = header(NUMBER, TIME, 1);
    let mixed = |classes: [Finality; 4]| {
        let all = classes.iter().zip(1..).map(|(class, i)| attestation_by(i, &block, SET, *class)).collect();
        HeaderEvidence { header: block.clone(), witness: Witness::Attestations { set: SET, attestations: all } }
    };
    use Finality::{Finalized, Safe};
    assert_eq!(verdict(&mixed([Safe, Finalized, Finalized, Finalized])), Ok(Finalized));
    let waits = TrustError::NotFinal { found: 2, needed: 3, need: Finalized };
    assert_eq!(verdict(&mixed([Safe, Safe, Finalized, Finalized])), Err(waits));
}

#[test]
fn a_former_set_counts_for_its_own_young_headers_only() {
    let old = B256::repeat_byte(0x01d);
    let trust = |at| {
        AttesterQuorum::new(vec![set(SET), set(old).retired(at, RULES.max_age)], digest as fn(&HeaderStatement) -> B256)
    };
    let block = header(NUMBER, TIME, 1);
    let attestations = [1, 2, 3].map(|i| attestation_by(i, &block, old, Finality::Finalized)).into();
    let evidence = HeaderEvidence { header: block, witness: Witness::Attestations { set: old, attestations } };
    let judge = |at, now| {
        let rules = AnchorRules { max_age: u64::MAX, ..RULES };
        accept(&evidence, &trust(at), &rules, &AnchorHistory::default(), Finality::Finalized, now).map(|_| ())
    };
    assert_eq!(judge(TIME + 1, TIME + 600), Ok(()));
    assert_eq!(judge(TIME, TIME), Err(TrustError::AttesterSetUnknown(old)));
    assert_eq!(judge(TIME + 1, TIME + 601), Err(TrustError::AttesterSetUnknown(old)));
    assert_eq!(verdict(&evidence), Err(TrustError::AttesterSetUnknown(old)));
}

#[test]
fn another_witness_than_the_chain_s_is_refused() {
    let mut evidence = honest();
    evidence.witness = Witness::Seals;
    assert_eq!(verdict(&evidence), Err(Unattested::WrongWitness.into()));
    let endpoints = EndpointQuorum::new(3, 2).unwrap();
    let history = AnchorHistory::default();
    let found = accept(&honest(), &endpoints, &RULES, &history, Finality::Finalized, TIME);
    assert_eq!(found, Err(Unattested::WrongWitness.into()));
}

#[test]
fn sets_whose_quorums_could_split_are_refused() {
    for (members, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (10, 7)] {
        assert!(AttesterSet::new(SET, addresses(members), quorum).is_ok(), "{quorum} of {members}");
    }
    for (members, quorum) in [(1, 0), (1, 2), (2, 1), (4, 2), (4, 4), (5, 3), (7, 4), (7, 6), (10, 10)] {
        let refused = SetError::Quorum { quorum, members: members.into() };
        assert_eq!(AttesterSet::new(SET, addresses(members), quorum), Err(refused));
    }
    assert_eq!(AttesterSet::new(SET, Vec::new(), 0), Err(SetError::Size(0)));
    let crowd = (1..=65u8).map(Address::repeat_byte).collect::<Vec<_>>();
    assert_eq!(AttesterSet::new(SET, crowd, 44), Err(SetError::Size(MAX_SIGNERS + 1)));
    let mut unsorted = addresses(4);
    unsorted.swap(1, 2);
    assert!(matches!(AttesterSet::new(SET, unsorted, 3), Err(SetError::Member(_))));
    let mut twice = addresses(4);
    twice[1] = twice[0];
    assert!(matches!(AttesterSet::new(SET, twice, 3), Err(SetError::Member(_))));
    assert!(matches!(AttesterSet::new(SET, vec![Address::ZERO], 1), Err(SetError::Member(_))));
}

// The rules that bind every anchor, whoever vouches for it.

fn at(number: u64, time: u64, root: u8, history: &AnchorHistory, now: u64) -> Result<(), TrustError> {
    let evidence = attested(header(number, time, root), &[1, 2, 3], Finality::Finalized);
    accept(&evidence, &quorum(), &RULES, history, Finality::Finalized, now).map(|_| ())
}

fn mark(number: u64, time: u64, root: u8) -> AnchorMark {
    AnchorMark { number, hash: keccak256(header(number, time, root)), time, count: 40 }
}

#[test]
fn genesis_and_what_is_not_above_the_checkpoint_are_refused() {
    let history = AnchorHistory::default();
    for number in [1, 7] {
        let refused = TrustError::AnchorBeforeCheckpoint { number, checkpoint: 7 };
        assert_eq!(at(number, TIME, 1, &history, TIME), Err(refused));
    }
    assert_eq!(at(8, TIME, 1, &history, TIME), Ok(()));
    let genesis = HeaderEvidence { header: header(0, TIME, 1), ..honest() };
    assert_eq!(verdict(&genesis), Err(HeaderError::Genesis.into()));
}

#[test]
fn age_and_future_are_measured_by_the_clock() {
    let history = AnchorHistory::default();
    assert_eq!(at(NUMBER, TIME, 1, &history, TIME - 15), Ok(()));
    assert_eq!(
        at(NUMBER, TIME, 1, &history, TIME - 16),
        Err(TrustError::AnchorFromFuture { time: TIME, now: TIME - 16 })
    );
    assert_eq!(at(NUMBER, TIME, 1, &history, TIME + 600), Ok(()));
    let now = TIME + 601;
    let old = Staleness::Age { time: TIME, now, limit: 600 };
    assert_eq!(at(NUMBER, TIME, 1, &history, now), Err(TrustError::AnchorTooOld(old)));
    assert_eq!(at(NUMBER, u64::MAX, 1, &history, u64::MAX), Ok(()));
    assert!(matches!(at(NUMBER, 0, 1, &history, u64::MAX), Err(TrustError::AnchorTooOld(_))));
}

#[test]
fn an_anchor_far_behind_the_newest_is_refused() {
    let history = AnchorHistory { newest: Some(mark(NUMBER + 20, TIME + 9, 1)), ..Default::default() };
    assert_eq!(at(NUMBER, TIME, 1, &history, TIME), Ok(()));
    let lag = Staleness::Lag { number: NUMBER - 1, newest: NUMBER + 20, limit: 20 };
    assert_eq!(at(NUMBER - 1, TIME, 1, &history, TIME), Err(TrustError::AnchorTooOld(lag)));
}

#[test]
fn two_attested_hashes_of_one_height_halt() {
    let known = mark(NUMBER, TIME, 2);
    let histories = [
        AnchorHistory { newest: Some(known), ..Default::default() },
        AnchorHistory { recent: vec![(NUMBER - 1, B256::ZERO), (NUMBER, known.hash)], ..Default::default() },
        AnchorHistory { own: Some(known.hash), ..Default::default() },
    ];
    for history in histories {
        let found = keccak256(header(NUMBER, TIME, 1));
        let refused = TrustError::from(Conflict::TwoHashes { number: NUMBER, known: known.hash, found });
        assert!(refused.halts());
        assert_eq!(at(NUMBER, TIME, 1, &history, TIME), Err(refused));
        assert_eq!(at(NUMBER, TIME, 2, &history, TIME), Ok(()));
    }
}

#[test]
fn time_that_runs_back_and_a_falling_count_halt() {
    let history = AnchorHistory { newest: Some(mark(NUMBER, TIME, 1)), ..Default::default() };
    let back = Conflict::TimeRunsBack { number: NUMBER + 1, time: TIME - 1, newest: NUMBER, newest_time: TIME };
    assert_eq!(at(NUMBER + 1, TIME - 1, 1, &history, TIME), Err(back.into()));
    assert_eq!(at(NUMBER + 1, TIME, 1, &history, TIME), Ok(()));
    assert_eq!(at(NUMBER - 1, TIME + 5, 1, &history, TIME), Ok(()));
    let anchor = |number| Anchor::from_header_rlp(&header(number, TIME, 1)).unwrap();
    let falls = Conflict::CountFalls { number: NUMBER + 1, count: 39, newest: NUMBER, newest_count: 40 };
    assert_eq!(history.check_count(&anchor(NUMBER + 1), 39), Err(falls.into()));
    assert_eq!(history.check_count(&anchor(NUMBER + 1), 40), Ok(()));
    assert_eq!(history.check_count(&anchor(NUMBER - 1), 39), Ok(()));
}

#[test]
fn what_is_unattested_or_stale_does_not_halt() {
    // Anyone can send a header nobody signed: it must not be able to stop the node.
    let history = AnchorHistory { newest: Some(mark(NUMBER, TIME, 2)), ..Default::default() };
    let forged = attested(header(NUMBER, TIME, 1), &[1, 2], Finality::Finalized);
    let refused = accept(&forged, &quorum(), &RULES, &history, Finality::Finalized, TIME).unwrap_err();
    assert!(matches!(refused, TrustError::HeaderUnattested(_)) && !refused.halts());
    let refused = at(NUMBER, TIME, 1, &history, TIME + 601).unwrap_err();
    assert!(matches!(refused, TrustError::AnchorTooOld(_)) && !refused.halts());
}

// The node's own endpoint and others.

fn claim(root: u8, finality: Finality) -> BlockClaim {
    BlockClaim { hash: keccak256(header(NUMBER, TIME, root)), finality }
}

fn asked(own: BlockClaim, others: &[(usize, BlockClaim)]) -> Result<Finality, TrustError> {
    let witness = Witness::Endpoints(EndpointAnswers { own, others: others.to_vec() });
    let evidence = HeaderEvidence { header: header(NUMBER, TIME, 1), witness };
    let trust = EndpointQuorum::new(3, 2).unwrap();
    accept(&evidence, &trust, &RULES, &AnchorHistory::default(), Finality::Finalized, TIME)
        .map(|found| found.finality())
}

#[test]
fn own_endpoint_and_two_of_three_others_make_an_anchor() {
    let (good, bad) = (claim(1, Finality::Finalized), claim(2, Finality::Finalized));
    assert_eq!(asked(good, &[(0, good), (1, good), (2, good)]), Ok(Finality::Finalized));
    assert_eq!(asked(good, &[(2, good), (0, good)]), Ok(Finality::Finalized));
    assert_eq!(asked(good, &[(0, bad), (1, good), (2, good)]), Ok(Finality::Finalized));
}

#[test]
fn too_few_distinct_endpoints_are_no_quorum() {
    let (good, bad) = (claim(1, Finality::Finalized), claim(2, Finality::Finalized));
    let few = |found| Err(Unattested::Quorum { found, needed: 2 }.into());
    assert_eq!(asked(good, &[]), few(0));
    assert_eq!(asked(good, &[(1, good), (1, good), (1, good)]), few(1));
    assert_eq!(asked(good, &[(1, good), (3, good), (usize::MAX, good)]), few(1));
    assert_eq!(asked(good, &[(0, good), (1, bad)]), few(1));
    let many = vec![(0, good); 4];
    assert_eq!(asked(good, &many), Err(Unattested::TooMany { len: 4, max: 3 }.into()));
}

#[test]
fn as_many_liars_as_are_needed_halt_and_release_nothing() {
    let (good, bad) = (claim(1, Finality::Finalized), claim(2, Finality::Finalized));
    for others in [vec![(0, bad), (1, bad), (2, bad)], vec![(0, bad), (1, bad), (2, good)]] {
        let refused = asked(good, &others).unwrap_err();
        assert!(matches!(refused, TrustError::AnchorConflict(Conflict::EndpointsDisagree { .. })) && refused.halts());
    }
    // The one that lies is the node's own.
    assert!(asked(bad, &[(0, good), (1, good)]).unwrap_err().halts());
    // The header is none of theirs: the request is wrong, not the chain.
    let refused = asked(bad, &[(0, bad), (1, bad)]).unwrap_err();
    assert_eq!(refused, Unattested::OwnEndpoint(bad.hash).into());
}

#[test]
fn endpoints_that_lag_behind_make_the_request_wait() {
    let (good, young) = (claim(1, Finality::Finalized), claim(1, Finality::Depth(1)));
    let waits = |found| Err(TrustError::NotFinal { found, needed: 3, need: Finality::Finalized });
    assert_eq!(asked(good, &[(0, good), (1, young), (2, young)]), waits(2));
    assert_eq!(asked(young, &[(0, good), (1, good), (2, good)]), waits(3));
}

#[test]
fn endpoint_sets_are_bounded() {
    assert_eq!(EndpointQuorum::new(33, 1), Err(SetError::Size(33)));
    assert_eq!(EndpointQuorum::new(3, 4), Err(SetError::Quorum { quorum: 4, members: 3 }));
    assert!(EndpointQuorum::new(0, 0).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_signatures_recover_to_nobody_that_counts(bytes in prop::collection::vec(any::<u8>(), 0..70), v in 27u8..29) {
        let mut bytes = bytes;
        bytes.push(v);
        prop_assert!(recover(keccak256("x"), &bytes).is_none_or(|signer| !addresses(4).contains(&signer)));
    }
}

#[test]
fn a_trust_can_be_chosen_at_run_time() {
    let kinds: [Box<dyn HeaderTrust>; 2] = [Box::new(quorum()), Box::new(EndpointQuorum::new(0, 0).unwrap())];
    assert!(kinds[0].anchor(&honest().header).is_ok() && kinds[1].anchor(b"x").is_err());
}
