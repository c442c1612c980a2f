//! What callers can rely on over time: jobs over restarts, connections over pauses, other shares when asked again.

use crate::common::coprocessor::Mood;
use crate::common::node::Act;
use crate::common::oracle::Setup;
use crate::common::{CONTRACT, DELEGATOR, address_of, alice, handle, node_key, rng, signed, unsigned_request};
use alloy_primitives::hex;
use serde_json::{Value, json};
use std::time::Duration;
use tkms_oracle::server::IDLE;
use tkms_types::typed_data::user_link;
use tkms_types::{FheType, HandlePair, PartyId, UserRequest};
use tkms_wire::relayer::{DelegatedUserDecryptRequest, UserDecryptRequest};
use tkms_wire::seal::{Expected, open};
use tkms_wire::user_payload::UserKeyPair;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PUBLIC: &str = "/v2/public-decrypt";
const USER: &str = "/v2/user-decrypt";
const DELEGATED: &str = "/v2/delegated-user-decrypt";
const INPUT: &str = "/v2/input-proof";
/// How long the official client may prove before it posts on the connection it has, and more.
const PROVING: Duration = Duration::from_secs(62);

/// A request for every route that makes jobs.
fn requests(setup: &Setup) -> [(&'static str, Value); 4] {
    let own = signed(unsigned_request(), &setup.cluster);
    let delegated = signed(UserRequest { delegator: Some(DELEGATOR), ..unsigned_request() }, &setup.cluster);
    let input = json!({
        "contractAddress": CONTRACT,
        "userAddress": address_of(&alice()),
        "ciphertextWithInputVerification": "00ff00ff",
        "contractChainId": "0x7a69",
        "extraData": "0x00",
    });
    [
        (INPUT, input),
        (PUBLIC, json!({ "ciphertextHandles": [handle(1, FheType::Uint64).0], "extraData": "0x00" })),
        (USER, serde_json::to_value(UserDecryptRequest::new(&own)).unwrap()),
        (DELEGATED, serde_json::to_value(DelegatedUserDecryptRequest::new(&delegated, DELEGATOR)).unwrap()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_every_kind_survive_restarts_before_and_after_their_end() {
    let mut setup = Setup::running().await;
    setup.coprocessor.mood(Mood::Broken);
    let mut jobs = Vec::new();
    for (path, body) in requests(&setup) {
        jobs.push((path, setup.job(path, &body).await));
    }
    setup.stop().await;
    setup.start().await;
    for (path, job) in &jobs {
        let (status, retry, reply) = setup.json(&format!("{path}/{job}")).await;
        assert_eq!((status, retry.as_deref()), (202, Some("1")), "{path}: {reply}");
    }
    setup.coprocessor.mood(Mood::Ready);
    for (path, job) in &jobs {
        let (status, reply) = setup.outcome(path, job).await;
        assert_eq!(status, 200, "{path}: {reply}");
    }
    setup.stop().await;
    setup.start().await;
    // Nobody could answer any more
    setup.coprocessor.mood(Mood::Broken);
    setup.nodes.iter().for_each(|node| node.kill());
    for (path, job) in &jobs {
        let (status, _, reply) = setup.json(&format!("{path}/{job}")).await;
        assert_eq!((status, &reply["status"]), (200, &json!("succeeded")), "{path}: {reply}");
    }
}

/// One exchange on a connection that stays open; the status line.
async fn exchange(connection: &mut TcpStream) -> String {
    connection.write_all(b"GET /livez HTTP/1.1\r\nhost: relayer\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(connection.read(&mut byte).await.unwrap(), 1, "the relayer hung up");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_be_silent_for_longer_than_a_proof_takes() {
    const { assert!(IDLE.as_secs() > PROVING.as_secs()) }
    let setup = Setup::running().await;
    let mut connection = TcpStream::connect(("127.0.0.1", setup.port)).await.unwrap();
    assert_eq!(exchange(&mut connection).await, "HTTP/1.1 200 OK");
    tokio::time::sleep(PROVING).await;
    assert_eq!(exchange(&mut connection).await, "HTTP/1.1 200 OK");
}

/// Whether every share of an answer can be opened, as the official client demands.
fn all_open(setup: &Setup, request: &UserRequest, keys: &UserKeyPair, shares: &Value) -> bool {
    let handles = [request.pairs[0].handle];
    let link = user_link(&request.public_key, &[handles[0].0], request.user, &setup.cluster.gateway);
    shares.as_array().unwrap().iter().all(|share| {
        let party = PartyId::new(u8::try_from(share["party"].as_u64().unwrap()).unwrap()).unwrap();
        let expected = Expected {
            party,
            signer: address_of(&node_key(party.number())),
            committee: setup.cluster.size().unwrap(),
            user: request.user,
            link,
            handles: &handles,
        };
        open(&hex::decode(share["payload"].as_str().unwrap()).unwrap(), keys, &expected).is_ok()
    })
}

/// The relayer cannot see that an answer is rubbish inside: its node has signed it, and it is sealed to the user. The
/// official client gives up on it, and front ends make a new key for every try.
#[tokio::test(flavor = "multi_thread")]
async fn one_signed_answer_that_cannot_be_opened_costs_at_most_four_more_tries() {
    let setup = Setup::running().await;
    let mut rng = rng();
    for bad in 1..=4 {
        let node = &setup.nodes[usize::from(bad) - 1];
        node.act(Act::Unreadable);
        let pair = HandlePair { handle: handle(bad, FheType::Uint64), contract: CONTRACT };
        let mut tries = Vec::new();
        for _ in 0..5 {
            let keys = UserKeyPair::generate(&mut rng).unwrap();
            let public_key = keys.public().to_bytes();
            let request = UserRequest { pairs: vec![pair], public_key, ..unsigned_request() };
            let request = signed(request, &setup.cluster);
            let job = setup.job(USER, &serde_json::to_value(UserDecryptRequest::new(&request)).unwrap()).await;
            let all =
                async || (setup.status(&job).await["nodes"].to_string().matches("answered").count() == 4).then_some(());
            setup.wait("all nodes have answered", all).await;
            let (status, reply) = setup.outcome(USER, &job).await;
            assert_eq!(status, 200, "{reply}");
            tries.push(all_open(&setup, &request, &keys, &reply["result"]["result"]));
        }
        assert!(!tries[0], "the first answer holds every share, the bad one too");
        assert!(tries.contains(&true), "node {bad} blocks the user: {tries:?}");
        node.act(Act::Honest);
    }
}
