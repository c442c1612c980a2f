//! The machine around protocols in rounds (`docs/protocol/broadcast.md`, "Rounds"), with the smallest protocol there is:
//! everyone says its number in three rounds, and in the end knows who spoke in which.

use crate::common::{committee, party};
use tkms_mpc::codec::{RunKind, Terms};
use tkms_mpc::fault::{Evidence, StepId};
use tkms_mpc::machine::{Machine, Step, To};
use tkms_mpc::rounds::{InRound, Rounds, Say, Synchronous, Turn};
use tkms_types::{Committee, Id, KeyId, PartyId, SessionId};

const ROUNDS: usize = 3;

struct Roll {
    me: PartyId,
    excused: Option<PartyId>,
    present: Vec<Vec<PartyId>>,
}

impl Rounds for Roll {
    type Msg = u8;
    type Output = Vec<Vec<PartyId>>;

    fn committee(&self) -> Committee {
        committee(4)
    }

    fn me(&self) -> PartyId {
        self.me
    }

    fn terms(&self) -> Terms {
        let session = SessionId(KeyId::numbered(1).bytes());
        Terms { session, committee: committee(4), kind: RunKind::Broadcast, value: 1, list: 0 }
    }

    fn waits_for(&self, party: PartyId) -> bool {
        self.excused != Some(party)
    }

    fn step_id(&self) -> StepId {
        StepId::Broadcast
    }

    fn close(&mut self, heard: Vec<Option<u8>>) -> Turn<u8, Self::Output> {
        assert_eq!(heard.len(), 4, "one entry for each party");
        let spoke = committee(4).parties().zip(&heard).filter(|(_, msg)| msg.is_some());
        self.present.push(spoke.map(|(party, _)| party).collect());
        if self.present.len() == ROUNDS {
            return Turn { say: Say::Nothing, faults: Vec::new(), output: Some(self.present.clone()) };
        }
        Turn { say: Say::All(self.me.number()), faults: Vec::new(), output: None }
    }
}

type Roller = Synchronous<Roll>;

fn start(excused: Option<PartyId>) -> Roller {
    let roll = Roll { me: party(1), excused, present: Vec::new() };
    let (machine, step) = Synchronous::start(roll, Say::All(1));
    assert_eq!(step.send.len(), 1);
    assert_eq!((step.send[0].to, step.send[0].msg.round), (To::All, 1));
    machine
}

fn hear(machine: &mut Roller, from: usize, round: u32) -> Step<InRound<u8>, Vec<Vec<PartyId>>> {
    machine.receive(party(from), InRound { round, msg: from as u8 })
}

fn all() -> Vec<PartyId> {
    (1..=4).map(party).collect()
}

#[test]
fn a_round_ends_when_everyone_has_spoken_and_no_earlier() {
    let mut machine = start(None);
    for round in 1..=ROUNDS as u32 {
        for from in [4, 2] {
            let step = hear(&mut machine, from, round);
            assert_eq!((step.send.len(), step.output), (0, None));
            assert_eq!(machine.round(), round);
        }
        assert_eq!(machine.awaited(), [party(3)]);
        let step = hear(&mut machine, 3, round);
        let last = round as usize == ROUNDS;
        assert_eq!(step.send.len(), usize::from(!last));
        assert_eq!(step.output, last.then(|| vec![all(); ROUNDS]));
    }
    assert!(machine.is_done());
}

#[test]
fn at_the_deadline_who_has_not_spoken_is_silent_in_it_and_in_no_other() {
    let mut machine = start(None);
    hear(&mut machine, 2, 1);
    let step = machine.round_over();
    assert_eq!((machine.round(), step.send[0].msg.round), (2, 2));
    for from in [2, 3, 4] {
        hear(&mut machine, from, 2);
    }
    let step = machine.round_over();
    assert_eq!(step.output, Some(vec![vec![party(1), party(2)], all(), vec![party(1)]]));
    assert_eq!(step.faults, [], "silence is blamed on nobody");
}

#[test]
fn messages_of_the_two_rounds_ahead_are_kept_and_of_later_ones_not() {
    let mut machine = start(None);
    for from in [2, 3, 4] {
        for round in [2, 3, 4, 99] {
            assert_eq!(hear(&mut machine, from, round), Step::nothing());
        }
    }
    let step = machine.round_over();
    assert_eq!(step.output, Some(vec![vec![party(1)], all(), all()]), "both rounds were there already");
    assert_eq!(step.send.iter().map(|outgoing| outgoing.msg.round).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_message_for_a_round_that_is_over_is_too_late() {
    let mut machine = start(None);
    machine.round_over();
    assert_eq!(hear(&mut machine, 2, 1), Step::nothing());
    assert_eq!(machine.awaited(), [2, 3, 4].map(party));
    assert_eq!(hear(&mut machine, 2, 0), Step::nothing());
}

#[test]
fn the_first_message_of_a_round_counts_and_another_one_is_a_fault_named_once() {
    let mut machine = start(None);
    assert_eq!(hear(&mut machine, 2, 1), Step::nothing());
    assert_eq!(hear(&mut machine, 2, 1), Step::nothing(), "the same again");
    let step = machine.receive(party(2), InRound { round: 1, msg: 77 });
    assert_eq!((step.faults[0].culprit, step.faults[0].evidence), (party(2), Evidence::TwoMessages { round: 1 }));
    assert_eq!(machine.receive(party(2), InRound { round: 1, msg: 78 }), Step::nothing(), "named already");
}

#[test]
fn an_excused_party_is_not_waited_for_and_heard_if_it_speaks() {
    let mut machine = start(Some(party(4)));
    assert_eq!(machine.awaited(), [2, 3].map(party));
    hear(&mut machine, 4, 1);
    for round in 1..=ROUNDS as u32 {
        hear(&mut machine, 2, round);
        let step = hear(&mut machine, 3, round);
        if let Some(output) = step.output {
            assert_eq!(output, [all(), all()[..3].to_vec(), all()[..3].to_vec()]);
        }
    }
    assert!(machine.is_done());
}

#[test]
fn after_the_output_nothing_follows_from_anything() {
    let mut machine = start(None);
    (0..ROUNDS).for_each(|_| drop(machine.round_over()));
    assert!(machine.is_done());
    assert_eq!(hear(&mut machine, 2, 4), Step::nothing());
    assert_eq!(machine.round_over(), Step::nothing());
}

#[test]
fn strangers_are_blamed_and_not_heard() {
    let mut machine = start(None);
    let step = machine.receive(party(5), InRound { round: 1, msg: 1 });
    assert_eq!((step.faults[0].culprit, step.faults[0].evidence), (party(5), Evidence::NotAMember));
    assert_eq!(machine.awaited(), [2, 3, 4].map(party));
}

#[test]
fn who_gives_up_names_who_was_silent_in_the_current_round_and_who_was_at_fault() {
    let mut machine = start(None);
    hear(&mut machine, 3, 1);
    machine.receive(party(3), InRound { round: 1, msg: 77 });
    let abort = machine.give_up();
    assert_eq!((abort.heard, abort.needed), (2, 3));
    assert_eq!((abort.silent, abort.faulty), (vec![party(2), party(4)], vec![party(3)]));
}
