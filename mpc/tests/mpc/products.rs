//! Products of given words with triples and one robust opening.

use crate::common::{SIZES, committee, party, t};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::fault::Misuse;
use tkms_mpc::preprocessing::{TripleItem, masked_factors, products};
use tkms_mpc::ring::Gr64;
use tkms_mpc::shamir::{Received, decode, share};

const COUNT: usize = 9;

/// Shares of words, by party.
fn dealt(n: usize, words: &[u64], rng: &mut ChaCha20Rng) -> Vec<Vec<Gr64>> {
    let mut shares = vec![Vec::new(); n];
    for word in words {
        let dealt = share(Gr64::constant(*word), committee(n), rng);
        shares.iter_mut().zip(dealt.iter()).for_each(|(list, share)| list.push(*share));
    }
    shares
}

struct World {
    n: usize,
    x: Vec<u64>,
    y: Vec<u64>,
    x_shares: Vec<Vec<Gr64>>,
    y_shares: Vec<Vec<Gr64>>,
    triples: Vec<Vec<TripleItem>>,
}

impl World {
    fn new(n: usize, seed: u64) -> Self {
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        let words = |rng: &mut ChaCha20Rng| -> Vec<u64> { (0..COUNT).map(|_| rng.random()).collect() };
        let (x, y, a, b) = (words(rng), words(rng), words(rng), words(rng));
        let c: Vec<_> = a.iter().zip(&b).map(|(a, b)| a.wrapping_mul(*b)).collect();
        let [x_shares, y_shares, a, b, c] = [&x, &y, &a, &b, &c].map(|words| dealt(n, words, rng));
        let of_party = |p: usize| (0..COUNT).map(|i| TripleItem { x: a[p][i], y: b[p][i], z: c[p][i] }).collect();
        Self { n, x, y, x_shares, y_shares, triples: (0..n).map(of_party).collect() }
    }

    fn messages(&self) -> Vec<Vec<Gr64>> {
        let of = |p: usize| masked_factors(&self.x_shares[p], &self.y_shares[p], &self.triples[p]).unwrap().to_vec();
        (0..self.n).map(of).collect()
    }

    /// What honest parties open from these messages, of which t may be lies.
    fn opened(&self, messages: &[Vec<Gr64>]) -> Vec<Gr64> {
        let received: Vec<_> =
            messages.iter().enumerate().map(|(p, shares)| Received { party: party(p + 1), shares }).collect();
        decode(&received, t(self.n), t(self.n)).unwrap().values
    }

    fn are_products(&self, opened: &[Gr64]) {
        let shares: Vec<_> = self.triples.iter().map(|triples| products(opened, triples).unwrap()).collect();
        let received: Vec<_> =
            shares.iter().enumerate().map(|(p, shares)| Received { party: party(p + 1), shares }).collect();
        let values = decode(&received, t(self.n), 0).unwrap().values;
        let expected = self.x.iter().zip(&self.y).map(|(x, y)| Gr64::constant(x.wrapping_mul(*y)));
        assert_eq!(values, expected.collect::<Vec<_>>(), "n = {}", self.n);
    }
}

#[test]
fn given_words_are_multiplied() {
    for n in [1, 4, 7, 10, 13] {
        let world = World::new(n, n as u64);
        world.are_products(&world.opened(&world.messages()));
    }
}

#[test]
fn t_wrong_shares_in_the_opening_change_no_product() {
    for n in SIZES {
        let world = World::new(n, 1);
        let mut messages = world.messages();
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        for message in messages.iter_mut().take(t(n)) {
            message.iter_mut().for_each(|share| *share += Gr64::random(&mut rng));
        }
        world.are_products(&world.opened(&messages));
    }
}

#[test]
fn the_opened_words_depend_on_the_triples_and_not_on_the_factors_alone() {
    let (one, other) = (World::new(4, 1), World::new(4, 2));
    let same_factors = World { x: one.x.clone(), y: one.y.clone(), ..other };
    let rng = &mut ChaCha20Rng::seed_from_u64(3);
    let x_shares = dealt(4, &one.x, rng);
    let y_shares = dealt(4, &one.y, rng);
    let same_factors = World { x_shares, y_shares, ..same_factors };
    let opened = same_factors.opened(&same_factors.messages());
    assert_ne!(opened, one.opened(&one.messages()));
    same_factors.are_products(&opened);
}

#[test]
fn other_numbers_of_factors_triples_and_opened_elements_are_refused() {
    let world = World::new(4, 1);
    let (x, y, triples) = (&world.x_shares[0], &world.y_shares[0], &world.triples[0]);
    assert!(masked_factors(&[], &[], &[]).is_err());
    assert!(masked_factors(&x[1..], y, triples).is_err());
    assert!(masked_factors(x, &y[1..], triples).is_err());
    assert!(masked_factors(x, y, &triples[1..]).is_err());
    let opened = world.opened(&world.messages());
    assert_eq!(opened.len(), 2 * COUNT.div_ceil(4));
    for wrong in [&opened[1..], &opened[..5], &[]] {
        assert_eq!(products(wrong, triples).err(), Some(Misuse::Items { items: wrong.len(), max: 6 }));
    }
    assert!(products(&[opened.clone(), vec![Gr64::ONE]].concat(), triples).is_err());
}
