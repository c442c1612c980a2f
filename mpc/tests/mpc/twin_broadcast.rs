//! Reliable broadcast against a second one, written from `docs/protocol/broadcast.md` alone, one sender at a time and with
//! counts only: message for message and output for output, whatever t of the parties say.

use crate::common::{committee, party, seeds, t};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::{Broadcast, BroadcastId, BroadcastMsg, Delivered, Digest};
use tkms_mpc::rounds::{Rounds, Say};
use tkms_types::transcript::Transcript;
use tkms_types::{Id, KeyId, PartyId, SessionId};

const LIMIT: usize = 12;

fn id() -> BroadcastId {
    BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 4 }
}

/// h of the page.
fn h(sender: usize, value: &[u8]) -> Digest {
    let hash = Transcript::new("tkms/broadcast/value/v1").word(id().session.0).u32(id().number);
    hash.u8(sender as u8 + 1).bytes(value).finish().0
}

fn value(sender: usize) -> Vec<u8> {
    vec![sender as u8; 5]
}

/// One party's view of one sender.
#[derive(Clone, Default)]
struct View {
    value: Option<Vec<u8>>,
    candidate: Option<Digest>,
    bit: bool,
    firm: bool,
}

/// One party.
struct Plain {
    n: usize,
    me: usize,
    senders: Vec<View>,
}

/// How many say this.
fn count<T: PartialEq>(said: &[Option<T>], what: &T) -> usize {
    said.iter().flatten().filter(|other| *other == what).count()
}

impl Plain {
    fn t(&self) -> usize {
        t(self.n)
    }

    fn held(&self, sender: usize) -> Option<Digest> {
        self.senders[sender].value.as_ref().map(|value| h(sender, value))
    }

    fn lacks(&self, sender: usize) -> bool {
        self.senders[sender].candidate.is_some() && self.held(sender) != self.senders[sender].candidate
    }

    /// What the page says a party does at the end of a round, but for what it supplies: (what it says, to whom it gives what).
    fn close(&mut self, round: u32, heard: &[Option<BroadcastMsg>]) -> BroadcastMsg {
        let (n, t) = (self.n, self.t());
        match round {
            1 => {
                for (sender, msg) in heard.iter().enumerate() {
                    if let Some(BroadcastMsg::Send(value)) = msg
                        && value.len() <= LIMIT
                    {
                        self.senders[sender].value = Some(value.clone());
                    }
                }
                BroadcastMsg::Echo((0..n).map(|sender| self.held(sender)).collect())
            }
            2 => {
                let vote = |sender: usize| {
                    let echoes = hashes(heard, sender);
                    echoes.iter().flatten().find(|hash| count(&echoes, hash) >= n - t).copied()
                };
                BroadcastMsg::Vote((0..n).map(vote).collect())
            }
            3 => {
                for sender in 0..n {
                    let votes = hashes(heard, sender);
                    let candidate = votes.iter().flatten().find(|hash| count(&votes, hash) > t).copied();
                    self.senders[sender].candidate = candidate;
                    self.senders[sender].bit = candidate.is_some_and(|hash| count(&votes, &hash) >= n - t);
                }
                BroadcastMsg::Bits { bits: self.bits(), wanted: (0..n).map(|sender| self.lacks(sender)).collect() }
            }
            _ if round % 3 == 1 => BroadcastMsg::Marks { marks: self.marks(heard), supply: Vec::new() },
            _ if round % 3 == 2 => {
                self.follow(round, heard);
                let king = (round as usize - 3) / 3;
                BroadcastMsg::King((king == self.me).then(|| self.bits()))
            }
            _ => {
                let king = (round as usize - 6) / 3;
                for sender in 0..n {
                    if !self.senders[sender].firm {
                        let said = match &heard[king] {
                            Some(BroadcastMsg::King(Some(bits))) if bits.len() == n => bits[sender],
                            _ => false,
                        };
                        self.senders[sender].bit = said;
                    }
                }
                BroadcastMsg::Bits { bits: self.bits(), wanted: vec![false; n] }
            }
        }
    }

    fn bits(&self) -> Vec<bool> {
        self.senders.iter().map(|view| view.bit).collect()
    }

