//! `mpc.*_per_s_per_core`: all the work of one party for batches of bits and triples, from its keys and the frames of its
//! peers (signatures checked) to the bytes for its store; `mpc.decode_us`: a robust decoding of the blocks of a euint64. With
//! the limit of arithmetic beside each figure: the AES blocks and ring products of step 1, and nothing else, at the
//! speed these have by themselves. One thread, its CPU time. Written to `target/bench.json`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and reports by printing")]

mod limit;
mod record;

use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use record::{Clock, Figure, record};
use std::hint::black_box;
use tkms_mpc::machine::To;
use tkms_mpc::preprocessing::{Batch, BatchId, Bits, Outcome, Piece, Recipe, Standing, Triples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{DEGREE, Gr16, Gr64, Gr128, Ring};
use tkms_mpc::run::Run;
use tkms_mpc::shamir::{Received, decode, share};
use tkms_mpc::statement::Seal;
use tkms_types::{Committee, ContextId, EpochId, Id, PartyId};

/// Items of a batch: a message of 512 KiB over GR(2¹⁶, 4), and of 2 MiB over GR(2⁶⁴, 4).
const COUNT: usize = 1 << 18;
/// The same in the largest committee, whose batches take longer.
const COUNT_LARGE: usize = 1 << 15;
const RUNS: usize = 9;
/// Openings of a run.
const OPENINGS: usize = 20_000;
/// Bits of a mask of exact decryption.
const MASK_BITS: usize = 10;

struct Keys {
    own: SigningKey,
    all: Vec<VerifyingKey>,
}

fn seal(n: usize, me: PartyId) -> Keys {
    let key = |party: PartyId| SigningKey::from_slice(&[party.number(); 32]).unwrap();
    let all = Committee::new(n).unwrap().parties().map(|party| *key(party).verifying_key()).collect();
    Keys { own: key(me), all }
}

impl Seal for Keys {
    fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        let signature: Signature = self.own.sign_prehash(hash).unwrap();
        signature.to_bytes().into()
    }

    fn verify(&self, party: PartyId, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
        let key = self.all.get(party.index());
        key.zip(Signature::from_slice(signature).ok()).is_some_and(|(key, s)| key.verify_prehash(hash, &s).is_ok())
    }
}

fn id() -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 }
}

type Sent = Vec<(To, Vec<u8>)>;

fn start<R: Ring, C: Recipe<R> + Copy>(keys: &PrssKeys, recipe: C) -> (Run<Batch<R, C>, Keys>, Sent) {
    let (batch, say) = Batch::<R, C>::new(&id(), keys, recipe, &Standing::default()).unwrap();
    let owner = keys.owner();
    let (run, step) = Run::start(batch, say, seal(owner.committee.size(), owner.party));
    (run, step.send.into_iter().map(|outgoing| (outgoing.to, outgoing.msg)).collect())
}

/// Every frame that reaches party 1, in order, from a run of all parties in step; and the bytes party 1 sends to a peer.
fn recorded<R: Ring, C: Recipe<R> + Copy>(keys: &[PrssKeys], recipe: C) -> (Vec<(PartyId, Vec<u8>)>, usize) {
    let committee = keys.first().unwrap().owner().committee;
    let (mut runs, mut sent): (Vec<_>, Vec<_>) = keys.iter().map(|keys| start::<R, C>(keys, recipe)).unzip();
    let (mut frames, mut bytes) = (Vec::new(), 0);
    while sent.iter().any(|list| !list.is_empty()) {
        let mut next = vec![Vec::new(); runs.len()];
        for (from, list) in committee.parties().zip(&sent) {
            for (to, frame) in list {
                for receiver in committee.parties().filter(|p| *p != from && [To::All, To::One(*p)].contains(to)) {
                    if receiver.number() == 1 {
                        frames.push((from, frame.clone()));
                    }
                    if (from.number(), receiver.number()) == (1, 2) {
                        bytes += frame.len();
                    }
                    let step = runs.get_mut(receiver.index()).unwrap().receive(from, frame);
                    let said = step.send.into_iter().map(|outgoing| (outgoing.to, outgoing.msg));
                    next.get_mut(receiver.index()).unwrap().extend(said);
                }
            }
        }
        sent = next;
    }
    assert!(runs.iter().all(Run::is_done));
    (frames, bytes)
}

