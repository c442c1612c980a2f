//! A node that cheats in its runs: what it says in rounds is changed on the way out, everything else is honest.

use std::sync::Arc;
use tkms_kms_node::node::WrapTransport;
use tkms_kms_node::rounds::Stand;
use tkms_kms_node::transport::{Inbound, PeerMessage, PeerState, RoundFrame, SharedKeys, Transport, TransportError};
use tkms_types::{PartyId, SessionId};
use tkms_wire::kms;

/// What a frame becomes on its way to a peer; nothing is silence.
type Change = fn(PartyId, RoundFrame) -> Option<RoundFrame>;

/// The real transport with other frames.
pub struct Tampering {
    real: Arc<dyn Transport>,
    change: Change,
}

impl Tampering {
    pub fn with(change: Change) -> WrapTransport {
        Box::new(move |real| Arc::new(Self { real, change }))
    }
}

#[tonic::async_trait]
impl Transport for Tampering {
    fn send(&self, to: PartyId, message: PeerMessage) -> Result<(), TransportError> {
        self.real.send(to, message)
    }

    async fn recv(&self) -> Option<Inbound> {
        self.real.recv().await
    }

    async fn pull_request(
        &self,
        from: PartyId,
        session: SessionId,
    ) -> Result<Option<kms::PublicDecryptRequest>, TransportError> {
        self.real.pull_request(from, session).await
    }

    async fn pull_message(&self, from: PartyId, session: SessionId) -> Result<Option<PeerMessage>, TransportError> {
        self.real.pull_message(from, session).await
    }

    fn speak(&self, to: PartyId, frame: RoundFrame) -> Result<(), TransportError> {
        match (self.change)(to, frame) {
            Some(frame) => self.real.speak(to, frame),
            None => Ok(()),
        }
    }

    async fn meet(&self, to: PartyId, stand: Stand) -> Result<Stand, TransportError> {
        self.real.meet(to, stand).await
    }

    async fn pull_mask_keys(&self, from: PartyId, setup: SessionId) -> Result<Option<SharedKeys>, TransportError> {
        self.real.pull_mask_keys(from, setup).await
    }

    fn peers(&self) -> Vec<PeerState> {
        self.real.peers()
    }
}
