//! The HTTP API as the official client meets it: shapes, labels, statuses, headers.

use crate::common::coprocessor::Mood;
use crate::common::node::Act;
use crate::common::oracle::Setup;
use crate::common::{
    CONTRACT, CRS, PUBLIC_KEY, address_of, alice, handle, node_key, now, rng, signed, unsigned_request, user_keys,
};
use alloy_primitives::{Address, B256, Bytes, hex};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tkms_types::typed_data::{public_answer_digest, recover, user_link};
use tkms_types::{FheType, HandlePair, PartyId, UserRequest};
use tkms_wire::relayer::{DelegatedUserDecryptRequest, UserDecryptRequest};
use tkms_wire::seal::{Expected, open};
use tkms_wire::signature::sign;
use tkms_wire::user_payload::{Body, UserKeyPair};

const PUBLIC: &str = "/v2/public-decrypt";
const USER: &str = "/v2/user-decrypt";
const DELEGATED: &str = "/v2/delegated-user-decrypt";
const INPUT: &str = "/v2/input-proof";

fn public() -> Value {
    json!({ "ciphertextHandles": [handle(1, FheType::Uint64).0, handle(2, FheType::Bool).0], "extraData": "0x00" })
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

fn body(request: &UserRequest) -> Value {
    serde_json::to_value(UserDecryptRequest::new(request)).unwrap()
}

fn with(mut value: Value, field: &str, new: Value) -> Value {
    value[field] = new;
    value
}

fn without(mut value: Value, field: &str) -> Value {
    value.as_object_mut().unwrap().remove(field);
    value
}

/// Posts what must be turned away and checks status, label and form of the error.
async fn refused(setup: &Setup, path: &str, body: &str, status: u16, label: &str) {
    let (found, _, reply) = setup.post(path, body).await;
    let shown = &body[..body.len().min(300)];
    assert_eq!(found, status, "{shown}: {reply}");
    assert_eq!(reply["status"], "failed");
    assert_eq!(reply["error"]["label"], label, "{shown}: {reply}");
    assert_ne!(reply["error"]["message"], "");
    let detailed = ["validation_failed", "missing_fields"].contains(&label);
    assert_eq!(reply["error"]["details"].is_array(), detailed, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn public_decryption_speaks_the_job_protocol() {
    let setup = Setup::running().await;
    let (status, retry, reply) = setup.post(PUBLIC, &public().to_string()).await;
    assert_eq!((status, retry.as_deref(), reply["status"].as_str()), (202, Some("1"), Some("queued")), "{reply}");
    let job = reply["result"]["jobId"].as_str().unwrap();
    assert!(reply["requestId"].is_string());
    let (status, reply) = setup.outcome(PUBLIC, job).await;
    assert_eq!((status, reply["status"].as_str()), (200, Some("succeeded")));
    let result = &reply["result"];
    // Request extraData 0x00 is answered and signed as empty.
    assert_eq!(result["extraData"], "0x");
    let value: Bytes = hex::decode(result["decryptedValue"].as_str().unwrap()).unwrap().into();
    assert_eq!(value.len(), 64);
    let words: Vec<B256> = value.chunks(32).map(B256::from_slice).collect();
    let handles = [handle(1, FheType::Uint64).0, handle(2, FheType::Bool).0];
    let digest = public_answer_digest(&handles, &words, &[], &setup.cluster.gateway);
    let signers: Vec<Address> = result["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| recover(digest, &hex::decode(text.as_str().unwrap()).unwrap()).unwrap())
        .collect();
    assert_eq!(signers.len(), 3);
    assert!(signers.is_sorted_by_key(|signer| setup.cluster.committee.iter().position(|node| node.signer == *signer)));
    assert!(!result["signatures"][0].as_str().unwrap().starts_with("0x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_running_job_says_queued_without_a_result() {
    let setup = Setup::running().await;
    setup.coprocessor.mood(Mood::Computing);
    let job = setup.job(PUBLIC, &public()).await;
    let (status, retry, reply) = setup.json(&format!("{PUBLIC}/{job}")).await;
    assert_eq!((status, retry.as_deref(), reply["status"].as_str()), (202, Some("1"), Some("queued")));
    assert!(reply.get("result").is_none(), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn named_context_is_checked_and_echoed() {
    let setup = Setup::running().await;
    let context = format!("0x01{}", hex::encode(setup.cluster.context.bytes()));
    let job = setup.job(PUBLIC, &with(public(), "extraData", json!(context))).await;
    let (_, reply) = setup.outcome(PUBLIC, &job).await;
    assert_eq!(reply["result"]["extraData"], context, "{reply}");
    for bad in ["0x02", "0x0107", &format!("{context}00"), &format!("0x01{}", "07".repeat(32))] {
        refused(&setup, PUBLIC, &with(public(), "extraData", json!(bad)).to_string(), 400, "validation_failed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_public_requests_are_named() {
    let setup = Setup::running().await;
    let chain = |id: u64| tkms_types::Handle::new(B256::repeat_byte(1), 0xff, id, FheType::Bool).0;
    let good = handle(1, FheType::Uint64).0;
    let odd_type = B256::from_slice(&[&good[..30], &[1, 0]].concat());
    let odd_version = B256::from_slice(&[&good[..31], &[1]].concat());
    let wide = vec![handle(1, FheType::Uint256).0; 9];
    let many = vec![handle(1, FheType::Bool).0; 1025];
    for (body, label) in [
        ("{".to_owned(), "malformed_json"),
        ("[1".to_owned(), "validation_failed"),
        ("".to_owned(), "malformed_json"),
        ("7".to_owned(), "validation_failed"),
        (without(public(), "extraData").to_string(), "missing_fields"),
        (without(public(), "ciphertextHandles").to_string(), "missing_fields"),
        (with(public(), "more", json!(1)).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!([])).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!(["0x1234"])).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!("0x")).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!([odd_type])).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!([odd_version])).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!([chain(1)])).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!([good, chain(1)])).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!(wide)).to_string(), "validation_failed"),
        (with(public(), "ciphertextHandles", json!(many)).to_string(), "validation_failed"),
        (with(public(), "extraData", json!("zz")).to_string(), "validation_failed"),
        (" ".repeat(300 * 1024), "request_error"),
    ] {
        refused(&setup, PUBLIC, &body, 400, label).await;
    }
    assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), 0);
    assert_eq!(setup.coprocessor.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_gets_shares_that_open() {
    let setup = Setup::running().await;
    let request = signed(unsigned_request(), &setup.cluster);
    let job = setup.job(USER, &body(&request)).await;
    let (status, reply) = setup.outcome(USER, &job).await;
    assert_eq!(status, 200, "{reply}");
    let shares = reply["result"]["result"].as_array().unwrap();
    assert!(shares.len() >= 3);
    let handles = [request.pairs[0].handle];
    let link = user_link(&request.public_key, &[handles[0].0], request.user, &setup.cluster.gateway);
    for share in shares {
        let party = u8::try_from(share["party"].as_u64().unwrap()).unwrap();
        let payload = hex::decode(share["payload"].as_str().unwrap()).unwrap();
        assert!(!share["payload"].as_str().unwrap().starts_with("0x"));
        assert_eq!(share["signature"].as_str().unwrap().len(), 130);
        assert_eq!(share["sessions"].as_array().unwrap().len(), 1);
        assert_eq!(share["envelopeSignature"].as_str().unwrap().len(), 130);
        let expected = Expected {
            party: PartyId::new(party).unwrap(),
            signer: address_of(&node_key(party)),
            committee: setup.cluster.size().unwrap(),
            user: request.user,
            link,
            handles: &handles,
        };
        let bodies = open(&payload, &user_keys(), &expected).unwrap();
        assert_eq!(bodies, [Body::Threshold(vec![[party.into(); 4]; 4])]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_again_a_user_is_served_each_quorum_in_turn() {
    let setup = Setup::running().await;
    let request = signed(unsigned_request(), &setup.cluster);
    let job = setup.job(USER, &body(&request)).await;
    let parties = async || -> Vec<u64> {
        let (_, reply) = setup.outcome(USER, &job).await;
        reply["result"]["result"].as_array().unwrap().iter().map(|share| share["party"].as_u64().unwrap()).collect()
    };
    setup.wait("all four shares are there", async || (parties().await.len() == 4).then_some(())).await;
    let mut left_out = Vec::new();
    for _ in 0..4 {
        assert_eq!(setup.job(USER, &body(&request)).await, job);
        let served = parties().await;
        assert_eq!(served.len(), 3);
        left_out.extend((1..=4).filter(|party| !served.contains(party)));
    }
    left_out.sort_unstable();
    assert_eq!(left_out, [1, 2, 3, 4]);
    assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), 1);
}

/// The official client gives up on one share it cannot open, and front ends make a new key for every try.
#[tokio::test(flavor = "multi_thread")]
async fn asked_again_under_a_new_key_a_user_is_served_another_quorum() {
    let setup = Setup::running().await;
    let mut rng = rng();
    let mut left_out = Vec::new();
    for round in 0..5 {
        let public_key = UserKeyPair::generate(&mut rng).unwrap().public().to_bytes();
        let request = signed(UserRequest { public_key, ..unsigned_request() }, &setup.cluster);
        let job = setup.job(USER, &body(&request)).await;
        // Four shares are there when all nodes have answered
        let all =
            async || (setup.status(&job).await["nodes"].to_string().matches("answered").count() == 4).then_some(());
        setup.wait("all nodes have answered", all).await;
        let (_, reply) = setup.outcome(USER, &job).await;
        let shares = reply["result"]["result"].as_array().unwrap().clone();
        assert_eq!(shares.len(), if round == 0 { 4 } else { 3 });
        left_out.extend((1..=4).filter(|party| shares.iter().all(|share| share["party"] != *party)));
        // The same job shows the same set
        assert_eq!(setup.outcome(USER, &job).await.1["result"]["result"], json!(shares));
    }
    left_out.sort_unstable();
    assert_eq!(left_out, [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_permits_are_refused_before_anybody_works() {
    let setup = Setup::running().await;
    let good = unsigned_request;
    let user = address_of(&alice());
    let stranger = signed(good(), &setup.cluster).signature;
    let pair = |contract| HandlePair { handle: handle(1, FheType::Uint64), contract };
    let mut high_s = signed(good(), &setup.cluster);
    high_s.signature = [&high_s.signature[..32], &[0xff; 32], &[27]].concat().into();
    let foreign = sign(&node_key(1), B256::repeat_byte(1)).unwrap();
    let cases: Vec<(&str, UserRequest)> = vec![
        ("signature", UserRequest { signature: foreign.into(), ..good() }),
        ("signature", UserRequest { signature: stranger, days: 11, ..good() }),
        ("signature", UserRequest { signature: vec![0; 65].into(), ..good() }),
        ("signature", UserRequest { signature: vec![1; 64].into(), ..good() }),
        ("signature", high_s),
        ("signature", UserRequest { user: Address::repeat_byte(3), ..signed(good(), &setup.cluster) }),
        ("requestValidity", signed(UserRequest { start: now() - 20 * 86_400, ..good() }, &setup.cluster)),
        ("requestValidity", signed(UserRequest { start: now() + 3_600, ..good() }, &setup.cluster)),
        ("requestValidity", signed(UserRequest { start: u64::MAX, ..good() }, &setup.cluster)),
        ("requestValidity", signed(UserRequest { days: 0, ..good() }, &setup.cluster)),
        ("requestValidity", signed(UserRequest { days: 366, ..good() }, &setup.cluster)),
        (
            "contractAddresses",
            signed(UserRequest { contracts: vec![Address::repeat_byte(7)], ..good() }, &setup.cluster),
        ),
        ("contractAddresses", signed(UserRequest { contracts: vec![CONTRACT, CONTRACT], ..good() }, &setup.cluster)),
        (
            "contractAddresses",
            signed(UserRequest { contracts: vec![CONTRACT, Address::ZERO], ..good() }, &setup.cluster),
        ),
        (
            "contractAddresses",
            signed(UserRequest { contracts: vec![user], pairs: vec![pair(user)], ..good() }, &setup.cluster),
        ),
        ("contractAddresses", signed(UserRequest { contracts: vec![], ..good() }, &setup.cluster)),
        ("publicKey", signed(UserRequest { public_key: vec![0; 869].into(), ..good() }, &setup.cluster)),
        ("publicKey", signed(UserRequest { public_key: vec![0; 868].into(), ..good() }, &setup.cluster)),
        ("handleContractPairs", signed(UserRequest { pairs: vec![], ..good() }, &setup.cluster)),
        ("extraData", signed(UserRequest { extra_data: vec![9].into(), ..good() }, &setup.cluster)),
    ];
    for (position, (field, request)) in cases.iter().enumerate() {
        let (status, _, reply) = setup.post(USER, &body(request).to_string()).await;
        assert_eq!(status, 400, "case {position}: {reply}");
        assert_eq!(reply["error"]["label"], "validation_failed", "case {position}: {reply}");
        let found = reply["error"]["details"][0]["field"].as_str().unwrap();
        assert!(found == *field || (*field == "extraData" && found == "handles"), "case {position}: {reply}");
    }
    assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), 0);
    assert_eq!(setup.coprocessor.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_numbers_where_the_client_sends_strings_are_refused() {
    let setup = Setup::running().await;
    let request = body(&signed(unsigned_request(), &setup.cluster));
    for body in [
        with(request.clone(), "contractsChainId", json!(31337)),
        with(request.clone(), "contractsChainId", json!("1")),
        with(request.clone(), "contractsChainId", json!("0x7a69")),
        with(request.clone(), "requestValidity", json!({ "startTimestamp": 1, "durationDays": "1" })),
        with(request.clone(), "requestValidity", json!({ "startTimestamp": "-1", "durationDays": "1" })),
        with(request.clone(), "requestValidity", json!({ "startTimestamp": "1", "durationDays": "70000" })),
        with(request, "userAddress", json!("0x12")),
    ] {
        refused(&setup, USER, &body.to_string(), 400, "validation_failed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delegate_gets_shares_under_the_delegated_struct_only() {
    let setup = Setup::running().await;
    let delegator = Address::repeat_byte(0xd1);
    let request = signed(UserRequest { delegator: Some(delegator), ..unsigned_request() }, &setup.cluster);
    let delegated = serde_json::to_value(DelegatedUserDecryptRequest::new(&request, delegator)).unwrap();
    let job = setup.job(DELEGATED, &delegated).await;
    let (status, reply) = setup.outcome(DELEGATED, &job).await;
    assert_eq!(status, 200, "{reply}");
    // A job belongs to its route.
    assert_eq!(setup.json(&format!("{USER}/{job}")).await.0, 404);
    // A user's own permit is none for a delegate, nor the other way round.
    let own = signed(unsigned_request(), &setup.cluster);
    let own = serde_json::to_value(DelegatedUserDecryptRequest::new(&own, delegator)).unwrap();
    refused(&setup, DELEGATED, &own.to_string(), 400, "validation_failed").await;
    refused(&setup, USER, &body(&request).to_string(), 400, "validation_failed").await;
    let myself = signed(UserRequest { delegator: Some(request.user), ..unsigned_request() }, &setup.cluster);
    let myself = serde_json::to_value(DelegatedUserDecryptRequest::new(&myself, request.user)).unwrap();
    refused(&setup, DELEGATED, &myself.to_string(), 400, "validation_failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_jobs_routes_and_methods_are_failures_the_client_can_read() {
    let setup = Setup::running().await;
    for path in [PUBLIC, USER, DELEGATED, INPUT] {
        for job in ["1", "0x12", &B256::repeat_byte(1).to_string(), "..%2f..%2fetc"] {
            let (status, _, reply) = setup.json(&format!("{path}/{job}")).await;
            assert_eq!((status, reply["error"]["label"].as_str()), (404, Some("not_found")), "{path}/{job}");
        }
    }
    assert_eq!(setup.json("/v2/nothing").await.2["error"]["label"], "not_found");
    assert_eq!(setup.json("/v1/requests/0x77").await.0, 404);
    let (status, _, reply) = setup.json(PUBLIC).await;
    assert_eq!((status, reply["error"]["label"].as_str()), (400, Some("request_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn input_is_signed_by_a_quorum_and_the_same_input_is_the_same_job() {
    let setup = Setup::running().await;
    let job = setup.job(INPUT, &input()).await;
    let (status, reply) = setup.outcome(INPUT, &job).await;
    assert_eq!(status, 200, "{reply}");
    let result = &reply["result"];
    assert_eq!((&result["accepted"], &result["extraData"]), (&json!(true), &json!("0x00")));
    assert_eq!(result["handles"].as_array().unwrap().len(), 1);
    assert_eq!(result["signatures"][0].as_str().unwrap().len(), 132);
    let asked = setup.coprocessor.asked.load(Ordering::Relaxed);
    assert_eq!(setup.job(INPUT, &input()).await, job);
    assert_eq!(setup.outcome(INPUT, &job).await.0, 200);
    assert_eq!(setup.coprocessor.asked.load(Ordering::Relaxed), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_whose_proof_fails_is_not_accepted_and_malformed_one_is_an_error() {
    let setup = Setup::running().await;
    setup.coprocessor.mood(Mood::BadProof);
    let job = setup.job(INPUT, &input()).await;
    let (status, reply) = setup.outcome(INPUT, &job).await;
    assert_eq!((status, &reply["result"]["accepted"]), (200, &json!(false)), "{reply}");
    setup.coprocessor.mood(Mood::Malformed);
    // Refusals are not cached.
    assert_eq!(setup.job(INPUT, &input()).await, job);
    let (status, reply) = setup.outcome(INPUT, &job).await;
    assert_eq!((status, reply["error"]["label"].as_str()), (400, Some("validation_failed")), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_waits_for_coprocessors_that_fail_or_are_strangers_even_over_a_restart() {
    let mut setup = Setup::running().await;
    setup.coprocessor.mood(Mood::Stranger);
    let job = setup.job(INPUT, &input()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(setup.json(&format!("{INPUT}/{job}")).await.0, 202);
    setup.stop().await;
    setup.coprocessor.mood(Mood::Broken);
    setup.start().await;
    assert_eq!(setup.json(&format!("{INPUT}/{job}")).await.0, 202);
    setup.coprocessor.mood(Mood::Ready);
    let (status, reply) = setup.outcome(INPUT, &job).await;
    assert_eq!((status, &reply["result"]["accepted"]), (200, &json!(true)), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_inputs_are_named() {
    let setup = Setup::running().await;
    for (body, label) in [
        (without(input(), "userAddress"), "missing_fields"),
        (with(input(), "contractChainId", json!("0x1")), "validation_failed"),
        (with(input(), "contractChainId", json!(31337)), "validation_failed"),
        (with(input(), "ciphertextWithInputVerification", json!("")), "validation_failed"),
        (with(input(), "ciphertextWithInputVerification", json!("0g")), "validation_failed"),
        (with(input(), "ciphertextWithInputVerification", json!("00".repeat(512 * 1024 + 1))), "validation_failed"),
        (with(input(), "extraData", json!(format!("0x{}", "00".repeat(200)))), "validation_failed"),
        (with(input(), "unknown", json!(null)), "validation_failed"),
    ] {
        refused(&setup, INPUT, &body.to_string(), 400, label).await;
    }
    refused(&setup, INPUT, &" ".repeat(3 * 1024 * 1024), 400, "request_error").await;
    assert_eq!(setup.coprocessor.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_over_their_rate_are_told_when_to_come_back() {
    let mut setup = Setup::new().await;
    setup.limits = "caller_per_minute = 3".into();
    setup.start().await;
    for _ in 0..3 {
        setup.job(PUBLIC, &public()).await;
    }
    let (status, retry, reply) = setup.post(PUBLIC, &public().to_string()).await;
    // One token in twenty seconds
    assert_eq!(status, 429);
    let seconds: u64 = retry.unwrap().parse().unwrap();
    assert!((15..=20).contains(&seconds), "{seconds}");
    assert_eq!(reply["error"]["label"], "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_requests_do_not_use_up_the_victims_rate() {
    let mut setup = Setup::new().await;
    setup.limits = "user_per_minute = 2".into();
    setup.start().await;
    let forged = UserRequest { signature: vec![1; 65].into(), ..unsigned_request() };
    for _ in 0..5 {
        refused(&setup, USER, &body(&forged).to_string(), 400, "validation_failed").await;
    }
    let good = body(&signed(unsigned_request(), &setup.cluster)).to_string();
    assert_eq!(setup.post(USER, &good).await.0, 202);
    assert_eq!(setup.post(USER, &good).await.0, 202);
    refused(&setup, USER, &good, 429, "rate_limited").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_in_work_are_an_overload() {
    let mut setup = Setup::new().await;
    setup.limits = "active = 1".into();
    setup.start().await;
    setup.coprocessor.mood(Mood::Computing);
    setup.job(PUBLIC, &public()).await;
    let other = json!({ "ciphertextHandles": [handle(9, FheType::Bool).0], "extraData": "0x" });
    refused(&setup, PUBLIC, &other.to_string(), 429, "protocol_overload").await;
    // The one in work is still everybody's.
    setup.job(PUBLIC, &public()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_files_are_checked_cacheable_and_served_in_ranges() {
    let setup = Setup::running().await;
    let (status, _, reply) = setup.json("/v2/keyurl").await;
    assert_eq!(status, 200);
    let key = &reply["response"]["fheKeyInfo"][0]["fhePublicKey"];
    let crs = &reply["response"]["crs"]["2048"];
    assert!(key["dataId"].is_string() && crs["dataId"].is_string());
    for (entry, content) in [(key, PUBLIC_KEY), (crs, CRS)] {
        let url = entry["urls"][0].as_str().unwrap();
        let response = reqwest::get(url).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        assert_eq!(response.bytes().await.unwrap(), content);
        let part = setup.file(url, &[("range", "bytes=4-9")]).await;
        assert_eq!((part.0, part.2.as_slice()), (206, &content[4..10]));
        assert_eq!(setup.file(url, &[("range", "bytes=4000-")]).await.0, 416);
        let (_, tag, _) = setup.file(url, &[]).await;
        for held in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let (status, again, body) = setup.file(url, &[("if-none-match", &held)]).await;
            assert_eq!((status, again, body.len()), (304, tag.clone(), 0), "{held}");
        }
        assert_eq!(setup.file(url, &[("if-none-match", "\"other\"")]).await.0, 200);
    }
    for path in ["/v2/keys/public-key/0x00", "/v2/keys/server-key/0x00", "/v2/keys/..%2foracle.redb/0x00"] {
        assert_eq!(setup.json(path).await.0, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_file_that_is_not_the_clusters_is_never_served() {
    let mut setup = Setup::with(
        |mut cluster| {
            cluster.key.crs_digest = B256::repeat_byte(1);
            cluster
        },
        "http://127.0.0.1:1",
    )
    .await;
    setup.start().await;
    let (_, _, reply) = setup.json("/v2/keyurl").await;
    let url = reply["response"]["crs"]["2048"]["urls"][0].as_str().unwrap();
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_may_send_the_clients_headers() {
    let setup = Setup::running().await;
    let response = reqwest::Client::new()
        .request(reqwest::Method::OPTIONS, setup.url(USER))
        .header("origin", "https://dapp.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,zama-sdk-name,zama-sdk-version")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let allowed = response.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("zama-sdk-version") && allowed.contains("content-type"), "{allowed}");
    let response =
        reqwest::Client::new().get(setup.url("/v2/keyurl")).header("origin", "https://dapp.example").send().await;
    let exposed = response.unwrap().headers()["access-control-expose-headers"].to_str().unwrap().to_lowercase();
    assert!(exposed.contains("retry-after"), "{exposed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_why_and_status_shows_no_plaintext() {
    let setup = Setup::running().await;
    assert_eq!(setup.get("/livez").await.unwrap().status(), 200);
    // There is no endpoint of the chain in this test.
    let (status, _, reply) = setup.json("/readyz").await;
    assert_eq!((status, &reply["ready"]), (503, &json!(false)));
    assert!(reply["reasons"].to_string().contains("watch chain 31337"), "{reply}");
    assert!(setup.get("/metrics").await.unwrap().text().await.unwrap().contains("tkms_oracle_active_requests"));
    setup.nodes[3].act(Act::Signs(7));
    let job = setup.job(PUBLIC, &public()).await;
    setup.outcome(PUBLIC, &job).await;
    let status = setup.status(&job).await;
    assert_eq!((&status["state"], &status["kind"]), (&json!("done"), &json!("public")));
    assert_eq!(status["nodes"].as_array().unwrap().len(), 4);
    assert!(status.get("answer").is_none() && status.get("ask").is_none());
}
