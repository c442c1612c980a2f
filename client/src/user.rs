//! A user's own values.

use crate::Client;
use crate::combine::{Answers, UserDecryption};
use crate::error::Result;
use crate::permit::Permit;
use tkms_mpc::user::Assurance;
use tkms_types::{HandlePair, UserRequest};
use tkms_wire::relayer::{
    DELEGATED_USER_DECRYPT, DelegatedUserDecryptRequest, USER_DECRYPT, UserDecryptRequest, UserDecryptResult,
};

/// Answers looked at in one reply: a few for each member of the largest committee.
const SHARES: usize = 64;

impl Client {
    /// Reads values of the permit's signer (or delegator), each through a contract of the permit.
    ///
    /// Asked again while the answers do not prove the values: a relayer then offers other ones, and all that came so far
    /// count. After the last attempt the best there is is returned, with its [`Assurance`].
    ///
    /// # Errors
    /// [`crate::Error::NotEnough`] naming whose answers were bad; [`crate::Error::Refused`] with the relayer's reason; else
    /// what the network does.
    pub async fn user_decrypt(&self, permit: &Permit, pairs: &[HandlePair]) -> Result<UserDecryption> {
        let request = permit.request(pairs);
        let mut answers = Answers::new(&self.trust, permit, pairs)?;
        let mut attempt = 1;
        loop {
            for share in self.ask(&request).await?.result.iter().take(SHARES) {
                answers.add(share);
            }
            let outcome = answers.combine();
            let proven = outcome.as_ref().is_ok_and(|found| found.assurance == Assurance::Proven);
            if proven || attempt >= self.http.config().attempts {
                return outcome;
            }
            attempt += 1;
        }
    }

    async fn ask(&self, request: &UserRequest) -> Result<UserDecryptResult> {
        match request.delegator {
            None => self.http.job(USER_DECRYPT, &UserDecryptRequest::new(request)).await,
            Some(delegator) => {
                let body = DelegatedUserDecryptRequest::new(request, delegator);
                self.http.job(DELEGATED_USER_DECRYPT, &body).await
            }
        }
    }
}
