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
    let (dealer, by, with) = (party(dealer), party(by), party(with));
    Complaint { dealer, by, with, dealt: true, secret: 1, value: word(value) }
}

/// The dealer's answers to these complaints.
fn bytes(complaints: &[Complaint<Gr64>], values: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    complaints.iter().zip(values).for_each(|(complaint, value)| write_answer(complaint, word(*value), &mut bytes));
    bytes
}

/// What party 1 answers; the others say nothing.
fn answers(complaints: &[Complaint<Gr64>], values: &[u64]) -> Delivered {
    vec![Some(bytes(complaints, values)), None, None, None]
}

fn disqualified(complaints: &[Complaint<Gr64>], answers: &Delivered) -> Vec<PartyId> {
    judge(SHAPE, complaints, answers).disqualified
}

#[test]
fn complaints_come_back() {
    let complaints = vec![complaint(1, 2, 3, 5), Complaint { dealt: false, ..complaint(4, 2, 1, 0) }];
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
        (with(2, 2), "dealt or not dealt"),
        (with(3, 2), "a third secret of two"),
        (with(6, 1), "a secret far away"),
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
    let answers = vec![None, Some(bytes(&about_another, &[5])), None, None];
    assert_eq!(judge(SHAPE, &about_another, &answers), Verdict::default(), "3 was right about its own value");
}

#[test]
fn a_dealer_that_does_not_answer_every_complaint_is_disqualified() {
    let complaints = [complaint(1, 2, 3, 5), complaint(1, 3, 2, 6)];
    let good = bytes(&complaints, &[5, 5]);
    let swapped = [&good[good.len() / 2..], &good[..good.len() / 2]].concat();
    let twice = [good.clone(), good.clone()].concat();
    let long = [good.as_slice(), &[0]].concat();
    let mut another = good.clone();
    another[0] = 4;
    let cut = good[..good.len() / 2].to_vec();
    for (number, wrong) in [vec![], cut, twice, long, swapped, another].into_iter().enumerate() {
        assert_eq!(disqualified(&complaints, &vec![Some(wrong), None, None, None]), [party(1)], "case {number}");
    }
    assert_eq!(disqualified(&complaints, &vec![None; 4]), [party(1)], "silence");
    assert_eq!(disqualified(&complaints, &answers(&complaints, &[5, 5])), []);
}

#[test]
fn answers_come_back_and_malformed_ones_are_none() {
    let complaints = [complaint(1, 2, 3, 5), complaint(1, 3, 2, 6)];
    let good = bytes(&complaints, &[7, 8]);
    let read = read_answers::<Gr64>(SHAPE, &good).unwrap();
    assert_eq!(read.iter().map(|answer| answer.value).collect::<Vec<_>>(), [word(7), word(8)]);
    assert_eq!(pair_of(&read[0]), pair_of(&read[1]), "a pair has no order");
    assert_eq!(read_answers::<Gr64>(SHAPE, &[]), Some(vec![]));
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let cases = [
        (good[1..].to_vec(), "cut short"),
        ([good.as_slice(), &[1]].concat(), "too long"),
        (with(0, 0), "no party 0"),
        (with(1, 9), "no party 9"),
        (with(2, 2), "a third secret of two"),
        (with(5, 1), "a secret far away"),
    ];
    for (bytes, why) in cases {
        assert_eq!(read_answers::<Gr64>(SHAPE, &bytes), None, "{why}");
    }
}

#[test]
fn two_values_for_one_pair_disqualify() {
    let complaints = [complaint(1, 2, 3, 5), complaint(1, 3, 2, 6)];
    assert_eq!(disqualified(&complaints, &answers(&complaints, &[5, 6])), [party(1)], "F is symmetric");
    let of_two_secrets = [complaint(1, 2, 3, 5), Complaint { secret: 0, ..complaint(1, 3, 2, 6) }];
    assert_eq!(disqualified(&of_two_secrets, &answers(&of_two_secrets, &[5, 6])), []);
}

