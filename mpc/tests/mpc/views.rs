//! What t parties see of a whole protocol, not of one share only, is independent of what it hides: dealings with all their
//! cross values, keys of subsets without them, the openings of products. Two-sample chi-square on small projections, seeded; every
//! test has a twin with one party more, or with the rule dropped, which it has to notice.

use crate::common::{committee, party, t};
use crate::independence::{bound, chi_square};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::BroadcastId;
use tkms_mpc::preprocessing::{TripleItem, masked_factors};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{Gr16, Gr64, Gr128, Ring};
use tkms_mpc::rounds::Say;
use tkms_mpc::shamir::{evaluate, share};
use tkms_mpc::vss::{Vss, VssMsg};
use tkms_types::{Id, KeyId, PartyId, SessionId};

const DEALS: usize = 16;
const SECRETS: usize = 1024;

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

/// The lowest bits of an element's four coefficients.
fn low<R: Ring>(element: R) -> usize {
    usize::from(element.bit_plane(0).bits())
}

/// Asserts that the cells do not depend on the secret.
fn independent(seen: &[(bool, usize)], cells: usize, what: &str) {
    let chi = chi_square(seen, cells);
    assert!(chi < bound(cells - 1), "{what}: {chi}");
}

/// Asserts that they do: the test would have noticed.
fn dependent(seen: &[(bool, usize)], cells: usize, what: &str) {
    let chi = chi_square(seen, cells);
    assert!(chi > 2.0 * bound(cells - 1), "{what}: {chi}");
}

