//! A coprocessor's HTTP API.

use super::{CHAIN, CRS, PROFILE, PUBLIC_KEY, coprocessor_key, digest, key};
use alloy_primitives::{B256, U256};
use alloy_sol_types::SolStruct;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tkms_types::typed_data::{CiphertextVerification, input_domain};
use tkms_types::{Cluster, FheType, Handle};
use tkms_wire::coprocessor::{AttestedMaterial, Failure, InputAnswer, InputRequest, MaterialReply};
use tkms_wire::material::{Material, material_digest};
use tkms_wire::relayer::Hex;
use tkms_wire::signature::sign;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Ready,
    Computing,
    /// Signs with a key outside of the set.
    Stranger,
    /// Answers 500.
    Broken,
    /// Could not compute any handle.
    Failed,
    /// Finds no input's proof valid.
    BadProof,
    /// Finds every input malformed.
    Malformed,
}

#[derive(Clone)]
pub struct FakeCoprocessor {
    pub port: u16,
    pub asked: Arc<AtomicUsize>,
    mood: Arc<Mutex<Mood>>,
    cluster: Arc<Mutex<Option<Arc<Cluster>>>>,
}

impl FakeCoprocessor {
    pub fn new(port: u16) -> Self {
        Self { port, asked: Arc::default(), mood: Arc::new(Mutex::new(Mood::Ready)), cluster: Arc::default() }
    }

    pub fn join(&self, cluster: Arc<Cluster>) {
        *self.cluster.lock().unwrap() = Some(cluster);
    }

    pub fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub async fn start(&self) {
        let routes = Router::new()
            .route("/v1/materials/{handle}", post(material))
            .route("/v1/inputs", post(input))
            .route("/v1/keys/public-key", get(|| async { PUBLIC_KEY }))
            .route("/v1/keys/crs", get(|| async { CRS }))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    }

    fn current(&self) -> (Mood, Arc<Cluster>) {
        (*self.mood.lock().unwrap(), self.cluster.lock().unwrap().clone().unwrap())
    }
}

fn broken() -> Response {
    let failure = Failure { code: "internal".into(), message: "disk".into() };
    (StatusCode::INTERNAL_SERVER_ERROR, Json(failure)).into_response()
}

async fn material(State(this): State<FakeCoprocessor>, Path(handle): Path<String>) -> Response {
    this.asked.fetch_add(1, Ordering::Relaxed);
    let (mood, cluster) = this.current();
    let handle = Handle(handle.parse().unwrap());
    let mut material = Material {
        handle,
        key_id: cluster.key.id,
        format: cluster.protocol().into(),
        profile: PROFILE,
        digest: digest(handle.0.as_slice()),
        size: 100,
        signatures: Vec::new(),
    };
    let signer = match mood {
        Mood::Computing => return Json(MaterialReply::Computing).into_response(),
        Mood::Broken => return broken(),
        Mood::Failed => {
            let failure = Failure { code: "failed".into(), message: format!("handle {handle} has no value") };
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(failure)).into_response();
        }
        Mood::Stranger => key(101),
        _ => coprocessor_key(),
    };
    material.signatures = vec![sign(&signer, material_digest(&material, &cluster.chains[0])).unwrap()];
    let attested = AttestedMaterial {
        handle,
        key_id: material.key_id,
        format: material.format,
        profile: material.profile,
        digest: material.digest,
        size: material.size,
        signature: Hex(material.signatures[0].into()),
    };
    Json(MaterialReply::Ready { material: attested }).into_response()
}

async fn input(State(this): State<FakeCoprocessor>, Json(request): Json<InputRequest>) -> Response {
    this.asked.fetch_add(1, Ordering::Relaxed);
    let (mood, cluster) = this.current();
    let refuse = |code: &str| {
        let failure = Failure { code: code.into(), message: "no".into() };
        (StatusCode::BAD_REQUEST, Json(failure)).into_response()
    };
    let signer = match mood {
        Mood::BadProof => return refuse("invalid_proof"),
        Mood::Malformed => return refuse("malformed_input"),
        Mood::Broken => return broken(),
        Mood::Stranger => key(101),
        _ => coprocessor_key(),
    };
    let handles = vec![Handle::new(B256::repeat_byte(3), 0, CHAIN, FheType::Uint64)];
    let digest = CiphertextVerification {
        ctHandles: handles.iter().map(|handle| handle.0).collect(),
        userAddress: request.user_address,
        contractAddress: request.contract_address,
        contractChainId: U256::from(request.contract_chain_id),
        extraData: request.extra_data.0.clone(),
    }
    .eip712_signing_hash(&input_domain(&cluster.gateway));
    let signature = Hex(sign(&signer, digest).unwrap().into());
    let signer = super::address_of(&signer);
    Json(InputAnswer { handles, signature, signer, extra_data: request.extra_data }).into_response()
}
