//! One party's process: it meets the others, makes mask keys with them, and does what its standard input says.

use super::common::lwe;
use super::{PASSPHRASE, Report, Task};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tkms_kms_node::keystore::{HeldMasks, Keystore, MaskNames};
use tkms_kms_node::masks::MaskKeys;
use tkms_kms_node::rounds::{CommitteeSeal, Driver, Hub, Kind, Notary};
use tkms_kms_node::setup::{Setup, rejoin::shared_with};
use tkms_kms_node::stock::{ExactItems, Ledger, Preprocessing, Preprocessor, Status, Stock};
use tkms_kms_node::store::Store;
use tkms_kms_node::transport::{Event, Inbound, MtlsTransport, Names, PeerMessage, PeerTls, Transport};
use tkms_mpc::codec::Wire;
use tkms_mpc::decrypt::{MaskedShares, Opening, PartialDecryption, masked_shares};
use tkms_mpc::machine::Machine as _;
use tkms_mpc::phase::{KeyShare, Samples};
use tkms_mpc::preprocessing::{BatchMsg, Bits, Outcome, Recipe, Triples};
use tkms_mpc::ring::{Gr16, Gr64, Gr128, Ring};
use tkms_types::{Cluster, PartyId, SessionId};
use tkms_wire::samples::{DIMENSION, SampleList};
use tonic::transport::Identity;

/// A round that takes so long is a failure of the bench.
const ROUND: Duration = Duration::from_secs(60);
/// Ticks of processor time in a second, on every Linux.
const TICKS: f64 = 100.0;
/// Messages of openings that wait; a peer is at most one opening ahead.
const WAITING: usize = 1024;

type Early = BTreeMap<SessionId, Vec<(PartyId, Vec<Gr128>)>>;

/// Everything a party has.
struct Party {
    preprocessor: Preprocessor,
    transport: Arc<dyn Transport>,
    openings: mpsc::Receiver<(PartyId, PeerMessage)>,
    early: Early,
    number: u64,
}

pub fn run(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut party = runtime.block_on(open(dir));
    for line in std::io::stdin().lock().lines() {
        let report = party.work(serde_json::from_str(&line.unwrap()).unwrap());
        println!("{}", serde_json::to_string(&report).unwrap());
    }
    std::process::exit(0);
}

async fn open(dir: &Path) -> Party {
    let file = dir.parent().unwrap().join("cluster.json");
    let cluster = Cluster::from_json(&std::fs::read_to_string(file).unwrap()).unwrap();
    let number: u8 = dir.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let me = PartyId::new(number).unwrap();
    let keystore = Keystore::new(dir);
    let identity = Arc::new(keystore.identity(&PASSPHRASE.to_owned().into()).unwrap());
    let (certificate, key) = identity.tls();
    let tls = PeerTls {
        party: me,
        listen: cluster.node(me).unwrap().peer_address.parse().unwrap(),
        identity: Identity::from_pem(certificate, key),
    };
    let names = Names { context: cluster.context, epoch: cluster.epoch, key: cluster.key.id };
    let transport: Arc<dyn Transport> = MtlsTransport::start(tls, &cluster, names).await.unwrap();
    let store = Store::open(&dir.join("node.redb")).unwrap();
    let ledger = Ledger::open(store.clone(), cluster.context, cluster.epoch).await.unwrap();
    let committee = cluster.size().unwrap();
    let seal = CommitteeSeal::new(identity.signing_key().clone(), &cluster);
    let notary = Notary::new((cluster.context, cluster.epoch), seal.clone());
    let hub = Hub::new(me, committee, notary, ledger.seen(committee).unwrap());
    let masks = MaskKeys::default();
    let openings = answer(&transport, &hub, &masks);
    for peer in committee.parties().filter(|party| *party != me) {
        tokio::spawn(Arc::clone(&hub).keep_in_touch(Arc::clone(&transport), peer));
    }
    tokio::spawn(Arc::clone(&hub).keep_marks(ledger.clone()));
    let driver = Arc::new(Driver {
        hub: Arc::clone(&hub),
        transport: Arc::clone(&transport),
        seal,
        round_time: ROUND,
        sent: AtomicU64::new(0),
    });
    let names = MaskNames { committee, party: me, epoch: cluster.epoch, context: cluster.context };
    let runtime = tokio::runtime::Handle::current();
    let setup = Setup {
        driver: Arc::clone(&driver),
        keystore,
        identity,
        names,
        ledger: ledger.clone(),
        masks,
        wait: ROUND,
        status: Status::default(),
        runtime: runtime.clone(),
    };
    let held: Arc<HeldMasks> = tokio::task::spawn_blocking(move || setup.complete().unwrap()).await.unwrap();
    let stock = Stock::open(store, ledger.clone(), hub, (cluster.context, cluster.epoch), &held.keys).unwrap();
    let plan = Preprocessing { items: u32::MAX, ..Preprocessing::default() };
    let busy = Box::new(|| false);
    let status = Status::default();
    let preprocessor = Preprocessor { driver, ledger, stock, masks: held, names, plan, busy, status, runtime };
    Party { preprocessor, transport, openings, early: Early::new(), number: 0 }
}

