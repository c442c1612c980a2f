//! JSON of the relayer and of the coprocessor.

use crate::fixture::handle;
use alloy_primitives::{Address, B256, address};
use serde_json::{Value as Json, json};
use tkms_types::{FheType, Id, KeyId, PublicRequest, SessionId, UserRequest};
use tkms_wire::coprocessor::{AttestedMaterial, MaterialReply};
use tkms_wire::material::Format;
use tkms_wire::relayer::{
    ApiError, DECRYPT_BODY_BYTES, DelegatedUserDecryptRequest, Hex, INPUT_BODY_BYTES, InputProofRequest,
    InputProofResult, Job, Label, PlainHex, PublicDecryptRequest, PublicDecryptResult, Reply, UserDecryptRequest,
    UserShare, parse,
};

const CONTRACT: Address = address!("0x4444444444444444444444444444444444444444");

/// As the official client sends it.
fn user_body() -> Json {
    json!({
        "handleContractPairs": [{"handle": handle(1, FheType::Uint64).0, "contractAddress": CONTRACT.to_checksum(None)}],
        "requestValidity": {"startTimestamp": "1700000000", "durationDays": "10"},
        "contractsChainId": "31337",
        "contractAddresses": [CONTRACT.to_checksum(None)],
        "userAddress": Address::repeat_byte(5).to_checksum(None),
        "signature": "07".repeat(65),
        "publicKey": "08".repeat(869),
        "extraData": "0x00",
    })
}

fn read_user(body: &Json) -> Result<UserRequest, ApiError> {
    parse::<UserDecryptRequest>(body.to_string().as_bytes(), DECRYPT_BODY_BYTES)?.try_into()
}

fn user_refused(change: impl FnOnce(&mut Json)) -> (Label, String) {
    let mut body = user_body();
    change(&mut body);
    let error = read_user(&body).unwrap_err();
    let details = error.details.expect("the client wants details");
    (error.label, details[0].field.clone())
}

#[test]
fn a_user_s_request_is_read_as_the_official_client_sends_it() {
    let request = read_user(&user_body()).unwrap();
    assert_eq!(request.pairs[0].handle, handle(1, FheType::Uint64));
    assert_eq!((request.start, request.days, request.delegator), (1_700_000_000, 10, None));
    assert_eq!(request.extra_data.as_ref(), [0]);
    assert_eq!(serde_json::to_value(UserDecryptRequest::new(&request)).unwrap().to_string().to_lowercase(), {
        user_body().to_string().to_lowercase()
    });
}

#[test]
fn a_delegated_request_is_its_signer_s() {
    let own = read_user(&user_body()).unwrap();
    let delegator = Address::repeat_byte(9);
    let body = serde_json::to_vec(&DelegatedUserDecryptRequest::new(&own, delegator)).unwrap();
    let read = parse::<DelegatedUserDecryptRequest>(&body, DECRYPT_BODY_BYTES).unwrap();
    assert_eq!(UserRequest::try_from(read).unwrap(), UserRequest { delegator: Some(delegator), ..own });
}

#[test]
fn a_user_s_request_with_a_wrong_field_is_refused_by_name() {
    use Label::{MissingFields, ValidationFailed};
    let case = |field: &str, change: &dyn Fn(&mut Json), label| {
        assert_eq!(user_refused(|body| change(body)), (label, field.to_owned()));
    };
    case("contractsChainId", &|b| b["contractsChainId"] = "1".into(), ValidationFailed);
    case("handleContractPairs", &|b| b["handleContractPairs"] = json!([]), ValidationFailed);
    case("contractAddresses", &|b| b["contractAddresses"] = json!([]), ValidationFailed);
    case("contractAddresses", &|b| b["contractAddresses"] = json!(vec![CONTRACT; 11]), ValidationFailed);
    case("publicKey", &|b| b["publicKey"] = "00".into(), ValidationFailed);
    case("signature", &|b| b["signature"] = "00".repeat(4097).into(), ValidationFailed);
    case("extraData", &|b| b["extraData"] = "00".repeat(1025).into(), ValidationFailed);
    case("userAddress", &|b| drop(b.as_object_mut().unwrap().remove("userAddress")), MissingFields);
    for (field, wrong) in
        [("startTimestamp", "-1"), ("startTimestamp", "1e3"), ("durationDays", "65536"), ("durationDays", "")]
    {
        case("body", &|b| b["requestValidity"][field] = wrong.into(), ValidationFailed);
    }
    case("body", &|b| b["delegatorAddress"] = json!(CONTRACT), ValidationFailed);
    case("body", &|b| b["userAddress"] = "0x00".into(), ValidationFailed);
    case("body", &|b| b["signature"] = "0xzz".into(), ValidationFailed);
    case("body", &|b| b["signature"] = json!([1, 2]), ValidationFailed);
}

