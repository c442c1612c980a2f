//! Shamir sharing over GR(2¹²⁸, 4) and robust decoding of batches.
//!
//! A sharing is a random polynomial of degree t with the secret at 0; party i holds its value at the exceptional
//! point i. Decoding is optimistic: interpolate the whole batch from degree + 1 shares and check it against all
//! others. Only where that fails the liars are located, one bit plane after the other (Hensel lifting of
//! Reed–Solomon decoding over GF(16); Abspoel, Cramer, Damgård, Escudero, Yuan, TCC 2019), and the batch is
//! interpolated again without them. What is decoded is about to be public: time may depend on it.

use crate::ring::{Gf16, Gr128, rs};
use tkms_types::{Committee, PartyId};
use zeroize::Zeroizing;

/// Bits of a coefficient, so bit planes of a share.
const PLANES: u32 = 128;

/// Deals a secret with degree t: one share per party, in their order.
pub fn share(secret: Gr128, committee: Committee, rng: &mut impl rand::CryptoRng) -> Zeroizing<Vec<Gr128>> {
    let faults = committee.threshold().faults();
    // with its whole capacity: growing would leave a copy of the secret behind
    let mut polynomial = Zeroizing::new(Vec::with_capacity(faults + 1));
    polynomial.push(secret);
    polynomial.extend((0..faults).map(|_| Gr128::random(rng)));
    Zeroizing::new(committee.parties().map(|party| evaluate(&polynomial, Gr128::point(party))).collect())
}

/// The polynomial (constant first) at a point.
#[must_use]
pub fn evaluate(polynomial: &[Gr128], at: Gr128) -> Gr128 {
    polynomial.iter().rev().fold(Gr128::ZERO, |sum, c| sum * at + *c)
}

/// Weights that turn the shares of these parties into the value at `at`; `None` if a party is listed twice.
#[must_use]
pub fn lagrange(parties: &[PartyId], at: Gr128) -> Option<Vec<Gr128>> {
    let weight = |party: &PartyId| {
        let own = Gr128::point(*party);
        let mut numerator = Gr128::ONE;
        let mut denominator = Gr128::ONE;
        let mut seen = 0;
        for other in parties {
            if other == party {
                seen += 1;
                continue;
            }
            numerator = numerator * (at - Gr128::point(*other));
            denominator = denominator * (own - Gr128::point(*other));
        }
        if seen > 1 { None } else { Some(numerator * denominator.inverse()?) }
    };
    parties.iter().map(weight).collect()
}

/// The secret from exactly degree + 1 shares, without any check; `None` for a party listed twice.
#[must_use]
pub fn reconstruct(shares: &[(PartyId, Gr128)]) -> Option<Gr128> {
    let parties: Vec<_> = shares.iter().map(|(party, _)| *party).collect();
    let weights = lagrange(&parties, Gr128::ZERO)?;
    Some(weights.iter().zip(shares).fold(Gr128::ZERO, |sum, (weight, (_, share))| sum + *weight * *share))
}

/// One party's shares of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Whose.
    pub party: PartyId,
    /// One share per value of the batch.
    pub shares: &'a [Gr128],
}

/// A decoded batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The secrets.
    pub values: Vec<Gr128>,
    /// Parties whose every share lies on the polynomials, in the order given.
    pub good: Vec<PartyId>,
    /// The others, each with the first value where it was found off.
    pub liars: Vec<(PartyId, usize)>,
}

/// A batch that cannot be decoded, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too few shares for the degree and the errors to correct.
    #[error("{have} shares; degree and errors need {need}")]
    TooFew {
        /// Shares given.
        have: usize,
        /// degree + 1 + 2 · errors.
        need: usize,
    },
    /// A party listed twice, or batches of different lengths.
    #[error("shares of {0} are listed twice or differ in number")]
    Shape(PartyId),
    /// No polynomials of this degree leave out so few parties.
    #[error("value {element} has more errors than can be corrected")]
    TooManyErrors {
        /// Position in the batch.
        element: usize,
    },
}

