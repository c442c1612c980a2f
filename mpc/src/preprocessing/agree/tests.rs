//! Agreement and conviction, from values as a broadcast would deliver them.

use super::*;
use crate::preprocessing::{BatchId, Bits, Recipe};
use crate::prss::PrssKeys;
use crate::ring::Gr16;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::{ContextId, EpochId, Id};

const RECIPE: Bits = Bits { count: 8 };

fn party(number: usize) -> PartyId {
    PartyId::new(number as u8).unwrap()
}

fn committee(n: usize) -> Committee {
    Committee::new(n).unwrap()
}

fn right(keys: &BatchKeys) -> Vec<Gr16> {
    RECIPE.prepare(&mut keys.draws()).1
}

/// A committee that showed everything as it was.
struct World {
    committee: Committee,
    session: SessionId,
    shown: Vec<Option<Shown>>,
}

impl World {
    fn new(n: usize) -> Self {
        let committee = committee(n);
        let id = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 3 };
        let session = id.session::<Gr16, _>(&RECIPE, &Standing::default());
        let keys = PrssKeys::deal(committee, &mut ChaCha20Rng::seed_from_u64(n as u64)).unwrap();
        let batches: Vec<_> = keys.iter().map(|keys| keys.batch(&session)).collect();
        let digests: Vec<_> = batches.iter().map(|keys| message_digest(session, &right(keys))).collect();
        let show = |keys: &BatchKeys| {
            let heard = digests.iter().map(|digest| Some(*digest)).collect();
            Some(Shown { secrets: keys.show(), own: digests[keys.owner().party.index()], heard })
        };
        Self { committee, session, shown: batches.iter().map(show).collect() }
    }

    fn t(&self) -> usize {
        self.committee.threshold().faults()
    }

    fn of(&mut self, number: usize) -> &mut Shown {
        self.shown[number - 1].as_mut().unwrap()
    }

    /// The parties of these numbers say that they heard this from a sender.
    fn heard(&mut self, by: impl IntoIterator<Item = usize>, from: usize, digest: Option<Digest>) {
        for number in by {
            self.of(number).heard[from - 1] = digest;
        }
    }

    fn check(&self, standing: &Standing) -> Rejection {
        check(self.session, self.committee, standing, &self.shown, right).0
    }

    fn verdict(&self) -> Rejection {
        self.check(&Standing::default())
    }
}

#[test]
fn who_says_and_heard_what_the_keys_make_is_beyond_reproach() {
    for n in [4, 7, 10, 13] {
        assert_eq!(World::new(n).verdict(), Rejection::default());
    }
}

#[test]
fn silence_in_the_check_is_no_proof() {
    for n in [4, 7, 10] {
        let mut world = World::new(n);
        let silent = world.t();
        world.shown.iter_mut().take(silent).for_each(|shown| *shown = None);
        assert_eq!(world.verdict(), Rejection::default());
    }
}

#[test]
fn another_message_than_the_keys_make_convicts_who_owns_up_to_it() {
    for n in [4, 7, 10] {
        let mut world = World::new(n);
        world.of(2).own = [9; 32];
        assert_eq!(world.verdict().corrupt, [party(2)]);
    }
}

#[test]
fn more_than_t_who_got_another_message_convict_and_t_do_not() {
    for n in [4, 7, 10] {
        let mut world = World::new(n);
        let t = world.t();
        world.heard(2..2 + t, 1, Some([9; 32]));
        let verdict = world.verdict();
        assert_eq!((verdict.corrupt, verdict.silent), (vec![], vec![]), "they may be the liars");
        assert_eq!(verdict.disputes, (2..2 + t).map(|by| (party(by), party(1))).collect::<Vec<_>>());
        world.heard(2..3 + t, 1, Some([9; 32]));
        let verdict = world.verdict();
        assert_eq!((verdict.corrupt, verdict.silent, verdict.disputes), (vec![party(1)], vec![], vec![]));
    }
}

#[test]
fn more_than_t_who_got_nothing_make_a_silent_party_and_no_conviction() {
    for n in [4, 7, 10] {
        let mut world = World::new(n);
        let t = world.t();
        world.heard(2..3 + t, 1, None);
        let verdict = world.verdict();
        assert_eq!((verdict.corrupt, verdict.silent, verdict.disputes), (vec![], vec![party(1)], vec![]));
        // one of them got another message: with the others it still proves no more than silence
        world.heard([2], 1, Some([9; 32]));
        assert_eq!(world.verdict().silent, [party(1)]);
    }
}

