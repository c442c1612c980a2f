//! Reed–Solomon decoding over GF(16) after Gao ("A new algorithm for decoding Reed–Solomon codes", 2003).
//! What it works on are shares of values that are being made public: time may depend on them.

use super::Gf16;

/// A polynomial over GF(16), constant first, without leading zeros; empty is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poly(Vec<Gf16>);

impl Poly {
    fn trimmed(mut coefficients: Vec<Gf16>) -> Self {
        while coefficients.last() == Some(&Gf16::ZERO) {
            coefficients.pop();
        }
        Self(coefficients)
    }

    fn one() -> Self {
        Self(vec![Gf16::ONE])
    }

    /// Coefficients, constant first.
    pub(crate) fn coefficients(&self) -> &[Gf16] {
        &self.0
    }

    /// Number of coefficients: degree + 1, and 0 for the zero polynomial.
    fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn eval(&self, x: Gf16) -> Gf16 {
        self.0.iter().rev().fold(Gf16::ZERO, |sum, c| sum.times(x).plus(*c))
    }

    fn plus(&self, other: &Self) -> Self {
        let (long, short) = if self.len() >= other.len() { (self, other) } else { (other, self) };
        let mut sum = long.0.clone();
        for (a, b) in sum.iter_mut().zip(&short.0) {
            *a = a.plus(*b);
        }
        Self::trimmed(sum)
    }

    /// self + factor · X^shift · other
    fn plus_shifted(&self, other: &Self, factor: Gf16, shift: usize) -> Self {
        let mut term = vec![Gf16::ZERO; shift];
        term.extend(other.0.iter().map(|c| c.times(factor)));
        self.plus(&Self(term))
    }

    fn times(&self, other: &Self) -> Self {
        let step = |sum: Self, (shift, factor): (usize, &Gf16)| sum.plus_shifted(other, *factor, shift);
        self.0.iter().enumerate().fold(Self(Vec::new()), step)
    }

    /// Quotient and remainder; `None` for division by 0.
    fn divide(&self, divisor: &Self) -> Option<(Self, Self)> {
        let lead = divisor.0.last()?.inverse_or_zero();
        let mut remainder = self.clone();
        let mut quotient = vec![Gf16::ZERO; self.len().saturating_sub(divisor.len()) + 1];
        while let Some(top) = remainder.0.last()
            && remainder.len() >= divisor.len()
        {
            let shift = remainder.len() - divisor.len();
            let factor = top.times(lead);
            if let Some(place) = quotient.get_mut(shift) {
                *place = factor;
            }
            remainder = remainder.plus_shifted(divisor, factor, shift);
        }
        Some((Self::trimmed(quotient), remainder))
    }
}

/// Π (X − x) over the points.
fn vanishing(points: &[(Gf16, Gf16)]) -> Poly {
    points.iter().fold(Poly::one(), |product, (x, _)| product.times(&Poly(vec![*x, Gf16::ONE])))
}

fn interpolate(points: &[(Gf16, Gf16)], vanishing: &Poly) -> Option<Poly> {
    let mut sum = Poly(Vec::new());
    for (x, y) in points {
        let (basis, _) = vanishing.divide(&Poly(vec![*x, Gf16::ONE]))?;
        let weight = y.times(basis.eval(*x).inverse_or_zero());
        sum = sum.plus_shifted(&basis, weight, 0);
    }
    Some(sum)
}

/// The polynomial of at most `degree` that differs from at most `max_errors` of the (point, value) pairs.
///
/// Points are distinct. `None` if there is no such polynomial; it is unique while
/// 2 · `max_errors` ≤ points − degree − 1, and a caller must keep to that.
pub(crate) fn decode(points: &[(Gf16, Gf16)], degree: usize, max_errors: usize) -> Option<Poly> {
    let all = vanishing(points);
    let mut previous = (all.clone(), Poly(Vec::new()));
    let mut current = (interpolate(points, &all)?, Poly::one());
    // Extended Euclid until the degree of the remainder falls below (N + k) / 2, k = degree + 1
    while !current.0.0.is_empty() && 2 * (current.0.len() - 1) > points.len() + degree {
        let (quotient, remainder) = previous.0.divide(&current.0)?;
        let factor = previous.1.plus(&quotient.times(&current.1));
        previous = std::mem::replace(&mut current, (remainder, factor));
    }
    let (message, rest) = current.0.divide(&current.1)?;
    let errors = points.iter().filter(|(x, y)| message.eval(*x) != *y).count();
    (rest.0.is_empty() && message.len() <= degree + 1 && errors <= max_errors).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(message: &[u8], n: u8) -> Vec<(Gf16, Gf16)> {
        let message = Poly::trimmed(message.iter().map(|c| Gf16::new(*c)).collect());
        (1..=n).map(|x| (Gf16::new(x), message.eval(Gf16::new(x)))).collect()
    }

    #[test]
    fn every_double_error_of_every_size_is_corrected_for_seven_points() {
        let sent = word(&[9, 4, 13], 7);
        let message = decode(&sent, 2, 0).unwrap();
        for i in 0..7 {
            for j in 0..7 {
                for (e, f) in (1..16).flat_map(|e| (0..16).map(move |f| (e, f))) {
                    let mut received = sent.clone();
                    received[i].1 = received[i].1.plus(Gf16::new(e));
                    if i != j {
                        received[j].1 = received[j].1.plus(Gf16::new(f));
                    }
                    assert_eq!(decode(&received, 2, 2).as_ref(), Some(&message));
                }
            }
        }
    }

    #[test]
    fn every_single_error_for_every_message_of_four_points() {
        for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
            let sent = word(&[a, b], 4);
            for (i, e) in (0..4).flat_map(|i| (1..16).map(move |e| (i, e))) {
                let mut received = sent.clone();
                received[i].1 = received[i].1.plus(Gf16::new(e));
                let message = decode(&received, 1, 1).unwrap();
                assert_eq!((message.eval(Gf16::ZERO).bits()), a);
                assert_eq!(decode(&received, 1, 0), None, "no error allowed");
            }
        }
    }

    #[test]
    fn error_beyond_the_bound_is_not_passed_off_as_a_message() {
        // three points of a line and one off it, plus another: within bound 1 nothing fits
        let mut received = word(&[3, 7], 4);
        received[0].1 = received[0].1.plus(Gf16::ONE);
        received[1].1 = received[1].1.plus(Gf16::new(6));
        if let Some(message) = decode(&received, 1, 1) {
            let off = received.iter().filter(|(x, y)| message.eval(*x) != *y).count();
            assert!(off <= 1 && message.len() <= 2);
        }
    }

    #[test]
    fn division_by_zero_is_none_and_division_undoes_multiplication() {
        let a = Poly(vec![Gf16::new(3), Gf16::new(0), Gf16::new(8)]);
        let b = Poly(vec![Gf16::new(5), Gf16::new(11)]);
        assert_eq!(a.divide(&Poly(Vec::new())), None);
        assert_eq!(a.times(&b).divide(&b), Some((a, Poly(Vec::new()))));
    }
}
