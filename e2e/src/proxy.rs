//! An endpoint that lies: it passes JSON-RPC on to the real one and changes what comes back.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use url::Url;

/// What it lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    None,
    /// Headers: another state root, and the hash that goes with the true one.
    Headers,
    /// State proofs: a value that is not there, the nodes of one that is.
    Proofs,
}

/// Runs until it is dropped with the runtime.
pub struct LyingEndpoint {
    url: Url,
    lie: Arc<Mutex<Lie>>,
}

#[derive(Clone)]
struct Shared {
    real: Url,
    lie: Arc<Mutex<Lie>>,
    client: reqwest::Client,
}

impl LyingEndpoint {
    /// In front of `real`, honest at first.
    pub async fn start(real: Url) -> Self {
        let lie = Arc::new(Mutex::new(Lie::None));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let shared = Shared { real, lie: Arc::clone(&lie), client: reqwest::Client::new() };
        let router = Router::new().fallback(forward).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, lie }
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// From now on.
    pub fn tell(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }
}

async fn forward(State(shared): State<Shared>, body: Bytes) -> String {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let request = shared.client.post(shared.real.clone()).header("content-type", "application/json").body(body);
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    let lie = *shared.lie.lock().unwrap();
    match asked["method"].as_str() {
        Some("eth_getBlockByNumber" | "eth_getBlockByHash")
            if lie == Lie::Headers && answer["result"]["stateRoot"].is_string() =>
        {
            answer["result"]["stateRoot"] = format!("0x{}", "ab".repeat(32)).into();
        }
        Some("eth_getProof") if lie == Lie::Proofs => {
            for slot in answer["result"]["storageProof"].as_array_mut().into_iter().flatten() {
                slot["value"] = "0x1".into();
                if let Some(nodes) = slot["proof"].as_array_mut() {
                    nodes.pop();
                }
            }
        }
        _ => {}
    }
    answer.to_string()
}
