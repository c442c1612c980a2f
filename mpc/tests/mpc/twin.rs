//! Rings, sharings and pseudo-random sharings against a second computation that shares nothing with the crate: numbers as
//! lists of bits, polynomials by long multiplication and long division, streams straight from BLAKE3 and AES. Slow and plain.

use crate::common::{SIZES, committee, party, t};
use aes::cipher::{BlockEncrypt, KeyInit};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{DEGREE, Gf16, Gr16, Gr64, Gr128, Ring, combine, dot};
use tkms_mpc::shamir::{evaluate, lagrange, reconstruct, share};
use tkms_types::transcript::Transcript;
use tkms_types::{Id, KeyId, PartyId, SessionId};

/// A number modulo 2ᵏ: its k bits, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bits(Vec<bool>);

impl Bits {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect())
    }

    fn zero(k: usize) -> Self {
        Self(vec![false; k])
    }

    /// Binary addition by hand.
    fn plus(&self, other: &Self) -> Self {
        let mut carry = false;
        let sum = self.0.iter().zip(&other.0).map(|(a, b)| {
            let bit = a ^ b ^ carry;
            carry = (*a && *b) || (carry && (*a || *b));
            bit
        });
        Self(sum.collect())
    }

    /// Two's complement: all bits turned, and one more.
    fn negated(&self) -> Self {
        let mut one = Self::zero(self.0.len());
        one.0[0] = true;
        Self(self.0.iter().map(|bit| !bit).collect()).plus(&one)
    }

    /// Long multiplication: shifted copies.
    fn times(&self, other: &Self) -> Self {
        let k = self.0.len();
        let mut sum = Self::zero(k);
        for shift in (0..k).filter(|place| other.0[*place]) {
            let mut copy = vec![false; shift];
            copy.extend(&self.0[..k - shift]);
            sum = sum.plus(&Self(copy));
        }
        sum
    }
}

/// A polynomial in X with coefficients modulo 2ᵏ, modulo X⁴ + X + 1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Element(Vec<Bits>);

impl Element {
    fn of<R: Ring>(element: &R) -> Self {
        let mut bytes = Vec::new();
        element.write_le(&mut bytes);
        Self(bytes.chunks(R::BYTES / DEGREE).map(Bits::of).collect())
    }

    fn zero<R: Ring>() -> Self {
        Self::of(&R::ZERO)
    }

    fn plus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a.plus(b)).collect())
    }

    fn minus(&self, other: &Self) -> Self {
        self.plus(&Self(other.0.iter().map(Bits::negated).collect()))
    }

    /// The product with seven coefficients, then X⁶, X⁵, X⁴ in turn replaced by −X³ − X², −X² − X, −X − 1.
    fn times(&self, other: &Self) -> Self {
        let k = self.0[0].0.len();
        let mut long = vec![Bits::zero(k); 7];
        for (i, a) in self.0.iter().enumerate() {
            for (j, b) in other.0.iter().enumerate() {
                long[i + j] = long[i + j].plus(&a.times(b));
            }
        }
        for power in [6, 5, 4] {
            let top = long[power].negated();
            long[power - 4] = long[power - 4].plus(&top);
            long[power - 3] = long[power - 3].plus(&top);
        }
        Self(long[..4].to_vec())
    }

    /// By the definition: a^(|units| − 1), |units| = 15 · 2^(4(k − 1)), by squarings. No Newton here.
    fn inverse(&self) -> Self {
        let k = self.0[0].0.len();
        let mut one = Self(vec![Bits::zero(k); 4]);
        one.0[0].0[0] = true;
        // 15·2^m − 1 = 14·2^m + (2^m − 1), m = 4(k − 1)
        let (mut power, mut product) = (self.clone(), one);
        for _ in 0..4 * (k - 1) {
            product = product.times(&power);
            power = power.times(&power);
        }
        // power = a^(2^m) now
        let square = power.times(&power);
        let fourth = square.times(&square);
        let eighth = fourth.times(&fourth);
        product.times(&square).times(&fourth).times(&eighth)
    }

    /// Party i's point: the binary digits of i as coefficients.
    fn point<R: Ring>(number: u8) -> Self {
        let mut point = Self::zero::<R>();
        for (place, coefficient) in point.0.iter_mut().enumerate() {
            coefficient.0[0] = number >> place & 1 == 1;
        }
        point
    }
}

