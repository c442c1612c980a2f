//! The attester's JSON: strict, bounded, and bound to the host by its signature.

use crate::messages::host;
use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use tkms_types::MinFinality;
use tkms_wire::Hex;
use tkms_wire::attestation::{HEADER_BYTES, JSON_BYTES, SignedHeader, SignedHeaderError};
use tkms_wire::signature::{address, sign};

fn key() -> SigningKey {
    SigningKey::from_slice(&[0xa7; 32]).unwrap()
}

fn signed() -> SignedHeader {
    let mut header = SignedHeader {
        number: 7,
        hash: B256::repeat_byte(1),
        state_root: B256::repeat_byte(2),
        timestamp: 1_800_000_000,
        set: host().attester_set_id(),
        signer: address(key().verifying_key()),
        class: 1,
        depth: 0,
        signature: Hex(vec![0; 65].into()),
        header: Hex(vec![0xf9; 600].into()),
    };
    header.signature = Hex(sign(&key(), header.digest(&host())).unwrap().to_vec().into());
    header
}

#[test]
fn a_signed_header_comes_back_from_its_json() {
    let header = signed();
    let json = serde_json::to_vec(&header).unwrap();
    assert_eq!(SignedHeader::from_json(&json).unwrap(), header);
    let names = ["number", "hash", "stateRoot", "timestamp", "set", "signer", "class", "depth", "signature", "header"];
    let value: Value = serde_json::from_slice(&json).unwrap();
    assert!(names.iter().all(|name| value.get(name).is_some()));
    assert_eq!(value.as_object().unwrap().len(), names.len());
    let attestation = header.attestation().unwrap();
    assert_eq!((attestation.signer, attestation.finality), (header.signer, MinFinality::Finalized));
}

#[test]
fn the_signature_binds_every_field_but_the_headers_bytes_and_the_host() {
    assert!(signed().is_signed(&host()));
    let changes: [fn(&mut SignedHeader); 9] = [
        |h| h.number += 1,
        |h| h.hash = B256::ZERO,
        |h| h.state_root = B256::ZERO,
        |h| h.timestamp += 1,
        |h| h.set = B256::ZERO,
        |h| h.signer = Address::ZERO,
        |h| h.class = 2,
        |h| (h.class, h.depth) = (3, 1),
        |h| h.signature = Hex(vec![1; 65].into()),
    ];
    for change in changes {
        let mut header = signed();
        change(&mut header);
        assert!(!header.is_signed(&host()));
    }
    let mut fork = host();
    fork.checkpoint_hash = B256::ZERO;
    assert!(!signed().is_signed(&fork));
    let mut rotated = host();
    rotated.attesters.version += 1;
    assert!(!signed().is_signed(&rotated), "another set's signature");
}

fn refused(change: impl FnOnce(&mut Value)) -> SignedHeaderError {
    let mut value = serde_json::to_value(signed()).unwrap();
    change(&mut value);
    SignedHeader::from_json(value.to_string().as_bytes()).unwrap_err()
}

#[test]
fn other_json_is_refused() {
    for name in ["number", "hash", "stateRoot", "timestamp", "set", "signer", "class", "depth", "signature", "header"] {
        let error = refused(|v| drop(v.as_object_mut().unwrap().remove(name)));
        assert!(matches!(&error, SignedHeaderError::Json(reason) if reason.contains(name)), "{error}");
    }
    for (name, wrong) in [
        ("number", json!(-1)),
        ("number", json!("7")),
        ("hash", json!("0x11")),
        ("signer", json!(7)),
        ("class", json!(256)),
        ("header", json!("0x0g")),
        ("header", json!([1, 2])),
        ("more", json!(1)),
    ] {
        let error = refused(|v| v[name] = wrong.clone());
        assert!(matches!(error, SignedHeaderError::Json(_)), "{name}: {wrong}");
    }
    for (class, depth) in [(0, 0), (1, 1), (2, 2), (3, 0), (4, 0)] {
        let error = refused(|v| (v["class"], v["depth"]) = (json!(class), json!(depth)));
        assert_eq!(error, SignedHeaderError::Class { class, depth });
    }
    assert_eq!(refused(|v| v["signature"] = json!("0x00")), SignedHeaderError::Signature(1));
}

#[test]
fn what_is_too_long_is_not_read() {
    let long = format!("0x{}", "f9".repeat(HEADER_BYTES + 1));
    let error = refused(|v| v["header"] = json!(long));
    assert!(matches!(error, SignedHeaderError::TooLong { what: "the header", .. }));
    let padded = format!("{}{}", serde_json::to_string(&signed()).unwrap(), " ".repeat(JSON_BYTES));
    let error = SignedHeader::from_json(padded.as_bytes()).unwrap_err();
    assert!(matches!(error, SignedHeaderError::TooLong { what: "the JSON", .. }));
    let whole = SignedHeader { header: Hex(vec![0xf9; HEADER_BYTES].into()), ..signed() };
    assert_eq!(SignedHeader::from_json(&serde_json::to_vec(&whole).unwrap()).unwrap(), whole);
}
