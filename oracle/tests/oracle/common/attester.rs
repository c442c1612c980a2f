//! A host validator's attester: signs what an endpoint of its own calls final, or what it is told to.

use super::{address_of, key};
use alloy::primitives::B256;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use k256::ecdsa::SigningKey;
use merkle_acl::Anchor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tkms_eth::proofs::{BlockNumberOrTag, header_by_number};
use tkms_eth::{Rpc, connect};
use tkms_types::Cluster;
use tkms_wire::Hex;
use tkms_wire::attestation::SignedHeader;
use tkms_wire::signature::sign;
use url::Url;

/// Attesters of the test chains, and the quorum.
pub const ATTESTERS: u8 = 4;
pub const QUORUM: u16 = 3;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Honest,
    /// Answers 503.
    Dead,
    /// Never answers.
    Hangs,
    /// So many blocks behind.
    Lags(u64),
    /// Signs a header of its own making.
    OtherBlock,
    /// Claims to be far ahead, with a header of its own making.
    FarAhead,
    /// A signature by a key outside of the set.
    Stranger,
    /// Signs one header and sends another.
    OtherHeader,
    /// Text that is no attestation.
    Noise,
    /// More bytes than anybody reads.
    Flood,
}

#[derive(Clone)]
pub struct FakeAttester {
    pub number: u8,
    pub url: Url,
    pub asked: Arc<AtomicUsize>,
    word: Arc<Mutex<Word>>,
    cluster: Arc<Mutex<Option<Arc<Cluster>>>>,
    rpc: Rpc,
}

pub fn attester_key(number: u8) -> SigningKey {
    key(49 + number)
}

/// Addresses of all of them, sorted.
pub fn members() -> Vec<alloy::primitives::Address> {
    let mut members: Vec<_> = (1..=ATTESTERS).map(|number| address_of(&attester_key(number))).collect();
    members.sort_unstable();
    members
}

impl FakeAttester {
    /// Listens. `endpoint`: its own node.
    pub async fn start(number: u8, endpoint: &Url) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let attester = Self {
            number,
            url,
            asked: Arc::default(),
            word: Arc::new(Mutex::new(Word::Honest)),
            cluster: Arc::default(),
            rpc: connect(endpoint).unwrap(),
        };
        let routes = Router::new()
            .route("/v1/attestations/latest", get(latest))
            .route("/v1/attestations/{number}", get(by_number))
            .with_state(attester.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        attester
    }

    pub fn join(&self, cluster: Arc<Cluster>) {
        *self.cluster.lock().unwrap() = Some(cluster);
    }

    pub fn says(&self, word: Word) {
        *self.word.lock().unwrap() = word;
    }

    async fn answer(&self, asked: Option<u64>) -> Response {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let word = *self.word.lock().unwrap();
        match word {
            Word::Dead => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Word::Hangs => std::future::pending::<()>().await,
            Word::Noise => return "no attestation".into_response(),
            Word::Flood => return "x".repeat(1 << 20).into_response(),
            _ => {}
        }
        let Ok(last) = header_by_number(&self.rpc, BlockNumberOrTag::Finalized).await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let newest = last.number.saturating_sub(if let Word::Lags(by) = word { by } else { 0 });
        let number = asked.unwrap_or(newest);
        let far = word == Word::FarAhead && asked.is_none();
        if newest == 0 || (number > newest && !far) {
            return StatusCode::NOT_FOUND.into_response();
        }
        let Ok(header) = header_by_number(&self.rpc, number.into()).await else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let mut rlp = header.rlp;
        if far || word == Word::OtherBlock {
            rlp = forged(&rlp, if far { 1_000_000 } else { 0 });
        }
        self.signed(word, rlp)
    }

    fn signed(&self, word: Word, rlp: alloy::primitives::Bytes) -> Response {
        let cluster = self.cluster.lock().unwrap().clone().unwrap();
        let chain = &cluster.chains[0];
        let anchor = Anchor::from_header_rlp(&rlp).unwrap();
        let signer = if word == Word::Stranger { key(99) } else { attester_key(self.number) };
        let mut body = SignedHeader {
            number: anchor.number(),
            hash: anchor.hash(),
            state_root: anchor.state_root(),
            timestamp: anchor.timestamp(),
            set: chain.attester_set_id(),
            signer: address_of(&signer),
            class: 1,
            depth: 0,
            signature: Hex(Default::default()),
            header: Hex(rlp.clone()),
        };
        body.signature = Hex(sign(&signer, body.digest(chain)).unwrap().to_vec().into());
        if word == Word::OtherHeader {
            body.header = Hex(forged(&rlp, 0));
        }
        Json(body).into_response()
    }
}

/// The same header with another state root, so many blocks higher.
fn forged(rlp: &[u8], higher: u64) -> alloy::primitives::Bytes {
    let mut header = <alloy::consensus::Header as alloy_rlp::Decodable>::decode(&mut &*rlp).unwrap();
    header.state_root = B256::repeat_byte(0xee);
    header.number += higher;
    alloy_rlp::encode(header).into()
}

async fn latest(State(this): State<FakeAttester>) -> Response {
    this.answer(None).await
}

async fn by_number(State(this): State<FakeAttester>, Path(number): Path<u64>) -> Response {
    this.answer(Some(number)).await
}
