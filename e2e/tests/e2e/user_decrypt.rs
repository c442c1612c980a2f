//! Users read their own values: encrypted by our client, computed on chain, shares combined by our client.

use crate::devnet;
use alloy_primitives::{Address, U256};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tkms_client::{Assurance, Client, Config, Permit, PermitTerms, Trust};
use tkms_e2e::actors::{Actor, send};
use tkms_e2e::devnet::Devnet;
use tkms_e2e::nodes;
use tkms_eth::LocalKey;
use tkms_types::transcript::Protocol;
use tkms_types::{FheType, Handle, HandlePair, Plaintext, typed_data};
use tkms_wire::kms::reply::Outcome;
use tkms_wire::request::Call;
use tkms_wire::seal::{Expected, open};
use tkms_wire::user_payload::Body;

fn client(devnet: &Devnet) -> Client {
    let trust = Trust::from_cluster(&devnet.cluster, devnet.deployment.chain_id).unwrap();
    Client::new(Config::new(devnet.deployment.relayer_url.clone()), trust).unwrap()
}

fn permit(client: &Client, reader: &Actor, contract: Address) -> Permit {
    let wallet = LocalKey::from_bytes(&reader.signer.to_bytes().0).unwrap();
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 60;
    let terms = PermitTerms { contracts: vec![contract], start, days: 1, delegator: None };
    Permit::sign(terms, &wallet, client.trust(), &mut rand::rng()).unwrap()
}

/// Allows the reader on all values the probe made; pairs for a request.
async fn allow_all(owner: &Actor, reader: Address) -> Vec<HandlePair> {
    let count = owner.probe.count().call().await.unwrap().to::<u64>();
    let mut pairs = Vec::new();
    for index in (0..count).map(U256::from) {
        send(&owner.provider, owner.probe.allowUser(index, reader).into_transaction_request()).await;
        let handle = Handle(owner.probe.made(index).call().await.unwrap());
        pairs.push(HandlePair { handle, contract: *owner.probe.address() });
    }
    pairs
}

