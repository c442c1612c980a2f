//! The claims of `docs/protocol/decrypt.md`, one test each.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::bounds::{FloodBounds, subsets};
use tkms_mpc::decrypt::{Implausible, MaskedShares, Opened, Opening, PartialDecryption, masked_shares};
use tkms_mpc::fault::{Evidence, Failure, Misuse};
use tkms_mpc::machine::{Machine, To};
use tkms_mpc::phase::{KeyShare, Samples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::Gr128;
use tkms_mpc::sim::cheats::{BadShare, ChangeOfMind, Equivocate, Replay, Silent, WrongLength};
use tkms_mpc::sim::synthetic::PlainKey;
use tkms_mpc::sim::{Report, Run};
use tkms_mpc::user::{Assurance, combine_user_shares};
use tkms_types::{Committee, Id, KeyId, PartyId, SessionId};

const THRESHOLD_SIZES: [usize; 4] = [4, 7, 10, 13];
const DIMENSION: usize = 64;
const MESSAGES: [u8; 6] = [3, 0, 15, 8, 0, 1];

/// A dealt key and masks, and a ciphertext of [`MESSAGES`] under it with noise up to the bound.
struct World {
    committee: Committee,
    plain: PlainKey,
    keys: Vec<KeyShare>,
    masks: Vec<PrssKeys>,
    words: Vec<u128>,
}

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

fn party(number: usize) -> PartyId {
    PartyId::new(number as u8).unwrap()
}

fn world(n: usize) -> World {
    let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
    let committee = Committee::new(n).unwrap();
    let plain = PlainKey::random(DIMENSION, &mut rng);
    let keys = KeyShare::deal(&plain.coefficients, committee, &mut rng).unwrap();
    let masks = PrssKeys::deal(committee, &mut rng).unwrap();
    let words = plain.encrypt(&MESSAGES, &mut rng, |rng| rng.random_range(-(1 << 70)..=1 << 70));
    World { committee, plain, keys, masks, words }
}

impl World {
    fn t(&self) -> usize {
        self.committee.threshold().faults()
    }

    fn masked(&self, session: &SessionId) -> Vec<MaskedShares> {
        let samples = Samples::new(DIMENSION, &self.words).unwrap();
        let both = self.keys.iter().zip(&self.masks);
        both.map(|(key, masks)| masked_shares(key, &samples, masks, session).unwrap()).collect()
    }

    fn run(&self) -> Run {
        Run::new(self.committee.size(), 7).unwrap()
    }
}

fn message(own: &MaskedShares) -> PartialDecryption {
    Opening::start(own).1.send.remove(0).msg
}

fn digits(report: &Report, party: PartyId) -> Option<Vec<u8>> {
    report.endings[party.index()].output.as_ref().map(|opened| opened.digits().unwrap())
}

/// Parties that this one blamed.
fn blamed(report: &Report, by: PartyId) -> Vec<PartyId> {
    let mut blamed: Vec<_> = report.endings[by.index()].faults.iter().map(|fault| fault.culprit).collect();
    blamed.sort_unstable();
    blamed
}

#[test]
fn the_committee_decrypts_what_the_dealer_would() {
    for n in [1, 4, 7, 10, 13] {
        let world = world(n);
        let report = world.run().open(&world.masked(&session(1)));
        for party in world.committee.parties() {
            assert_eq!(digits(&report, party), Some(world.plain.decrypt(&world.words)));
            assert_eq!(digits(&report, party), Some(MESSAGES.to_vec()));
            assert_eq!(report.endings[party.index()].faults, []);
        }
    }
}

#[test]
fn every_message_survives_extreme_noise() {
    for (n, noise) in [(4, 1i128 << 70), (4, -(1 << 70)), (13, 1 << 70), (13, -(1 << 70))] {
        let mut world = world(n);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let messages: Vec<u8> = (0..16).collect();
        world.words = world.plain.encrypt(&messages, &mut rng, |_| noise);
        let report = world.run().open(&world.masked(&session(9)));
        assert_eq!(digits(&report, party(1)), Some(messages), "{n} {noise}");
    }
}

#[test]
fn any_quorum_reconstructs() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let own = world.masked(&session(1));
        let messages: Vec<_> = own.iter().map(message).collect();
        for others in (0u32..1 << n).filter(|set| set & 1 == 1 && set.count_ones() as usize == 2 * world.t() + 1) {
            let (mut opening, first) = Opening::start(&own[0]);
            assert!(first.output.is_none());
            let mut outputs: Vec<Opened> = Vec::new();
            for i in (1..n).filter(|i| others >> i & 1 == 1) {
                assert!(outputs.is_empty(), "not before the quorum is full");
                outputs.extend(opening.receive(party(i + 1), messages[i].clone()).output);
            }
            assert_eq!(outputs.len(), 1);
            assert_eq!(outputs[0].digits().unwrap(), MESSAGES);
        }
    }
}

