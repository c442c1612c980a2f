//! Who the node is and how it is.

use crate::background::Background;
use crate::engine::Engine;
use crate::transport::Transport;
use alloy_primitives::{Address, B256};
use bytes::Bytes;
use std::sync::Arc;
use tkms_types::{Cluster, Committee, HeaderTrustKind, HostChain, PartyId};
use tkms_wire::kms::{self, InfoReply};

/// Who the node is and how it is, for `Info` and `readyz`.
pub struct Health {
    pub(crate) party: PartyId,
    pub(crate) committee: Committee,
    pub(crate) signer: Address,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) cluster_hash: B256,
    pub(crate) engine: Engine,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) background: Arc<Background>,
}

impl Health {
    /// Mask keys and stock.
    #[must_use]
    pub fn background(&self) -> &Background {
        &self.background
    }

    /// Why this node cannot serve; empty if it can.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.engine.not_ready();
        reasons.extend(self.background.not_ready());
        let quorum = self.committee.threshold().quorum();
        let peers = self.transport.peers();
        let up = 1 + peers.iter().filter(|peer| peer.connected).count();
        if up < quorum {
            let down = peers.iter().filter(|peer| !peer.connected).map(|peer| peer.party.to_string());
            let down = down.collect::<Vec<_>>().join(", ");
            reasons.push(format!("{up} of {quorum} nodes needed are up; not reached: {down}"));
        }
        reasons
    }

    fn host(&self, host: &HostChain) -> kms::HostStatus {
        let state = self.engine.host_state(host.chain_id);
        let newest = state.history.newest;
        kms::HostStatus {
            chain_id: host.chain_id,
            trust: trust_name(host.trust).to_owned(),
            newest_number: newest.map_or(0, |mark| mark.number),
            newest_time: newest.map_or(0, |mark| mark.time),
            halted: state.halted.unwrap_or_default(),
        }
    }

    /// The reply of `Info`.
    pub fn info(&self) -> InfoReply {
        let not_ready_reasons = self.not_ready();
        let bytes = |id: B256| Bytes::copy_from_slice(id.as_slice());
        let sessions = self.engine.decryptor();
        let (items, target) = self.background.level();
        let blamed = sessions.blames().into_iter().chain(self.background.hub().blames());
        let peers = self.transport.peers().into_iter().map(|peer| kms::PeerHealth {
            party: peer.party.number().into(),
            connected: peer.connected,
            detail: peer.detail,
        });
        InfoReply {
            party: self.party.number().into(),
            signer: Bytes::copy_from_slice(self.signer.as_slice()),
            cluster_hash: bytes(self.cluster_hash),
            context: bytes(self.cluster.context.bytes()),
            epoch: bytes(self.cluster.epoch.bytes()),
            key_id: bytes(self.cluster.key.id.bytes()),
            key_state: self.engine.key_state().map_or_else(|refusal| refusal.to_string(), |state| state.to_string()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sessions_running: sessions.running() as u64,
            requests_waiting: self.engine.waiting() as u64,
            sessions_computed: sessions.computed(),
            peers: peers.collect(),
            blamed: blamed.map(|blame| (&blame).into()).collect(),
            ready: not_ready_reasons.is_empty(),
            not_ready_reasons,
            hosts: self.cluster.chains.iter().map(|host| self.host(host)).collect(),
            phase: self.background.phase(),
            stock: vec![kms::StockLevel { kind: "exact".to_owned(), items, target }],
        }
    }
}

/// As the cluster file has it.
pub(crate) const fn trust_name(trust: HeaderTrustKind) -> &'static str {
    match trust {
        HeaderTrustKind::Attesters => "attesters",
        HeaderTrustKind::Qbft => "qbft",
        HeaderTrustKind::Ibft2 => "ibft2",
        HeaderTrustKind::Rpc => "rpc",
    }
}
