//! The digests of `vectors/eip712.json`, made by another implementation and also checked by the contracts' tests.

use alloy_primitives::{Address, B256, Bytes, U256, b256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::str::FromStr;
use tkms_types::typed_data as structs;

const VECTORS: &str = include_str!("../../../vectors/eip712.json");

fn get<T: DeserializeOwned>(json: &Json, field: &str) -> T {
    serde_json::from_value(json[field].clone()).unwrap_or_else(|error| panic!("{field}: {error}"))
}

fn number<T: FromStr>(json: &Json, field: &str) -> T {
    json[field].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{field} is no number"))
}

fn domain(json: &Json) -> Eip712Domain {
    Eip712Domain::new(
        Some(get::<String>(json, "name").into()),
        Some(get::<String>(json, "version").into()),
        Some(U256::from(get::<u64>(json, "chainId"))),
        Some(get(json, "verifyingContract")),
        json.get("salt").map(|_| get(json, "salt")),
    )
}

/// Type string, type hash, struct hash and digest of one case.
fn hashes<S: SolStruct>(message: &S, domain: &Eip712Domain) -> (String, [B256; 3]) {
    let hashes = [message.eip712_type_hash(), message.eip712_hash_struct(), message.eip712_signing_hash(domain)];
    (S::eip712_encode_type().into_owned(), hashes)
}

fn compute(case: &Json) -> (String, [B256; 3]) {
    let (m, domain) = (&case["message"], domain(&case["domain"]));
    match case["struct"].as_str().unwrap() {
        "PublicDecryptVerification" => {
            let decrypted: Bytes = get(m, "decryptedResult");
            let message = structs::PublicDecryptVerification {
                ctHandles: get(m, "ctHandles"),
                decryptedResult: decrypted,
                extraData: get(m, "extraData"),
            };
            hashes(&message, &domain)
        }
        "UserDecryptRequestVerification" => {
            let message = structs::UserDecryptRequestVerification {
                publicKey: get(m, "publicKey"),
                contractAddresses: get(m, "contractAddresses"),
                startTimestamp: number(m, "startTimestamp"),
                durationDays: number(m, "durationDays"),
                extraData: get(m, "extraData"),
            };
            hashes(&message, &domain)
        }
        "DelegatedUserDecryptRequestVerification" => {
            let delegator: Address = get(m, "delegatorAddress");
            let message = structs::DelegatedUserDecryptRequestVerification {
                publicKey: get(m, "publicKey"),
                contractAddresses: get(m, "contractAddresses"),
                delegatorAddress: delegator,
                startTimestamp: number(m, "startTimestamp"),
                durationDays: number(m, "durationDays"),
                extraData: get(m, "extraData"),
            };
            hashes(&message, &domain)
        }
        "UserDecryptResponseVerification" => {
            let message = structs::UserDecryptResponseVerification {
                publicKey: get(m, "publicKey"),
                ctHandles: get(m, "ctHandles"),
                userDecryptedShare: get(m, "userDecryptedShare"),
                extraData: get(m, "extraData"),
            };
            hashes(&message, &domain)
        }
        "UserDecryptionLinker" => {
            let message = structs::UserDecryptionLinker {
                publicKey: get(m, "publicKey"),
                handles: get(m, "handles"),
                userAddress: get(m, "userAddress"),
            };
            hashes(&message, &domain)
        }
        other => compute_signed_by_others(other, m, &domain),
    }
}

/// What is not signed by nodes or users.
fn compute_signed_by_others(name: &str, m: &Json, domain: &Eip712Domain) -> (String, [B256; 3]) {
    match name {
        "CiphertextVerification" => {
            let message = structs::CiphertextVerification {
                ctHandles: get(m, "ctHandles"),
                userAddress: get(m, "userAddress"),
                contractAddress: get(m, "contractAddress"),
                contractChainId: number(m, "contractChainId"),
                extraData: get(m, "extraData"),
            };
            hashes(&message, domain)
        }
        "HeaderAttestation" => {
            let message = structs::HeaderAttestation {
                attesterSetId: get(m, "attesterSetId"),
                number: number(m, "number"),
                blockHash: get(m, "blockHash"),
                stateRoot: get(m, "stateRoot"),
                timestamp: number(m, "timestamp"),
                finality: number(m, "finality"),
                depth: number(m, "depth"),
            };
            hashes(&message, domain)
        }
        "CiphertextAttestation" => {
            let message = structs::CiphertextAttestation {
                coprocessorSetId: get(m, "coprocessorSetId"),
                handle: get(m, "handle"),
                keyId: number(m, "keyId"),
                format: number(m, "format"),
                profile: get(m, "profile"),
                digest: get(m, "digest"),
                size: number(m, "size"),
            };
            hashes(&message, domain)
        }
        "ContextChange" => {
            let message = structs::ContextChange {
                contextId: number(m, "contextId"),
                clusterHash: get(m, "clusterHash"),
                signers: get(m, "signers"),
                threshold: number(m, "threshold"),
                activation: number(m, "activation"),
                previousExpires: number(m, "previousExpires"),
            };
            hashes(&message, domain)
        }
        other => panic!("a vector for {other}, which this test does not know"),
    }
}

#[test]
fn every_vector_is_reproduced() {
    let file: Json = serde_json::from_str(VECTORS).unwrap();
    let cases = file["vectors"].as_array().unwrap();
    assert!(cases.len() >= 15);
    for case in cases {
        let (kind, [type_hash, struct_hash, digest]) = compute(case);
        assert_eq!(kind, case["type"].as_str().unwrap());
        assert_eq!(type_hash, get::<B256>(case, "typeHash"), "{kind}");
        assert_eq!(domain(&case["domain"]).separator(), get::<B256>(case, "domainSeparator"), "{kind}");
        assert_eq!(struct_hash, get::<B256>(case, "structHash"), "{kind}");
        assert_eq!(digest, get::<B256>(case, "digest"), "{kind}");
    }
}

#[test]
fn the_file_has_a_vector_for_every_struct() {
    let file: Json = serde_json::from_str(VECTORS).unwrap();
    let source = include_str!("../../../solidity/src/TypedData.sol");
    let names = source.lines().filter_map(|line| line.strip_prefix("struct ")?.strip_suffix(" {"));
    let mut count = 0;
    for name in names {
        assert!(file["vectors"].as_array().unwrap().iter().any(|case| case["struct"] == name), "{name}");
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn attestations_have_the_type_hashes_of_the_trust_rules() {
    let header = b256!("0x3629dcabe3ca8a4c259f4e18777ec4b2f442bd23d765442604f8af3c19030d39");
    let ciphertext = b256!("0x11e943c34841c4c8f84c01c4734f0faf5c6ede6148aef7d73e777c15fd35574a");
    assert_eq!(alloy_primitives::keccak256(structs::HeaderAttestation::eip712_encode_type().as_bytes()), header);
    assert_eq!(
        alloy_primitives::keccak256(structs::CiphertextAttestation::eip712_encode_type().as_bytes()),
        ciphertext
    );
}