#[test]
fn a_public_request_needs_handles() {
    let read = |body: Json| {
        parse::<PublicDecryptRequest>(body.to_string().as_bytes(), DECRYPT_BODY_BYTES).and_then(PublicRequest::try_from)
    };
    let one = handle(2, FheType::Bool);
    let request = read(json!({"ciphertextHandles": [one], "extraData": "0x00"})).unwrap();
    assert_eq!(request.handles, [one]);
    assert_eq!(read(serde_json::to_value(PublicDecryptRequest::from(&request)).unwrap()).unwrap(), request);
    for handles in [json!([]), json!(vec![one; 1025]), json!(["0x12"]), json!("0x12")] {
        let error = read(json!({"ciphertextHandles": handles, "extraData": "0x00"})).unwrap_err();
        assert_eq!(error.label, Label::ValidationFailed);
    }
}

#[test]
fn bodies_that_are_no_json_or_too_long_are_told_apart() {
    let label = |body: &[u8], limit| parse::<PublicDecryptRequest>(body, limit).unwrap_err().label;
    assert_eq!(label(b"{", 10), Label::MalformedJson);
    assert_eq!(label(b"\xff", 10), Label::MalformedJson);
    assert_eq!(label(b"{} ", 2), Label::RequestError);
    assert_eq!(label(b"{}", 10), Label::MissingFields);
    assert_eq!(label(b"{\"ciphertextHandles\":[],\"extraData\":\"\"} x", 100), Label::MalformedJson);
}

#[test]
fn an_input_s_chain_is_read_in_hex_or_decimal() {
    let read = |chain: &str| {
        let body = json!({
            "contractAddress": CONTRACT, "userAddress": CONTRACT, "ciphertextWithInputVerification": "0102",
            "contractChainId": chain, "extraData": "0x00",
        });
        parse::<InputProofRequest>(body.to_string().as_bytes(), INPUT_BODY_BYTES)
    };
    let request = read("0x7a69").unwrap();
    assert_eq!(request.contract_chain_id.0, 31337);
    assert_eq!(request.ciphertext_with_input_verification.0.as_ref(), [1, 2]);
    assert_eq!(serde_json::to_value(&request).unwrap()["contractChainId"], "0x7a69");
    assert_eq!(read("31337").unwrap(), request);
    for wrong in ["0x", "0x+1", "+1", "-1", " 1", "", "1.0", "0x10000000000000000"] {
        assert_eq!(read(wrong).unwrap_err().label, Label::ValidationFailed, "{wrong:?}");
    }
}

#[test]
fn replies_have_the_shapes_the_official_client_checks() {
    let request_id = || "r".to_owned();
    let queued: Reply<PublicDecryptResult> =
        Reply::Queued { request_id: request_id(), result: Some(Job { job_id: "j".into() }) };
    assert_eq!(shape(&queued), json!({"status": "queued", "requestId": "r", "result": {"jobId": "j"}}));
    let running: Reply<PublicDecryptResult> = Reply::Queued { request_id: request_id(), result: None };
    assert_eq!(shape(&running), json!({"status": "queued", "requestId": "r"}));
    let result = PublicDecryptResult {
        signatures: vec![PlainHex(vec![1].into())],
        decrypted_value: PlainHex(vec![2].into()),
        extra_data: Hex::default(),
    };
    let result = Reply::Succeeded { request_id: request_id(), result };
    let public = json!({"signatures": ["01"], "decryptedValue": "02", "extraData": "0x"});
    assert_eq!(shape(&result), json!({"status": "succeeded", "requestId": "r", "result": public}));
    let failed: Reply<PublicDecryptResult> =
        Reply::Failed { request_id: None, error: ApiError::invalid("field", "issue") };
    let error = json!({
        "label": "validation_failed", "message": "the request is not valid: field: issue",
        "details": [{"field": "field", "issue": "issue"}],
    });
    assert_eq!(shape(&failed), json!({"status": "failed", "error": error}));
}