#[test]
fn nobody_is_judged_by_what_it_says_it_heard_from_itself() {
    let mut world = World::new(4);
    world.heard([1], 1, Some([9; 32]));
    assert_eq!(world.verdict(), Rejection::default());
}

#[test]
fn the_evicted_are_not_judged_again_and_their_word_makes_no_dispute() {
    let mut world = World::new(7);
    world.of(3).own = [9; 32];
    world.of(3).secrets[0] = [1; KEY_BYTES];
    world.heard([3], 5, Some([9; 32]));
    let standing = Standing { evicted: vec![party(3)], careful: false };
    assert_eq!(world.check(&standing), Rejection::default());
    let verdict = world.verdict();
    assert_eq!((verdict.corrupt, verdict.disputes), (vec![party(3)], vec![]), "settled by the conviction");
}

#[test]
fn a_wrong_secret_convicts_even_if_the_message_was_right() {
    for n in [4, 7, 10] {
        let mut world = World::new(n);
        world.of(n).secrets[0][31] ^= 1;
        assert_eq!(world.verdict().corrupt, [party(n)]);
    }
}

#[test]
fn what_is_shown_comes_back_and_nothing_else_is_read() {
    for n in [1, 4, 13] {
        let mut world = World::new(n);
        if n > 1 {
            world.heard([1], 2, None);
        }
        let bytes = world.of(1).write();
        assert_eq!(bytes.len(), Shown::bytes(committee(n)));
        assert_eq!(Shown::read(committee(n), &bytes).as_ref(), world.shown[0].as_ref());
        for wrong in [&bytes[1..], &[bytes.as_slice(), &[0]].concat(), &[bytes.as_slice(), &[0; 32]].concat(), &[]] {
            assert_eq!(Shown::read(committee(n), wrong), None);
        }
    }
    let of_four = World::new(4).of(1).write();
    assert_eq!(Shown::read(committee(7), &of_four), None, "of another committee");
}

#[test]
fn a_digest_needs_t_plus_one_reports_of_parties_that_are_not_evicted() {
    for n in [4, 7, 10, 13] {
        let committee = committee(n);
        let t = committee.threshold().faults();
        let reports = |good: usize| -> Delivered {
            (0..n).map(|i| if i < good { Some(vec![7; 32]) } else { Some(vec![]) }).collect()
        };
        assert_eq!(agreed_report(committee, &[], &reports(t)), None);
        assert_eq!(agreed_report(committee, &[], &reports(t + 1)), Some([7; 32]));
        assert_eq!(agreed_report(committee, &[party(1)], &reports(t + 1)), None, "an evicted one does not count");
        assert_eq!(agreed_report(committee, &[party(n)], &reports(t + 1)), Some([7; 32]));
    }
}

#[test]
fn reports_that_are_no_digest_count_for_nothing() {
    let committee = committee(4);
    for wrong in [vec![7; 31], vec![7; 33], vec![]] {
        let reports = vec![Some(wrong.clone()), Some(wrong), None, Some(vec![7; 32])];
        assert_eq!(agreed_report(committee, &[], &reports), None);
    }
    let split = vec![Some(vec![1; 32]), Some(vec![2; 32]), Some(vec![3; 32]), None];
    assert_eq!(agreed_report(committee, &[], &split), None);
}

#[test]
fn liars_are_evicted_and_disputes_alone_make_the_next_batch_careful() {
    let mut standing = Standing::default();
    let disputes = vec![(party(1), party(2))];
    standing.note(&Rejection { disputes: disputes.clone(), ..Rejection::default() });
    assert_eq!(standing, Standing { evicted: vec![], careful: true });
    standing.note(&Rejection { corrupt: vec![party(4), party(2)], disputes, ..Rejection::default() });
    assert_eq!(standing, Standing { evicted: vec![party(2), party(4)], careful: false });
    standing.evict(party(4));
    standing.evict(party(3));
    assert_eq!(standing.evicted, [party(2), party(3), party(4)], "each once, in order");
}

#[test]
fn a_digest_is_of_one_session_and_message() {
    let world = World::new(4);
    let other = SessionId(tkms_types::KeyId::numbered(9).bytes());
    let message = [Gr16::ONE, Gr16::ZERO];
    let digests = [
        message_digest(world.session, &message),
        message_digest(other, &message),
        message_digest(world.session, &message[..1]),
        message_digest::<Gr16>(world.session, &[]),
    ];
    for (i, digest) in digests.iter().enumerate() {
        assert!(digests.iter().skip(i + 1).all(|other| other != digest));
    }
}