fn measure<R: Ring, C: Recipe<R> + Copy>(
    kind: &str,
    (n, recipe, draws): (usize, C, f64),
    store: impl Fn(C::Items) -> usize,
) {
    let keys = PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
    let (frames, bytes) = recorded::<R, C>(&keys, recipe);
    let limit = limit::per_core::<R>(n, draws);
    let party = keys.first().unwrap();
    let mut values = Vec::new();
    for _ in 0..RUNS {
        let clock = Clock::start();
        let (mut run, _) = start::<R, C>(party, recipe);
        let outputs: Vec<_> = frames.iter().filter_map(|(from, frame)| run.receive(*from, frame).output).collect();
        for outcome in outputs {
            let Outcome::Accepted(items) = outcome else { panic!("accepted") };
            assert!(black_box(store(items)) > 0);
        }
        values.push(recipe.items() as f64 / clock.spent().as_secs_f64());
    }
    values.sort_unstable_by(f64::total_cmp);
    let per_item = bytes as f64 / recipe.items() as f64;
    let median = values.get(RUNS / 2).copied().unwrap();
    println!("{kind}, n = {n}: {median:.0}/s and core, limit {limit:.0}; {per_item:.2} bytes per item and peer");
    let name = format!("mpc.{kind}_per_s_per_core");
    record(Figure { name: &name, n, unit: "items/s", values, limit: Some(limit), bar: None });
}

/// A robust opening of four elements (16 blocks) of degree t from all shares, t of them wrong or none.
fn openings(n: usize) {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let committee = Committee::new(n).unwrap();
    let faults = committee.threshold().faults();
    let mut shares = vec![Vec::new(); n];
    for _ in 0..DEGREE {
        let dealt = share(Gr128::random(&mut rng), committee, &mut rng);
        shares.iter_mut().zip(dealt.iter()).for_each(|(list, share)| list.push(*share));
    }
    for (name, liars) in [("mpc.decode_us", 0), ("mpc.decode_with_t_liars_us", faults)] {
        shares.iter_mut().take(liars).flatten().for_each(|share| *share += Gr128::ONE);
        let received: Vec<_> =
            committee.parties().zip(&shares).map(|(party, shares)| Received { party, shares }).collect();
        let time = || {
            // long enough for a system that tells CPU time in steps of milliseconds
            let openings = if liars == 0 { OPENINGS } else { OPENINGS / 20 };
            let clock = Clock::start();
            for _ in 0..openings {
                let opened = decode(black_box(&received), faults, faults).unwrap();
                assert_eq!(opened.liars.len(), liars);
            }
            clock.spent().as_secs_f64() * 1e6 / openings as f64
        };
        let values: Vec<f64> = (0..RUNS).map(|_| time()).collect();
        println!("{name}, n = {n}: {:.2}", values.iter().copied().fold(f64::INFINITY, f64::min));
        record(Figure { name, n, unit: "us", values, limit: None, bar: None });
    }
}

fn main() {
    // `cargo test --benches` only checks that it builds and starts
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    for (n, count) in [(4, COUNT), (13, COUNT_LARGE)] {
        let masks = |shares| Piece::masks(id(), &shares, MASK_BITS).unwrap().to_secret_bytes().len();
        measure::<Gr16, _>("bits16", (n, Bits { count }, 1.0), masks);
        measure::<Gr64, _>("bits64", (n, Bits { count }, 1.0), |shares| shares.0.len());
        measure::<Gr64, _>("mults64", (n, Triples { count }, 3.0), |triples| triples.z.len());
        openings(n);
    }
}
