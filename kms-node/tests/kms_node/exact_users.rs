//! Users' requests under `exact`: nodes do not pass them on, so they reach some nodes sooner than others, or not at all. What
//! happens then, with liars and without stock; and what operators see of it.

use crate::cluster::{SHORT, combine, eventually, private};
use crate::common::bent::bent;
use crate::common::cluster::{World, pending, unix_now};
use crate::common::user_request;
use crate::exact::{PLAN, await_stock, computed, parts, stocked, user_answer};
use alloy_primitives::U256;
use futures::future::join_all;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rand::SeedableRng as _;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;
use tkms_kms_node::metrics;
use tkms_kms_node::request::Ask;
use tkms_kms_node::stock::Preprocessing;
use tkms_types::transcript::{Protocol, session_id};
use tkms_types::{Cluster, FheType, Handle, UserRequest};
use tkms_wire::kms::{self, Reply, State, reply};
use tkms_wire::material::Material;
use tkms_wire::request::Call;
use tkms_wire::user_payload::UserKeyPair;

const WAIT: Duration = Duration::from_secs(30);
/// Kind of the parts of a frame that carry masked shares.
const MASKED: u8 = 2;

/// A user with a value, and a request for it.
struct User {
    keys: UserKeyPair,
    handle: Handle,
    material: Material,
    request: UserRequest,
}

impl User {
    fn of(world: &World, (handle, material): (Handle, Material)) -> Self {
        let keys = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3)).unwrap();
        let request = user_request(&[handle], keys.public().to_bytes(), unix_now() - 10, &world.cluster);
        Self { keys, handle, material, request }
    }

    async fn ask(&self, world: &World, party: usize, wait: Duration) -> Reply {
        let call = Call {
            request: self.request.clone(),
            materials: vec![self.material.clone()],
            evidence: Some(world.evidence(Ask::User(self.request.clone()))),
            finality: None,
            wait,
            label: String::new(),
        };
        let asked = kms::UserDecryptRequest::from(&call);
        world.client(party).await.user_decrypt(asked).await.unwrap().into_inner()
    }

    async fn ask_all(&self, world: &World, parties: &[usize]) -> Vec<(usize, Reply)> {
        let replies = join_all(parties.iter().map(|party| self.ask(world, *party, WAIT))).await;
        parties.iter().copied().zip(replies).collect()
    }

    fn reads(&self, world: &World, replies: &[(usize, Reply)]) -> U256 {
        let sessions: BTreeSet<_> = replies.iter().map(|(_, reply)| user_answer(reply).sessions).collect();
        assert_eq!(sessions.len(), 1, "shares of one attempt");
        combine(world, &self.keys, &[self.handle], replies)[0]
    }
}

/// Who proposes first.
fn proposer(world: &World, material: &Material) -> usize {
    let Cluster { context, epoch, key, .. } = &world.cluster;
    let base = session_id(Protocol::Exact, *context, *epoch, key.id, material.digest, 0);
    let last = u64::from_be_bytes(*base.0.0.last_chunk().unwrap());
    ((last % 4 + 1) % 4) as usize + 1
}

/// A user's value whose first proposer is, or is not, this party.
async fn with_proposer(world: &World, party: usize, is: bool) -> User {
    for number in 1..60 {
        let (handle, material) = private(world, number, FheType::Uint64, 1_000 + u64::from(number)).await;
        if (proposer(world, &material) == party) == is {
            return User::of(world, (handle, material));
        }
    }
    panic!("one in four is the first proposer")
}