/// Answers peers; messages of openings go to the receiver.
fn answer(transport: &Arc<dyn Transport>, hub: &Arc<Hub>, masks: &MaskKeys) -> mpsc::Receiver<(PartyId, PeerMessage)> {
    let (messages, openings) = mpsc::sync_channel(WAITING);
    let (transport, hub, masks) = (Arc::clone(transport), Arc::clone(hub), masks.clone());
    tokio::spawn(async move {
        while let Some(Inbound { from, event }) = transport.recv().await {
            match event {
                Event::Message(message, answer) => {
                    messages.try_send((from, message)).unwrap();
                    assert!(answer.send(true).is_ok(), "the server waits");
                }
                Event::Frame(frame, answer) => drop(answer.send(hub.deliver(from, frame))),
                Event::Meets(stand, answer) => {
                    drop(answer.send(hub.stand_for(from)));
                    hub.note(from, *stand);
                }
                Event::WantsMaskKeys(setup, answer) => {
                    drop(answer.send(masks.of(setup).map(|held| shared_with(&held.keys, from))));
                }
                Event::WantsRequest(..) | Event::WantsMessage(..) => {}
            }
        }
    });
    openings
}

/// Processor time of this process so far; 0 where the system does not tell it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // the name of the program, in brackets, may hold anything
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS
}

impl Party {
    fn work(&mut self, task: Task) -> Report {
        let count = |items| Bits { count: items as usize };
        match task {
            Task::Bits16 { batches, items } => self.bits16(batches, count(items)),
            Task::Bits64 { batches, items } => self.consumed::<Gr64, _>(Kind::Bits64, batches, count(items)),
            Task::Products64 { batches, items } => {
                self.consumed::<Gr64, _>(Kind::Products64, batches, Triples { count: items as usize })
            }
            Task::Open { count } => self.open(count),
        }
    }

    fn measured(&self, work: impl FnOnce() -> u64) -> Report {
        let sent = || self.preprocessor.driver.sent.load(Ordering::Relaxed);
        let (before, start, cpu) = (sent(), Instant::now(), cpu_seconds());
        let items = work();
        let seconds = start.elapsed().as_secs_f64();
        Report { seconds, cpu: cpu_seconds() - cpu, items, bytes: sent() - before }
    }

    fn bits16(&self, batches: u32, recipe: Bits) -> Report {
        self.measured(|| {
            for _ in 0..batches {
                let (begun, outcome) = self.preprocessor.batch::<Gr16, _>(Kind::Bits16, recipe).unwrap().unwrap();
                let Outcome::Accepted(bits) = outcome else { panic!("batch {} was not accepted", begun.number) };
                self.preprocessor.keep(&begun, &ExactItems::from_bits(&bits)).unwrap();
            }
            u64::from(batches) * recipe.count as u64
        })
    }

    fn consumed<R: Ring, C: Recipe<R> + Copy>(&self, kind: Kind, batches: u32, recipe: C) -> Report
    where
        BatchMsg<R>: Wire,
    {
        self.measured(|| {
            for _ in 0..batches {
                let (begun, outcome) = self.preprocessor.batch::<R, C>(kind, recipe).unwrap().unwrap();
                assert!(matches!(outcome, Outcome::Accepted(_)), "batch {} was not accepted", begun.number);
            }
            u64::from(batches) * recipe.items() as u64
        })
    }

    /// Opens one element after the other; the local shares are made before.
    fn open(&mut self, count: u32) -> Report {
        let sessions: Vec<SessionId> = (0..u64::from(count))
            .map(|i| SessionId(alloy_primitives::B256::left_padding_from(&(self.number + i).to_be_bytes())))
            .collect();
        self.number += u64::from(count);
        let masked: Vec<MaskedShares> = self.masked(&sessions);
        let start = Instant::now();
        for (session, masked) in sessions.iter().zip(&masked) {
            self.open_one(*session, masked);
        }
        Report { seconds: start.elapsed().as_secs_f64(), cpu: 0.0, items: count.into(), bytes: 0 }
    }

    fn masked(&self, sessions: &[SessionId]) -> Vec<MaskedShares> {
        let names = self.preprocessor.names;
        let key = lwe::insecure_key(1);
        let shares = KeyShare::deal(&key, names.committee, &mut ChaCha20Rng::seed_from_u64(2)).unwrap();
        let list = SampleList::parse(&lwe::encrypt(&key, tkms_types::FheType::Uint16, 42, 3)).unwrap();
        let samples = Samples::new(DIMENSION as usize, &list.words).unwrap();
        let masks = &self.preprocessor.masks.keys;
        let mask = |session| masked_shares(&shares[names.party.index()], &samples, masks, session).unwrap();
        sessions.iter().map(mask).collect()
    }

    fn open_one(&mut self, session: SessionId, masked: &MaskedShares) {
        let (mut opening, step) = Opening::start(masked);
        let names = self.preprocessor.names;
        for outgoing in step.send {
            let body: Vec<u8> = outgoing.msg.shares.iter().flat_map(Gr128::to_le_bytes).collect();
            for peer in names.committee.parties().filter(|party| *party != names.party) {
                self.transport.send(peer, PeerMessage { session, body: body.clone().into() }).unwrap();
            }
        }
        let mut opened = step.output.is_some();
        for (from, shares) in self.early.remove(&session).unwrap_or_default() {
            opened |= opening.receive(from, PartialDecryption { shares }).output.is_some();
        }
        while !opened {
            let (from, message) = self.openings.recv().unwrap();
            let (elements, _) = message.body.as_chunks::<{ Gr128::BYTES }>();
            let shares: Vec<Gr128> = elements.iter().map(Gr128::from_le_bytes).collect();
            if message.session == session {
                opened = opening.receive(from, PartialDecryption { shares }).output.is_some();
            } else if message.session.0 > session.0 {
                self.early.entry(message.session).or_default().push((from, shares));
            }
        }
    }
}
