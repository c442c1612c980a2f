//! Plaintexts that everybody may see, with the proof a contract checks.

use crate::error::{Error, Result};
use crate::trust::quorum;
use crate::{Client, Trust};
use alloy_primitives::{B256, Bytes, U256};
use tkms_types::typed_data::public_answer_digest;
use tkms_types::{ExtraData, Handle, PartyId, Plaintext, PublicRequest};
use tkms_wire::proof::decryption_proof;
use tkms_wire::relayer::{PUBLIC_DECRYPT, PublicDecryptRequest, PublicDecryptResult};

/// Signed plaintexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicDecryption {
    /// One a handle, in order.
    pub values: Vec<Plaintext>,
    /// The `abiEncodedCleartexts` argument: one word a handle.
    pub cleartexts: Bytes,
    /// The `decryptionProof` argument.
    pub proof: Bytes,
    /// Whose signatures are in the proof.
    pub signers: Vec<PartyId>,
}

impl Client {
    /// Asks for values that their contract has marked publicly decryptable.
    ///
    /// # Errors
    /// [`Error::Quorum`] if the answer is not signed as the contract wants it; [`Error::Refused`] with the relayer's
    /// reason; else what the network does.
    pub async fn public_decrypt(&self, handles: &[Handle]) -> Result<PublicDecryption> {
        self.trust.check_handles(handles)?;
        // Version 0: the context in force, as the official client says it
        let request = PublicRequest { handles: handles.to_vec(), extra_data: Bytes::from_static(&[0]) };
        let body = PublicDecryptRequest::from(&request);
        let result: PublicDecryptResult = self.http.job(PUBLIC_DECRYPT, &body).await?;
        self.trust.public(&request, &result)
    }
}

impl Trust {
    /// Checks the committee's answer.
    ///
    /// # Errors
    /// [`Error::Words`], [`Error::Quorum`], [`Error::Plaintext`].
    pub(crate) fn public(&self, request: &PublicRequest, result: &PublicDecryptResult) -> Result<PublicDecryption> {
        let bytes = &result.decrypted_value.0;
        let (words, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || words.len() != request.handles.len() {
            return Err(Error::Words { found: bytes.len(), expected: 32 * request.handles.len() });
        }
        let words: Vec<_> = words.iter().map(B256::from).collect();
        let handles: Vec<_> = request.handles.iter().map(|handle| handle.0).collect();
        // What nodes sign follows from what was asked, not from what the relayer says
        let extra_data = ExtraData::parse(&request.extra_data)?.normalised();
        let digest = public_answer_digest(&handles, &words, &extra_data, &self.gateway);
        let signatures = result.signatures.iter().map(|signature| &signature.0);
        let need = self.committee.threshold().quorum();
        let valid = quorum("nodes over a public decryption", digest, signatures, &self.signers, need)?;
        let value = |(handle, word): (&Handle, &B256)| {
            let kind = handle.check()?;
            let value = U256::from_be_bytes(word.0);
            Plaintext::new(kind, value).map_err(|source| Error::Plaintext { kind, source })
        };
        let values = request.handles.iter().zip(&words).map(value).collect::<Result<_>>()?;
        let signers = valid.iter().filter_map(|(signer, _)| self.party_of(*signer)).collect();
        let signatures: Vec<_> = valid.into_iter().map(|(_, signature)| signature).collect();
        // At most 13
        let proof = decryption_proof(&signatures, &extra_data).unwrap_or_default();
        Ok(PublicDecryption { values, cleartexts: bytes.clone(), proof: proof.into(), signers })
    }
}