fn random<R: Ring>(rng: &mut ChaCha20Rng) -> R {
    R::random(rng)
}

fn arithmetic_of<R: Ring>(seed: u64, rounds: usize) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for _ in 0..rounds {
        let (a, b): (R, R) = (random(&mut rng), random(&mut rng));
        let (plain_a, plain_b) = (Element::of(&a), Element::of(&b));
        assert_eq!(Element::of(&(a + b)), plain_a.plus(&plain_b), "{a:?} + {b:?}");
        assert_eq!(Element::of(&(a - b)), plain_a.minus(&plain_b), "{a:?} - {b:?}");
        assert_eq!(Element::of(&-a), Element::zero::<R>().minus(&plain_a), "-{a:?}");
        assert_eq!(Element::of(&(a * b)), plain_a.times(&plain_b), "{a:?} * {b:?}");
        assert_eq!(Element::of(&a.times_x()), plain_a.times(&Element::point::<R>(2)), "X * {a:?}");
        let factor = b.words()[2];
        let constant = R::from_words([factor, R::Word::default(), R::Word::default(), R::Word::default()]);
        assert_eq!(Element::of(&a.scale(factor)), plain_a.times(&Element::of(&constant)));
        let mut sum = b;
        sum += a;
        sum -= b;
        assert_eq!(sum, a);
    }
}

#[test]
fn sums_differences_and_products_are_those_of_long_multiplication() {
    arithmetic_of::<Gr16>(1, 200);
    arithmetic_of::<Gr64>(2, 40);
    arithmetic_of::<Gr128>(3, 12);
}

#[test]
fn products_at_the_edges_are_those_of_long_multiplication() {
    let edges = [0u128, 1, 2, u128::MAX, u128::MAX - 1, 1 << 127, 1 << 64, (1 << 64) - 1, 1 << 15, 0xffff];
    let elements: Vec<Gr128> = edges.iter().map(|edge| Gr128::new([*edge, edge >> 1, !*edge, edge ^ 5])).collect();
    for (a, b) in elements.iter().zip(elements.iter().rev()) {
        assert_eq!(Element::of(&(*a * *b)), Element::of(a).times(&Element::of(b)));
        let (a, b) = (Gr64::image(a), Gr64::image(b));
        assert_eq!(Element::of(&(a * b)), Element::of(&a).times(&Element::of(&b)));
        let (a, b) =
            (Gr16::image(&Gr128::new(a.coefficients().map(u128::from))), Gr16::new(b.coefficients().map(|c| c as u16)));
        assert_eq!(Element::of(&(a * b)), Element::of(&a).times(&Element::of(&b)));
    }
}

#[test]
fn inverses_are_the_powers_that_the_order_of_the_group_gives() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    for _ in 0..6 {
        let a: Gr16 = random(&mut rng);
        match a.inverse() {
            Some(inverse) => assert_eq!(Element::of(&inverse), Element::of(&a).inverse()),
            None => assert_eq!(a.bit_plane(0), Gf16::ZERO),
        }
    }
    let unit = Gr64::random(&mut rng).scale(2) + Gr64::point(party(9));
    assert_eq!(Element::of(&unit.inverse().unwrap()), Element::of(&unit).inverse());
}

/// Σ of Lagrange's formula, with plain inverses.
fn at_zero(points: &[(u8, Element)]) -> Element {
    let mut sum = Element::zero::<Gr16>();
    for (own, value) in points {
        let mut term = value.clone();
        for (other, _) in points.iter().filter(|(other, _)| other != own) {
            let minus = Element::zero::<Gr16>().minus(&Element::point::<Gr16>(*other));
            let difference = Element::point::<Gr16>(*own).minus(&Element::point::<Gr16>(*other));
            term = term.times(&minus).times(&difference.inverse());
        }
        sum = sum.plus(&term);
    }
    sum
}

