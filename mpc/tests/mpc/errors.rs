//! Every error the crate can return, provoked by what causes it, and what it then says: an operator reads the sentence, and
//! the sentence has to name what was wrong and whose it is. A variant that is not in these lists does not compile.

use crate::common::{committee, party};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::bounds::{BoundError, FloodBounds};
use tkms_mpc::broadcast::BroadcastMsg;
use tkms_mpc::codec::{Malformed, RunKind, Terms, Wire};
use tkms_mpc::decrypt::{MAX_BLOCKS, masked_shares};
use tkms_mpc::fault::{Abort, Evidence, Failure, Fault, Misuse, StepId};
use tkms_mpc::phase::{KeyShare, MAX_DIMENSION, Samples};
use tkms_mpc::preprocessing::{Batch, BatchId, BatchMsg, BitShares, Bits, Piece, Standing, TripleItem, products};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{Gr16, Gr64, Gr128};
use tkms_mpc::shamir::{DecodeError, Received, decode, decode_complete};
use tkms_mpc::user::{CombineError, combine_user_shares};
use tkms_mpc::vss::{MAX_SECRETS, Vss};
use tkms_types::{ContextId, EpochId, Id, KeyId, SessionId};
use zeroize::Zeroizing;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn session() -> SessionId {
    SessionId(KeyId::numbered(1).bytes())
}

fn id() -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 }
}

fn key_shares(n: usize) -> Vec<KeyShare> {
    KeyShare::deal(&[1, 0, 1], committee(n), &mut rng()).unwrap()
}

fn mask_keys(n: usize) -> Vec<PrssKeys> {
    PrssKeys::deal(committee(n), &mut rng()).unwrap()
}

/// Place of a variant in the list below.
const fn place_of_misuse(misuse: &Misuse) -> usize {
    match misuse {
        Misuse::Bound(_) => 0,
        Misuse::NotAMember { .. } => 1,
        Misuse::OwnersDiffer { .. } => 2,
        Misuse::SampleShape { .. } => 3,
        Misuse::Dimension { .. } => 4,
        Misuse::Key { .. } => 5,
        Misuse::Stored { .. } => 6,
        Misuse::Items { .. } => 7,
        Misuse::Range { .. } => 8,
        Misuse::Secrets { .. } => 9,
        Misuse::Blocks { .. } => 10,
    }
}

fn misuse_of_combining(blocks: usize, from: usize) -> Misuse {
    let answers = [(party(from), vec![Gr128::ONE])];
    match combine_user_shares(committee(4), blocks, &answers) {
        Err(CombineError::Misuse(misuse)) => misuse,
        other => panic!("{other:?}"),
    }
}

/// Each misuse with the call that is one.
fn every_misuse() -> Vec<(Misuse, &'static str)> {
    let bound = FloodBounds { noise_log: 70, stat: 60, delta_log: 123 }.check(4).unwrap_err();
    let samples = Samples::new(3, &[0; 4]).unwrap();
    let (four, seven) = (key_shares(4), mask_keys(7));
    let owners = masked_shares(&four[0], &samples, &seven[0], &session()).unwrap_err();
    let piece = |bits: usize| Piece::masks(id(), &BitShares(Zeroizing::new(vec![Gr16::ONE; 20])), bits);
    let batch =
        |count| Batch::<Gr16, _>::new(&id(), &mask_keys(4)[0], Bits { count }, &Standing::default()).err().unwrap();
    let vss = |count: usize| {
        let id = tkms_mpc::broadcast::BroadcastId { session: session(), number: 0 };
        Vss::new(id, (committee(4), party(1)), &vec![Gr64::ONE; count], &mut rng()).err().unwrap()
    };
    vec![
        (bound.into(), "noise 2^70 and 4 subsets with masks of 2 x 2^130 reach half of delta 2^123"),
        (misuse_of_combining(4, 5), "party 5 is not in the committee of 4"),
        (owners, "key share of party 1 of 4, mask keys of party 1 of 7"),
        (Samples::new(3, &[0; 5]).unwrap_err(), "5 words are not 1 to 4096 samples of 3 mask words and a body"),
        (
            four[0].phase_shares(&Samples::new(1, &[0; 2]).unwrap()).unwrap_err(),
            "samples of dimension 1, key of dimension 3",
        ),
        (
            KeyShare::deal(&[0, 2], committee(4), &mut rng()).err().unwrap(),
            "a key to deal has 1 to 16384 coefficients, each 0 or 1; 2 given",
        ),
        (KeyShare::from_secret_bytes(&[9; 7]).err().unwrap(), "stored key share is malformed: unknown version"),
        (batch(6), "6 items; a batch has 4, 8 … 1048576"),
        (piece(10).unwrap().take(1, 3).unwrap_err(), "items 1 to 3 of a batch are not in this piece"),
        (vss(0), "0 secrets; a dealing has 1 to 1024"),
        (misuse_of_combining(0, 1), "0 blocks; a session has 1 to 4096"),
    ]
}

