//! t shares of what is opened later are independent of it: two-sample chi-square over what t parties see, on the
//! smallest ring, where every value has a chance. Seeded: each passes always or never; t + 1 shares fail every time.

use crate::common::{committee, party, t};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::preprocessing::{Batch, BatchId, Bits, Outcome, Standing, Triples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::Gr16;
use tkms_mpc::shamir::{Received, decode, share};
use tkms_mpc::sim::rounds::SyncRun;
use tkms_types::{ContextId, EpochId, Id};

/// Items looked at.
const ITEMS: usize = 1 << 14;

/// Two-sample chi-square: how differently the cells are filled for secret 0 and secret 1.
pub fn chi_square(seen: &[(bool, usize)], cells: usize) -> f64 {
    let mut counts = vec![[0f64; 2]; cells];
    for (secret, cell) in seen {
        counts[*cell][usize::from(*secret)] += 1.0;
    }
    let totals = [0, 1].map(|side| counts.iter().map(|count| count[side]).sum::<f64>());
    assert!(totals.iter().all(|total| *total > 1000.0), "both secrets occur");
    let all = totals[0] + totals[1];
    let cell = |count: &[f64; 2]| -> f64 {
        let row = count[0] + count[1];
        let term = |side: usize| {
            let expected = row * totals[side] / all;
            if expected > 0.0 { (count[side] - expected).powi(2) / expected } else { 0.0 }
        };
        term(0) + term(1)
    };
    counts.iter().map(cell).sum()
}

/// 0.1 % point of chi-square with so many degrees of freedom (Wilson and Hilferty).
pub fn bound(freedom: usize) -> f64 {
    let k = freedom as f64;
    k * (1.0 - 2.0 / (9.0 * k) + 3.09 * (2.0 / (9.0 * k)).sqrt()).powi(3)
}

/// What the first `parties` see of an item, in one bit plane: a cell of 16^parties.
fn cell(shares: &[Vec<Gr16>], parties: usize, item: usize, plane: u32) -> usize {
    let digit = |shares: &Vec<Gr16>| usize::from(shares[item].bit_plane(plane).bits());
    shares.iter().take(parties).fold(0, |cell, shares| 16 * cell + digit(shares))
}

/// Asserts independence for t parties and dependence for t + 1, in the lowest and in the highest bit plane.
fn t_shares_tell_nothing(n: usize, shares: &[Vec<Gr16>], secret: impl Fn(usize) -> bool, what: &str) {
    for plane in [0, 15] {
        let seen = |parties| -> Vec<(bool, usize)> {
            (0..shares[0].len()).map(|item| (secret(item), cell(shares, parties, item, plane))).collect()
        };
        let cells = 1usize << (4 * t(n));
        let chi = chi_square(&seen(t(n)), cells);
        assert!(chi < bound(cells - 1), "{what}, n = {n}, plane {plane}: {chi}");
        if plane == 0 {
            let chi = chi_square(&seen(t(n) + 1), 16 * cells);
            assert!(chi > 2.0 * bound(16 * cells - 1), "{what}, n = {n}: t + 1 shares know it: {chi}");
        }
    }
}

fn opened(n: usize, shares: &[Vec<Gr16>]) -> Vec<Gr16> {
    let received: Vec<_> =
        shares.iter().enumerate().map(|(i, shares)| Received { party: party(i + 1), shares }).collect();
    decode(&received, t(n), 0).unwrap().values
}

fn is_odd(value: &Gr16) -> bool {
    value.coefficients()[0] & 1 == 1
}

fn keys(n: usize) -> Vec<PrssKeys> {
    PrssKeys::deal(committee(n), &mut ChaCha20Rng::seed_from_u64(11)).unwrap()
}

fn id() -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 5 }
}