#[test]
fn a_single_node_opens_at_once() {
    let world = world(1);
    let (opening, step) = Opening::start(&world.masked(&session(1))[0]);
    assert!(opening.is_done());
    assert_eq!(step.output.unwrap().digits().unwrap(), MESSAGES);
}

#[test]
fn t_parties_with_bad_shares_are_named_by_everyone_and_the_answer_is_right() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let liars: Vec<_> = (1..=world.t()).map(|i| party(3 * i)).collect();
        let run = liars.iter().fold(world.run(), |run, liar| run.cheat(*liar, BadShare { delay: 0 }));
        let report = run.open(&world.masked(&session(1)));
        for honest in world.committee.parties().filter(|party| !liars.contains(party)) {
            assert_eq!(digits(&report, honest), Some(MESSAGES.to_vec()));
            assert_eq!(blamed(&report, honest), liars);
        }
    }
}

#[test]
fn a_bad_share_that_comes_after_the_output_is_still_named() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let report = world.run().cheat(party(2), BadShare { delay: 1000 }).open(&world.masked(&session(1)));
        assert_eq!(blamed(&report, party(1)), [party(2)]);
        assert_eq!(report.endings[0].faults[0].evidence, Evidence::OffPolynomial { element: 1 });
        assert_eq!(digits(&report, party(1)), Some(MESSAGES.to_vec()));
    }
}

#[test]
fn every_cheat_is_named_for_what_it_is_and_changes_nothing() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let own = world.masked(&session(1));
        let old = message(&world.masked(&session(2))[3]);
        let runs = [
            (world.run().cheat(party(4), WrongLength), Evidence::WrongLength { expected: 2, found: 3 }),
            (world.run().cheat(party(4), Equivocate), Evidence::OffPolynomial { element: 0 }),
            (world.run().cheat(party(4), Replay { old }), Evidence::OffPolynomial { element: 0 }),
            (world.run().cheat(party(4), ChangeOfMind), Evidence::Conflicting { element: 1 }),
        ];
        for (run, evidence) in runs {
            let report = run.open(&own);
            for honest in world.committee.parties().filter(|honest| *honest != party(4)) {
                let ending = &report.endings[honest.index()];
                assert_eq!(digits(&report, honest), Some(MESSAGES.to_vec()));
                assert_eq!(ending.faults.len(), 1, "blamed once: {evidence:?}");
                assert_eq!((ending.faults[0].culprit, ending.faults[0].evidence), (party(4), evidence));
            }
        }
    }
}

#[test]
fn t_silent_parties_stop_nobody_and_are_not_blamed() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let run = (1..=world.t()).fold(world.run(), |run, i| run.cheat(party(i), Silent));
        let report = run.open(&world.masked(&session(1)));
        for honest in world.committee.parties().skip(world.t()) {
            assert_eq!((digits(&report, honest), blamed(&report, honest)), (Some(MESSAGES.to_vec()), vec![]));
        }
    }
}

