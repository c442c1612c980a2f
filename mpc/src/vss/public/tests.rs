//! The public half of a dealing, from values as a broadcast would deliver them: four parties, party 1 in the focus.

use super::*;
use crate::ring::Gr64;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const SHAPE: Shape = Shape { committee: committee(), count: 2 };

const fn committee() -> Committee {
    match Committee::new(4) {
        Ok(committee) => committee,
        Err(_) => panic!("a committee of four"),
    }
}

fn party(number: u8) -> PartyId {
    PartyId::new(number).unwrap()
}

fn word(value: u64) -> Gr64 {
    Gr64::constant(value)
}

fn complaint(dealer: u8, by: u8, with: u8, value: u64) -> Complaint<Gr64> {
    Complaint { dealer: party(dealer), by: party(by), with: party(with), secret: 1, value: word(value) }
}

fn bytes(values: &[Gr64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    values.iter().for_each(|value| value.write_le(&mut bytes));
    bytes
}

/// What party 1 answers; the others say nothing.
fn answers(values: &[u64]) -> Delivered {
    let words: Vec<_> = values.iter().map(|value| word(*value)).collect();
    vec![Some(bytes(&words)), None, None, None]
}

fn disqualified(complaints: &[Complaint<Gr64>], answers: &Delivered) -> Vec<PartyId> {
    judge(SHAPE, complaints, answers).disqualified
}

#[test]
fn complaints_come_back() {
    let complaints = vec![complaint(1, 2, 3, 5), complaint(4, 2, 1, 6)];
    assert_eq!(read_complaints::<Gr64>(SHAPE, party(2), &write_complaints(&complaints)), Some(complaints));
    assert_eq!(read_complaints::<Gr64>(SHAPE, party(2), &[]), Some(vec![]));
}

#[test]
fn malformed_complaints_are_none() {
    let good = write_complaints(&[complaint(1, 2, 3, 5)]);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let cases = [
        (good[..good.len() - 1].to_vec(), "cut short"),
        ([good.as_slice(), &[0]].concat(), "too long"),
        (with(0, 0), "no party 0"),
        (with(0, 5), "no party 5"),
        (with(1, 5), "nobody to differ from"),
        (with(1, 2), "about its pair with itself"),
        (with(2, 2), "a third secret of two"),
        (with(5, 1), "a secret far away"),
        ([good.clone(), good.clone()].concat(), "twice about one pair"),
    ];
    for (bytes, why) in cases {
        assert_eq!(read_complaints::<Gr64>(SHAPE, party(2), &bytes), None, "{why}");
    }
}

#[test]
fn a_malformed_list_counts_as_none_and_is_blamed_on_its_author() {
    let good = write_complaints(&[complaint(1, 2, 3, 5)]);
    let delivered = vec![None, Some(good), Some(vec![1]), Some(vec![])];
    let (complaints, faults) = all_complaints::<Gr64>(SHAPE, &delivered);
    assert_eq!(complaints, [complaint(1, 2, 3, 5)]);
    assert_eq!(faults.iter().map(|fault| fault.culprit).collect::<Vec<_>>(), [party(3)]);
}

#[test]
fn a_dealer_nobody_complains_about_owes_no_answer() {
    assert_eq!(judge::<Gr64>(SHAPE, &[], &vec![None; 4]), Verdict::default());
    let about_another = [complaint(2, 3, 4, 5)];
    let answers = vec![None, Some(bytes(&[word(5)])), None, None];
    assert_eq!(judge(SHAPE, &about_another, &answers), Verdict::default(), "3 was right about its own value");
}

#[test]
fn a_dealer_that_does_not_answer_every_complaint_is_disqualified() {
    let complaints = [complaint(1, 2, 3, 5), complaint(1, 3, 2, 6)];
    let mut long = answers(&[5, 5]);
    long[0].as_mut().unwrap().push(0);
    for wrong in [vec![None; 4], answers(&[]), answers(&[5]), answers(&[5, 5, 5]), long] {
        assert_eq!(disqualified(&complaints, &wrong), [party(1)]);
    }
    assert_eq!(disqualified(&complaints, &answers(&[5, 5])), []);
}

#[test]
fn two_values_for_one_pair_disqualify() {
    let complaints = [complaint(1, 2, 3, 5), complaint(1, 3, 2, 6)];
    assert_eq!(disqualified(&complaints, &answers(&[5, 6])), [party(1)], "F is symmetric");
    let of_another_secret = Complaint { secret: 0, ..complaint(1, 3, 2, 6) };
    assert_eq!(disqualified(&[complaint(1, 2, 3, 5), of_another_secret], &answers(&[5, 6])), []);
}

#[test]
fn whose_value_is_not_the_dealers_is_unhappy_and_more_than_t_disqualify() {
    let complaints = [complaint(1, 2, 3, 5), complaint(1, 3, 2, 6)];
    assert_eq!(judge(SHAPE, &complaints, &answers(&[5, 5])).unhappy, [(party(1), party(3))]);
    let verdict = judge(SHAPE, &complaints, &answers(&[9, 9]));
    assert_eq!((verdict.unhappy.len(), verdict.disqualified), (2, vec![party(1)]), "t = 1");
    let one_twice = [complaint(1, 2, 3, 5), complaint(1, 2, 4, 5)];
    assert_eq!(disqualified(&one_twice, &answers(&[9, 9])), [], "one party is unhappy once");
}

#[test]
fn only_the_happy_are_asked_about_the_unhappy_and_not_about_the_disqualified() {
    let verdict = Verdict { disqualified: vec![party(4)], unhappy: vec![(party(1), party(3)), (party(4), party(2))] };
    assert_eq!(verdict.unhappy_with(party(1)), [party(3)]);
    assert_eq!(verdict.unhappy_with(party(4)), []);
    assert_eq!(verdict.questions_to(party(2)), [(party(1), party(3))]);
    assert_eq!(verdict.questions_to(party(3)), [], "it is unhappy itself");
}

/// An honest dealing of party 1 in which party 3 is unhappy, and what each publishes about it.
struct Published {
    verdict: Verdict,
    polynomials: Vec<Gr64>,
    said: Delivered,
}

fn published() -> Published {
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    // f₃ of two secrets; the values of the others at 3 are its values at them
    let polynomials: Vec<_> = (0..4).map(|_| Gr64::random(rng)).collect();
    let values = |at: u8| -> Vec<Gr64> { polynomials.chunks(2).map(|f| evaluate(f, Gr64::point(party(at)))).collect() };
    let dealer = [polynomials.clone(), values(1)].concat();
    let said = vec![Some(bytes(&dealer)), Some(bytes(&values(2))), None, Some(bytes(&values(4)))];
    let verdict = Verdict { disqualified: vec![], unhappy: vec![(party(1), party(3))] };
    Published { verdict, polynomials, said }
}

#[test]
fn what_n_minus_t_happy_parties_confirm_is_taken() {
    let Published { mut verdict, polynomials, said } = published();
    assert_eq!(confirm::<Gr64>(SHAPE, &mut verdict, &said), [(party(1), party(3), polynomials)]);
    assert_eq!(verdict.disqualified, []);
}

#[test]
fn a_publication_with_fewer_confirmations_disqualifies() {
    let spoil: [fn(&mut Delivered); 7] = [
        |said| said[1] = None,
        |said| said[1] = Some(vec![]),
        |said| said[1].as_mut().unwrap()[0] ^= 1,
        |said| said[3].as_mut().unwrap().truncate(63),
        |said| said[0] = None,
        |said| said[0].as_mut().unwrap()[0] ^= 1,
        |said| said[0].as_mut().unwrap().truncate(64),
    ];
    for (number, spoil) in spoil.iter().enumerate() {
        let Published { mut verdict, mut said, .. } = published();
        spoil(&mut said);
        assert_eq!(confirm::<Gr64>(SHAPE, &mut verdict, &said), [], "case {number}");
        assert_eq!(verdict.disqualified, [party(1)], "case {number}");
    }
}

#[test]
fn the_unhappy_partys_own_word_confirms_nothing() {
    let Published { mut verdict, said, .. } = published();
    let mut said = said;
    said[2] = said[1].clone();
    said[1] = None;
    assert_eq!(confirm::<Gr64>(SHAPE, &mut verdict, &said), []);
}

#[test]
fn the_longest_broadcast_holds_all_complaints_and_all_publications() {
    for n in [1, 4, 7, 10, 13] {
        let shape = Shape { committee: Committee::new(n).unwrap(), count: 3 };
        let t = shape.width() - 1;
        let one = Complaint { dealer: party(1), by: party(1), with: party(1), secret: 0, value: word(1) };
        assert!(write_complaints(&vec![one; n * n]).len() <= shape.longest_broadcast::<Gr64>());
        let publications = (t * 3 * shape.width() + n * t * 3) * Gr64::BYTES;
        assert!(publications <= shape.longest_broadcast::<Gr64>());
    }
}