/// As JSON, after it was read back from it.
fn shape<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(reply: &Reply<T>) -> Json {
    let json = serde_json::to_value(reply).unwrap();
    assert_eq!(&serde_json::from_value::<Reply<T>>(json.clone()).unwrap(), reply);
    json
}

#[test]
fn a_share_of_a_stranger_s_relayer_is_read_without_our_fields() {
    let share: UserShare = serde_json::from_value(json!({"payload": "0x01", "signature": "02", "other": 3})).unwrap();
    assert_eq!((share.party, share.sessions.len()), (None, 0));
    assert_eq!(serde_json::to_value(&share).unwrap(), json!({"payload": "01", "signature": "02"}));
    let ours = UserShare { party: Some(3), sessions: vec![SessionId(B256::ZERO)], ..share };
    assert_eq!(serde_json::to_value(&ours).unwrap()["sessions"], json!([B256::ZERO]));
}

#[test]
fn a_rejected_input_has_no_lists() {
    let result: InputProofResult = serde_json::from_value(json!({"accepted": false, "extraData": "0x00"})).unwrap();
    assert!(!result.accepted && result.handles.is_empty() && result.signatures.is_empty());
}

#[test]
fn every_label_has_the_status_the_client_expects() {
    use Label::*;
    let groups = [
        (
            400,
            &[MalformedJson, RequestError, NotReadyForDecryption, NotAllowedOnHostAcl, MissingFields, ValidationFailed]
                [..],
        ),
        (401, &[Unauthorized]),
        (404, &[NotFound]),
        (429, &[RateLimited, ProtocolOverload]),
        (500, &[InternalServerError]),
        (503, &[ProtocolPaused, InsufficientBalance, InsufficientAllowance, GatewayNotReachable]),
        (503, &[ReadinessCheckTimedOut, ResponseTimedOut]),
    ];
    for (status, labels) in groups {
        for label in labels {
            assert_eq!(label.status(), status, "{label:?}");
        }
    }
    assert_eq!(serde_json::to_value(NotAllowedOnHostAcl).unwrap(), "not_allowed_on_host_acl");
    assert_eq!(ApiError::new(ValidationFailed, "m").details, Some(vec![]));
    assert_eq!(ApiError::new(NotFound, "m").details, None);
}

#[test]
fn material_states_have_their_names() {
    let material = AttestedMaterial {
        handle: handle(1, FheType::Bool),
        key_id: KeyId::numbered(1),
        format: Format::Flood,
        profile: B256::ZERO,
        digest: B256::ZERO,
        size: 5,
        signature: Hex(vec![1; 65].into()),
    };
    assert_eq!(material.to_material().unwrap().signatures, [[1; 65]]);
    assert_eq!(AttestedMaterial { signature: Hex(vec![1; 64].into()), ..material.clone() }.to_material(), None);
    let ready = serde_json::to_value(MaterialReply::Ready { material }).unwrap();
    assert_eq!((&ready["state"], &ready["material"]["format"]), (&json!("ready"), &json!(1)));
    for (state, name) in [
        (MaterialReply::Unknown, "unknown"),
        (MaterialReply::Computing, "computing"),
        (MaterialReply::Squashing, "squashing"),
    ] {
        assert_eq!(serde_json::to_value(&state).unwrap(), json!({"state": name}));
        assert_eq!(serde_json::from_value::<MaterialReply>(json!({"state": name})).unwrap(), state);
    }
    serde_json::from_value::<MaterialReply>(json!({"state": "other"})).unwrap_err();
}
