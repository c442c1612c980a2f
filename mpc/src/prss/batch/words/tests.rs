use super::*;
use crate::shamir::{Received, decode};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::{Committee, Id, KeyId};

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

/// The values behind everyone's shares, which all have to lie on polynomials of degree t.
fn opened(n: usize, context: &SessionId, count: usize) -> Vec<Gr16> {
    let committee = Committee::new(n).unwrap();
    let keys = PrssKeys::deal(committee, &mut ChaCha20Rng::seed_from_u64(n as u64)).unwrap();
    let shares: Vec<_> = keys.iter().map(|keys| (keys.owner().party, keys.word_shares(context, count))).collect();
    let received: Vec<_> = shares.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    decode(&received, committee.threshold().faults(), 0).unwrap().values
}

#[test]
fn every_party_has_its_share_of_the_same_words() {
    for n in [1, 4, 7, 13] {
        let words = opened(n, &session(1), 600);
        assert!(words.iter().all(|word| word.coefficients()[1..] == [0; 3]), "in the base ring");
        let sum = words.iter().map(|word| f64::from(word.coefficients()[0])).sum::<f64>() / 600.0;
        // five standard deviations of the mean of uniform words
        assert!((sum - 32767.5).abs() < 5.0 * 65536.0 / 12f64.sqrt() / 600f64.sqrt(), "{sum}");
    }
}

#[test]
fn a_context_names_its_words_and_more_of_them_begin_alike() {
    assert_eq!(opened(4, &session(1), 3), opened(4, &session(1), 9)[..3]);
    let (first, second) = (opened(4, &session(1), 9), opened(4, &session(2), 9));
    assert!(first.iter().zip(&second).all(|(a, b)| a != b));
}

#[test]
fn words_are_none_of_a_batch_of_the_same_name() {
    let keys = PrssKeys::deal(Committee::new(4).unwrap(), &mut ChaCha20Rng::seed_from_u64(4)).unwrap();
    assert_ne!(*keys[0].word_shares(&session(1), 4), *keys[0].batch(&session(1)).draws::<Gr16>().base_shares(4));
}
