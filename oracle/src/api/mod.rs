//! HTTP: the routes of the official client under `/v2` (fhevm-compat §3.2, §3.3), status for people, health for operators.

mod acl;
mod decrypt;
mod input;
mod keyurl;
mod labels;
mod permit;
mod reply;
mod status;

use crate::config::{Config, Limits};
use crate::desk::Desk;
use crate::health::Health;
use crate::inputs::Inputs;
use crate::keys::Keys;
use crate::quota::Quota;
use crate::server::Peer;
use alloy_primitives::Address;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use reply::Failed;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_types::Cluster;
use tkms_wire::relayer::{ApiError, DELEGATED_USER_DECRYPT, INPUT_PROOF, KEY_URL, Label, PUBLIC_DECRYPT, USER_DECRYPT};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

/// Longest time for one exchange, a slow body included. All work that takes longer is a job.
const EXCHANGE: Duration = Duration::from_secs(60);
/// How long a browser may remember a preflight.
const PREFLIGHT: Duration = Duration::from_secs(24 * 3600);

/// What the routes share.
pub struct App {
    /// The cluster file.
    pub cluster: Arc<Cluster>,
    /// Decryptions.
    pub desk: Arc<Desk>,
    /// Encrypted inputs.
    pub inputs: Arc<Inputs>,
    /// Public key and CRS.
    pub keys: Keys,
    /// Why we are not ready.
    pub health: Arc<Health>,
    /// For `/metrics`; none if the process has a recorder of its own.
    pub metrics: Option<&'static PrometheusHandle>,
    public_url: Url,
    users: Quota<Address>,
    callers: Quota<IpAddr>,
    readers: Quota<IpAddr>,
}

impl App {
    /// The parts, and bounds from the configuration.
    #[must_use]
    pub fn new(desk: Arc<Desk>, inputs: Arc<Inputs>, keys: Keys, health: Arc<Health>, config: &Config) -> Self {
        let Limits { user_per_minute, caller_per_minute, all_per_minute, .. } = config.limits;
        Self {
            cluster: desk.cluster.clone(),
            desk,
            inputs,
            keys,
            health,
            metrics: crate::metrics::install(),
            public_url: config.public_url.clone(),
            users: Quota::new(user_per_minute, all_per_minute),
            callers: Quota::new(caller_per_minute, all_per_minute),
            readers: Quota::new(caller_per_minute, all_per_minute),
        }
    }

    fn charge_caller(&self, peer: Peer) -> Result<(), Failed> {
        self.charged(self.callers.charge(&peer.0.ip(), Instant::now()))
    }

    /// Looking at permissions takes nothing from what a caller may ask.
    fn charge_reader(&self, peer: Peer) -> Result<(), Failed> {
        self.charged(self.readers.charge(&peer.0.ip(), Instant::now()))
    }

    fn charge_user(&self, user: Address) -> Result<(), Failed> {
        self.charged(self.users.charge(&user, Instant::now()))
    }

    fn charged(&self, enough: bool) -> Result<(), Failed> {
        if enough {
            return Ok(());
        }
        crate::metrics::turned_away("rate_limited");
        Err(ApiError::new(Label::RateLimited, "too many requests, try again later").into())
    }
}

/// All routes.
pub fn router(app: Arc<App>, origins: &[String]) -> Router {
    let v2 = Router::new()
        .route(&path(KEY_URL), get(keyurl::key_url))
        .route("/keys/{name}/{digest}", get(keyurl::key_file))
        .route(&path(INPUT_PROOF), post(input::post))
        .route(&job(INPUT_PROOF), get(input::job))
        .route(&path(PUBLIC_DECRYPT), post(decrypt::post_public))
        .route(&job(PUBLIC_DECRYPT), get(decrypt::public_job))
        .route(&path(USER_DECRYPT), post(decrypt::post_user))
        .route(&job(USER_DECRYPT), get(decrypt::user_job))
        .route(&path(DELEGATED_USER_DECRYPT), post(decrypt::post_delegated))
        .route(&job(DELEGATED_USER_DECRYPT), get(decrypt::delegated_job));
    Router::new()
        .nest("/v2", v2)
        .route("/v1/requests/{id}", get(status::request))
        .route("/v1/acl/anchor", get(acl::anchor))
        .route("/v1/acl/proofs/{handle}/{account}", get(acl::proof))
        .route("/livez", get(|| async { StatusCode::OK }))
        .route("/readyz", get(status::ready))
        .route("/metrics", get(status::metrics))
        .fallback(|| async { Failed::from(ApiError::new(Label::NotFound, "no such route")) })
        .method_not_allowed_fallback(|| async {
            Failed::from(ApiError::new(Label::RequestError, "no such method on this route"))
        })
        .layer(middleware::from_fn(bounded))
        .layer(cors(origins))
        .layer(Extension(app))
}

fn path(name: &str) -> String {
    format!("/{name}")
}

fn job(name: &str) -> String {
    format!("/{name}/{{job}}")
}

async fn bounded(request: Request, next: Next) -> Response {
    match tokio::time::timeout(EXCHANGE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("the exchange took longer than {EXCHANGE:?}");
            axum::response::IntoResponse::into_response(Failed::from(ApiError::new(Label::ResponseTimedOut, message)))
        }
    }
}

/// Browsers ask before they send the client's own headers (`ZAMA-SDK-VERSION`, `ZAMA-SDK-NAME`, JSON bodies).
fn cors(origins: &[String]) -> CorsLayer {
    let exact: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let origin = if origins.iter().any(|origin| origin == "*") { AllowOrigin::any() } else { AllowOrigin::list(exact) };
    let exposed: [HeaderName; 4] = [header::RETRY_AFTER, header::CONTENT_RANGE, header::ACCEPT_RANGES, header::ETAG];
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed)
        .max_age(PREFLIGHT)
}
