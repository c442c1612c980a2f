//! Verifiable secret sharing, every party a dealer of a batch of secrets at once. `docs/protocol/vss.md` numbers the steps.
//!
//! References: Ben-Or, Goldwasser, Wigderson, STOC 1988 (bivariate sharing, public resolution of complaints); Gennaro,
//! Ishai, Kushilevitz, Rabin, "The round complexity of verifiable secret sharing", STOC 2001 (who answers what in one
//! broadcast); Abspoel et al., TCC 2019 (Galois rings).
//! Assumes: at most t of n = 3t + 1 parties are malicious; synchronous rounds; private authenticated channels;
//! [`crate::broadcast`]. Changed: symmetric polynomials, so that a pair has one value and not two; values of pairs are
//! compared privately first, so that without a dispute nothing is broadcast but empty lists.

mod convict;
mod public;

pub use convict::convicted;

use crate::broadcast::{Broadcast, BroadcastId, BroadcastMsg, Delivered};
use crate::codec::{RunKind, Terms};
use crate::fault::{Evidence, Fault, Misuse, StepId};
use crate::ring::Ring;
use crate::rounds::{Rounds, Say, Turn};
use crate::shamir::evaluate;
use public::{Complaint, Shape, Verdict};
use std::{fmt, mem};
use tkms_types::{Committee, PartyId, SessionId};
use zeroize::Zeroizing;

/// Most secrets of one dealer in a run.
pub const MAX_SECRETS: usize = 1 << 10;
/// Broadcasts of a run: complaints, answers, publications.
pub const BROADCASTS: u32 = 3;

/// One message of a round. Unchecked.
#[derive(Clone, PartialEq, Eq)]
pub enum VssMsg<R> {
    /// Round 1: the receiver's polynomials f_i, t + 1 coefficients each, constant first, one for every secret.
    Deal(Vec<R>),
    /// Round 2: the sender's polynomials at the receiver's point, by dealer and secret.
    Cross(Vec<R>),
    /// The rounds of the broadcasts.
    Broadcast(BroadcastMsg),
}

impl<R> fmt::Debug for VssMsg<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deal(list) => write!(f, "Deal({} elements, redacted)", list.len()),
            Self::Cross(list) => write!(f, "Cross({} elements, redacted)", list.len()),
            Self::Broadcast(msg) => msg.fmt(f),
        }
    }
}

/// What a run leaves with each party. Zeroed on drop, shares redacted in `Debug`.
pub struct Dealt<R: Ring> {
    /// Our shares, by dealer and secret; 0 for a disqualified dealer.
    pub shares: Vec<Zeroizing<Vec<R>>>,
    /// Dealers found inconsistent or silent. The same at every honest party.
    pub disqualified: Vec<PartyId>,
    /// Pairs (dealer, party) of which at least one lied, at most t for a dealer. The same at every honest party.
    pub disputes: Vec<(PartyId, PartyId)>,
}

impl<R: Ring> fmt::Debug for Dealt<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dealt(redacted, disqualified {:?}, disputes {:?})", self.disqualified, self.disputes)
    }
}

enum Stage<R> {
    Deal,
    Cross,
    Complain(Broadcast),
    Answer(Broadcast, Vec<Complaint<R>>),
    Publish(Broadcast, Verdict),
}

/// One party's part in n dealings at once.
pub struct Vss<R: Ring> {
    session: SessionId,
    /// Number of the first broadcast in the session.
    first_broadcast: u32,
    shape: Shape,
    me: PartyId,
    /// F of each of our secrets: (t + 1)² coefficients, row by row.
    own: Zeroizing<Vec<R>>,
    /// By dealer: our polynomials f, t + 1 coefficients for every secret.
    held: Vec<Zeroizing<Vec<R>>>,
    /// By dealer: whether it dealt us anything.
    dealt: Vec<bool>,
    round: u32,
    stage: Stage<R>,
}

type VssTurn<R> = Turn<VssMsg<R>, Dealt<R>>;

