//! Bodies, statuses and headers of the job protocol.

use crate::desk::DeskError;
use crate::record::AskError;
use alloy_primitives::B256;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tkms_wire::relayer::{ApiError, Job, Label, Reply, parse};

/// Seconds after which a caller should look again; the official client does not go lower.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Failed(ApiError);

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<DeskError> for Failed {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Ask(error) => ask_error(&error).into(),
            DeskError::Full { .. } => {
                crate::metrics::turned_away("protocol_overload");
                ApiError::new(Label::ProtocolOverload, error.to_string()).into()
            }
            DeskError::Store(_) | DeskError::Cluster(_) => {
                // The cause is for the operator, not for callers.
                tracing::error!(%error, "a call failed for our own reasons");
                ApiError::new(Label::InternalServerError, "the relayer's store failed").into()
            }
        }
    }
}

/// Requests that have no id name something wrong.
pub(super) fn ask_error(error: &AskError) -> ApiError {
    let field = match error {
        AskError::Empty | AskError::HostsMixed | AskError::HostUnknown(_) => "handles",
        AskError::ExtraData(_) | AskError::ContextUnknown(_) => "extraData",
    };
    ApiError::invalid(field, error.to_string())
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        failed(None, self.0)
    }
}

/// An error's body under its status.
pub(super) fn failed(request_id: Option<String>, error: ApiError) -> Response {
    let status = StatusCode::from_u16(error.label.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Json(Reply::<()>::Failed { request_id, error });
    if status == StatusCode::TOO_MANY_REQUESTS {
        return (status, [(header::RETRY_AFTER, RETRY_AFTER)], body).into_response();
    }
    (status, body).into_response()
}

/// 202 to a POST: the job.
pub(super) fn accepted(id: B256) -> Response {
    let job = Some(Job { job_id: id.to_string() });
    queue(Reply::Queued { request_id: id.to_string(), result: job })
}

/// 202 to a look at a job.
pub(super) fn queued(id: B256) -> Response {
    queue(Reply::Queued { request_id: id.to_string(), result: None })
}

fn queue(reply: Reply<()>) -> Response {
    (StatusCode::ACCEPTED, [(header::RETRY_AFTER, RETRY_AFTER)], Json(reply)).into_response()
}

/// 200: the outcome.
pub(super) fn succeeded<T: Serialize>(id: B256, result: T) -> Response {
    Json(Reply::Succeeded { request_id: id.to_string(), result }).into_response()
}

/// Reads and parses a body of at most `limit` bytes.
pub(super) async fn read<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T, Failed> {
    let bytes = to_bytes(body, limit).await;
    let bytes = bytes.map_err(|_| {
        ApiError::new(Label::RequestError, format!("the body is broken or has more than {limit} bytes"))
    })?;
    Ok(parse(&bytes, limit)?)
}

/// A job's id out of a path; anything else names no job.
pub(super) fn job_id(text: &str) -> Result<B256, Failed> {
    text.parse().map_err(|_| no_job())
}

/// No such job under this route.
pub(super) fn no_job() -> Failed {
    ApiError::new(Label::NotFound, "no such job, or it has expired").into()
}
