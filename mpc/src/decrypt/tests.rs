use super::*;

const DELTA: u128 = 1 << 123;

fn reach(n: usize) -> u128 {
    FloodBounds::PRODUCTION.check(subsets(Committee::new(n).unwrap())).unwrap()
}

fn opened(words: &[u128], blocks: usize) -> Opened {
    let elements = words.chunks(4).map(|four| {
        let mut coefficients = [0; 4];
        coefficients[..four.len()].copy_from_slice(four);
        Gr128::new(coefficients)
    });
    Opened::new(Committee::new(13).unwrap(), blocks, elements.collect())
}

#[test]
fn every_message_is_rounded_rightly_up_to_the_bound_on_both_sides() {
    for n in [1, 4, 7, 10, 13] {
        for message in 0..16u8 {
            let place = u128::from(message) * DELTA;
            for error in [0, 1, reach(n) - 1, reach(n)] {
                assert_eq!(round(place.wrapping_add(error), 123, reach(n)), Some(message));
                assert_eq!(round(place.wrapping_sub(error), 123, reach(n)), Some(message), "0 wraps to the top");
            }
        }
    }
}

#[test]
fn a_word_beyond_the_bound_is_no_message() {
    for message in 0..16u128 {
        for error in [reach(13) + 1, DELTA / 2 - 1, DELTA / 2] {
            assert_eq!(round((message * DELTA).wrapping_add(error), 123, reach(13)), None);
            assert_eq!(round((message * DELTA).wrapping_sub(error), 123, reach(13)), None);
        }
    }
}

#[test]
fn a_set_padding_bit_is_no_message() {
    for message in 16..32 {
        assert_eq!(round(message * DELTA, 123, reach(13)), None);
    }
}

#[test]
fn digits_name_the_implausible_block() {
    let good = [3 * DELTA, 0, 15 * DELTA, DELTA, 7 * DELTA];
    assert_eq!(opened(&good, 5).digits(), Ok(vec![3, 0, 15, 1, 7]));
    let mut bad = good;
    bad[4] += DELTA / 2;
    assert_eq!(opened(&bad, 5).digits(), Err(Implausible { block: 4 }));
}

#[test]
fn anything_in_an_unused_coefficient_is_implausible() {
    let words = [DELTA, DELTA, 0, 1];
    assert_eq!(opened(&words, 2).digits(), Err(Implausible { block: 2 }));
    assert_eq!(opened(&words[..2], 2).digits(), Ok(vec![1, 1]));
}