#[test]
fn t_plus_one_silent_parties_leave_no_output_and_giving_up_names_them() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let silent: Vec<_> = (1..=world.t() + 1).map(party).collect();
        let run = silent.iter().fold(world.run(), |run, party| run.cheat(*party, Silent));
        let report = run.open(&world.masked(&session(1)));
        for honest in world.committee.parties().skip(world.t() + 1) {
            let ending = &report.endings[honest.index()];
            assert_eq!(ending.output, None);
            let abort = ending.abort.clone().unwrap();
            assert_eq!((abort.heard, abort.needed), (2 * world.t(), 2 * world.t() + 1));
            assert_eq!(abort.silent, silent);
            assert_eq!(Failure::from(abort).culprits(), []);
        }
    }
}

#[test]
fn one_liar_and_t_silent_give_no_output_rather_than_a_wrong_one() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let run = (1..=world.t()).fold(world.run(), |run, i| run.cheat(party(i), Silent));
        let report = run.cheat(party(n), BadShare { delay: 0 }).open(&world.masked(&session(1)));
        for honest in world.committee.parties().skip(world.t()).take(2 * world.t()) {
            assert_eq!(report.endings[honest.index()].output, None);
            assert_eq!(report.endings[honest.index()].abort.as_ref().unwrap().heard, 2 * world.t() + 1);
        }
    }
}

