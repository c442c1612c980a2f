//! Books against the plainest model of them: stored items against a set of numbers, the machine of rounds against a list of
//! who spoke when. Random histories, each with its seed.

use crate::common::{committee, party, t};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet};
use tkms_mpc::codec::{RunKind, Terms};
use tkms_mpc::fault::{Evidence, Misuse, StepId};
use tkms_mpc::machine::{Machine, Outgoing, Step};
use tkms_mpc::preprocessing::{BatchId, BitShares, Item, Piece, Rejection, Standing};
use tkms_mpc::ring::Gr64;
use tkms_mpc::rounds::{InRound, Rounds, Say, Synchronous, Turn};
use tkms_types::{Committee, ContextId, EpochId, Id, KeyId, PartyId, SessionId};
use zeroize::Zeroizing;

const ITEMS: usize = 40;

fn bits() -> Piece<Gr64> {
    let id = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 };
    // item i is i + 1, so that an erased one shows
    Piece::bits(id, BitShares(Zeroizing::new((1..=ITEMS as u64).map(Gr64::constant).collect())))
}

/// A node's whole life with one batch: it takes, stops, reads its disk again, splits, and takes again.
#[test]
fn no_history_of_takings_and_restarts_gives_an_item_twice_or_loses_one_that_was_not_taken() {
    for seed in 0..60 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let size = rng.random_range(3..20);
        let mut pieces = bits().split(size);
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        for _ in 0..60 {
            let from = rng.random_range(0..ITEMS + 2);
            let to = from + rng.random_range(0..5);
            let place = pieces.iter().position(|piece| piece.range().contains(&from)).unwrap_or(0);
            let piece = &mut pieces[place];
            let within = from < to && piece.range().start <= from && to <= piece.range().end;
            let free = (from..to).all(|item| !taken.contains(&item));
            match piece.take(from, to) {
                Ok(items) => {
                    assert!(within && free, "seed {seed}: {from}..{to}");
                    let expected: Vec<_> = (from..to).map(|item| Gr64::constant(item as u64 + 1)).collect();
                    assert_eq!(*items, expected, "seed {seed}: items are given under their own names");
                    taken.extend(from..to);
                }
                Err(Misuse::Range { why: "not in this piece", .. }) => assert!(!within, "seed {seed}: {from}..{to}"),
                Err(Misuse::Range { why: "taken already", .. }) => {
                    assert!(within && !free, "seed {seed}: {from}..{to}")
                }
                Err(other) => panic!("seed {seed}: {other}"),
            }
            if rng.random_range(0..6) == 0 {
                let disk: Vec<_> = pieces.iter().map(Piece::to_secret_bytes).collect();
                pieces = disk.iter().map(|bytes| Piece::from_secret_bytes(bytes).unwrap()).collect();
            }
        }
        let left: usize = pieces.iter().map(Piece::left).sum();
        assert_eq!(left, ITEMS - taken.len(), "seed {seed}");
        for piece in &pieces {
            // what was taken is nowhere in the bytes that go to disk
            let bytes = piece.to_secret_bytes();
            let items = &bytes[bytes.len() - piece.range().len() * <Gr64 as Item>::BYTES..];
            for (item, stored) in piece.range().zip(items.chunks(<Gr64 as Item>::BYTES)) {
                assert_eq!(taken.contains(&item), stored.iter().all(|byte| *byte == 0), "seed {seed}: item {item}");
            }
        }
    }
}

#[test]
fn splitting_keeps_every_item_its_name_and_its_state() {
    for size in [0, 1, 7, ITEMS, ITEMS + 1] {
        let mut whole = bits();
        whole.take(5, 9).unwrap();
        let pieces = whole.split(size);
        assert_eq!(pieces.len(), ITEMS.div_ceil(size.max(1)), "size {size}");
        let ranges: Vec<_> = pieces.iter().flat_map(Piece::range).collect();
        assert_eq!(ranges, (0..ITEMS).collect::<Vec<_>>(), "size {size}: one after the other");
        assert_eq!(pieces.iter().map(Piece::left).sum::<usize>(), ITEMS - 4);
        assert!(pieces.iter().all(|piece| piece.id == whole.id && piece.bits == whole.bits));
        let mut pieces = pieces;
        let of_five = pieces.iter_mut().find(|piece| piece.range().contains(&5)).unwrap();
        assert!(matches!(of_five.take(5, 6), Err(Misuse::Range { why: "taken already", .. })));
    }
}

/// A protocol that notes what it heard, for as many rounds as it is told.
struct Notes {
    me: PartyId,
    n: usize,
    rounds: usize,
    heard: Vec<Vec<Option<u16>>>,
}

impl Rounds for Notes {
    type Msg = u16;
    type Output = Vec<Vec<Option<u16>>>;

    fn committee(&self) -> Committee {
        committee(self.n)
    }

    fn me(&self) -> PartyId {
        self.me
    }

    fn terms(&self) -> Terms {
        let session = SessionId(KeyId::numbered(1).bytes());
        Terms { session, committee: committee(self.n), kind: RunKind::Broadcast, value: 2, list: 0 }
    }

    fn step_id(&self) -> StepId {
        StepId::Broadcast
    }

