//! The smallest committee has few enough cheats of a kind to try them all: what one of four can say to whom, in the rounds
//! where it matters. And the bound is tight: one cheater more breaks what the theorems promise, so these tests can fail.

use crate::common::{SIZES, committee, party, t};
use crate::{broadcast, preprocessing, vss};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::{BroadcastMsg, Digest};
use tkms_mpc::preprocessing::{BatchMsg, Bits, Standing};
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::rounds::InRound;
use tkms_mpc::shamir::{Received, decode, share};
use tkms_mpc::sim::ToySeal;
use tkms_mpc::sim::lies::Lies;
use tkms_mpc::sim::rounds::SyncRun;
use tkms_mpc::vss::{VssMsg, convicted, terms};
use tkms_types::transcript::Transcript;
use tkms_types::{Id, KeyId, PartyId, SessionId};

fn session() -> SessionId {
    SessionId(KeyId::numbered(1).bytes())
}

/// Hash of a value in the broadcast of `crate::broadcast`.
fn hash(sender: PartyId, value: &[u8]) -> Digest {
    let hash = Transcript::new("tkms/broadcast/value/v1").word(session().0).u32(1).u8(sender.number());
    hash.bytes(value).finish().0
}

/// Nothing, one value, or another.
fn choice(number: usize, place: usize) -> usize {
    number / 3usize.pow(place as u32) % 3
}

/// How a sender of four treats its three receivers: its value, its vote on it, and what it says of it afterwards.
struct Treats {
    me: PartyId,
    send: usize,
    vote: usize,
    later: fn(usize) -> bool,
}

impl Treats {
    fn values(&self) -> [Option<Vec<u8>>; 3] {
        [None, Some(vec![self.me.number(); 9]), Some(vec![99; 9])]
    }
}

