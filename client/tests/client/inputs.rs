//! Keys of the relayer are compared with the cluster file. Encryption itself is tested where keys are.

use crate::fixture::{Answer, Relayer, Scene, rng};
use serde_json::json;
use tkms_client::Error;

async fn fetch(key: &[u8], crs: &[u8]) -> Error {
    let relayer = Relayer::start([]).await;
    let file = |name: &str| json!({"dataId": name, "urls": [relayer.url(name)]});
    let urls = json!({"response": {"fheKeyInfo": [{"fhePublicKey": file("key")}], "crs": {"2048": file("crs")}}});
    relayer.push(Answer::json(200, &urls));
    for bytes in [key, crs] {
        relayer.push(Answer { status: 200, retry_after: None, body: bytes.to_vec() });
    }
    relayer.client(Scene::new(4, &mut rng(1)).trust()).keys().await.err().expect("no real keys are served")
}

#[tokio::test]
async fn other_files_than_the_cluster_s_are_refused() {
    assert!(matches!(fetch(b"another key", b"crs").await, Error::Digest { what: "public key", .. }));
    assert!(matches!(fetch(b"public key", b"another crs").await, Error::Digest { what: "CRS", .. }));
    // The right digests of no keys get one step further
    assert!(matches!(fetch(b"public key", b"crs").await, Error::Keys(_)));
}

#[tokio::test]
async fn a_file_over_its_bound_is_given_up() {
    assert!(matches!(fetch(&[0; 64 * 1024 + 1], b"crs").await, Error::Protocol { .. }));
}

#[tokio::test]
async fn a_relayer_without_keys_is_named() {
    for body in [
        json!({"response": {"fheKeyInfo": [], "crs": {}}}),
        json!({"response": {"fheKeyInfo": [{"fhePublicKey": {"dataId": "k", "urls": []}}], "crs": {}}}),
        json!({}),
    ] {
        let relayer = Relayer::start([Answer::json(200, &body)]).await;
        let error = relayer.client(Scene::new(4, &mut rng(2)).trust()).keys().await.err().unwrap();
        assert!(matches!(error, Error::Protocol { .. }));
    }
}

#[test]
fn a_chain_that_the_cluster_does_not_know_is_refused() {
    let scene = Scene::new(1, &mut rng(3));
    assert!(matches!(tkms_client::Trust::from_cluster(&scene.cluster, 1).unwrap_err(), Error::UnknownChain(1)));
}
