//! The rings against a schoolbook twin: polynomials over arbitrary length, reduced by long division.

use super::*;
use proptest::prelude::*;
use rand_chacha::rand_core::SeedableRng;

/// Product by definition: multiply as polynomials, then take X^(4+i) away with X^i·(X⁴ + X + 1) from the top.
fn schoolbook(a: &[u128; 4], b: &[u128; 4]) -> [u128; 4] {
    let mut product = [0u128; 7];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            product[i + j] = product[i + j].wrapping_add(x.wrapping_mul(*y));
        }
    }
    for top in (4..7).rev() {
        let lead = product[top];
        for power in [4, 1, 0] {
            product[top - 4 + power] = product[top - 4 + power].wrapping_sub(lead);
        }
    }
    product[..4].try_into().unwrap()
}

proptest! {
    #[test]
    fn product_equals_schoolbook(a: [u128; 4], b: [u128; 4]) {
        prop_assert_eq!(Gr128::new(a) * Gr128::new(b), Gr128::new(schoolbook(&a, &b)));
    }

    #[test]
    fn reduction_to_64_bits_is_a_ring_homomorphism(a: [u128; 4], b: [u128; 4]) {
        let (a, b) = (Gr128::new(a), Gr128::new(b));
        prop_assert_eq!((a * b).reduce(), a.reduce() * b.reduce());
        prop_assert_eq!((a + b).reduce(), a.reduce() + b.reduce());
        prop_assert_eq!((a - b).reduce(), a.reduce() - b.reduce());
        prop_assert_eq!((-a).reduce(), -a.reduce());
    }

    #[test]
    fn odd_residue_is_invertible_and_even_is_not(a: [u128; 4]) {
        let a = Gr128::new(a);
        match a.inverse() {
            Some(inverse) => prop_assert_eq!(a * inverse, Gr128::ONE),
            None => prop_assert_eq!(a.bit_plane(0), Gf16::ZERO),
        }
        match a.reduce().inverse() {
            Some(inverse) => prop_assert_eq!(a.reduce() * inverse, Gr64::ONE),
            None => prop_assert_eq!(a.bit_plane(0), Gf16::ZERO),
        }
    }

    #[test]
    fn scaling_is_multiplication_by_a_constant(a: [u128; 4], factor: u128) {
        let a = Gr128::new(a);
        prop_assert_eq!(a.scale(factor), a * Gr128::constant(factor));
        prop_assert_eq!(a.times_x(), a * Gr128::new([0, 1, 0, 0]));
    }

    #[test]
    fn ring_laws_hold(a: [u128; 4], b: [u128; 4], c: [u128; 4]) {
        let (a, b, c) = (Gr128::new(a), Gr128::new(b), Gr128::new(c));
        prop_assert_eq!(a * b, b * a);
        prop_assert_eq!(a * (b + c), a * b + a * c);
        prop_assert_eq!((a * b) * c, a * (b * c));
        prop_assert_eq!(a - b, a + -b);
    }

    #[test]
    fn encoding_round_trips(a: [u128; 4]) {
        let a = Gr128::new(a);
        prop_assert_eq!(Gr128::from_le_bytes(&a.to_le_bytes()), a);
        prop_assert_eq!(Gr64::from_le_bytes(&a.reduce().to_le_bytes()), a.reduce());
    }

    #[test]
    fn every_bit_plane_is_a_ring_map_on_its_own_level(a: [u128; 4], b: [u128; 4]) {
        let (a, b) = (Gr128::new(a), Gr128::new(b));
        prop_assert_eq!((a * b).bit_plane(0), a.bit_plane(0).times(b.bit_plane(0)));
        prop_assert_eq!((a + b).bit_plane(0), a.bit_plane(0).plus(b.bit_plane(0)));
    }
}

#[test]
fn different_exceptional_points_differ_by_a_unit() {
    for i in 0..16 {
        for j in 0..16 {
            let difference = Gr128::exceptional(Gf16::new(i)) - Gr128::exceptional(Gf16::new(j));
            assert_eq!(difference.inverse().is_some(), i != j, "{i} {j}");
        }
    }
}

#[test]
fn point_of_a_party_has_the_bits_of_its_number() {
    let point = Gr128::point(PartyId::new(13).unwrap());
    assert_eq!(point.coefficients(), &[1, 0, 1, 1]);
}

/// Claims that hold for each of the three rings, on seeded elements.
fn for_a_ring<R: Ring>() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(u64::from(R::BITS));
    for _ in 0..50 {
        let [a, b] = [Gr128::random(&mut rng), Gr128::random(&mut rng)];
        assert_eq!(R::image(&(a * b)), R::image(&a) * R::image(&b), "the image is a homomorphism");
        assert_eq!(R::image(&(a - b)), R::image(&a) - R::image(&b));
        let (x, v) = (R::random(&mut rng), R::random(&mut rng));
        let root = R::solve_square_plus_self(x * x + x).unwrap();
        assert!(root == x || root == -R::ONE - x, "one of the two roots");
        // trace of the residue: v + v² + v⁴ + v⁸
        let mut power = v.bit_plane(0);
        let trace = (0..4).fold(Gf16::ZERO, |trace, _| {
            let sum = trace.plus(power);
            power = power.times(power);
            sum
        });
        assert_eq!(R::solve_square_plus_self(v).is_some(), trace == Gf16::ZERO, "solvable iff the trace is 0");
        assert_eq!(x.inverse().map(|inverse| inverse * x), (x.bit_plane(0) != Gf16::ZERO).then_some(R::ONE));
        let mut bytes = Vec::new();
        x.write_le(&mut bytes);
        assert_eq!((bytes.len(), R::read_le(&bytes)), (R::BYTES, x));
        assert_eq!(
            x.shifted(3),
            x * R::from_words([R::word_from_le(&[8]), R::ZERO.words()[0], R::ZERO.words()[0], R::ZERO.words()[0]])
        );
    }
    for number in 1..=13 {
        let party = PartyId::new(number).unwrap();
        assert_eq!(R::image(&Gr128::point(party)), R::point(party), "shares map to shares");
    }
}

