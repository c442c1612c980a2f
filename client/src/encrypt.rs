//! Encrypted inputs: encrypt and prove, have the coprocessors verify, put the on-chain proof together.

use crate::error::{Error, Result};
use crate::trust::quorum;
use crate::{Client, Trust};
use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolStruct;
use std::sync::Arc;
use tkms_fhe::{InputContext, PublicKeys};
use tkms_types::typed_data::{CiphertextVerification, input_domain};
use tkms_types::{FheType, Handle, Plaintext};
use tkms_wire::proof::{input_handles, input_proof};
use tkms_wire::relayer::{Hex, INPUT_PROOF, InputProofRequest, InputProofResult, KEY_URL, KeyUrl, PlainHex, Quantity};
use tkms_wire::samples::digest;

/// Bytes of the public key's file and of the CRS's (33 kB and 4.6 MB in use).
const PUBLIC_KEY_BYTES: usize = 64 * 1024;
const CRS_BYTES: usize = 8 * 1024 * 1024;
/// Capacity of the CRS, as the relayer lists it.
const CAPACITY: &str = "2048";
/// What coprocessors sign and the contract reads after the signatures: version 0.
const EXTRA_DATA: [u8; 1] = [0];

/// An input as a contract takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedInput {
    /// One a value, in order: the `externalE…` arguments.
    pub handles: Vec<Handle>,
    /// The `inputProof` argument.
    pub proof: Bytes,
}

impl Client {
    /// Fetches public key and CRS and compares them with the cluster file. They are long-lived: keep them.
    ///
    /// # Errors
    /// [`Error::Digest`] for other files; else what the network or the relayer does.
    pub async fn keys(&self) -> Result<PublicKeys> {
        let KeyUrl { response } = self.http.get(KEY_URL).await?;
        let missing = |what: &str| Error::Protocol { url: KEY_URL.to_owned(), what: format!("it names no {what}") };
        let key = response.fhe_key_info.first().and_then(|info| info.fhe_public_key.urls.first());
        let crs = response.crs.get(CAPACITY).and_then(|crs| crs.urls.first());
        let (key, crs) = (key.ok_or_else(|| missing("public key"))?, crs.ok_or_else(|| missing("CRS"))?);
        let key = self.pinned("public key", key, PUBLIC_KEY_BYTES, self.trust.public_key_digest).await?;
        let crs = self.pinned("CRS", crs, CRS_BYTES, self.trust.crs_digest).await?;
        Ok(PublicKeys::parse_pinned(&key, &crs)?)
    }

    async fn pinned(&self, what: &'static str, url: &str, limit: usize, expected: B256) -> Result<Vec<u8>> {
        let bytes = self.http.file(url, limit).await?;
        let found = digest(&bytes);
        if found == expected { Ok(bytes) } else { Err(Error::Digest { what, expected, found }) }
    }

    /// Encrypts values for a contract, to be sent by `user`; some 0.8 s for one value on two cores, in a thread of
    /// its own, and then the coprocessors' verification.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::InputRejected`], [`Error::OtherHandles`], [`Error::Quorum`]; else what the network or
    /// the relayer does.
    pub async fn encrypt(
        &self,
        keys: &Arc<PublicKeys>,
        values: &[Plaintext],
        contract: Address,
        user: Address,
    ) -> Result<EncryptedInput> {
        let acl = self.trust.host.contracts.acl;
        let context = InputContext { contract, user, acl, chain_id: self.trust.chain_id() };
        let (keys, owned) = (Arc::clone(keys), values.to_vec());
        let list = tokio::task::spawn_blocking(move || keys.encrypt(&owned, &context)).await;
        let list = list.map_err(|_| Error::Interrupted)??;
        let kinds: Vec<_> = values.iter().map(Plaintext::kind).collect();
        self.submit_input(list, &kinds, contract, user).await
    }

    /// Has a list that was encrypted and proven elsewhere, for this contract and user, verified by the coprocessors.
    ///
    /// # Errors
    /// As [`Client::encrypt`].
    pub async fn submit_input(
        &self,
        list: Vec<u8>,
        kinds: &[FheType],
        contract: Address,
        user: Address,
    ) -> Result<EncryptedInput> {
        let chain_id = self.trust.chain_id();
        let handles = input_handles(&list, kinds, self.trust.host.contracts.acl, chain_id);
        let request = InputProofRequest {
            contract_address: contract,
            user_address: user,
            ciphertext_with_input_verification: PlainHex(list.into()),
            contract_chain_id: Quantity(chain_id),
            extra_data: Hex(EXTRA_DATA.into()),
        };
        let result: InputProofResult = self.http.job(INPUT_PROOF, &request).await?;
        if !result.accepted {
            return Err(Error::InputRejected);
        }
        self.trust.input(&request, handles, &result)
    }
}

impl Trust {
    /// Checks the coprocessors' answer to a request for the list with these handles.
    ///
    /// # Errors
    /// [`Error::OtherHandles`] or [`Error::Quorum`].
    pub(crate) fn input(
        &self,
        request: &InputProofRequest,
        handles: Vec<Handle>,
        result: &InputProofResult,
    ) -> Result<EncryptedInput> {
        if result.handles != handles {
            return Err(Error::OtherHandles);
        }
        let signed = CiphertextVerification {
            ctHandles: handles.iter().map(|handle| handle.0).collect(),
            userAddress: request.user_address,
            contractAddress: request.contract_address,
            contractChainId: alloy_primitives::U256::from(request.contract_chain_id.0),
            extraData: request.extra_data.0.clone(),
        };
        let digest = signed.eip712_signing_hash(&input_domain(&self.gateway));
        let set = &self.host.coprocessors;
        let signatures = result.signatures.iter().map(|signature| &signature.0);
        let what = "coprocessors over an encrypted input";
        let valid = quorum(what, digest, signatures, &set.members, set.quorum.into())?;
        let signatures: Vec<_> = valid.into_iter().map(|(_, signature)| signature).collect();
        let proof = input_proof(&handles, &signatures, &EXTRA_DATA).ok_or(Error::OtherHandles)?;
        Ok(EncryptedInput { handles, proof: proof.into() })
    }
}
