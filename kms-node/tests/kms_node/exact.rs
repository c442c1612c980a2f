//! Four nodes that decrypt by `exact`, over real TLS: from stock and without, with a liar, a dead node and restarts; no
//! range is ever bound twice, and nothing is computed twice.

use crate::cluster::{SHORT, WAIT, ask, combine, eventually, private, public};
use crate::common::bent::bent;
use crate::common::cluster::{World, code, pending, unix_now, words};
use crate::common::{material_of, user_request};
use alloy_primitives::{B256, U256};
use futures::future::join_all;
use rand::{RngCore as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tkms_kms_node::stock::{BindError, Claim, Preprocessing, Trust};
use tkms_types::transcript::{Protocol, session_id};
use tkms_types::{Cluster, FheType, SessionId};
use tkms_wire::answer::UserAnswer;
use tkms_wire::kms::{Reply, State, reply};
use tkms_wire::material::Format;
use tkms_wire::samples::SampleList;
use tkms_wire::user_payload::UserKeyPair;

pub const PLAN: Preprocessing = Preprocessing {
    items: 2_000,
    batch_items: 1_000,
    round_ms: 1_000,
    setup_wait_ms: 30_000,
    absent_ms: 0,
    evict_silent: false,
};
/// Kinds of parts of a frame.
const VOTES: u8 = 1;
const REVEALED: u8 = 3;
const BITS: u8 = 4;

/// Four nodes with stock.
pub async fn stocked() -> World {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start(1..=4).await;
    await_stock(&world).await;
    world
}

pub async fn await_stock(world: &World) {
    eventually(async || {
        let ready =
            |party: usize| world.node(party).stock().is_some_and(|stock| stock.free() >= 2_000 && stock.has(64));
        (1..=4).all(ready).then_some(())
    })
    .await;
}

/// The parts of a frame, each with its kind and where its elements begin.
pub fn parts(body: &[u8]) -> Vec<(u8, usize, Vec<u8>)> {
    let mut rest = body;
    let mut parts = Vec::new();
    while let [kind, ..] = *rest {
        let (from, length) = match kind {
            VOTES => (4, 52 * usize::from(u16::from_le_bytes([rest[2], rest[3]])) + 64),
            BITS => (34, 8 * usize::from(rest[33])),
            _ => (38, 8 * usize::from(rest[37])),
        };
        let (part, after) = rest.split_at(from + length);
        parts.push((kind, from, part.to_vec()));
        rest = after;
    }
    parts
}

/// Digest of the samples, and number.
type Attempt = (Vec<u8>, u32);

/// What a node said: by digest and attempt the ranges it voted for, and the kinds of its parts.
#[derive(Default)]
struct Said {
    votes: BTreeMap<Attempt, BTreeSet<(u64, u32, u32)>>,
    kinds: BTreeSet<u8>,
}

impl Said {
    fn note(&mut self, body: &[u8]) {
        for (kind, from, part) in parts(body) {
            self.kinds.insert(kind);
            if kind == VOTES {
                for vote in part[from..part.len() - 64].chunks(52) {
                    let word = |at: usize| u32::from_le_bytes(vote[at..at + 4].try_into().unwrap());
                    let batch = u64::from_le_bytes(vote[36..44].try_into().unwrap());
                    let range = (batch, word(44), word(48));
                    self.votes.entry((vote[..32].to_vec(), word(32))).or_default().insert(range);
                }
            }
        }
    }

    /// Every attempt has one range, and no two of them share an item.
    fn check(&self) {
        let mut items = BTreeSet::new();
        for (attempt, ranges) in &self.votes {
            assert_eq!(ranges.len(), 1, "{attempt:?}");
            for (batch, from, to) in ranges {
                assert!((*from..*to).all(|item| items.insert((*batch, item))), "an item of {attempt:?} is bound twice");
            }
        }
    }
}

fn listener(said: &Arc<Mutex<Said>>) -> tkms_kms_node::node::WrapTransport {
    let said = Arc::clone(said);
    bent(move |message| {
        said.lock().unwrap().note(&message.body);
        Some(message)
    })
}

pub async fn computed(world: &World, party: usize) -> u64 {
    world.info(party).await.sessions_computed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_nodes_answer_every_type_from_stock_alike_and_compute_once() {
    let world = stocked().await;
    let kinds = FheType::ALL;
    let mut all = Vec::new();
    for (number, kind) in (1..).zip(kinds) {
        let value = if kind == FheType::Bool { 1 } else { 0xfedc_ba98_7654_32c0 | u64::from(number) };
        let bits = 4 * kind.squashed_blocks().min(16);
        let value = if bits == 64 { value } else { value & ((1 << bits) - 1) };
        all.push((public(&world, number, kind, value).await, value));
    }
    let handles: Vec<_> = all.iter().map(|((handle, _), _)| *handle).collect();
    let materials: Vec<_> = all.iter().map(|((_, material), _)| material.clone()).collect();
    let replies = join_all((1..=4).map(|party| world.ask_public(party, &handles, &materials, WAIT))).await;
    let expected: Vec<_> = all.iter().map(|(_, value)| U256::from(*value)).collect();
    assert!(replies.iter().all(|reply| words(reply) == expected));
    // each of them alone is another request, but no other session
    let again = join_all((1..=4).map(|party| ask(&world, party, &all[4].0))).await;
    assert!(again.iter().all(|reply| words(reply) == [expected[4]]));
    for party in 1..=4 {
        let info = world.info(party).await;
        assert_eq!(info.sessions_computed, kinds.len() as u64, "party {party}");
        assert!(info.ready && info.blamed.is_empty(), "{:?}", info.not_ready_reasons);
        assert_eq!(info.sessions_running, 0);
    }
    let used: usize = kinds.iter().map(|kind| kind.squashed_blocks()).sum();
    let began = world.node(1).stock().unwrap();
    eventually(async || {
        let taken = world.node(1).stock()?.batches().unwrap().iter().map(|(_, left)| u64::from(*left)).sum::<u64>();
        (taken % 1_000 == 1_000 - used as u64).then_some(())
    })
    .await;
    assert!(began.free() < 4_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_sends_random_shares_is_named_by_all_and_changes_nothing() {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start(1..=3).await;
    let lie = |mut message: tkms_kms_node::transport::PeerMessage| {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(5);
        let altered = parts(&message.body).into_iter().flat_map(|(kind, from, mut part)| -> Vec<u8> {
            if kind != VOTES {
                rng.fill_bytes(&mut part[from..]);
                // of the right modulus: only the polynomial shows it
                part[from..].chunks_mut(2).for_each(|word| word[0] &= if kind == REVEALED { 0 } else { 0xfe });
            }
            part
        });
        message.body = altered.collect::<Vec<_>>().into();
        Some(message)
    };
    world.start_with(4, Some(bent(lie))).await;
    await_stock(&world).await;
    let ciphertext = public(&world, 1, FheType::Uint64, 0xa7a7).await;
    let replies = join_all((1..=4).map(|party| ask(&world, party, &ciphertext))).await;
    assert!(replies.iter().all(|reply| words(reply) == [U256::from(0xa7a7)]));
    for party in 1..=3 {
        let blamed = eventually(async || {
            let blamed: BTreeSet<u32> = world.info(party).await.blamed.iter().map(|blame| blame.party).collect();
            (!blamed.is_empty()).then_some(blamed)
        })
        .await;
        assert_eq!(blamed, BTreeSet::from([4]), "party {party}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn frames_that_are_no_frames_and_ballots_with_broken_signatures_change_nothing() {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start(1..=2).await;
    let garbage = |mut message: tkms_kms_node::transport::PeerMessage| {
        message.body = vec![0xee; message.body.len()].into();
        Some(message)
    };
    world.start_with(3, Some(bent(garbage))).await;
    world.start([4]).await;
    await_stock(&world).await;
    for number in 1..=4 {
        // of four ciphertexts some have the broken node as their first proposer, likely
        let ciphertext = public(&world, number, FheType::Uint8, number.into()).await;
        let replies = join_all([1, 2, 4].map(|party| ask(&world, party, &ciphertext))).await;
        assert!(replies.iter().all(|reply| words(reply) == [U256::from(number)]));
    }
}

pub fn user_answer(reply: &Reply) -> UserAnswer {
    let Some(reply::Outcome::UserAnswer(answer)) = reply.outcome.clone() else { panic!("no answer: {reply:?}") };
    UserAnswer::try_from(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_reads_values_with_one_node_dead_and_no_node_opens_them() {
    let said = Arc::new(Mutex::new(Said::default()));
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start_with(1, Some(listener(&said))).await;
    world.start(2..=4).await;
    await_stock(&world).await;
    world.stop(3).await;
    let one = private(&world, 1, FheType::Uint64, 1_000_000_007).await;
    let two = private(&world, 2, FheType::Bool, 1).await;
    let (handles, materials) = ([two.0, one.0], [one.1, two.1]);
    let keys = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3)).unwrap();
    let expected = [U256::ONE, U256::from(1_000_000_007u64)];
    let mut sessions: BTreeSet<Vec<SessionId>> = BTreeSet::new();
    // the second request is another one, of the same ciphertexts: answered from what is stored
    for start in [unix_now() - 10, unix_now() - 20] {
        let request = user_request(&handles, keys.public().to_bytes(), start, &world.cluster);
        let parties = [1, 2, 4];
        let asked = parties.map(|party| world.ask_user(party, &request, &materials));
        let replies: Vec<_> = parties.into_iter().zip(join_all(asked).await).collect();
        assert_eq!(combine(&world, &keys, &handles, &replies), expected);
        sessions.extend(replies.iter().map(|(_, reply)| user_answer(reply).sessions));
        for party in parties {
            let info = world.info(party).await;
            assert_eq!((info.sessions_computed, info.sessions_running), (2, 0));
        }
    }
    assert_eq!(sessions.len(), 1, "shares of one attempt");
    let said = said.lock().unwrap();
    assert!(!said.kinds.contains(&REVEALED), "a user's value is opened to nobody");
    said.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_value_read_by_a_user_and_then_made_public_is_computed_once() {
    let mut world = stocked().await;
    let (handle, material) = private(&world, 1, FheType::Uint8, 77).await;
    let keys = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3)).unwrap();
    let request = user_request(&[handle], keys.public().to_bytes(), unix_now() - 10, &world.cluster);
    let materials = std::slice::from_ref(&material);
    let replies = join_all((1..=4).map(|party| world.ask_user(party, &request, materials))).await;
    let replies: Vec<_> = (1..).zip(replies).collect();
    assert_eq!(combine(&world, &keys, &[handle], &replies), [U256::from(77)]);
    // some of them have forgotten everything but their disks
    tokio::time::sleep(SHORT).await;
    for party in 1..=2 {
        world.stop(party).await;
    }
    world.start(1..=2).await;
    world.chain.grant(merkle_acl::Grant::Public { handle: handle.0 });
    world.chain.mine(3);
    let ciphertext = (handle, material);
    let replies = join_all((1..=4).map(|party| ask(&world, party, &ciphertext))).await;
    assert!(replies.iter().all(|reply| words(reply) == [U256::from(77)]));
    assert_eq!((computed(&world, 1).await, computed(&world, 3).await), (0, 1), "from the stored shares");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_in_the_middle_binds_no_other_range_and_ends_right() {
    let said = Arc::new(Mutex::new(Said::default()));
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start_with(1, Some(listener(&said))).await;
    world.start(2..=4).await;
    await_stock(&world).await;
    for party in [3, 4] {
        world.stop(party).await;
    }
    let mut all = Vec::new();
    for number in 1..=6 {
        all.push(public(&world, number, FheType::Uint64, 1000 + u64::from(number)).await);
    }
    for (handle, material) in &all {
        for party in 1..=2 {
            let reply = world.ask_public(party, &[*handle], std::slice::from_ref(material), Duration::ZERO).await;
            assert!(matches!(reply.outcome, Some(reply::Outcome::Pending(_))), "two of four end nothing: {reply:?}");
        }
    }
    // time for proposals of the two that are there
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = said.lock().unwrap().votes.clone();
    assert!(!before.is_empty(), "somebody has proposed");
    world.stop(1).await;
    world.start_with(1, Some(listener(&said))).await;
    world.start([3]).await;
    for (number, ciphertext) in (1u64..).zip(&all) {
        let replies = join_all((1..=3).map(|party| ask(&world, party, ciphertext))).await;
        assert!(replies.iter().all(|reply| words(reply) == [U256::from(1000 + number)]));
    }
    said.lock().unwrap().check();
    // Everybody is done when node 4 comes; what it missed is on the disks of the others
    for party in 1..=3 {
        world.stop(party).await;
    }
    world.start(1..=4).await;
    assert_eq!(words(&ask(&world, 4, &all[0]).await), [U256::from(1001)]);
    assert_eq!(computed(&world, 1).await, 0, "its stored messages were enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_item_gets_one_vote_for_ever_and_from_its_proposer_only() {
    let mut world = stocked().await;
    let session = |number: u8| SessionId(B256::repeat_byte(number));
    let stock = world.node(1).stock().unwrap().clone();
    let (batch, _) = stock.batches().unwrap()[0];
    let proposer = world.config(2).party;
    let of = |from, to| Claim::Of { proposer, batch, from, to };
    let votes = vec![
        (session(1), of(300, 316)),
        (session(2), of(315, 320)),
        (session(1), of(320, 336)),
        (session(3), of(240, 256)),
        (session(1), of(300, 316)),
    ];
    let cast = stock.vote(votes).await.unwrap();
    assert!(cast[0].is_ok() && cast[4].is_ok(), "the same vote again is the same");
    assert!(matches!(cast[1], Err(BindError::Bound(_))) && matches!(cast[2], Err(BindError::Bound(_))));
    assert!(matches!(cast[3], Err(BindError::Lane { .. })));
    drop(stock);
    world.stop(1).await;
    world.start([1]).await;
    let stock =
        eventually(async || world.node(1).stock().filter(|stock| stock.trust() == Trust::Confirmed).cloned()).await;
    let cast = stock.vote(vec![(session(2), of(310, 326)), (session(1), of(300, 316))]).await.unwrap();
    assert!(matches!(cast[0], Err(BindError::Bound(_))), "after a restart");
    assert!(cast[1].is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_store_casts_no_vote_on_what_it_may_have_forgotten() {
    let mut world = stocked().await;
    let (batch, _) = world.node(1).stock().unwrap().batches().unwrap()[0];
    let file = world.config(1).data_dir.join("node.redb");
    let closed = async || {
        let _open = eventually(async || redb::Database::open(&file).ok().map(drop)).await;
    };
    world.stop(1).await;
    closed().await;
    let old = std::fs::read(&file).unwrap();
    world.start([1]).await;
    let confirmed = async |world: &World| {
        eventually(async || world.node(1).stock().filter(|stock| stock.trust() == Trust::Confirmed).cloned()).await
    };
    let stock = confirmed(&world).await;
    let claim = Claim::Of { proposer: world.config(2).party, batch, from: 300, to: 316 };
    assert!(stock.vote(vec![(SessionId(B256::repeat_byte(1)), claim)]).await.unwrap()[0].is_ok());
    drop(stock);
    // the peers hear of it
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.stop(1).await;
    closed().await;
    std::fs::write(&file, old).unwrap();
    world.start([1]).await;
    let stock = eventually(async || world.node(1).stock().cloned()).await;
    for _ in 0..40 {
        let cast = stock.vote(vec![(SessionId(B256::repeat_byte(2)), claim)]).await.unwrap();
        let refused = matches!(cast[0], Err(BindError::Distrusted(_) | BindError::NoBatch(_)));
        assert!(refused, "an item was bound twice: {cast:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let stock = confirmed(&world).await;
    assert!(stock.batches().unwrap().iter().all(|(number, _)| *number != batch), "old batches are given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_stock_a_ciphertext_waits_for_everybody_and_is_then_decrypted_on_demand() {
    let mut world = World::new(4).exact();
    world.start(1..=3).await;
    let (handle, material) = public(&world, 1, FheType::Uint64, 4321).await;
    for party in 1..=3 {
        let reply = world.ask_public(party, &[handle], std::slice::from_ref(&material), SHORT).await;
        assert_eq!(pending(&reply), State::Running, "no stock, and not everybody there");
    }
    for party in 1..=3 {
        assert_eq!(computed(&world, party).await, 0, "nothing is sent, and nothing falls back to flood");
    }
    // Nobody has to ask node 4: it takes the request over from its peers, by its own policy
    world.start([4]).await;
    let ciphertext = (handle, material);
    let replies = join_all((1..=3).map(|party| ask(&world, party, &ciphertext))).await;
    assert!(replies.iter().all(|reply| words(reply) == [U256::from(4321)]));
    assert_eq!(words(&ask(&world, 4, &ciphertext).await), [U256::from(4321)]);
    assert_eq!(computed(&world, 4).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_on_demand_that_is_spoiled_waits_for_stock() {
    let mut world = World::new(4).exact();
    world.preprocess(Preprocessing { items: 0, ..PLAN });
    world.start(1..=3).await;
    let spoil = |mut message: tkms_kms_node::transport::PeerMessage| {
        let altered = parts(&message.body).into_iter().flat_map(|(kind, from, mut part)| -> Vec<u8> {
            if kind == BITS {
                part[from] ^= 1;
            }
            part
        });
        message.body = altered.collect::<Vec<_>>().into();
        Some(message)
    };
    world.start_with(4, Some(bent(spoil))).await;
    let (handle, material) = public(&world, 1, FheType::Uint8, 9).await;
    for party in 1..=4 {
        let asked = world.ask_public(party, &[handle], std::slice::from_ref(&material), SHORT).await;
        assert!(!matches!(asked.outcome, Some(reply::Outcome::Refusal(_))));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reply = world.ask_public(1, &[handle], std::slice::from_ref(&material), SHORT).await;
    assert_eq!(pending(&reply), State::Running, "a lie is seen, nothing is opened");
    // with stock the same request ends
    for party in 1..=4 {
        world.stop(party).await;
    }
    world.preprocess(PLAN);
    world.start(1..=4).await;
    await_stock(&world).await;
    let ciphertext = (handle, material);
    let replies = join_all((1..=4).map(|party| ask(&world, party, &ciphertext))).await;
    assert!(replies.iter().all(|reply| words(reply) == [U256::from(9)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn material_of_the_other_protocol_is_refused() {
    let mut world = World::new(1).exact();
    world.start([1]).await;
    let (handle, exact) = public(&world, 1, FheType::Uint8, 200).await;
    let flood = material_of(Format::Flood, handle, exact.digest, &world.cluster.chains[0]);
    assert_eq!(flood.size, SampleList::encoded_len(FheType::Uint8) as u64);
    assert_eq!(code(&world.ask_public(1, &[handle], &[flood], WAIT).await), "MaterialMissing");
    // both at once: the one of the protocol in force is taken
    assert_eq!(words(&ask(&world, 1, &(handle, exact.clone())).await), [U256::from(200)]);
    assert_eq!(computed(&world, 1).await, 1, "a committee of one needs no stock");

    let mut flooded = World::new(1);
    flooded.start([1]).await;
    let (handle, material) = public(&flooded, 1, FheType::Uint8, 1).await;
    let exact = material_of(Format::Exact, handle, material.digest, &flooded.cluster.chains[0]);
    assert_eq!(code(&flooded.ask_public(1, &[handle], &[exact], WAIT).await), "MaterialMissing");
    let session = |protocol| {
        let Cluster { context, epoch, key, .. } = &flooded.cluster;
        session_id(protocol, *context, *epoch, key.id, material.digest, 0)
    };
    assert_ne!(session(Protocol::Flood), session(Protocol::Exact), "and their sessions have different names");
}