#[test]
fn dealt_shares_are_values_of_one_polynomial_and_lagranges_formula_gives_the_secret() {
    for n in SIZES {
        let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
        let secret: Gr16 = random(&mut rng);
        let shares = share(secret, committee(n), &mut rng);
        let first: Vec<_> = (1..=t(n) as u8 + 1).zip(shares.iter().map(Element::of)).collect();
        assert_eq!(at_zero(&first), Element::of(&secret), "n = {n}");
        let last: Vec<_> = (1..=n as u8).zip(shares.iter().map(Element::of)).skip(n - t(n) - 1).collect();
        assert_eq!(at_zero(&last), Element::of(&secret), "n = {n}: any t + 1");
        let plain: Vec<_> = (1..=t(n) + 1).map(party).zip(shares.iter().copied()).collect();
        assert_eq!(reconstruct(&plain), Some(secret));
    }
}

#[test]
fn a_polynomial_is_evaluated_as_its_sum_of_powers() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    for degree in 0..9 {
        let polynomial: Vec<Gr64> = (0..=degree).map(|_| random(&mut rng)).collect();
        for number in [1u8, 6, 13] {
            let at = Gr64::point(party(number.into()));
            let mut sum = Element::zero::<Gr64>();
            for (power, coefficient) in polynomial.iter().enumerate() {
                let mut term = Element::of(coefficient);
                (0..power).for_each(|_| term = term.times(&Element::point::<Gr64>(number)));
                sum = sum.plus(&term);
            }
            assert_eq!(Element::of(&evaluate(&polynomial, at)), sum, "degree {degree} at {number}");
        }
    }
}

fn kernels_of<R: Ring>(seed: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for len in [0usize, 1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 70, 511, 512, 513, 1_025] {
        let columns: Vec<Vec<R>> = (0..3).map(|_| (0..len).map(|_| random(&mut rng)).collect()).collect();
        let weights: Vec<R> = (0..3).map(|_| random(&mut rng)).collect();
        let slices: Vec<&[R]> = columns.iter().map(Vec::as_slice).collect();
        let sums = combine(&weights, &slices, len);
        assert_eq!(sums.len(), len);
        for (place, sum) in sums.iter().enumerate() {
            let terms = weights.iter().zip(&columns).map(|(weight, column)| (*weight, column[place]));
            assert_eq!(*sum, terms.fold(R::ZERO, |sum, (a, b)| sum + a * b), "length {len}, place {place}");
        }
        let scalars: Vec<R::Word> = columns[0].iter().map(|element| element.words()[1]).collect();
        let plain = scalars.iter().zip(&columns[1]).fold(R::ZERO, |sum, (scalar, share)| sum + share.scale(*scalar));
        assert_eq!(dot(&scalars, &columns[1]), plain, "length {len}");
    }
    // a short column counts as 0 at its end
    let (short, long): (Vec<R>, Vec<R>) = (vec![R::ONE; 5], vec![R::ONE; 40]);
    let sums = combine(&[R::ONE, R::ONE], &[&short, &long], 40);
    assert!(sums[..5].iter().all(|sum| *sum == R::ONE + R::ONE) && sums[5..].iter().all(|sum| *sum == R::ONE));
}

#[test]
fn kernels_are_sums_of_products_at_every_length_around_their_lanes() {
    kernels_of::<Gr16>(6);
    kernels_of::<Gr64>(7);
    kernels_of::<Gr128>(8);
}

/// Bit by bit from 2⁰ up: the root that is even, if there is one. Twice the work of Newton for each bit, and no division.
fn even_root_by_search(v: u16) -> Option<u16> {
    let mut roots = vec![0u16];
    for bit in 1..=16u32 {
        let mask = if bit == 16 { u16::MAX } else { (1 << bit) - 1 };
        let fits = |x: &u16| (x.wrapping_mul(*x).wrapping_add(*x) ^ v) & mask == 0;
        let next = roots.iter().flat_map(|root| [*root, *root | if bit == 1 { 1 } else { 1 << (bit - 1) }]);
        roots = next.filter(fits).collect();
        roots.sort_unstable();
        roots.dedup();
    }
    roots.into_iter().find(|root| root % 2 == 0)
}

