use super::*;
use crate::prss::PrssKeys;
use crate::ring::Gr16;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::{Id, KeyId, SessionId};

fn batches(n: usize) -> Vec<BatchKeys> {
    let keys = PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(n as u64)).unwrap();
    keys.iter().map(|keys| keys.batch(&SessionId(KeyId::numbered(1).bytes()))).collect()
}

fn shown(batches: &[BatchKeys]) -> Vec<Option<Vec<[u8; KEY_BYTES]>>> {
    batches.iter().map(|batch| Some(batch.show())).collect()
}

#[test]
fn t_parties_that_show_a_wrong_secret_are_found_and_the_rest_is_recomputed() {
    for n in [4, 7, 10, 13] {
        let batches = batches(n);
        let committee = batches[0].owner().committee;
        let t = committee.threshold().faults();
        let mut shown = shown(&batches);
        for (i, secrets) in shown.iter_mut().take(t).enumerate() {
            // the same wrong secret by all of them, in different subsets too
            secrets.as_mut().unwrap()[0] = [7; KEY_BYTES];
            secrets.as_mut().unwrap()[i] = [7; KEY_BYTES];
        }
        let checked = majority(committee, &shown);
        assert_eq!(checked.dissenters, committee.parties().take(t).collect::<Vec<_>>());
        for batch in &batches {
            let again = checked.batch_of(batch.owner().party).unwrap();
            assert_eq!(*again.draws::<Gr16>().zeros(5), *batch.draws::<Gr16>().zeros(5));
            assert_eq!(*again.draws::<Gr16>().base_shares(5), *batch.draws::<Gr16>().base_shares(5));
        }
    }
}

#[test]
fn silent_parties_are_no_dissenters_and_wrong_lengths_are() {
    let batches = batches(7);
    let committee = batches[0].owner().committee;
    let mut shown = shown(&batches);
    shown[1] = None;
    shown[4].as_mut().unwrap().pop();
    let checked = majority(committee, &shown);
    assert_eq!(checked.dissenters, [batches[4].owner().party]);
    assert!(committee.parties().all(|party| checked.batch_of(party).is_some()));
}

#[test]
fn without_a_majority_nothing_is_recomputed() {
    let batches = batches(4);
    let committee = batches[0].owner().committee;
    let checked = majority(committee, &[None, None, Some(batches[2].show()), None]);
    assert!(checked.dissenters.is_empty());
    assert!(committee.parties().all(|party| checked.batch_of(party).is_none()));
}

/// Every party of every committee as the liar, with one wrong secret in any place: it is named, nobody else is, and what was
/// right is recomputed.
#[test]
fn one_wrong_secret_in_any_place_names_its_author_and_nobody_else() {
    for n in [4, 7, 10, 13] {
        let batches = batches(n);
        let committee = batches[0].owner().committee;
        for liar in committee.parties() {
            let held = batches[liar.index()].show().len();
            // all places of the small committees, every seventh of the large ones
            for place in (0..held).step_by(if n < 10 { 1 } else { held / 7 }) {
                let mut shown = shown(&batches);
                shown[liar.index()].as_mut().unwrap()[place][31] ^= 1;
                let checked = majority(committee, &shown);
                assert_eq!(checked.dissenters, [liar], "n = {n}, secret {place}");
                let again = checked.batch_of(liar).unwrap();
                assert_eq!(again.show(), batches[liar.index()].show(), "what it should have shown");
            }
        }
    }
}

#[test]
fn t_colluders_with_one_wrong_secret_in_all_their_subsets_are_named_and_t_plus_one_would_frame_the_others() {
    for n in [4, 7, 10] {
        let batches = batches(n);
        let committee = batches[0].owner().committee;
        let t = committee.threshold().faults();
        let collude = |count: usize| {
            let mut shown = shown(&batches);
            for party in committee.parties().take(count) {
                let owner = batches[party.index()].owner();
                for (subset, secret) in held_subsets(owner).into_iter().zip(shown[party.index()].as_mut().unwrap()) {
                    // one story for all of them
                    *secret = [subset as u8; KEY_BYTES];
                }
            }
            majority(committee, &shown)
        };
        let all: Vec<_> = committee.parties().collect();
        assert_eq!(collude(t).dissenters, all[..t], "n = {n}");
        let framed = collude(t + 1).dissenters;
        assert!(all[t + 1..].iter().all(|honest| framed.contains(honest)), "n = {n}: the bound is tight");
    }
}

#[test]
fn silence_of_t_parties_leaves_every_secret_with_a_majority() {
    for n in [4, 7, 10, 13] {
        let batches = batches(n);
        let committee = batches[0].owner().committee;
        let t = committee.threshold().faults();
        let mut shown = shown(&batches);
        shown.iter_mut().rev().take(t).for_each(|shown| *shown = None);
        let checked = majority(committee, &shown);
        assert!(checked.dissenters.is_empty(), "n = {n}: silence is no dissent");
        for batch in &batches {
            assert_eq!(checked.batch_of(batch.owner().party).unwrap().show(), batch.show(), "n = {n}");
        }
        // one honest party silent beside t liars that show nothing: a subset of theirs has lost its majority
        shown[0] = None;
        let checked = majority(committee, &shown);
        assert!(committee.parties().any(|party| checked.batch_of(party).is_none()), "n = {n}: the bound is tight");
    }
}
