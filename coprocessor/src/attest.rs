//! What this coprocessor signs.

use crate::engine::profile_of;
use crate::objects::Object;
use alloy::sol_types::SolStruct;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::sync::Arc;
use tkms_eth::{DigestSigner, SignerError};
use tkms_types::typed_data::{CiphertextVerification, input_domain};
use tkms_types::{Cluster, GatewayDomain, Handle, HostChain, KeyId};
use tkms_wire::material::{Format, Material, material_digest};

/// Signs for one chain, key and arithmetic.
#[derive(Clone)]
pub struct Attester {
    signer: Arc<dyn DigestSigner>,
    chain: HostChain,
    gateway: GatewayDomain,
    /// The key samples are under.
    pub key: KeyId,
    /// What the protocol in force decrypts.
    pub format: Format,
    /// Arithmetic, library and parameters that made the bytes.
    pub profile: B256,
}

impl Attester {
    /// For a chain of the cluster. `arithmetic` is the engine's.
    #[must_use]
    pub fn new(signer: Arc<dyn DigestSigner>, cluster: &Cluster, chain: &HostChain, arithmetic: &str) -> Self {
        Self {
            signer,
            chain: chain.clone(),
            gateway: cluster.gateway,
            key: cluster.key.id,
            format: cluster.protocol().into(),
            profile: profile_of(cluster.protocol(), arithmetic),
        }
    }

    /// Who signs.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signature over the digest of a handle's sample list. The caller records it before anybody sees it, and signs
    /// only bytes it computed itself (trust-rules §4).
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn samples(&self, handle: Handle, object: Object) -> Result<Bytes, SignerError> {
        let statement = Material {
            handle,
            key_id: self.key,
            format: self.format,
            profile: self.profile,
            digest: object.digest,
            size: object.size,
            signatures: Vec::new(),
        };
        self.sign(material_digest(&statement, &self.chain))
    }

    /// Signature that the proof of these inputs holds for this user and contract. `extra_data` as it was sent.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn inputs(
        &self,
        handles: &[Handle],
        user: Address,
        contract: Address,
        extra_data: &Bytes,
    ) -> Result<Bytes, SignerError> {
        let statement = CiphertextVerification {
            ctHandles: handles.iter().map(|handle| handle.0).collect(),
            userAddress: user,
            contractAddress: contract,
            contractChainId: U256::from(self.chain.chain_id),
            extraData: extra_data.clone(),
        };
        self.sign(statement.eip712_signing_hash(&input_domain(&self.gateway)))
    }

    fn sign(&self, digest: B256) -> Result<Bytes, SignerError> {
        Ok(Bytes::from(self.signer.sign_digest(&digest)?))
    }
}

impl std::fmt::Debug for Attester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attester").field("signer", &self.address()).finish_non_exhaustive()
    }
}
