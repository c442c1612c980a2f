//! Error labels of the relayer's API and the HTTP status of each.

use crate::FieldError;
use serde::{Deserialize, Serialize};

/// The labels the official client knows; it takes any other for a broken answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the labels")]
pub enum Label {
    MalformedJson,
    RequestError,
    NotReadyForDecryption,
    NotAllowedOnHostAcl,
    MissingFields,
    ValidationFailed,
    Unauthorized,
    NotFound,
    RateLimited,
    ProtocolOverload,
    InternalServerError,
    ProtocolPaused,
    InsufficientBalance,
    InsufficientAllowance,
    GatewayNotReachable,
    ReadinessCheckTimedOut,
    ResponseTimedOut,
}

impl Label {
    /// The HTTP status the client expects it under.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedJson
            | Self::RequestError
            | Self::NotReadyForDecryption
            | Self::NotAllowedOnHostAcl
            | Self::MissingFields
            | Self::ValidationFailed => 400,
            Self::Unauthorized => 401,
            Self::NotFound => 404,
            Self::RateLimited | Self::ProtocolOverload => 429,
            Self::InternalServerError => 500,
            Self::ProtocolPaused
            | Self::InsufficientBalance
            | Self::InsufficientAllowance
            | Self::GatewayNotReachable
            | Self::ReadinessCheckTimedOut
            | Self::ResponseTimedOut => 503,
        }
    }

    /// Whether the client insists on a list of fields with it.
    const fn has_details(self) -> bool {
        matches!(self, Self::MissingFields | Self::ValidationFailed)
    }
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Its name in the JSON.
    pub field: String,
    /// What is wrong with it.
    pub issue: String,
}

/// The `error` of a failed reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({label:?})")]
pub struct ApiError {
    /// The kind.
    pub label: Label,
    /// For people.
    pub message: String,
    /// Fields at fault; present with `missing_fields` and `validation_failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Vec<Detail>>,
}

impl ApiError {
    /// An error without fields at fault; labels that need a list get an empty one.
    #[must_use]
    pub fn new(label: Label, message: impl Into<String>) -> Self {
        Self { label, message: message.into(), details: label.has_details().then(Vec::new) }
    }

    /// `validation_failed` for one field.
    #[must_use]
    pub fn invalid(field: impl Into<String>, issue: impl Into<String>) -> Self {
        Self::with_detail(Label::ValidationFailed, "the request is not valid", field.into(), issue.into())
    }

    fn with_detail(label: Label, what: &str, field: String, issue: String) -> Self {
        let message = format!("{what}: {field}: {issue}");
        Self { label, message, details: Some(vec![Detail { field, issue }]) }
    }

    pub(super) fn from_json(error: &serde_json::Error) -> Self {
        if !error.is_data() {
            return Self::new(Label::MalformedJson, error.to_string());
        }
        let text = error.to_string();
        // The JSON library names a missing field only in its text
        match text.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
            Some((field, _)) => Self::with_detail(
                Label::MissingFields,
                "a field is missing",
                field.to_owned(),
                "is required".to_owned(),
            ),
            None => Self::invalid("body", text),
        }
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::invalid(error.path, error.problem.to_string())
    }
}