    fn marks(&self, heard: &[Option<BroadcastMsg>]) -> Vec<Option<bool>> {
        let said = |sender: usize| -> Vec<Option<bool>> {
            let bit = |msg: &Option<BroadcastMsg>| match msg {
                Some(BroadcastMsg::Bits { bits, wanted }) if bits.len() == self.n && wanted.len() == self.n => {
                    Some(bits[sender])
                }
                _ => None,
            };
            heard.iter().map(bit).collect()
        };
        let enough = self.n - self.t();
        (0..self.n).map(|sender| [true, false].into_iter().find(|bit| count(&said(sender), bit) >= enough)).collect()
    }

    /// What it gives to a party that asked for these.
    fn supply(&self, asked: &Option<BroadcastMsg>, round: u32) -> Vec<Option<Vec<u8>>> {
        let Some(BroadcastMsg::Bits { bits, wanted }) = asked else { return Vec::new() };
        if bits.len() != self.n || wanted.len() != self.n {
            return Vec::new();
        }
        let give = |sender: usize| {
            let there = round == 4 && wanted[sender] && self.senders[sender].candidate.is_some() && !self.lacks(sender);
            self.senders[sender].value.clone().filter(|_| there)
        };
        (0..self.n).map(give).collect()
    }

    fn follow(&mut self, round: u32, heard: &[Option<BroadcastMsg>]) {
        for sender in 0..self.n {
            let mut marked = Vec::new();
            for msg in heard {
                let Some(BroadcastMsg::Marks { marks, supply }) = msg else { continue };
                if marks.len() == self.n {
                    marked.push(marks[sender]);
                }
                let given = supply.get(sender).cloned().flatten().filter(|value| value.len() <= LIMIT);
                if let (5, Some(value)) = (round, given)
                    && self.senders[sender].candidate == Some(h(sender, &value))
                {
                    self.senders[sender].value = Some(value);
                }
            }
            let (enough, sure) = (self.t() + 1, self.n - self.t());
            let leader = [true, false].into_iter().find(|bit| count(&marked, bit) >= enough);
            let view = &mut self.senders[sender];
            view.firm = leader.is_some_and(|bit| count(&marked, &bit) >= sure);
            view.bit = leader.unwrap_or(view.bit);
        }
    }

    fn deliver(&self) -> Delivered {
        let delivered = |sender: usize| {
            let there = self.senders[sender].bit && self.senders[sender].candidate.is_some() && !self.lacks(sender);
            self.senders[sender].value.clone().filter(|_| there)
        };
        (0..self.n).map(delivered).collect()
    }
}

/// The hashes that parties say of a sender; a list of another length says nothing.
fn hashes(heard: &[Option<BroadcastMsg>], sender: usize) -> Vec<Option<Digest>> {
    let n = heard.len();
    let hash = |msg: &Option<BroadcastMsg>| match msg {
        Some(BroadcastMsg::Echo(list) | BroadcastMsg::Vote(list)) if list.len() == n => list[sender],
        _ => None,
    };
    heard.iter().map(hash).collect()
}

/// What a cheater says to one party in a round: of the right kind mostly, about few values, so that quorums nearly form.
fn anything(n: usize, me: usize, round: u32, rng: &mut ChaCha20Rng) -> Option<BroadcastMsg> {
    let some_value = |rng: &mut ChaCha20Rng, sender: usize| match rng.random_range(0..8) {
        0 => vec![9; 3],
        1 => vec![9; LIMIT + 1],
        _ => value(sender),
    };
    let some_hashes = |rng: &mut ChaCha20Rng, n: usize| -> Vec<Option<Digest>> {
        (0..n).map(|sender| rng.random_bool(0.8).then(|| h(sender, &some_value(rng, sender)))).collect()
    };
    let bools = |rng: &mut ChaCha20Rng, n: usize| (0..n).map(|_| rng.random()).collect::<Vec<bool>>();
    let kind = match rng.random_range(0..20) {
        0 => return None,
        1 => rng.random_range(1..7),
        _ => round.min(4 + (round + 2) % 3),
    };
    // a list may have another length
    let n = if rng.random_range(0..20) == 0 { n + 1 } else { n };
    Some(match kind {
        1 => BroadcastMsg::Send(some_value(rng, me)),
        2 => BroadcastMsg::Echo(some_hashes(rng, n)),
        3 => BroadcastMsg::Vote(some_hashes(rng, n)),
        4 => BroadcastMsg::Bits { bits: bools(rng, n), wanted: bools(rng, n) },
        5 => {
            let marks = (0..n).map(|_| *[None, Some(true), Some(false)].choose(rng).unwrap()).collect();
            let supply = (0..n).map(|sender| rng.random_bool(0.3).then(|| some_value(rng, sender))).collect();
            BroadcastMsg::Marks { marks, supply }
        }
        _ => BroadcastMsg::King(rng.random_bool(0.8).then(|| bools(rng, n))),
    })
}