#[test]
fn every_misuse_is_provoked_and_says_what_was_given_and_what_is_allowed() {
    for (place, (misuse, says)) in every_misuse().into_iter().enumerate() {
        assert_eq!(place_of_misuse(&misuse), place, "{misuse:?}");
        assert_eq!(misuse.to_string(), says);
        assert!(Failure::from(misuse).culprits().is_empty(), "no peer is to blame");
    }
    assert_eq!(every_misuse().len(), 11);
}

#[test]
fn the_limits_themselves_are_allowed_and_one_more_is_not() {
    let dimension = |len: usize| KeyShare::deal(&vec![1; len], committee(1), &mut rng()).map(drop);
    assert!(dimension(MAX_DIMENSION).is_ok());
    assert_eq!(dimension(MAX_DIMENSION + 1), Err(Misuse::Key { len: MAX_DIMENSION + 1, max: MAX_DIMENSION }));
    assert_eq!(dimension(0), Err(Misuse::Key { len: 0, max: MAX_DIMENSION }));
    assert!(Samples::new(0, &vec![0; MAX_BLOCKS]).is_ok());
    let words = MAX_BLOCKS + 1;
    let refused = Samples::new(0, &vec![0; words]).unwrap_err();
    assert_eq!(refused, Misuse::SampleShape { words, dimension: 0, max: MAX_BLOCKS });
    let id = tkms_mpc::broadcast::BroadcastId { session: session(), number: 0 };
    let deal = |count: usize| Vss::new(id, (committee(4), party(1)), &vec![Gr16::ONE; count], &mut rng()).map(drop);
    assert!(deal(MAX_SECRETS).is_ok());
    assert_eq!(deal(MAX_SECRETS + 1), Err(Misuse::Secrets { secrets: MAX_SECRETS + 1, max: MAX_SECRETS }));
}

