//! The variant without stock, and the rule for falling back.

use super::network::{CHEATS, Cheat, Ending as Run1, Run, Started, Trace};
use super::world::{MESSAGES, SIZES, World, party, session};
use tkms_mpc::exact::{Ending, FromStock, MessageShares, OnDemand, OnDemandMsg, Reason};
use tkms_mpc::fault::{Evidence, StepId};
use tkms_mpc::machine::Machine;
use tkms_mpc::ring::Gr16;

pub fn started(world: &World, number: u64) -> Vec<Started<OnDemand>> {
    let parties = world.keys.iter().zip(&world.prss);
    parties.map(|(key, prss)| OnDemand::start(key, &world.samples(), &session(number), prss).unwrap()).collect()
}

fn run(world: &World, run: Run) -> Vec<Run1<Ending>> {
    run.run(started(world, 1), OnDemand::is_done)
}

/// What was said in another session.
pub fn old(world: &World) -> Trace {
    Run::new(1).run_traced(started(world, 2), OnDemand::is_done).1
}

/// Shares of those that got some.
fn shared(endings: Vec<Run1<Ending>>) -> Vec<MessageShares> {
    let shares = |ending: Run1<Ending>| match ending.output.unwrap() {
        Ending::Shares(shares) => Some(shares),
        Ending::FallBack(_) => None,
    };
    endings.into_iter().filter_map(shares).collect()
}

#[test]
fn honest_parties_decrypt_without_stock() {
    for n in [1, 4, 7, 10, 13] {
        let world = World::new(n);
        let endings = run(&world, Run::new(1));
        assert!(endings.iter().all(|ending| ending.faults.is_empty()));
        let shares = shared(endings);
        assert_eq!(shares.len(), n);
        assert_eq!(world.opened(&shares), MESSAGES.map(u16::from));
    }
}

#[test]
fn every_number_of_blocks_has_its_bits() {
    for blocks in [1, 2, 3, 4, 5, 9] {
        let mut world = World::new(4);
        let messages: Vec<u8> = (0..blocks).map(|i| 15 - i).collect();
        world.encrypt(&messages, |_| 0);
        let opened = world.opened(&shared(run(&world, Run::new(1))));
        assert_eq!(opened, messages.iter().map(|m| u16::from(*m)).collect::<Vec<_>>());
    }
}

#[test]
fn t_parties_that_cheat_with_masked_shares_change_nothing() {
    for n in SIZES {
        let world = World::new(n);
        let old = old(&world);
        for (i, cheat) in CHEATS.into_iter().enumerate() {
            let plan =
                (0..world.t()).fold(Run::new(i as u64).old(&old), |run, i| run.cheat(party(1 + 3 * i), 2, cheat));
            let endings = run(&world, plan);
            let honest: Vec<_> =
                endings.into_iter().enumerate().filter(|(i, _)| i % 3 != 0 || i / 3 >= world.t()).collect();
            assert!(honest.iter().all(|(_, e)| e.blamed().iter().all(|liar| (liar.number() - 1).is_multiple_of(3))));
            let shares = shared(honest.into_iter().map(|(_, ending)| ending).collect());
            assert_eq!(shares.len(), n - world.t(), "{n} {cheat:?}");
            assert_eq!(world.opened(&shares), MESSAGES.map(u16::from));
        }
    }
}

#[test]
fn a_wrong_or_missing_share_of_the_bits_is_never_used_and_stock_decrypts() {
    for n in SIZES {
        let world = World::new(n);
        let old = old(&world);
        for (i, cheat) in CHEATS.into_iter().enumerate() {
            let endings = run(&world, Run::new(i as u64).old(&old).cheat(party(2), 1, cheat));
            let harmless = matches!(cheat, Cheat::ChangeOfMind | Cheat::Repeat | Cheat::Late);
            for (party_ending, number) in endings.iter().zip(1..).filter(|(_, number)| *number != 2) {
                let blamed = party_ending.faults.iter().map(|fault| fault.evidence).collect::<Vec<_>>();
                match (party_ending.output.as_ref().unwrap(), cheat) {
                    (Ending::Shares(_), Cheat::Selective(up_to)) => assert!(number > up_to),
                    (Ending::Shares(_), Cheat::Crash(up_to)) => assert!(number <= up_to),
                    (Ending::Shares(_), _) => assert!(harmless, "{cheat:?}"),
                    (Ending::FallBack(Reason::Missing(list)), Cheat::Silent | Cheat::Crash(_)) => {
                        assert_eq!(list, &[party(2)])
                    }
                    (Ending::FallBack(Reason::Spoiled | Reason::Stalled), _) => assert!(!harmless, "{cheat:?}"),
                    other => panic!("{other:?}"),
                }
                let named = matches!(cheat, Cheat::ChangeOfMind | Cheat::Empty | Cheat::TooLong);
                assert_eq!(!blamed.is_empty(), named, "{cheat:?}: a wrong share of degree 2t names nobody");
            }
            let shares = shared(endings);
            if !shares.is_empty() && shares.len() > world.t() {
                assert_eq!(world.opened(&shares), MESSAGES.map(u16::from));
            }
        }
        let fallback = Run::new(9).cheat(party(2), 1, Cheat::BadShare(0)).run(world.start(1), FromStock::is_done);
        let shares: Vec<_> = fallback.into_iter().filter_map(|ending| ending.output).collect();
        assert_eq!(world.opened(&shares), MESSAGES.map(u16::from), "from stock, with the liar still lying");
    }
}

