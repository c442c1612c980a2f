//! The HTTP API over a real socket.

use crate::insecure::{ACL, CHAIN, InsecureEngine, attester, chain, cluster, handle, trivial, wait_for, worker};
use alloy_primitives::{Address, B256, Bytes, U256};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tkms_coprocessor::execute::Worker;
use tkms_coprocessor::inputs::Inputs;
use tkms_coprocessor::operation::{Expression, Operation};
use tkms_coprocessor::progress::{Phase, Progress};
use tkms_coprocessor::serve::{Api, router};
use tkms_coprocessor::startup::PublicFiles;
use tkms_coprocessor::store::{Action, HandleState};
use tkms_fhe::InputContext;
use tkms_types::limits::INPUT_BYTES;
use tkms_types::typed_data::{CiphertextVerification, input_domain, recover};
use tkms_types::{FheType, Handle};
use tkms_wire::coprocessor::{InputAnswer, MaterialReply};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const CONTRACT: Address = Address::repeat_byte(0xc0);
const USER: Address = Address::repeat_byte(0x05);

/// A server, what is behind it, and a client.
struct Running {
    url: String,
    worker: Worker,
    engine: Arc<InsecureEngine>,
    inputs: Arc<OnceLock<Inputs>>,
    progress: Progress,
    client: Client,
    _directory: TempDir,
}

async fn starting(requests: usize) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let (worker, engine) = worker(directory.path());
    let (inputs, progress) = (Arc::new(OnceLock::new()), Progress::default());
    let api = Api {
        store: worker.store.clone(),
        objects: worker.objects.clone(),
        attester: attester(),
        inputs: inputs.clone(),
        files: PublicFiles { public_key: "public key".into(), crs: "crs".into() },
        progress: progress.clone(),
        metrics: tkms_coprocessor::metrics::install(),
        wake: worker.wake.clone(),
        asked_squashes: 1,
        requests: Arc::new(Semaphore::new(requests)),
        downloads: Arc::new(Semaphore::new(requests)),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(api)).await });
    Running { url, worker, engine, inputs, progress, client: Client::new(), _directory: directory }
}

async fn running() -> Running {
    let running = starting(8).await;
    running.inputs.get_or_init(|| Inputs::new(&running.worker, ACL, CHAIN, 2));
    running.progress.enter(Phase::Ready);
    running
}

impl Running {
    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.url)).json(body).send().await.unwrap()
    }

    async fn material(&self, handle: Handle) -> MaterialReply {
        self.get(&format!("/v1/materials/{handle}")).await.json().await.unwrap()
    }
}

/// Status and code of a refusal.
async fn refusal(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert!(!body["message"].as_str().unwrap().is_empty());
    (status, body["code"].as_str().unwrap().to_owned())
}

fn list(user: Address, values: &[u8]) -> Vec<u8> {
    let context = InputContext { contract: CONTRACT, user, acl: ACL, chain_id: CHAIN };
    [context.metadata().as_slice(), values].concat()
}

fn input(list: &[u8]) -> Value {
    json!({
        "contractAddress": CONTRACT, "userAddress": USER, "contractChainId": CHAIN,
        "ciphertext": Bytes::copy_from_slice(list), "extraData": "0x00",
    })
}

#[tokio::test]
async fn an_accepted_input_is_signed_for_its_user_and_contract_and_computed_once() {
    let running = running().await;
    let body = input(&list(USER, &[7, 8]));
    let first: InputAnswer = running.post("/v1/inputs", &body).await.json().await.unwrap();
    let again: InputAnswer = running.post("/v1/inputs", &body).await.json().await.unwrap();
    assert_eq!(first, again);
    assert_eq!(running.engine.verified.load(Ordering::SeqCst), 1);
    assert_eq!((first.handles.len(), first.extra_data.0.as_ref()), (2, [0].as_slice()));

    let statement = CiphertextVerification {
        ctHandles: first.handles.iter().map(|handle| handle.0).collect(),
        userAddress: USER,
        contractAddress: CONTRACT,
        contractChainId: U256::from(CHAIN),
        extraData: Bytes::from_static(&[0]),
    };
    let digest = alloy::sol_types::SolStruct::eip712_signing_hash(&statement, &input_domain(&cluster().gateway));
    assert_eq!(recover(digest, &first.signature.0), Some(attester().address()));
    assert_eq!(first.signer, chain().coprocessors.members[0]);

    let result = first.handles[1];
    assert_eq!(running.material(result).await, MaterialReply::Unknown);
    let announced = Operation { result, kind: FheType::Uint64, expression: Expression::Input };
    running.worker.store.apply(&[Action::Announce(announced)], b"").unwrap();
    assert_eq!(running.material(result).await, MaterialReply::Squashing);
}

#[tokio::test]
async fn inputs_that_are_wrong_are_refused_with_the_reason() {
    let running = running().await;
    let with = |field: &str, value: Value| {
        let mut body = input(&list(USER, &[1]));
        body[field] = value;
        body
    };
    let cases = [
        (input(&list(CONTRACT, &[1])), 400, "invalid_proof"),
        (input(b"short"), 400, "malformed_input"),
        (with("contractChainId", json!(1)), 400, "wrong_chain"),
        (with("contractAddress", json!("0x12")), 400, "malformed_json"),
        (with("ciphertext", json!("0xzz")), 400, "malformed_json"),
        (with("more", json!(1)), 400, "malformed_json"),
        (with("extraData", json!(Bytes::from(vec![0; 129]))), 400, "extra_data_too_long"),
        (input(&vec![0; INPUT_BYTES + 1]), 400, "input_too_long"),
        (input(&vec![0; INPUT_BYTES + 5000]), 413, "too_large"),
        (json!([]), 400, "malformed_json"),
    ];
    for (body, status, code) in cases {
        assert_eq!(refusal(running.post("/v1/inputs", &body).await).await, (status, code.to_owned()));
    }
    assert_eq!(running.worker.store.counts().unwrap().handles, 0);
}