#[test]
fn of_a_dealt_secret() {
    for n in [4, 7] {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let secrets: Vec<bool> = (0..ITEMS).map(|_| rng.random()).collect();
        let mut shares = vec![Vec::new(); n];
        for secret in &secrets {
            let dealt = share(Gr16::constant((*secret).into()), committee(n), &mut rng);
            shares.iter_mut().zip(dealt.iter()).for_each(|(list, share)| list.push(*share));
        }
        t_shares_tell_nothing(n, &shares, |item| secrets[item], "dealt");
    }
}

#[test]
fn of_a_random_bit() {
    for n in [4, 7] {
        let keys = keys(n);
        let report = SyncRun::new(n, 1).unwrap().run(|party, _| {
            Batch::<Gr16, _>::new(&id(), &keys[party.index()], Bits { count: ITEMS }, &Standing::default()).unwrap()
        });
        let shares = |ending: &tkms_mpc::sim::rounds::SyncEnding<_>| match ending.output.as_ref() {
            Some(Outcome::Accepted(tkms_mpc::preprocessing::BitShares(shares))) => shares.to_vec(),
            _ => panic!("accepted"),
        };
        let shares: Vec<_> = report.endings.iter().map(shares).collect();
        let bits = opened(n, &shares);
        t_shares_tell_nothing(n, &shares, |item| is_odd(&bits[item]), "bit");
    }
}

#[test]
fn of_the_factors_and_the_product_of_a_triple() {
    for n in [4, 7] {
        let keys = keys(n);
        let report = SyncRun::new(n, 1).unwrap().run(|party, _| {
            Batch::<Gr16, _>::new(&id(), &keys[party.index()], Triples { count: ITEMS }, &Standing::default()).unwrap()
        });
        let (mut x, mut y, mut z) = (Vec::new(), Vec::new(), Vec::new());
        for ending in &report.endings {
            let Some(Outcome::Accepted(triples)) = &ending.output else { panic!("accepted") };
            x.push(triples.x.to_vec());
            y.push(triples.y.to_vec());
            z.push(triples.z.to_vec());
        }
        let (a, b, c) = (opened(n, &x), opened(n, &y), opened(n, &z));
        t_shares_tell_nothing(n, &x, |item| is_odd(&a[item]), "x");
        t_shares_tell_nothing(n, &y, |item| is_odd(&b[item]), "y");
        t_shares_tell_nothing(n, &z, |item| is_odd(&c[item]), "z");
        // nor does one factor's share tell of the product
        for plane in [0, 15] {
            let seen: Vec<_> = (0..ITEMS).map(|item| (is_odd(&c[item]), cell(&x, t(n), item, plane))).collect();
            assert!(chi_square(&seen, 1 << (4 * t(n))) < bound((1 << (4 * t(n))) - 1));
        }
    }
}

/// The share of the masked values that a party sends is uniform, whatever the bits under it.
#[test]
fn of_a_bit_in_the_message_that_opens_its_square() {
    for n in [4, 7] {
        let keys = keys(n);
        let draw = |keys: &PrssKeys| keys.batch(&id().session::<Gr16, _>(&Bits { count: ITEMS }, &Standing::default()));
        let a: Vec<_> = keys.iter().map(|keys| draw(keys).draws::<Gr16>().base_shares(ITEMS).to_vec()).collect();
        let a = opened(n, &a);
        let (_, say) = Batch::<Gr16, _>::new(&id(), &keys[n - 1], Bits { count: ITEMS }, &Standing::default()).unwrap();
        let tkms_mpc::rounds::Say::All(tkms_mpc::preprocessing::BatchMsg::Shares(message)) = say else {
            panic!("shares")
        };
        for k in 0..4 {
            let seen: Vec<_> = message
                .iter()
                .enumerate()
                .map(|(e, share)| (is_odd(&a[4 * e + k]), usize::from(share.bit_plane(0).bits())))
                .collect();
            let chi = chi_square(&seen, 16);
            assert!(chi < bound(15), "n = {n}, {k}: {chi}");
        }
    }
}
