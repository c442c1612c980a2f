//! `keyurl` and the two files it names.

use super::App;
use super::reply::Failed;
use crate::keys::KeyFile;
use axum::Extension;
use axum::Json;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::Arc;
use tkms_wire::relayer::{ApiError, FheKeyInfo, KeyData, KeyUrl, KeyUrls, Label};
use tower_http::services::ServeFile;

/// Bits of one input that the CRS proves.
const CAPACITY: &str = "2048";
/// The digest stands in the path, so the bytes behind it never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

pub(super) async fn key_url(app: Extension<Arc<App>>) -> Json<KeyUrl> {
    let key = KeyData { data_id: app.cluster.key.id.to_string(), urls: vec![url(&app, KeyFile::PublicKey)] };
    let crs = KeyData { data_id: app.cluster.key.crs_digest.to_string(), urls: vec![url(&app, KeyFile::Crs)] };
    let fhe_key_info = vec![FheKeyInfo { fhe_public_key: key }];
    Json(KeyUrl { response: KeyUrls { fhe_key_info, crs: BTreeMap::from([(CAPACITY.to_owned(), crs)]) } })
}

fn url(app: &App, file: KeyFile) -> String {
    let base = app.public_url.as_str().trim_end_matches('/');
    format!("{base}/v2/keys/{}/{}", file.name(), file.digest(&app.cluster))
}

pub(super) async fn key_file(
    app: Extension<Arc<App>>,
    Path((name, digest)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failed> {
    let file = [KeyFile::PublicKey, KeyFile::Crs].into_iter().find(|file| file.name() == name);
    let file = file.filter(|file| file.digest(&app.cluster).to_string() == digest);
    let file = file.ok_or_else(|| ApiError::new(Label::NotFound, "no such key file in this cluster"))?;
    let unavailable = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, name, "key file is not available");
        ApiError::new(Label::GatewayNotReachable, "the key file is not available now, try again")
    };
    let path = app.keys.path(file).await.map_err(|error| unavailable(&error))?;
    let served = ServeFile::new(path).try_call(request).await.map_err(|error| unavailable(&error))?;
    let mut response = served.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, FOR_EVER);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{digest}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}
