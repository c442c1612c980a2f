//! Every threshold of broadcast and preprocessing at its edge: one party less, and the step does not follow. From one party's
//! place, with what it hears made up; the pages' step numbers.

use crate::common::{SIZES, committee, party, t};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::{Broadcast, BroadcastId, BroadcastMsg, Delivered, Digest};
use tkms_mpc::fault::{Evidence, Fault, StepId};
use tkms_mpc::preprocessing::{Batch, BatchId, BatchMsg, BitShares, Bits, Outcome, Standing};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{Gr16, Ring};
use tkms_mpc::rounds::{Rounds, Say, Turn};
use tkms_types::{ContextId, EpochId, Id, KeyId, PartyId, SessionId};

const LIMIT: usize = 20;
/// Whose broadcast is looked at, and by whom.
const SENDER: usize = 1;
const ME: usize = 1;

type Heard = Vec<Option<BroadcastMsg>>;

/// Party 1 in a broadcast. Party 2 sends a value, or nothing.
struct Place {
    n: usize,
    broadcast: Broadcast,
    /// Of party 2's value, as party 1 echoed it.
    hash: Option<Digest>,
}

impl Place {
    fn after_round_1(n: usize, value: Option<Vec<u8>>) -> Self {
        let id = BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 1 };
        let (broadcast, _) = Broadcast::new(id, (committee(n), party(ME)), LIMIT, vec![1]);
        let mut place = Self { n, broadcast, hash: None };
        let heard = (0..n).map(|from| if from == SENDER { value.clone() } else { Some(vec![9]) });
        let turn = place.broadcast.close(heard.map(|value| value.map(BroadcastMsg::Send)).collect());
        let BroadcastMsg::Echo(list) = all(turn) else { panic!("an echo") };
        place.hash = list[SENDER];
        place
    }

    /// One message of the first `count` parties and another of the rest.
    fn hears(&mut self, count: usize, some: &BroadcastMsg, rest: &BroadcastMsg) -> Turn<BroadcastMsg, Delivered> {
        let heard: Heard = (0..self.n).map(|from| Some(if from < count { some } else { rest }.clone())).collect();
        self.broadcast.close(heard)
    }

    fn list<T: Clone>(&self, empty: T, entry: T) -> Vec<T> {
        (0..self.n).map(|sender| if sender == SENDER { entry.clone() } else { empty.clone() }).collect()
    }

    fn echo(&self, hash: Option<Digest>) -> BroadcastMsg {
        BroadcastMsg::Echo(self.list(None, hash))
    }

    fn vote(&self, hash: Option<Digest>) -> BroadcastMsg {
        BroadcastMsg::Vote(self.list(None, hash))
    }

    fn bits(&self, bit: bool, wanted: bool) -> BroadcastMsg {
        BroadcastMsg::Bits { bits: self.list(false, bit), wanted: self.list(false, wanted) }
    }

    fn marks(&self, mark: Option<bool>) -> BroadcastMsg {
        BroadcastMsg::Marks { marks: self.list(None, mark), supply: vec![None; self.n] }
    }

    /// Rounds 2 and 3: so many votes for a hash.
    fn with_votes(mut self, count: usize, hash: Option<Digest>) -> (Self, BroadcastMsg) {
        let (empty, vote) = (self.echo(None), self.vote(hash));
        let none = self.vote(None);
        self.hears(0, &empty, &empty);
        let bits = all(self.hears(count, &vote, &none));
        (self, bits)
    }
}

fn all<O: std::fmt::Debug>(turn: Turn<BroadcastMsg, O>) -> BroadcastMsg {
    match turn.say {
        Say::All(msg) => msg,
        other => panic!("{other:?}"),
    }
}

fn each<O: std::fmt::Debug>(turn: Turn<BroadcastMsg, O>) -> Vec<(Option<bool>, Option<Vec<u8>>)> {
    let Say::Each(list) = turn.say else { panic!("a message for each") };
    let of_sender = |msg| match msg {
        BroadcastMsg::Marks { marks, mut supply } => (marks[SENDER], supply.get_mut(SENDER).and_then(Option::take)),
        other => panic!("{other:?}"),
    };
    list.into_iter().map(of_sender).collect()
}

