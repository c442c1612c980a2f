//! Who may call how often, and what the API says about itself.

use crate::common::handle;
use crate::common::oracle::Setup;
use crate::common::schema::{operations, schema, validate};
use alloy_primitives::B256;
use serde_json::{Value, json};
use tkms_types::FheType;

const PUBLIC: &str = "/v2/public-decrypt";

fn body() -> String {
    json!({ "ciphertextHandles": [handle(1, FheType::Uint64).0], "extraData": "0x00" }).to_string()
}

/// A configured key of five calls a minute.
fn key(secret: &str) -> String {
    let digest = B256::new(*blake3::hash(secret.as_bytes()).as_bytes());
    format!("\n[[api_key]]\nname = 'a dApp'\ndigest = '{digest}'\nper_minute = 5\n")
}

async fn status(setup: &Setup, headers: &[(&str, &str)]) -> (u16, Value) {
    let (status, _, reply) = setup.post_with(PUBLIC, &body(), headers).await;
    (status, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_of_a_key_have_its_rate_and_strangers_their_own() {
    let mut setup = Setup::new().await;
    setup.limits = format!("caller_per_minute = 1\n{}", key("secret"));
    setup.start().await;
    assert_eq!(status(&setup, &[]).await.0, 202);
    assert_eq!(status(&setup, &[]).await.0, 429);
    for headers in [("x-api-key", "secret"), ("authorization", "Bearer secret"), ("cookie", "x-api-key=secret;")] {
        assert_eq!(status(&setup, &[headers]).await.0, 202, "{headers:?}");
    }
    assert_eq!(status(&setup, &[("x-api-key", "secret")]).await.0, 202);
    assert_eq!(status(&setup, &[("x-api-key", "secret")]).await.0, 202);
    let (found, reply) = status(&setup, &[("x-api-key", "secret")]).await;
    assert_eq!((found, &reply["error"]["label"]), (429, &json!("rate_limited")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_refused_and_guessing_is_slow() {
    let mut setup = Setup::new().await;
    setup.limits = format!("caller_per_minute = 2\n{}", key("secret"));
    setup.start().await;
    for guess in ["Secret", ""] {
        let (found, reply) = status(&setup, &[("x-api-key", guess)]).await;
        assert_eq!((found, &reply["error"]["label"]), (401, &json!("unauthorized")), "{reply}");
        assert!(reply["error"]["message"].as_str().unwrap().contains("ask the operator"));
    }
    assert_eq!(status(&setup, &[("x-api-key", "a third")]).await.0, 429);
    assert_eq!(status(&setup, &[("x-api-key", "secret")]).await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relayer_for_known_callers_only_still_shows_keys_and_jobs() {
    let mut setup = Setup::new().await;
    (setup.top, setup.limits) = ("keys_only = true".into(), key("secret"));
    setup.start().await;
    assert_eq!(status(&setup, &[]).await.0, 401);
    let (found, reply) = status(&setup, &[("x-api-key", "secret")]).await;
    assert_eq!(found, 202);
    let job = reply["result"]["jobId"].as_str().unwrap();
    assert_eq!(setup.outcome(PUBLIC, job).await.0, 200);
    assert_eq!(setup.json("/v2/keyurl").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_a_key_does_no_harm() {
    let setup = Setup::running().await;
    assert_eq!(status(&setup, &[("x-api-key", "of another relayer")]).await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_each_caller_has_its_own_rate() {
    let mut setup = Setup::new().await;
    (setup.top, setup.limits) = ("proxies = ['127.0.0.1']".into(), "caller_per_minute = 1".into());
    setup.start().await;
    assert_eq!(status(&setup, &[("x-forwarded-for", "1.1.1.1")]).await.0, 202);
    assert_eq!(status(&setup, &[("x-forwarded-for", "2.2.2.2")]).await.0, 202);
    // What a caller writes in front of the proxy's entry changes nothing
    assert_eq!(status(&setup, &[("x-forwarded-for", "3.3.3.3, 1.1.1.1")]).await.0, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_proxy_the_header_of_one_is_not_believed() {
    let mut setup = Setup::new().await;
    setup.limits = "caller_per_minute = 1".into();
    setup.start().await;
    assert_eq!(status(&setup, &[("x-forwarded-for", "1.1.1.1")]).await.0, 202);
    assert_eq!(status(&setup, &[("x-forwarded-for", "2.2.2.2")]).await.0, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_origins_may_send_cookies_and_others_may_not_call() {
    let mut setup = Setup::new().await;
    setup.top = "cors_origins = ['https://dapp.example']".into();
    setup.start().await;
    let call = async |origin: &str| {
        let request = reqwest::Client::new().get(setup.url("/v2/keyurl")).header("origin", origin);
        let headers = request.send().await.unwrap().headers().clone();
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        (text("access-control-allow-origin"), text("access-control-allow-credentials"))
    };
    let allowed = (Some("https://dapp.example".to_owned()), Some("true".to_owned()));
    assert_eq!(call("https://dapp.example").await, allowed);
    assert_eq!(call("https://other.example").await.0, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_and_describes_routes_that_are_there() {
    let setup = Setup::running().await;
    let (found, _, served) = setup.json("/openapi.json").await;
    assert_eq!((found, &served["openapi"]), (200, &json!("3.1.0")));
    let listed = operations();
    assert!(listed.len() >= 22);
    for (method, path) in listed {
        let path = path.replace("{job}", "0x00").replace("{id}", "0x00");
        let path = path.replace("{name}", "crs").replace("{digest}", "0x00");
        if method == "POST" {
            let (found, _, reply) = setup.post(&path, "{}").await;
            assert_eq!((found, &reply["error"]["label"]), (400, &json!("missing_fields")), "{path}");
            continue;
        }
        let text = setup.get(&path).await.unwrap().text().await.unwrap();
        assert!(!text.contains("no such route") && !text.contains("no such method"), "{method} {path}: {text}");
    }
}

/// The tests hold every exchange against the description: this shows that doing so can fail.
#[test]
fn the_description_refuses_what_the_official_client_refuses() {
    let id = format!("0x{}", "0a".repeat(32));
    let good = json!({ "status": "queued", "requestId": id, "result": { "jobId": id } });
    validate(&schema("Accepted"), &good, "good").unwrap();
    let change = |pointer: &str, new: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = new;
        bad
    };
    for bad in [
        change("/status", json!("failed")),
        change("/requestId", json!(7)),
        change("/requestId", json!("0x12")),
        change("/result", json!({})),
        change("/result", json!({ "jobId": id, "more": 1 })),
        json!([]),
    ] {
        validate(&schema("Accepted"), &bad, "bad").unwrap_err();
    }
    let error = |label: &str| json!({ "status": "failed", "error": { "label": label, "message": "why" } });
    validate(&schema("Invalid"), &error("request_error"), "good").unwrap();
    for bad in ["invented", "not_found", "rate_limited", ""] {
        validate(&schema("Invalid"), &error(bad), "bad").unwrap_err();
    }
    validate(&schema("TooMany"), &error("request_error"), "bad").unwrap_err();
}
