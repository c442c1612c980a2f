//! The HTTP API. Everything served is public; what is bounded is work.

use crate::attest::Attester;
use crate::inputs::{InputRefusal, Inputs};
use crate::objects::{Object, ObjectError, Objects};
use crate::progress::{Phase, Progress};
use crate::startup::PublicFiles;
use crate::store::{Asked, HandleState, Material, Store, StoreError};
use alloy_primitives::B256;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Json, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::StreamExt;
use metrics_exporter_prometheus::PrometheusHandle;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use tkms_types::Handle;
use tkms_types::limits::INPUT_BYTES;
use tkms_wire::coprocessor::{AttestedMaterial, Failure, InputRequest, MaterialReply};
use tkms_wire::relayer::Hex;
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};

/// Bytes of a request's body: the largest input in hexadecimal, and the rest of the JSON.
const BODY_BYTES: usize = 2 * INPUT_BYTES + 4096;
/// Content under a digest never changes; the keys change with the cluster file only.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ONE_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// What the routes share.
#[derive(Clone)]
pub struct Api {
    /// States and materials.
    pub store: Arc<Store>,
    /// Bytes by digest.
    pub objects: Objects,
    /// Names of the key and profile in materials.
    pub attester: Attester,
    /// Set once the keys are loaded.
    pub inputs: Arc<OnceLock<Inputs>>,
    /// Key files.
    pub files: PublicFiles,
    /// For `readyz`.
    pub progress: Progress,
    /// For `metrics`; none if the process records elsewhere.
    pub metrics: Option<&'static PrometheusHandle>,
    /// Rung when a handle was asked for.
    pub wake: Arc<tokio::sync::Notify>,
    /// Handles asked for and not yet squashed.
    pub asked_squashes: usize,
    /// Requests in flight.
    pub requests: Arc<Semaphore>,
    /// Downloads in flight.
    pub downloads: Arc<Semaphore>,
}

/// All routes.
pub fn router(api: Api) -> Router {
    let keys = Router::new()
        .route("/v1/keys/public-key", get(public_key))
        .route("/v1/keys/crs", get(crs))
        .layer(CorsLayer::new().allow_origin(Any));
    let work = Router::new()
        .route("/v1/inputs", post(inputs))
        .route("/v1/materials/{handle}", get(look).post(ask))
        .route("/v1/objects/{digest}", get(object))
        .layer(middleware::from_fn_with_state(api.clone(), bounded));
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .merge(keys)
        .merge(work)
        .fallback(|| async { Error::NoRoute })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(api)
}

/// An answer that is an error.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no such route")]
    NoRoute,
    #[error("too many requests at once, try again")]
    Busy,
    #[error("the coprocessor is starting: {0}")]
    Starting(Phase),
    #[error("{0}")]
    Body(#[from] JsonRejection),
    #[error("{what} {found:?} is not 32 bytes in hexadecimal")]
    Word { what: &'static str, found: String },
    #[error(transparent)]
    Handle(#[from] tkms_types::HandleError),
    #[error("handle {handle} has no value: {root} failed: {reason}")]
    Failed { handle: Handle, root: Handle, reason: String },
    #[error(transparent)]
    Input(#[from] InputRefusal),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::Starting(_) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            Self::Body(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
            }
            Self::Body(_) => (StatusCode::BAD_REQUEST, "malformed_json"),
            Self::Word { .. } | Self::Handle(_) => (StatusCode::BAD_REQUEST, "malformed_name"),
            Self::Failed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "failed"),
            Self::Input(refusal) => match refusal.code() {
                "busy" => (StatusCode::TOO_MANY_REQUESTS, "busy"),
                "internal" => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                code => (StatusCode::BAD_REQUEST, code),
            },
            Self::Object(ObjectError::Missing(_)) => (StatusCode::NOT_FOUND, "no_such_object"),
            Self::Object(_) | Self::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.parts();
        let message = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "a request failed");
            // Paths and database errors are for the operator's log, not for callers.
            "internal error, see the coprocessor's log".to_owned()
        } else {
            self.to_string()
        };
        (status, Json(Failure { code: code.to_owned(), message })).into_response()
    }
}