#[test]
fn whose_value_is_not_the_dealers_is_unhappy_and_more_than_t_disqualify() {
    let complaints = [complaint(1, 2, 3, 5), complaint(1, 3, 2, 6)];
    assert_eq!(judge(SHAPE, &complaints, &answers(&complaints, &[5, 5])).unhappy, [(party(1), party(3))]);
    let verdict = judge(SHAPE, &complaints, &answers(&complaints, &[9, 9]));
    assert_eq!((verdict.unhappy.len(), verdict.disqualified), (2, vec![party(1)]), "t = 1");
    let one_twice = [complaint(1, 2, 3, 5), complaint(1, 2, 4, 5)];
    assert_eq!(disqualified(&one_twice, &answers(&one_twice, &[9, 9])), [], "one party is unhappy once");
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
struct Dispute {
    verdict: Verdict,
    polynomials: Vec<Gr64>,
    said: Delivered,
}

fn dispute() -> Dispute {
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    // f₃ of two secrets; the values of the others at 3 are its values at them
    let polynomials: Vec<_> = (0..4).map(|_| Gr64::random(rng)).collect();
    let values = |of: u8, bytes: &mut Vec<u8>| {
        write_values((party(1), party(3)), at(SHAPE, &polynomials, party(of)), bytes);
    };
    let mut said: Vec<Vec<u8>> = vec![Vec::new(); 4];
    write_row(party(3), &polynomials, &mut said[0]);
    [1, 2, 4].into_iter().zip([0, 1, 3]).for_each(|(of, place)| values(of, &mut said[place]));
    let said = said.into_iter().map(|value| (!value.is_empty()).then_some(value)).collect();
    let verdict = Verdict { disqualified: vec![], unhappy: vec![(party(1), party(3))] };
    Dispute { verdict, polynomials, said }
}

#[test]
fn publications_come_back_and_malformed_ones_are_none() {
    let Dispute { polynomials, said, .. } = dispute();
    let good = said[0].clone().unwrap();
    let read = read_published::<Gr64>(SHAPE, &good).unwrap();
    assert_eq!(read.rows, [(party(3), polynomials.clone())]);
    assert_eq!(read.values, [(party(1), party(3), at(SHAPE, &polynomials, party(1)).collect())]);
    assert_eq!(read_published::<Gr64>(SHAPE, &[]), Some(Published { rows: vec![], values: vec![] }));
    let row = 2 + 4 * Gr64::BYTES;
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let cases = [
        (good[..good.len() - 1].to_vec(), "cut short"),
        ([good.as_slice(), &[0]].concat(), "too long"),
        (with(1, 0), "polynomials of nobody"),
        (with(row, 5), "no dealer 5"),
        (with(row + 1, 5), "no party 5"),
        (with(0, 1), "values in the place of polynomials"),
    ];
    for (bytes, why) in cases {
        assert_eq!(read_published::<Gr64>(SHAPE, &bytes), None, "{why}");
    }
}

#[test]
fn what_n_minus_t_happy_parties_confirm_is_taken() {
    let Dispute { mut verdict, polynomials, said } = dispute();
    assert_eq!(confirm::<Gr64>(SHAPE, &mut verdict, &said), [(party(1), party(3), polynomials)]);
    assert_eq!(verdict.disqualified, []);
}

#[test]
fn a_publication_with_fewer_confirmations_disqualifies() {
    let spoil: [fn(&mut Delivered); 7] = [
        |said| said[1] = None,
        |said| said[1] = Some(vec![]),
        |said| said[1].as_mut().unwrap()[2] ^= 1,
        |said| said[3].as_mut().unwrap().truncate(63),
        |said| said[0] = None,
        |said| said[0].as_mut().unwrap()[2] ^= 1,
        |said| said[0].as_mut().unwrap().truncate(64),
    ];
    for (number, spoil) in spoil.iter().enumerate() {
        let Dispute { mut verdict, mut said, .. } = dispute();
        spoil(&mut said);
        assert_eq!(confirm::<Gr64>(SHAPE, &mut verdict, &said), [], "case {number}");
        assert_eq!(verdict.disqualified, [party(1)], "case {number}");
    }
}

#[test]
fn the_unhappy_partys_own_word_confirms_nothing() {
    let Dispute { mut verdict, said, .. } = dispute();
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
        let one = Complaint { secret: 0, ..complaint(1, 1, 1, 1) };
        assert!(write_complaints(&vec![one; n * n]).len() <= shape.longest_broadcast::<Gr64>());
        let publications = (t * 3 * shape.width() + n * t * 3) * Gr64::BYTES + 2 * (t + n * t);
        assert!(publications <= shape.longest_broadcast::<Gr64>());
    }
}
