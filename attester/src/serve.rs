//! The HTTP API. Everything served is public and signed; nothing can be changed through it.

use crate::ledger::{Ledger, LedgerError, Vouched};
use crate::watch::Health;
use alloy_primitives::{Address, B256};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use merkle_acl::trust::Finality;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use std::sync::Arc;
use tkms_wire::attestation::{LATEST_PATH, PATH, SignedHeader};
use tkms_wire::coprocessor::Failure;
use tkms_wire::relayer::Hex;
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;

/// What was said of a final block stays true; a class can only grow.
const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=1");
/// No request of this API has a body.
const BODY_BYTES: usize = 0;

/// What the routes share.
#[derive(Clone)]
pub struct Api {
    /// What was signed.
    pub ledger: Arc<Ledger>,
    /// Whether signing goes on.
    pub health: Health,
    /// The set the signatures count for.
    pub set: B256,
    /// Who signs.
    pub signer: Address,
    /// The class `latest` means when a caller names none.
    pub floor: Finality,
    /// For `metrics`; none if the process records elsewhere.
    pub metrics: Option<PrometheusHandle>,
}

/// All routes; at most `requests` are served at once.
pub fn router(api: Api, requests: usize) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route(LATEST_PATH, get(latest))
        .route(&format!("{PATH}{{number}}"), get(by_number))
        .fallback(|| async { Error::NoRoute })
        .layer(CorsLayer::new().allow_origin(Any))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::new(Semaphore::new(requests)), bounded))
        .with_state(api)
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no such route")]
    NoRoute,
    #[error("too many requests at once, try again")]
    Busy,
    #[error("nothing was signed yet{0}")]
    NothingYet(String),
    #[error("block {0} was not signed here, or too long ago; numbers run up to /v1/attestations/latest")]
    Unsigned(u64),
    #[error("finality is finalized or safe, not {0:?}")]
    Finality(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::NothingYet(_) => (StatusCode::SERVICE_UNAVAILABLE, "nothing_signed"),
            Self::Unsigned(_) => (StatusCode::NOT_FOUND, "not_signed"),
            Self::Finality(_) => (StatusCode::BAD_REQUEST, "malformed_name"),
            Self::Ledger(error) => {
                tracing::error!(%error, "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        let message = match status {
            StatusCode::INTERNAL_SERVER_ERROR => "internal error, see the attester's log".to_owned(),
            _ => self.to_string(),
        };
        (status, Json(Failure { code: code.to_owned(), message })).into_response()
    }
}

async fn bounded(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Result<Response, Error> {
    let _place = room.try_acquire().map_err(|_| Error::Busy)?;
    Ok(next.run(request).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    finality: Option<String>,
}

async fn latest(State(api): State<Api>, Query(wish): Query<Wish>) -> Result<Response, Error> {
    let need = match wish.finality.as_deref() {
        None => api.floor,
        Some("finalized") => Finality::Finalized,
        Some("safe") => Finality::Safe,
        Some(other) => return Err(Error::Finality(other.chars().take(32).collect())),
    };
    let newest = api.ledger.newest(need)?;
    let why = || api.health.hindrance().map(|reason| format!(": {reason}")).unwrap_or_default();
    let number = newest.ok_or_else(|| Error::NothingYet(why()))?;
    answer(&api, number)
}

async fn by_number(State(api): State<Api>, Path(number): Path<u64>) -> Result<Response, Error> {
    answer(&api, number)
}

fn answer(api: &Api, number: u64) -> Result<Response, Error> {
    let Vouched { number, hash, state_root, time, finality, header, signature } =
        api.ledger.vouched(number)?.ok_or(Error::Unsigned(number))?;
    let (class, depth) = finality.signed();
    let body = SignedHeader {
        number,
        hash,
        state_root,
        timestamp: time,
        set: api.set,
        signer: api.signer,
        class,
        depth,
        signature: Hex(signature),
        header: Hex(header),
    };
    Ok(([(header::CACHE_CONTROL, SHORT)], Json(body)).into_response())
}

async fn ready(State(api): State<Api>) -> Response {
    match (api.health.hindrance(), api.ledger.highest()) {
        (None, Ok(Some(_))) => "ready\n".into_response(),
        (None, Ok(None)) => (StatusCode::SERVICE_UNAVAILABLE, "nothing was signed yet\n").into_response(),
        (None, Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        (Some(reason), _) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(api): State<Api>) -> String {
    api.metrics.map(|handle| handle.render()).unwrap_or_default()
}