async fn bounded(State(api): State<Api>, request: Request, next: Next) -> Result<Response, Error> {
    let permit = api.requests.try_acquire().map_err(|_| Error::Busy)?;
    let response = next.run(request).await;
    drop(permit);
    Ok(response)
}

async fn ready(State(api): State<Api>) -> (StatusCode, String) {
    let phase = api.progress.phase();
    let status = if phase == Phase::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{phase}\n"))
}

async fn metrics(State(api): State<Api>) -> String {
    api.metrics.map(PrometheusHandle::render).unwrap_or_default()
}

async fn public_key(State(api): State<Api>) -> impl IntoResponse {
    file(api.files.public_key)
}

async fn crs(State(api): State<Api>) -> impl IntoResponse {
    file(api.files.crs)
}

fn file(bytes: Bytes) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, ONE_DAY), (header::CONTENT_TYPE, octets())], bytes)
}

const fn octets() -> HeaderValue {
    HeaderValue::from_static("application/octet-stream")
}

async fn inputs(State(api): State<Api>, request: Result<Json<InputRequest>, JsonRejection>) -> Result<Response, Error> {
    let Json(request) = request?;
    let inputs = api.inputs.get().ok_or_else(|| Error::Starting(api.progress.phase()))?;
    Ok(Json(inputs.accept(request).await?).into_response())
}

async fn look(State(api): State<Api>, Path(handle): Path<String>) -> Result<Json<MaterialReply>, Error> {
    let handle = parse_handle(&handle)?;
    let state = api.store.run(move |store| store.state(handle)).await?;
    reply(&api, handle, state)
}

async fn ask(State(api): State<Api>, Path(handle): Path<String>) -> Result<Json<MaterialReply>, Error> {
    let handle = parse_handle(&handle)?;
    let most = api.asked_squashes;
    match api.store.run(move |store| store.ask(handle, most)).await? {
        Asked::Busy => Err(Error::Busy),
        Asked::State(state) => {
            api.wake.notify_one();
            reply(&api, handle, state)
        }
    }
}

fn reply(api: &Api, handle: Handle, state: HandleState) -> Result<Json<MaterialReply>, Error> {
    Ok(Json(match state {
        HandleState::Unknown => MaterialReply::Unknown,
        HandleState::WaitingInput | HandleState::Computing { .. } => MaterialReply::Computing,
        HandleState::Computed | HandleState::Squashing => MaterialReply::Squashing,
        HandleState::Ready(material) => MaterialReply::Ready { material: attested(api, handle, material) },
        HandleState::Failed(failure) => {
            return Err(Error::Failed { handle, root: failure.root, reason: failure.reason });
        }
    }))
}

fn attested(api: &Api, handle: Handle, material: Material) -> AttestedMaterial {
    let Object { digest, size } = material.object;
    let Attester { key: key_id, format, profile, .. } = api.attester;
    let signature = Hex(material.signature);
    AttestedMaterial { handle, key_id, format, profile, digest, size, signature }
}

async fn object(State(api): State<Api>, Path(digest): Path<String>) -> Result<Response, Error> {
    let digest = word("digest", &digest)?;
    let permit = Arc::clone(&api.downloads).try_acquire_owned().map_err(|_| Error::Busy)?;
    let (size, stream) = api.objects.stream(digest).await?;
    // The permit goes along with the bytes and is given back when the last is out or the caller hangs up.
    let stream = futures::stream::unfold((stream, permit), |(mut stream, permit)| async {
        stream.next().await.map(|chunk| (chunk, (stream, permit)))
    });
    let headers = [
        (header::CACHE_CONTROL, FOREVER),
        (header::CONTENT_TYPE, octets()),
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

fn parse_handle(text: &str) -> Result<Handle, Error> {
    let handle = Handle(word("handle", text)?);
    handle.check()?;
    Ok(handle)
}

fn word(what: &'static str, text: &str) -> Result<B256, Error> {
    B256::from_str(text).map_err(|_| Error::Word { what, found: text.chars().take(80).collect() })
}
