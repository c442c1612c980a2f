//! For the operator: is the process alive, is the node ready and if not why, its counters, evidence against its peers.

use crate::exhibits::Kept;
use crate::health::Health;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

/// What the routes look at.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Option<PrometheusHandle>,
}

/// `/livez`, `/readyz`, `/metrics`, `/evidence`.
pub(crate) fn router(ops: Ops) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .route("/evidence", get(evidence))
        .with_state(ops)
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, String) {
    let reasons = ops.health.not_ready();
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
}

/// Exhibits for third parties, as JSON: whom each convicts, of what, and its bytes.
async fn evidence(State(ops): State<Ops>) -> (StatusCode, String) {
    let row = |kept: Kept| {
        let bytes = alloy_primitives::hex::encode(&kept.bytes);
        serde_json::json!({ "culprit": kept.culprit.number(), "what": kept.what, "bytes": bytes })
    };
    match ops.health.background().exhibits().list() {
        Ok(list) => (StatusCode::OK, serde_json::Value::from_iter(list.into_iter().map(row)).to_string() + "\n"),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn render(State(ops): State<Ops>) -> (StatusCode, String) {
    match &ops.metrics {
        Some(metrics) => {
            metrics.run_upkeep();
            (StatusCode::OK, metrics.render())
        }
        None => (StatusCode::NOT_FOUND, "this process collects no metrics\n".to_owned()),
    }
}
