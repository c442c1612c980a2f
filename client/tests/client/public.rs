//! Public answers: 2t + 1 signatures of the committee or nothing.

use crate::fixture::{Answer, Relayer, Scene, handle, rng};
use alloy_primitives::{B256, U256, hex};
use serde_json::json;
use tkms_client::{Error, PublicDecryption};
use tkms_types::typed_data::public_answer_digest;
use tkms_types::{FheType, Handle};

const VALUES: [u64; 2] = [77, 1];

fn handles() -> Vec<Handle> {
    vec![handle(1, FheType::Uint64), handle(2, FheType::Bool)]
}

fn words(values: &[u64]) -> Vec<B256> {
    values.iter().map(|value| U256::from(*value).into()).collect()
}

/// Signatures of these parties over these values.
fn signatures(scene: &Scene, parties: &[u8], values: &[u64], extra_data: &[u8]) -> Vec<String> {
    let handles: Vec<_> = handles().iter().map(|handle| handle.0).collect();
    let digest = public_answer_digest(&handles, &words(values), extra_data, &scene.cluster.gateway);
    let committee = scene.cluster.size().unwrap();
    parties.iter().map(|number| hex::encode(scene.sign(committee.party(*number).unwrap(), digest))).collect()
}

async fn ask(scene: &Scene, signatures: Vec<String>, values: &[u64]) -> Result<PublicDecryption, Error> {
    let value = hex::encode(words(values).concat());
    let result = json!({"signatures": signatures, "decryptedValue": value, "extraData": "0x"});
    let relayer = Relayer::start([Answer::job(), Answer::result(result)]).await;
    let outcome = relayer.client(scene.trust()).public_decrypt(&handles()).await;
    assert_eq!(relayer.body(0), json!({"ciphertextHandles": handles(), "extraData": "0x00"}));
    outcome
}

fn scene() -> Scene {
    Scene::new(4, &mut rng(1))
}

#[tokio::test]
async fn a_quorum_s_answer_comes_with_the_proof_contracts_check() {
    let scene = scene();
    let signed = signatures(&scene, &[2, 4, 1], &VALUES, &[]);
    let answer = ask(&scene, signed.clone(), &VALUES).await.unwrap();
    assert_eq!(answer.values.iter().map(|value| value.value().to::<u64>()).collect::<Vec<_>>(), VALUES);
    assert_eq!(answer.cleartexts, words(&VALUES).concat());
    assert_eq!(hex::encode(&answer.proof), format!("03{}", signed.concat()));
    assert_eq!(answer.signers.iter().map(|party| party.number()).collect::<Vec<_>>(), [2, 4, 1]);
}

#[tokio::test]
async fn more_signatures_than_the_quorum_are_left_out_of_the_proof() {
    let scene = scene();
    let answer = ask(&scene, signatures(&scene, &[1, 2, 3, 4], &VALUES, &[]), &VALUES).await.unwrap();
    assert_eq!(answer.proof.len(), 1 + 3 * 65);
}

#[tokio::test]
async fn bad_signatures_are_left_out_of_the_proof() {
    let scene = scene();
    let mut mixed = signatures(&scene, &[1], &[78, 1], &[]);
    mixed.extend(["00".repeat(65), "00".to_owned()]);
    mixed.extend(signatures(&Scene::new(4, &mut rng(2)), &[1], &VALUES, &[]));
    let good = signatures(&scene, &[2, 3, 4], &VALUES, &[]);
    mixed.extend(good.clone());
    let answer = ask(&scene, mixed, &VALUES).await.unwrap();
    assert_eq!(hex::encode(&answer.proof), format!("03{}", good.concat()));
}

#[tokio::test]
async fn fewer_than_a_quorum_of_distinct_signers_is_refused() {
    let scene = scene();
    let repeated = signatures(&scene, &[1, 2, 2, 1], &VALUES, &[]);
    let strangers = signatures(&Scene::new(4, &mut rng(3)), &[1, 2, 3, 4], &VALUES, &[]);
    for (signatures, found) in [(repeated, 2), (strangers, 0), (vec![], 0)] {
        let error = ask(&scene, signatures, &VALUES).await.unwrap_err();
        assert!(matches!(error, Error::Quorum { need: 3, found: f, .. } if f == found), "{error}");
    }
}

#[tokio::test]
async fn signatures_over_other_values_or_extra_data_are_refused() {
    let scene = scene();
    for signatures in [
        signatures(&scene, &[1, 2, 3, 4], &[78, 1], &[]),
        signatures(&scene, &[1, 2, 3, 4], &[1, 77], &[]),
        signatures(&scene, &[1, 2, 3, 4], &VALUES, &[0]),
    ] {
        assert!(matches!(ask(&scene, signatures, &VALUES).await.unwrap_err(), Error::Quorum { found: 0, .. }));
    }
}

#[tokio::test]
async fn another_number_of_words_is_refused() {
    let scene = scene();
    for values in [&[77][..], &[77, 1, 2], &[]] {
        let error = ask(&scene, signatures(&scene, &[1, 2, 3], values, &[]), values).await.unwrap_err();
        assert!(matches!(error, Error::Words { expected: 64, .. }));
    }
}

#[tokio::test]
async fn a_signed_value_that_does_not_fit_its_type_is_refused() {
    let scene = scene();
    let wide = [77, 2];
    let error = ask(&scene, signatures(&scene, &[1, 2, 3], &wide, &[]), &wide).await.unwrap_err();
    assert!(matches!(error, Error::Plaintext { kind: FheType::Bool, .. }));
}
