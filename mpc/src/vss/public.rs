//! The public half of a dealing (steps 3 to 6 of `docs/protocol/vss.md`): complaints, answers, publications and what
//! follows from them. Functions of broadcast values only, so every honest party finds the same.

use crate::broadcast::{Broadcast, Delivered};
use crate::fault::{Evidence, Fault, StepId};
use crate::ring::Ring;
use crate::shamir::evaluate;
use std::collections::BTreeMap;
use tkms_types::{Committee, PartyId};

/// Bytes of a complaint before its value: dealer, peer, whether anything was dealt, u32 secret.
const COMPLAINT_HEADER: usize = 7;
/// Bytes of an answer before its value: the pair, u32 secret.
const ANSWER_HEADER: usize = 6;
/// Bytes before what is published at once: 0 and the unhappy party, or the dealer and its unhappy party.
const PUBLISHED_HEADER: usize = 2;
/// In the place of a dealer: what follows are the sender's own polynomials.
const OWN: u8 = 0;

/// Size of a run.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub committee: Committee,
    /// Secrets of each dealer.
    pub count: usize,
}

impl Shape {
    /// Coefficients of a polynomial of degree t.
    pub const fn width(self) -> usize {
        self.committee.threshold().faults() + 1
    }

    /// Bytes of the longest value an honest party broadcasts.
    pub const fn longest_broadcast<R: Ring>(self) -> usize {
        let n = self.committee.size();
        let faults = self.width() - 1;
        let complaints = n * n * (COMPLAINT_HEADER + R::BYTES);
        let polynomials = faults * (PUBLISHED_HEADER + self.count * self.width() * R::BYTES);
        let publications = polynomials + n * faults * (PUBLISHED_HEADER + self.count * R::BYTES);
        if complaints > publications { complaints } else { publications }
    }
}

/// `by` says: for this secret of the dealer my value with `with` is `value`, and not what `with` showed me.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Complaint<R> {
    pub dealer: PartyId,
    pub by: PartyId,
    pub with: PartyId,
    /// Whether `by` was dealt anything: if not, its value is 0, and says nothing about what the dealer sent.
    pub dealt: bool,
    pub secret: usize,
    pub value: R,
}

/// The dealer says: this is the value of the pair for this secret. Names its question, so that it can be read alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<R> {
    pub by: PartyId,
    pub with: PartyId,
    pub secret: usize,
    pub value: R,
}

/// What one party publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published<R> {
    /// (unhappy party, its polynomials) of its own dealing.
    pub rows: Vec<(PartyId, Vec<R>)>,
    /// (dealer, unhappy party, our values with it).
    pub values: Vec<(PartyId, PartyId, Vec<R>)>,
}

/// What the committee knows about the dealings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// In ascending order.
    pub disqualified: Vec<PartyId>,
    /// (dealer, party whose complaint the dealer's answer contradicts), in ascending order.
    pub unhappy: Vec<(PartyId, PartyId)>,
}

impl Verdict {
    /// Parties whose polynomials this dealer has to publish.
    pub fn unhappy_with(&self, dealer: PartyId) -> Vec<PartyId> {
        let stands = !self.disqualified.contains(&dealer);
        self.unhappy.iter().filter(|(d, _)| stands && *d == dealer).map(|(_, party)| *party).collect()
    }

    /// (dealer, unhappy party) whose common values this party, being happy with the dealer, has to publish.
    pub fn questions_to(&self, party: PartyId) -> Vec<(PartyId, PartyId)> {
        let asks = |(dealer, _): &&(PartyId, PartyId)| {
            !self.disqualified.contains(dealer) && !self.unhappy.contains(&(*dealer, party))
        };
        self.unhappy.iter().filter(asks).copied().collect()
    }

    fn disqualify(&mut self, dealer: PartyId) {
        if !self.disqualified.contains(&dealer) {
            self.disqualified.push(dealer);
            self.disqualified.sort_unstable();
        }
    }
}