#[test]
fn a_lossy_network_and_crashes_only_delay() {
    for n in THRESHOLD_SIZES {
        let world = world(n);
        let run = (0..world.t()).fold(world.run().lossy(40), |run, i| run.crash(party(n - i), 10 * i as u64));
        let report = run.open(&world.masked(&session(1)));
        for alive in world.committee.parties().take(n - world.t()) {
            assert_eq!((digits(&report, alive), blamed(&report, alive)), (Some(MESSAGES.to_vec()), vec![]));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_another() {
    let world = world(7);
    let own = world.masked(&session(1));
    let open = |seed| Run::new(7, seed).unwrap().lossy(20).cheat(party(2), Equivocate).open(&own);
    assert_eq!(open(1), open(1));
    assert_ne!(open(1).trace, open(2).trace);
}

#[test]
fn a_party_with_a_damaged_key_share_names_itself_and_still_answers_rightly() {
    let mut world = world(4);
    let mut bytes = world.keys[0].to_secret_bytes();
    // a middle coefficient of the stored elements
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    world.keys[0] = KeyShare::from_secret_bytes(&bytes).unwrap();
    let report = world.run().open(&world.masked(&session(1)));
    assert_eq!((digits(&report, party(1)), blamed(&report, party(1))), (Some(MESSAGES.to_vec()), vec![party(1)]));
    assert_eq!(blamed(&report, party(3)), [party(1)]);
}

#[test]
fn the_same_ciphertext_shows_the_same_masked_value_to_public_and_user() {
    for n in [1, 4, 7, 10, 13] {
        let world = world(n);
        let (own, again) = (world.masked(&session(1)), world.masked(&session(1)));
        let public = world.run().open(&own).endings[0].output.clone().unwrap();
        let answers: Vec<_> =
            world.committee.parties().zip(&again).map(|(party, own)| (party, own.user_share().to_vec())).collect();
        let combined = combine_user_shares(world.committee, MESSAGES.len(), &answers).unwrap();
        assert_eq!((combined.opened, combined.assurance), (public, Assurance::Proven));
    }
}

#[test]
fn another_session_shows_another_masked_value_of_the_same_message() {
    let world = world(4);
    let open = |number| world.run().open(&world.masked(&session(number))).endings[0].output.clone().unwrap();
    let (first, second) = (open(1), open(2));
    assert_eq!(first.digits(), second.digits());
    assert!(first.words().zip(second.words()).all(|(a, b)| a != b));
}

#[test]
fn what_is_opened_lies_within_the_bound_and_hides_the_noise() {
    for n in THRESHOLD_SIZES {
        let mut world = world(n);
        world.words = world.plain.encrypt(&[0; 64], &mut ChaCha20Rng::seed_from_u64(2), |_| 1 << 70);
        let opened = world.run().open(&world.masked(&session(1))).endings[0].output.clone().unwrap();
        let distance = FloodBounds::PRODUCTION.check(subsets(world.committee)).unwrap();
        let words: Vec<_> = opened.words().map(u128::cast_signed).collect();
        assert!(words.iter().all(|word| word.unsigned_abs() <= distance));
        // the noise is the same everywhere; what shows is some 2^40 times as large, of either sign
        assert!(words.iter().filter(|word| word.unsigned_abs() > 1 << 105).count() > 60);
        assert!((10..54).contains(&words.iter().filter(|word| **word < 0).count()));
    }
}

#[test]
fn samples_under_another_key_end_as_implausible_not_as_a_plaintext() {
    let mut world = world(4);
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    world.words = PlainKey::random(DIMENSION, &mut rng).encrypt(&[5; 16], &mut rng, |_| 0);
    let opened = world.run().open(&world.masked(&session(1))).endings[0].output.clone().unwrap();
    assert!(matches!(opened.digits(), Err(Implausible { .. })));
}

#[test]
fn key_share_and_masks_of_different_owners_are_refused() {
    let (ours, theirs) = (world(4), world(7));
    let samples = Samples::new(DIMENSION, &ours.words).unwrap();
    for masks in [&ours.masks[1], &theirs.masks[0]] {
        let refused = masked_shares(&ours.keys[0], &samples, masks, &session(1));
        assert!(matches!(refused, Err(Misuse::OwnersDiffer { .. })));
    }
}

#[test]
fn hostile_messages_are_faults_and_never_panic() {
    let world = world(4);
    let own = world.masked(&session(1));
    let (mut opening, first) = Opening::start(&own[0]);
    assert_eq!(first.send[0].to, To::All);
    let empty = PartialDecryption { shares: vec![] };
    let huge = PartialDecryption { shares: vec![Gr128::ONE; 10_000] };
    let stranger = opening.receive(party(13), empty.clone());
    assert_eq!((stranger.faults[0].culprit, stranger.faults[0].evidence), (party(13), Evidence::NotAMember));
    assert_eq!(opening.receive(party(13), huge.clone()).faults, [], "blamed once");
    let wrong = opening.receive(party(2), empty);
    assert_eq!(wrong.faults[0].evidence, Evidence::WrongLength { expected: 2, found: 0 });
    assert_eq!(opening.receive(party(2), huge).faults, [], "blamed once");
    let reflected = opening.receive(party(1), message(&own[0]));
    assert_eq!((reflected.faults, reflected.output), (vec![], None));
    assert_eq!(opening.round_over().faults, []);
    let abort = opening.give_up();
    assert_eq!((abort.heard, abort.silent), (1, vec![party(3), party(4)]));
    assert_eq!(abort.faulty, [party(13), party(2)]);
}

#[test]
fn a_repeated_message_changes_nothing() {
    let world = world(4);
    let own = world.masked(&session(1));
    let (mut opening, _) = Opening::start(&own[0]);
    for _ in 0..5 {
        let step = opening.receive(party(2), message(&own[1]));
        assert_eq!((step.faults, step.output), (vec![], None), "one party is one share");
    }
    assert!(opening.receive(party(3), message(&own[2])).output.is_some());
    assert!(opening.receive(party(4), message(&own[3])).output.is_none(), "output once");
}

#[test]
fn debug_of_secret_halves_is_redacted() {
    let own = &world(4).masked(&session(1))[0];
    assert_eq!(format!("{own:?}"), "MaskedShares(party 1 of 4, 6 blocks, redacted)");
    let (opening, _) = Opening::start(own);
    assert_eq!(format!("{opening:?}"), "Opening(party 1 of 4, 1 heard, done: false)");
}