impl<R: Ring> Vss<R> {
    /// Step 1: deals our secrets. Every party deals the same number.
    ///
    /// # Errors
    /// [`Misuse::Secrets`] if there are none or more than [`MAX_SECRETS`].
    pub fn new(
        id: BroadcastId,
        (committee, me): (Committee, PartyId),
        secrets: &[R],
        rng: &mut impl rand::CryptoRng,
    ) -> Result<(Self, Say<VssMsg<R>>), Misuse> {
        if secrets.is_empty() || secrets.len() > MAX_SECRETS {
            return Err(Misuse::Secrets { secrets: secrets.len(), max: MAX_SECRETS });
        }
        let shape = Shape { committee, count: secrets.len() };
        let width = shape.width();
        let mut own = Zeroizing::new(vec![R::ZERO; secrets.len() * width * width]);
        for (matrix, secret) in own.chunks_mut(width * width).zip(secrets) {
            symmetric(matrix, width, *secret, rng);
        }
        let vss = Self {
            session: id.session,
            first_broadcast: id.number,
            shape,
            me,
            own,
            held: Vec::new(),
            dealt: Vec::new(),
            round: 1,
            stage: Stage::Deal,
        };
        let deal = |party| VssMsg::Deal(vss.row(party).to_vec());
        let say = Say::Each(committee.parties().map(deal).collect());
        Ok((vss, say))
    }

    /// Rounds of a run in this committee.
    #[must_use]
    pub const fn rounds(committee: Committee) -> u32 {
        2 + BROADCASTS * Broadcast::rounds(committee)
    }

    /// F(X, αᵢ) of each of our secrets.
    fn row(&self, party: PartyId) -> Zeroizing<Vec<R>> {
        let width = self.shape.width();
        let at = R::point(party);
        // F is symmetric: a row of coefficients, read as a polynomial, gives one coefficient of f
        Zeroizing::new(self.own.chunks(width).map(|row| evaluate(row, at)).collect())
    }

    /// The polynomial a dealer gave us for a secret.
    fn polynomial(&self, dealer: PartyId, secret: usize) -> &[R] {
        let start = secret * self.shape.width();
        let held = self.held.get(dealer.index()).map(|held| held.as_slice()).unwrap_or_default();
        held.get(start..start + self.shape.width()).unwrap_or_default()
    }

    /// Our polynomials of a dealer at a party's point, by secret.
    fn values(&self, dealer: PartyId, at: PartyId) -> impl Iterator<Item = R> {
        (0..self.shape.count).map(move |secret| evaluate(self.polynomial(dealer, secret), R::point(at)))
    }

    fn was_dealt(&self, dealer: PartyId) -> bool {
        self.dealt.get(dealer.index()).copied().unwrap_or(false)
    }

    /// Step 2: keep what was dealt, 0 where nothing fits, and show every peer the values we share with it.
    fn cross(&mut self, heard: Vec<Option<VssMsg<R>>>) -> VssTurn<R> {
        let expected = self.shape.count * self.shape.width();
        let (lists, faults) = self.lists(heard, expected, |msg| match msg {
            VssMsg::Deal(list) => Some(list),
            _ => None,
        });
        self.dealt = lists.iter().map(Option::is_some).collect();
        let kept = |list: Option<Vec<R>>| Zeroizing::new(list.unwrap_or_else(|| vec![R::ZERO; expected]));
        self.held = lists.into_iter().map(kept).collect();
        self.stage = Stage::Cross;
        let dealers = self.shape.committee.parties();
        let for_peer = |peer| VssMsg::Cross(dealers.clone().flat_map(|dealer| self.values(dealer, peer)).collect());
        Turn::say(Say::Each(dealers.clone().map(for_peer).collect()), faults)
    }

