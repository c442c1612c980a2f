use super::*;
use rand::RngCore as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tkms_types::{ContextId, EpochId, Id, KeyId};

fn batch(number: u64) -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number }
}

fn range(from: u32, to: u32) -> Range {
    Range { batch: batch(1), from, to }
}

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

fn party(number: u8) -> PartyId {
    PartyId::new(number).unwrap()
}

#[test]
fn an_item_is_bound_once_for_ever() {
    let mut ledger = Ledger::new(batch(1), 100);
    ledger.bind(&range(10, 20), session(1)).unwrap();
    ledger.bind(&range(10, 20), session(1)).expect("the same vote again");
    for (from, to, item) in [(10, 20, 10), (0, 11, 10), (19, 30, 19), (12, 14, 12), (0, 100, 10), (10, 11, 10)] {
        assert_eq!(ledger.bind(&range(from, to), session(2)), Err(AllocationError::Bound { item }));
    }
    assert_eq!(ledger.bind(&range(10, 19), session(1)), Err(AllocationError::Bound { item: 10 }));
    ledger.bind(&range(20, 30), session(2)).unwrap();
    ledger.bind(&range(0, 10), session(3)).unwrap();
    assert_eq!(ledger.bind(&range(5, 25), session(4)), Err(AllocationError::Bound { item: 20 }));
}

#[test]
fn a_session_has_one_range() {
    let mut ledger = Ledger::new(batch(1), 100);
    ledger.bind(&range(10, 20), session(1)).unwrap();
    assert_eq!(ledger.bind(&range(40, 50), session(1)), Err(AllocationError::Session { from: 10 }));
}

#[test]
fn a_ballot_names_every_range_its_session_and_their_number() {
    let votes = [(range(0, 5), session(1)), (range(5, 9), session(2))];
    let digest = ballot_digest(&votes);
    let others = [
        vec![votes[1], votes[0]],
        vec![votes[0]],
        vec![votes[0], (range(5, 9), session(3))],
        vec![votes[0], (range(5, 10), session(2))],
        vec![votes[0], votes[1], votes[1]],
    ];
    assert!(others.iter().all(|other| ballot_digest(other) != digest));
}

#[test]
fn a_ledger_knows_the_range_of_a_session_and_how_far_a_part_is_used() {
    let mut ledger = Ledger::new(batch(1), 100);
    assert_eq!((ledger.of(&session(1)), ledger.end_in(50..100)), (None, 50));
    ledger.bind(&range(50, 60), session(1)).unwrap();
    ledger.bind(&range(0, 10), session(2)).unwrap();
    assert_eq!(ledger.of(&session(1)), Some(range(50, 60)));
    assert_eq!((ledger.end_in(0..50), ledger.end_in(50..100)), (10, 60));
}

#[test]
fn ranges_outside_of_the_batch_are_refused() {
    let mut ledger = Ledger::new(batch(1), 100);
    for (from, to) in [(0, 0), (5, 4), (90, 101), (u32::MAX, u32::MAX), (u32::MAX, 0)] {
        let outside = AllocationError::Outside { from, to, items: 100 };
        assert_eq!(ledger.bind(&range(from, to), session(1)), Err(outside));
        assert_eq!(range(from, to).items(), if to == 101 { 11 } else { 0 });
    }
    let other = Range { batch: batch(2), from: 0, to: 1 };
    assert_eq!(ledger.bind(&other, session(1)), Err(AllocationError::Batch { expected: 1, found: 2 }));
}

#[test]
fn a_certificate_takes_a_quorum_of_different_members() {
    let committee = Committee::new(4).unwrap();
    let certificate = |voters: &[u8]| {
        let voters: Vec<_> = voters.iter().map(|number| party(*number)).collect();
        Certificate::new(committee, range(0, 1), session(1), &voters)
    };
    for short in [&[][..], &[1, 2], &[1, 1, 2], &[1, 2, 5], &[1, 2, 13]] {
        assert_eq!(certificate(short).unwrap_err().needed, 3);
    }
    let certified = certificate(&[4, 2, 1]).unwrap();
    assert_eq!((certified.range(), certified.session()), (&range(0, 1), &session(1)));
}

/// Every way of four parties, one of them a liar that votes for all, to vote for two sessions and one range.
#[test]
fn no_two_sessions_are_certified_for_overlapping_ranges() {
    let committee = Committee::new(4).unwrap();
    for votes in 0..8u8 {
        for liar in 1..=4u8 {
            let honest = committee.parties().filter(|party| party.number() != liar).enumerate();
            let mut voters = [vec![party(liar)], vec![party(liar)]];
            for (i, honest) in honest {
                let mut ledger = Ledger::new(batch(1), 100);
                let first = usize::from(votes >> i & 1);
                for wish in [first, 1 - first] {
                    let range = range(wish as u32, 10 + wish as u32);
                    if ledger.bind(&range, session(wish as u64)).is_ok() {
                        voters[wish].push(honest);
                    }
                }
            }
            let made = [0, 1]
                .map(|wish| Certificate::new(committee, range(0, 10), session(wish as u64), &voters[wish]).is_ok());
            assert_ne!(made, [true, true], "{votes} {liar}");
        }
    }
}

