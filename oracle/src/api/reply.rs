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
pub(super) struct Failed {
    request_id: Option<B256>,
    error: ApiError,
    /// Seconds, where the status asks for patience.
    retry_after: u64,
}

impl Failed {
    /// One that goes away after so many seconds.
    pub(super) fn after(error: ApiError, seconds: u64) -> Self {
        Self { retry_after: seconds, ..error.into() }
    }

    /// The end of a job.
    pub(super) fn job(id: B256, error: ApiError) -> Self {
        Self { request_id: Some(id), ..error.into() }
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self { request_id: None, error, retry_after: 1 }
    }
}

impl From<DeskError> for Failed {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Ask(error) => ask_error(&error).into(),
            DeskError::Full { .. } => {
                crate::metrics::turned_away("protocol_overload");
                ApiError::new(Label::ProtocolOverload, format!("{error}: try again in a while")).into()
            }
            DeskError::Store(_) | DeskError::Cluster(_) => {
                // The cause is for the operator, not for callers.
                tracing::error!(%error, "a call failed for our own reasons");
                let message = "the relayer's store failed: tell its operator";
                ApiError::new(Label::InternalServerError, message).into()
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
        let status = StatusCode::from_u16(self.error.label.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let request_id = self.request_id.map(|id| id.to_string());
        let mut response = (status, Json(Reply::<()>::Failed { request_id, error: self.error })).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        response
    }
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
        ApiError::new(
            Label::RequestError,
            format!("the body broke off or has more than {limit} bytes: send less at once"),
        )
    })?;
    Ok(parse(&bytes, limit)?)
}

/// A job's id out of a path; anything else names no job.
pub(super) fn job_id(text: &str) -> Result<B256, Failed> {
    text.parse().map_err(|_| no_job())
}

/// No such job under this route.
pub(super) fn no_job() -> Failed {
    ApiError::new(Label::NotFound, "no such job under this route, or it has expired: post the request again").into()
}