    /// Step 3: broadcast, for every dealer and peer, the first secret where their value and ours differ, with ours.
    fn complain(&mut self, heard: Vec<Option<VssMsg<R>>>) -> VssTurn<R> {
        let expected = self.shape.count * self.shape.committee.size();
        let (lists, faults) = self.lists(heard, expected, |msg| match msg {
            VssMsg::Cross(list) => Some(list),
            _ => None,
        });
        let mut complaints = Vec::new();
        for (peer, list) in self.shape.committee.parties().zip(&lists) {
            let Some(list) = list else { continue };
            for (dealer, theirs) in self.shape.committee.parties().zip(list.chunks(self.shape.count)) {
                let first =
                    self.values(dealer, peer).zip(theirs).enumerate().find(|(_, (ours, theirs))| ours != *theirs);
                if let Some((secret, (value, _))) = first {
                    let dealt = self.was_dealt(dealer);
                    complaints.push(Complaint { dealer, by: self.me, with: peer, dealt, secret, value });
                }
            }
        }
        let (broadcast, say) = self.broadcast(0, public::write_complaints(&complaints));
        self.stage = Stage::Complain(broadcast);
        Turn::say(say, faults)
    }

    /// Step 4: the dealer broadcasts the value of every pair in dispute.
    fn answer(&mut self, delivered: &Delivered, mut faults: Vec<Fault>) -> VssTurn<R> {
        let (complaints, malformed) = public::all_complaints(self.shape, delivered);
        faults.extend(malformed);
        let mut answers = Vec::new();
        for complaint in complaints.iter().filter(|c| c.dealer == self.me) {
            let row = self.row(complaint.by);
            let polynomial = row.chunks(self.shape.width()).nth(complaint.secret).unwrap_or_default();
            public::write_answer(complaint, evaluate(polynomial, R::point(complaint.with)), &mut answers);
        }
        let (broadcast, say) = self.broadcast(1, answers);
        self.stage = Stage::Answer(broadcast, complaints);
        Turn::say(say, faults)
    }

    /// Step 5: dealers broadcast the polynomials of their unhappy parties, the happy ones their values at those.
    fn publish(&mut self, delivered: &Delivered, complaints: &[Complaint<R>], faults: Vec<Fault>) -> VssTurn<R> {
        let verdict = public::judge(self.shape, complaints, delivered);
        let mut bytes = Vec::new();
        for party in verdict.unhappy_with(self.me) {
            public::write_row(party, &self.row(party), &mut bytes);
        }
        // a value under our signature is one that the dealer sent us, not the 0 in the place of silence
        for pair in verdict.questions_to(self.me).into_iter().filter(|(dealer, _)| self.was_dealt(*dealer)) {
            public::write_values(pair, self.values(pair.0, pair.1), &mut bytes);
        }
        let (broadcast, say) = self.broadcast(2, bytes);
        self.stage = Stage::Publish(broadcast, verdict);
        Turn::say(say, faults)
    }

    /// Step 6: a dealing stands if n − t happy parties confirm what was published; the unhappy take that.
    fn finish(&mut self, delivered: &Delivered, mut verdict: Verdict, mut faults: Vec<Fault>) -> VssTurn<R> {
        let published = public::confirm::<R>(self.shape, &mut verdict, delivered);
        for (dealer, party, polynomials) in published {
            if let (true, Some(held)) = (party == self.me, self.held.get_mut(dealer.index())) {
                *held = Zeroizing::new(polynomials);
            }
        }
        for culprit in &verdict.disqualified {
            faults.push(Fault { culprit: *culprit, step: StepId::Vss, evidence: Evidence::BadDealing });
            if let Some(held) = self.held.get_mut(culprit.index()) {
                *held = Zeroizing::new(vec![R::ZERO; held.len()]);
            }
        }
        let constants = |held: &Zeroizing<Vec<R>>| {
            Zeroizing::new(held.chunks(self.shape.width()).map(|f| f.first().copied().unwrap_or_default()).collect())
        };
        let shares = self.held.iter().map(constants).collect();
        let disputes = verdict.unhappy.iter().filter(|(dealer, _)| !verdict.disqualified.contains(dealer));
        let disputes = disputes.copied().collect();
        Turn::output(Dealt { shares, disqualified: verdict.disqualified, disputes }, faults)
    }

    fn broadcast(&self, number: u32, value: Vec<u8>) -> (Broadcast, Say<VssMsg<R>>) {
        let id = BroadcastId { session: self.session, number: self.first_broadcast + number };
        let place = (self.shape.committee, self.me);
        let (broadcast, say) = Broadcast::new(id, place, self.shape.longest_broadcast::<R>(), value);
        (broadcast, say.map(VssMsg::Broadcast))
    }

