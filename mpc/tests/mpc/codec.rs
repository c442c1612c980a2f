//! Every message has one byte form, and nothing else is read.

use crate::common::{SIZES, committee, party};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::BroadcastMsg;
use tkms_mpc::codec::{Malformed, RunKind, Terms, Wire};
use tkms_mpc::preprocessing::BatchMsg;
use tkms_mpc::prss_setup::SetupMsg;
use tkms_mpc::ring::{Gr16, Gr64, Gr128, Ring};
use tkms_mpc::run::longest_frame;
use tkms_mpc::sim::lies::Lie;
use tkms_mpc::vss::VssMsg;
use tkms_types::{Id, KeyId, SessionId};

fn terms(n: usize) -> Terms {
    let session = SessionId(KeyId::numbered(1).bytes());
    Terms { session, committee: committee(n), kind: RunKind::Dealing, value: 40, list: 128 }
}

fn broadcasts(n: usize, rng: &mut ChaCha20Rng) -> Vec<BroadcastMsg> {
    let hashes = |rng: &mut ChaCha20Rng| (0..n).map(|_| rng.random::<bool>().then(|| rng.random())).collect();
    let bools = |rng: &mut ChaCha20Rng| (0..n).map(|_| rng.random()).collect::<Vec<bool>>();
    let marks = (0..n).map(|_| [None, Some(false), Some(true)][rng.random_range(0..3)]).collect();
    let supply = (0..n).map(|i| rng.random::<bool>().then(|| vec![7; i])).collect();
    vec![
        BroadcastMsg::Send(vec![]),
        BroadcastMsg::Send((0..40).collect()),
        BroadcastMsg::Echo(hashes(rng)),
        BroadcastMsg::Vote(hashes(rng)),
        BroadcastMsg::Bits { bits: bools(rng), wanted: bools(rng) },
        BroadcastMsg::Marks { marks, supply },
        BroadcastMsg::King(None),
        BroadcastMsg::King(Some(bools(rng))),
    ]
}

fn lists<R: Ring>(rng: &mut ChaCha20Rng) -> [Vec<R>; 3] {
    let full = 128 / R::BYTES;
    [vec![], vec![R::random(rng)], (0..full).map(|_| R::random(rng)).collect()]
}

/// Comes back, is no longer than announced, and no shorter or longer string is the same message.
fn survives<M: Wire + PartialEq + std::fmt::Debug>(msg: &M, terms: &Terms) {
    let bytes = msg.to_bytes();
    assert!(bytes.len() <= terms.longest(), "{msg:?} has {} bytes", bytes.len());
    assert_eq!(M::parse(&bytes, terms).as_ref(), Ok(msg));
    for len in 0..bytes.len() {
        if let Ok(other) = M::parse(&bytes[..len], terms) {
            assert_ne!(other, *msg);
            assert_eq!(other.to_bytes(), bytes[..len]);
        }
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(M::parse(&longer, terms).is_ok_and(|other| other != *msg) || M::parse(&longer, terms).is_err());
}

#[test]
fn every_message_comes_back() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for n in [1, 4, 7, 10, 13] {
        let terms = terms(n);
        for msg in broadcasts(n, &mut rng) {
            survives(&msg, &terms);
            survives(&VssMsg::<Gr64>::Broadcast(msg.clone()), &terms);
            survives(&SetupMsg::Vss(VssMsg::Broadcast(msg.clone())), &terms);
            survives(&BatchMsg::<Gr16>::Broadcast(msg), &terms);
        }
        for list in lists::<Gr128>(&mut rng) {
            survives(&VssMsg::Deal(list.clone()), &terms);
            survives(&VssMsg::Cross(list), &terms);
        }
        for list in lists::<Gr64>(&mut rng) {
            survives(&SetupMsg::Open(list), &terms);
        }
        for list in lists::<Gr16>(&mut rng) {
            survives(&BatchMsg::Shares(list.clone()), &terms);
            survives(&BatchMsg::Supply(Some(list)), &terms);
        }
        survives(&BatchMsg::<Gr16>::Supply(None), &terms);
        for (accept, want) in [(false, false), (false, true), (true, false), (true, true)] {
            survives(&BatchMsg::<Gr64>::Vote { accept, want }, &terms);
        }
    }
}

#[test]
fn other_lengths_tags_and_masks_are_refused_by_name() {
    let terms = terms(4);
    let parse = |bytes: &[u8]| BroadcastMsg::parse(bytes, &terms).unwrap_err();
    assert_eq!(parse(&[]), Malformed::Cut);
    assert_eq!(parse(&[7]), Malformed::Tag(7));
    assert_eq!(parse(&[255, 0, 0]), Malformed::Tag(255));
    assert_eq!(parse(&[0; 42]), Malformed::TooLong { limit: 40, found: 41 });
    assert_eq!(parse(&[1, 0b10000, 0]), Malformed::Mask, "a fifth party of four");
    assert_eq!(parse(&[1, 1, 0]), Malformed::Cut, "the hash is missing");
    assert_eq!(parse(&[1, 0, 0, 9]), Malformed::Trailing(1));
    assert_eq!(parse(&[3, 0, 0, 0]), Malformed::Cut);
    assert_eq!(parse(&[4, 0b10, 0, 0b01, 0, 0, 0]), Malformed::Mask, "a mark that is not there");
    assert_eq!(parse(&[4, 0, 0, 0, 0, 1, 0, 5, 0, 0, 0, 1]), Malformed::Cut, "a supply cut short");
    assert_eq!(parse(&[4, 0, 0, 0, 0, 1, 0, 255, 255, 255, 255]), Malformed::Cut, "a supply of four gigabytes");
    assert_eq!(parse(&[5, 0, 1]), Malformed::Mask);
    assert_eq!(parse(&[6, 0]), Malformed::Trailing(1));

    let batch = |bytes: &[u8]| BatchMsg::<Gr64>::parse(bytes, &terms).unwrap_err();
    assert_eq!(batch(&[10; 32]), Malformed::Elements { size: 32, found: 31 });
    assert_eq!(batch(&[10; 161]), Malformed::TooLong { limit: 128, found: 160 });
    assert_eq!(batch(&[11]), Malformed::Cut);
    assert_eq!(batch(&[11, 4]), Malformed::Mask);
    assert_eq!(batch(&[11, 0, 0]), Malformed::Trailing(1));
    assert_eq!(batch(&[12, 0]), Malformed::Trailing(1));
    assert_eq!(batch(&[7]), Malformed::Tag(7), "a dealing is no message of a batch");
    assert_eq!(SetupMsg::parse(&[10], &terms).unwrap_err(), Malformed::Tag(10));
    assert_eq!(VssMsg::<Gr64>::parse(&[9], &terms).unwrap_err(), Malformed::Tag(9));
}

