//! Shamir sharing over Galois rings and robust decoding of batches.
//!
//! A sharing is a random polynomial of degree t with the secret at 0; party i holds its value at the exceptional
//! point i. Decoding is optimistic: interpolate the whole batch from degree + 1 shares and check it against all
//! others. Only where that fails the liars are located, one bit plane after the other (Hensel lifting of
//! Reed–Solomon decoding over GF(16); Abspoel, Cramer, Damgård, Escudero, Yuan, TCC 2019), and the batch is
//! interpolated again without them. What is decoded is about to be public: time may depend on it.

use crate::ring::{self, Gf16, Gr128, Ring, rs};
use tkms_types::{Committee, PartyId};
use zeroize::Zeroizing;

/// Deals a secret with degree t: one share per party, in their order.
pub fn share<R: Ring>(secret: R, committee: Committee, rng: &mut impl rand::CryptoRng) -> Zeroizing<Vec<R>> {
    let polynomial = random_polynomial(secret, committee.threshold().faults(), rng);
    Zeroizing::new(committee.parties().map(|party| evaluate(&polynomial, R::point(party))).collect())
}

/// A uniform polynomial of this degree with this constant, constant first.
pub(crate) fn random_polynomial<R: Ring>(
    constant: R,
    degree: usize,
    rng: &mut impl rand::CryptoRng,
) -> Zeroizing<Vec<R>> {
    // with its whole capacity: growing would leave a copy of the secret behind
    let mut polynomial = Zeroizing::new(Vec::with_capacity(degree + 1));
    polynomial.push(constant);
    polynomial.extend((0..degree).map(|_| R::random(rng)));
    polynomial
}

/// The polynomial (constant first) at a point.
#[must_use]
pub fn evaluate<R: Ring>(polynomial: &[R], at: R) -> R {
    polynomial.iter().rev().fold(R::ZERO, |sum, c| sum * at + *c)
}

/// Weights that turn the shares of these parties into the value at `at`; `None` if a party is listed twice.
#[must_use]
pub fn lagrange<R: Ring>(parties: &[PartyId], at: R) -> Option<Vec<R>> {
    let weight = |party: &PartyId| {
        let own = R::point(*party);
        let mut numerator = R::ONE;
        let mut denominator = R::ONE;
        let mut seen = 0;
        for other in parties {
            if other == party {
                seen += 1;
                continue;
            }
            numerator = numerator * (at - R::point(*other));
            denominator = denominator * (own - R::point(*other));
        }
        if seen > 1 { None } else { Some(numerator * denominator.inverse()?) }
    };
    parties.iter().map(weight).collect()
}

/// The secret from exactly degree + 1 shares, without any check; `None` for a party listed twice.
#[must_use]
pub fn reconstruct<R: Ring>(shares: &[(PartyId, R)]) -> Option<R> {
    let parties: Vec<_> = shares.iter().map(|(party, _)| *party).collect();
    let weights = lagrange(&parties, R::ZERO)?;
    Some(weights.iter().zip(shares).fold(R::ZERO, |sum, (weight, (_, share))| sum + *weight * *share))
}

/// One party's shares of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a, R = Gr128> {
    /// Whose.
    pub party: PartyId,
    /// One share per value of the batch.
    pub shares: &'a [R],
}

