//! Items of a batch are used once, whatever happens to the store.

use crate::common::{committee, party, t};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::fault::Misuse;
use tkms_mpc::preprocessing::{
    BatchId, BitShares, Counters, Item, MAX_MASK_BITS, Mark, MaskItem, Piece, TripleItem, TripleShares,
};
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::shamir::{reconstruct, share};
use tkms_mpc::sim::ToySeal;
use tkms_types::{ContextId, EpochId, Id};
use zeroize::Zeroizing;

const BITS: usize = 10;

fn id() -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(2), number: 77 }
}

fn some(count: usize) -> BitShares<Gr16> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    BitShares(Zeroizing::new((0..count).map(|_| Gr16::random(&mut rng)).collect()))
}

fn masks(count: usize) -> Piece<MaskItem> {
    Piece::masks(id(), &some(count * BITS), BITS).unwrap()
}

#[test]
fn a_mask_is_the_number_of_its_bits_and_its_top_bit() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let bits: Vec<u16> = vec![1, 0, 1, 1, 0, 0, 1, 0, 0, 1, /**/ 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, /**/ 1];
    let shares: Vec<_> = bits.iter().map(|bit| share(Gr16::constant(*bit), committee(7), &mut rng)).collect();
    let mut pieces: Vec<_> = (0..7)
        .map(|i| BitShares(Zeroizing::new(shares.iter().map(|shares| shares[i]).collect())))
        .map(|shares| Piece::masks(id(), &shares, BITS).unwrap())
        .collect();
    assert_eq!(pieces[0].range(), 0..2, "the rest of one bit is dropped");
    let items: Vec<_> = pieces.iter_mut().map(|piece| piece.take(0, 2).unwrap()).collect();
    for (i, (mask, top)) in [(0b10_0100_1101, 1), (0b01_0000_0110, 0)].into_iter().enumerate() {
        let opened = |pick: fn(&MaskItem) -> Gr16| {
            let shares: Vec<_> = (0..=t(7)).map(|k| (party(k + 1), pick(&items[k][i]))).collect();
            reconstruct(&shares).unwrap()
        };
        assert_eq!((opened(|item| item.mask), opened(|item| item.top)), (Gr16::constant(mask), Gr16::constant(top)));
    }
}

#[test]
fn an_item_is_given_once() {
    let mut piece = masks(20);
    let again = masks(20);
    let expected = piece.take(0, 20).unwrap();
    let mut piece = again;
    assert_eq!(*piece.take(3, 5).unwrap(), expected[3..5]);
    assert_eq!(piece.left(), 18);
    for (from, to) in [(3, 5), (3, 4), (4, 5), (0, 4), (4, 20), (0, 20)] {
        assert_eq!(piece.take(from, to).err(), Some(Misuse::Range { from, to, why: "taken already" }));
    }
    assert_eq!(piece.left(), 18, "a refused range takes nothing");
    assert_eq!(*piece.take(5, 20).unwrap(), expected[5..], "in any order");
    assert_eq!(*piece.take(0, 3).unwrap(), expected[..3]);
    assert_eq!(piece.left(), 0);
}

#[test]
fn ranges_that_are_not_there_are_refused() {
    let mut piece = masks(20).split(8).remove(1);
    assert_eq!(piece.range(), 8..16);
    for (from, to) in [(8, 8), (9, 8), (7, 9), (15, 17), (16, 17), (0, 1), (usize::MAX, usize::MAX), (8, usize::MAX)] {
        assert_eq!(piece.take(from, to).err(), Some(Misuse::Range { from, to, why: "not in this piece" }));
    }
    assert_eq!(piece.left(), 8);
}

#[test]
fn what_was_taken_is_erased_and_stays_taken_in_the_store() {
    let mut piece = masks(21);
    let given = piece.take(8, 17).unwrap();
    let bytes = piece.to_secret_bytes();
    for item in given.iter() {
        let mut secret = Vec::new();
        item.write(&mut secret);
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "erased");
    }
    let mut back = Piece::<MaskItem>::from_secret_bytes(&bytes).unwrap();
    assert_eq!(back, piece);
    assert!(back.take(16, 17).is_err());
    assert!(back.take(17, 18).is_ok());
}

fn comes_back<I: Item + PartialEq>(piece: &Piece<I>) {
    assert!(Piece::from_secret_bytes(&piece.to_secret_bytes()).is_ok_and(|back| back == *piece));
    for part in piece.split(7) {
        assert!(Piece::from_secret_bytes(&part.to_secret_bytes()).is_ok_and(|back| back == part));
    }
}

