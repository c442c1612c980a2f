//! The job protocol with relayers that are slow, busy, wrong or gone.

use crate::fixture::{Answer, Relayer, Scene, handle, rng};
use serde_json::json;
use std::time::{Duration, Instant};
use tkms_client::{ApiKey, Client, Config, Error, PublicDecryption};
use tkms_types::FheType;

async fn ask(answers: impl IntoIterator<Item = Answer>) -> (Result<PublicDecryption, Error>, Vec<String>) {
    let relayer = Relayer::start(answers).await;
    let client = relayer.client(Scene::new(4, &mut rng(1)).trust());
    (client.public_decrypt(&[handle(1, FheType::Uint8)]).await, relayer.asked())
}

fn running() -> Answer {
    Answer::json(202, &json!({"status": "queued", "requestId": "r"}))
}

fn empty() -> Answer {
    Answer::result(json!({"signatures": [], "decryptedValue": "", "extraData": "0x"}))
}

#[tokio::test]
async fn a_job_is_looked_at_until_it_is_done() {
    let (outcome, asked) = ask([Answer::job(), running(), running(), empty()]).await;
    // The answer came through and was judged
    assert!(matches!(outcome.unwrap_err(), Error::Words { found: 0, expected: 32 }));
    let look = "GET /v2/public-decrypt/job-1";
    assert_eq!(asked, ["POST /v2/public-decrypt", look, look, look]);
}

#[tokio::test]
async fn a_busy_relayer_is_asked_again() {
    let busy = || Answer::failed(429, "protocol_overload");
    let (outcome, asked) = ask([busy(), Answer::job(), busy(), empty()]).await;
    assert!(matches!(outcome.unwrap_err(), Error::Words { .. }));
    assert_eq!(asked.len(), 4);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let slow = Answer { retry_after: Some("1"), ..running() };
    let start = Instant::now();
    ask([Answer::job(), slow, empty()]).await.0.unwrap_err();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_refusal_is_handed_on_with_its_label() {
    for answers in [
        vec![Answer::failed(400, "not_allowed_on_host_acl")],
        vec![Answer::job(), Answer::failed(400, "not_allowed_on_host_acl")],
    ] {
        let Error::Refused(error) = ask(answers).await.0.unwrap_err() else { panic!("a refusal was sent") };
        assert_eq!(error.label, tkms_wire::relayer::Label::NotAllowedOnHostAcl);
    }
}

#[tokio::test]
async fn answers_outside_the_protocol_are_named() {
    let text = Answer { status: 200, retry_after: None, body: b"<html>".to_vec() };
    let wrong = [
        vec![text.clone()],
        vec![empty()],
        vec![running()],
        vec![Answer::failed(400, "some_label")],
        vec![Answer::job(), text],
        vec![Answer::json(202, &json!({"status": "queued", "requestId": "r", "result": {"jobId": "../keyurl"}}))],
        vec![Answer::json(202, &json!({"status": "queued", "requestId": "r", "result": {"jobId": ""}}))],
        vec![Answer::json(202, &json!({"status": "queued", "requestId": "r", "result": {"jobId": "j".repeat(200)}}))],
    ];
    for answers in wrong {
        assert!(matches!(ask(answers).await.0.unwrap_err(), Error::Protocol { .. }));
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let long = Answer { status: 200, retry_after: None, body: vec![b' '; 64 * 1024 * 1024 + 1] };
    let Error::Protocol { what, .. } = ask([Answer::job(), long]).await.0.unwrap_err() else { panic!("too long") };
    assert!(what.contains("more than"), "{what}");
}

#[tokio::test]
async fn a_job_that_is_never_done_ends_in_a_timeout() {
    let slow = Answer { retry_after: Some("30"), ..running() };
    let outcome = ask([Answer::job(), slow]).await.0;
    assert!(matches!(outcome.unwrap_err(), Error::Timeout { .. }));
}

#[tokio::test]
async fn a_relayer_that_is_gone_is_an_error_soon() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = Config {
        shortest_wait: Duration::from_millis(1),
        ..Config::new(format!("http://{closed}/v2").parse().unwrap())
    };
    let client = Client::new(config, Scene::new(4, &mut rng(2)).trust()).unwrap();
    let outcome = client.public_decrypt(&[handle(1, FheType::Uint8)]).await;
    assert!(matches!(outcome.unwrap_err(), Error::Http { .. }));
}

/// The first bytes a client sends to a relayer at this kind of URL. The relayer hangs up.
async fn first_bytes(scheme: &str, api_key: Option<ApiKey>) -> Vec<u8> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("{scheme}://{}/v2", listener.local_addr().unwrap());
    let config = Config { shortest_wait: Duration::from_millis(1), api_key, ..Config::new(base.parse().unwrap()) };
    let client = Client::new(config, Scene::new(4, &mut rng(3)).trust()).unwrap();
    let handles = [handle(1, FheType::Uint8)];
    let seen = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let length = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes).await.unwrap();
        drop((stream, listener));
        bytes.truncate(length);
        bytes
    };
    let (outcome, bytes) = tokio::join!(client.public_decrypt(&handles), seen);
    assert!(matches!(outcome.unwrap_err(), Error::Http { .. }));
    bytes
}

#[tokio::test]
async fn a_relayer_behind_https_is_spoken_to_in_tls() {
    // Handshake record of TLS 1.x
    assert_eq!(first_bytes("https", None).await[..2], [0x16, 3]);
}

#[tokio::test]
async fn an_api_key_is_sent_where_relayers_look_for_it_and_never_shown() {
    let key = || ApiKey::new("secret-1".to_owned());
    let sent = String::from_utf8(first_bytes("http", Some(key())).await).unwrap().to_lowercase();
    assert!(sent.contains("x-api-key: secret-1"), "{sent}");
    let without = String::from_utf8(first_bytes("http", None).await).unwrap().to_lowercase();
    assert!(!without.contains("x-api-key"), "{without}");
    let config = Config { api_key: Some(key()), ..Config::new("http://127.0.0.1/v2".parse().unwrap()) };
    assert!(!format!("{config:?}").contains("secret-1"));
}

#[tokio::test]
async fn handles_that_cannot_be_asked_are_not_sent() {
    let relayer = Relayer::start([]).await;
    let client = relayer.client(Scene::new(4, &mut rng(3)).trust());
    let mut other_chain = handle(1, FheType::Uint8);
    other_chain.0.0[29] = 1;
    let mut version = handle(1, FheType::Uint8);
    version.0.0[31] = 1;
    assert!(matches!(client.public_decrypt(&[]).await.unwrap_err(), Error::Count { found: 0, .. }));
    assert!(matches!(client.public_decrypt(&[other_chain]).await.unwrap_err(), Error::OtherChain { .. }));
    assert!(matches!(client.public_decrypt(&[version]).await.unwrap_err(), Error::Handle(_)));
    assert!(relayer.asked().is_empty());
}