fn is_pending(reply: &Reply) -> bool {
    matches!(reply.outcome, Some(reply::Outcome::Pending(_))) && pending(reply) == State::Running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_users_request_at_too_few_nodes_ends_nothing_and_is_answered_when_one_more_gets_it() {
    let world = stocked().await;
    let user = User::of(&world, private(&world, 1, FheType::Uint64, 1_000_000_007).await);
    let first = join_all([1, 2].map(|party| user.ask(&world, party, SHORT))).await;
    assert!(first.iter().all(is_pending), "{first:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for party in 1..=4 {
        assert_eq!(computed(&world, party).await, 0, "2t nodes bind no range, and nobody passes a user's request on");
    }
    // who asked has gone, and comes back with one node more
    let replies = user.ask_all(&world, &[1, 2, 3]).await;
    assert_eq!(user.reads(&world, &replies), U256::from(1_000_000_007));
    // the last one is late: it finds what the others said, on their disks if need be
    let late = user.ask(&world, 4, WAIT).await;
    for pair in [[0, 1], [1, 2]] {
        let mut replies: Vec<_> = pair.into_iter().map(|place| replies[place].clone()).collect();
        replies.push((4, late.clone()));
        assert_eq!(user.reads(&world, &replies), U256::from(1_000_000_007));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_users_request_that_its_proposer_never_got_is_answered_by_the_others() {
    let world = stocked().await;
    let user = with_proposer(&world, 4, true).await;
    let replies = user.ask_all(&world, &[1, 2, 3]).await;
    assert!(user.reads(&world, &replies) > U256::from(1_000));
    assert_eq!(computed(&world, 4).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_liar_that_votes_and_then_sends_nothing_delays_a_users_request_until_one_more_honest_node_has_it() {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start(1..=3).await;
    let mute = |mut message: tkms_kms_node::transport::PeerMessage| {
        let kept = parts(&message.body).into_iter().filter(|(kind, ..)| *kind != MASKED);
        message.body = kept.flat_map(|(_, _, part)| part).collect::<Vec<_>>().into();
        Some(message)
    };
    world.start_with(4, Some(bent(mute))).await;
    await_stock(&world).await;
    let user = with_proposer(&world, 3, false).await;
    join_all([1, 2, 4].map(|party| user.ask(&world, party, SHORT))).await;
    eventually(async || (computed(&world, 1).await > 0 && computed(&world, 2).await > 0).then_some(())).await;
    let stuck = join_all([1, 2].map(|party| user.ask(&world, party, SHORT))).await;
    assert!(stuck.iter().all(is_pending), "a certified range and two of three shares");
    let replies = user.ask_all(&world, &[1, 2, 3]).await;
    assert!(user.reads(&world, &replies) > U256::from(1_000));
    for party in 1..=3 {
        assert_eq!(world.info(party).await.sessions_running, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_stock_a_users_request_that_one_node_never_got_waits_for_stock() {
    let mut world = World::new(4).exact();
    world.preprocess(Preprocessing { items: 0, ..PLAN });
    world.start(1..=4).await;
    let user = User::of(&world, private(&world, 1, FheType::Uint8, 99).await);
    let first = join_all([1, 2, 3].map(|party| user.ask(&world, party, SHORT))).await;
    assert!(first.iter().all(is_pending));
    // longer than an attempt without stock may take
    tokio::time::sleep(Duration::from_secs(4)).await;
    let again = join_all([1, 2, 3].map(|party| user.ask(&world, party, SHORT))).await;
    assert!(again.iter().all(is_pending), "one share of the bits is missing, and there is no other way: it waits");
    assert_eq!(computed(&world, 4).await, 0);
    for party in 1..=4 {
        world.stop(party).await;
    }
    world.preprocess(PLAN);
    world.start(1..=4).await;
    await_stock(&world).await;
    let replies = user.ask_all(&world, &[1, 2, 3]).await;
    assert_eq!(user.reads(&world, &replies), U256::from(99));
}

/// One recorder for the process; other tests count into it too, so that only increases are looked at.
fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// The sum of all lines of a metric with these labels.
fn counted(name: &str, labels: &str) -> f64 {
    let rendered = recorder().render();
    let lines = rendered.lines().filter(|line| line.starts_with(name) && line.contains(labels));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operators_see_stock_certificates_attempts_and_what_became_of_those_without_stock() {
    let all = || {
        [
            counted(metrics::CERTIFICATES, ""),
            counted(metrics::ATTEMPTS, "attempt=\"1\""),
            counted(metrics::ON_DEMAND, "outcome=\"begun\""),
            counted(metrics::ON_DEMAND, "outcome=\"ended\""),
            counted(metrics::STOCK_BATCHES, "accepted"),
        ]
    };
    let before = all();
    let mut world = World::new(4).exact();
    world.start(1..=4).await;
    let without = User::of(&world, private(&world, 1, FheType::Uint8, 5).await);
    let replies = without.ask_all(&world, &[1, 2, 3, 4]).await;
    assert_eq!(without.reads(&world, &replies), U256::from(5));
    for party in 1..=4 {
        world.stop(party).await;
    }
    let between = all();
    assert!(between[2] >= before[2] + 4.0 && between[3] >= before[3] + 4.0, "{before:?} {between:?}");
    world.preprocess(PLAN);
    world.start(1..=4).await;
    await_stock(&world).await;
    let user = User::of(&world, private(&world, 2, FheType::Uint8, 6).await);
    let replies = user.ask_all(&world, &[1, 2, 3, 4]).await;
    assert_eq!(user.reads(&world, &replies), U256::from(6));
    let after = all();
    assert!(after[0] >= between[0] + 4.0, "a certificate at every node: {between:?} {after:?}");
    assert!(after[1] >= between[1] + 3.0, "{between:?} {after:?}");
    assert!(after[4] >= between[4] + 4.0, "{between:?} {after:?}");
    assert!(recorder().render().contains(metrics::STOCK_ITEMS));
}