#[test]
fn a_message_that_is_out_of_shape_cannot_be_read() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for n in SIZES {
        for mut msg in broadcasts(n, &mut rng) {
            msg.misshape();
            assert!(BroadcastMsg::parse(&msg.to_bytes(), &terms(n)).is_err(), "{msg:?}");
        }
    }
}

#[test]
fn only_what_all_are_told_alike_is_a_statement() {
    let supply = |value| BroadcastMsg::Marks { marks: vec![None; 4], supply: vec![value; 4] };
    assert_eq!(supply(None).statement(), supply(Some(vec![1])).statement(), "a supply is for one");
    assert_eq!(VssMsg::Deal(vec![Gr64::ONE]).statement(), None);
    assert_eq!(VssMsg::Cross(vec![Gr64::ONE]).statement(), None);
    assert_eq!(SetupMsg::Open(vec![]).statement(), None);
    assert_eq!(BatchMsg::Shares(vec![Gr64::ONE]).statement(), None);
    assert_eq!(BatchMsg::<Gr64>::Supply(None).statement(), None);
    let vote = BatchMsg::<Gr64>::Vote { accept: true, want: false };
    assert_eq!(vote.statement(), Some(vote.to_bytes()));
}

#[test]
fn the_longest_frame_of_a_batch_of_a_million_bits_is_what_its_shares_take() {
    let terms = Terms { list: 2 << 20, ..terms(13) };
    assert!(longest_frame(&terms) < (2 << 20) + 2048);
    assert!(longest_frame(&terms) > 2 << 20);
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(n in 0..4usize, bytes in proptest::collection::vec(any::<u8>(), 0..200), tag in 0..14u8) {
        let terms = terms(SIZES[n]);
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        if let Ok(msg) = BroadcastMsg::parse(&bytes, &terms) {
            prop_assert_eq!(msg.to_bytes(), bytes.clone());
        }
        if let Ok(msg) = VssMsg::<Gr128>::parse(&bytes, &terms) {
            prop_assert_eq!(msg.to_bytes(), bytes.clone());
        }
        if let Ok(msg) = SetupMsg::parse(&bytes, &terms) {
            prop_assert_eq!(msg.to_bytes(), bytes.clone());
        }
        if let Ok(msg) = BatchMsg::<Gr16>::parse(&bytes, &terms) {
            prop_assert_eq!(msg.to_bytes(), bytes);
        }
    }
}

#[test]
fn parties_are_the_bits_of_a_mask_in_their_order() {
    let mut bits = vec![false; 13];
    bits[party(10).index()] = true;
    assert_eq!(BroadcastMsg::King(Some(bits)).to_bytes(), [5, 0, 2]);
}

/// All strings of at most two bytes, and all that begin with a tag and end with three bytes of few values.
fn short_strings() -> impl Iterator<Item = Vec<u8>> {
    let two = (0..=u16::MAX).map(|word| word.to_le_bytes().to_vec());
    let one = (0..=255u8).map(|byte| vec![byte]);
    let few = [0, 1, 2, 3, 4, 15, 16, 128, 255];
    let four = (0..16u8)
        .flat_map(move |tag| (0..few.len().pow(3)).map(move |i| vec![tag, few[i % 9], few[i / 9 % 9], few[i / 81]]));
    std::iter::once(Vec::new()).chain(one).chain(two).chain(four)
}

/// How many of the short strings are messages; each is the one form of what is read.
fn readable<M: Wire>(terms: &Terms) -> usize {
    let read = |bytes: &Vec<u8>| match M::parse(bytes, terms) {
        Ok(msg) => {
            assert_eq!(msg.to_bytes(), *bytes);
            assert!(msg.statement().is_none_or(|said| said.len() <= bytes.len()));
            true
        }
        Err(_) => false,
    };
    short_strings().filter(read).count()
}

#[test]
fn of_all_short_strings_those_are_read_that_the_page_allows_and_no_others() {
    let terms = Terms { value: 3, list: 32, ..terms(4) };
    // values of 0, 1 and 3 bytes, and the silence of who is not king; masks make every other message one of three bytes or more
    // than four
    let (values, silence) = (1 + 256 + 9 * 9 * 9, 1);
    assert_eq!(readable::<BroadcastMsg>(&terms), values + silence);
    // empty lists of two kinds, and none of one to three bytes; GR(2¹⁶, 4) has eight to an element
    assert_eq!(readable::<VssMsg<Gr16>>(&terms), values + silence + 2);
    assert_eq!(readable::<SetupMsg>(&terms), values + silence + 3);
    // an empty list of shares, a supply of none and an empty one; four votes
    assert_eq!(readable::<BatchMsg<Gr16>>(&terms), values + silence + 3 + 4);
}