pub(super) fn write_complaints<R: Ring>(complaints: &[Complaint<R>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for complaint in complaints {
        bytes.extend([complaint.dealer.number(), complaint.with.number(), complaint.dealt.into()]);
        bytes.extend((complaint.secret as u32).to_le_bytes());
        complaint.value.write_le(&mut bytes);
    }
    bytes
}

/// One party's complaints; `None` unless well-formed, one at most for a dealer and peer.
pub(super) fn read_complaints<R: Ring>(shape: Shape, by: PartyId, bytes: &[u8]) -> Option<Vec<Complaint<R>>> {
    let size = COMPLAINT_HEADER + R::BYTES;
    let mut complaints: Vec<Complaint<R>> = Vec::new();
    for chunk in bytes.chunks(size) {
        let [dealer, with, dealt @ 0..2, a, b, c, d, value @ ..] = chunk else { return None };
        let (dealer, with) = (shape.committee.party(*dealer).ok()?, shape.committee.party(*with).ok()?);
        let secret = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let twice = complaints.iter().any(|other| other.dealer == dealer && other.with == with);
        if twice || with == by || secret >= shape.count || value.len() != R::BYTES {
            return None;
        }
        complaints.push(Complaint { dealer, by, with, dealt: *dealt == 1, secret, value: R::read_le(value) });
    }
    Some(complaints)
}

pub(super) fn write_answer<R: Ring>(to: &Complaint<R>, value: R, bytes: &mut Vec<u8>) {
    bytes.extend([to.by.number(), to.with.number()]);
    bytes.extend((to.secret as u32).to_le_bytes());
    value.write_le(bytes);
}

/// A dealer's answers; `None` unless well-formed.
pub(super) fn read_answers<R: Ring>(shape: Shape, bytes: &[u8]) -> Option<Vec<Answer<R>>> {
    let answer = |chunk: &[u8]| {
        let [by, with, a, b, c, d, value @ ..] = chunk else { return None };
        let (by, with) = (shape.committee.party(*by).ok()?, shape.committee.party(*with).ok()?);
        let secret = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let fits = secret < shape.count && value.len() == R::BYTES;
        fits.then(|| Answer { by, with, secret, value: R::read_le(value) })
    };
    bytes.chunks(ANSWER_HEADER + R::BYTES).map(answer).collect()
}

pub(super) fn write_row<R: Ring>(unhappy: PartyId, row: &[R], bytes: &mut Vec<u8>) {
    bytes.extend([OWN, unhappy.number()]);
    row.iter().for_each(|coefficient| coefficient.write_le(bytes));
}

pub(super) fn write_values<R: Ring>(
    (dealer, unhappy): (PartyId, PartyId),
    values: impl Iterator<Item = R>,
    bytes: &mut Vec<u8>,
) {
    bytes.extend([dealer.number(), unhappy.number()]);
    values.for_each(|value| value.write_le(bytes));
}

/// What one party publishes; `None` unless well-formed.
pub(super) fn read_published<R: Ring>(shape: Shape, mut bytes: &[u8]) -> Option<Published<R>> {
    let mut published = Published { rows: Vec::new(), values: Vec::new() };
    while let [dealer, unhappy, rest @ ..] = bytes {
        let unhappy = shape.committee.party(*unhappy).ok()?;
        let width = if *dealer == OWN { shape.width() } else { 1 };
        let (head, rest) = rest.split_at_checked(shape.count * width * R::BYTES)?;
        let elements = head.chunks(R::BYTES).map(R::read_le).collect();
        if *dealer == OWN {
            published.rows.push((unhappy, elements));
        } else {
            published.values.push((shape.committee.party(*dealer).ok()?, unhappy, elements));
        }
        bytes = rest;
    }
    bytes.is_empty().then_some(published)
}

/// The complaints of all, in the order of parties. A malformed list counts as none.
pub(super) fn all_complaints<R: Ring>(shape: Shape, delivered: &Delivered) -> (Vec<Complaint<R>>, Vec<Fault>) {
    let (mut complaints, mut faults) = (Vec::new(), Vec::new());
    for (by, value) in shape.committee.parties().zip(delivered) {
        match value.as_ref().map(|bytes| read_complaints(shape, by, bytes)) {
            Some(Some(list)) => complaints.extend(list),
            Some(None) => {
                let round = 2 + Broadcast::rounds(shape.committee);
                faults.push(Fault { culprit: by, step: StepId::Vss, evidence: Evidence::WrongKind { round } });
            }
            None => {}
        }
    }
    (complaints, faults)
}

/// Step 4, from outside: a dealer that leaves a complaint unanswered, gives a pair two values or makes more than t
/// parties unhappy is disqualified.
pub(super) fn judge<R: Ring>(shape: Shape, complaints: &[Complaint<R>], answers: &Delivered) -> Verdict {
    let mut verdict = Verdict::default();
    for (dealer, answer) in shape.committee.parties().zip(answers) {
        let about: Vec<_> = complaints.iter().filter(|complaint| complaint.dealer == dealer).collect();
        if about.is_empty() {
            continue;
        }
        let answers = answer.as_deref().and_then(|bytes| read_answers::<R>(shape, bytes)).unwrap_or_default();
        let asked = about.iter().map(|complaint| (complaint.by, complaint.with, complaint.secret));
        if !asked.eq(answers.iter().map(|answer| (answer.by, answer.with, answer.secret))) {
            verdict.disqualify(dealer);
            continue;
        }
        let mut values = BTreeMap::new();
        let mut unhappy = Vec::new();
        for (complaint, answer) in about.iter().zip(&answers) {
            if *values.entry(pair_of(answer)).or_insert(answer.value) != answer.value {
                verdict.disqualify(dealer);
            }
            if answer.value != complaint.value && !unhappy.contains(&(dealer, complaint.by)) {
                unhappy.push((dealer, complaint.by));
            }
        }
        if unhappy.len() > shape.committee.threshold().faults() {
            verdict.disqualify(dealer);
        }
        verdict.unhappy.extend(unhappy);
    }
    verdict
}

/// A secret and two parties: F is symmetric, so a pair has one value.
pub(super) fn pair_of<R>(answer: &Answer<R>) -> (usize, PartyId, PartyId) {
    (answer.secret, answer.by.min(answer.with), answer.by.max(answer.with))
}

/// The values that a party's polynomials have at a point, by secret.
pub(super) fn at<R: Ring>(shape: Shape, row: &[R], party: PartyId) -> impl Iterator<Item = R> {
    row.chunks(shape.width()).map(move |f| evaluate(f, R::point(party)))
}

/// Step 6, from outside: (dealer, party, its polynomials) of the dealings that n − t happy parties confirm; the other
/// dealers with unhappy parties are disqualified.
pub(super) fn confirm<R: Ring>(
    shape: Shape,
    verdict: &mut Verdict,
    delivered: &Delivered,
) -> Vec<(PartyId, PartyId, Vec<R>)> {
    let read = |value: &Option<Vec<u8>>| read_published::<R>(shape, value.as_deref()?);
    let said: Vec<_> = shape.committee.parties().zip(delivered.iter().map(read)).collect();
    // whose polynomials are asked for was settled before
    let asked = verdict.clone();
    let mut taken = Vec::new();
    for (dealer, published) in &said {
        let unhappy = asked.unhappy_with(*dealer);
        if unhappy.is_empty() {
            continue;
        }
        let rows = published.as_ref().map(|published| published.rows.as_slice()).unwrap_or_default();
        let whole = rows.iter().map(|(party, _)| *party).eq(unhappy.iter().copied());
        let confirms = |(party, published): &&(PartyId, Option<Published<R>>)| {
            !unhappy.contains(party)
                && published.as_ref().is_some_and(|published| {
                    rows.iter().all(|(unhappy, row)| {
                        let values = published.values.iter().find(|(d, u, _)| (d, u) == (dealer, unhappy));
                        values.is_some_and(|(_, _, values)| at(shape, row, *party).eq(values.iter().copied()))
                    })
                })
        };
        let confirmed = said.iter().filter(confirms).count();
        if whole && confirmed >= shape.committee.size() - shape.committee.threshold().faults() {
            taken.extend(rows.iter().map(|(party, row)| (*dealer, *party, row.clone())));
        } else {
            verdict.disqualify(*dealer);
        }
    }
    taken
}

#[cfg(test)]
mod tests;
