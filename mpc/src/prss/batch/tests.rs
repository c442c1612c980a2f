use super::*;
use crate::ring::{Gr16, Gr64, Gr128};
use crate::shamir::{Received, decode, decode_complete};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::{Committee, Id, KeyId, PartyId};

const SIZES: [usize; 5] = [1, 4, 7, 10, 13];

fn batches(n: usize, number: u64) -> Vec<BatchKeys> {
    let keys = PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(n as u64)).unwrap();
    keys.iter().map(|keys| keys.batch(&SessionId(KeyId::numbered(number).bytes()))).collect()
}

/// The values behind the shares that `draw` makes for every party; all shares must lie on one polynomial each.
fn opened<R: Ring>(
    batches: &[BatchKeys],
    degree: usize,
    mut draw: impl FnMut(&mut Draws<R>) -> Zeroizing<Vec<R>>,
) -> Vec<R> {
    let shares: Vec<_> = batches.iter().map(|b| (b.owner.party, draw(&mut b.draws()))).collect();
    let received: Vec<_> = shares.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    decode_complete(&received, &batches.iter().map(|b| b.owner.party).collect::<Vec<_>>(), degree).unwrap()
}

fn kinds<R: Ring>() {
    for n in SIZES {
        let batches = batches(n, 1);
        let t = batches[0].owner.committee.threshold().faults();
        let ring = opened::<R>(&batches, t, |draws| draws.ring_shares(70));
        assert!(ring.iter().any(|value| value.words()[3] != R::Word::default()), "uniform in the whole ring");
        let base = opened::<R>(&batches, t, |draws| draws.base_shares(70));
        assert!(base.iter().all(|value| value.words()[1..] == R::ZERO.words()[1..]), "words");
        assert!(opened::<R>(&batches, 2 * t, |draws| draws.zeros(70)).iter().all(|value| *value == R::ZERO));
        let low = opened::<R>(&batches, t, |draws| draws.double_shares(9).0);
        assert_eq!(low, opened::<R>(&batches, 2 * t, |draws| draws.double_shares(9).1), "one value, two degrees");
        assert_eq!(low, ring[..9]);
    }
}

#[test]
fn every_kind_of_sharing_has_its_degree_and_its_values_in_every_ring() {
    kinds::<Gr16>();
    kinds::<Gr64>();
    kinds::<Gr128>();
}

#[test]
fn a_zero_sharing_is_not_of_degree_t_and_fills_the_ring() {
    let batches = batches(4, 1);
    let shares: Vec<_> = batches.iter().map(|b| b.draws::<Gr16>().zeros(40)).collect();
    let received: Vec<_> =
        batches.iter().zip(&shares).map(|(b, s)| Received { party: b.owner.party, shares: s }).collect();
    assert!(decode(&received, 1, 0).is_err());
    assert!(shares.iter().all(|s| s.iter().any(|share| share.words()[3] != 0)));
}

#[test]
fn draws_go_on_and_kinds_do_not_disturb_one_another() {
    let batch = &batches(7, 1)[2];
    let mut draws = batch.draws::<Gr64>();
    let first = draws.base_shares(300);
    let second = draws.base_shares(300);
    assert!(first.iter().zip(second.iter()).all(|(a, b)| a != b), "a counter never runs twice");
    let mut again = batch.draws::<Gr64>();
    let (zeros, ring) = (again.zeros(3), again.ring_shares(3));
    assert_eq!(*again.base_shares(300), *first);
    assert_ne!(*zeros, *ring);
    assert_eq!(*batch.draws::<Gr64>().ring_shares(3), *ring);
}

#[test]
fn other_batches_and_masks_are_other_sharings() {
    let first = opened::<Gr64>(&batches(4, 1), 1, |draws| draws.ring_shares(30));
    let second = opened::<Gr64>(&batches(4, 2), 1, |draws| draws.ring_shares(30));
    assert!(first.iter().all(|value| !second.contains(value)));
    let shown: Vec<_> = batches(4, 1)[0].show();
    assert!(shown.iter().all(|secret| !batches(4, 2)[0].show().contains(secret)));
}

/// The lowest bits of shared elements, of a party's shares and of four shared words each pass a chi-square test over 16
/// cells (0.1 % point 37.7). A share of a word is no uniform element: the party knows the few words it is made of.
#[test]
fn values_and_shares_are_uniform() {
    let batches = batches(4, 3);
    let values = opened::<Gr16>(&batches, 1, |draws| draws.ring_shares(4096));
    let share = batches[2].draws::<Gr16>().ring_shares(4096);
    let zero = batches[1].draws::<Gr16>().zeros(4096);
    let words = opened::<Gr16>(&batches, 1, |draws| draws.base_shares(4 * 4096));
    let words: Vec<_> =
        words.chunks(4).map(|four| Gr16::new([0, 1, 2, 3].map(|i| four[i].coefficients()[0]))).collect();
    for list in [&values, &*share, &*zero, &words] {
        let mut cells = [0f64; 16];
        list.iter().for_each(|element| cells[element.bit_plane(0).bits() as usize] += 1.0);
        let chi: f64 = cells.iter().map(|count| (count - 256.0).powi(2) / 256.0).sum();
        assert!(chi < 37.7, "{chi}");
    }
}

#[test]
fn debug_shows_no_secret() {
    assert_eq!(format!("{:?}", batches(4, 1)[1]), "BatchKeys(party 2 of 4, redacted)");
    assert_eq!(batches(4, 1)[1].owner().party, PartyId::new(2).unwrap());
}
