//! Four nodes over real TLS: right answers with a liar, a dead node, late nodes and restarts; nothing computed twice.

use crate::common::bent::bent;
use crate::common::cluster::{World, code, pending, unix_now, user_address, words};
use crate::common::evidence::attested;
use crate::common::{DAPP, handle, permit, public_ciphertext, public_request, signing_key, user_request};
use alloy_primitives::U256;
use merkle_acl::Grant;
use rand::SeedableRng as _;
use std::collections::BTreeSet;
use std::time::Duration;
use tkms_kms_node::request::Ask;
use tkms_kms_node::transport::PeerMessage;
use tkms_mpc::ring::Gr128;
use tkms_mpc::user::combine_user_shares;
use tkms_types::typed_data::{public_answer_digest, recover, user_answer_digest, user_link};
use tkms_types::{Committee, FheType, Handle, MinFinality, PartyId, Plaintext, RequestId};
use tkms_wire::answer::{PublicAnswer, UserAnswer, envelope_digest};
use tkms_wire::kms::{Reply, State, reply};
use tkms_wire::material::Material;
use tkms_wire::seal::{Expected, open};
use tkms_wire::user_payload::{Body, UserKeyPair};

pub const WAIT: Duration = Duration::from_secs(20);
pub const SHORT: Duration = Duration::from_millis(300);

pub async fn public(world: &World, number: u8, kind: FheType, value: u64) -> (Handle, Material) {
    public_ciphertext(world, handle(number, kind), value).await
}

