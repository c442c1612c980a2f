//! The rounding formula, exhaustively; and the rules that must not be dropped, each with the break that follows when it is.

mod views;

use super::bounds::Width;
use super::masks::{BitParts, MaskShares};
use super::rounding::Phases;
use super::*;
use crate::phase::KeyShare;
use crate::preprocessing::BatchId;
use crate::prss::PrssKeys;
use crate::ring::Gr16;
use crate::shamir::{reconstruct, share};
use rand::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::{Committee, ContextId, EpochId, Id, KeyId, PartyId, SessionId};
use zeroize::Zeroizing;

/// Reduced parameters: cells of 8, masks of three bits.
const SMALL: Width = Width::insecure(8);

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

fn party(number: u8) -> PartyId {
    PartyId::new(number).unwrap()
}

fn range(from: u32, to: u32) -> Range {
    Range { batch: BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 }, from, to }
}

fn list(values: impl IntoIterator<Item = u16>) -> Zeroizing<Vec<Gr16>> {
    Zeroizing::new(values.into_iter().map(Gr16::constant).collect())
}

/// With one party shares are the values themselves: every x in the lower half of a cell, every mask.
#[test]
fn rounding_is_right_for_every_value_in_bound_and_every_mask_and_one_off_upwards_outside() {
    let committee = Committee::new(1).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let prss = PrssKeys::deal(committee, &mut rng).unwrap().remove(0);
    let key = ExactKey::new(&KeyShare::deal(&[0], committee, &mut rng).unwrap()[0], SMALL);
    let xs: Vec<u16> = (0..256).collect();
    let words: Vec<u16> = xs.iter().flat_map(|x| [0, *x]).collect();
    let samples = Switched::new(SMALL, 1, &words).unwrap();
    for bits in 0..8u16 {
        for top in 0..32u16 {
            let parts = BitParts { low: list(vec![bits; 256]), half: list(vec![bits >> 2; 256]) };
            // above its five bits a top is arbitrary
            let tops = list(vec![top + 32 * (bits + top); 256]);
            let (mut rounding, own) =
                Phases::new(&key, &samples, &prss).unwrap().mask(MaskShares::new(parts, tops, SMALL));
            let message = rounding.receive(party(1), own).1.unwrap();
            let found: Vec<u16> =
                message.user_share().iter().flat_map(|e| *e.coefficients()).map(|w| (w >> 123) as u16).collect();
            for (x, found) in xs.iter().zip(found) {
                let (message, low) = (x >> 3, x & 7);
                // past the lower half the low bits of the mask carry it over, or not
                let carried = u16::from(low >= 4 && low + (bits & 3) >= 8);
                assert_eq!(found, (message + carried) & 31, "x = {x}, bits {bits}, top {top}");
            }
        }
    }
}

#[test]
fn bits_fold_to_their_sum_and_the_highest() {
    let bits: Vec<_> = [1, 0, 1, 0, 1, 1, 1].into_iter().map(Gr16::constant).collect();
    let parts = BitParts::fold(&bits, SMALL);
    assert_eq!((&*parts.low, &*parts.half), (&*list([5, 6]), &*list([1, 1])));
}

/// One committee of four whose first party is corrupt: a machine for each party without network.
struct World {
    committee: Committee,
    key: Vec<u128>,
    keys: Vec<ExactKey>,
    prss: Vec<PrssKeys>,
    rng: ChaCha20Rng,
}

impl World {
    fn new(dimension: usize, width: Width, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let committee = Committee::new(4).unwrap();
        let key: Vec<u128> = (0..dimension).map(|_| u128::from(rng.random::<bool>())).collect();
        let shares = KeyShare::deal(&key, committee, &mut rng).unwrap();
        let keys = shares.iter().map(|share| ExactKey::new(share, width)).collect();
        let prss = PrssKeys::deal(committee, &mut rng).unwrap();
        Self { committee, key, keys, prss, rng }
    }

    /// Dealt bit parts of masks, for every party.
    fn parts(&mut self, width: Width, masks: usize) -> Vec<BitParts> {
        let mut of: Vec<_> = self.keys.iter().map(|_| BitParts { low: list([]), half: list([]) }).collect();
        for _ in 0..masks {
            let low: u16 = self.rng.random_range(0..1 << width.mask_bits());
            let dealt = [low, low >> (width.mask_bits() - 1)]
                .map(|value| share(Gr16::constant(value), self.committee, &mut self.rng));
            for (i, of) in of.iter_mut().enumerate() {
                of.low.push(dealt[0][i]);
                of.half.push(dealt[1][i]);
            }
        }
        of
    }

    /// What party `i` sends for these samples with these items.
    fn sends(&self, i: usize, words: &[u16], items: (Range, SessionId), parts: &BitParts) -> Vec<Gr16> {
        let width = self.keys[i].width();
        let samples = Switched::new(width, self.key.len(), words).unwrap();
        let parts = BitParts { low: parts.low.clone(), half: parts.half.clone() };
        let items = Items { owner: self.keys[i].owner(), width, range: items.0, session: items.1, parts };
        let (_, step) = FromStock::start(&self.keys[i], &samples, items, &self.prss[i]).unwrap();
        step.send.into_iter().next().unwrap().msg.0
    }

