//! A cheat is what its name says: if it were honest by mistake, every theorem about it would hold for nothing.

use crate::common::{SIZES, party};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeSet;
use tkms_mpc::broadcast::BroadcastMsg;
use tkms_mpc::codec::{RunKind, Terms};
use tkms_mpc::preprocessing::BatchMsg;
use tkms_mpc::prss_setup::SetupMsg;
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::rounds::InRound;
use tkms_mpc::sim::lies::{
    CrashIn, FlipsAfter, Lie, Lies, Repeats, SaysTwice, Selective, SilentAfter, TellsEach, WrongShape, WrongValue,
    any_cheat,
};
use tkms_mpc::vss::VssMsg;
use tkms_types::{Committee, Id, KeyId, SessionId};

type Msg = InRound<BatchMsg<Gr16>>;

fn honest(round: u32) -> Msg {
    InRound { round, msg: BatchMsg::Shares((1..9).map(Gr16::constant).collect()) }
}

/// What it tells every party of seven in a round.
fn tells(cheat: &mut impl Lies<BatchMsg<Gr16>>, round: u32) -> Vec<Vec<Msg>> {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(round));
    (1..=7).map(|to| cheat.instead_of(&honest(round), party(to), &mut rng)).collect()
}

/// To how many of the seven it says nothing, the truth alone, or something else.
fn counted(told: &[Vec<Msg>]) -> [usize; 3] {
    let silent = told.iter().filter(|sent| sent.is_empty()).count();
    let truth = told.iter().filter(|sent| sent.iter().all(|msg| *msg == honest(msg.round)) && !sent.is_empty()).count();
    [silent, truth, told.len() - silent - truth]
}

#[test]
fn the_silent_and_the_crashed_say_nothing_and_nothing_false_before() {
    assert_eq!(counted(&tells(&mut SilentAfter(0), 1)), [7, 0, 0]);
    assert_eq!(counted(&tells(&mut SilentAfter(2), 2)), [0, 7, 0]);
    assert_eq!(counted(&tells(&mut SilentAfter(2), 3)), [7, 0, 0]);
    let mut crash = CrashIn(3, 4);
    assert_eq!([2, 3, 4].map(|round| counted(&tells(&mut crash, round))), [[0, 7, 0], [3, 4, 0], [7, 0, 0]]);
}

#[test]
fn wrong_values_are_wrong_in_their_rounds_and_the_same_for_all() {
    assert_eq!(counted(&tells(&mut WrongValue(2), 1)), [0, 7, 0]);
    for (mut cheat, round) in [(WrongValue(2), 2), (WrongValue(0), 1), (WrongValue(0), 9)] {
        let told = tells(&mut cheat, round);
        assert_eq!(counted(&told), [0, 0, 7]);
        assert!(told.iter().all(|sent| *sent == told[0]), "one lie for everybody");
    }
}

#[test]
fn who_tells_each_another_lie_tells_no_two_the_same_often() {
    let told = tells(&mut TellsEach, 1);
    assert_eq!(counted(&told), [0, 0, 7]);
    let different = told.iter().enumerate().filter(|(i, sent)| told[..*i].iter().all(|other| other != *sent)).count();
    assert!(different >= 5, "{different} of seven");
    assert_eq!(counted(&tells(&mut Selective(3), 1)), [0, 4, 3], "to three of seven");
    assert_eq!(counted(&tells(&mut FlipsAfter(2), 2)), [0, 7, 0], "honest until it is found out");
    assert_eq!(counted(&tells(&mut FlipsAfter(2), 3)), [0, 0, 7]);
}