    /// Opens the private messages of a round: `None` for silence, another kind or another length.
    fn lists(
        &self,
        heard: Vec<Option<VssMsg<R>>>,
        expected: usize,
        open: impl Fn(VssMsg<R>) -> Option<Vec<R>>,
    ) -> (Vec<Option<Vec<R>>>, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut list = |(culprit, msg): (PartyId, Option<VssMsg<R>>)| {
            let evidence = match open(msg?) {
                Some(list) if list.len() == expected => return Some(list),
                Some(list) => Evidence::WrongLength { expected, found: list.len() },
                None => Evidence::WrongKind { round: self.round },
            };
            faults.push(Fault { culprit, step: StepId::Vss, evidence });
            None
        };
        let lists = self.shape.committee.parties().zip(heard).map(&mut list).collect();
        (lists, faults)
    }
}

/// What everyone knows about a run of so many secrets before it begins.
#[must_use]
pub fn terms<R: Ring>(session: SessionId, committee: Committee, secrets: usize) -> Terms {
    // what is dealt has t + 1 elements a secret, what is shown crosswise n
    let list = secrets * committee.size() * R::BYTES;
    let value = Shape { committee, count: secrets }.longest_broadcast::<R>();
    Terms { session, committee, kind: RunKind::Dealing, value, list }
}

/// A uniform symmetric polynomial with this constant.
fn symmetric<R: Ring>(matrix: &mut [R], width: usize, constant: R, rng: &mut impl rand::CryptoRng) {
    for row in 0..width {
        for column in row..width {
            let coefficient = if row + column == 0 { constant } else { R::random(rng) };
            for place in [row * width + column, column * width + row] {
                if let Some(entry) = matrix.get_mut(place) {
                    *entry = coefficient;
                }
            }
        }
    }
}

impl<R: Ring> Rounds for Vss<R> {
    type Msg = VssMsg<R>;
    type Output = Dealt<R>;

    fn committee(&self) -> Committee {
        self.shape.committee
    }

    fn me(&self) -> PartyId {
        self.me
    }

    fn step_id(&self) -> StepId {
        match self.stage {
            Stage::Deal | Stage::Cross => StepId::Vss,
            Stage::Complain(_) | Stage::Answer(..) | Stage::Publish(..) => StepId::Broadcast,
        }
    }

    fn terms(&self) -> Terms {
        terms::<R>(self.session, self.shape.committee, self.shape.count)
    }

    fn close(&mut self, heard: Vec<Option<VssMsg<R>>>) -> VssTurn<R> {
        let round = self.round;
        self.round += 1;
        let broadcast = match &mut self.stage {
            Stage::Deal => return self.cross(heard),
            Stage::Cross => return self.complain(heard),
            Stage::Complain(broadcast) | Stage::Answer(broadcast, _) | Stage::Publish(broadcast, _) => broadcast,
        };
        let mut strange = Vec::new();
        let mut inner = |(culprit, msg): (PartyId, Option<VssMsg<R>>)| match msg? {
            VssMsg::Broadcast(msg) => Some(msg),
            VssMsg::Deal(_) | VssMsg::Cross(_) => {
                strange.push(Fault { culprit, step: StepId::Broadcast, evidence: Evidence::WrongKind { round } });
                None
            }
        };
        let heard = self.shape.committee.parties().zip(heard).map(&mut inner).collect();
        let mut turn = broadcast.close(heard);
        turn.faults.extend(strange);
        let Some(delivered) = turn.output else {
            return Turn::say(turn.say.map(VssMsg::Broadcast), turn.faults);
        };
        match mem::replace(&mut self.stage, Stage::Deal) {
            Stage::Answer(_, complaints) => self.publish(&delivered, &complaints, turn.faults),
            Stage::Publish(_, verdict) => self.finish(&delivered, verdict, turn.faults),
            Stage::Complain(_) | Stage::Deal | Stage::Cross => self.answer(&delivered, turn.faults),
        }
    }
}
