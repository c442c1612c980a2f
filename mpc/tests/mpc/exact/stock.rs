//! The variant with stock, the public answer and the user's.

use super::network::{CHEATS, Cheat, Ending, Run};
use super::world::{MESSAGES, SIZES, STOCK, World, party, session};
use tkms_mpc::exact::{
    Certificate, ExactError, ExactKey, FromStock, Items, MessageShares, Range, Reveal, Switched, Width,
};
use tkms_mpc::fault::{Evidence, Failure, Misuse};
use tkms_mpc::machine::Machine;
use tkms_mpc::phase::KeyShare;
use tkms_mpc::ring::Gr16;
use tkms_mpc::user::{Assurance, combine_user_shares};
use tkms_types::{Committee, PartyId};

pub fn shares(world: &World, number: u64) -> Vec<MessageShares> {
    let endings = Run::new(number).run(world.start(number), FromStock::is_done);
    endings.into_iter().map(|ending| ending.output.unwrap()).collect()
}

pub fn reveal(run: Run, shares: &[MessageShares]) -> Vec<Ending<Vec<u8>>> {
    run.run(shares.iter().map(Reveal::start).collect(), Reveal::is_done)
}

pub fn liars(world: &World) -> Vec<PartyId> {
    (0..world.t()).map(|i| party(1 + 3 * i)).collect()
}

/// Whom everybody honest has to name, and for what: not for silence, for being late, or for saying the same again.
fn evidence(cheat: Cheat, elements: usize) -> Option<Evidence> {
    match cheat {
        Cheat::BadShare(_) | Cheat::Collude => Some(Evidence::OffPolynomial { element: elements - 1 }),
        Cheat::Equivocate | Cheat::Replay => Some(Evidence::OffPolynomial { element: 0 }),
        Cheat::TooLong => Some(Evidence::WrongLength { expected: elements, found: elements + 1 }),
        Cheat::Empty => Some(Evidence::WrongLength { expected: elements, found: 0 }),
        Cheat::ChangeOfMind => Some(Evidence::Conflicting { element: elements - 1 }),
        Cheat::Selective(_) | Cheat::Silent | Cheat::Crash(_) | Cheat::Repeat | Cheat::Late => None,
    }
}

fn check_blame<O>(world: &World, endings: &[Ending<O>], liars: &[PartyId], cheat: Cheat) {
    for honest in world.committee.parties().filter(|party| !liars.contains(party)) {
        let ending = &endings[honest.index()];
        match (evidence(cheat, 2), cheat) {
            (Some(evidence), _) => {
                assert_eq!(ending.blamed(), liars, "{cheat:?} {honest}");
                assert!(ending.faults.iter().all(|fault| fault.evidence == evidence), "{:?}", ending.faults);
            }
            (None, Cheat::Selective(up_to)) if honest.number() <= up_to => assert_eq!(ending.blamed(), liars),
            (None, _) => assert!(ending.faults.is_empty(), "{cheat:?} {:?}", ending.faults),
        }
    }
}

#[test]
fn the_committee_decrypts_what_the_holder_of_the_key_would() {
    for n in [1, 4, 7, 10, 13] {
        let world = World::new(n);
        let shares = shares(&world, 1);
        assert_eq!(world.opened(&shares), MESSAGES.map(u16::from));
        for ending in reveal(Run::new(2), &shares) {
            assert_eq!(ending.output.unwrap(), MESSAGES);
            assert!(ending.faults.is_empty());
        }
    }
}

#[test]
fn t_parties_that_cheat_in_the_masked_opening_change_nothing_and_are_named() {
    for n in SIZES {
        let world = World::new(n);
        let liars = liars(&world);
        let (_, old) = Run::new(1).run_traced(world.start(2), FromStock::is_done);
        for (i, cheat) in CHEATS.into_iter().enumerate() {
            let run = liars.iter().fold(Run::new(i as u64).old(&old), |run, liar| run.cheat(*liar, 1, cheat));
            let endings = run.run(world.start(1), FromStock::is_done);
            check_blame(&world, &endings, &liars, cheat);
            let honest = endings.into_iter().zip(world.committee.parties()).filter(|(_, p)| !liars.contains(p));
            let shares: Vec<_> = honest.map(|(ending, _)| ending.output.unwrap()).collect();
            assert_eq!(world.opened(&shares), MESSAGES.map(u16::from), "{n} {cheat:?}");
        }
    }
}