    /// c of the first block from the shares of parties 1 and `other`: what one corrupt party makes of one message.
    fn pooled(&self, own: &[Gr16], other: (usize, &[Gr16]), width: Width) -> u16 {
        let shares = [(party(1), own[0]), (party(other.0 as u8 + 1), other.1[0])];
        reconstruct(&shares).unwrap().coefficients()[0] >> width.shift()
    }

    fn sample(&mut self, width: Width) -> Vec<u16> {
        (0..=self.key.len()).map(|_| self.rng.random::<u16>() >> width.shift()).collect()
    }
}

/// Solves linear equations modulo 2, each a list of coefficients and a right side; `None` unless there is one solution.
fn solve(mut equations: Vec<(Vec<bool>, bool)>, unknowns: usize) -> Option<Vec<bool>> {
    for column in 0..unknowns {
        let pivot = (column..equations.len()).find(|row| equations[*row].0[column])?;
        equations.swap(column, pivot);
        let (pivot, right) = equations[column].clone();
        for (row, (coefficients, side)) in equations.iter_mut().enumerate() {
            if row != column && coefficients[column] {
                coefficients.iter_mut().zip(&pivot).for_each(|(a, b)| *a ^= b);
                *side ^= right;
            }
        }
    }
    let consistent = equations[unknowns..].iter().all(|(_, side)| !side);
    consistent.then(|| equations[..unknowns].iter().map(|(_, side)| *side).collect())
}

/// One liar gets a share of x_A + r from one honest party and of x_B + r from another, with its own share of either.
/// `second` is the range that the honest party of B uses. Returns what the liar solves for.
fn joined(second: impl Fn(u32) -> u32) -> (Vec<bool>, Option<Vec<bool>>) {
    const N: usize = 40;
    let width = Width::PRODUCTION;
    let mut world = World::new(N, width, 2);
    let equations: Vec<_> = (0..N as u32 + 30)
        .map(|i| {
            let (a, b) = (world.sample(width), world.sample(width));
            let first = world.parts(width, 1);
            let other = world.parts(width, 1);
            let place = second(i);
            let parts_b = if place == i { &first } else { &other };
            let use_a = (range(i, i + 1), session(2 * u64::from(i)));
            let use_b = (range(place, place + 1), session(2 * u64::from(i) + 1));
            let c_a =
                world.pooled(&world.sends(0, &a, use_a, &first[0]), (1, &world.sends(1, &a, use_a, &first[1])), width);
            let c_b = world.pooled(
                &world.sends(0, &b, use_b, &parts_b[0]),
                (2, &world.sends(2, &b, use_b, &parts_b[2])),
                width,
            );
            // the masks cancel below their tops: (b'_A − b'_B) − ⟨a'_A − a'_B, s⟩, without any noise
            let odd = |a: &u16, b: &u16| (a ^ b) & 1 == 1;
            let coefficients: Vec<_> = a.iter().zip(&b).take(N).map(|(a, b)| odd(a, b)).collect();
            (coefficients, odd(&a[N], &b[N]) ^ odd(&c_a, &c_b))
        })
        .collect();
    (world.key.iter().map(|bit| *bit == 1).collect(), solve(equations, N))
}

#[test]
fn two_ciphertexts_under_one_range_give_the_key() {
    let (key, found) = joined(|i| i);
    assert_eq!(found, Some(key), "the rule dropped: every equation holds, and the key is their solution");
    let (_, found) = joined(|i| i + 1000);
    assert_eq!(found, None, "the rule kept: the equations have no common solution");
}

#[test]
fn a_top_from_the_session_alone_would_show_the_difference_of_two_masks() {
    let width = Width::PRODUCTION;
    let mut world = World::new(4, width, 3);
    let words = world.sample(width);
    let (mut near_kept, mut near_dropped) = (0, 0);
    for i in 0..60 {
        let parts = [world.parts(width, 1), world.parts(width, 1)];
        let c = |range: [Range; 2]| {
            [0, 1].map(|k| {
                let sends = |i: usize| world.sends(i, &words, (range[k], session(1)), &parts[k][i]);
                world.pooled(&sends(0), (1, &sends(1)), width)
            })
        };
        // |r − r'| < 2^ℓ modulo 2^L, where the tops are equal
        let near = |[a, b]: [u16; 2]| {
            let difference = a.wrapping_sub(b) & 0x7fff;
            u32::from(!(1 << 10..=31 << 10).contains(&difference))
        };
        near_kept += near(c([range(2 * i, 2 * i + 1), range(2 * i + 1, 2 * i + 2)]));
        near_dropped += near(c([range(2 * i, 2 * i + 1); 2]));
    }
    assert_eq!(near_dropped, 60, "one top for both: always near");
    assert!(near_kept < 15, "{near_kept}: by chance one in sixteen");
}

#[test]
fn the_sixth_bit_of_a_share_would_spoil_a_users_answer() {
    // a lift to more bits than 2^123 leaves room for is void: shares differ, the shift drops it
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let committee = Committee::new(4).unwrap();
    let owner = |party| crate::fault::Owner { party, committee };
    let dealt = share(Gr16::constant(15), committee, &mut rng);
    for party in committee.parties() {
        let share = dealt[party.index()];
        let tidy =
            MessageShares::new(owner(party), Zeroizing::new(vec![Gr16::new(share.coefficients().map(|c| c & 31))]));
        let lifted = MessageShares::new(owner(party), Zeroizing::new(vec![share]));
        assert_eq!(*tidy.user_share(), *lifted.user_share());
    }
}