#[test]
fn with_a_share_of_the_bits_missing_nothing_is_opened_before_time_is_over() {
    let world = World::new(4);
    let mut all = started(&world, 1);
    let messages: Vec<_> = all.iter().map(|(_, step)| step.send[0].msg.clone()).collect();
    let (machine, _) = &mut all[0];
    for i in [1, 2] {
        let step = machine.receive(party(i + 1), messages[i].clone());
        assert!(step.send.is_empty() && step.output.is_none(), "three of four shares of degree two prove nothing");
    }
    let over = machine.round_over();
    assert_eq!(over.output, Some(Ending::FallBack(Reason::Missing(vec![party(4)]))));
    let late = machine.receive(party(4), messages[3].clone());
    assert!(late.send.is_empty() && late.output.is_none(), "fallen back for good");
    assert!(machine.round_over().output.is_none());
}

#[test]
fn masked_shares_that_come_before_the_bits_are_kept() {
    let world = World::new(4);
    let mut all = started(&world, 1);
    let bits: Vec<_> = all.iter().map(|(_, step)| step.send[0].msg.clone()).collect();
    // parties 2 to 4 finish among themselves and with party 1's bits; party 1 hears their last messages first
    let mut masked = Vec::new();
    for (i, (machine, _)) in all.iter_mut().enumerate().skip(1) {
        for (j, bits) in bits.iter().enumerate().filter(|(j, _)| *j != i) {
            masked.extend(machine.receive(party(j + 1), bits.clone()).send);
        }
    }
    assert_eq!(masked.len(), 3);
    let (late, _) = &mut all[0];
    for (i, outgoing) in masked.iter().enumerate() {
        assert!(late.receive(party(i + 2), outgoing.msg.clone()).output.is_none());
    }
    let mut end = None;
    for (i, bits) in bits.iter().enumerate().skip(1) {
        end = end.or(late.receive(party(i + 1), bits.clone()).output);
    }
    assert!(matches!(end, Some(Ending::Shares(_))));
    assert!(late.is_done());
}

#[test]
fn the_same_session_sends_the_same_and_another_session_other_messages() {
    let world = World::new(4);
    let sent = |number| started(&world, number).into_iter().map(|(_, step)| step.send).collect::<Vec<_>>();
    assert_eq!(sent(1), sent(1), "a restart resends, a restored disk repeats");
    assert!(sent(1).iter().zip(sent(2)).all(|(a, b)| *a != b));
}

#[test]
fn hostile_messages_are_faults_and_never_panic() {
    let world = World::new(4);
    let (mut machine, step) = started(&world, 1).remove(0);
    let own = step.send[0].msg.clone();
    assert_eq!(machine.receive(party(5), own.clone()).faults[0].evidence, Evidence::NotAMember);
    assert!(machine.receive(party(5), own.clone()).faults.is_empty(), "blamed once");
    let masked = |shares: usize| OnDemandMsg::Masked(vec![Gr16::ONE; shares]);
    let long = machine.receive(party(2), masked(3));
    assert_eq!(long.faults[0].evidence, Evidence::WrongLength { expected: 2, found: 3 });
    assert!(machine.receive(party(3), masked(2)).faults.is_empty());
    let other = machine.receive(party(3), OnDemandMsg::Masked(vec![Gr16::ZERO; 2]));
    assert_eq!(
        (other.faults[0].step, other.faults[0].evidence),
        (StepId::ExactMask, Evidence::Conflicting { element: 0 })
    );
    assert_eq!(format!("{machine:?}"), "OnDemand(party 1 of 4, bits of 1 heard, done: false)");
    let abort = machine.give_up();
    assert_eq!((abort.needed, abort.heard, abort.silent.len()), (4, 1, 3));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let world = World::new(4);
    let refused = OnDemand::start(&world.keys[0], &world.samples(), &session(1), &world.prss[1]).err();
    assert!(refused.unwrap().to_string().contains("party 2 of 4"));
}