#[test]
fn t_parties_that_cheat_in_the_opening_of_the_message_change_nothing_and_are_named() {
    for n in SIZES {
        let world = World::new(n);
        let (liars, other, shares) = (liars(&world), shares(&world, 2), shares(&world, 1));
        // another attempt of the same ciphertext: the same messages, shared otherwise
        let (_, old) = Run::new(1).run_traced(other.iter().map(Reveal::start).collect(), Reveal::is_done);
        for (i, cheat) in CHEATS.into_iter().enumerate() {
            let run = liars.iter().fold(Run::new(i as u64).old(&old), |run, liar| run.cheat(*liar, 1, cheat));
            let endings = reveal(run, &shares);
            check_blame(&world, &endings, &liars, cheat);
            for (ending, honest) in endings.iter().zip(world.committee.parties()) {
                if !liars.contains(&honest) {
                    assert_eq!(ending.output.as_deref(), Some(&MESSAGES[..]), "{n} {cheat:?}");
                }
            }
        }
    }
}

#[test]
fn more_than_t_silent_parties_leave_no_output_and_giving_up_names_them_without_guilt() {
    for n in SIZES {
        let world = World::new(n);
        let silent: Vec<_> = (1..=world.t() + 1).map(party).collect();
        let run = silent.iter().fold(Run::new(1), |run, liar| run.cheat(*liar, 1, Cheat::Silent));
        for ending in run.run(world.start(1), FromStock::is_done).into_iter().skip(world.t() + 1) {
            let abort = ending.abort.unwrap();
            assert_eq!((abort.heard, abort.needed), (2 * world.t(), 2 * world.t() + 1));
            assert_eq!(abort.silent, silent);
            assert_eq!(Failure::from(abort).culprits(), []);
        }
    }
}

#[test]
fn one_liar_and_t_silent_give_no_output_rather_than_a_wrong_one() {
    for n in SIZES {
        let world = World::new(n);
        let run = (1..=world.t()).fold(Run::new(1), |run, i| run.cheat(party(i), 1, Cheat::Silent));
        let endings = run.cheat(party(n), 1, Cheat::BadShare(0)).run(world.start(1), FromStock::is_done);
        assert!(endings[world.t()..n - 1].iter().all(|ending| ending.output.is_none()));
    }
}

#[test]
fn a_party_whose_items_are_lost_learns_the_answer_from_the_others() {
    let world = World::new(4);
    let shares = shares(&world, 1);
    let started = shares.iter().map(Reveal::start).collect::<Vec<_>>();
    let mut late = Reveal::listen(shares[0].owner(), MESSAGES.len()).unwrap();
    let mut outputs = Vec::new();
    for (party, (_, step)) in world.committee.parties().zip(&started).skip(1) {
        assert!(outputs.is_empty(), "not before 2t + 1 have spoken");
        outputs.extend(late.receive(party, step.send[0].msg.clone()).output);
    }
    assert_eq!(outputs, [MESSAGES.to_vec()]);
    for blocks in [0, tkms_mpc::decrypt::MAX_BLOCKS + 1] {
        assert!(matches!(Reveal::listen(shares[0].owner(), blocks), Err(Misuse::Blocks { .. })));
    }
}

#[test]
fn a_user_combines_the_message_without_noise_whatever_t_answers_are() {
    for n in SIZES {
        let world = World::new(n);
        let shares = shares(&world, 1);
        let mut answers: Vec<_> =
            world.committee.parties().zip(&shares).map(|(party, own)| (party, own.user_share().to_vec())).collect();
        for (_, answer) in answers.iter_mut().take(world.t()) {
            answer[1] += tkms_mpc::ring::Gr128::new([0, 5, 0, 1 << 127]);
        }
        let combined = combine_user_shares(world.committee, MESSAGES.len(), &answers).unwrap();
        assert_eq!(combined.assurance, Assurance::Proven);
        assert_eq!(combined.faults.len(), world.t());
        let words: Vec<_> = combined.opened.words().collect();
        assert_eq!(words, MESSAGES.map(|message| u128::from(message) << 123));
        assert_eq!(combined.opened.digits().unwrap(), MESSAGES);
    }
}

#[test]
fn stored_message_shares_are_read_back_and_nothing_else_is() {
    let world = World::new(4);
    let own = &shares(&world, 1)[1];
    let bytes = own.to_secret_bytes();
    assert_eq!(bytes.len(), 7 + 4 * MESSAGES.len());
    assert!(MessageShares::from_secret_bytes(&bytes).unwrap() == *own);
    let changed = |place: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[place] = byte;
        MessageShares::from_secret_bytes(&bytes).unwrap_err().to_string()
    };
    assert!(changed(0, 9).contains("unknown version"));
    assert!(changed(1, 5).contains("no such committee"));
    assert!(changed(2, 5).contains("not a member"));
    assert!(changed(3, 7).contains("wrong number"));
    assert!(changed(7, 32).contains("more than five bits"));
    for wrong in [&bytes[..6], &bytes[..7], &bytes[..bytes.len() - 1]] {
        assert!(MessageShares::from_secret_bytes(wrong).is_err());
    }
    assert_eq!(format!("{own:?}"), "MessageShares(party 2 of 4, 6 blocks, redacted)");
}

