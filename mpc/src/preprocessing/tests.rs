//! The two rules that must not be dropped, each with the break that follows when it is.

use super::*;
use crate::ring::Gr16;
use crate::shamir::{decode, decode_complete, lagrange};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::Id;
use zeroize::Zeroizing;

const COUNT: usize = 400;

fn batches(n: usize) -> Vec<BatchKeys> {
    let keys = PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(4)).unwrap();
    let id = SessionId(tkms_types::KeyId::numbered(5).bytes());
    keys.iter().map(|keys| keys.batch(&id)).collect()
}

type Zeros = fn(&mut Draws16, usize) -> Zeroizing<Vec<Gr16>>;
type Draws16 = crate::prss::Draws<Gr16>;

/// [`Bits::prepare`] with the zero-sharing as a parameter: shares of a, of the zeros, and the message.
fn prepared(mut draws: Draws16, zeros: Zeros) -> (Vec<Gr16>, Vec<Gr16>, Vec<Gr16>) {
    let a = draws.base_shares(COUNT);
    let zeros = zeros(&mut draws, COUNT / DEGREE);
    let squares: Vec<_> = a.iter().map(|a| *a * *a + *a).collect();
    let message = packed(&squares).iter().zip(zeros.iter()).map(|(e, z)| *e + *z).collect();
    (a.to_vec(), zeros.to_vec(), message)
}

/// What party 1 of four learns of the bits from its keys, the opened values and the message of party 2 alone.
///
/// It lacks one word of each a and one χ of each zero. For every one of the 16 ways to choose the roots of an
/// element's four values it computes which χ explains the message: a χ outside the range of χ rules the choice out.
fn choices_left(batches: &[BatchKeys], zeros: Zeros, in_range: fn(Gr16) -> bool) -> Vec<Vec<u8>> {
    let (_, _, seen) = prepared(batches[1].draws(), zeros);
    let messages: Vec<_> =
        batches.iter().map(|batch| (batch.owner().party, prepared(batch.draws(), zeros).2)).collect();
    let received: Vec<_> = messages.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    let parties: Vec<_> = received.iter().map(|r| r.party).collect();
    let opened = decode_complete(&received, &parties, 2).unwrap();

    let (own, ..) = prepared(batches[0].draws(), zeros);
    let (known, known_zeros, _) = prepared(batches[1].draws().without_last(), zeros);
    let to_zero = lagrange::<Gr16>(&parties[..2], Gr16::ZERO).unwrap();
    let [at_1, at_2] = [Gr16::point(parties[0]), Gr16::point(parties[1])];
    // f of the subset without party 1, at party 2: 1 at 0 and 0 at party 1
    let f = (at_1 - at_2) * at_1.inverse().unwrap();
    let element = |(e, opened): (usize, &Gr16)| {
        let fits = |choice: &u8| {
            let mut rest = seen[e] - known_zeros[e];
            for k in (0..4).rev() {
                let i = 4 * e + k;
                let (even, _) = Gr16::even_root(opened.coefficients()[k]).unwrap();
                let root = if choice >> k & 1 == 0 { even } else { !even };
                let known_at_0 = to_zero[0] * own[i] + to_zero[1] * known[i];
                let unknown = Gr16::constant(root) - known_at_0;
                let share = known[i] + unknown * f;
                let power = (0..k).fold(share * share + share, |value, _| value.times_x());
                rest -= power;
            }
            in_range(rest * (f * at_2).inverse().unwrap())
        };
        (0..16).filter(fits).collect()
    };
    opened.iter().enumerate().map(element).collect()
}

#[test]
fn zeros_in_the_base_ring_would_show_every_bit_and_zeros_in_the_full_ring_show_none() {
    let batches = batches(4);
    let word = |chi: Gr16| chi.coefficients()[1..] == [0; 3];
    let base = choices_left(&batches, Draws16::zeros_in_the_base_ring, word);
    let bits: Vec<u8> = base.iter().flat_map(|left| left.clone()).collect();
    assert_eq!(bits.len(), COUNT / 4, "one choice left for every element: {COUNT} bits of {COUNT} read");
    // and it is the right one
    let a: Vec<_> =
        batches.iter().map(|batch| (batch.owner().party, batch.draws::<Gr16>().base_shares(COUNT))).collect();
    let received: Vec<_> = a.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    let secret = decode(&received, 1, 0).unwrap().values;
    for (i, value) in secret.iter().enumerate() {
        assert_eq!(value.coefficients()[0] % 2, u16::from(bits[i / 4] >> (i % 4) & 1));
    }
    let full = choices_left(&batches, Draws16::zeros, |_| true);
    assert!(full.iter().all(|left| left.len() == 16), "every choice explains what party 1 sees");
    let also_words = choices_left(&batches, Draws16::zeros, word);
    assert!(also_words.iter().all(Vec::is_empty), "the product's χ are no words");
}

#[test]
fn an_opening_with_a_share_missing_would_take_a_value_that_is_no_bit_and_a_complete_one_does_not() {
    let batches = batches(4);
    let recipe = Bits { count: 4 };
    let prepared: Vec<_> = batches.iter().map(|batch| recipe.prepare(&mut batch.draws::<Gr16>())).collect();
    let parties: Vec<_> = batches.iter().map(|batch| batch.owner().party).collect();
    let mut messages: Vec<_> = prepared.iter().map(|(_, message)| message.clone()).collect();
    // party 1 lies by what moves the opened value by 2: still even, and so still plausible
    let weights = lagrange::<Gr16>(&parties[..3], Gr16::ZERO).unwrap();
    messages[0][0] += weights[0].inverse().unwrap() * Gr16::constant(2);
    let received: Vec<_> =
        parties.iter().zip(&messages).map(|(party, shares)| Received { party: *party, shares }).collect();

    let opened = decode(&received[..3], 2, 0).unwrap().values;
    assert!(Recipe::<Gr16>::plausible(&recipe, &opened), "three shares of degree two fit always");
    let shares: Vec<_> = prepared.into_iter().map(|(kept, _)| recipe.finish(kept, &opened).unwrap()).collect();
    let received_bits: Vec<_> =
        parties.iter().zip(&shares).map(|(party, bits)| Received { party: *party, shares: &bits.0 }).collect();
    let bits = decode(&received_bits, 1, 0).unwrap().values;
    assert!(bits[0] != Gr16::ZERO && bits[0] != Gr16::ONE, "a bit that is not one: {:?}", bits[0]);

    assert!(decode_complete(&received, &parties, 2).is_err(), "the fourth share shows the lie");
    let missing = Err(shamir::DecodeError::Missing(parties[3]));
    assert_eq!(decode_complete(&received[..3], &parties, 2), missing, "and without it nothing is opened");
}

fn packed(values: &[Gr16]) -> Vec<Gr16> {
    values.chunks(4).map(|four| four.iter().rev().fold(Gr16::ZERO, |sum, value| sum.times_x() + *value)).collect()
}