#[test]
fn every_way_to_misread_a_key_share_is_told_apart() {
    let good = key_shares(4)[1].to_secret_bytes();
    let why = |bytes: &[u8]| match KeyShare::from_secret_bytes(bytes) {
        Err(Misuse::Stored { what: "key share", why }) => why,
        other => panic!("{:?}", other.map(drop)),
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(why(&good[..6]), "header is cut short");
    assert_eq!(why(&with(0, 2)), "unknown version");
    assert_eq!(why(&with(1, 5)), "no such committee");
    assert_eq!(why(&with(2, 5)), "not a member");
    assert_eq!(why(&with(3, 4)), "wrong number of elements");
    assert_eq!(why(&with(6, 0xff)), "wrong number of elements");
    assert_eq!(why(&good[..good.len() - 1]), "wrong number of elements");
}

#[test]
fn every_way_to_misread_a_piece_of_stock_is_told_apart() {
    let shares = BitShares(Zeroizing::new(vec![Gr16::ONE; 30]));
    let good = Piece::masks(id(), &shares, 10).unwrap().to_secret_bytes();
    let why = |bytes: &[u8]| match Piece::<tkms_mpc::preprocessing::MaskItem>::from_secret_bytes(bytes) {
        Err(Misuse::Stored { what: "batch", why }) => why,
        other => panic!("{other:?}"),
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(why(&good[..80]), "header is cut short");
    assert_eq!(why(&with(0, 9)), "unknown version");
    assert_eq!(why(&with(1, 9)), "another kind of item");
    assert_eq!(why(&with(3, 9)), "no such context");
    assert_eq!(why(&with(35, 9)), "no such epoch");
    assert_eq!(why(&with(79, 9)), "wrong length");
    assert_eq!(why(&with(83, 0b1000)), "mask of taken items has bits too many");
}

const fn place_of_decode_error(error: DecodeError) -> usize {
    match error {
        DecodeError::TooFew { .. } => 0,
        DecodeError::Shape(_) => 1,
        DecodeError::Missing(_) => 2,
        DecodeError::TooManyErrors { .. } => 3,
    }
}

#[test]
fn every_decoding_error_names_the_place_or_the_party() {
    let shares = [[Gr64::ONE], [Gr64::ZERO], [Gr64::ONE]];
    let three: Vec<_> = shares.iter().enumerate().map(|(i, shares)| Received { party: party(i + 1), shares }).collect();
    let errors = [
        (decode(&three, 1, 1).unwrap_err(), "3 shares; degree and errors need 4"),
        (decode(&[three[0], three[0]], 0, 0).unwrap_err(), "shares of party 1 are listed twice or differ in number"),
        (decode_complete(&three, &[party(4)], 1).unwrap_err(), "the share of party 4 is missing"),
        (decode(&three, 1, 0).unwrap_err(), "value 0 has more errors than can be corrected"),
    ];
    for (place, (error, says)) in errors.into_iter().enumerate() {
        assert_eq!((place_of_decode_error(error), error.to_string().as_str()), (place, says));
    }
}

const fn place_of_malformed(malformed: Malformed) -> usize {
    match malformed {
        Malformed::Cut => 0,
        Malformed::Trailing(_) => 1,
        Malformed::Tag(_) => 2,
        Malformed::Mask => 3,
        Malformed::TooLong { .. } => 4,
        Malformed::Elements { .. } => 5,
    }
}

#[test]
fn every_way_to_misread_a_message_says_what_is_wrong_with_its_bytes() {
    let kind = RunKind::Batch { careful: false };
    let terms = Terms { session: session(), committee: committee(4), kind, value: 40, list: 64 };
    let parse = |bytes: &[u8]| BatchMsg::<Gr64>::parse(bytes, &terms).unwrap_err();
    let errors = [
        (parse(&[]), "cut short"),
        (parse(&[12, 0, 0]), "2 bytes too many"),
        (parse(&[99]), "no message has the tag 99"),
        (parse(&[11, 8]), "a mask is out of range"),
        (parse(&[0; 50]), "49 bytes where at most 40 are allowed"),
        (parse(&[10; 34]), "33 bytes are no list of elements of 32 bytes"),
    ];
    for (place, (error, says)) in errors.into_iter().enumerate() {
        assert_eq!((place_of_malformed(error), error.to_string().as_str()), (place, says));
    }
    assert!(BroadcastMsg::parse(&[6], &terms).is_ok(), "and what is right is read");
}

/// Place of a kind of evidence in the list below, and the module whose test provokes it from a run.
const fn of_evidence(evidence: Evidence) -> (usize, &'static str) {
    match evidence {
        Evidence::WrongLength { .. } => (0, "broadcast"),
        Evidence::OffPolynomial { .. } => (1, "decrypt"),
        Evidence::Conflicting { .. } => (2, "decrypt"),
        Evidence::NotAMember => (3, "rounds"),
        Evidence::TwoMessages { .. } => (4, "broadcast"),
        Evidence::WrongKind { .. } => (5, "broadcast"),
        Evidence::Unreadable { .. } => (6, "evidence"),
        Evidence::Unsigned { .. } => (7, "evidence"),
        Evidence::Split => (8, "broadcast"),
        Evidence::NotFromKeys => (9, "preprocessing"),
        Evidence::BadDealing => (10, "vss"),
        Evidence::PassedOn { .. } => (11, "evidence"),
    }
}

#[test]
fn a_fault_names_culprit_step_and_evidence() {
    let every = [
        (Evidence::WrongLength { expected: 2, found: 3 }, "WrongLength { expected: 2, found: 3 }"),
        (Evidence::OffPolynomial { element: 7 }, "OffPolynomial { element: 7 }"),
        (Evidence::Conflicting { element: 1 }, "Conflicting { element: 1 }"),
        (Evidence::NotAMember, "NotAMember"),
        (Evidence::TwoMessages { round: 2 }, "TwoMessages { round: 2 }"),
        (Evidence::WrongKind { round: 9 }, "WrongKind { round: 9 }"),
        (Evidence::Unreadable { round: None }, "Unreadable { round: None }"),
        (Evidence::Unsigned { round: 4 }, "Unsigned { round: 4 }"),
        (Evidence::Split, "Split"),
        (Evidence::NotFromKeys, "NotFromKeys"),
        (Evidence::BadDealing, "BadDealing"),
        (Evidence::PassedOn { round: 2 }, "PassedOn { round: 2 }"),
    ];
    for (place, (evidence, says)) in every.into_iter().enumerate() {
        assert_eq!(of_evidence(evidence).0, place);
        let fault = Fault { culprit: party(3), step: StepId::Vss, evidence };
        assert_eq!(fault.to_string(), format!("party 3 at step Vss: {says}"));
        assert_eq!(Failure::from(fault).culprits(), [party(3)]);
    }
}

#[test]
fn an_abort_tells_the_silent_from_the_guilty() {
    let abort = Abort {
        step: StepId::PrssSetup,
        needed: 5,
        heard: 3,
        silent: vec![party(2), party(6)],
        faulty: vec![party(4)],
    };
    let says = "step PrssSetup has 3 shares and cannot finish with fewer than 5 good ones; \
                silent: [PartyId(2), PartyId(6)]; at fault: [PartyId(4)]";
    assert_eq!(abort.to_string(), says);
    assert_eq!(Failure::from(abort).culprits(), [party(4)], "silence proves nothing");
}

#[test]
fn bounds_that_do_not_hold_are_refused_with_their_numbers() {
    let check = |noise_log, stat, delta_log, subsets| FloodBounds { noise_log, stat, delta_log }.check(subsets);
    for (bounds, subsets) in
        [((70, 52, 123), 1), ((70, 40, 123), 2048), ((70, 40, 0), 1), ((128, 0, 123), 1), ((70, 58, 127), 1)]
    {
        let (noise_log, stat, delta_log) = bounds;
        let expected = BoundError { bounds: FloodBounds { noise_log, stat, delta_log }, subsets };
        assert_eq!(check(noise_log, stat, delta_log, subsets), Err(expected), "{bounds:?}");
    }
    assert_eq!(check(70, 40, 123, 2047), Ok((1 << 70) + 2 * 2047 * (1 << 110)));
    assert!(check(70, 40, 123, u128::MAX).is_err(), "no overflow");
}

#[test]
fn numbers_that_do_not_fit_each_other_are_refused_in_products() {
    let triples = [TripleItem::default(); 5];
    let words = [Gr64::ONE; 5];
    assert_eq!(products(&words[..3], &triples).unwrap_err(), Misuse::Items { items: 3, max: 4 });
    assert_eq!(products(&words, &triples).unwrap_err(), Misuse::Items { items: 5, max: 4 });
    assert!(products(&words[..4], &triples).is_ok());
    let refused = tkms_mpc::preprocessing::masked_factors(&words[..4], &words, &triples).unwrap_err();
    assert_eq!(refused.to_string(), "5 items; a batch has 4, 8 … 4");
}