#[test]
fn even_roots_are_those_found_bit_by_bit() {
    for v in (0..=u16::MAX).step_by(7) {
        let found = Gr16::even_root(v);
        assert_eq!(found.map(|(root, _)| root), even_root_by_search(v), "{v}");
        if let Some((root, weight)) = found {
            // −1/(1 + 2ρ)
            assert_eq!(root.wrapping_mul(2).wrapping_add(1).wrapping_mul(weight), u16::MAX, "{v}");
        }
    }
}

#[test]
fn a_square_and_its_root_has_two_roots_in_the_whole_ring() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    for _ in 0..50 {
        let x: Gr64 = random(&mut rng);
        let root = Gr64::solve_square_plus_self(x * x + x).unwrap();
        assert!(root == x || root == -Gr64::ONE - x);
    }
    // half of the residues have trace 1, and no root
    let solvable = (0..16).filter(|bits| Gr64::solve_square_plus_self(Gr64::exceptional(Gf16::new(*bits))).is_some());
    assert_eq!(solvable.count(), 8);
}

/// Members of every subset of n − t parties, in the order of their bit masks.
fn subsets(n: usize) -> Vec<Vec<PartyId>> {
    let members = |mask: u32| (0..n).filter(|i| mask >> i & 1 == 1).map(|i| party(i + 1)).collect::<Vec<_>>();
    (0..1u32 << n).map(members).filter(|members| members.len() == n - t(n)).collect()
}

/// f_A at a party's point: Π over the parties outside A of (α − αⱼ)/(−αⱼ).
fn weight<R: Ring>(n: usize, members: &[PartyId], at: PartyId) -> R {
    let outside: Vec<_> = (1..=n).map(party).filter(|other| !members.contains(other)).collect();
    let factor = |other: &PartyId| (R::point(at) - R::point(*other)) * (-R::point(*other)).inverse().unwrap();
    outside.iter().map(factor).fold(R::ONE, |product, factor| product * factor)
}

/// `count` bytes of AES-128 of a counter from `first` up, under the first half of a keyed hash.
fn stream(secret: &[u8; 32], tag: &'static str, first: u128, count: usize) -> Vec<u8> {
    let context = Transcript::new(tag).finish().0;
    let derived = *blake3::keyed_hash(secret, &context).as_bytes();
    let cipher = aes::Aes128::new_from_slice(&derived[..16]).unwrap();
    let mut bytes = Vec::new();
    for counter in first..first + count.div_ceil(16) as u128 {
        let mut block = aes::Block::from(counter.to_le_bytes());
        cipher.encrypt_block(&mut block);
        bytes.extend(block);
    }
    bytes.truncate(count);
    bytes
}

/// r_A of every subset that a party is in, from its stored keys.
fn stored_keys(keys: &PrssKeys) -> Vec<[u8; 32]> {
    keys.to_secret_bytes()[3..].chunks(32).map(|key| key.try_into().unwrap()).collect()
}

fn batch_of<R: Ring>(n: usize, count: usize) {
    let all = PrssKeys::deal(committee(n), &mut ChaCha20Rng::seed_from_u64(n as u64)).unwrap();
    let session = SessionId(KeyId::numbered(7).bytes());
    let context = Transcript::new("tkms/prss/batch/v1").word(session.0).finish().0;
    for keys in &all {
        let me = keys.owner().party;
        let held: Vec<_> = subsets(n).into_iter().filter(|members| members.contains(&me)).collect();
        let secrets: Vec<[u8; 32]> =
            stored_keys(keys).iter().map(|key| *blake3::keyed_hash(key, &context).as_bytes()).collect();
        assert_eq!(keys.batch(&session).show(), secrets, "what would be shown of a rejected batch");
        let (mut ring, mut base, mut zero) = (vec![R::ZERO; count], vec![R::ZERO; count], vec![R::ZERO; count]);
        let word = R::BYTES / DEGREE;
        for (members, secret) in held.iter().zip(&secrets) {
            let f: R = weight(n, members, me);
            let elements = stream(secret, "tkms/prss/ring/v1", 0, count * R::BYTES);
            ring.iter_mut().zip(elements.chunks(R::BYTES)).for_each(|(sum, bytes)| *sum += f * R::read_le(bytes));
            let words = stream(secret, "tkms/prss/base/v1", 0, count * word);
            base.iter_mut().zip(words.chunks(word)).for_each(|(sum, bytes)| *sum += f.scale(R::word_from_le(bytes)));
            let mut power = f;
            for j in 1..=t(n) as u128 {
                let of_power = stream(secret, "tkms/prss/zero/v1", (j - 1) << 64, count * R::BYTES);
                power = power * R::point(me);
                zero.iter_mut()
                    .zip(of_power.chunks(R::BYTES))
                    .for_each(|(sum, bytes)| *sum += power * R::read_le(bytes));
            }
        }
        let mut draws = keys.batch(&session).draws::<R>();
        assert_eq!(*draws.ring_shares(count), ring, "n = {n}, {me}: PRSS.Next");
        assert_eq!(*draws.base_shares(count), base, "n = {n}, {me}: PRSS.Next of words");
        assert_eq!(*draws.zeros(count), zero, "n = {n}, {me}: PRZS.Next");
    }
}