/// What a machine says to each party.
fn to_each(n: usize, say: Say<BroadcastMsg>) -> Vec<BroadcastMsg> {
    match say {
        Say::All(msg) => vec![msg; n],
        Say::Each(list) => list,
        Say::Nothing => Vec::new(),
    }
}

fn without_supply(msg: &BroadcastMsg) -> BroadcastMsg {
    match msg {
        BroadcastMsg::Marks { marks, .. } => BroadcastMsg::Marks { marks: marks.clone(), supply: Vec::new() },
        other => other.clone(),
    }
}

#[test]
fn every_message_and_every_output_is_that_of_the_plain_twin_whatever_t_parties_say() {
    let (mut delivered, mut refused, mut supplied) = (0, 0, 0);
    for seed in seeds(300) {
        let n = [4, 7, 10][(seed % 3) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut order: Vec<_> = (0..n).collect();
        order.shuffle(&mut rng);
        let cheaters = &order[..t(n)];
        let parties: Vec<PartyId> = (1..=n).map(party).collect();
        let (mut machines, first): (Vec<_>, Vec<_>) = (0..n)
            .map(|me| Broadcast::new(id(), (committee(n), parties[me]), LIMIT, value(me)))
            .map(|(machine, say)| (machine, to_each(n, say)))
            .unzip();
        let mut twins: Vec<_> = (0..n).map(|me| Plain { n, me, senders: vec![View::default(); n] }).collect();
        let mut said = first;
        for round in 1..=Broadcast::rounds(committee(n)) {
            let mut next = vec![Vec::new(); n];
            for me in (0..n).filter(|me| !cheaters.contains(me)) {
                let heard: Vec<_> = (0..n)
                    .map(|from| match cheaters.contains(&from) {
                        true => anything(n, from, round, &mut rng),
                        false => Some(said[from][me].clone()),
                    })
                    .collect();
                let twin_says = twins[me].close(round, &heard);
                let turn = machines[me].close(heard.clone());
                for fault in &turn.faults {
                    assert!(cheaters.contains(&fault.culprit.index()), "seed {seed}: {fault}");
                }
                if let Some(output) = turn.output {
                    assert_eq!(round, Broadcast::rounds(committee(n)));
                    assert_eq!(output, twins[me].deliver(), "seed {seed}, n {n}: party {me}");
                    delivered += output.iter().flatten().count();
                    refused += output.iter().filter(|value| value.is_none()).count();
                    continue;
                }
                next[me] = to_each(n, turn.say);
                for (to, msg) in next[me].iter().enumerate() {
                    assert_eq!(without_supply(msg), twin_says, "seed {seed}, n {n}, round {round}: {me} to {to}");
                    if let BroadcastMsg::Marks { supply, .. } = msg {
                        let mut expected = twins[me].supply(&heard[to], round);
                        expected.resize(supply.len(), None);
                        assert_eq!(*supply, expected, "seed {seed}, n {n}, round {round}: {me} to {to}");
                        supplied += supply.iter().flatten().count();
                    }
                }
            }
            said = next;
        }
    }
    println!("{delivered} delivered, {refused} refused, {supplied} supplied");
    assert!(delivered > 0 && (refused > 0 || std::env::var("TKMS_MPC_SEED").is_ok()));
}
