//! Refusals of nodes in the words of the official client (trust-rules §6, last part).

use crate::record::Refused;
use tkms_wire::relayer::{ApiError, Label};

/// The error for a refused request: what the nodes say, and what the caller can do.
pub(super) fn refusal(refused: &Refused) -> ApiError {
    let message = format!("{}: {} ({})", refused.code, refused.message, advice(&refused.code));
    match label(&refused.code) {
        Label::ValidationFailed => ApiError::invalid(field(&refused.code), message),
        label => ApiError::new(label, message),
    }
}

fn advice(code: &str) -> &'static str {
    match code {
        "GrantMissing" | "GrantProofInvalid" => {
            "the contract must call FHE.allow for the user and FHE.allowThis, or FHE.makePubliclyDecryptable; then ask again"
        }
        "DelegationMissing" => "the owner must call delegateForUserDecryption on the ACL; then ask again",
        "DelegationExpired" => "the owner must delegate anew; then ask again",
        "PermitInvalidated" | "PermitExpired" => "sign a new permit",
        "AccountDenied" => "the ACL's owner has blocked this account",
        "AclPaused" | "HostHalted" => "decryption is stopped for this chain: ask again when it is resumed",
        "RateLimited" | "Busy" => "the nodes have too much to do: ask again in a while",
        "NotFinal" | "MaterialMissing" | "MaterialUnavailable" | "DigestMismatch" => "ask again in a while",
        "CiphertextFailed" => {
            "the value cannot be computed from what it was made of: have the contract make another, or tell the operators"
        }
        "PublicKeyMalformed" => "make a new key pair with generateKeypair",
        "ContractListInvalid" | "PairNotInPermit" | "UserIsContract" => {
            "a permit names 1 to 10 contracts, none of them user or delegator, and all of the request"
        }
        "PermitWindowInvalid" | "PermitNotYetValid" => "a permit begins now and lasts 1 to 365 days",
        "PermitSignatureInvalid" => "sign the permit with the user's key for the host chain's id",
        "SmartAccountUndeployed" => "deploy the account first, or sign with the user's key",
        "SmartAccountRejected" => "have the account's present owner sign; a change of owners counts when it is final",
        "SmartAccountUnsupported" | "SmartAccountUnproven" => "use a key's account, or delegate to one",
        "ExtraDataUnsupported" | "ContextUnknown" | "ContextRetired" => "send 0x00 for the context in force",
        "LimitExceeded" => "ask for fewer values at once: 2048 bits are decrypted in one request",
        "HandleMalformed" | "TypeUnsupported" => "take the handle as the contract returns it",
        "HostUnknown" | "HostsMixed" => "ask for values of one chain that this relayer serves",
        "Malformed" | "TooLarge" => "send what the API describes: `/openapi.json`",
        _ => "tell the relayer's operator",
    }
}

fn label(code: &str) -> Label {
    match code {
        "GrantMissing" | "GrantProofInvalid" | "DelegationMissing" | "DelegationExpired" | "PermitInvalidated"
        | "AccountDenied" => Label::NotAllowedOnHostAcl,
        "AclPaused" | "HostHalted" => Label::ProtocolPaused,
        // Not 429: a job is looked at by GET, where the official client knows no such status
        "RateLimited" | "Busy" => Label::ReadinessCheckTimedOut,
        "NotFinal" | "MaterialMissing" | "MaterialUnavailable" | "DigestMismatch" => Label::NotReadyForDecryption,
        "PublicKeyMalformed"
        | "ContractListInvalid"
        | "PairNotInPermit"
        | "UserIsContract"
        | "PermitWindowInvalid"
        | "PermitNotYetValid"
        | "PermitExpired"
        | "PermitSignatureInvalid"
        | "SmartAccountUndeployed"
        | "SmartAccountRejected"
        | "SmartAccountUnproven"
        | "SmartAccountUnsupported"
        | "ExtraDataUnsupported"
        | "ContextUnknown"
        | "ContextRetired"
        | "LimitExceeded"
        | "HandleMalformed"
        | "TypeUnsupported"
        | "HostUnknown"
        | "HostsMixed" => Label::ValidationFailed,
        "Malformed" | "TooLarge" => Label::RequestError,
        // Keys, attestations, sample lists: nothing the caller could do better.
        _ => Label::InternalServerError,
    }
}

fn field(code: &str) -> &'static str {
    match code {
        "PublicKeyMalformed" => "publicKey",
        "ContractListInvalid" | "PairNotInPermit" | "UserIsContract" => "contractAddresses",
        "PermitWindowInvalid" | "PermitNotYetValid" | "PermitExpired" => "requestValidity",
        "PermitSignatureInvalid"
        | "SmartAccountUndeployed"
        | "SmartAccountRejected"
        | "SmartAccountUnproven"
        | "SmartAccountUnsupported" => "signature",
        "ExtraDataUnsupported" | "ContextUnknown" | "ContextRetired" => "extraData",
        _ => "handles",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job is looked at by GET, and the official client gives up on a status it does not expect there.
    #[test]
    fn every_refusal_has_a_label_the_client_knows() {
        for (code, expected) in [
            ("GrantMissing", "not_allowed_on_host_acl"),
            ("DelegationExpired", "not_allowed_on_host_acl"),
            ("AccountDenied", "not_allowed_on_host_acl"),
            ("PermitExpired", "validation_failed"),
            ("PermitSignatureInvalid", "validation_failed"),
            ("UserIsContract", "validation_failed"),
            ("SmartAccountRejected", "validation_failed"),
            ("AclPaused", "protocol_paused"),
            ("RateLimited", "readiness_check_timed_out"),
            ("Busy", "readiness_check_timed_out"),
            ("NotFinal", "not_ready_for_decryption"),
            ("KeyNotUsable", "internal_server_error"),
            ("invented by a liar", "internal_server_error"),
        ] {
            let error = refusal(&Refused { code: code.into(), message: "why".into() });
            let json = serde_json::to_value(&error).unwrap();
            assert_eq!(json["label"], expected, "{code}");
            assert_eq!(json["details"].is_array(), expected == "validation_failed", "{code}");
            assert!(json["message"].as_str().unwrap().contains("why"));
            assert!([400, 503, 500].contains(&error.label.status()), "{code}");
            assert!(json["message"].as_str().unwrap().contains(advice(code)), "{code}");
        }
    }
}
