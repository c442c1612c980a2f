//! Every byte format that crosses a process boundary.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod account_witness;
pub mod answer;
pub mod attestation;
mod codec;
pub mod coprocessor;
pub mod evidence;
mod field;
mod hex;
pub mod material;
pub mod proof;
pub mod relayer;
pub mod request;
pub mod samples;
pub mod seal;
pub mod signature;
pub mod switched;
mod user_key;
pub mod user_payload;

pub use codec::DecodeError;
pub use field::{FieldError, Problem};
pub use hex::{Hex, PlainHex, Quantity};

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated; documented in the .proto files"
)]
mod tkms {
    pub mod kms {
        pub mod v1 {
            tonic::include_proto!("tkms.kms.v1");
        }
    }
    pub mod peer {
        pub mod v1 {
            tonic::include_proto!("tkms.peer.v1");
        }
    }
}

/// Request API of a node, from `proto/kms.proto`.
pub use tkms::kms::v1 as kms;
/// Node to node, from `proto/peer.proto`.
pub use tkms::peer::v1 as peer;