#[test]
fn broadcast_step_2_a_value_over_the_limit_counts_as_none_and_is_blamed() {
    for (length, counts) in [(0, true), (LIMIT, true), (LIMIT + 1, false)] {
        assert_eq!(Place::after_round_1(4, Some(vec![5; length])).hash.is_some(), counts, "{length} bytes");
    }
    assert_eq!(Place::after_round_1(4, None).hash, None, "silence");
    let id = BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 1 };
    let (mut broadcast, _) = Broadcast::new(id, (committee(4), party(ME)), LIMIT, vec![1]);
    let send = |len: usize| Some(BroadcastMsg::Send(vec![5; len]));
    let turn = broadcast.close(vec![send(1), send(LIMIT + 1), Some(BroadcastMsg::King(None)), None]);
    let fault = |number, evidence| Fault { culprit: party(number), step: StepId::Broadcast, evidence };
    let long = Evidence::WrongLength { expected: LIMIT, found: LIMIT + 1 };
    assert_eq!(turn.faults, [fault(2, long), fault(3, Evidence::WrongKind { round: 1 })], "silence is not blamed");
}

#[test]
fn broadcast_step_3_a_vote_takes_n_minus_t_echoes_of_one_hash() {
    for n in SIZES {
        for count in 0..=n {
            let mut place = Place::after_round_1(n, Some(vec![5]));
            let (echo, other) = (place.echo(place.hash), place.echo(Some([7; 32])));
            let BroadcastMsg::Vote(votes) = all(place.hears(count, &echo, &other)) else { panic!("a vote") };
            let quorum = n - t(n);
            let expected = if count >= quorum {
                place.hash
            } else if n - count >= quorum {
                Some([7; 32])
            } else {
                None
            };
            assert_eq!(votes[SENDER], expected, "n = {n}, {count} echoes of one, {} of another", n - count);
        }
    }
}

#[test]
fn broadcast_step_4_a_candidate_takes_t_plus_one_votes_and_a_one_takes_n_minus_t() {
    for n in SIZES {
        for count in 0..=n {
            // party 1 did not get the value, so it asks for it as soon as there is a candidate
            let place = Place::after_round_1(n, None);
            let (_, bits) = place.with_votes(count, Some([7; 32]));
            let BroadcastMsg::Bits { bits, wanted } = bits else { panic!("bits") };
            assert_eq!(wanted[SENDER], count > t(n), "n = {n}: a candidate with {count} votes");
            assert_eq!(bits[SENDER], count >= n - t(n), "n = {n}: a one with {count} votes");
            let place = Place::after_round_1(n, Some(vec![5]));
            let hash = place.hash;
            let BroadcastMsg::Bits { wanted, .. } = place.with_votes(count, hash).1 else { panic!("bits") };
            assert!(!wanted[SENDER], "n = {n}: who has the value does not ask");
        }
    }
}

#[test]
fn broadcast_step_5a_a_mark_takes_n_minus_t_equal_bits() {
    for n in SIZES {
        for count in 0..=n {
            let (mut place, _) = Place::after_round_1(n, None).with_votes(0, None);
            let (one, zero) = (place.bits(true, false), place.bits(false, false));
            let marks = each(place.hears(count, &one, &zero));
            let quorum = n - t(n);
            let expected = if count >= quorum { Some(true) } else { (n - count >= quorum).then_some(false) };
            assert!(marks.iter().all(|(mark, _)| *mark == expected), "n = {n}: {count} ones, {} zeros", n - count);
        }
    }
}

#[test]
fn broadcast_step_5a_a_value_is_given_to_who_asked_in_the_first_phase_by_who_holds_the_candidates() {
    for n in SIZES {
        let supplied = |value: Option<Vec<u8>>, candidate: Option<Digest>, later: bool| {
            let place = Place::after_round_1(n, value);
            let hash = candidate.or(place.hash);
            let (mut place, _) = place.with_votes(n, hash);
            let (asks, asks_not) = (place.bits(true, true), place.bits(true, false));
            if later {
                place.hears(0, &asks_not, &asks_not);
                let (marks, king) = (place.marks(Some(true)), BroadcastMsg::King(None));
                place.hears(0, &marks, &marks);
                place.hears(0, &king, &king);
            }
            each(place.hears(2, &asks, &asks_not)).into_iter().map(|(_, supply)| supply).collect::<Vec<_>>()
        };
        let first_two = |value: &[u8]| (0..n).map(|to| (to < 2).then(|| value.to_vec())).collect::<Vec<_>>();
        assert_eq!(supplied(Some(vec![5]), None, false), first_two(&[5]), "n = {n}");
        assert_eq!(supplied(Some(vec![5]), Some([7; 32]), false), vec![None; n], "n = {n}: another's candidate");
        assert_eq!(supplied(None, Some([7; 32]), false), vec![None; n], "n = {n}: nothing to give");
        assert_eq!(supplied(Some(vec![5]), None, true), vec![None; n], "n = {n}: asked too late");
    }
}

