//! Criterion: `exact` as one party sees it, in one thread, for one euint64: everything from the switched list in memory to the
//! digits or a user's share, every peer's message given and checked, late ones too. What is measured is the CPU time of the
//! thread, so that a busy machine does not count as slow code.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench fails by panicking; criterion makes undocumented items"
)]

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::hint::black_box;
use std::time::Duration;
use tkms_mpc::exact::{
    Certificate, Ending, ExactKey, FromStock, Items, Masked, MessageShares, OnDemand, OnDemandMsg, Range, Reveal,
    Revealed, Switched, Width,
};
use tkms_mpc::machine::Machine;
use tkms_mpc::phase::KeyShare;
use tkms_mpc::preprocessing::{BatchId, BitShares, Bits, Piece, Recipe};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::Gr16;
use tkms_mpc::shamir::{Received, decode_complete};
use tkms_types::{Committee, ContextId, EpochId, Id, KeyId, SessionId};

const DIMENSION: usize = 2048;
/// Blocks of a euint64.
const BLOCKS: usize = 16;
/// 42 MB of switched lists: more than the last-level cache.
const LISTS: usize = 640;
const WIDTH: Width = Width::PRODUCTION;

/// One list and what the peers of party 1 send about it, in the order of parties.
struct Job {
    session: SessionId,
    words: Vec<u16>,
    masked: Vec<Masked>,
    revealed: Vec<Revealed>,
    on_demand: [Vec<OnDemandMsg>; 2],
    on_demand_revealed: Vec<Revealed>,
}

struct Committees {
    committee: Committee,
    keys: Vec<ExactKey>,
    prss: Vec<PrssKeys>,
    /// Every party's bits of one batch. A bench uses them again and again, a node never.
    bits: Vec<BitShares<Gr16>>,
    certificate: Certificate,
}

