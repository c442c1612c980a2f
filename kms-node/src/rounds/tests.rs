use super::*;
use crate::stock::{Ledger, Trust, judge};
use crate::store::Store;
use alloy_primitives::B256;
use std::sync::atomic::{AtomicBool, Ordering};
use tkms_types::{ContextId, EpochId, Id as _};

fn party(number: u8) -> PartyId {
    PartyId::new(number).unwrap()
}

fn frame(byte: u8) -> RoundFrame {
    RoundFrame { session: SessionId(B256::repeat_byte(1)), bytes: Bytes::from(vec![byte]) }
}

fn names() -> (ContextId, EpochId) {
    (ContextId::numbered(1), EpochId::numbered(1))
}

fn fresh() -> Arc<Hub> {
    let notary = Notary::new(names(), CommitteeSeal::insecure(4).remove(3));
    Hub::new(party(4), Committee::new(4).unwrap(), notary, BTreeMap::new())
}

fn hub() -> Arc<Hub> {
    let hub = fresh();
    hub.open(frame(0).session);
    hub
}

fn at(begun: u64, taken: u64) -> Counters {
    Counters { begun, taken }
}

/// As the party signs it.
fn mark(of: u8, counters: Counters) -> Mark {
    let seal = &CommitteeSeal::insecure(4)[usize::from(of) - 1];
    Mark::sign(party(of), names(), counters, seal)
}

fn shows(yours: Mark) -> Stand {
    Stand { yours: Some(yours), ..Stand::default() }
}

fn soon(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}

#[test]
fn peers_are_heard_in_turns_and_each_in_its_own_order() {
    let hub = hub();
    for (from, byte) in [(1, 10), (1, 11), (1, 12), (3, 30), (3, 31), (2, 20)] {
        assert!(hub.deliver(party(from), frame(byte)));
    }
    let deadline = soon(10_000);
    let heard: Vec<u8> = (0..6).map(|_| hub.next_frame(deadline).unwrap().1[0]).collect();
    assert_eq!(heard, [10, 20, 30, 11, 31, 12]);
}

#[test]
fn a_peer_that_never_stops_talking_neither_starves_the_others_nor_keeps_a_round_from_ending() {
    let (hub, over) = (hub(), Arc::new(AtomicBool::new(false)));
    let flood = {
        let (hub, over) = (Arc::clone(&hub), Arc::clone(&over));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                hub.deliver(party(1), frame(1));
            }
        })
    };
    while hub.deliver(party(1), frame(1)) {}
    hub.deliver(party(3), frame(3));
    let deadline = soon(300);
    let mut heard = Vec::new();
    let limit = soon(30_000);
    while let Some((from, _)) = hub.next_frame(deadline) {
        heard.push(from);
        assert!(Instant::now() < limit, "the round does not end");
    }
    over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    assert_eq!(heard.iter().position(|from| *from == party(3)), Some(1), "after one frame of the flood");
    assert!(Instant::now() >= deadline);
}

#[test]
fn what_came_in_time_is_read_after_the_deadline_and_what_came_later_is_not() {
    let hub = hub();
    hub.deliver(party(2), frame(2));
    let deadline = Instant::now();
    std::thread::sleep(Duration::from_millis(5));
    hub.deliver(party(3), frame(3));
    assert_eq!(hub.next_frame(deadline).unwrap().0, party(2));
    assert!(hub.next_frame(deadline).is_none());
    assert_eq!(hub.next_frame(soon(0)).unwrap().0, party(3), "it is read in the next round");
}

#[test]
fn an_old_store_is_seen_with_a_liar_that_hides_our_mark_and_before_a_slow_honest_peer_has_spoken() {
    let (hub, committee) = (fresh(), Committee::new(4).unwrap());
    hub.count(at(3, 5));
    hub.note(party(1), Stand::default());
    assert_eq!(judge(committee, at(3, 5), &hub.claims()), Trust::Unconfirmed { heard: 1, needed: 2 });
    hub.note(party(2), shows(mark(4, at(3, 9))));
    let seen = at(3, 9);
    assert_eq!(judge(committee, at(3, 5), &hub.claims()), Trust::RolledBack { ours: at(3, 5), seen });
    // it does not take back what it has shown
    hub.note(party(2), Stand::default());
    assert_eq!(judge(committee, at(3, 5), &hub.claims()), Trust::RolledBack { ours: at(3, 5), seen });
    assert_eq!(judge(committee, seen, &hub.claims()), Trust::Confirmed, "caught up");
}

#[test]
fn what_we_have_not_signed_is_no_claim_and_what_a_peer_has_not_signed_is_not_remembered() {
    let hub = fresh();
    hub.count(at(3, 5));
    let forged = [
        Mark { party: party(4), ..mark(1, at(9, 9)) },
        Mark { counters: at(9, 9), ..mark(4, at(3, 5)) },
        Mark { epoch: EpochId::numbered(2), ..mark(4, at(9, 9)) },
        mark(1, at(9, 9)),
    ];
    for forged in forged {
        hub.note(party(1), shows(forged));
        assert_eq!(hub.claims(), [Counters::default()], "{forged:?}");
    }
    hub.note(party(1), Stand { own: Some(Mark { counters: at(7, 7), ..mark(1, at(2, 2)) }), ..Stand::default() });
    hub.note(party(1), Stand { own: Some(mark(2, at(7, 7))), ..Stand::default() });
    assert_eq!(hub.stand_for(party(1)).yours, None);
    hub.note(party(1), Stand { own: Some(mark(1, at(2, 2))), ..Stand::default() });
    hub.note(party(1), Stand { own: Some(mark(1, at(1, 1))), ..Stand::default() });
    assert_eq!(hub.stand_for(party(1)).yours, Some(mark(1, at(2, 2))), "the highest");
}

#[test]
fn a_peer_makes_us_check_so_many_signatures_and_no_more() {
    let hub = fresh();
    for taken in 0..1_000 {
        hub.note(party(1), Stand { own: Some(mark(1, at(1, taken))), ..Stand::default() });
    }
    let known = hub.stand_for(party(1)).yours.unwrap().counters.taken;
    assert!(known < 999, "{known}");
    hub.note(party(2), Stand { own: Some(mark(2, at(1, 1))), ..Stand::default() });
    assert!(hub.stand_for(party(2)).yours.is_some(), "others are heard all the same");
}

#[tokio::test]
async fn counters_that_grow_all_the_time_are_signed_and_stored_by_one_task_and_the_last_of_them_stand() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("node.redb")).unwrap();
    let ledger = Ledger::open(store, names().0, names().1).await.unwrap();
    let hub = fresh();
    for count in 1..=40 {
        hub.count(at(0, count));
        hub.note(party(1), Stand { own: Some(mark(1, at(count, 0))), ..Stand::default() });
    }
    assert_eq!(hub.stand_for(party(2)).own, None, "nothing is signed while it is counted");
    let task = tokio::spawn(Arc::clone(&hub).keep_marks(ledger.clone()));
    let committee = Committee::new(4).unwrap();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !ledger.seen(committee).unwrap().is_empty() {
            break;
        }
    }
    task.abort();
    assert_eq!(ledger.seen(committee).unwrap(), BTreeMap::from([(party(1), mark(1, at(40, 0)))]));
    assert_eq!(hub.stand_for(party(2)).own, Some(mark(4, at(0, 40))));
}