/// The bit of party 1 after a phase with so many marks for one and the rest for zero, under a king of phase 2 that says `king`.
fn after_phase_2(n: usize, ones: usize, rest: Option<bool>, king: Option<bool>) -> bool {
    let place = Place::after_round_1(n, Some(vec![5]));
    let hash = place.hash;
    // a candidate, and our bit 0: t + 1 votes only
    let (mut place, _) = place.with_votes(t(n) + 1, hash);
    let idle = (place.bits(false, false), place.marks(None), BroadcastMsg::King(None));
    place.hears(0, &idle.0, &idle.0);
    place.hears(0, &idle.1, &idle.1);
    place.hears(0, &idle.2, &idle.2);
    place.hears(0, &idle.0, &idle.0);
    let (one, other) = (place.marks(Some(true)), place.marks(rest));
    place.hears(ones, &one, &other);
    let says = BroadcastMsg::King(king.map(|bit| place.list(false, bit)));
    // party 2 is the king of phase 2; what the others say in its place is not listened to
    let heard = (0..n).map(|from| Some(if from == 1 { says.clone() } else { BroadcastMsg::King(Some(vec![true; n])) }));
    let turn = place.broadcast.close(heard.collect());
    match turn.output {
        Some(delivered) => delivered[SENDER].is_some(),
        None => match all(turn) {
            BroadcastMsg::Bits { bits, .. } => bits[SENDER],
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn broadcast_steps_5b_and_5c_a_bit_with_n_minus_t_marks_is_firm_and_otherwise_the_king_decides() {
    for n in SIZES {
        for ones in 0..=n {
            let firm = ones >= n - t(n);
            for king in [Some(true), Some(false), None] {
                let expected = firm || king == Some(true);
                let note = format!("n = {n}, {ones} marks for one, king {king:?}");
                assert_eq!(after_phase_2(n, ones, None, king), expected, "{note}");
            }
            // with enough marks for zero no king makes it a one
            if n - ones >= n - t(n) {
                assert!(!after_phase_2(n, ones, Some(false), Some(true)), "n = {n}, {} marks for zero", n - ones);
            }
        }
    }
}

fn id() -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 }
}

fn keys(n: usize) -> Vec<PrssKeys> {
    PrssKeys::deal(committee(n), &mut ChaCha20Rng::seed_from_u64(1)).unwrap()
}

type Shares = BatchMsg<Gr16>;

fn batches(n: usize, standing: &Standing) -> Vec<(Batch<Gr16, Bits>, Say<Shares>)> {
    keys(n).iter().map(|keys| Batch::new(&id(), keys, Bits { count: 8 }, standing).unwrap()).collect()
}

/// Party 1's report after it heard these shares.
fn report(n: usize, standing: &Standing, change: impl Fn(&mut Vec<Option<Shares>>)) -> Option<Vec<u8>> {
    let (mut own, mut heard) = (Vec::new(), Vec::new());
    for (batch, say) in batches(n, standing) {
        let Say::All(msg) = say else { panic!("shares for all") };
        own.push(batch);
        heard.push(Some(msg));
    }
    change(&mut heard);
    match own[0].close(heard).say {
        Say::All(BatchMsg::Broadcast(BroadcastMsg::Send(value))) => (!value.is_empty()).then_some(value),
        other => panic!("{other:?}"),
    }
}

fn lie(msg: &mut Option<Shares>) {
    if let Some(BatchMsg::Shares(list)) = msg {
        list[1] += Gr16::ONE.shifted(15);
    }
}

#[test]
fn batch_step_3_opens_with_a_share_of_everyone_on_one_polynomial_and_not_otherwise() {
    for n in SIZES {
        let standing = Standing::default();
        let right = report(n, &standing, |_| {});
        assert_eq!(right.as_ref().map(Vec::len), Some(32), "n = {n}");
        for from in 0..n {
            assert_eq!(report(n, &standing, |heard| heard[from] = None), None, "n = {n}: party {} missing", from + 1);
            assert_eq!(report(n, &standing, |heard| lie(&mut heard[from])), None, "n = {n}: party {} lying", from + 1);
            let short = |heard: &mut Vec<Option<Shares>>| heard[from] = Some(BatchMsg::Shares(vec![Gr16::ONE]));
            assert_eq!(report(n, &standing, short), None, "n = {n}: party {} too short", from + 1);
        }
        let evicted = Standing { evicted: vec![party(2)], careful: false };
        let without = report(n, &evicted, |heard| heard[1] = None);
        assert!(without.is_some(), "n = {n}: of the evicted no share is needed");
        assert_eq!(report(n, &evicted, |heard| lie(&mut heard[1])), without, "n = {n}: nor does it do harm");
        assert_eq!(report(n, &evicted, |heard| heard[2] = None), None, "n = {n}: of all others it is");
    }
}

/// All parties in step, with what each says changed before anybody hears it.
fn in_step(n: usize, change: impl Fn(u32, PartyId, &mut Shares)) -> Vec<Outcome<BitShares<Gr16>>> {
    let mut outcomes: Vec<Option<Outcome<BitShares<Gr16>>>> = (0..n).map(|_| None).collect();
    let (mut running, mut says): (Vec<_>, Vec<_>) = batches(n, &Standing::default()).into_iter().unzip();
    for round in 1..100 {
        let said: Vec<Vec<Option<Shares>>> = (1..)
            .map(party)
            .take(n)
            .zip(&mut says)
            .map(|(from, say)| {
                let list = match std::mem::replace(say, Say::Nothing) {
                    Say::Nothing => return vec![None; n],
                    Say::All(msg) => vec![msg; n],
                    Say::Each(list) => list,
                };
                let changed = |mut msg: Shares| {
                    change(round, from, &mut msg);
                    Some(msg)
                };
                list.into_iter().map(changed).collect()
            })
            .collect();
        for to in (0..n).filter(|to| outcomes[*to].is_none()).collect::<Vec<_>>() {
            let turn = running[to].close((0..n).map(|from| said[from][to].clone()).collect());
            says[to] = turn.say;
            outcomes[to] = turn.output;
        }
        if outcomes.iter().all(Option::is_some) {
            break;
        }
    }
    outcomes.into_iter().map(|outcome| outcome.unwrap()).collect()
}

fn sides(outcomes: &[Outcome<BitShares<Gr16>>]) -> [usize; 3] {
    let count = |side: fn(&Outcome<BitShares<Gr16>>) -> bool| outcomes.iter().filter(|outcome| side(outcome)).count();
    [
        count(|outcome| matches!(outcome, Outcome::Accepted(_))),
        count(|outcome| matches!(outcome, Outcome::Rejected(_))),
        count(|outcome| matches!(outcome, Outcome::Dropped)),
    ]
}

#[test]
fn batch_step_5_a_vote_for_it_takes_t_plus_one_equal_reports() {
    for n in [4, 7] {
        for count in 0..=n {
            let outcomes = in_step(n, |round, from, msg| {
                if let (2, BatchMsg::Broadcast(BroadcastMsg::Send(value)), true) = (round, msg, from.index() >= count) {
                    value.clear();
                }
            });
            let expected = if count > t(n) { [n, 0, 0] } else { [0, n, 0] };
            assert_eq!(sides(&outcomes), expected, "n = {n}: {count} equal reports");
        }
    }
}

#[test]
fn batch_step_5_either_side_takes_2t_plus_one_votes_and_between_them_the_batch_is_dropped() {
    for n in SIZES {
        for accepting in 0..=n {
            let outcomes = in_step(n, |_, from, msg| {
                if let BatchMsg::Vote { accept, .. } = msg {
                    *accept = from.index() < accepting;
                }
            });
            let quorum = 2 * t(n) + 1;
            let expected = if accepting >= quorum {
                [n, 0, 0]
            } else if n - accepting >= quorum {
                [0, n, 0]
            } else {
                [0, 0, n]
            };
            assert_eq!(sides(&outcomes), expected, "n = {n}: {accepting} votes for it");
        }
    }
}

#[test]
fn batch_step_6_a_rejection_without_a_lie_convicts_nobody() {
    for n in SIZES {
        let outcomes = in_step(n, |_, _, msg| {
            if let BatchMsg::Vote { accept, .. } = msg {
                *accept = false;
            }
        });
        for outcome in outcomes {
            let Outcome::Rejected(rejection) = outcome else { panic!("rejected") };
            assert_eq!((rejection.corrupt, rejection.silent, rejection.disputes), (vec![], vec![], vec![]), "n = {n}");
        }
    }
}
