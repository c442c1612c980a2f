//! `keyurl` and the two files it names.

use super::App;
use super::reply::Failed;
use crate::keys::KeyFile;
use axum::Extension;
use axum::Json;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
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
    Json(key_urls(&app))
}

/// Where the files lie, in the form of version 2.
pub(super) fn key_urls(app: &App) -> KeyUrl {
    let key = KeyData { data_id: app.cluster.key.id.to_string(), urls: vec![url(app, KeyFile::PublicKey)] };
    let crs = KeyData { data_id: app.cluster.key.crs_digest.to_string(), urls: vec![url(app, KeyFile::Crs)] };
    let fhe_key_info = vec![FheKeyInfo { fhe_public_key: key }];
    KeyUrl { response: KeyUrls { fhe_key_info, crs: BTreeMap::from([(CAPACITY.to_owned(), crs)]) } }
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
    let file = file.ok_or_else(|| {
        ApiError::new(Label::NotFound, "no such key file in this cluster: `keyurl` says where they are")
    })?;
    let unavailable = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, name, "key file is not available");
        ApiError::new(Label::GatewayNotReachable, "the key file is not available now: try again in a while")
    };
    let tag = HeaderValue::from_str(&format!("\"{digest}\"")).map_err(|error| unavailable(&error))?;
    let mut response = if has(request.headers(), &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let path = app.keys.path(file).await.map_err(|error| unavailable(&error))?;
        ServeFile::new(path).try_call(request).await.map_err(|error| unavailable(&error))?.into_response()
    };
    response.headers_mut().insert(header::CACHE_CONTROL, FOR_EVER);
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Whether the caller holds the file already (RFC 9110 §13.1.2: a weak tag matches too).
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let held = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut held = held.flat_map(|value| value.split(',')).map(|value| value.trim());
    held.any(|value| value == "*" || value.strip_prefix("W/").unwrap_or(value).as_bytes() == tag.as_bytes())
}