#[test]
fn the_sharings_of_a_batch_are_the_sums_that_the_page_writes() {
    for n in SIZES {
        batch_of::<Gr16>(n, 12);
    }
    batch_of::<Gr64>(7, 5);
    batch_of::<Gr128>(4, 5);
}

#[test]
fn more_than_a_chunk_of_a_stream_goes_on_where_the_chunk_ended() {
    batch_of::<Gr16>(4, 300);
    batch_of::<Gr64>(4, 40);
}

#[test]
fn masks_of_decryptions_are_the_sums_that_the_page_writes() {
    for n in [1, 4, 7] {
        let all = PrssKeys::deal(committee(n), &mut ChaCha20Rng::seed_from_u64(3)).unwrap();
        let session = SessionId(KeyId::numbered(8).bytes());
        let context = Transcript::new("tkms/prss/mask/v1").word(session.0).finish().0;
        let blocks = 20;
        for keys in &all {
            let me = keys.owner().party;
            let mut expected = vec![Gr128::ZERO; blocks];
            let held = subsets(n).into_iter().filter(|members| members.contains(&me));
            for (members, key) in held.zip(stored_keys(keys)) {
                let derived = *blake3::keyed_hash(&key, &context).as_bytes();
                let cipher = aes::Aes128::new_from_slice(&derived[..16]).unwrap();
                let summand = |block: usize, which: u128| {
                    let mut input = aes::Block::from((block as u128 | which << 64).to_le_bytes());
                    cipher.encrypt_block(&mut input);
                    // uniform in [−2¹¹⁰, 2¹¹⁰)
                    (u128::from_le_bytes(input.into()) & ((1 << 111) - 1)).wrapping_sub(1 << 110)
                };
                for (block, share) in expected.iter_mut().enumerate() {
                    let sum = summand(block, 0).wrapping_add(summand(block, 1));
                    *share += weight::<Gr128>(n, &members, me) * Gr128::constant(sum);
                }
            }
            assert_eq!(*keys.mask_shares(&session, blocks), expected, "n = {n}, {me}");
        }
    }
}

#[test]
fn lagrange_weights_of_every_quorum_reproduce_every_power_of_the_point() {
    for n in [4, 7] {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for _ in 0..40 {
            let mut parties: Vec<_> = (1..=n).map(party).collect();
            while parties.len() > t(n) + 1 {
                parties.remove(rng.random_range(0..parties.len()));
            }
            let at = Gr64::exceptional(Gf16::new(rng.random_range(0..16)));
            let weights = lagrange(&parties, at).unwrap();
            for power in 0..=t(n) {
                let raised = |x: Gr64| (0..power).fold(Gr64::ONE, |product, _| product * x);
                let sum =
                    parties.iter().zip(&weights).fold(Gr64::ZERO, |sum, (p, w)| sum + *w * raised(Gr64::point(*p)));
                assert_eq!(sum, raised(at), "Σ λᵢ·αᵢᵉ = αᵉ for e = {power}");
            }
        }
    }
    assert_eq!(lagrange::<Gr64>(&[party(1), party(1)], Gr64::ZERO), None);
}