impl Lies<BroadcastMsg> for Treats {
    fn instead_of(
        &mut self,
        honest: &InRound<BroadcastMsg>,
        to: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BroadcastMsg>> {
        let receiver = (1..=4).map(party).filter(|p| *p != self.me).position(|p| p == to).unwrap();
        let own = self.me.index();
        let told = self.values()[choice(self.send, receiver)].clone();
        let voted = self.values()[choice(self.vote, receiver)].as_ref().map(|value| hash(self.me, value));
        let bit = (self.later)(receiver);
        let mut msg = honest.clone();
        match &mut msg.msg {
            BroadcastMsg::Send(value) => match told {
                Some(told) => *value = told,
                None => return Vec::new(),
            },
            BroadcastMsg::Echo(list) | BroadcastMsg::Vote(list) => list[own] = voted,
            BroadcastMsg::Bits { bits, .. } | BroadcastMsg::King(Some(bits)) => bits[own] = bit,
            BroadcastMsg::Marks { marks, .. } => marks[own] = Some(bit),
            BroadcastMsg::King(None) => {}
        }
        vec![msg]
    }
}

/// Lists of honest parties, of which each is the same.
fn lists_agree(
    n: usize,
    cheaters: &[PartyId],
    report: &tkms_mpc::sim::rounds::SyncReport<Vec<Option<Vec<u8>>>>,
) -> bool {
    let honest = committee(n).parties().filter(|p| !cheaters.contains(p));
    let lists: Vec<_> = honest.map(|p| report.endings[p.index()].output.clone().unwrap()).collect();
    lists.iter().all(|list| *list == lists[0])
}

#[test]
fn every_way_to_treat_three_receivers_leaves_them_with_one_value() {
    let laters: [fn(usize) -> bool; 4] = [|_| true, |_| false, |receiver| receiver == 0, |receiver| receiver == 2];
    // party 1 is the first king, party 4 never is
    for me in [1, 4].map(party) {
        let (mut delivered, mut refused) = (0, 0);
        for (send, vote) in (0..27).flat_map(|send| (0..27).map(move |vote| (send, vote))) {
            let later = laters[(send + vote) % laters.len()];
            let plan = SyncRun::new(4, 1).unwrap().cheat(me, Treats { me, send, vote, later });
            let report = broadcast::run(4, plan);
            assert!(lists_agree(4, &[me], &report), "{me} sends {send}, votes {vote}");
            let honest = usize::from(me == party(1));
            let list = report.endings[honest].output.as_ref().unwrap();
            assert!(
                committee(4).parties().all(|p| p == me || list[p.index()].is_some()),
                "honest values are delivered"
            );
            match &list[me.index()] {
                Some(_) => delivered += 1,
                None => refused += 1,
            }
        }
        assert!(delivered > 20 && refused > 400, "{me}: {delivered} delivered, {refused} refused");
    }
}

/// Two of four that tell party 1 one story and party 2 another: one more than the theorem allows.
struct TwoStories;

impl Lies<BroadcastMsg> for TwoStories {
    fn instead_of(
        &mut self,
        honest: &InRound<BroadcastMsg>,
        to: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BroadcastMsg>> {
        let story = if to == party(2) { vec![2; 9] } else { vec![1; 9] };
        let mut msg = honest.clone();
        match &mut msg.msg {
            // of party 4; that of party 3 does not matter
            BroadcastMsg::Send(value) => *value = story,
            BroadcastMsg::Echo(list) | BroadcastMsg::Vote(list) => list[3] = Some(hash(party(4), &story)),
            BroadcastMsg::Bits { bits, .. } => bits[3] = true,
            BroadcastMsg::Marks { marks, .. } => marks[3] = Some(true),
            BroadcastMsg::King(_) => {}
        }
        vec![msg]
    }
}

#[test]
fn two_cheaters_of_four_split_a_broadcast_and_one_does_not() {
    let plan = |cheaters: &[usize]| {
        let plan = SyncRun::new(4, 1).unwrap();
        cheaters.iter().fold(plan, |plan, cheater| plan.cheat(party(*cheater), TwoStories))
    };
    let both = broadcast::run(4, plan(&[3, 4]));
    assert!(!lists_agree(4, &[party(3), party(4)], &both), "t + 1");
    let told = |one: usize| both.endings[one].output.as_ref().unwrap()[3].clone();
    assert_eq!((told(0), told(1)), (Some(vec![1; 9]), Some(vec![2; 9])));
    assert!(lists_agree(4, &[party(4)], &broadcast::run(4, plan(&[4]))), "t");
    assert!(lists_agree(4, &[party(3)], &broadcast::run(4, plan(&[3]))), "t");
}

#[test]
fn t_plus_one_liars_that_agree_open_another_value_and_t_do_not() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for n in SIZES {
        let (truth, lie) = (Gr64::random(&mut rng), Gr64::random(&mut rng));
        let (good, other) = (share(truth, committee(n), &mut rng), share(lie, committee(n), &mut rng));
        // the lie has the honest shares of the t parties that are last, and its own polynomial otherwise
        let opened = |lying: usize| {
            let of = |i: usize| if i < lying { other[i] } else { good[i] };
            let lists: Vec<_> = (0..n).map(|i| [of(i)]).collect();
            let received: Vec<_> =
                lists.iter().enumerate().map(|(i, shares)| Received { party: party(i + 1), shares }).collect();
            decode(&received, t(n), t(n)).map(|decoded| decoded.values)
        };
        assert_eq!(opened(t(n)), Ok(vec![truth]), "n = {n}");
        assert!(opened(t(n) + 1).is_err(), "n = {n}: one more, and nothing is opened");
        assert_eq!(opened(n - t(n)), Ok(vec![lie]), "n = {n}: a majority says what it likes");
    }
}

/// A dealer of four: what it gives to each of three, what it answers, what it publishes.
struct Deals {
    given: usize,
    answers: usize,
    publishes: usize,
}

impl Lies<VssMsg<Gr64>> for Deals {
    fn instead_of(
        &mut self,
        honest: &InRound<VssMsg<Gr64>>,
        to: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<VssMsg<Gr64>>> {
        let mut msg = honest.clone();
        match (&mut msg.msg, honest.round) {
            (VssMsg::Deal(list), _) => {
                let wrong = choice(self.given, to.index());
                list[1] += [Gr64::ZERO, Gr64::ONE, Gr64::ONE + Gr64::ONE][wrong];
            }
            (VssMsg::Broadcast(BroadcastMsg::Send(value)), 12) if !value.is_empty() => match self.answers {
                1 => value[6] ^= 1,
                2 => value.clear(),
                _ => {}
            },
            (VssMsg::Broadcast(BroadcastMsg::Send(value)), 21) if !value.is_empty() && self.publishes == 1 => {
                value[2] ^= 1
            }
            _ => {}
        }
        vec![msg]
    }
}

#[test]
fn every_dealing_of_one_of_four_is_one_polynomial_and_convicts_its_dealer_unless_it_was_silent() {
    let (dealer, mut stood, mut fell) = (party(4), 0, 0);
    for given in 0..27 {
        for (answers, publishes) in (0..3).flat_map(|answers| (0..2).map(move |publishes| (answers, publishes))) {
            let plan = SyncRun::new(4, 1).unwrap().cheat(dealer, Deals { given, answers, publishes });
            let report = vss::run::<Gr64>(4, plan);
            let note = format!("given {given}, answers {answers}, publishes {publishes}");
            let disqualified = vss::sound(4, &report, &[dealer], &note);
            let terms = terms::<Gr64>(session(), committee(4), vss::COUNT);
            for ending in &report.endings[..3] {
                let culprits = convicted::<Gr64>(&terms, vss::COUNT, &ending.values, &ToySeal(dealer));
                if answers != 2 {
                    assert_eq!(culprits, disqualified, "{note}");
                }
                assert!(culprits.iter().all(|culprit| *culprit == dealer), "{note}");
            }
            *(if disqualified.is_empty() { &mut stood } else { &mut fell }) += 1;
        }
    }
    assert!(stood > 10 && fell > 50, "{stood} stood, {fell} fell");
}

/// Sends a wrong share to a set of the others, votes as it likes, and shows what it likes.
struct Spoils {
    to: u8,
    vote: Option<bool>,
    shows: usize,
}

impl Lies<BatchMsg<Gr16>> for Spoils {
    fn instead_of(
        &mut self,
        honest: &InRound<BatchMsg<Gr16>>,
        to: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BatchMsg<Gr16>>> {
        let mut msg = honest.clone();
        match &mut msg.msg {
            BatchMsg::Shares(list) if self.to >> to.index() & 1 == 1 => list[0] += Gr16::ONE,
            BatchMsg::Vote { accept, .. } => *accept = self.vote.unwrap_or(*accept),
            // what is shown of a rejected batch is longer than a report
            BatchMsg::Broadcast(BroadcastMsg::Send(value)) if value.len() > 32 => match self.shows {
                1 => value[0] ^= 1,
                2 => value.clear(),
                _ => {}
            },
            _ => {}
        }
        vec![msg]
    }
}

#[test]
fn every_set_of_receivers_of_a_wrong_share_ends_in_right_bits_or_in_the_liars_name() {
    let (liar, keys) = (party(3), preprocessing::keys(4));
    let everybody = 0b1011;
    for to in (0..16u8).filter(|to| to & 0b100 == 0) {
        for (vote, shows) in [None, Some(true), Some(false)].into_iter().flat_map(|vote| (0..3).map(move |s| (vote, s)))
        {
            let plan = SyncRun::new(4, 1).unwrap().cheat(liar, Spoils { to, vote, shows });
            let report = preprocessing::run::<Gr16, _>(plan, &keys, Bits { count: 8 }, 1, &Standing::default());
            let note = format!("wrong to {to:04b}, votes {vote:?}, shows {shows}");
            match preprocessing::agreed(4, &report, &[liar], &note) {
                (preprocessing::Ended::Accepted, items) => {
                    assert_ne!(to, everybody, "{note}: nobody opened anything");
                    assert_eq!(items.len(), 3, "{note}: who got a wrong share is given what was opened");
                    preprocessing::are_bits(4, &items, &note);
                }
                (preprocessing::Ended::Rejected(rejection), _) => {
                    assert_eq!(to, everybody, "{note}: one right report and the liar's own are enough");
                    assert_eq!(rejection.corrupt, [liar], "{note}: and so it is proven");
                }
            }
        }
    }
}
