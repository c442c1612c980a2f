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