pub async fn ask(world: &World, party: usize, (handle, material): &(Handle, Material)) -> Reply {
    world.ask_public(party, &[*handle], std::slice::from_ref(material), WAIT).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_nodes_answer_alike_and_compute_once() {
    let mut world = World::new(4);
    world.start(1..=4).await;
    let one = public(&world, 1, FheType::Uint64, 0xfedc_ba98_7654_3210).await;
    let two = public(&world, 2, FheType::Bool, 1).await;
    let (handles, materials) = ([one.0, two.0, one.0], [one.1, two.1]);
    let replies =
        futures::future::join_all((1..=4).map(|party| world.ask_public(party, &handles, &materials, WAIT))).await;
    for (party, reply) in (1..).zip(&replies) {
        let value = U256::from(0xfedc_ba98_7654_3210u64);
        assert_eq!(words(reply), [value, U256::ONE, value]);
        assert_eq!(reply.label, format!("to {party}"));
        let Some(reply::Outcome::PublicAnswer(answer)) = reply.outcome.clone() else { unreachable!() };
        let answer = PublicAnswer::try_from(answer).unwrap();
        let raw: Vec<_> = handles.iter().map(|handle| handle.0).collect();
        assert!(answer.extra_data.is_empty(), "version 0 is answered with empty extraData");
        let digest = public_answer_digest(&raw, &answer.words, &[], &world.cluster.gateway);
        assert_eq!(recover(digest, &answer.signature), Some(world.signer(party)));
        assert!(answer.blamed.is_empty());
    }
    let again = world.ask_public(2, &handles, &materials, WAIT).await;
    assert_eq!(again.outcome, replies[1].outcome, "the same bytes");
    // One of the ciphertexts alone is another request, but no other session
    assert_eq!(words(&world.ask_public(2, &handles[1..2], &materials[1..], WAIT).await), [U256::ONE]);
    for party in 1..=4 {
        let info = world.info(party).await;
        assert_eq!(info.sessions_computed, 2, "party {party}");
        assert!(info.ready && info.blamed.is_empty(), "{:?}", info.not_ready_reasons);
        assert!(world.node(party).journal().verify().unwrap() >= 2);
    }
}

/// Random elements instead of shares.
fn lie(mut message: PeerMessage) -> Option<PeerMessage> {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(5);
    message.body = (0..message.body.len() / Gr128::BYTES).flat_map(|_| Gr128::random(&mut rng).to_le_bytes()).collect();
    Some(message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_sends_random_shares_is_named_by_all_and_changes_nothing() {
    let mut world = World::new(4);
    world.start(1..=3).await;
    world.start_with(4, Some(bent(lie))).await;
    let ciphertext = public(&world, 1, FheType::Uint8, 0xa7).await;
    let replies = futures::future::join_all((1..=4).map(|party| ask(&world, party, &ciphertext))).await;
    assert!(replies.iter().all(|reply| words(reply) == [U256::from(0xa7)]));
    for party in 1..=3 {
        let blamed = eventually(async || {
            let blamed: BTreeSet<u32> = world.info(party).await.blamed.iter().map(|blame| blame.party).collect();
            (!blamed.is_empty()).then_some(blamed)
        })
        .await;
        assert_eq!(blamed, BTreeSet::from([4]), "party {party}");
    }
}

/// Asks again until there is something, for thirty seconds.
pub async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come to pass");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_wait_and_a_third_completes_and_the_fourth_catches_up() {
    let mut world = World::new(4);
    world.start(1..=2).await;
    let ciphertext = public(&world, 1, FheType::Uint8, 42).await;
    let (handle, material) = ciphertext.clone();
    for party in 1..=2 {
        let reply = world.ask_public(party, &[handle], std::slice::from_ref(&material), SHORT).await;
        assert_eq!(pending(&reply), State::Running);
        assert!(!world.info(party).await.ready, "two of three needed are up");
    }
    // Nobody asks node 3: it takes the request over from its peers, by its own policy
    world.start([3]).await;
    for party in 1..=2 {
        assert_eq!(words(&ask(&world, party, &ciphertext).await), [U256::from(42)]);
    }
    assert_eq!(words(&ask(&world, 3, &ciphertext).await), [U256::from(42)]);
    assert_eq!(world.info(3).await.sessions_computed, 1);
    // Everybody is done when node 4 comes; it gets their messages from their stores
    world.start([4]).await;
    assert_eq!(words(&ask(&world, 4, &ciphertext).await), [U256::from(42)]);
    assert_eq!(world.info(1).await.sessions_computed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restarted_node_answers_from_its_store_and_serves_late_peers() {
    let mut world = World::new(4);
    world.start(1..=3).await;
    let ciphertext = public(&world, 1, FheType::Uint8, 7).await;
    let first = futures::future::join_all((1..=3).map(|party| ask(&world, party, &ciphertext))).await;
    for party in 1..=3 {
        world.stop(party).await;
    }
    world.start(1..=4).await;
    assert_eq!(ask(&world, 1, &ciphertext).await.outcome, first[0].outcome);
    assert_eq!(world.info(1).await.sessions_computed, 0);
    assert_eq!(words(&ask(&world, 4, &ciphertext).await), [U256::from(7)]);
    assert_eq!(world.info(4).await.sessions_computed, 1);
    assert_eq!(world.info(1).await.sessions_computed, 0, "its stored message was enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grant_that_is_in_no_final_block_yet_is_refused_until_it_is() {
    let mut world = World::new(4);
    world.start(1..=4).await;
    let handle = handle(1, FheType::Uint8);
    let materials = [world.ciphertext(handle, 9).await];
    let refused = world.ask_public(1, &[handle], &materials, WAIT).await;
    assert_eq!(code(&refused), "GrantMissing");
    world.chain.grant(Grant::Public { handle: handle.0 });
    world.chain.mine(1);
    for party in 1..=4 {
        let reply = world.ask_public(party, &[handle], &materials, WAIT).await;
        assert_eq!(code(&reply), "GrantMissing", "whether it will be, only who asks can know");
        // The block that has it, under signatures that do not call it final
        let asked = Ask::Public(public_request(&[handle]));
        let mut early = world.evidence_at(asked, world.chain.final_number() + 2);
        early.attested = Some(attested(&world.cluster.chains[0], &early.header, MinFinality::Safe));
        let reply = world.ask_public_with(party, &[handle], &materials, Some(early), WAIT).await;
        assert_eq!(code(&reply), "NotFinal");
        assert_eq!(world.info(party).await.sessions_computed, 0);
    }
    world.chain.mine(2);
    for party in 1..=4 {
        assert_eq!(words(&world.ask_public(party, &[handle], &materials, WAIT).await), [U256::from(9)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swapped_bytes_are_refused_by_name_of_the_store_and_nothing_is_computed() {
    use object_store::{ObjectStoreExt as _, PutPayload, path::Path};
    let mut world = World::new(4);
    world.start(1..=4).await;
    let (handle, material) = public(&world, 1, FheType::Bool, 1).await;
    let path = Path::from(format!("{:x}", material.digest));
    let mut bytes = world.store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
    bytes[1000] ^= 1;
    world.store.put(&path, PutPayload::from(bytes)).await.unwrap();
    for party in 1..=4 {
        let reply = world.ask_public(party, &[handle], std::slice::from_ref(&material), WAIT).await;
        assert_eq!(code(&reply), "DigestMismatch");
        assert_eq!(world.info(party).await.sessions_computed, 0);
    }
}

/// Opens every answer as the user and combines the shares.
pub fn combine(world: &World, keys: &UserKeyPair, handles: &[Handle], replies: &[(usize, Reply)]) -> Vec<U256> {
    let committee = Committee::new(world.cluster.committee.len()).unwrap();
    let raw: Vec<_> = handles.iter().map(|handle| handle.0).collect();
    let public_key = keys.public().to_bytes();
    let link = user_link(&public_key, &raw, user_address(), &world.cluster.gateway);
    let mut shares: Vec<Vec<(PartyId, Vec<Gr128>)>> = vec![Vec::new(); handles.len()];
    let mut values = Vec::new();
    for (number, reply) in replies {
        let Some(reply::Outcome::UserAnswer(answer)) = reply.outcome.clone() else { panic!("no answer: {reply:?}") };
        let answer = UserAnswer::try_from(answer).unwrap();
        let signer = world.signer(*number);
        let digest = user_answer_digest(&public_key, &raw, &answer.payload, &[], &world.cluster.gateway);
        assert_eq!(recover(digest, &answer.signature), Some(signer));
        let id = RequestId(reply.request_id.as_ref().try_into().unwrap());
        let envelope = envelope_digest(id, &answer.sessions, &answer.payload);
        assert_eq!(recover(envelope, &answer.envelope_signature), Some(signer));
        let party = answer.party;
        let expected = Expected { party, signer, committee, user: user_address(), link, handles };
        for (at, body) in open(&answer.payload, keys, &expected).unwrap().iter().enumerate() {
            match body {
                Body::Threshold(share) => {
                    shares[at].push((party, share.iter().map(|element| Gr128::new(*element)).collect()));
                }
                Body::Central(bytes) => values.push(U256::from_le_slice(bytes)),
            }
        }
    }
    if committee.size() > 1 {
        for (handle, shares) in handles.iter().zip(shares) {
            let kind = handle.check().unwrap();
            let combined = combine_user_shares(committee, kind.squashed_blocks(), &shares).unwrap();
            values.push(Plaintext::from_digits(kind, &combined.opened.digits().unwrap()).unwrap().value());
        }
    }
    values
}

/// A ciphertext of a user's, through the dApp.
pub async fn private(world: &World, number: u8, kind: FheType, value: u64) -> (Handle, Material) {
    let handle = handle(number, kind);
    let material = world.ciphertext(handle, value).await;
    for account in [user_address(), DAPP] {
        world.chain.grant(Grant::Persistent { handle: handle.0, account });
    }
    world.chain.mine(3);
    (handle, material)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_reads_values_with_one_node_dead_and_no_node_learns_them() {
    let mut world = World::new(4);
    world.start([1, 2, 4]).await;
    let one = private(&world, 1, FheType::Uint64, 1_000_000_007).await;
    let two = private(&world, 2, FheType::Bool, 1).await;
    let (handles, materials) = ([two.0, one.0], [one.1, two.1]);
    let keys = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3)).unwrap();
    let request = user_request(&handles, keys.public().to_bytes(), unix_now() - 10, &world.cluster);
    let mut replies = Vec::new();
    for party in [1, 2, 4] {
        replies.push((party, world.ask_user(party, &request, &materials).await));
    }
    assert_eq!(combine(&world, &keys, &handles, &replies), [U256::ONE, U256::from(1_000_000_007u64)]);
    for (party, reply) in &replies {
        assert_eq!(world.ask_user(*party, &request, &materials).await.outcome, reply.outcome, "idempotent");
        let info = world.info(*party).await;
        assert_eq!((info.sessions_computed, info.sessions_running), (2, 0), "no opening among the nodes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wrong_users_and_altered_permits_get_a_typed_refusal_and_nothing_is_computed() {
    let mut world = World::new(4);
    world.start(1..=4).await;
    let (handle, material) = private(&world, 1, FheType::Uint8, 5).await;
    let keys = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3)).unwrap();
    let good = user_request(&[handle], keys.public().to_bytes(), unix_now() - 10, &world.cluster);
    let mut stranger = good.clone();
    stranger.user = crate::common::address_of(&signing_key(9));
    let stranger = permit(stranger, &world.cluster, &signing_key(9));
    let mut expired = good.clone();
    expired.start -= 2 * 86_400;
    let expired = permit(expired, &world.cluster, &crate::common::user());
    let mut altered = good.clone();
    altered.start += 1;
    let other_key = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(4)).unwrap();
    let mut redirected = good.clone();
    redirected.public_key = other_key.public().to_bytes();
    let cases = [
        (stranger, "GrantMissing"),
        (expired, "PermitExpired"),
        (altered, "PermitSignatureInvalid"),
        (redirected, "PermitSignatureInvalid"),
    ];
    for (request, expected) in &cases {
        for party in 1..=4 {
            let reply = world.ask_user(party, request, std::slice::from_ref(&material)).await;
            assert_eq!(code(&reply), *expected, "party {party}");
        }
    }
    // A value that a user may read is not thereby public
    assert_eq!(code(&ask(&world, 1, &(handle, material)).await), "GrantMissing");
    for party in 1..=4 {
        assert_eq!(world.info(party).await.sessions_computed, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_committee_of_one_serves_both_kinds() {
    let mut world = World::new(1);
    world.start([1]).await;
    let open = public(&world, 1, FheType::Uint8, 200).await;
    assert_eq!(words(&ask(&world, 1, &open).await), [U256::from(200)]);
    let (handle, material) = private(&world, 2, FheType::Uint64, 77).await;
    let keys = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3)).unwrap();
    let request = user_request(&[handle], keys.public().to_bytes(), unix_now() - 10, &world.cluster);
    let reply = world.ask_user(1, &request, &[material]).await;
    assert_eq!(combine(&world, &keys, &[handle], &[(1, reply)]), [U256::from(77)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_digest_with_a_quorum_halts_the_handle() {
    let mut world = World::new(1);
    world.start([1]).await;
    let (handle, material) = public(&world, 1, FheType::Bool, 1).await;
    assert_eq!(words(&ask(&world, 1, &(handle, material.clone())).await), [U256::ONE]);
    let other = crate::common::lwe::encrypt(&world.lwe_key, FheType::Bool, 0, 99);
    let second = crate::common::material(handle, tkms_wire::samples::digest(&other), &world.cluster.chains[0]);
    // Twice the handle is another request, so no stored answer hides the check
    let reply = world.ask_public(1, &[handle, handle], &[second], WAIT).await;
    assert_eq!(code(&reply), "MaterialConflict");
    let reply = world.ask_public(1, &[handle, handle], &[material], WAIT).await;
    assert_eq!(code(&reply), "MaterialConflict", "nobody can tell which of the two is right");
    assert_eq!(world.info(1).await.sessions_computed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_who_asks_too_often_is_refused_and_forged_requests_do_not_count() {
    let mut world = World::new(1);
    world.limit_users(2);
    world.start([1]).await;
    let (handle, material) = private(&world, 1, FheType::Bool, 1).await;
    let keys = UserKeyPair::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3)).unwrap();
    let good = user_request(&[handle], keys.public().to_bytes(), unix_now() - 10, &world.cluster);
    let mut forged = good.clone();
    forged.start += 1;
    for _ in 0..10 {
        let reply = world.ask_user(1, &forged, std::slice::from_ref(&material)).await;
        assert_eq!(code(&reply), "PermitSignatureInvalid");
    }
    let mut codes = BTreeSet::new();
    for _ in 0..30 {
        let reply = world.ask_user(1, &good, std::slice::from_ref(&material)).await;
        codes.insert(match &reply.outcome {
            Some(reply::Outcome::Refusal(refusal)) => refusal.code.clone(),
            _ => "answered".to_owned(),
        });
    }
    assert_eq!(codes, BTreeSet::from(["RateLimited".to_owned(), "answered".to_owned()]));
}
