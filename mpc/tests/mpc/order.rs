//! The order in which the frames of a round arrive, and how often, changes nothing: no network gives a party another
//! output than its peers by reordering alone.

use crate::common::{committee, party};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::{Broadcast, BroadcastId};
use tkms_mpc::codec::Wire;
use tkms_mpc::machine::{Outgoing, To};
use tkms_mpc::preprocessing::{Batch, BatchId, Bits, Outcome, Standing};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::rounds::{Rounds, Say};
use tkms_mpc::run::Run;
use tkms_mpc::sim::ToySeal;
use tkms_mpc::vss::Vss;
use tkms_types::{ContextId, EpochId, Id, KeyId, PartyId, SessionId};

type Frame = (PartyId, PartyId, Vec<u8>);

fn addressed(n: usize, from: PartyId, sent: Vec<Outgoing<Vec<u8>>>) -> Vec<Frame> {
    let one = |outgoing: Outgoing<Vec<u8>>| {
        let to = committee(n).parties().filter(move |to| match outgoing.to {
            To::All => *to != from,
            To::One(one) => *to == one,
        });
        to.map(|to| (from, to, outgoing.msg.clone())).collect::<Vec<_>>()
    };
    sent.into_iter().flat_map(one).collect()
}

/// Delivers every frame in a random order, some of them twice, with no timer at all.
fn scrambled<P: Rounds>(n: usize, seed: u64, start: impl Fn(PartyId) -> (P, Say<P::Msg>)) -> Vec<P::Output>
where
    P::Msg: Wire,
{
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (mut runs, mut outputs, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for me in committee(n).parties() {
        let (protocol, first) = start(me);
        let (run, step) = Run::start(protocol, first, ToySeal(me));
        waiting.extend(addressed(n, me, step.send));
        runs.push(run);
        outputs.push(None);
    }
    while !waiting.is_empty() {
        waiting.shuffle(&mut rng);
        let (from, to, bytes) = waiting.pop().unwrap();
        if rng.random_range(0..10) == 0 {
            waiting.push((from, to, bytes.clone()));
        }
        let step = runs[to.index()].receive(from, &bytes);
        assert!(step.faults.is_empty(), "seed {seed}: {:?}", step.faults);
        waiting.extend(addressed(n, to, step.send));
        if step.output.is_some() {
            assert!(outputs[to.index()].is_none(), "one output");
            outputs[to.index()] = step.output;
        }
    }
    assert!(runs.iter_mut().all(|run| run.is_done() && run.take_evidence().is_empty()));
    outputs.into_iter().map(|output| output.unwrap()).collect()
}

fn session() -> SessionId {
    SessionId(KeyId::numbered(1).bytes())
}

#[test]
fn of_a_broadcast() {
    for (n, seed) in [4, 7, 10].into_iter().flat_map(|n| (0..10).map(move |seed| (n, seed))) {
        let id = BroadcastId { session: session(), number: 1 };
        let value = |me: PartyId| vec![me.number(); 9];
        let outputs = scrambled(n, seed, |me| Broadcast::new(id, (committee(n), me), 20, value(me)));
        let expected: Vec<_> = committee(n).parties().map(|sender| Some(value(sender))).collect();
        assert!(outputs.iter().all(|delivered| *delivered == expected), "seed {seed}");
    }
}

#[test]
fn of_dealings() {
    for (n, seed) in [4, 7].into_iter().flat_map(|n| (0..6).map(move |seed| (n, seed))) {
        let id = BroadcastId { session: session(), number: 1 };
        let start = |me: PartyId| {
            let mut rng = ChaCha20Rng::seed_from_u64(u64::from(me.number()));
            Vss::new(id, (committee(n), me), &[Gr64::point(me)], &mut rng).unwrap()
        };
        let first = scrambled(n, 1000, start);
        let again = scrambled(n, seed, start);
        for (one, other) in first.iter().zip(&again) {
            assert_eq!(one.shares, other.shares, "seed {seed}");
            assert!(other.disqualified.is_empty() && other.disputes.is_empty());
        }
    }
}

#[test]
fn of_a_batch() {
    for (n, seed) in [4, 7].into_iter().flat_map(|n| (0..6).map(move |seed| (n, seed))) {
        let keys = PrssKeys::deal(committee(n), &mut ChaCha20Rng::seed_from_u64(3)).unwrap();
        let id = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 };
        let start = |me: PartyId| {
            Batch::<Gr16, _>::new(&id, &keys[me.index()], Bits { count: 8 }, &Standing::default()).unwrap()
        };
        let bits = |outputs: Vec<Outcome<_>>| -> Vec<_> {
            let accepted = |outcome| match outcome {
                Outcome::Accepted(bits) => bits,
                other => panic!("{other:?}"),
            };
            outputs.into_iter().map(accepted).collect()
        };
        assert!(bits(scrambled(n, 1000, start)) == bits(scrambled(n, seed, start)), "seed {seed}");
        assert_eq!(party(1), keys[0].owner().party);
    }
}
