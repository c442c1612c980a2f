//! Version 1 of the API: the same work, answered in one exchange.

use crate::common::coprocessor::Mood;
use crate::common::node::Act;
use crate::common::oracle::Setup;
use crate::common::{CONTRACT, DELEGATOR, address_of, alice, handle, now, signed, unsigned_request, user_keys};
use alloy_primitives::{Address, B256, U256, hex};
use merkle_acl::{ANY_CONTRACT, keys};
use serde_json::{Value, json};
use std::time::Duration;
use tkms_types::typed_data::{public_answer_digest, recover, user_link};
use tkms_types::{FheType, PartyId, UserRequest};
use tkms_wire::kms::RefusalClass;
use tkms_wire::relayer::{DelegatedUserDecryptRequest, UserDecryptRequest};
use tkms_wire::seal::{Expected, open};

const PUBLIC: &str = "/v1/public-decrypt";
const USER: &str = "/v1/user-decrypt";
const DELEGATED: &str = "/v1/delegated-user-decrypt";
const INPUT: &str = "/v1/input-proof";

fn public() -> Value {
    json!({ "ciphertextHandles": [handle(1, FheType::Uint64).0], "extraData": "0x00" })
}

fn input() -> Value {
    json!({
        "contractAddress": CONTRACT,
        "userAddress": address_of(&alice()),
        "ciphertextWithInputVerification": "00ff00ff",
        "contractChainId": "0x7a69",
        "extraData": "0x00",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_named_as_old_clients_read_it() {
    let setup = Setup::running().await;
    let (_, _, old) = setup.json("/v1/keyurl").await;
    let (_, _, new) = setup.json("/v2/keyurl").await;
    let key = &old["response"]["fhe_key_info"][0]["fhe_public_key"];
    assert_eq!(key["urls"], new["response"]["fheKeyInfo"][0]["fhePublicKey"]["urls"]);
    assert_eq!(key["data_id"], new["response"]["fheKeyInfo"][0]["fhePublicKey"]["dataId"]);
    assert_eq!(old["response"]["crs"]["2048"]["urls"], new["response"]["crs"]["2048"]["urls"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintexts_come_in_one_exchange_signed_by_a_quorum() {
    let setup = Setup::running().await;
    let (status, _, reply) = setup.post(PUBLIC, &public().to_string()).await;
    assert_eq!(status, 200, "{reply}");
    let answer = &reply["response"][0];
    let value = hex::decode(answer["decrypted_value"].as_str().unwrap()).unwrap();
    let words = [B256::from_slice(&value)];
    let digest = public_answer_digest(&[handle(1, FheType::Uint64).0], &words, &[], &setup.cluster.gateway);
    for signature in answer["signatures"].as_array().unwrap() {
        let signer = recover(digest, &hex::decode(signature.as_str().unwrap()).unwrap()).unwrap();
        assert!(setup.cluster.committee.iter().any(|node| node.signer == signer));
    }
    assert_eq!(answer["signatures"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_get_shares_that_open_in_one_exchange() {
    let setup = Setup::running().await;
    let request = signed(unsigned_request(), &setup.cluster);
    let body = serde_json::to_string(&UserDecryptRequest::new(&request)).unwrap();
    let (status, _, reply) = setup.post(USER, &body).await;
    assert_eq!(status, 200, "{reply}");
    assert_open(&setup, &request, &reply["response"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn delegates_get_shares_that_open_in_one_exchange() {
    let setup = Setup::running().await;
    let request = signed(UserRequest { delegator: Some(DELEGATOR), ..unsigned_request() }, &setup.cluster);
    let body = DelegatedUserDecryptRequest::new(&request, DELEGATOR);
    let (status, _, reply) = setup.post(DELEGATED, &serde_json::to_string(&body).unwrap()).await;
    assert_eq!(status, 200, "{reply}");
    assert_open(&setup, &request, &reply["response"]);
    // Alice's permit for values of her own is none for a delegate, nor this one for a user
    let own = signed(unsigned_request(), &setup.cluster);
    let own = serde_json::to_string(&DelegatedUserDecryptRequest::new(&own, DELEGATOR)).unwrap();
    let (status, _, reply) = setup.post(DELEGATED, &own).await;
    assert_eq!((status, &reply["error"]["label"]), (400, &json!("validation_failed")), "{reply}");
    let swapped = serde_json::to_string(&UserDecryptRequest::new(&request)).unwrap();
    assert_eq!(setup.post(USER, &swapped).await.0, 400);
}

/// The newest block is looked at before anybody computes: the delegate is told at once which of the two it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_that_is_missing_is_told_from_one_that_has_expired() {
    let setup = Setup::running().await;
    let delegate = address_of(&alice());
    let expires = |contract: Address, expiry: u64| {
        setup.chain().set(keys::delegation(DELEGATOR, delegate, contract), U256::from(expiry));
        setup.chain().settle();
    };
    let refused = async |code: &str, todo: &str| {
        let request = signed(UserRequest { delegator: Some(DELEGATOR), ..unsigned_request() }, &setup.cluster);
        let body = serde_json::to_string(&DelegatedUserDecryptRequest::new(&request, DELEGATOR)).unwrap();
        let (status, _, reply) = setup.post(DELEGATED, &body).await;
        assert_eq!((status, &reply["error"]["label"]), (400, &json!("not_allowed_on_host_acl")), "{code}: {reply}");
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(code) && message.contains(todo), "{message}");
    };
    expires(CONTRACT, 0);
    refused("DelegationMissing", "must call delegateForUserDecryption").await;
    expires(CONTRACT, now() - 1);
    refused("DelegationExpired", "must delegate anew").await;
    // Of two that ended, the later one is named; one for every contract that stands is enough
    let late = now() - 1;
    expires(ANY_CONTRACT, late);
    expires(CONTRACT, late - 1000);
    refused("DelegationExpired", &format!("expired at {late}")).await;
    // A new one that is not final yet is waited for
    setup.chain().set(keys::delegation(DELEGATOR, delegate, ANY_CONTRACT), U256::from(now() + 1000));
    let request = signed(UserRequest { delegator: Some(DELEGATOR), ..unsigned_request() }, &setup.cluster);
    let body = serde_json::to_string(&DelegatedUserDecryptRequest::new(&request, DELEGATOR)).unwrap();
    let final_later = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        setup.chain().settle();
    };
    let ((status, _, reply), ()) = tokio::join!(setup.post(DELEGATED, &body), final_later);
    assert_eq!(status, 200, "{reply}");
}

/// A quorum of shares, each readable by who asked.
fn assert_open(setup: &Setup, request: &UserRequest, shares: &Value) {
    let shares = shares.as_array().unwrap();
    assert!(shares.len() >= 3);
    let handles = [request.pairs[0].handle];
    for share in shares {
        let party = PartyId::new(u8::try_from(share["party"].as_u64().unwrap()).unwrap()).unwrap();
        let expected = Expected {
            party,
            signer: setup.cluster.committee[party.index()].signer,
            committee: setup.cluster.size().unwrap(),
            user: request.user,
            link: user_link(&request.public_key, &[handles[0].0], request.user, &setup.cluster.gateway),
            handles: &handles,
        };
        open(&hex::decode(share["payload"].as_str().unwrap()).unwrap(), &user_keys(), &expected).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_are_signed_or_refused_in_one_exchange() {
    let setup = Setup::running().await;
    let (status, _, reply) = setup.post(INPUT, &input().to_string()).await;
    assert_eq!((status, reply["response"]["handles"].as_array().unwrap().len()), (200, 1), "{reply}");
    setup.coprocessor.mood(Mood::BadProof);
    let mut other = input();
    other["ciphertextWithInputVerification"] = json!("0001");
    let (status, _, reply) = setup.post(INPUT, &other.to_string()).await;
    assert_eq!((status, &reply["error"]["label"]), (400, &json!("validation_failed")), "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("encrypt again"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_computed_yet_is_waited_for() {
    let setup = Setup::running().await;
    setup.coprocessor.mood(Mood::Computing);
    let ready = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        setup.coprocessor.mood(Mood::Ready);
    };
    let body = public().to_string();
    let ((status, _, reply), ()) = tokio::join!(setup.post(PUBLIC, &body), ready);
    assert_eq!(status, 200, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_finds_its_job_later_and_over_a_restart() {
    let mut setup = Setup::running().await;
    setup.coprocessor.mood(Mood::Computing);
    let body = public().to_string();
    let left = tokio::time::timeout(Duration::from_millis(500), setup.post(PUBLIC, &body)).await;
    assert!(left.is_err(), "answered without a ciphertext");
    setup.stop().await;
    setup.start().await;
    setup.coprocessor.mood(Mood::Ready);
    let (status, _, reply) = setup.post(PUBLIC, &body).await;
    assert_eq!(status, 200, "{reply}");
    // The same request is the same job in both versions
    let job = setup.job("/v2/public-decrypt", &public()).await;
    assert_eq!(setup.outcome("/v2/public-decrypt", &job).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_label_request_and_what_to_do() {
    let setup = Setup::running().await;
    for node in &setup.nodes {
        node.act(Act::Refuses(RefusalClass::Permanent, "DelegationExpired"));
    }
    let (status, _, reply) = setup.post(PUBLIC, &public().to_string()).await;
    assert_eq!((status, &reply["error"]["label"]), (400, &json!("not_allowed_on_host_acl")), "{reply}");
    assert!(reply["requestId"].is_string());
    let message = reply["error"]["message"].as_str().unwrap();
    assert!(message.contains("DelegationExpired here") && message.contains("must delegate anew"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_and_other_routes_are_named() {
    let setup = Setup::running().await;
    for (path, body, label) in [
        (PUBLIC, "{", "malformed_json"),
        (PUBLIC, "{}", "missing_fields"),
        (PUBLIC, "{\"ciphertextHandles\":[],\"extraData\":\"0x00\"}", "validation_failed"),
        (USER, "{}", "missing_fields"),
        (DELEGATED, "{}", "missing_fields"),
        (INPUT, "[]", "validation_failed"),
    ] {
        let (status, _, reply) = setup.post(path, body).await;
        assert_eq!((status, &reply["error"]["label"]), (400, &json!(label)), "{path} {body}: {reply}");
    }
    // Version 1 has no jobs
    assert_eq!(setup.json(&format!("{PUBLIC}/{}", B256::ZERO)).await.0, 404);
    assert_eq!(setup.json(PUBLIC).await.0, 400);
}
