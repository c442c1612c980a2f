//! The demo page's server: files of the checkout and what the page must know about the devnet, on the loopback interface.

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use std::net::TcpListener;
use std::path::Path;
use tokio::task::JoinSet;
use tower_http::services::{ServeDir, ServeFile};

/// Serves the page until the set is dropped.
///
/// # Errors
/// If the port cannot be listened at.
pub fn serve(root: &Path, deployment: &Path, port: u16) -> Result<JoinSet<()>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("demo page, port {port}"))?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let routes = routes(root, deployment);
    let mut server = JoinSet::new();
    server.spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "demo page");
        }
    });
    Ok(server)
}

fn routes(root: &Path, deployment: &Path) -> Router {
    let package = |path: &str| root.join("node_modules").join(path);
    // It looks for its programs at the root of the site
    let client = ServeDir::new(package("@zama-fhe/relayer-sdk/bundle"));
    let contract = root.join("solidity/out/ConfidentialToken.sol/ConfidentialToken.json");
    Router::new()
        .route_service("/deployment.json", ServeFile::new(deployment))
        .route_service("/contract.json", ServeFile::new(contract))
        .route_service("/lib/ethers.min.js", ServeFile::new(package("ethers/dist/ethers.min.js")))
        .fallback_service(ServeDir::new(root.join("demo")).fallback(client))
        .layer(map_response(isolated))
}

/// Threads in the browser need memory that pages share, which browsers grant to isolated pages only.
async fn isolated(mut response: Response) -> Response {
    let headers = [
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A new devnet has other addresses at the same place
        (header::CACHE_CONTROL, "no-cache"),
    ];
    response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}