#[test]
fn the_others_repeat_rush_contradict_and_misshape() {
    let mut repeats = Repeats::new();
    assert_eq!(counted(&tells(&mut repeats, 1)), [0, 7, 0], "nothing to repeat yet");
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let second = InRound { round: 2, msg: BatchMsg::Vote { accept: true, want: false } };
    let told = repeats.instead_of(&second, party(1), &mut rng);
    assert_eq!(
        told,
        [InRound { round: 2, msg: honest(1).msg }],
        "the message of the round before under the new number"
    );
    for sent in tells(&mut SaysTwice, 1) {
        assert!(sent.len() == 2 && sent[0] == honest(1) && sent[1] != honest(1), "the truth, and then something else");
    }
    assert!(!Lies::<BatchMsg<Gr16>>::rushes(&TellsEach, party(1)), "who does not rush");
    for sent in tells(&mut WrongShape, 1) {
        let BatchMsg::Shares(list) = &sent[0].msg else { panic!("shares") };
        assert_eq!(list.len(), 9, "one too many");
    }
}

fn lies_about<M: Lie + std::fmt::Debug>(msg: &M, terms: &Terms) {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut changed = 0;
    for _ in 0..20 {
        let mut other = msg.clone();
        other.falsify(&mut rng);
        changed += usize::from(other != *msg);
        assert!(M::parse(&other.to_bytes(), terms).is_ok(), "a lie has the shape of a message: {other:?}");
    }
    assert!(changed >= 10, "{changed} of 20: {msg:?}");
    let mut other = msg.clone();
    other.misshape();
    assert!(other != *msg);
}

#[test]
fn a_lie_about_any_message_is_another_message_of_the_same_kind() {
    let committee = Committee::new(4).unwrap();
    let session = SessionId(KeyId::numbered(1).bytes());
    let terms = Terms { session, committee, kind: RunKind::Dealing, value: 100, list: 1000 };
    let (elements, wide) = (vec![Gr16::ONE; 4], vec![Gr64::ONE; 4]);
    let of_broadcast = [
        BroadcastMsg::Send(vec![1]),
        BroadcastMsg::Send(vec![]),
        BroadcastMsg::Echo(vec![Some([1; 32]); 4]),
        BroadcastMsg::Vote(vec![None; 4]),
        BroadcastMsg::Bits { bits: vec![true; 4], wanted: vec![false; 4] },
        BroadcastMsg::Marks { marks: vec![None; 4], supply: vec![None; 4] },
        BroadcastMsg::King(Some(vec![true; 4])),
        BroadcastMsg::King(None),
    ];
    for msg in of_broadcast {
        lies_about(&msg, &terms);
        lies_about(&VssMsg::<Gr16>::Broadcast(msg.clone()), &terms);
        lies_about(&SetupMsg::Vss(VssMsg::Broadcast(msg.clone())), &terms);
        lies_about(&BatchMsg::<Gr16>::Broadcast(msg), &terms);
    }
    lies_about(&VssMsg::Deal(elements.clone()), &terms);
    lies_about(&VssMsg::Cross(elements.clone()), &terms);
    lies_about(&SetupMsg::Open(wide), &terms);
    lies_about(&BatchMsg::Shares(elements.clone()), &terms);
    lies_about(&BatchMsg::Supply(Some(elements)), &terms);
    lies_about(&BatchMsg::<Gr16>::Supply(None), &terms);
    lies_about(&BatchMsg::<Gr16>::Vote { accept: true, want: false }, &terms);
}

#[test]
fn a_cheat_drawn_at_random_is_each_of_them_at_times() {
    fn names<M: Lie>(n: usize) -> usize {
        let (mut rng, of) = (ChaCha20Rng::seed_from_u64(n as u64), (Committee::new(n).unwrap(), party(2)));
        (0..600).map(|_| any_cheat::<M>(9, of, &mut rng).0).collect::<BTreeSet<_>>().len()
    }
    // twelve that fit every protocol, and those that know one
    for n in SIZES {
        assert_eq!([names::<BroadcastMsg>(n), names::<VssMsg<Gr64>>(n)], [12 + 1, 12 + 4]);
        assert_eq!([names::<SetupMsg>(n), names::<BatchMsg<Gr16>>(n)], [12 + 5, 12 + 4]);
    }
}
