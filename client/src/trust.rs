//! Whom a client believes: the cluster file, and nothing a relayer says.

use crate::error::{Error, Result};
use alloy_primitives::{Address, B256};
use tkms_eth::bindings::{IInputVerifier, IKMSVerifier};
use tkms_types::typed_data::recover;
use tkms_types::{Cluster, Committee, ContextId, GatewayDomain, Handle, HostChain, PartyId};
use tkms_wire::signature::SIGNATURE_BYTES;

/// The part of a cluster file that concerns clients of one host chain.
#[derive(Clone, Debug)]
pub struct Trust {
    pub(crate) committee: Committee,
    /// In party order.
    pub(crate) signers: Vec<Address>,
    pub(crate) context: ContextId,
    pub(crate) gateway: GatewayDomain,
    pub(crate) host: HostChain,
    pub(crate) public_key_digest: B256,
    pub(crate) crs_digest: B256,
}

impl Trust {
    /// From a cluster file that was read, for one of its chains.
    ///
    /// # Errors
    /// [`Error::UnknownChain`].
    pub fn from_cluster(cluster: &Cluster, chain_id: u64) -> Result<Self> {
        let host = cluster.chains.iter().find(|chain| chain.chain_id == chain_id);
        Ok(Self {
            committee: cluster.size()?,
            signers: cluster.committee.iter().map(|node| node.signer).collect(),
            context: cluster.context,
            gateway: cluster.gateway,
            host: host.ok_or(Error::UnknownChain(chain_id))?.clone(),
            public_key_digest: cluster.key.public_key_digest,
            crs_digest: cluster.key.crs_digest,
        })
    }

    /// Compares the file with the contracts: an old file would only produce answers that the chain refuses.
    ///
    /// # Errors
    /// [`Error::Chain`] naming what differs.
    pub async fn compare_with_chain(&self, rpc: &tkms_eth::Rpc) -> Result<()> {
        let failed = |error: tkms_eth::RpcError| Error::Chain(error.to_string());
        let latest = Default::default();
        let (kms, input) = (self.host.contracts.kms_verifier, self.host.contracts.input_verifier);
        let signers = tkms_eth::view(rpc, kms, &IKMSVerifier::getKmsSignersCall {}, latest).await.map_err(failed)?;
        differs("committee.signer", signers == self.signers)?;
        let domain = tkms_eth::view(rpc, kms, &IKMSVerifier::eip712DomainCall {}, latest).await.map_err(failed)?;
        differs("gateway.chainId", domain.chainId == alloy_primitives::U256::from(self.gateway.chain_id))?;
        differs("gateway.decryption", domain.verifyingContract == self.gateway.decryption)?;
        let call = IInputVerifier::getCoprocessorSignersCall {};
        let mut members = tkms_eth::view(rpc, input, &call, latest).await.map_err(failed)?;
        members.sort();
        differs("chains.coprocessors.members", members == self.host.coprocessors.members)
    }

    /// The host chain.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.host.chain_id
    }

    /// The committee.
    #[must_use]
    pub const fn committee(&self) -> Committee {
        self.committee
    }

    /// The party whose signer this is.
    pub(crate) fn party_of(&self, signer: Address) -> Option<PartyId> {
        self.committee.parties().find(|party| self.signers.get(party.index()) == Some(&signer))
    }

    pub(crate) fn check_handles(&self, handles: &[Handle]) -> Result<()> {
        let limit = tkms_types::limits::REQUEST_HANDLES;
        if handles.is_empty() || handles.len() > limit {
            return Err(Error::Count { found: handles.len(), limit });
        }
        for handle in handles {
            handle.check()?;
            if handle.chain_id() != self.chain_id() {
                let (found, expected) = (handle.chain_id(), self.chain_id());
                return Err(Error::OtherChain { handle: handle.0, found, expected });
            }
        }
        Ok(())
    }
}

fn differs(field: &str, equal: bool) -> Result<()> {
    if equal { Ok(()) } else { Err(Error::Chain(format!("the cluster file's {field} is not what the contracts say"))) }
}

/// The first `need` signatures of distinct members, with their signers. Others are left out: contracts refuse a proof with a stranger's.
pub(crate) fn quorum(
    what: &'static str,
    digest: B256,
    signatures: impl Iterator<Item = impl AsRef<[u8]>>,
    members: &[Address],
    need: usize,
) -> Result<Vec<(Address, [u8; SIGNATURE_BYTES])>> {
    let mut valid: Vec<(Address, [u8; SIGNATURE_BYTES])> = Vec::with_capacity(need);
    for signature in signatures {
        let Ok(bytes) = <[u8; SIGNATURE_BYTES]>::try_from(signature.as_ref()) else { continue };
        let Some(signer) = recover(digest, &bytes) else { continue };
        let new = members.contains(&signer) && valid.iter().all(|(known, _)| *known != signer);
        if new && valid.len() < need {
            valid.push((signer, bytes));
        }
    }
    if valid.len() < need {
        return Err(Error::Quorum { what, found: valid.len(), need });
    }
    Ok(valid)
}