/// A decoded batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<R = Gr128> {
    /// The secrets.
    pub values: Vec<R>,
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
    /// A party without whose share a batch of degree 2t proves nothing.
    #[error("the share of {0} is missing")]
    Missing(PartyId),
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
pub fn decode<R: Ring>(
    received: &[Received<'_, R>],
    degree: usize,
    max_liars: usize,
) -> Result<Decoded<R>, DecodeError> {
    let need = degree + 1 + 2 * max_liars;
    if received.len() < need {
        return Err(DecodeError::TooFew { have: received.len(), need });
    }
    check_shape(received)?;
    let mut good = received.to_vec();
    let mut liars: Vec<(PartyId, usize)> = Vec::new();
    loop {
        let element = match Interpolation::new(&good, degree)?.secrets() {
            Ok(values) => return Ok(Decoded { values, good: good.iter().map(|r| r.party).collect(), liars }),
            Err(misfit) => misfit,
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

/// Decodes a batch of degree 2t, for which honest parties alone are no code: whatever is off is detected, not corrected,
/// and only if *all* parties that may lie are present. `expected` says who must be: every party not proven a liar.
///
/// # Errors
/// [`DecodeError::Missing`] if one of them is absent, [`DecodeError`] if their shares are not on one polynomial each.
pub fn decode_complete<R: Ring>(
    received: &[Received<'_, R>],
    expected: &[PartyId],
    degree: usize,
) -> Result<Vec<R>, DecodeError> {
    let absent = expected.iter().find(|party| received.iter().all(|r| r.party != **party));
    if let Some(party) = absent {
        return Err(DecodeError::Missing(*party));
    }
    let expected: Vec<_> = received.iter().filter(|r| expected.contains(&r.party)).copied().collect();
    Ok(decode(&expected, degree, 0)?.values)
}

/// The first value of a batch where a late share lies off the polynomials through `base` (degree + 1 good parties).
#[must_use]
pub(crate) fn first_off<R: Ring>(base: &[Received<'_, R>], late: Received<'_, R>) -> Option<usize> {
    let parties: Vec<_> = base.iter().map(|r| r.party).collect();
    // A party of the base itself has nothing to be compared with
    let weights = if parties.contains(&late.party) { None } else { lagrange(&parties, R::point(late.party)) }?;
    let (columns, len) = columns(base);
    let (mut tiles, mut room) = tiles(len.min(late.shares.len()));
    tiles.find_map(|tile| {
        let room = room.get_mut(..tile.len()).unwrap_or_default();
        differs(&weights, &columns, late.shares, (tile.start, room))
    })
}

fn check_shape<R>(received: &[Received<'_, R>]) -> Result<(), DecodeError> {
    let len = received.first().map_or(0, |r| r.shares.len());
    for (i, r) in received.iter().enumerate() {
        if r.shares.len() != len || received.iter().skip(i + 1).any(|other| other.party == r.party) {
            return Err(DecodeError::Shape(r.party));
        }
    }
    Ok(())
}

/// The first place of a tile, from `start` on, where another party's share is not what these columns predict.
fn differs<R: Ring>(weights: &[R], columns: &[&[R]], other: &[R], (start, tile): (usize, &mut [R])) -> Option<usize> {
    ring::combine_tile(weights, columns, start, tile);
    let other = other.get(start..).unwrap_or_default();
    tile.iter().zip(other).position(|(a, b)| a != b).map(|place| start + place)
}

/// Shares by party, and how many each has.
fn columns<'a, R>(base: &[Received<'a, R>]) -> (Vec<&'a [R]>, usize) {
    (base.iter().map(|r| r.shares).collect(), base.first().map_or(0, |r| r.shares.len()))
}

/// Places of a batch of this length in tiles, and room for one.
fn tiles<R: Ring>(len: usize) -> (impl Iterator<Item = std::ops::Range<usize>>, Vec<R>) {
    let starts = (0..len).step_by(ring::TILE);
    (starts.map(move |start| start..len.min(start + ring::TILE)), vec![R::ZERO; len.min(ring::TILE)])
}

/// A batch read through its first degree + 1 parties.
struct Interpolation<'a, R> {
    base: &'a [Received<'a, R>],
    to_secret: Vec<R>,
    /// Every other party with the weights that predict its share.
    checks: Vec<(Received<'a, R>, Vec<R>)>,
}

impl<'a, R: Ring> Interpolation<'a, R> {
    fn new(good: &'a [Received<'a, R>], degree: usize) -> Result<Self, DecodeError> {
        let (have, need) = (good.len(), degree + 1);
        let (base, rest) = good.split_at_checked(need).ok_or(DecodeError::TooFew { have, need })?;
        let parties: Vec<_> = base.iter().map(|r| r.party).collect();
        // check_shape has shown that no party is listed twice: the weights exist
        let weights = |at| lagrange(&parties, at).ok_or(DecodeError::TooFew { have, need });
        let to_secret = weights(R::ZERO)?;
        let checks = rest.iter().map(|r| Ok((*r, weights(R::point(r.party))?))).collect::<Result<_, _>>()?;
        Ok(Self { base, to_secret, checks })
    }

    /// The secrets, or the first place where a share is off: tile by tile, so that a batch is read once.
    fn secrets(&self) -> Result<Vec<R>, usize> {
        let (columns, len) = columns(self.base);
        let (tiles, mut room) = tiles(len);
        let mut values = Vec::with_capacity(len);
        for tile in tiles {
            let room = room.get_mut(..tile.len()).unwrap_or_default();
            let mut off = |(other, weights): &(Received<'_, R>, Vec<R>)| {
                differs(weights, &columns, other.shares, (tile.start, &mut *room))
            };
            if let Some(misfit) = self.checks.iter().filter_map(&mut off).min() {
                return Err(misfit);
            }
            ring::combine_tile(&self.to_secret, &columns, tile.start, room);
            values.extend_from_slice(room);
        }
        Ok(values)
    }
}

/// Parties off the one polynomial of this degree that at most `max_errors` of them miss; `None` if there is none.
///
/// Bit plane by bit plane: decode the lowest bits over GF(16), take the lifted polynomial away from every share,
/// and drop whoever is then not divisible by 2. A dropped party is an erasure for the planes above.
fn locate_errors<R: Ring>(column: &[(PartyId, R)], degree: usize, max_errors: usize) -> Option<Vec<PartyId>> {
    let mut alive = column.to_vec();
    let mut wrong = Vec::new();
    for plane in 0..R::BITS {
        let word: Vec<_> =
            alive.iter().map(|(party, rest)| (Gf16::new(party.number()), rest.bit_plane(plane))).collect();
        let message = rs::decode(&word, degree, max_errors.checked_sub(wrong.len())?)?;
        let lifted: Vec<_> = message.coefficients().iter().map(|c| R::exceptional(*c)).collect();
        alive.retain_mut(|(party, rest)| {
            let at_point = message.eval(Gf16::new(party.number()));
            let fits = at_point == rest.bit_plane(plane);
            if fits {
                *rest -= evaluate(&lifted, R::point(*party)).shifted(plane);
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