/// Decodes a batch in which at most `max_liars` parties lie, needing degree + 1 + 2 · `max_liars` shares.
///
/// Parties that are missing or known to be bad are left out: with e liars and s missing of N this is
/// 2e + s ≤ N − degree − 1. The caller states how far it may go: when more parties than `max_liars` lie, the answer
/// can be a wrong one. [`crate::decrypt::Opening`] shows the rule that excludes this.
///
/// # Errors
/// [`DecodeError`] if the shares do not suffice or do not fit.
pub fn decode(received: &[Received<'_>], degree: usize, max_liars: usize) -> Result<Decoded, DecodeError> {
    let need = degree + 1 + 2 * max_liars;
    if received.len() < need {
        return Err(DecodeError::TooFew { have: received.len(), need });
    }
    let len = check_shape(received)?;
    let mut good = received.to_vec();
    let mut liars: Vec<(PartyId, usize)> = Vec::new();
    loop {
        let batch = Interpolation::new(&good, degree)?;
        let Some(element) = (0..len).find(|element| !batch.fits(*element)) else {
            let values = (0..len).map(|element| batch.secret(element)).collect();
            return Ok(Decoded { values, good: good.iter().map(|r| r.party).collect(), liars });
        };
        // Each turn removes at least one party, so there are at most max_liars + 1 of them
        let budget = max_liars.saturating_sub(liars.len());
        let column: Vec<_> = good.iter().filter_map(|r| Some((r.party, *r.shares.get(element)?))).collect();
        let wrong = locate_errors(&column, degree, budget).ok_or(DecodeError::TooManyErrors { element })?;
        if wrong.is_empty() {
            return Err(DecodeError::TooManyErrors { element });
        }
        good.retain(|r| !wrong.contains(&r.party));
        liars.extend(wrong.into_iter().map(|party| (party, element)));
    }
}

/// The first value of a batch where a late share lies off the polynomials through `base` (degree + 1 good parties).
#[must_use]
pub(crate) fn first_off(base: &[Received<'_>], late: Received<'_>) -> Option<usize> {
    let parties: Vec<_> = base.iter().map(|r| r.party).collect();
    // A party of the base itself has nothing to be compared with
    let weights = if parties.contains(&late.party) { None } else { lagrange(&parties, Gr128::point(late.party)) }?;
    late.shares.iter().enumerate().find(|(i, share)| combine(&weights, base, *i) != **share).map(|(i, _)| i)
}

fn check_shape(received: &[Received<'_>]) -> Result<usize, DecodeError> {
    let len = received.first().map_or(0, |r| r.shares.len());
    for (i, r) in received.iter().enumerate() {
        if r.shares.len() != len || received.iter().skip(i + 1).any(|other| other.party == r.party) {
            return Err(DecodeError::Shape(r.party));
        }
    }
    Ok(len)
}

fn combine(weights: &[Gr128], base: &[Received<'_>], element: usize) -> Gr128 {
    let shares = base.iter().map(|r| r.shares.get(element).copied().unwrap_or_default());
    weights.iter().zip(shares).fold(Gr128::ZERO, |sum, (weight, share)| sum + *weight * share)
}

/// A batch read through its first degree + 1 parties.
struct Interpolation<'a> {
    base: &'a [Received<'a>],
    to_secret: Vec<Gr128>,
    /// Every other party with the weights that predict its share.
    checks: Vec<(Received<'a>, Vec<Gr128>)>,
}

impl<'a> Interpolation<'a> {
    fn new(good: &'a [Received<'a>], degree: usize) -> Result<Self, DecodeError> {
        let (have, need) = (good.len(), degree + 1);
        let (base, rest) = good.split_at_checked(need).ok_or(DecodeError::TooFew { have, need })?;
        let parties: Vec<_> = base.iter().map(|r| r.party).collect();
        // check_shape has shown that no party is listed twice: the weights exist
        let weights = |at| lagrange(&parties, at).ok_or(DecodeError::TooFew { have, need });
        let to_secret = weights(Gr128::ZERO)?;
        let checks = rest.iter().map(|r| Ok((*r, weights(Gr128::point(r.party))?))).collect::<Result<_, _>>()?;
        Ok(Self { base, to_secret, checks })
    }

    fn fits(&self, element: usize) -> bool {
        let fits = |(r, weights): &(Received<'_>, Vec<Gr128>)| {
            r.shares.get(element) == Some(&combine(weights, self.base, element))
        };
        self.checks.iter().all(fits)
    }

    fn secret(&self, element: usize) -> Gr128 {
        combine(&self.to_secret, self.base, element)
    }
}

/// Parties off the one polynomial of this degree that at most `max_errors` of them miss; `None` if there is none.
///
/// Bit plane by bit plane: decode the lowest bits over GF(16), take the lifted polynomial away from every share,
/// and drop whoever is then not divisible by 2. A dropped party is an erasure for the planes above.
fn locate_errors(column: &[(PartyId, Gr128)], degree: usize, max_errors: usize) -> Option<Vec<PartyId>> {
    let mut alive = column.to_vec();
    let mut wrong = Vec::new();
    for plane in 0..PLANES {
        let word: Vec<_> =
            alive.iter().map(|(party, rest)| (Gf16::new(party.number()), rest.bit_plane(plane))).collect();
        let message = rs::decode(&word, degree, max_errors.checked_sub(wrong.len())?)?;
        let lifted: Vec<_> = message.coefficients().iter().map(|c| Gr128::exceptional(*c)).collect();
        alive.retain_mut(|(party, rest)| {
            let at_point = message.eval(Gf16::new(party.number()));
            let fits = at_point == rest.bit_plane(plane);
            if fits {
                *rest -= evaluate(&lifted, Gr128::point(*party)).scale(1 << plane);
            } else {
                wrong.push(*party);
            }
            fits
        });
    }
    (wrong.len() <= max_errors).then_some(wrong)
}

#[cfg(test)]
mod tests;
