//! Keys of the relayer are compared with the cluster file, its answer to an input with the list that was sent.
//! Encryption itself is tested where keys are.

use crate::fixture::{Answer, CHAIN, Relayer, Scene, rng};
use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::SolStruct;
use serde_json::{Value as Json, json};
use tkms_client::{EncryptedInput, Error};
use tkms_types::typed_data::{CiphertextVerification, input_domain};
use tkms_types::{FheType, Handle};
use tkms_wire::proof::input_handles;
use tkms_wire::signature::sign;

const CONTRACT: Address = Address::repeat_byte(0xc1);
const USER: Address = Address::repeat_byte(0xc2);
const KINDS: [FheType; 2] = [FheType::Uint64, FheType::Bool];

fn handles(scene: &Scene) -> Vec<Handle> {
    input_handles(b"list", &KINDS, scene.cluster.chains[0].contracts.acl, CHAIN)
}

/// Signatures of these coprocessors for this user.
fn signatures(scene: &Scene, signers: &[usize], user: Address) -> Vec<String> {
    let digest = CiphertextVerification {
        ctHandles: handles(scene).iter().map(|handle| handle.0).collect(),
        userAddress: user,
        contractAddress: CONTRACT,
        contractChainId: U256::from(CHAIN),
        extraData: vec![0].into(),
    }
    .eip712_signing_hash(&input_domain(&scene.cluster.gateway));
    let signature = |signer: &usize| hex::encode_prefixed(sign(&scene.coprocessors[*signer], digest).unwrap());
    signers.iter().map(signature).collect()
}

async fn submit(scene: &Scene, result: Json) -> Result<EncryptedInput, Error> {
    let relayer = Relayer::start([Answer::job(), Answer::result(result)]).await;
    let input = relayer.client(scene.trust()).submit_input(b"list".to_vec(), &KINDS, CONTRACT, USER).await;
    let sent = json!({
        "contractAddress": CONTRACT, "userAddress": USER, "ciphertextWithInputVerification": hex::encode("list"),
        "contractChainId": "0x7a69", "extraData": "0x00",
    });
    assert_eq!(relayer.body(0), sent);
    input
}

fn accepted(handles: &[Handle], signatures: &[String]) -> Json {
    json!({"accepted": true, "handles": handles, "signatures": signatures, "extraData": "0x00"})
}

#[tokio::test]
async fn a_verified_input_comes_with_the_proof_contracts_check() {
    let scene = Scene::new(1, &mut rng(4));
    let (handles, signed) = (handles(&scene), signatures(&scene, &[2, 0, 1], USER));
    let input = submit(&scene, accepted(&handles, &signed)).await.unwrap();
    assert_eq!(input.handles, handles);
    let words: Vec<String> = handles.iter().map(|handle| hex::encode(handle.0)).collect();
    let two: Vec<&str> = signed[..2].iter().map(|signature| &signature[2..]).collect();
    // Counts, handles, as many signatures as the quorum, version 0
    assert_eq!(hex::encode(&input.proof), format!("0202{}{}00", words.concat(), two.concat()));
}

#[tokio::test]
async fn other_handles_than_those_of_the_list_are_refused() {
    let scene = Scene::new(1, &mut rng(5));
    let (mut other, signed) = (handles(&scene), signatures(&scene, &[0, 1], USER));
    assert!(matches!(submit(&scene, accepted(&other[..1], &signed)).await.unwrap_err(), Error::OtherHandles));
    other.swap(0, 1);
    assert!(matches!(submit(&scene, accepted(&other, &signed)).await.unwrap_err(), Error::OtherHandles));
}

#[tokio::test]
async fn fewer_signatures_than_the_quorum_are_refused() {
    let scene = Scene::new(1, &mut rng(6));
    let stranger = signatures(&Scene::new(1, &mut rng(7)), &[0, 1, 2], USER);
    let another_user = signatures(&scene, &[0, 1, 2], CONTRACT);
    for (signed, found) in [(signatures(&scene, &[1, 1], USER), 1), (stranger, 0), (another_user, 0)] {
        let error = submit(&scene, accepted(&handles(&scene), &signed)).await.unwrap_err();
        assert!(matches!(error, Error::Quorum { need: 2, found: f, .. } if f == found), "{error}");
    }
}

#[tokio::test]
async fn a_rejected_proof_is_told_apart() {
    let scene = Scene::new(1, &mut rng(8));
    let rejected = json!({"accepted": false, "extraData": "0x00"});
    assert!(matches!(submit(&scene, rejected).await.unwrap_err(), Error::InputRejected));
}

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
