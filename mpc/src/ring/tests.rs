//! The rings against a schoolbook twin: polynomials over arbitrary length, reduced by long division.

use super::*;
use proptest::prelude::*;

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