fn values(found: &[Plaintext]) -> Vec<U256> {
    found.iter().map(Plaintext::value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_reads_every_type() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 7).await;
    let account = Address::repeat_byte(0x3c);
    for call in [
        alice.probe.makeBool(true).into_transaction_request(),
        alice.probe.makeUint8(99).into_transaction_request(),
        alice.probe.makeUint64(1 << 63).into_transaction_request(),
        alice.probe.makeAddress(account).into_transaction_request(),
    ] {
        send(&alice.provider, call).await;
    }
    let pairs = allow_all(&alice, alice.address()).await;
    let client = client(&devnet);
    let found = client.user_decrypt(&permit(&client, &alice, *alice.probe.address()), &pairs).await.unwrap();
    let expected = [U256::ONE, U256::from(99), U256::from(1_u64 << 63), U256::from_be_slice(account.as_slice())];
    assert_eq!(values(&found.values), expected);
    assert_eq!(found.assurance, Assurance::Proven);
    assert!(found.blamed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_input_comes_back_to_its_owner_and_with_one_node_dead() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 7).await;
    let client = client(&devnet);
    let keys = Arc::new(client.keys().await.unwrap());
    let secret = Plaintext::new(FheType::Uint64, U256::from(0xdead_beef_1234_u64)).unwrap();
    let contract = *alice.probe.address();
    let input = client.encrypt(&keys, &[secret], contract, alice.address()).await.unwrap();
    let make = alice.probe.makeUint64From(input.handles[0].0, input.proof);
    send(&alice.provider, make.into_transaction_request()).await;
    let pairs = allow_all(&alice, alice.address()).await;
    devnet.kill_node(1);
    let found = client.user_decrypt(&permit(&client, &alice, contract), &pairs).await.unwrap();
    assert_eq!(values(&found.values), [U256::from(0xdead_beef_1234_u64)]);
    devnet.restart_node(1);
    nodes::all_ready(&devnet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_for_another_contract_is_refused_on_chain() {
    let devnet = devnet().await;
    let (alice, bob) = (Actor::new(&devnet, 7).await, Actor::new(&devnet, 8).await);
    let client = client(&devnet);
    let keys = Arc::new(client.keys().await.unwrap());
    let secret = Plaintext::new(FheType::Uint64, U256::from(5)).unwrap();
    let input = client.encrypt(&keys, &[secret], *alice.probe.address(), alice.address()).await.unwrap();
    let elsewhere = bob.probe.makeUint64From(input.handles[0].0, input.proof.clone());
    assert!(elsewhere.call().await.is_err(), "an input for Alice's contract was taken by Bob's");
    let stolen = alice.probe.makeUint64From(input.handles[0].0, input.proof).from(bob.address());
    assert!(stolen.call().await.is_err(), "Alice's input was taken from Bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_a_refusal_that_says_why() {
    let devnet = devnet().await;
    let (alice, mallory) = (Actor::new(&devnet, 7).await, Actor::new(&devnet, 8).await);
    send(&alice.provider, alice.probe.makeUint8(7).into_transaction_request()).await;
    let pairs = allow_all(&alice, alice.address()).await;
    let client = client(&devnet);
    let refused = client.user_decrypt(&permit(&client, &mallory, *alice.probe.address()), &pairs).await;
    let error = refused.expect_err("Mallory read Alice's value").to_string();
    assert!(error.contains("GrantMissing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_value_comes_with_a_proof_that_the_contract_accepts() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 7).await;
    send(&alice.provider, alice.probe.makeUint64(31_337).into_transaction_request()).await;
    send(&alice.provider, alice.probe.publish(vec![U256::ZERO]).into_transaction_request()).await;
    let handle = Handle(alice.probe.made(U256::ZERO).call().await.unwrap());
    let found = client(&devnet).public_decrypt(&[handle]).await.unwrap();
    assert_eq!(values(&found.values), [U256::from(31_337)]);
    let valid = alice.probe.isValid(vec![U256::ZERO], found.cleartexts.clone(), found.proof.clone());
    assert!(valid.call().await.unwrap());
    let mut other = found.cleartexts.to_vec();
    other[31] ^= 1;
    let forged = alice.probe.isValid(vec![U256::ZERO], other.into(), found.proof);
    assert!(!forged.call().await.is_ok_and(|valid| valid), "a forged plaintext was accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_ciphertext_asked_ten_times_shows_one_sharing() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 7).await;
    send(&alice.provider, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    let pairs = allow_all(&alice, alice.address()).await;
    let (handle, contract) = (pairs[0].handle, pairs[0].contract);
    let material = nodes::material(&devnet, handle).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    let client = client(&devnet);
    let gateway = &devnet.cluster.gateway;
    let mut shares = Vec::new();
    for _ in 0..10 {
        // Another key each time: another request, and nothing a node could answer from its store.
        let permit = permit(&client, &alice, contract);
        let request = permit.request(&pairs);
        let link = typed_data::user_link(&request.public_key, &[handle.0], alice.address(), gateway);
        let (materials, wait) = (vec![material.clone()], Duration::from_secs(10));
        let mut call = Call { request, materials, evidence: None, finality: None, wait, label: String::new() };
        tkms_e2e::evidence::prove_user(&devnet, &mut call).await;
        let mut bodies = Vec::new();
        for (node, reply) in devnet.cluster.committee.iter().zip(nodes::user_decrypt(&devnet, &(&call).into()).await) {
            let Some(Outcome::UserAnswer(answer)) = reply.outcome else { panic!("no answer: {:?}", reply.outcome) };
            let expected = Expected {
                party: node.party_id,
                signer: node.signer,
                committee: devnet.cluster.size().unwrap(),
                user: alice.address(),
                link,
                handles: &[handle],
            };
            bodies.push(open(&answer.payload, permit.keys(), &expected).unwrap());
        }
        shares.push(bodies);
    }
    assert!(shares.iter().all(|bodies| *bodies == shares[0]), "two answers differ: together they say more than one");
    // Under `flood` the mask fills the words; under `exact` a share says nothing below the message's five bits.
    let words = shares[0].iter().flatten().flat_map(|body| match body {
        Body::Threshold(elements) => elements.as_flattened(),
        Body::Central(_) => panic!("a committee of four sends shares"),
    });
    let bare = words.filter(|word| **word << 5 == 0).count();
    let of = shares[0].len() * Body::elements(FheType::Uint64) * 4;
    assert_eq!(bare, if tkms_e2e::protocol() == Protocol::Exact { of } else { 0 });
}