    fn close(&mut self, heard: Vec<Option<u16>>) -> Turn<u16, Self::Output> {
        self.heard.push(heard);
        let done = self.heard.len() == self.rounds;
        let say = if done { Say::Nothing } else { Say::All(self.heard.len() as u16) };
        Turn { say, faults: Vec::new(), output: done.then(|| self.heard.clone()) }
    }
}

/// What the machine should have heard: the first message of each party in each round that came while it was of use.
#[derive(Default)]
struct Model {
    inbox: BTreeMap<(u32, usize), u16>,
    round: u32,
    named: BTreeSet<usize>,
    heard: Vec<Vec<Option<u16>>>,
}

impl Model {
    fn close(&mut self, n: usize) {
        let own = (self.round, 1);
        self.inbox.insert(own, self.round as u16 - 1);
        self.heard.push((1..=n).map(|from| self.inbox.get(&(self.round, from)).copied()).collect());
        self.round += 1;
    }

    fn complete(&self, n: usize) -> bool {
        (2..=n).all(|from| self.inbox.contains_key(&(self.round, from)))
    }

    fn hears(&mut self, n: usize, rounds: usize, (from, round, value): (usize, u32, u16)) {
        if self.heard.len() == rounds || round < self.round || round > self.round + 2 {
            return;
        }
        match self.inbox.get(&(round, from)) {
            None => drop(self.inbox.insert((round, from), value)),
            Some(first) if *first != value => drop(self.named.insert(from)),
            Some(_) => {}
        }
        while self.heard.len() < rounds && self.complete(n) {
            self.close(n);
        }
    }
}

#[test]
fn the_machine_of_rounds_hears_what_the_plainest_model_of_it_hears_in_every_history() {
    for seed in 0..300 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (n, rounds) = (*[4, 7].choose(&mut rng).unwrap(), rng.random_range(1..6));
        let notes = Notes { me: party(1), n, rounds, heard: Vec::new() };
        let (mut machine, first) = Synchronous::start(notes, Say::All(0));
        let mut model = Model { round: 1, ..Model::default() };
        let (mut faults, mut outputs, mut said) = (Vec::new(), Vec::new(), first.send);
        let mut note = |step: Step<InRound<u16>, Vec<Vec<Option<u16>>>>, said: &mut Vec<Outgoing<InRound<u16>>>| {
            faults.extend(step.faults);
            outputs.extend(step.output);
            said.extend(step.send);
        };
        for _ in 0..200 {
            if rng.random_range(0..12) == 0 {
                note(machine.round_over(), &mut said);
                if model.heard.len() < rounds {
                    model.close(n);
                    while model.heard.len() < rounds && model.complete(n) {
                        model.close(n);
                    }
                }
            } else {
                let round = (machine.round() + rng.random_range(0..5)).saturating_sub(1);
                // one value mostly, and another at times
                let (from, value) = (rng.random_range(2..=n), u16::from(rng.random_range(0..20u8) == 0) + 7);
                note(machine.receive(party(from), InRound { round, msg: value }), &mut said);
                model.hears(n, rounds, (from, round, value));
            }
            assert_eq!(machine.is_done(), model.heard.len() == rounds, "seed {seed}");
            assert!(machine.is_done() || machine.round() == model.round, "seed {seed}");
        }
        let named: BTreeSet<_> = faults.iter().map(|fault| usize::from(fault.culprit.number())).collect();
        assert_eq!(named, model.named, "seed {seed}: who says two things is named");
        assert_eq!(named.len(), faults.len(), "seed {seed}: once");
        assert!(faults.iter().all(|fault| matches!(fault.evidence, Evidence::TwoMessages { .. })));
        assert!(outputs.len() <= 1, "seed {seed}");
        if let Some(heard) = outputs.first() {
            assert_eq!(*heard, model.heard, "seed {seed}");
            let rounds_said: Vec<_> = said.iter().map(|outgoing| outgoing.msg.round).collect();
            assert_eq!(
                rounds_said,
                (1..=rounds as u32).collect::<Vec<_>>(),
                "seed {seed}: it speaks once in every round"
            );
        }
    }
}

/// What the committee holds against its members only grows, whatever batches show, and keeps its one order.
#[test]
fn whoever_was_evicted_stays_evicted_and_carefulness_follows_the_last_rejection() {
    for seed in 0..100 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (n, mut standing) = (13, Standing::default());
        let mut evicted: BTreeSet<PartyId> = BTreeSet::new();
        for _ in 0..8 {
            let corrupt: Vec<_> = (1..=n).map(party).filter(|_| rng.random_range(0..12) == 0).collect();
            let silent = vec![party(rng.random_range(1..=n))];
            let disputes = vec![(party(1), party(2))];
            let named = !corrupt.is_empty();
            evicted.extend(&corrupt);
            standing.note(&Rejection { corrupt, silent, disputes });
            assert_eq!(
                standing.evicted,
                evicted.iter().copied().collect::<Vec<_>>(),
                "seed {seed}: in ascending order"
            );
            assert_eq!(
                standing.careful, !named,
                "seed {seed}: a named liar is out, so the next batch need not be careful"
            );
        }
        let (before, again) = (standing.clone(), standing.evicted.first().copied());
        if let Some(again) = again {
            standing.evict(again);
            assert_eq!(standing.evicted, before.evicted, "nobody twice");
        }
        assert!(t(n) == 4);
    }
}
