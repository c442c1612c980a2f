//! A transport between a node and its peers that looks at what the node says, alters it, or loses it.

use std::sync::Arc;
use tkms_kms_node::node::WrapTransport;
use tkms_kms_node::rounds::Stand;
use tkms_kms_node::transport::{
    Event, Inbound, PeerMessage, PeerState, RoundFrame, SharedKeys, Transport, TransportError,
};
use tkms_types::{PartyId, SessionId};
use tkms_wire::kms;
use tokio::sync::oneshot;

type Bend = dyn Fn(PeerMessage) -> Option<PeerMessage> + Send + Sync;
/// What a frame becomes on its way to a peer; nothing is silence.
type BendFrame = fn(PartyId, RoundFrame) -> Option<RoundFrame>;

struct Bent {
    real: Arc<dyn Transport>,
    bend: Arc<Bend>,
    bend_frame: BendFrame,
}

/// Everything the node sends, unasked or asked for, goes through `bend`.
pub fn bent(bend: impl Fn(PeerMessage) -> Option<PeerMessage> + Send + Sync + 'static) -> WrapTransport {
    let bend: Arc<Bend> = Arc::new(bend);
    Box::new(|real| Arc::new(Bent { real, bend, bend_frame: |_, frame| Some(frame) }))
}

/// What the node says in rounds goes through `bend_frame`; everything else is honest.
pub fn bent_frames(bend_frame: BendFrame) -> WrapTransport {
    Box::new(move |real| Arc::new(Bent { real, bend: Arc::new(Some), bend_frame }))
}

#[tonic::async_trait]
impl Transport for Bent {
    fn send(&self, to: PartyId, message: PeerMessage) -> Result<(), TransportError> {
        match (self.bend)(message) {
            Some(message) => self.real.send(to, message),
            None => Ok(()),
        }
    }

    async fn recv(&self) -> Option<Inbound> {
        let Inbound { from, event } = self.real.recv().await?;
        let Event::WantsMessage(session, answer) = event else { return Some(Inbound { from, event }) };
        let (ours, found) = oneshot::channel::<Option<PeerMessage>>();
        let bend = Arc::clone(&self.bend);
        tokio::spawn(async move { answer.send(found.await.unwrap_or_default().and_then(|message| bend(message))) });
        Some(Inbound { from, event: Event::WantsMessage(session, ours) })
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
        match (self.bend_frame)(to, frame) {
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