#[test]
fn pieces_of_every_kind_come_back() {
    comes_back(&masks(9));
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let mut list = || Zeroizing::new((0..12).map(|_| Gr64::random(&mut rng)).collect::<Vec<_>>());
    comes_back(&Piece::bits(id(), BitShares(list())));
    let triples = TripleShares { x: list(), y: list(), z: list() };
    let mut piece = Piece::triples(id(), &triples);
    comes_back(&piece);
    let TripleItem { x, y, z } = piece.take(5, 6).unwrap()[0];
    assert_eq!((x, y, z), (triples.x[5], triples.y[5], triples.z[5]));
}

#[test]
fn an_item_has_the_bytes_that_were_announced() {
    assert_eq!((MaskItem::BYTES, <Gr64 as Item>::BYTES, TripleItem::BYTES), (16, 32, 96));
    assert_eq!(masks(16).to_secret_bytes().len(), 3 + 32 + 32 + 16 + 2 + 16 * 16);
}

#[test]
fn other_bytes_are_refused() {
    let good = masks(9).to_secret_bytes();
    let with = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        bytes
    };
    let cases = [
        (vec![], "header is cut short"),
        (good[..40].to_vec(), "header is cut short"),
        (good[..82].to_vec(), "header is cut short"),
        (with(0, 2), "unknown version"),
        (with(1, 2), "another kind of item"),
        (with(3, 8), "no such context"),
        (with(35, 7), "no such epoch"),
        (good[..good.len() - 1].to_vec(), "wrong length"),
        ([good.as_slice(), &[0]].concat(), "wrong length"),
        (with(79, 8), "wrong length"),
        (with(82, 255), "wrong length"),
        (with(84, 2), "mask of taken items has bits too many"),
    ];
    for (bytes, why) in cases {
        let refused = Piece::<MaskItem>::from_secret_bytes(&bytes).err();
        assert_eq!(refused, Some(Misuse::Stored { what: "batch", why }));
    }
}

#[test]
fn masks_of_no_bits_or_too_many_are_refused_and_debug_shows_none() {
    for bits in [0, MAX_MASK_BITS + 1] {
        assert!(matches!(Piece::masks(id(), &some(40), bits), Err(Misuse::Items { .. })));
    }
    assert!(matches!(Piece::masks(id(), &some(8), 9), Err(Misuse::Items { items: 9, max: 8 })));
    assert_eq!(format!("{:?}", masks(3)), "Piece(batch 77, items 0..3, 3 left, redacted)");
}

#[test]
fn counters_are_behind_if_one_of_them_is() {
    let at = |begun, taken| Counters { begun, taken };
    assert!(at(3, 5).behind(at(4, 5)) && at(3, 5).behind(at(3, 6)) && at(3, 5).behind(at(2, 6)));
    assert!(!at(3, 5).behind(at(3, 5)) && !at(3, 5).behind(at(2, 4)));
    assert_eq!(at(3, 5).highest(at(2, 6)), at(3, 6));
}

#[test]
fn a_mark_is_its_partys_own_or_none() {
    let place = (ContextId::numbered(1), EpochId::numbered(2));
    let (me, liar, seal) = (party(2), party(3), ToySeal(party(1)));
    let far = Counters { begun: 99, taken: 99 };
    let own = |counters| Mark::sign(me, place, counters, &ToySeal(me));
    let of_another = Mark::sign(liar, place, far, &ToySeal(liar));
    assert!(own(far).verify(&seal) && of_another.verify(&seal));
    let forged = Mark { party: me, ..of_another };
    let raised = |counters| Mark { counters, ..own(Counters { begun: 4, taken: 7 }) };
    let of_another_epoch = Mark::sign(me, (place.0, EpochId::numbered(3)), far, &ToySeal(me));
    let moved = Mark { epoch: place.1, ..of_another_epoch };
    let of_another_context = Mark { context: ContextId::numbered(9), ..own(far) };
    let swapped = raised(Counters { begun: 7, taken: 4 });
    let one_more = [Counters { begun: 5, taken: 7 }, Counters { begun: 4, taken: 8 }].map(raised);
    for mark in [forged, moved, of_another_context, swapped].into_iter().chain(one_more) {
        assert!(!mark.verify(&seal), "{mark:?}");
    }
}
