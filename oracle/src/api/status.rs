//! Where a request stands, and whether the oracle itself works.

use super::App;
use super::reply::{Failed, no_job};
use crate::desk::DeskError;
use crate::record::{Ask, Blamed, NodeStatus, OnChain, Record, Refused, State};
use alloy_primitives::U256;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use std::sync::Arc;
use tkms_types::{Handle, RequestId};

/// `GET /v1/requests/{id}`. Says nothing about plaintexts, not even public ones.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestStatus {
    request_id: Option<RequestId>,
    kind: Option<&'static str>,
    state: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
    handles: Vec<Handle>,
    created: u64,
    updated: u64,
    nodes: Vec<NodeStatus>,
    blamed: Vec<Blamed>,
    on_chain: Vec<OnChain>,
}

/// The id is that of the request or one given on chain.
pub(super) async fn request(app: Extension<Arc<App>>, Path(text): Path<String>) -> Result<Response, Failed> {
    let Ok(id) = text.parse::<alloy_primitives::B256>() else { return Err(no_job()) };
    let chains: Vec<u64> = app.desk.hosts.keys().copied().collect();
    let found = app.desk.on_disk(move |store| {
        let mut on_chain = Vec::new();
        for chain in chains {
            on_chain.extend(store.onchain(chain, U256::from_be_bytes(id.0))?);
        }
        let request = match on_chain.first() {
            Some(found) => found.request,
            None => Some(RequestId(id)),
        };
        let record = request.map_or(Ok(None), |request| store.request(request))?;
        if on_chain.is_empty() && record.is_some() {
            on_chain = store.waiters(RequestId(id))?;
        }
        Ok((request, record, on_chain))
    });
    let (request, record, on_chain) = found.await.map_err(DeskError::from)?;
    let status = match (request, record) {
        (Some(id), Some(record)) => known(&app, id, record, on_chain),
        (_, None) if on_chain.is_empty() => return Err(no_job()),
        // On chain, but nothing nodes could be asked: the entry says why.
        (request_id, _) => RequestStatus {
            request_id,
            kind: Some("public"),
            state: "refused",
            detail: String::new(),
            refused: None,
            handles: Vec::new(),
            created: 0,
            updated: 0,
            nodes: Vec::new(),
            blamed: Vec::new(),
            on_chain,
        },
    };
    Ok(Json(status).into_response())
}

fn known(app: &App, id: RequestId, record: Record, on_chain: Vec<OnChain>) -> RequestStatus {
    let live = app.desk.live(id).filter(|_| !record.state.is_final()).unwrap_or_default();
    let kind = match record.ask {
        Ask::Public(_) => "public",
        Ask::User(_) => "user",
    };
    let refused = match &record.state {
        State::Refused(refused) => Some(refused.clone()),
        _ => None,
    };
    RequestStatus {
        request_id: Some(id),
        kind: Some(kind),
        state: record.state.name(),
        detail: live.detail,
        refused,
        handles: record.ask.handles(),
        created: record.created,
        updated: record.updated,
        nodes: if live.nodes.is_empty() { record.nodes } else { live.nodes },
        blamed: record.blamed,
        on_chain,
    }
}

/// 200, or 503 with the reasons.
pub(super) async fn ready(app: Extension<Arc<App>>) -> Response {
    let reasons = app.health.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

/// Prometheus text.
pub(super) async fn metrics(app: Extension<Arc<App>>) -> Response {
    match app.metrics {
        Some(handle) => handle.render().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