#[tokio::test]
async fn before_the_keys_are_loaded_inputs_are_refused_and_readyz_says_why() {
    let running = starting(8).await;
    let refused = refusal(running.post("/v1/inputs", &input(&list(USER, &[1]))).await).await;
    assert_eq!(refused, (503, "starting".to_owned()));
    let ready = running.get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.text().await.unwrap(), "loading the public keys\n");
    assert_eq!(running.get("/livez").await.status(), StatusCode::OK);
    running.progress.enter(Phase::Ready);
    assert_eq!(running.get("/readyz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_handle_asked_for_becomes_material_whose_bytes_have_its_digest() {
    let running = running().await;
    let (store, path) = (running.worker.store.clone(), format!("/v1/materials/{}", handle(1)));
    assert_eq!(running.post(&path, &json!({})).await.json::<MaterialReply>().await.unwrap(), MaterialReply::Unknown);
    store.apply(&[Action::Announce(trivial(1, 42))], b"").unwrap();
    assert_eq!(running.material(handle(1)).await, MaterialReply::Computing);
    let asked = running.post(&path, &json!({})).await;
    assert_eq!(asked.json::<MaterialReply>().await.unwrap(), MaterialReply::Computing);
    let work = tokio::spawn(running.worker.clone().run());
    wait_for(&store, handle(1), |state| matches!(state, HandleState::Ready(_))).await;
    work.abort();
    let MaterialReply::Ready { material } = running.material(handle(1)).await else { panic!("not ready") };
    for digest in [format!("{}", material.digest), format!("{:x}", material.digest)] {
        let object = running.get(&format!("/v1/objects/{digest}")).await;
        assert_eq!(object.headers()["content-length"], material.size.to_string());
        let bytes = object.bytes().await.unwrap();
        assert_eq!((tkms_wire::samples::digest(&bytes), bytes.len() as u64), (material.digest, material.size));
    }
    assert_eq!(material.to_material().unwrap().handle, handle(1));
}

#[tokio::test]
async fn a_handle_without_a_value_is_an_error_that_names_the_cause() {
    let running = running().await;
    let refuse = Action::Refuse { handle: handle(1), reason: "no such operation".into() };
    running.worker.store.apply(&[refuse], b"").unwrap();
    let response = running.get(&format!("/v1/materials/{}", handle(1))).await;
    let body: Value = response.json().await.unwrap();
    assert!(body["message"].as_str().unwrap().contains("no such operation"), "{body}");
    assert_eq!(body["code"], "failed");
}

#[tokio::test]
async fn callers_beyond_the_bound_are_sent_away() {
    let running = running().await;
    let store = &running.worker.store;
    store.apply(&[trivial(1, 1), trivial(2, 2)].map(Action::Announce), b"").unwrap();
    for number in [1, 2] {
        let object = running.worker.objects.put(vec![number; 32]).await.unwrap();
        store.computed(handle(number), object).unwrap();
    }
    let ask = |number| format!("/v1/materials/{}", handle(number));
    assert_eq!(running.post(&ask(1), &json!({})).await.status(), StatusCode::OK);
    assert_eq!(refusal(running.post(&ask(2), &json!({})).await).await, (429, "busy".to_owned()));

    let full = starting(0).await;
    assert_eq!(refusal(full.get(&ask(1)).await).await, (429, "busy".to_owned()));
    assert_eq!(full.get("/livez").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let running = running().await;
    let version = Handle(B256::repeat_byte(1));
    let kind = Handle(B256::ZERO);
    let bad_type = format!("{:x}", B256::from(U256::from(0x0100)));
    for (path, status, code) in [
        ("/v1/materials/0x12".to_owned(), 400, "malformed_name"),
        (format!("/v1/materials/{version}"), 400, "malformed_name"),
        (format!("/v1/materials/{bad_type}"), 400, "malformed_name"),
        ("/v1/objects/..%2f..%2fcoprocessor.redb".to_owned(), 400, "malformed_name"),
        (format!("/v1/objects/{}", "0".repeat(63)), 400, "malformed_name"),
        (format!("/v1/objects/{}", B256::ZERO), 404, "no_such_object"),
        ("/v2/objects".to_owned(), 404, "not_found"),
    ] {
        assert_eq!(refusal(running.get(&path).await).await, (status, code.to_owned()), "{path}");
    }
    assert_eq!(running.material(kind).await, MaterialReply::Unknown);
}

#[tokio::test]
async fn key_files_are_served_as_they_are_and_may_be_cached() {
    let running = running().await;
    for (path, content) in [("/v1/keys/public-key", "public key"), ("/v1/keys/crs", "crs")] {
        let response = running.get(path).await;
        assert!(response.headers()["cache-control"].to_str().unwrap().contains("max-age=86400"));
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(response.text().await.unwrap(), content);
    }
    assert_eq!(running.get("/metrics").await.status(), StatusCode::OK);
}