#[test]
fn rings_are_images_of_one_another_and_solve_square_plus_self() {
    for_a_ring::<Gr16>();
    for_a_ring::<Gr64>();
    for_a_ring::<Gr128>();
}

#[test]
fn even_roots_of_every_word_of_sixteen_bits() {
    for x in 0..=u16::MAX {
        let v = x.wrapping_mul(x).wrapping_add(x);
        let (root, divisor) = Gr16::even_root(v).unwrap();
        assert_eq!(root, if x % 2 == 0 { x } else { !x }, "−1 − x is the complement");
        assert_eq!(divisor.wrapping_mul(1u16.wrapping_add(root.wrapping_mul(2))), u16::MAX);
        // the bit that a leads to is its lowest
        assert_eq!(x.wrapping_sub(root).wrapping_mul(divisor), x % 2);
        assert_eq!(Gr16::even_root(v | 1), None, "an odd v has no root");
    }
}

proptest! {
    #[test]
    fn even_roots_of_wider_words(x: u64, y: u128) {
        let (root, divisor) = Gr64::even_root(x.wrapping_mul(x).wrapping_add(x)).unwrap();
        prop_assert_eq!(x.wrapping_sub(root).wrapping_mul(divisor), x % 2);
        let (root, divisor) = Gr128::even_root(y.wrapping_mul(y).wrapping_add(y)).unwrap();
        prop_assert_eq!(y.wrapping_sub(root).wrapping_mul(divisor), y % 2);
    }
}

fn plain_bit<R: Ring>((share, v): (&R, &R::Word)) -> R {
    let (root, divisor) = R::even_root(*v).unwrap();
    let zero = R::ZERO.words()[0];
    (*share - R::from_words([root, zero, zero, zero])).scale(divisor)
}

/// The kernels against their plain twins, at lengths around the width of a vector.
fn kernels_equal_their_twins<R: Ring>() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
    for len in [0, 1, 15, 16, 17, 83, TILE - 1, TILE, TILE + 1, 2 * TILE + 3] {
        let weights: Vec<R> = (0..3).map(|_| R::random(&mut rng)).collect();
        let columns: Vec<Vec<R>> = (0..3).map(|_| (0..len).map(|_| R::random(&mut rng)).collect()).collect();
        let views: Vec<&[R]> = columns.iter().map(Vec::as_slice).collect();
        let plain = |i: usize| weights.iter().zip(&columns).fold(R::ZERO, |sum, (w, c)| sum + *w * c[i]);
        assert_eq!(combine(&weights, &views, len), (0..len).map(plain).collect::<Vec<_>>());
        let mut sums = vec![R::ONE; len + 5];
        R::add_products(&mut sums, weights[0], &columns[0]);
        let plain: Vec<R> =
            (0..len + 5).map(|i| R::ONE + columns[0].get(i).map_or(R::ZERO, |element| weights[0] * *element)).collect();
        assert_eq!(sums, plain, "a short column counts as 0 at its end");
        let mut short = vec![R::ZERO; len / 2];
        R::add_products(&mut short, R::ONE, &columns[1]);
        assert_eq!(short, columns[1][..len / 2], "and a long one is cut");
        let scalars: Vec<_> = (0..len).map(|i| columns[1][i].words()[0]).collect();
        let mut sums = columns[0].clone();
        R::add_scaled(&mut sums, weights[1], &scalars);
        let plain = |i: usize| columns[0][i] + weights[1].scale(scalars[i]);
        assert_eq!(sums, (0..len).map(plain).collect::<Vec<_>>());
        let plain = scalars.iter().zip(&columns[0]).fold(R::ZERO, |sum, (scalar, share)| sum + share.scale(*scalar));
        assert_eq!(dot(&scalars, &columns[0]), plain);
        let even: Vec<R> = columns[1].iter().map(|element| *element + *element).collect();
        let shares: Vec<R> = (0..4 * len).map(|_| R::random(&mut rng)).collect();
        let plain: Vec<R> = shares.iter().zip(even.iter().flat_map(R::words)).map(plain_bit).collect();
        let mut found = shares.clone();
        R::subtract_roots(&mut found, &even);
        assert_eq!(found, plain);
    }
}

#[test]
fn batch_kernels_equal_their_plain_twins_in_every_ring() {
    kernels_equal_their_twins::<Gr16>();
    kernels_equal_their_twins::<Gr64>();
    kernels_equal_their_twins::<Gr128>();
}
