//! The public half of a dealing (steps 3 to 6 of `docs/protocol/vss.md`): complaints, answers, publications and what
//! follows from them. Functions of broadcast values only, so every honest party finds the same.

use crate::broadcast::{Broadcast, Delivered};
use crate::fault::{Evidence, Fault, StepId};
use crate::ring::Ring;
use crate::shamir::evaluate;
use std::collections::BTreeMap;
use tkms_types::{Committee, PartyId};

/// Bytes of a complaint before its value: dealer, peer, u32 secret.
const COMPLAINT_HEADER: usize = 6;

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
        let publications = (faults * self.count * self.width() + n * faults * self.count) * R::BYTES;
        if complaints > publications { complaints } else { publications }
    }
}

/// `by` says: for this secret of the dealer my value with `with` is `value`, and not what `with` showed me.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Complaint<R> {
    pub dealer: PartyId,
    pub by: PartyId,
    pub with: PartyId,
    pub secret: usize,
    pub value: R,
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
        bytes.extend([complaint.dealer.number(), complaint.with.number()]);
        bytes.extend((complaint.secret as u32).to_le_bytes());
        complaint.value.write_le(&mut bytes);
    }
    bytes
}

/// One party's complaints; `None` unless well-formed, one at most for a dealer and peer.
fn read_complaints<R: Ring>(shape: Shape, by: PartyId, bytes: &[u8]) -> Option<Vec<Complaint<R>>> {
    let size = COMPLAINT_HEADER + R::BYTES;
    let mut complaints: Vec<Complaint<R>> = Vec::new();
    for chunk in bytes.chunks(size) {
        let [dealer, with, a, b, c, d, value @ ..] = chunk else { return None };
        let (dealer, with) = (shape.committee.party(*dealer).ok()?, shape.committee.party(*with).ok()?);
        let secret = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let twice = complaints.iter().any(|other| other.dealer == dealer && other.with == with);
        if twice || with == by || secret >= shape.count || value.len() != R::BYTES {
            return None;
        }
        complaints.push(Complaint { dealer, by, with, secret, value: R::read_le(value) });
    }
    Some(complaints)
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
        let bytes = answer.as_deref().unwrap_or_default();
        if bytes.len() != about.len() * R::BYTES {
            verdict.disqualify(dealer);
            continue;
        }
        let mut values = BTreeMap::new();
        let mut unhappy = Vec::new();
        for (complaint, chunk) in about.iter().zip(bytes.chunks(R::BYTES)) {
            let value = R::read_le(chunk);
            let pair = (complaint.secret, complaint.by.min(complaint.with), complaint.by.max(complaint.with));
            if *values.entry(pair).or_insert(value) != value {
                verdict.disqualify(dealer);
            }
            if value != complaint.value && !unhappy.contains(&(dealer, complaint.by)) {
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

/// Step 6, from outside: (dealer, party, its polynomials) of the dealings that n − t happy parties confirm; the other
/// dealers with unhappy parties are disqualified.
pub(super) fn confirm<R: Ring>(
    shape: Shape,
    verdict: &mut Verdict,
    delivered: &Delivered,
) -> Vec<(PartyId, PartyId, Vec<R>)> {
    let elements = |bytes: &[u8]| -> Vec<R> { bytes.chunks(R::BYTES).map(R::read_le).collect() };
    let said: Vec<Vec<R>> = delivered.iter().map(|value| elements(value.as_deref().unwrap_or_default())).collect();
    // who published what, and where in its value it stands, was settled before
    let asked = verdict.clone();
    let mut published = Vec::new();
    for dealer in shape.committee.parties() {
        let unhappy = asked.unhappy_with(dealer);
        if unhappy.is_empty() {
            continue;
        }
        let polynomials = said.get(dealer.index()).map(Vec::as_slice).unwrap_or_default();
        let size = shape.count * shape.width();
        let of = |place: usize| polynomials.get(place * size..(place + 1) * size);
        let whole = (0..unhappy.len()).all(|place| of(place).is_some());
        let confirms = |party: &PartyId| {
            !unhappy.contains(party)
                && answers_of(shape, &asked, *party, dealer, &said).is_some_and(|values| {
                    let predicted = (0..unhappy.len()).filter_map(of).flat_map(|polynomials| {
                        polynomials.chunks(shape.width()).map(|f| evaluate(f, R::point(*party)))
                    });
                    predicted.eq(values.iter().copied())
                })
        };
        let confirmed = shape.committee.parties().filter(confirms).count();
        if whole && confirmed >= shape.committee.size() - shape.committee.threshold().faults() {
            let taken = unhappy.iter().enumerate();
            published.extend(taken.filter_map(|(place, party)| Some((dealer, *party, of(place)?.to_vec()))));
        } else {
            verdict.disqualify(dealer);
        }
    }
    published
}

/// The values a happy party published about one dealer's unhappy parties, in their order; `None` if cut short.
fn answers_of<'a, R: Ring>(
    shape: Shape,
    verdict: &Verdict,
    party: PartyId,
    dealer: PartyId,
    said: &'a [Vec<R>],
) -> Option<&'a [R]> {
    let own = verdict.unhappy_with(party).len() * shape.count * shape.width();
    let questions = verdict.questions_to(party);
    let before = questions.iter().take_while(|(d, _)| *d != dealer).count() * shape.count;
    let len = questions.iter().filter(|(d, _)| *d == dealer).count() * shape.count;
    said.get(party.index())?.get(own + before..own + before + len)
}

#[cfg(test)]
mod tests;