impl Committees {
    fn new(n: usize, rng: &mut ChaCha20Rng) -> Self {
        let committee = Committee::new(n).unwrap();
        let key: Vec<u128> = (0..DIMENSION).map(|_| u128::from(rng.random::<bool>())).collect();
        let keys = KeyShare::deal(&key, committee, rng).unwrap();
        let keys = keys.iter().map(|share| ExactKey::new(share, WIDTH)).collect();
        let prss = PrssKeys::deal(committee, rng).unwrap();
        let recipe = Bits { count: BLOCKS * WIDTH.mask_bits() };
        let prepared = prss.iter().map(|prss| recipe.prepare(&mut prss.batch(&session(0)).draws::<Gr16>()));
        let (kept, messages): (Vec<_>, Vec<_>) = prepared.unzip();
        let parties: Vec<_> = committee.parties().collect();
        let received: Vec<_> =
            parties.iter().zip(&messages).map(|(party, shares)| Received { party: *party, shares }).collect();
        let opened = decode_complete(&received, &parties, 2 * committee.threshold().faults()).unwrap();
        let bits = kept.into_iter().map(|kept| recipe.finish(kept, &opened).unwrap()).collect();
        let batch = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 };
        let range = Range { batch, from: 0, to: BLOCKS as u32 };
        let certificate = Certificate::new(committee, range, session(1), &parties).unwrap();
        Self { committee, keys, prss, bits, certificate }
    }

    fn items(&self, i: usize) -> Items {
        let (key, bits) = (self.keys.get(i).unwrap(), self.bits.get(i).unwrap());
        let mut piece = Piece::masks(self.certificate.range().batch, bits, WIDTH.mask_bits()).unwrap();
        let pairs: Vec<_> = piece.take(0, BLOCKS).unwrap().iter().map(|item| [item.mask, item.top]).collect();
        Items::new(key.owner(), WIDTH, &self.certificate, &pairs).unwrap()
    }

    fn job(&self, number: u64, rng: &mut ChaCha20Rng) -> Job {
        let words: Vec<u16> = (0..BLOCKS * (DIMENSION + 1)).map(|_| rng.random::<u16>() >> 1).collect();
        let samples = Switched::new(WIDTH, DIMENSION, &words).unwrap();
        let n = self.committee.size();
        let parties: Vec<_> = self.committee.parties().collect();
        let mut started: Vec<_> =
            (0..n).map(|i| FromStock::start(&self.keys[i], &samples, self.items(i), &self.prss[i]).unwrap()).collect();
        let masked: Vec<Masked> = started.iter().map(|(_, step)| step.send[0].msg.clone()).collect();
        let others = |i: usize| (0..n).filter(move |j| *j != i);
        let shares = started.iter_mut().enumerate().map(|(i, (machine, _))| {
            let mut received = others(i).map(|j| machine.receive(parties[j], masked[j].clone()).output);
            received.find_map(|output| output).unwrap()
        });
        let reveal = |shares: &MessageShares| Reveal::start(shares).1.send.remove(0).msg;
        let revealed: Vec<Revealed> = shares.map(|shares| reveal(&shares)).collect();
        let session = session(number + 2);
        let mut started: Vec<_> =
            (0..n).map(|i| OnDemand::start(&self.keys[i], &samples, &session, &self.prss[i]).unwrap()).collect();
        let bits: Vec<OnDemandMsg> = started.iter().map(|(_, step)| step.send[0].msg.clone()).collect();
        let second = started.iter_mut().enumerate().map(|(i, (machine, _))| {
            let sent = others(i).flat_map(|j| machine.receive(parties[j], bits[j].clone()).send).next();
            sent.unwrap().msg
        });
        let second: Vec<OnDemandMsg> = second.collect();
        let shares = started.iter_mut().enumerate().map(|(i, (machine, _))| {
            let mut received = others(i).map(|j| machine.receive(parties[j], second[j].clone()).output);
            match received.find_map(|output| output).unwrap() {
                Ending::Shares(shares) => shares,
                Ending::FallBack(reason) => panic!("{reason:?}"),
            }
        });
        let on_demand_revealed: Vec<Revealed> = shares.map(|shares| reveal(&shares)).collect();
        Job { session, words, masked, revealed, on_demand: [bits, second], on_demand_revealed }
    }

    fn hear<P: Machine>(&self, machine: &mut P, messages: &[P::Msg]) -> Option<P::Output>
    where
        P::Msg: Clone,
    {
        let mut output = None;
        for (party, msg) in self.committee.parties().zip(messages).skip(1) {
            let step = machine.receive(party, msg.clone());
            assert!(step.faults.is_empty());
            output = step.output.or(output);
        }
        output
    }

    fn shares(&self, job: &Job, items: Items) -> MessageShares {
        let samples = Switched::new(WIDTH, DIMENSION, &job.words).unwrap();
        let (mut machine, _) = FromStock::start(&self.keys[0], &samples, items, &self.prss[0]).unwrap();
        self.hear(&mut machine, &job.masked).unwrap()
    }

    fn public(&self, job: &Job, items: Items) -> Vec<u8> {
        let (mut reveal, _) = Reveal::start(&self.shares(job, items));
        self.hear(&mut reveal, &job.revealed).unwrap()
    }

    fn on_demand(&self, job: &Job) -> Vec<u8> {
        let samples = Switched::new(WIDTH, DIMENSION, &job.words).unwrap();
        let (mut machine, _) = OnDemand::start(&self.keys[0], &samples, &job.session, &self.prss[0]).unwrap();
        assert!(self.hear(&mut machine, &job.on_demand[0]).is_none());
        let Some(Ending::Shares(shares)) = self.hear(&mut machine, &job.on_demand[1]) else { panic!("fell back") };
        let (mut reveal, _) = Reveal::start(&shares);
        self.hear(&mut reveal, &job.on_demand_revealed).unwrap()
    }
}

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

/// CPU time of this thread, as the system tells it: in steps of some milliseconds, far below a sample.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn online(c: &mut Criterion<ThreadTime>) {
    for n in [4, 13] {
        let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
        let all = Committees::new(n, &mut rng);
        let jobs: Vec<_> = (0..LISTS as u64).map(|number| all.job(number, &mut rng)).collect();
        let mut jobs = jobs.iter().cycle();
        let mut group = c.benchmark_group("exact euint64, one party");
        group.sample_size(20);
        group.bench_function(BenchmarkId::new("phases", n), |bench| {
            bench.iter(|| {
                let samples = Switched::new(WIDTH, DIMENSION, &jobs.next().unwrap().words).unwrap();
                all.keys[0].phase_shares(black_box(&samples)).unwrap()
            });
        });
        // with the items taken from a stock of one range: the system's clock is too coarse to leave that out
        group.bench_function(BenchmarkId::new("user, from stock", n), |bench| {
            bench.iter(|| all.shares(jobs.next().unwrap(), all.items(0)).user_share());
        });
        group.bench_function(BenchmarkId::new("public, from stock", n), |bench| {
            bench.iter(|| all.public(jobs.next().unwrap(), all.items(0)));
        });
        group.bench_function(BenchmarkId::new("public, on demand", n), |bench| {
            bench.iter(|| all.on_demand(jobs.next().unwrap()));
        });
        group.finish();
    }
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(ThreadTime); targets = online);
criterion_main!(benches);
