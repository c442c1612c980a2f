//! A user's permit: seal to this fresh key what I may see through these contracts, for so many days.

use crate::Trust;
use crate::error::Result;
use alloy_primitives::{Address, B256, Bytes};
use tkms_eth::DigestSigner;
use tkms_types::typed_data::{permit_digest, permit_domain};
use tkms_types::{HandlePair, UserRequest};
use tkms_wire::user_payload::UserKeyPair;

/// What a permit grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermitTerms {
    /// Contracts through which values are seen, at most 10.
    pub contracts: Vec<Address>,
    /// Unix seconds from which it is valid; not in the nodes' future.
    pub start: u64,
    /// Days it is valid, at most 365.
    pub days: u16,
    /// Whose right is used, if the signer is a delegate.
    pub delegator: Option<Address>,
}

/// A signed permit with its key pair. Whoever holds it can read what it grants: keep it as one keeps a session cookie.
pub struct Permit {
    pub(crate) keys: UserKeyPair,
    pub(crate) request: UserRequest,
}

impl Permit {
    /// Makes a key pair and has the wallet sign for it.
    ///
    /// # Errors
    /// [`crate::Error::Signer`] if the wallet refuses.
    pub fn sign(
        terms: PermitTerms,
        wallet: &dyn DigestSigner,
        trust: &Trust,
        rng: &mut impl rand::CryptoRng,
    ) -> Result<Self> {
        let sign = |digest: &B256| Ok(wallet.sign_digest(digest)?.into());
        Self::sign_for_account(terms, wallet.address(), sign, trust, rng)
    }

    /// The same for a smart account (ERC-1271): `sign` gets the digest and gives what the account's contract takes for a signature.
    /// The nodes ask the contract, in a final block.
    ///
    /// # Errors
    /// [`crate::Error::Signer`], or what `sign` says.
    pub fn sign_for_account(
        terms: PermitTerms,
        account: Address,
        sign: impl FnOnce(&B256) -> Result<Bytes>,
        trust: &Trust,
        rng: &mut impl rand::CryptoRng,
    ) -> Result<Self> {
        let keys = UserKeyPair::generate(rng)?;
        let mut request = UserRequest {
            pairs: Vec::new(),
            user: account,
            delegator: terms.delegator,
            contracts: terms.contracts,
            start: terms.start,
            days: terms.days,
            public_key: keys.public().to_bytes(),
            // Version 0: the context in force, as the official client says it
            extra_data: Bytes::from_static(&[0]),
            signature: Bytes::new(),
        };
        let domain = permit_domain(&trust.gateway, trust.chain_id());
        request.signature = sign(&permit_digest(&request, &domain))?;
        Ok(Self { keys, request })
    }

    /// The request for these values under the permit.
    #[must_use]
    pub fn request(&self, pairs: &[HandlePair]) -> UserRequest {
        UserRequest { pairs: pairs.to_vec(), ..self.request.clone() }
    }

    /// The key pair, for those who keep permits.
    #[must_use]
    pub const fn keys(&self) -> &UserKeyPair {
        &self.keys
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("user", &self.request.user).field("keys", &self.keys).finish_non_exhaustive()
    }
}