#[test]
fn digest_and_mask_context_name_every_part() {
    let base = (range(0, 10).digest(&session(1)), range(0, 10).mask_context(&session(1)));
    let other = Range { batch: batch(2), ..range(0, 10) };
    for (range, session) in
        [(range(1, 10), session(1)), (range(0, 9), session(1)), (other, session(1)), (range(0, 10), session(2))]
    {
        assert_ne!(range.digest(&session), base.0);
        assert_ne!(range.mask_context(&session), base.1);
    }
    assert_ne!(base.0, base.1.0.0);
}

/// What the rule says, item by item: who has which item, and who has any.
#[derive(Default)]
struct Books {
    items: BTreeMap<u32, SessionId>,
    ranges: BTreeMap<SessionId, (u32, u32)>,
}

impl Books {
    /// Whether the vote may be cast, and if so, casts it.
    fn bind(&mut self, (from, to): (u32, u32), session: SessionId) -> bool {
        if self.ranges.get(&session) == Some(&(from, to)) {
            return true;
        }
        let free = (from..to).all(|item| !self.items.contains_key(&item));
        let may = from < to && to <= 100 && free && !self.ranges.contains_key(&session);
        if may {
            self.items.extend((from..to).map(|item| (item, session)));
            self.ranges.insert(session, (from, to));
        }
        may
    }
}

#[test]
fn whatever_is_proposed_a_ledger_binds_what_the_rule_item_by_item_allows() {
    for seed in 0..200 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut pick = |below: u32| rng.next_u32() % below;
        let (mut ledger, mut books, mut cast) = (Ledger::new(batch(1), 100), Books::default(), Vec::new());
        for _ in 0..60 {
            let (from, length, who) = (pick(104), pick(12), session(u64::from(pick(25))));
            let asked = (from, from + length);
            let before = books.ranges.get(&who).copied();
            let bound = ledger.bind(&range(asked.0, asked.1), who);
            assert_eq!(bound.is_ok(), books.bind(asked, who), "seed {seed}: {asked:?} for {who}: {bound:?}");
            if bound.is_ok() && before.is_none() {
                cast.push((asked, who));
            }
        }
        for (who, (from, to)) in &books.ranges {
            assert_eq!(ledger.of(who), Some(range(*from, *to)), "seed {seed}");
        }
        // after a restart the stored votes are fed in any order, and the same votes are refused as before
        let mut again = Ledger::new(batch(1), 100);
        cast.iter().rev().for_each(|((from, to), who)| again.bind(&range(*from, *to), *who).unwrap());
        for item in 0..100 {
            let stranger = session(1_000);
            let free = !books.items.contains_key(&item);
            assert_eq!(again.bind(&range(item, item + 1), stranger).is_ok(), free, "seed {seed}: item {item}");
            if free {
                break;
            }
        }
    }
}

#[test]
fn with_t_that_vote_for_everything_no_item_is_certified_for_two_sessions_in_any_committee() {
    for (seed, n) in [4, 7, 10, 13].into_iter().flat_map(|n| (0..50).map(move |seed| (seed, n))) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let committee = Committee::new(n).unwrap();
        let liars = committee.threshold().faults();
        let proposals: Vec<_> = (0..6u64)
            .map(|number| {
                let from = rng.next_u32() % 8;
                (range(from, from + 4), session(number))
            })
            .collect();
        let mut voters = vec![Vec::new(); proposals.len()];
        for (place, party) in committee.parties().enumerate() {
            let mut ledger = Ledger::new(batch(1), 100);
            // each hears the proposals in an order of its own
            let turn = rng.next_u32() as usize;
            for step in 0..proposals.len() {
                let wish = (turn + step * 5) % proposals.len();
                let (range, session) = &proposals[wish];
                if place < liars || ledger.bind(range, *session).is_ok() {
                    voters[wish].push(party);
                }
            }
        }
        let made = proposals.iter().zip(&voters);
        let made: Vec<_> =
            made.filter_map(|((range, who), voters)| Certificate::new(committee, *range, *who, voters).ok()).collect();
        for (place, one) in made.iter().enumerate() {
            for other in &made[..place] {
                let apart = one.range().to <= other.range().from || other.range().to <= one.range().from;
                assert!(apart, "n = {n}, seed {seed}: {one:?} and {other:?}");
            }
        }
    }
}
