//! HTTP: the routes of the official client under `/v2` and `/v1` (fhevm-compat §3.2, §3.3), status for people, health for
//! operators. `openapi.json` describes them; the tests hold every exchange against it.

mod acl;
mod caller;
mod decrypt;
mod input;
mod keyurl;
mod labels;
mod permit;
mod reply;
mod status;
mod turns;
mod v1;

use crate::config::{Config, Limits};
use crate::desk::Desk;
use crate::health::Health;
use crate::inputs::Inputs;
use crate::keys::Keys;
use crate::quota::Quota;
use alloy_primitives::Address;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use caller::{Access, Caller};
use metrics_exporter_prometheus::PrometheusHandle;
use reply::Failed;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_types::Cluster;
use tkms_wire::relayer::{ApiError, DELEGATED_USER_DECRYPT, INPUT_PROOF, KEY_URL, Label, PUBLIC_DECRYPT, USER_DECRYPT};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use turns::Turns;
use url::Url;

/// Longest time for one exchange, a slow body included. All work that takes longer is a job.
const EXCHANGE: Duration = Duration::from_secs(60);
/// As [`EXCHANGE`], where the answer is waited for. Below [`crate::server::IDLE`].
const WAITING_EXCHANGE: Duration = Duration::from_secs(140);
/// The API for machines.
const OPENAPI: &str = include_str!("../../openapi.json");
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
    access: Access,
    turns: Turns,
    user_per_minute: NonZeroU32,
    users: Quota<Address>,
    callers: Quota<Caller>,
    readers: Quota<Caller>,
}

impl App {
    /// The parts, and bounds from the configuration.
    #[must_use]
    pub fn new(desk: Arc<Desk>, inputs: Arc<Inputs>, keys: Keys, health: Arc<Health>, config: &Config) -> Self {
        let Limits { user_per_minute, all_per_minute, .. } = config.limits;
        Self {
            cluster: desk.cluster.clone(),
            desk,
            inputs,
            keys,
            health,
            metrics: crate::metrics::install(),
            public_url: config.public_url.clone(),
            access: Access::new(config),
            turns: Turns::default(),
            user_per_minute,
            users: Quota::new(all_per_minute),
            callers: Quota::new(all_per_minute),
            readers: Quota::new(all_per_minute),
        }
    }

    fn charge_caller(&self, caller: &Caller) -> Result<(), Failed> {
        charged("caller", self.callers.charge(caller, self.access.rate(caller), Instant::now()))
    }

    /// Looking at permissions takes nothing from what a caller may ask.
    fn charge_reader(&self, caller: &Caller) -> Result<(), Failed> {
        charged("caller", self.readers.charge(caller, self.access.rate(caller), Instant::now()))
    }

    fn charge_user(&self, user: Address) -> Result<(), Failed> {
        charged("user", self.users.charge(&user, self.user_per_minute, Instant::now()))
    }
}

fn charged(whose: &str, outcome: Result<(), Duration>) -> Result<(), Failed> {
    outcome.map_err(|wait| {
        crate::metrics::turned_away("rate_limited");
        // Whole seconds, never too few; no rate is so low that they are many
        let seconds = wait.as_secs().saturating_add(1);
        let message = format!("the rate of this {whose}, or of all together, is used up: try again in {seconds} s");
        Failed::after(ApiError::new(Label::RateLimited, message), seconds)
    })
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
    let v1 = Router::new()
        .route(&path(KEY_URL), get(v1::key_url))
        .route(&path(INPUT_PROOF), post(v1::input_proof))
        .route(&path(PUBLIC_DECRYPT), post(v1::public_decrypt))
        .route(&path(USER_DECRYPT), post(v1::user_decrypt))
        .route(&path(DELEGATED_USER_DECRYPT), post(v1::delegated_user_decrypt))
        .layer(middleware::from_fn(|request, next| bounded(WAITING_EXCHANGE, request, next)));
    let quick = Router::new()
        .nest("/v2", v2)
        .route("/v1/requests/{id}", get(status::request))
        .route("/v1/acl/anchor", get(acl::anchor))
        .route("/v1/acl/proofs/{handle}/{account}", get(acl::proof))
        .route("/livez", get(|| async { StatusCode::OK }))
        .route("/readyz", get(status::ready))
        .route("/metrics", get(status::metrics))
        .route("/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }))
        .layer(middleware::from_fn(|request, next| bounded(EXCHANGE, request, next)));
    Router::new()
        .nest("/v1", v1)
        .merge(quick)
        .fallback(|| async {
            Failed::from(ApiError::new(Label::NotFound, "no such route: `/openapi.json` describes those there are"))
        })
        .method_not_allowed_fallback(|| async {
            let message = "no such method on this route: `/openapi.json` describes those there are";
            Failed::from(ApiError::new(Label::RequestError, message))
        })
        .layer(cors(origins))
        .layer(Extension(app))
}

fn path(name: &str) -> String {
    format!("/{name}")
}

fn job(name: &str) -> String {
    format!("/{name}/{{job}}")
}

async fn bounded(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("the exchange took longer than {limit:?}: send the request again");
            Failed::from(ApiError::new(Label::ResponseTimedOut, message)).into_response()
        }
    }
}

/// Browsers ask before they send the client's own headers (`ZAMA-SDK-VERSION`, `ZAMA-SDK-NAME`, JSON bodies).
fn cors(origins: &[String]) -> CorsLayer {
    let anybody = origins.iter().any(|origin| origin == "*");
    let listed: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let exposed: [HeaderName; 4] = [header::RETRY_AFTER, header::CONTENT_RANGE, header::ACCEPT_RANGES, header::ETAG];
    CorsLayer::new()
        .allow_origin(if anybody { AllowOrigin::any() } else { AllowOrigin::list(listed) })
        // For keys in cookies. Browsers send none to whom everybody may ask
        .allow_credentials(!anybody)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed)
        .max_age(PREFLIGHT)
}