#[test]
fn items_are_given_out_once_and_for_certified_ranges_one_for_each_block() {
    let world = World::new(4);
    let (key, mut piece) = (&world.keys[0], world.stock(1).remove(0));
    let of = |from, to| world.certificate(1, from, to, session(9));
    assert_eq!(World::take(key, &mut piece, &of(10, 16)).unwrap().session(), &session(9));
    assert_eq!(piece.left(), STOCK - 6);
    for (from, to) in [(10, 16), (15, 20), (0, 11), (0, STOCK as u32), (16, 16), (60, STOCK as u32 + 1)] {
        let refused = World::take(key, &mut piece, &of(from, to)).unwrap_err();
        assert!(matches!(refused, ExactError::Misuse(Misuse::Range { .. })), "{refused:?}");
    }
    let items = |pairs: usize| Items::new(key.owner(), Width::PRODUCTION, &of(0, 6), &vec![[Gr16::ONE; 2]; pairs]);
    for wrong in [0, 5, 7] {
        assert_eq!(items(wrong).unwrap_err(), ExactError::Items { items: wrong, blocks: 6 });
    }
    assert!(format!("{:?}", items(6).unwrap()).ends_with("redacted)"));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (ours, theirs) = (World::new(4), World::new(7));
    let items = || ours.items(1, session(1)).remove(0);
    let start = |key: &ExactKey, items, prss| FromStock::start(key, &ours.samples(), items, prss).err().unwrap();
    for prss in [&ours.prss[1], &theirs.prss[0]] {
        assert!(matches!(start(&ours.keys[0], items(), prss), ExactError::Misuse(Misuse::OwnersDiffer { .. })));
    }
    let of_another = ours.items(1, session(1)).remove(1);
    let refused = start(&ours.keys[0], of_another, &ours.prss[0]);
    assert!(matches!(refused, ExactError::Misuse(Misuse::OwnersDiffer { .. })));
    let certificate = ours.certificate(1, 0, 5, session(1));
    let five = World::take(&ours.keys[0], &mut ours.stock(1)[0], &certificate).unwrap();
    assert_eq!(start(&ours.keys[0], five, &ours.prss[0]), ExactError::Items { items: 5, blocks: 6 });
    let words = vec![0; 6 * 65];
    let samples = Switched::new(Width::insecure(14), 64, &words).unwrap();
    let refused = FromStock::start(&ours.keys[0], &samples, items(), &ours.prss[0]).err();
    assert_eq!(refused, Some(ExactError::Width { expected: 15, found: 14 }));
    let committee = Committee::new(4).unwrap();
    let short = KeyShare::deal(&[1; 63], committee, &mut ours.rng.clone()).unwrap().remove(0);
    let refused = start(&ExactKey::new(&short, Width::PRODUCTION), items(), &ours.prss[0]);
    assert_eq!(refused, ExactError::Misuse(Misuse::Dimension { samples: 64, key: 63 }));
    let narrow = KeyShare::deal(&ours.plain.0, committee, &mut ours.rng.clone()).unwrap().remove(0);
    let narrow = ExactKey::new(&narrow, Width::insecure(14));
    let refused = FromStock::start(&narrow, &samples, items(), &ours.prss[0]).err();
    assert_eq!(refused, Some(ExactError::Width { expected: 14, found: 15 }));
}

#[test]
fn hostile_messages_are_faults_and_never_panic() {
    let world = World::new(4);
    let (mut machine, step) = world.start(1).remove(0);
    assert_eq!(format!("{machine:?}"), "FromStock(party 1 of 4, 1 heard, done: false)");
    let stranger = machine.receive(party(13), step.send[0].msg.clone());
    assert_eq!((stranger.faults[0].culprit, stranger.faults[0].evidence), (party(13), Evidence::NotAMember));
    assert!(machine.receive(party(13), step.send[0].msg.clone()).faults.is_empty(), "blamed once");
    let reflected = machine.receive(party(1), step.send[0].msg.clone());
    assert!(reflected.faults.is_empty() && reflected.output.is_none());
    assert!(machine.round_over().output.is_none(), "no clock");
}

#[test]
fn the_same_range_and_session_send_the_same_bytes_after_a_restart() {
    let world = World::new(4);
    let sent = |number| world.start(number).into_iter().map(|(_, step)| step.send).collect::<Vec<_>>();
    assert_eq!(sent(1), sent(1));
    assert_ne!(sent(1), sent(2));
}

#[test]
fn a_certificate_of_less_than_a_quorum_does_not_exist() {
    let range = Range { batch: World::batch(1), from: 0, to: 6 };
    let two = [party(1), party(2)];
    assert!(Certificate::new(Committee::new(4).unwrap(), range, session(1), &two).is_err());
}
