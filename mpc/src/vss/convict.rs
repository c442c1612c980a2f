//! What the signed broadcasts of a dealing prove to a third party ("Evidence" in `docs/protocol/vss.md`).

use super::public::{Published, Shape, at, pair_of, read_answers, read_complaints, read_published};
use crate::broadcast::Broadcast;
use crate::codec::{SEND, Terms};
use crate::ring::Ring;
use crate::statement::{Seal, SignedWords};
use std::collections::BTreeMap;
use tkms_types::PartyId;

/// Rounds before the first broadcast.
const PRIVATE_ROUNDS: u32 = 2;

/// What one dealer has signed about its dealing: values of pairs, and whether it contradicts itself.
struct Said<R> {
    values: BTreeMap<(usize, PartyId, PartyId), R>,
    rows: Vec<(PartyId, Vec<R>)>,
    contradicts_itself: bool,
}

/// The dealers that signed words of a dealing convict, in the eyes of one who knows the run's terms, the number of
/// secrets and the committee's keys.
///
/// `words` are what parties signed in the first rounds of the three broadcasts; what is unsigned, malformed or of
/// another round is passed over. A dealer is convicted if it signed two values for one thing, or if t + 1 parties signed
/// that it dealt them another value than it signed. Sound whatever is left out and whatever the network did: one of t + 1
/// parties is honest, and an honest one signs no value that was not sent to it.
#[must_use]
pub fn convicted<R: Ring>(terms: &Terms, secrets: usize, words: &[SignedWords], seal: &impl Seal) -> Vec<PartyId> {
    let shape = Shape { committee: terms.committee, count: secrets };
    let each = Broadcast::rounds(terms.committee);
    let value = |party: PartyId, broadcast: u32| {
        let round = PRIVATE_ROUNDS + broadcast * each + 1;
        let mut said = words.iter().filter(|words| (words.party, words.round) == (party, round));
        match said.find(|words| words.verify(terms, seal))?.said.as_slice() {
            [SEND, value @ ..] => Some(value),
            _ => None,
        }
    };
    let parties = terms.committee.parties();
    let complaints: Vec<_> =
        parties.clone().filter_map(|by| read_complaints::<R>(shape, by, value(by, 0)?)).flatten().collect();
    let published: Vec<_> =
        parties.clone().filter_map(|party| Some((party, read_published::<R>(shape, value(party, 2)?)?))).collect();
    let lied = |dealer: &PartyId| {
        let said = said(shape, (*dealer, value(*dealer, 1)), &published);
        let complains = complaints.iter().filter(|c| c.dealer == *dealer && c.dealt).filter(|c| {
            let pair = (c.secret, c.by.min(c.with), c.by.max(c.with));
            let answered = said.values.get(&pair).is_some_and(|value| *value != c.value);
            let shown = |(party, point)| said.row_value(shape, party, point, c.secret).is_some_and(|v| v != c.value);
            answered || shown((c.by, c.with)) || shown((c.with, c.by))
        });
        let mut against: Vec<_> = complains.map(|complaint| complaint.by).collect();
        against.extend(published.iter().filter(|(by, p)| said.differs(shape, (*by, *dealer), p)).map(|(by, _)| *by));
        against.sort_unstable();
        against.dedup();
        said.contradicts_itself || against.len() > shape.committee.threshold().faults()
    };
    parties.filter(lied).collect()
}

/// Collects what a dealer signed, in its answers and its publication.
fn said<R: Ring>(
    shape: Shape,
    (dealer, answers): (PartyId, Option<&[u8]>),
    published: &[(PartyId, Published<R>)],
) -> Said<R> {
    let mut values = BTreeMap::new();
    let mut contradicts_itself = false;
    for answer in answers.and_then(|bytes| read_answers::<R>(shape, bytes)).unwrap_or_default() {
        contradicts_itself |= *values.entry(pair_of(&answer)).or_insert(answer.value) != answer.value;
    }
    let own = published.iter().find(|(party, _)| *party == dealer);
    let rows = own.map(|(_, published)| published.rows.clone()).unwrap_or_default();
    let mut said = Said { values, rows, contradicts_itself };
    said.contradicts_itself |= said.values.iter().any(|((secret, a, b), value)| {
        let differs = |party, point| said.row_value(shape, party, point, *secret).is_some_and(|v| v != *value);
        differs(*a, *b) || differs(*b, *a)
    });
    said
}

impl<R: Ring> Said<R> {
    /// The value of a published polynomial.
    fn row_value(&self, shape: Shape, party: PartyId, point: PartyId, secret: usize) -> Option<R> {
        let (_, row) = self.rows.iter().find(|(unhappy, _)| *unhappy == party)?;
        at(shape, row, point).nth(secret)
    }

    /// Whether a party published other values about this dealer than its polynomials have.
    fn differs(&self, shape: Shape, (by, dealer): (PartyId, PartyId), published: &Published<R>) -> bool {
        published.values.iter().filter(|(of, _, _)| *of == dealer).any(|(_, unhappy, values)| {
            let row = self.rows.iter().find(|(party, _)| party == unhappy);
            row.is_some_and(|(_, row)| !at(shape, row, by).eq(values.iter().copied()))
        })
    }
}
