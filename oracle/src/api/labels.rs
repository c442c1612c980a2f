//! Refusals of nodes in the words of the official client (trust-rules §6, last part).

use crate::record::Refused;
use tkms_wire::relayer::{ApiError, Label};

/// The error for a refused request.
pub(super) fn refusal(refused: &Refused) -> ApiError {
    let message = format!("{}: {}", refused.code, refused.message);
    match label(&refused.code) {
        Label::ValidationFailed => ApiError::invalid(field(&refused.code), message),
        label => ApiError::new(label, message),
    }
}

fn label(code: &str) -> Label {
    match code {
        "GrantMissing" | "GrantProofInvalid" | "DelegationMissing" | "DelegationExpired" | "PermitInvalidated"
        | "AccountDenied" => Label::NotAllowedOnHostAcl,
        "AclPaused" | "HostHalted" => Label::ProtocolPaused,
        "RateLimited" => Label::RateLimited,
        "Busy" => Label::ProtocolOverload,
        "NotFinal" | "MaterialMissing" | "MaterialUnavailable" | "DigestMismatch" => Label::NotReadyForDecryption,
        "PublicKeyMalformed"
        | "ContractListInvalid"
        | "PairNotInPermit"
        | "UserIsContract"
        | "PermitWindowInvalid"
        | "PermitNotYetValid"
        | "PermitExpired"
        | "PermitSignatureInvalid"
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
        "PermitSignatureInvalid" | "SmartAccountUnsupported" => "signature",
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
            ("AclPaused", "protocol_paused"),
            ("KeyNotUsable", "internal_server_error"),
            ("invented by a liar", "internal_server_error"),
        ] {
            let error = refusal(&Refused { code: code.into(), message: "why".into() });
            let json = serde_json::to_value(&error).unwrap();
            assert_eq!(json["label"], expected, "{code}");
            assert_eq!(json["details"].is_array(), expected == "validation_failed", "{code}");
            assert!(json["message"].as_str().unwrap().contains("why"));
        }
    }
}
