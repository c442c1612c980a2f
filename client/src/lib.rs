//! Client SDK: encrypt inputs, ask for plaintexts that everybody may see, read one's own values.
//!
//! It speaks the relayer's HTTP API and believes nothing it is told: keys are compared with the cluster file, handles
//! are computed anew, every answer is checked against the committee's or the coprocessors' signers. A relayer can only
//! delay. Time and randomness are the caller's.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

mod combine;
mod encrypt;
mod error;
mod http;
mod permit;
mod public;
mod trust;
mod user;

pub use combine::{AnswerFault, Answers, Blame, UserDecryption};
pub use encrypt::EncryptedInput;
pub use error::{Error, Result};
pub use http::{ApiKey, Config};
pub use permit::{Permit, PermitTerms};
pub use public::PublicDecryption;
pub use tkms_fhe::PublicKeys;
pub use tkms_mpc::user::Assurance;
pub use trust::Trust;

/// A connection to one relayer of one deployment.
pub struct Client {
    http: http::Relayer,
    trust: Trust,
}

impl Client {
    /// Does not speak to the relayer yet.
    ///
    /// # Errors
    /// [`Error::Http`] if the HTTP client cannot be made.
    pub fn new(config: Config, trust: Trust) -> Result<Self> {
        Ok(Self { http: http::Relayer::new(config)?, trust })
    }

    /// Whom this client believes.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }
}