/// Polynomials that parties 2 … are dealt by party 1: by secret, all coefficients of each of them.
fn dealings(n: usize, receivers: usize) -> Vec<(bool, Vec<Vec<Gr16>>)> {
    let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
    let mut seen = Vec::new();
    for number in 0..DEALS as u32 {
        let bits: Vec<bool> = (0..SECRETS).map(|_| rng.random()).collect();
        let secrets: Vec<_> = bits.iter().map(|bit| Gr16::constant((*bit).into())).collect();
        let id = BroadcastId { session: session(1), number };
        let (_, say) = Vss::new(id, (committee(n), party(1)), &secrets, &mut rng).unwrap();
        let Say::Each(list) = say else { panic!("a message for each") };
        let of = |msg: &VssMsg<Gr16>| match msg {
            VssMsg::Deal(list) => list.chunks(t(n) + 1).map(<[Gr16]>::to_vec).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let lists: Vec<_> = list.iter().skip(1).take(receivers).map(of).collect();
        for (secret, bit) in bits.iter().enumerate() {
            seen.push((*bit, lists.iter().map(|list| list[secret].clone()).collect()));
        }
    }
    seen
}

/// All t polynomials at 0 and at every other party's point: the shares of t parties and everything they compare.
#[test]
fn of_t_parties_of_a_dealing_and_everything_they_compare() {
    for n in [4, 7] {
        let views = dealings(n, t(n));
        for at in (1..=n).map(party) {
            let cell = |polynomials: &Vec<Vec<Gr16>>| {
                polynomials.iter().fold(0, |cell, f| 16 * cell + low(evaluate(f, Gr16::point(at))))
            };
            let seen: Vec<_> = views.iter().map(|(bit, view)| (*bit, cell(view))).collect();
            independent(&seen, 1 << (4 * t(n)), &format!("values at {at}, n = {n}"));
        }
        let shares = |polynomials: &Vec<Vec<Gr16>>| polynomials.iter().fold(0, |cell, f| 16 * cell + low(f[0]));
        let seen: Vec<_> = views.iter().map(|(bit, view)| (*bit, shares(view))).collect();
        independent(&seen, 1 << (4 * t(n)), "shares");
        let more: Vec<_> = dealings(n, t(n) + 1).iter().map(|(bit, view)| (*bit, shares(view))).collect();
        dependent(&more, 1 << (4 * (t(n) + 1)), "shares of t + 1");
    }
}

/// What t parties of a setup hold decides no bit of a key they do not hold: the lowest bit of the mask that all keys together make,
/// against the masks of the keys of t parties.
#[test]
fn of_the_keys_of_t_parties_against_the_masks_of_all() {
    for n in [4, 7] {
        let keys = PrssKeys::deal(committee(n), &mut ChaCha20Rng::seed_from_u64(5)).unwrap();
        let blocks = DEALS * SECRETS;
        let lists: Vec<_> = keys.iter().map(|keys| keys.mask_shares(&session(2), blocks)).collect();
        let parties: Vec<PartyId> = committee(n).parties().take(t(n) + 1).collect();
        let weights = tkms_mpc::shamir::lagrange::<Gr128>(&parties, Gr128::ZERO).unwrap();
        let mask = |block: usize| {
            let terms = weights.iter().zip(&lists).map(|(weight, list)| *weight * list[block]);
            terms.fold(Gr128::ZERO, |sum, term| sum + term)
        };
        let odd: Vec<bool> = (0..blocks).map(|block| low(mask(block)) & 1 == 1).collect();
        let cell =
            |count: usize, block: usize| lists.iter().take(count).fold(0, |cell, list| 16 * cell + low(list[block]));
        let seen: Vec<_> = odd.iter().enumerate().map(|(block, odd)| (*odd, cell(t(n), block))).collect();
        independent(&seen, 1 << (4 * t(n)), &format!("masks, n = {n}"));
        let seen: Vec<_> = odd.iter().enumerate().map(|(block, odd)| (*odd, cell(t(n) + 1, block))).collect();
        dependent(&seen, 1 << (4 * (t(n) + 1)), &format!("masks with one party more, n = {n}"));
    }
}

/// What is opened to multiply x by y, and t shares of everything, against x: e = x − a and f = y − b.
#[test]
fn of_a_factor_in_everything_that_multiplying_it_opens() {
    let n = 4;
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let count = DEALS * SECRETS / 4;
    let deal = |value: u64, rng: &mut ChaCha20Rng| share(Gr64::constant(value), committee(n), rng).to_vec();
    let (mut opened, mut one_share, mut without_triple) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let (x, y): (u64, u64) = (rng.random(), rng.random());
        let (a, b): (u64, u64) = (rng.random(), rng.random());
        let [x_shares, y_shares, a_shares, b_shares, c_shares] =
            [x, y, a, b, a.wrapping_mul(b)].map(|value| deal(value, &mut rng));
        let of = |p: usize| {
            let triple = TripleItem { x: a_shares[p], y: b_shares[p], z: c_shares[p] };
            masked_factors(&[x_shares[p]], &[y_shares[p]], &[triple]).unwrap().to_vec()
        };
        let (e, f) = (x.wrapping_sub(a), y.wrapping_sub(b));
        let odd = x & 1 == 1;
        opened.push((odd, ((e & 3) << 2 | f & 3) as usize));
        // party 1 also has its own shares of x, a and the product of the triple
        let own = [low(x_shares[0]) & 3, low(a_shares[0]) & 3, low(c_shares[0]) & 3];
        one_share.push((odd, own.iter().fold((e & 3) as usize, |cell, digit| 4 * cell + digit)));
        without_triple.push((odd, (x & 3) as usize));
        assert_eq!(of(0).len(), 2, "one element for e and one for f");
    }
    independent(&opened, 16, "e and f");
    independent(&one_share, 256, "e and the shares of one party");
    dependent(&without_triple, 16, "x opened without a triple");
}

/// A triple used for two products shows the difference of the factors: why every item has one use.
#[test]
fn a_triple_used_twice_shows_the_difference_of_two_factors() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut seen = Vec::new();
    for _ in 0..DEALS * SECRETS / 4 {
        let (first, second, a): (u64, u64, u64) = (rng.random(), rng.random(), rng.random());
        let differs = (first ^ second) & 1 == 1;
        let (e, again) = (first.wrapping_sub(a), second.wrapping_sub(a));
        assert_eq!(e.wrapping_sub(again), first.wrapping_sub(second));
        seen.push((differs, ((e & 3) << 2 | again & 3) as usize));
    }
    dependent(&seen, 16, "two openings under one mask");
    let fresh: Vec<_> = seen.iter().map(|(differs, cell)| (*differs, cell >> 2)).collect();
    independent(&fresh, 4, "one of them alone");
}
